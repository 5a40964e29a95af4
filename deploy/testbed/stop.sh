#!/usr/bin/env bash
# Stops what start.sh DIR started, by pid files. DIR stays.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$(cd "${1:?usage: stop.sh DIR}" && pwd) || exit 0
"$here/kafka/stop.sh" "$dir/kafka"
"$here/clickhouse/stop.sh" "$dir/clickhouse"
slurm_dir=$(readlink -f "$dir/slurm.d" || true)
[[ -n $slurm_dir && -d $slurm_dir ]] && "$here/slurm/stop.sh" "$slurm_dir"
exit 0
