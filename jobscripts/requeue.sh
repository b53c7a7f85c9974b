# What the job scripts share: start the program, pass on the batch system's warning, and come back for another turn.
#   . jobscripts/requeue.sh
#   launch RANKS COMMAND ...     returns the program's status; 3: it stopped early, and the same command continues
#   turn STATUS [SCRIPT]         ends the job with that status, or queues it again where there is something to continue
#                                (PBS: by submitting the script)
# RHEO_LAUNCHER  how ranks are started: mpiexec (default), or `srun --mpi=pmix` where Slurm and MPI were built for each other
# RHEO_TURNS     turns after which a job that still has not ended is left alone (100)
# shellcheck shell=bash

cancelled= # by the user, or by a job that comes first: whoever did it decides what comes next
say() { echo "$(date +%FT%T) job ${SLURM_JOB_ID:-${PBS_JOBID:-}}: $*" >&2; }

# Slurm before 23.02 does not say when a job ends. Rheo leaves some seconds before that moment by itself.
if [ -n "${SLURM_JOB_ID:-}" ] && [ -z "${SLURM_JOB_END_TIME:-}" ]; then
  if end=$(date -d "$(squeue -h -j "$SLURM_JOB_ID" -o %e 2>/dev/null)" +%s 2>/dev/null) && [ "$end" -gt "$(date +%s)" ]; then
    export SLURM_JOB_END_TIME=$end
  fi
fi

# SLURM_NTASKS is what the job was submitted with, whatever `scontrol update JobId=... NumTasks=...` has said between two turns.
if [ -n "${SLURM_JOB_ID:-}" ] && [ -n "${SLURM_RESTART_COUNT:-}" ]; then
  tasks=$(scontrol -o show job "$SLURM_JOB_ID" 2>/dev/null | sed -n 's/.* NumTasks=\([1-9][0-9]*\) .*/\1/p' | head -n 1) || tasks=
  # shellcheck disable=SC2034 # the script's
  if [ -n "$tasks" ]; then ranks=$tasks; fi
fi

# In the background, for bash runs a trap only when a command in the foreground has ended. A trap interrupts `wait`, which then
# tells of the signal and not of the program: so once more for every signal.
launch() {
  local ranks=$1 child status=0 again signals=0
  local -a launcher
  shift
  read -ra launcher <<<"${RHEO_LAUNCHER:-mpiexec}"
  # PBS warns of nothing (see the header of the .pbs files).
  if [ -n "${seconds:-}" ]; then launcher=(timeout --foreground --preserve-status --signal=USR1 "$seconds" "${launcher[@]}"); fi
  say "turn $((${SLURM_RESTART_COUNT:-${RHEO_TURN:-0}} + 1)): ${launcher[*]} -n $ranks $*"
  "${launcher[@]}" -n "$ranks" "$@" </dev/null &
  child=$!
  # USR1 in both cases: mpiexec hands it to all ranks, and kills them within a second where it is sent TERM.
  trap 'signals=$((signals + 1)); kill -USR1 "$child" 2>/dev/null || true' USR1
  trap 'cancelled=yes; signals=$((signals + 1)); kill -USR1 "$child" 2>/dev/null || true' TERM
  wait "$child" || status=$?
  while [ "$signals" -gt 0 ]; do
    signals=$((signals - 1))
    again=0
    wait "$child" 2>/dev/null || again=$?
    if [ "$again" != 127 ]; then status=$again; fi # 127: it is known already how the program ended
  done
  trap - USR1 TERM
  return "$status"
}

turn() {
  local status=$1 script=${2:-} done_=$((${SLURM_RESTART_COUNT:-${RHEO_TURN:-0}} + 1))
  # A warning that comes before the program is ready for one kills it (128 + 10), and nobody else sends this signal.
  if [ "$status" = 138 ]; then status=3; fi
  if [ "$status" != 3 ]; then
    [ "$status" = 0 ] || say "ended with status $status"
    exit "$status"
  fi
  if [ -n "$cancelled" ]; then
    say "was cancelled; submit it again to continue"
    exit 3
  fi
  if [ "$done_" -ge "${RHEO_TURNS:-100}" ]; then
    say "has not ended in $done_ turns; if it got on, submit it again to continue"
    exit 3
  fi
  say "stopped ahead of the limit, and is queued again"
  if [ -n "${SLURM_JOB_ID:-}" ]; then
    # This ends the job at once; it may start again two minutes later. An array's task has a number of its own.
    scontrol requeue "$SLURM_JOB_ID" || { say "could not be queued again; submit it again to continue"; exit 3; }
    sleep 60
  else
    # shellcheck disable=SC2154 # the script's variables
    qsub -v "RHEO_TURN=$done_,RHEO_DECK=$deck,RHEO_OUTPUT=$output,RHEO_KEYS=$keys" "$script" ||
      { say "could not be queued again; submit it again to continue"; exit 3; }
    exit 0
  fi
}
