#!/usr/bin/env bash
# A cluster of three Ray nodes on this machine, to try things on: it lives until Ctrl-C, and is
# open to the network, to those who have its token.
#   docs/cluster/local.sh            # prints what to set in another terminal
set -euo pipefail

bin=$(cd "$(dirname "$0")/../.." && pwd)/.venv/bin
port=${PORT:-6390}
dashboard=${DASHBOARD_PORT:-8290}
cpus=${CPUS_PER_NODE:-1}

umask 077
folder=$(mktemp -d /tmp/ray-XXXXXX)
"$bin/python" -c 'import secrets; print(secrets.token_hex(32), end="")' > "$folder/token"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$folder/token
trap 'trap - EXIT; kill $(jobs -p) 2> /dev/null || true; wait; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

start() {
    "$bin/ray" start --block --disable-usage-stats "--num-cpus=$cpus" "$@" &
}

start --head "--port=$port" "--temp-dir=$folder" "--ray-client-server-port=$((port + 1))" \
    --dashboard-host=127.0.0.1 "--dashboard-port=$dashboard" > "$folder/head.log" 2>&1
until "$bin/ray" status --address="127.0.0.1:$port" > /dev/null 2>&1; do
    kill -0 $! 2> /dev/null || { cat "$folder/head.log"; exit 1; }
    sleep 1
done
for node in 1 2; do
    start "--address=127.0.0.1:$port" "--dashboard-agent-listen-port=$((port + 1 + node))" \
        > "$folder/node$node.log" 2>&1
done

cat << TEXT
Three nodes, with CPUs for $cpus trials each. In two other terminals:

  mlflow server --port 5000

  export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$folder/token
  export RAY_ADDRESS=127.0.0.1:$port MLFLOW_TRACKING_URI=http://127.0.0.1:5000
  python -m study.launch search_spaces/beta.yaml

Dashboard: http://127.0.0.1:$dashboard, token: cat $folder/token
TEXT
wait
