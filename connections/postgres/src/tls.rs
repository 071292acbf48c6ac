//! TLS as libpq means it: what each `sslmode` verifies.
//!
//! | `sslmode` | without `sslrootcert` | with `sslrootcert` |
//! |---|---|---|
//! | `disable` | no TLS | no TLS |
//! | `allow`, `prefer`, `require` | the server's certificate is not looked at | its chain is verified |
//! | `verify-ca` | refused | its chain is verified |
//! | `verify-full` | refused | its chain and its name are verified |

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
    version::{TLS12, TLS13},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// How much TLS, from none to all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SslMode {
    Disable,
    /// TLS only if the server refuses to talk without.
    Allow,
    /// Without TLS only if the server has none, or refuses to talk with it.
    #[default]
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// Which certificates vouch for the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RootCertificates {
    /// Those of the operating system.
    System,
    /// Those in a PEM file.
    File(PathBuf),
}

/// What is known of TLS before any file is read.
#[derive(Clone, Debug)]
pub(crate) struct TlsSettings {
    pub(crate) mode: SslMode,
    pub(crate) roots: Option<RootCertificates>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) sni: bool,
    pub(crate) tls12: bool,
    pub(crate) tls13: bool,
    /// TLS from the first byte (`sslnegotiation=direct`).
    pub(crate) direct: bool,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            mode: SslMode::default(),
            roots: None,
            certificate: None,
            key: None,
            sni: true,
            tls12: true,
            tls13: true,
            direct: false,
        }
    }
}

/// Reads the files and makes the configuration of the TLS client. Blocks on files; they are read for every connection,
/// so that renewed certificates are found.
pub(crate) fn client_config(settings: &TlsSettings) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".postgresql"));
    let at_home = |file: &str| home.as_ref().map(|dir| dir.join(file)).filter(|path| path.exists());

    let roots = settings.roots.clone().or_else(|| at_home("root.crt").map(RootCertificates::File));
    if roots.is_none() && settings.mode >= SslMode::VerifyCa {
        return Err(
            "sslmode=verify-ca and verify-full need certificates to verify with: give sslrootcert=FILE, \
                    or sslrootcert=system for those of the operating system"
                .to_owned(),
        );
    }
    let verifier = Verifier::new(roots.as_ref(), settings.mode == SslMode::VerifyFull, &provider)?;

    let versions: Vec<_> = [(settings.tls12, &TLS12), (settings.tls13, &TLS13)]
        .into_iter()
        .filter_map(|(wanted, version)| wanted.then_some(version))
        .collect();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));

    let identity = settings.certificate.clone().zip(settings.key.clone());
    let identity = identity.or_else(|| at_home("postgresql.crt").zip(at_home("postgresql.key")));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(&certificate, "sslcert")?;
            let private = PrivateKeyDer::from_pem_file(&key).map_err(|e| {
                format!(
                    "sslkey={}: {e} (an unencrypted PEM file in PKCS#8, PKCS#1 or SEC1 form is needed)",
                    key.display()
                )
            })?;
            builder.with_client_auth_cert(chain, private).map_err(|e| {
                format!("sslcert={} with sslkey={}: {e}", certificate.display(), key.display())
            })?
        }
    };
    config.enable_sni = settings.sni;
    if settings.direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(config)
}

fn certificates(path: &Path, parameter: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |e: rustls::pki_types::pem::Error| format!("{parameter}={}: {e}", path.display());
    let found: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(wrong)?.collect::<Result<_, _>>().map_err(wrong)?;
    match found.is_empty() {
        true => Err(format!("{parameter}={}: no certificate in PEM form is in this file", path.display())),
        false => Ok(found),
    }
}

/// Verifies as much as the `sslmode` asks for, and always that the server owns the certificate it shows.
#[derive(Debug)]
struct Verifier {
    /// Without, any certificate will do.
    roots: Option<Roots>,
    name: bool,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
struct Roots {
    store: RootCertStore,
    /// A server's self-signed certificate given as its own root is common with Postgres, and trusted by libpq; the
    /// library refuses it, since it is an authority's certificate used by a server. So it is compared byte by byte.
    exact: Vec<CertificateDer<'static>>,
}

impl Verifier {
    fn new(
        roots: Option<&RootCertificates>,
        name: bool,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let roots = match roots {
            None => None,
            Some(RootCertificates::File(path)) => {
                let exact = certificates(path, "sslrootcert")?;
                let mut store = RootCertStore::empty();
                for certificate in &exact {
                    store
                        .add(certificate.clone())
                        .map_err(|e| format!("sslrootcert={}: {e}", path.display()))?;
                }
                Some(Roots { store, exact })
            }
            Some(RootCertificates::System) => {
                let found = rustls_native_certs::load_native_certs();
                let mut store = RootCertStore::empty();
                store.add_parsable_certificates(found.certs);
                if store.is_empty() {
                    return Err("sslrootcert=system: the operating system has no certificates (on Debian: the package ca-certificates)".to_owned());
                }
                Some(Roots { store, exact: Vec::new() })
            }
        };
        Ok(Self { roots, name, provider: Arc::clone(provider) })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            if !roots.exact.iter().any(|root| root == end_entity) {
                let algorithms = self.provider.signature_verification_algorithms.all;
                verify_server_cert_signed_by_trust_anchor(
                    &certificate,
                    &roots.store,
                    intermediates,
                    now,
                    algorithms,
                )?;
            }
            if self.name {
                verify_server_name(&certificate, server_name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
