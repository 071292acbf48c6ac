//! What configuration, store and target must agree on before a run may rely on the last index.

use super::{Failure, place};
use crate::{
    fingerprint::Scheme,
    store::{Abandoned, History, Sealed},
    sync::SyncSpec,
};
use arrow::datatypes::SchemaRef;
use hydrant_contract::{Checkpoint, Deletes, Mode, Shape, TableSpec};

/// What the target is asked about.
pub(super) struct Memory<'a> {
    pub(super) history: &'a History,
    /// The sealed run that is about to be finished, if this is not about a new one.
    pub(super) pending: Option<&'a Sealed>,
    /// The target's checkpoint.
    pub(super) last: Option<&'a Checkpoint>,
    /// Whether the table is absent.
    pub(super) absent: bool,
    /// Epoch of the lease that is held.
    pub(super) epoch: u64,
    /// Whether every row is sent anyhow.
    pub(super) resend: bool,
}

impl Memory<'_> {
    /// Store and target must agree on the last run: the index is only worth something as long as both are those that were
    /// written to.
    pub(super) fn agrees(&self) -> Result<(), Failure> {
        let written = self.last.filter(|checkpoint| checkpoint.batch > 0);
        let published = self.history.published.as_ref().map(|(sealed, _)| sealed);
        let behind = |remembers| {
            let known = published.map_or_else(
                || "no run of it".to_owned(),
                |sealed| format!("nothing later than run {}", sealed.run),
            );
            Failure::StoreBehind { remembers, known }
        };
        // A number that was given before, by a store that is lost: the target would take the new run for that one.
        if let (None, Some(checkpoint)) = (self.pending, written)
            && checkpoint.run >= self.epoch
        {
            return Err(behind(checkpoint.run));
        }
        if self.resend {
            return Ok(());
        }
        let begun =
            self.pending.is_some_and(|sealed| written.is_some_and(|checkpoint| checkpoint.run == sealed.run));
        // It would be finished from where it stood, without the rows that were in that table.
        if let (true, true, Some(sealed)) = (begun, self.absent, self.pending) {
            return Err(Failure::TableGone { run: sealed.run });
        }
        if self.pending.is_some_and(|sealed| sealed.resend) {
            return Ok(());
        }
        let abandoned = written.is_some_and(|checkpoint| {
            self.history.abandoned.iter().any(|(sealed, _)| sealed.run == checkpoint.run)
        });
        let later = written.map(|checkpoint| checkpoint.run) > published.map(|sealed| sealed.run);
        if later && !begun && !abandoned {
            return Err(behind(written.map_or(0, |checkpoint| checkpoint.run)));
        }
        let Some((published, publication)) = &self.history.published else { return Ok(()) };
        let remembers = match written {
            _ if self.absent => "does not have its table any more".to_owned(),
            _ if begun || abandoned => return Ok(()),
            None => "has never heard of it".to_owned(),
            Some(checkpoint) if checkpoint.run < published.run => {
                format!("remembers run {} as the last", checkpoint.run)
            }
            Some(checkpoint)
                if checkpoint.next_change < published.changes.total()
                    || (checkpoint.run == published.run
                        && Some(checkpoint.batch) < publication.last_batch) =>
            {
                "remembers only a part of it".to_owned()
            }
            Some(_) => return Ok(()),
        };
        Err(Failure::TargetReplaced { published: published.run, remembers })
    }
}

/// A table that is absent was not published to: otherwise it is gone.
pub(super) fn not_published(history: &History) -> Result<(), Failure> {
    match &history.published {
        Some((sealed, _)) => Err(Failure::TargetReplaced {
            published: sealed.run,
            remembers: "does not have its table any more".to_owned(),
        }),
        None => Ok(()),
    }
}

/// The marking column belongs to hydrant, and so do names in its own files: a query that returned them would contradict it.
pub(super) fn refuse_reserved(schema: &SchemaRef, deletes: &Deletes) -> Result<(), Failure> {
    let mark = match deletes {
        Deletes::Soft { column, .. } => Some(column),
        Deletes::Hard | Deletes::NullOut | Deletes::Ignore => None,
    };
    let reserved = |name: &String| name.starts_with("_hydrant_") || Some(name) == mark;
    match schema.fields().iter().map(|field| field.name()).find(|name| reserved(name)) {
        Some(column) => Err(Failure::Reserved { column: column.clone() }),
        None => Ok(()),
    }
}

/// The last index is about another table, or other keys, than what is configured now.
pub(super) fn same_place_and_key(
    sync: &SyncSpec,
    history: &History,
    spec: &TableSpec,
    scheme: &Scheme,
) -> Result<(), Failure> {
    let published = history.published.iter().map(|(sealed, _)| sealed);
    let runs = published.chain(&history.pending).chain(history.abandoned.iter().map(|(sealed, _)| sealed));
    for last in runs {
        let (was, now) = (place(&last.target, &last.spec), place(&sync.target, spec));
        if was != now {
            return Err(Failure::Moved { was, now });
        }
        // The keys in the index must be the keys of the new batches, to the type that carries them.
        let carried = |shape: &Shape| shape.key_columns().map(|c| c.value.carrier()).collect::<Vec<_>>();
        if !last.scheme.same_keys(scheme) || carried(&last.spec.shape) != carried(&spec.shape) {
            let keys = |shape: &Shape| {
                shape.key_columns().map(|c| format!("{} {}", c.name, c.value)).collect::<Vec<_>>().join(", ")
            };
            return Err(Failure::KeyChanged { was: keys(&last.spec.shape), now: keys(&spec.shape) });
        }
    }
    Ok(())
}

/// The last run was made with another key.
pub(super) fn same_key(sync: &SyncSpec, last: &Shape) -> Result<(), Failure> {
    match sync.key == last.key() {
        true => Ok(()),
        false => Err(Failure::KeyChanged { was: last.key().join(", "), now: sync.key.join(", ") }),
    }
}

/// The last published run, if rows of its export can be sent on their own: the sync is still what it was then, and it is
/// known what the target holds of the others. Otherwise all rows would have to be sent, which is what a run is for.
pub(super) fn still_the_same<'a>(sync: &SyncSpec, history: &'a History) -> Result<&'a Sealed, Failure> {
    let (last, _) = history.published.as_ref().ok_or(Failure::NothingPublished)?;
    same_key(sync, &last.spec.shape)?;
    match differs(sync, last, &history.abandoned) {
        None => Ok(last),
        Some(reason) => Err(Failure::RunFirst { run: last.run, reason }),
    }
}

/// What keeps rows of a run's export from being sent without the others. The key is not looked at.
pub(super) fn differs(sync: &SyncSpec, last: &Sealed, abandoned: &[(Sealed, Abandoned)]) -> Option<String> {
    if sync.mode != last.spec.mode {
        Some("the sync's `mode` is another one now".to_owned())
    } else if sync.deletes != last.spec.deletes {
        Some("the sync's `deletes` are other ones now".to_owned())
    } else if last.columns_before.is_some() {
        Some(
            "its columns wait for an approval, and none of its rows is known to be in the table as it is"
                .to_owned(),
        )
    } else if !last.scheme.same_rows(&Scheme::of(&last.spec.shape)) {
        Some(format!("it was made by hydrant {}, which made other fingerprints", last.hydrant))
    } else {
        let (lost, _) = abandoned.iter().find(|(_, abandoned)| abandoned.lost)?;
        Some(format!("run {} was abandoned after it, and its files are gone", lost.run))
    }
}

/// Whether rows that left the query are anything to this table.
pub(super) fn wants_deletes(spec: &TableSpec) -> bool {
    match (&spec.mode, &spec.deletes) {
        (Mode::Mirror, Deletes::Hard | Deletes::Soft { .. } | Deletes::NullOut) => true,
        (Mode::Mirror, Deletes::Ignore) | (Mode::Upsert | Mode::Insert | Mode::Update, _) => false,
    }
}
