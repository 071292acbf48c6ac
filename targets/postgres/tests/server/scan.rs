//! Scans along every index that Postgres may have on a key.

use super::{fresh, psql, target, url};
use arrow::{array::AsArray, record_batch::RecordBatch};
use hydrant_contract::{
    Column, Deletes, Documents, Integer, Mode, Scanned, Shape, TableName, TableSpec, Target, ValueType,
};
use std::{collections::BTreeSet, time::Duration};

fn spec(table: &str, columns: &[(&str, ValueType)], key: &[&str]) -> TableSpec {
    let column = |(name, value): &(&str, ValueType)| Column { name: (*name).into(), value: value.clone() };
    let key = key.iter().map(|name| (*name).to_owned()).collect();
    TableSpec {
        table: TableName { schema: None, name: table.to_owned() },
        shape: Shape::new(columns.iter().map(column).collect(), key).expect("a shape"),
        mode: Mode::Mirror,
        deletes: Deletes::Hard,
        documents: Documents::default(),
    }
}

/// The whole table in pieces, through one connection that is closed at the end.
async fn pieces(spec: &TableSpec, rows: usize) -> Vec<Scanned> {
    let target = target(&url());
    let (mut pieces, mut after) = (Vec::new(), None);
    while pieces.len() < 10_000 {
        let piece = target.scan(spec, after.as_ref(), rows).await.expect("a piece");
        after.clone_from(&piece.next);
        pieces.push(piece);
        if after.is_none() {
            return pieces;
        }
    }
    panic!("no end");
}

fn texts<'b>(batch: &'b RecordBatch, column: &str) -> Vec<&'b str> {
    let texts = batch.column_by_name(column).expect("the column").as_string::<i32>();
    texts.iter().map(|text| text.expect("not NULL")).collect()
}

#[tokio::test]
async fn every_piece_is_read_from_the_index_of_the_key_whatever_order_that_has() {
    const ROWS: usize = 1000;
    let name = [("id", ValueType::Integer(Integer::I64)), ("name", ValueType::Text)];
    for (i, (column, index, key)) in [
        ("text", "(name)", vec!["name"]),
        ("text COLLATE \"en-US-x-icu\"", "(name)", vec!["name"]),
        ("text COLLATE \"en-US-x-icu\"", "(name COLLATE \"C\")", vec!["name"]),
        ("text", "(name text_pattern_ops)", vec!["name"]),
        ("varchar(80)", "(name DESC)", vec!["name"]),
        ("char(80)", "(name NULLS FIRST)", vec!["name"]),
        ("text", "(id DESC NULLS LAST, name DESC NULLS LAST)", vec!["id", "name"]),
        ("text", "(id, name DESC)", vec!["id", "name"]),
        ("text COLLATE \"en-US-x-icu\"", "(name, id)", vec!["id", "name"]),
        ("text", "(id DESC, name DESC)", vec!["id", "name"]),
        ("text", "(name text_pattern_ops, id) INCLUDE (note)", vec!["name", "id"]),
    ]
    .into_iter()
    .enumerate()
    {
        let table = fresh(&format!("ordered_{i}"));
        // Without statistics, which the planner would guess from.
        psql(&format!(
            "CREATE TABLE {table} (note int, id bigint NOT NULL, name {column} NOT NULL) WITH (autovacuum_enabled = off); \
             CREATE UNIQUE INDEX ON {table} {index}; \
             INSERT INTO {table} SELECT 1, n / 3, chr(65 + n % 60) || repeat('é-', n % 7) || n FROM generate_series(1, {ROWS}) AS n"
        ));
        let found = pieces(&spec(&table, &name, &key), 100).await;
        let names: Vec<_> = found.iter().flat_map(|piece| texts(&piece.rows, "name")).collect();
        let distinct: BTreeSet<_> = names.iter().collect();
        assert_eq!((names.len(), distinct.len()), (ROWS, ROWS), "{column} {index}");

        // The server counts a session's reads when it ends, which the client does not wait for.
        let read =
            || psql(&format!("SELECT idx_tup_read FROM pg_stat_user_indexes WHERE relname = '{table}'"));
        let mut count = 0;
        for _ in 0..100 {
            count = read().parse().expect("a number");
            if count >= ROWS {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // Without its order, every piece would read all that is behind it: ROWS * 5.
        assert!((ROWS..ROWS * 2).contains(&count), "{count} entries of the index read: {column} {index}");
    }
}

#[tokio::test]
async fn a_partitioned_table_is_scanned_as_one() {
    let table = fresh("parts");
    psql(&format!(
        "CREATE TABLE {table} (id bigint PRIMARY KEY, name text) PARTITION BY HASH (id); \
         CREATE TABLE {table}_0 PARTITION OF {table} FOR VALUES WITH (MODULUS 2, REMAINDER 0); \
         CREATE TABLE {table}_1 PARTITION OF {table} FOR VALUES WITH (MODULUS 2, REMAINDER 1); \
         INSERT INTO {table} SELECT n, 'n' || n FROM generate_series(1, 100) AS n"
    ));
    let columns = [("id", ValueType::Integer(Integer::I64)), ("name", ValueType::Text)];
    let found = pieces(&spec(&table, &columns, &["id"]), 7).await;
    assert_eq!(found.iter().map(|piece| piece.rows.num_rows()).sum::<usize>(), 100);
}

#[tokio::test]
async fn an_enum_and_a_domain_are_keys_too() {
    let table = fresh("kinds");
    psql(&format!(
        "CREATE TYPE {table}_e AS ENUM ('z', 'Mid', 'a'); CREATE DOMAIN {table}_d AS text CHECK (value <> ''); \
         CREATE TABLE {table} (e {table}_e, d {table}_d, PRIMARY KEY (e, d)); \
         INSERT INTO {table} SELECT e::{table}_e, d FROM unnest('{{a,Mid,z}}'::text[]) AS e, unnest('{{x,y}}'::text[]) AS d"
    ));
    let found =
        pieces(&spec(&table, &[("e", ValueType::Text), ("d", ValueType::Text)], &["d", "e"]), 1).await;
    let keys: Vec<_> =
        found.iter().flat_map(|p| [texts(&p.rows, "e"), texts(&p.rows, "d")].concat()).collect();
    // In the enum's own order.
    assert_eq!(
        keys.chunks(2).map(<[_]>::concat).collect::<Vec<_>>(),
        ["zx", "zy", "Midx", "Midy", "ax", "ay"]
    );
}

#[tokio::test]
async fn keys_past_what_the_query_can_say_are_passed_over() {
    let table = fresh("wide");
    psql(&format!(
        "CREATE TABLE {table} (id numeric, at timestamp, name text, UNIQUE (id, at)); \
         INSERT INTO {table} SELECT id, at, 'x' FROM unnest('{{-1e40,1,1.5,2,1e40,NaN,NULL}}'::numeric[]) AS id, \
         unnest('{{-infinity,2024-02-29,infinity,NULL}}'::timestamp[]) AS at"
    ));
    let micro = hydrant_contract::Resolution::Micro;
    let columns = [
        ("id", ValueType::Integer(Integer::I64)),
        ("at", ValueType::Timestamp(micro)),
        ("name", ValueType::Text),
    ];
    for rows in [1, 2, 1000] {
        let found = pieces(&spec(&table, &columns, &["id", "at"]), rows).await;
        let readable: usize = found.iter().map(|piece| piece.rows.num_rows()).sum();
        let foreign: u64 = found.iter().map(|piece| piece.foreign).sum();
        assert_eq!((readable, foreign), (2, 26), "in pieces of {rows}");
        assert!(found.iter().all(|piece| piece.unreadable.num_rows() == 0));
    }
}

#[tokio::test]
async fn a_cursor_of_another_table_is_refused() {
    let table = fresh("cursors");
    psql(&format!(
        "CREATE TABLE {table} (id bigint PRIMARY KEY, name text UNIQUE NOT NULL); INSERT INTO {table} VALUES (1, 'a'), (2, 'b')"
    ));
    let columns = [("id", ValueType::Integer(Integer::I64)), ("name", ValueType::Text)];
    let piece = target(&url()).scan(&spec(&table, &columns, &["id"]), None, 1).await.expect("a piece");
    let other = spec(&table, &columns, &["name"]);
    let error = target(&url()).scan(&other, piece.next.as_ref(), 1).await.expect_err("not its cursor");
    assert!(error.to_string().contains("another table or key"), "{error}");
}
