//! Where a run can be killed: a name for every arrow between two steps, and for both sides of every commit.

/// A moment in a run. The observer is told of it when it is reached; a test kills the process there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// The lease is taken, nothing else is done.
    Leased,
    /// The table was compared with what the sync wants.
    Inspected,
    /// The target was taken over.
    Claimed,
    /// A part of the export is in the store.
    PartWritten,
    /// All rows have come: they are in the store, or set aside.
    Exported,
    /// The new index and the change set are in the store, and of rows that were set aside those that changed.
    Compared,
    /// About to seal.
    Sealing,
    /// Sealed.
    Sealed,
    /// The table is there.
    Created,
    /// About to send a batch.
    Sending,
    /// The target has committed a batch; what it refused is not noted yet.
    Committed,
    /// What it refused is noted.
    Noted,
    /// All batches of the change set are written; rows that may settle are about to be sent again.
    Settling,
    /// All changes are written.
    Applied,
    /// About to publish.
    Publishing,
    /// Published; the lease is still held.
    Published,
    /// About to remove an object that nothing needs any more.
    Collecting,
    /// About to abandon a sealed run; its keys are written down.
    Abandoning,
}

impl Point {
    /// All of them, in the order of a run.
    pub const ALL: &[Self] = &[
        Self::Leased,
        Self::Inspected,
        Self::Claimed,
        Self::PartWritten,
        Self::Exported,
        Self::Compared,
        Self::Sealing,
        Self::Sealed,
        Self::Created,
        Self::Sending,
        Self::Committed,
        Self::Noted,
        Self::Settling,
        Self::Applied,
        Self::Publishing,
        Self::Published,
        Self::Collecting,
        Self::Abandoning,
    ];
}
