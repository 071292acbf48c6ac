//! What a process took.

use std::{
    fs,
    io::Read,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

#[derive(Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) wall: Duration,
    pub(crate) peak_mb: u64,
}

impl Measured {
    pub(crate) const WORST: Self = Self { wall: Duration::MAX, peak_mb: 0 };

    /// The shorter time and the higher peak.
    pub(crate) fn better(self, other: Self) -> Self {
        Self { wall: self.wall.min(other.wall), peak_mb: self.peak_mb.max(other.peak_mb) }
    }

    pub(crate) fn show(&self, what: &str) {
        println!("{what:36} {:8.2} s  peak {:5} MB", self.wall.as_secs_f64(), self.peak_mb);
    }
}

/// Runs a process to its end. Linux keeps the peak of its resident memory in `/proc`, as long as it lives.
pub(crate) fn measured(command: Command) -> Measured {
    told(command).0
}

/// The same with what it writes to its standard output, which has to be little.
pub(crate) fn told(mut command: Command) -> (Measured, String) {
    let since = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut peak_kb = 0;
    let status = loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak_kb = peak_kb.max(peak.unwrap_or(0));
        if let Some(status) = child.try_wait().expect("it is ours") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let wall = since.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    let mut words = String::new();
    child.stdout.take().expect("it is piped").read_to_string(&mut words).expect("text");
    (Measured { wall, peak_mb: peak_kb >> 10 }, words)
}
