#!/usr/bin/env bash
# Set-up, build and all tests, with warnings as errors; then unit tests, and parallel ones that say so, again under the address
# and undefined behaviour sanitizers, in the same ctest summary. Exit status 0 only where everything built and passed.
#   tests/run.sh [-L LABEL] [--quick] [ctest's own options]
#     -L LABEL   only the tests of one label: unit, contract, parallel, science, cli
#     --quick    without the sanitizers
# RHEO_JOBS: compilations and tests side by side (number of cores).
# Builds in build/ and build-sanitize/. Takes less than 20 minutes on 2 cores.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs=${RHEO_JOBS:-$(nproc)}
label=
sanitize=yes
pass=()
while [ $# -gt 0 ]; do
  case $1 in
    -L) label=${2:?-L needs a label}; shift 2 ;;
    --quick) sanitize=no; shift ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) pass+=("$1"); shift ;;
  esac
done
case $label in
  '' | unit) ;;
  contract | parallel | science | cli) sanitize=no ;;
  *) echo "run.sh: -L must be unit, contract, parallel, science or cli, got $label" >&2; exit 2 ;;
esac
say() { echo "run.sh: $*" >&2; }

# build FOLDER TYPE TARGET: shows the log only where something is wrong.
build() {
  local log=$1/build.log
  say "building $1 ($2)"
  mkdir -p "$1"
  if ! { cmake -S . -B "$1" -DCMAKE_BUILD_TYPE="$2" -DRHEO_TESTS=ON -DRHEO_WERROR=ON &&
    cmake --build "$1" -j "$jobs" --target "$3"; } >"$log" 2>&1; then
    grep -E -A6 'error:|warning:|undefined reference|CMake Error|needs what' "$log" | head -n 100 || tail -n 60 "$log"
    say "$1 does not build; all of the output is in $PWD/$log"
    exit 1
  fi
}

# Ninja, where there is one, spares the work of hundreds of makes; a folder that is there keeps what it was made with.
if command -v ninja >/dev/null; then export CMAKE_GENERATOR=${CMAKE_GENERATOR:-Ninja}; fi
bash jobscripts/setup.sh
case $label in '' | cli) bash jobscripts/setup.sh --slurm ;; esac
build build Release all
trees="\"$PWD/build\""
if [ $sanitize = yes ]; then
  build build-sanitize Sanitize tests_sanitized
  trees="$trees \"$PWD/build-sanitize\""
fi

# One run of ctest over both builds, so that its closing lines count everything.
mkdir -p build/all
echo "subdirs($trees)" >build/all/CTestTestfile.cmake
export RHEO_CHECK_FORMAT=1
exec ctest --test-dir build/all --output-on-failure --no-tests=error -j "$jobs" ${label:+-L "^$label\$"} \
  -E '^sanitize\.more\.' "${pass[@]}"
