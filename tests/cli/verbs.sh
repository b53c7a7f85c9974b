# Every verb as a user goes through them: what is printed parses as YAML and has the names that scripts rely on, files can
# be used from any folder, studies run again from the deck in a file, figures are drawn.
# timeout: 600
set -u
# shellcheck source=tests/support/cli.sh
. "$RHEO_SOURCE/tests/support/cli.sh"

# value FILE PATH: the scalar at a dotted path of block YAML as Rheo prints it
value() {
  awk -v want="$2" '
    { depth = match($0, /[^ ]/) - 1; line = substr($0, depth + 1); at = index(line, ":"); if (!at) next
      name[depth / 2] = substr(line, 1, at - 1); path = name[0]
      for (i = 1; i <= depth / 2; i++) path = path "." name[i]
      if (path == want) { sub(/^[^:]*: */, "", line); print line; exit } }' "$1"
}
has() { [ -n "$(value "$1" "$2")" ] || fail "$1 has no $2"; }
# of that path, where the shared one looks for a name
number() { value "$1" "$2" | grep -Eq '^-?([0-9]+\.?[0-9]*(e[-+]?[0-9]+)?|\.inf)$' || fail "$1: $2 is not a number"; }

mkdir study
cat > study/deck.yaml << 'DECK'
title: A study in_words
seed: 3
simulator: {type: gaussian_linear}
prior:
  first_one: {family: normal, mean: 0, sd: 1}
  b: {family: uniform, lower: -1, upper: 1, label: "{/Symbol b}_\"q\""}
derived: {sum: first_one + b}
observation: {file: seen.csv, column: x, truth: [0.4, 0.1]}
simulate: {n: 1000}
sample: {n: 400}
flow: {repeat: 2, net: {hidden: 16}}
train: {batch: 100, epochs: 4, shards: 4, lr: 5e-3}
check: {simulations: 100, samples: 19, bins: 4, predictive: 100}
DECK
printf 't,x\n1,0.5\n2,0.2\n' > study/seen.csv

# Help: on stdout, of every verb, without a file
for verb in infer simulate train sample logprob check plot info bench; do
  good help "$rheo" $verb -help
  grep -q "^rheo $verb" help.out && [ ! -s help.err ] || fail "rheo $verb -help"
done
good help "$rheo" -help
grep -q 'usage:' help.out || fail "rheo -help"

# infer
good infer mpi 2 "$rheo" infer study/deck.yaml -output r
is_yaml infer.out
for quantity in first_one b sum; do
  for statistic in mean sd q025 median q975; do number infer.out posterior.$quantity.$statistic; done
done
for name in map.b map.sum map.log_prob train.validation_loss sbc.b.chi2_p sbc.b.ks_p coverage.mean_error \
  predictive.inside_95; do number infer.out $name; done
for file in data.h5 model.h5 samples.h5 run.yaml series.csv; do [ -s r/$file ] || fail "infer wrote no $file"; done
is_yaml r/run.yaml
if command -v gnuplot > /dev/null; then
  for figure in loss training corner sbc coverage predictive; do
    [ -s r/figures/$figure.png ] || fail "no figure $figure"
    (cd r/figures && gnuplot $figure.gp) > gnuplot.log 2>&1
    [ ! -s gnuplot.log ] || { fail "gnuplot complains about $figure"; cat gnuplot.log; }
  done
  ! grep -q gnuplot infer.err || fail "gnuplot warns"
fi
good quiet "$rheo" infer study/deck.yaml -output q -plot_figures no -check_run none -log error
[ ! -e q/figures ] || fail "figures although plot.figures is no"
[ ! -s quiet.err ] || { fail "-log error is not silent"; cat quiet.err; }
good logged "$rheo" infer study/deck.yaml -output q -plot_figures no -check_reference r/samples.h5 -log_view
is_yaml logged.out
good coupled "$rheo" train study/deck.yaml -data_file r/data.h5 -output q2 -estimator fmpe -cnf_coupling exact -train_epochs 1 -log_view
events=$(sed -n 's/^RHEO_EVENT([A-Z0-9_]*, "\(.*\)")$/\1/p' "$RHEO_SOURCE/src/base/event.def")
[ "$(echo "$events" | wc -l)" = "$(grep -c '^RHEO_EVENT(' "$RHEO_SOURCE/src/base/event.def")" ] || fail "event.def cannot be read"
for event in $events; do # each of them happens in one of the two
  cat logged.err coupled.err | grep -Eq "^$event +[1-9]" || fail "-log_view has no $event"
done
mkdir bare # every program but gnuplot: MPI needs some of its own
(IFS=:; for folder in $PATH; do ln -s "$folder"/* bare/ 2> /dev/null; done; rm -f bare/gnuplot*)
PATH=$PWD/bare "$rheo" plot q/samples.h5 > bare.out 2> bare.err || fail "plot without gnuplot fails"
grep -q 'warning.*gnuplot' bare.err && [ -s q/figures/corner.gp ] || fail "plot without gnuplot: no warning, or no script"

# simulate and train make what infer makes
good simulate mpi 4 "$rheo" simulate study/deck.yaml -output s
is_yaml simulate.out
good train mpi 2 "$rheo" train study/deck.yaml -output s
is_yaml train.out
cmp r/data.h5 s/data.h5 || fail "simulate and infer differ"
cmp r/model.h5 s/model.h5 || fail "train and infer differ"
[ "$(value train.out train.checksum)" = "$(value infer.out train.checksum)" ] || fail "checksum of train and infer"

# The model answers from another folder, without the files of its deck
mv study away && mkdir elsewhere
good sample sh -c "cd elsewhere && '$rheo' sample ../r/model.h5 -output o"
is_yaml sample.out
cmp r/samples.h5 elsewhere/o/samples.h5 > /dev/null || { "$rheo" info r/samples.h5 > a; "$rheo" info elsewhere/o/samples.h5 > b
  [ "$(value a checksum)" = "$(value b checksum)" ] || fail "sample gives other samples than infer"; }
[ "$(value sample.out posterior.b.mean)" = "$(value infer.out posterior.b.mean)" ] || fail "sample and infer differ"
good other "$rheo" sample r/model.h5 -observation_values -0.9,0.1 -output o2
[ "$(value other.out posterior.first_one.mean)" != "$(value sample.out posterior.first_one.mean)" ] ||
  fail "another observation gives the same posterior"
printf '%s\n' '-0.9 0.1' > elsewhere/seen.txt
good file sh -c "cd elsewhere && '$rheo' sample ../r/model.h5 -observation_file seen.txt -output o3"
[ "$(value other.out posterior.b.mean)" = "$(value file.out posterior.b.mean)" ] ||
  fail "an observation from a file differs from the same values"
good again "$rheo" plot elsewhere/o3/samples.h5 -output p -plot_corner sum,b

good logprob "$rheo" logprob r/model.h5 -points_values 0.3,0.1,0.3,1.5 -output l
is_yaml logprob.out
value logprob.out log_prob | grep -q -- '-\.inf\]' || { fail "no -inf outside of the prior"; cat logprob.out; }
printf 'first_one,b\n0.3,0.1\n' > points.csv
good points "$rheo" logprob r/model.h5 -points_file points.csv -output l
[ "$(value points.out log_prob | tr -d '[]')" = "$(value logprob.out log_prob | tr -d '[]' | cut -d, -f1)" ] ||
  fail "points of a file differ from those of the command line"
printf 'b,first_one\n0.1,0.3\n' > turned.csv
good turned "$rheo" logprob r/model.h5 -points_file turned.csv -output l
[ "$(value turned.out log_prob)" = "$(value points.out log_prob)" ] || fail "columns of points are not told by their names"
good drawn "$rheo" logprob r/model.h5 -points_file r/samples.h5 -output l
number drawn.out mean_log_prob

good check mpi 2 "$rheo" check r/model.h5 -output c
is_yaml check.out
number check.out sbc.b.ks_p
has check.out coverage.nominal
[ "$(value check.out sbc.b.ks_p)" = "$(value infer.out sbc.b.ks_p)" ] || fail "check and infer differ"
good c2st "$rheo" check r/samples.h5 -check_reference elsewhere/o/samples.h5
number c2st.out c2st

# info and plot of each kind; a file's deck makes it again, from another folder
for kind in data model samples; do good info_$kind "$rheo" info r/$kind.h5; done
for kind in data model samples; do
  is_yaml info_$kind.out
  value info_$kind.out checksum | grep -Eq '[0-9a-f]{16}' || fail "no checksum of $kind"
  good plot_$kind "$rheo" plot r/$kind.h5 -output p
  sed -n '/^deck: |/,$p' info_$kind.out | tail -n +2 | sed 's/^  //' > elsewhere/deck_$kind.yaml
  good rerun_$kind sh -c "cd elsewhere && '$rheo' infer deck_$kind.yaml -output again_$kind -check_run none -plot_figures no"
  cmp r/data.h5 elsewhere/again_$kind/data.h5 > /dev/null || { "$rheo" info elsewhere/again_$kind/data.h5 > b
    [ "$(value info_data.out checksum)" = "$(value b checksum)" ] || fail "the deck of $kind gives other data"; }
  "$rheo" info elsewhere/again_$kind/model.h5 > b
  [ "$(value info_model.out checksum)" = "$(value b checksum)" ] || fail "the deck of $kind gives another model"
done
mv away study

# Simulators outside: found again from a file in another folder
mkdir outside
cat > outside/sim.sh << 'SIM'
while read -r seed a b; do echo "$a $b"; done
SIM
sed -e 's|^simulator:.*|simulator: {type: command, command: {line: sh "$RHEO_DECK_DIR/sim.sh", n_data: 2}}|' \
  -e 's|^observation:.*|observation: {values: [0.5, 0.2]}|' study/deck.yaml > outside/deck.yaml
good command mpi 2 "$rheo" infer outside/deck.yaml -output oc -plot_figures no -check_run none
good command_check sh -c "cd elsewhere && '$rheo' check ../oc/model.h5 -output cc -plot_figures no -log warning"
! grep -q 'crash' command_check.err || { fail "the command is not found from a model's deck"; cat command_check.err; }
if command -v "${CC:-cc}" > /dev/null; then
  cp "$RHEO_SOURCE"/inputs/plugin/pendulum.* outside/
  "${CC:-cc}" -O1 -shared -fPIC -I"$RHEO_SOURCE/src/sim" outside/pendulum.c -o outside/pendulum.so -lm ||
    fail "the plug-in does not compile"
  good plugin "$rheo" infer outside/pendulum.yaml -output op -simulate_n 500 -train_epochs 2 -sample_n 100 \
    -plot_figures no -check_run none
  good plugin_check sh -c "cd elsewhere && '$rheo' check ../op/model.h5 -output cp -check_simulations 20 \
    -check_samples 19 -check_bins 4 -check_predictive 20 -sample_n 20 -plot_figures no"
fi

# Every deck of inputs/ is one that runs; those that only train, on what a host or a file has, are run elsewhere,
# and the gallery in gallery.sh
for deck in "$RHEO_SOURCE"/inputs/*/*.yaml; do
  case $deck in */pendulum.yaml | */gallery/*) continue ;; esac
  grep -Eq '^(simulator|target):' "$deck" || continue
  grep -q python3 "$deck" && ! command -v python3 > /dev/null && continue
  name=$(basename "$deck" .yaml)
  good "deck_$name" "$rheo" infer "$deck" -output "d/$name" -simulate_n 200 -train_epochs 1 -sample_n 50 -check_run none \
    -plot_figures no
  is_yaml "deck_$name.out"
done

# bench: its form; speeds are for idle machines
good bench mpi 2 "$rheo" bench -bench_seconds 0.05 -bench_peer none
is_yaml bench.out
for name in dense.ceiling_gflops dense.train_gflops dense.fraction spline.batch_200.samples_per_s \
  spline.batch_4096.samples_per_s ranks.speedup_2 assignment.circle_256.milliseconds \
  scaling.network.latency_us scaling.network.bandwidth_gbs scaling.dense.exchange.overhead_percent \
  scaling.spline.exchange.state_bytes_per_rank scaling.spline.model.shard_ms peak_memory_mb; do number bench.out $name; done
[ "$(grep -c '{ranks: 1024, step_ms' bench.out)" = 2 ] || fail "bench predicts no step on 1024 ranks"
good bench_short mpi 2 "$rheo" bench -bench_run latency,stream -bench_seconds 0.05 -bench_stream_rows 8000
is_yaml bench_short.out
for name in latency.sample.p50_us latency.sample.p99_us latency.sample.least_us latency.sample.calls latency.log_prob.p50_us \
  latency.log_prob.p99_us stream.rows stream.streamed_rows_per_s stream.memory_rows_per_s stream.streamed_over_memory \
  stream.streamed_peak_mb stream.memory_peak_mb; do number bench_short.out $name; done
# Messages of one second each: 3, 2 rounds for the norms and 3 for the parameters on four ranks; what is left is compute.
good predict "$rheo" bench -bench_run scaling -bench_seconds 0.01 -bench_latency_us 1e6 -bench_bandwidth_gbs 1e6 -bench_model_shards 4
awk '/shard_ms:/ {shard = $2} /ranks: 4, step_ms/ {sub(/,/, "", $5); d = $5 - shard - 8000; if (d > -0.1 && d < 1) n++; else print}
  END {exit n != 2}' predict.out >&2 || fail "a step on four ranks is not eight messages long"

# A run that is cut off leaves no half-written file under its final name
"$rheo" infer study/deck.yaml -output k -simulate_n 200k > /dev/null 2>&1 &
victim=$!
sleep 1
kill -9 $victim
wait $victim 2> /dev/null
for file in k/*.h5; do
  [ -e "$file" ] || continue
  "$rheo" info "$file" > /dev/null 2>&1 || fail "$file is broken after a kill"
done

[ $failed -eq 0 ] && echo "every verb does what its users rely on"
exit $failed
