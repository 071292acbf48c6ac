//! The machine that was measured on.

use serde::Serialize;
use std::{fmt, fs, path::Path, process::Command, thread};

#[derive(Serialize)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    memory_mb: u64,
    kernel: String,
    /// The kind of file system that data lies on.
    disk: String,
    /// Whether hydrant is optimised.
    release: bool,
    commit: String,
}

impl Machine {
    /// This one, with data in this folder.
    pub(crate) fn here(folder: &Path) -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let after = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(|rest| rest.trim_start_matches([':', ' ', '\t']).to_owned()).unwrap_or_default()
        };
        let kb = after(&memory, "MemTotal").split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok());
        let folder = folder.to_string_lossy();
        Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            processor: after(&cpu, "model name"),
            memory_mb: kb.unwrap_or(0) >> 10,
            kernel: said(&["uname", "-sr"]),
            disk: said(&["stat", "-f", "-c", "%T", &folder]),
            release: !cfg!(debug_assertions),
            commit: said(&["git", "describe", "--always", "--dirty"]),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, processor, memory_mb, kernel, disk, release, commit } = self;
        let build = if *release { "release build" } else { "DEBUG BUILD: no figure of it means anything" };
        write!(
            f,
            "{cores} cores, {processor}, {memory_mb} MB, {kernel}, data on {disk}; hydrant at {commit}, {build}"
        )
    }
}

/// What a program says. What it does not say is not worth ending for.
fn said(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
