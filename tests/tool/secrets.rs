//! A password is not in anything that is printed, logged or stored, however much is asked for.

use crate::harness::{Database, Project, postgres_server, psql};
use std::{fs, path::Path};

const PASSWORD: &str = "Tr0ub4dor-and-3";

/// The name of an account that no other test uses.
fn keeper() -> String {
    format!("keeper_{}", std::process::id())
}

/// Contract: C38
#[test]
fn the_password_of_postgres_is_nowhere_in_output_logs_or_store() {
    let role = keeper();
    psql(&postgres_server(), &format!("CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{PASSWORD}'"));
    nowhere(Project::postgres(), "postgres:secret@", &role);
}

/// Contract: C38
#[test]
fn the_password_of_mysql_is_nowhere_in_output_logs_or_store() {
    for project in [Project::mysql(), Project::mariadb()] {
        let user = keeper();
        project.query(&format!("CREATE USER {user} IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO {user}"));
        nowhere(project, "root:secret@", &user);
    }
}

/// Contract: C38
#[test]
fn the_password_of_mongodb_is_nowhere_in_output_logs_or_store() {
    for project in [Project::mongodb(), Project::mongodb_alone()] {
        let user = keeper();
        let Database::Mongodb { url } = &project.database else { unreachable!() };
        Database::mongodb(url, &["account", &user, PASSWORD]);
        nowhere(project, "root:secret@", &user);
    }
}

/// Everything is asked for and much goes wrong, with an account whose password then is nowhere.
fn nowhere(mut project: Project, account: &str, user: &str) {
    let root = project.environment["APP"].clone();
    let url = root.replace(account, &format!("{user}:{PASSWORD}@"));
    assert_ne!(url, root);
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
    if !matches!(project.database, Database::Mongodb { .. }) {
        project.query("ALTER TABLE items DROP COLUMN name");
    }
    printed += &project.run(&["run", "-vv"]).all();
    let scheme = url.split_once("://").expect("a scheme").0;
    for wrong in [
        // Nobody is there, nobody knows the account, and two that no server ever sees.
        url.replace("127.0.0.1:", "127.0.0.1:1"),
        url.replace(user, "nobody"),
        url.replace(scheme, "nothing"),
        format!("{url}{}wrong=1", if url.contains('?') { "&" } else { "?" }),
    ] {
        project.env("APP", &wrong);
        let ran = project.run(&["run", "-vv"]);
        printed += &ran.all();
    }
    let config = project.read("hydrant.yml").replace("type: ", "type: x");
    project.write("hydrant.yml", &config);
    printed += &project.run(&["run", "-vv"]).all();
    assert!(printed.contains("items") && printed.len() > 2000, "there is something to look through");
    assert!(!printed.contains(PASSWORD));
    assert_eq!(holding(&project.path("store"), PASSWORD), Vec::<String>::new());
}

/// Files below a folder that hold a text.
pub(crate) fn holding(folder: &Path, text: &str) -> Vec<String> {
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
