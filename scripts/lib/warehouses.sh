# shellcheck shell=bash
# What stands in for warehouses: the drivers that hydrant loads, a server that speaks Snowflake's protocol, one that speaks
# Flight SQL, and dbt. Each comes from a registry of packages.

# fakesnow answers Snowflake's own drivers from a DuckDB. It takes no credentials seriously.
# start_fakesnow FOLDER PORT
start_fakesnow() {
  mkdir -p "$1"
  # What it keeps about its users and its working files stays in our folder.
  HOME="$1" setsid "$FAKESNOW" -s -p "$2" >"$1/log" 2>&1 </dev/null &
  echo $! >"$1/pid"
  disown
  wait_for 90 answers_http "$2" || die_with_log 'fakesnow did not become ready within 90 s' "$1/log"
}

# Whatever it says, it is there.
answers_http() { curl -s -m 2 -o /dev/null "http://127.0.0.1:$1/"; }

# start_sail FOLDER PORT: Sail, an engine of Spark's SQL, as a server of Flight SQL.
start_sail() {
  mkdir -p "$1"
  # It has one session, which it ends after half an hour without a query and does not begin again.
  (cd "$1" && HOME="$1" SAIL_FLIGHT__SESSION_TIMEOUT_SECS=604800 exec setsid "$SAIL" flight server --ip 127.0.0.1 --port "$2") >"$1/log" 2>&1 </dev/null &
  echo $! >"$1/pid"
  disown
  wait_for 90 listens "$2" || die_with_log 'Sail did not become ready within 90 s' "$1/log"
}

listens() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# stop_warehouse FOLDER WORD: the process of the pid file, if that word is on its command line.
stop_warehouse() {
  local pid
  pid=$(cat "$1/pid" 2>/dev/null || true)
  ! is_ours "$pid" "$2" || stop_pid KILL "$pid"
}
