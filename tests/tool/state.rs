//! Store and target must belong together, and a sync keeps its place and its key.

use crate::harness::{Project, everywhere};
use std::fs;

const ITEMS: &str = "id,name\n1,one\n2,two\n";

fn published(project: &Project) {
    project.items(ITEMS);
    project.ok(&["run"]);
}

/// Contract: C16
#[test]
fn a_table_that_vanished_is_not_taken_for_up_to_date() {
    everywhere(|project| {
        let project = project();
        published(&project);
        project.query("DROP TABLE items");
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 9, "{}", ran.all());
        assert!(ran.stderr.contains("does not have its table any more"), "{}", ran.stderr);
        project.ok(&["run", "items", "--resend"]);
        assert_eq!(project.query("SELECT * FROM items ORDER BY id"), ["1|one", "2|two"]);
        project.ok(&["run"]);
    });
}

/// Contract: C16
#[test]
fn a_database_restored_from_an_older_backup_is_noticed() {
    everywhere(|project| {
        let project = project();
        published(&project);
        let checkpoints = project.database.checkpoints();
        project.items("id,name\n1,one\n2,changed\n");
        project.ok(&["run"]);
        project.query(&format!("UPDATE {checkpoints} SET run = 1"));
        project.query("UPDATE items SET name = 'two' WHERE id = 2");
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 9, "{}", ran.all());
        assert!(ran.stderr.contains("the target remembers run 1 as the last"), "{}", ran.stderr);
        project.ok(&["run", "items", "--resend"]);
        assert_eq!(project.query("SELECT name FROM items WHERE id = 2"), ["changed"]);
    });
}

/// Contract: C16
#[test]
fn a_store_that_lost_its_last_run_is_noticed() {
    let project = Project::sqlite();
    published(&project);
    project.items("id,name\n1,one\n");
    project.ok(&["run"]);
    for name in ["00000002.sealed.json", "00000002.published.json"] {
        fs::remove_file(project.path(&format!("store/items/manifests/{name}"))).expect("a manifest");
    }
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 9, "{}", ran.all());
    assert!(
        ran.stderr.contains("last written by run 2") && ran.stderr.contains("nothing later than run 1"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_lost_store_is_refused_by_the_target_with_the_reason() {
    everywhere(|project| {
        let project = project();
        published(&project);
        project.ok(&["run"]);
        fs::remove_dir_all(project.path("store")).expect("the store");
        let ran = project.run(&["run"]);
        assert_ne!(ran.code, 0);
        assert!(ran.stderr.contains("epoch") || ran.stderr.contains("store was restored"), "{}", ran.stderr);
        assert_eq!(project.query("SELECT count(*) FROM items"), ["2"]);
    });
}

#[test]
fn a_sync_that_is_pointed_elsewhere_is_refused() {
    let project = Project::sqlite();
    published(&project);
    let config = project.read("hydrant.yml").replace("table: items", "table: others");
    project.write("hydrant.yml", &config);
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 9);
    assert!(
        ran.stderr.contains("has kept app:items until now, and the configuration says app:others"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("give the sync another name"), "{}", ran.stderr);
}

#[test]
fn another_key_is_refused() {
    let project = Project::sqlite();
    published(&project);
    project.sync("key: [name]");
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 9);
    assert!(ran.stderr.contains("the key of this sync was (id"), "{}", ran.stderr);
}

#[test]
fn a_column_that_the_table_lacks_is_named_with_the_statement_and_then_filled() {
    everywhere(|project| {
        let project = project();
        published(&project);
        project.model("SELECT id, name, id * 2 AS twice FROM items");
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 9, "{}", ran.all());
        let statement = ran.stderr.lines().find_map(|line| Some(&line[line.find("ALTER TABLE")?..]));
        project.query(statement.unwrap_or_else(|| panic!("{}", ran.stderr)));
        let report = project.report();
        assert_eq!(report["updates"], 2, "all rows are compared anew: {report}");
        assert_eq!(project.query("SELECT id, twice FROM items ORDER BY id"), ["1|2", "2|4"]);
    });
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let project = Project::sqlite();
    published(&project);
    let path = "store/items/manifests/00000001.published.json";
    project.write(path, &project.read(path).replace(r#""format": 2"#, r#""format": 4"#));
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 9, "{}", ran.all());
    assert!(ran.stderr.contains("has format 4, this hydrant reads formats up to 3"), "{}", ran.stderr);
}

#[test]
fn freshness_tells_the_application_how_old_the_table_is() {
    everywhere(|project| {
        let project = project();
        published(&project);
        let freshness = project.database.freshness();
        let read = || {
            project.query(&format!("SELECT run, rows, as_of FROM {freshness} WHERE sync = 'items'")).remove(0)
        };
        let first = read();
        assert!(first.starts_with("1|2|20"), "{first}");
        project.ok(&["run"]);
        let second = read();
        assert!(
            second.starts_with("2|2|20") && second[4..] > first[4..],
            "it advances although nothing changed: {second}"
        );
    });
}
