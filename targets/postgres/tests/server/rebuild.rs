//! Tables built anew: what is carried over, what is in the way, and who waits.

use crate::{fresh, keys, psql, role, rows, spec, target, url};
use async_trait::async_trait;
use chrono::Utc;
use hydrant_contract::{Batch, Changes, Checkpoint, Freshness, Result, TableSpec, Target, TargetError};
use hydrant_target_postgres::PostgresTarget;
use std::{
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

/// Batches that are there already.
struct Given(Vec<Batch>);

#[async_trait]
impl Changes for Given {
    async fn next(&mut self) -> Result<Option<Batch>> {
        Ok((!self.0.is_empty()).then(|| self.0.remove(0)))
    }
}

fn empty(spec: &TableSpec, sync: &str, epoch: u64) -> Batch {
    let checkpoint =
        Checkpoint { sync: sync.to_owned(), run: 7, epoch, batch: 1, first_change: 3, next_change: 3 };
    Batch::empty(Arc::new(spec.clone()), checkpoint, Utc::now())
}

/// A table of the ids 1 to `rows`, and what else the statements give it (`{t}` is its name).
fn table(rows: u32, more: &str) -> TableSpec {
    let name = fresh("built");
    psql(&format!(
        "CREATE TABLE {name} (id bigint PRIMARY KEY, name text); \
         INSERT INTO {name} SELECT i, 'row ' || i FROM generate_series(1, {rows}) i; {}",
        more.replace("{t}", &name)
    ));
    spec(&name)
}

/// Deletes 1, updates 2, inserts 1000.
fn some(spec: &TableSpec, sync: &str) -> Given {
    let (mut first, mut second) = (empty(spec, sync, 1), empty(spec, sync, 1));
    first.deletes = keys(spec, &[1]);
    first.updates = rows(spec, &[(2, Some("changed"))]);
    second.inserts = rows(spec, &[(1000, Some("new"))]);
    Given(vec![first, second])
}

async fn rebuild(target: &PostgresTarget, spec: &TableSpec) -> Result<()> {
    let sync = fresh("sync");
    target.claim(&sync, 1).await?;
    target.rebuild(&empty(spec, &sync, 1), &mut some(spec, &sync)).await
}

/// What `some` makes of the ids 1 to 4.
const AFTER: &str = "2 changed,3 row 3,4 row 4,1000 new";

fn content(spec: &TableSpec) -> String {
    psql(&format!("SELECT string_agg(id || ' ' || name, ',' ORDER BY id) FROM {}", spec.table.name))
}

/// Without the schema that everything is in.
async fn obstacles(spec: &TableSpec) -> Vec<String> {
    let found = target(&url()).rebuildable(spec).await.expect("an answer").obstacles;
    found.iter().map(|obstacle| obstacle.replace("public.", "")).collect()
}

fn oid(spec: &TableSpec) -> String {
    psql(&format!("SELECT '{}'::regclass::oid", spec.table.name))
}

fn left_behind(oid: &str) -> String {
    psql(&format!("SELECT count(*) FROM pg_class WHERE relname LIKE 'hydrant_rebuild_{oid}%'"))
}

#[tokio::test]
async fn rows_checkpoint_and_freshness_arrive_together_and_rows_of_others_stay() {
    let spec = table(4, "");
    let (sync, before) = (fresh("sync"), oid(&spec));
    let target = target(&url());
    target.claim(&sync, 1).await.expect("a claim");
    let mut last = empty(&spec, &sync, 1);
    last.freshness = Some(Freshness { as_of: Utc::now(), rows: 4 });
    target.rebuild(&last, &mut some(&spec, &sync)).await.expect("a rebuild");
    assert_eq!(content(&spec), AFTER);
    assert_ne!(oid(&spec), before, "it is another table");
    assert_eq!(left_behind(&before), "0");
    let noted = psql(&format!(
        "SELECT run, batch, first_change, next_change, f.rows FROM hydrant.checkpoint c JOIN hydrant.freshness f \
         USING (sync, run) WHERE sync = '{sync}'"
    ));
    assert_eq!(noted, "7|1|3|3|4");
    // Twice the same leaves the same.
    target.rebuild(&last, &mut some(&spec, &sync)).await.expect("a rebuild");
    assert_eq!(content(&spec), AFTER);
}

/// Compared by a query of the test's own, beside the comparison that the target makes.
#[tokio::test]
async fn everything_of_a_table_is_carried_over() {
    let (reader, _) = role("reader");
    let (writer, _) = role("writer");
    let (owner, _) = role("owner");
    let spec = table(
        4,
        &format!(
            "ALTER TABLE {{t}} ADD COLUMN gone int; ALTER TABLE {{t}} DROP COLUMN gone; \
             ALTER TABLE {{t}} ALTER name SET NOT NULL, ALTER name SET DEFAULT 'none', ALTER name TYPE text COLLATE \"C\", \
               ALTER name SET STORAGE EXTERNAL, ALTER name SET STATISTICS 77, ALTER name SET (n_distinct = -0.5), \
               ADD COLUMN long int GENERATED ALWAYS AS (length(name)) STORED; \
             CREATE SEQUENCE {{t}}_ids OWNED BY {{t}}.id; ALTER TABLE {{t}} ALTER id SET DEFAULT nextval('{{t}}_ids'); \
             ALTER TABLE {{t}} ADD CONSTRAINT \"{{t}} short\" CHECK (length(name) < 100); \
             ALTER TABLE {{t}} ADD CONSTRAINT {{t}}_name UNIQUE (name) DEFERRABLE INITIALLY DEFERRED; \
             CREATE INDEX \"{{t}} Lower\" ON {{t}} (lower(name) DESC NULLS LAST) INCLUDE (id) WITH (fillfactor = 70) WHERE id > 2; \
             CREATE UNIQUE INDEX {{t}}_pair ON {{t}} (id, name text_pattern_ops); ALTER TABLE {{t}} CLUSTER ON {{t}}_pair; \
             ALTER TABLE {{t}} REPLICA IDENTITY USING INDEX {{t}}_pair; \
             ALTER TABLE {{t}} SET (fillfactor = 80, autovacuum_enabled = false, toast.autovacuum_enabled = false); \
             COMMENT ON TABLE {{t}} IS 'it''s \"commented\"'; COMMENT ON COLUMN {{t}}.name IS 'of a column'; \
             COMMENT ON INDEX \"{{t}} Lower\" IS 'of an index'; COMMENT ON CONSTRAINT {{t}}_name ON {{t}} IS 'of a constraint'; \
             COMMENT ON CONSTRAINT \"{{t}} short\" ON {{t}} IS 'of a check'; \
             ALTER TABLE {{t}} OWNER TO {owner}; \
             GRANT SELECT ON {{t}} TO {reader} WITH GRANT OPTION; GRANT INSERT, UPDATE ON {{t}} TO {writer}; \
             GRANT REFERENCES ON {{t}} TO PUBLIC; GRANT UPDATE (name) ON {{t}} TO {reader}; REVOKE TRUNCATE ON {{t}} FROM {owner}; \
             GRANT CREATE ON SCHEMA public TO {owner}"
        ),
    );
    let name = &spec.table.name;
    let seen = || {
        psql(&format!(
            "SELECT relname, relreplident, reloptions, (SELECT array_agg(x ORDER BY x::text) FROM unnest(relacl) x), pg_get_userbyid(relowner), obj_description(oid, 'pg_class') \
             FROM pg_class WHERE relname = '{name}'; \
             SELECT attname, format_type(atttypid, atttypmod), attnotnull, attstorage, attstattarget, attoptions, attacl, \
               attgenerated, attcollation::regcollation, col_description(attrelid, attnum), \
               (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum) \
             FROM pg_attribute WHERE attrelid = '{name}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum; \
             SELECT indexrelid::regclass, pg_get_indexdef(indexrelid), indisclustered, indisreplident, indisprimary, \
               obj_description(indexrelid, 'pg_class') FROM pg_index WHERE indrelid = '{name}'::regclass ORDER BY 2; \
             SELECT conname, pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint') FROM pg_constraint \
             WHERE conrelid = '{name}'::regclass ORDER BY 1; \
             SELECT pg_get_serial_sequence('{name}', 'id'); \
             SELECT reloptions FROM pg_class WHERE oid = (SELECT reltoastrelid FROM pg_class WHERE relname = '{name}')"
        ))
    };
    let before = seen();
    assert!(before.contains("fillfactor='70'") && before.contains("of a check"), "{before}");
    rebuild(&target(&url()), &spec).await.expect("a rebuild");
    assert_eq!(seen(), before);
    assert_eq!(content(&spec), AFTER);
    assert_eq!(psql(&format!("SELECT long FROM {name} WHERE id = 1000")), "3");
    let statistics = psql(&format!("SELECT count(*) FROM pg_stats WHERE tablename = '{name}'"));
    assert_ne!(statistics, "0", "the planner knows it already");
}

#[tokio::test]
async fn rights_that_every_new_table_gets_are_not_added() {
    let (reader, _) = role("reader");
    let (owner, way_in) = role("owner");
    let schema = fresh("place");
    psql(&format!(
        "CREATE SCHEMA {schema} AUTHORIZATION {owner}; GRANT CREATE ON DATABASE postgres TO {owner}; \
         SET ROLE {owner}; CREATE TABLE {schema}.t (id bigint PRIMARY KEY, name text); \
         INSERT INTO {schema}.t VALUES (1, 'a'), (2, 'b'), (3, 'row 3'), (4, 'row 4'); \
         ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {reader}"
    ));
    psql(&format!(
        "GRANT USAGE ON SCHEMA hydrant TO {owner}; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA hydrant TO {owner}"
    ));
    let mut spec = spec("t");
    spec.table.schema = Some(schema.clone());
    rebuild(&target(&way_in), &spec).await.expect("an owner without further rights may");
    assert_eq!(psql(&format!("SELECT has_table_privilege('{reader}', '{schema}.t', 'SELECT')")), "f");
    assert_eq!(
        psql(&format!("SELECT string_agg(name, ',' ORDER BY id) FROM {schema}.t")),
        "changed,row 3,row 4,new"
    );
}

#[tokio::test]
async fn what_would_be_lost_is_in_the_way() {
    let other = fresh("other");
    psql(&format!("CREATE TABLE {other} (id bigint PRIMARY KEY)"));
    let (stranger, _) = role("stranger");
    for (what, word) in [
        ("CREATE VIEW {t}_v AS SELECT id FROM {t}".to_owned(), "view {t}_v"),
        ("CREATE MATERIALIZED VIEW {t}_m AS SELECT id FROM {t}".to_owned(), "view {t}_m"),
        ("CREATE TABLE {t}_child (of bigint REFERENCES {t})".to_owned(), "constraint {t}_child_of_fkey"),
        (
            format!("ALTER TABLE {{t}} ADD FOREIGN KEY (id) REFERENCES {other} NOT VALID"),
            "constraint {t}_id_fkey",
        ),
        ("CREATE RULE r AS ON DELETE TO {t} DO ALSO SELECT 1".to_owned(), "rule r"),
        (
            "CREATE FUNCTION {t}_f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT max(id) FROM {t}; END"
                .to_owned(),
            "function {t}_f()",
        ),
        (
            "CREATE FUNCTION {t}_g(r {t}) RETURNS bigint LANGUAGE sql AS 'SELECT r.id'".to_owned(),
            "function {t}_g({t})",
        ),
        ("CREATE TABLE {t}_holder (r {t})".to_owned(), "column r of table {t}_holder"),
        ("CREATE TABLE {t}_arrays (r {t}[])".to_owned(), "column r of table {t}_arrays"),
        (
            "CREATE FUNCTION {t}_h() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \
             CREATE TRIGGER watch BEFORE UPDATE ON {t} FOR EACH ROW EXECUTE FUNCTION {t}_h()"
                .to_owned(),
            "trigger watch",
        ),
        ("CREATE STATISTICS {t}_s ON id, name FROM {t}".to_owned(), "statistics object {t}_s"),
        ("CREATE POLICY p ON {t} USING (true)".to_owned(), "policy p"),
        ("ALTER TABLE {t} ENABLE ROW LEVEL SECURITY".to_owned(), "row-level security"),
        ("ALTER TABLE {t} ADD COLUMN seen timestamptz".to_owned(), "\"seen\" is the application's"),
        ("CREATE TABLE {t}_c () INHERITS ({t})".to_owned(), "inherits"),
        ("ALTER TABLE {t} ALTER id ADD GENERATED BY DEFAULT AS IDENTITY".to_owned(), "is an identity"),
        ("ALTER TABLE {t} ADD CHECK (id > 0) NOT VALID".to_owned(), "not valid for all rows"),
        ("ALTER TABLE {t} ADD EXCLUDE (id WITH =)".to_owned(), "constraint {t}_id_excl"),
        (
            "CREATE INDEX {t}_e ON {t} ((lower(name))); ALTER INDEX {t}_e ALTER COLUMN 1 SET STATISTICS 50"
                .to_owned(),
            "{t}_e has a statistics target",
        ),
        ("ALTER TABLE {t} ALTER name TYPE tsvector USING to_tsvector(name)".to_owned(), "by way of a cast"),
        ("CREATE PUBLICATION {t}_p FOR TABLE {t}".to_owned(), "publication"),
        (
            format!(
                "GRANT SELECT ON {{t}} TO {stranger} WITH GRANT OPTION; SET ROLE {stranger}; GRANT SELECT ON {{t}} TO PUBLIC"
            ),
            "others than its owner",
        ),
    ] {
        let spec = table(4, &what);
        let word = word.replace("{t}", &spec.table.name);
        let found = obstacles(&spec).await;
        assert!(found.iter().any(|obstacle| obstacle.contains(&word)), "{what}: {found:?}");
        let before = oid(&spec);
        let error = rebuild(&target(&url()), &spec).await.expect_err(&what);
        assert!(
            found.iter().any(|obstacle| error.to_string().replace("public.", "").contains(obstacle)),
            "{what}: {error}"
        );
        assert_eq!(oid(&spec), before, "{what}");
        if what.contains("PUBLICATION") {
            psql(&format!("DROP PUBLICATION {}_p", spec.table.name));
        }
    }
    assert_eq!(obstacles(&table(4, "")).await, [""; 0]);
}

#[tokio::test]
async fn only_the_owner_may() {
    let spec = table(4, "");
    let (writer, way_in) = role("writer");
    psql(&format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {writer}; GRANT USAGE ON SCHEMA hydrant TO {writer}; \
         GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA hydrant TO {writer}",
        spec.table.name
    ));
    let found = target(&way_in).rebuildable(&spec).await.expect("an answer").obstacles;
    assert!(
        found.iter().any(|o| o.contains("the account is neither postgres, to whom it belongs")),
        "{found:?}"
    );
    rebuild(&target(&way_in), &spec).await.expect_err("it may not");
}

#[tokio::test]
async fn a_refused_row_changes_nothing() {
    for (more, word) in [
        ("ALTER TABLE {t} ADD CHECK (name <> 'changed')", "violates check constraint"),
        // Two rows come.
        ("DELETE FROM {t}; CREATE UNIQUE INDEX ON {t} ((id IS NOT NULL))", "could not create unique index"),
        ("ALTER TABLE {t} ALTER name TYPE varchar(6)", "name"),
    ] {
        let spec = table(if more.contains("UNIQUE") { 1 } else { 4 }, more);
        let (before, rows) = (oid(&spec), content(&spec));
        let error = rebuild(&target(&url()), &spec).await.expect_err(more);
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!((oid(&spec), content(&spec)), (before.clone(), rows), "{more}");
        assert_eq!(left_behind(&before), "0");
    }
}

#[tokio::test]
async fn changes_that_cannot_go_on_change_nothing() {
    struct Broken;
    #[async_trait]
    impl Changes for Broken {
        async fn next(&mut self) -> Result<Option<Batch>> {
            Err(TargetError::new(hydrant_contract::ErrorKind::Broken, "reading", "the file is torn"))
        }
    }
    let spec = table(4, "");
    let (target, sync, before) = (target(&url()), fresh("sync"), oid(&spec));
    target.claim(&sync, 1).await.expect("a claim");
    let error = target.rebuild(&empty(&spec, &sync, 1), &mut Broken).await.expect_err("it is torn");
    assert!(error.to_string().contains("the file is torn"), "{error}");
    assert_eq!(oid(&spec), before);
}

#[tokio::test]
async fn a_writer_with_an_old_epoch_is_fenced() {
    let spec = table(4, "");
    let (target, sync, before) = (target(&url()), fresh("sync"), oid(&spec));
    target.claim(&sync, 2).await.expect("a claim");
    let error = target.rebuild(&empty(&spec, &sync, 1), &mut some(&spec, &sync)).await.expect_err("fenced");
    assert_eq!(error.kind(), hydrant_contract::ErrorKind::Fenced, "{error}");
    assert_eq!(oid(&spec), before);
}

/// A session that runs these statements and then waits until it is told to end.
fn session(sql: &str) -> Child {
    let mut child = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", &url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("psql");
    use std::io::{BufRead, BufReader, Write};
    let input = child.stdin.as_mut().expect("its input");
    writeln!(input, "{sql}\n\\echo ready").expect("it listens");
    input.flush().expect("it listens");
    let mut lines = BufReader::new(child.stdout.as_mut().expect("its output")).lines();
    while lines.next().expect("a line").expect("a line") != "ready" {}
    child
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    child.wait().expect("it ends");
}

#[tokio::test]
async fn a_writer_that_does_not_end_is_waited_for_three_seconds() {
    let spec = table(4, "");
    let (target, before) = (target(&url()), oid(&spec));
    let writer = session(&format!("BEGIN; UPDATE {} SET name = 'mine' WHERE id = 3;", spec.table.name));
    let since = Instant::now();
    let error = rebuild(&target, &spec).await.expect_err("it is locked");
    let waited = since.elapsed();
    assert_eq!(error.kind(), hydrant_contract::ErrorKind::Busy, "{error}");
    assert!(error.to_string().contains("is locked by process"), "{error}");
    assert!(waited >= Duration::from_secs(3), "{waited:?}");
    end(writer);
    assert_eq!(oid(&spec), before);
}

#[tokio::test]
async fn a_reader_that_does_not_end_is_waited_for_and_keeps_its_table() {
    let spec = table(4, "");
    let (target, before) = (target(&url()), oid(&spec));
    let reader = session(&format!("BEGIN; SELECT count(*) FROM {};", spec.table.name));
    let error = rebuild(&target, &spec).await.expect_err("it is read");
    assert_eq!(error.kind(), hydrant_contract::ErrorKind::Busy, "{error}");
    end(reader);
    assert_eq!((oid(&spec), content(&spec)), (before.clone(), "1 row 1,2 row 2,3 row 3,4 row 4".to_owned()));
    assert_eq!(left_behind(&before), "0");
    rebuild(&target, &spec).await.expect("nobody reads any more");
    assert_eq!(content(&spec), AFTER);
}

/// The application writes its own rows all the time, by statements that it has prepared, and reads them back.
#[tokio::test]
async fn nothing_that_is_written_meanwhile_is_lost_and_no_statement_fails() {
    let spec = table(20_000, "");
    let name = spec.table.name.clone();
    let target = target(&url());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (url, table_name) = (url(), name.clone());
    let application = tokio::spawn(async move {
        let (client, connection) =
            tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("a connection");
        tokio::spawn(connection);
        let insert = client
            .prepare(&format!("INSERT INTO {table_name} VALUES ($1, 'own')"))
            .await
            .expect("a statement");
        let read = client.prepare(&format!("SELECT count(*) FROM {table_name}")).await.expect("a statement");
        let (mut next, mut stopped) = (1_000_000_i64, stopped);
        while matches!(stopped.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Empty)) {
            next += 1;
            client.execute(&insert, &[&next]).await.expect("an insert");
            let rows: i64 = client.query_one(&read, &[]).await.expect("a count").get(0);
            assert!(rows >= 19_999, "{rows} rows are seen");
        }
        next - 1_000_000
    });
    for _ in 0..3 {
        rebuild(&target, &spec).await.expect("a rebuild");
    }
    stop.send(()).expect("it listens");
    let written = application.await.expect("no statement failed");
    assert!(written > 3, "{written} rows");
    assert_eq!(psql(&format!("SELECT count(*) FROM {name} WHERE name = 'own'")), written.to_string());
    assert_eq!(psql(&format!("SELECT count(*) FROM {name} WHERE name <> 'own'")), "19999");
}

/// What is added between the look for obstacles and the last moment is noticed there.
#[tokio::test]
async fn an_index_that_is_made_meanwhile_is_not_lost() {
    let spec = table(4, "");
    let (target, sync, before) = (target(&url()), fresh("sync"), oid(&spec));
    target.claim(&sync, 1).await.expect("a claim");
    struct Meddling(Given, String);
    #[async_trait]
    impl Changes for Meddling {
        async fn next(&mut self) -> Result<Option<Batch>> {
            psql(&std::mem::replace(&mut self.1, "SELECT".to_owned()));
            self.0.next().await
        }
    }
    for meddling in [
        "GRANT SELECT ON {t} TO PUBLIC",
        "COMMENT ON TABLE {t} IS 'late'",
        "CREATE INDEX {t}_late ON {t} (name)",
    ] {
        // What comes before the indexes and settings are read is carried.
        let meddling = meddling.replace("{t}", &spec.table.name);
        let mut changes = Meddling(some(&spec, &sync), meddling);
        target.rebuild(&empty(&spec, &sync, 1), &mut changes).await.expect("it is carried");
    }
    let name = &spec.table.name;
    assert_ne!(oid(&spec), before);
    assert_eq!(psql(&format!("SELECT obj_description('{name}'::regclass, 'pg_class')")), "late");
    assert_eq!(psql(&format!("SELECT count(*) FROM pg_index WHERE indrelid = '{name}'::regclass")), "2");
    assert_eq!(psql(&format!("SELECT has_table_privilege('public', '{name}', 'SELECT')")), "t");
    let view = format!("CREATE VIEW {name}_v AS SELECT id FROM {name}");
    let mut changes = Meddling(some(&spec, &sync), view);
    let error =
        target.rebuild(&empty(&spec, &sync, 1), &mut changes).await.expect_err("a view depends on it");
    assert!(error.to_string().contains(&format!("{name}_v depends on it")), "{error}");
    psql(&format!("DROP VIEW {name}_v"));
    let mut changes = Meddling(some(&spec, &sync), format!("ALTER TABLE {name} SET (fillfactor = 50)"));
    let error =
        target.rebuild(&empty(&spec, &sync, 1), &mut changes).await.expect_err("it was set meanwhile");
    assert!(error.to_string().contains("table.options"), "{error}");
}
