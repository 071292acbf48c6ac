//! Settings as they were typed, and what the target relies on.

use crate::timeouts;
use hydrant_contract::{ErrorKind, Result, TargetError};
use mongodb::options::{
    Acknowledgment, ClientOptions, ConnectionString, HostInfo, ReadConcern, SelectionCriteria, WriteConcern,
};
use secrecy::{ExposeSecret, SecretString};

/// How to reach a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A connection string with the database: `mongodb://user@host:27017/app?authSource=admin` or
    /// `mongodb+srv://user@cluster.example/app`.
    pub url: SecretString,
    /// The password, where it does not stand in the URL. It wins over one that does.
    pub password: Option<SecretString>,
    /// Whether a batch is one transaction where the server has such.
    pub transactions: bool,
}

/// Options of a connection string that hydrant hands to the driver, in lower case.
const KNOWN: [&str; 30] = [
    "appname",
    "authmechanism",
    "authmechanismproperties",
    "authsource",
    "compressors",
    "connecttimeoutms",
    "directconnection",
    "heartbeatfrequencyms",
    "journal",
    "loadbalanced",
    "localthresholdms",
    "maxconnecting",
    "maxidletimems",
    "maxpoolsize",
    "minpoolsize",
    "replicaset",
    "retryreads",
    "retrywrites",
    "servermonitoringmode",
    "serverselectiontimeoutms",
    "srvmaxhosts",
    "srvservicename",
    "ssl",
    "tls",
    "tlsallowinvalidcertificates",
    "tlsallowinvalidhostnames",
    "tlscafile",
    "tlscertificatekeyfile",
    "tlsinsecure",
    "w",
];

/// Options that would weaken the promise or that nothing would come of, with what to do instead.
const REFUSED: [(&str, &str); 10] = [
    ("readpreference", "hydrant reads where it writes, from the primary; leave it out"),
    ("readpreferencetags", "hydrant reads where it writes, from the primary; leave it out"),
    ("maxstalenessseconds", "hydrant reads where it writes, from the primary; leave it out"),
    ("readconcernlevel", "hydrant reads what a majority has; leave it out"),
    ("sockettimeoutms", "hydrant limits every command by itself; leave it out"),
    ("timeoutms", "hydrant limits every command by itself; leave it out"),
    ("waitqueuetimeoutms", "hydrant limits every command by itself; leave it out"),
    ("tlscertificatekeyfilepassword", "decrypt the key file, for example with openssl pkey"),
    ("zlibcompressionlevel", "compress with zstd (compressors=zstd) or not at all"),
    ("uuidrepresentation", "UUIDs are written in the standard form, binary subtype 4; leave it out"),
];

/// Checked settings.
#[derive(Clone)]
pub(crate) struct Config {
    connection: ConnectionString,
    /// The database of hydrant's own collections, and of tables that name none.
    pub(crate) database: String,
    /// Whether transactions are wanted where the server has them.
    pub(crate) transactions: bool,
    /// Hosts, database and user, as messages name them.
    pub(crate) place: String,
}

impl Config {
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        read(settings)
            .map_err(|why| TargetError::new(ErrorKind::Missing, "reading the MongoDB connection string", why))
    }

    /// What every write waits for.
    pub(crate) fn write_concern(&self) -> WriteConcern {
        let mut concern = self.connection.write_concern.clone().unwrap_or_default();
        concern.w.get_or_insert(Acknowledgment::Majority);
        concern.journal.get_or_insert(true);
        concern
    }

    /// Options of the driver. Looks up the hosts of a `mongodb+srv` string.
    pub(crate) async fn options(&self) -> mongodb::error::Result<ClientOptions> {
        let mut options = ClientOptions::parse(self.connection.clone()).await?;
        options.app_name.get_or_insert_with(|| "hydrant".to_owned());
        options.connect_timeout.get_or_insert(timeouts::CONNECT);
        options.server_selection_timeout.get_or_insert(timeouts::SELECTION);
        options.write_concern = Some(self.write_concern());
        options.read_concern = Some(ReadConcern::majority());
        options.selection_criteria =
            Some(SelectionCriteria::ReadPreference(mongodb::options::ReadPreference::Primary));
        Ok(options)
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("place", &self.place)
            .field("transactions", &self.transactions)
            .finish_non_exhaustive()
    }
}

fn read(settings: &Settings) -> std::result::Result<Config, String> {
    let url = settings.url.expose_secret().trim();
    options(url)?;
    let mut connection = ConnectionString::parse(url).map_err(|e| without_secret(url, &e.to_string()))?;
    let database = connection.default_database.clone().ok_or(
        "the URL names no database: write mongodb://HOST:27017/DATABASE (hydrant keeps its own two collections there; an \
         account that another database knows is named with ?authSource=admin)",
    )?;
    let user = connection.credential.as_ref().and_then(|credential| credential.username.clone());
    if let Some(password) = &settings.password {
        match connection.credential.as_mut().filter(|_| user.is_some()) {
            Some(credential) => credential.password = Some(password.expose_secret().to_owned()),
            None => {
                return Err("there is a password, but no user: write mongodb://USER@HOST/DATABASE".to_owned());
            }
        }
    }
    if connection.write_concern.as_ref().is_some_and(|concern| concern.w == Some(Acknowledgment::Nodes(0))) {
        return Err("w=0 would not say what was written; leave it out for w=majority".to_owned());
    }
    let hosts = match &connection.host_info {
        HostInfo::HostIdentifiers(hosts) => {
            hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        }
        HostInfo::DnsRecord(name) => name.clone(),
        _ => "an unknown host".to_owned(),
    };
    let by = user.map(|user| format!(" as {user}")).unwrap_or_default();
    let place = format!("{hosts}/{database}{by}");
    Ok(Config { connection, database, transactions: settings.transactions, place })
}

/// The driver lets unknown options pass; a misspelt `tlsCAFile` must not.
fn options(url: &str) -> std::result::Result<(), String> {
    let Some((_, options)) = url.split_once('?') else { return Ok(()) };
    for pair in options.split(['&', ';']).filter(|pair| !pair.is_empty()) {
        let name = pair.split('=').next().unwrap_or_default();
        let lower = name.to_ascii_lowercase();
        if let Some((_, mend)) = REFUSED.iter().find(|(refused, _)| *refused == lower) {
            return Err(format!("the option {name:?} is not supported: {mend}"));
        }
        if !KNOWN.contains(&lower.as_str()) && lower != "wtimeoutms" {
            return Err(format!(
                "the option {name:?} is not known; special characters of a password are percent-encoded (%3F for ?, %40 for @)"
            ));
        }
    }
    Ok(())
}

/// A message of the driver about the URL, without what stands in it as the password.
fn without_secret(url: &str, message: &str) -> String {
    let secret = url
        .split_once("://")
        .and_then(|(_, rest)| rest.rsplit_once('@'))
        .and_then(|(account, _)| account.split_once(':'))
        .map(|(_, password)| password)
        .filter(|password| !password.is_empty());
    match secret {
        Some(secret) => message.replace(secret, "…"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> std::result::Result<Config, String> {
        let settings = Settings { url: url.into(), password: None, transactions: true };
        Config::new(&settings).map_err(|e| e.to_string())
    }

    fn refused(url: &str) -> String {
        config(url).expect_err(url)
    }

    #[test]
    fn the_place_names_hosts_database_and_user_but_no_password() {
        let config = config("mongodb://u:s3cret@a,b:27018/app?authSource=admin").expect("a configuration");
        assert_eq!(config.place, "a:27017,b:27018/app as u");
        assert!(!format!("{config:?}").contains("s3cret"));
        let srv = super::tests::config("mongodb+srv://cluster.example/app").expect("a configuration");
        assert_eq!(srv.place, "cluster.example/app");
    }

    #[test]
    fn a_url_without_a_database_says_where_to_write_it() {
        assert!(refused("mongodb://localhost").contains("names no database"));
    }

    #[test]
    fn what_the_driver_would_ignore_is_refused() {
        assert!(refused("mongodb://h/db?tlsCaPath=x").contains("\"tlsCaPath\" is not known"));
        assert!(refused("mongodb://h/db?readPreference=secondary").contains("from the primary"));
        assert!(refused("mongodb://h/db?w=0").contains("w=majority"));
        assert!(refused("mongodb://h/db?tls=perhaps").contains("boolean"));
    }

    #[test]
    fn a_password_beside_the_url_needs_a_user() {
        let settings =
            |url: &str| Settings { url: url.into(), password: Some("beside".into()), transactions: true };
        let with = Config::new(&settings("mongodb://u:other@h/db")).expect("a configuration");
        let credential = with.connection.credential.expect("a credential");
        assert_eq!(credential.password.as_deref(), Some("beside"));
        let without = Config::new(&settings("mongodb://h/db")).expect_err("no user").to_string();
        assert!(without.contains("no user") && !without.contains("beside"), "{without}");
    }

    #[test]
    fn no_message_shows_the_password() {
        for url in [
            "mongodb://u:p%zzs3cret@h/db",
            "mongodb://u:s3cret@h:x/db",
            "mongodb://u:s3cret@/db",
            "mongodb://u:s3@cret@h/db",
        ] {
            let message = refused(url);
            assert!(!message.contains("cret"), "{message}");
        }
    }

    #[test]
    fn writes_wait_for_the_majority_unless_the_url_says_otherwise() {
        let concern = |url| config(url).expect("a configuration").write_concern();
        let usual = concern("mongodb://h/db");
        assert_eq!((usual.w, usual.journal), (Some(Acknowledgment::Majority), Some(true)));
        let other = concern("mongodb://h/db?w=2&journal=false&wtimeoutMS=500");
        assert_eq!((other.w, other.journal), (Some(Acknowledgment::Nodes(2)), Some(false)));
    }
}
