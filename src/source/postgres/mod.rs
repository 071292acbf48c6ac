//! Postgres, and what speaks its protocol, as a source.
//!
//! What users need to know stands in `docs/sources/postgres.md`. A model is prepared to learn its columns ([`column`]), and
//! its rows arrive by binary COPY ([`copy`]) or, where the server has none, from a cursor as text ([`cursor`]); both are
//! decoded straight into Arrow ([`decode`]). Everything happens in one read-only transaction of a connection of its own
//! ([`session`]), and what the server refuses is put into words ([`error`]).

mod about;
mod column;
mod copy;
mod cursor;
mod decode;
mod error;
mod product;
mod query;
mod session;

use super::{About, Dialect, Model, Rows, Source, SourceError, Staging, Unload};
use crate::config::{CopyMode, PostgresSpec};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use async_trait::async_trait;
use column::Column;
use copy::Copying;
use cursor::Fetching;
use decode::Decoder;
use futures::StreamExt;
use hydrant_postgres::{Config, Connector, Purpose, Settings};
use product::Product;
use query::Query;
use secrecy::SecretString;
use session::Session;

/// A server that speaks the protocol of Postgres.
pub struct PostgresSource {
    connector: Connector,
    spec: PostgresSpec,
}

impl PostgresSource {
    /// Takes the settings of the source that the configuration names so. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// [`SourceErrorKind::Missing`](super::SourceErrorKind::Missing): what is wrong with the connection string, without any
    /// secret.
    pub fn new(name: &str, spec: &PostgresSpec) -> Result<Self, SourceError> {
        let secret = |secret: &crate::secret::Secret| SecretString::from(secret.expose());
        let settings = Settings { url: secret(&spec.url), password: spec.password.as_ref().map(secret) };
        let config = Config::new(&settings, Purpose::Read).map_err(error::plain)?;
        let connector = Connector::new(config.named(&format!("hydrant/{name}")));
        Ok(Self { connector, spec: spec.clone() })
    }

    async fn begin(&self) -> Result<Session, SourceError> {
        Session::begin(&self.connector, &self.spec).await
    }
}

#[async_trait]
impl Source for PostgresSource {
    fn dialect(&self) -> Dialect {
        match self.connector.config().hosts().any(|(host, _)| Product::is_redshift(host)) {
            true => Dialect::Redshift,
            false => Dialect::Postgres,
        }
    }

    async fn about(&self) -> Result<About, SourceError> {
        let session = self.begin().await?;
        let outcome = about::about(&session).await;
        session.finish(outcome).await
    }

    async fn describe(&self, model: &Model) -> Result<SchemaRef, SourceError> {
        let session = self.begin().await?;
        let outcome = session.describe(model).await.map(|columns| decode::schema(&columns));
        session.finish(outcome).await
    }

    async fn open(&self, model: &Model) -> Result<Rows, SourceError> {
        let session = self.begin().await?;
        let understood = async {
            let columns = session.describe(model).await?;
            session.begin_elsewhere().await?;
            Ok(columns)
        };
        let columns = match understood.await {
            Ok(columns) => columns,
            Err(failed) => return session.finish(Err(failed)).await,
        };
        let copies = match self.spec.copy {
            CopyMode::Auto => session.product().copies(),
            CopyMode::Binary => true,
            CopyMode::Never => false,
        };
        let decoder = Decoder::new(columns.clone());
        let schema = decoder.schema();
        let reading =
            Reading::Ready(Box::new(Ready { session, model: model.clone(), columns, decoder, copies }));
        let batches = futures::stream::try_unfold(reading, Reading::next).boxed();
        Ok(Rows { schema, batches })
    }

    /// Only the block `redshift` unloads: this one runs in a transaction that writes nothing.
    async fn unload(&self, _: &Model, _: &Staging) -> Result<Unload, SourceError> {
        Ok(Unload::Off)
    }
}

/// A query that is understood and not begun.
///
/// The server keeps its word that it has begun to itself until it has some rows to send along, which may take as long as the
/// query does. So it begins with the first look at the stream, which can be given up at any time.
struct Ready {
    session: Session,
    model: Model,
    columns: Vec<Column>,
    decoder: Decoder,
    copies: bool,
}

/// A query on its way.
enum Reading {
    Ready(Box<Ready>),
    Copying(Box<Copying>),
    Fetching(Box<Fetching>),
}

impl Reading {
    async fn begin(ready: Ready) -> Result<Self, SourceError> {
        let Ready { session, model, columns, decoder, copies } = ready;
        Ok(match copies {
            true => {
                let query = Query::copy(&model, &columns);
                Self::Copying(Box::new(Copying::begin(session, &model, query, decoder).await?))
            }
            false => Self::Fetching(Box::new(Fetching::begin(session, &model, &columns, decoder).await?)),
        })
    }

    /// The next rows, and what comes behind them. After an error there is nothing more, and the query is cancelled.
    async fn next(self) -> Result<Option<(RecordBatch, Self)>, SourceError> {
        let session = match self {
            Self::Ready(ready) => return Box::pin(Self::begin(*ready).await?.next()).await,
            Self::Copying(mut copying) => match copying.next().await? {
                Some(batch) => return Ok(Some((batch, Self::Copying(copying)))),
                None => copying.into_session(),
            },
            Self::Fetching(mut fetching) => match fetching.next().await? {
                Some(batch) => return Ok(Some((batch, Self::Fetching(fetching)))),
                None => fetching.into_session(),
            },
        };
        session.finish(Ok(None)).await
    }
}
