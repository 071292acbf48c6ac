//! What Linux tells of processes in `/proc`.

use std::fs;

/// `/proc` counts processor time in hundredths of a second, whatever the kernel's own tick is.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time of all children of this process that ended and were waited for, theirs included, in seconds.
pub(crate) fn cpu_seconds_of_the_ended() -> f64 {
    let stat = Stat::of("self").expect("our own /proc/self/stat");
    stat.ended as f64 / TICKS_PER_SECOND
}

/// Processor time of a process and of all its children, those that ended included, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let own = Stat::of(pid).map_or(0, |stat| stat.own + stat.ended);
    own as f64 / TICKS_PER_SECOND + children(pid).into_iter().map(cpu_seconds).sum::<f64>()
}

/// Resident memory of a process and its children in KiB: for a single process the most that it ever had, which the kernel keeps;
/// for several the sum of now.
pub(crate) fn resident_kb(pid: u32) -> u64 {
    let of_now: u64 = family(pid).into_iter().map(|pid| of_status(pid, "VmRSS:")).sum();
    of_now.max(of_status(pid, "VmHWM:"))
}

fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut at = 0;
    while at < all.len() {
        all.extend(children(all[at]));
        at += 1;
    }
    all
}

fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

fn of_status(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line =
        status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok());
    line.unwrap_or(0)
}

/// Ticks of processor time.
struct Stat {
    own: u64,
    ended: u64,
}

impl Stat {
    fn of(pid: impl std::fmt::Display) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name of the program stands in brackets, and may hold anything. utime is the 14th field of the line, the
        // 12th behind it; stime, cutime and cstime follow.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self { own: ticks(11)? + ticks(12)?, ended: ticks(13)? + ticks(14)? })
    }
}
