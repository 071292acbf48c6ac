//! What a child process shall do, and how it shall end.

use hydrant::point::Point;
use serde::{Deserialize, Serialize};

/// Travels to the child in an environment variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) sync: String,
    pub(super) verb: Verb,
    pub(super) end: End,
    /// How far the child's clock is ahead.
    pub(super) clock_ahead_s: i64,
    /// Term and skew of its leases; the usual ones if not given.
    pub(super) lease_ms: Option<(i64, i64)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Verb {
    Run,
    Abandon { run: u64 },
    Collect,
}

/// What happens to the child on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum End {
    /// Nothing.
    Natural,
    /// It gets a signal at a point.
    At { moment: Moment, signal: Signal },
    /// It is killed when half of an object is written; the part of its name that is given tells which.
    HalfPut { name: String },
}

/// A time at which a run comes to a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Moment {
    /// [`Point`] has no form of its own outside the program, so it goes by name.
    point: String,
    /// The how manieth time.
    pub(super) nth: u32,
    /// Times are counted from the first time at this point.
    after: Option<String>,
    /// The signal comes so much later, and the run goes on until then.
    pub(super) later_us: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Signal {
    Kill,
    Stop,
}

impl Moment {
    pub(super) fn new(point: Point, nth: u32) -> Self {
        Self { point: format!("{point:?}"), nth, after: None, later_us: 0 }
    }

    pub(super) fn counted_after(self, point: Point) -> Self {
        Self { after: Some(format!("{point:?}")), ..self }
    }

    pub(super) fn later(self, later_us: u64) -> Self {
        Self { later_us, ..self }
    }

    pub(super) fn point(&self) -> Point {
        named(&self.point)
    }

    pub(super) fn after(&self) -> Option<Point> {
        self.after.as_deref().map(named)
    }
}

fn named(name: &str) -> Point {
    *Point::ALL.iter().find(|point| format!("{point:?}") == name).expect("a point of this name")
}

impl Signal {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Stop => "STOP",
        }
    }
}

impl Order {
    pub(super) fn run(sync: &str, end: End) -> Self {
        Self { sync: sync.to_owned(), verb: Verb::Run, end, clock_ahead_s: 0, lease_ms: None }
    }

    /// To be killed at a moment.
    pub(super) fn die(sync: &str, moment: Moment) -> Self {
        Self::run(sync, End::At { moment, signal: Signal::Kill })
    }
}
