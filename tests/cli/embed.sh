# Hosts that have Rheo in them: the examples of inputs/embed, in C and in Fortran, built elsewhere against an installed Rheo, and
# a host that looks after every call whether all is still as it has set it.
# timeout: 300
set -eu
if [ "$RHEO_BUILD_TYPE" = Sanitize ]; then
  echo "skipped: a program that links this library needs the sanitizer's flags as well"
  exit 77
fi
fail() { echo "FAILED: $*" >&2; exit 1; }
quiet() { "$@" >log 2>&1 || { cat log; fail "$*"; }; }
run() { n=$1; shift; "$RHEO_MPIEXEC" -n "$n" "$@"; }

quiet "$RHEO_CMAKE" --install "$RHEO_BUILD" --prefix "$PWD/prefix"
quiet "$RHEO_CMAKE" -S "$RHEO_SOURCE/inputs/embed" -B hosts -DCMAKE_PREFIX_PATH="$PWD/prefix"
quiet "$RHEO_CMAKE" --build hosts
deck=$RHEO_SOURCE/inputs/embed/decay.yaml

# close NAME VALUE MORE TEXT: the line NAME of TEXT has a mean within MORE of VALUE.
close() {
  echo "$4" | sed -n "s/^$1: {mean: \([0-9.]*\),.*/\1/p" | awk -v v="$2" -v d="$3" '
    { n++; if ($1 - v > d || v - $1 > d) bad = 1 } END { exit bad || n != 1 }' ||
    fail "the mean of $1 is not within $3 of $2: $4"
}

echo "--- C"
[ "$(run 2 hosts/host simulate data.h5)" = "simulations: 4000" ] || fail "host simulate says something else"
run 1 hosts/host simulate one.h5 >/dev/null
cmp data.h5 one.h5 || fail "the data set depends on the number of ranks"
quiet "$RHEO_BIN/rheo" train "$deck" -output . # reads ./data.h5
[ "$(run 3 hosts/host train "$deck" fed.h5)" = "trained_on: 4000" ] || fail "host train says something else"
cmp model.h5 fed.h5 || fail "a model from simulations on the way is not that from the file"
answer=$(run 2 hosts/host ask model.h5 2>log) || { cat log; fail "host ask"; }
close amplitude 1 0.05 "$answer"
close rate 0.5 0.05 "$answer"
[ "$(echo "$answer" | wc -l)" = 2 ] || fail "something else is on stdout: $answer"
status=0
run 1 hosts/host ask nowhere.h5 >out 2>log || status=$?
[ $status = 1 ] && grep -q '^host: nowhere.h5: ' log || fail "a missing model: status $status, $(cat log)"

echo "--- Fortran"
if [ -x hosts/host_fortran ]; then
  [ "$(run 2 hosts/host_fortran simulate fortran.h5)" = "simulations: 4000" ] || fail "host_fortran simulate says something else"
  "$RHEO_BIN/rheo" info fortran.h5 2>/dev/null | grep -q amplitude || fail "rheo does not know what is in fortran.h5"
  fortran=$(run 2 hosts/host_fortran ask model.h5) || fail "host_fortran ask"
  [ "$fortran" = "$answer" ] || fail "Fortran gets $fortran, C $answer"
  status=0
  run 1 hosts/host_fortran ask nowhere.h5 >out 2>log || status=$?
  [ $status = 1 ] && grep -q '^host: nowhere.h5: ' log || fail "a missing model in Fortran: status $status, $(cat log)"
  # The module goes with a host's flags; integers of 8 bytes are a habit of old codes.
  if command -v gfortran >/dev/null; then
    for flags in "-std=f2008 -Wall -Wextra -Werror" "-fdefault-integer-8 -fdefault-real-8"; do
      quiet gfortran $flags -fsyntax-only "$PWD/prefix/$(cd prefix && find . -name rheo.f90)"
    done
  fi
else
  command -v gfortran >/dev/null && fail "gfortran is here and the Fortran host was not built: $(cat log)"
  echo "not tested: no Fortran compiler"
fi

echo "--- habits"
mkdir habits
cp "$RHEO_SOURCE"/tests/cli/embed_host.{c,f90} habits
cat >habits/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.20)
project(Habits LANGUAGES C)
find_package(Rheo 0.1 REQUIRED)
add_executable(embed_host embed_host.c)
target_compile_definitions(embed_host PRIVATE _GNU_SOURCE)
target_link_libraries(embed_host PRIVATE Rheo::rheo m)
include(CheckLanguage)
check_language(Fortran)
if(CMAKE_Fortran_COMPILER)
  enable_language(Fortran)
  find_package(MPI REQUIRED COMPONENTS Fortran)
  add_executable(embed_host_fortran ${Rheo_FORTRAN_MODULE} embed_host.f90)
  target_link_libraries(embed_host_fortran PRIVATE MPI::MPI_Fortran Rheo::rheo)
endif()
END
quiet "$RHEO_CMAKE" -S habits -B habits_built -DCMAKE_PREFIX_PATH="$PWD/prefix"
quiet "$RHEO_CMAKE" --build habits_built
if [ -x hosts/host_fortran ]; then
  [ "$(habits_built/embed_host_fortran model.h5 habits.h5)" = kept ] || fail "a host in Fortran"
fi
sed '/^flow:/d; s/epochs: 40/epochs: 2/' "$deck" >continuous.yaml
echo "estimator: fmpe
cnf: {net: {type: mlp, hidden: 16, layers: 2}}" >>continuous.yaml
quiet "$RHEO_BIN/rheo" train continuous.yaml -output continuous -data_file data.h5
for started in mpi petsc nothing; do
  for n in 1 2; do
    said=$(run $n habits_built/embed_host $started model.h5 continuous/model.h5 "$deck" habits) || fail "$n ranks of a host that started $started"
    [ "$said" = "$(for _ in $(seq $n); do echo kept; done)" ] || fail "$n ranks of a host that started $started: $said"
    "$RHEO_BIN/rheo" info habits.data.h5 >/dev/null || fail "a data set of such a host"
    [ $n = 1 ] || "$RHEO_BIN/rheo" info habits.model.h5 >/dev/null || fail "a model of such a host"
    rm habits.*
  done
done
