# Studies of data sets as a user goes through them: every verb on toys and on files, with conditions and without, a discrete and
# a continuous flow; and every mistake, answered with one line and status 2.
# timeout: 400
set -u
# shellcheck source=tests/support/cli.sh
. "$RHEO_SOURCE/tests/support/cli.sh"
small='train: {batch: 100, steps: 30, shards: 2, patience: 0}
sample: {n: 200}
plot: {paths: 20, grid: 20}
check: {n: 200, steps: [1, 2]}'
net='net: {type: mlp, hidden: 16, layers: 2}, time: raw'

# From noise to a toy: train and the rest, on other numbers of ranks the same
cat > noise.yaml << DECK
title: Moons_and noise
target: {toy: moons, n: 1000}
cnf: {$net, coupling: exact}
$small
DECK
good train "$rheo" train noise.yaml -output n
good infer mpi 2 "$rheo" infer noise.yaml -output n2
for name in train infer; do is_yaml $name.out; done
cmp n/model.h5 n2/model.h5 || fail "train on one rank and infer on two give other models"
good sample "$rheo" sample n/model.h5 -output n
cmp n/samples.h5 n2/samples.h5 > /dev/null || { "$rheo" info n/samples.h5 > a; "$rheo" info n2/samples.h5 > b
  [ "$(grep ^checksum a)" = "$(grep ^checksum b)" ] || fail "sample and infer give other samples"; }
good check mpi 2 "$rheo" check n/model.h5
is_yaml check.out
for name in w2_source w2_floor w2 w2_squared path_energy sliced_w2 mmd energy_distance evaluations mean kl; do number check.out $name; done
grep -q '^  euler_2:' check.out || fail "check.steps are not all there"
good logprob "$rheo" logprob n/model.h5 -points_values 0,1,1,0 -output n
number logprob.out mean_log_prob
good piped "$rheo" logprob n/model.h5 -points_file <(printf 'x1,x2\n0,1\n1,0\n') -output n
[ "$(grep mean_log_prob logprob.out)" = "$(grep mean_log_prob piped.out)" ] || fail "points out of a pipe give something else"
printf 'x2,x1\n1,0\n0,1\n' > turned.csv
printf '0,1\n1,0\n' > bare.csv
for name in turned bare; do
  good $name "$rheo" logprob n/model.h5 -points_file $name.csv -output n
  [ "$(grep ^log_prob logprob.out)" = "$(grep ^log_prob $name.out)" ] || fail "columns of $name.csv are not told right"
done
printf 'x2,y\n1,0\n' > other.csv
expect "points_file.*other.csv.*no column 'x1'" "$rheo" logprob n/model.h5 -points_file other.csv -output n
printf 'x2,x1\n1,0\n1,nan\n' > hole.csv
expect "points_file.*hole.csv: row 2 of column 'x1' is nan" "$rheo" logprob n/model.h5 -points_file hole.csv -output n
good plot "$rheo" plot n/model.h5 -output n
good plot_samples "$rheo" plot n/samples.h5 -output n
good info "$rheo" info n/model.h5
if command -v gnuplot > /dev/null; then
  for figure in loss paths density corner; do [ -s n/figures/$figure.png ] || fail "no figure $figure"; done
  for figure in paths density; do
    (cd n/figures && gnuplot $figure.gp) > gnuplot.log 2>&1
    [ ! -s gnuplot.log ] || { fail "gnuplot complains about $figure"; cat gnuplot.log; }
  done
fi
# Of fixed steps the figure shows the solve that samples come from: paths end at them.
for steps in 1 7; do
  good fixed "$rheo" plot n/model.h5 -output fixed -cnf_solve_scheme euler -cnf_solve_steps $steps
  block() { sed -n "/^# $1/,/^\$/p" fixed/figures/paths.dat | sed '1d;/^$/d' | head -20; }
  [ "$(block 'where paths end' | wc -l)" = 20 ] && [ "$(block 'where paths end')" = "$(block samples)" ] ||
    fail "paths of $steps steps do not end at the samples"
done
good c2st "$rheo" check n/samples.h5 -check_reference n2/samples.h5

# From a file to a file, with a class; the model needs the target no more
awk 'BEGIN { srand(1); print "a,label,b"; for (i = 0; i < 600; i++) { c = i % 3; print c + rand(), c, rand() } }' > target.csv
awk 'BEGIN { srand(2); print "b,a"; for (i = 0; i < 500; i++) print rand(), rand() }' > source.csv
mkdir -p study && mv target.csv source.csv study
cat > study/files.yaml << DECK
target: {file: target.csv, condition_columns: [label], classes: 3}
source: {file: source.csv, columns: [a, b]}
cnf: {$net, coupling: c2ot, solve: {scheme: euler, steps: 5}}
$small
DECK
good files "$rheo" infer study/files.yaml -output f
is_yaml files.out
good held "$rheo" check f/model.h5 -seed 7 -output f2
for name in points w2_source; do
  [ "$(grep "^  $name:" files.out)" = "$(grep "^  $name:" held.out)" ] || fail "another seed at check holds other rows back: $name"
done
grep -q '^  a:' files.out || fail "samples do not have the names of the columns"
mv study/target.csv kept.csv
good class "$rheo" sample f/model.h5 -sample_condition 2 -output f2
grep -q 'warning.*the 200 samples start from the [0-9]* rows of the source' class.err || fail "nobody says that samples repeat"
good few "$rheo" sample f/model.h5 -sample_condition 2 -sample_n 10 -output f2
! grep -q warning few.err || fail "a warning of samples that do not repeat"
expect 'target.csv' "$rheo" sample f/model.h5 -output f2
expect 'target.csv' "$rheo" check f/model.h5 -output f2
mv kept.csv study/target.csv
expect 'sample.condition' "$rheo" sample f/model.h5 -sample_condition 1,2 -output f2
expect 'density' "$rheo" logprob f/model.h5 -points_values 0,0 -sample_condition 1 -output f2

# Guidance is a matter of sampling: 1 is what was trained, more is something else
cat > guided.yaml << DECK
target: {toy: eight_gaussians, n: 1000, condition: class}
cnf: {$net, dropout: 0.2}
$small
DECK
checksum() { "$rheo" info "$1" | grep ^checksum; }
good guided "$rheo" train guided.yaml -output g
good told "$rheo" sample g/model.h5 -sample_condition 2 -output g1
good once "$rheo" sample g/model.h5 -sample_condition 2 -cnf_guidance 1 -output g2
good thrice "$rheo" sample g/model.h5 -sample_condition 2 -cnf_guidance 3 -output g3
[ -n "$(checksum g3/samples.h5)" ] || fail "samples without a checksum"
[ "$(checksum g1/samples.h5)" = "$(checksum g2/samples.h5)" ] || fail "guidance 1 changes samples"
[ "$(checksum g1/samples.h5)" != "$(checksum g3/samples.h5)" ] || fail "guidance 3 changes no sample"
for label in 8 -1 1.5; do
  expect "sample_condition: must be a class of the target, 0 to 7, got $label" "$rheo" sample g/model.h5 -sample_condition $label -output g4
done
expect 'sample_condition: .*0 to 7, got 9' "$rheo" logprob g/model.h5 -points_values 0,0 -sample_condition 9 -output g4
expect 'sample_condition: .*0 to 7, got 8' "$rheo" infer guided.yaml -sample_condition 8 -output g4
expect 'sample_condition: .*0 to 2, got 3' "$rheo" sample f/model.h5 -sample_condition 3 -output f2
expect 'guidance.*dropout' "$rheo" sample f/model.h5 -sample_condition 2 -cnf_guidance 3 -output f2

for verb in sample logprob check plot; do
  "$rheo" $verb -help > help
  for key in cnf.guidance cnf.solve.scheme; do grep -q "^ *$key " help || fail "the help of $verb does not name $key"; done
done

# A discrete flow
sed -e "s/^cnf:.*/flow: {repeat: 1, net: {hidden: 8}}/" noise.yaml > flow.yaml
good flow "$rheo" infer flow.yaml -output fl
is_yaml flow.out
if command -v gnuplot > /dev/null; then [ -s fl/figures/density.png ] || fail "no density of a flow"; fi

# By maximum likelihood, and with densities that are estimated
cat > likelihood.yaml << DECK
target: {toy: moons, n: 500}
cnf: {velocity: potential, $net, objective: cnf_nll,
      likelihood: {scheme: rk4, steps: 2, kinetic: 0.01, l1: 0.01, jacobian_diagonal: 0.01, jacobian_off_diagonal: 0.01, hjb: 0.01}}
train: {batch: 50, steps: 6, shards: 2, patience: 0}
DECK
good likelihood "$rheo" train likelihood.yaml -output l
good likelihood2 mpi 2 "$rheo" train likelihood.yaml -output l2
[ -n "$(grep checksum likelihood.out)" ] && [ "$(grep checksum likelihood.out)" = "$(grep checksum likelihood2.out)" ] ||
  fail "maximum likelihood on one rank and on two gives other models"
good exact "$rheo" logprob l/model.h5 -points_values 0,1,1,0 -output l
! grep -q standard_error exact.out || fail "an exact density has an error"
hutchinson='-cnf_solve_divergence normal -cnf_solve_probes'
good estimated "$rheo" logprob l/model.h5 -points_values 0,1,1,0 -output l $hutchinson 50
is_yaml estimated.out
number estimated.out mean_standard_error
"$rheo" info l/logprob.h5 | grep -q standard_error || fail "errors of densities are not in the file"
values() { sed -n "s/^$2: \[\(.*\)\]/\1/p" "$1" | tr ',' ' '; }
good again "$rheo" logprob l/model.h5 -points_values 0,1,1,0 -output l $hutchinson 50 -seed 2
echo "$(values exact.out log_prob) $(values estimated.out log_prob) $(values estimated.out standard_error) $(values again.out log_prob)" |
  awk 'function off(x) { return x < 0 ? -x : x }
       { if (NF != 8 || $5 <= 0 || off($3 - $1) > 5 * $5 || off($4 - $2) > 5 * $6 || $3 == $7) exit 1 }' ||
  fail "estimated densities are not within their errors of the exact ones, or another seed changes nothing"
good one_probe "$rheo" logprob l/model.h5 -points_values 0,1,1,0 -output l $hutchinson 1
grep -q 'probes above 1' one_probe.err || fail "nobody says that the error of one probe is not known"

# Mistakes
deck() { sed "$1" noise.yaml > bad.yaml; }
deck 's/toy: moons/toy: mons/'
expect 'bad.yaml:2: target.toy: .*moons.*mons' "$rheo" train bad.yaml
deck 's/n: 1000/n: 1000, radius: 3/'
expect 'bad.yaml:2: target.radius.*moons' "$rheo" train bad.yaml
deck 's/n: 1000/n: 1000, nose: 3/'
expect 'bad.yaml:2: .*target.nose.*target.noise' "$rheo" train bad.yaml
expect 'noise' "$rheo" train noise.yaml -target_noise 0
expect 'scale' "$rheo" train noise.yaml -target_scale -1
expect 'sigma' "$rheo" train noise.yaml -cnf_sigma -1
expect 'sigma' "$rheo" train noise.yaml -cnf_path sb -cnf_sigma 0
expect 'cnf.likelihood.hjb.*potential' "$rheo" train noise.yaml -cnf_likelihood_hjb 0.1
sed 's/^target:/source: {toy: normal}\ntarget:/' likelihood.yaml > bad.yaml
expect 'cnf.source.*maximum likelihood needs a source whose density is known' "$rheo" train bad.yaml
expect 'check_steps.*\[1, 1e6\], got 1e300' "$rheo" check n/model.h5 -check_steps 1e300
expect 'check_steps: must be whole numbers, got 1.5' "$rheo" infer noise.yaml -check_steps 1.5 -output m
expect 'check_steps: has 2 twice' "$rheo" check n/model.h5 -check_steps 2,1,2
expect 'check_scheme.*eulr' "$rheo" infer noise.yaml -check_scheme eulr -output m
[ ! -e m/model.h5 ] || fail "a mistake in the check cost a training first"
expect 'rtol' "$rheo" train noise.yaml -cnf_solve_rtol 0
expect 'rtol' "$rheo" sample n/model.h5 -cnf_solve_rtol -1e-3
expect 'coupling_batch.*multiple' "$rheo" train noise.yaml -cnf_coupling_batch 150
expect 'scheme\|sceme' "$rheo" sample n/model.h5 -cnf_solve_scheme tsit55
deck 's/^target:/source: {toy: normal, dimension: 3}\ntarget:/'
expect 'bad.yaml:2: source: has 3 dimensions, the target has 2' "$rheo" train bad.yaml
for key in 'file: study/source.csv' 'toy: moons'; do
  sed "s|^target:|source: {model: n/model.h5, $key}\ntarget:|" noise.yaml > bad.yaml
  expect 'bad.yaml:2: source.[a-z]*.*belongs to a data set, and this source is a model' "$rheo" train bad.yaml
done
deck 's/^target:/source: {toy: moons, rows: 100}\ntarget:/'
expect 'source.rows.*belongs to a model' "$rheo" train bad.yaml
for section in 'prior: {a: {family: normal, mean: 0, sd: 1}}' 'simulator: {type: two_moons}' 'observation: {values: [0, 0]}' \
  'estimator: fmpe' 'truncate: {rounds: 2}'; do
  sed "s/^target:/$section\ntarget:/" noise.yaml > bad.yaml
  expect "bad.yaml:2: ${section%%:*}.*belongs to a posterior.*target" "$rheo" train bad.yaml
done
deck 's/^target:.*/target: {file: study\/target.csv, columns: [a, a]}/'
expect "target.columns.*'a' is taken twice" "$rheo" train bad.yaml
deck 's/toy: moons/toy: scurve, condition: class/'
expect 'no classes' "$rheo" train bad.yaml
deck 's/n: 1000/n: 4/; s/moons/eight_gaussians/'
expect 'target.n.*8' "$rheo" train bad.yaml
deck 's/n: 1000/n: 8, condition: class/; s/moons/eight_gaussians/'
expect 'target.n = 8: no row to train on is of class' "$rheo" train bad.yaml
deck 's/^target:.*/target: {file: study\/target.csv, condition_columns: [label], classes: 4}/'
expect 'class 3' "$rheo" train bad.yaml
deck 's/^target:.*/target: {file: study\/target.csv, condition_columns: [label], classes: 5000}/'
expect 'more than' "$rheo" train bad.yaml
deck 's/^target:.*/target: {file: study\/target.csv, columns: [a, c]}/'
expect "no column 'c'" "$rheo" train bad.yaml
sed '7s/.*/nan,0,1/' study/target.csv > nan.csv
deck 's/^target:.*/target: {file: nan.csv}/'
expect "bad.yaml:2: target.file = nan.csv: row 6 of column 'a' is nan, .*finite.*leave" "$rheo" train bad.yaml
sed '7s/.*/1e300,0,1/' study/target.csv > huge.csv
sed '7s/.*/0,-1e39,1/' study/target.csv > condition.csv
for ranks in 1 2; do
  run=("$RHEO_MPIEXEC" --oversubscribe -n $ranks "$rheo")
  deck 's/^target:.*/target: {file: huge.csv}/'
  expect "bad.yaml:2: target.file = huge.csv: row 6 of column 'a' is 1e+300, .*finite in single.*leave" "${run[@]}" train bad.yaml
  deck 's/coupling: exact/coupling: c2ot/'
  expect 'bad.yaml:3: cnf.coupling = c2ot: .*conditions.*take exact' "${run[@]}" train bad.yaml
done
deck 's/^target:/source: {file: huge.csv, columns: [a, b]}\ntarget:/'
expect "bad.yaml:2: source.file = huge.csv: row 6 of column 'a'" "$rheo" train bad.yaml
deck 's/^target:.*/target: {file: study\/target.csv, test_file: huge.csv}/'
expect "bad.yaml:2: target.test_file = huge.csv: row 6 of column 'a'" "$rheo" train bad.yaml
deck 's/^target:.*/target: {file: condition.csv, condition_columns: [label]}/'
expect "bad.yaml:2: target.file = condition.csv: row 6 of column 'label' is -1e+39" "$rheo" train bad.yaml
deck 's/^target:.*/target: {file: absent.csv}/'
expect 'absent.csv' "$rheo" train bad.yaml
deck 's/^target:.*/target: {n: 10}/'
expect 'target: .*has none' "$rheo" train bad.yaml
deck 's/^cnf:/flow: {repeat: 1}\ncnf:/'
expect 'only one' "$rheo" train bad.yaml
expect 'deck' "$rheo" train n/model.h5
expect 'model file' "$rheo" sample noise.yaml

# Nor are classes that nothing falls into, where batches are too small to tell
sed -e 's/n: 1000/n: 1000, condition: x1/; s/exact/c2ot/; s/batch: 100/batch: 50/' noise.yaml > continuous.yaml
good continuous "$rheo" train continuous.yaml -output b
[ "$(grep -c 'warning.*cnf.c2ot.condition is classes.*take continuous' continuous.err)" = 1 ] || fail "no warning of conditions that are no classes"
for more in '-cnf_c2ot_condition continuous' '-target_condition class'; do
  good continuous "$rheo" train continuous.yaml -output b $more
  grep -q 'warning' continuous.err && fail "a warning of conditions with $more"
done

# Pairs of another bridge than the path's are no mistake, but said
good bridge "$rheo" train noise.yaml -cnf_coupling sinkhorn -cnf_path sb -cnf_sigma 0.8 -cnf_sinkhorn_regularisation 2 -output b
[ "$(grep -c 'warning.*cnf.sinkhorn.regularisation is 2, .*cnf.sigma^2 = 1.28' bridge.err)" = 1 ] || fail "no warning of another bridge"
good bridge "$rheo" train noise.yaml -cnf_coupling sinkhorn -cnf_path sb -cnf_sigma 0.8 -output b
grep -q 'warning' bridge.err && fail "a warning of the bridge's own regularisation"

[ $failed -eq 0 ] && echo "studies of data sets do what their users rely on"
exit $failed
