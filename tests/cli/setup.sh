# What jobscripts/setup.sh asks a machine for, on machines of straw: apt-get, dpkg-query, sudo and id write down what they are
# called with, and nothing else is in the path.
set -eu
fail() { echo "FAILED: $*" >&2; cat out calls >&2; exit 1; }
setup=$RHEO_SOURCE/jobscripts/setup.sh
mkdir -p bin tools machine
bash=$(command -v bash)
for tool in env timeout sed tr grep mktemp dirname rm true; do ln -s "$(type -P $tool)" tools; done
straw() { # NAME SCRIPT
  printf '#!%s\n%s\n' "$bash" "$2" > "bin/$1"
  chmod +x "bin/$1"
}
straw id 'echo $USER_ID'
straw sudo '[ "$SUDO" = yes ] || exit 1; shift; echo "sudo: $*" >> "$CALLS"; exec "$@"'
# Fails where FAILS names one of its words, as often as that stands there.
straw apt-get 'echo "apt-get: $*" >> "$CALLS"
for word in "$@"; do
  for bad in $FAILS; do
    [ "$bad" != "$word" ] || [ "$(grep -c "apt-get:.* $word" "$CALLS")" -gt "${TIMES:-9}" ] || exit 100
  done
done'
straw dpkg-query 'for name; do case " $MISSING " in *" $name "*) ;; *) echo "installed $name" ;; esac; done; [ -z "$MISSING" ]'

# run STATUS OPTIONS: with USER_ID, SUDO, FAILS, MISSING; out and calls are what it said and asked for.
run() {
  local expected=$1 status=0
  shift
  : > calls
  env -i PATH="$PWD/bin:$PWD/tools" HOME=/ CALLS="$PWD/calls" RHEO_SETUP_MACHINE="$PWD/machine" USER_ID="${USER_ID:-0}" \
    SUDO="${SUDO:-no}" FAILS="${FAILS:-}" TIMES="${TIMES:-9}" MISSING="${MISSING:-}" "$bash" "$setup" "$@" > out 2>&1 || status=$?
  [ $status = "$expected" ] || fail "status $status, not $expected: $*"
}
says() { grep -q -- "$1" out || fail "does not say '$1'"; }
asks() { grep -q -- "$1" calls || fail "does not ask for '$1'"; }
asks_not() { ! grep -q -- "$1" calls || fail "asks for '$1'"; }
slurm='slurmctld slurmd slurm-client munge'

echo "--- packages"
run 0
says '^setup: nothing is missing$'
asks_not apt-get
MISSING="petsc-dev gnuplot-nox" run 0
says '^setup: installing petsc-dev gnuplot-nox$'
asks '^apt-get: .*update$'
asks '^apt-get: .*install -y --no-install-recommends petsc-dev gnuplot-nox$'
asks_not sudo
MISSING=petsc-dev USER_ID=1000 SUDO=yes run 0
asks '^sudo: .*apt-get .*install .*petsc-dev$'
MISSING=petsc-dev USER_ID=1000 run 1
says '^setup:   sudo apt-get update && sudo apt-get install --no-install-recommends petsc-dev$'
asks_not .
MISSING=petsc-dev FAILS=update run 0
says 'could not be brought up to date'
MISSING=petsc-dev FAILS=install run 1
says 'apt-get could not install petsc-dev'
straw cmake 'exit 0' && straw mpiexec ''
MISSING=petsc-dev FAILS=install run 0
says 'the build finds all libraries, going on'
MISSING=petsc-dev USER_ID=1000 run 0
asks_not .
rm bin/cmake
mv bin/apt-get .
run 1
says 'spack load .*petsc hdf5 gsl'
mv apt-get bin

echo "--- Slurm"
run 0 --slurm
says "^setup: installing $slurm for a test\$"
says '^setup: done$'
asks "^apt-get: .*--download-only $slurm\$"
asks "^apt-get: .*--no-download $slurm\$"
asks_not 'update\|sudo'
USER_ID=1000 SUDO=yes run 0 --slurm
asks "^sudo: timeout .*apt-get .*--download-only $slurm\$"
asks "^sudo: env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get .*--no-download $slurm\$"
says '^setup: done$'
USER_ID=1000 run 0 --slurm
says "^setup: without Slurm its test is skipped (Debian: $slurm)\$"
asks_not .
FAILS=--download-only TIMES=1 run 0 --slurm # lists that are out of date
[ "$(sed 's/.* \(update\|--download-only\|--no-download\).*/\1/' calls | tr '\n' ' ')" = '--download-only update --download-only --no-download ' ] ||
  fail "does not bring the lists up to date and try again"
says '^setup: done$'
for bad in --download-only --no-download '--download-only update'; do
  FAILS=$bad run 0 --slurm
  says '^setup: they cannot be installed, and the test is skipped$'
done
mkdir -p machine/run/systemd/system
run 0 --slurm
says 'without Slurm its test is skipped'
asks_not .
rmdir machine/run/systemd/system
for name in sbin/slurmctld sbin/slurmd sbin/munged bin/sbatch; do
  run 0 --slurm
  asks apt-get
  mkdir -p machine/usr/${name%/*}
  ln -s "$bash" machine/usr/$name
done
run 0 --slurm
[ ! -s out ] && [ ! -s calls ] || fail "all is there, and it does something"
echo "asked for what is missing and for nothing else"
