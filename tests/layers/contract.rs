//! Every clause of `docs/contract.md` is cited by a test, and every citation is of a clause that is there.

use super::files;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

const CITATION: &str = "Contract: ";

/// The clauses of the document, by number.
fn clauses(document: &str) -> Vec<u32> {
    document.lines().filter_map(|line| line.strip_prefix("**C")?.split_once("**")?.0.parse().ok()).collect()
}

/// The clauses that comments above tests of this file cite, and what is wrong with citations elsewhere.
fn citations(path: &str, text: &str) -> (BTreeSet<u32>, Vec<String>) {
    let mut cited = BTreeSet::new();
    let mut wrong = Vec::new();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for (at, line) in lines.iter().enumerate() {
        let Some(list) = line.strip_prefix("//").and_then(|comment| comment.split_once(CITATION)) else {
            continue;
        };
        let place = format!("{path}:{}", at + 1);
        let numbers: Vec<_> = list.1.trim_end_matches('.').split(", ").map(clause).collect();
        if numbers.iter().any(Option::is_none) {
            wrong.push(format!("{place}: write `{CITATION}C1` or `{CITATION}C1, C2`, at the end of a line"));
        }
        if !above_a_test(path, &lines[at + 1..]) {
            wrong.push(format!("{place}: a clause is cited above something that is no test"));
        }
        cited.extend(numbers.into_iter().flatten());
    }
    (cited, wrong)
}

fn clause(text: &str) -> Option<u32> {
    text.strip_prefix('C')?.parse().ok()
}

/// Whether what follows a comment is a test; the cases of the conformance suite are plain functions.
fn above_a_test(path: &str, lines: &[&str]) -> bool {
    let mut is_test = path.starts_with("targets/conformance/src/cases");
    for line in lines {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if !line.starts_with("//") && !line.starts_with("#[") {
            let is_function = ["fn ", "async fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn "];
            let is_function = is_function.iter().any(|start| line.starts_with(start))
                || line.starts_with("pub(crate) async fn ")
                || line.starts_with("pub(super) async fn ");
            return is_test && is_function;
        }
    }
    false
}

#[test]
fn every_clause_of_the_contract_is_cited_by_a_test_and_none_is_cited_that_is_gone() {
    let document = fs::read_to_string("docs/contract.md").unwrap();
    let clauses = clauses(&document);
    assert!(clauses.is_sorted_by(|a, b| a < b) && clauses.len() > 10, "numbers ascend: {clauses:?}");
    let mut cited: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut problems = Vec::new();
    for path in files(&["src", "tests", "targets"], ".rs") {
        // This file speaks of citations.
        if path == "tests/layers/contract.rs" {
            continue;
        }
        let (numbers, wrong) = citations(&path, &fs::read_to_string(&path).unwrap());
        problems.extend(wrong);
        for number in numbers {
            cited.entry(number).or_default().push(path.clone());
        }
    }
    for (number, paths) in &cited {
        if !clauses.contains(number) {
            problems.push(format!("C{number}, cited in {}, is not in docs/contract.md", paths.join(", ")));
        }
    }
    for number in clauses.iter().filter(|number| !cited.contains_key(number)) {
        problems.push(format!("C{number} of docs/contract.md is cited by no test"));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn citations_count_only_above_tests() {
    let text = "/// It is so.\n/// Contract: C1, C2\n#[test]\nfn it_is_so() {}\n\n// Contract: C3\nfn helper() {}\n\
                // Contract: 4\n#[tokio::test(start_paused = true)]\nasync fn b() {}\n";
    let (cited, wrong) = citations("tests/x.rs", text);
    assert_eq!(cited.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].starts_with("tests/x.rs:6") && wrong[1].starts_with("tests/x.rs:8"), "{wrong:?}");
    assert_eq!(clauses("**C1** a\n**C12** b\nC3\n"), [1, 12]);
}
