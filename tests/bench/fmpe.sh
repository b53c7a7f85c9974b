#!/usr/bin/env bash
# C2ST of FMPE against the reference posteriors of the sbi benchmark (Lueckmann et al. 2021) at 10 000 simulations, by its
# protocol (10 000 samples each): observations 1 to 5 of two_moons and slcp, their mean, the published mean of NPE over all ten
# observations, time of training and of sampling 10 000 points.
#   tests/bench/fmpe.sh [ESTIMATOR...]      default: fmpe; npe runs the study's own deck
# RHEO_BIN: folder of the programs (build/bin); RHEO_DATA: folder that holds sbibm/ (../shared/data); RHEO_RANKS: ranks (1);
# RHEO_FLAGS: further `-key value` for the training, such as -seed 2.
set -eu
cd "$(dirname "$0")/../.."
bin=$(cd "${RHEO_BIN:-build/bin}" && pwd)
data=${RHEO_DATA:-$PWD/../shared/data}/sbibm
[ -d "$data" ] || { echo "skipped: there is no $data"; exit 0; }
run() { mpiexec --oversubscribe -n "${RHEO_RANKS:-1}" "$bin/rheo" "$@"; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN {printf "%.1f", b - a}'; }

printf '%-10s %-9s %7s %7s %7s %7s %7s   %7s %9s   %8s %8s\n' task estimator 1 2 3 4 5 mean published train_s sample_s
for estimator in "${@:-fmpe}"; do
  for task in two_moons slcp; do
    deck=inputs/$task/fmpe.yaml
    [ "$estimator" = fmpe ] || deck=inputs/$task/$task.yaml
    out=$work/$task.$estimator
    run simulate $deck -simulate_n 10000 -output "$out" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
    begin=$(now)
    # shellcheck disable=SC2086
    run train $deck -estimator "$estimator" -plot_figures no -output "$out" ${RHEO_FLAGS:-} >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
    train=$(since "$begin")
    scores= sample=0
    for o in 1 2 3 4 5; do
      bzip2 -dc "$data/$task/$o/reference_posterior_samples.csv.bz2" >"$work/reference.csv"
      begin=$(now)
      run sample "$out/model.h5" -observation_values "$(tail -n 1 "$data/$task/$o/observation.csv")" -sample_n 10000 \
        -plot_figures no -output "$out/$o" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
      sample=$(awk -v a=$sample -v b="$(since "$begin")" 'BEGIN {printf "%.1f", a + b / 5}')
      scores="$scores $(run check "$out/$o/samples.h5" -check_reference "$work/reference.csv" 2>/dev/null | sed -n 's/^c2st: //p')"
    done
    published=$(awk -F, -v task=$task 'NR == 1 {for (i = 1; i <= NF; i++) at[$i] = i; next}
      $at["task"] == task && $at["algorithm"] == "NPE" && $at["num_simulations"] == "10⁴" {s += $at["C2ST"]; n++}
      END {printf "%.3f", n ? s / n : 0}' "$data/published_c2st.csv")
    # shellcheck disable=SC2086
    set -- $scores
    printf '%-10s %-9s %7.3f %7.3f %7.3f %7.3f %7.3f   %7.3f %9s   %8s %8s\n' $task "$estimator" "$@" \
      "$(echo "$scores" | awk '{for (i = 1; i <= NF; i++) s += $i / NF; print s}')" "$published" "$train" "$sample"
  done
done
