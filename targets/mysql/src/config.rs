//! Settings as they were typed, and what the target relies on.

use crate::timeouts::Timeouts;
use hydrant_contract::{ErrorKind, Result, TargetError};
use secrecy::{ExposeSecret, SecretString};
use std::{fmt, path::PathBuf, time::Duration};
use url::Url;

/// Where the database is and how to get in.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A URL: `mysql://user:password@host:3306/database?ssl-mode=VERIFY_IDENTITY&ssl-ca=ca.crt`.
    pub url: SecretString,
    /// The password, where it does not stand in the URL. It wins over one that does.
    pub password: Option<SecretString>,
}

/// MySQL's own client waits for as long as the system does; a run should rather say soon that the server does not answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_PORT: u16 = 3306;
const OPTIONS: &str = "ssl-mode, ssl-ca, ssl-cert, ssl-key, socket, connect-timeout, lock-timeout, statement-timeout, local-infile";

/// Checked settings.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) user: String,
    pub(crate) password: Option<SecretString>,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// A unix socket, in place of host and port.
    pub(crate) socket: Option<PathBuf>,
    pub(crate) database: String,
    pub(crate) tls: TlsSettings,
    /// From the first packet until the session is ready.
    pub(crate) connect_timeout: Duration,
    pub(crate) timeouts: Timeouts,
    /// Whether `LOAD DATA LOCAL INFILE` may be used where the server has it.
    pub(crate) local_infile: bool,
}

/// How much TLS, from none to all, as MySQL's client names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SslMode {
    Disabled,
    /// Without TLS only if the server has none.
    #[default]
    Preferred,
    Required,
    VerifyCa,
    VerifyIdentity,
}

/// What is known of TLS before any file is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsSettings {
    pub(crate) mode: SslMode,
    pub(crate) ca: Option<PathBuf>,
    /// The client's certificate and key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

impl Config {
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        read(settings)
            .map_err(|why| TargetError::new(ErrorKind::Missing, "reading the URL of the MySQL target", why))
    }

    /// The server, the database and the user, as messages name them.
    pub(crate) fn place(&self) -> String {
        let server = match &self.socket {
            Some(socket) => socket.display().to_string(),
            None if self.host.contains(':') => format!("[{}]:{}", self.host, self.port),
            None => format!("{}:{}", self.host, self.port),
        };
        format!("{server}/{} as {}", self.database, self.user)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("place", &self.place()).finish_non_exhaustive()
    }
}

fn read(settings: &Settings) -> std::result::Result<Config, String> {
    // The parser's own errors do not repeat the text, which holds the password.
    let url = Url::parse(settings.url.expose_secret().trim()).map_err(|e| {
        format!("{e}; write mysql://USER@HOST/DATABASE, with special characters percent-encoded")
    })?;
    if !matches!(url.scheme(), "mysql" | "mariadb") {
        return Err(format!("the scheme {:?} is not known; write mysql://USER@HOST/DATABASE", url.scheme()));
    }
    let user = decoded(url.username(), "the user")?;
    if user.is_empty() {
        return Err(
            "no user is given: write mysql://USER@HOST/DATABASE (the account of the operating system is not used)"
                .to_owned(),
        );
    }
    let database = decoded(url.path().trim_start_matches('/'), "the database")?;
    if database.is_empty() || database.contains('/') {
        return Err(
            "name one database, in which hydrant keeps its own tables too: mysql://USER@HOST/DATABASE"
                .to_owned(),
        );
    }
    let password = match (&settings.password, url.password()) {
        (Some(password), _) => Some(password.clone()),
        (None, Some(password)) => Some(decoded(password, "the password")?.into()),
        (None, None) => None,
    };
    let host = match url.host() {
        Some(url::Host::Ipv6(address)) => address.to_string(),
        Some(host) => decoded(&host.to_string(), "the host")?,
        None => "localhost".to_owned(),
    };
    let mut config = Config {
        user,
        password,
        host,
        port: url.port().unwrap_or(DEFAULT_PORT),
        socket: None,
        database,
        tls: TlsSettings::default(),
        connect_timeout: CONNECT_TIMEOUT,
        timeouts: Timeouts::default(),
        local_infile: true,
    };
    options(&url, &mut config)?;
    Ok(config)
}

fn options(url: &Url, config: &mut Config) -> std::result::Result<(), String> {
    let (mut mode, mut certificate, mut key) = (None, None, None);
    for (name, value) in url.query_pairs() {
        let seconds = || {
            let seconds: u64 =
                value.parse().map_err(|_| format!("{name}={value} is not a number of seconds"))?;
            Ok::<_, String>(Duration::from_secs(seconds))
        };
        let at_least_one = |time: Duration| match time.is_zero() {
            true => Err(format!("{name}=0 would never succeed; give at least 1 second")),
            false => Ok(time),
        };
        match name.as_ref() {
            "ssl-mode" => mode = Some(ssl_mode(&value)?),
            "ssl-ca" => config.tls.ca = Some(value.into_owned().into()),
            "ssl-cert" => certificate = Some(PathBuf::from(value.into_owned())),
            "ssl-key" => key = Some(PathBuf::from(value.into_owned())),
            "socket" => config.socket = Some(value.into_owned().into()),
            "connect-timeout" => config.connect_timeout = at_least_one(seconds()?)?,
            "lock-timeout" => config.timeouts.lock = at_least_one(seconds()?)?,
            "statement-timeout" => config.timeouts.statement = seconds()?,
            "local-infile" => {
                config.local_infile = match value.as_ref() {
                    "auto" => true,
                    "never" => false,
                    _ => return Err(format!("local-infile={value} is not known; choose auto or never")),
                }
            }
            _ => return Err(format!("the option {name:?} is not known; there are {OPTIONS}")),
        }
    }
    config.tls.identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err("ssl-cert and ssl-key belong together: give both or none".to_owned()),
    };
    // As MySQL's own client: who gives an authority's certificate wants it verified.
    let implied = if config.tls.ca.is_some() { SslMode::VerifyCa } else { SslMode::default() };
    config.tls.mode = mode.unwrap_or(implied);
    match (config.tls.mode, &config.tls.ca) {
        (SslMode::VerifyCa, None) => Err("ssl-mode=VERIFY_CA needs ssl-ca=FILE to verify with".to_owned()),
        (SslMode::Disabled | SslMode::Preferred | SslMode::Required, Some(_)) => Err(
            "ssl-ca is given, but this ssl-mode verifies no certificate; choose ssl-mode=VERIFY_IDENTITY (or VERIFY_CA)"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

fn ssl_mode(value: &str) -> std::result::Result<SslMode, String> {
    Ok(match value.to_ascii_uppercase().replace('-', "_").as_str() {
        "DISABLED" => SslMode::Disabled,
        "PREFERRED" => SslMode::Preferred,
        "REQUIRED" => SslMode::Required,
        "VERIFY_CA" => SslMode::VerifyCa,
        "VERIFY_IDENTITY" => SslMode::VerifyIdentity,
        _ => {
            return Err(format!(
                "ssl-mode={value} is not known; choose DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY"
            ));
        }
    })
}

fn decoded(text: &str, what: &str) -> std::result::Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = digits.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        bytes.push(
            byte.ok_or_else(|| format!("{what} has a % without two hexadecimal digits; write %25 for %"))?,
        );
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| format!("{what} is not UTF-8 once its percent signs are decoded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> std::result::Result<Config, String> {
        read(&Settings { url: url.into(), password: None })
    }

    #[test]
    fn a_url_names_user_host_database_and_options() {
        let found = config(
            "mysql://us%40er:p%3Aw%25@db.example:3307/app?ssl-mode=verify-identity&ssl-ca=/ca&connect-timeout=3\
             &lock-timeout=2&statement-timeout=0&local-infile=never&socket=/run/s.sock",
        )
        .expect("a URL");
        assert_eq!((found.user.as_str(), found.host.as_str(), found.port), ("us@er", "db.example", 3307));
        assert_eq!(found.password.as_ref().map(ExposeSecret::expose_secret), Some("p:w%"));
        assert_eq!((found.database.as_str(), found.tls.mode), ("app", SslMode::VerifyIdentity));
        assert_eq!(found.timeouts.lock, Duration::from_secs(2));
        assert_eq!(found.timeouts.answer(), None);
        assert!(!found.local_infile);
        assert_eq!(found.place(), "/run/s.sock/app as us@er");
        assert!(!format!("{found:?}").contains("p:w"));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        let table = [
            ("postgres://u:secret@h/d", "scheme"),
            ("mysql://h/d", "no user"),
            ("mysql://u:secret@h", "one database"),
            ("mysql://u:secret@h/a/b", "one database"),
            ("mysql://u:secret@h/d?sslmode=x", "there are ssl-mode"),
            ("mysql://u:secret@h/d?ssl-mode=full", "ssl-mode=full is not known"),
            ("mysql://u:secret@h/d?ssl-mode=VERIFY_CA", "needs ssl-ca"),
            ("mysql://u:secret@h/d?ssl-mode=REQUIRED&ssl-ca=x", "verifies no certificate"),
            ("mysql://u:secret@h/d?ssl-cert=x", "belong together"),
            ("mysql://u:secret@h/d?lock-timeout=0", "at least 1"),
            ("mysql://u:secret@h/d?connect-timeout=soon", "seconds"),
            ("mysql://u:secret@h/d?local-infile=1", "auto or never"),
            ("mysql://u:secret%zz@h/d", "hexadecimal"),
        ];
        for (url, about) in table {
            let why = config(url).expect_err(url);
            assert!(why.contains(about) && !why.contains("secret"), "{url}: {why}");
        }
    }

    #[test]
    fn who_gives_an_authority_wants_it_verified() {
        assert_eq!(config("mysql://u@h/d").expect("a URL").tls.mode, SslMode::Preferred);
        assert_eq!(config("mysql://u@h/d?ssl-ca=/ca").expect("a URL").tls.mode, SslMode::VerifyCa);
    }
}
