//! One client for all calls, made when it is needed, and what the server says of itself.

use crate::{classify, config::Config, timeouts};
use hydrant_contract::{ErrorKind, Result, TargetError};
use mongodb::{
    Client, ClientSession,
    bson::{Bson, Document, RawDocumentBuf, doc},
    options::WriteConcern,
};
use tokio::sync::OnceCell;

/// The first server version with snapshots for single queries, empty updates and free field names: MongoDB 5.0.
const WIRE_VERSION_MIN: i32 = 13;
/// What the body of a command may hold beyond the largest document.
const BODY_OVERHEAD: usize = 16 * 1024;

/// What the server announced.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// A member of a replica set or a router in front of some: there are transactions.
    pub(crate) has_transactions: bool,
    /// The largest document, in bytes.
    pub(crate) document_max: usize,
    /// The longest message, in bytes.
    pub(crate) message_max: usize,
    /// The most operations of one command.
    pub(crate) operations_max: usize,
    pub(crate) version: String,
}

impl Facts {
    /// The largest body of a command: the largest document with some room, in a message that is not too long.
    pub(crate) fn body_max(&self) -> usize {
        (self.document_max + BODY_OVERHEAD).min(self.message_max)
    }
}

/// The client and what it found.
pub(crate) struct Connector {
    pub(crate) config: Config,
    link: OnceCell<Link>,
}

impl Connector {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, link: OnceCell::new() }
    }

    /// The link to the server. The first call connects; the driver connects again when connections break.
    pub(crate) async fn link(&self) -> Result<&Link> {
        self.link.get_or_try_init(|| Link::open(&self.config)).await
    }
}

/// A client of a server that answered.
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) facts: Facts,
    /// Whether a batch is one transaction.
    pub(crate) transactions: bool,
    /// The database of the URL.
    pub(crate) database: String,
    pub(crate) place: String,
    pub(crate) write_concern: WriteConcern,
}

impl Link {
    async fn open(config: &Config) -> Result<Self> {
        let doing = || format!("connecting to {}", config.place);
        let options = config.options().await.map_err(|e| classify::error(doing(), e))?;
        let client = Client::with_options(options).map_err(|e| classify::error(doing(), e))?;
        let admin = client.database("admin");
        let ask = |command: Document| {
            let admin = admin.clone();
            async move {
                tokio::time::timeout(timeouts::ANSWER, admin.run_command(command))
                    .await
                    .map_err(|_| silent(doing()))?
                    .map_err(|e| classify::error(doing(), e))
            }
        };
        // The password is proved by the first command that needs it; these two are open to everybody on some servers.
        let hello = ask(doc! { "hello": 1 }).await?;
        let version = ask(doc! { "buildInfo": 1 }).await?;
        let facts = facts(&hello, &version);
        let wire = hello.get_i32("maxWireVersion").unwrap_or_default();
        if wire < WIRE_VERSION_MIN {
            let message = format!("the server is MongoDB {}; hydrant needs 5.0 or later", facts.version);
            return Err(TargetError::new(ErrorKind::Missing, doing(), message));
        }
        Ok(Self {
            client,
            transactions: facts.has_transactions && config.transactions,
            facts,
            database: config.database.clone(),
            place: config.place.clone(),
            write_concern: config.write_concern(),
        })
    }

    /// What is going on and where, for messages.
    pub(crate) fn context(&self, doing: &str) -> String {
        format!("{doing} on {}", self.place)
    }

    /// Runs a command that is not part of a transaction.
    pub(crate) async fn run(&self, database: &str, command: Document, doing: &str) -> Result<Document> {
        let raw = RawDocumentBuf::try_from(&command).map_err(|e| {
            TargetError::new(ErrorKind::Broken, self.context(doing), format!("encoding a command: {e}"))
        })?;
        self.try_run(database, raw, None).await.map_err(|failure| failure.into_error(&self.context(doing)))
    }

    /// Runs a command, within a session's transaction if there is one. The driver does not repeat commands.
    pub(crate) async fn try_run(
        &self,
        database: &str,
        command: RawDocumentBuf,
        session: Option<&mut ClientSession>,
    ) -> std::result::Result<Document, Failure> {
        let database = self.client.database(database);
        let run = database.run_raw_command(command);
        let answered = match session {
            Some(session) => tokio::time::timeout(timeouts::ANSWER, run.session(session)).await,
            None => tokio::time::timeout(timeouts::ANSWER, run).await,
        };
        match answered {
            Ok(answer) => answer.map_err(Failure::Said),
            Err(_) => Err(Failure::Silent),
        }
    }

    /// What single reads see: what a majority has, where there can be one.
    pub(crate) fn read_concern(&self) -> Document {
        doc! { "level": if self.facts.has_transactions { "majority" } else { "local" } }
    }

    /// The write concern as a command's field.
    pub(crate) fn concern(&self) -> Bson {
        let WriteConcern { w, w_timeout, journal, .. } = &self.write_concern;
        let mut concern = Document::new();
        match w {
            Some(mongodb::options::Acknowledgment::Nodes(nodes)) => {
                concern.insert("w", i64::from(*nodes));
            }
            Some(mongodb::options::Acknowledgment::Custom(name)) => {
                concern.insert("w", name.clone());
            }
            _ => {
                concern.insert("w", "majority");
            }
        }
        if let Some(journal) = journal {
            concern.insert("j", *journal);
        }
        if let Some(limit) = w_timeout {
            concern.insert("wtimeout", i64::try_from(limit.as_millis()).unwrap_or(i64::MAX));
        }
        concern.into()
    }
}

/// Why a command has no answer.
pub(crate) enum Failure {
    /// The server or the driver said why.
    Said(mongodb::error::Error),
    /// Nothing came in time.
    Silent,
}

impl Failure {
    pub(crate) fn into_error(self, context: &str) -> TargetError {
        match self {
            Self::Said(error) => classify::error(context, error),
            Self::Silent => silent(context.to_owned()),
        }
    }

    /// The server's code, if it sent one.
    pub(crate) fn code(&self) -> Option<i32> {
        match self {
            Self::Said(error) => classify::code_of(error),
            Self::Silent => None,
        }
    }
}

fn silent(doing: String) -> TargetError {
    let message = format!("no answer within {} s", timeouts::ANSWER.as_secs());
    TargetError::new(ErrorKind::Unreachable, doing, message)
}

fn facts(hello: &Document, build: &Document) -> Facts {
    let number = |name: &str, usual: usize| {
        let number = hello.get_i32(name).map(i64::from).or_else(|_| hello.get_i64(name));
        number
            .ok()
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| *number > 0)
            .unwrap_or(usual)
    };
    Facts {
        has_transactions: hello.contains_key("setName")
            || hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid"),
        document_max: number("maxBsonObjectSize", 16 << 20),
        message_max: number("maxMessageSizeBytes", 48_000_000),
        operations_max: number("maxWriteBatchSize", 100_000),
        version: build.get_str("version").unwrap_or("of an unknown version").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_counts_and_the_rest_is_usual() {
        let found = facts(&doc! { "setName": "rs", "maxWriteBatchSize": 5 }, &doc! { "version": "8.0.4" });
        assert!(found.has_transactions);
        assert_eq!((found.operations_max, found.document_max), (5, 16 << 20));
        assert_eq!(found.body_max(), (16 << 20) + BODY_OVERHEAD);
        assert!(facts(&doc! { "msg": "isdbgrid" }, &doc! {}).has_transactions);
        assert!(!facts(&doc! { "maxWireVersion": 27 }, &doc! {}).has_transactions);
    }
}
