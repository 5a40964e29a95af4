#!/usr/bin/env bash
# Runs scenarios over the testbed that start.sh DIR started: real Kafka, ClickHouse's engine, real Slurm.
# A real Slurm job holds the nodes of the emulated training job. Ends with 1 if any scenario failed.
# usage: demo-cluster.sh DIR [SCENARIO...]      all scenarios without names
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
dir=$(cd "${1:?usage: demo-cluster.sh DIR [SCENARIO...]}" && pwd)
shift
fleetops=$root/.venv/bin/fleetops
nodes=${SLURM_NODES:-32}
job_nodes=${JOB_NODES:-24}
# shellcheck disable=SC1091
source "$dir/slurm.env"

mapfile -t scenarios < <(if (($#)); then printf '%s\n' "$@"; else "$fleetops" demo --list | awk '{print $1}'; fi)

job=$(sbatch --parsable --nodes="$job_nodes" --exclusive --job-name=pretrain --output=/dev/null --wrap 'sleep 7200')
trap 'scancel "$job"' EXIT
for _ in $(seq 100); do
  [[ $(squeue -h -j "$job" -o %T) == RUNNING ]] && break
  sleep 0.2
done
echo "demo-cluster: Slurm job $job holds $(squeue -h -j "$job" -o %N)" >&2

failed=()
for scenario in "${scenarios[@]}"; do
  echo "demo-cluster: $scenario" >&2
  log=$dir/demo-$scenario.jsonl
  if "$fleetops" --config "$dir/cluster.yaml" demo --headless --scenario "$scenario" --timeout "${TIMEOUT:-180}" \
    --host-names "n[0-$((nodes - 1))]" --job-id "$job" --state-dir "$dir/demo-state" >"$log"; then
    echo "demo-cluster: $scenario came true" >&2
  else
    echo "demo-cluster: $scenario FAILED, see $log" >&2
    tail -n 1 "$log" >&2
    failed+=("$scenario")
  fi
done
echo "${#scenarios[@]} scenarios, ${#failed[@]} failed ${failed[*]-}"
exit $((${#failed[@]} > 0))
