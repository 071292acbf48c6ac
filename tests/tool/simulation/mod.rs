//! The whole engine in a world where everything goes wrong, drawn from one seed.
//!
//! The engine is the real one. It writes to the target in memory and to a store in memory, and time is tokio's paused time:
//! it passes only when nobody has anything to do, so a course of minutes takes milliseconds, and the order of calls does not
//! depend on the machine that plays it. Between the engine and its servers stand wrappers, through which every call goes:
//!
//! - [`process`]: calls are slow, refused, done without an answer, done much later; the process is killed or its run dropped
//!   before, within and after any call; it is frozen, timers and all, while others run and take its lease over.
//! - [`schedule`]: the source changes, time passes, clocks are set, several schedulers start the sync at once.
//! - [`source`], [`target`]: rows change while they are read; rows are refused by a rule that changes.
//!
//! After each run that succeeds, [`promise`] compares the target with the rows that the run saw. What must hold at any time
//! is judged by the [`ledger`]. At the end of each course nothing goes wrong any more, and one run must make target and
//! source equal. That all of this finds what it should is shown with [`planted`] bugs.
//!
//! `HYDRANT_SIMULATION_SECONDS` says how long new seeds are played, `HYDRANT_TEST_SEED` plays one (or begins with it, if
//! seconds are given too), `HYDRANT_SIMULATION_STEPS` says how many steps a course has.

// What was played is told to whoever asked for it (`--nocapture`).
#![allow(clippy::print_stdout)]

mod draw;
mod faults;
mod ledger;
mod planted;
mod process;
mod promise;
mod schedule;
mod source;
mod store;
mod target;
mod trace;
mod world;

use faults::{Fate, Sleep, Weather, When};
use planted::Planted;
use schedule::{Tally, play};
use std::time::{Duration, Instant};

const STEPS: u64 = 25;
/// Enough for some hundred courses in an unoptimized build.
const SECONDS: u64 = 20;

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a whole number, not {value:?}")))
}

/// Contract: C1, C2, C3, C7, C10, C14, C15, C17, C23
#[test]
fn the_promise_holds_whatever_goes_wrong() {
    let steps = setting("HYDRANT_SIMULATION_STEPS").unwrap_or(STEPS);
    let (first, seconds) = match (setting("HYDRANT_TEST_SEED"), setting("HYDRANT_SIMULATION_SECONDS")) {
        (Some(seed), None) => (seed, 0),
        (seed, seconds) => (seed.unwrap_or(1), seconds.unwrap_or(SECONDS)),
    };
    println!("from seed {first}, {steps} steps each, {seconds} s");
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut all = Tally::default();
    let mut seed = first;
    loop {
        match play(seed, steps, None, Planted::Nothing) {
            Ok((tally, trace)) => {
                all += tally;
                if seconds == 0 {
                    println!("{trace:#}");
                }
            }
            Err(violation) if seconds == 0 => panic!("{violation:#}"),
            Err(violation) => panic!("{violation}"),
        }
        seed += 1;
        if Instant::now() >= until {
            break;
        }
    }
    println!("{} seeds: {all:?}", seed - first);
    // A simulation in which nothing happens finds nothing.
    if seed - first >= 20 {
        let Tally { published, failed, killed, withheld, rejected, rolled_forward, frozen, abandoned } = all;
        for count in [published, failed, killed, withheld, rejected, rolled_forward, frozen, abandoned] {
            assert!(count > 0, "{all:?}");
        }
    }
}

/// What one seed does is the same each time, to the millisecond and to the order of calls.
#[test]
fn a_seed_is_one_course_of_events() {
    for seed in 1..=8 {
        let [one, other] = [(); 2].map(|()| play(seed, STEPS, None, Planted::Nothing));
        let trace = |outcome: Result<(Tally, trace::Trace), Box<trace::Violation>>| match outcome {
            Ok((_, trace)) => trace,
            Err(violation) => violation.trace,
        };
        let (one, other) = (trace(one), trace(other));
        assert!(one == other, "seed {seed} went in two ways:\n{}", one.difference(&other));
    }
}

/// Nothing goes wrong but that processes sleep and writes come late, while the target refuses rows: here the store itself
/// has to keep out those who do not know yet that they have lost their lease.
#[test]
fn late_writers_change_nothing() {
    let mut weather = Weather::only(&[
        Fate::Late,
        Fate::Frozen(When::Before, Sleep::Suspended),
        Fate::Frozen(When::After, Sleep::Suspended),
        Fate::Frozen(When::Before, Sleep::Stopped),
    ]);
    weather.rejects = true;
    for seed in 1..=10 {
        if let Err(violation) = play(seed, 15, Some(weather.clone()), Planted::Nothing) {
            panic!("{violation}");
        }
    }
}
