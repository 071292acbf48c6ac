//! The table against what was written to it: rows that somebody else removed, changed or added.
//!
//! The index of the last published run says what the table should hold. The table is read once, in small queries with
//! pauses, each row is fingerprinted as a run would, and the two are merged bucket by bucket; nothing is kept for each row
//! in memory. Neither the query nor the warehouse is needed for it.

mod expected;
mod merge;
mod reading;
mod repair;
mod report;
mod tally;

pub use repair::{RepairOptions, repair};
pub use report::{Differing, DifferingKind, RepairReport, VerifyReport};

use super::{
    Env, Failure, Held, RunError, Step,
    agreement::{same_key, same_place_and_key, wants_deletes},
    base::{BaseBuilder, Room},
    place,
    run::aside,
    scan::Pace,
    table_spec,
};
use crate::{
    fingerprint::Scheme,
    store::{History, LeaseError, Published, Sealed},
    sync::SyncSpec,
};
use futures::TryFutureExt;
use hydrant_contract::Mode;
use reading::Reading;
use tally::{Gathered, Tally};

/// How a table is looked at.
#[derive(Clone, Copy, Debug)]
pub struct VerifyOptions {
    /// Rows of each kind of difference that are shown.
    pub samples: usize,
    /// How much of the time the target is being asked.
    pub pace: Pace,
}

/// Compares the table with the last published run. Nothing is written: neither to the table nor, but for the lease, to the
/// store; the target only notes who looks, so that no late run can write meanwhile.
///
/// It holds the sync's lease: no run can start until it ends.
///
/// # Errors
///
/// Besides those of a run: if no run is published yet, or if one is sealed and not finished.
pub async fn verify(env: &Env, sync: &SyncSpec, options: VerifyOptions) -> Result<VerifyReport, RunError> {
    let look = |(report, _)| report;
    aside(env, sync, |held| Box::pin(held.verify(options, None).map_ok(look))).await
}

impl Held<'_> {
    /// What differs, and the keys of it if they are to be gathered.
    async fn verify(
        &mut self,
        options: VerifyOptions,
        gather: Option<Gathered>,
    ) -> Result<(VerifyReport, Option<Gathered>), Failure> {
        self.enter(Step::Verify);
        let history = History::load(&self.env.store).await?;
        let (history, (sealed, published)) = self.verifiable(history)?;
        let spec = &sealed.spec;
        let absent = self.inspect(spec).await?;
        let checkpoint = self.claim().await?;
        // Only from here on does nobody else write.
        let again = History::load(&self.env.store).await?;
        if again.pending.is_some() || again.published.as_ref().map(|(s, _)| s.run) != Some(sealed.run) {
            return Err(LeaseError::Lost(self.epoch()).into());
        }
        self.memory(&history, None, checkpoint.as_ref(), absent).agrees()?;

        let scheme = Scheme::of(&spec.shape);
        let room = Room { memory_bytes: self.env.memory_bytes, scratch: &self.env.scratch };
        let base = BaseBuilder::new(&self.env.store, spec.shape.key_schema(), room);
        let base = base.history(&history, spec, &scheme).await?.finish()?;
        let read = Reading::of_table(self, spec, options.pace, base.rows()).await?;
        let (rows, foreign) = (read.rows, read.foreign);
        let mut tally = Tally::new(spec, options.samples, gather)?;
        tally.compare(self, &base, read.fingerprints).await?;
        let counts = tally.counts;
        let (samples, gathered) = tally.finish(self, &sealed).await?;
        Ok((
            VerifyReport {
                sync: self.sync.name.clone(),
                run: sealed.run,
                as_of: sealed.as_of,
                published_at: published.published_at,
                table: place(&sealed.target, spec),
                rows,
                missing: counts.missing,
                changed: counts.changed,
                extra: if wants_deletes(spec) { counts.extra + foreign } else { 0 },
                unknown: counts.unknown,
                values_compared: spec.mode != Mode::Insert,
                samples,
                seconds: self.seconds().values().sum(),
            },
            gathered,
        ))
    }

    /// The last published run, if it is the last word on the table the sync is configured for.
    fn verifiable(&self, history: History) -> Result<(History, (Sealed, Published)), Failure> {
        if let Some(pending) = &history.pending {
            return Err(Failure::Unfinished { run: pending.run });
        }
        let last = history.published.clone().ok_or(Failure::NothingPublished)?;
        let spec = table_spec(self.sync, last.0.spec.shape.clone());
        same_key(self.sync, &spec.shape)?;
        same_place_and_key(self.sync, &history, &spec, &Scheme::of(&spec.shape))?;
        Ok((history, last))
    }
}
