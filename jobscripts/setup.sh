#!/usr/bin/env bash
# Installs what Rheo needs and this machine lacks. Quick, and silent but for one line, where nothing is missing.
#   Debian, Ubuntu: the packages below, as root or through sudo where it asks for no password;
#   elsewhere, or without such rights: says what to install or to load, and ends with status 1 unless Rheo's own
#   configuration finds everything all the same (modules, Spack).
# With --slurm: what the test of the job scripts takes, and nothing else; a container only, and never a failure.
set -euo pipefail
shopt -s extglob

packages=(gcc gfortran libc6-dev make cmake pkg-config git petsc-dev libopenmpi-dev openmpi-bin libhdf5-openmpi-dev hdf5-tools
  libgsl-dev libopenblas-dev libdnnl-dev librandom123-dev libyaml-dev zlib1g-dev gnuplot-nox fonts-dejavu-core libcmocka-dev)
spack="openmpi petsc+mpi~complex hdf5+mpi gsl openblas onednn random123 libyaml zlib gnuplot cmocka cmake pkgconf"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
machine=${RHEO_SETUP_MACHINE:-} # another place for /, for the test of this script
say() { echo "setup: $*" >&2; }

# Does the configuration find everything? It is the one place that knows what is needed.
found_anyway() {
  command -v cmake >/dev/null && command -v mpiexec >/dev/null || return 1
  local probe status=0
  probe=$(mktemp -d)
  cmake -S "$root" -B "$probe" >"$probe/log" 2>&1 || status=1
  if [ $status = 0 ]; then
    say "the build finds all libraries, going on"
  else
    sed -n '/needs what is not here/,/jobscripts/{/jobscripts/!{/./p}}' "$probe/log" >&2
  fi
  rm -rf "$probe"
  return $status
}

# Daemons that a test starts by itself are not to become services of somebody's machine: so not where systemd runs, which
# would start and keep them. Without it they would be started once, but for the runlevel.
slurm_for_tests() {
  local -a slurm=(slurmctld slurmd slurm-client munge) privileged=()
  local get="apt-get -qq -o DPkg::Lock::Timeout=60 -o Acquire::Retries=0 -o Acquire::http::Timeout=20"
  local program here=1
  for program in sbin/slurmctld sbin/slurmd sbin/munged bin/sbatch; do [ -x "$machine/usr/$program" ] || here=0; done
  [ $here = 0 ] || return 0
  [ "$(id -u)" = 0 ] || privileged=(sudo -n)
  if [ -d "$machine/run/systemd/system" ] || ! command -v apt-get >/dev/null || ! "${privileged[@]}" true 2>/dev/null; then
    say "without Slurm its test is skipped (Debian: ${slurm[*]})"
    return
  fi
  say "installing ${slurm[*]} for a test"
  # Only the download is cut short: a package must not be left half installed.
  # shellcheck disable=SC2086
  fetch() { "${privileged[@]}" timeout 120 $get install -y --no-install-recommends --download-only "${slurm[@]}" >/dev/null 2>&1; }
  # shellcheck disable=SC2086
  if fetch || { "${privileged[@]}" timeout 60 $get update >/dev/null 2>&1 && fetch; } &&
    "${privileged[@]}" env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive $get install -y --no-install-recommends --no-download \
      "${slurm[@]}" >/dev/null 2>&1; then
    say "done"
  else
    say "they cannot be installed, and the test is skipped"
  fi
}
if [ "${1:-}" = --slurm ]; then
  slurm_for_tests
  exit 0
fi

missing=("${packages[@]}")
if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
  # dpkg-query fails where it does not know one of them, and tells of the others all the same.
  installed=" $( (dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null || true) |
    sed -n 's/^installed //p' | tr '\n' ' ')"
  missing=()
  for package in "${packages[@]}"; do
    [[ $installed == *" $package "* ]] || missing+=("$package")
  done
  if [ ${#missing[@]} = 0 ]; then
    say "nothing is missing"
    exit 0
  fi
  privileged=()
  if [ "$(id -u)" != 0 ]; then
    privileged=(sudo -n)
    if ! sudo -n true 2>/dev/null; then
      if found_anyway; then exit 0; fi
      say "packages are missing, and installing them takes an administrator. Run:"
      say "  sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}"
      exit 1
    fi
  fi
  apt() { "${privileged[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 "$@" >&2; }
  say "installing ${missing[*]}"
  apt update || say "the package lists could not be brought up to date, going on with those at hand"
  if apt install -y --no-install-recommends "${missing[@]}"; then
    say "done"
    exit 0
  fi
  if found_anyway; then exit 0; fi
  say "apt-get could not install ${missing[*]}; its messages are above"
  exit 1
fi

if found_anyway; then exit 0; fi
say "this is not a Debian machine. Load the modules of these, or install them with Spack, then run this again:"
say "  spack install $spack"
say "  spack load    ${spack//[+~]*([a-z])/}"
exit 1
