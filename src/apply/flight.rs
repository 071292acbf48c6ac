//! Batches on their way to the target.
//!
//! They are committed one after the other, each when the one before is noted. The next one is begun meanwhile, so that the
//! server has something to do while it, or hydrant, waits.

use super::{
    ApplyError, Job,
    preparing::{Preparation, UnderWay},
    unit::Unit,
};
use futures::{StreamExt, future::BoxFuture, stream::FuturesOrdered};
use hydrant_contract::{Applied, Begun, Mode, TargetError};
use std::{collections::VecDeque, time::Duration};
use tokio::{sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;

/// So many batches are on their way at once: one whose turn it is, and one that is begun. (Measured with 1, 2 and 3, a first load
/// of two million rows into Postgres, three rounds: 3.7, 3.1 and 3.5 s.) Each is held in memory, and has a connection of its own.
const MAX: usize = 2;

/// Batches on their way, in their order.
pub(super) struct Flights<'j> {
    job: &'j Job<'j>,
    under_way: FuturesOrdered<BoxFuture<'j, Result<Landed, ApplyError>>>,
    /// Of those whose turn has not come.
    turns: VecDeque<oneshot::Sender<()>>,
    /// From now on each batch has the target for itself.
    alone: CancellationToken,
}

/// A batch that is written.
pub(super) struct Landed {
    pub(super) unit: Unit,
    pub(super) applied: Applied,
    /// Hashes of the keys that were not there, of a sync that only updates.
    pub(super) absent: Vec<u128>,
    /// What it took, without the time for which it waited for its turn.
    pub(super) took: Duration,
}

impl<'j> Flights<'j> {
    pub(super) fn new(job: &'j Job<'j>) -> Self {
        let (under_way, turns, alone) = (FuturesOrdered::new(), VecDeque::new(), CancellationToken::new());
        Self { job, under_way, turns, alone }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    pub(super) fn have_room(&self) -> bool {
        self.under_way.len() < MAX
    }

    /// Puts a batch on its way.
    pub(super) fn start(&mut self, unit: Unit) {
        let (sender, turn) = oneshot::channel();
        self.turns.push_back(sender);
        self.under_way.push_back(Box::pin(fly(self.job, unit, turn, self.alone.clone())));
    }

    /// Gives the first batch its turn, if none has it.
    pub(super) fn next_turn(&mut self) {
        let none_has_it = self.turns.len() == self.under_way.len();
        if none_has_it && let Some(turn) = self.turns.pop_front() {
            // It is waited for as long as the batch is under way.
            let _ = turn.send(());
        }
    }

    /// Waits for the first batch. The next one has its turn when it is asked for ([`next_turn`](Self::next_turn)).
    pub(super) async fn land(&mut self) -> Result<Landed, ApplyError> {
        self.under_way.next().await.unwrap_or(Err(ApplyError::Stopped))
    }
}

/// The batch that is made ready, if there is one.
pub(super) async fn ready(under_way: &mut Option<UnderWay>) -> Result<(Preparation, Unit), ApplyError> {
    match under_way {
        Some(under_way) => under_way.ready().await,
        None => std::future::pending().await,
    }
}

/// The way of one batch. After whatever goes wrong with one that was begun, it is applied like any other, and no other one is
/// begun any more in this run: a row is refused, say, and begun batches would only be in the way of those who look for it.
async fn fly(
    job: &Job<'_>,
    mut unit: Unit,
    mut turn: oneshot::Receiver<()>,
    alone: CancellationToken,
) -> Result<Landed, ApplyError> {
    if job.sealed.spec.mode == Mode::Update {
        came(turn.await)?;
        let since = Instant::now();
        let absent = unit.leave_out_absent(job.target).await?;
        let applied = job.send(&unit).await?;
        return Ok(Landed { unit, applied, absent, took: since.elapsed() });
    }
    let since = Instant::now();
    let mut begun = begin(job, &unit, &alone).await;
    let begun_took = since.elapsed();
    tokio::select! {
        biased;
        come = &mut turn => came(come)?,
        () = alone.cancelled() => {
            begun = None;
            came(turn.await)?;
        }
    }
    let since = Instant::now();
    let way = async {
        if let Some(begun) = begun {
            match begun.commit().await {
                Err(error) if error.kind().is_transient() => {
                    tried_again(&error);
                    alone.cancel();
                }
                outcome => return outcome,
            }
        }
        if alone.is_cancelled() {
            // The others drop what they have begun first.
            tokio::task::yield_now().await;
        }
        job.target.apply(&unit.batch).await
    };
    let applied = job.sent(&unit, way).await?;
    let took = begun_took + since.elapsed();
    Ok(Landed { unit, applied, absent: Vec::new(), took })
}

/// Begins with a batch, unless each shall have the target for itself.
async fn begin<'a>(
    job: &'a Job<'_>,
    unit: &'a Unit,
    alone: &CancellationToken,
) -> Option<Box<dyn Begun + 'a>> {
    let begun = tokio::select! {
        biased;
        () = alone.cancelled() => return None,
        begun = job.target.begin(&unit.batch) => begun,
    };
    begun.unwrap_or_else(|error| {
        // What is refused is told when it is looked for; that the target failed, now.
        match error.kind().is_transient() {
            true => tried_again(&error),
            false => {
                tracing::debug!(error = %error, kind = %error.kind(), "a batch could not be begun ahead")
            }
        }
        alone.cancel();
        None
    })
}

fn tried_again(error: &TargetError) {
    tracing::warn!(error = %error, kind = %error.kind(), "the target failed, trying again");
}

/// Whoever gives turns lives longer than those who wait for them.
fn came(turn: Result<(), oneshot::error::RecvError>) -> Result<(), ApplyError> {
    turn.map_err(|_| ApplyError::Stopped)
}
