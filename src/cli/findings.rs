//! What the guard found, for people.

use super::output::{BOLD, DIM, WARN, count};
use crate::{
    engine::Counts,
    guard::{Finding, Then},
};

/// One line a finding, and how to let all that is held back pass at once. `would` is for a plan.
pub(super) fn show(sync: &str, counts: &Counts, findings: &[Finding], would: bool) {
    show_for(&format!("run {sync}"), sync, counts, findings, would);
}

/// The same, for what `hydrant COMMAND` does or would do.
pub(super) fn show_for(command: &str, sync: &str, counts: &Counts, findings: &[Finding], would: bool) {
    for finding in findings {
        let done = match (finding.then, would) {
            (Then::Warn, _) => "look at this".to_owned(),
            (Then::Withhold, false) => format!("{} withheld", held(counts)),
            (Then::Withhold, true) => format!("{} would be withheld", held(counts)),
            (Then::Stop | Then::Off, _) => "a run would stop".to_owned(),
        };
        anstream::println!("{WARN}{sync}: {done}{WARN:#}: {}", finding.reason);
    }
    // Together: what one rule lets pass, another one would hold.
    let approvals: Vec<&str> =
        findings.iter().filter(|f| f.then != Then::Warn).map(|f| f.approve.as_str()).collect();
    if !approvals.is_empty() {
        let command = format!("hydrant {command} --approve {}", approvals.join(","));
        anstream::println!("{DIM}  if that is right:{DIM:#} {BOLD}{command}{BOLD:#}");
    }
}

fn held(counts: &Counts) -> String {
    let kinds = [
        (counts.inserts_withheld, "inserts"),
        (counts.updates_withheld, "updates"),
        (counts.deletes_withheld, "deletes"),
    ];
    let words: Vec<_> = kinds
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, kind)| format!("{} {kind}", count(*number)))
        .collect();
    words.join(", ")
}
