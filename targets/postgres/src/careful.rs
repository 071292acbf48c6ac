//! The careful way: finds exactly the rows that the server refuses and writes all others.
//!
//! Rows depend on one another: one takes a unique value that another gives up, one refers to another by a foreign key.
//! So what fails alone is tried again after the others were written, as long as that helps; and values of unique columns
//! that move between rows are moved in two steps (see [`unique`]).

use crate::{
    copy::{self, Staged},
    plan::Plan,
    statement::{self, Span},
    transaction::Transaction,
    unique,
    write::{self, Refusal, refusal, span_of},
};
use hydrant_contract::{Applied, Batch, ErrorKind, Result, TargetError, search::Search};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How long refused rows are searched for in one transaction: what is written already stays locked meanwhile.
const SEARCH_MAX: Duration = Duration::from_secs(120);

/// Past so many refused rows of one batch the search would hold its locks for too long: something is wrong with the table
/// or the query as a whole, and the batch fails.
pub(crate) const REFUSED_MAX: usize = 2_000;

type Refused = BTreeMap<usize, Refusal>;

/// Writes the rows of a batch, after the fast way was rolled back.
pub(crate) async fn rows(tx: &Transaction<'_>, plan: &Plan<'_>, batch: &Batch) -> Result<Applied> {
    let (staged, mut rejects) = copy::stage(tx, plan, batch, true).await.map_err(|e| tx.error(e))?;
    let prepare =
        format!("SET CONSTRAINTS ALL IMMEDIATE; {}; {}", statement::INDEX_STAGE, statement::ANALYZE_STAGE);
    tx.run(&prepare).await.map_err(|e| tx.error(e))?;

    let mut refused = Refused::new();
    let mut pending: Vec<usize> = (0..staged.len()).collect();
    let mut first_round = true;
    while !pending.is_empty() {
        let before = pending.len();
        let (deletes, rows): (Vec<_>, Vec<_>) = pending.iter().partition(|n| **n < staged.deletes());
        let mut failing = search(tx, plan, batch, &staged, &deletes).await?;
        let rows = match first_round {
            true => {
                let conflicts = conflicts(tx, plan, batch).await?;
                let rest = rows.into_iter().filter(|n| !conflicts.contains_key(n)).collect();
                refused.extend(conflicts);
                rest
            }
            false => rows,
        };
        failing.extend(search(tx, plan, batch, &staged, &rows).await?);
        too_many(tx, refused.len() + failing.len(), failing.values().next())?;

        let (again, done): (Refused, Refused) =
            failing.into_iter().partition(|(_, refusal)| refusal.depends_on_others());
        refused.extend(done);
        pending = again.keys().copied().collect();
        // Another round helps only if this one wrote something that a refused row may depend on.
        if pending.is_empty() || pending.len() == before {
            refused.extend(again);
            break;
        }
        tx.run(&statement::keep_only(pending.iter().copied())).await.map_err(|e| tx.error(e))?;
        first_round = false;
    }
    rejects.extend(write::rejects(&staged, refused));
    Ok(Applied { rejects, path: "merge, row by row where refused" })
}

/// Writes what can be written of these staged rows, and returns the others.
async fn search(
    tx: &Transaction<'_>,
    plan: &Plan<'_>,
    batch: &Batch,
    staged: &Staged,
    numbers: &[usize],
) -> Result<Refused> {
    let mut refused = Refused::new();
    let mut search = Search::new(0..numbers.len());
    let since = Instant::now();
    while let Some(range) = search.next() {
        if since.elapsed() > SEARCH_MAX {
            let message = format!(
                "{} rows are refused so far, and finding them takes longer than {} s, during which rows stay locked",
                refused.len(),
                SEARCH_MAX.as_secs()
            );
            return Err(TargetError::new(ErrorKind::LimitExceeded, tx.context(), message));
        }
        if let Err(refusal) = attempt(tx, plan, batch, staged, &numbers[range.clone()]).await?
            && let Some(guilty) = search.refused(range, None)
        {
            too_many(tx, refused.len() + 1, Some(&refusal))?;
            refused.insert(numbers[guilty], refusal);
        }
    }
    Ok(refused)
}

fn too_many(tx: &Transaction<'_>, count: usize, last: Option<&Refusal>) -> Result<()> {
    if count <= REFUSED_MAX {
        return Ok(());
    }
    let last = last.map_or("", |refusal| refusal.reason.as_str());
    let message =
        format!("more than {REFUSED_MAX} rows of one batch are refused; one of the reasons: {last}");
    Err(TargetError::new(ErrorKind::ValueRefused, tx.context(), message))
}

/// Writes these staged rows, all or none; by another way where values of unique columns move.
async fn attempt(
    tx: &Transaction<'_>,
    plan: &Plan<'_>,
    batch: &Batch,
    staged: &Staged,
    numbers: &[usize],
) -> Result<std::result::Result<(), Refusal>> {
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return Ok(Ok(())) };
    let deletes = numbers.iter().filter(|n| **n < staged.deletes()).count();
    let span = Span { first: *first, last: *last, deletes, rows: numbers.len() - deletes };

    let begin = || tx.run("SAVEPOINT hydrant_attempt");
    begin().await.map_err(|e| tx.error(e))?;
    let first = match span_of(tx, plan, batch, span, &[]).await? {
        Ok(()) => return release(tx).await,
        Err(refusal) => refusal,
    };
    undo(tx).await?;
    if first.code == "23505" && span.rows > 0 {
        for parkings in unique::ways(plan) {
            begin().await.map_err(|e| tx.error(e))?;
            if span_of(tx, plan, batch, span, &parkings).await?.is_ok() {
                return release(tx).await;
            }
            undo(tx).await?;
        }
    }
    Ok(Err(first))
}

async fn release(tx: &Transaction<'_>) -> Result<std::result::Result<(), Refusal>> {
    tx.run("RELEASE SAVEPOINT hydrant_attempt").await.map_err(|e| tx.error(e))?;
    Ok(Ok(()))
}

async fn undo(tx: &Transaction<'_>) -> Result<()> {
    tx.run("ROLLBACK TO SAVEPOINT hydrant_attempt; RELEASE SAVEPOINT hydrant_attempt")
        .await
        .map_err(|e| tx.error(e))
}

/// Finds the staged rows whose unique values belong to rows that keep them. A row that is refused keeps its own values,
/// which may make another one a conflict; so until nothing is found any more.
async fn conflicts(tx: &Transaction<'_>, plan: &Plan<'_>, batch: &Batch) -> Result<Refused> {
    let mut refused = Refused::new();
    let indexes: Vec<_> = unique::others(plan).filter(|index| unique::is_managed(plan, index)).collect();
    if indexes.is_empty() {
        return Ok(refused);
    }
    let begin = format!("SAVEPOINT hydrant_attempt; {}", statement::PLAN_FREELY);
    tx.run(&begin).await.map_err(|e| tx.error(e))?;
    let found = async {
        if let Some(drop) = statement::drop_untouched(plan, batch.spec.mode) {
            tx.execute(&drop, &[]).await?;
        }
        loop {
            let before = refused.len();
            for index in &indexes {
                for row in tx.query(&statement::drop_conflicts(plan, index), &[]).await? {
                    let number: i32 = row.try_get(0)?;
                    let refusal = Refusal {
                        reason: format!(
                            "duplicate key value violates unique constraint {:?}: another row of the table has it and keeps it [23505]",
                            index.name
                        ),
                        column: None,
                        code: "23505".to_owned(),
                        constraint: Some(index.name.clone()),
                    };
                    refused.insert(usize::try_from(number).unwrap_or_default(), refusal);
                }
            }
            if refused.len() == before {
                return Ok(());
            }
        }
    }
    .await;
    match found {
        Ok(()) => {
            if !plan.table.has_triggers {
                tx.run(statement::LOOK_UP).await.map_err(|e| tx.error(e))?;
            }
            release(tx).await.map(|_| refused)
        }
        Err(e) => {
            // A value that cannot be cast is found out row by row.
            refusal(tx, e)?;
            undo(tx).await?;
            Ok(Refused::new())
        }
    }
}
