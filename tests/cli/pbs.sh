# The PBS job scripts (train, simulate, infer), with what PBS does for a job done here: its folder in PBS_O_WORKDIR, and a `qsub`
# that notes what is submitted, to be run as the next turn.
# timeout: 300, processors: 2
set -u
failed=0
fail() { echo "FAILED: $*"; failed=1; }
rheo=$RHEO_BIN/rheo
here=$PWD
while read -r name; do unset "$name"; done < <(compgen -e | grep -E '^(SLURM|PBS|RHEO_(DECK|OUTPUT|KEYS|ROOT|TURN|SECONDS))')
cat >deck.yaml <<'DECK'
seed: 5
simulator: {type: gaussian_linear}
prior: {a: {family: normal, mean: 0, sd: 1}, b: {family: uniform, lower: -1, upper: 1}}
observation: {values: [0.5, 0.2]}
simulate: {n: 20000}
flow: {repeat: 3, net: {hidden: 64}}
train: {batch: 500, epochs: 30, patience: 0, shards: 4, lr: 1e-3}
plot: {figures: no}
DECK
"$rheo" simulate deck.yaml -output whole >/dev/null 2>whole.err || fail "simulate"
"$rheo" train deck.yaml -output whole >whole.out 2>>whole.err || fail "train"
mkdir bin turns
cp whole/data.h5 turns
cat >bin/qsub <<'QSUB'
#!/bin/sh
[ "$1" = -v ] && [ $# = 3 ] && echo "$2" >>"$NOTED" && echo "$3" >>"$NOTED.script"
QSUB
chmod +x bin/qsub
export PATH=$here/bin:$PATH NOTED=$here/noted OMPI_MCA_mpi_yield_when_idle=1
export RHEO_ROOT=$RHEO_SOURCE RHEO_PROGRAM=$rheo RHEO_LAUNCHER=$RHEO_MPIEXEC

# turns SCRIPT DECK FOLDER KEYS: jobs, each with what the last one gave -v, of ever longer walltimes, from one that may end before
# the ranks are there to one that suffices. Their outputs are in SCRIPT.out and SCRIPT.log.
turns() {
  local script=$1 seconds
  local given=(RHEO_DECK="$here/$2" RHEO_OUTPUT="$here/$3" RHEO_KEYS="$4")
  : >noted
  n=0
  for ((seconds = 1; seconds <= 64; seconds *= 2)); do
    n=$((n + 1))
    env PBS_JOBID=1.test RHEO_SECONDS="$seconds" "${given[@]}" bash "$RHEO_SOURCE/jobscripts/$script.pbs" >>$script.out 2>>$script.log ||
      fail "$script: turn $n ends with status $?"
    [ "$(wc -l <noted)" = $n ] || break
    [ "$(tail -n 1 noted.script)" = "jobscripts/$script.pbs" ] || fail "$script: what is submitted is not the script"
    IFS=, read -ra given < <(tail -n 1 noted)
  done
  grep -q "turn $n:" $script.log || fail "$script: turns are not counted"
  [ $n -gt 1 ] || fail "$script: one turn sufficed"
}
# same FOLDER FOLDER FILE...
same() {
  for file in "${@:3}"; do cmp "$1/$file" "$2/$file" || { fail "$2/$file differs from that of one run"; tail -n 20 ./*.log; }; done
}
turns train deck.yaml turns "-train_checkpoint 500"
grep -q 'by a signal' train.log || fail "no turn was stopped by the walltime"
same whole turns model.h5
[ "$(tail -n 1 whole.out)" = "$(tail -n 1 train.out)" ] || fail "the checksum differs"

# A simulation takes about a millisecond.
sed "s|{type: gaussian_linear}|{type: command, command: {line: '. $here/simulator', n_data: 2}}|; s/n: 20000/n: 4000/" deck.yaml >slow.yaml
cat >simulator <<'SH'
while read -r seed a b; do
  i=0
  while [ $i -lt 1000 ]; do i=$((i + 1)); done
  echo "$a $b"
done
SH
"$rheo" simulate slow.yaml -output slow_whole >/dev/null 2>whole.err || fail "simulate"
turns simulate slow.yaml slow "-simulate_keep_every 0.2"
same slow_whole slow data.h5

"$rheo" infer deck.yaml -output whole -check_run none >/dev/null 2>whole.err || fail "infer"
turns infer deck.yaml inferred "-train_checkpoint 500 -check_run none"
same whole inferred data.h5 model.h5 samples.h5
grep -q '^posterior:' infer.out || fail "infer.pbs gives no posterior"

# Cancelled: saved, and not submitted again.
before=$(wc -l <noted)
mkdir cancelled
cp whole/data.h5 cancelled
env RHEO_DECK="$here/deck.yaml" RHEO_OUTPUT="$here/cancelled" RHEO_KEYS="-train_checkpoint 10 -train_epochs 10000" \
  RHEO_SECONDS=100 bash "$RHEO_SOURCE/jobscripts/train.pbs" >cancelled.out 2>cancelled.log &
for ((i = 0; i < 300; i++)); do
  ls cancelled/checkpoint/* >/dev/null 2>&1 && break
  sleep 0.1
done
kill -TERM $!
wait $!
status=$?
[ $status = 3 ] || fail "a cancelled job ends with status $status"
grep -q 'was cancelled' cancelled.log || { fail "a cancelled job"; tail cancelled.log; }
[ "$(wc -l <noted)" = "$before" ] || fail "a cancelled job was submitted again"
[ $failed = 0 ] && echo "jobs of several turns have the bits of one"
exit $failed
