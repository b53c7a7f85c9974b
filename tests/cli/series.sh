# The series of a training: beside the model, not in it; continued by a restart; left whole by a kill; drawn and explained.
# timeout: 120
set -eu
rheo=$RHEO_BIN/rheo
fail() { echo "$*" >&2; exit 1; }
mpi() { "$RHEO_MPIEXEC" --oversubscribe -n "$@"; }
cat > deck.yaml << 'DECK'
title: A line
seed: 3
simulator: {type: gaussian_linear}
simulate: {n: 4000}
train: {epochs: 8, batch: 100, shards: 4}
flow: {stack: [affine_coupling], net: {hidden: 16, layers: 1}}
observation: {values: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}
DECK
column() { awk -F, -v want="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == want) k = i; next } { print $k }' "$1"; }
"$rheo" simulate deck.yaml -output d > out 2> err || fail "simulate: $(cat err)"
mpi 2 "$rheo" train deck.yaml -data_file d/data.h5 -output with -train_series_every 0 > with.yaml 2> err || fail "train: $(cat err)"
"$rheo" train deck.yaml -data_file d/data.h5 -output without -train_series no > without.yaml 2> err || fail "train: $(cat err)"
cmp with/model.h5 without/model.h5 || fail "the series stands in the model"
[ ! -e without/series.csv ] || fail "a series that nobody wanted"
[ -s with/figures/training.gp ] || fail "no figure of the training"
[ "$(column with/series.csv ranks | sort -u)" = 2 ] || fail "ranks: $(column with/series.csv ranks | sort -u)"
column with/series.csv validation_loss | grep . > losses
[ "$(wc -l < losses)" = 8 ] || fail "$(wc -l < losses) losses of 8 epochs"
best=$("$rheo" info with/model.h5 | awk '$1 == "best_validation_loss:" { print $2 }')
awk -v best="$best" '{ if (NR == 1 || $1 < least) least = $1 } END { d = least - best; exit !(d * d < 1e-10 * best * best) }' losses ||
  fail "the least loss of the series is not the model's $best: $(cat losses)"

# What a training says of itself on a terminal, and every 30 s in a batch job: all of it in one line.
if command -v script > /dev/null; then
  script -qec "$rheo train deck.yaml -data_file d/data.h5 -output bar -train_epochs 200 -train_patience 0 -plot_figures no" bar.txt < /dev/null > /dev/null 2>&1 ||
    fail "train on a terminal: $(tail -3 bar.txt)"
  tr '\r' '\n' < bar.txt | grep -Eq 'train .*steps, .* s left, loss [-0-9.]+, validation [-0-9.]+, epoch [0-9.]+/200, lr [-0-9.e]+, gradient [-0-9.e+]+, [0-9.]+[kMG]? rows/s, [0-9]+ % communication, [0-9]+ MB' ||
    fail "no line tells all: $(tr '\r' '\n' < bar.txt | head -5)"
fi

# A kill leaves whole lines; what goes on is the next turn, and the earlier rows stay.
"$RHEO_MPIEXEC" --oversubscribe -n 2 "$rheo" train deck.yaml -data_file d/data.h5 -output killed -train_epochs 2000 -train_patience 0 -train_series_every 0 \
  -train_checkpoint 20 > out 2> err &
job=$!
for _ in $(seq 300); do [ "$(ls killed/checkpoint 2> /dev/null | wc -l)" -ge 2 ] && break; sleep 0.05; done
pkill -9 -P $job || kill -9 $job
wait $job 2> /dev/null || true
rows=$(wc -l < killed/series.csv)
awk -F, 'NR == 1 { n = NF } NF != n { exit 1 }' killed/series.csv || fail "a line is cut: $(tail -1 killed/series.csv)"
status=0
"$rheo" train deck.yaml -data_file d/data.h5 -output killed -train_epochs 2000 -train_patience 0 -train_checkpoint 20 \
  -train_time_limit 0.02 > out 2> err || status=$?
[ $status = 3 ] || fail "stopped with $status: $(cat err)"
[ "$(column killed/series.csv turn | sort -un | tr '\n' ' ')" = "1 2 " ] || fail "turns: $(column killed/series.csv turn | sort -u)"
[ "$(column killed/series.csv turn | grep -c '^1$')" = $((rows - 1)) ] || fail "rows of the first turn are lost"
first=$(awk -F, '$1 == 2 { print $3; exit }' killed/series.csv)
[ "$first" -gt 0 ] || fail "the second turn began at step $first"

# plot and info, also while training goes on; what is no series is told so.
"$rheo" plot killed/series.csv -output p > out 2> err || fail "plot: $(cat err)"
[ -s p/figures/training.dat ] || fail "plot of a series draws nothing"
"$rheo" info killed/series.csv > out || fail "info of a series"
grep -q '^turns: 2$' out || fail "info of a series: $(cat out)"
for file in d/data.h5 with/model.h5; do
  "$rheo" info $file > out || fail "info $file"
  for key in kind is title made_by checksum next deck; do grep -q "^$key:" out || fail "info $file tells no $key: $(cat out)"; done
done
for verb in info plot; do
  printf 'a,b\n1,2\n' > foreign.csv
  status=0
  "$rheo" $verb foreign.csv -output p > out 2> err || status=$?
  [ $status = 2 ] && [ "$(wc -l < err)" = 1 ] && [ ! -s out ] || fail "$verb of a foreign CSV: $status $(cat err)"
done
