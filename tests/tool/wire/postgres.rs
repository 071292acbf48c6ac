//! Faults between hydrant and Postgres.

use super::{Wired, first_day, once_tried_again, second_day, side_by_side, unavailable};
use crate::{
    harness::Ran,
    proxy::{Direction::*, Fault, Rule},
};
use std::time::{Duration, Instant};

/// As the protocol has it: `READ COMMITTED` is something else.
const COMMIT: &str = "COMMIT\0";

/// Two days of a sync, each under the fault; both succeed.
fn rides_out(name: &str, rule: &Rule) {
    survives(name, rule, &[first_day(), second_day()]);
}

fn survives(name: &str, rule: &Rule, days: &[String]) {
    let wired = Wired::new();
    for day in days {
        wired.project.items(day);
        let hits = wired.postgres.hits();
        wired.postgres.inject(rule.clone());
        let ran = wired.project.run(&["run"]);
        assert_eq!(ran.code, 0, "{name}: {}", ran.all());
        assert!(wired.postgres.hits() > hits, "{name} has struck");
        assert!(ran.stderr.contains("the target failed, trying again"), "{name}: {}", ran.stderr);
        wired.postgres.heal();
        wired.assert_equal(day);
    }
}

#[test]
fn a_connection_that_breaks_in_a_batch_is_replaced() {
    let cases = [
        ("a cut", Rule::after(Fault::Cut, Up, 60_000)),
        ("a reset", Rule::after(Fault::Reset, Up, 60_000)),
        ("an end of what hydrant says", Rule::after(Fault::HalfClose, Up, 60_000)),
        ("an end of what the server says", Rule::after(Fault::HalfClose, Down, 6_000)),
    ];
    side_by_side(cases, |(name, rule)| rides_out(name, &rule));
}

/// Of every call: of the claim, of making the table, of each batch.
///
/// Contract: C9
#[test]
fn a_commit_that_does_not_arrive_or_whose_answer_is_lost_is_made_good() {
    let cases = [
        ("a cut before the commit", Rule::at(Fault::Cut, Up, COMMIT).every(2)),
        ("a lost answer of the commit", Rule::at(Fault::LostAnswer, Up, COMMIT).every(2)),
        ("a reset instead of the commit", Rule::at(Fault::Reset, Up, COMMIT).every(2)),
    ];
    side_by_side(cases, |(name, rule)| rides_out(name, &rule));
}

#[test]
fn a_server_that_falls_silent_in_a_batch_is_given_up_and_asked_again() {
    // The silence alone takes twelve seconds: one day is enough.
    survives("silence", &Rule::after(Fault::Silence, Up, 60_000), &[first_day()]);
}

#[test]
fn a_server_that_is_gone_for_seconds_is_waited_for() {
    let wired = Wired::new();
    wired.postgres.refuse(true);
    let ran = once_tried_again(&wired.project, || wired.postgres.refuse(false));
    assert_eq!(ran.code, 0, "{}", ran.all());
    wired.assert_equal(&first_day());
}

/// Half a minute of trying again, and for a server that does not answer the time that its silence takes.
///
/// Contract: C12
#[test]
fn what_lasts_ends_the_run_in_time_and_the_next_one_goes_on() {
    let gone = |wired: &Wired| wired.postgres.refuse(true);
    let always = |rule: Rule| {
        move |wired: &Wired| {
            wired.postgres.inject(rule.clone().always());
        }
    };
    let (cut, hole) = (always(Rule::at(Fault::Cut, Up, COMMIT)), always(Rule::after(Fault::Silence, Up, 0)));
    let lost = always(Rule::at(Fault::LostAnswer, Up, COMMIT));
    type Break<'f> = &'f (dyn Fn(&Wired) + Sync);
    let cases: [(Break<'_>, &str); 4] = [
        (&gone, "onnection refused"),
        (&cut, "connection closed"),
        (&lost, "connection closed"),
        (&hole, "no answer within 2 s (connect_timeout)"),
    ];
    side_by_side(cases, |(fault, says)| {
        let wired = Wired::new();
        wired.project.ok(&["run"]);
        wired.project.items(&second_day());
        fault(&wired);
        let begun = Instant::now();
        let ran = wired.project.run(&["run"]);
        let took = begun.elapsed();
        unavailable(&ran, &[says, &wired.postgres.address().to_string()]);
        assert!((25..90).contains(&took.as_secs()), "{says}: {took:?}");
        wired.postgres.heal();
        wired.project.ok(&["run"]);
        wired.assert_equal(&second_day());
    });
}

/// Contract: C2, C7
#[test]
fn a_process_killed_while_it_sends_rows_loses_and_doubles_none() {
    let wired = Wired::new();
    wired.project.ok(&["run"]);
    wired.project.items(&second_day());
    wired.postgres.inject(Rule::after(Fault::Silence, Up, 60_000));
    let mut child = wired.project.start(&["run"]);
    wired.postgres.await_hits(1);
    child.kill().expect("SIGKILL");
    child.wait().expect("it ends");
    wired.postgres.heal();
    let report = wired.project.report();
    assert!(report["rolled_forward"].is_object(), "the sealed run was finished first: {report}");
    wired.assert_equal(&second_day());
}

#[test]
fn a_slow_line_to_both_servers_only_takes_longer() {
    let mut wired = Wired::new();
    wired.project.env("APP", &wired.url);
    for proxy in [&wired.postgres, &wired.s3] {
        proxy.slow(Duration::from_millis(5), Some(1_000_000));
    }
    for day in [first_day(), second_day()] {
        wired.project.items(&day);
        let ran = Ran::of(&wired.project.command(&["run"]).output().expect("the binary starts"));
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert!(!ran.stderr.contains("trying again"), "{}", ran.stderr);
        wired.assert_equal(&day);
    }
}
