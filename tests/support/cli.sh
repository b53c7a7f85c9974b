# What scripts of tests/cli share that go on after a failure and count it; to be sourced: `. "$RHEO_SOURCE/tests/support/cli.sh"`. A script
# ends with status $failed.
rheo=$RHEO_BIN/rheo
failed=0
fail() { echo "FAILED: $*"; failed=1; }
# mpi RANKS COMMAND...
mpi() { "$RHEO_MPIEXEC" --oversubscribe -n "$@"; }

# good NAME COMMAND...: status 0, stdout in NAME.out, stderr in NAME.err
good() {
  local name=$1
  shift
  "$@" > "$name.out" 2> "$name.err" || { fail "$* (status $?)"; tail -5 "$name.err"; }
}

# expect PATTERN COMMAND...: status 2, no stdout, one line of error that matches the pattern
expect() {
  local pattern=$1 status lines
  shift
  timeout 60 "$@" > out 2> err
  status=$?
  lines=$(grep -c 'rheo: error:' err)
  if [ $status -ne 2 ] || [ -s out ] || [ "$lines" -ne 1 ] || ! grep -q -- "$pattern" err; then
    echo "FAILED: $*"
    echo "  status $status (wanted 2), $lines error lines (wanted 1), wanted /$pattern/, got:"
    sed 's/^/  | /' err out | head -20
    failed=1
  fi
}

is_yaml() {
  if command -v python3 > /dev/null && python3 -c 'import yaml' 2> /dev/null; then
    python3 -c 'import sys, yaml; assert isinstance(yaml.safe_load(open(sys.argv[1])), dict)' "$1" || fail "$1 is not YAML"
  fi
  # Without a YAML reader: block lines of `name: value`, and what is indented below `name: |`.
  ! grep -Evq '^ *[A-Za-z0-9_.*-]+:( .*)?$|^  ' "$1" || fail "$1 has lines that are no YAML"
}
# number FILE NAME: a line of that name, at whatever depth, has one
number() { grep -Eq "^ *$2: -?([0-9]+\.?[0-9]*(e[-+]?[0-9]+)?|\.inf)$" "$1" || fail "$1: $2 is not a number"; }
