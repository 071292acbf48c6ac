//! When a set of changes is suspicious.

use super::*;
use crate::guard::Then;

block! {
    /// When a set of changes is suspicious, and what happens then. What is withheld is found again by the next run.
    Guard {
        /// Many rows would be deleted: more than `rows` and more than `percent`. An export without rows always counts.
        [default] deletes: Either<OneOf<Then>, GuardDeletes>,
        /// Many rows would be updated: more than `rows` and more than `percent`.
        [default] changes: Either<OneOf<Then>, GuardChanges>,
        /// The export has fewer rows than this.
        [default = 0] rows: Either<Count, GuardRows>,
        /// The export has far fewer rows than the one of the last run, and that had a hundred at least.
        [default] shrink: Either<OneOf<Then>, GuardShrink>,
        /// None of the keys in the table is in the export, and both are a hundred at least.
        [default = "withhold"] keys: OneOf<Then>,
        /// Columns of the query were added, dropped or have another type.
        [default = "warn"] schema: OneOf<Then>,
    }
}

words! {
    Then {
        "off" => Self::Off, "Nothing: the rule is not looked at.";
        "warn" => Self::Warn, "The run goes on, and says so.";
        "withhold" => Self::Withhold, "What is suspicious is held back in this run; the rest is written.";
        "stop" => Self::Stop, "The run fails before anything is written.";
    }
}

block! {
    /// Which deletes pass.
    GuardDeletes {
        /// Up to this many always pass.
        [default = 10] rows: Count,
        /// Up to this share of the published rows always passes.
        [default = 10] percent: Percent,
        /// What happens to more.
        [default = "withhold"] then: OneOf<Then>,
    }
}

block! {
    /// Which updates pass.
    GuardChanges {
        /// Up to this many always pass.
        [default = 1000] rows: Count,
        /// Up to this share of the published rows always passes.
        [default = 50] percent: Percent,
        /// What happens to more.
        [default = "warn"] then: OneOf<Then>,
    }
}

block! {
    /// How many rows are expected.
    GuardRows {
        /// As many rows at least.
        at_least: Count,
        /// What happens if there are fewer. What is withheld are the deletes.
        [default = "withhold"] then: OneOf<Then>,
    }
}

block! {
    /// How much smaller an export may be than the one of the last run.
    GuardShrink {
        /// Up to this share of the rows may be gone.
        [default = 50] percent: Percent,
        /// What happens if more are. What is withheld are the deletes.
        [default = "withhold"] then: OneOf<Then>,
    }
}
