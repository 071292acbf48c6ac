//! What a table does to rows on their own: triggers, foreign keys, locks.

use super::{apply, fresh, keys, psql, spec, target, through, url};
use hydrant_conformance::program;
use hydrant_contract::{ErrorKind, Target};
use std::process::Command;

#[tokio::test]
async fn rows_that_a_trigger_refuses_or_swallows_are_rejects() {
    let table = fresh("triggered");
    psql(&format!(
        "CREATE TABLE {table} (id bigint PRIMARY KEY, name text); CREATE TABLE {table}_log (id bigint); \
         CREATE FUNCTION {table}_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
           IF NEW.name = 'raise' THEN RAISE EXCEPTION 'not today' USING ERRCODE = 'ACME1'; END IF; \
           IF NEW.name = 'swallow' THEN RETURN NULL; END IF; \
           INSERT INTO {table}_log VALUES (NEW.id); RETURN NEW; END $$; \
         CREATE TRIGGER t BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_f()"
    ));
    let (target, spec) = (target(&url()), spec(&table));
    // The trigger finds its table by the search path that is configured, as it does for the application.
    let inserts = [(1, Some("a")), (2, Some("raise")), (3, Some("swallow")), (4, Some("b"))];
    let applied = apply(&target, &spec, &[], &inserts, &[]).await.expect("written");
    let reasons: Vec<_> = applied.rejects.iter().map(|r| (r.row, r.reason.as_str())).collect();
    assert_eq!(
        reasons,
        [(1, "not today [ACME1]"), (2, "a trigger of the table kept the row from being written")]
    );
    let updates = [(1, Some("swallow")), (4, Some("c"))];
    let applied = apply(&target, &spec, &[], &[], &updates).await.expect("written");
    assert_eq!(applied.rejects.iter().map(|r| r.row).collect::<Vec<_>>(), [0]);
    assert_eq!(psql(&format!("SELECT string_agg(id || name, ' ' ORDER BY id) FROM {table}")), "1a 4c");
    assert_eq!(psql(&format!("SELECT string_agg(id::text, ' ') FROM {table}_log")), "1 4 4");
}

#[tokio::test]
async fn foreign_keys_refuse_single_rows_deferred_or_not() {
    for deferred in ["", "DEFERRABLE INITIALLY DEFERRED"] {
        let table = fresh("child");
        psql(&format!(
            "CREATE TABLE {table}_p (name text PRIMARY KEY); INSERT INTO {table}_p VALUES ('x'), ('y'); \
             CREATE TABLE {table} (id bigint PRIMARY KEY, name text REFERENCES {table}_p {deferred}); \
             CREATE TABLE {table}_g (id bigint REFERENCES {table} {deferred})"
        ));
        let (target, spec) = (target(&url()), spec(&table));
        let inserts = [(1, Some("x")), (2, Some("none")), (3, Some("y")), (4, None)];
        let applied = apply(&target, &spec, &[], &inserts, &[]).await.expect("written");
        assert_eq!(applied.rejects.iter().map(|r| r.row).collect::<Vec<_>>(), [1], "{deferred}");
        psql(&format!("INSERT INTO {table}_g VALUES (3)"));
        let applied = apply(&target, &spec, &[1, 3, 9], &[], &[(4, Some("none"))]).await.expect("written");
        let refused: Vec<_> = applied.rejects.iter().map(|r| (r.part, r.row)).collect();
        let expected = [(hydrant_contract::Part::Deletes, 1), (hydrant_contract::Part::Updates, 0)];
        assert_eq!(refused, expected, "{deferred}");
        assert_eq!(psql(&format!("SELECT string_agg(id::text, ' ' ORDER BY id) FROM {table}")), "3 4");
    }
}

#[tokio::test]
async fn rows_that_refer_to_one_another_are_written_whatever_their_order() {
    let table = fresh("tree");
    psql(&format!("CREATE TABLE {table} (id bigint PRIMARY KEY, name text UNIQUE, CHECK (name <> 'bad'))"));
    psql(&format!(
        "ALTER TABLE {table} ADD parent text GENERATED ALWAYS AS (nullif(split_part(name, '<', 2), '')) STORED"
    ));
    psql(&format!(
        "ALTER TABLE {table} ADD UNIQUE (name), ADD FOREIGN KEY (parent) REFERENCES {table} (name)"
    ));
    let (target, spec) = (target(&url()), spec(&table));
    // The second refers to the third, and a bad row forces the search.
    let inserts = [(1, Some("bad")), (2, Some("leaf<root")), (3, Some("root")), (4, Some("lost<nowhere"))];
    let applied = apply(&target, &spec, &[], &inserts, &[]).await.expect("written");
    assert_eq!(applied.rejects.iter().map(|r| r.row).collect::<Vec<_>>(), [0, 3]);
    assert_eq!(psql(&format!("SELECT string_agg(name, ' ' ORDER BY id) FROM {table}")), "leaf<root root");
}

#[tokio::test]
async fn unchanged_neighbours_and_unmanaged_columns_are_not_touched() {
    let table = fresh("quiet");
    psql(&format!("CREATE TABLE {table} (id bigint PRIMARY KEY, name text, own text DEFAULT 'mine')"));
    psql(&format!("INSERT INTO {table} SELECT n, 'n' || n FROM generate_series(1, 1000) n"));
    let before = psql(&format!("SELECT sum(xmin::text::bigint) FROM {table} WHERE id NOT IN (5, 7)"));
    let (target, spec) = (target(&url()), spec(&table));
    apply(&target, &spec, &[7], &[], &[(5, Some("new"))]).await.expect("written");
    let after = psql(&format!("SELECT sum(xmin::text::bigint) FROM {table} WHERE id NOT IN (5, 7)"));
    assert_eq!(before, after);
    assert_eq!(psql(&format!("SELECT name || own FROM {table} WHERE id = 5")), "newmine");
}

#[tokio::test]
async fn an_inexact_value_is_refused_where_postgres_would_round_or_cut() {
    let table = fresh("exact");
    psql(&format!("CREATE TABLE {table} (id smallint PRIMARY KEY, name char(3))"));
    let (target, spec) = (target(&url()), spec(&table));
    let inserts = [(1, Some("abc")), (70_000, None), (2, Some("a ")), (3, Some("abcd")), (4, Some("a\0b"))];
    let applied = apply(&target, &spec, &[70_001], &inserts, &[]).await.expect("written");
    assert_eq!(
        applied.rejects.iter().map(|r| (r.row, r.column.as_deref())).collect::<Vec<_>>(),
        [(1, Some("id")), (2, Some("name")), (3, Some("name")), (4, Some("name"))]
    );
}

#[tokio::test]
async fn a_lock_held_elsewhere_is_busy_within_seconds_and_nothing_is_lost() {
    let table = fresh("locked");
    psql(&format!(
        "CREATE TABLE {table} (id bigint PRIMARY KEY, name text); INSERT INTO {table} VALUES (1, 'a')"
    ));
    let mut other = Command::new("psql");
    other.args(["--no-psqlrc", "--quiet", "--tuples-only", &url()]);
    let lock = format!("BEGIN; SELECT FROM {table} WHERE id = 1 FOR UPDATE;\n\\echo locked\n");
    let held = program::hold(&mut other, &lock, "locked");
    let (target, spec) = (target(&url()), spec(&table));
    let begun = std::time::Instant::now();
    let busy = apply(&target, &spec, &[], &[], &[(1, Some("b"))]).await.expect_err("locked");
    assert_eq!(busy.kind(), ErrorKind::Busy, "{busy}");
    assert!(busy.to_string().contains("another session holds a lock"), "{busy}");
    assert!((4..10).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    drop(held);
    apply(&target, &spec, &[], &[], &[(1, Some("b"))]).await.expect("free again");
    assert_eq!(psql(&format!("SELECT name FROM {table}")), "b");
}

#[tokio::test]
async fn inserts_of_referring_rows_do_not_wait_for_a_batch() {
    let table = fresh("referred");
    psql(&format!(
        "CREATE TABLE {table} (id bigint PRIMARY KEY, name text); INSERT INTO {table} VALUES (1, 'a'); \
         CREATE TABLE {table}_c (id bigint REFERENCES {table})"
    ));
    let mut other = Command::new("psql");
    other.args(["--no-psqlrc", "--quiet", "--tuples-only", &url()]);
    let refer = format!("BEGIN; INSERT INTO {table}_c VALUES (1);\n\\echo referred\n");
    let _held = program::hold(&mut other, &refer, "referred");
    let (target, spec) = (target(&url()), spec(&table));
    apply(&target, &spec, &[], &[], &[(1, Some("b"))]).await.expect("no waiting for a foreign key");
}

#[tokio::test]
async fn nothing_outlives_a_transaction() {
    let table = fresh("pooled");
    psql(&format!("CREATE TABLE {table} (id bigint PRIMARY KEY, name text)"));
    let name = fresh("pooled");
    let target = target(&through("127.0.0.1", &format!("application_name={name}")));
    let spec = spec(&table);
    apply(&target, &spec, &[], &[(1, Some("a"))], &[]).await.expect("written");
    apply(&target, &spec, &[1], &[(2, Some("b"))], &[(3, Some("c"))]).await.expect("written");
    target.read(&spec, &keys(&spec, &[2])).await.expect("read");

    let state = format!("SELECT DISTINCT state FROM pg_stat_activity WHERE application_name = '{name}'");
    assert_eq!(psql(&state), "idle");
}
