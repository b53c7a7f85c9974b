# Following a continuous flow as a user does it: mistakes in the deck's solver and in PETSc's options are one line and status 2, what
# PETSc prints is no result, lost samples are counted, and where none arrives the status says so.
# timeout: 300
set -u
# shellcheck source=tests/support/cli.sh
. "$RHEO_SOURCE/tests/support/cli.sh"

cat > noise.yaml << 'DECK'
title: Moons
target: {toy: moons, n: 1000}
cnf: {net: {type: mlp, hidden: 16, layers: 2}, time: raw, coupling: exact}
train: {batch: 100, steps: 30, shards: 2, patience: 0}
sample: {n: 200}
check: {n: 200, steps: [1, 2]}
plot: {figures: no}
DECK
deck() { sed "$1" noise.yaml > bad.yaml; }
good train "$rheo" train noise.yaml -output n

# The solver: what the deck and PETSc's options may not say
expect 'cnf_solve_scheme = rk4: .*no error estimate' "$rheo" sample n/model.h5 -cnf_solve_scheme rk4
expect 'cnf_solve_rtol = 1e-9: .*beyond single precision' "$rheo" sample n/model.h5 -cnf_solve_rtol 1e-9 -cnf_solve_atol 1e-9
expect 'cnf_solve_steps = 20k: .*cnf.solve.most' "$rheo" sample n/model.h5 -cnf_solve_steps 20k
deck 's/coupling: exact/solve: {scheme: rk4}/'
expect 'bad.yaml:3: cnf.solve.scheme = rk4: .*no error estimate.*set cnf.solve.steps' "$rheo" train bad.yaml
deck 's/coupling: exact/objective: nll, likelihood: {scheme: rk5}/'
expect "bad.yaml:3: cnf.likelihood.scheme = rk5: there is no scheme 'rk5'; did you mean rk4" "$rheo" train bad.yaml
expect "check_scheme = rk5: there is no scheme 'rk5'" "$rheo" check n/model.h5 -check_scheme rk5
option() { expect "command line: -$2 = $3: .*$1" "$rheo" check n/model.h5 -$2 $3; }
option 'must be .*(0, 1)' ts_rtol 0
option 'must be .*(0, 1)' ts_rtol -1
option 'must be .*(0, 1)' ts_adapt_dt_min 2
expect 'command line: -ts_dt = 0.1: cannot be set beside cnf.solve.steps' "$rheo" sample n/model.h5 -ts_dt 0.1 -cnf_solve_steps 4
expect 'cnf_solve_scheme = rk5: there is no' "$rheo" sample n/model.h5 -ts_max_reject 5 -cnf_solve_scheme rk5
grep -q 'nothing in this run' err && fail "what a run did not come to is no unused option: $(cat err)"
option 'cannot be set' ts_exact_final_time stepover
option 'cannot be set' ts_max_time 2
option 'cannot be set' ts_init_time 0.5
option 'PETSc does not take this' ts_rk_type foo
option 'PETSc does not take this' ts_adapt_type cfl
option 'PETSc does not take this' ts_adapt_clip 5,10
option 'no error estimate' ts_type euler
option "follows a flow" ts_type alpha2
option "follows a flow" ts_type eimex
option "cannot be set" ts_rhs_jacobian_test_mult true
option 'set cnf.solve.steps' ts_adapt_type none
for bad in 'rtol: 0' 'rk_type: foo' 'adapt_clip: [5, 10]' 'max_time: 2'; do
  sed "s/^title:.*/ts: {$bad}/" noise.yaml > bad.yaml
  expect "bad.yaml:1: ts.${bad%%:*}" "$rheo" train bad.yaml
done
# What PETSc prints is no result
good quiet "$rheo" sample n/model.h5 -output n3
good loud "$rheo" sample n/model.h5 -output n3 -ts_monitor -ts_view -ts_adapt_monitor
cmp quiet.out loud.out || fail "PETSc prints into the result"
for print in 'TS dt' 'TS Object' 'TSAdapt basic'; do grep -q "$print" loud.err || fail "no $print on stderr"; done

# Fields that cannot be followed are no mistake: what arrives is delivered, what does not is counted
good half "$rheo" logprob n/model.h5 -points_values 0,1,1e300,0 -output n3
good whole "$rheo" logprob n/model.h5 -points_values 0,1 -output n3
grep -q 'failed: 1$' half.out || fail "a lost point is not counted"
grep -q 'failed' whole.out && fail "lost points where there are none"
[ "$(grep mean_log_prob half.out)" = "$(grep mean_log_prob whole.out)" ] || fail "a lost point spoils the mean"
# partly MODEL: partial.out, partial.err, n4/samples.h5 of a run that loses some of its 200 samples, and how many in $partial
partly() {
  partial=
  for rtol in 1e-8 1e-9 1e-10; do
    for most in 3 4 5 6 7 8; do
      [ -z "$partial" ] || continue
      "$rheo" sample "$1" -cnf_solve_group 1 -cnf_solve_precision double -cnf_solve_rtol $rtol -cnf_solve_atol $rtol \
        -cnf_solve_most $most -output n4 > partial.out 2> partial.err || continue
      ! grep -q '^failed' partial.out || partial=$(sed -n 's/^failed: //p' partial.out)
    done
  done
  [ -n "$partial" ] || fail "no field of $1 was followed for some samples only"
  is_yaml partial.out
  number partial.out mean
  grep -q nan partial.out && fail "lost samples spoil the summary"
  grep -q "warning: $partial of 200 samples.*more steps than cnf.solve.most" partial.err || fail "no warning of $partial lost samples"
  "$rheo" info n4/samples.h5 > partial.info
  grep -q "$((200 - partial))" partial.info || fail "samples.h5 does not hold what arrived"
  grep -q nan partial.info && fail "samples.h5 holds samples that did not arrive"
}
partly n/model.h5
# Nothing at all: a line, status 1, and no file
nothing() {
  "$@" -ts_max_steps 1 -output lost > out 2> err
  local status=$?
  [ $status -eq 1 ] || fail "$* delivers nothing with status $status"
  [ "$(grep -c 'rheo: error: ' err)" -eq 1 ] && grep -q 'rheo: error: .*none of the [0-9]* ' err || { fail "$*: no line"; cat err; }
  grep -q ' in [A-Za-z]*() at ' err && fail "$* shows a stack"
  grep -q 'more steps than -ts_max_steps' err || fail "$* does not say what cut its steps"
  grep -q nan out && fail "$* prints what there is not"
  if [ -e lost/samples.h5 ] || [ -e lost/logprob.h5 ]; then fail "$* writes what there is not"; fi
}
nothing "$rheo" sample n/model.h5
nothing mpi 2 "$rheo" sample n/model.h5
nothing "$rheo" logprob n/model.h5 -points_values 0,1,1,0
nothing "$rheo" check n/model.h5
nothing "$rheo" infer noise.yaml

# The same of a posterior
cat > fmpe.yaml << 'DECK'
estimator: fmpe
simulator: {type: gaussian_linear}
observation: {values: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}
simulate: {n: 1000}
cnf: {net: {type: mlp, hidden: 16, layers: 2}, time: raw}
train: {batch: 100, steps: 100, shards: 2}
sample: {n: 200}
check: {run: sbc, simulations: 40, samples: 50, bins: 17}
plot: {figures: no}
DECK
good posterior "$rheo" infer fmpe.yaml -output f
partly f/model.h5
number partial.out log_prob
nothing "$rheo" sample f/model.h5
nothing mpi 2 "$rheo" sample f/model.h5

[ $failed -eq 0 ] && echo "solves do what they are asked to, or say what is wrong"
exit $failed
