# Every mistake a user can make: one line that says what and where, exit status 2, nothing on stdout, nothing lost.
# timeout: 300
set -u
rheo=$RHEO_BIN/rheo
failed=0

# expect PATTERN COMMAND...: status 2, no stdout, one line of error that matches the pattern
expect() {
  local pattern=$1 status lines
  shift
  timeout 60 "$@" > out 2> err
  status=$?
  lines=$(grep -c 'rheo: error:' err)
  if [ $status -ne 2 ] || [ -s out ] || [ "$lines" -ne 1 ] || ! grep -q -- "$pattern" err; then
    echo "FAILED: $*"
    echo "  status $status (wanted 2), $lines error lines (wanted 1), wanted /$pattern/, got:"
    sed 's/^/  | /' err out | head -20
    failed=1
  fi
}

cat > good.yaml << 'DECK'
seed: 1
simulator: {type: gaussian_linear}
prior:
  a: {family: normal, mean: 0, sd: 1}
  b: {family: uniform, lower: -1, upper: 1}
simulate: {n: 100}
train: {batch: 20, epochs: 2, shards: 2}
flow: {repeat: 1, net: {hidden: 8}}
observation: {values: [0.5, 0.2]}
DECK
deck() { sed "$1" good.yaml > bad.yaml; }

# The deck itself
deck 's/batch: 20/bacth: 20/'
expect 'bad.yaml:7:.*train.bacth.*did you mean train.batch' $rheo train bad.yaml
expect 'train_bacth.*did you mean' $rheo train good.yaml -train_bacth 20
deck 's/epochs: 2/epochs: many/'
expect 'bad.yaml:7:.*train.epochs.*many' $rheo train bad.yaml
deck 's/batch: 20/batch: 0/'
expect 'bad.yaml:7:.*train.batch.*\[1, inf).*0' $rheo simulate bad.yaml
expect 'train_lr.*-1' $rheo train good.yaml -train_lr -1
deck 's/^seed: 1/seed: 1\nseed: 2/'
expect 'bad.yaml:2:.*seed' $rheo simulate bad.yaml
deck 's/simulate: {n: 100}/simulate: {n: 100/'
expect 'bad.yaml' $rheo simulate bad.yaml
expect 'absent.yaml' $rheo simulate absent.yaml
expect 'frobnicate.*not a verb' $rheo frobnicate good.yaml
expect 'needs a file' $rheo train
deck 's/family: uniform/family: unifrom/'
expect 'bad.yaml:5: prior.b.family: .*uniform.*unifrom' $rheo simulate bad.yaml
deck 's/type: gaussian_linear/type: gaussian_lienar/'
expect 'bad.yaml:2: simulator.type: .*gaussian_linear.*gaussian_lienar' $rheo simulate bad.yaml
deck 's/lower: -1, upper: 1/lower: 1, upper: -1/'
expect 'bad.yaml:5:.*prior.b' $rheo simulate bad.yaml
deck 's/mean: 0, sd: 1/mean: 0, sd: -1/'
expect 'bad.yaml:4:.*prior.a' $rheo simulate bad.yaml
expect 'rqs_copling.*rqs_coupling' $rheo infer good.yaml -flow_stack rqs_copling -output h
[ -e h/data.h5 ] && { echo 'FAILED: a mistake in the flow cost a simulation first'; failed=1; }

# The observation
deck 's/values: \[0.5, 0.2\]/values: [0.5, .nan]/'
expect 'observation' $rheo infer bad.yaml
deck 's/values: \[0.5, 0.2\]/values: [0.5]/'
expect 'observation' $rheo infer bad.yaml
deck 's/values: \[0.5, 0.2\]/file: absent.csv/'
expect 'absent.csv' $rheo infer bad.yaml

# Files
expect 'absent.h5' $rheo train good.yaml -data_file absent.h5
$rheo simulate good.yaml -output g > /dev/null 2>&1 || { echo "FAILED: a good deck"; failed=1; }
head -c 2000 g/data.h5 > truncated.h5
expect 'truncated.h5' $rheo train good.yaml -data_file truncated.h5
echo "not a file of ours" > foreign.h5
expect 'foreign.h5.*not an HDF5 file' $rheo train good.yaml -data_file foreign.h5
deck 's/  b: .*//'
expect 'g/data.h5.*2 parameters' $rheo train bad.yaml -data_file g/data.h5
expect 'data.h5.*model file' $rheo sample g/data.h5
printf '1,2\n3\n' > ragged.csv
expect 'ragged.csv.*line 2' $rheo check ragged.csv -check_reference ragged.csv
if [ "$(id -u)" -ne 0 ]; then
  mkdir -p locked && chmod a-w locked
  expect 'locked' $rheo simulate good.yaml -output locked/here
fi
expect 'good.yaml' $rheo simulate good.yaml -output good.yaml/inside

# Ranks
expect 'shards' "$RHEO_MPIEXEC" --oversubscribe -n 3 $rheo train good.yaml -data_file g/data.h5 -train_shards 2
expect 'absent.yaml' "$RHEO_MPIEXEC" --oversubscribe -n 2 $rheo train absent.yaml

# Simulators that never work
command() { sed "s|simulator: .*|simulator: {type: command, command: {line: \"$1\", n_data: 2, timeout: 1, batch: 4}}|" good.yaml > bad.yaml; }
command 'exit 3'
expect 'crash\|ended\|exit' $rheo simulate bad.yaml -simulate_n 40
command 'sleep 100'
expect 'time' $rheo simulate bad.yaml -simulate_n 40
command 'while read line; do echo these are words; done'
expect 'these are words\|garbage\|number' $rheo simulate bad.yaml -simulate_n 40
expect 'absent.so' $rheo simulate good.yaml -simulator_type plugin -simulator_plugin_path ./absent.so

[ $failed -eq 0 ] && echo "all mistakes are answered with one line and status 2"
exit $failed
