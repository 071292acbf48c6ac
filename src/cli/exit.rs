//! Exit codes: documented, stable, one per kind of outcome.

use crate::{
    engine::{FailureKind, RunReport},
    guard::Then,
};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// A defect of hydrant, or a damaged store.
    Broken = 1,
    /// `plan --detailed-exitcode`, or a rollback that nobody has agreed to: there are changes. `verify`: there are differences.
    Changes = 2,
    /// Published, but the guard withheld changes.
    Withheld = 3,
    /// Published, but rows were refused.
    Rejects = 4,
    /// Another process runs this sync.
    Held = 5,
    /// Stopped by a signal; the next run goes on.
    Stopped = 6,
    /// Source, store or target could not be reached or was too busy.
    Unavailable = 7,
    /// The data breaks a rule: duplicate keys, too many rejects, unreadable files, a dbt model that failed its tests.
    Data = 8,
    /// Configuration, query or table must be mended by a person.
    Wrong = 9,
    /// Access was denied.
    Denied = 10,
    /// Stopped by the guard: nothing was written.
    Guard = 11,
    /// The command line was wrong.
    Usage = 64,
}

/// Shown by `--help`.
pub(super) const HELP: &str = "\
Exit codes:
   0  done                                  6  stopped by a signal, the next run goes on
   1  defect, or damaged store              7  source, store or target unavailable
   2  plan: changes; verify: differences    8  the data breaks a rule (keys, rejects, tests of dbt)
   3  published, changes withheld           9  configuration, query or table is wrong
   4  published, rows rejected             10  access denied
   5  another process runs this sync       11  stopped by the guard, nothing was written
                                           64  wrong command line
Of several syncs the highest code counts, but 1 before all.";

impl Exit {
    /// The outcome of several syncs: the one that needs a person most.
    pub(super) fn and(self, other: Self) -> Self {
        if self == Self::Broken || other == Self::Broken { Self::Broken } else { self.max(other) }
    }

    /// How a run that failed in this way ends.
    pub fn of_failure(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Wrong => Self::Wrong,
            FailureKind::Data => Self::Data,
            FailureKind::Guard => Self::Guard,
            FailureKind::Unavailable => Self::Unavailable,
            FailureKind::Denied => Self::Denied,
            FailureKind::Held => Self::Held,
            FailureKind::Stopped => Self::Stopped,
            FailureKind::Broken => Self::Broken,
        }
    }

    pub(super) fn of_report(report: &RunReport) -> Self {
        let withheld = report.findings.iter().any(|finding| finding.then == Then::Withhold);
        match (report.counts.rejected, withheld) {
            (1.., _) => Self::Rejects,
            (0, true) => Self::Withheld,
            (0, false) => Self::Done,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_outcomes_the_gravest_counts() {
        assert_eq!(Exit::Done.and(Exit::Withheld), Exit::Withheld);
        assert_eq!(Exit::Denied.and(Exit::Rejects), Exit::Denied);
        assert_eq!(Exit::Denied.and(Exit::Broken), Exit::Broken);
        assert_eq!(Exit::Guard.and(Exit::Wrong), Exit::Guard);
    }
}
