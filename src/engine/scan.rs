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

/// Goes through a table.
pub(super) struct Scan {
    target: Arc<dyn Target>,
    spec: TableSpec,
    stop: CancellationToken,
    lost: CancellationToken,
    next: Option<Cursor>,
    rows: usize,
    pause: Duration,
    at_end: bool,
}

impl Scan {
    pub(super) fn new(held: &Held<'_>, spec: TableSpec) -> Self {
        Self {
            target: held.target.clone(),
            spec,
            stop: held.env.stop.clone(),
            lost: held.keeper.lost.clone(),
            next: None,
            rows: ROWS_FIRST,
            pause: Duration::ZERO,
            at_end: false,
        }
    }

    /// The next rows; none at the end. The target rests for as long as it worked.
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
        self.pause = since.elapsed().min(AIM * 5);
        // At most twofold a step, so that one lucky query does not make a giant.
        let fitting = AIM.as_secs_f64() / self.pause.as_secs_f64().max(1e-6) * self.rows as f64;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let fitting = fitting as usize;
        self.rows = fitting.min(self.rows * 2).clamp(ROWS_MIN, ROWS_MAX);
        self.next.clone_from(&scanned.next);
        self.at_end = scanned.next.is_none();
        Ok(Some(scanned))
    }
}
