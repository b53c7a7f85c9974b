#!/bin/bash
# Conditional optimal transport, eight Gaussians to moons: table 1 of C2OT (Cheng & Schwing 2025) at its protocol. 20 000 steps of
# 256 rows, cut from one assignment of 1024; network of width 128 with 3 residual blocks of gelu, four times as wide inside; Adam
# 3e-4; no sigma; every row is new. The metric is the squared W2 on 10 000 points (the paper's "2-Wasserstein" has no root),
# adaptive (5dp, 1e-4) and by one Euler step. unc: without condition; cls: the moon; x: the point's first coordinate.
# A + at a method's end means our settings: cosine schedule, averaged parameters.
#   tests/bench/c2ot.sh [-s "0 1 2 3 4 5 6 7 8 9"] [-m "c2ot-cls+ c2ot-x+ c2ot-cls c2ot-x fm-unc ot-unc fm-cls ot-cls fm-x ot-x"] [-j 2]
# About 4 minutes a run on one core.
set -eu
seeds="0 1 2 3 4 5 6 7 8 9" methods="c2ot-cls+ c2ot-x+ c2ot-cls c2ot-x fm-unc ot-unc fm-cls ot-cls fm-x ot-x" problems=""
output=results/c2ot
# shellcheck source=tests/bench/transport.sh
. "$(dirname "$0")/transport.sh"
options "$@"

condition() { case ${1%+} in *-unc) echo none ;; *-cls) echo class ;; *-x) echo x1 ;; *) echo "no method $1" >&2; exit 2 ;; esac; }
settings() { case $1 in *+) echo ", schedule: cosine, ema: 0.9995" ;; esac; }
coupling() {
  case ${1%+} in
    fm-*) echo independent ;;
    ot-*) echo exact ;;
    c2ot-cls) echo "c2ot, c2ot: {condition: classes}" ;;
    c2ot-x) echo "c2ot, c2ot: {condition: continuous, ratio: 0.05}" ;;
  esac
}
published() { # adaptive, one Euler step
  case ${1%+} in
    fm-unc) echo ".120+-.045 6.232+-.186" ;; ot-unc) echo ".050+-.040 .072+-.025" ;;
    fm-cls) echo ".059+-.029 2.573+-.112" ;; ot-cls) echo ".462+-.025 .483+-.059" ;; c2ot-cls) echo ".018+-.006 .048+-.010" ;;
    fm-x) echo ".028+-.010 .732+-.052" ;; ot-x) echo "2.143+-1.993 8.276+-6.510" ;; c2ot-x) echo ".013+-.003 .077+-.024" ;;
  esac
}

for method in $methods; do
  for seed in $seeds; do
    name=$method.$seed
    mkdir -p "$output/$name"
    cat > "$output/$name/deck.yaml" << DECK
title: Eight Gaussians to moons, $method
seed: $seed
source: {toy: eight_gaussians, radius: 5, sd: 0.5623413, n: 5120k}
target: {toy: moons, jitter: diagonal, noise: 0.2, scale: 3, shift: [-1, -1], n: 5120k, of: 10k, condition: $(condition "$method")}
cnf: {net: {type: ffn, hidden: 128, layers: 3, activation: gelu, context: concat, expansion: 4}, time: raw, standardize: no, sigma: 0,
      coupling_batch: 1024, coupling: $(coupling "$method"), solve: {scheme: 5dp, rtol: 1e-4, atol: 1e-4}}
train: {batch: 256, epochs: 1, lr: 3e-4, clip: 0, validation: 0, patience: 0$(settings "$method")}
check: {n: 10k, steps: 1}
DECK
    echo "$name"
  done
done | run_all

printf '%-10s %-20s %-16s %-20s %-16s\n' method adaptive published euler-1 published
for method in $methods; do
  names=$(for seed in $seeds; do echo "$method.$seed"; done)
  read -r adaptive euler <<< "$(published "$method")"
  # shellcheck disable=SC2086
  printf '%-10s %-20s %-16s %-20s %-16s\n' "$method" "$(mean check.samples.w2_squared $names)" "$adaptive" \
    "$(mean check.euler_1.w2_squared $names)" "$euler"
done
