# The library as others link it: installed into a folder of its own, then moved, it builds and runs a program that lies
# elsewhere, through find_package(Rheo) and through pkg-config; its headers can be included one by one.
# The same for the other way to build it: static, portable, without optimisation, by clang where there is one.
# timeout: 600
set -eu
if [ "$RHEO_BUILD_TYPE" = Sanitize ]; then
  echo "skipped: a program that links this library needs the sanitizer's flags as well"
  exit 77
fi
fail() { echo "FAILED: $*" >&2; exit 1; }
quiet() { "$@" >log 2>&1 || { cat log; fail "$*"; }; }
here=$PWD

mkdir user
if [ -e "$RHEO_SOURCE/src/rheo.h" ]; then header=rheo.h; else header=base/error.h; fi
cat >user/user.c <<END
#include <$header>
int main(int argc, char **argv)
{
  PetscErrorCode code = RheoInitialize(&argc, &argv);
  if (!code) code = PetscPrintf(PETSC_COMM_WORLD, "linked\n");
  if (!code) code = RheoFinalize();
  return RheoExitStatus(code);
}
END
cat >user/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.20)
project(User LANGUAGES C)
find_package(Rheo 0.1 REQUIRED)
add_executable(user user.c)
target_link_libraries(user PRIVATE Rheo::rheo)
END

# Every installed header stands on its own: what it includes was installed too.
headers_stand_alone() { # prefix
  (cd "$1/include/rheo" && find . -name '*.h' ! -name '*_here.h') >headers
  [ -s headers ] || fail "no header was installed"
  flags="${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror $(pkg-config --cflags rheo)"
  export flags
  quiet xargs -a headers -P "$(nproc)" -I{} sh -c 'echo "#include <{}>" | $flags -x c -fsyntax-only -'
}

use_it() { # build folder, prefix
  quiet "$RHEO_CMAKE" --install "$1" --prefix "$here/first"
  rm -rf "$2"
  mv first "$2"
  PKG_CONFIG_PATH=$(dirname "$(find "$2" -name rheo.pc)")
  export PKG_CONFIG_PATH
  headers_stand_alone "$2"

  rm -rf through_cmake
  quiet "$RHEO_CMAKE" -S user -B through_cmake -DCMAKE_PREFIX_PATH="$2"
  quiet "$RHEO_CMAKE" --build through_cmake
  [ "$(through_cmake/user)" = linked ] || fail "the program built through find_package(Rheo) does not run"

  # shellcheck disable=SC2046
  quiet "${CC:-cc}" -std=c11 user/user.c -o through_pkg_config $(pkg-config --cflags --libs rheo) \
    -Wl,-rpath,"$(dirname "$PKG_CONFIG_PATH")"
  [ "$(./through_pkg_config)" = linked ] || fail "the program built through pkg-config does not run"

  for program in "$2"/bin/*; do
    [ -x "$program" ] || continue
    if ldd "$program" | grep "not found"; then fail "$program does not find its libraries"; fi
    if readelf -d "$program" | grep -E 'R(UN)?PATH' | grep -F "$1"; then fail "$program looks into the build folder"; fi
  done
}

echo "--- this build"
use_it "$RHEO_BUILD" "$here/prefix"
sed 's/Rheo 0.1/Rheo 99/' user/CMakeLists.txt >changed
mkdir other
mv changed other/CMakeLists.txt
if "$RHEO_CMAKE" -S other -B wrong_version -DCMAKE_PREFIX_PATH="$here/prefix" >log 2>&1; then
  fail "find_package(Rheo 99) is content with this version"
fi
grep -q RheoConfig.cmake log || { cat log; fail "find_package(Rheo 99) does not say which version it found"; }

if command -v clang >/dev/null; then export CC=clang; fi
echo "--- static, portable, Debug, ${CC:-cc}"
quiet "$RHEO_CMAKE" -S "$RHEO_SOURCE" -B static -DBUILD_SHARED_LIBS=OFF -DRHEO_NATIVE=OFF -DRHEO_TESTS=OFF \
  -DRHEO_WERROR=ON -DCMAKE_BUILD_TYPE=Debug
if grep -rq -e -march=native static/CMakeFiles/rheo.dir; then fail "RHEO_NATIVE=OFF still tunes for this processor"; fi
quiet "$RHEO_CMAKE" --build static -j 2
use_it static "$here/prefix_static"
if ldd through_cmake/user through_pkg_config | grep librheo; then fail "the static library is not static"; fi
