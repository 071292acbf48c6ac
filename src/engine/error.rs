//! Why a run did not succeed, and what to do about it.

use crate::{
    apply::ApplyError,
    carry::CarryError,
    guard::Finding,
    object_storage::StorageErrorKind,
    plural::plural,
    source::{SourceError, SourceErrorKind},
    store::{LeaseError, StoreError},
};
use hydrant_contract::{ErrorKind, Mismatch, ShapeError, TargetError};
use serde::Serialize;
use std::fmt;

/// The step of a run at which something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Taking the lease and reading what the store knows.
    Start,
    /// Finishing a run that an earlier process sealed.
    RollForward,
    /// Comparing the table with what the sync wants.
    Inspect,
    /// Reading the model's rows, writing them to the store and fingerprinting them.
    Export,
    /// Comparing with the last index.
    Diff,
    /// The first commit point.
    Seal,
    /// Writing to the target.
    Apply,
    /// The second commit point.
    Publish,
    /// Reading the target, to compare it with what was written.
    Verify,
    /// Removing what nothing needs any more.
    Collect,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::RollForward => "roll-forward",
            Self::Inspect => "inspect",
            Self::Export => "export",
            Self::Diff => "diff",
            Self::Seal => "seal",
            Self::Apply => "apply",
            Self::Publish => "publish",
            Self::Verify => "verify",
            Self::Collect => "collect",
        })
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process runs this sync, or took it over.
    #[error(transparent)]
    Lease(LeaseError),
    /// The source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The target.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A value cannot be carried.
    #[error(transparent)]
    Carry(#[from] CarryError),
    /// The query's columns do not make a table with this key.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The table is there, but is not what the sync wants.
    #[error("the table {table} does not fit:{}", .mismatches.iter().map(|m| format!("\n  - {m}")).collect::<String>())]
    TableDiffers {
        /// The table.
        table: String,
        /// Every difference.
        mismatches: Vec<Mismatch>,
    },
    /// Two rows have the same key.
    #[error("{count} {} with more than one row, for example {}", plural(*.count, "key"), .keys.join(", "))]
    DuplicateKeys {
        /// How many keys.
        count: u64,
        /// The first ten.
        keys: Vec<String>,
    },
    /// Rows without a key.
    #[error("{count} {} with NULL in a key column, for example {}", plural(*.count, "row"), .rows.join(", "))]
    NullKeys {
        /// How many rows.
        count: u64,
        /// The first ten, by position in the export, with their keys.
        rows: Vec<String>,
    },
    /// The guard stopped the run.
    #[error("the guard stopped the run: {}", .findings.iter().map(|f| format!("{} (--approve {})", f.reason, f.approve)).collect::<Vec<_>>().join("; "))]
    Guard {
        /// What it found: the rules that stopped the run, and those that would hold something back if it went on.
        findings: Vec<Finding>,
    },
    /// More rows were refused than the sync allows.
    #[error("{rejected} {} refused, the ceiling is {ceiling}; the first: {first}", plural(*.rejected, "row"))]
    TooManyRejects {
        /// Rows refused so far.
        rejected: u64,
        /// What the sync allows.
        ceiling: u64,
        /// The first of them.
        first: String,
    },
    /// The sync was configured for another place before.
    #[error("this sync has kept {was} until now, and the configuration says {now}")]
    Moved {
        /// Where rows were published.
        was: String,
        /// Where the configuration points.
        now: String,
    },
    /// The key is another one than before.
    #[error("the key of this sync was ({was}) until now, and the configuration says ({now})")]
    KeyChanged {
        /// Key columns of the last index.
        was: String,
        /// Key columns of the configuration.
        now: String,
    },
    /// The target does not remember what the store published.
    #[error(
        "the store has published run {published} of this sync, but the target {remembers}: the database or the table was restored, emptied or replaced"
    )]
    TargetReplaced {
        /// The last published run.
        published: u64,
        /// What the target knows, in words.
        remembers: String,
    },
    /// The table of a sealed run is gone.
    #[error("run {run} is sealed and was being written, but the target does not have its table any more")]
    TableGone {
        /// The sealed run.
        run: u64,
    },
    /// The target was written by a run that the store has lost.
    #[error(
        "the target was last written by run {remembers} of this sync, but the store knows {known}: the store was restored, emptied or replaced"
    )]
    StoreBehind {
        /// The run that the target remembers.
        remembers: u64,
        /// What the store knows, in words.
        known: String,
    },
    /// The target was claimed under a later epoch than the store has come to.
    #[error(
        "the target has seen a later epoch of this sync than this store's {epoch} ({said}): the store was restored, emptied or replaced"
    )]
    EpochBehind {
        /// The store's epoch.
        epoch: u64,
        /// What the target said.
        said: String,
    },
    /// A run is not one that can be abandoned.
    #[error("run {run} is not a sealed run that waits to be finished{}", .pending.map_or_else(String::new, |run| format!("; run {run} is")))]
    NotPending {
        /// The run that was named.
        run: u64,
        /// The one that waits.
        pending: Option<u64>,
    },
    /// There is an index already.
    #[error("run {run} of this sync is in the store already: the table is known, there is nothing to adopt")]
    AlreadyKnown {
        /// The run.
        run: u64,
    },
    /// A run cannot be undone.
    #[error("run {run} cannot be rolled back: {reason}")]
    NoWayBack {
        /// The run.
        run: u64,
        /// Why, in words.
        reason: String,
    },
    /// What was compared with went away, because the sync went on.
    #[error("run {run} was published while this plan was made, and what the plan was based on was collected")]
    Overtaken {
        /// The run that was published last.
        run: u64,
    },
    /// There is no table.
    #[error("there is no table {table} to adopt")]
    NothingToAdopt {
        /// The table.
        table: String,
    },
    /// What the last run wrote is not the last word.
    #[error("run {run} is sealed and not finished: what the table should hold is known only when it is")]
    Unfinished {
        /// The sealed run.
        run: u64,
    },
    /// Rows of the last run cannot be sent without all the others.
    #[error("single rows of run {run} cannot be sent again: {reason}")]
    RunFirst {
        /// The last published run.
        run: u64,
        /// Why, in words.
        reason: String,
    },
    /// Rows that the query does not have are none of this sync's business.
    #[error(
        "this sync does not delete rows that its query does not have: they are deleted only in mode `mirror`, and not with `deletes: ignore`"
    )]
    KeepsOthers,
    /// What the sync says of columns cannot be.
    #[error("the sync's settings do not fit its columns:{}", .problems.iter().map(|p| format!("\n  - {p}")).collect::<String>())]
    Policies {
        /// Everything that is wrong.
        problems: Vec<String>,
    },
    /// There is no run to start from.
    #[error("no run of this sync is published yet")]
    NothingPublished,
    /// The query returns a column that hydrant manages itself.
    #[error("the query returns the column {column:?}, which hydrant manages itself")]
    Reserved {
        /// The column.
        column: String,
    },
    /// The configuration lacks what a sealed run needs.
    #[error("run {run} is sealed for the target {target:?}, and this sync is configured for another one now")]
    TargetGone {
        /// The sealed run.
        run: u64,
        /// The target's name.
        target: String,
    },
    /// Somebody asked to stop.
    #[error("stopped on request")]
    Stopped,
}

impl From<LeaseError> for Failure {
    /// What the store says is about the store, also where it says it about a lease.
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Store(error) => Self::Store(error),
            LeaseError::Held(_) | LeaseError::Lost(_) | LeaseError::Unrenewed { .. } => Self::Lease(error),
        }
    }
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Target(error) => Self::Target(error),
            ApplyError::Store(error) => Self::Store(error),
            ApplyError::TooManyRejects { rejected, ceiling, first } => {
                Self::TooManyRejects { rejected, ceiling, first }
            }
            ApplyError::Stopped => Self::Stopped,
            ApplyError::LeaseLost => Self::Lease(LeaseError::Lost(0)),
            ApplyError::Arrow(error) => {
                Self::Target(TargetError::new(ErrorKind::Broken, "arranging a batch", error.to_string()))
            }
        }
    }
}

/// Kinds of failures, as exit codes and monitoring see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The query, the table or the configuration must be changed by a person.
    Wrong,
    /// The data breaks a rule (duplicate keys, too many rejects).
    Data,
    /// The guard stopped the run; nothing was written.
    Guard,
    /// Something could not be reached, or was too busy; the next run may succeed.
    Unavailable,
    /// Access was denied.
    Denied,
    /// Another process runs this sync.
    Held,
    /// Stopped on request.
    Stopped,
    /// A defect, or damage.
    Broken,
}

impl Failure {
    /// What kind it is.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Store(error) => match error {
                StoreError::Storage { source, .. } => match StorageErrorKind::of(source) {
                    StorageErrorKind::Denied => FailureKind::Denied,
                    StorageErrorKind::Missing | StorageErrorKind::Misconfigured => FailureKind::Wrong,
                    StorageErrorKind::Unreachable | StorageErrorKind::Full | StorageErrorKind::Broken => {
                        FailureKind::Unavailable
                    }
                },
                StoreError::Scratch { .. } | StoreError::SetAside { .. } => FailureKind::Unavailable,
                StoreError::Newer { .. } => FailureKind::Wrong,
                StoreError::Taken { .. } => FailureKind::Held,
                StoreError::Corrupt { .. } => FailureKind::Broken,
            },
            Self::Lease(LeaseError::Held(_) | LeaseError::Lost(_)) => FailureKind::Held,
            Self::Lease(LeaseError::Store(_) | LeaseError::Unrenewed { .. }) => FailureKind::Unavailable,
            Self::Source(error) => match error.kind {
                SourceErrorKind::Query | SourceErrorKind::Missing => FailureKind::Wrong,
                SourceErrorKind::Denied => FailureKind::Denied,
                SourceErrorKind::Unreachable => FailureKind::Unavailable,
                SourceErrorKind::Data => FailureKind::Data,
                SourceErrorKind::Broken => FailureKind::Broken,
            },
            Self::Target(error) => match error.kind() {
                ErrorKind::Unreachable | ErrorKind::Busy | ErrorKind::Conflict => FailureKind::Unavailable,
                ErrorKind::Denied => FailureKind::Denied,
                ErrorKind::Missing | ErrorKind::ShapeDiffers | ErrorKind::LimitExceeded => FailureKind::Wrong,
                ErrorKind::ValueRefused => FailureKind::Data,
                ErrorKind::Fenced => FailureKind::Held,
                ErrorKind::Broken => FailureKind::Broken,
            },
            Self::Carry(_)
            | Self::DuplicateKeys { .. }
            | Self::NullKeys { .. }
            | Self::TooManyRejects { .. } => FailureKind::Data,
            Self::Shape(_)
            | Self::TableDiffers { .. }
            | Self::Moved { .. }
            | Self::KeyChanged { .. }
            | Self::TargetReplaced { .. }
            | Self::TableGone { .. }
            | Self::StoreBehind { .. }
            | Self::EpochBehind { .. }
            | Self::Reserved { .. }
            | Self::TargetGone { .. }
            | Self::NotPending { .. }
            | Self::AlreadyKnown { .. }
            | Self::NoWayBack { .. }
            | Self::NothingToAdopt { .. }
            | Self::Unfinished { .. }
            | Self::RunFirst { .. }
            | Self::KeepsOthers
            | Self::Policies { .. }
            | Self::NothingPublished => FailureKind::Wrong,
            Self::Overtaken { .. } => FailureKind::Unavailable,
            Self::Stopped => FailureKind::Stopped,
            Self::Guard { .. } => FailureKind::Guard,
        }
    }

    /// What the person who reads it should do.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Store(error) => match error {
                StoreError::Storage { source: object_store::Error::NotFound { .. }, .. } => {
                    "create the bucket if it is not there; if an object that a manifest names is gone (by a lifecycle rule?), restore it, or give the sync another name to start afresh"
                }
                StoreError::Storage { source, .. }
                    if StorageErrorKind::of(source) == StorageErrorKind::Full =>
                {
                    "make room where the store is; the next run goes on where this one stopped"
                }
                StoreError::Storage { .. } => {
                    "check that the store is reachable and that its credentials may read, write, list and delete there"
                }
                StoreError::Corrupt { .. } => {
                    "an object in the store is damaged or was changed by hand; restore it from the bucket's versions if there are any"
                }
                StoreError::Newer { .. } => "run the newer hydrant",
                StoreError::Taken { .. } => "another hydrant works on this sync; look at `hydrant status`",
                StoreError::Scratch { .. } | StoreError::SetAside { .. } => {
                    "make room in the scratch folder, or set `scratch` to one that has it"
                }
            },
            Self::Lease(LeaseError::Held(_)) => {
                "wait for it to end; if it is stuck, stop that process, and the lease ends by itself within a minute or so"
            }
            Self::Lease(LeaseError::Lost(_)) => {
                "this process was too slow or cut off from the store, and another one took over; nothing to do"
            }
            Self::Lease(LeaseError::Unrenewed { .. }) => {
                "check that the store is reachable; the next run goes on where this one stopped"
            }
            Self::Lease(LeaseError::Store(_)) => {
                "check that the store is reachable and that its credentials may read, write, list and delete there"
            }
            Self::Source(error) => match error.kind {
                SourceErrorKind::Query => "mend the query; nothing was written",
                SourceErrorKind::Missing => {
                    "check what the configuration and the query name; nothing was written"
                }
                SourceErrorKind::Denied => "check the source's credentials and rights; nothing was written",
                SourceErrorKind::Unreachable => {
                    "check that the source is reachable; nothing was written, the next run tries again"
                }
                SourceErrorKind::Data => "mend the data, or leave it out in the query; nothing was written",
                SourceErrorKind::Broken => "this is not expected; keep the message and report it",
            },
            Self::Target(error) => error.kind().advice(),
            Self::Carry(_) => {
                "cast the column in the query to a type that holds the value; nothing was written"
            }
            Self::Shape(_) => "change the query or the sync's key; nothing was written",
            Self::TableDiffers { .. } => {
                "run the statements shown, or change the query to fit the table; nothing was written"
            }
            Self::DuplicateKeys { .. } => {
                "make the key unique in the query, or set `duplicate_keys: first` (or `last`); nothing was written"
            }
            Self::NullKeys { .. } => {
                "leave those rows out in the query, or set `null_keys: reject`; nothing was written"
            }
            Self::Guard { .. } => {
                "look at the query's rows (`hydrant plan SYNC`) and mend them; or, if they are right, approve what was found, with `--approve …`; nothing was written"
            }
            Self::TooManyRejects { .. } => {
                "mend the rows or the table, or raise the sync's `rejects` ceiling; rows that were accepted are written, and the next run goes on from here"
            }
            Self::Moved { .. } => {
                "give the sync another name to start afresh there, or set the old target and table again"
            }
            Self::KeyChanged { .. } => {
                "give the sync another name to start afresh with the new key, or set the old key again"
            }
            Self::TableGone { .. } => {
                "if that is intended: `hydrant abandon SYNC RUN`, then `hydrant run SYNC --resend` sends every row again"
            }
            Self::TargetReplaced { .. } => {
                "if that is intended: `hydrant run SYNC --resend` sends every row again"
            }
            Self::EpochBehind { .. } => {
                "if another store is used for this sync too, give one of them another name; if the store is lost for good, delete its row from the target (`DELETE FROM hydrant.checkpoint WHERE sync = …`; in SQLite the table is hydrant_checkpoint) and then `hydrant run SYNC --resend`"
            }
            Self::Reserved { .. } => "give the column another name in the query with AS",
            Self::StoreBehind { .. } => {
                "if the store cannot be had back: `hydrant run SYNC --resend` sends every row again; rows that left the query in the meantime stay in the table"
            }
            Self::TargetGone { .. } => {
                "put the target back into the configuration until this run is finished"
            }
            Self::NotPending { .. } => "`hydrant status` names the run that is sealed and not finished",
            Self::AlreadyKnown { .. } => {
                "`hydrant verify SYNC` compares the table with what was written; `hydrant run SYNC` goes on"
            }
            Self::NoWayBack { .. } => {
                "mend the query and run the sync: only what differs is written; nothing was written now"
            }
            Self::Overtaken { .. } => {
                "plan again; if it happens every time, `retain` more runs than are published during one plan"
            }
            Self::NothingToAdopt { .. } => {
                "`hydrant run SYNC` creates it; if the table has been removed since `hydrant adopt` began, give that run up first: `hydrant abandon SYNC RUN`"
            }
            Self::Unfinished { .. } => "finish it first: `hydrant run SYNC`",
            Self::RunFirst { .. } => "run it first, which sends every row: `hydrant run SYNC`",
            Self::KeepsOthers => "leave out `--delete-extra`",
            Self::Policies { .. } => {
                "mend `columns`, `cursor`, `refused` or `redact` of the sync; nothing was written"
            }
            Self::NothingPublished => "run it first: `hydrant run SYNC`",
            Self::Stopped => "the next run goes on from here",
        }
    }
}

/// A run that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("{sync}: {step} failed: {failure}")]
pub struct RunError {
    /// The sync.
    pub sync: String,
    /// The run, if it had a number already.
    pub run: Option<u64>,
    /// How far it came.
    pub step: Step,
    /// What went wrong.
    #[source]
    pub failure: Box<Failure>,
}
