//! Connections, each set up as a session of hydrant's.

use crate::{
    classify::Failure,
    config::{Config, SslMode},
    session::{self, Server},
    timeouts::Timeouts,
};
use hydrant_contract::{ErrorKind, Result, TargetError};
use mysql_async::{
    ClientIdentity, Conn, DriverError, Error, IoError, OptsBuilder, SslOpts, prelude::Queryable,
};
use secrecy::ExposeSecret;
use std::{
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A run uses one connection at a time, and a process a few runs.
const IDLE_MAX: usize = 8;
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
/// Larger than any packet of a server, so that its own limit is the one that counts.
const PACKET_BYTES_MAX: usize = 1 << 30;
/// hydrant's own statements are few, but for those that name many rows.
const STATEMENTS_KEPT: usize = 24;

/// Opens connections, and keeps the idle ones.
pub(crate) struct Connector {
    config: Config,
    idle: Mutex<Vec<Connection>>,
    /// The account may not make temporary tables; known once it was tried.
    no_temporary: AtomicBool,
}

/// A session with the server.
pub(crate) struct Connection {
    pub(crate) conn: Conn,
    pub(crate) server: Arc<Server>,
    pub(crate) place: Arc<str>,
}

impl Connector {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, idle: Mutex::default(), no_temporary: AtomicBool::new(false) }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.config.timeouts
    }

    /// Whether rows may go by `LOAD DATA LOCAL INFILE`.
    pub(crate) fn may_load(&self, server: &Server) -> bool {
        self.config.local_infile && server.local_infile
    }

    /// Whether the account is known not to be allowed temporary tables.
    pub(crate) fn may_stage(&self) -> bool {
        !self.no_temporary.load(Ordering::Relaxed)
    }

    pub(crate) fn note_no_temporary(&self) {
        self.no_temporary.store(true, Ordering::Relaxed);
    }

    /// A connection that answers: an idle one, or a new one.
    pub(crate) async fn connection(&self) -> Result<Connection> {
        while let Some(mut connection) = self.take_idle() {
            // The server closes sessions that idle, and a failover all of them.
            let answered = tokio::time::timeout(Timeouts::trifle(), connection.conn.ping()).await;
            if matches!(answered, Ok(Ok(()))) {
                return Ok(connection);
            }
        }
        self.open().await
    }

    fn take_idle(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Takes a connection back that is in no transaction.
    pub(crate) fn put_idle(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }

    /// Ends the session of a connection on the server, where a statement may still be at work and hold locks: nothing else
    /// limits a statement that writes. Says whether the server did so, which any account may ask for its own sessions.
    pub(crate) async fn end(&self, connection: u32) -> bool {
        let ended = async {
            let mut other = self.open().await.ok()?;
            other.conn.query_drop(format!("KILL {connection}")).await.ok()
        };
        matches!(tokio::time::timeout(Timeouts::trifle(), ended).await, Ok(Some(())))
    }

    async fn open(&self) -> Result<Connection> {
        let place = self.config.place();
        let doing = format!("connecting to {place}");
        let limit = self.config.connect_timeout;
        let opened = tokio::time::timeout(limit, self.attempts()).await.unwrap_or_else(|_| {
            let message = format!("no answer within {} s (connect-timeout)", limit.as_secs());
            Err(Opening::Told(TargetError::new(ErrorKind::Unreachable, &doing, message)))
        });
        match opened {
            Ok((conn, server)) => Ok(Connection { conn, server: Arc::new(server), place: place.into() }),
            Err(Opening::Told(error)) => Err(error),
            Err(Opening::Failed(error)) => Err(Failure::from(error).into_error(doing)),
        }
    }

    /// As TLS is wanted, then in the one other way that the mode allows.
    async fn attempts(&self) -> std::result::Result<(Conn, Server), Opening> {
        // The driver takes the process-wide provider of cryptography; a program that has chosen one keeps it.
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        self.look_for_files().await?;

        let tls = self.config.socket.is_none() && self.config.tls.mode != SslMode::Disabled;
        let first = match self.attempt(tls, None).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        let second = match (&first, self.config.tls.mode) {
            (Error::Driver(DriverError::NoClientSslFlagFromServer), SslMode::Preferred) => {
                self.attempt(false, None).await
            }
            // The driver cannot verify a chain without a name. So it is shown a name that the certificate has: the chain
            // is verified all the same, and by whose name it goes is what this mode does not ask.
            (error, SslMode::VerifyCa) => match presented_name(error) {
                Some(name) => self.attempt(true, Some(name)).await,
                None => return Err(first.into()),
            },
            _ => return Err(first.into()),
        };
        Ok(second?)
    }

    async fn attempt(&self, tls: bool, name: Option<String>) -> std::result::Result<(Conn, Server), Error> {
        let mut conn = Conn::new(self.options(tls, name)).await?;
        let server = session::begin(&mut conn, &self.config).await?;
        Ok((conn, server))
    }

    fn options(&self, tls: bool, name: Option<String>) -> OptsBuilder {
        let config = &self.config;
        let socket = config.socket.as_ref().map(|path| path.display().to_string());
        OptsBuilder::default()
            .ip_or_hostname(config.host.clone())
            .tcp_port(config.port)
            .socket(socket)
            .prefer_socket(false)
            .user(Some(config.user.clone()))
            .pass(config.password.as_ref().map(|p| p.expose_secret().to_owned()))
            .db_name(Some(config.database.clone()))
            .ssl_opts(tls.then(|| self.tls(name)))
            // Rows that were found are counted, whether or not a statement changed them.
            .client_found_rows(true)
            .tcp_keepalive(Some(KEEPALIVE_IDLE))
            .max_allowed_packet(Some(PACKET_BYTES_MAX))
            .wait_timeout(Some(0))
            .stmt_cache_size(Some(STATEMENTS_KEPT))
            .connect_attribute("program_name", "hydrant")
    }

    fn tls(&self, name: Option<String>) -> SslOpts {
        let tls = &self.config.tls;
        let verifies = tls.mode >= SslMode::VerifyCa;
        let mut options = SslOpts::default().with_danger_accept_invalid_certs(!verifies);
        if let Some(ca) = &tls.ca {
            // Whoever names an authority trusts no other.
            options = options.with_root_certs(vec![ca.clone().into()]).with_disable_built_in_roots(true);
        }
        if let Some((certificate, key)) = &tls.identity {
            options = options.with_client_identity(Some(ClientIdentity::new(
                certificate.clone().into(),
                key.clone().into(),
            )));
        }
        match name {
            Some(name) => options.with_danger_tls_hostname_override(Some(name)),
            None => options,
        }
    }

    /// The driver does not say which file it missed.
    async fn look_for_files(&self) -> std::result::Result<(), Opening> {
        let tls = &self.config.tls;
        let identity = tls.identity.iter().flat_map(|(cert, key)| [("ssl-cert", cert), ("ssl-key", key)]);
        for (option, path) in tls.ca.iter().map(|ca| ("ssl-ca", ca)).chain(identity) {
            if let Err(e) = tokio::fs::metadata(path).await {
                let doing = format!("connecting to {}", self.config.place());
                let message = format!("{option}={}: {e}", path.display());
                return Err(Opening::Told(TargetError::new(ErrorKind::Missing, doing, message)));
            }
        }
        Ok(())
    }
}

/// Why no connection could be opened.
enum Opening {
    Failed(Error),
    Told(TargetError),
}

impl From<Error> for Opening {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A name of the certificate that was refused for not having the one that was looked for, and for nothing else.
fn presented_name(error: &Error) -> Option<String> {
    let tls = match error {
        Error::Io(IoError::Io(io)) => io.get_ref()?.downcast_ref::<rustls::Error>()?,
        Error::Io(IoError::Tls(mysql_async::TlsError::Tls(tls))) => tls,
        _ => return None,
    };
    let rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidForNameContext {
        presented, ..
    }) = tls
    else {
        return None;
    };
    // As in `DnsName("*.example")` or `IpAddress(127.0.0.1)`.
    presented.iter().find_map(|name| {
        let inner = name.split_once('(')?.1.strip_suffix(')')?.trim_matches('"');
        Some(inner.replace('*', "any"))
    })
}
