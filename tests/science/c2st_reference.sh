# C2ST of `rheo check` against scikit-learn's, case by case: within 0.01 where folds and starts are averaged over.
# timeout: 400
set -eu
if ! python3 -c 'import sklearn' 2>/dev/null && ! /usr/bin/python3 -c 'import sklearn' 2>/dev/null; then
  echo "skipped: no scikit-learn (Debian: python3-sklearn)"
  exit 0
fi
python=python3
python3 -c 'import sklearn' 2>/dev/null || python=/usr/bin/python3
for case in same shift rotated heavy; do
  want=$("$python" "$RHEO_SOURCE/tests/science/c2st_reference.py" $case x.csv y.csv)
  got=$(for seed in 1 2 3; do "$RHEO_BIN/rheo" check y.csv -check_reference x.csv -seed $seed 2>/dev/null | sed -n 's/^c2st: //p'; done |
    awk '{s += $1} END {printf "%.4f", s / NR}')
  echo "$case: scikit-learn $want, rheo $got"
  awk -v a="$want" -v b="$got" 'BEGIN {d = a - b; if (d < 0) d = -d; exit !(b > 0 && d <= 0.01)}' || { echo "differ by more than 0.01"; exit 1; }
done
