# What kills a training, for real: SIGKILL to one rank or to all, signals, time limits, a full disk, folders that cannot be written.
# Whatever happens, the same command again gives the same bytes, on another number of ranks too.
# timeout: 400, processors: 2
set -eu
rheo=$RHEO_BIN/rheo
fail() { echo "FAILED: $*"; exit 1; }
launch() { exec "$RHEO_MPIEXEC" --oversubscribe -n "$1" "$rheo" train deck.yaml -output "$2" "${@:3}"; } # takes the shell's place
start() { (launch "$@"); }
# Those that live: not what the launcher has not yet asked about.
ranks_of() {
  local pid living=
  for pid in $(cat /proc/"$1"/task/*/children 2> /dev/null); do
    if [ -d "/proc/$pid" ] && ! grep -q '^State:.*zombie' "/proc/$pid/status" 2> /dev/null; then living="$living $pid"; fi
  done
  echo "${living# }"
}

# After a rank was killed the others must not live on. Open MPI's launcher, when one dies while they are being started, or while
# it ends itself, may wait for ever for nobody; that is not ours, and it is ended.
await_end() {
  local i
  for i in $(seq 300); do [ -n "$(ranks_of "$1")" ] || break; sleep 0.1; done
  [ -z "$(ranks_of "$1")" ] || fail "ranks live on after one was killed"
  for i in $(seq 50); do kill -0 "$1" 2> /dev/null || return 0; sleep 0.1; done
  kill -9 "$1" 2> /dev/null || true
}

# Does a run stop as it should: status 3, one line that says how to go on?
stopped() { # PATTERN STATUS LOG
  [ "$2" -eq 3 ] || { cat "$3"; fail "status $2, not 3"; }
  [ "$(grep -c 'rheo: stopped: .*give the same command again' "$3")" -eq 1 ] || { cat "$3"; fail "no line that says how to go on"; }
  grep -q "rheo: stopped: .*$1" "$3" || { cat "$3"; fail "stopped, but not $1"; }
}

cat > deck.yaml << 'DECK'
seed: 5
simulator: {type: two_moons}
prior:
  theta1: {family: uniform, lower: -1, upper: 1}
  theta2: {family: uniform, lower: -1, upper: 1}
simulate: {n: 4000}
train: {batch: 128, epochs: 12, shards: 4, ema: 0.99, schedule: cosine, checkpoint: 20}
flow: {repeat: 2, net: {hidden: 32, dropout: 0.1}}
observation: {values: [0.1, -0.2]}
sample: {n: 200}
check: {run: none}
plot: {figures: no}
DECK
"$rheo" simulate deck.yaml -output data > /dev/null 2>&1
fresh() { rm -rf "$1" && mkdir "$1" && cp data/data.h5 "$1"; }

fresh whole
begin=$(date +%s%N)
"$rheo" train deck.yaml -output whole -train_checkpoint 0 -train_checkpoint_minutes 0 > /dev/null 2>&1
length=$(($(date +%s%N) - begin))
[ ! -e whole/checkpoint ] || fail "checkpoints are left when all is done"

# 20 moments of the run, by a fixed seed; all ranks and one of them in turn, on one rank and two. Every fifth time it may finish.
fresh killed
for i in $(seq 20); do
  ranks=$((i / 2 % 2 + 1))
  launch $ranks killed > out 2> err &
  job=$!
  until [ -n "$(ranks_of $job)" ] || ! kill -0 $job 2> /dev/null; do sleep 0.02; done
  sleep "$(awk -v seed="$i" -v length_ns="$length" 'BEGIN { srand(seed); rand(); print rand() * length_ns / 1e9 }')"
  victims=$(ranks_of $job)
  [ $((i % 2)) -eq 0 ] || victims=${victims%% *}
  if [ -n "$victims" ]; then
    kill -9 $victims 2> /dev/null || true
    await_end $job
  fi
  wait $job && status=0 || status=$?
  if [ $status -eq 0 ] || [ $((i % 5)) -eq 0 ]; then
    [ $status -eq 0 ] || start $((3 - ranks)) killed > out 2> err || { cat err; fail "a run killed at moment $i does not go on"; }
    cmp whole/model.h5 killed/model.h5 || fail "other bytes after being killed at moment $i"
    fresh killed
  fi
done
[ "$(grep -c 'rheo: error' err)" -eq 0 ] || { cat err; fail "complaints"; }

# Signals that reach a launcher, one rank and a program by itself; time limits.
long="-train_epochs 1000k -train_patience 0" # of which this test sees the beginning only
for what in launcher rank; do
  for signal in USR1 TERM INT; do
    [ "$what" = rank ] || [ $signal = USR1 ] || continue # mpiexec ends the job itself at the others
    fresh signalled
    launch 2 signalled $long > out 2> err &
    job=$!
    for _ in $(seq 300); do ls signalled/checkpoint/*.checkpoint > /dev/null 2>&1 && break || sleep 0.1; done
    victims=$(ranks_of $job)
      if [ $what = launcher ]; then kill -$signal $job; else kill -$signal ${victims%% *}; fi
    wait $job && status=0 || status=$?
    stopped 'by a signal' $status err
  done
done
fresh signalled
start 2 signalled -train_time_limit 1e-4 > out 2> err && status=0 || status=$?
stopped 'ahead of the time limit' $status err
# Less than is left for leaving: a run of this length would be over before any later end.
SLURM_JOB_END_TIME=$(($(date +%s) + 9)) start 3 signalled > out 2> err && status=0 || status=$?
stopped 'ahead of the time limit' $status err
start 1 signalled > out 2> err || { cat err; fail "a run that was stopped by time does not go on"; }
cmp whole/model.h5 signalled/model.h5 || fail "other bytes after time limits"

# A second signal, seconds later, ends a rank at once: here it waits for one that does not go on.
fresh signalled
launch 2 signalled $long > out 2> err &
job=$!
for _ in $(seq 300); do ls signalled/checkpoint/*.checkpoint > /dev/null 2>&1 && break || sleep 0.1; done
victims=$(ranks_of $job)
kill -STOP ${victims##* }
kill -INT ${victims%% *}
sleep 0.3
kill -INT ${victims%% *} # the same request, passed on twice
sleep 3.7
kill -0 $job || fail "one signal ended a run that had not finished its step"
kill -INT ${victims%% *}
for _ in $(seq 150); do kill -0 $job 2> /dev/null || break; sleep 0.1; done
! kill -0 $job 2> /dev/null || { kill -9 $job $victims; fail "a second signal does not end a run"; }
wait $job && status=0 || status=$?
[ $status -ne 0 ] && [ $status -ne 3 ] || fail "status $status after a second signal"
(exec "$rheo" train deck.yaml -output signalled $long > out 2> err) &
job=$!
until grep -q 'training continues' err 2> /dev/null; do sleep 0.1; kill -0 $job || fail "after a second signal"; done
! grep -q damaged err || { cat err; fail "a second signal leaves a damaged checkpoint"; }
kill -INT $job
wait $job && status=0 || status=$?
stopped 'by a signal' $status err

# Another training's checkpoints are refused, in one line, and may be put away.
"$rheo" train deck.yaml -output signalled > out 2> err && fail "foreign checkpoints are taken" || [ $? -eq 2 ] || fail "foreign: status"
grep -q 'rheo: error: signalled/checkpoint/step.*is of another training' err || { cat err; fail "foreign: no line"; }
"$rheo" train deck.yaml -output signalled -train_restart no > out 2> err || { cat err; fail "no fresh start"; }
cmp whole/model.h5 signalled/model.h5 || fail "other bytes after a fresh start"

# infer, with a round of truncation: killed by signal in its trainings, it goes on.
more="-truncate_rounds 1 -truncate_n 1000 -truncate_epochs 30"
"$rheo" infer deck.yaml -output inferred $more > out 2> err || { cat err; fail "infer"; }
sed -i -e '/samples_per_s/d' -e '/^output/d' out && mv out expected
for limit in 1e-4 1e-4 1e-4; do
  "$rheo" infer deck.yaml -output again $more -train_time_limit $limit > out 2> err && status=0 || status=$?
  stopped 'time limit' $status err
done
"$RHEO_MPIEXEC" --oversubscribe -n 2 "$rheo" infer deck.yaml -output again $more > out 2> err || { cat err; fail "infer does not go on"; }
sed -i -e '/samples_per_s/d' -e '/^output/d' out
cmp expected out || { diff expected out; fail "infer gives something else after being stopped"; }
for file in data model samples; do cmp inferred/$file.h5 again/$file.h5; done
[ -z "$(find again -name checkpoint)" ] || fail "infer leaves checkpoints"

# Folders that cannot be written: before work starts.
touch file
"$rheo" train deck.yaml -output file/below > out 2> err && fail "no folder" || [ $? -eq 2 ] || fail "no folder: status"
[ "$(grep -c 'rheo: error: file/below.*cannot be used' err)" -eq 1 ] || { cat err; fail "no folder: line"; }
fresh blocked && touch blocked/checkpoint
"$rheo" infer deck.yaml -output blocked > out 2> err && fail "no folder" || [ $? -eq 2 ] || fail "no folder: status"
[ "$(grep -c 'rheo: error: blocked/checkpoint.*cannot be used' err)" -eq 1 ] || { cat err; fail "blocked: line"; }
[ ! -e blocked/model.h5 ] || fail "worked before the folder was known to be bad"

# A disk that fills up while training, and one that is full from the start.
mkdir -p disk
if mount -t tmpfs -o size=2m tmpfs disk 2> /dev/null; then
  trap 'umount disk' EXIT
  mkdir disk/run && cp data/data.h5 disk/run
  start 2 disk/run -train_time_limit 1e-4 > out 2> err && status=0 || status=$?
  stopped 'time limit' $status err
  dd if=/dev/zero of=disk/filler bs=1k count=4000 2> /dev/null || true
  before=$(ls disk/run/checkpoint)
  start 3 disk/run > out 2> err && status=0 || status=$?
  grep -q 'warning: .*cannot be written: No space left on device; training goes on' err || { cat err; fail "full: no warning"; }
  [ "$before" = "$(ls disk/run/checkpoint)" ] || fail "full: the checkpoint that was there is not"
  [ $status -eq 2 ] && grep -q 'rheo: error: disk/run/model.h5' err || { cat err; fail "full: the model's line"; }
  rm disk/filler
  start 1 disk/run > out 2> err || { cat err; fail "full: does not go on"; }
  cmp whole/model.h5 disk/run/model.h5 || fail "other bytes after a full disk"
  # Tables: too large for the disk, or for what is left of it; one line, and the program ends as it should.
  too_large() { # RANKS FILE OPTIONS
    status=0
    "$RHEO_MPIEXEC" --oversubscribe -n "$1" "$rheo" "${@:3}" > out 2> err || status=$?
    [ $status -eq 2 ] || { cat err; fail "full: status $status of ${*:3}"; }
    [ "$(grep -c "rheo: error: $2: cannot be written: no space left" err)" -eq 1 ] || { cat err; fail "full: no line about $2"; }
    ! grep -qi 'exited on signal\|segmentation' err || { cat err; fail "full: a crash"; }
    [ ! -e "$2" ] && [ ! -e "$2.tmp" ] || fail "full: something is left of $2"
  }
  mkdir disk/tables
  dd if=/dev/zero of=disk/filler bs=1k count=4000 2> /dev/null || true
  truncate -s -100k disk/filler
  cp whole/model.h5 model.h5
  too_large 1 disk/tables/samples.h5 sample model.h5 -output disk/tables -sample_n 20000
  too_large 3 disk/tables/samples.h5 sample model.h5 -output disk/tables -sample_n 20000
  umount disk
  trap - EXIT
else
  echo "full disk: not tested, mounting a tmpfs is not permitted here"
fi
echo "killed, stopped, filled up: the same bytes"
