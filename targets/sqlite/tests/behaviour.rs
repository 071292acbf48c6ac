//! What is particular to SQLite: the file, the application's own constraints and triggers.

use arrow::{array::Int64Array, array::RecordBatch, array::StringArray};
use chrono::DateTime;
use hydrant_contract::{
    Applied, Batch, Checkpoint, Column, Deletes, Documents, ErrorKind, Inspection, Integer, Mode, Part,
    Shape, TableName, TableSpec, Target, TargetError, ValueType,
};
use hydrant_target_sqlite::{Settings, SqliteTarget};
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{path::PathBuf, sync::Arc};

struct Scene {
    folder: tempfile::TempDir,
    target: SqliteTarget,
    spec: Arc<TableSpec>,
}

type Row = (i64, Option<&'static str>);

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let target = SqliteTarget::new(Settings { path: folder.path().join("app.db") });
        let column = |name: &str, value| Column { name: name.to_owned(), value };
        let columns = vec![column("id", ValueType::Integer(Integer::I64)), column("v", ValueType::Text)];
        let shape = Shape::new(columns, vec!["id".to_owned()]).expect("a shape");
        let table = TableName { schema: None, name: "t".to_owned() };
        let spec = TableSpec {
            table,
            shape,
            mode: Mode::Mirror,
            deletes: Deletes::Hard,
            documents: Documents::default(),
        };
        Self { folder, target, spec: Arc::new(spec) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("app.db")
    }

    async fn connection(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path()).create_if_missing(true);
        options.connect().await.expect("a connection")
    }

    /// The application made its tables, and the sync is claimed.
    async fn with(sql: &'static str) -> Self {
        let scene = Self::new();
        sqlx::raw_sql(sql)
            .execute(&mut scene.connection().await)
            .await
            .expect("the application's statements");
        scene.target.claim("s", 1).await.expect("a claim");
        scene
    }

    async fn apply(&self, deletes: &[i64], rows: &[Row]) -> Result<Applied, TargetError> {
        let checkpoint =
            Checkpoint { sync: "s".to_owned(), run: 1, epoch: 1, batch: 1, first_change: 0, next_change: 1 };
        let keys = Int64Array::from(deletes.to_vec());
        let ids: Int64Array = rows.iter().map(|(id, _)| Some(*id)).collect();
        let values: StringArray = rows.iter().map(|(_, v)| *v).collect();
        let shape = &self.spec.shape;
        let batch = Batch {
            deletes: RecordBatch::try_new(shape.key_schema(), vec![Arc::new(keys)]).expect("keys"),
            updates: RecordBatch::try_new(shape.schema(), vec![Arc::new(ids), Arc::new(values)])
                .expect("rows"),
            ..Batch::empty(self.spec.clone(), checkpoint, DateTime::UNIX_EPOCH)
        };
        self.target.apply(&batch).await
    }

    async fn rows(&self, sql: &str) -> Vec<(i64, Option<String>)> {
        let query = sqlx::query_as(AssertSqlSafe(sql.to_owned()));
        query.fetch_all(&mut self.connection().await).await.expect("rows")
    }

    async fn mismatches(&self) -> Vec<String> {
        match self.target.inspect(&self.spec).await.expect("an inspection") {
            Inspection::Present { mismatches, .. } => mismatches.iter().map(ToString::to_string).collect(),
            Inspection::Absent { statements, .. } => panic!("absent: {statements:?}"),
        }
    }
}

fn row(id: i64, v: &str) -> (i64, Option<String>) {
    (id, Some(v.to_owned()))
}

#[tokio::test]
async fn looking_makes_no_file_and_writing_does() {
    let scene = Scene::new();
    assert!(matches!(scene.target.inspect(&scene.spec).await, Ok(Inspection::Absent { .. })));
    assert!(scene.target.probe().await.expect("a probe").place.ends_with("app.db (not made yet)"));
    assert!(!scene.path().exists());
    scene.target.create(&scene.spec).await.expect("a table");
    let server = scene.target.probe().await.expect("a probe");
    assert!(server.product.starts_with("SQLite 3."), "{server:?}");
    assert_eq!(scene.rows("SELECT 1, journal_mode FROM pragma_journal_mode").await, [row(1, "wal")]);
}

#[tokio::test]
async fn a_file_that_is_there_keeps_its_journal_mode() {
    let scene = Scene::with("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)").await;
    scene.apply(&[], &[(1, Some("a"))]).await.expect("a batch");
    assert_eq!(scene.rows("SELECT 1, journal_mode FROM pragma_journal_mode").await, [row(1, "delete")]);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let scene = Scene::new();
    let folder = scene.folder.path().join("no such folder");
    let target = SqliteTarget::new(Settings { path: folder.join("app.db") });
    for error in [
        target.claim("s", 1).await.expect_err("no folder"),
        target.inspect(&scene.spec).await.expect_err("no folder"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Missing);
        assert!(
            error.to_string().contains(&format!("the folder {} is not there", folder.display())),
            "{error}"
        );
    }
    let target = SqliteTarget::new(Settings { path: scene.folder.path().to_owned() });
    let error = target.claim("s", 1).await.expect_err("a folder");
    assert!(error.kind() == ErrorKind::Missing && error.to_string().contains("it is a folder"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_said_to_be_none() {
    let scene = Scene::new();
    std::fs::write(scene.path(), "a,b,c\n".repeat(1000)).expect("a file");
    let error = scene.target.inspect(&scene.spec).await.expect_err("no database");
    assert_eq!(error.kind(), ErrorKind::Broken);
    assert!(error.to_string().contains("app.db: file is not a database"), "{error}");
}

#[tokio::test]
async fn a_schema_is_refused_and_main_is_not() {
    let mut scene = Scene::with("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)").await;
    Arc::make_mut(&mut scene.spec).table.schema = Some("main".to_owned());
    assert_eq!(scene.mismatches().await, [""; 0]);
    Arc::make_mut(&mut scene.spec).table.schema = Some("public".to_owned());
    let error = scene.target.inspect(&scene.spec).await.expect_err("no schema");
    assert!(error.kind() == ErrorKind::Missing && error.to_string().contains("main.t"), "{error}");
}

#[tokio::test]
async fn a_view_and_a_generated_column_are_mismatches() {
    let scene =
        Scene::with("CREATE TABLE u (id INTEGER PRIMARY KEY, v TEXT); CREATE VIEW t AS SELECT * FROM u")
            .await;
    assert!(scene.mismatches().await[0].starts_with("it is a view"));
    let scene = Scene::with("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT AS (id || 'x') STORED)").await;
    assert!(scene.mismatches().await[0].contains("the table generates it"));
}

#[tokio::test]
async fn an_index_that_is_partial_or_ignores_case_is_no_key() {
    let text = |scene: &mut Scene| {
        let columns = vec![Column { name: "v".to_owned(), value: ValueType::Text }];
        Arc::make_mut(&mut scene.spec).shape = Shape::new(columns, vec!["v".to_owned()]).expect("a shape");
    };
    for (sql, mismatches) in [
        ("CREATE TABLE t (v TEXT); CREATE UNIQUE INDEX i ON t (v) WHERE v <> ''", 1),
        ("CREATE TABLE t (v TEXT COLLATE NOCASE PRIMARY KEY)", 1),
        ("CREATE TABLE t (v TEXT COLLATE NOCASE); CREATE UNIQUE INDEX i ON t (v COLLATE BINARY)", 0),
        ("CREATE TABLE t (v TEXT); CREATE UNIQUE INDEX i ON t (lower(v))", 1),
        ("CREATE TABLE t (v TEXT PRIMARY KEY) WITHOUT ROWID", 0),
        ("CREATE TABLE t (v TEXT PRIMARY KEY) STRICT", 0),
    ] {
        let mut scene = Scene::with(sql).await;
        text(&mut scene);
        assert_eq!(scene.mismatches().await.len(), mismatches, "{sql}");
    }
}

#[tokio::test]
async fn a_constraint_that_would_replace_other_rows_only_refuses() {
    let scene = Scene::with(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT UNIQUE ON CONFLICT REPLACE);
         INSERT INTO t VALUES (100, 'theirs')",
    )
    .await;
    let applied = scene.apply(&[], &[(1, Some("theirs")), (2, Some("ours"))]).await.expect("a batch");
    assert_eq!(applied.rejects.iter().map(|r| (r.part, r.row)).collect::<Vec<_>>(), [(Part::Updates, 0)]);
    assert_eq!(applied.rejects[0].column.as_deref(), Some("v"));
    assert_eq!(scene.rows("SELECT * FROM t ORDER BY id").await, [row(2, "ours"), row(100, "theirs")]);
}

#[tokio::test]
async fn a_trigger_may_refuse_a_row_and_keep_nothing_of_it() {
    for raise in ["ABORT", "FAIL"] {
        let scene = Scene::with("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)").await;
        let sql = format!(
            "CREATE TRIGGER no AFTER INSERT ON t WHEN new.v = 'bad' BEGIN SELECT RAISE({raise}, 'not that'); END"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut scene.connection().await).await.expect("a trigger");
        let rows = [(1, Some("a")), (2, Some("bad")), (3, Some("c"))];
        let applied = scene.apply(&[], &rows).await.expect("a batch");
        assert_eq!(applied.rejects.len(), 1, "{raise}");
        assert_eq!((applied.rejects[0].row, applied.rejects[0].reason.as_str()), (1, "not that"));
        assert_eq!(scene.rows("SELECT * FROM t ORDER BY id").await, [row(1, "a"), row(3, "c")]);
    }
}

#[tokio::test]
async fn a_row_that_a_trigger_ignores_is_a_reject() {
    let scene = Scene::with(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (3, 'old');
         CREATE TRIGGER i BEFORE INSERT ON t WHEN new.v = 'bad' BEGIN SELECT RAISE(IGNORE); END;
         CREATE TRIGGER u BEFORE UPDATE ON t WHEN new.v = 'worse' BEGIN SELECT RAISE(IGNORE); END",
    )
    .await;
    let rows = [(1, Some("a")), (2, Some("bad")), (3, Some("worse")), (4, Some("d"))];
    let applied = scene.apply(&[], &rows).await.expect("a batch");
    let refused: Vec<_> = applied.rejects.iter().map(|r| (r.row, r.may_settle)).collect();
    assert_eq!(refused, [(1, false), (2, false)]);
    assert!(applied.rejects[0].reason.contains("a trigger"), "{:?}", applied.rejects);
    assert_eq!(scene.rows("SELECT * FROM t ORDER BY id").await, [row(1, "a"), row(3, "old"), row(4, "d")]);
}

#[tokio::test]
async fn a_delete_that_a_child_restricts_may_settle() {
    let scene = Scene::with(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
         CREATE TABLE child (t INTEGER REFERENCES t (id) ON DELETE RESTRICT);
         INSERT INTO t VALUES (1, 'a'), (2, 'b'); INSERT INTO child VALUES (2)",
    )
    .await;
    let applied = scene.apply(&[1, 2], &[]).await.expect("a batch");
    let refused: Vec<_> = applied.rejects.iter().map(|r| (r.part, r.row, r.may_settle)).collect();
    assert_eq!(refused, [(Part::Deletes, 1, true)]);
}

#[tokio::test]
async fn a_scan_passes_over_keys_that_hydrant_would_not_write() {
    let mut scene = Scene::with(
        "CREATE TABLE t (id, v TEXT); CREATE UNIQUE INDEX i ON t (id);
         INSERT INTO t VALUES (1, 'a'), (1.5, 'a'), ('x', 'a'), (x'00', 'a'), (CAST(x'ff00' AS TEXT), 'a'), (NULL, 'a'),
         (NULL, 'b'), (2, x'00'), (3, CAST(x'ff' AS TEXT)), (4, NULL), ('1', 'a')",
    )
    .await;
    assert_eq!(scene.mismatches().await, [""; 0]);
    for rows in [1, 2, 100] {
        let (mut readable, mut unreadable, mut foreign, mut after) = (0, 0, 0, None);
        for _ in 0..20 {
            let piece = scene.target.scan(&scene.spec, after.as_ref(), rows).await.expect("a piece");
            readable += piece.rows.num_rows();
            unreadable += piece.unreadable.num_rows();
            foreign += piece.foreign;
            after = piece.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!((readable, unreadable, foreign, after), (2, 2, 7, None), "in pieces of {rows}");
    }
    // Digits that name the same number are different texts.
    let decimal = ValueType::Decimal { precision: 9, scale: 2 };
    let columns = vec![
        Column { name: "v".to_owned(), value: ValueType::Text },
        Column { name: "id".to_owned(), value: decimal },
    ];
    Arc::make_mut(&mut scene.spec).shape = Shape::new(columns, vec!["id".to_owned()]).expect("a shape");
    sqlx::raw_sql("DELETE FROM t; INSERT INTO t VALUES ('1.50', 'a'), ('1.5', 'b'), ('01.50', 'c')")
        .execute(&mut scene.connection().await)
        .await
        .expect("other rows");
    let piece = scene.target.scan(&scene.spec, None, 100).await.expect("a piece");
    assert_eq!((piece.rows.num_rows(), piece.foreign), (1, 2));
}

#[tokio::test]
async fn a_trigger_that_rolls_everything_back_fails_the_batch_whole() {
    let scene = Scene::with(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
         CREATE TRIGGER no BEFORE INSERT ON t WHEN new.v = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'never'); END",
    )
    .await;
    let error = scene.apply(&[], &[(1, Some("a")), (2, Some("bad"))]).await.expect_err("rolled back");
    assert!(error.kind() == ErrorKind::ValueRefused && error.to_string().contains("never"), "{error}");
    assert_eq!(scene.rows("SELECT * FROM t").await, []);
    assert_eq!(scene.target.claim("s", 1).await.expect("a claim"), None, "no checkpoint either");
    scene.apply(&[], &[(1, Some("a"))]).await.expect("the next batch is not hurt");
    assert_eq!(scene.rows("SELECT * FROM t").await, [row(1, "a")]);
}

#[tokio::test]
async fn a_delete_that_a_child_row_refuses_is_refused_alone() {
    let scene = Scene::with(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
         CREATE TABLE child (t INTEGER REFERENCES t (id));
         INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO child VALUES (2)",
    )
    .await;
    let applied = scene.apply(&[1, 2, 3], &[]).await.expect("a batch");
    assert_eq!(applied.rejects.iter().map(|r| (r.part, r.row)).collect::<Vec<_>>(), [(Part::Deletes, 1)]);
    assert_eq!(scene.rows("SELECT * FROM t").await, [row(2, "b")]);
}

#[tokio::test]
async fn a_row_may_come_before_the_row_that_it_refers_to() {
    let scene = Scene::with("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT REFERENCES t (id))").await;
    // Each row refers to the next one, which often stands in another statement; the last to a row that never comes.
    let rows: Vec<Row> = (1..=1000).map(|id| (id, Some(&*format!("{}", id + 1).leak()))).collect();
    let applied = scene.apply(&[], &rows[..999]).await.expect("a batch");
    assert_eq!(applied.rejects.len(), 999, "row 1000 is missing, and so are all that lead to it");
    let rows = [rows[..999].to_vec(), vec![(1000, None)]].concat();
    assert_eq!(scene.apply(&[], &rows).await.expect("a batch").rejects, []);
    assert_eq!(scene.rows("SELECT count(*), NULL FROM t").await, [(1000, None)]);
}

#[tokio::test]
async fn a_swap_keeps_children_that_follow_the_value() {
    let scene = Scene::with(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT UNIQUE);
         CREATE TABLE child (id INTEGER PRIMARY KEY, t TEXT REFERENCES t (v) ON UPDATE CASCADE);
         INSERT INTO t VALUES (1, 'a'), (2, 'b'); INSERT INTO child VALUES (10, 'a'), (20, 'b')",
    )
    .await;
    let applied = scene.apply(&[], &[(1, Some("b")), (2, Some("a"))]).await.expect("a batch");
    assert_eq!(applied.rejects, []);
    assert_eq!(scene.rows("SELECT * FROM t ORDER BY id").await, [row(1, "b"), row(2, "a")]);
    // Each child follows the row that it belonged to.
    assert_eq!(scene.rows("SELECT * FROM child ORDER BY id").await, [row(10, "b"), row(20, "a")]);
}

#[tokio::test]
async fn a_value_that_the_application_wrote_and_no_carrier_holds_is_an_error() {
    let scene =
        Scene::with("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, x'00ff')")
            .await;
    let keys = RecordBatch::try_new(scene.spec.shape.key_schema(), vec![Arc::new(Int64Array::from(vec![1]))]);
    let error = scene.target.read(&scene.spec, &keys.expect("keys")).await.expect_err("a blob");
    assert!(error.to_string().contains("column \"v\": a blob where text is expected"), "{error}");
}
