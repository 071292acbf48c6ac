//! Faults between hydrant and the other servers, MySQL and MongoDB.

use super::{first_day, once_tried_again, second_day, side_by_side, unavailable};
use crate::{
    harness::Project,
    proxy::{Direction::*, Fault, Proxy, Rule},
};
use std::time::Instant;

/// As the protocols have them: a text that begins a packet, and the name of a command.
const MYSQL_COMMIT: &str = "\u{3}COMMIT";
const MONGODB_COMMIT: &str = "commitTransaction";

/// A project with a proxy in front of its server.
struct Line {
    project: Project,
    server: Proxy,
    commit: &'static str,
}

impl Line {
    fn mysql() -> Self {
        Self::before(Project::mysql(), "?ssl-mode=DISABLED", MYSQL_COMMIT)
    }

    fn mariadb() -> Self {
        Self::before(Project::mariadb(), "?ssl-mode=DISABLED", MYSQL_COMMIT)
    }

    /// The member of a replica set names itself by an address that is not the proxy's.
    fn mongodb() -> Self {
        Self::before(Project::mongodb(), "&directConnection=true", MONGODB_COMMIT)
    }

    fn before(mut project: Project, options: &str, commit: &'static str) -> Self {
        let url = project.environment["APP"].clone();
        let (before, rest) = url.split_once('@').expect("a host in the URL");
        let (address, database) = rest.split_once('/').expect("a database in the URL");
        let server = Proxy::before(address);
        project.env("APP", &format!("{before}@{}/{database}{options}", server.address()));
        project.items(&first_day());
        Self { project, server, commit }
    }

    /// The table has the rows of the file, and another run finds nothing to do.
    fn assert_equal(&self, csv: &str) {
        let mut wanted: Vec<_> = csv.lines().skip(1).map(|line| line.replace(',', "|")).collect();
        let mut found = self.project.database.rows("items", &["id", "name"]);
        wanted.sort();
        found.sort();
        assert!(found == wanted, "the rows differ: {} are there, {} are wanted", found.len(), wanted.len());
        let report = self.project.report();
        let changes = (&report["inserts"], &report["updates"], &report["deletes"], &report["unchanged"]);
        let none = 0.into();
        assert_eq!(changes, (&none, &none, &none, &wanted.len().into()), "{report}");
    }
}

const LINES: [fn() -> Line; 3] = [Line::mysql, Line::mariadb, Line::mongodb];

/// Two days of a sync, each under the fault; both succeed, quietly where the engine need not try anything again.
fn rides_out(line: &Line, name: &str, rule: &Rule, quietly: bool) {
    for day in [first_day(), second_day()] {
        line.project.items(&day);
        let hits = line.server.hits();
        line.server.inject(rule.clone());
        let ran = line.project.run(&["run"]);
        assert_eq!(ran.code, 0, "{name}: {}", ran.all());
        assert!(line.server.hits() > hits, "{name} has struck");
        assert!(quietly || ran.stderr.contains("trying again"), "{name}: {}", ran.stderr);
        line.server.heal();
        line.assert_equal(&day);
    }
}

/// Contract: C12
#[test]
fn a_connection_that_breaks_in_a_batch_is_replaced_elsewhere_too() {
    let cases = || {
        [
            ("a cut", Rule::after(Fault::Cut, Up, 60_000)),
            ("a reset", Rule::after(Fault::Reset, Up, 60_000)),
            ("an end of what hydrant says", Rule::after(Fault::HalfClose, Up, 60_000)),
        ]
    };
    for line in LINES {
        side_by_side(cases(), |(name, rule)| rides_out(&line(), name, &rule, false));
    }
}

/// Contract: C9, C12
#[test]
fn a_commit_that_does_not_arrive_or_whose_answer_is_lost_is_made_good_elsewhere_too() {
    for line in LINES {
        side_by_side([Fault::Cut, Fault::LostAnswer, Fault::Reset], |fault| {
            let line = line();
            // A commit without an answer is what the target itself asks MongoDB about once more.
            let quietly = line.commit == MONGODB_COMMIT;
            rides_out(&line, &format!("{fault:?}"), &Rule::at(fault, Up, line.commit).every(2), quietly);
        });
    }
}

/// Contract: C12
#[test]
fn a_server_that_is_gone_for_seconds_is_waited_for_elsewhere_too() {
    side_by_side(LINES, |line| {
        let line = line();
        line.server.refuse(true);
        let ran = once_tried_again(&line.project, || line.server.refuse(false));
        assert_eq!(ran.code, 0, "{}", ran.all());
        line.assert_equal(&first_day());
    });
}

/// Contract: C12
#[test]
fn what_lasts_ends_the_run_in_time_and_the_next_one_goes_on_elsewhere_too() {
    let always = |fault| {
        move |line: &Line| {
            line.server.inject(Rule::at(fault, Up, line.commit).always());
        }
    };
    let (cut, lost) = (always(Fault::Cut), always(Fault::LostAnswer));
    let gone = |line: &Line| line.server.refuse(true);
    let breaks: [&(dyn Fn(&Line) + Sync); 3] = [&cut, &lost, &gone];
    let cases = LINES.into_iter().flat_map(|line| breaks.map(|fault| (line, fault)));
    side_by_side(cases, |(line, fault)| {
        let line = line();
        line.project.ok(&["run"]);
        line.project.items(&second_day());
        fault(&line);
        let begun = Instant::now();
        let ran = line.project.run(&["run"]);
        unavailable(&ran, &[&line.server.address().to_string()]);
        assert!((25..90).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
        line.server.heal();
        line.project.ok(&["run"]);
        line.assert_equal(&second_day());
    });
}

/// Contract: C2, C7
#[test]
fn a_crash_while_rows_are_sent_loses_and_doubles_none_elsewhere_either() {
    side_by_side(LINES, |line| {
        let line = line();
        line.project.ok(&["run"]);
        line.project.items(&second_day());
        line.server.inject(Rule::after(Fault::Silence, Up, 60_000));
        let mut child = line.project.start(&["run"]);
        line.server.await_hits(1);
        child.kill().expect("SIGKILL");
        child.wait().expect("it ends");
        line.server.heal();
        let report = line.project.report();
        assert!(report["rolled_forward"].is_object(), "the sealed run was finished first: {report}");
        line.assert_equal(&second_day());
    });
}
