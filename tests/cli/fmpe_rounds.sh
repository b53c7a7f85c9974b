# Rounds of truncation with a continuous estimator: each cuts the prior to where the samples of the last one lie, the last model keeps
# to what is left, and nothing depends on the number of ranks.
set -u
# shellcheck source=tests/support/cli.sh
. "$RHEO_SOURCE/tests/support/cli.sh"

cat > deck.yaml << 'DECK'
seed: 5
estimator: fmpe
simulator: {type: two_moons}
prior:
  theta1: {family: uniform, lower: -1, upper: 1}
  theta2: {family: uniform, lower: -1, upper: 1}
truncate: {rounds: 2, n: 2000, epochs: 30}
simulate: {n: 2000}
train: {batch: 100, epochs: 10, shards: 2, lr: 5e-3}
cnf: {net: {type: mlp, hidden: 32, layers: 2}, time: raw}
observation: {values: [0.1, -0.2]}
sample: {n: 501}
check: {simulations: 20, samples: 19, bins: 4, predictive: 20}
plot: {figures: no}
DECK
for ranks in 1 2; do
  good $ranks mpi $ranks "$rheo" infer deck.yaml -output out
  mv out of$ranks
done
for file in model samples; do cmp of1/$file.h5 of2/$file.h5 || fail "$file.h5 depends on the number of ranks"; done
cmp <(grep -v samples_per_s 1.out) <(grep -v samples_per_s 2.out) || fail "results depend on the number of ranks"

# Both rounds say what they cut: of (-1, 1), and the second of what the first has left
sed -n 's/.*truncated: \(theta.\) to \[\(.*\), \(.*\)\], .*/\1 \2 \3/p' 1.err > cuts
cat cuts
[ "$(wc -l < cuts)" = 4 ] || fail "not two rounds of two parameters"
awk 'BEGIN { lower["theta1"] = lower["theta2"] = -1; upper["theta1"] = upper["theta2"] = 1 }
  !($2 > lower[$1] && $3 < upper[$1]) { bad = 1 }
  { lower[$1] = $2; upper[$1] = $3 }
  END { exit bad }' cuts || fail "a round did not cut"

# The files are of what is left: their deck has it, and so have the samples
"$rheo" info of1/model.h5 > model.out
tail -2 cuts | while read -r name lower upper; do
  grep -A3 "^    $name:" model.out | grep -q "lower: ${lower:0:6}" || echo "the deck of $name has another lower end"
  awk -v name="$name:" -v lower="$lower" -v upper="$upper" '$1 ~ /:/ && !/^    / { here = $1 == name }
    here && ($1 == "q025:" && $2 <= lower || $1 == "q975:" && $2 >= upper) { print "samples of", name, "end at", $2 }' 1.out
done > ends
[ ! -s ends ] || fail "$(cat ends)"
[ $failed -eq 0 ] && echo "rounds cut the prior to what is left"
exit $failed
