//! The order of locks where one statement takes them, and what is sent ahead.

use super::{apply, fresh, keys, psql, rows, spec, target, url};
use chrono::Utc;
use hydrant_contract::{Batch, Checkpoint, TableSpec, Target};
use std::sync::Arc;

/// A table that the planner looks rows up in rather than to read it: it fills more than a megabyte.
fn large(stem: &str, rows: u32) -> TableSpec {
    let name = fresh(stem);
    psql(&format!(
        "CREATE TABLE {name} (id bigint PRIMARY KEY, name text, filler text NOT NULL DEFAULT repeat('x', 1500)); \
         ALTER TABLE {name} ALTER filler SET STORAGE PLAIN; \
         INSERT INTO {name} SELECT n, 'old' FROM generate_series(1, {rows}) n"
    ));
    let bytes: u64 = psql(&format!("SELECT pg_relation_size('{name}')")).parse().expect("a size");
    assert!(bytes > 1 << 20, "{bytes}");
    spec(&name)
}

fn batch(spec: &TableSpec, sync: &str, number: u64, updates: &[(i64, Option<&str>)]) -> Batch {
    let checkpoint = Checkpoint {
        sync: sync.to_owned(),
        run: 1,
        epoch: 1,
        batch: number,
        first_change: number,
        next_change: number + 1,
    };
    let mut batch = Batch::empty(Arc::new(spec.clone()), checkpoint, Utc::now());
    batch.updates = rows(spec, updates);
    batch
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_large_table_are_locked_in_key_order() {
    let spec = large("in_order", 2_000);
    let writers = [false, true].map(|backwards| {
        let spec = spec.clone();
        tokio::spawn(async move {
            let (target, sync) = (target(&url()), fresh("sync"));
            target.claim(&sync, 1).await.expect("a claim");
            for number in 1..=8 {
                let mut rows: Vec<_> = (1..=2_000).map(|id| (id, Some("new"))).collect();
                if backwards {
                    rows.reverse();
                }
                let applied = target.apply(&batch(&spec, &sync, number, &rows)).await;
                assert_eq!(applied.expect("no deadlock").rejects, []);
            }
        })
    });
    for writer in writers {
        writer.await.expect("a writer ends");
    }
    let table = &spec.table.name;
    assert_eq!(psql(&format!("SELECT count(*), min(name), max(name) FROM {table}")), "2000|new|new");
}

#[tokio::test]
async fn a_large_table_is_as_wanted_whatever_was_believed() {
    let spec = large("believed", 2_000);
    let target = target(&url());
    let updates: Vec<_> = (1_990..=2_010).map(|id| (id, Some("new"))).collect();
    for _ in 0..2 {
        let applied = apply(&target, &spec, &[], &[(1, Some("there")), (3_000, None)], &updates).await;
        assert_eq!(applied.expect("a batch").rejects, []);
        let applied = apply(&target, &spec, &[2, 4_000], &[], &[]).await;
        assert_eq!(applied.expect("a batch").rejects, []);
    }
    let table = &spec.table.name;
    let found = psql(&format!(
        "SELECT count(*), count(*) FILTER (WHERE name = 'new'), count(*) FILTER (WHERE name = 'there'), \
         count(*) FILTER (WHERE name IS NULL), count(*) FILTER (WHERE id = 2), min(length(filler)) FROM {table}"
    ));
    assert_eq!(found, "2010|21|1|1|0|1500");
}

/// A row that is sent ahead is one that others wait for if they insert the same value of a unique column.
#[tokio::test]
async fn inserts_are_sent_ahead_only_where_nobody_can_wait_for_them() {
    let target = target(&url());
    let other = fresh("other");
    psql(&format!("CREATE TABLE {other} (name text PRIMARY KEY)"));
    psql(&format!(
        "CREATE OR REPLACE FUNCTION {other}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
    ));
    for (what, expected) in [
        ("", true),
        ("ALTER TABLE t ADD CHECK (id > 0); CREATE INDEX ON t (name)", true),
        ("CREATE UNIQUE INDEX ON t (name)", false),
        ("ALTER TABLE t ADD EXCLUDE (name WITH =)", false),
        ("ALTER TABLE t ADD FOREIGN KEY (name) REFERENCES other", false),
        ("CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION other()", false),
    ] {
        let table = fresh("ahead");
        psql(&format!("CREATE TABLE {table} (id bigint PRIMARY KEY, name text)"));
        let what_here: String = what
            .split(' ')
            .map(|word| match word {
                "t" => format!("{table} "),
                "other" => format!("{other} "),
                "other()" => format!("{other}() "),
                word => format!("{word} "),
            })
            .collect();
        psql(&what_here);
        let (spec, sync) = (spec(&table), fresh("sync"));
        target.claim(&sync, 1).await.expect("a claim");
        let mut inserts = batch(&spec, &sync, 1, &[]);
        inserts.inserts = rows(&spec, &[(1, None), (2, None)]);
        let begun = target.begin(&inserts).await.expect("a beginning");
        assert_eq!(begun.is_some(), expected, "{what:?}");
        drop(begun);
        // What waits in the temporary table is in nobody's way in any case.
        let mut others = batch(&spec, &sync, 1, &[(1, None)]);
        others.deletes = keys(&spec, &[2]);
        let begun = target.begin(&others).await.expect("a beginning").expect("something to do ahead");
        assert_eq!(begun.commit().await.expect("a commit").rejects, []);
        assert_eq!(psql(&format!("SELECT count(*) FROM {table}")), "1");
    }
}

#[tokio::test]
async fn a_limit_of_one_connection_is_said_and_stops_nothing() {
    let (name, way_in) = super::role("single");
    psql(&format!(
        "ALTER ROLE {name} CONNECTION LIMIT 1; CREATE SCHEMA IF NOT EXISTS {name} AUTHORIZATION {name}"
    ));
    psql(&format!("GRANT CREATE ON DATABASE postgres TO {name}"));
    // hydrant's own tables are there already, made by somebody else.
    let owner = target(&url());
    owner.claim(&fresh("sync"), 1).await.expect("a claim");
    psql(&format!("GRANT USAGE ON SCHEMA hydrant TO {name}"));
    psql(&format!("GRANT SELECT, INSERT, UPDATE ON hydrant.checkpoint, hydrant.freshness TO {name}"));
    psql(&format!(
        "CREATE TABLE {name}.t (id bigint PRIMARY KEY, name text); ALTER TABLE {name}.t OWNER TO {name}"
    ));
    let mut spec = spec("t");
    spec.table.schema = Some(name.clone());
    let (single, sync) = (target(&way_in), fresh("sync"));
    single.claim(&sync, 1).await.expect("a claim");
    let batches = [1, 2].map(|number| {
        let mut batch = batch(&spec, &sync, number, &[]);
        batch.inserts = rows(&spec, &[(i64::try_from(number).expect("small"), None)]);
        batch
    });
    let first = single.begin(&batches[0]).await.expect("a beginning").expect("something to do ahead");
    let error = single.begin(&batches[1]).await.map(|_| ()).expect_err("there is no second connection");
    assert_eq!(error.kind(), hydrant_contract::ErrorKind::Busy, "{error}");
    first.commit().await.expect("the first one is written");
    single.apply(&batches[1]).await.expect("the connection is free again");
    assert_eq!(psql(&format!("SELECT count(*) FROM {name}.t")), "2");
}
