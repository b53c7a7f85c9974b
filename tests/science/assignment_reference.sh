# Totals of optimal assignments against SciPy's, over many kinds of costs.
# timeout: 200
set -eu
if [ "$RHEO_BUILD_TYPE" = Sanitize ] || [ ! -e "$RHEO_BUILD/librheo.so" ]; then
  echo "skipped: Python does not load this build of the library"
  exit 77
fi
for python in python3 /usr/bin/python3; do
  "$python" -c 'import scipy' 2>/dev/null || continue
  exec "$python" "$RHEO_SOURCE/tests/science/assignment_reference.py" "$RHEO_BUILD/librheo.so"
done
echo "skipped: no SciPy (Debian: python3-scipy)"
exit 77
