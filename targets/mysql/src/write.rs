//! The rows of a batch into the table: the fast way first, and if anything is refused, the careful one.

use crate::{
    careful,
    catalog::Table,
    classify::{self, Failure},
    load::{self, Loaded},
    own,
    plan::Plan,
    rows::{Place, Rows},
    statement::{self, Source},
    transaction::{Answered, Session},
};
use hydrant_contract::{Applied, Batch, ErrorKind, Mode, Part, Reject, Result, TableSpec, TargetError};
use mysql_async::{Row, ServerError, from_value_opt};

/// What became of the rows, and whether inserts turned out to be there already, or could not go straight for another reason
/// that the next ones would meet too.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) applied: Applied,
    pub(crate) wrong_belief: bool,
}

/// Why the server refused rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: String,
    pub(crate) column: Option<String>,
    pub(crate) code: u16,
}

impl Refusal {
    pub(crate) fn of(error: &ServerError) -> Self {
        Self {
            reason: classify::message(error),
            column: classify::column_of(&error.message).filter(|_| !classify::depends_on_others(error.code)),
            code: error.code,
        }
    }

    pub(crate) fn depends_on_others(&self) -> bool {
        classify::depends_on_others(self.code)
    }

    pub(crate) fn reject(self, (part, row): Place) -> Reject {
        let may_settle = self.depends_on_others();
        Reject { part, row: row as usize, column: self.column, reason: self.reason, may_settle }
    }
}

/// Tells a refusal, which is about a row, from an error, which is about everything.
pub(crate) fn refusal(session: &Session<'_>, failure: Failure) -> Result<Refusal> {
    match failure.server() {
        Some(error) if classify::refuses_a_row(error) => Ok(Refusal::of(error)),
        _ => Err(session.error(failure)),
    }
}

/// Rows on their way, as far as they come without a transaction.
pub(crate) struct Prepared {
    pub(crate) plan: Plan,
    pub(crate) rows: Rows,
    /// What waits in the temporary table, if anything does.
    stage: Option<Stage>,
    /// Whether the inserts shall go straight into the table.
    straight: bool,
}

/// The temporary table of a batch.
#[derive(Default)]
struct Stage {
    deletes: u64,
    /// Updates and inserts.
    rows: u64,
    /// Rows that the type rules refused on the way there.
    rejects: Vec<Reject>,
}

/// Finds the table, and fills the temporary table if rows have to go through it: while nothing is locked yet.
pub(crate) async fn prepare(session: &mut Session<'_>, batch: &Batch, believes: bool) -> Result<Prepared> {
    let plan = plan(session, &batch.spec).await?;
    let rows = Rows::new(&plan, batch);
    let may_load = session.may_load();
    let straight = may_load && believes && batch.inserts.num_rows() > 0 && batch.spec.mode != Mode::Update;
    let parts = through_stage(straight);
    let staged: usize = parts.iter().map(|part| rows.count(*part)).sum();
    let stage = match staged > 0 && may_load && session.connector().may_stage() {
        true => fill_stage(session, &plan, &rows, parts).await?,
        false => None,
    };
    Ok(Prepared { plan, rows, stage, straight })
}

/// Which parts do not go straight into the table.
fn through_stage(straight: bool) -> &'static [Part] {
    match straight {
        true => &[Part::Deletes, Part::Updates],
        false => &[Part::Deletes, Part::Updates, Part::Inserts],
    }
}

/// `None` if there can be no temporary table, or a value did not arrive there as it was: statements know what to do.
async fn fill_stage(
    session: &mut Session<'_>,
    plan: &Plan,
    rows: &Rows,
    parts: &[Part],
) -> Result<Option<Stage>> {
    let database = session.database();
    if let Err(e) = session.run(&statement::create_stage(plan, database)).await {
        let kind = e.server().map(|e| classify::of_code(e.code, &e.state));
        return match kind {
            Some(ErrorKind::Denied) => {
                session.connector().note_no_temporary();
                Ok(None)
            }
            // A table so wide that it has no room for two columns more.
            Some(ErrorKind::LimitExceeded) => Ok(None),
            _ => Err(session.error(e)),
        };
    }
    session.note_stage();
    let places = in_key_order(session, rows, parts)?;
    match load::load(session, &statement::load_stage(plan, database), rows, places, true).await {
        Ok(loaded) if loaded.is_whole() => {
            let refused = loaded.bad.iter().filter(|((part, _), _)| *part == Part::Deletes).count();
            let deletes = (rows.count(Part::Deletes) - refused) as u64;
            Ok(Some(Stage { deletes, rows: loaded.sent - deletes, rejects: rejects(loaded) }))
        }
        Ok(_) => Ok(None),
        Err(e) => refusal(session, e).map(|_| None),
    }
}

/// The rejects of a load.
fn rejects(loaded: Loaded) -> Vec<Reject> {
    // A key that the column cannot hold is not in the table: there is nothing to delete.
    let rows = loaded.bad.into_iter().filter(|((part, _), _)| *part != Part::Deletes);
    rows.map(|(place, bad)| bad.reject(place)).collect()
}

pub(crate) fn in_key_order(session: &Session<'_>, rows: &Rows, parts: &[Part]) -> Result<Vec<Place>> {
    rows.in_key_order(parts).map_err(|e| session.fail(ErrorKind::Broken, format!("sorting keys: {e}")))
}

/// The table of a sync and how its rows go there.
pub(crate) async fn plan(session: &mut Session<'_>, spec: &TableSpec) -> Result<Plan> {
    let Some(table) = Table::find(session, &spec.table).await.map_err(|e| session.error(e))? else {
        return Err(missing(session, spec));
    };
    if table.columns.is_empty() {
        return Err(missing(session, spec));
    }
    Plan::new(spec, table, &session.server()).map_err(|mismatches| {
        let all: Vec<_> = mismatches.iter().map(ToString::to_string).collect();
        session.fail(ErrorKind::ShapeDiffers, all.join("; "))
    })
}

fn missing(session: &Session<'_>, spec: &TableSpec) -> TargetError {
    session
        .fail(ErrorKind::Missing, format!("there is no table {}, or the account may not see it", spec.table))
}

/// Writes the rows of a batch that is not empty, in the transaction.
pub(crate) async fn rows(session: &mut Session<'_>, prepared: Prepared, batch: &Batch) -> Result<Written> {
    as_planned(session, &prepared.plan, &batch.spec).await?;
    session.run("SAVEPOINT hydrant_rows").await.map_err(|e| session.error(e))?;
    match fast(session, &prepared, batch).await? {
        Ok(applied) => Ok(Written { applied, wrong_belief: false }),
        Err(code) => {
            session.run("ROLLBACK TO SAVEPOINT hydrant_rows").await.map_err(|e| session.error(e))?;
            let applied = careful::rows(session, &prepared, batch).await?;
            // That they were there already is no fault of any row; nor are warnings of a trigger that every load would give.
            let none_refused = applied.rejects.is_empty();
            let wrong_belief = prepared.straight && (classify::is_duplicate(code) || none_refused);
            Ok(Written { applied, wrong_belief })
        }
    }
}

/// Looks whether the table still is what the rows were prepared for, once it can no longer be changed.
async fn as_planned(session: &mut Session<'_>, plan: &Plan, spec: &TableSpec) -> Result<()> {
    // Reads no row, but holds a lock that keeps the columns as they are.
    let hold = format!("SELECT 1 FROM {} LIMIT 0", plan.table.quoted);
    session.run(&hold).await.map_err(|e| session.error(e))?;
    let now = Table::find(session, &spec.table).await.map_err(|e| session.error(e))?;
    match now.as_ref() == Some(&*plan.table) {
        true => Ok(()),
        false => Err(session.fail(ErrorKind::Conflict, "the table was changed at this moment")),
    }
}

/// Everything at once. A refusal, given by its number, leaves the transaction to be rolled back to the savepoint.
async fn fast(
    session: &mut Session<'_>,
    prepared: &Prepared,
    batch: &Batch,
) -> Result<std::result::Result<Applied, u16>> {
    let (plan, rows) = (&prepared.plan, &prepared.rows);
    let parts = through_stage(prepared.straight);
    let through = parts.iter().any(|part| rows.count(*part) > 0);
    let mut rejects_all = Vec::new();
    match &prepared.stage {
        Some(stage) => {
            rejects_all.extend_from_slice(&stage.rejects);
            match staged(session, plan, batch, stage).await {
                Ok(true) => {}
                Ok(false) => {
                    return Err(session.fail(ErrorKind::Conflict, "rows came or went at this moment"));
                }
                Err(e) => return Ok(Err(refusal(session, e)?.code)),
            }
        }
        None if through => match careful::at_once(session, prepared, batch, parts).await? {
            Ok(refused) => rejects_all.extend(refused),
            Err(refusal) => return Ok(Err(refusal.code)),
        },
        None => {}
    }
    if prepared.straight {
        match straight(session, plan, rows).await? {
            Ok(refused) => rejects_all.extend(refused),
            Err(code) => return Ok(Err(code)),
        }
    }
    let path = match (prepared.straight, through, prepared.stage.is_some()) {
        (true, false, _) => "load",
        (true, true, true) => "load and merge",
        (true, true, false) => "load and statements",
        (false, _, true) => "merge",
        (false, _, false) => "statements",
    };
    Ok(Ok(Applied { rejects: rejects_all, path }))
}

/// Loads the inserts straight into the table. If it does not hold them all unchanged then, the answer is the number of one
/// of the warnings.
async fn straight(
    session: &mut Session<'_>,
    plan: &Plan,
    rows: &Rows,
) -> Result<std::result::Result<Vec<Reject>, u16>> {
    let count = u32::try_from(rows.count(Part::Inserts)).unwrap_or(u32::MAX);
    let places = (0..count).map(|row| (Part::Inserts, row)).collect();
    let loaded = match load::load(session, &statement::load_straight(plan), rows, places, false).await {
        Ok(loaded) => loaded,
        Err(e) => return Ok(Err(refusal(session, e)?.code)),
    };
    if loaded.is_whole() {
        return Ok(Ok(rejects(loaded)));
    }
    let warnings = session.query_text("SHOW WARNINGS LIMIT 20").await.map_err(|e| session.error(e))?;
    let codes: Vec<u16> =
        warnings.iter().filter_map(|row| crate::catalog::optional(row, 1)?.parse().ok()).collect();
    let duplicate = codes.iter().find(|code| classify::is_duplicate(**code));
    Ok(Err(duplicate.or(codes.first()).copied().unwrap_or_default()))
}

/// Deletes, updates and inserts the rows in the temporary table. Returns whether as many rows were written as had to be.
async fn staged(session: &mut Session<'_>, plan: &Plan, batch: &Batch, stage: &Stage) -> Answered<bool> {
    let (mode, database) = (batch.spec.mode, session.database());
    if mode == Mode::Insert {
        // Rows that are there stay as they are, so there is nothing to lock and nothing to count.
        if stage.rows > 0 {
            session.run(&statement::insert_staged(plan, database, true)).await?;
        }
        return Ok(true);
    }
    let as_of = own::timestamp(batch.as_of);
    let delete = statement::delete(plan, database, Source::Stage, &batch.spec.deletes, &as_of);
    let delete = delete.filter(|_| stage.deletes > 0 && mode != Mode::Update);
    let update = statement::update(plan, database, Source::Stage);
    let there = match (&delete, &update) {
        // One statement locks in the order of the keys by itself, and says how many rows it found.
        (None, Some(update)) if stage.rows > 0 => session.run(update).await?.rows,
        // Two would go through the keys twice.
        _ => {
            let locked = session.query(&statement::lock_stage(plan, database), Vec::new()).await?;
            let (there_to_delete, there) = (count(&locked, 0), count(&locked, 1));
            if let Some(delete) = delete.filter(|_| there_to_delete > 0)
                && session.run(&delete).await?.rows != there_to_delete
            {
                return Ok(false);
            }
            if let Some(update) = update.filter(|_| there > 0)
                && session.run(&update).await?.rows != there
            {
                return Ok(false);
            }
            there
        }
    };
    if mode == Mode::Update || stage.rows <= there {
        return Ok(stage.rows >= there);
    }
    let inserted = session.run(&statement::insert_staged(plan, database, there > 0)).await?.rows;
    Ok(there + inserted == stage.rows)
}

fn count(rows: &[Row], at: usize) -> u64 {
    let value = rows.first().and_then(|row| row.as_ref(at)).cloned();
    value.and_then(|value| from_value_opt(value).ok()).unwrap_or_default()
}
