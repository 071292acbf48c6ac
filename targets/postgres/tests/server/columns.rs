//! What columns can hold and tell apart.

use super::{fresh, mismatches, psql, spec, target, url};
use hydrant_contract::{
    Column, Digits, Inspection, Integer, Limits, Resolution, Shape, TableSpec, Target, ValueType,
};

#[tokio::test]
async fn limits_of_every_type_are_read_from_the_catalog() {
    let table = fresh("limits");
    psql(&format!(
        "CREATE DOMAIN {table}_d AS varchar(7) NOT NULL; \
         CREATE TABLE {table} (id bigint PRIMARY KEY, small smallint, price numeric(5, 2), whole integer, \
         code char(3), dom {table}_d, free text, at timestamptz(3), wall timestamp, day date, clock time(0), \
         doc jsonb, raw json)"
    ));
    let int = ValueType::Integer(Integer::I64);
    let decimal = |precision, scale| ValueType::Decimal { precision, scale };
    let columns = [
        ("id", int.clone()),
        ("small", int.clone()),
        ("price", decimal(20, 4)),
        ("whole", decimal(20, 0)),
        ("code", ValueType::Text),
        ("dom", ValueType::Text),
        ("free", ValueType::Text),
        ("at", ValueType::Instant(Resolution::Micro)),
        ("wall", ValueType::Timestamp(Resolution::Nano)),
        ("day", ValueType::Date),
        ("clock", ValueType::Time(Resolution::Micro)),
        ("doc", ValueType::Json),
        ("raw", ValueType::Json),
    ];
    let columns = columns.map(|(name, value)| Column { name: name.into(), value }).to_vec();
    let spec = TableSpec { shape: Shape::new(columns, vec!["id".into()]).expect("a shape"), ..spec(&table) };
    let inspection = target(&url()).inspect(&spec).await.expect("an inspection");
    let Inspection::Present { mismatches, limits } = inspection else { panic!("it is there") };
    assert_eq!(mismatches, []);
    let none = Limits::none;
    // 4714-11-24 BC and the end of the year 5874897.
    let days = (-2_440_588, 2_145_042_905);
    let expected = [
        Limits { not_null: true, ..none("id") },
        Limits { range: Some((-32_768, 32_767)), ..none("small") },
        Limits { digits: Some(Digits { precision: 5, scale: 2 }), ..none("price") },
        Limits { range: Some((i32::MIN.into(), i32::MAX.into())), ..none("whole") },
        Limits { characters: Some(3), no_nul: true, no_space_at_end: true, ..none("code") },
        Limits { characters: Some(7), no_nul: true, not_null: true, ..none("dom") },
        Limits { no_nul: true, ..none("free") },
        Limits {
            range: Some((-210_866_803_200_000_000, i64::MAX.into())),
            second_digits: Some(3),
            ..none("at")
        },
        Limits { second_digits: Some(6), ..none("wall") },
        Limits { range: Some(days), ..none("day") },
        Limits { second_digits: Some(0), ..none("clock") },
        Limits { no_nul: true, ..none("doc") },
        none("raw"),
    ];
    for (found, expected) in limits.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(limits.len(), expected.len());
}

#[tokio::test]
async fn a_collation_that_calls_different_keys_equal_is_a_mismatch_with_its_mend() {
    let table = fresh("alike");
    psql(&format!(
        "CREATE COLLATION {table}_c (provider = icu, locale = 'und-u-ks-level2', deterministic = false); \
         CREATE TABLE {table} (id bigint, name text COLLATE {table}_c PRIMARY KEY)"
    ));
    let mut spec = spec(&table);
    spec.shape = Shape::new(spec.shape.columns().to_vec(), vec!["name".into()]).expect("a shape");
    let target = target(&url());
    let Inspection::Present { mismatches: found, .. } = target.inspect(&spec).await.expect("inspected")
    else {
        panic!("it is there")
    };
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].problem.contains("not deterministic"), "{found:?}");
    psql(&found[0].mend);
    assert_eq!(mismatches(&target, &spec).await, [""; 0]);
    psql(&format!("INSERT INTO {table} VALUES (1, 'a'), (2, 'A')"));

    // The column tells them apart, its only unique index does not.
    let other = fresh("stricter");
    psql(&format!(
        "CREATE TABLE {other} (id bigint, name text NOT NULL); CREATE UNIQUE INDEX ON {other} (name COLLATE {table}_c)"
    ));
    spec.table.name = other;
    let found = mismatches(&target, &spec).await;
    assert!(found.len() == 1 && found[0].contains("no unique index"), "{found:?}");
}

#[tokio::test]
async fn a_json_column_is_no_key() {
    let table = fresh("json_key");
    psql(&format!("CREATE TABLE {table} (id bigint, name jsonb PRIMARY KEY)"));
    let mut spec = spec(&table);
    spec.shape = Shape::new(spec.shape.columns().to_vec(), vec!["name".into()]).expect("a shape");
    let found = mismatches(&target(&url()), &spec).await;
    assert!(found.len() == 1 && found[0].contains("calls keys equal"), "{found:?}");
}
