# A disk that fills up, for real: a small tmpfs. Every verb that writes says so in one line and ends with a status, nothing hangs, and
# after space was made the same command goes on to the same bytes. Skipped where mounting is not permitted.
# timeout: 300, processors: 2
set -eu
rheo=$RHEO_BIN/rheo
fail() { echo "FAILED: $*"; exit 1; }
mkdir -p disk
if ! mount -t tmpfs -o size=4m tmpfs disk 2> /dev/null; then
  echo "skipped: mounting a tmpfs is not permitted here, so that no full disk can be had"
  exit 77
fi
trap 'umount disk' EXIT
run() { timeout 60 "$RHEO_MPIEXEC" --oversubscribe -n "$1" "$rheo" "${@:2}" > out 2> err; } # RANKS VERB ...
# Takes all of the disk but so many kB.
fill() {
  dd if=/dev/zero of=disk/filler bs=1k count=8000 2> /dev/null || true
  truncate -s "-$1k" disk/filler
}
# full PATTERN RANKS VERB ...: one line that names what cannot be written; no crash, no hang, nothing half done under its name.
full() {
  status=0
  run "${@:2}" || status=$?
  [ $status -eq 2 ] || { cat err; fail "full: status $status of ${*:3}"; }
  [ "$(grep -c 'rheo: error' err)" -eq 1 ] || { cat err; fail "full: not one line of ${*:3}"; }
  grep -q "rheo: error: $1" err || { cat err; fail "full: no line with $1 of ${*:3}"; }
  ! grep -qi 'exited on signal\|segmentation\|internal error' err || { cat err; fail "full: a crash of ${*:3}"; }
}

cat > deck.yaml << 'DECK'
seed: 5
simulator: {type: two_moons}
prior:
  theta1: {family: uniform, lower: -1, upper: 1}
  theta2: {family: uniform, lower: -1, upper: 1}
simulate: {n: 4000}
train: {batch: 128, epochs: 4, shards: 4, checkpoint: 20}
flow: {repeat: 2, net: {hidden: 32}}
observation: {values: [0.1, -0.2]}
sample: {n: 200}
check: {run: none}
plot: {figures: no}
DECK
run 2 infer deck.yaml -output whole || { cat err; fail "infer"; }

# A disk that fills up while training, and one that is full from the start: training goes on with the checkpoint that it has.
mkdir disk/train && cp whole/data.h5 disk/train
run 2 train deck.yaml -output disk/train -train_time_limit 1e-4 && fail "not stopped" || [ $? -eq 3 ] || { cat err; fail "no time limit"; }
fill 0
before=$(ls disk/train/checkpoint)
full 'disk/train/model.h5' 3 train deck.yaml -output disk/train
grep -q 'warning: .*cannot be written: No space left on device; training goes on' err || { cat err; fail "full: no warning"; }
[ "$before" = "$(ls disk/train/checkpoint)" ] || fail "full: the checkpoint that was there is not"
rm disk/filler
run 1 train deck.yaml -output disk/train || { cat err; fail "train does not go on"; }
cmp whole/model.h5 disk/train/model.h5 || fail "other bytes after a full disk"

# simulate: no room for the data set, and none for what it keeps meanwhile; of that what was written is not simulated again.
run 1 simulate deck.yaml -output more -simulate_n 20k || { cat err; fail "simulate"; }
fill 100
full 'disk/final/data.h5: cannot be written: no space left on device' 2 simulate deck.yaml -output disk/final -simulate_n 20k
[ -z "$(find disk/final -name 'data.h5' -o -name '*.tmp')" ] || fail "full: something is left of a data set"
for ranks in 1 3; do
  full 'disk/kept/data.h5.parts: cannot be written: No space left on device' $ranks simulate deck.yaml -output disk/kept -simulate_n 20k -simulate_keep_every 1e-4
done
rm disk/filler
for where in final kept; do
  run 2 simulate deck.yaml -output disk/$where -simulate_n 20k || { cat err; fail "simulate does not go on"; }
  [ $where = final ] || grep -q 'data.h5.parts: [0-9]* of 20000 simulations are there' err || { cat err; fail "nothing was kept"; }
  cmp more/data.h5 disk/$where/data.h5 || fail "another data set after a full disk ($where)"
  [ ! -e disk/$where/data.h5.parts ] || fail "parts are left behind"
  rm -r disk/$where
done

# infer: no room for the data set; for that, but not for the model.
fill 20
full 'disk/infer/data.h5: cannot be written: no space left on device' 2 infer deck.yaml -output disk/infer
fill $(($(stat -c %s whole/data.h5) / 1024 + 80))
full 'disk/infer/model.h5: cannot be written' 3 infer deck.yaml -output disk/infer
[ ! -e disk/infer/model.h5 ] || fail "full: a model"
rm disk/filler
run 1 infer deck.yaml -output disk/infer || { cat err; fail "infer does not go on"; }
grep -q 'disk/infer/data.h5: is there' err || { cat err; fail "infer simulates again"; }
for file in data model samples; do cmp whole/$file.h5 disk/infer/$file.h5 || fail "another $file.h5 after a full disk"; done
[ ! -e disk/infer/checkpoint ] || fail "checkpoints are left"

# convert, and samples: too large for the disk, or for what is left of it.
awk 'BEGIN { print "a,b,x"; for (i = 0; i < 20000; i++) print i "," 2 * i "," 3 * i }' > rows.csv
run 1 convert rows.csv -convert_parameters a,b -convert_to rows.h5 || { cat err; fail "convert"; }
cp whole/model.h5 model.h5
mkdir disk/tables
fill 100
for ranks in 1 3; do
  full 'disk/tables/rows.h5: cannot be written: [Nn]o space left on device' $ranks convert rows.csv -convert_parameters a,b -convert_to disk/tables/rows.h5
  full 'disk/tables/samples.h5: cannot be written: no space left on device' $ranks sample model.h5 -output disk/tables -sample_n 20000
  [ -z "$(ls disk/tables)" ] || fail "full: something is left: $(ls disk/tables)"
done
rm disk/filler
run 2 convert rows.csv -convert_parameters a,b -convert_to disk/tables/rows.h5 || { cat err; fail "convert after space was made"; }
cmp rows.h5 disk/tables/rows.h5
echo "filled up and made room again: the same bytes"
