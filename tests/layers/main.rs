//! The one-way rule of the architecture, read from the source files (see ARCHITECTURE.md).
//!
//! The table [`RULES`] is the rule; everything else finds out what a file names. What it says of a path holds for the
//! `use` that brings the path in and for the path written out; comments, strings and (where a rule says so) tests do
//! not count.

// Everything here is a test, also what no `#[test]` stands on.
#![allow(clippy::unwrap_used)]

mod contract;
mod manifest;
mod names;
mod planted;

use names::Name;
use std::{fmt, fs, path::PathBuf};

/// Who may not name what.
struct Rule {
    /// The reason, as the reader of a failure needs it.
    why: &'static str,
    /// Files and folders that it holds for; `*` stands for one folder's name.
    places: &'static [&'static str],
    /// Files and folders among them that it does not hold for.
    except: &'static [&'static str],
    /// Whether test code is free to do it.
    tests_excepted: bool,
    /// What may not be named; see [`Name::is`].
    forbidden: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule {
        why: "what lies under targets/ does not know the program that uses it",
        places: &["targets"],
        except: &[],
        tests_excepted: false,
        forbidden: &["hydrant"],
    },
    Rule {
        why: "no target knows another one",
        places: &["targets"],
        except: &[],
        tests_excepted: false,
        forbidden: &["hydrant_target_*"],
    },
    Rule {
        why: "what lies under connections/ is shared by targets and sources, and knows neither of them nor the program",
        places: &["connections"],
        except: &[],
        tests_excepted: false,
        forbidden: &["hydrant", "hydrant_contract", "hydrant_conformance", "hydrant_target_*"],
    },
    Rule {
        why: "the contract knows no driver, no runtime and no I/O",
        places: &["targets/contract"],
        except: &[],
        tests_excepted: true,
        forbidden: &[
            "tokio",
            "tokio_postgres",
            "hydrant_postgres",
            "sqlx",
            "mysql_async",
            "mongodb",
            "object_store",
            "parquet",
            "datafusion",
            "rustls",
            "std::fs",
            "std::net",
            "std::env",
            "std::process",
        ],
    },
    Rule {
        why: "mapping, fingerprint, diff, guard and pace are pure: rows, counts and times come in as values, so that a test can \
              say them",
        places: &[
            "src/fingerprint",
            "src/diff",
            "src/guard",
            "src/mapping",
            "src/cursor",
            "src/mend",
            "src/pace",
            "src/fingerprint.rs",
            "src/diff.rs",
            "src/guard.rs",
            "src/pace.rs",
        ],
        except: &[],
        tests_excepted: true,
        forbidden: &[
            "tokio",
            "object_store",
            "datafusion",
            "tempfile",
            "tracing",
            "hydrant_target_*",
            "std::fs",
            "std::net",
            "std::env",
            "std::process",
            "std::io",
            "std::thread",
            "thread::sleep",
            "::now",
            ".elapsed",
            "crate::store",
            "crate::source",
            "crate::config",
            "crate::apply",
        ],
    },
    Rule {
        why: "src/dbt reads what dbt has written, and knows neither syncs nor what becomes of them",
        places: &["src/dbt"],
        except: &[],
        tests_excepted: true,
        forbidden: &[
            "tokio",
            "object_store",
            "datafusion",
            "::now",
            "crate::config",
            "crate::source",
            "crate::store",
            "crate::sync",
            "crate::apply",
        ],
    },
    Rule {
        why: "only src/registry.rs names concrete targets",
        places: &["src"],
        except: &["src/registry.rs", "src/registry"],
        tests_excepted: true,
        forbidden: &["hydrant_target_*"],
    },
    Rule {
        why: "only src/registry.rs names concrete sources",
        places: &["src"],
        except: &["src/registry.rs", "src/registry", "src/source"],
        tests_excepted: true,
        forbidden: &["source::files", "source::postgres", "source::adbc"],
    },
    Rule {
        why: "the engine is above all but the command line: what it calls does not call it",
        places: &["src"],
        except: &["src/engine", "src/engine.rs", "src/cli", "src/serve", "src/main.rs"],
        tests_excepted: true,
        forbidden: &["crate::engine", "crate::registry"],
    },
    Rule {
        why: "nothing below the command line knows the command line",
        places: &["src"],
        except: &["src/cli", "src/main.rs"],
        tests_excepted: true,
        forbidden: &["crate::cli", "clap", "indicatif", "comfy_table"],
    },
    Rule {
        why: "only src/cli prints: everything else returns what the caller needs to know",
        places: &["src", "targets/*/src", "connections/*/src"],
        // The conformance suite runs in tests only, and tells the seed that repeats a failure.
        except: &["src/cli", "targets/conformance/src"],
        tests_excepted: true,
        forbidden: &["println!", "print!", "eprintln!", "eprint!", "dbg!", "io::stdout"],
    },
    Rule {
        why: "only src/main.rs ends the process",
        places: &["src", "targets/*/src", "connections/*/src"],
        except: &["src/main.rs"],
        tests_excepted: true,
        forbidden: &["process::exit", "process::abort", ".exit"],
    },
];

/// A rule that a line breaks.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    file: String,
    line: usize,
    named: String,
    why: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: names {} ({})", self.file, self.line, self.named, self.why)
    }
}

impl Rule {
    fn watches(&self, file: &str) -> bool {
        let under = |place: &&str| is_under(file, place);
        self.places.iter().any(under) && !self.except.iter().any(under)
    }

    fn violations(&self, file: &str, names: &[Name]) -> Vec<Violation> {
        if !self.watches(file) {
            return Vec::new();
        }
        let in_test_file = is_test_file(file);
        names
            .iter()
            .filter(|name| !(self.tests_excepted && (in_test_file || name.in_test)))
            .filter(|name| self.forbidden.iter().any(|pattern| name.is(pattern)))
            .filter(|name| !own_crate(file).is_some_and(|own| name.is(&own)))
            .map(|name| Violation {
                file: file.to_owned(),
                line: name.line,
                named: name.to_string(),
                why: self.why,
            })
            .collect()
    }
}

/// Whether the file is the place or lies in it. A `*` in the place is one part of the path, whatever its name.
fn is_under(file: &str, place: &str) -> bool {
    let mut parts = file.split('/');
    place.split('/').all(|wanted| parts.next().is_some_and(|part| wanted == "*" || wanted == part))
}

/// The crate of a target that the file belongs to; its tests name it from outside.
fn own_crate(file: &str) -> Option<String> {
    let folder = file.strip_prefix("targets/")?.split('/').next()?;
    Some(format!("hydrant_target_{folder}"))
}

/// Whether all of the file is test code: a file of tests beside its module, or one in a folder of tests or benches.
fn is_test_file(file: &str) -> bool {
    let mut parts = file.split('/').rev();
    parts.next() == Some("tests.rs") || parts.any(|folder| folder == "tests" || folder == "benches")
}

fn violations(file: &str, source: &str) -> Vec<Violation> {
    let names = names::in_source(source);
    RULES.iter().flat_map(|rule| rule.violations(file, &names)).collect()
}

/// Every file below these folders of the repository with this ending.
fn files(folders: &[&str], ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                waiting.push(entry.path());
            } else if entry.file_name().to_string_lossy().ends_with(ending) {
                found.push(entry.path().to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

fn rust_files() -> Vec<String> {
    files(&["src", "targets", "connections"], ".rs")
}

fn fail_with<V: fmt::Display>(violations: &[V]) {
    let lines: Vec<String> = violations.iter().map(V::to_string).collect();
    assert!(
        lines.is_empty(),
        "the one-way rule is broken in {} places:\n{}\n",
        lines.len(),
        lines.join("\n")
    );
}

#[test]
fn no_source_file_breaks_the_one_way_rule() {
    let mut found = Vec::new();
    for file in rust_files() {
        found.extend(violations(&file, &fs::read_to_string(&file).unwrap()));
    }
    fail_with(&found);
}

#[test]
fn no_manifest_breaks_the_one_way_rule() {
    let mut found = Vec::new();
    for file in files(&["targets", "connections"], "Cargo.toml") {
        found.extend(manifest::violations(&file, &fs::read_to_string(&file).unwrap()));
    }
    fail_with(&found);
}

/// A folder that was renamed would take its rule along into silence.
#[test]
fn every_rule_watches_some_file() {
    let files = rust_files();
    for rule in RULES {
        assert!(files.iter().any(|file| rule.watches(file)), "no file is watched by the rule: {}", rule.why);
    }
}
