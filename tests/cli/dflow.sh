# Steered samples as a user gets them: moons with one coordinate fixed end on the moons, on both of them, the same on any number of
# ranks; posteriors; and every mistake, answered with one line and status 2.
# timeout: 300
set -u
# shellcheck source=tests/support/cli.sh
. "$RHEO_SOURCE/tests/support/cli.sh"
# value FILE SECTION KEY
value() { sed -n "/^ *$2:/,\$s/^ *$3: //p" "$1" | head -1; }
# between FILE SECTION KEY LEAST MOST
between() {
  value "$1" "$2" "$3" | awk -v l="$4" -v m="$5" 'NF && $1 + 0 >= l && $1 + 0 <= m { ok = 1 } END { exit !ok }' ||
    fail "$1: $2 $3 is $(value "$1" "$2" "$3"), not in [$4, $5]"
}

cat > moons.yaml << 'DECK'
target: {toy: moons, n: 10k}
cnf: {net: {type: mlp, hidden: 48, layers: 3, activation: silu}, coupling: exact, solve: {scheme: rk4, steps: 6}}
train: {batch: 256, steps: 2500, epochs: 1000, lr: 5e-3, schedule: cosine, patience: 0}
sample: {n: 60}
DECK
good train mpi 2 "$rheo" train moons.yaml -output m -plot_figures no
good one "$rheo" sample m/model.h5 -dflow_fix "x1 = 0.8" -output s1
good two mpi 2 "$rheo" sample m/model.h5 -dflow_fix "x1 = 0.8" -output s2
cmp s1/samples.h5 s2/samples.h5 || fail "two ranks steer to other samples than one"
diff one.out <(sed 's/s2/s1/' two.out) > /dev/null || fail "two ranks print something else than one"
between one.out x1 mean 0.79 0.81
between one.out x1 sd 0.002 0.03
between one.out x2 sd 0.3 0.7
between one.out dflow misfit_before 100 inf
between one.out dflow misfit_after 0 0.1
between one.out dflow failed 0 0
between one.out dflow unconverged 0 3
if command -v h5dump > /dev/null; then
  h5dump -y -w 1 -d /parameters s1/samples.h5 | sed -n '/DATA {/,/}/p' | grep -Eo '^ *-?[0-9][-+.0-9e]*' | paste - - > points
  awk 'NF == 2 { u = sqrt($1^2 + $2^2) - 1; v = sqrt(($1 - 1)^2 + ($2 - 0.5)^2) - 1
         up = $2 > 0 && u^2 < 0.04; low = $2 < 0.5 && v^2 < 0.04; n++; ups += up; lows += !up && low }
       END { print n, ups, lows; exit !(n == 60 && ups + lows >= 0.7 * n && ups >= 6 && lows >= 6) }' points > counts ||
    fail "points, on the upper, on the lower moon: $(cat counts)"
fi
good plain "$rheo" sample m/model.h5 -output p
grep -q dflow: plain.out && fail "dflow without being asked"
between plain.out x1 sd 0.6 1.2
good unasked "$rheo" sample m/model.h5 -dflow_fix "" -output p
cmp plain.out unasked.out || fail "to fix nothing is not to sample plainly"
# What no number can express is no crash
"$rheo" sample m/model.h5 -sample_n 5 -dflow_fix "x1 = 1e30" -output none > out 2> err
status=$?
[ $status -eq 1 ] && [ "$(grep -c 'rheo: error:' err)" -eq 1 ] && grep -q 'none of the 5 samples' err || fail "x1 = 1e30: status $status: $(cat err)"
good exact "$rheo" sample m/model.h5 -sample_n 10 -dflow_prior 0 -dflow_fix "x1 = 0.8, x1 + 2 * x2 = 1.8" -dflow_sd 0.001 -output e
between exact.out x1 mean 0.799 0.801
between exact.out x2 mean 0.499 0.501
between exact.out x2 sd 0 0.001
good listed "$rheo" info s1/samples.h5

expect "dflow_fix.*there is no 'x3'.*x1, x2" "$rheo" sample m/model.h5 -dflow_fix "x3 = 1" -output bad
expect "dflow_fix.*'x1 = 0.5' and '2 x1 = 1.8' contradict" "$rheo" sample m/model.h5 -dflow_fix "x1 = 0.5, 2 x1 = 1.8" -output bad
good twice "$rheo" sample m/model.h5 -sample_n 5 -dflow_fix "x1 = 0.5, x1 = 0.51" -output e
grep -q 'do not fulfil' *.err && fail "samples that fulfil what they should are warned of"
good far "$rheo" sample m/model.h5 -sample_n 5 -dflow_fix "x1 = 0.5, x2 = 30" -output e
[ "$(grep -c 'warning: 5 of 5 samples do not fulfil dflow.fix: .*; the worst, number [0-4], by [0-9]' far.err)" -eq 1 ] || fail "no warning: $(cat far.err)"
expect 'dflow_fix.*not a number' "$rheo" sample m/model.h5 -dflow_fix "x1 = one" -output bad
expect 'dflow_fix.*NAME = VALUE' "$rheo" sample m/model.h5 -dflow_fix "x1" -output bad
expect 'dflow.fix.*missing' "$rheo" sample m/model.h5 -dflow_sd 0.1 -output bad
expect 'dflow_sd' "$rheo" sample m/model.h5 -dflow_fix "x1 = 1" -dflow_sd 0 -output bad
expect 'dflow_prior' "$rheo" sample m/model.h5 -dflow_fix "x1 = 1" -dflow_prior -1 -output bad
# Searches solve as samples are solved
good coarse "$rheo" sample m/model.h5 -sample_n 10 -dflow_fix "x1 = 0.8" -dflow_sd 0.001 -cnf_solve_steps 2 -ts_rk_type euler -output e
between coarse.out x1 mean 0.798 0.802
between coarse.out dflow misfit_after 0 0.1
expect 'command line: -ts_adapt_safety = 0.5: .*not for steered samples.*cnf.solve' "$rheo" sample m/model.h5 -dflow_fix "x1 = 1" -ts_adapt_safety 0.5 -output bad
expect 'command line: -ts_type = bdf: .*not for steered samples' "$rheo" sample m/model.h5 -dflow_fix "x1 = 1" -ts_type bdf -output bad
expect 'command line: -tao_type = nls: .*gradients only' "$rheo" sample m/model.h5 -dflow_fix "x1 = 1" -tao_type nls -output bad
expect 'command line: -tao_ls_type = foo: PETSc does not take this' "$rheo" sample m/model.h5 -dflow_fix "x1 = 1" -tao_ls_type foo -output bad
expect 'dflow.*fix' "$rheo" sample m/model.h5 -dflow_fixed "x1 = 1" -output bad
sed 's/^cnf:.*/flow: {repeat: 1, net: {hidden: 8}}/; s/steps: 2500/steps: 5/' moons.yaml > flow.yaml
good flow "$rheo" train flow.yaml -output f -plot_figures no
expect 'continuous' "$rheo" sample f/model.h5 -dflow_fix "x1 = 1" -output bad

# A posterior
cat > normal.yaml << 'DECK'
estimator: fmpe
simulator: {type: gaussian_linear}
observation: {values: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}
simulate: {n: 2000}
cnf: {net: {type: mlp, hidden: 32, layers: 2}, solve: {scheme: rk4, steps: 6}}
train: {batch: 100, steps: 200, shards: 2}
sample: {n: 20}
plot: {figures: no}
DECK
good simulate "$rheo" simulate normal.yaml -output g
good posterior "$rheo" train normal.yaml -output g
name=$("$rheo" sample g/model.h5 -output g0 2> /dev/null | sed -n '2s/^ *\(.*\):$/\1/p')
good fixed "$rheo" sample g/model.h5 -dflow_fix "$name = 0.5" -dflow_sd 0.001 -output g1
good fixed2 mpi 2 "$rheo" sample g/model.h5 -dflow_fix "$name = 0.5" -dflow_sd 0.001 -output g2
between fixed.out "$name" mean 0.495 0.505
cmp g1/samples.h5 g2/samples.h5 || fail "two ranks steer a posterior to other samples than one"
# Densities of rows that choose their steps as a group
adaptive="-cnf_solve_steps 0 -cnf_solve_scheme tsit5"
good whole "$rheo" sample g/model.h5 -dflow_fix "$name = 0.5" $adaptive -output g3
good parts mpi 2 "$rheo" sample g/model.h5 -dflow_fix "$name = 0.5" $adaptive -output g4
cmp g3/samples.h5 g4/samples.h5 || fail "two ranks give steered samples other densities than one"
# What cannot be steered is no sample, though where it began can be followed
unsteered=
for most in 6 8 9 10 11 12 13 14 16 20; do
  [ -z "$unsteered" ] || continue
  "$rheo" sample m/model.h5 -sample_n 30 -dflow_fix "x1 = 0.8" $adaptive -cnf_solve_most $most -output l > lost.out 2> lost.err || continue
  unsteered=$(sed -n 's/^  failed: //p' lost.out)
  [ "$unsteered" != 0 ] || unsteered=
done
[ -n "$unsteered" ] || fail "no run steered some samples only"
[ "$(sed -n 's/^failed: //p' lost.out)" -ge "${unsteered:-31}" ] || fail "$unsteered samples were not steered, and yet are samples"
expect 'command line: -tao_max_it = abc: PETSc does not take this' "$rheo" sample g/model.h5 -tao_max_it abc -output bad
expect "there is no 'nobody'" "$rheo" sample g/model.h5 -dflow_fix "nobody = 0.5" -output bad

[ $failed -eq 0 ] && echo "steered samples do what their users rely on"
exit $failed
