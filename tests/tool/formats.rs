//! Stores of other versions of hydrant.

use crate::harness::{Project, hydrant};
use std::{collections::BTreeMap, fs, path::Path, process::Command};

/// All of a folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a file");
        }
    }
}

/// Format 1 kept deletes that were withheld in the change set, and not in the index. The fixture was written by the last
/// version that did so: twenty rows were published, then three of them with other values and 17 withheld deletes.
///
/// Contract: C36
#[test]
fn a_store_of_format_1_is_read_and_its_withheld_deletes_go_when_they_are_approved() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture = Path::new("tests/tool/fixtures/format-1");
    copy(fixture, folder.path());
    let sqlite = |sql: &str| {
        let output =
            Command::new("sqlite3").arg(folder.path().join("app.db")).arg(sql).output().expect("sqlite3");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    sqlite(&format!(".read '{}'", fixture.join("app.sql").display()));
    assert_eq!(sqlite("SELECT count(*) FROM items"), "20\n");
    let run = |arguments: &[&str]| {
        crate::harness::Ran::of(
            &hydrant(folder.path(), arguments, &BTreeMap::new()).output().expect("it starts"),
        )
    };

    let status = run(&["status"]);
    assert_eq!(status.code, 0, "{}", status.all());
    assert!(status.stdout.contains("17 deletes withheld"), "{}", status.stdout);
    assert_eq!(run(&["gc", "--dry-run"]).code, 0);
    let plan = run(&["rollback", "items", "2"]);
    assert_eq!(plan.code, 2, "{}", plan.all());
    assert!(
        plan.stdout.contains("0 to insert, 3 to update, 0 to delete"),
        "the 17 are still there: {}",
        plan.stdout
    );

    let withheld = run(&["run"]);
    assert_eq!(withheld.code, 3, "they are withheld again: {}", withheld.all());
    let ran = run(&["run", "items", "--approve", "deletes=17", "--output", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let report = &ran.json()["syncs"][0];
    assert_eq!((&report["deletes"], &report["unchanged"]), (&17.into(), &3.into()), "{report}");
    let wanted: String = fs::read_to_string(folder.path().join("items.csv"))
        .expect("the source")
        .lines()
        .skip(1)
        .map(|line| line.replace(',', "|") + "\n")
        .collect();
    assert_eq!(sqlite("SELECT id, name, score FROM items ORDER BY id"), wanted);
}

/// Contract: C36
#[test]
fn a_store_of_a_newer_version_is_refused_by_every_command() {
    let project = Project::sqlite();
    for csv in ["id,name\n1,one\n", "id,name\n1,two\n"] {
        project.items(csv);
        project.ok(&["run"]);
    }
    let commands: [&[&str]; 9] = [
        &["run"],
        &["plan"],
        &["check"],
        &["status"],
        &["gc"],
        &["gc", "--dry-run"],
        &["abandon", "items", "2"],
        &["rollback", "items", "2"],
        &["rollback", "items", "2", "--yes"],
    ];
    let newer = |path: &str| {
        let text = project.read(path);
        let newer = text.replace(r#""format": 2"#, r#""format": 4, "unheard_of": true"#);
        assert_ne!(newer, text);
        project.write(path, &newer);
        text
    };
    for path in
        ["store/items/manifests/00000002.published.json", "store/items/manifests/00000002.sealed.json"]
    {
        let text = newer(path);
        for command in commands {
            let ran = project.run(command);
            assert_eq!(ran.code, 9, "{command:?}: {}", ran.all());
            let says = "has format 4, this hydrant reads formats up to 3";
            assert!(ran.stderr.contains(says), "{command:?}: {}", ran.stderr);
        }
        project.write(path, &text);
    }
    assert_eq!(project.query("SELECT name FROM items"), ["two"]);
    project.ok(&["run"]);
}
