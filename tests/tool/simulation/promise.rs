//! The promise, asked after every run that says it succeeded: the target's rows equal the query's rows.

use super::{
    faults::Clocks,
    process::Process,
    source::Content,
    world::{APPLICATION, Held, Row, World},
};
use hydrant::{
    engine::{Failure, RunError, RunReport},
    store::{LeaseError, StoreError},
};
use hydrant_contract::{Deletes, ErrorKind, Mode};
use std::{collections::BTreeSet, sync::atomic::Ordering};

/// After a run that succeeded: what the target holds, against the rows that this run saw.
pub(super) fn holds(process: &Process, report: &RunReport) {
    let world = &process.world;
    let (newer, refused, unknown) = {
        let ledger = world.lock(&world.ledger);
        (ledger.claimed > report.run, ledger.refused_by(report.run), ledger.unknown())
    };
    // A newer run may have written in the meantime: it has its own say when it ends.
    if newer {
        return;
    }
    let seen = world.lock(&process.seen).clone();
    let outcome = judge(world, report, &seen, &world.held(), &refused, &unknown);
    if let Err(wrong) = outcome {
        world.violated(format!("run {} succeeded, but {wrong}", report.run));
    }
}

fn judge(
    world: &World,
    report: &RunReport,
    seen: &Content,
    held: &Held,
    refused: &BTreeSet<i64>,
    unknown: &BTreeSet<i64>,
) -> Result<(), String> {
    let counts = report.counts;
    let as_seen = |id, name: &Option<String>| held.get(id) == Some(&Row { name: name.clone(), gone: false });
    let wrong: Vec<_> =
        seen.iter().filter(|(id, name)| !as_seen(id, name) && !refused.contains(id)).collect();
    if let Some((id, name)) = wrong.first()
        && wrong.len() as u64 > counts.inserts_withheld + counts.updates_withheld
    {
        let there = held.get(id).map_or("absent".to_owned(), |row| format!("{row:?}"));
        return Err(format!("row {id} is {there}, and its name in the query was {name:?}"));
    }
    if counts.exported != seen.len() as u64 {
        return Err(format!("it counts {} rows of {}", counts.exported, seen.len()));
    }
    if counts.rejected != refused.len() as u64 {
        return Err(format!("it counts {} rejects, and {} were refused", counts.rejected, refused.len()));
    }
    let extra: BTreeSet<i64> = strays(world, held, seen)?;
    let unexplained: Vec<_> = extra.difference(refused).collect();
    match counts.deletes_withheld {
        0 if !unexplained.is_empty() => {
            Err(format!("rows {unexplained:?} are there, and were not in the query"))
        }
        0 => Ok(()),
        // Rows that were refused when they should have been inserted count as withheld, too: the index knows them. And of
        // a row that holds nothing it cannot be told whether it was nulled.
        withheld => {
            let phantoms = unknown.iter().filter(|id| !extra.contains(id) && !seen.contains_key(id)).count();
            let nulls = held.iter().filter(|(id, row)| row.name.is_none() && !seen.contains_key(id)).count();
            let phantoms = phantoms + if world.sync.deletes == Deletes::NullOut { nulls } else { 0 };
            let (least, most) = (extra.len() as u64, (extra.len() + phantoms) as u64);
            match (least..=most).contains(&withheld) {
                true => Ok(()),
                false => Err(format!(
                    "it counts {withheld} deletes that are withheld, and {extra:?} are there that were not in the query"
                )),
            }
        }
    }
}

/// Rows that should not be there, if nothing was withheld or refused. The application's own rows must be as they were.
fn strays(world: &World, held: &Held, seen: &Content) -> Result<BTreeSet<i64>, String> {
    let mut strays = BTreeSet::new();
    for (id, row) in held.iter().filter(|(id, _)| !seen.contains_key(id)) {
        if *id >= APPLICATION {
            match row {
                Row { name: None, gone: false } => continue,
                _ => return Err(format!("row {id} belongs to the application, and is {row:?} now")),
            }
        }
        let stray = match (&world.sync.mode, &world.sync.deletes) {
            (Mode::Mirror, Deletes::Hard) => true,
            (Mode::Mirror, Deletes::Soft { .. }) => !row.gone,
            (Mode::Mirror, Deletes::NullOut) => row.name.is_some(),
            _ => false,
        };
        if stray {
            strays.insert(*id);
        }
    }
    Ok(strays)
}

/// After the last run, when nothing goes wrong any more: the target's rows are the source's rows.
pub(super) fn at_the_end(world: &World, report: &RunReport) {
    let (source, held) = (world.lock(&world.source).clone(), world.held());
    let nobody = BTreeSet::new();
    if let Err(wrong) = judge(world, report, &source, &held, &nobody, &nobody) {
        world.violated(format!("at the end {wrong}"));
    }
    if report.counts.deletes_withheld > 0 {
        world.violated("at the end deletes are withheld, although all were approved".to_owned());
    }
}

/// A failure must come from what happened.
pub(super) fn explained(process: &Process, error: &RunError) {
    let world = &process.world;
    let accompanied = process.accompanied.load(Ordering::Relaxed);
    let injected = error.to_string().contains("as the seed says")
        || error.failure.to_string().contains("as the seed says");
    let explained = injected
        || match &*error.failure {
            Failure::Lease(LeaseError::Held(_)) => true,
            // The lease ends by itself where renewals fail.
            Failure::Lease(_) => true,
            Failure::Store(StoreError::Taken { .. }) => accompanied,
            Failure::Target(error) => accompanied && error.kind() == ErrorKind::Fenced,
            Failure::TooManyRejects { .. } => world.weather.rejects,
            // A process that slept finds its files collected; that its lease is lost it could not find out any more.
            Failure::Store(missing) if missing.is_missing() => {
                accompanied && world.lock(&world.ledger).lease_epoch() > error.run
            }
            // Somebody published or abandoned it at the same time, or a write that did so was still on its way.
            Failure::NotPending { .. } => true,
            Failure::Guard { .. } => true,
            Failure::Stopped => process.stop.is_cancelled(),
            _ => false,
        };
    let calm = world.calm.is_cancelled() && !matches!(&*error.failure, Failure::Lease(LeaseError::Held(_)));
    if !explained || calm {
        let clocks = if world.weather.clocks == Clocks::Beyond { " (clocks are far apart)" } else { "" };
        world.violated(format!(
            "process {} fails for no reason{clocks}: {error}: {}",
            process.id, error.failure
        ));
    }
}
