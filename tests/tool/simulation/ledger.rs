//! What servers saw, and what must hold of it at any time.
//!
//! - No row is written under an epoch below the highest that was claimed.
//! - A run sends only rows of its own export, deletes only keys that are not in it, and sends no row that did not change
//!   since the last run, unless the target refused it then.
//! - What a run has written is not sent again, but for the last batch.
//! - A lease is taken over only when its holder knows that it has ended, as long as the clocks are right within the allowance.
//! - Nobody writes after its own lease has ended by its own clock, unless it was frozen.

use super::{
    faults::Clocks,
    process::Process,
    source::Content,
    target::keys,
    world::{Held, Row, World, skew},
};
use arrow::array::{Array, AsArray, RecordBatch};
use hydrant::store::LeaseRecord;
use hydrant_contract::{Batch, Checkpoint, Deletes, Mode, Part, Reject};
use object_store::path::Path;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak, atomic::Ordering},
};

/// What was seen so far.
#[derive(Default)]
pub(super) struct Ledger {
    /// The highest epoch that was claimed in the target.
    pub(super) claimed: u64,
    /// The rows that each run compared, by its number.
    exports: BTreeMap<u64, Content>,
    /// Runs that were told to send everything.
    resent: BTreeSet<u64>,
    /// By key: the run that sent it last, and whether it was refused then.
    outcomes: BTreeMap<i64, (u64, bool)>,
    /// Keys of which nobody can know what the target holds: their run was abandoned, or they were not sent when everything
    /// was to be sent again.
    unsure: BTreeSet<i64>,
    /// Runs that were abandoned; one that was frozen may still be writing.
    abandoned: BTreeSet<u64>,
    /// The last run that was published.
    published: Option<u64>,
    /// The run that wrote last, the published run that it follows, and what there was when it began.
    run: u64,
    before: Option<u64>,
    held_before: Held,
    unknown_before: BTreeSet<i64>,
    lease: Option<(LeaseRecord, Weak<Process>)>,
}

impl Ledger {
    /// Keys that a run sent and that were refused when they were sent last.
    pub(super) fn refused_by(&self, run: u64) -> BTreeSet<i64> {
        self.outcomes.iter().filter(|(_, outcome)| **outcome == (run, true)).map(|(id, _)| *id).collect()
    }

    /// The epoch of the lease in force.
    pub(super) fn lease_epoch(&self) -> Option<u64> {
        self.lease.as_ref().map(|(record, _)| record.epoch)
    }

    /// Keys that were refused when they were sent last, or of which it is not known for another reason what the target holds.
    pub(super) fn unknown(&self) -> BTreeSet<i64> {
        let refused = self.outcomes.iter().filter(|(_, (_, refused))| *refused).map(|(id, _)| *id);
        refused.chain(self.unsure.iter().copied()).collect()
    }
}

pub(super) fn claimed(process: &Process, epoch: u64) {
    let world = &process.world;
    let mut ledger = world.lock(&world.ledger);
    ledger.claimed = ledger.claimed.max(epoch);
}

/// A process is about to write something that counts.
pub(super) fn about_to_act(process: &Process, what: &str) {
    let world = &process.world;
    let Some(stop_by) = *world.lock(&process.stop_by) else { return };
    let now = process.now();
    if now > stop_by && !process.disturbed.load(Ordering::Relaxed) {
        let late = (now - stop_by).num_milliseconds();
        world.violated(format!("process {} {what} {late} ms after it must have stopped", process.id));
    }
}

/// A batch is about to be written: how far the target's checkpoint is.
pub(super) fn before(process: &Process, batch: &Batch) -> Option<Checkpoint> {
    let world = &process.world;
    let mut ledger = world.lock(&world.ledger);
    let Checkpoint { run, epoch, .. } = batch.checkpoint;
    if ledger.run != run && epoch >= ledger.claimed {
        (ledger.before, ledger.run) = (ledger.published, run);
        (ledger.held_before, ledger.unknown_before) = (world.held(), ledger.unknown());
    }
    world.database.checkpoint(&world.sync.name)
}

/// A batch was written.
pub(super) fn applied(process: &Process, batch: &Batch, rejects: &[Reject], last: Option<Checkpoint>) {
    let world = &process.world;
    let mut ledger = world.lock(&world.ledger);
    let wrong = judge(&mut ledger, &world.sync.mode, &world.sync.deletes, batch, last);
    for part in [Part::Deletes, Part::Inserts, Part::Updates] {
        let rows = match part {
            Part::Deletes => &batch.deletes,
            Part::Inserts => &batch.inserts,
            Part::Updates => &batch.updates,
        };
        for (row, id) in keys(rows).enumerate() {
            let refused = rejects.iter().any(|reject| reject.part == part && reject.row == row);
            ledger.outcomes.insert(id, (batch.checkpoint.run, refused));
            match ledger.abandoned.contains(&batch.checkpoint.run) {
                true => ledger.unsure.insert(id),
                false => ledger.unsure.remove(&id),
            };
        }
    }
    drop(ledger);
    if let Some(wrong) = wrong {
        world.violated(wrong);
    }
}

fn judge(
    ledger: &mut Ledger,
    mode: &Mode,
    deletes: &Deletes,
    batch: &Batch,
    last: Option<Checkpoint>,
) -> Option<String> {
    let Checkpoint { run, epoch, first_change, next_change, .. } = batch.checkpoint;
    if epoch < ledger.claimed {
        return Some(format!(
            "a batch was written under epoch {epoch}, although epoch {} had been claimed",
            ledger.claimed
        ));
    }
    if let Some(last) = last
        && last.run == run
        && next_change <= last.first_change
        && first_change < next_change
    {
        return Some(format!(
            "changes {first_change} to {next_change} of run {run} were sent again, although the target had come to {}",
            last.next_change
        ));
    }
    let Some(export) = ledger.exports.get(&run) else {
        return Some(format!("run {run} was never sealed, and is being written"));
    };
    if let Some(id) = keys(&batch.deletes).find(|id| export.contains_key(id)) {
        return Some(format!("run {run} deletes row {id}, which its export contains"));
    }
    if *mode != Mode::Mirror && batch.deletes.num_rows() > 0 {
        return Some(format!("run {run} deletes rows in mode {mode:?}"));
    }
    let last = ledger.before.and_then(|run| ledger.exports.get(&run));
    // A row that left the query, stayed as it was and comes back is new to the index, unless its delete is still to come.
    let stays = *mode == Mode::Mirror && matches!(deletes, Deletes::Hard | Deletes::Soft { .. });
    for (id, name) in rows(&batch.inserts).chain(rows(&batch.updates)) {
        if export.get(&id) != Some(&name) {
            return Some(format!(
                "run {run} sends row {id} with {name:?}, its export has {:?}",
                export.get(&id)
            ));
        }
        let there = ledger.held_before.get(&id) == Some(&Row { name: name.clone(), gone: false });
        let known = stays || last.is_some_and(|last| last.contains_key(&id));
        if there && known && !ledger.unknown_before.contains(&id) && !ledger.resent.contains(&run) {
            return Some(format!("run {run} sends row {id} with {name:?}, which did not change"));
        }
    }
    None
}

fn rows(batch: &RecordBatch) -> impl Iterator<Item = (i64, Option<String>)> {
    let names = batch.column_by_name("name").expect("rows have a name").as_string::<i32>().clone();
    let name = move |row| names.is_valid(row).then(|| names.value(row).to_owned());
    keys(batch).enumerate().map(move |(row, id)| (id, name(row)))
}

/// The manifest of a run was written.
pub(super) fn committed(world: &World, path: &Path) {
    let (run, kind) = path.filename().and_then(|name| name.split_once('.')).unwrap_or_default();
    let Ok(run) = run.parse() else { return };
    let mut ledger = world.lock(&world.ledger);
    match kind {
        "published.json" => ledger.published = ledger.published.max(Some(run)),
        "abandoned.json" => {
            let empty = Content::new();
            let of = |run: Option<u64>| run.and_then(|run| ledger.exports.get(&run)).unwrap_or(&empty);
            let (was, is) = (of(ledger.published), of(Some(run)));
            let changed: Vec<i64> =
                was.keys().chain(is.keys()).filter(|id| was.get(id) != is.get(id)).copied().collect();
            // Whether it has deleted what was withheld before, neither export tells.
            let there = [world.held(), ledger.held_before.clone()].into_iter().flat_map(Held::into_keys);
            let gone: Vec<i64> = there.filter(|id| !is.contains_key(id)).collect();
            let sent = ledger.outcomes.iter().filter(|(_, (by, _))| *by == run).map(|(id, _)| *id);
            let unsure: Vec<i64> = changed.into_iter().chain(gone).chain(sent).collect();
            ledger.unsure.extend(unsure);
            ledger.abandoned.insert(run);
        }
        _ => {}
    }
}

/// A process is about to write an object.
pub(super) fn about_to_put(process: &Process, path: &Path, bytes: &[u8]) {
    let world = &process.world;
    let name = path.filename().unwrap_or_default();
    let (run, kind) = name.split_once('.').unwrap_or_default();
    match kind {
        // Not a seal, but what takes the place of one.
        "sealed.json" if bytes.windows(11).any(|word| word == b"\"discarded\"") => {}
        "sealed.json" => {
            about_to_act(process, "seals");
            let run = run.parse().expect("a manifest is named for its run");
            let seen = world.lock(&process.seen).clone();
            let mut ledger = world.lock(&world.ledger);
            ledger.exports.insert(run, seen);
            if process.resend.load(Ordering::Relaxed) {
                ledger.resent.insert(run);
                ledger.unsure.extend(world.held().into_keys());
            }
        }
        "published.json" => about_to_act(process, "publishes"),
        _ => {}
    }
}

fn lease(path: &Path, bytes: &[u8]) -> Option<LeaseRecord> {
    path.as_ref().contains("/leases/").then(|| serde_json::from_slice(bytes).expect("a lease is a record"))
}

/// An object was written.
pub(super) fn put(process: &Arc<Process>, path: &Path, bytes: &[u8]) {
    committed(&process.world, path);
    let Some(record) = lease(path, bytes) else { return };
    let world = &process.world;
    let held = world.lock(&world.ledger).lease.replace((record.clone(), Arc::downgrade(process)));
    let Some((held, holder)) = held else { return };
    let Some(holder) =
        holder.upgrade().filter(|holder| holder.id != process.id && !holder.over.load(Ordering::Relaxed))
    else {
        return;
    };
    let believes =
        !held.released && holder.now() < held.expires - skew() && world.weather.clocks != Clocks::Beyond;
    if believes {
        world.violated(format!(
            "process {} took the lease of epoch {}, which process {} still holds under epoch {}",
            process.id, record.epoch, holder.id, held.epoch
        ));
    }
}

/// A process knows that it has written an object.
pub(super) fn put_is_known(process: &Process, path: &Path, bytes: &[u8]) {
    let Some(record) = lease(path, bytes) else { return };
    *process.world.lock(&process.stop_by) = Some(record.expires - skew());
}
