//! How rows come, where a source was asked to unload.

use super::output::{GOOD, WARN};
use crate::engine::UnloadReport;

/// What `hydrant check` has found of it.
pub(super) fn check(unload: Option<&UnloadReport>) {
    match unload {
        Some(UnloadReport::Unloaded { .. }) => {
            anstream::println!(
                "   unload: the source writes the rows into the store; `hydrant plan` shows how"
            );
        }
        Some(UnloadReport::Streamed { because }) => {
            anstream::println!("   {WARN}unload: streamed{WARN:#}, because {because}");
        }
        None => {}
    }
}

/// What a run would do.
pub(super) fn plan(unload: Option<&UnloadReport>) {
    match unload {
        Some(UnloadReport::Unloaded { statement, .. }) => {
            anstream::println!(
                "  {GOOD}would run in the source{GOOD:#}: {}",
                statement.replace('\n', "\n  ")
            );
        }
        Some(UnloadReport::Streamed { because }) => {
            anstream::println!("  {WARN}unload: would be streamed{WARN:#}, because {because}");
        }
        None => {}
    }
}

/// What a run has done: only what is not as it was asked for.
pub(super) fn run(sync: &str, unload: Option<&UnloadReport>) {
    if let Some(UnloadReport::Streamed { because }) = unload {
        anstream::println!("{WARN}{sync}: unload: streamed{WARN:#}, because {because}");
    }
}
