# shellcheck shell=bash
# The same servers from docker-compose.yml, where a docker engine answers.

# A client without an engine is common: only the answer of the engine counts.
docker_answers() {
  have docker && docker compose version >/dev/null 2>&1 && timeout 20 docker info >/dev/null 2>&1
}

# compose FOLDER ARGUMENTS...: docker compose on a project of its own, with the certificates of FOLDER.
compose() {
  local folder=$1
  shift
  HYDRANT_TEST_FOLDER=$folder POSTGRES_PORT=$(cat "$folder/postgres.port") S3_PORT=$(cat "$folder/s3.port") \
    timeout 900 docker compose --project-name "hydrant-test-$(basename "$folder" | tr 'A-Z.' 'a-z-')" \
    --file "$REPOSITORY/docker-compose.yml" --file "$REPOSITORY/scripts/compose.tests.yml" "$@"
}

# start_docker FOLDER POSTGRES_PORT S3_PORT
start_docker() {
  local folder=$1 log=$1/docker.log
  mkdir -p "$folder/postgres/server"
  make_certificates "$folder/postgres/certs" >"$folder/openssl.log" ||
    die_with_log 'openssl could not make certificates' "$folder/openssl.log"
  write_pg_hba "$folder/postgres/certs/pg_hba.conf"
  echo "$2" >"$folder/postgres.port"
  echo "$3" >"$folder/s3.port"
  compose "$folder" up --detach --wait --wait-timeout 180 postgres s3 >"$log" 2>&1 ||
    die_with_log 'docker compose did not bring the servers up' "$log"
  wait_for 20 bucket_exists_after_put "$3" || die "the S3 store on port $3 made no bucket"
}

stop_docker() {
  [ ! -f "$1/s3.port" ] || compose "$1" down --volumes --timeout 1 >"$1/docker-down.log" 2>&1 ||
    die_with_log 'docker compose could not stop the servers' "$1/docker-down.log"
}
