//! Connections: the first host that lets one in, by the ways of talking that `sslmode` allows.

use crate::{
    config::{Config, Host},
    error::{Error, ErrorKind},
    tls::{self, SslMode},
};
use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_postgres::{CancelToken, Client, NoTls, config::TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

type Answer<T> = Result<T, tokio_postgres::Error>;

/// Opens connections.
pub struct Connector {
    config: Config,
}

/// A session with the server.
pub struct Connection {
    /// The driver's side of it.
    pub client: Client,
    /// Which host it reached, for messages.
    pub place: Arc<str>,
    /// Carries bytes between the client and the server.
    carrier: JoinHandle<Answer<()>>,
    /// How long the server was silent, if that is why the connection was given up.
    silent: OnceLock<Duration>,
    canceller: Canceller,
}

/// Asks the server to end what a session is doing, over a connection of its own, with TLS if the session has it.
#[derive(Clone)]
pub struct Canceller {
    token: CancelToken,
    tls: Option<MakeRustlsConnect>,
}

impl Canceller {
    /// Sends the request. Whether there was something to end, the server does not say.
    ///
    /// # Errors
    ///
    /// What kept the request from being sent.
    pub async fn cancel(&self) -> Answer<()> {
        match &self.tls {
            Some(tls) => self.token.cancel_query(tls.clone()).await,
            None => self.token.cancel_query(NoTls).await,
        }
    }
}

impl Connection {
    /// Waits for an answer, at most so long. Then the connection is given up, and the call fails as by a broken one.
    ///
    /// # Errors
    ///
    /// What the driver says; [`error`](Connection::error) knows of the silence.
    pub async fn answer<T>(
        &self,
        limit: Option<Duration>,
        call: impl Future<Output = Answer<T>>,
    ) -> Answer<T> {
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
    pub fn error(&self, doing: &str, error: tokio_postgres::Error) -> Error {
        let doing = format!("{doing} on {}", self.place);
        match self.silent.get() {
            Some(limit) => {
                let message = format!("no answer within {} s", limit.as_secs());
                Error::new(ErrorKind::Unreachable, doing, message).with_source(error)
            }
            None => Error::of(doing, error),
        }
    }

    /// What ends a running statement.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Closes the connection at once, in the middle of whatever is going on.
    pub fn close(&self) {
        self.carrier.abort();
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
    error: Error,
    /// The server spoke, or the handshake failed: the other way of talking may be welcome.
    other_way: bool,
    /// The server let nobody in, as the next host would not either.
    last_host: bool,
}

impl Connector {
    /// Connections to what the configuration says.
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// Where it connects to, and as whom.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A new connection to the first host that lets one in.
    ///
    /// # Errors
    ///
    /// Why none did.
    pub async fn open(&self) -> Result<Connection, Error> {
        if self.config.prefers_standby
            && let Ok(connection) = self.first_of(TargetSessionAttrs::ReadOnly).await
        {
            return Ok(connection);
        }
        self.first_of(self.config.base.get_target_session_attrs()).await
    }

    async fn first_of(&self, wanted: TargetSessionAttrs) -> Result<Connection, Error> {
        let mut failures = Vec::new();
        for host in &self.config.hosts {
            match self.open_host(host, wanted).await {
                Ok(connection) => return Ok(connection),
                Err(failed) => {
                    failures.push(failed.error);
                    if failed.last_host {
                        break;
                    }
                }
            }
        }
        let last = failures
            .pop()
            .unwrap_or_else(|| Error::new(ErrorKind::Broken, "connecting", "there is no host to connect to"));
        if failures.is_empty() {
            return Err(last);
        }
        let kind = last.kind().clone();
        let all: Vec<_> = failures.iter().chain([&last]).map(ToString::to_string).collect();
        let doing = format!("connecting to {}", self.config.place());
        Err(Error::new(kind, doing, all.join("; ")))
    }

    async fn open_host(&self, host: &Host, wanted: TargetSessionAttrs) -> Result<Connection, Failed> {
        let place = self.config.place_at(&host.to_string());
        let doing = format!("connecting to {place}");
        if host.is_socket() {
            return self.attempt(host, None, wanted, Talk::Plain, &doing, &place).await;
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
                match self.attempt(host, Some(address), wanted, *way, &doing, &place).await {
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

    async fn addresses(&self, host: &Host, doing: &str) -> Result<Vec<IpAddr>, Failed> {
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
        wanted: TargetSessionAttrs,
        talk: Talk,
        doing: &str,
        place: &str,
    ) -> Result<Connection, Failed> {
        use tokio_postgres::config::SslMode as Driver;
        let mut driver = self.config.base.clone();
        driver.host(&host.name).port(host.port).target_session_attrs(wanted);
        if let Some(address) = address {
            driver.hostaddr(address);
        }
        driver.ssl_mode(match talk {
            Talk::Plain => Driver::Disable,
            Talk::TlsOrPlain => Driver::Prefer,
            Talk::Tls => Driver::Require,
        });
        let (client, carrier, tls) = if talk == Talk::Plain {
            let connecting = driver.connect(NoTls);
            let (client, connection) =
                self.in_time(connecting, doing).await?.map_err(|e| failed(doing, e, talk))?;
            (client, tokio::spawn(connection), None)
        } else {
            let settings = self.config.tls.clone();
            let read = tokio::task::spawn_blocking(move || tls::client_config(&settings)).await;
            let config = read.map_err(|e| e.to_string()).and_then(|config| config).map_err(|why| Failed {
                error: Error::new(ErrorKind::Misconfigured, doing, why),
                other_way: false,
                last_host: true,
            })?;
            let tls = MakeRustlsConnect::new(config);
            let connecting = driver.connect(tls.clone());
            let (client, connection) =
                self.in_time(connecting, doing).await?.map_err(|e| failed(doing, e, talk))?;
            (client, tokio::spawn(connection), Some(tls))
        };
        let canceller = Canceller { token: client.cancel_token(), tls };
        Ok(Connection { client, place: place.into(), carrier, silent: OnceLock::new(), canceller })
    }

    async fn in_time<T>(&self, work: impl Future<Output = T>, doing: &str) -> Result<T, Failed> {
        let Some(limit) = self.config.connect_timeout else { return Ok(work.await) };
        tokio::time::timeout(limit, work).await.map_err(|_| {
            unreachable_host(doing, &format!("no answer within {} s (connect_timeout)", limit.as_secs()))
        })
    }
}

fn unreachable_host(doing: &str, why: &str) -> Failed {
    let error = Error::new(ErrorKind::Unreachable, doing, why);
    Failed { error, other_way: false, last_host: false }
}

fn failed(doing: &str, error: tokio_postgres::Error, talk: Talk) -> Failed {
    let spoke = error.as_db_error().is_some();
    let starting = error.code().is_some_and(|c| c.code() == "57P03");
    let error = Error::of(doing, error);
    // A handshake that failed is told from a broken line by its kind.
    let other_way = spoke || (talk == Talk::TlsOrPlain && *error.kind() == ErrorKind::Denied);
    Failed { other_way, last_host: spoke && !starting, error }
}
