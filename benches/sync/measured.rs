//! What a piece of work took: a process with its children, and the server that it worked on.

use crate::{processes, servers::Server};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How often the memory of a process is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Who a line is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    #[default]
    Hydrant,
    /// What hydrant is compared with.
    Baseline,
    /// Something else that is worth knowing.
    Other,
    /// Another tool. Where there is no baseline, the fastest of them is it.
    Peer,
}

/// One line of the result.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Line {
    /// The product that was written to: `postgres`, `mysql`, `mongodb`; none where no database takes part.
    pub(crate) target: String,
    /// The shape of the rows, as `--shape` names it.
    pub(crate) shape: String,
    /// What was done: "first load", "no change", "1 % changed", "apply of 1 % changed alone", …
    pub(crate) work: String,
    /// Who did it: "hydrant", "psql \copy binary", …
    pub(crate) who: String,
    /// Rows of the model.
    pub(crate) rows: u64,
    /// Rows that differ from the state before; none for a first load.
    pub(crate) changed: u64,
    /// Seconds of wall time; not a number (in JSON null) for what failed.
    pub(crate) seconds: f64,
    /// Seconds of processor time of the process and its children, user and system.
    pub(crate) cpu_seconds: Option<f64>,
    /// The same of the server in that time.
    pub(crate) server_cpu_seconds: Option<f64>,
    /// The most resident memory that the process had, with its children, in MiB.
    pub(crate) peak_mb: Option<u64>,
    /// What the server wrote to its logs (WAL; redo and binary log), in MiB.
    pub(crate) written_mb: Option<u64>,
    #[serde(skip)]
    pub(crate) role: Role,
    /// Whether it was done with the application beside it; it has figures of its waiting then, unless it failed.
    #[serde(skip)]
    pub(crate) beside: bool,
    /// The baseline's seconds by these: 1 and more is as fast or faster.
    pub(crate) ratio: Option<f64>,
    /// That baseline.
    pub(crate) against: Option<String>,
    /// How long the application waited: "idle reads", "idle writes", "reads", "writes".
    pub(crate) latency: Option<BTreeMap<String, Latency>>,
    /// What it cannot do, or what has to be known of it.
    pub(crate) note: Option<String>,
}

/// How long requests of one kind took, in milliseconds from the moment when each was due.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) count: u64,
    /// How many of these were refused, or had no answer for two minutes.
    pub(crate) failed: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

/// What a process took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_mb: u64,
    /// Of the server, if there was one to look at.
    pub(crate) server_cpu_seconds: Option<f64>,
    pub(crate) written_mb: Option<u64>,
    /// What it wrote to its standard output.
    pub(crate) output: String,
}

impl Measured {
    /// The quicker of the two, with the higher peak of both: whatever else the machine does only ever adds time.
    pub(crate) fn better(self, other: Self) -> Self {
        let peak_mb = self.peak_mb.max(other.peak_mb);
        let quicker = if self.seconds <= other.seconds { self } else { other };
        Self { peak_mb, ..quicker }
    }

    /// The one in the middle, by time, of some that were measured (of an even number the slower of two), with the highest peak of
    /// all. None of none.
    pub(crate) fn middle(mut all: Vec<Self>) -> Option<Self> {
        let peak_mb = all.iter().map(|measured| measured.peak_mb).max()?;
        all.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let middle = all.swap_remove(all.len() / 2);
        Some(Self { peak_mb, ..middle })
    }

    /// Of what did not come to its end.
    pub(crate) fn failed() -> Self {
        Self { seconds: f64::NAN, cpu_seconds: f64::NAN, ..Self::default() }
    }

    /// A line with these figures.
    pub(crate) fn line(&self, role: Role, who: &str) -> Line {
        Line {
            role,
            who: who.to_owned(),
            seconds: self.seconds,
            cpu_seconds: Some(self.cpu_seconds),
            server_cpu_seconds: self.server_cpu_seconds,
            peak_mb: Some(self.peak_mb),
            written_mb: self.written_mb,
            ..Line::default()
        }
    }
}

/// The same command, bound to the first processor. (On a machine with one this changes nothing.)
pub(crate) fn on_one_core(command: &Command) -> Command {
    behind(&["taskset", "--cpu-list", "0"], command)
}

/// The same command with the least claim to the processor. Linux may share it out by sessions before it looks at the priorities of
/// processes, so it gets a session of its own, whose share is as small.
pub(crate) fn at_low_priority(command: &Command) -> Command {
    const LOWER: &str =
        "[ ! -w /proc/self/autogroup ] || echo 19 > /proc/self/autogroup; exec nice -n 19 \"$@\"";
    behind(&["setsid", "sh", "-c", LOWER, "sh"], command)
}

/// The same command, run by another.
pub(crate) fn behind(words: &[&str], command: &Command) -> Command {
    let mut other = Command::new(words[0]);
    other.args(&words[1..]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        other.current_dir(folder);
    }
    other
}

/// Runs a process to its end, and says what it took. If it fails, the bench ends with what it said.
pub(crate) fn measured(command: Command, server: Option<&Server>) -> Measured {
    attempted(command, server).unwrap_or_else(|failure| panic!("{failure}"))
}

/// The same for what may fail without being our failure; the error is what it said.
pub(crate) fn attempted(mut command: Command, server: Option<&Server>) -> Result<Measured, String> {
    let server_before = server.map(|server| (server.cpu_seconds(), server.written_bytes()));
    // Processor time of children that were waited for: exact, where a look at `/proc` from time to time misses the end.
    let cpu_before = processes::cpu_seconds_of_the_ended();
    let since = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (pid, ended) = (child.id(), AtomicBool::new(false));
    let (output, wall, peak_kb) = thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut peak_kb = 0;
            while !ended.load(Ordering::Relaxed) {
                peak_kb = peak_kb.max(processes::resident_kb(pid));
                thread::sleep(LOOK);
            }
            peak_kb
        });
        let output = child.wait_with_output().expect("it is ours");
        let wall = since.elapsed();
        ended.store(true, Ordering::Relaxed);
        (output, wall, looking.join().expect("the look at memory"))
    });
    let cpu_seconds = processes::cpu_seconds_of_the_ended() - cpu_before;
    let after = server.map(|server| (server.cpu_seconds(), server.written_bytes()));
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}\n{words}\n{complaint}", output.status));
    }
    let written =
        |(_, after): (f64, Option<u64>), (_, before): (f64, Option<u64>)| Some((after? - before?) >> 20);
    Ok(Measured {
        seconds: wall.as_secs_f64(),
        cpu_seconds,
        peak_mb: peak_kb >> 10,
        server_cpu_seconds: after.zip(server_before).map(|(after, before)| after.0 - before.0),
        written_mb: after.zip(server_before).and_then(|(after, before)| written(after, before)),
        output: words,
    })
}

/// Each line's ratio to the baseline of its work.
pub(crate) fn compare(lines: &mut [Line]) {
    let work = |line: &Line| (line.target.clone(), line.shape.clone(), line.rows, line.work.clone());
    for at in 0..lines.len() {
        let same = || lines.iter().filter(|line| line.seconds.is_finite() && work(line) == work(&lines[at]));
        let fastest =
            || same().filter(|line| line.role == Role::Peer).min_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let Some(baseline) = same().find(|line| line.role == Role::Baseline).or_else(fastest) else {
            continue;
        };
        if baseline.who != lines[at].who {
            let (ratio, who) = (baseline.seconds / lines[at].seconds, baseline.who.clone());
            (lines[at].ratio, lines[at].against) = (Some(ratio), Some(who));
        }
    }
}

/// Runs a process whose time is not looked at, and gives back what it printed.
pub(crate) fn told(command: Command) -> String {
    measured(command, None).output
}
