//! What happened, in the order in which it happened.

use std::fmt;

/// Events that are shown of a course that went wrong.
const SHOWN: usize = 80;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// True time since the beginning, in milliseconds.
    at_ms: u64,
    /// How many frozen processes wait below.
    depth: usize,
    /// The process, or nobody.
    who: Option<u64>,
    what: String,
}

/// All events of one course.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trace(Vec<Event>);

/// What must not have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) seed: u64,
    pub(super) step: u64,
    pub(super) steps: u64,
    pub(super) what: String,
    pub(super) trace: Trace,
}

impl Trace {
    pub(super) fn note(&mut self, at_ms: u64, depth: usize, who: Option<u64>, what: String) {
        self.0.push(Event { at_ms, depth, who, what });
    }
}

impl Trace {
    /// Where two courses part.
    pub(super) fn difference(&self, other: &Self) -> String {
        let same = self.0.iter().zip(&other.0).take_while(|(a, b)| a == b).count();
        let around = |trace: &Self| {
            let from = same.saturating_sub(8);
            let events = trace.0.iter().skip(from).take(16);
            events.map(|event| format!("  {event}\n")).collect::<String>()
        };
        format!("one:\n{}the other:\n{}", around(self), around(other))
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.3} s {}", self.at_ms as f64 / 1000.0, "│ ".repeat(self.depth))?;
        match self.who {
            Some(who) => write!(f, "#{who} {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `{:#}` shows all of them.
        let from = if f.alternate() { 0 } else { self.0.len().saturating_sub(SHOWN) };
        if from > 0 {
            writeln!(f, "  ({from} events before)")?;
        }
        self.0[from..].iter().try_for_each(|event| writeln!(f, "  {event}"))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, step, steps, what, trace } = self;
        writeln!(f, "seed {seed}, step {step}: {what}")?;
        writeln!(f, "the last events (a bar for each process that is frozen meanwhile):")?;
        fmt::Display::fmt(trace, f)?;
        write!(
            f,
            "to play it again: HYDRANT_TEST_SEED={seed} HYDRANT_SIMULATION_STEPS={steps} cargo test --test tool \
             simulation::the_promise -- --nocapture"
        )
    }
}
