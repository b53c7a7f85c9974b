# Every mistake a user can make: one line that says what and where, exit status 2, nothing on stdout, nothing lost.
# timeout: 300
set -u
# shellcheck source=tests/support/cli.sh
. "$RHEO_SOURCE/tests/support/cli.sh"

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
expect "command line: -title: 'caf' is followed by a byte that is not UTF-8" $rheo train good.yaml -title $'caf\xe9'
printf 'ts: {rtol: 1e-3}\nts_rtol: 1e-4\n' | cat good.yaml - > bad.yaml
expect 'bad.yaml:[0-9]*: ts_rtol = 1e-4: ts.rtol in line [0-9]* is the same option' $rheo simulate bad.yaml
deck 's/family: uniform/family: unifrom/'
expect 'bad.yaml:5: prior.b.family: .*uniform.*unifrom' $rheo simulate bad.yaml
deck 's/type: gaussian_linear/type: gaussian_lienar/'
expect 'bad.yaml:2: simulator.type: .*gaussian_linear.*gaussian_lienar' $rheo simulate bad.yaml
deck 's/lower: -1, upper: 1/lower: 1, upper: -1/'
expect 'bad.yaml:5:.*prior.b' $rheo simulate bad.yaml
deck 's/mean: 0, sd: 1/mean: 0, sd: -1/'
expect 'bad.yaml:4:.*prior.a' $rheo simulate bad.yaml
expect 'rqs_copling.*rqs_coupling' $rheo infer good.yaml -flow_stack rqs_copling -output h
expect 'cnf_objective.*cfmm.*known: .*cfm' $rheo infer good.yaml -estimator fmpe -cnf_objective cfmm -output h
expect 'cnf_objective.*continuous flows is called mse (known: cfm, contrastive_fm, cnf_nll)' $rheo infer good.yaml -estimator fmpe -cnf_objective mse -output h
expect 'cnf_source.*normal or uniform' $rheo infer good.yaml -estimator fmpe -cnf_source data -output h
expect 'estimator.*npe, fmpe.*fmep' $rheo infer good.yaml -estimator fmep -output h
[ -e h/data.h5 ] && { echo 'FAILED: a mistake in the flow cost a simulation first'; failed=1; }

mkdir a_folder
expect 'a_folder' $rheo simulate a_folder
head -c 100 /dev/urandom > noise.yaml
expect 'noise.yaml' $rheo simulate noise.yaml
if [ "$(id -u)" -ne 0 ]; then
  cp good.yaml secret.yaml && chmod 000 secret.yaml
  expect 'secret.yaml.*ermission' $rheo simulate secret.yaml
fi
expect 'not an option' $rheo simulate good.yaml good.yaml
expect 'simulate.n\|simulate_n' $rheo simulate good.yaml -simulate_n 10x
deck 's/^prior:/nothing:/'
expect 'bad.yaml:4: .*nothing' $rheo simulate bad.yaml
deck 's/epochs: 2/epochs: 2, epochs: 3/'
expect 'bad.yaml:7:.*epochs' $rheo simulate bad.yaml
deck 's/family: uniform, lower/family: uniform, lowr/'
expect 'bad.yaml:5:.*lowr.*lower' $rheo simulate bad.yaml
deck 's/family: normal, mean: 0, sd: 1/family: normal, mean: 0/'
expect 'bad.yaml: prior.a.sd: is required' $rheo simulate bad.yaml

# The observation
deck 's/values: \[0.5, 0.2\]/values: [0.5, .nan]/'
expect 'observation' $rheo infer bad.yaml
deck 's/values: \[0.5, 0.2\]/values: [0.5]/'
expect 'observation' $rheo infer bad.yaml
deck 's/values: \[0.5, 0.2\]/file: absent.csv/'
expect 'absent.csv' $rheo infer bad.yaml

expect 'observation' $rheo infer good.yaml -observation_values 0.1,nan
expect 'observation' $rheo infer good.yaml -observation_values 0.1,inf
expect 'observation' $rheo infer good.yaml -observation_values 0.1,x
printf 'x\n0.5\nnan\n' > nan.csv
deck 's/values: \[0.5, 0.2\]/file: nan.csv/'
expect 'nan.csv.*line 3' $rheo infer bad.yaml
expect 'observation_column\|observation.column' $rheo infer bad.yaml -observation_column y
deck 's/values: \[0.5, 0.2\]/values: [0.5, 0.2], file: nan.csv/'
expect 'both' $rheo infer bad.yaml

# Files
expect 'absent.h5' $rheo train good.yaml -data_file absent.h5
$rheo simulate good.yaml -output g > /dev/null 2>&1 || { echo "FAILED: a good deck"; failed=1; }
$rheo train good.yaml -output g > /dev/null 2>&1 || { echo "FAILED: a good training"; failed=1; }
for file in data model; do
  cp g/$file.h5 good_$file.h5
  size=$(wc -c < g/$file.h5)
  $rheo info g/$file.h5 | grep -v -e ^file: -e ': rheo ' > good.info
  # Wherever a file is damaged: either that is noticed, or nothing that it says has changed (HDF5 leaves gaps).
  noticed=0
  for i in 1 3 5 7 9 11 13 15; do
    cp g/$file.h5 damaged_$file.h5
    printf 'damaged!' | dd of=damaged_$file.h5 bs=1 seek=$((size * i / 16)) conv=notrunc 2> /dev/null
    if $rheo info damaged_$file.h5 2> err | grep -v -e ^file: -e ': rheo ' > out && [ ! -s err ]; then
      cmp out good.info || { echo "FAILED: damage of $file.h5 at $i/16 went unnoticed"; failed=1; }
    else
      noticed=$((noticed + 1))
      expect "damaged_$file.h5" $rheo info damaged_$file.h5
      cp damaged_$file.h5 broken_$file.h5
    fi
  done
  [ $noticed -gt 0 ] || { echo "FAILED: damage of $file.h5 is never noticed"; failed=1; }
  for n in 0 7 2000 $((size - 8)); do
    head -c $n g/$file.h5 > cut.h5
    expect 'cut.h5' $rheo info cut.h5
  done
done
expect 'good_model.h5.*model' $rheo train good.yaml -data_file good_model.h5 -output g
expect 'broken_data.h5' "$RHEO_MPIEXEC" --oversubscribe -n 2 $rheo train good.yaml -data_file broken_data.h5 -output g
expect 'points' $rheo logprob g/model.h5
expect 'points.*3 numbers' $rheo logprob g/model.h5 -points_values 1,2,3
expect 'observation.values.*3 numbers' $rheo sample g/model.h5 -observation_values 1,2,3 -output g
expect 'plot.corner\|plot_corner.*absent' $rheo plot g/model.h5 -plot_crner absent
expect 'absent' $rheo sample g/model.h5 -plot_corner absent -output h2
expect 'check_run.*nonsense\|check.run.*nonsense' $rheo check g/model.h5 -check_run nonsense
expect 'bins' $rheo check g/model.h5 -check_bins 7 -output h2
expect 'bench.*nonsense' $rheo bench -bench_run nonsense
printf 'a,b,c\n1,2,3\n' > wide.csv
expect 'wide.csv.*3 columns' $rheo logprob g/model.h5 -points_file wide.csv
printf 'a,c\n1,2\n' > other.csv
expect "points_file.*other.csv.*no column 'b'" $rheo logprob g/model.h5 -points_file other.csv
printf 'b,a\n1,2\nnan,2\n' > hole.csv
expect "points_file.*hole.csv: row 2 of column 'b' is nan" $rheo logprob g/model.h5 -points_file hole.csv
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

expect 'ended\|exit\|crash' "$RHEO_MPIEXEC" --oversubscribe -n 2 $rheo infer bad.yaml -simulate_n 40 \
  -simulator_command_line 'read line; kill -9 $$'
expect 'takes\|parameters' $rheo simulate good.yaml -simulator_type slcp
# One that works and sometimes fails is not a mistake: counted in a warning, kept in the file
command 'while read seed a b; do case $seed in *7) echo failed on purpose ;; *) echo $a $b ;; esac; done'
$rheo simulate bad.yaml -simulate_n 40 -output sometimes > out 2> err || { echo 'FAILED: some simulations fail'; failed=1; }
grep -q 'warning.*of 40 simulations.*on purpose' err || { echo 'FAILED: failures are not reported'; failed=1; }

# Nothing of an earlier result was lost
for file in data model; do
  cmp good_$file.h5 g/$file.h5 || { echo "FAILED: g/$file.h5 was touched"; failed=1; }
done

[ $failed -eq 0 ] && echo "all mistakes are answered with one line and status 2"
exit $failed
