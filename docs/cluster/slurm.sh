#!/usr/bin/env bash
# A study on nodes that Slurm grants, on a Ray cluster that lives as long as the job:
#   MLFLOW_TRACKING_URI=https://… sbatch docs/cluster/slurm.sh search_spaces/beta.yaml --scale paper
#
# Run from the project's folder, which all nodes see, with its environment in .venv. Cut off by the
# time limit, the study saves itself and the same command goes on with it.
#SBATCH --job-name=study
#SBATCH --nodes=3
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-task=1
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
set -euo pipefail

bin=$PWD/.venv/bin
port=$((20000 + SLURM_JOB_ID % 10000))
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}')

# A token of this job's own: other users of the nodes can neither look nor join.
folder=$PWD/state/slurm-$SLURM_JOB_ID
mkdir -p "$folder"
umask 077
RAY_AUTH_TOKEN_PATH=$folder/token
"$bin/python" -c 'import secrets; print(secrets.token_hex(32), end="")' > "$RAY_AUTH_TOKEN_PATH"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH RAY_ADDRESS=$address:$port
trap 'kill $(jobs -p) 2> /dev/null || true; rm -rf "$folder"' EXIT

start=("$bin/ray" start --block --disable-usage-stats "--num-cpus=$SLURM_CPUS_PER_TASK")
srun --nodes=1 --ntasks=1 --nodelist="$head" --overlap \
    "${start[@]}" --head "--port=$port" "--node-ip-address=$address" --dashboard-host=127.0.0.1 &
head_job=$!
deadline=$((SECONDS + ${HEAD_SECONDS:-300}))
until "$bin/ray" status > /dev/null 2>&1; do
    if ! kill -0 "$head_job" 2> /dev/null || ((SECONDS > deadline)); then
        echo "slurm.sh: the head of the Ray cluster does not start on $head; what it said is above" >&2
        exit 1
    fi
    sleep 2
done
if ((SLURM_JOB_NUM_NODES > 1)); then
    others=$((SLURM_JOB_NUM_NODES - 1))
    srun --nodes="$others" --ntasks="$others" --exclude="$head" --overlap \
        "${start[@]}" "--address=$RAY_ADDRESS" &
fi

# This script runs on the first node of the job, which is the head.
"$bin/python" -m study.launch "$@" &
study=$!
trap 'kill -TERM "$study"' TERM
status=0
wait "$study" || status=$?
if kill -0 "$study" 2> /dev/null; then  # the wait was ended by the signal
    status=0
    wait "$study" || status=$?
fi
exit "$status"
