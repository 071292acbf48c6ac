# shellcheck shell=bash
# Oracle's MySQL and MariaDB, each in a folder of its own: TLS, a Unix socket, two addresses of which the certificate names
# one, and no care for durability unless DURABLE says so. What both take is said once.
#
#   certs/                    what clients need
#   server/                   everything that is the server's: data, log, socket

# The servers refuse to run as root unless they are told to; where MySQL lies, no other user may look.
mysql_user() { ! is_root || echo --user=root; }

# Flags for both servers: mysql_flags FOLDER PORT
mysql_flags() {
  local folder=$1 server=$1/server
  printf '%s\n' "--datadir=$server/data" "--port=$2" --bind-address=127.0.0.1,127.0.0.2 --skip-name-resolve \
    "--socket=$server/s.sock" "--pid-file=$server/pid" "--log-error=$server/log" \
    "--ssl-ca=$folder/certs/ca.crt" "--ssl-cert=$folder/certs/server.crt" "--ssl-key=$folder/certs/server.key" \
    --local-infile=1 --max-connections=400 --max-allowed-packet=64M
  if [ -n "${DURABLE:-}" ]; then
    printf '%s\n' --innodb-buffer-pool-size=1G --innodb-flush-log-at-trx-commit=1 --sync-binlog=1
  else
    printf '%s\n' --innodb-buffer-pool-size=256M --innodb-flush-log-at-trx-commit=0 --sync-binlog=0 --skip-innodb-doublewrite
  fi
  mysql_user
}

# What a new server runs before it lets anybody in. By password from everywhere, and by certificate for one account; MariaDB
# brings accounts without a password.
mysql_init_file() {
  cat <<SQL
DROP USER IF EXISTS root@'127.0.0.1', root@'::1';
CREATE USER root@'%' IDENTIFIED BY '$MYSQL_PASSWORD';
GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;
CREATE USER hydrant_cert@'%' REQUIRE SUBJECT '/CN=hydrant_cert';
CREATE DATABASE test;
SQL
}

# start_mysqld FOLDER NAME COMMAND...: starts a server that is set up, and waits for it.
start_mysqld() {
  local folder=$1 name=$2 server=$1/server
  shift 2
  # A session of its own: the interrupt key of the terminal is for the tests. They end, then we stop the server.
  setsid "$@" >>"$folder/start.log" 2>&1 </dev/null &
  echo $! >"$folder/pid"
  disown
  wait_for 90 mysqld_ready_or_dead "$folder" || die_with_log "$name did not become ready within 90 s" "$server/log"
  is_ours "$(cat "$folder/pid")" "$server/data" || die_with_log "$name ended at its start" "$server/log"
}

# The pid file is written when connections are let in, after the file of first statements.
mysqld_ready_or_dead() { gone "$(cat "$1/pid")" || [ -s "$1/server/pid" ]; }

# start_mysql FOLDER PORT
start_mysql() {
  local folder=$1 root=$MYSQL_ROOT flags
  prepare_mysql "$folder"
  mapfile -t flags < <(
    printf '%s\n' --no-defaults "--basedir=$root/usr" "--lc-messages-dir=$root/usr/share/mysql" \
      "--character-sets-dir=$root/usr/share/mysql/charsets" "--plugin-dir=$root/usr/lib/mysql/plugin"
    mysql_flags "$folder" "$2"
  )
  # The identifiers of transactions are on, as managed services have them: they forbid some statements.
  flags+=(--mysqlx=OFF --secure-file-priv= --gtid-mode=ON --enforce-gtid-consistency=ON)
  [ -z "${DURABLE:-}" ] || flags+=(--innodb-redo-log-capacity=4G)
  "$root/usr/sbin/mysqld" "${flags[@]}" --initialize-insecure >"$folder/initialize.log" 2>&1 ||
    die_with_log 'MySQL could not make its data folder' "$folder/server/log"
  start_mysqld "$folder" MySQL "$root/usr/sbin/mysqld" "${flags[@]}" --init-file="$folder/init.sql"
}

# start_mariadb FOLDER PORT
start_mariadb() {
  local folder=$1 flags
  prepare_mysql "$folder"
  mapfile -t flags < <(mysql_flags "$folder" "$2")
  mariadb-install-db --no-defaults "--datadir=$folder/server/data" --auth-root-authentication-method=normal \
    --skip-test-db "$(mysql_user)" >"$folder/initialize.log" 2>&1 ||
    die_with_log 'MariaDB could not make its data folder' "$folder/initialize.log"
  start_mysqld "$folder" MariaDB mariadbd --no-defaults "${flags[@]}" --init-file="$folder/init.sql"
}

prepare_mysql() {
  mkdir -p "$1/server"
  make_certificates "$1/certs" >"$1/openssl.log" || die_with_log 'openssl could not make certificates' "$1/openssl.log"
  mysql_init_file >"$1/init.sql"
}

mysql_url() { echo "mysql://root:$MYSQL_PASSWORD@127.0.0.1:$1/test"; }

# mysql_answers URL CLIENT
mysql_answers() {
  local address=${1##*@}
  MYSQL_PWD=$MYSQL_PASSWORD "$2" --no-defaults --user=root --host="${address%%:*}" --port="$(port_of "$1")" -e 'SELECT 1' >/dev/null 2>&1
}

stop_mysqld() {
  local pid
  pid=$(cat "$1/pid" 2>/dev/null || true)
  # Its orderly end takes seconds; the data goes with the folder.
  ! is_ours "$pid" "$1/server/data" || stop_pid KILL "$pid"
}
