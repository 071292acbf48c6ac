//! The one-way rule as the manifests under `targets/` and `connections/` show it.

use std::fmt;

/// All that the contract is built from. A further crate is a decision: every target is built from it too.
const CONTRACT_MAY_USE: &[&str] =
    &["arrow", "async-trait", "chrono", "serde", "serde_json", "thiserror", "uuid"];

/// A dependency that a manifest must not have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    file: String,
    line: usize,
    dependency: String,
    why: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: depends on {} ({})", self.file, self.line, self.dependency, self.why)
    }
}

/// What is wrong with the dependencies of one manifest.
pub(crate) fn violations(file: &str, manifest: &str) -> Vec<Violation> {
    let is_contract = file.starts_with("targets/contract/");
    let is_connection = file.starts_with("connections/");
    dependencies(manifest)
        .into_iter()
        .filter_map(|(line, dev, dependency)| {
            let why = if is_connection && dependency.starts_with("hydrant") {
                "a connection knows neither targets nor sources nor the program"
            } else if dependency == "hydrant" {
                "what lies under targets/ does not know the program that uses it"
            } else if dependency.starts_with("hydrant-target-") {
                "no target knows another one"
            } else if dependency == "hydrant-conformance" && !dev {
                "the suite is for tests: a dev-dependency"
            } else if is_contract && !dev && !CONTRACT_MAY_USE.contains(&dependency.as_str()) {
                "the contract knows no driver; its few dependencies are listed in tests/layers/manifest.rs"
            } else {
                return None;
            };
            Some(Violation { file: file.to_owned(), line, dependency, why })
        })
        .collect()
}

/// Every dependency with its line and whether only tests use it, from `name = …`, `name.workspace = true` and
/// `[dependencies.name]`, in the sections of all platforms.
fn dependencies(manifest: &str) -> Vec<(usize, bool, String)> {
    let mut found = Vec::new();
    let mut section: Option<bool> = None;
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let parts: Vec<&str> = header.split('.').collect();
            let at = parts.iter().position(|part| part.ends_with("dependencies"));
            section = at.map(|at| parts[at].starts_with("dev-"));
            if let (Some(at), Some(dev)) = (at, section)
                && let Some(name) = parts.get(at + 1)
            {
                found.push((index + 1, dev, (*name).trim_matches('"').to_owned()));
                section = None;
            }
        } else if let Some(dev) = section
            && line.starts_with(|c: char| c.is_alphanumeric() || c == '"')
            && let Some((name, _)) = line.split_once(['=', '.'])
        {
            found.push((index + 1, dev, name.trim().trim_matches('"').to_owned()));
        }
    }
    found
}

#[track_caller]
fn assert_broken(file: &str, manifest: &str, line: usize, dependency: &str) {
    let found = violations(file, manifest);
    assert!(
        found.iter().any(|v| v.line == line && v.dependency == dependency),
        "{dependency} on line {line} of {file} went unnoticed; found: {found:?}"
    );
}

#[test]
fn a_manifest_that_points_the_wrong_way_is_found() {
    assert_broken(
        "targets/sqlite/Cargo.toml",
        "[dependencies]\nhydrant = { path = \"../..\" }",
        2,
        "hydrant",
    );
    assert_broken(
        "targets/sqlite/Cargo.toml",
        "[dev-dependencies]\nhydrant-target-memory.workspace = true",
        2,
        "hydrant-target-memory",
    );
    assert_broken("targets/sqlite/Cargo.toml", "[dependencies.hydrant]\npath = \"../..\"", 1, "hydrant");
    assert_broken(
        "targets/sqlite/Cargo.toml",
        "[target.'cfg(unix)'.dependencies]\nhydrant = \"1\"",
        2,
        "hydrant",
    );
    assert_broken(
        "targets/sqlite/Cargo.toml",
        "[dependencies]\nhydrant-conformance.workspace = true",
        2,
        "hydrant-conformance",
    );
    assert_broken(
        "connections/postgres/Cargo.toml",
        "[dependencies]\nhydrant-contract.workspace = true",
        2,
        "hydrant-contract",
    );
    assert_broken(
        "targets/contract/Cargo.toml",
        "[dependencies]\n\ntokio-postgres = \"0.7\"",
        3,
        "tokio-postgres",
    );
}

#[test]
fn a_manifest_that_points_the_right_way_is_kept() {
    let manifest = "[package]\nname = \"hydrant-target-sqlite\"\n\n[dependencies]\nhydrant-contract.workspace = true\nsqlx = \"0.9\"\n\n\
                    [dev-dependencies]\nhydrant-conformance.workspace = true\n";
    assert_eq!(violations("targets/sqlite/Cargo.toml", manifest), []);
}
