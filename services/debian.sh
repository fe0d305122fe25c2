#!/usr/bin/env bash
# PostgreSQL and an MLflow server behind TLS and a password, of Debian's packages, in one folder.
#
#   apt-get install postgresql nginx-light openssl
#   services/debian.sh start DIR     # makes what is not there yet, and prints what clients set
#   services/debian.sh stop DIR
#   services/debian.sh secrets DIR   # only what compose.yaml, the same in containers, needs
#
# HOST (127.0.0.1) is the address that clients reach, PORT (5443) MLflow's, PGPORT (5442) PostgreSQL's.
# Passwords are made at first, and lie in DIR/client.env, which its owner alone can read. As root, the
# database runs as Debian's user postgres. mlflow is the one on PATH: hemo's environment has it.
set -euo pipefail

usage() { sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2; }
wrong() { echo "$1" >&2; exit 2; }
[ $# = 2 ] || usage
HERE=$(cd "$(dirname "$0")" && pwd)
DIR=$(realpath -m -- "$2")
# nginx, PostgreSQL and the shells that read client.env each quote in their own way.
[[ $DIR =~ ^[A-Za-z0-9_./+@-]+$ ]] || wrong "$DIR: give a folder whose path has letters, digits and ._-+@ alone"
if [ -f "$DIR/client.env" ]; then # addresses are what they were when it was made
    read -r host port pgport <<< "$(sed -n 's|.*_URI=https://\(.*\):\([0-9]*\)$|\1 \2|p; s|.*@.*:\([0-9]*\)/optuna$|\1|p' \
        "$DIR/client.env" | xargs)"
    for pair in "HOST:${HOST:-$host}:$host" "PORT:${PORT:-$port}:$port" "PGPORT:${PGPORT:-$pgport}:$pgport"; do
        IFS=: read -r name now then <<< "$pair"
        [ "$now" = "$then" ] || wrong "$DIR was made with $name=$then: leave $name away, or give another folder"
    done
    HOST=$host PORT=$port PGPORT=$pgport
fi
HOST=${HOST:-127.0.0.1}
PORT=${PORT:-5443}
PGPORT=${PGPORT:-5442}
MLFLOW_PORT=${MLFLOW_PORT:-$((PORT + 1))}
for number in "$PORT" "$PGPORT" "$MLFLOW_PORT"; do
    [[ $number =~ ^[1-9][0-9]{0,4}$ && $number -lt 65536 ]] ||
        wrong "'$number' is no port: give PORT, PGPORT, MLFLOW_PORT a number"
done
[ "$(printf '%s\n' "$PORT" "$PGPORT" "$MLFLOW_PORT" | sort -u | wc -l)" = 3 ] ||
    wrong "PORT $PORT, PGPORT $PGPORT and MLFLOW_PORT $MLFLOW_PORT: give three different ones"
[[ $HOST =~ ^[A-Za-z0-9.-]+$ ]] || wrong "HOST '$HOST': give an address or a name that clients reach"
case $1 in
start | secrets) mkdir -p "$DIR" 2>/dev/null || wrong "$DIR: no folder can be made there" ;;
stop) [ -f "$DIR/client.env" ] || wrong "$2: no services were started there" ;;
*) usage ;;
esac
MLFLOW=127.0.0.1:$MLFLOW_PORT
PG=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
PG=${PG:-$(dirname "$(command -v initdb || echo /none)")}

check_programs() {
    [ -x "$PG/initdb" ] || wrong "PostgreSQL is lacking: apt-get install postgresql"
    command -v nginx >/dev/null || wrong "nginx is lacking: apt-get install nginx-light"
    command -v openssl >/dev/null || wrong "openssl is lacking: apt-get install openssl"
    command -v mlflow >/dev/null || wrong "mlflow is not on PATH: source hemo's environment (.venv/bin/activate)"
}

check_here() {
    python3 -c 'import socket, sys; socket.create_server((sys.argv[1], 0))' "$HOST" 2>/dev/null ||
        wrong "HOST $HOST: no address of this machine"
}

check_free() { # an address, and the variable that gives another port
    if (exec 3<> "/dev/tcp/${1%:*}/${1#*:}") 2>/dev/null; then wrong "$1 is taken: set $2 to a free port"; fi
}

as_postgres() {
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

secret() { openssl rand -hex 16; }

make_secrets() {
    [ -f "$DIR/client.env" ] && return
    local user=hemo web db
    web=$(secret) db=$(secret)
    printf '%s:%s\n' "$user" "$(openssl passwd -apr1 "$web")" > "$DIR/users"
    openssl req -x509 -newkey rsa:2048 -nodes -days 825 -subj "/CN=$HOST" \
        -addext "subjectAltName=DNS:localhost,$( [[ $HOST =~ ^[0-9.]+$ ]] && echo "IP:$HOST" || echo "DNS:$HOST")" \
        -keyout "$DIR/server.key" -out "$DIR/server.crt" 2>/dev/null
    chmod 600 "$DIR/server.key"
    chmod 644 "$DIR/users" # only digests of passwords; nginx's workers read it
    (umask 077 && cat > "$DIR/client.env") <<EOF
export MLFLOW_TRACKING_URI=https://$HOST:$PORT
export MLFLOW_TRACKING_USERNAME=$user
export MLFLOW_TRACKING_PASSWORD=$web
export MLFLOW_TRACKING_SERVER_CERT_PATH=$DIR/server.crt
export HEMO_STORAGE=postgresql+psycopg://hemo:$db@$HOST:$PGPORT/optuna
EOF
}

start_database() {
    local data=$DIR/postgres password
    password=$(sed -n 's|.*//hemo:\([^@]*\)@.*|\1|p' "$DIR/client.env")
    if [ ! -d "$data" ]; then
        mkdir -m 700 "$data"
        if [ "$(id -u)" = 0 ]; then chown postgres "$data"; fi
        as_postgres "$PG/initdb" -D "$data" -E UTF8 --auth-local=peer --auth-host=scram-sha-256 >/dev/null
        as_postgres sh -c "cat >> '$data/postgresql.conf'" <<EOF
listen_addresses = '$HOST'
port = $PGPORT
unix_socket_directories = '$data'
max_connections = 500
EOF
        as_postgres sh -c "echo 'host all hemo all scram-sha-256' >> '$data/pg_hba.conf'"
    fi
    as_postgres "$PG/pg_ctl" -D "$data" -l "$data/log" -w start >/dev/null || wrong "PostgreSQL did not start: see $data/log"
    if ! sql postgres "SELECT 1 FROM pg_roles WHERE rolname = 'hemo'" | grep -q 1; then
        sql postgres "CREATE ROLE hemo LOGIN PASSWORD '$password'"
        sql postgres "CREATE DATABASE mlflow OWNER hemo"
        sql postgres "CREATE DATABASE optuna OWNER hemo"
    fi >/dev/null
}

sql() { as_postgres psql -h "$DIR/postgres" -p "$PGPORT" -At -d "$1" -c "$2"; }

start_mlflow() {
    # In the environment, since commands are seen by all users of the machine.
    MLFLOW_BACKEND_STORE_URI=$(sed -n 's|.*HEMO_STORAGE=\(.*\)/optuna$|\1/mlflow|p' "$DIR/client.env") \
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true \
        setsid mlflow server --host "${MLFLOW%:*}" --port "${MLFLOW#*:}" --workers "${WORKERS:-2}" \
        --artifacts-destination "$DIR/artifacts" --cors-allowed-origins "https://$HOST:$PORT" \
        > "$DIR/mlflow.log" 2>&1 < /dev/null &
    echo $! > "$DIR/mlflow.pid"
    for _ in $(seq 120); do
        (exec 3<> "/dev/tcp/${MLFLOW%:*}/${MLFLOW#*:}") 2>/dev/null && return
        kill -0 "$(cat "$DIR/mlflow.pid")" 2>/dev/null || break
        sleep 1
    done
    echo "the MLflow server did not start: see $DIR/mlflow.log" >&2
    exit 1
}

proxy_settings() { # where its files are, where it may write, its log, its address, and MLflow's
    sed -e "s|@DIR@|$1|g; s|@RUN@|$2|g; s|@LOG@|$3|; s|@ADDRESS@|$4|; s|@MLFLOW@|$5|" "$HERE/nginx.conf"
}

compose_settings() {
    proxy_settings /hemo /run/hemo stderr 5443 mlflow:5000 > "$DIR/compose-nginx.conf"
    local password
    password=$(sed -n 's|.*//hemo:\([^@]*\)@.*|\1|p' "$DIR/client.env")
    (umask 077 && printf '%s\n' "DATABASE_PASSWORD=$password" "SECRETS=$DIR" "HOST=$HOST" "PORT=$PORT" \
        "PGPORT=$PGPORT" > "$DIR/compose.env")
}

start_proxy() {
    proxy_settings "$DIR" "$DIR" "$DIR/nginx.log" "$HOST:$PORT" "$MLFLOW" > "$DIR/nginx.conf"
    nginx -c "$DIR/nginx.conf" -e "$DIR/nginx.log" || wrong "nginx did not start: see $DIR/nginx.log"
}

# Not by its file, which a crash leaves behind.
database_runs() { as_postgres "$PG/pg_isready" -q -h "$DIR/postgres" -p "$PGPORT"; }

running() { [ -f "$1" ] && kill -0 "$(head -1 "$1")" 2>/dev/null; }

case $1 in
secrets)
    chmod 755 "$DIR"
    make_secrets
    compose_settings
    echo "docker compose --env-file $DIR/compose.env -f $HERE/compose.yaml up -d"
    ;;
start)
    check_programs
    check_here
    chmod 755 "$DIR"
    make_secrets
    database_runs || check_free "$HOST:$PGPORT" PGPORT
    running "$DIR/mlflow.pid" || check_free "$MLFLOW" MLFLOW_PORT
    running "$DIR/nginx.pid" || check_free "$HOST:$PORT" PORT
    database_runs || start_database
    running "$DIR/mlflow.pid" || start_mlflow
    running "$DIR/nginx.pid" || start_proxy
    echo "Clients, jobs and workers: source $DIR/client.env (its certificate goes with it)"
    ;;
stop)
    if running "$DIR/nginx.pid"; then kill -QUIT "$(cat "$DIR/nginx.pid")"; fi
    if running "$DIR/mlflow.pid"; then
        kill -- "-$(cat "$DIR/mlflow.pid")"
        for _ in $(seq 60); do # else a start right behind finds its port taken
            (exec 3<> "/dev/tcp/${MLFLOW%:*}/${MLFLOW#*:}") 2>/dev/null || break
            sleep 0.5
        done
    fi
    rm -f "$DIR/mlflow.pid"
    if as_postgres test -f "$DIR/postgres/postmaster.pid"; then
        as_postgres "$PG/pg_ctl" -D "$DIR/postgres" -m fast -w stop >/dev/null 2>&1 || echo "PostgreSQL had died"
    fi
    ;;
esac
