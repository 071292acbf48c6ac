//! The quickstart, as the README shows it; and on Postgres and S3 by changing two blocks.

use crate::harness::{Database, Project, Ran, hydrant, postgres_server, psql, required};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

struct Quickstart {
    folder: tempfile::TempDir,
    config: &'static str,
    database: Database,
    environment: BTreeMap<String, String>,
}

impl Quickstart {
    fn new(config: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(Path::new("examples/quickstart"), folder.path());
        let database = Database::Sqlite(folder.path().join("app.db"));
        Self { folder, config, database, environment: BTreeMap::new() }
    }

    fn run(&mut self, day: &str, arguments: &[&str]) -> Ran {
        self.environment.insert("DAY".into(), day.into());
        let arguments = [&["--config", self.config], arguments].concat();
        Ran::of(&hydrant(self.folder.path(), &arguments, &self.environment).output().unwrap())
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(|e| e.unwrap()) {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true if entry.file_name() == ".hydrant" => {}
            true => {
                fs::create_dir(&to).unwrap();
                copy(&entry.path(), &to);
            }
            false if entry.path().extension().is_some_and(|e| e == "db") => {}
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// Day 1, day 1 again, day 2: everything, nothing, only what changed.
fn three_runs(quickstart: &mut Quickstart) {
    let counts = |ran: &Ran| -> Vec<(String, [u64; 4])> {
        assert_eq!(ran.code, 0, "{}", ran.all());
        let syncs = ran.json()["syncs"].as_array().unwrap().clone();
        let count = |sync: &serde_json::Value, name: &str| sync[name].as_u64().unwrap();
        syncs
            .iter()
            .map(|s| {
                (
                    s["sync"].as_str().unwrap().to_owned(),
                    ["inserts", "updates", "deletes", "unchanged"].map(|c| count(s, c)),
                )
            })
            .collect()
    };
    let first = counts(&quickstart.run("day1", &["run", "--all", "--output", "json"]));
    assert_eq!(first.len(), 3);
    assert!(first.iter().all(
        |(_, [inserts, updates, deletes, unchanged])| *inserts > 0 && updates + deletes + unchanged == 0
    ));
    let again = counts(&quickstart.run("day1", &["run", "--all", "--output", "json"]));
    for ((sync, [inserts, ..]), (same, changes)) in first.iter().zip(&again) {
        assert_eq!((sync, changes), (same, &[0, 0, 0, *inserts]));
    }
    let second = counts(&quickstart.run("day2", &["run", "--all", "--output", "json"]));
    for (sync, [inserts, updates, deletes, unchanged]) in &second {
        assert!(
            *updates > 0 && *unchanged > inserts + updates + deletes,
            "{sync} changed a little: {second:?}"
        );
    }
    let database = &quickstart.database;
    let levels = database.column("usage_banners", "level");
    assert_eq!(levels.len(), 2006);
    assert_eq!(levels.iter().collect::<BTreeSet<_>>().len(), 3);
    let accounts = database.column("plan_dashboard", "accounts");
    assert_eq!(accounts.iter().map(|count| count.parse::<u32>().expect("a count")).sum::<u32>(), 2006);
}

#[test]
fn the_quickstart_writes_all_then_nothing_then_what_changed() {
    let mut quickstart = Quickstart::new("hydrant.yml");
    let plan = quickstart.run("day1", &["plan"]);
    assert!(
        plan.stdout.contains("CREATE TABLE") && !quickstart.folder.path().join(".hydrant").exists(),
        "{}",
        plan.all()
    );
    three_runs(&mut quickstart);
    let list = quickstart
        .database
        .query("SELECT json_array_length(products) FROM recommendations GROUP BY 1 ORDER BY 1 DESC");
    assert_eq!(list[0], "3");
}

#[test]
fn the_quickstart_runs_on_postgres_and_s3() {
    let mut quickstart = Quickstart::new("hydrant.postgres-s3.yml");
    let name = format!("quickstart_{}", std::process::id());
    psql(&postgres_server(), &format!("CREATE DATABASE {name}"));
    let url = format!("{}/{name}", postgres_server().rsplit_once('/').unwrap().0);
    let environment = [
        ("APP_DATABASE_URL", url.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "testsecret"),
    ];
    quickstart.environment.extend(environment.map(|(k, v)| (k.to_owned(), v.to_owned())));
    // The servers of the tests listen elsewhere than those of the compose file.
    let path = quickstart.folder.path().join(quickstart.config);
    let config = fs::read_to_string(&path).unwrap();
    let ours = config
        .replace("s3://hydrant/quickstart", &format!("s3://hydrant-test/{name}"))
        .replace("http://127.0.0.1:8333", &required("HYDRANT_TEST_S3"));
    assert_ne!(ours, config);
    fs::write(&path, ours).unwrap();
    quickstart.database = Database::Postgres { url };
    three_runs(&mut quickstart);
    assert_eq!(quickstart.database.query("SELECT max(cardinality(products)) FROM recommendations"), ["3"]);
}

/// By changing one block of the YAML, as the quickstart's page says.
fn on(kind: &str, project: Project) -> Quickstart {
    let mut quickstart = Quickstart::new("hydrant.yml");
    let path = quickstart.folder.path().join(quickstart.config);
    let config = fs::read_to_string(&path).unwrap();
    let other = config.replace(
        "    type: sqlite\n    path: app.db\n",
        &format!("    type: {kind}\n    url: ${{APP_DATABASE_URL}}\n"),
    );
    assert_ne!(other, config);
    fs::write(&path, other).unwrap();
    quickstart.environment.insert("APP_DATABASE_URL".into(), project.environment["APP"].clone());
    quickstart.database = project.database;
    three_runs(&mut quickstart);
    quickstart
}

#[test]
fn the_quickstart_runs_on_mysql() {
    let quickstart = on("mysql", Project::mysql());
    assert_eq!(quickstart.database.query("SELECT max(json_length(products)) FROM recommendations"), ["3"]);
}

#[test]
fn the_quickstart_runs_on_mariadb() {
    let quickstart = on("mysql", Project::mariadb());
    assert_eq!(quickstart.database.query("SELECT max(json_length(products)) FROM recommendations"), ["3"]);
}

#[test]
fn the_quickstart_runs_on_mongodb() {
    for project in [Project::mongodb(), Project::mongodb_alone()] {
        let quickstart = on("mongodb", project);
        let lists = quickstart.database.column("recommendations", "products");
        let longest =
            lists.iter().map(|list| serde_json::from_str::<Vec<String>>(list).expect("a list").len());
        assert_eq!(longest.max(), Some(3));
        // A key of several columns is a document.
        let keys = quickstart.database.column("plan_dashboard", "_id");
        assert!(keys.iter().all(|key| key.starts_with("{\"plan\": ")), "{keys:?}");
    }
}
