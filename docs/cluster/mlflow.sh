#!/usr/bin/env bash
# An MLflow server for a cluster: records in PostgreSQL, artifacts by way of the server, users with
# passwords. Run it on the machine of the database, as a user of its own.
#   POSTGRES_URI=postgresql://mlflow:…@127.0.0.1/mlflow AUTH_URI=postgresql://mlflow:…@127.0.0.1/auth \
#   ADMIN_PASSWORD=… ARTIFACTS=/srv/mlflow/artifacts docs/cluster/mlflow.sh
#
# Both databases exist and are empty before the first start:
#   sudo -u postgres createuser --pwprompt mlflow
#   sudo -u postgres createdb --owner=mlflow mlflow; sudo -u postgres createdb --owner=mlflow auth
# It answers under the names of this machine; ALLOWED_HOSTS names others by which it is reached, such as
# that of a proxy, separated by commas, each with the port if that is part of the address.
# Beside this project's environment it takes `pip install 'mlflow[auth]' 'psycopg[binary]'`.
# It listens on the loopback address; HOST=0.0.0.0 opens it, and then a proxy with TLS belongs before
# it. Other users are made with `mlflow.server.get_app_client("basic-auth", …).create_user(…)`.
set -euo pipefail
: "${POSTGRES_URI:?}" "${AUTH_URI:?}" "${ADMIN_PASSWORD:?}" "${ARTIFACTS:?}"

umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/auth.ini" << TEXT
[mlflow]
default_permission = EDIT
database_uri = $AUTH_URI
admin_username = admin
admin_password = $ADMIN_PASSWORD
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
TEXT

port=${PORT:-5000}
names="localhost 127.0.0.1 $(hostname) $(hostname --fqdn 2> /dev/null || true)"
names+=" $(hostname --all-ip-addresses 2> /dev/null || true)"
hosts=${ALLOWED_HOSTS:-}
for name in $names; do hosts+=${hosts:+,}$name,$name:$port; done

export MLFLOW_AUTH_CONFIG_PATH=$folder/auth.ini
export MLFLOW_FLASK_SERVER_SECRET_KEY=${SECRET_KEY:-$(python3 -c 'import secrets; print(secrets.token_hex(32))')}
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false  # its workers for other kinds of work
export MLFLOW_BACKEND_STORE_URI=$POSTGRES_URI  # not an argument: `ps` would show it
"${MLFLOW:-mlflow}" server --app-name basic-auth --host "${HOST:-127.0.0.1}" --port "$port" \
    --allowed-hosts "$hosts" --artifacts-destination "$ARTIFACTS"
