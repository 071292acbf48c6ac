//! Values come back exactly, or are refused.

use crate::{Rig, Scene, Value};
use hydrant_contract::{Integer, Part, Resolution::Micro, Resolution::Nano, ValueType};
use std::collections::BTreeMap;

cases! {
    ExactOrRefused []:
        booleans,
        whole_numbers,
        floats,
        decimals,
        texts,
        bytes,
        dates,
        times,
        timestamps,
        instants,
        uuids,
        json,
        lists,
        vectors,
        structs,
        maps,
        large_values,
        a_key_of_every_type_finds_its_row;
    Apply []:
        reading_keys_that_are_not_there_returns_no_row;
}

const INT: ValueType = ValueType::Integer(Integer::I64);

/// One type of each kind.
pub(super) fn one_of_each_type() -> Vec<ValueType> {
    let list = |value| ValueType::List(Box::new(value));
    vec![
        ValueType::Boolean,
        ValueType::Integer(Integer::I8),
        ValueType::Integer(Integer::I16),
        ValueType::Integer(Integer::I32),
        INT,
        ValueType::Integer(Integer::U8),
        ValueType::Integer(Integer::U16),
        ValueType::Integer(Integer::U32),
        ValueType::Integer(Integer::U64),
        ValueType::Float32,
        ValueType::Float64,
        ValueType::Decimal { precision: 9, scale: 2 },
        ValueType::Decimal { precision: 38, scale: 0 },
        ValueType::Decimal { precision: 76, scale: 30 },
        ValueType::Decimal { precision: 5, scale: -3 },
        ValueType::Text,
        ValueType::Bytes,
        ValueType::Date,
        ValueType::Time(Micro),
        ValueType::Time(Nano),
        ValueType::Timestamp(Micro),
        ValueType::Timestamp(Nano),
        ValueType::Instant(Micro),
        ValueType::Instant(Nano),
        ValueType::Uuid,
        ValueType::Json,
        list(ValueType::Text),
        list(list(INT)),
        list(ValueType::Instant(Micro)),
        ValueType::Vector(3),
        ValueType::Struct(vec![("a".to_owned(), INT), ("b".to_owned(), list(ValueType::Date))]),
        ValueType::Map(Box::new(ValueType::Text), Box::new(ValueType::Float64)),
    ]
}

/// Writes values that every target that has a home for the type must keep, with NULL among them; then hard ones, which it
/// must keep or refuse.
async fn keeps(rig: &dyn Rig, stem: &str, value: ValueType, ordinary: Vec<Value>, hard: Vec<Value>) {
    // A type without a home is a mismatch, which another case proves.
    if !rig.holds(&value) {
        return;
    }
    // What the database has no room for is kept or refused like the hard ones.
    let (ordinary, narrow): (Vec<_>, Vec<_>) = ordinary.into_iter().partition(|v| rig.has_room(v, &value));
    let hard = [narrow, hard].concat();
    let scene = Scene::new(rig, stem, &[("id", INT), ("v", value)], &["id"]).created().await;
    let numbered = |from: i64, values: Vec<Value>| -> Vec<Vec<Value>> {
        (from..).zip(values).map(|(id, value)| row![id, value]).collect()
    };
    let mut rows = numbered(0, [vec![Value::Null], ordinary].concat());
    scene.write(&[], &rows, &[]).await;
    scene.expect(&rows).await;
    // The other way rows take, over other values: each row gets its neighbour's.
    let count = rows.len();
    let turned: Vec<Vec<Value>> =
        (0..count).map(|i| vec![rows[i][0].clone(), rows[(i + 1) % count][1].clone()]).collect();
    scene.write(&[], &[], &turned).await;
    scene.expect(&turned).await;

    rows = turned;
    let hard = numbered(1000, hard);
    let refused = scene.write_some(&[], &hard, &[]).await;
    let kept = (0..hard.len()).filter(|row| !refused.contains(&(Part::Inserts, *row)));
    rows.extend(kept.map(|row| hard[row].clone()));
    scene.expect(&rows).await;
}

fn numbers(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| Value::Number((*text).to_owned())).collect()
}

fn each(texts: &[&str], of: fn(String) -> Value) -> Vec<Value> {
    texts.iter().map(|text| of((*text).to_owned())).collect()
}

async fn booleans(rig: &dyn Rig) {
    keeps(rig, "booleans", ValueType::Boolean, row![true, false], vec![]).await;
}

async fn whole_numbers(rig: &dyn Rig) {
    use Integer::{I8, I16, I32, I64, U8, U16, U32, U64};
    for integer in [I8, I16, I32, I64, U8, U16, U32, U64] {
        let (min, max) = integer.range();
        // Past 63 bits a target may have no room.
        let ordinary = [min, min + 1, 0, 1, max.min(i64::MAX.into())].map(|n| n.to_string());
        let hard =
            if integer == U64 { numbers(&["9223372036854775808", "18446744073709551615"]) } else { vec![] };
        let stem = format!("whole_{integer:?}").to_lowercase();
        let ordinary = ordinary.iter().map(String::as_str).collect::<Vec<_>>();
        keeps(rig, &stem, ValueType::Integer(integer), numbers(&ordinary), hard).await;
    }
}

async fn floats(rig: &dyn Rig) {
    let ordinary = [0.0, 1.5, -1.0, 0.1, 1.0 / 3.0, 2f64.powi(53) + 2.0, f64::MAX, f64::MIN, 1e-300];
    let hard = [f64::MIN_POSITIVE, 5e-324, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -0.0];
    let (ordinary, hard) = (ordinary.map(Value::float64), hard.map(Value::float64));
    keeps(rig, "floats_64", ValueType::Float64, ordinary.to_vec(), hard.to_vec()).await;
    let ordinary = [0.0, 1.5, -1.0, 0.1, 1.0 / 3.0, 16_777_217.0, f32::MAX, f32::MIN, 1e-30];
    let hard = [f32::MIN_POSITIVE, 1e-45, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -0.0];
    let (ordinary, hard) = (ordinary.map(Value::float32), hard.map(Value::float32));
    keeps(rig, "floats_32", ValueType::Float32, ordinary.to_vec(), hard.to_vec()).await;
}

async fn decimals(rig: &dyn Rig) {
    let decimal = |precision, scale| ValueType::Decimal { precision, scale };
    let small = numbers(&["0", "0.01", "-0.01", "1.1", "9999999.99", "-9999999.99"]);
    keeps(rig, "decimal_9_2", decimal(9, 2), small, vec![]).await;
    let nines = "9".repeat(38);
    let whole = numbers(&["0", "-1", "100", "12345678901234567890", &nines, &format!("-{nines}")]);
    keeps(rig, "decimal_38_0", decimal(38, 0), whole, vec![]).await;
    let fraction = numbers(&[
        "0.1",
        "-0.00000000000000000000000000000000000001",
        "0.99999999999999999999999999999999999999",
    ]);
    keeps(rig, "decimal_38_38", decimal(38, 38), fraction, vec![]).await;
    let (whole, fraction) = ("9".repeat(46), "9".repeat(30));
    let wide = numbers(&["0", "1.5", &format!("{whole}.{fraction}"), &format!("-{whole}.{fraction}")]);
    keeps(rig, "decimal_76_30", decimal(76, 30), wide, vec![]).await;
    let thousands = numbers(&["0", "1000", "-99999000"]);
    keeps(rig, "decimal_5_3", decimal(5, -3), thousands, vec![]).await;
}

async fn texts(rig: &dyn Rig) {
    let ordinary = row![
        "",
        " ",
        "a",
        " a ",
        "NULL",
        "null",
        "\\N",
        "\\",
        "'",
        "\"",
        "\t\r\n\u{1}\u{7f}",
        "1e5",
        "007",
        "0x10",
        "true",
        "2024-01-01",
        "é",
        "e\u{301}",
        "\u{feff}bom",
        "\u{ffff}\u{10ffff}",
        "🙂👨‍👩‍👧",
        "\u{202e}rtl",
        "{}",
        "a\\0b"
    ];
    keeps(rig, "texts", ValueType::Text, ordinary, row!["\0", "a\0b", "a\0"]).await;
}

async fn bytes(rig: &dyn Rig) {
    let all: Vec<u8> = (0..=255).collect();
    let ordinary = [vec![], vec![0], vec![0, 0, 1], b"text".to_vec(), b"\\x41".to_vec(), all];
    keeps(rig, "bytes", ValueType::Bytes, ordinary.map(Value::Bytes).to_vec(), vec![]).await;
}

async fn dates(rig: &dyn Rig) {
    let ordinary = each(
        &["1970-01-01", "1969-12-31", "2024-02-29", "1582-10-10", "0001-01-01", "9999-12-31"],
        Value::Date,
    );
    let hard = each(
        &["0000-12-31", "-0044-03-15", "+10000-01-01", "+262000-01-01", "day 2147483647", "day -2147483648"],
        Value::Date,
    );
    keeps(rig, "dates", ValueType::Date, ordinary, hard).await;
}

async fn times(rig: &dyn Rig) {
    let ordinary =
        each(&["00:00:00", "23:59:59", "12:34:56.7", "00:00:00.000001", "23:59:59.999999"], Value::Time);
    keeps(rig, "times_micro", ValueType::Time(Micro), ordinary.clone(), vec![]).await;
    let hard = each(&["00:00:00.000000001", "23:59:59.999999999"], Value::Time);
    keeps(rig, "times_nano", ValueType::Time(Nano), ordinary, hard).await;
}

const WALL: [&str; 6] = [
    "1970-01-01T00:00:00",
    "1969-12-31T23:59:59.999999",
    "2024-02-29T12:34:56.7",
    "2024-10-27T02:30:00",
    "0001-01-01T00:00:00",
    "9999-12-31T23:59:59.999999",
];
const HARD_WALL: [&str; 4] = [
    "-0044-03-15T12:00:00",
    "+10000-01-01T00:00:00",
    "tick 9223372036854775807",
    "tick -9223372036854775808",
];
/// Nanoseconds in 64 bits end in the years 1677 and 2262.
const NANO_WALL: [&str; 3] =
    ["1970-01-01T00:00:00", "1700-01-01T00:00:00.123456", "2262-01-01T00:00:00.999999"];
const HARD_NANO_WALL: [&str; 4] = [
    "1970-01-01T00:00:00.000000001",
    "1969-12-31T23:59:59.999999999",
    "2262-04-11T23:47:16.854775807",
    "1677-09-21T00:12:43.145224193",
];

async fn timestamps(rig: &dyn Rig) {
    keeps(
        rig,
        "wall_micro",
        ValueType::Timestamp(Micro),
        each(&WALL, Value::Timestamp),
        each(&HARD_WALL, Value::Timestamp),
    )
    .await;
    keeps(
        rig,
        "wall_nano",
        ValueType::Timestamp(Nano),
        each(&NANO_WALL, Value::Timestamp),
        each(&HARD_NANO_WALL, Value::Timestamp),
    )
    .await;
}

async fn instants(rig: &dyn Rig) {
    let utc = |wall: String| Value::Instant(format!("{wall}Z"));
    keeps(rig, "instants_micro", ValueType::Instant(Micro), each(&WALL, utc), each(&HARD_WALL, utc)).await;
    keeps(rig, "instants_nano", ValueType::Instant(Nano), each(&NANO_WALL, utc), each(&HARD_NANO_WALL, utc))
        .await;
}

async fn uuids(rig: &dyn Rig) {
    let ordinary = [
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "0190b5c0-7d2a-7abc-8def-0123456789ab",
    ];
    keeps(rig, "uuids", ValueType::Uuid, each(&ordinary, Value::Uuid), vec![]).await;
}

async fn json(rig: &dyn Rig) {
    let of = |text: &str| Value::parse(text, &ValueType::Json);
    let ordinary = [
        "null",
        "true",
        "0",
        "-1.5",
        "\"\"",
        "\"a\\\"b\\n\"",
        "[]",
        "{}",
        r#"[1,[2,{"a":null}]]"#,
        r#"{"b":1,"a":{"é":"🙂"}}"#,
        "9007199254740993",
    ];
    let hard = ["\"\\u0000\"", "1e308", "\"\\ud83d\\ude42\""];
    keeps(rig, "json", ValueType::Json, ordinary.map(of).to_vec(), hard.map(of).to_vec()).await;
}

async fn lists(rig: &dyn Rig) {
    let list = |items: Vec<Value>| Value::List(items);
    let odd = row!["", "a,b", "{}", "\"", "\\", "NULL", Value::Null, " ", "'", "🙂"];
    let texts = vec![list(vec![]), list(row![Value::Null]), list(row!["a"]), list(odd)];
    keeps(rig, "list_text", ValueType::List(Box::new(ValueType::Text)), texts, vec![list(row!["a\0"])]).await;
    let ints = vec![list(vec![]), list(row![1, Value::Null, i64::MIN, i64::MAX])];
    keeps(rig, "list_int", ValueType::List(Box::new(INT)), ints, vec![]).await;
    let floats = vec![list([0.1, -1.0, f64::MAX].map(Value::float64).to_vec())];
    let hard = vec![list(vec![Value::float64(f64::NAN)])];
    keeps(rig, "list_float", ValueType::List(Box::new(ValueType::Float64)), floats, hard).await;
    let flags = vec![list(row![true, false, Value::Null])];
    keeps(rig, "list_flag", ValueType::List(Box::new(ValueType::Boolean)), flags, vec![]).await;
    let days = vec![list(each(&["2024-02-29", "1969-12-31"], Value::Date))];
    keeps(rig, "list_date", ValueType::List(Box::new(ValueType::Date)), days, vec![]).await;
    let instants = vec![list(each(&["2024-02-29T12:34:56.789Z", "1969-12-31T23:59:59Z"], Value::Instant))];
    keeps(rig, "list_instant", ValueType::List(Box::new(ValueType::Instant(Micro))), instants, vec![]).await;
    // Ragged, which arrays of several dimensions are not.
    let nested = vec![list(vec![list(row![1, 2]), list(vec![]), Value::Null, list(row![3])]), list(vec![])];
    let of = ValueType::List(Box::new(ValueType::List(Box::new(INT))));
    keeps(rig, "list_list", of, nested, vec![]).await;
}

async fn vectors(rig: &dyn Rig) {
    let vector = |items: [f32; 3]| Value::List(items.map(Value::float32).to_vec());
    let ordinary = vec![vector([0.0, 0.1, -1.5]), vector([1e-10, 3.0e10, 1.0 / 3.0])];
    let hard = vec![
        Value::List(vec![Value::float32(1.0), Value::Null, Value::float32(2.0)]),
        vector([f32::NAN, f32::INFINITY, 0.0]),
    ];
    keeps(rig, "vectors", ValueType::Vector(3), ordinary, hard).await;
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Fields(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

async fn structs(rig: &dyn Rig) {
    let inner = ValueType::Struct(vec![("Ünï".to_owned(), ValueType::Text)]);
    let of = ValueType::Struct(vec![
        ("a".to_owned(), INT),
        ("quo\"te".to_owned(), inner),
        ("c".to_owned(), ValueType::List(Box::new(ValueType::Date))),
    ]);
    let days = Value::List(each(&["2024-02-29"], Value::Date));
    let whole = fields([("a", 1.into()), ("quo\"te", fields([("Ünï", "x'\"\\".into())])), ("c", days)]);
    let empty = fields([("a", Value::Null), ("quo\"te", Value::Null), ("c", Value::List(vec![]))]);
    keeps(rig, "structs", of, vec![whole, empty], vec![]).await;
}

async fn maps(rig: &dyn Rig) {
    let by_text = ValueType::Map(Box::new(ValueType::Text), Box::new(INT));
    let ordinary = vec![
        Value::Fields(BTreeMap::new()),
        fields([("", 1.into()), ("a\"b", Value::Null), ("é", 2.into())]),
    ];
    keeps(rig, "map_text", by_text, ordinary, vec![]).await;
    let by_int = ValueType::Map(Box::new(INT), Box::new(ValueType::List(Box::new(ValueType::Text))));
    let ordinary = vec![fields([("-1", Value::List(row!["x"])), ("20", Value::List(vec![]))])];
    keeps(rig, "map_int", by_int, ordinary, vec![]).await;
}

async fn large_values(rig: &dyn Rig) {
    let text = "lärge ".repeat(200_000);
    keeps(rig, "large_text", ValueType::Text, row![text.as_str()], vec![]).await;
    let bytes = (0..1_000_000u32).map(|i| i.to_le_bytes()[0]).collect();
    keeps(rig, "large_bytes", ValueType::Bytes, vec![Value::Bytes(bytes)], vec![]).await;
}

/// Keys of every type that a key may have.
pub(super) fn keys_of_each_type(rig: &dyn Rig) -> Vec<(ValueType, Vec<Value>)> {
    let decimal = ValueType::Decimal { precision: 20, scale: 4 };
    // Languages order them in many ways, and some do not look at all of their characters.
    let texts = row![
        "",
        " ",
        "a",
        "A",
        "b",
        "a b",
        "a-b",
        "ab",
        "a\u{ad}b",
        "aa",
        "é",
        "e",
        "e\u{301}",
        "f",
        "ß",
        "ss",
        "z",
        "Z",
        "ä",
        "日本",
        "🙂",
        "\u{ffff}",
        "\u{10ffff}",
        "10",
        "9",
        "'",
        "\"",
        "\\",
        "\u{1}"
    ];
    let keys = vec![
        (ValueType::Text, texts),
        (ValueType::Boolean, row![true, false]),
        (INT, row![i64::MIN, -1, 0, i64::MAX]),
        (ValueType::Integer(Integer::U64), numbers(&["0", "9223372036854775807"])),
        (decimal, numbers(&["0", "1.5", "15", "-0.0001", "9999999999999999.9999"])),
        (ValueType::Bytes, [vec![], vec![0], vec![0, 0], vec![255, 1]].map(Value::Bytes).to_vec()),
        (ValueType::Date, each(&["1969-12-31", "2024-02-29"], Value::Date)),
        (ValueType::Time(Micro), each(&["00:00:00", "00:00:00.000001"], Value::Time)),
        (ValueType::Timestamp(Micro), each(&WALL, Value::Timestamp)),
        (ValueType::Timestamp(Nano), each(&NANO_WALL, Value::Timestamp)),
        (ValueType::Instant(Micro), each(&WALL, |wall| Value::Instant(format!("{wall}Z")))),
        (
            ValueType::Uuid,
            each(
                &["00000000-0000-0000-0000-000000000000", "0190b5c0-7d2a-7abc-8def-0123456789ab"],
                Value::Uuid,
            ),
        ),
    ];
    keys.into_iter()
        .map(|(value, keys)| {
            let keys = keys.into_iter().filter(|key| rig.has_room(key, &value)).collect();
            (value, keys)
        })
        .collect()
}

async fn a_key_of_every_type_finds_its_row(rig: &dyn Rig) {
    for (i, (value, keys)) in keys_of_each_type(rig).into_iter().enumerate() {
        if !rig.holds(&value) {
            continue;
        }
        let columns = [("k", value), ("v", ValueType::Text)];
        let scene = Scene::new(rig, &format!("keyed_{i}"), &columns, &["k"]).created().await;
        let rows = |v: &str| -> Vec<Vec<Value>> { keys.iter().map(|key| row![key.clone(), v]).collect() };
        scene.write(&[], &rows("a"), &[]).await;
        scene.write(&[], &[], &rows("b")).await;
        scene.expect(&rows("b")).await;
        scene.write(&[vec![keys[0].clone()]], &[], &[]).await;
        scene.expect(&rows("b")[1..]).await;
    }
}

async fn reading_keys_that_are_not_there_returns_no_row(rig: &dyn Rig) {
    let scene = Scene::new(rig, "read", &[("id", INT), ("name", ValueType::Text)], &["id"]).created().await;
    scene.write(&[], &[row![1, "a"], row![2, "b"]], &[]).await;
    let read = |keys: Vec<Vec<Value>>| {
        let keys = scene.keys(&keys);
        let (target, spec) = (scene.target.clone(), scene.spec.clone());
        async move { target.read(&spec, &keys).await.expect("rows are read") }
    };
    assert_eq!(read(vec![row![2], row![5], row![6]]).await, scene.rows(&[row![2, "b"]]));
    assert_eq!(read(vec![row![5]]).await, scene.rows(&[]));
    assert_eq!(read(vec![]).await, scene.rows(&[]));
}
