# shellcheck shell=bash
# A server that speaks MongoDB's protocol, twice: one that says it is a replica set, and so has transactions, and one that
# says it stands alone, which asks for TLS. Both ask for passwords (SCRAM).

# start_mongodb FOLDER PORT FLAGS...
start_mongodb() {
  local folder=$1 port=$2
  shift 2
  mkdir -p "$folder/data"
  make_certificates "$folder/certs" >"$folder/openssl.log" || die_with_log 'openssl could not make certificates' "$folder/openssl.log"
  # Nothing but our flags: a file of settings in the working directory would count too.
  : >"$folder/secantusd.toml"
  # A fifth of the cache must hold what a transaction writes, some large documents with their copies in the log among them.
  # What it has acknowledged outlives a kill only if every commit is forced to disk.
  # A session of its own: the interrupt key of the terminal is for the tests. They end, then we stop the server.
  setsid "$MONGOD" --config "$folder/secantusd.toml" --host 127.0.0.1 --port "$port" --storage-path "$folder/data" \
    --cache-size 1G --log-level WARNING --sync-on-commit --auth "$@" >"$folder/log" 2>&1 </dev/null &
  echo $! >"$folder/pid"
  disown
  wait_for 60 mongodb_user "$folder" "$port" "$@" || die_with_log 'the MongoDB server did not become ready within 60 s' "$folder/log"
}

# mongodb_user FOLDER PORT FLAGS...: makes the first account, which a server without any lets everybody do who is on its machine.
mongodb_user() {
  local tls=
  [ "${3:-}" = '' ] || tls="&tls=true&tlsCAFile=$1/certs/ca.crt"
  "$PYMONGO" - "mongodb://127.0.0.1:$2/?directConnection=true&serverSelectionTimeoutMS=2000$tls" "$MONGODB_PASSWORD" <<'PYTHON'
import sys
from pymongo import MongoClient

MongoClient(sys.argv[1]).admin.command("createUser", "root", pwd=sys.argv[2], roles=["root"])
PYTHON
}

start_mongodb_alone() {
  start_mongodb "$1" "$2" --standalone --tls-cert-file "$1/certs/server.crt" --tls-key-file "$1/certs/server.key" --tls-ca-file "$1/certs/ca.crt"
}

# mongodb_url PORT
mongodb_url() { echo "mongodb://root:$MONGODB_PASSWORD@127.0.0.1:$1/test?authSource=admin"; }

mongodb_answers() {
  "$PYMONGO" -c 'import sys, pymongo; pymongo.MongoClient(sys.argv[1], serverSelectionTimeoutMS=5000).admin.command("ping")' "$1" >/dev/null 2>&1
}

stop_mongodb() {
  local pid
  pid=$(cat "$1/pid" 2>/dev/null || true)
  ! is_ours "$pid" "$1/data" || stop_pid KILL "$pid"
}
