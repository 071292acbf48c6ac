//! The first index, from a table that is there already: switching from another tool rewrites nothing.

use super::{
    Env, Failure, Held, RunError, RunOptions, RunReport, origin::Origin, run::under_lease, scan::Scan,
    table_spec,
};
use crate::{
    source::{Rows, SourceError, SourceErrorKind},
    store::History,
    sync::SyncSpec,
};
use arrow::datatypes::Schema;
use futures::StreamExt;
use hydrant_contract::Shape;
use std::sync::Arc;

/// Takes the table as it is for what hydrant has written. No row of it is written; the next run sends what differs.
pub async fn adopt(env: &Env, sync: &SyncSpec) -> Result<RunReport, RunError> {
    under_lease(env, sync, RunOptions::default(), |held| Box::pin(held.adopt())).await
}

impl Held<'_> {
    async fn adopt(&mut self) -> Result<RunReport, Failure> {
        let history = History::load(&self.env.store).await?;
        let known =
            history.published.map(|(sealed, _)| sealed.run).or(history.pending.map(|sealed| sealed.run));
        match known {
            Some(run) => Err(Failure::AlreadyKnown { run }),
            None => self.advance(Origin::Table).await,
        }
    }
}

/// The rows of the table. Those with values that the model's types cannot hold are left out: the first run that has their
/// keys writes them.
pub(super) fn rows(held: &Held<'_>, shape: &Shape) -> Rows {
    let nullable: Vec<_> = shape.columns().iter().map(|c| c.value.field(&c.name, true)).collect();
    let scan = Scan::new(held, table_spec(held.sync, shape.clone()));
    let batches = futures::stream::unfold(Some(scan), async |scan| {
        let mut scan = scan?;
        match scan.next().await {
            Ok(None) => None,
            Ok(Some(scanned)) => {
                let left_out = scanned.unreadable.num_rows() as u64 + scanned.foreign;
                if left_out > 0 {
                    tracing::warn!(
                        rows = left_out,
                        "left out: rows with values that the model's types cannot hold"
                    );
                }
                Some((Ok(scanned.rows), Some(scan)))
            }
            Err(error) => Some((Err(broken(&error)), None)),
        }
    });
    Rows { schema: Arc::new(Schema::new(nullable)), batches: batches.boxed() }
}

/// The table is the source here.
fn broken(error: &Failure) -> SourceError {
    let message = format!("reading the table: {error}");
    SourceError { kind: SourceErrorKind::Unreachable, message, position: None }
}
