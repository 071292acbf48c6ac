//! Who holds a lease, precisely enough to tell whether that process is still alive.

use serde::{Deserialize, Serialize};
use std::fs;

/// One process on one machine.
///
/// A run that was killed leaves a lease that has not expired. When the next run starts on the same machine, it can see that
/// the holder is dead and need not wait. Host name and process id do not suffice for that: containers share names and
/// numbers. The kernel's boot id, the PID namespace and the start time do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Host name, for people.
    pub host: String,
    /// Process id, for people and for the check.
    pub pid: u32,
    /// Kernel boot and PID namespace; empty where the system does not tell.
    pub place: String,
    /// Start time of the process in clock ticks since boot; 0 where the system does not tell.
    pub started: u64,
}

impl ProcessId {
    /// This process.
    pub fn current() -> Self {
        let pid = std::process::id();
        Self {
            host: read("/proc/sys/kernel/hostname").unwrap_or_else(|| "unknown host".to_owned()),
            pid,
            place: place().unwrap_or_default(),
            started: started(pid).unwrap_or_default(),
        }
    }

    /// Whether this process is certainly gone. `false` means only that it cannot be told from here.
    pub fn is_dead(&self) -> bool {
        let Some(here) = place() else { return false };
        self.started != 0 && self.place == here && started(self.pid) != Some(self.started)
    }
}

impl std::fmt::Display for ProcessId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)
    }
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn place() -> Option<String> {
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", read("/proc/sys/kernel/random/boot_id")?, namespace.display()))
}

/// Field 22 of `/proc/PID/stat` (proc(5)); the name in field 2 may hold blanks and brackets, so count from its end. A zombie
/// has done all it will ever do: it counts as gone.
fn started(pid: u32) -> Option<u64> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    (fields.next()? != "Z").then_some(())?;
    fields.nth(18)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_a_past_one_is_dead() {
        let me = ProcessId::current();
        assert!(me.started > 0 && !me.is_dead());
        assert!(
            ProcessId { started: me.started + 1, ..me.clone() }.is_dead(),
            "the id was given to a later process"
        );
        assert!(
            !ProcessId { place: "elsewhere".into(), started: 1, ..me }.is_dead(),
            "another machine cannot be judged"
        );
    }
}
