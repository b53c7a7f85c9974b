# Signals outside training: where a verb draws samples, asks for densities or checks, it ends with status 3 and one line that says what
# is kept and how to go on, whichever rank the signal reaches; the same command then gives what a run without a signal gives.
# timeout: 400, processors: 2
set -eu
rheo=$RHEO_BIN/rheo
fail() { echo "FAILED: $*"; exit 1; }
cat > deck.yaml << 'DECK'
seed: 3
simulator: {type: two_moons}
prior:
  theta1: {family: uniform, lower: -1, upper: 1}
  theta2: {family: uniform, lower: -1, upper: 1}
simulate: {n: 1000}
flow: {repeat: 8, net: {hidden: 128}} # slow enough
train: {batch: 100, epochs: 3, shards: 4}
observation: {values: [0.1, -0.2]}
sample: {n: 300k}
check: {run: none}
plot: {figures: no}
DECK

# run RANKS VERB ARGUMENTS: leaves the process in $job, of mpiexec beyond one rank.
run() {
  ranks_asked=$1
  : > err
  if [ "$1" = 1 ]; then "$rheo" "${@:2}" > out 2> err & else
    "$RHEO_MPIEXEC" --oversubscribe -n "$1" "$rheo" "${@:2}" > out 2> err &
  fi
  job=$!
}
until_is() { # COMMAND: true once the run is where it should be
  for _ in $(seq 600); do
    if eval "$1"; then return; fi
    kill -0 $job 2> /dev/null || { cat err; fail "a run that should be stopped is over: $1"; }
    sleep 0.05
  done
  fail "never: $1"
}
# From now on a signal is noted: by all ranks (SIGUSR1 and SIGTERM are caught).
catching() {
  local pid pids=$job
  [ "$ranks_asked" = 1 ] || pids=$(pgrep -P $job -x rheo || true)
  [ "$(echo $pids | wc -w)" = "$ranks_asked" ] || return 1
  for pid in $pids; do
    [ $((0x$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$pid/status" 2> /dev/null || echo 0) & 0x4200)) = $((0x4200)) ] || return 1
  done
}
# send SIGNAL: to the last rank of several, or to the program. It has to end by itself, and soon: what is asked for takes minutes.
send() {
  local victims=$job
  [ "$ranks_asked" = 1 ] || victims=$(pgrep -P $job -x rheo | tail -n 1)
  kill -"$1" "$victims"
  for _ in $(seq 600); do kill -0 $job 2> /dev/null || break; sleep 0.05; done
  ! kill -0 $job 2> /dev/null || { kill -9 $job $victims; fail "a signal does not end it"; }
  status=0
  wait $job || status=$?
}
stopped() { # DURING REST
  [ "$status" = 3 ] || { cat err; fail "status $status, not 3: $1"; }
  [ "$(grep -c "^rheo: stopped: by a signal, $1; $2[:,] give the same command again" err)" = 1 ] || { cat err; fail "no line: $1; $2"; }
  [ "$(grep -c '^rheo: stopped' err)" = 1 ] || { cat err; fail "more than one line: $1"; }
  ! grep -q 'rheo: error\|internal' err || { cat err; fail "complaints: $1"; }
}

"$rheo" infer deck.yaml -output whole > whole.yaml 2> err || { cat err; fail "infer"; }

# infer: in its samples, and in the calibration.
sed -i '/samples_per_s/d; /^output/d' whole.yaml
drawing='while samples were drawn'
# Where the model has just been written a signal may still find the end of training; one of these at least has to come later.
at_end='when training had ended' drawn=0
for turn in 2:TERM:0.2 2:INT:0.4 1:USR1:0.6 1:TERM:1; do
  rm -f stopped/model.h5
  IFS=: read -r ranks signal wait <<< "$turn"
  run "$ranks" infer deck.yaml -output stopped
  until_is '[ -e stopped/model.h5 ]'
  sleep "$wait"
  send "$signal"
  stopped "\\($drawing\\|$at_end\\)" '\(what stopped holds is kept\|stopped/model.h5 is written\)'
  ! grep -q "$drawing" err || drawn=$((drawn + 1))
  [ -e stopped/data.h5 ] && [ -e stopped/model.h5 ] && [ ! -e stopped/samples.h5 ] || fail "stopped in its samples: $(ls stopped)"
done
[ $drawn -gt 0 ] || fail "no signal came while samples were drawn"
"$RHEO_MPIEXEC" --oversubscribe -n 3 "$rheo" infer deck.yaml -output stopped > out 2> err || { cat err; fail "infer does not go on"; }
grep -q 'stopped/checkpoint/.*training had ended' err || { cat err; fail "infer trains again"; }
grep -q 'stopped/data.h5: is there' err || { cat err; fail "infer simulates again"; }
sed -i '/samples_per_s/d; /^output/d' out
cmp whole.yaml out || fail "infer prints something else after being stopped"
for file in data model samples; do cmp whole/$file.h5 stopped/$file.h5 || fail "another $file.h5 after being stopped"; done
[ ! -e stopped/checkpoint ] || fail "checkpoints are left"
for ranks in 3 1; do
  run $ranks infer deck.yaml -output calibrated -sample_n 500 -check_run sbc,coverage -check_simulations 1000k
  until_is 'grep -q "calibration: 1000000" err'
  send USR1
  stopped 'in the calibration' 'what calibrated holds is kept'
  [ -e calibrated/samples.h5 ] || fail "stopped in its calibration, without samples"
done

# A prediction by a program: the one simulation that runs is finished, no other begins.
cat > simulator << 'SH'
while read -r seed a b; do
  [ ! -e slow ] || { echo >> predicting; sleep 0.2; }
  echo "$a $b"
done
SH
command="-simulator_type command -simulator_command_n_data 2 -simulator_command_folder ."
line='. ./simulator'
run 2 infer deck.yaml -output predicted $command -simulator_command_line "$line" -simulate_n 200 -check_run predictive -check_predictive 500
until_is 'grep -q "training had ended\|epochs done\|no more improvement\|^posterior:" err out'
touch slow
until_is '[ -s predicting ]'
send TERM
rm slow
stopped 'in the predictive check' 'what predicted holds is kept'
[ "$(wc -l < predicting)" -lt 250 ] || fail "all was predicted"

# sample, logprob, check: of a model that stays as it is.
cp whole/model.h5 model.h5
nothing='nothing is written, the model is as it was'
for ranks in 3; do
  run $ranks sample model.h5 -output sampled -sample_n 5M
  until_is catching
  send TERM
  stopped "$drawing" "$nothing"
  [ ! -e sampled/samples.h5 ] || fail "samples of a run that was stopped"
done
run 2 logprob model.h5 -output points -points_file whole/samples.h5
until_is catching
send INT
stopped 'while densities were computed' "$nothing"
run 2 check model.h5 -output checked -check_run sbc -check_simulations 1000k
until_is 'grep -q "calibration: 1000000" err'
send TERM
stopped 'in the calibration' 'what is printed is all there is'
"$rheo" sample model.h5 -output reference -sample_n 20k -seed 9 > /dev/null 2>&1
run 2 check whole/samples.h5 -check_reference reference/samples.h5
until_is 'grep -q "classifier two-sample test" err'
send TERM
stopped 'in the classifier test' 'what is printed is all there is'
cmp whole/model.h5 model.h5 || fail "a model has changed"

# A study of a data set.
cat > moons.yaml << 'DECK'
seed: 2
target: {toy: moons, n: 1000}
cnf: {net: {type: mlp, hidden: 16, layers: 2}}
train: {batch: 100, epochs: 2, shards: 4}
sample: {n: 300}
check: {n: 200}
plot: {figures: no}
DECK
"$rheo" infer moons.yaml -output moons_whole > /dev/null 2> err || { cat err; fail "infer of a data set"; }
run 2 infer moons.yaml -output moons -sample_n 1000k
until_is '[ -e moons/model.h5 ] && grep -q "epochs done" err'
sleep 0.3
send TERM
stopped "\\($drawing\\|$at_end\\)" '\(what moons holds is kept\|moons/model.h5 is written\)'
"$rheo" infer moons.yaml -output moons > out 2> err || { cat err; fail "infer of a data set does not go on"; }
for file in model samples; do cmp moons_whole/$file.h5 moons/$file.h5 || fail "another $file.h5 of a data set after being stopped"; done
run 1 sample moons/model.h5 -output sampled -sample_n 1000k
until_is catching
send TERM
stopped "$drawing" "$nothing"
run 2 sample moons/model.h5 -output steered -sample_n 100k -dflow_fix "x1 = 0.8"
until_is 'grep -q steer err'
send TERM
stopped 'while samples were steered' "$nothing"
[ ! -e steered/samples.h5 ] || fail "steered samples of a run that was stopped"
cat > fmpe.yaml << 'DECK'
estimator: fmpe
simulator: {type: gaussian_linear}
observation: {values: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}
simulate: {n: 500}
cnf: {net: {type: mlp, hidden: 8, layers: 1}}
train: {batch: 100, steps: 20}
DECK
"$rheo" simulate fmpe.yaml -output fmpe > /dev/null 2> err && "$rheo" train fmpe.yaml -output fmpe -plot_figures no > /dev/null 2> err || { cat err; fail "train fmpe"; }
# Many probes for the densities, which come when all is steered
run 1 sample fmpe/model.h5 -output dense -sample_n 200 -dflow_fix "theta1 = 0.5" -dflow_iterations 2 -cnf_solve_divergence normal -cnf_solve_probes 1000 -cnf_solve_scheme rk4 -cnf_solve_steps 100
until_is 'grep -q "steer: 200 samples in" err'
send TERM
stopped 'while densities of steered samples were computed' "$nothing"
[ ! -e dense/samples.h5 ] || fail "densities of a run that was stopped"
echo "stopped with status 3 wherever it was"
