//! A password is not in anything that is printed, logged or stored, however much is asked for.

use crate::harness::{Database, Project, postgres_server, psql};
use std::{fs, path::Path};

/// Contract: C38
#[test]
fn the_password_is_nowhere_in_output_logs_or_store() {
    let password = "Tr0ub4dor-and-3";
    let role = format!("keeper_{}", std::process::id());
    psql(&postgres_server(), &format!("CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{password}'"));
    let mut project = Project::postgres();
    let Database::Postgres { url } = &project.database else { unreachable!() };
    let url = url.replace("postgres:secret@", &format!("{role}:{password}@"));
    project.env("APP", &url);
    project.items("id,name\n1,one\n2,two\n");
    let mut printed = String::new();
    for arguments in [
        &["check"][..],
        &["plan", "-vv"],
        &["run", "-vv"],
        &["run", "-vv", "--output", "json"],
        &["status", "-v", "--output", "json"],
    ] {
        let ran = project.ok(arguments);
        printed += &ran.all();
    }
    project.query("ALTER TABLE items DROP COLUMN name");
    printed += &project.run(&["run", "-vv"]).all();
    project.env("APP", &url.replace("127.0.0.1:", "127.0.0.1:1"));
    printed += &project.run(&["run", "-vv"]).all();
    project.env("APP", &url.replace("postgres://", "postgrs://"));
    printed += &project.run(&["run", "-vv"]).all();
    let config = project.read("hydrant.yml").replace("type: postgres", "type: postgers");
    project.write("hydrant.yml", &config);
    printed += &project.run(&["run", "-vv"]).all();
    assert!(printed.contains("items") && printed.len() > 2000, "there is something to look through");
    assert!(!printed.contains(password));
    assert_eq!(holding(&project.path("store"), password), Vec::<String>::new());
}

/// Files below a folder that hold a text.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()) {
        if entry.is_dir() {
            found.extend(holding(&entry, text));
        } else if fs::read(&entry).expect("a file").windows(text.len()).any(|w| w == text.as_bytes()) {
            found.push(entry.display().to_string());
        }
    }
    found
}
