# A model stays what it was trained as, whatever the command line of a verb that asks it says; how it is followed and guided may change.
# timeout: 120
set -u
# shellcheck source=tests/support/cli.sh
. "$RHEO_SOURCE/tests/support/cli.sh"

cat > noise.yaml << 'DECK'
target: {toy: moons, n: 500}
cnf: {net: {type: mlp, hidden: 8, layers: 2}, time: raw}
train: {batch: 100, steps: 10, patience: 0}
sample: {n: 50}
plot: {figures: no}
DECK
cat > fmpe.yaml << 'DECK'
estimator: fmpe
simulator: {type: two_moons}
prior:
  theta1: {family: uniform, lower: -1, upper: 1}
  theta2: {family: uniform, lower: -1, upper: 1}
observation: {values: [0, 0]}
simulate: {n: 500}
cnf: {net: {type: mlp, hidden: 8, layers: 2}, dropout: 0.3}
train: {batch: 100, steps: 30, patience: 0}
sample: {n: 50}
check: {run: none}
plot: {figures: no}
DECK
good train "$rheo" train noise.yaml -output n
good infer "$rheo" infer fmpe.yaml -output f

kept='takes this from the model'
for key in 'cnf_path ve' 'cnf_source uniform' 'cnf_net_activation relu' 'cnf_standardize no' 'train_lr 1'; do
  # shellcheck disable=SC2086
  for verb in sample logprob check plot; do expect "command line: -${key% *} = ${key#* }: rheo $verb $kept" "$rheo" $verb n/model.h5 -$key; done
done
for key in 'prior_theta1_upper 5' 'estimator npe' 'cnf_path vp' 'cnf_dropout 0.1' 'truncate_rounds 1'; do
  # shellcheck disable=SC2086
  expect "command line: -${key% *} = ${key#* }: .*$kept" "$rheo" sample f/model.h5 -$key
done

# The model of another estimator
sed /^estimator/d fmpe.yaml > forgotten.yaml
expect 'forgotten.yaml:[0-9]*: cnf: .*set estimator: fmpe' "$rheo" infer forgotten.yaml -output forgotten
[ -e forgotten/data.h5 ] && fail "a forgotten estimator costs a simulation first"
good other "$rheo" train fmpe.yaml -estimator npe -flow_repeat 1 -data_file f/data.h5 -train_steps 2 -output other
grep -q 'warning: the section cnf is not read: the estimator is npe' other.err || fail "no word of a section that is not read"

# Keys without effect
idle() { # WARNING KEYS...: of a training
  local warning=$1
  shift
  good idle "$rheo" train noise.yaml -train_steps 1 -output idle "$@"
  [ "$(grep -c 'has no effect' idle.err)" = 1 ] || fail "not one warning of $*"
  grep -q "warning: command line: $warning" idle.err || fail "no warning of $*"
}
good plain "$rheo" train noise.yaml -train_steps 1 -output idle
grep -q 'has no effect' plain.err && fail "a warning of a deck whose keys all have effects"
idle '-cnf_times_power: has no effect with cnf.times = uniform' -cnf_times_power 2
idle '-cnf_frequencies: has no effect with cnf.time = raw' -cnf_frequencies 4
idle '-cnf_coupling_batch: has no effect with cnf.coupling = independent' -cnf_coupling_batch 200
idle '-cnf_sinkhorn_most: has no effect with cnf.coupling = exact' -cnf_sinkhorn_most 9 -cnf_coupling exact
idle '-cnf_likelihood_kinetic: has no effect with cnf.objective = cfm' -cnf_likelihood_kinetic 0.1
idle '-cnf_path: has no effect with cnf.objective = cnf_nll' -cnf_path vp -cnf_objective cnf_nll
idle '-cnf_likelihood_probes: has no effect with cnf.likelihood.divergence = exact' -cnf_likelihood_probes 2 -cnf_objective cnf_nll
good learned "$rheo" train noise.yaml -train_steps 1 -output idle -cnf_objective cnf_nll -cnf_likelihood_end_time learned -cnf_likelihood_end_time_min 0.5
grep -q 'has no effect' learned.err && fail "a warning of keys that have an effect"

mean() { "$rheo" logprob f/model.h5 -points_values 0.1,0.1 -output p "$@" | grep mean_log_prob; }
[ "$(mean)" = "$(mean -cnf_guidance 1)" ] || fail "guidance 1 changes a density"
[ "$(mean)" != "$(mean -cnf_guidance 3)" ] || fail "guidance changes no density of a posterior"
good once "$rheo" sample f/model.h5 -cnf_guidance 1 -output g1
good thrice "$rheo" sample f/model.h5 -cnf_guidance 3 -output g3
checksum() { "$rheo" info "$1" | grep ^checksum; }
[ -n "$(checksum f/samples.h5)" ] || fail "samples without a checksum"
[ "$(checksum g1/samples.h5)" = "$(checksum f/samples.h5)" ] || fail "guidance 1 changes samples"
[ "$(checksum g3/samples.h5)" = "$(checksum g1/samples.h5)" ] && fail "guidance 3 changes no sample"
sed 's/dropout: 0.3/guidance: 1/' fmpe.yaml > plain.yaml
good plain "$rheo" train plain.yaml -data_file f/data.h5 -output h
expect 'cnf_guidance = 3: .*cnf.dropout' "$rheo" sample h/model.h5 -cnf_guidance 3
expect 'cnf_guidance: must be in' "$rheo" sample f/model.h5 -cnf_guidance inf

# What a model is a source of stays as it was
{ echo 'source: {model: n/model.h5, rows: 200}'; cat noise.yaml; } > chain.yaml
good chain "$rheo" train chain.yaml -output ch
good density "$rheo" logprob ch/model.h5 -points_values 1,1
cp -r n n.kept
good other "$rheo" train noise.yaml -seed 2 -output n
expect 'ch/model.h5:.*source.model = .*another model than this one was trained with' "$rheo" logprob ch/model.h5 -points_values 1,1
rm -r n && mv n.kept n
good density2 "$rheo" logprob ch/model.h5 -points_values 1,1
cmp density.out density2.out || fail "another density of the same models"
expect 'chain.yaml: source.model = .*what this training would write' "$rheo" train chain.yaml -output n
cp -r n own
sed 's|n/model|own/model|' chain.yaml > own.yaml
good own "$rheo" train own.yaml -output written
cp written/model.h5 own/model.h5
expect 'another model' "$rheo" sample written/model.h5

exit $failed
