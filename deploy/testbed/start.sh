#!/usr/bin/env bash
# Starts a real Kafka broker, ClickHouse's engine behind its native protocol, and a real Slurm of 32
# nodes on loopback, without containers, and writes DIR/cluster.yaml for `fleetops --config`.
# usage: start.sh DIR            stop with stop.sh DIR
# env: SLURM_NODES=32  KAFKA_PORT, CLICKHOUSE_PORT (free ones are chosen)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "${1:?usage: start.sh DIR}"
dir=$(cd "$1" && pwd)
nodes=${SLURM_NODES:-32}

free_port() { # COUNT consecutive free ports
  python3 - "$1" <<'P'
import random, socket, sys
count = int(sys.argv[1])
while True:
    base = random.randrange(12000, 19000)
    try:
        sockets = [socket.create_server(("127.0.0.1", base + i)) for i in range(count)]
    except OSError:
        continue
    for one in sockets:
        one.close()
    print(base)
    break
P
}
port_of() { # NAME COUNT: the port used before, or a new one, so that a second start finds the first
  [[ -s $dir/$1.port ]] || free_port "$2" >"$dir/$1.port"
  cat "$dir/$1.port"
}

echo "testbed: Kafka (its jars are fetched the first time)" >&2
kafka_port=${KAFKA_PORT:-$(port_of kafka 3)}
bootstrap=$("$here/kafka/start.sh" "$dir/kafka" "$kafka_port")
echo "testbed: ClickHouse's engine" >&2
clickhouse_port=${CLICKHOUSE_PORT:-$(port_of clickhouse 1)}
PYTHON=${PYTHON:-$root/.venv/bin/python} "$here/clickhouse/start.sh" "$dir/clickhouse" "$clickhouse_port" >&2 ||
  grep -q listening "$dir/clickhouse/front.log"
echo "testbed: Slurm, $nodes nodes (its packages are fetched the first time)" >&2
# unix sockets live in Slurm's folder, so its path must be short
slurm_dir=$(readlink -f "$dir/slurm.d" 2>/dev/null || true)
if [[ -z $slurm_dir || ! -d $slurm_dir ]]; then
  slurm_dir=$(mktemp -d /tmp/fleetops-slurm.XXXXXX)
  ln -sfn "$slurm_dir" "$dir/slurm.d"
fi
"$here/slurm/start.sh" "$slurm_dir" "$nodes" >"$dir/slurm.env"

cat >"$dir/cluster.yaml" <<C
# Written by deploy/testbed/start.sh
bus:
  kind: kafka
  bootstrap_servers: ["$bootstrap"]
store:
  kind: clickhouse
  host: 127.0.0.1
  port: $clickhouse_port
operate:
  scheduler: slurm
  scheduler_options:
    bin_dir: $slurm_dir/bin
C
echo "testbed: ready; fleetops --config $dir/cluster.yaml ..." >&2
