# A simulation that is killed, that a signal stops, or whose kept rows are damaged, goes on to the very file of one that never stopped,
# on any number of ranks, and does not do again what is kept.
# timeout: 240, processors: 2
set -eu
rheo=$RHEO_BIN/rheo
fail() { echo "$*" >&2; exit 1; }
# One simulation takes about a millisecond and leaves a line in calls.
cat > deck.yaml << 'DECK'
seed: 5
simulator: {type: command, command: {line: '. ./simulator', folder: ., n_data: 3}}
prior:
  a: {family: uniform, lower: -1, upper: 1}
  b: {family: normal, mean: 0, sd: 1}
simulate: {n: 1200}
DECK
cat > simulator << 'SH'
while read -r seed a b; do
  i=0
  while [ $i -lt 1000 ]; do i=$((i + 1)); done
  echo >> calls
  echo "$a $b $seed"
done
SH
calls() { wc -l < calls; }
# start RANKS OUTPUT: leaves the process of mpiexec in $job; its children are the ranks.
start() {
  "$RHEO_MPIEXEC" --oversubscribe -n "$1" "$rheo" simulate deck.yaml -output "$2" -simulate_keep_every 0.05 > out 2> err &
  job=$!
}
# Waits until something is kept in OUTPUT that was not there before, or the run is over.
progress() {
  local before=$1 output=$2
  for _ in $(seq 200); do
    [ "$(cat "$output"/data.h5.parts/* 2> /dev/null | wc -c)" -gt "$before" ] && return
    kill -0 $job 2> /dev/null || return 0
    sleep 0.05
  done
}
kept() { cat "$1"/data.h5.parts/* 2> /dev/null | wc -c; }
: > calls
"$rheo" simulate deck.yaml -output whole > whole.yaml 2> err
[ "$(calls)" = 1200 ] || fail "a whole run makes $(calls) simulations"
[ ! -e whole/data.h5.parts ] || fail "a whole run leaves parts behind"

# kill -9 of all ranks, then of one, the last and the first in turn, at odd moments.
: > calls
kills=0
for ranks in 3 2 1 4 2 3; do
  before=$(kept killed)
  start $ranks killed
  progress "$before" killed
  sleep 0.0$((RANDOM % 10))
  pids=$(pgrep -P $job -x rheo || true)
  case $((kills % 4)) in
    1) pids=${pids##*[!0-9]} ;; # of the higher ranks
    3) pids=${pids%%[!0-9]*} ;;
  esac
  # shellcheck disable=SC2086
  kill -9 $pids 2> /dev/null || true
  if wait $job 2> /dev/null; then break; fi
  kills=$((kills + 1))
done
[ $kills -ge 2 ] || fail "only $kills runs were killed"
start 2 killed
wait $job || { cat err; exit 1; }
cmp whole/data.h5 killed/data.h5
[ ! -e killed/data.h5.parts ] || fail "parts are left behind"
# A kill costs what ranks did in about the last tenth of a second.
[ "$(calls)" -lt $((1200 + 600 * kills)) ] || fail "$(calls) simulations with $kills kills"
echo "$kills kills: $(calls) simulations instead of 1200"

# Signals: status 3, one line that says how to go on; everything that was done is kept.
: > calls
n=0
for signal in TERM INT USR1; do
  before=$(kept asked)
  "$rheo" simulate deck.yaml -output asked -simulate_keep_every 0.05 > out 2> err & job=$!
  progress "$before" asked
  kill -$signal $job
  status=0
  wait $job || status=$?
  [ $status = 3 ] || { cat err; fail "status $status after SIG$signal"; }
  [ "$(grep -c '^rheo: stopped: .* are kept in asked/data.h5.parts; the same command goes on from there$' err)" = 1 ] || { cat err; fail "no line about SIG$signal"; }
  [ ! -s out ] || fail "a run that was stopped printed a result"
  n=$(sed -n 's/^rheo: stopped: \([0-9]*\) of .*/\1/p' err)
  [ "$n" = "$(calls)" ] || fail "$(calls) simulations, $n kept"
done
# To one of three ranks: all of them stop.
before=$(kept asked)
start 3 asked
progress "$before" asked
pgrep -P $job -x rheo | tail -n 1 | xargs kill -TERM
status=0
wait $job || status=$?
[ $status = 3 ] || { cat err; fail "status $status after a signal to one rank"; }
start 2 asked
wait $job || { cat err; exit 1; }
cmp whole/data.h5 asked/data.h5
[ "$(calls)" = 1200 ] || fail "$(calls) simulations where signals stopped the run"

# A second signal does not wait for a simulation that never ends.
cp simulator fast
echo 'echo $$ > started; exec sleep 1000' > simulator
"$rheo" simulate deck.yaml -output endless > out 2> err & job=$!
for _ in $(seq 100); do
  [ ! -s started ] || break
  sleep 0.05
done
kill -TERM $job
sleep 2.5
kill -0 $job || fail "the first signal ended a run in the middle of a simulation"
kill -TERM $job
status=0
wait $job || status=$?
[ $status = 143 ] || fail "status $status after the second signal, which has the system's effect"
kill "$(cat started)"
cp fast simulator

# Damage: files cut short, bytes turned over; what is lost is done again, the rest is not, and a warning says so.
start 2 damaged
progress 10000 damaged
kill -USR1 $job
wait $job 2> /dev/null && fail "not stopped"
cp -r damaged/data.h5.parts parts
flip() { # flip FILE OFFSET
  local byte
  byte=$(od -An -tu1 -j "$2" -N 1 "$1")
  # shellcheck disable=SC2059
  printf "\\$(printf %o $((byte ^ 255)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2> /dev/null
}
for i in 1 2 3 4; do
  rm -rf damaged
  mkdir damaged
  cp -r parts damaged/data.h5.parts
  file=damaged/data.h5.parts/0-$((i % 2))
  size=$(stat -c %s $file)
  if [ $i -gt 2 ]; then truncate -s $((RANDOM * 32768 % (size - 1) + RANDOM % 100)) $file; else
    for _ in 1 2 3; do flip $file $(((RANDOM * 32768 + RANDOM) % size)); done
  fi
  : > calls
  "$RHEO_MPIEXEC" --oversubscribe -n $((i % 3 + 1)) "$rheo" simulate deck.yaml -output damaged > out 2> err || { cat err; exit 1; }
  cmp whole/data.h5 damaged/data.h5
  [ "$(calls)" -lt 1200 ] || fail "nothing of a damaged journal was used"
  [ $i -gt 2 ] || grep -q 'parts: damaged in [0-9]* place' err || { cat err; fail "no warning of damage"; }
done

# Rows of another deck are not taken, nor those that are not wanted.
mkdir other
cp -r parts other/data.h5.parts
: > calls
"$rheo" simulate deck.yaml -prior_b_sd 2 -output other > out 2> err
[ "$(calls)" = 1200 ] || fail "rows of another deck were taken"
grep -q '2 files are of another deck' err || { cat err; fail "no word about the other deck"; }
[ ! -e other/data.h5.parts ] || fail "parts are left behind"
# Nor those of another version of the program that the deck names.
cp -r parts other/data.h5.parts
echo '# changed' >> simulator
: > calls
"$rheo" simulate deck.yaml -output other > out 2> err
[ "$(calls)" = 1200 ] || fail "rows of another simulator were taken"
grep -q '2 files are of another deck, simulator or build' err || { cat err; fail "no word about the other simulator"; }
cp fast simulator
cp -r parts other/data.h5.parts
: > calls
"$rheo" simulate deck.yaml -simulate_restart no -output other > out 2> err
[ "$(calls)" = 1200 ] || fail "rows were taken with -simulate_restart no"
cmp whole/data.h5 other/data.h5
# More simulations of the same deck are the same ones and some more.
rm -rf other
mkdir other
cp -r parts other/data.h5.parts
: > calls
"$rheo" simulate deck.yaml -simulate_n 1500 -output other > out 2> err
[ "$(calls)" -lt 1450 ] || fail "$(calls) simulations for 1500 of which some were there"
"$rheo" simulate deck.yaml -simulate_n 1500 -output more > out 2> err
cmp more/data.h5 other/data.h5

# An inference that was stopped in its training does not simulate again, unless it is told to, or the deck is another.
more="-simulate_n 300 -observation_values 0.1,0.2,1e18 -train_epochs 20 -train_batch 50 -sample_n 100 -check_run none -plot_figures no"
: > calls
# shellcheck disable=SC2086
"$rheo" infer deck.yaml $more -output inferred -train_time_limit 1e-4 > out 2> err && fail "not stopped" || [ $? = 3 ] || { cat err; fail "infer: status"; }
[ "$(calls)" = 300 ] || fail "infer makes $(calls) simulations"
# shellcheck disable=SC2086
"$RHEO_MPIEXEC" --oversubscribe -n 2 "$rheo" infer deck.yaml $more -output inferred > out 2> err || { cat err; fail "infer does not go on"; }
[ "$(calls)" = 300 ] || fail "infer simulates again: $(calls)"
# shellcheck disable=SC2086
"$rheo" infer deck.yaml $more -output inferred > out 2> err
[ "$(calls)" = 600 ] || fail "an inference from the start makes $(($(calls) - 300)) simulations"
mkdir inferred/checkpoint
# shellcheck disable=SC2086
"$rheo" infer deck.yaml $more -output inferred -prior_b_sd 2 > out 2> err
[ "$(calls)" = 900 ] || fail "simulations of another deck were taken"
mkdir inferred/checkpoint
# shellcheck disable=SC2086
"$rheo" infer deck.yaml $more -prior_b_sd 2 -output inferred -simulate_restart no > out 2> err
[ "$(calls)" = 1200 ] || fail "simulations were taken with -simulate_restart no"

# Nor are simulations of another version of the program; the training is of what the rows are, wherever they come from.
# shellcheck disable=SC2086
"$rheo" infer deck.yaml $more -output changed -train_time_limit 1e-4 > out 2> err && fail "not stopped" || [ $? = 3 ] || { cat err; fail "infer: status"; }
echo '# changed' >> simulator
: > calls
# shellcheck disable=SC2086
"$RHEO_MPIEXEC" --oversubscribe -n 2 "$rheo" infer deck.yaml $more -output changed > out 2> err || { cat err; fail "infer does not go on"; }
[ "$(calls)" = 300 ] || fail "simulations of another version of the simulator were taken"
grep -q 'changed/checkpoint/.*: training continues' err || { cat err; fail "the same rows, and training does not continue"; }
grep -q 'changed/data.h5: is of another deck, simulator or build of Rheo; it is made again' err || { cat err; fail "no word of it"; }
"$rheo" simulate changed/data.h5 -output of_file > out 2> err || { cat err; fail "the deck of a data set cannot be run"; }
! grep -q 'the simulator has changed' err || { cat err; fail "a simulator that did not change has changed"; }
cp fast simulator
"$rheo" simulate changed/data.h5 -output of_file > out 2> err
grep -q 'simulator.command.checksum = .*: the simulator has changed' err || { cat err; fail "no word of another simulator than that of the deck"; }

# What lies where data.h5 should be, when an inference goes on: it is taken where it is whole and of this run, else made again; the
# samples are those of an inference that was never stopped, in any case.
infer() { # RANKS OPTIONS
  # shellcheck disable=SC2086
  timeout 60 "$RHEO_MPIEXEC" --oversubscribe -n "$1" "$rheo" infer deck.yaml $more -output inferred "${@:2}" > out 2> err
}
infer 1 || fail "infer"
cp -r inferred right
infer 1 -simulate_n 200 && cp inferred/data.h5 fewer.h5
infer 1 -seed 6 && cp inferred/data.h5 seed.h5
"$rheo" simulate deck.yaml -simulate_n 300 -output plain > /dev/null 2>&1
ranks=1
trial() { # NAME SIMULATIONS: with inferred/data.h5 as it is; on one rank and on two in turn
  mkdir inferred/checkpoint
  rm -f inferred/model.h5 inferred/samples.h5
  : > calls
  ranks=$((3 - ranks))
  infer $ranks || { cat err; fail "$1: status $?"; }
  [ "$(calls)" = "$2" ] || { cat err; fail "$1: $(calls) simulations, not $2"; }
  for file in data model samples; do cmp right/$file.h5 inferred/$file.h5 || fail "$1"; done
}
put() { cp "$1" inferred/data.h5; }
size=$(stat -c %s right/data.h5)
put right/data.h5; trial whole 0
rm inferred/data.h5; trial missing 300
: > inferred/data.h5; trial empty 300
put deck.yaml; trial text 300
for name in fewer.h5 seed.h5 plain/data.h5 right/model.h5 right/samples.h5; do put $name; trial $name 300; done
for length in 100 $((size / 2)) $((size - 1)); do
  put right/data.h5; truncate -s "$length" inferred/data.h5; trial "cut to $length" 300
done
for at in $((size - 4000)) $((size / 2)); do # numbers: only the checksum knows
  put right/data.h5; flip inferred/data.h5 $at; trial "byte $at turned" 300
  grep -q 'warning: inferred/data.h5: is damaged; it is made again' err || { cat err; fail "no word of damage"; }
done
# A later run that has begun to simulate anew was stopped in that: what it keeps counts, not the data set before it.
put right/data.h5
cp -r parts inferred/data.h5.parts
mkdir inferred/checkpoint
: > calls
infer 1 || fail "infer with parts"
[ "$(calls)" -gt 0 ] || fail "an older data set is taken in place of simulations that were begun later"
echo "same file after kills, signals and damage"
