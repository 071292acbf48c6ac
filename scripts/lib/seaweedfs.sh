# shellcheck shell=bash
# SeaweedFS: an S3 store with right conditional puts (of many racing creators exactly one wins), in one process.

# start_seaweedfs FOLDER S3_PORT MASTER_PORT VOLUME_PORT FILER_PORT
start_seaweedfs() {
  local folder=$1 port=$2 log=$1/server.log
  mkdir -p "$folder/data"
  cat >"$folder/s3.json" <<JSON
{"identities": [{
  "name": "test",
  "credentials": [{"accessKey": "$S3_ACCESS_KEY", "secretKey": "$S3_SECRET_KEY"}],
  "actions": ["Admin", "Read", "Write", "List", "Tagging"]
}]}
JSON
  # A session of its own: the interrupt key of the terminal is for the tests. They end, then we stop the server.
  setsid "$WEED" server -dir="$folder/data" -ip=127.0.0.1 -ip.bind=127.0.0.1 \
    -s3 -s3.port="$port" -s3.config="$folder/s3.json" -s3.port.iceberg=0 -s3.port.lance=0 \
    -master.port="$3" -volume.port="$4" -filer -filer.port="$5" \
    -master.volumeSizeLimitMB=256 -volume.max=50 -master.telemetry=false \
    -master.electionTimeout=1s -master.heartbeatInterval=100ms \
    >"$log" 2>&1 </dev/null &
  echo $! >"$folder/pid"
  disown
  wait_for 60 seaweedfs_ready_or_dead "$folder" "$port" || die_with_log 'SeaweedFS did not become ready within 60 s' "$log"
  is_ours "$(cat "$folder/pid")" "$folder/data" || die_with_log 'SeaweedFS ended at its start' "$log"
  create_bucket "$port" >"$folder/bucket.log" 2>&1 || die_with_log 'SeaweedFS is up but made no bucket' "$folder/bucket.log"
}

seaweedfs_ready_or_dead() {
  gone "$(cat "$1/pid")" || curl -fs -m 2 "http://127.0.0.1:$2/healthz"
}

# create_bucket S3_PORT: for some moments after /healthz is well the store still refuses to write.
create_bucket() {
  wait_for 20 bucket_exists_after_put "$1"
}

bucket_exists_after_put() {
  local status
  status=$(curl -sS -m 5 -o /dev/null -w '%{http_code}' --aws-sigv4 aws:amz:us-east-1:s3 \
    --user "$S3_ACCESS_KEY:$S3_SECRET_KEY" -X PUT "http://127.0.0.1:$1/$S3_BUCKET")
  [ "$status" = 200 ] || [ "$status" = 409 ] # 409: it is ours already
}

stop_seaweedfs() {
  local pid
  pid=$(cat "$1/pid" 2>/dev/null || true)
  # It has nothing to save: the data goes with the folder, and its orderly end takes seconds.
  ! is_ours "$pid" "$1/data" || stop_pid KILL "$pid"
}
