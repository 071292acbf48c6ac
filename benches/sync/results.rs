//! What was measured so far. It is written down after every work: a long bench that ends early has not measured for nothing.

use crate::{
    machine::Machine,
    measured::{Line, Role, compare},
    options::{Options, Work},
    report::{Style, tables},
};
use serde::Serialize;
use std::fs;

#[derive(Serialize)]
pub(crate) struct Results<'a> {
    #[serde(skip)]
    options: &'a Options,
    machine: Machine,
    /// How often everything was done that is done in rounds.
    rounds: u32,
    /// What the servers say that they are.
    pub(crate) servers: Vec<String>,
    lines: Vec<Line>,
}

impl<'a> Results<'a> {
    pub(crate) fn new(options: &'a Options, machine: Machine) -> Self {
        Self { options, machine, rounds: options.rounds(), servers: Vec::new(), lines: Vec::new() }
    }

    pub(crate) fn add(&mut self, lines: Vec<Line>) {
        for line in &lines {
            eprintln!("{}, {}: {:.2} s", line.work, line.who, line.seconds);
        }
        self.lines.extend(lines);
        compare(&mut self.lines);
        if let Some(file) = &self.options.json {
            fs::write(file, self.json()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }

    fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("JSON") + "\n"
    }

    /// Prints the tables.
    pub(crate) fn show(&self, style: Style) {
        println!("{}", self.machine);
        println!("{}", self.servers.join("\n"));
        println!("{}", tables(&self.lines, self.rounds, style));
    }

    /// Ends the bench if something that was asked for is not in the JSON, or has no figures.
    pub(crate) fn complete(&self) {
        let json: serde_json::Value = serde_json::from_str(&self.json()).expect("JSON");
        let lines = json["lines"].as_array().expect("lines");
        for target in &self.options.target {
            for shape in &self.options.shape {
                for (work, who, latency) in wanted(self.options, shape.key() == ["id"]) {
                    let of_work = |line: &&serde_json::Value| {
                        line["target"] == target.name()
                            && line["shape"] == shape.name()
                            && line["work"].as_str().is_some_and(|name| name.contains(work))
                    };
                    // A peer may fail.
                    let ours = lines
                        .iter()
                        .zip(&self.lines)
                        .filter(|(_, line)| line.role != Role::Peer && (line.role == Role::Hydrant) == who);
                    let found: Vec<_> = ours.map(|(line, _)| line).filter(of_work).collect();
                    assert!(
                        !found.is_empty(),
                        "no line of {work}, {}, {}, hydrant: {who}",
                        target.name(),
                        shape.name()
                    );
                    for line in found {
                        assert!(line["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{line}");
                        for name in ["idle reads", "idle writes", "reads", "writes"] {
                            let p99 = line["latency"][name]["p99_ms"].as_f64();
                            assert!(!latency || p99.is_some_and(|ms| ms > 0.0), "{name} of {line}");
                        }
                    }
                }
            }
        }
    }
}

/// The lines that there must be: words of the work, whether it is hydrant's or done by hand, and whether an application waited.
fn wanted(options: &Options, application: bool) -> Vec<(&'static str, bool, bool)> {
    let mut all = Vec::new();
    if options.wants(Work::FirstLoad) {
        all.extend([("first load", true, false), ("first load", false, false)]);
    }
    if options.wants(Work::NoChange) {
        all.extend([("no change", true, false), ("no change", false, false)]);
    }
    if options.wants(Work::Changed) || options.wants(Work::Apply) {
        all.push(("% changed", true, false));
    }
    if options.wants(Work::Apply) {
        all.extend([("apply of", true, false), ("apply of", false, false)]);
    }
    if options.wants(Work::Beside) && application {
        all.extend([("application beside", true, true), ("application beside", false, true)]);
    }
    // No memory curve is small.
    all.retain(|(_, hydrant, _)| *hydrant || options.compares());
    all
}
