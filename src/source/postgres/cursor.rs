//! The rows of a model by a cursor, as text: for servers without binary COPY.

use super::{decode::Decoder, query::Query, session::Session};
use crate::source::{Model, SourceError, SourceErrorKind};
use arrow::array::RecordBatch;
use futures::StreamExt;
use std::pin::Pin;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryStream};

/// The cursor's name. Transactions have theirs for themselves.
const CURSOR: &str = "hydrant_rows";
/// Rows that are asked for at a time. They arrive one by one, so this does not decide how much memory they take.
const FETCH_ROWS: usize = 8192;
const DOING: &str = "reading the rows of the query";

/// A cursor that is open.
pub(super) struct Fetching {
    session: Session,
    model: Model,
    query: Query,
    decoder: Decoder,
    /// The rows that are arriving.
    arriving: Option<Pin<Box<SimpleQueryStream>>>,
    /// Rows of them that have arrived.
    fetched: usize,
    is_over: bool,
}

impl Fetching {
    pub(super) async fn begin(
        session: Session,
        model: &Model,
        columns: &[super::column::Column],
        decoder: Decoder,
    ) -> Result<Self, SourceError> {
        let query = Query::declare(CURSOR, model, columns);
        let declared = session.client().batch_execute(&query.sql);
        match session.of_model(model, &query, DOING, session.patience(), declared).await {
            Ok(()) => {
                let model = model.clone();
                Ok(Self { session, model, query, decoder, arriving: None, fetched: 0, is_over: false })
            }
            Err(failed) => session.finish(Err(failed)).await,
        }
    }

    /// The next rows; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        while !self.is_over && !self.decoder.is_full() {
            let limit = self.session.patience();
            let Self { session, model, query, decoder, arriving, .. } = self;
            let Some(rows) = arriving else {
                let fetch = format!("FETCH FORWARD {FETCH_ROWS} FROM {CURSOR}");
                let begun = session.client().simple_query_raw(&fetch);
                let begun = session.of_model(model, query, DOING, limit, begun).await?;
                (self.arriving, self.fetched) = (Some(Box::pin(begun)), 0);
                continue;
            };
            let message = async { rows.next().await.transpose() };
            match session.of_model(model, query, DOING, limit, message).await? {
                Some(SimpleQueryMessage::Row(row)) => {
                    if row.len() != decoder.width() {
                        return Err(SourceError {
                            kind: SourceErrorKind::Broken,
                            message: format!(
                                "{DOING}: a row has another number of values than the query has columns"
                            ),
                            position: None,
                        });
                    }
                    decoder.text((0..row.len()).map(|at| row.get(at)))?;
                    self.fetched += 1;
                }
                Some(_) => {}
                None => {
                    self.arriving = None;
                    self.is_over = self.fetched == 0;
                }
            }
        }
        self.decoder.batch()
    }

    pub(super) fn into_session(self) -> Session {
        self.session
    }
}
