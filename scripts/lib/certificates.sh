# shellcheck shell=bash
# Certificates for the tests of TLS, made anew for every start: nothing secret lies in the repository, nothing expires.
#
#   ca.crt                    whom to trust
#   server.crt, server.key    names localhost and 127.0.0.1, but not 127.0.0.2, where the same server listens too
#   client.crt, client.key    for the role hydrant_cert
#   rogue-ca.crt              an authority that signed nothing

# certificate NAME SUBJECT EXTENSION [CA]: NAME.key and NAME.crt, signed by CA or by itself.
certificate() {
  local name=$1 subject=$2 extension=$3 ca=${4:-} signer=()
  [ -z "$ca" ] || signer=(-CA "$ca.crt" -CAkey "$ca.key")
  # A configuration of our own: the system's would add extensions that contradict ours.
  openssl req -new -x509 -config <(printf '[req]\ndistinguished_name = dn\n[dn]\n') \
    -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
    -subj "$subject" -addext "$extension" "${signer[@]}" -keyout "$name.key" -out "$name.crt" 2>&1
}

# make_certificates FOLDER
make_certificates() (
  mkdir -p "$1" && cd "$1" || exit 1
  certificate ca '/CN=hydrant test authority' 'basicConstraints=critical,CA:TRUE' &&
    certificate rogue-ca '/CN=hydrant rogue authority' 'basicConstraints=critical,CA:TRUE' &&
    certificate server '/CN=localhost' 'subjectAltName=DNS:localhost,IP:127.0.0.1' ca &&
    certificate client '/CN=hydrant_cert' 'basicConstraints=critical,CA:FALSE' ca &&
    chmod 600 ./*.key
)
