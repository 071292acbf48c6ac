//! A table read from one end to the other, in small queries with pauses between them.

use super::{Failure, Held};
use hydrant_contract::{Cursor, Scanned, TableSpec, Target};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// One query should take this long.
const AIM: Duration = Duration::from_millis(200);
const ROWS_FIRST: usize = 1_000;
const ROWS_MIN: usize = 100;
const ROWS_MAX: usize = 50_000;

/// Which part of the time the target is being asked, in percent from 1 to 100; it rests for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace(u8);

impl Pace {
    /// Rests for as long as it works: a core and a disk that are busy for half of the time leave room for others.
    pub const HALF: Self = Self(50);

    /// So many percent; `None` unless it is one of 1 to 100.
    pub fn percent(percent: u8) -> Option<Self> {
        (1..=100).contains(&percent).then_some(Self(percent))
    }

    /// How long to rest after this much work.
    fn rest(self, worked: Duration) -> Duration {
        worked * u32::from(100 - self.0) / u32::from(self.0)
    }
}

/// Goes through a table.
pub(super) struct Scan {
    target: Arc<dyn Target>,
    spec: TableSpec,
    stop: CancellationToken,
    lost: CancellationToken,
    next: Option<Cursor>,
    rows: usize,
    pace: Pace,
    pause: Duration,
    at_end: bool,
}

impl Scan {
    pub(super) fn new(held: &Held<'_>, spec: TableSpec, pace: Pace) -> Self {
        Self {
            target: held.target.clone(),
            spec,
            stop: held.env.stop.clone(),
            lost: held.keeper.lost.clone(),
            next: None,
            rows: ROWS_FIRST,
            pace,
            pause: Duration::ZERO,
            at_end: false,
        }
    }

    /// The next rows; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Scanned>, Failure> {
        if self.at_end {
            return Ok(None);
        }
        tokio::select! {
            () = tokio::time::sleep(self.pause) => {}
            () = self.stop.cancelled() => return Err(Failure::Stopped),
            () = self.lost.cancelled() => return Err(crate::store::LeaseError::Lost(0).into()),
        }
        let since = Instant::now();
        let scanned = self.target.scan(&self.spec, self.next.as_ref(), self.rows).await?;
        // One query that had to wait for a slow disk must not make a rest of minutes.
        let worked = since.elapsed().min(AIM * 5);
        self.pause = self.pace.rest(worked);
        // At most twofold a step, so that one lucky query does not make a giant.
        let fitting = AIM.as_secs_f64() / worked.as_secs_f64().max(1e-6) * self.rows as f64;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let fitting = fitting as usize;
        self.rows = fitting.min(self.rows * 2).clamp(ROWS_MIN, ROWS_MAX);
        self.next.clone_from(&scanned.next);
        self.at_end = scanned.next.is_none();
        Ok(Some(scanned))
    }
}
