//! What a run with a cursor has asked its query for, in words.

use super::output::{WARN, count, counted};
use crate::engine::CursorReport;

/// Shows it; `planned` if the run is still to come.
pub(super) fn show(sync: &str, cursor: &CursorReport, planned: bool) {
    let CursorReport { column, since, because, null_cursors, .. } = cursor;
    let run = if planned { "it would be" } else { "it was" };
    match (since, because) {
        (Some(since), _) => {
            let (arrived, last) =
                (counted(cursor.arrived.unwrap_or_default(), "row"), cursor.last_full.map(count));
            let last = last.unwrap_or_default();
            anstream::println!(
                "{sync}: {run} an incremental run: {arrived} came with {column} from {since} on; rows that have left the \
                 query since run {last}, the last full one, are found by the next full one"
            );
        }
        (None, Some(because)) => anstream::println!("{sync}: {run} a full run: {because}"),
        (None, None) => {}
    }
    if *null_cursors > 0 {
        anstream::println!(
            "{WARN}{sync}: {} with NULL in {column}{WARN:#}: changes there are found by full runs only",
            counted(*null_cursors, "row")
        );
    }
}
