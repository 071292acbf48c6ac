//! Settings as they were typed, and what a connection is made of.

use crate::{
    conninfo,
    error::{Error, ErrorKind},
    tls::{RootCertificates, SslMode, TlsSettings},
};
use secrecy::{ExposeSecret, SecretString};
use std::{path::PathBuf, time::Duration};
use tokio_postgres::config::{ChannelBinding, SslNegotiation, TargetSessionAttrs};

/// Where the database is and how to get in.
pub struct Settings {
    /// A URL (`postgres://user@host/db?sslmode=verify-full&sslrootcert=ca.crt`) or keyword string (`host=… dbname=…`),
    /// as libpq takes it.
    pub url: SecretString,
    /// The password, where it does not stand in the URL. It wins over one that does.
    pub password: Option<SecretString>,
}

/// How long data may stay unacknowledged before the connection counts as broken. Keepalives are not sent meanwhile, and the
/// kernel alone would go on for a quarter of an hour. A machine that is gone is noticed before the lease of the run ends.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// libpq waits for ever by default; a run should rather say soon that the server does not answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A firewall that forgets idle connections does so after minutes, and a machine that dies while its answer is waited for
/// shall be noticed within one; the system's own default is two hours.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 5;
const DEFAULT_PORT: u16 = 5432;

/// What sessions are for: it decides which servers may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A server that cannot be written to is of no use.
    Write,
    /// A standby will do, and may be what is wanted.
    Read,
}

/// Checked settings.
#[derive(Debug)]
pub struct Config {
    /// User, password, database and timeouts; no hosts and no TLS. Its `Debug` hides the password.
    pub(crate) base: tokio_postgres::Config,
    /// At least one; tried in this order.
    pub(crate) hosts: Vec<Host>,
    pub(crate) user: String,
    pub(crate) dbname: String,
    /// Whether the connection string names the sessions.
    is_named: bool,
    /// How long one attempt on one address may take, from the first packet until the session is ready.
    pub(crate) connect_timeout: Option<Duration>,
    /// Whether servers that only read are tried before all others.
    pub(crate) prefers_standby: bool,
    pub(crate) tls: TlsSettings,
}

/// One server to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// The name that a certificate is checked against, an address, or the folder of a unix socket.
    pub(crate) name: String,
    /// An address that spares looking up the name.
    pub(crate) address: Option<std::net::IpAddr>,
    pub(crate) port: u16,
}

impl Host {
    pub(crate) fn is_socket(&self) -> bool {
        self.address.is_none() && (self.name.starts_with('/') || self.name.starts_with('@'))
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name.contains(':') {
            true => write!(f, "[{}]:{}", self.name, self.port),
            false => write!(f, "{}:{}", self.name, self.port),
        }
    }
}

impl Config {
    /// Checks the settings. Connects to nothing and reads no file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`]: what is wrong with the connection string, by the name of the parameter and without
    /// any secret.
    pub fn new(settings: &Settings, purpose: Purpose) -> Result<Self, Error> {
        read(settings, purpose).map_err(Self::wrong)
    }

    /// The error of a connection string in which something is wrong.
    pub fn wrong(why: String) -> Error {
        Error::new(ErrorKind::Misconfigured, "reading the Postgres connection string", why)
    }

    /// The parameter `options`: what the server is told of its settings when a session begins.
    pub fn options(&self) -> Option<&str> {
        self.base.get_options()
    }

    /// Names the sessions to the server, unless the connection string does.
    #[must_use]
    pub fn named(mut self, application_name: &str) -> Self {
        if !self.is_named {
            self.base.application_name(application_name);
        }
        self
    }

    /// Hosts and ports, in the order in which they are tried.
    pub fn hosts(&self) -> impl Iterator<Item = (&str, u16)> {
        self.hosts.iter().map(|host| (host.name.as_str(), host.port))
    }

    /// The database.
    pub fn dbname(&self) -> &str {
        &self.dbname
    }

    /// The account.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// All hosts, the database and the user, as messages name them.
    pub fn place(&self) -> String {
        let hosts: Vec<_> = self.hosts.iter().map(ToString::to_string).collect();
        self.place_at(&hosts.join(","))
    }

    pub(crate) fn place_at(&self, host: &str) -> String {
        format!("{host}/{} as {}", self.dbname, self.user)
    }
}

/// Parameters that are read into something else than the driver's configuration.
#[derive(Default)]
struct Typed {
    user: Option<String>,
    dbname: Option<String>,
    application_name: Option<String>,
    hosts: Vec<String>,
    addresses: Vec<String>,
    ports: Vec<String>,
    sslmode: Option<String>,
    sslrootcert: Option<String>,
    timeout: Option<Duration>,
    prefers_standby: bool,
    direct: bool,
}

fn read(settings: &Settings, purpose: Purpose) -> Result<Config, String> {
    let mut base = tokio_postgres::Config::new();
    base.keepalives_idle(KEEPALIVE_IDLE);
    base.keepalives_interval(KEEPALIVE_INTERVAL);
    base.keepalives_retries(KEEPALIVE_RETRIES);
    base.tcp_user_timeout(UNACKNOWLEDGED_MAX);
    let mut typed = Typed { timeout: Some(CONNECT_TIMEOUT), ..Typed::default() };
    let mut tls = TlsSettings::default();
    for (key, value) in conninfo::parse(settings.url.expose_secret().trim())? {
        // An empty value is libpq's way to say "the default".
        if !value.is_empty() {
            parameter(&key, value, purpose, &mut typed, &mut base, &mut tls)?;
        }
    }
    if let Some(password) = &settings.password {
        base.password(password.expose_secret());
    }
    let user = typed.user.take().ok_or(
        "no user is given: write postgres://USER@HOST/DATABASE (the account of the operating system is not used)",
    )?;
    let dbname = typed.dbname.take().unwrap_or_else(|| user.clone());
    base.user(&user).dbname(&dbname);
    base.application_name(typed.application_name.as_deref().unwrap_or("hydrant"));
    read_tls(&typed, &mut tls)?;
    if typed.direct {
        if tls.mode < SslMode::Require {
            return Err("sslnegotiation=direct needs sslmode=require, verify-ca or verify-full".to_owned());
        }
        base.ssl_negotiation(SslNegotiation::Direct);
        tls.direct = true;
    }
    let hosts = hosts(&typed)?;
    Ok(Config {
        base,
        hosts,
        user,
        dbname,
        is_named: typed.application_name.is_some(),
        connect_timeout: typed.timeout,
        prefers_standby: typed.prefers_standby,
        tls,
    })
}

fn parameter(
    key: &str,
    value: String,
    purpose: Purpose,
    typed: &mut Typed,
    base: &mut tokio_postgres::Config,
    tls: &mut TlsSettings,
) -> Result<(), String> {
    let one_of = |choices: &str| format!("{key}={value} is not known; choose {choices}");
    let list = |text: &str| text.split(',').map(|s| s.trim().to_owned()).collect();
    let unsupported = |mend: &str| Err(format!("the parameter {key:?} is not supported: {mend}"));
    match key {
        "user" => typed.user = Some(value),
        "password" => {
            base.password(value);
        }
        "dbname" => typed.dbname = Some(value),
        "host" => typed.hosts = list(&value),
        "hostaddr" => typed.addresses = list(&value),
        "port" => typed.ports = list(&value),
        "application_name" => typed.application_name = Some(value),
        "fallback_application_name" => {
            typed.application_name.get_or_insert(value);
        }
        "options" => {
            base.options(value);
        }
        "connect_timeout" => {
            let seconds = whole(key, &value)?;
            typed.timeout = (seconds > 0).then(|| Duration::from_secs(seconds.unsigned_abs()));
        }
        "keepalives" => {
            base.keepalives(whole(key, &value)? != 0);
        }
        "keepalives_idle" => {
            base.keepalives_idle(Duration::from_secs(whole(key, &value)?.unsigned_abs()));
        }
        "keepalives_interval" => {
            base.keepalives_interval(Duration::from_secs(whole(key, &value)?.unsigned_abs()));
        }
        "keepalives_count" | "keepalives_retries" => {
            base.keepalives_retries(
                u32::try_from(whole(key, &value)?).map_err(|_| one_of("a small number"))?,
            );
        }
        "tcp_user_timeout" => {
            base.tcp_user_timeout(Duration::from_millis(whole(key, &value)?.unsigned_abs()));
        }
        "target_session_attrs" => {
            typed.prefers_standby = value == "prefer-standby";
            base.target_session_attrs(match (value.as_str(), purpose) {
                ("any", _) => TargetSessionAttrs::Any,
                // A primary whose sessions are read-only is of no more use to a writer than a standby.
                ("read-write" | "primary", _) => TargetSessionAttrs::ReadWrite,
                ("read-only" | "standby" | "prefer-standby", Purpose::Write) => {
                    return Err(format!(
                        "{key}={value} asks for a server that cannot be written to; choose read-write"
                    ));
                }
                // A reader does not tell a standby from a primary whose sessions only read.
                ("read-only" | "standby", Purpose::Read) => TargetSessionAttrs::ReadOnly,
                ("prefer-standby", Purpose::Read) => TargetSessionAttrs::Any,
                (_, Purpose::Write) => return Err(one_of("any, read-write or primary")),
                (_, Purpose::Read) => {
                    return Err(one_of("any, read-write, primary, read-only, standby or prefer-standby"));
                }
            });
        }
        "channel_binding" => {
            base.channel_binding(match value.as_str() {
                "disable" => ChannelBinding::Disable,
                "prefer" => ChannelBinding::Prefer,
                "require" => ChannelBinding::Require,
                _ => return Err(one_of("disable, prefer or require")),
            });
        }
        "load_balance_hosts" if value == "disable" => {}
        "load_balance_hosts" => return unsupported("hosts are tried in the order they stand in"),
        "sslmode" => typed.sslmode = Some(value),
        "sslrootcert" => typed.sslrootcert = Some(value),
        "sslcert" => tls.certificate = Some(PathBuf::from(value)),
        "sslkey" => tls.key = Some(PathBuf::from(value)),
        "sslsni" => tls.sni = value != "0",
        "ssl_min_protocol_version" => match value.as_str() {
            "TLSv1" | "TLSv1.1" | "TLSv1.2" => tls.tls12 = true,
            "TLSv1.3" => tls.tls12 = false,
            _ => return Err(one_of("TLSv1.2 or TLSv1.3")),
        },
        "ssl_max_protocol_version" => match value.as_str() {
            "TLSv1.2" => tls.tls13 = false,
            "TLSv1.3" => tls.tls13 = true,
            _ => return Err(one_of("TLSv1.2 or TLSv1.3")),
        },
        "sslnegotiation" => match value.as_str() {
            "postgres" => typed.direct = false,
            "direct" => typed.direct = true,
            _ => return Err(one_of("postgres or direct")),
        },
        "sslcompression" => {}
        "client_encoding" if matches!(value.to_ascii_lowercase().as_str(), "utf8" | "utf-8" | "auto") => {}
        "client_encoding" => return unsupported("text is always sent as UTF-8"),
        "gssencmode" if value != "require" => {}
        "sslpassword" => return unsupported("decrypt the key file, for example with openssl pkey"),
        "sslcrl" | "sslcrldir" => return unsupported("revocation lists are not read"),
        "passfile" | "service" => return unsupported("give the parameters themselves"),
        "gssencmode" | "krbsrvname" | "gsslib" | "gssdelegation" => {
            return unsupported("log in with a password or a client certificate");
        }
        _ => return Err(format!("the parameter {key:?} is not known to libpq, or not supported")),
    }
    Ok(())
}

fn whole(key: &str, value: &str) -> Result<i64, String> {
    value.trim().parse().map_err(|_| format!("{key}={value} is not a whole number"))
}

fn read_tls(typed: &Typed, tls: &mut TlsSettings) -> Result<(), String> {
    let system = typed.sslrootcert.as_deref() == Some("system");
    tls.mode = match typed.sslmode.as_deref() {
        // libpq: with the system's certificates anything weaker would only look safe.
        None if system => SslMode::VerifyFull,
        None => SslMode::Prefer,
        Some("disable") => SslMode::Disable,
        Some("allow") => SslMode::Allow,
        Some("prefer") => SslMode::Prefer,
        Some("require") => SslMode::Require,
        Some("verify-ca") => SslMode::VerifyCa,
        Some("verify-full") => SslMode::VerifyFull,
        Some(other) => {
            return Err(format!(
                "sslmode={other} is not known; choose disable, allow, prefer, require, verify-ca or verify-full"
            ));
        }
    };
    if system && tls.mode != SslMode::VerifyFull {
        return Err("sslrootcert=system needs sslmode=verify-full: anyone can have a certificate of a public authority".to_owned());
    }
    if !tls.tls12 && !tls.tls13 {
        return Err("ssl_min_protocol_version is above ssl_max_protocol_version".to_owned());
    }
    if tls.certificate.is_some() != tls.key.is_some() {
        return Err("sslcert and sslkey are given together or not at all".to_owned());
    }
    tls.roots = typed.sslrootcert.as_ref().map(|path| match system {
        true => RootCertificates::System,
        false => RootCertificates::File(PathBuf::from(path)),
    });
    Ok(())
}

fn hosts(typed: &Typed) -> Result<Vec<Host>, String> {
    let count = typed.hosts.len().max(typed.addresses.len()).max(1);
    let fits = |n: usize| n <= 1 || n == count;
    if !typed.hosts.is_empty() && !typed.addresses.is_empty() && typed.hosts.len() != typed.addresses.len() {
        return Err("there are not as many values of hostaddr as of host".to_owned());
    }
    if !fits(typed.ports.len()) {
        return Err("there are neither as many ports as hosts, nor one for all".to_owned());
    }
    (0..count)
        .map(|i| {
            let address = typed.addresses.get(i).filter(|a| !a.is_empty());
            let address = address
                .map(|a| a.parse().map_err(|_| format!("hostaddr={a} is not an IP address")))
                .transpose()?;
            let name = typed.hosts.get(i).filter(|h| !h.is_empty()).cloned();
            let name = name.or_else(|| address.map(|a: std::net::IpAddr| a.to_string()));
            let port = typed.ports.get(i).or(typed.ports.first()).filter(|p| !p.is_empty());
            let port = match port {
                None => DEFAULT_PORT,
                Some(p) => {
                    p.parse().ok().filter(|p| *p != 0).ok_or(format!("port={p} is not a port, 1 to 65535"))?
                }
            };
            Ok(Host { name: name.unwrap_or_else(|| "localhost".to_owned()), address, port })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Result<Config, String> {
        Config::new(&Settings { url: url.into(), password: None }, Purpose::Write).map_err(|e| e.to_string())
    }

    fn refused(url: &str) -> String {
        config(url).expect_err(url)
    }

    #[test]
    fn hosts_ports_and_addresses_are_paired() {
        let config = config("postgres://u@a,b:1,%2Frun/db").expect("a configuration");
        assert_eq!(config.place(), "a:5432,b:1,/run:5432/db as u");
        assert!(config.hosts[2].is_socket() && !config.hosts[0].is_socket());
        assert!(refused("host=a,b,c port=1,2 user=u").contains("ports"));
        assert!(refused("host=a,b hostaddr=127.0.0.1 user=u").contains("hostaddr"));
        assert!(refused("host=a port=0 user=u").contains("port=0"));
    }

    #[test]
    fn defaults_suit_a_program_that_runs_unattended() {
        let config = config("postgres://u@h").expect("a configuration");
        assert_eq!((config.dbname.as_str(), config.connect_timeout), ("u", Some(CONNECT_TIMEOUT)));
        assert_eq!(config.tls.mode, SslMode::Prefer);
        assert_eq!(config.base.get_application_name(), Some("hydrant"));
        let patient = super::tests::config("postgres://u@h?connect_timeout=0").expect("a configuration");
        assert_eq!(patient.connect_timeout, None);
    }

    #[test]
    fn weak_or_contradictory_tls_is_refused() {
        assert!(refused("postgres://u@h?sslmode=on").contains("verify-full"));
        assert!(refused("postgres://u@h?sslmode=require&sslrootcert=system").contains("verify-full"));
        assert!(refused("postgres://u@h?sslcert=a.crt").contains("sslkey"));
        assert!(refused("postgres://u@h?sslnegotiation=direct").contains("sslmode=require"));
        assert!(refused("postgres://u@h?sslcrl=x").contains("not supported"));
        let system = config("postgres://u@h?sslrootcert=system").expect("a configuration");
        assert_eq!(system.tls.mode, SslMode::VerifyFull);
    }

    #[test]
    fn a_writer_asks_for_no_standby_and_unknown_parameters_are_refused() {
        assert!(refused("postgres://u@h?target_session_attrs=standby").contains("cannot be written"));
        assert!(refused("postgres://u@h?sslmod=require").contains("sslmod"));
        assert!(refused("postgres://h/db").contains("no user"));
    }

    #[test]
    fn a_reader_may_ask_for_a_standby() {
        let read = |url: &str| Config::new(&Settings { url: url.into(), password: None }, Purpose::Read);
        let standby = read("postgres://u@h?target_session_attrs=standby").expect("a configuration");
        assert_eq!(standby.base.get_target_session_attrs(), TargetSessionAttrs::ReadOnly);
        let either = read("postgres://u@a,b?target_session_attrs=prefer-standby").expect("a configuration");
        assert!(either.prefers_standby);
        assert!(read("postgres://u@h?target_session_attrs=best").is_err());
    }

    #[test]
    fn a_name_in_the_connection_string_wins() {
        let name = |url: &str| {
            let config = config(url).expect("a configuration").named("hydrant/shop");
            config.base.get_application_name().map(str::to_owned)
        };
        assert_eq!(name("postgres://u@h").as_deref(), Some("hydrant/shop"));
        assert_eq!(name("postgres://u@h?application_name=loader").as_deref(), Some("loader"));
    }

    #[test]
    fn a_password_beside_the_url_wins_and_is_never_shown() {
        let settings = Settings { url: "postgres://u:inner@h".into(), password: Some("s3cret".into()) };
        let config = Config::new(&settings, Purpose::Write).expect("a configuration");
        assert_eq!(config.base.get_password(), Some(&b"s3cret"[..]));
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}
