//! The rows of a batch into the collection: the fast way first, and if the server refuses anything, the careful one.

use crate::{
    careful, catalog, classify,
    connect::Link,
    direct, own,
    plan::{Plan, Rows},
    reply::Refusal,
    send::{self, Outcome, RowId, Stage},
    statement::{Statement, Way},
    timeouts,
    transaction::Unit,
};
use arrow::record_batch::RecordBatch;
use futures::future::BoxFuture;
use hydrant_contract::{
    Applied, Batch, Deletes, ErrorKind, Mode, Part, Reject, Result, TableSpec, TargetError,
};
use mongodb::bson::Document;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// What became of the rows, and whether inserts turned out to be there already.
pub(crate) struct Written {
    pub(crate) applied: Applied,
    pub(crate) wrong_belief: bool,
}

/// Rows that are left out, with what the server said of them.
pub(crate) type Refused = HashMap<RowId, Refusal>;

/// The rows of a batch as arrays, and where they go.
pub(crate) struct Work<'b> {
    pub(crate) batch: &'b Batch,
    pub(crate) plan: &'b Plan,
    /// Whether the checkpoint is written; otherwise this is a part of a batch, and not the last one.
    is_noted: bool,
    pub(crate) deletes: Rows<'b>,
    pub(crate) updates: Rows<'b>,
    pub(crate) inserts: Rows<'b>,
}

impl<'b> Work<'b> {
    fn new(batch: &'b Batch, plan: &'b Plan, is_noted: bool) -> Self {
        let rows = |rows: &'b RecordBatch, keys_only| plan.rows(rows, keys_only);
        Self {
            batch,
            plan,
            is_noted,
            deletes: rows(&batch.deletes, true),
            updates: rows(&batch.updates, false),
            inserts: rows(&batch.inserts, false),
        }
    }

    pub(crate) fn rows(&self, part: Part) -> &Rows<'b> {
        match part {
            Part::Deletes => &self.deletes,
            Part::Inserts => &self.inserts,
            Part::Updates => &self.updates,
        }
    }

    pub(crate) fn statement(&self, way: Way) -> Statement<'_> {
        Statement { plan: self.plan, way, as_of: self.batch.as_of.timestamp_millis() }
    }

    pub(crate) fn stage(&self, part: Part, way: Way) -> Stage<'_> {
        Stage { part, statement: self.statement(way), rows: self.rows(part) }
    }

    /// What becomes of deleted rows; `None` if nothing does.
    pub(crate) fn delete_way(&self) -> Option<Way> {
        match (self.batch.spec.mode, &self.batch.spec.deletes) {
            (Mode::Insert | Mode::Update, _) | (_, Deletes::Ignore) => None,
            (_, Deletes::Hard) => Some(Way::Delete),
            (_, Deletes::Soft { .. }) => Some(Way::Mark),
            (_, Deletes::NullOut) => Some(Way::NullOut),
        }
    }

    /// What becomes of rows of the query, whatever is believed of them.
    pub(crate) fn write_way(&self) -> Way {
        match self.batch.spec.mode {
            Mode::Mirror | Mode::Upsert => Way::Upsert,
            Mode::Insert => Way::InsertIfAbsent,
            Mode::Update => Way::Update,
        }
    }

    /// The stages in the order that lets go of values before they are taken: deletes, updates, inserts.
    pub(crate) fn stages(&self, straight: bool) -> Vec<Stage<'_>> {
        let write = self.write_way();
        let insert = if straight && write != Way::Update { Way::Insert } else { write };
        let deletes = self.delete_way().map(|way| self.stage(Part::Deletes, way));
        let writes = [self.stage(Part::Updates, write), self.stage(Part::Inserts, insert)];
        deletes.into_iter().chain(writes).filter(|stage| stage.rows.count > 0).collect()
    }
}

/// Writes a batch with its checkpoint and its freshness.
pub(crate) async fn batch(link: &Link, batch: &Batch, straight: bool, doing: &str) -> Result<Written> {
    let plan = match batch.is_empty() {
        true => None,
        false => Some(find(link, &batch.spec, doing).await?),
    };
    let Some(plan) = plan else {
        let applied = Applied { rejects: Vec::new(), path: "checkpoint only" };
        again_on_conflict(link, doing, || note(link, batch, doing)).await?;
        return Ok(Written { applied, wrong_belief: false });
    };
    match link.transactions {
        true => in_parts(link, batch, &plan, straight, true, doing).await,
        false => direct::rows(link, &Work::new(batch, &plan, true), straight, doing).await,
    }
}

/// One transaction; or, where the server says that its cache has no room for it, one for each half of the rows. Then readers
/// may see the first half before the second, as they see one batch before the next; the checkpoint comes with the last.
fn in_parts<'f>(
    link: &'f Link,
    batch: &'f Batch,
    plan: &'f Plan,
    straight: bool,
    is_noted: bool,
    doing: &'f str,
) -> BoxFuture<'f, Result<Written>> {
    Box::pin(async move {
        let whole = transactional(link, &Work::new(batch, plan, is_noted), straight, doing).await;
        match whole {
            Err(error) if classify::is_too_large_for_cache(&error) && batch.len() > 1 => {}
            other => return other,
        }
        let middle = batch.len() / 2;
        let (first, second) = (slice(batch, 0..middle), slice(batch, middle..batch.len()));
        let before = in_parts(link, &first, plan, straight, false, doing).await?;
        let mut after =
            in_parts(link, &second, plan, straight && !before.wrong_belief, is_noted, doing).await?;
        for reject in &mut after.applied.rejects {
            reject.row += match reject.part {
                Part::Deletes => first.deletes.num_rows(),
                Part::Updates => first.updates.num_rows(),
                Part::Inserts => first.inserts.num_rows(),
            };
        }
        after.applied.rejects.extend(before.applied.rejects);
        after.applied.path = "in several transactions, the server's cache being small";
        after.wrong_belief |= before.wrong_belief;
        Ok(after)
    })
}

/// A part of a batch's rows, in the order in which they are written: deletes, updates, inserts.
fn slice(batch: &Batch, range: std::ops::Range<usize>) -> Batch {
    let mut before = 0;
    let mut of = |rows: &RecordBatch| {
        let own = before..before + rows.num_rows();
        before = own.end;
        let from = range.start.clamp(own.start, own.end) - own.start;
        let to = range.end.clamp(own.start, own.end) - own.start;
        rows.slice(from, to - from)
    };
    let (deletes, updates, inserts) = (of(&batch.deletes), of(&batch.updates), of(&batch.inserts));
    Batch { deletes, updates, inserts, ..batch.clone() }
}

/// The collection of a sync, which is there.
pub(crate) async fn find(link: &Link, spec: &TableSpec, doing: &str) -> Result<Plan> {
    let plan = plan(link, spec, doing)?;
    match catalog::kind(link, &plan, doing).await? {
        Some(kind) => match kind.problem(&plan) {
            None => Ok(plan),
            Some(mismatch) => {
                Err(TargetError::new(ErrorKind::ShapeDiffers, link.context(doing), mismatch.to_string()))
            }
        },
        None => {
            let message = format!("there is no collection {}.{}", plan.database, plan.collection);
            Err(TargetError::new(ErrorKind::Missing, link.context(doing), message))
        }
    }
}

pub(crate) fn plan(link: &Link, spec: &TableSpec, doing: &str) -> Result<Plan> {
    Plan::new(spec, &link.database).map_err(|mismatches| {
        let all: Vec<_> = mismatches.iter().map(ToString::to_string).collect();
        TargetError::new(ErrorKind::ShapeDiffers, link.context(doing), all.join("; "))
    })
}

/// Checkpoint and freshness alone.
async fn note(link: &Link, batch: &Batch, doing: &str) -> Result<()> {
    let mut unit = match link.transactions {
        true => Unit::begin(link, doing).await?,
        false => Unit::none(link, doing),
    };
    let noted = async {
        own::advance(&mut unit, &batch.checkpoint).await?;
        own::freshen(&mut unit, batch).await
    };
    match noted.await {
        Ok(()) => unit.commit().await,
        Err(error) => {
            unit.abort().await;
            Err(error)
        }
    }
}

async fn transactional(link: &Link, work: &Work<'_>, straight: bool, doing: &str) -> Result<Written> {
    let straight = straight && work.inserts.count > 0 && work.write_way() != Way::Update;
    let path = |straight: bool, rows: usize| match (straight, rows) {
        (true, 0) => "insert",
        (true, _) => "insert and update",
        (false, _) => "update",
    };
    let others = work.deletes.count + work.updates.count;
    let none = Refused::new();
    let done =
        |unfit, path, wrong_belief| Written { applied: Applied { rejects: unfit, path }, wrong_belief };
    let first =
        match again_on_conflict(link, doing, || attempt(link, work, straight, &none, &[], doing)).await? {
            Attempt::Done(unfit) => return Ok(done(unfit, path(straight, others), false)),
            Attempt::Refused(row, refusal) => (row, refusal),
        };
    // A wrong belief is no fault of any row: the fast way is open, by updates that insert where nothing is found.
    let key = work.plan.key_fields();
    let wrong_belief = straight
        && first.0.part() == Part::Inserts
        && first.1.is_duplicate()
        && first.1.is_of_key(&key).unwrap_or(true);
    let first = match wrong_belief {
        false => first,
        true => {
            match again_on_conflict(link, doing, || attempt(link, work, false, &none, &[], doing)).await? {
                Attempt::Done(unfit) => return Ok(done(unfit, path(false, others), true)),
                Attempt::Refused(row, refusal) => (row, refusal),
            }
        }
    };
    let rejects = careful::rows(link, work, first, doing).await?;
    Ok(done(rejects, "update, without what was refused", wrong_belief))
}

/// What became of one transaction.
pub(crate) enum Attempt {
    /// Committed, but for rows that have no place in a document.
    Done(Vec<Reject>),
    /// Undone because of this row.
    Refused(RowId, Refusal),
}

/// One transaction of everything but the rows that are left out. Between the deletes and the writes come the commands that
/// put aside values which move.
pub(crate) async fn attempt(
    link: &Link,
    work: &Work<'_>,
    straight: bool,
    left_out: &Refused,
    parking: &[Document],
    doing: &str,
) -> Result<Attempt> {
    let mut unit = Unit::begin(link, doing).await?;
    match within(&mut unit, work, straight, left_out, parking).await {
        Ok(Attempt::Done(unfit)) => {
            unit.commit().await?;
            Ok(Attempt::Done(unfit))
        }
        undone => {
            unit.abort().await;
            undone
        }
    }
}

async fn within(
    unit: &mut Unit<'_>,
    work: &Work<'_>,
    straight: bool,
    left_out: &Refused,
    parking: &[Document],
) -> Result<Attempt> {
    match work.is_noted {
        true => own::advance(unit, &work.batch.checkpoint).await?,
        false => own::hold(unit, &work.batch.checkpoint).await?,
    }
    let mut outcome = Outcome::default();
    let mut parked = false;
    for stage in work.stages(straight) {
        if stage.part != Part::Deletes && !parked {
            parked = true;
            for command in parking {
                let reply = unit.run(&work.plan.database, command.clone()).await?;
                if let Some((_, refusal)) =
                    crate::reply::refusals(&reply, &unit.context())?.into_iter().next()
                {
                    let message = format!("a value cannot be moved out of the way: {}", refusal.reason);
                    return Err(unit.error(ErrorKind::ValueRefused, message));
                }
            }
        }
        let numbers =
            (0..stage.rows.count).filter(|row| !left_out.contains_key(&RowId::new(stage.part, *row)));
        send::stage(unit, work.plan, &stage, numbers, None, &mut outcome).await?;
        if let Some((row, refusal)) = outcome.refused.pop() {
            return Ok(Attempt::Refused(row, refusal));
        }
    }
    if work.is_noted {
        own::freshen(unit, work.batch).await?;
    }
    Ok(Attempt::Done(outcome.unfit))
}

/// Tries again while another transaction is in the way. MongoDB turns away whoever comes second instead of letting it
/// wait, so the wait is here; it is as short as that for a lock elsewhere.
pub(crate) async fn again_on_conflict<T, F: Future<Output = Result<T>>>(
    link: &Link,
    doing: &str,
    call: impl Fn() -> F,
) -> Result<T> {
    let since = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        match call().await {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                if since.elapsed() + pause > timeouts::LOCK {
                    let message = format!(
                        "other transactions hold documents of the batch, for {} s already: {error}",
                        timeouts::LOCK.as_secs()
                    );
                    return Err(
                        TargetError::new(ErrorKind::Busy, link.context(doing), message).with_source(error)
                    );
                }
                tokio::time::sleep(jittered(pause)).await;
                pause = (pause * 2).min(Duration::from_millis(320));
            }
            other => return other,
        }
    }
}

/// Between half of the pause and the whole of it, so that two who met do not meet again.
fn jittered(pause: Duration) -> Duration {
    let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |now| now.subsec_nanos());
    pause / 2 + (pause / 2).mul_f64(f64::from(nanos % 1000) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;
    use hydrant_contract::{Checkpoint, Column, Documents, Integer, Shape, TableName, ValueType};
    use std::sync::Arc;

    #[test]
    fn halves_of_a_batch_keep_the_order_of_writing() {
        let columns = vec![Column { name: "id".to_owned(), value: ValueType::Integer(Integer::I64) }];
        let spec = TableSpec {
            table: TableName { schema: None, name: "t".to_owned() },
            shape: Shape::new(columns, vec!["id".to_owned()]).expect("a shape"),
            mode: Mode::Mirror,
            deletes: Deletes::Hard,
            documents: Documents::default(),
        };
        let rows = |ids: std::ops::Range<i64>| {
            let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
            RecordBatch::try_new(spec.shape.schema(), vec![ids]).expect("rows")
        };
        let checkpoint =
            Checkpoint { sync: "s".to_owned(), run: 1, epoch: 1, batch: 1, first_change: 0, next_change: 9 };
        let empty = Batch::empty(Arc::new(spec.clone()), checkpoint, chrono::Utc::now());
        let batch = Batch { deletes: rows(0..2), updates: rows(2..5), inserts: rows(5..9), ..empty };
        let ids = |batch: &Batch| -> Vec<i64> {
            [&batch.deletes, &batch.updates, &batch.inserts]
                .iter()
                .flat_map(|rows| rows.column(0).as_primitive::<Int64Type>().values().to_vec())
                .collect()
        };
        for middle in 0..=9 {
            let (first, second) = (slice(&batch, 0..middle), slice(&batch, middle..9));
            assert_eq!(ids(&first).len(), middle);
            assert_eq!([ids(&first), ids(&second)].concat(), (0..9).collect::<Vec<_>>());
        }
    }
}
