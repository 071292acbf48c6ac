//! The checker itself, with planted violations.

use super::violations;

#[track_caller]
fn assert_broken(file: &str, source: &str, line: usize, named: &str) {
    let found = violations(file, source);
    assert!(
        found.iter().any(|v| v.line == line && v.named == named),
        "{named} on line {line} of {file} went unnoticed; found: {found:?}"
    );
}

#[track_caller]
fn assert_kept(file: &str, source: &str) {
    assert_eq!(violations(file, source), []);
}

#[test]
fn a_target_that_uses_the_program_or_another_target_is_found() {
    assert_broken("targets/sqlite/src/lib.rs", "use hydrant::sync::SyncSpec;", 1, "hydrant::sync::SyncSpec");
    assert_broken(
        "targets/sqlite/src/lib.rs",
        "\nuse hydrant_target_memory as m;",
        2,
        "hydrant_target_memory",
    );
    assert_broken(
        "targets/sqlite/tests/suite.rs",
        "fn f() { hydrant_target_memory::new(); }",
        1,
        "hydrant_target_memory::new",
    );
    assert_kept("targets/sqlite/src/lib.rs", "use hydrant_contract::Target;");
    assert_kept("targets/sqlite/tests/suite.rs", "use hydrant_target_sqlite::Sqlite;");
}

#[test]
fn a_contract_with_a_driver_is_found() {
    assert_broken(
        "targets/contract/src/lib.rs",
        "fn f(c: &tokio_postgres::Client) {}",
        1,
        "tokio_postgres::Client",
    );
}

#[test]
fn a_pure_part_that_does_io_or_reads_a_clock_is_found() {
    assert_broken("src/diff/merge.rs", "use std::{\n    collections::BTreeMap,\n    fs,\n};", 3, "std::fs");
    assert_broken("src/diff/merge.rs", "use std::fs::{self, File};", 1, "std::fs::File");
    assert_broken(
        "src/guard/mod.rs",
        "use std::time::Instant as Clock;\nfn f() { Clock::now(); }",
        2,
        "Clock::now",
    );
    assert_broken("src/pace/mod.rs", "fn f(i: Instant) -> bool { i.elapsed() > LIMIT }", 1, ".elapsed");
    assert_broken("src/fingerprint/mod.rs", "fn f() { ::tokio::spawn(g()); }", 1, "tokio::spawn");
    assert_kept("src/guard/mod.rs", "use std::time::Duration;\nfn f(now: Duration) { let _ = now; }");
    assert_kept("src/diff/tests.rs", "use std::fs;");
}

#[test]
fn a_concrete_target_or_source_outside_of_the_registry_is_found() {
    assert_broken(
        "src/engine/mod.rs",
        "fn f() { hydrant_target_sqlite::open(); }",
        1,
        "hydrant_target_sqlite::open",
    );
    assert_broken(
        "src/cli/run.rs",
        "use crate::source::{Model, files::Files};",
        1,
        "crate::source::files::Files",
    );
    assert_kept("src/registry.rs", "use hydrant_target_sqlite::Sqlite;\nuse crate::source::files::Files;");
    assert_kept("src/source/mod.rs", "pub mod files;\npub use files::Files;");
    assert_kept("src/engine/mod.rs", "#[cfg(test)]\nmod tests {\n    use hydrant_target_memory::Memory;\n}");
}

#[test]
fn a_lower_part_that_knows_a_higher_one_is_found() {
    assert_broken(
        "src/store/mod.rs",
        "use crate::{engine::Engine, secret::Secret};",
        1,
        "crate::engine::Engine",
    );
    assert_broken("src/engine/mod.rs", "use crate::cli::bar;", 1, "crate::cli::bar");
    assert_kept("src/cli/run.rs", "use crate::engine::Engine;");
}

#[test]
fn printing_and_exiting_in_the_wrong_place_are_found() {
    assert_broken("src/engine/mod.rs", "fn f() {\n    println!(\"x\");\n}", 2, "println!");
    assert_broken("targets/postgres/src/copy.rs", "fn f() { std::eprintln!() }", 1, "std::eprintln!");
    assert_broken("src/cli/run.rs", "fn f() { std::process::exit(1) }", 1, "std::process::exit");
    assert_kept("src/cli/run.rs", "fn f() { println!(\"x\") }");
    assert_kept("src/main.rs", "fn main() { std::process::exit(hydrant::cli::main()) }");
}

#[test]
fn comments_strings_and_tests_do_not_count() {
    assert_kept(
        "src/diff/mod.rs",
        "//! [`tokio::spawn`]\n/* std::fs /* nested */ */\nconst A: &str = \"std::fs::read\";",
    );
    assert_kept("src/diff/mod.rs", "const A: &str = r#\"say \"std::fs::read\" \"#; const B: char = '\"';");
    assert_kept("src/engine/mod.rs", "#[cfg(test)]\nfn f() { if a != b { println!(\"{}\", '{'); } }");
    assert_broken("src/engine/mod.rs", "#[cfg(not(test))]\nfn f() { println!(); }", 2, "println!");
    assert_broken(
        "src/engine/mod.rs",
        "#[cfg(test)]\nmod tests;\nfn f<'a>(x: &'a str) { println!(); }",
        3,
        "println!",
    );
}
