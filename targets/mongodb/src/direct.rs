//! Batches on a server without transactions: commands that each stand for themselves, the checkpoint last.
//!
//! Every command may be sent again, so a batch that stopped half-way is finished by sending it again. A writer that lost
//! its lease is noticed before the next command, and its last one ends with the command's time limit.

use crate::{
    careful::REFUSED_MAX,
    connect::Link,
    moves, own,
    reply::Refusal,
    send::{self, Outcome, RowId},
    statement::Way,
    transaction::Unit,
    write::{Refused, Work, Written},
};
use hydrant_contract::{Applied, ErrorKind, Part, Result};

/// Writes the rows of a batch, then its checkpoint and its freshness.
pub(crate) async fn rows(link: &Link, work: &Work<'_>, straight: bool, doing: &str) -> Result<Written> {
    let mut unit = Unit::none(link, doing);
    let checkpoint = &work.batch.checkpoint;
    own::guard(&mut unit, checkpoint).await?;
    let mut outcome = Outcome::default();
    let mut wrong_belief = false;
    for stage in work.stages(straight) {
        let part = stage.part;
        let way = stage.statement.way;
        send::stage(&mut unit, work.plan, &stage, 0..stage.rows.count, Some(checkpoint), &mut outcome)
            .await?;
        if way == Way::Insert {
            // What is there already goes the other way; what is refused for another reason does too, to no effect.
            let there = take(&mut outcome, |row, refusal| row.part() == part && refusal.is_duplicate());
            wrong_belief =
                there.iter().any(|(_, refusal)| refusal.is_of_key(&work.plan.key_fields()).unwrap_or(true));
            again(&mut unit, work, &there, &mut outcome).await?;
        }
    }
    settle(&mut unit, work, &mut outcome, doing).await?;
    if outcome.refused.len() > REFUSED_MAX {
        let example = outcome.refused.first().map_or("", |(_, refusal)| refusal.reason.as_str());
        let message =
            format!("more than {REFUSED_MAX} rows of one batch are refused; one of the reasons: {example}");
        return Err(unit.error(ErrorKind::ValueRefused, message));
    }
    own::freshen(&mut unit, work.batch).await?;
    own::advance(&mut unit, checkpoint).await?;
    let path = match (straight && work.inserts.count > 0, work.deletes.count + work.updates.count) {
        (true, 0) => "insert, without transactions",
        (true, _) => "insert and update, without transactions",
        (false, _) => "update, without transactions",
    };
    let refused = outcome.refused.into_iter().map(|(row, refusal)| refusal.reject(row.part(), row.row));
    let rejects = outcome.unfit.into_iter().chain(refused).collect();
    Ok(Written { applied: Applied { rejects, path }, wrong_belief })
}

fn take(outcome: &mut Outcome, which: impl Fn(&RowId, &Refusal) -> bool) -> Vec<(RowId, Refusal)> {
    let (taken, rest) =
        std::mem::take(&mut outcome.refused).into_iter().partition(|(row, refusal)| which(row, refusal));
    outcome.refused = rest;
    taken
}

/// Writes these rows once more, in whatever way finds them.
async fn again(
    unit: &mut Unit<'_>,
    work: &Work<'_>,
    rows: &[(RowId, Refusal)],
    outcome: &mut Outcome,
) -> Result<()> {
    for part in [Part::Updates, Part::Inserts] {
        let mut numbers: Vec<usize> =
            rows.iter().filter(|(row, _)| row.part() == part).map(|(row, _)| row.row).collect();
        if numbers.is_empty() {
            continue;
        }
        numbers.sort_unstable();
        let stage = work.stage(part, work.write_way());
        let fence = Some(&work.batch.checkpoint);
        let mut unfit = Outcome::default();
        send::stage(unit, work.plan, &stage, numbers.into_iter(), fence, &mut unfit).await?;
        // What has no place in a document was noted the first time.
        outcome.refused.extend(unfit.refused);
    }
    Ok(())
}

/// Writes the rows again that met a value of another document, as long as that helps: others may have let go of it. Then
/// the values that rows of the batch keep from one another are put aside.
async fn settle(unit: &mut Unit<'_>, work: &Work<'_>, outcome: &mut Outcome, doing: &str) -> Result<()> {
    let mut pending = take(outcome, |row, refusal| row.part() != Part::Deletes && refusal.is_duplicate());
    loop {
        let before = pending.len();
        if before == 0 {
            return Ok(());
        }
        again(unit, work, &pending, outcome).await?;
        pending = take(outcome, |_, refusal| refusal.is_duplicate());
        if pending.len() == before {
            break;
        }
    }
    let writing: Vec<RowId> = pending.iter().map(|(row, _)| *row).collect();
    let moving = moves::resolve(unit.link, work, &writing, false, doing).await?;
    let (refused, rest): (Vec<_>, Vec<_>) =
        pending.into_iter().partition(|(row, _)| moving.refused.contains_key(row));
    outcome.refused.extend(refused);
    if moving.wanted.is_empty() {
        outcome.refused.extend(rest);
        return Ok(());
    }
    let mut parked = false;
    for way in moves::WAYS {
        own::guard(unit, &work.batch.checkpoint).await?;
        if commands(unit, work, moves::parking(unit.link, work, &moving.wanted, way)).await? {
            parked = true;
            break;
        }
    }
    let left: Refused = match parked {
        true => {
            again(unit, work, &rest, outcome).await?;
            rest.iter()
                .filter_map(|(row, _)| outcome.refused.iter().find(|(refused, _)| refused == row).cloned())
                .collect()
        }
        false => rest.iter().cloned().collect(),
    };
    // A row that is refused keeps its old values, also those that were put aside for others.
    let back: Vec<_> = moving.wanted.into_iter().filter(|wanted| left.contains_key(&wanted.row)).collect();
    commands(unit, work, moves::restoring(unit.link, work, &back)).await?;
    if !parked {
        outcome.refused.extend(left);
    }
    Ok(())
}

/// Runs update commands, and says whether all of their operations were taken.
async fn commands(
    unit: &mut Unit<'_>,
    work: &Work<'_>,
    commands: Vec<mongodb::bson::Document>,
) -> Result<bool> {
    let mut taken = true;
    for command in commands {
        let reply = unit.run(&work.plan.database, command).await?;
        taken &= crate::reply::refusals(&reply, &unit.context())?.is_empty();
    }
    Ok(taken)
}
