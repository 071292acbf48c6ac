//! The rows of a batch into the table: the fast way first, and if the server refuses anything, the careful one.

use crate::{
    careful,
    catalog::Table,
    classify,
    copy::{self, Staged},
    own,
    plan::Plan,
    statement::{self, Span},
    transaction::{self, Transaction},
    unique::Parking,
};
use hydrant_contract::{
    Applied, Batch, ErrorKind, Mode, Part, Reject, Result, TableSpec, TargetError, search::Search,
};
use std::collections::BTreeMap;
use tokio_postgres::{Error, error::DbError};

/// What became of the rows, and whether inserts turned out to be there already.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) applied: Applied,
    pub(crate) wrong_belief: bool,
}

/// Why the server refused rows.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) reason: String,
    pub(crate) column: Option<String>,
    /// The SQLSTATE; empty if a trigger kept the row out without a word.
    pub(crate) code: String,
    pub(crate) constraint: Option<String>,
}

impl Refusal {
    fn of(error: &DbError) -> Self {
        Self {
            reason: classify::message(error),
            column: error.column().map(str::to_owned),
            code: error.code().code().to_owned(),
            constraint: error.constraint().map(str::to_owned),
        }
    }

    fn suppressed() -> Self {
        Self {
            reason: "a trigger of the table kept the row from being written".to_owned(),
            column: None,
            code: String::new(),
            constraint: None,
        }
    }

    /// Whether the row may be accepted once others are written: unique and exclusion constraints, and foreign keys.
    pub(crate) fn depends_on_others(&self) -> bool {
        matches!(self.code.as_str(), "23505" | "23P01" | "23503" | "23001")
    }

    pub(crate) fn reject(self, part: Part, row: usize) -> Reject {
        let may_settle = self.depends_on_others();
        Reject { part, row, column: self.column, reason: self.reason, may_settle }
    }
}

/// Tells a refusal, which is about a row, from an error, which is about everything.
pub(crate) fn refusal(tx: &Transaction<'_>, error: Error) -> Result<Refusal> {
    match error.as_db_error() {
        Some(db) if classify::refuses_a_row(db) => Ok(Refusal::of(db)),
        _ => Err(tx.error(error)),
    }
}

/// Writes the rows of a batch that is not empty.
pub(crate) async fn rows(tx: &Transaction<'_>, batch: &Batch, may_copy: bool) -> Result<Written> {
    let table = find(tx, &batch.spec).await?;
    let plan = plan(tx, &batch.spec, &table)?;
    let straight = straight(&plan, batch, may_copy);
    let staged = stage(tx, &plan, batch, straight).await?;
    merge(tx, &plan, batch, straight, staged).await
}

/// Whether the inserts of a batch are copied straight into the table.
pub(crate) fn straight(plan: &Plan<'_>, batch: &Batch, may_copy: bool) -> bool {
    may_copy && plan.can_copy() && batch.inserts.num_rows() > 0 && batch.spec.mode != Mode::Update
}

/// Rows that wait in the temporary table, and those that the type rules refused before.
pub(crate) type Waiting = (Staged, Vec<Reject>);

/// Puts the rows that are not copied straight into the temporary table; `None` if there are none.
pub(crate) async fn stage(
    tx: &Transaction<'_>,
    plan: &Plan<'_>,
    batch: &Batch,
    straight: bool,
) -> Result<Option<Waiting>> {
    let inserts = if straight { 0 } else { batch.inserts.num_rows() };
    match batch.deletes.num_rows() + batch.updates.num_rows() + inserts {
        0 => Ok(None),
        _ => copy::stage(tx, plan, batch, !straight).await.map(Some).map_err(|e| tx.error(e)),
    }
}

/// Moves the rows that wait in the temporary table into the table, and copies the others straight.
pub(crate) async fn merge(
    tx: &Transaction<'_>,
    plan: &Plan<'_>,
    batch: &Batch,
    straight: bool,
    staged: Option<Waiting>,
) -> Result<Written> {
    let how = if plan.table.has_triggers { statement::PLAN_FREELY } else { statement::LOOK_UP };
    tx.run(&format!("{}; {how}; SAVEPOINT hydrant_rows", transaction::AS_CONFIGURED))
        .await
        .map_err(|e| tx.error(e))?;
    let written = match fast(tx, plan, batch, straight, staged).await? {
        Ok(applied) => Written { applied, wrong_belief: false },
        Err(refusal) => {
            undo(tx).await?;
            let wrong_belief =
                straight && refusal.constraint.as_deref() == Some(plan.key_index.name.as_str());
            // A wrong belief is no fault of any row: the fast way is open, through the temporary table.
            let again = if wrong_belief {
                let staged = stage(tx, plan, batch, false).await?;
                Some(fast(tx, plan, batch, false, staged).await?)
            } else {
                None
            };
            let applied = match again {
                Some(Ok(applied)) => applied,
                Some(Err(_)) => {
                    undo(tx).await?;
                    careful::rows(tx, plan, batch).await?
                }
                None => careful::rows(tx, plan, batch).await?,
            };
            Written { applied, wrong_belief }
        }
    };
    tx.run(transaction::PINNED).await.map_err(|e| tx.error(e))?;
    Ok(written)
}

/// Undoes what was done to the table, and drops the temporary one, which is filled in another way next.
async fn undo(tx: &Transaction<'_>) -> Result<()> {
    tx.run(&format!("ROLLBACK TO SAVEPOINT hydrant_rows; {}", statement::DROP_STAGE))
        .await
        .map_err(|e| tx.error(e))
}

/// The table of a sync, which other sessions may not change until the end of the transaction.
pub(crate) async fn find(tx: &Transaction<'_>, spec: &TableSpec) -> Result<Table> {
    let missing = || {
        let message = format!("there is no table {}", spec.table);
        TargetError::new(ErrorKind::Missing, tx.context(), message)
    };
    let Some(table) = Table::find(tx, &spec.table).await.map_err(|e| tx.error(e))? else {
        return Err(missing());
    };
    // Reads no row, but holds a lock that keeps the columns as they are; then looks again whether they still are.
    tx.run(&format!("SELECT FROM {} LIMIT 0", table.quoted)).await.map_err(|e| tx.error(e))?;
    Table::find(tx, &spec.table).await.map_err(|e| tx.error(e))?.ok_or_else(missing)
}

pub(crate) fn plan<'t>(tx: &Transaction<'_>, spec: &TableSpec, table: &'t Table) -> Result<Plan<'t>> {
    Plan::new(spec, table).map_err(|mismatches| {
        let all: Vec<_> = mismatches.iter().map(ToString::to_string).collect();
        TargetError::new(ErrorKind::ShapeDiffers, tx.context(), all.join("; "))
    })
}

/// Everything at once. A refusal leaves the transaction to be rolled back to the savepoint.
async fn fast(
    tx: &Transaction<'_>,
    plan: &Plan<'_>,
    batch: &Batch,
    straight: bool,
    staged: Option<Waiting>,
) -> Result<std::result::Result<Applied, Refusal>> {
    let mut rejects = Vec::new();
    let path = match (straight, &staged) {
        (true, None) => "copy",
        (true, Some(_)) => "copy and merge",
        (false, _) => "merge",
    };
    if let Some((staged, refused)) = staged {
        rejects.extend(refused);
        if staged.len() > 0 {
            if plan.table.has_triggers {
                tx.run(statement::ANALYZE_STAGE).await.map_err(|e| tx.error(e))?;
            }
            let deletes = staged.deletes();
            let span = Span { first: 0, last: staged.len() - 1, deletes, rows: staged.len() - deletes };
            if let Err(refusal) = span_of(tx, plan, batch, span, &[]).await? {
                return Ok(Err(refusal));
            }
        }
    }
    if straight {
        match copy_inserts(tx, plan, batch).await? {
            Ok(refused) => rejects.extend(refused),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    // What the application defers to the commit would fail the whole batch there, when no row can be named any more.
    if let Err(e) = tx.run("SET CONSTRAINTS ALL IMMEDIATE").await {
        return Ok(Err(refusal(tx, e)?));
    }
    Ok(Ok(Applied { rejects, path }))
}

/// Copies the inserts straight into the table. Rows that the server names by their line are left out; a refusal that
/// names none, or that may depend on the order of rows, is for the careful way.
async fn copy_inserts(
    tx: &Transaction<'_>,
    plan: &Plan<'_>,
    batch: &Batch,
) -> Result<std::result::Result<Vec<Reject>, Refusal>> {
    let mut rejects = BTreeMap::new();
    let mut search = Search::new(0..batch.inserts.num_rows());
    while let Some(rows) = search.next() {
        tx.run("SAVEPOINT hydrant_copy").await.map_err(|e| tx.error(e))?;
        let copied = copy::straight(tx, plan, &batch.inserts, rows.clone()).await.map_err(|e| tx.error(e))?;
        let named = copied.guilty(&plan.table.name, &rows);
        let sent = rows.len() - copied.bad.len();
        rejects.extend(copied.bad.into_iter().map(|bad| (bad.row, bad.reject(Part::Inserts))));
        let refusal = match copied.count {
            Ok(count) if count == sent as u64 => {
                tx.run("RELEASE SAVEPOINT hydrant_copy").await.map_err(|e| tx.error(e))?;
                continue;
            }
            Ok(_) => Refusal::suppressed(),
            Err(e) => refusal(tx, e)?,
        };
        if named.is_none() || refusal.depends_on_others() || rejects.len() > careful::REFUSED_MAX {
            return Ok(Err(refusal));
        }
        tx.run("ROLLBACK TO SAVEPOINT hydrant_copy; RELEASE SAVEPOINT hydrant_copy")
            .await
            .map_err(|e| tx.error(e))?;
        if let Some(row) = search.refused(rows, named) {
            rejects.insert(row, refusal.reject(Part::Inserts, row));
        }
    }
    Ok(Ok(rejects.into_values().collect()))
}

/// Deletes, updates and inserts the staged rows of a span, after moving values of unique columns out of the way as asked.
pub(crate) async fn span_of(
    tx: &Transaction<'_>,
    plan: &Plan<'_>,
    batch: &Batch,
    span: Span,
    parkings: &[Parking<'_>],
) -> Result<std::result::Result<(), Refusal>> {
    match statements(tx, plan, batch, span, parkings).await {
        Ok(true) => Ok(Ok(())),
        // A row came or went between two statements, or a trigger said nothing and wrote nothing: look once more.
        Ok(false) => match statements(tx, plan, batch, span, parkings).await {
            Ok(true) => Ok(Ok(())),
            Ok(false) => Ok(Err(Refusal::suppressed())),
            Err(e) => Ok(Err(refusal(tx, e)?)),
        },
        Err(e) => Ok(Err(refusal(tx, e)?)),
    }
}

/// Returns whether as many rows were written as had to be.
async fn statements(
    tx: &Transaction<'_>,
    plan: &Plan<'_>,
    batch: &Batch,
    span: Span,
    parkings: &[Parking<'_>],
) -> std::result::Result<bool, Error> {
    let mode = batch.spec.mode;
    if mode == Mode::Insert {
        // Rows that are there stay as they are, so there is nothing to lock and nothing to count.
        if span.rows > 0 {
            tx.execute(&statement::insert(plan, mode, span), &[]).await?;
        }
        return Ok(true);
    }
    let as_of = own::timestamp(batch.as_of.timestamp_micros());
    let delete = match span.deletes > 0 && mode != Mode::Update {
        true => statement::delete(plan, &batch.spec.deletes, &as_of, span),
        false => None,
    };
    let update = if span.rows > 0 { statement::update(plan, span) } else { None };
    // A single statement locks rows in the order of their keys by itself. Where there are two, or the planner may choose
    // another order, or triggers may keep rows from being written, rows are locked and counted before.
    let Table { has_triggers, is_tiny, .. } = *plan.table;
    let single = !has_triggers && !is_tiny && parkings.is_empty() && (delete.is_none() || span.rows == 0);
    let there = match single {
        true => None,
        false => Some(lock(tx, plan, span).await?),
    };
    if let Some(delete) = &delete {
        let deleted = tx.execute(delete, &[]).await?;
        if there.is_some_and(|there| deleted < there.deletes) {
            return Ok(false);
        }
    }
    let updated = match (&update, there) {
        (Some(update), Some(there)) => {
            for parking in parkings {
                tx.execute(&statement::park(plan, parking, span), &[]).await?;
            }
            if tx.execute(update, &[]).await? < there.rows {
                return Ok(false);
            }
            there.rows
        }
        (Some(update), None) => tx.execute(update, &[]).await?,
        (None, there) => there.map_or(0, |there| there.rows),
    };
    let absent = (span.rows as u64).saturating_sub(updated);
    if absent > 0 && mode != Mode::Update {
        let inserted = tx.execute(&statement::insert(plan, mode, span), &[]).await?;
        // Without columns to update, a row that is there, or came meanwhile, counts as nothing although it is as wanted.
        return Ok(inserted >= absent || update.is_none());
    }
    Ok(true)
}

/// Rows of the table that are staged.
#[derive(Clone, Copy)]
struct There {
    deletes: u64,
    rows: u64,
}

async fn lock(tx: &Transaction<'_>, plan: &Plan<'_>, span: Span) -> std::result::Result<There, Error> {
    let locked = tx.query(&statement::lock(plan, span), &[]).await?;
    let (deletes, rows): (i64, i64) = match locked.first() {
        Some(row) => (row.try_get(0)?, row.try_get(1)?),
        None => (0, 0),
    };
    Ok(There { deletes: deletes.unsigned_abs(), rows: rows.unsigned_abs() })
}

/// The rejects of staged rows.
pub(crate) fn rejects(staged: &Staged, refused: BTreeMap<usize, Refusal>) -> impl Iterator<Item = Reject> {
    refused.into_iter().map(|(number, refusal)| {
        let (part, row) = staged.origin(number);
        refusal.reject(part, row)
    })
}
