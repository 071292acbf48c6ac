//! Writes what a look at the table found to be missing or changed, and nothing else.

use super::{RepairReport, VerifyOptions, tally::Gathered};
use crate::{
    engine::{
        Env, Failure, Held, RunError, RunOptions,
        agreement::{still_the_same, wants_deletes},
        base::Room,
        origin::Origin,
        run::under_lease,
        table_spec,
    },
    guard::Approvals,
    spill::Fingerprinted,
    store::{History, Kind},
    sync::SyncSpec,
};

/// What a person may say for one repair.
#[derive(Clone, Debug)]
pub struct RepairOptions {
    /// How the table is looked at.
    pub verify: VerifyOptions,
    /// Rows that the query does not have are deleted, as the sync deletes rows.
    pub delete_extra: bool,
    /// What passes the guard.
    pub approved: Approvals,
}

/// Compares the table with the last published run, and writes the rows that are missing or changed, from that run's export,
/// as a run of its own; from the query, where that export has only rows that changed. Rows that were unknown before (refused ones, those of an abandoned run) are sent with them.
///
/// # Errors
///
/// Besides those of [`verify`](super::verify) and of a run: if the sync is not any more what it was in the last run, if rows
/// are to be deleted that it leaves alone, or if the guard would hold anything back: then nothing is written.
pub async fn repair(env: &Env, sync: &SyncSpec, options: RepairOptions) -> Result<RepairReport, RunError> {
    let run = RunOptions { approved: options.approved, ..RunOptions::default() };
    let (verify, delete_extra) = (options.verify, options.delete_extra);
    under_lease(env, sync, run, |held| Box::pin(held.repair(verify, delete_extra))).await
}

impl Held<'_> {
    async fn repair(&mut self, options: VerifyOptions, delete_extra: bool) -> Result<RepairReport, Failure> {
        let history = History::load(&self.env.store).await?;
        let (history, (sealed, _)) = self.verifiable(history)?;
        still_the_same(self.sync, &history)?;
        let spec = table_spec(self.sync, sealed.spec.shape);
        if delete_extra && !wants_deletes(&spec) {
            return Err(Failure::KeepsOthers);
        }
        let room = Room { memory_bytes: self.env.memory_bytes, scratch: &self.env.scratch };
        let gathered = Gathered::new(spec.shape.key_schema(), room, delete_extra);
        let (found, gathered) = self.verify(options, Some(gathered)).await?;
        let unsure = gathered.map(Gathered::finish).transpose()?.map(Box::new);
        let to_delete = unsure.as_ref().and_then(|u| u.extra.as_ref()).map_or(0, Fingerprinted::rows);
        let left = found.extra - to_delete;
        let repair = match found.missing + found.changed + to_delete {
            0 => None,
            _ => Some(self.advance(Origin::Last { kind: Kind::Repair, unsure }).await?),
        };
        Ok(RepairReport { sync: self.sync.name.clone(), found, repair, left })
    }
}
