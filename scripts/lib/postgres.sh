# shellcheck shell=bash
# PostgreSQL of the machine, in a folder of its own: TLS, SCRAM, a Unix socket, and no care for durability unless
# DURABLE says so. The tests kill hydrant, not the server.

# The server refuses to run as root.
as_postgres() {
  if is_root; then
    runuser -u postgres -- "$@"
  else
    "$@"
  fi
}

# pg_hba.conf FILE: passwords everywhere, also on the socket, except for the role that shows its certificate.
write_pg_hba() {
  cat >"$1" <<'HBA'
# TYPE    DATABASE  USER          ADDRESS  METHOD
local     all       all                    scram-sha-256
hostssl   all       hydrant_cert  all      cert
hostnossl all       hydrant_cert  all      reject
host      all       all           all      scram-sha-256
HBA
}

# How much care the server takes, and what for.
postgres_care() {
  if [ -n "${DURABLE:-}" ]; then
    cat <<'CONF'
# As it comes, which is durable, but for the memory and the room for WAL that any server of some size is given.
shared_buffers = 1GB
max_wal_size = 8GB
CONF
  else
    cat <<'CONF'
fsync = off
synchronous_commit = off
full_page_writes = off
# Nothing but the tests shall move the WAL position or the counters of a table.
autovacuum = off
checkpoint_timeout = 1h
# Tests look into the WAL of the last seconds; others may write much in that time.
wal_keep_size = 1GB
CONF
  fi
}

# start_postgres FOLDER PORT
#
#   certs/                    what clients need
#   server/                   everything that is the server's: data, log, socket
start_postgres() {
  local folder=$1 port=$2 bin server=$1/server
  bin=$(postgres_bin)
  mkdir -p "$server"
  make_certificates "$folder/certs" >"$folder/openssl.log" || die_with_log 'openssl could not make certificates' "$folder/openssl.log"
  cp "$folder/certs/server.key" "$server/server.key"
  write_pg_hba "$server/pg_hba.conf"
  echo "$POSTGRES_PASSWORD" >"$server/password"
  cat >"$server/hydrant.conf" <<CONF
listen_addresses = 'localhost,127.0.0.2'
port = $port
unix_socket_directories = '$server'
hba_file = '$server/pg_hba.conf'
ssl = on
ssl_cert_file = '$folder/certs/server.crt'
ssl_key_file = '$server/server.key'
ssl_ca_file = '$folder/certs/ca.crt'
$(postgres_care)
CONF
  ! is_root || chown -R postgres: "$server"
  cd / # the server's user may not enter the folder that we are in

  as_postgres "$bin/initdb" -D "$server/data" -U postgres --pwfile="$server/password" -A scram-sha-256 \
    -E UTF8 --locale=C.UTF-8 --data-checksums --no-sync >"$folder/initdb.log" 2>&1 ||
    die_with_log 'initdb failed' "$folder/initdb.log"
  echo "include '$server/hydrant.conf'" >>"$server/data/postgresql.conf"
  as_postgres "$bin/pg_ctl" -D "$server/data" -l "$server/log" -s -w -t 60 start >"$folder/pg_ctl.log" 2>&1 ||
    die_with_log 'PostgreSQL did not become ready within 60 s' "$server/log"
  psql -qX -v ON_ERROR_STOP=1 "$(postgres_url "$port")" -c 'CREATE ROLE hydrant_cert LOGIN' >"$folder/psql.log" 2>&1 ||
    die_with_log 'PostgreSQL is up but did not let us in' "$folder/psql.log"
}

postgres_url() { echo "postgres://postgres:$POSTGRES_PASSWORD@127.0.0.1:$1/postgres"; }

stop_postgres() {
  local pid
  pid=$(head -n 1 "$1/server/data/postmaster.pid" 2>/dev/null || true)
  # QUIT is an immediate shutdown: the data goes with the folder.
  ! is_ours "$pid" "$1/server/data" || stop_pid QUIT "$pid"
}
