//! What a target says of its columns' limits is what it refuses.

use crate::{Fixture, FixtureColumn, Kind, Rig, Scene, Value, fixture::column};
use hydrant_contract::{Inspection, Integer, Limits, Part, Resolution, ValueType};

cases! {
    Inspect []:
        columns_that_were_made_hold_what_lies_within_their_limits_and_refuse_the_rest,
        columns_of_the_application_hold_what_lies_within_their_limits_and_refuse_the_rest,
        a_narrow_column_says_so,
        limits_are_known_before_the_table_is_made;
}

const INT: ValueType = ValueType::Integer(Integer::I64);

async fn limits(scene: &Scene<'_>) -> Vec<Limits> {
    let inspection = scene.target.inspect(&scene.spec).await.expect("an inspection");
    let (Inspection::Absent { limits, .. } | Inspection::Present { limits, .. }) = inspection;
    let names: Vec<_> = limits.iter().map(|l| l.column.as_str()).collect();
    let columns: Vec<_> = scene.spec.shape.columns().iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, columns, "one entry for each managed column");
    limits
}

/// Values at the limits of a column: those that it must hold, and those that it must refuse.
#[derive(Default)]
struct Edges {
    within: Vec<Value>,
    beyond: Vec<Value>,
}

impl Edges {
    fn of(limits: &Limits, value: &ValueType) -> Self {
        let Limits {
            column: _,
            not_null,
            characters,
            no_nul,
            no_space_at_end,
            range,
            digits,
            second_digits,
            no_nan,
        } = limits;
        let mut edges = Self::default();
        if *not_null {
            edges.beyond.push(Value::Null);
        } else {
            edges.within.push(Value::Null);
        }
        if let Some(max) = characters {
            let max = usize::try_from(*max).expect("a column that a test can fill");
            edges.add(Value::Text("é".repeat(max)), Value::Text("é".repeat(max + 1)));
        }
        if *no_nul {
            let (within, beyond) =
                if *value == ValueType::Json { ("\"a\"", "\"\\u0000\"") } else { ("a", "\0") };
            edges.add(Value::parse(within, value), Value::parse(beyond, value));
        }
        if *no_space_at_end {
            edges.add(Value::from(" a"), Value::from("a "));
        }
        if let Some((low, high)) = range {
            assert!(carried(value, *low).is_some() && carried(value, *high).is_some(), "{value}: {range:?}");
            edges.within.extend([*low, *high].into_iter().filter_map(|end| carried(value, end)));
            let beyond: Vec<_> =
                [low - 1, high + 1].into_iter().filter_map(|end| carried(value, end)).collect();
            assert!(!beyond.is_empty(), "{value}: no value is beyond {range:?}");
            edges.beyond.extend(beyond);
        }
        if let Some(digits) = digits {
            panic!("no column of this suite has limited digits, but {}: {digits:?}", limits.column);
        }
        if let Some(kept) = second_digits {
            let fraction = |digits: u8| format!("00:00:00.{}1", "0".repeat(usize::from(digits) - 1));
            let at = |digits: u8| match value {
                ValueType::Time(_) => Value::Time(fraction(digits)),
                ValueType::Timestamp(_) => Value::Timestamp(format!("2024-02-29T{}", fraction(digits))),
                _ => Value::Instant(format!("2024-02-29T{}Z", fraction(digits))),
            };
            edges.add(at(*kept), at(kept + 1));
        }
        if *no_nan {
            let number = |n: f64| {
                if *value == ValueType::Float32 { Value::float32(n as f32) } else { Value::float64(n) }
            };
            edges.add(number(1.5), number(f64::NAN));
        }
        edges.within.push(plain(value));
        edges
    }

    fn add(&mut self, within: Value, beyond: Value) {
        self.within.push(within);
        self.beyond.push(beyond);
    }
}

/// A value that every column of the type holds.
fn plain(value: &ValueType) -> Value {
    match value {
        ValueType::Boolean => Value::Bool(true),
        ValueType::Bytes => Value::Bytes(vec![1]),
        ValueType::Text => Value::from("a"),
        ValueType::Date => Value::Date("2024-02-29".to_owned()),
        ValueType::Time(_) => Value::Time("12:00:00".to_owned()),
        ValueType::Timestamp(_) => Value::Timestamp("2024-02-29T12:00:00".to_owned()),
        ValueType::Instant(_) => Value::Instant("2024-02-29T12:00:00Z".to_owned()),
        ValueType::Uuid => Value::Uuid("0190b5c0-7d2a-7abc-8def-0123456789ab".to_owned()),
        number_or_json => Value::parse("1", number_or_json),
    }
}

/// A number in the units of the type's carrier as a value, if the carrier has it.
fn carried(value: &ValueType, number: i128) -> Option<Value> {
    let long = i64::try_from(number).ok();
    match value {
        ValueType::Integer(integer) => {
            let (low, high) = integer.range();
            (low..=high).contains(&number).then(|| Value::Number(number.to_string()))
        }
        ValueType::Date => Some(Value::Date(format!("day {}", i32::try_from(number).ok()?))),
        ValueType::Timestamp(_) => Some(Value::Timestamp(format!("tick {}", long?))),
        ValueType::Instant(_) => Some(Value::Instant(format!("tick {}Z", long?))),
        other => panic!("{other} with a range"),
    }
}

/// Writes the edges of every column but the first, which is the key, one row for each.
async fn prove(scene: &Scene<'_>) {
    let limits = limits(scene).await;
    let columns = scene.spec.shape.columns();
    let edges: Vec<Edges> = limits.iter().zip(columns).map(|(l, c)| Edges::of(l, &c.value)).collect();
    // What the other columns hold in a row that is about one.
    let others: Vec<Value> = columns.iter().map(|column| plain(&column.value)).collect();
    let (mut rows, mut expected) = (Vec::new(), Vec::new());
    for at in 1..columns.len() {
        let within = edges[at].within.iter().map(|value| (value, true));
        for (value, holds) in within.chain(edges[at].beyond.iter().map(|value| (value, false))) {
            let mut row = others.clone();
            row[0] = Value::from(i64::try_from(rows.len()).expect("few rows"));
            row[at] = value.clone();
            if !holds {
                expected.push((rows.len(), Some(columns[at].name.clone())));
            }
            rows.push(row);
        }
    }
    for part in [Part::Inserts, Part::Updates] {
        let (inserts, updates) = if part == Part::Inserts {
            (rows.as_slice(), [].as_slice())
        } else {
            ([].as_slice(), rows.as_slice())
        };
        let batch = scene.batch(&[], inserts, updates);
        let applied = scene.target.apply(&batch).await.expect("a batch");
        let mut refused: Vec<_> = applied.rejects.iter().map(|r| (r.row, r.column.clone())).collect();
        refused.sort();
        let wrong =
            refused.iter().find(|r| !expected.contains(r)).or(expected.iter().find(|e| !refused.contains(e)));
        assert_eq!(
            wrong.map(|(row, column)| (&rows[*row], column)),
            None,
            "{limits:?}: {:?}",
            applied.rejects
        );
    }
}

fn every_type() -> Vec<(&'static str, ValueType)> {
    use Resolution::{Micro, Nano};
    vec![
        ("id", INT),
        ("bool", ValueType::Boolean),
        ("i8", ValueType::Integer(Integer::I8)),
        ("u64", ValueType::Integer(Integer::U64)),
        ("f32", ValueType::Float32),
        ("f64", ValueType::Float64),
        ("dec", ValueType::Decimal { precision: 20, scale: 4 }),
        ("text", ValueType::Text),
        ("bytes", ValueType::Bytes),
        ("date", ValueType::Date),
        ("time", ValueType::Time(Micro)),
        ("time_n", ValueType::Time(Nano)),
        ("wall", ValueType::Timestamp(Micro)),
        ("wall_n", ValueType::Timestamp(Nano)),
        ("at", ValueType::Instant(Micro)),
        ("at_n", ValueType::Instant(Nano)),
        ("uuid", ValueType::Uuid),
        ("json", ValueType::Json),
    ]
}

async fn columns_that_were_made_hold_what_lies_within_their_limits_and_refuse_the_rest(rig: &dyn Rig) {
    let columns: Vec<_> = every_type().into_iter().filter(|(_, value)| rig.holds(value)).collect();
    let scene = Scene::new(rig, "limits", &columns, &["id"]).created().await;
    prove(&scene).await;
}

/// A table of the application with the key `id`.
async fn theirs<'a>(
    rig: &'a dyn Rig,
    stem: &str,
    columns: &[(&str, ValueType)],
    kinds: Vec<FixtureColumn>,
) -> Scene<'a> {
    let columns = [&[("id", INT)], columns].concat();
    let scene = Scene::new(rig, stem, &columns, &["id"]);
    let id = column("id", Kind::Integer).not_null();
    let fixture = Fixture {
        columns: [vec![id], kinds].concat(),
        primary_key: vec!["id".to_owned()],
        ..Fixture::default()
    };
    rig.make(&scene.spec.table, &fixture).await;
    assert_eq!(scene.mismatches().await, [""; 0]);
    scene.claimed().await
}

async fn columns_of_the_application_hold_what_lies_within_their_limits_and_refuse_the_rest(rig: &dyn Rig) {
    let columns = [
        ("small", INT),
        ("filled", INT),
        ("short", ValueType::Text),
        ("flag", ValueType::Boolean),
        ("at", ValueType::Instant(Resolution::Micro)),
        ("byte", ValueType::Integer(Integer::U8)),
    ];
    let kinds = vec![
        column("small", Kind::Small),
        column("filled", Kind::Integer).not_null().default(0),
        column("short", Kind::Short(5)),
        column("flag", Kind::Boolean).not_null().default(false),
        column("at", Kind::Instant),
        column("byte", Kind::Small),
    ];
    let scene = theirs(rig, "their_limits", &columns, kinds).await;
    prove(&scene).await;
}

async fn a_narrow_column_says_so(rig: &dyn Rig) {
    let kinds = vec![column("filled", Kind::Integer).not_null(), column("free", Kind::Integer)];
    let scene = theirs(rig, "narrow_limits", &[("filled", INT), ("free", INT)], kinds).await;
    let not_null: Vec<_> = limits(&scene).await.into_iter().map(|l| l.not_null).collect();
    assert_eq!(not_null, [true, true, false], "every database knows which columns refuse NULL");
}

async fn limits_are_known_before_the_table_is_made(rig: &dyn Rig) {
    let columns: Vec<_> = every_type().into_iter().filter(|(_, value)| rig.holds(value)).collect();
    let scene = Scene::new(rig, "limits_before", &columns, &["id"]);
    let before = limits(&scene).await;
    let scene = scene.created().await;
    assert_eq!(limits(&scene).await, before);
}
