//! The run: the only place that knows the order of the six verbs.
//!
//! ```text
//!        ┌───────────────────────────── a sealed run is finished first ─┐
//! lease ─┴─ inspect ─ export + fingerprint ─ diff ─ guard ─ SEAL ─ apply ─ PUBLISH ─ release
//!           nothing outside the run's own folder is touched  │  will be finished, whoever finishes it
//! ```

mod abandon;
mod adopt;
mod advance;
mod agreement;
mod ahead;
mod base;
mod check;
mod compare;
mod drift;
mod error;
mod export;
mod gc;
mod held;
mod increment;
mod keep;
mod keeper;
mod model;
mod observer;
mod origin;
mod parts;
mod plan;
mod refusals;
mod rejects;
mod report;
mod retry;
mod rollback;
mod run;
mod scan;
mod screen;
mod status;
mod unload;
mod unreadable;
mod verify;

pub use abandon::{AbandonReport, abandon};
pub use adopt::{AdoptReport, adopt};
pub use check::check;
pub use error::{Failure, FailureKind, RunError, Step};
pub use gc::{CollectedRun, GcReport, Reason, gc};
pub use increment::{CursorReport, CursorStatus};
pub use observer::{Observer, Unobserved};
pub use plan::{PlanOptions, plan, plan_rollback};
pub use rejects::rejects;
pub use report::{
    BackTo, ChangeKind, CheckReport, ColumnChange, Counts, FailedAttempt, PlanReport, PublishedStatus,
    RejectsReport, RunReport, Sample, StatusReport,
};
pub use retry::retry;
pub use rollback::rollback;
pub use run::run;
pub use scan::Pace;
pub use status::status;
pub use unload::UnloadReport;
pub use verify::{
    Differing, DifferingKind, RepairOptions, RepairReport, VerifyOptions, VerifyReport, repair, verify,
};

use held::Held;

use crate::{
    clock::Clock,
    guard::Approvals,
    source::Source,
    store::{LeaseTimes, SyncStore},
    sync::SyncSpec,
};
use hydrant_contract::{Shape, TableSpec, Target};
use std::{path::PathBuf, sync::Arc};
use tokio_util::sync::CancellationToken;

/// Everything that a run may touch.
#[derive(Clone)]
pub struct Env {
    /// State of the sync.
    pub store: SyncStore,
    /// Where the rows come from.
    pub source: Arc<dyn Source>,
    /// Where they go.
    pub target: Arc<dyn Target>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Is told how the run proceeds.
    pub observer: Arc<dyn Observer>,
    /// Asks the run to stop between two batches.
    pub stop: CancellationToken,
    /// Memory for fingerprints, in bytes, before they spill to disk.
    pub memory_bytes: usize,
    /// Folder that they spill to, that rows are set aside in, and that a plan exports to.
    pub scratch: PathBuf,
    /// How long leases last.
    pub lease_times: LeaseTimes,
}

impl Env {
    /// Does something that may be given up at any moment; whoever asks to stop does not wait for its end.
    async fn unless_stopped<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Failure::Stopped),
            done = work => done,
        }
    }
}

/// What a person may say for one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// What passes the guard.
    pub approved: Approvals,
    /// Every row is sent again, whatever the index says of it.
    pub resend: bool,
    /// All rows are asked for, also where the sync has a cursor.
    pub full: bool,
}

/// The table that a sync wants for a model with this shape.
fn table_spec(sync: &SyncSpec, shape: Shape) -> TableSpec {
    TableSpec {
        table: sync.table.clone(),
        shape,
        mode: sync.mode,
        deletes: sync.deletes.clone(),
        documents: sync.documents,
    }
}

/// Where rows are kept, in words.
fn place(target: &str, spec: &TableSpec) -> String {
    format!("{target}:{}", spec.table)
}
