# shellcheck shell=bash
# Words that every script uses: how to say things, and how to end a process that may not want to.

# runuser and others live where a plain shell of root may not look.
PATH=$PATH:/usr/sbin:/sbin

# Says what is going on. Standard error, so that the output of `scripts/servers env` stays clean.
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }

# Ends the script with a reason.
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

is_root() { [ "$(id -u)" = 0 ]; }

# die_with_log MESSAGE LOG: the reason, and the last lines of the log that explain it.
die_with_log() {
  printf 'error: %s\n' "$1" >&2
  if [ -s "$2" ]; then
    printf -- '--- the last lines of %s\n' "$2" >&2
    tail -n 30 "$2" >&2
    printf -- '---\n' >&2
  fi
  exit 1
}

# wait_for SECONDS COMMAND...: until the command succeeds; fails when the time is over.
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.1
  done
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# is_ours PID FOLDER: the process lives and names our folder on its command line. A pid file may outlive its process,
# and the number may be somebody else's by now.
is_ours() {
  [ -n "$1" ] || return 1
  ps -ww -o args= -p "$1" 2>/dev/null | grep -qF -- "$2"
}

# stop_pid SIGNAL PID: asks, waits, and after ten seconds insists.
stop_pid() {
  kill -s "$1" "$2" 2>/dev/null || return 0
  wait_for 10 gone "$2" || kill -s KILL "$2" 2>/dev/null || true
}

# Where servers keep their data: memory if there is enough of it, since the tests commit thousands of times.
base_folder() {
  local free_kib
  free_kib=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
  if [ "${free_kib:-0}" -gt $((2 * 1024 * 1024)) ] && [ -w /dev/shm ]; then
    echo /dev/shm
  else
    echo "${TMPDIR:-/tmp}"
  fi
}

# port_of URL: of the forms that we write.
port_of() {
  local rest=${1##*@*:}
  echo "${rest%%/*}"
}

# free_ports COUNT: ports of 127.0.0.1 that are free now, with the port 10,000 above each free too (SeaweedFS takes
# both). Below 32768, where Linux starts to hand ports out by itself.
free_ports() {
  python3 - "$1" <<'PYTHON'
import random, socket, sys

def bind(port):
    taken = socket.socket()
    try:
        taken.bind(("127.0.0.1", port))
        return taken
    except OSError:
        taken.close()

wanted, held = int(sys.argv[1]), []
while len(held) < wanted:
    port = random.randrange(15000, 22000)
    pair = [bind(port), bind(port + 10000)]
    if all(pair):
        held.append((port, pair))
print(*(port for port, _ in held))
PYTHON
}
