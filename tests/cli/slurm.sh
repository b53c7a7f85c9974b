# The job scripts under a real Slurm of this test's own: a training that comes to its time limit is queued again, continues on
# another number of ranks, and ends with the bits of one that was never stopped; so do jobs that are sent the warning; an array
# gives what its tasks give by hand.
# timeout: 300, processors: 2
set -u
skip() { echo "SKIPPED: $*"; exit 77; }
for program in munged slurmctld slurmd sbatch squeue scontrol scancel sinfo; do
  command -v "$program" >/dev/null || PATH=$PATH:/usr/sbin
  command -v "$program" >/dev/null || skip "$program is not installed (Debian: slurmctld slurmd slurm-client munge)"
done
while read -r name; do unset "$name"; done < <(compgen -e | grep -E '^(SLURM|SBATCH|SRUN|PMI|PBS|RHEO_(DECK|OUTPUT|KEYS|ROOT|LIST|TURNS|LAUNCHER))')
here=$PWD
rheo=$RHEO_BIN/rheo
failed=0
fail() { echo "FAILED: $*"; failed=1; }
quietly() { "$@" >>quiet.log 2>&1 || { fail "$*"; tail -n 5 quiet.log; }; }

# until_true SECONDS COMMAND...: whether it came true in time.
until_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}

# ---- Slurm ----
# The socket's path must be short. Daemons stay in the foreground, as children of this shell, so that their ids are known.
socket=$(mktemp -d) || exit 1
daemons=()
stop() {
  scancel --full --user="$(id -un)" 2>/dev/null && until_true 15 no_job
  for ((i = ${#daemons[@]} - 1; i >= 0; i--)); do
    kill "${daemons[i]}" 2>/dev/null && until_true 5 gone "${daemons[i]}" || kill -9 "${daemons[i]}" 2>/dev/null
  done
  rm -rf "$socket"
}
no_job() { [ -z "$(squeue -h 2>/dev/null)" ]; }
gone() { ! kill -0 "$1" 2>/dev/null; }
trap stop EXIT
trap 'exit 1' INT TERM HUP
answers() { [ "$(sinfo -h -o %T 2>/dev/null)" = idle ]; }

start() {
  local port=$((15000 + RANDOM % 15000)) host
  host=$(hostname -s)
  cat >slurm.conf <<CONF
ClusterName=rheo
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$socket/munge
StateSaveLocation=$here/state
SlurmdSpoolDir=$here/spool
SlurmctldPidFile=$here/slurmctld.pid
SlurmdPidFile=$here/slurmd.pid
SlurmctldLogFile=$here/slurmctld.log
SlurmdLogFile=$here/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
MailProg=/bin/true
NodeName=test NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=4 RealMemory=3000 State=UNKNOWN
PartitionName=all Nodes=test Default=YES MaxTime=INFINITE State=UP
CONF
  rm -rf state spool
  mkdir state spool
  slurmctld -D >slurmctld.out 2>&1 &
  daemons+=($!)
  slurmd -D -N test >slurmd.out 2>&1 &
  daemons+=($!)
  until_true 20 answers
}

chmod 755 "$socket"
(umask 077 && head -c 1024 /dev/urandom >"$socket/key")
munged -F -f --key-file="$socket/key" --socket="$socket/munge" --pid-file="$socket/pid" --log-file="$here/munged.log" \
  --seed-file="$socket/seed" >munged.out 2>&1 &
daemons+=($!)
until_true 5 test -S "$socket/munge" || { cat munged.out; skip "munged does not start here"; }
export SLURM_CONF=$here/slurm.conf
# Once more on other ports, should these be taken.
if ! start; then
  kill "${daemons[@]:1}" 2>/dev/null
  until_true 5 gone "${daemons[1]}"
  start || { tail -n 5 slurmctld.out slurmd.out; skip "Slurm does not start here"; }
fi

# ---- What it is to give ----
# One simulation takes about a millisecond.
mkdir study
cat >study/deck.yaml <<DECK
seed: 5
simulator: {type: command, command: {line: '. $here/study/simulator', n_data: 2}}
prior: {a: {family: normal, mean: 0, sd: 1}, b: {family: uniform, lower: -1, upper: 1}}
observation: {file: seen.csv}
simulate: {n: 8000}
sample: {n: 1000}
flow: {repeat: 3, net: {hidden: 64}}
train: {batch: 50, epochs: 30, patience: 0, shards: 4, lr: 1e-3}
plot: {figures: no}
DECK
cat >study/simulator <<'SH'
while read -r seed a b; do
  i=0
  while [ $i -lt 1000 ]; do i=$((i + 1)); done
  echo "$a $b"
done
SH
echo 0.5,0.2 >study/seen.csv
echo -0.3,0.1 >study/other.csv
quietly "$rheo" simulate study/deck.yaml -output whole
"$rheo" train study/deck.yaml -output whole >whole.out 2>whole.err || fail "the training that is not stopped"
[ $failed = 0 ] || exit 1

# ---- Warned, queued again, continued ----
mkdir turns
export OMPI_MCA_mpi_yield_when_idle=1
export RHEO_ROOT=$RHEO_SOURCE RHEO_PROGRAM=$rheo RHEO_LAUNCHER=$RHEO_MPIEXEC RHEO_DECK=$here/study/deck.yaml
submit() { sbatch --parsable --mem-per-cpu=500 "$@" 2>>sbatch.err || { cat sbatch.err >&2; }; }
waits() { [ "$(squeue -h -j "$job" -o '%T %r' 2>/dev/null)" = "PENDING BeginTime" ]; }
# Slurm keeps what it knows of a job for minutes after its end; an answer that fails says nothing.
ended() {
  local states
  states=$(scontrol -o show job "$job" 2>/dev/null | grep -o ' JobState=[A-Z_]*') || return 1
  ! grep -Evq '=(COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL)$' <<<"$states"
}
# Slurm's own pace is two minutes. A job that starts in the second in which its last turn ended has a revoked credential, and fails.
hurried() {
  if waits; then
    sleep 3
    scontrol update JobId="$job" StartTime=now 2>/dev/null
  fi
  ended
}
# has_kept PATTERN: whether something is there to continue from.
has_kept() { [ -n "$(find turns -path "$1" -size +0 2>/dev/null)" ]; }

# ---- The limit itself ----
# A minute is the shortest limit there is. In its first turn, from its first checkpoint on, the training is as slow as it takes: its
# ranks run for 50 ms of each second, at the same moments, until the warning comes.
mkdir limit
cp whole/data.h5 limit
cp -r whole unstopped
cat >slow <<SLOW
#!/bin/bash
if [ -z "\${SLURM_RESTART_COUNT:-}" ]; then
  rank=\$\$
  (
    trap 'kill -CONT \$rank; exit' USR1
    until [ -n "\$(find $here/limit/checkpoint -name '*.checkpoint' 2>/dev/null)" ] || ! kill -0 \$rank; do sleep 0.1; done
    while kill -STOP \$rank; do
      sleep "0.\$(printf %09d \$((999999999 - 10#\$(date +%N))))"
      kill -CONT \$rank
      sleep 0.05
    done
  ) >/dev/null 2>&1 </dev/null &
fi
exec '$rheo' "\$@"
SLOW
chmod +x slow
to_the_limit() {
  failed=0
  job=$(RHEO_PROGRAM=$here/slow RHEO_OUTPUT=$here/limit RHEO_KEYS="-train_checkpoint 20" submit --time=1 --signal=B:USR1@20 \
    --ntasks=2 --output=limit.yaml --error=limit.log "$RHEO_SOURCE/jobscripts/train.slurm")
  [ -n "$job" ] || { fail "sbatch"; return 1; }
  local begun=$SECONDS
  if until_true 90 waits; then
    [ $((SECONDS - begun)) -ge 15 ] || fail "limit: queued again before Slurm's warning"
    [ ! -e limit/model.h5 ] || fail "limit: there was nothing left to continue"
    scontrol update JobId="$job" NumTasks=1 NumCPUs=1 || fail "limit: the number of tasks stays"
    until_true 90 hurried || fail "limit: the job does not end"
  else
    fail "limit: the job is not queued again"
  fi
  grep -q '^rheo: stopped: ' limit.log || fail "limit: the training was not stopped"
  grep -q 'turn 1: .* -n 2 ' limit.log && grep -q 'turn 2: .* -n 1 ' limit.log || fail "limit: not a turn on two ranks and one on one"
  grep -q 'training continues' limit.log || fail "limit: training did not continue"
  cmp unstopped/model.h5 limit/model.h5 || fail "limit: model.h5 differs from that of one run"
  [ "$(checksum whole.out)" = "$(checksum limit.yaml)" ] || fail "limit: the checksum differs"
  [ $failed = 0 ] || { scontrol show job "$job"; tail -n 30 limit.log; }
  return $failed
}
checksum() { sed -n 's/^ *checksum: //p' "$1"; }
to_the_limit >limit.out 2>&1 &
limit=$!

# ---- Sent the warning ----
# two_turns VERB KEYS KEPT RESULT...: the script's job has kept something when it is warned, and gives the results of one run.
two_turns() {
  job=$(RHEO_OUTPUT=$here/turns RHEO_KEYS=$2 submit --time=10 --output="$1.yaml" --error="$1.log" "$RHEO_SOURCE/jobscripts/$1.slurm")
  [ -n "$job" ] || { fail "sbatch"; return; }
  until_true 30 has_kept "$3" || fail "$1: nothing is kept"
  scancel --signal=USR1 --batch "$job"
  if until_true 30 waits; then
    [ ! -e "turns/${*: -1}" ] || fail "$1: there was nothing left to continue"
    until_true 60 hurried || fail "$1: the job does not end"
  else
    fail "$1: the job is not queued again"
  fi
  grep -q '^rheo: stopped: ' "$1.log" || fail "$1 was not stopped by the signal"
  [ "$(grep -c 'turn [0-9]*:' "$1.log")" = 2 ] || fail "$1: not two turns"
  for result in "${@:4}"; do cmp "whole/$result" "turns/$result" || fail "$1: $result differs from that of one run"; done
  [ $failed = 0 ] || { echo "$1.log:"; tail -n 30 "$1.log"; }
}
two_turns simulate "-simulate_keep_every 0.1" '*.parts/*' data.h5
two_turns train "-train_checkpoint 20" '*.checkpoint' model.h5
grep -q 'training continues' train.log || fail "training did not continue"
[ -n "$(checksum whole.out)" ] && [ "$(checksum whole.out)" = "$(checksum train.yaml)" ] || fail "the checksum differs"
for run in whole turns; do "$rheo" info $run/model.h5 | grep checksum >$run.info; done
cmp whole.info turns.info || fail "rheo info tells them apart"
rm -r whole turns
mkdir turns
infer="-simulate_n 1000 -train_epochs 100 -check_run none"
# shellcheck disable=SC2086 # several words
quietly "$rheo" infer study/deck.yaml -output whole $infer
two_turns infer "-train_checkpoint 20 $infer" '*.checkpoint' data.h5 model.h5 samples.h5
rm -r whole
cp -r unstopped whole

# ---- Other endings ----
# A mistake is not tried again, and a job that gets nowhere is not for ever.
job=$(RHEO_OUTPUT=$here/none submit --output=bad.yaml --error=bad.log "$RHEO_SOURCE/jobscripts/train.slurm")
until_true 30 ended || fail "a job without data does not end"
grep -q 'ended with status 2' bad.log || { fail "a job without data"; cat bad.log; }
mkdir last
cp whole/data.h5 last
job=$(RHEO_OUTPUT=$here/last RHEO_KEYS="-train_time_limit 1e-9" RHEO_TURNS=1 submit --output=last.yaml --error=last.log \
  "$RHEO_SOURCE/jobscripts/train.slurm")
until_true 30 ended || fail "a job in its last turn does not end"
grep -q 'has not ended in 1 turns' last.log || { fail "turns are not counted"; cat last.log; }

# ---- An array ----
printf '%s\n' "$here/study/seen.csv" "$here/study/other.csv" >observed.txt
job=$(RHEO_MODEL=$here/whole/model.h5 RHEO_LIST=$here/observed.txt RHEO_OUTPUT=$here/array \
  submit --array=1-2 --output=array%a.yaml --error=array%a.log "$RHEO_SOURCE/jobscripts/infer_array.slurm")
until_true 60 ended || fail "the array does not end"
for task in 1 2; do
  observation=$(sed -n ${task}p observed.txt)
  quietly "$rheo" sample whole/model.h5 -observation_file "$observation" -output "hand$task"
  cmp "array/$task/samples.h5" "hand$task/samples.h5" || { fail "task $task"; tail -n 5 "array$task.log"; }
done
cmp -s array/1/samples.h5 array/2/samples.h5 && fail "both tasks have one observation"

wait $limit || { failed=1; cat limit.out; }
[ $failed = 0 ] && echo "a job that reaches its time limit, or is warned, has the bits of one run; so has each task of an array"
exit $failed
