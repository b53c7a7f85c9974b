# Data sets larger than memory, of several files, and of other programs: the same model as from memory, and a peak of memory
# that does not grow with the rows.
# timeout: 300
set -u
# shellcheck source=tests/support/cli.sh
. "$RHEO_SOURCE/tests/support/cli.sh"

cat > deck.yaml << 'DECK'
seed: 1
simulator: {type: gaussian_linear}
prior:
  a: {family: normal, mean: 0, sd: 1}
  b: {family: normal, mean: 0, sd: 1}
  c: {family: normal, mean: 0, sd: 1}
  d: {family: normal, mean: 0, sd: 1}
flow: {stack: [maf], net: {type: mlp, hidden: 8, layers: 1}}
train: {batch: 500, epochs: 2, window: 10k}
plot: {figures: no}
DECK
# train NAME RANKS [key value ...]: prints the checksum
train() {
  local name=$1 ranks=$2
  shift 2
  mpi "$ranks" "$rheo" train deck.yaml -output "$name" "$@" > "$name.out" 2> "$name.err" || fail "train $name: $(tail -1 "$name.err")"
  sed -n 's/^ *checksum: //p' "$name.out"
}
peak() { sed -n 's/.*peak memory \([0-9]*\) MB.*/\1/p' "$1.err" | tail -1; }

# ---- The same model, wherever the rows are ----
"$rheo" simulate deck.yaml -simulate_n 30k -output one > /dev/null 2>&1 || fail "simulate"
memory=$(train memory 1 -data_file one/data.h5 -data_stream no)
[ -n "$memory" ] || fail "no checksum"
[ "$(train streamed 2 -data_file one/data.h5)" = "$memory" ] || fail "two ranks that stream train another model"
if command -v h5repack > /dev/null; then
  h5repack -f SHUF -f GZIP=4 -l CHUNK=1000x4 one/data.h5 packed.h5 || fail "h5repack"
  [ "$(train packed 2 -data_file packed.h5)" = "$memory" ] || fail "a compressed file trains another model"
else
  echo "NOT TESTED: compressed files, for there is no h5repack (Debian: hdf5-tools)"
fi

# ---- Stopped within windows and continued, on other numbers of ranks ----
few="-train_window 1k -train_epochs 15 -train_patience 0 -data_file one/data.h5"
expected=$(train never 1 $few -data_stream yes)
[ "$(train held 2 $few -data_stream no)" = "$expected" ] || fail "windows of 1k rows that stream train another model"
for limit in 1e-4 1e-4; do # after a step each
  mpi 2 "$rheo" train deck.yaml -output again $few -data_stream yes -train_time_limit $limit > out 2> again.err
  [ $? = 3 ] || fail "a time limit does not stop a streamed training: $(cat again.err)"
done
(exec "$RHEO_MPIEXEC" --oversubscribe -n 3 "$rheo" train deck.yaml -output again $few -data_stream yes -train_checkpoint 7 > out 2> again.err) &
job=$!
for _ in $(seq 600); do
  case $(ls again/checkpoint 2> /dev/null | tail -n 1) in step*[1-9][0-9].checkpoint) break ;; esac
  sleep 0.02
done
kill -USR1 $job 2> /dev/null
wait $job
[ $? = 3 ] || fail "a signal does not stop a streamed training: $(cat again.err)"
grep -q "again/checkpoint/step.*: training continues" again.err || fail "a streamed training did not go on after a time limit"
step=$(sed -n 's/.*stopped by a signal after step \([0-9]*\);.*/\1/p' again.err)
[ "${step:-0}" -ge 10 ] || fail "stopped after step ${step:-none}"
[ "$(train again 2 $few -data_stream yes)" = "$expected" ] || fail "a streamed training that was stopped gives another model"
grep -q "again/checkpoint/step0*$step.checkpoint: training continues" again.err || fail "not from step $step: $(cat again.err)"
cmp never/model.h5 again/model.h5 || fail "other bytes after a streamed training was stopped"
echo "streamed, stopped after steps 1, 2 and $step, on 2, 2 and 3 ranks: the same model"

# ---- Columns of others, in two files ----
awk 'BEGIN { srand(2); print "w,a,b,c,d,x1,x2,x3,x4"
  for (i = 0; i < 2000; i++) { printf "%d", 1 + i % 3; for (k = 0; k < 8; k++) printf ",%.6f", rand() - rand(); print "" } }' > all.csv
head -701 all.csv > first.csv
{ head -1 all.csv; tail -n +702 all.csv; } > second.csv
for part in all first second; do
  "$rheo" convert $part.csv -convert_parameters a,b,c,d -convert_weights w -convert_parameter_units m,m,s,K -convert_to $part.h5 \
    > /dev/null 2> err || fail "convert $part: $(cat err)"
done
"$rheo" info all.h5 | grep -q "unit: K" || fail "the unit is lost"
whole=$(train whole 1 -data_file all.h5)
[ "$(train parts 3 -data_file first.h5,second.h5 -data_stream yes)" = "$whole" ] || fail "two files train another model than one"
[ "$(train turned 1 -data_file second.h5,first.h5)" != "$whole" ] || fail "the checksum does not see the order of rows"
sed 's/x3/y3/' second.csv > other.csv
"$rheo" convert other.csv -convert_parameters a,b,c,d -convert_weights w -convert_parameter_units m,m,s,K -convert_to other.h5 > /dev/null 2>&1
"$rheo" train deck.yaml -data_file first.h5,other.h5 -output wrong > /dev/null 2> err
[ $? = 2 ] || fail "files with other columns are accepted"
grep -q "column 3 of .data. is 'y3', in first.h5 it is 'x3'" err || fail "the message does not name the column: $(cat err)"
"$rheo" convert first.csv -convert_data nowhere > /dev/null 2> err
[ $? = 2 ] && grep -q "has no column 'nowhere'" err || fail "a column that is not there: $(cat err)"

# ---- Memory ----
# What takes pieces of a data set, or makes one, holds no more of 4M rows than of 1.2M: the file of the former is 180 MB larger.
grows() { # NAME: peaks of NAME1200k and NAME4M
  local few many
  few=$(peak "${1}1200k") many=$(peak "${1}4M")
  echo "peak memory of $1: $few MB of 1200k rows, $many MB of 4M"
  [ -n "$few" ] && [ "$many" -le $((few + $2)) ] && [ "$many" -le 400 ] || fail "$1: memory grows with the rows"
}
# watched NAME RANKS VERB ...: leaves its peak in NAME.err.
watched() {
  local name=$1 ranks=$2
  shift 2
  mpi "$ranks" "$rheo" "$@" -log debug > "$name.out" 2> "$name.err" || fail "$name: $(tail -1 "$name.err")"
}
for n in 1200k 4M; do watched simulate$n 2 simulate deck.yaml -simulate_n $n -output rows$n; done
# One rank has more than it holds, and takes them from its journal; two do not, here.
watched alone 1 simulate deck.yaml -simulate_n 1200k -output alone
cmp rows1200k/data.h5 alone/data.h5 || fail "rows that went through the journal make another file"
[ ! -e alone/data.h5.parts ] || fail "a journal is left"
rm -r alone
for n in 1200k 4M; do
  watched info$n 2 info rows$n/data.h5
  watched plot$n 2 plot rows$n/data.h5 -output plot$n
  train train$n 2 -data_file rows$n/data.h5 -train_steps 60 -train_validation 0 > /dev/null
done
grep -q ' of its 4000000 rows are drawn' plot4M.err || fail "plot does not say that it draws a sample: $(cat plot4M.err)"
"$rheo" info rows1200k/data.h5 > info.alone 2> err && cmp info.alone info1200k.out || fail "info depends on the ranks"
grows simulate 60
grows info 20
grows plot 20
grows train 10
held=$(train held4M 2 -data_file rows4M/data.h5 -train_steps 60 -train_validation 0 -data_stream no)
[ "$held" = "$(sed -n 's/^ *checksum: //p' train4M.out)" ] || fail "4M rows: streaming trains another model"
many=$(peak train4M) all=$(peak held4M)
echo "peak memory without streaming: $all MB"
[ "$all" -ge $((many + 15)) ] || fail "rows in memory take no more than streamed ones: the bound shows nothing"
rm -rf rows1200k rows4M

# Text of 1.2M rows would be 77 MB of numbers on every rank.
for n in 200 1200; do
  awk -v n=$n 'BEGIN { print "a,b,c,d,e,f,g,h"; for (i = 0; i < 1000 * n; i++) print i, i % 7, i % 11, i % 13, i % 17, i % 19, i % 23, i % 29 }' > text.csv
  watched convert$n 2 convert text.csv -convert_parameters a,b -convert_to text.h5
done
few=$(peak convert200) many=$(peak convert1200)
echo "peak memory of convert: $few MB of 200k rows, $many MB of 1200k"
[ -n "$few" ] && [ "$many" -le $((few + 15)) ] || fail "convert: memory grows with the rows"
"$rheo" info text.h5 2> err | grep -q '^rows: 1200000$' || fail "rows of the text are lost: $(cat err)"
rm text.csv text.h5
[ $failed = 0 ]
