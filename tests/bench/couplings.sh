#!/bin/bash
# Couplings in the plane: table 2 of SF2M (Tong et al., AISTATS 2024) at its protocol. Network 3 x 64 selu of [z, t]; AdamW 1e-3,
# decay 1e-5; 1000 epochs of 10 000 samples, batch 512; sigma 0.1 (1 for SB-CFM); 100 Euler steps; W2 by exact assignment on
# 10 000 test points, NPE = |path energy - W2^2| / W2^2 (W2 from source to target). Data as in torchcfm's runner (datamodules
# gaussians, moons, scurve, and twodim for moons-8g, which has other scales: moons of noise 0.1 taken to mean 0 and standard
# deviation 7 over both coordinates, Gaussians of sd 1.5 on a circle of 12), sets of 30 000 rows split at random. `floor` is W2
# between the test points and 10 000 others.
# moons-8g-np is moons-8g with the data that the runner's own libraries make of the seed (data_moons_8g.py; needs scikit-learn and
# PyTorch); exact_map.py tells what to expect of them.
# otcfm+ is otcfm with our settings: coupled over 1024 rows at once, sigma 0.02, rate 1e-2 with cosine schedule, averaged parameters.
#   tests/bench/couplings.sh [-s "42 43 44 45 46"] [-m "icfm otcfm otcfm+ sbcfm wcfm"] [-p "N-8g moons-8g moons-8g-np N-moons N-scurve"] [-j 2]
# About 3 minutes a run on one core, so 5 hours for all of it on two cores' turns of two.
set -eu
seeds="42 43 44 45 46" methods="icfm otcfm otcfm+ sbcfm wcfm" problems="N-8g moons-8g N-moons N-scurve"
output=results/couplings
# shellcheck source=tests/bench/transport.sh
. "$(dirname "$0")/transport.sh"
options "$@"

# data PROBLEM SEED DIR
data() {
  case $1 in
    moons-8g-np)
      "${RHEO_PYTHON:-/usr/bin/python3}" "$(dirname "$0")/data_moons_8g.py" "$2" "$3" >&2
      echo "source: {file: source.csv, test_file: source_test.csv}"
      echo "target: {file: target.csv, test_file: target_test.csv}" ;;
    moons-8g)
      echo "source: {toy: moons, noise: 0.1, scale: 9.682, shift: [-3.631, -3.631], n: 10k, of: 30k}"
      echo "target: {toy: eight_gaussians, radius: 12, sd: 1.5, n: 10k}" ;;
    *-8g) echo "target: {toy: eight_gaussians, radius: 5, sd: 1, n: 10k, of: 30k}" ;;
    *-moons) echo "target: {toy: moons, noise: 0.05, scale: 2, shift: [-1, 0], n: 10k, of: 30k}" ;;
    *-scurve) echo "target: {toy: scurve, noise: 0.05, scale: 1.5, n: 10k, of: 30k}" ;;
  esac
}
method() {
  case $1 in
    icfm) echo "coupling: independent, sigma: 0.1" ;;
    fm) echo "coupling: independent, path: lipman, sigma: 0.1" ;;
    otcfm) echo "coupling: exact, sigma: 0.1" ;;
    otcfm+) echo "coupling: exact, sigma: 0.02, coupling_batch: 1024" ;;
    sbcfm) echo "coupling: sinkhorn, path: sb, sigma: 1, sinkhorn: {regularisation: 2}" ;;
    wcfm) echo "coupling: weighted, sigma: 0.1" ;;
    *) echo "no method $1" >&2; exit 2 ;;
  esac
}
settings() { case $1 in *+) echo "lr: 1e-2, schedule: cosine, ema: 0.999" ;; *) echo "lr: 1e-3" ;; esac; }

published() { # METHOD PROBLEM: W2, NPE
  case "$1 $2" in
    "icfm N-8g") echo ".373+-.103 .202+-.055" ;; "icfm moons-8g" | "icfm moons-8g-np") echo "1.557+-.407 2.680+-.292" ;;
    "icfm N-moons") echo ".178+-.014 .891+-.120" ;; "icfm N-scurve") echo ".242+-.141 .856+-.031" ;;
    "fm N-8g") echo ".343+-.058 .190+-.054" ;; "fm N-moons") echo ".209+-.055 .762+-.099" ;;
    "fm N-scurve") echo ".198+-.037 .743+-.116" ;;
    "sbcfm N-8g") echo "2.314+-2.112 1.000+-.000" ;; "sbcfm N-moons") echo ".434+-.594 .995+-.000" ;;
    "sbcfm N-scurve") echo ".341+-.468 .745+-.039" ;;
    otcfm*N-8g) echo ".303+-.043 .031+-.027" ;; otcfm*moons-8g | otcfm*moons-8g-np) echo ".601+-.027 .015+-.010" ;;
    otcfm*N-moons) echo ".130+-.016 .083+-.009" ;; otcfm*N-scurve) echo ".144+-.028 .027+-.012" ;;
    *) echo "- -" ;;
  esac
}

for problem in $problems; do
  for method in $methods; do
    for seed in $seeds; do
      name=$problem.$method.$seed
      mkdir -p "$output/$name"
      cat > "$output/$name/deck.yaml" << DECK
title: $problem, $method
seed: $seed
$(data "$problem" "$seed" "$output/$name")
cnf: {net: {type: mlp, hidden: 64, layers: 3, activation: selu}, time: raw, standardize: no, $(method "$method"),
      solve: {scheme: euler, steps: 100}}
train: {batch: 512, epochs: 1000, decay: 1e-5, clip: 0, validation: 0, patience: 0, $(settings "$method")}
check: {n: 10k, steps: 1}
DECK
      echo "$name"
    done
  done
done | run_all

printf '%-10s %-8s %-20s %-16s %-20s %-16s %s\n' problem method W2 published NPE published floor
for problem in $problems; do
  for method in $methods; do
    names=$(for seed in $seeds; do echo "$problem.$method.$seed"; done)
    read -r w2 npe <<< "$(published "$method" "$problem")"
    # shellcheck disable=SC2086
    printf '%-10s %-8s %-20s %-16s %-20s %-16s %s\n' "$problem" "$method" "$(mean check.samples.w2 $names)" "$w2" \
      "$(mean check.samples.path_energy $names)" "$npe" "$(mean check.w2_floor $names)"
  done
done
