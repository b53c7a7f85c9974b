# What kills a training, for real: SIGKILL to one rank or to all, signals, time limits, damaged checkpoints, folders that cannot be
# written.
# Whatever happens, the same command again gives the same bytes, on another number of ranks too.
# timeout: 600, processors: 2
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
train: {batch: 128, epochs: 20, shards: 4, ema: 0.99, schedule: cosine, checkpoint: 20}
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

# 20 moments of the run, by a fixed seed; all ranks and one of them in turn, the first or the last, on one rank, two and three. Every
# fifth time it may finish. Many moments of a short run are before its first checkpoint, and show little: two of three are counted from
# a new checkpoint on, and some runs have to go on from one.
fresh killed
continued=0 killed_last=0
goes_on() { if grep -q 'checkpoint/step.*training continues' err; then continued=$((continued + 1)); fi; }
for i in $(seq 20); do
  ranks=$((i / 2 % 3 + 1))
  there=$(ls killed/checkpoint 2> /dev/null || true)
  launch $ranks killed > out 2> err &
  job=$!
  until [ -n "$(ranks_of $job)" ] || ! kill -0 $job 2> /dev/null; do sleep 0.02; done
  part=1
  if [ $((i % 3)) -ne 0 ]; then
    part=5
    while [ "$(ls killed/checkpoint 2> /dev/null)" = "$there" ] && kill -0 $job 2> /dev/null; do sleep 0.01; done
  fi
  sleep "$(awk -v seed="$i" -v most_ns=$((length / part)) 'BEGIN { srand(seed); rand(); print rand() * most_ns / 1e9 }')"
  victims=$(ranks_of $job)
  case $((i % 4)) in
    1) victims=${victims%% *} ;;
    3) case $victims in *' '*) killed_last=$((killed_last + 1)) ;; esac
      victims=${victims##* } ;;
  esac
  if [ -n "$victims" ]; then
    kill -9 $victims 2> /dev/null || true
    await_end $job
  fi
  wait $job && status=0 || status=$?
  goes_on
  if [ $status -eq 0 ] || [ $((i % 5)) -eq 0 ]; then
    if [ $status -ne 0 ]; then
      start $((ranks % 3 + 1)) killed > out 2> err || { cat err; fail "a run killed at moment $i does not go on"; }
      goes_on
    fi
    cmp whole/model.h5 killed/model.h5 || fail "other bytes after being killed at moment $i"
    fresh killed
  fi
done
[ "$(grep -c 'rheo: error' err)" -eq 0 ] || { cat err; fail "complaints"; }
echo "$continued runs went on from a checkpoint; a rank above 0 was killed alone $killed_last times"
[ $continued -ge 5 ] || fail "only $continued of the runs went on from a checkpoint: kills came too early"
[ $killed_last -ge 1 ] || fail "no rank above 0 was ever killed alone"

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

# The latest checkpoint is damaged, at either end or by being cut short: one is told, and the one before is gone on from.
turn=0
for damage in flip cut empty; do
  turn=$((turn + 1))
  fresh damaged
  for _ in 1 2; do
    start $turn damaged -train_time_limit 1e-4 > out 2> err && status=0 || status=$?
    stopped 'time limit' $status err
  done
  set -- damaged/checkpoint/*.checkpoint
  [ $# -eq 2 ] || fail "$# checkpoints after two steps"
  size=$(stat -c %s "$2")
  case $damage in
    flip) tail -c +$((size / 2 + 1)) "$2" | head -c 1 | tr '\000-\377' '\001-\377\000' | dd of="$2" bs=1 seek=$((size / 2)) conv=notrunc 2> /dev/null ;;
    cut) truncate -s $((size - 8)) "$2" ;;
    empty) truncate -s 0 "$2" ;;
  esac
  start $((turn % 3 + 1)) damaged > out 2> err || { cat err; fail "$damage: does not go on"; }
  grep -q "warning: $2: is damaged (.*); trying the one before it" err || { cat err; fail "$damage: no word of damage"; }
  grep -q "$1: training continues" err || { cat err; fail "$damage: not from the one before"; }
  cmp whole/model.h5 damaged/model.h5 || fail "other bytes after a damaged checkpoint ($damage)"
done

# By wall time alone.
fresh timed
launch 2 timed $long -train_checkpoint 0 -train_checkpoint_minutes 0.005 > out 2> err &
job=$!
for _ in $(seq 300); do ls timed/checkpoint/*.checkpoint > /dev/null 2>&1 && break || sleep 0.1; done
ls timed/checkpoint/*.checkpoint > /dev/null 2>&1 || { cat err; fail "no checkpoint by wall time"; }
kill -USR1 $job
wait $job && status=0 || status=$?
stopped 'by a signal' $status err

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

# infer, killed: the last of two ranks in the round, all of three in the training after it.
infer_on() { exec "$RHEO_MPIEXEC" --oversubscribe -n "$1" "$rheo" infer deck.yaml -output again $more; }
kill_in() { # RANKS FOLDER all|last: when a checkpoint is there
  infer_on "$1" > out 2> err &
  job=$!
  for _ in $(seq 3000); do ls "$2"/*.checkpoint > /dev/null 2>&1 && break || sleep 0.01; done
  victims=$(ranks_of $job)
  [ "$3" = all ] || victims=${victims##* }
  kill -9 $victims 2> /dev/null || true
  await_end $job
  wait $job && fail "infer was not killed in $2" || true
}
rm -rf again
kill_in 2 again/round1/checkpoint last
[ ! -e again/model.h5 ] && [ ! -e again/data.h5 ] || fail "infer was killed too late"
kill_in 3 again/checkpoint all
[ -e again/data.h5 ] && [ ! -e again/samples.h5 ] || fail "infer was killed at another place"
(infer_on 1) > out 2> err || { cat err; fail "infer does not go on after kills"; }
grep -q 'again/checkpoint/step.*: training' err || { cat err; fail "infer trains again from the start"; }
sed -i -e '/samples_per_s/d' -e '/^output/d' out
cmp expected out || { diff expected out; fail "infer gives something else after being killed"; }
for file in data model samples; do cmp inferred/$file.h5 again/$file.h5; done
[ -z "$(find again -name checkpoint)" ] || fail "infer leaves checkpoints after kills"

# Folders that cannot be written: before work starts.
touch file
"$rheo" train deck.yaml -output file/below > out 2> err && fail "no folder" || [ $? -eq 2 ] || fail "no folder: status"
[ "$(grep -c 'rheo: error: file/below.*cannot be used' err)" -eq 1 ] || { cat err; fail "no folder: line"; }
fresh blocked && touch blocked/checkpoint
"$rheo" infer deck.yaml -output blocked > out 2> err && fail "no folder" || [ $? -eq 2 ] || fail "no folder: status"
[ "$(grep -c 'rheo: error: blocked/checkpoint.*cannot be used' err)" -eq 1 ] || { cat err; fail "blocked: line"; }
[ ! -e blocked/model.h5 ] || fail "worked before the folder was known to be bad"

echo "killed, stopped, damaged: the same bytes"
