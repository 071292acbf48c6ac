//! When requests are due, and the connections that take them from there.

use super::{Operation, WAIT_MAX, operation::now_us};
use std::{
    sync::{Mutex, OnceLock},
    thread,
    time::{Duration, Instant},
};

/// Sends one request about the row of this number, and returns with the answer.
pub(super) type Ask = Box<dyn FnMut(i64) -> anyhow::Result<()> + Send>;

/// The moments at which requests are due. They are handed out in the order of time, each to the connection that is free.
pub(super) struct Schedule {
    next: Mutex<(Instant, fastrand::Rng)>,
    mean_seconds: f64,
}

impl Schedule {
    pub(super) fn new(per_second: f64) -> Self {
        Self { next: Mutex::new((Instant::now(), fastrand::Rng::new())), mean_seconds: 1.0 / per_second }
    }

    fn take(&self) -> Instant {
        let (next, random) = &mut *self.next.lock().expect("no thread panics here");
        let due = *next;
        // Gaps of a Poisson process are distributed exponentially.
        *next += Duration::from_secs_f64(-(1.0 - random.f64()).ln() * self.mean_seconds);
        due
    }
}

/// One connection's work.
pub(super) struct Connection<'a> {
    pub(super) write: bool,
    pub(super) rows: u64,
    pub(super) schedule: &'a Schedule,
    pub(super) clock: &'a Clock,
    /// When the application was told to end.
    pub(super) ended: &'a OnceLock<Instant>,
}

impl Connection<'_> {
    /// Asks until everything is answered that was due by the end, and then says so with the first error that there was.
    pub(super) fn work(&self, mut ask: Ask) -> (Vec<Operation>, Option<anyhow::Error>) {
        let (mut operations, mut error) = (Vec::new(), None);
        let mut random = fastrand::Rng::new();
        loop {
            let due = self.schedule.take();
            // A thread of its own sleeps to the tenth of a millisecond; timers of the runtime do to the whole one.
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let ended = self.ended.get();
            if ended.is_some_and(|at| due >= *at) {
                return (operations, error);
            }
            let answer = match ended {
                // It counts as refused after all that time: what is left would take as long again.
                Some(at) if at.elapsed() > WAIT_MAX => {
                    Err(anyhow::anyhow!("still not sent long after the end"))
                }
                _ => ask(random.i64(1..i64::try_from(self.rows).unwrap_or(i64::MAX).max(2))),
            };
            let took_us = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
            let failed = answer.is_err();
            operations.push(Operation { write: self.write, due_us: self.clock.us(due), took_us, failed });
            error = error.or(answer.err());
        }
    }
}

/// What time of day it was at an instant.
pub(super) struct Clock {
    instant: Instant,
    us: u64,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { instant: Instant::now(), us: now_us() }
    }

    fn us(&self, at: Instant) -> u64 {
        // No request is due before the clock is made.
        self.us + u64::try_from(at.saturating_duration_since(self.instant).as_micros()).unwrap_or(u64::MAX)
    }
}
