//! The trait.

use crate::{
    Applied, Batch, Begun, Changes, Checkpoint, Cursor, Inspection, Rebuildable, Result, Scanned, TableSpec,
};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;

/// A database that tables are kept in.
///
/// # The promise
///
/// 1. **Every call may be repeated**, by the same process or another one, at any time, after any failure. An answer
///    may be lost although the work was done; the same call again leaves the same state.
/// 2. **A batch is one unit.** Its rows, its [`Checkpoint`] and its freshness become visible together or not at all
///    (where [`Capabilities::transactions`] says so; elsewhere the checkpoint is written last).
/// 3. **Epochs fence.** A call with an epoch below the highest one that was ever claimed for its sync writes nothing
///    and fails with [`ErrorKind::Fenced`](crate::ErrorKind::Fenced). The comparison happens in the transaction of the
///    batch and excludes a concurrent claim.
/// 4. **Only managed columns and keys are touched.** Other rows, other columns, indexes, grants, triggers and views
///    stay. Nothing is ever dropped or truncated, but for a table whose like has taken its place
///    ([`rebuild`](Target::rebuild), which nobody calls who was not told to).
/// 5. **Exact or refused.** A value that the column cannot hold exactly is a [`Reject`](crate::Reject): the row is not
///    written (an existing row keeps its old values), all other rows of the batch are.
/// 6. **Locks are short.** Rows are locked in key order; waits for locks end in
///    [`ErrorKind::Busy`](crate::ErrorKind::Busy) within seconds rather than queueing in front of the application.
///
/// A target opens its connections when they are needed, opens them again when they broke, and is shared by concurrent
/// calls for *different* syncs. No method has a default body: a wrapper that forgot one would not compile.
#[async_trait]
pub trait Target: Send + Sync {
    /// What this target can do. It may have to ask the server; what it has answered once holds for its lifetime.
    async fn capabilities(&self) -> Result<Capabilities>;

    /// Connects, and says whom it reached.
    async fn probe(&self) -> Result<ServerInfo>;

    /// Compares a table with what a sync wants: columns, types, a unique index on exactly the key, the rights to write.
    /// Changes nothing. A table that is present is reported with every mismatch at once, and a right that is missing on
    /// an absent table (to create it) is a [`Denied`](crate::ErrorKind::Denied) error.
    async fn inspect(&self, spec: &TableSpec) -> Result<Inspection>;

    /// Creates the table by the statements that [`inspect`](Target::inspect) showed; succeeds without change if it is
    /// there already.
    async fn create(&self, spec: &TableSpec) -> Result<()>;

    /// Takes the sync over for a writer with this epoch, and returns the last checkpoint written, if any. From now on
    /// every smaller epoch is fenced. Makes hydrant's own tables if they are missing.
    async fn claim(&self, sync: &str, epoch: u64) -> Result<Option<Checkpoint>>;

    /// Writes a batch: deletes, updates and inserts so that afterwards, for every key that is not rejected,
    ///
    /// | mode | key among `inserts` or `updates` | key among `deletes` |
    /// |---|---|---|
    /// | mirror, upsert | the row is there with exactly these managed values | gone, marked or nulled, as `deletes` says |
    /// | insert | as before if it was there, else inserted | as before |
    /// | update | updated if it was there, else still absent | as before |
    ///
    /// whether or not the belief that sorted it into `inserts` or `updates` was right. Values of other unique columns
    /// may move between the rows of one batch. An empty batch writes the checkpoint and the freshness and does not touch
    /// the table at all.
    ///
    /// Batches of a run are numbered from 1 without gaps, and the number of the last one or of an earlier one may come
    /// again, with the same rows or with others: a run is rolled forward from an earlier batch, and rows that
    /// [may settle](crate::Reject::may_settle) are sent once more after the last change, in batches with an empty range of
    /// changes under the last number or the next. A target that can lose commits (a standby that takes over) refuses a
    /// batch that is more than one ahead of the checkpoint, and nothing else for its number.
    async fn apply(&self, batch: &Batch) -> Result<Applied>;

    /// Begins with a batch while the ones before it are still being written; `None` where there is nothing to be done ahead.
    ///
    /// What is begun is seen by nobody, and until it is committed it keeps nobody from reading or changing the rows that are
    /// there. Batches of one run may be begun side by side, and each is committed after the one before. The epoch is compared
    /// when it is committed.
    ///
    /// An error says nothing about the batch: [`apply`](Target::apply), called when its turn has come, finds out. Whoever calls
    /// that after an error drops what else is begun before, since it may be in the way.
    async fn begin<'a>(&'a self, batch: &'a Batch) -> Result<Option<Box<dyn Begun + 'a>>>;

    /// Whether [`rebuild`](Target::rebuild) could write the changes of a run to this table, which is there and fits. Changes
    /// nothing. An answer without obstacles is no promise: what is in the way may come to be there before the run.
    async fn rebuildable(&self, spec: &TableSpec) -> Result<Rebuildable>;

    /// Writes all changes of a run in one unit with the checkpoint and the freshness of `last`, a batch without rows: builds
    /// the table anew beside itself and puts it in its place. Only for mode `mirror` with hard deletes, and only where
    /// [`Capabilities::rebuild`] says so.
    ///
    /// Afterwards the rows are those that [`apply`](Target::apply) would have left, batch by batch, and everything else of the
    /// table is as before: its name, columns, indexes, constraints, owner, grants, comments and settings. Rows that the
    /// application has written are kept, and what it writes meanwhile waits, but is not lost. Those who read go on reading; at
    /// the end they wait for seconds at most.
    ///
    /// All or nothing: where a row is refused, something is in the way, or a lock is not had in time, it fails and nothing is
    /// changed. Then the same changes are to be applied in batches, which finds the rows that are at fault.
    async fn rebuild(&self, last: &Batch, changes: &mut dyn Changes) -> Result<()>;

    /// Reads the managed columns of the rows with these keys ([`Shape::key_schema`](crate::Shape::key_schema)), in the
    /// carriers of [`Shape::schema`](crate::Shape::schema), in no particular order. Absent keys have no row. A value
    /// that was not written by hydrant and that the carrier cannot hold is an error.
    async fn read(&self, spec: &TableSpec, keys: &RecordBatch) -> Result<RecordBatch>;

    /// Reads the managed columns of the next rows, up to `rows` of them (at least one), in the order that the table's own
    /// index on the key has, from the start of the table or from where an earlier call ended.
    ///
    /// All rows of the table come, the application's too, but for those that a soft delete has marked as gone: they are no
    /// rows of the model. One bad value does not spoil the rest ([`Scanned`]). A call may return no row and yet go on: only
    /// a `next` of `None` is the end.
    ///
    /// Each call is one small query of its own that finds its place by the index, so that it costs the same at both ends of
    /// a large table; what it returns was there at one moment. Nothing is kept between calls, and nothing is locked. Rows
    /// that others write meanwhile do not disturb it: a row that is there from the first call to the last comes exactly once.
    /// It needs the right to read the managed columns, and none to write.
    async fn scan(&self, spec: &TableSpec, after: Option<&Cursor>, rows: usize) -> Result<Scanned>;
}

/// What a target can do. Each has cases in the conformance suite; what is missing shows there as ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Rows, checkpoint and freshness commit together.
    pub transactions: bool,
    /// Table names may have a schema.
    pub schemas: bool,
    /// The table enforces unique columns other than the key.
    pub unique_columns: bool,
    /// A table can be built anew beside itself; see [`Target::rebuild`].
    pub rebuild: bool,
    /// Batches can be begun ahead; see [`Target::begin`].
    pub ahead: bool,
}

/// Whom a target reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// Product and version, as in `PostgreSQL 15.18`.
    pub product: String,
    /// Where it is, without any secret, as in `db.example:5432/app as hydrant`.
    pub place: String,
}
