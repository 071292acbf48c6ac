//! DuckDB writes to S3 by its extension httpfs, with the keys of the store.

use super::{MANY_TYPES, duckdb};
use crate::harness::{Project, required};
use std::{fs, os::unix::fs::symlink};

/// The settings of a DuckDB that has the extension, and those of one that has none.
fn extensions(project: &Project) -> (String, String) {
    let libraries = required("HYDRANT_TEST_ADBC");
    // As `INSTALL` puts it there.
    let folder = project.path("extensions/v1.5.5/linux_amd64");
    fs::create_dir_all(&folder).unwrap();
    fs::create_dir_all(project.path("nothing")).unwrap();
    symlink(format!("{libraries}/httpfs.duckdb_extension"), folder.join("httpfs.duckdb_extension")).unwrap();
    let settings = |name: &str| format!("settings: {{ extension_directory: {:?} }}", project.path(name));
    (settings("extensions"), settings("nothing"))
}

/// A place in the bucket of the tests that nobody else uses.
fn store() -> String {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_nanos();
    format!(
        "{{ url: \"s3://hydrant-test/unload-{}-{now}\", options: {{ endpoint: {:?}, region: us-east-1, \
         access_key_id: test, secret_access_key: testsecret }} }}",
        std::process::id(),
        required("HYDRANT_TEST_S3"),
    )
}

#[test]
fn rows_go_by_way_of_a_bucket_and_do_not_look_changed() {
    let (project, store) = (Project::sqlite(), store());
    let (there, missing) = extensions(&project);
    project.model(MANY_TYPES);
    duckdb(&project, &store, &there, "");
    assert_eq!(project.report()["inserts"], 300);

    duckdb(&project, &store, &format!("{there}, unload: true"), "");
    let plan = project.run(&["plan"]);
    assert!(plan.all().contains("TO 's3://hydrant-test/unload-"), "{}", plan.all());
    assert!(!plan.all().contains("testsecret") && !plan.all().contains("SECRET"), "{}", plan.all());
    let ran = project.command(&["run", "--output", "json"]).env("RUST_LOG", "debug").output().unwrap();
    let ran = crate::harness::Ran::of(&ran);
    let report = &ran.json()["syncs"][0];
    assert_eq!(
        (&report["unchanged"], &report["unload"]["way"]),
        (&300.into(), &"unloaded".into()),
        "{report:#}"
    );
    assert!(!ran.all().contains("testsecret"), "no log holds the keys");

    duckdb(&project, &store, &format!("{missing}, unload: true"), "");
    let because =
        "because DuckDB writes to S3 by its extension httpfs, which is not installed where hydrant runs";
    let check = project.ok(&["check"]);
    assert!(check.stdout.contains(because), "{}", check.stdout);
    let report = project.report();
    assert_eq!(
        (&report["unchanged"], &report["unload"]["way"]),
        (&300.into(), &"streamed".into()),
        "{report:#}"
    );
}
