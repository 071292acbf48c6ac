//! Whether the query's rows come through the store, written by the warehouse itself, or are streamed.

use super::{Env, Failure, gc::next_epoch};
use crate::{
    source::{Rows, Staging, Unload, Unloading, unload::Outcome},
    sync::{DuplicateKeys, SyncSpec},
};
use serde::Serialize;
use std::sync::{Arc, OnceLock};

/// How the query's rows come, where the source was asked to unload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "way", rename_all = "snake_case")]
pub enum UnloadReport {
    /// The warehouse writes them into the store, or would.
    Unloaded {
        /// The statement.
        statement: String,
        /// How many files it wrote.
        #[serde(skip_serializing_if = "Option::is_none")]
        files: Option<u64>,
        /// The size of the files.
        #[serde(skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
    },
    /// They are streamed all the same.
    Streamed {
        /// Why.
        because: String,
    },
}

/// The way of the rows, and what is going to be known of it.
pub(super) struct Way {
    /// What the source is about to do; none if it streams.
    unloading: Option<Unloading>,
    report: Option<UnloadReport>,
    outcome: Option<Arc<OnceLock<Outcome>>>,
}

/// Who asks for rows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asking {
    /// This run: what is unloaded goes into its folder.
    Run(u64),
    /// A plan, which may not write into the store: its rows are streamed, and it tells how those of the next run would come.
    Plan,
}

/// The way of the query's rows.
pub(super) async fn way(env: &Env, sync: &SyncSpec, asking: Asking) -> Result<Way, Failure> {
    match asking {
        Asking::Run(run) => way_of(env, sync, run).await,
        Asking::Plan => {
            let run = next_epoch(&env.store, env.lease_times, env.clock.now()).await?;
            Ok(Way { unloading: None, ..way_of(env, sync, run).await? })
        }
    }
}

async fn way_of(env: &Env, sync: &SyncSpec, run: u64) -> Result<Way, Failure> {
    let (objects, folder) = (env.store.objects().clone(), env.store.names().run(run).unloaded());
    let into = Staging::new(objects, folder, env.store.address().cloned());
    let streams = |because: String| {
        tracing::info!(sync = sync.name, because, "unload: streamed");
        Way { unloading: None, report: Some(UnloadReport::Streamed { because }), outcome: None }
    };
    Ok(match env.source.unload(&sync.model, &into).await? {
        Unload::Off => Way { unloading: None, report: None, outcome: None },
        Unload::Streams { because } => streams(because),
        Unload::Writes(unloading)
            if !unloading.keeps_order && sync.duplicate_keys != DuplicateKeys::Error =>
        {
            streams(
                "duplicate_keys takes the first or the last row, and files do not keep the order of rows"
                    .to_owned(),
            )
        }
        Unload::Writes(unloading) => {
            let statement = unloading.statement.clone();
            let outcome = unloading.outcome.clone();
            let report = UnloadReport::Unloaded { statement, files: None, bytes: None };
            Way { unloading: Some(*unloading), report: Some(report), outcome: Some(outcome) }
        }
    })
}

impl Way {
    /// The rows, if they do not have to be streamed.
    pub(super) fn take_rows(&mut self) -> Option<Rows> {
        self.unloading.take().map(|unloading| unloading.rows)
    }

    /// What is to be told of it, after the last row with what has come of it.
    pub(super) fn report(&self) -> Option<UnloadReport> {
        match (self.outcome.as_ref().and_then(|outcome| outcome.get()), self.report.clone()?) {
            (Some(Outcome::Read { files, bytes }), UnloadReport::Unloaded { statement, .. }) => {
                Some(UnloadReport::Unloaded { statement, files: Some(*files), bytes: Some(*bytes) })
            }
            (Some(Outcome::Streamed { because }), _) => {
                Some(UnloadReport::Streamed { because: because.clone() })
            }
            (_, report) => Some(report),
        }
    }
}
