#!/bin/bash
# From N(-0.1, I) to N(0.1, I) in d dimensions, 10 000 points, 20 steps: KL of the normal that has the samples' moments from the
# target (De Bortoli et al. 2021; SF2M, Tong et al. 2024). `floor` is the KL that 10 000 exact samples have, d (d + 3) / (4 n).
# sbcfm+ has weight decay 1, without which 10 000 rows are learned by heart in 20 and 50 dimensions.
#   tests/bench/bridge.sh [-s "42 43 44 45 46"] [-m "otcfm sbcfm sbcfm+"] [-p "5 20 50"] [-j 2]
set -eu
seeds="42 43 44 45 46" methods="otcfm sbcfm sbcfm+" problems="5 20 50"
output=results/bridge
# shellcheck source=tests/bench/transport.sh
. "$(dirname "$0")/transport.sh"
options "$@"

decay() { case $1 in *+) echo 1 ;; *) echo 1e-5 ;; esac; }
method() {
  case ${1%+} in
    icfm) echo "coupling: independent, sigma: 0.1" ;;
    otcfm) echo "coupling: exact, sigma: 0.1" ;;
    sbcfm) echo "coupling: sinkhorn, path: sb, sigma: 1, sinkhorn: {regularisation: 2}" ;;
    *) echo "no method $1" >&2; exit 2 ;;
  esac
}
for d in $problems; do
  for method in $methods; do
    for seed in $seeds; do
      name=$d.$method.$seed
      mkdir -p "$output/$name"
      cat > "$output/$name/deck.yaml" << DECK
title: Bridge of normal distributions, d = $d, $method
seed: $seed
source: {toy: normal, mean: -0.1, dimension: $d, n: 10k}
target: {toy: normal, mean: 0.1, dimension: $d, n: 10k}
cnf: {net: {type: mlp, hidden: 64, layers: 3, activation: selu}, time: raw, standardize: no, $(method "$method"),
      solve: {scheme: euler, steps: 20}}
train: {batch: 512, epochs: 200, lr: 1e-3, decay: $(decay "$method"), validation: 0, patience: 0, schedule: cosine, ema: 0.999}
check: {n: 10k, steps: 1}
DECK
      echo "$name"
    done
  done
done | run_all

printf '%-4s %-8s %-20s %-8s %s\n' d method KL floor "published: SF2M-Exact, SB-CFM, DSBM-IPF"
for d in $problems; do
  case $d in 5) row=".007 .008 .015" ;; 20) row=".029 .034 .132" ;; 50) row=".124 .170 .528" ;; *) row=- ;; esac
  for method in $methods; do
    names=$(for seed in $seeds; do echo "$d.$method.$seed"; done)
    # shellcheck disable=SC2086
    printf '%-4s %-8s %-20s %-8s %s\n' "$d" "$method" "$(mean check.samples.normal_kl $names)" \
      "$(awk -v d="$d" 'BEGIN { printf "%.4f", d * (d + 3) / 40000 }')" "$row"
  done
done
