#!/usr/bin/env bash
# Set-up, build, and the main job: the posterior of the influenza epidemic in a boarding school in 1978.
#   jobscripts/demo.sh [-key value ...]      keys of inputs/flu/flu.yaml, such as -simulate_budget 20000
# stdout is the job's result (YAML); everything else goes to stderr. Figures and files go to results/flu.
# Cost: the job takes at most 3 minutes on 2 cores and under 1 GB; the first build a minute or two, set-up some minutes
# on a machine that has nothing.
#
# RHEO_JOBS        compilations side by side      (number of cores)
# RHEO_RANKS       MPI ranks of the job           (2; any number gives the same result)
# RHEO_BUILD_TYPE  Release, Debug or Sanitize     (Release)
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs=${RHEO_JOBS:-$(nproc)}
ranks=${RHEO_RANKS:-2}
say() { echo "demo: $*" >&2; }
for number in "$jobs" "$ranks"; do
  case $number in
    '' | *[!0-9]* | 0) say "RHEO_JOBS and RHEO_RANKS must be whole numbers from 1, got $number"; exit 2 ;;
  esac
done

bash jobscripts/setup.sh
say "building in $PWD/build"
log=build/demo.log
mkdir -p build
if ! { cmake -S . -B build -DCMAKE_BUILD_TYPE="${RHEO_BUILD_TYPE:-Release}" &&
  cmake --build build -j "$jobs" --target app_rheo; } >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  say "the build failed; all of its output is in $PWD/$log"
  exit 1
fi

# Fewer cores than ranks, a container that forbids reading another process's memory, root: none of these is in the way.
export OMPI_MCA_btl_vader_single_copy_mechanism=none
if [ "$(nproc)" -lt "$ranks" ]; then
  export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
fi
if [ "$(id -u)" = 0 ]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

say "mpiexec -n $ranks build/bin/rheo infer inputs/flu/flu.yaml -output results/flu $*"
start=$SECONDS
status=0
mpiexec -n "$ranks" build/bin/rheo infer inputs/flu/flu.yaml -output results/flu "$@" </dev/null || status=$?
if [ $status != 0 ]; then
  say "the job ended with status $status"
  exit $status
fi
say "done in $((SECONDS - start)) s; above: mean, sd and 95 % interval of each parameter. In $PWD:"
find results/flu -type f ! -name '.*' | sort | sed 's/^/  /' >&2
if [ -n "$(find results/flu -name '*.png' -o -name '*.pdf' -o -name '*.svg')" ]; then
  say "the figures are the files that end in .png, .pdf or .svg; inputs/flu/README.md says what to expect"
else
  say "there are no figures: is gnuplot installed?"
fi
