//! The same changes with the application beside them: what it feels of hydrant, of merges in one transaction, and of other tools.
//!
//! All of them run on one processor, for which the server and the application need not wait, and have their files in memory, so that
//! the disk is the server's: else they would be told apart by how much of the machine they use, and not by what they do to the
//! database. What is left of that, a line shows of a program that does nothing to it, and one of hydrant with low priority.

use super::{Bench, reason};
use crate::{
    application::{Load, Table},
    beside::{Waits, beside},
    day::Day,
    hydrant::{Hydrant, Run},
    measured::{Line, Measured, Role, attempted, measured, on_one_core},
    model::Checksum,
    peers::Peer,
    products::{ByHand, TABLE},
};
use std::{fs, process::Command, time::Duration};

/// What is done, and how often.
#[derive(Clone, Copy)]
pub(crate) struct Beside {
    /// How much of the table changes.
    pub(crate) percent: f64,
    /// How long the application has the server for itself before each round.
    pub(crate) idle: Duration,
    /// The waits of so many are put together: of one, the last percentiles rest on a handful of requests.
    pub(crate) rounds: u32,
}

/// Someone's rounds, as they come.
#[derive(Default)]
struct Rounds {
    took: Vec<Measured>,
    waits: Option<Waits>,
    /// Why some of them have no figures.
    failed: Vec<String>,
    /// What the application was told where its waiting is not known.
    refused: Vec<String>,
}

impl Beside {
    fn day(&self, rows: u64) -> Day {
        Day::later(rows, self.percent)
    }

    fn work(&self) -> String {
        format!("{} % changed, the application beside it", self.percent)
    }
}

/// Keeps a processor busy for some seconds.
fn computing() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "i=0; while [ $i -lt 5000000 ]; do i=$((i+1)); done"]);
    command
}

impl Bench<'_> {
    /// The changes end to end by hydrant, and by hand the merge alone: of what changed, and of every row.
    pub(crate) fn beside(&self, hydrant: &Hydrant, beside: Beside) -> Vec<Line> {
        if !self.has_application() {
            return Vec::new();
        }
        let day = beside.day(self.rows);
        let model = self.model(day);
        let changes = self.product.prepare_changes(day);
        self.product.prepare_every_row(day);

        let before = || {
            // Back, as after any change: its state with a run, the table with a load.
            hydrant.day(&self.first.parquet);
            hydrant.run();
            self.product.restore();
            hydrant.day(&model.parquet);
            Ok(())
        };
        let ours = |role, who: &str, run: &dyn Fn() -> Run| {
            let run = || {
                let run = run();
                assert_eq!(run.changed, day.changed(), "hydrant says how many rows it changed");
                Ok(run.measured)
            };
            self.in_rounds(beside, (role, who), &model.checksum, before, run)
        };
        let who = self.hydrant();
        let mut lines = vec![
            ours(Role::Hydrant, &who, &|| hydrant.run_on_one_core()),
            ours(Role::Other, &format!("{who}, at low priority"), &|| hydrant.run_at_low_priority()),
        ];
        let restore = || {
            self.product.restore();
            Ok(())
        };
        let by_hand = |role, way: &dyn Fn() -> ByHand| {
            let merge = || Ok(measured(on_one_core(&way().command), Some(self.server)));
            self.in_rounds(beside, (role, way().who), &model.checksum, restore, merge)
        };
        lines.push(by_hand(Role::Baseline, &|| self.product.merge(&changes)));
        if self.product.merge_every_row().is_some() {
            let way = || self.product.merge_every_row().expect("there is one");
            lines.push(by_hand(Role::Other, &way));
        }
        changes.remove();
        fs::remove_file(&model.parquet).expect("our own file");
        let computing = || Ok(measured(on_one_core(&computing()), Some(self.server)));
        let who = (Role::Other, "a loop that computes, and no database");
        lines.push(self.in_rounds(beside, who, &self.first.checksum, restore, computing));
        lines
    }

    /// The merges of other tools. The table is theirs afterwards.
    pub(crate) fn peers_beside(&self, peers: &[Box<dyn Peer>], beside: Beside) -> Vec<Line> {
        if !self.has_application() {
            return Vec::new();
        }
        let day = beside.day(self.rows);
        let model = self.model(day);
        let own = self.folder.join("peer");
        let merge = |peer: &dyn Peer| peer.merge(&self.work(&model.parquet, &own));
        let mut lines = Vec::new();
        for peer in peers.iter().map(AsRef::as_ref) {
            if merge(peer).is_none() {
                eprintln!("{}: {}", peer.name(), peer.cannot(self.server.kind));
                continue;
            }
            let before = || self.merged_first(peer, &self.own_folder());
            let doing = || attempted(on_one_core(&merge(peer).expect("it merges")), Some(self.server));
            let then = self.merged(peer, day, &model);
            let line = self.in_rounds(beside, (Role::Peer, &peer.name()), &then, before, doing);
            let cannot = peer.cannot(self.server.kind);
            let note = line.note.as_ref().map_or(cannot.to_owned(), |note| format!("{note}; it {cannot}"));
            lines.push(Line { note: Some(note), ..line });
        }
        fs::remove_file(&model.parquet).expect("our own file");
        lines
    }

    fn has_application(&self) -> bool {
        let has = self.shape.key() == ["id"];
        if !has {
            eprintln!("no application beside the shape {}: it asks for rows by `id`", self.shape.name());
        }
        has
    }

    /// Does what makes the table hold `then`, from the same state each time, and says what it took (the round in the middle) and
    /// how long the application waited (in all of them). The server's processor time and what it wrote are the application's
    /// too. Only a peer may fail.
    fn in_rounds(
        &self,
        beside: Beside,
        (role, who): (Role, &str),
        then: &Checksum,
        before: impl Fn() -> Result<(), String>,
        doing: impl Fn() -> Result<Measured, String>,
    ) -> Line {
        let (work, changed) = (beside.work(), beside.day(self.rows).changed());
        let mut rounds = Rounds::default();
        for round in 1..=beside.rounds {
            let done = before().and_then(|()| self.with_application(beside.idle, &doing));
            let done = done.and_then(|done| self.holds(then).map(|()| done));
            match done {
                Ok((took, waits)) => {
                    eprintln!("{work}, {who}, round {round} of {}: {:.2} s", beside.rounds, took.seconds);
                    rounds.add(took, waits);
                }
                Err(failure) => {
                    assert!(role == Role::Peer, "{work}, {who}: {failure}");
                    eprintln!("{work}, {who}, round {round} of {}: {failure}", beside.rounds);
                    rounds.failed.push(failure);
                }
            }
        }
        let note = rounds.note(beside.rounds);
        let took = Measured::middle(rounds.took).unwrap_or_else(Measured::failed);
        let latency = rounds.waits.map(Waits::latencies);
        Line { latency, note, beside: true, ..self.line(&work, role, who, changed, &took) }
    }

    fn with_application(
        &self,
        idle: Duration,
        doing: impl FnOnce() -> Result<Measured, String>,
    ) -> Result<(Measured, anyhow::Result<Waits>), String> {
        let table = Table { name: TABLE.to_owned(), rows: self.rows };
        self.product.settle();
        let (took, waits) = beside(self.server, &table, Load::default(), idle, doing);
        Ok((took?, waits))
    }
}

impl Rounds {
    fn add(&mut self, took: Measured, waits: anyhow::Result<Waits>) {
        self.took.push(took);
        match waits {
            Ok(waits) => self.waits.get_or_insert_default().extend(waits),
            Err(error) => self.refused.push(format!("{error:#}")),
        }
    }

    /// What is missing in the figures, and why: the first of the reasons.
    fn note(&self, rounds: u32) -> Option<String> {
        let what = [("failed", &self.failed), ("the application was refused", &self.refused)];
        let some = what.into_iter().filter_map(|(what, reasons)| {
            let (times, first) = (reasons.len(), reason(reasons.first()?));
            Some(format!("{what} in {times} of {rounds} rounds: {first}"))
        });
        let notes: Vec<String> = some.collect();
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}
