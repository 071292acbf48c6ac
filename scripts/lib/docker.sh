# shellcheck shell=bash
# The same servers from docker-compose.yml, where a docker engine answers.

# A client without an engine is common: only the answer of the engine counts.
docker_answers() {
  have docker && docker compose version >/dev/null 2>&1 && timeout 20 docker info >/dev/null 2>&1
}

# compose FOLDER ARGUMENTS...: docker compose on a project of its own, with the certificates of FOLDER.
compose() {
  local folder=$1 ports
  shift
  read -ra ports <"$folder/ports"
  HYDRANT_TEST_FOLDER=$folder POSTGRES_PORT=${ports[0]} MYSQL_PORT=${ports[1]} MARIADB_PORT=${ports[2]} \
    MONGO_PORT=${ports[3]} MONGO_ALONE_PORT=${ports[4]} S3_PORT=${ports[5]} \
    timeout 900 docker compose --project-name "hydrant-test-$(basename "$folder" | tr 'A-Z.' 'a-z-')" \
    --file "$REPOSITORY/docker-compose.yml" --file "$REPOSITORY/scripts/compose.tests.yml" "$@"
}

# start_docker FOLDER PORTS...: of PostgreSQL, MySQL, MariaDB, MongoDB, the one that stands alone, and the S3 store.
start_docker() {
  local folder=$1 log=$1/docker.log server
  for server in postgres mysql mariadb mongodb-alone; do
    mkdir -p "$folder/$server/server"
    make_certificates "$folder/$server/certs" >"$folder/openssl.log" ||
      die_with_log 'openssl could not make certificates' "$folder/openssl.log"
  done
  # The images make the account root with its password, and the database, themselves.
  echo "CREATE USER hydrant_cert@'%' REQUIRE SUBJECT '/CN=hydrant_cert';" | tee "$folder/mysql/init.sql" >"$folder/mariadb/init.sql"
  chmod 777 "$folder/mysql/server" "$folder/mariadb/server" # for the sockets of users that are the images' own
  write_pg_hba "$folder/postgres/certs/pg_hba.conf"
  echo "${@:2}" >"$folder/ports"
  compose "$folder" up --detach --wait --wait-timeout 180 postgres mysql mariadb mongo mongo-alone s3 >"$log" 2>&1 ||
    die_with_log 'docker compose did not bring the servers up' "$log"
  wait_for 20 bucket_exists_after_put "$7" || die "the S3 store on port $7 made no bucket"
}

stop_docker() {
  [ ! -f "$1/ports" ] || compose "$1" down --volumes --timeout 1 >"$1/docker-down.log" 2>&1 ||
    die_with_log 'docker compose could not stop the servers' "$1/docker-down.log"
}
