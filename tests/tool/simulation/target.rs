//! The target as one process sees it.

use super::{
    ledger,
    process::{Call, Process},
};
use arrow::{
    array::{AsArray, BooleanArray, RecordBatch},
    compute::filter_record_batch,
    datatypes::Int64Type,
};
use async_trait::async_trait;
use hydrant_contract::{
    Applied, Batch, Begun, Capabilities, Changes, Checkpoint, Cursor, ErrorKind, Inspection, Part,
    Rebuildable, Reject, Result, Scanned, ServerInfo, TableSpec, Target, TargetError,
};
use std::sync::Arc;

/// The memory target, and between it and the process everything that may go wrong. It also refuses rows by the rule that
/// holds at present.
pub(super) struct SimulatedTarget(pub(super) Arc<Process>);

fn refused(transient: bool, why: &'static str) -> TargetError {
    TargetError::new(
        if transient { ErrorKind::Unreachable } else { ErrorKind::Denied },
        "calling the target",
        why,
    )
}

#[async_trait]
impl Target for SimulatedTarget {
    async fn capabilities(&self) -> Result<Capabilities> {
        self.0.world.target.capabilities().await
    }

    async fn probe(&self) -> Result<ServerInfo> {
        self.0.call(Call::new("probe"), self.0.world.target.probe(), refused).await
    }

    async fn inspect(&self, spec: &TableSpec) -> Result<Inspection> {
        self.0.call(Call::new("inspect"), self.0.world.target.inspect(spec), refused).await
    }

    async fn create(&self, spec: &TableSpec) -> Result<()> {
        self.0.call(Call::new("create"), self.0.world.target.create(spec), refused).await
    }

    async fn claim(&self, sync: &str, epoch: u64) -> Result<Option<Checkpoint>> {
        let work = async {
            let claimed = self.0.world.target.claim(sync, epoch).await;
            if claimed.is_ok() {
                ledger::claimed(&self.0, epoch);
            }
            claimed
        };
        self.0.call(Call::new(format!("claim under epoch {epoch}")), work, refused).await
    }

    async fn apply(&self, batch: &Batch) -> Result<Applied> {
        let (process, world) = (&self.0, &self.0.world);
        ledger::about_to_act(process, "sends a batch");
        let Checkpoint { run, batch: number, epoch, .. } = batch.checkpoint;
        let [deletes, inserts, updates] =
            [&batch.deletes, &batch.inserts, &batch.updates].map(RecordBatch::num_rows);
        let name =
            format!("batch {number} of run {run} under epoch {epoch}: -{deletes} +{inserts} ~{updates}");
        let work = async {
            let (accepted, rejects) = by_the_rule(process, batch);
            let before = ledger::before(process, batch);
            let applied = world.target.apply(&accepted).await?;
            ledger::applied(process, batch, &rejects, before);
            Ok(Applied { rejects, path: applied.path })
        };
        process.call(Call::new(name), work, refused).await
    }

    /// What may go wrong goes wrong when its turn has come.
    async fn begin<'a>(&'a self, batch: &'a Batch) -> Result<Option<Box<dyn Begun + 'a>>> {
        Ok(Some(Box::new(Ahead { target: self, batch })))
    }

    async fn rebuildable(&self, spec: &TableSpec) -> Result<Rebuildable> {
        self.0.world.target.rebuildable(spec).await
    }

    async fn rebuild(&self, last: &Batch, changes: &mut dyn Changes) -> Result<()> {
        self.0.world.target.rebuild(last, changes).await
    }

    async fn read(&self, spec: &TableSpec, keys: &RecordBatch) -> Result<RecordBatch> {
        self.0.call(Call::new("read"), self.0.world.target.read(spec, keys), refused).await
    }

    async fn scan(&self, spec: &TableSpec, after: Option<&Cursor>, rows: usize) -> Result<Scanned> {
        self.0.call(Call::new("scan"), self.0.world.target.scan(spec, after, rows), refused).await
    }
}

struct Ahead<'a> {
    target: &'a SimulatedTarget,
    batch: &'a Batch,
}

#[async_trait]
impl Begun for Ahead<'_> {
    async fn commit(self: Box<Self>) -> Result<Applied> {
        self.target.apply(self.batch).await
    }
}

/// The batch without the rows that the rule refuses, and those.
fn by_the_rule(process: &Process, batch: &Batch) -> (Batch, Vec<Reject>) {
    let rule = *process.world.lock(&process.world.refusal);
    let mut rejects = Vec::new();
    let mut accept = |part, rows: &RecordBatch| {
        let accepted: BooleanArray = keys(rows).map(|id| Some(!rule.refuses(id))).collect();
        for (row, _) in accepted.iter().enumerate().filter(|(_, accepted)| *accepted == Some(false)) {
            let reason = "refused, as the seed says".to_owned();
            rejects.push(Reject { part, row, column: None, reason, may_settle: rule.may_settle });
        }
        filter_record_batch(rows, &accepted).expect("a filter as long as the rows")
    };
    let deletes = accept(Part::Deletes, &batch.deletes);
    let inserts = accept(Part::Inserts, &batch.inserts);
    let updates = accept(Part::Updates, &batch.updates);
    (Batch { deletes, inserts, updates, ..batch.clone() }, rejects)
}

/// The keys of rows.
pub(super) fn keys(rows: &RecordBatch) -> impl Iterator<Item = i64> {
    let ids = rows.column_by_name("id").expect("rows name their key").as_primitive::<Int64Type>().clone();
    (0..rows.num_rows()).map(move |row| ids.value(row))
}
