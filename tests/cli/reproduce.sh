# The same bytes on any number of ranks, and from the deck that a file carries.
# timeout: 300
set -eu
rheo=$RHEO_BIN/rheo
# With a continuous flow: groups of rows share the solver's steps, and ranks must not cut them.
cat > fmpe.yaml << 'DECK'
seed: 5
estimator: fmpe
simulator: {type: two_moons}
prior:
  theta1: {family: uniform, lower: -1, upper: 1}
  theta2: {family: uniform, lower: -1, upper: 1}
simulate: {n: 1000}
train: {batch: 128, epochs: 5, shards: 4, lr: 5e-3}
cnf: {net: {hidden: 16, layers: 1}, solve: {group: 32, rtol: 1e-4, atol: 1e-4}}
observation: {values: [0.1, -0.2]}
sample: {n: 301}
check: {simulations: 30, samples: 19, bins: 4, predictive: 50}
plot: {figures: no}
DECK
for n in 1 2 3; do
  mkdir -p fmpe$n && (cd fmpe$n && "$RHEO_MPIEXEC" --oversubscribe -n $n "$rheo" infer ../fmpe.yaml -output out > out.yaml 2> err) || { cat fmpe$n/err; exit 1; }
  sed -i '/samples_per_s/d' fmpe$n/out.yaml
done
for n in 2 3; do
  for file in data model samples; do cmp fmpe1/out/$file.h5 fmpe$n/out/$file.h5; done
  cmp fmpe1/out.yaml fmpe$n/out.yaml || { diff fmpe1/out.yaml fmpe$n/out.yaml; exit 1; }
done
cat > deck.yaml << 'DECK'
seed: 5
simulator: {type: two_moons}
prior:
  theta1: {family: uniform, lower: -1, upper: 1}
  theta2: {family: uniform, lower: -1, upper: 1}
truncate: {rounds: 1, n: 600, epochs: 2}
simulate: {n: 2000}
train: {batch: 128, epochs: 3, shards: 4}
flow: {repeat: 2, net: {hidden: 16, dropout: 0.1}}
observation: {values: [0.1, -0.2]}
sample: {n: 501}
check: {simulations: 64, samples: 19, bins: 4, predictive: 50}
plot: {figures: no}
DECK
for n in 1 2 4; do
  "$RHEO_MPIEXEC" --oversubscribe -n $n "$rheo" infer deck.yaml -output r$n > out$n.yaml 2> err$n || { cat err$n; exit 1; }
  sed -i -e '/samples_per_s/d' -e '/^output:/d' out$n.yaml
done
for n in 2 4; do
  for file in data model samples; do
    # The output folder stands in the deck that each file carries; nothing else may differ.
    "$rheo" info r1/$file.h5 | grep -v -e 'output' -e '^file:' -e ': rheo ' > a
    "$rheo" info r$n/$file.h5 | grep -v -e 'output' -e '^file:' -e ': rheo ' > b
    cmp a b || { diff a b; echo "$file.h5 differs between 1 and $n ranks"; exit 1; }
  done
  cmp out1.yaml out$n.yaml || { diff out1.yaml out$n.yaml; echo "the result differs between 1 and $n ranks"; exit 1; }
done
# Into the same folder name the files are equal byte by byte.
for n in 1 2 4; do
  mkdir -p same$n && (cd same$n && "$RHEO_MPIEXEC" --oversubscribe -n $n "$rheo" infer ../deck.yaml -output out > /dev/null 2>&1)
done
for n in 2 4; do for file in data model samples; do cmp same1/out/$file.h5 same$n/out/$file.h5; done; done
# A file's own deck makes it again.
"$rheo" info r1/model.h5 | sed -n '/^deck: |/,$p' | tail -n +2 | sed 's/^  //' > again.yaml
(mkdir -p again && cd again && "$rheo" infer ../again.yaml -output r1 > /dev/null 2>&1)
cmp r1/model.h5 again/r1/model.h5
cmp r1/samples.h5 again/r1/samples.h5
echo "equal on 1, 2 and 4 ranks, and again from the deck in the file"
