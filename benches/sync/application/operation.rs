//! One request of the application, and what many of them say together.

use crate::measured::Latency;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

/// One request.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Operation {
    /// Whether it wrote, or else read.
    pub(crate) write: bool,
    /// When it was due, in microseconds since 1970.
    pub(crate) due_us: u64,
    /// From then to its answer.
    pub(crate) took_us: u64,
    /// The answer was an error, or none came for two minutes.
    pub(crate) failed: bool,
}

/// The time of day in microseconds since 1970, as `pgbench` writes it too.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
    u64::try_from(since.as_micros()).expect("a date of this age")
}

/// A stretch of time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    from_us: u64,
    to_us: u64,
}

impl Window {
    /// Does it, and says when that was.
    pub(crate) fn of<T>(work: impl FnOnce() -> T) -> (T, Self) {
        let from_us = now_us();
        let done = work();
        (done, Self { from_us, to_us: now_us() })
    }

    pub(crate) fn seconds(self) -> f64 {
        (self.to_us - self.from_us) as f64 / 1e6
    }
}

/// What was due in that time.
pub(crate) fn due_in(all: &[Operation], window: Window) -> Vec<Operation> {
    let due_then = |o: &&Operation| (window.from_us..window.to_us).contains(&o.due_us);
    all.iter().filter(due_then).copied().collect()
}

/// What all of these say together, as "reads" and "writes", each with these words in front.
pub(crate) fn latencies(all: Vec<Operation>, before: &str) -> BTreeMap<String, Latency> {
    let (writes, reads): (Vec<_>, Vec<_>) = all.into_iter().partition(|o| o.write);
    [(reads, "reads"), (writes, "writes")]
        .into_iter()
        .filter_map(|(of_kind, name)| Some((format!("{before}{name}"), latency(of_kind)?)))
        .collect()
}

/// None of none.
fn latency(mut operations: Vec<Operation>) -> Option<Latency> {
    operations.sort_unstable_by_key(|o| o.took_us);
    let max = operations.last()?;
    // The smallest value that this share of all does not exceed: always one that was measured.
    let at = |share: f64| {
        let rank = (share * operations.len() as f64).ceil() as usize;
        operations[rank.clamp(1, operations.len()) - 1].took_us as f64 / 1e3
    };
    Some(Latency {
        count: operations.len() as u64,
        failed: operations.iter().filter(|o| o.failed).count() as u64,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        p999_ms: at(0.999),
        max_ms: max.took_us as f64 / 1e3,
    })
}
