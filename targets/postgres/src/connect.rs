//! Connections: opened when needed, kept on a small stack, opened again when they broke.

use crate::{
    classify,
    config::{Config, Host},
    timeouts::Timeouts,
    tls::{self, SslMode},
};
use hydrant_contract::{ErrorKind, Result, TargetError};
use std::{
    net::IpAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Connections beyond this many are closed when their call ends; as many syncs as run at a time come back for theirs.
const IDLE_MAX: usize = 8;

/// Opens connections and keeps the idle ones.
pub(crate) struct Connector {
    config: Config,
    idle: Mutex<Vec<Connection>>,
}

/// A session with the server.
pub(crate) struct Connection {
    pub(crate) client: Client,
    /// Which host it reached, for messages.
    pub(crate) place: Arc<str>,
    /// Carries bytes between the client and the server.
    carrier: JoinHandle<std::result::Result<(), Error>>,
    /// How long the server was silent, if that is why the connection was given up.
    silent: OnceLock<Duration>,
}

impl Connection {
    /// Waits for an answer, at most so long. Then the connection is given up, and the call fails as by a broken one.
    pub(crate) async fn answer<T>(
        &self,
        limit: Option<Duration>,
        call: impl Future<Output = std::result::Result<T, Error>>,
    ) -> std::result::Result<T, Error> {
        let Some(limit) = limit else { return call.await };
        tokio::pin!(call);
        tokio::select! {
            answer = &mut call => return answer,
            () = tokio::time::sleep(limit) => {}
        }
        self.silent.get_or_init(|| limit);
        self.carrier.abort();
        call.await
    }

    /// The error of a statement, met while doing something.
    pub(crate) fn error(&self, doing: &str, error: Error) -> TargetError {
        let doing = format!("{doing} on {}", self.place);
        match self.silent.get() {
            Some(limit) => {
                let message = format!("no answer within {} s", limit.as_secs());
                TargetError::new(ErrorKind::Unreachable, doing, message).with_source(error)
            }
            None => classify::error(doing, error),
        }
    }
}

/// How one attempt talks to the server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Talk {
    Plain,
    /// TLS, or plain if the server has none.
    TlsOrPlain,
    Tls,
}

/// Why an attempt failed, and what libpq would try next.
struct Failed {
    error: TargetError,
    /// The server spoke, or the handshake failed: the other way of talking may be welcome.
    other_way: bool,
    /// The server let nobody in, as the next host would not either.
    last_host: bool,
}

impl Connector {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, idle: Mutex::default() }
    }

    /// Where it connects to, as messages name it.
    pub(crate) fn place(&self) -> String {
        self.config.place()
    }

    /// How long its transactions may take.
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.config.timeouts
    }

    /// An idle connection that is not known to be broken.
    pub(crate) fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|c| !c.client.is_closed());
        idle.pop()
    }

    /// Takes a connection back that is in no transaction.
    pub(crate) fn put_idle(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !connection.client.is_closed() {
            idle.push(connection);
        }
    }

    /// A new connection to the first host that lets one in.
    pub(crate) async fn open(&self) -> Result<Connection> {
        let mut failures = Vec::new();
        for host in &self.config.hosts {
            match self.open_host(host).await {
                Ok(connection) => return Ok(connection),
                Err(failed) => {
                    failures.push(failed.error);
                    if failed.last_host {
                        break;
                    }
                }
            }
        }
        let last = failures.pop().unwrap_or_else(|| {
            TargetError::new(ErrorKind::Broken, "connecting", "there is no host to connect to")
        });
        if failures.is_empty() {
            return Err(last);
        }
        let kind = last.kind();
        let all: Vec<_> = failures.iter().chain([&last]).map(ToString::to_string).collect();
        let doing = format!("connecting to {}", self.config.place());
        Err(TargetError::new(kind, doing, all.join("; ")))
    }

    async fn open_host(&self, host: &Host) -> std::result::Result<Connection, Failed> {
        let place = self.config.place_at(&host.to_string());
        let doing = format!("connecting to {place}");
        if host.is_socket() {
            return self.attempt(host, None, Talk::Plain, &doing, &place).await;
        }
        let ways: &[Talk] = match self.config.tls.mode {
            SslMode::Disable => &[Talk::Plain],
            SslMode::Allow => &[Talk::Plain, Talk::Tls],
            SslMode::Prefer => &[Talk::TlsOrPlain, Talk::Plain],
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Talk::Tls],
        };
        let mut last = None;
        for address in self.addresses(host, &doing).await? {
            let mut first: Option<Failed> = None;
            for way in ways {
                match self.attempt(host, Some(address), *way, &doing, &place).await {
                    Ok(connection) => return Ok(connection),
                    // The first way is the one that was preferred: its error is the one to show.
                    Err(failed) => {
                        let other_way = failed.other_way;
                        first.get_or_insert(failed);
                        if !other_way {
                            break;
                        }
                    }
                }
            }
            let stop = first.as_ref().is_some_and(|f| f.last_host);
            last = first;
            if stop {
                break;
            }
        }
        Err(last.unwrap_or_else(|| unreachable_host(&doing, "the name resolves to no address")))
    }

    async fn addresses(&self, host: &Host, doing: &str) -> std::result::Result<Vec<IpAddr>, Failed> {
        if let Some(address) = host.address {
            return Ok(vec![address]);
        }
        let lookup = tokio::net::lookup_host((host.name.as_str(), host.port));
        let found = self.in_time(lookup, doing).await?;
        let found = found.map_err(|e| {
            unreachable_host(doing, &format!("the host name {:?} cannot be resolved ({e})", host.name))
        })?;
        Ok(found.map(|address| address.ip()).collect())
    }

    async fn attempt(
        &self,
        host: &Host,
        address: Option<IpAddr>,
        talk: Talk,
        doing: &str,
        place: &str,
    ) -> std::result::Result<Connection, Failed> {
        use tokio_postgres::config::SslMode as Driver;
        let mut driver = self.config.base.clone();
        driver.host(&host.name).port(host.port);
        if let Some(address) = address {
            driver.hostaddr(address);
        }
        driver.ssl_mode(match talk {
            Talk::Plain => Driver::Disable,
            Talk::TlsOrPlain => Driver::Prefer,
            Talk::Tls => Driver::Require,
        });
        let (client, carrier) = if talk == Talk::Plain {
            let connecting = driver.connect(tokio_postgres::NoTls);
            let (client, connection) =
                self.in_time(connecting, doing).await?.map_err(|e| failed(doing, e, talk))?;
            (client, tokio::spawn(connection))
        } else {
            let settings = self.config.tls.clone();
            let read = tokio::task::spawn_blocking(move || tls::client_config(&settings)).await;
            let config = read.map_err(|e| e.to_string()).and_then(|config| config).map_err(|why| Failed {
                error: TargetError::new(ErrorKind::Missing, doing, why),
                other_way: false,
                last_host: true,
            })?;
            let connecting = driver.connect(MakeRustlsConnect::new(config));
            let (client, connection) =
                self.in_time(connecting, doing).await?.map_err(|e| failed(doing, e, talk))?;
            (client, tokio::spawn(connection))
        };
        Ok(Connection { client, place: place.into(), carrier, silent: OnceLock::new() })
    }

    async fn in_time<T>(&self, work: impl Future<Output = T>, doing: &str) -> std::result::Result<T, Failed> {
        let Some(limit) = self.config.connect_timeout else { return Ok(work.await) };
        tokio::time::timeout(limit, work).await.map_err(|_| {
            unreachable_host(doing, &format!("no answer within {} s (connect_timeout)", limit.as_secs()))
        })
    }
}

fn unreachable_host(doing: &str, why: &str) -> Failed {
    let error = TargetError::new(ErrorKind::Unreachable, doing, why);
    Failed { error, other_way: false, last_host: false }
}

fn failed(doing: &str, error: tokio_postgres::Error, talk: Talk) -> Failed {
    let spoke = error.as_db_error().is_some();
    let starting = error.code().is_some_and(|c| c.code() == "57P03");
    let error = classify::error(doing, error);
    // A handshake that failed is told from a broken line by its kind.
    let other_way = spoke || (talk == Talk::TlsOrPlain && error.kind() == ErrorKind::Denied);
    Failed { other_way, last_host: spoke && !starting, error }
}
