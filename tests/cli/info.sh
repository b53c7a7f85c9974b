# What rheo info says of every kind of file that a run leaves; each training has a series of its own, which never stands in its way.
# timeout: 120
set -eu
rheo=$RHEO_BIN/rheo
fail() { echo "FAILED: $*"; exit 1; }
says() { # FILE PATTERN...: rheo info of it prints lines with these patterns
  local file=$1
  shift
  "$rheo" info "$file" > said 2> err || { cat err; fail "rheo info $file"; }
  [ ! -s err ] || { cat err; fail "rheo info $file complains"; }
  for pattern; do grep -Eq -- "$pattern" said || { cat said; fail "rheo info $file does not say '$pattern'"; }; done
}
column() { awk -F, -v name="$2" 'NR == 1 { for (k = 1; k <= NF; k++) if ($k == name) at = k; next } { print $at }' "$1"; }
rows_are_whole() { awk -F, 'NR == 1 { n = NF } NF != n { exit 1 }' "$1" || fail "$1 has lines that are not whole"; }

cat > deck.yaml << 'DECK'
title: A study of moons
seed: 5
simulator: {type: two_moons}
prior:
  theta1: {family: uniform, lower: -1, upper: 1, unit: cm}
  theta2: {family: uniform, lower: -1, upper: 1}
observation: {values: [0.1, -0.2]}
simulate: {n: 2000}
train: {batch: 100, epochs: 6, shards: 4}
flow: {repeat: 2, net: {hidden: 24}}
sample: {n: 100}
check: {run: none}
DECK
"$RHEO_MPIEXEC" --oversubscribe -n 2 "$rheo" infer deck.yaml -output whole -truncate_rounds 1 -truncate_n 500 \
  -truncate_epochs 2 -train_series_every 0 > out 2> err || { cat err; fail "infer"; }
# One row where it begins, one a step; the two trainings have a file each, and the model does not know of it.
steps=$(sed -n 's/.*trained 6 epochs, \([0-9]*\) steps.*/\1/p' err)
[ "$(wc -l < whole/series.csv)" -eq $((steps + 2)) ] || fail "not a row for each of $steps steps"
[ "$(column whole/series.csv epoch | tail -1)" = 6 ] && [ "$(column whole/round1/series.csv epoch | tail -1)" = 2 ] ||
  fail "trainings share a file, or a file does not end with its training"
[ "$(column whole/series.csv turn | sort -u)" = 1 ] && [ "$(column whole/series.csv ranks | sort -u)" = 2 ] || fail "turn or ranks"
rows_are_whole whole/series.csv
best=$(column whole/series.csv validation_loss | sort -g | sed '/^$/d' | head -1)
says whole/model.h5 "^best_validation_loss: $(awk -v x="$best" 'BEGIN { printf "%.6g", x }')$"
if command -v gnuplot > /dev/null; then
  [ -s whole/figures/training.png ] && [ ! -e whole/round1/figures ] || fail "no figure of the training"
  rm -r whole/figures
  "$rheo" plot whole/model.h5 > out 2> err || { cat err; fail "plot of a model"; }
  [ -s whole/figures/training.png ] && [ -s whole/figures/loss.png ] && [ ! -s err ] || { cat err; fail "plot of a model draws less"; }
fi

# What it says of every kind.
says whole/data.h5 '^kind: dataset$' '^title: A study of moons$' '^made_by: rheo simulate [0-9.]*, commit ' '^rows: 2000$' '^good_rows: 2000$' \
  '^        unit: cm$' '^    width: 2$' '^  train_on_it: rheo train .*whole/data.h5' '^checksum: [0-9a-f]{16}$' '^deck: \|$'
says whole/model.h5 '^kind: model$' '^infers: theta1 \(cm\), theta2$' '^from_data_columns: 2$' 'rqs_coupling' '2 hidden layers of 24' \
  '^epochs: 6$' '^  ended: all 6 epochs done$' '^  best_epoch: [1-6]$' '^finished: .yes' '^checksum: [0-9a-f]{16}$' \
  '^made_by: rheo [0-9.]*, commit ' '^  how_training_went: rheo info whole/series.csv$'
says whole/samples.h5 '^kind: samples$' '^rows: 100$' '^made_by: rheo infer ' '^observation: \[0.1, -0.2\]$' '^  compare_it: rheo check'
says whole/series.csv '^kind: series$' '^turns: 1$' '^finished: .yes' '^  epoch: 6$' '^  peak_memory_mb: [0-9]' '^  draw_it: rheo plot'
says whole/run.yaml '^kind: run$' '^  verb: infer$' '^  ranks: 2$'
says deck.yaml '^kind: deck$' '^title: A study of moons$' '^  run_all_of_it: rheo infer deck.yaml'
says whole '^finished: yes' '^  model.h5: ' '^  explain_series: rheo info whole/series.csv'
for file in absent.csv err; do "$rheo" info $file > out 2> complaint && fail "info of $file" || [ $? -eq 2 ] || fail "info of $file: status"; done

# A model whose prior was cut for one observation says so, and warns where it is asked for another, in one line; the same one and a
# model of the whole prior are asked in peace.
says whole/model.h5 '^prior_cut_for: \[0.1, -0.2\]$'
says whole/round1/model.h5 '^estimator: npe$'
! grep -q prior_cut_for said || fail "the first round knows nothing of a cut prior"
warnings() { # COUNT VERB MODEL KEYS...
  local count=$1
  shift
  "$rheo" "$@" -output asked -plot_figures no > out 2> err || { cat err; fail "$*"; }
  [ "$(grep -c 'warning: .*cut for another observation' err)" -eq "$count" ] || { cat err; fail "$count warnings: $*"; }
}
warnings 0 sample whole/model.h5
warnings 0 sample whole/model.h5 -observation_values 0.1,-0.2
warnings 1 sample whole/model.h5 -observation_values 0.1,-0.3
warnings 1 logprob whole/model.h5 -observation_values 0.2,-0.2 -points_values 0,0
warnings 0 sample whole/round1/model.h5 -observation_values 0.1,-0.3

# What others saw is in a column; a model, which keeps its own values only, says how to name it.
printf 'name,x,y\n' | tr , ' ' > seen.csv; printf '1 0.3 0.1\n2 0.4 -0.2\n' >> seen.csv
"$rheo" sample whole/round1/model.h5 -observation_file seen.csv -output asked > out 2> err && fail "three columns are taken for two data" ||
  [ $? -eq 2 ] || fail "columns: status"
[ "$(wc -l < err)" -eq 1 ] && grep -q "6 numbers in 3 columns ('name', 'x', 'y').*-observation_column NAME" err || { cat err; fail "columns: no word of what to give"; }
warnings 0 sample whole/round1/model.h5 -observation_file seen.csv -observation_column x
grep -q 'theta1' out || fail "no posterior from a column"

# Where the series cannot be written: the same bytes.
same() { # FOLDER KEYS...
  mkdir -p "$1" && cp data.h5 "$1"
  "$rheo" train deck.yaml -output "$@" -plot_figures no > out 2> err || { cat err; fail "train $*"; }
  cmp with/model.h5 "$1"/model.h5 || fail "another model: train $*"
}
"$rheo" simulate deck.yaml -output . > /dev/null 2>&1
mkdir with && same with
mkdir -p unwritable/series.csv && same unwritable
[ "$(grep -c 'warning: unwritable/series.csv: cannot be written: .*training goes on' err)" -eq 1 ] || { cat err; fail "no warning, or many"; }
mkdir foreign && echo "mine" > foreign/series.csv && same foreign
[ "$(cat foreign/series.csv)" = mine ] || fail "a file of somebody else's was touched"

# Stopped on the way: what is there is told of as such.
mkdir stopped && cp data.h5 stopped
"$rheo" train deck.yaml -output stopped -train_epochs 1000k -train_patience 0 -train_time_limit 1e-4 > out 2> err && fail "no stop" ||
  [ $? -eq 3 ] || { cat err; fail "status"; }
says stopped/series.csv '^turns: 1$' '^finished: .no' '^  seconds_left: [1-9]'
says stopped '^finished: .no' '^  checkpoint: '
checkpoint=$(ls stopped/checkpoint/*.checkpoint)
says "$checkpoint" '^kind: checkpoint$' '^finished: .no' '^shards: 4$' '^steps: [1-9]'
printf 'damaged!' | dd of="$checkpoint" bs=1 seek=1000 conv=notrunc 2> /dev/null
"$rheo" info "$checkpoint" > out 2> err && fail "a damaged checkpoint is good" || [ $? -eq 2 ] || fail "damaged: status"
[ ! -s out ] && grep -q 'no good checkpoint: its checksum does not fit' err || { cat err; fail "damaged: no line"; }

# A study of a data set has one too.
printf 'target: {toy: moons, n: 500}\nflow: {repeat: 1, net: {hidden: 16}}\ntrain: {batch: 100, epochs: 2}\ncheck: {run: none}\nplot: {figures: no}\nsample: {n: 50}\n' > moons.yaml
"$rheo" infer moons.yaml -output moons > out 2> err || { cat err; fail "a study of a data set"; }
says moons/series.csv '^  epoch: 2$' '^finished: .yes'
says moons/model.h5 '^estimator: transport$' 'rqs_coupling' '^  compare_with_data: rheo check'
says moons/samples.h5 '^kind: samples$'
echo "every kind of file is explained"
