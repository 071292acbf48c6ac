//! The column by which rows say when they changed.

use super::*;
use crate::config::time_span::TimeSpan;

/// More than anybody counts to; a run that is never full is no mirror.
const FULL_EVERY_MAX: u32 = 10_000;

block! {
    /// Only rows that changed since the last run are asked for.
    Cursor {
        /// The column that says when a row changed: a timestamp, a date or a number that rises with every change.
        column: Text,
        /// How far below the highest value known rows are asked for again: `2h`, `1d` where the cursor is a time, a number
        /// where it is one. Without it: `1h`, or 1000.
        [default] lookback: Either<TimeSpan, Count>,
        /// One run of so many asks for all rows, and finds what a cursor cannot show: deletes above all.
        [default = 24] full_every: Whole<2, FULL_EVERY_MAX>,
    }
}
