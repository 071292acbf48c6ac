//! A table that is there already, kept by another tool until now, is taken over without writing a row of it.

use crate::harness::{Database, Project, allow_writes, everywhere, refuse_writes};
use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use async_trait::async_trait;
use futures::StreamExt;
use hydrant::{
    clock::SystemClock,
    engine::{self, Env, Observer, Pace, RunOptions, Step},
    point::Point,
    source::{About, Dialect, Model, Rows, Source, SourceError, Staging, Unload},
    store::{Kind, LeaseTimes, SyncStore},
    sync::{
        DuplicateKeys, ExportKind, ExposureSpec, GuardRules, NullKeys, Redact, RejectCeiling, Retention,
        SyncSpec,
    },
};
use hydrant_contract::{Checkpoint, Deletes, Documents, Mode, Shape, TableName, TableSpec, Target};
use hydrant_target_memory::MemoryTarget;
use object_store::memory::InMemory;
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

/// What another tool has left: hydrant's columns, one of the application's, and an index of its own.
fn theirs(project: Project) -> Project {
    project.query("CREATE TABLE items (id BIGINT PRIMARY KEY, own TEXT, name TEXT, score BIGINT)");
    project.query(
        "INSERT INTO items VALUES (1, 'a', 'one', 10), (2, 'b', 'two', 20), (3, 'c', 'three', NULL), (4, 'd', 'four', 40)",
    );
    project
}

/// All that is in the table, and in Postgres by which transaction each row was written.
fn witness(project: &Project) -> Vec<String> {
    project.query(match project.database {
        Database::Postgres { .. } => "SELECT ctid, xmin, * FROM items ORDER BY id",
        _ => "SELECT * FROM items ORDER BY id",
    })
}

/// Contract: C33
#[test]
fn adopting_writes_no_row_and_the_next_run_sends_only_what_differs() {
    everywhere(|project| {
        let project = theirs(project());
        refuse_writes(&project);
        // One row differs, one is new; one (4) the query does not have.
        project.items("id,name,score\n1,one,10\n2,zwei,20\n3,three,\n5,five,50\n");
        let before = witness(&project);
        let adopted = project.ok(&["adopt", "items", "--output", "json"]).json()["syncs"][0].take();
        assert_eq!((&adopted["adopted"], &adopted["left_out"]), (&4.into(), &0.into()), "{adopted}");
        assert_eq!(witness(&project), before);
        let fresh = format!("SELECT count(*) FROM {}", project.database.freshness());
        assert_eq!(project.query(&fresh), ["0"], "how fresh it is, nobody knows");
        assert!(project.ok(&["status"]).stdout.contains("not known"));
        project.ok(&["verify"]);

        let plan = project.ok(&["plan", "--output", "json"]).json()["syncs"][0].take();
        let counts =
            |of: &serde_json::Value| ["inserts", "updates", "deletes", "unchanged"].map(|c| of[c].as_u64());
        assert_eq!(counts(&plan), [1, 1, 1, 2].map(Some), "{plan}");
        assert_eq!(witness(&project), before);
        allow_writes(&project);
        assert_eq!(counts(&project.report()), [1, 1, 1, 2].map(Some));
        let after = witness(&project);
        assert_eq!(
            (&after[0], &after[2]),
            (&before[0], &before[2]),
            "rows that did not differ are as they were"
        );
        assert_eq!(
            project.query("SELECT id, own, name, score FROM items ORDER BY id"),
            ["1|a|one|10", "2|b|zwei|20", "3|c|three|", "5||five|50"]
        );
        assert_eq!(project.query(&fresh), ["1"]);
        project.ok(&["verify"]);
        // Back to what was adopted: nothing new is said of its freshness.
        let run =
            project.ok(&["status", "--output", "json"]).json()["syncs"][0]["published"]["run"].to_string();
        let as_of = format!("SELECT as_of FROM {}", project.database.freshness());
        let published = project.query(&as_of);
        project.ok(&["rollback", "items", &run, "--yes"]);
        assert_eq!(project.query("SELECT name FROM items WHERE id = 2"), ["two"]);
        assert_eq!(project.query(&as_of), published, "when it was adopted says nothing");
        assert!(project.ok(&["status"]).stdout.contains("not known"));
    });
}

#[test]
fn rows_that_the_query_does_not_have_are_deletes_of_the_next_run_and_guarded() {
    everywhere(|project| {
        let project = theirs(project());
        project.sync("key: [id]\nguard: { deletes: { rows: 1, percent: 10 } }");
        project.items("id,name,score\n1,one,10\n2,two,20\n");
        let told = project.ok(&["adopt", "items"]);
        assert!(
            told.stdout.contains("4 rows adopted") && told.stdout.contains("hydrant plan items"),
            "{}",
            told.stdout
        );
        assert_eq!(project.run(&["run"]).code, 3);
        assert_eq!(project.query("SELECT count(*) FROM items"), ["4"]);
        project.ok(&["run", "items", "--approve", "deletes=2"]);
        assert_eq!(project.query("SELECT count(*) FROM items"), ["2"]);
    });
}

/// SQLite lets anything be in any column.
#[test]
fn rows_with_values_that_the_query_cannot_have_are_taken_over_as_unknown() {
    let project = theirs(Project::sqlite());
    project.query("UPDATE items SET score = 'many' WHERE id IN (3, 4)");
    project.items("id,name,score\n1,one,10\n2,two,20\n3,three,30\n");
    let told = |of: &serde_json::Value| ["adopted", "unreadable", "left_out"].map(|c| of[c].as_u64());
    let adopted = project.ok(&["adopt", "items", "--output", "json"]).json()["syncs"][0].take();
    assert_eq!(told(&adopted), [2, 2, 0].map(Some), "{adopted}");
    let rows = "SELECT id, own, name, score FROM items ORDER BY id";
    let before = project.query(rows);
    // What is not known of them is not written over them, also by a repair from the export of a repair.
    for wrong in [11, 12] {
        project.query(&format!("UPDATE items SET score = {wrong} WHERE id = 1"));
        let repaired = project.ok(&["repair", "items", "--delete-extra"]);
        assert_eq!(project.query(rows), before, "{}", repaired.all());
    }

    let report = project.report();
    let counts = ["inserts", "updates", "deletes", "unchanged"].map(|c| report[c].as_u64());
    assert_eq!(counts, [0, 1, 1, 2].map(Some), "{report}");
    assert_eq!(project.query(rows), ["1|a|one|10", "2|b|two|20", "3|c|three|30"]);
    // Nor is the row deleted by what undoes the run that gave it its values.
    let run = report["run"].to_string();
    project.ok(&["rollback", "items", &run, "--yes"]);
    assert_eq!(project.query(rows), ["1|a|one|10", "2|b|two|20", "3|c|three|30"]);
    project.ok(&["verify"]);

    project.query("INSERT INTO items VALUES (4, 'd', 'four', 'many')");
    let found = project.run(&["verify", "--output", "json"]);
    let report = found.json()["syncs"][0].take();
    assert_eq!(
        (found.code, &report["extra"], &report["samples"][0]["unreadable"]),
        (2, &1.into(), &true.into())
    );
    // The same value in a row of hydrant's is a change.
    project.query("UPDATE items SET score = 'more' WHERE id = 1");
    let report = project.run(&["verify", "--output", "json"]).json()["syncs"][0].take();
    assert_eq!(
        (&report["changed"], &report["samples"][0]["unreadable"]),
        (&1.into(), &true.into()),
        "{report}"
    );
    project.ok(&["repair", "items", "--ignore-extra"]);
    assert_eq!(project.query("SELECT score FROM items WHERE id = 1"), ["10"]);
}

#[test]
fn a_table_that_cannot_be_adopted_is_refused_with_the_reason() {
    everywhere(|project| {
        let project = project();
        project.items("id,name,score\n1,one,10\n");
        let refused = |words: &str, advice: &str| {
            let ran = project.run(&["adopt", "items"]);
            assert_eq!(ran.code, 9, "{}", ran.all());
            assert!(ran.stderr.contains(words) && ran.stderr.contains(advice), "{}", ran.stderr);
        };
        refused("there is no table", "hydrant run SYNC");
        project.query("CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT)");
        refused("does not fit", "score");
        project.query("ALTER TABLE items ADD COLUMN score BIGINT");
        project.ok(&["adopt", "items"]);
        refused("is in the store already", "hydrant verify SYNC");
        project.ok(&["run"]);
        refused("is in the store already", "hydrant run SYNC");
    });
}

/// Stops a process of work at a point, as if it were killed there.
struct StopAt(Mutex<Option<Point>>, CancellationToken);

impl Observer for StopAt {
    fn step(&self, _: &str, _: Step) {}
    fn exported(&self, _: &str, _: u64) {}
    fn compared(&self, _: &str, _: u64, _: u64) {}
    fn applied(&self, _: &str, _: u64, _: u64) {}

    fn reached(&self, _: &str, point: Point) {
        if *self.0.lock().unwrap() == Some(point) {
            self.1.cancel();
        }
    }
}

fn schema() -> SchemaRef {
    let fields = [Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, true)];
    Arc::new(Schema::new(fields.to_vec()))
}

fn rows(ids: &[i64]) -> RecordBatch {
    let names: StringArray = ids.iter().map(|id| Some(format!("name {id}"))).collect();
    RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(ids.to_vec())), Arc::new(names)]).unwrap()
}

/// A query that returns the rows 1, 2 and 4.
struct Three;

#[async_trait]
impl Source for Three {
    fn dialect(&self) -> Dialect {
        Dialect::Standard
    }

    async fn about(&self) -> Result<About, SourceError> {
        Ok(About::default())
    }

    async fn describe(&self, _: &Model) -> Result<SchemaRef, SourceError> {
        Ok(schema())
    }

    async fn open(&self, _: &Model) -> Result<Rows, SourceError> {
        Ok(Rows { schema: schema(), batches: futures::stream::iter([Ok(rows(&[1, 2, 4]))]).boxed() })
    }

    async fn unload(&self, _: &Model, _: &Staging) -> Result<Unload, SourceError> {
        Ok(Unload::Off)
    }
}

/// The sync, and a memory target whose table has the rows 1, 2 and 3.
async fn world() -> (Env, SyncSpec, MemoryTarget) {
    let sync = SyncSpec {
        name: "items".into(),
        source: "three".into(),
        model: Model::default(),
        cursor: None,
        key: vec!["id".into()],
        target: "memory".into(),
        table: TableName { schema: None, name: "items".into() },
        mode: Mode::Mirror,
        deletes: Deletes::Hard,
        documents: Documents::default(),
        columns: None,
        export: ExportKind::Full,
        duplicate_keys: DuplicateKeys::Error,
        null_keys: NullKeys::Error,
        guard: GuardRules::default(),
        rejects: RejectCeiling::default(),
        rewrite: hydrant::sync::Rewrite::Never,
        after: Vec::new(),
        retain: Retention::default(),
        redact: Redact::default(),
        refused: Default::default(),
        exposure: ExposureSpec::default(),
    };
    let target = MemoryTarget::default();
    let shape = Shape::of(&schema(), sync.key.clone()).unwrap();
    let spec = TableSpec {
        table: sync.table.clone(),
        shape,
        mode: sync.mode,
        deletes: sync.deletes.clone(),
        documents: sync.documents,
    };
    target.create(&spec).await.unwrap();
    target.claim("another tool", 1).await.unwrap();
    let checkpoint = Checkpoint {
        sync: "another tool".into(),
        run: 1,
        epoch: 1,
        batch: 1,
        first_change: 0,
        next_change: 3,
    };
    let mut batch = hydrant_contract::Batch::empty(Arc::new(spec), checkpoint, chrono::Utc::now());
    batch.inserts = rows(&[1, 2, 3]);
    target.apply(&batch).await.unwrap();
    let env = Env {
        store: SyncStore::new(Arc::new(InMemory::new()), &object_store::path::Path::default(), "items"),
        source: Arc::new(Three),
        target: Arc::new(target.clone()),
        clock: Arc::new(SystemClock),
        observer: Arc::new(engine::Unobserved),
        stop: CancellationToken::new(),
        memory_bytes: 1 << 20,
        scratch: std::env::temp_dir(),
        lease_times: LeaseTimes::default(),
    };
    (env, sync, target)
}

fn stopping(env: &Env, point: Point) -> Env {
    let stop = CancellationToken::new();
    Env { observer: Arc::new(StopAt(Mutex::new(Some(point)), stop.clone())), stop, ..env.clone() }
}

/// Before the seal it is begun anew; after it, either the next adoption finishes it or the next run does.
#[tokio::test]
async fn an_adoption_that_was_stopped_is_begun_anew_or_finished() {
    for point in [Point::Claimed, Point::Compared, Point::Sealed, Point::Noted] {
        let (env, sync, _) = world().await;
        let stopped = engine::adopt(&stopping(&env, point), &sync, Pace::HALF).await;
        // After the only batch there is nothing left that could be stopped.
        assert_eq!(stopped.is_err(), point != Point::Noted, "{point:?}");
        let again = engine::adopt(&env, &sync, Pace::HALF).await;
        match point {
            Point::Noted => assert!(again.unwrap_err().to_string().contains("in the store already")),
            Point::Sealed => assert_eq!(again.map(|r| (r.adopted, r.left_out)).unwrap(), (3, None)),
            _ => assert_eq!(again.map(|r| (r.adopted, r.left_out)).unwrap(), (3, Some(0)), "{point:?}"),
        }
        let counts = engine::run(&env, &sync, RunOptions::default()).await.unwrap().counts;
        assert_eq!((counts.inserts, counts.deletes, counts.unchanged), (1, 1, 2), "{point:?}");
    }
    let (env, sync, target) = world().await;
    engine::adopt(&stopping(&env, Point::Sealed), &sync, Pace::HALF).await.unwrap_err();
    let report = engine::run(&env, &sync, RunOptions::default()).await.unwrap();
    assert_eq!(report.rolled_forward.map(|run| run.kind), Some(Kind::Adopt));
    assert_eq!((report.counts.inserts, report.counts.deletes, report.counts.unchanged), (1, 1, 2));
    assert_eq!(target.rows(&sync.table).unwrap().num_rows(), 3);
}
