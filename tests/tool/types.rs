//! The table of types in `docs/types.md` is what the targets create. `BLESS=1` writes it anew.

use crate::harness::{Database, Project, postgres_server, required};
use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
        FixedSizeBinaryArray, FixedSizeListArray, Float32Array, Float64Array, Int64Array, ListArray,
        MapArray, StringArray, StructArray, Time64MicrosecondArray, Time64NanosecondArray,
        TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
    },
    buffer::OffsetBuffer,
    datatypes::{DataType, i256},
    record_batch::RecordBatch,
};
use hydrant_contract::{
    Batch, Checkpoint, Column, Deletes, Documents, Inspection, Integer, Mode, Resolution, Shape, TableName,
    TableSpec, Target, ValueType,
};
use hydrant_target_mongodb::MongodbTarget;
use hydrant_target_mysql::MysqlTarget;
use hydrant_target_postgres::PostgresTarget;
use hydrant_target_sqlite::SqliteTarget;
use std::{collections::HashMap, fs, path::Path, sync::Arc};

/// One of every kind; the match makes a new kind a compile error here.
fn kinds() -> Vec<ValueType> {
    use Integer::{I8, I16, I32, I64, U8, U16, U32, U64};
    let mut kinds = vec![ValueType::Boolean];
    kinds.extend([I8, I16, I32, I64, U8, U16, U32, U64].map(ValueType::Integer));
    kinds.extend([
        ValueType::Float32,
        ValueType::Float64,
        ValueType::Decimal { precision: 12, scale: 2 },
        ValueType::Decimal { precision: 60, scale: 0 },
        ValueType::Text,
        ValueType::Bytes,
        ValueType::Date,
    ]);
    for resolution in [Resolution::Micro, Resolution::Nano] {
        kinds.extend([ValueType::Time, ValueType::Timestamp, ValueType::Instant].map(|of| of(resolution)));
    }
    kinds.extend([
        ValueType::Uuid,
        ValueType::Json,
        ValueType::List(Box::new(ValueType::Text)),
        ValueType::List(Box::new(ValueType::List(Box::new(ValueType::Text)))),
        ValueType::Vector(3),
        ValueType::Struct(vec![("a".into(), ValueType::Text)]),
        ValueType::Map(Box::new(ValueType::Text), Box::new(ValueType::Float64)),
    ]);
    for kind in &kinds {
        match kind {
            ValueType::Boolean
            | ValueType::Integer(_)
            | ValueType::Float32
            | ValueType::Float64
            | ValueType::Decimal { .. }
            | ValueType::Text
            | ValueType::Bytes
            | ValueType::Date
            | ValueType::Time(_)
            | ValueType::Timestamp(_)
            | ValueType::Instant(_)
            | ValueType::Uuid
            | ValueType::Json
            | ValueType::List(_)
            | ValueType::Vector(_)
            | ValueType::Struct(_)
            | ValueType::Map(..) => {}
        }
    }
    kinds
}

/// A table with a column of each kind.
fn every_kind(kinds: &[ValueType]) -> TableSpec {
    let key = Column { name: "id".into(), value: ValueType::Integer(Integer::I64) };
    let columns =
        kinds.iter().enumerate().map(|(i, value)| Column { name: format!("c{i}"), value: value.clone() });
    let shape = Shape::new([key].into_iter().chain(columns).collect(), vec!["id".into()]).unwrap();
    let table = TableName { schema: None, name: "every_type_there_is".into() };
    TableSpec { table, shape, mode: Mode::Mirror, deletes: Deletes::Hard, documents: Documents::default() }
}

/// The type of each column in the statement that a target would create the table by; its names stand in these quotes.
async fn created(target: &dyn Target, quote: char, kinds: &[ValueType]) -> HashMap<String, String> {
    let Inspection::Absent { statements, .. } = target.inspect(&every_kind(kinds)).await.unwrap() else {
        panic!("it is there")
    };
    let columns = statements.iter().flat_map(|s| s.lines()).filter_map(|line| {
        let (name, of) = line.trim().strip_prefix(quote)?.split_once(&format!("{quote} "))?;
        Some((name.to_owned(), of.trim_end_matches(',').to_owned()))
    });
    columns.collect()
}

/// One value of a kind, in its carrier.
fn sample(kind: &ValueType) -> ArrayRef {
    use Resolution::{Micro, Nano};
    const MICROS: i64 = 3_723_000_000;
    match kind {
        ValueType::Boolean => Arc::new(BooleanArray::from(vec![true])),
        ValueType::Integer(Integer::U64) => Arc::new(UInt64Array::from(vec![1])),
        ValueType::Integer(_) => Arc::new(Int64Array::from(vec![1])),
        ValueType::Float32 => Arc::new(Float32Array::from(vec![1.5])),
        ValueType::Float64 => Arc::new(Float64Array::from(vec![1.5])),
        ValueType::Decimal { precision, scale } if *precision <= 38 => {
            Arc::new(Decimal128Array::from(vec![1]).with_precision_and_scale(*precision, *scale).unwrap())
        }
        ValueType::Decimal { precision, scale } => Arc::new(
            Decimal256Array::from(vec![i256::ONE]).with_precision_and_scale(*precision, *scale).unwrap(),
        ),
        ValueType::Text => Arc::new(StringArray::from(vec!["a"])),
        ValueType::Json => Arc::new(StringArray::from(vec![r#"{"a": 1}"#])),
        ValueType::Bytes => Arc::new(BinaryArray::from_vec(vec![b"a"])),
        ValueType::Date => Arc::new(Date32Array::from(vec![1])),
        ValueType::Time(Micro) => Arc::new(Time64MicrosecondArray::from(vec![MICROS])),
        ValueType::Time(Nano) => Arc::new(Time64NanosecondArray::from(vec![MICROS * 1000])),
        ValueType::Timestamp(Micro) => Arc::new(TimestampMicrosecondArray::from(vec![MICROS])),
        ValueType::Timestamp(Nano) => Arc::new(TimestampNanosecondArray::from(vec![MICROS * 1000])),
        ValueType::Instant(Micro) => {
            Arc::new(TimestampMicrosecondArray::from(vec![MICROS]).with_timezone("UTC"))
        }
        ValueType::Instant(Nano) => {
            Arc::new(TimestampNanosecondArray::from(vec![MICROS * 1000]).with_timezone("UTC"))
        }
        ValueType::Uuid => Arc::new(FixedSizeBinaryArray::try_from_iter([[7_u8; 16]].into_iter()).unwrap()),
        ValueType::List(item) => {
            let DataType::List(field) = kind.carrier() else { unreachable!() };
            Arc::new(ListArray::new(field, OffsetBuffer::from_lengths([1]), sample(item), None))
        }
        ValueType::Vector(len) => {
            let DataType::FixedSizeList(field, _) = kind.carrier() else { unreachable!() };
            let items = Float32Array::from(vec![1.5; usize::try_from(*len).unwrap()]);
            Arc::new(FixedSizeListArray::new(field, *len, Arc::new(items), None))
        }
        ValueType::Struct(fields) => {
            let DataType::Struct(arrow) = kind.carrier() else { unreachable!() };
            let children = fields.iter().map(|(_, value)| sample(value)).collect();
            Arc::new(StructArray::new(arrow, children, None))
        }
        ValueType::Map(key, value) => {
            let DataType::Map(entries, _) = kind.carrier() else { unreachable!() };
            let DataType::Struct(fields) = entries.data_type() else { unreachable!() };
            let entry = StructArray::new(fields.clone(), vec![sample(key), sample(value)], None);
            Arc::new(MapArray::new(entries, OffsetBuffer::from_lengths([1]), entry, None, false))
        }
    }
}

/// The type that MongoDB says each field of a document has that was written. It has no statement that names types.
async fn written(kinds: &[ValueType]) -> HashMap<String, String> {
    let Database::Mongodb { url } = Project::mongodb().database else { unreachable!() };
    let settings =
        hydrant_target_mongodb::Settings { url: url.clone().into(), password: None, transactions: true };
    let target = MongodbTarget::new(settings).unwrap();
    let spec = Arc::new(every_kind(kinds));
    target.create(&spec).await.unwrap();
    target.claim("types", 1).await.unwrap();
    let checkpoint =
        Checkpoint { sync: "types".into(), run: 1, epoch: 1, batch: 1, first_change: 0, next_change: 1 };
    let mut batch = Batch::empty(spec.clone(), checkpoint, chrono::DateTime::UNIX_EPOCH);
    let columns = spec.shape.columns().iter().map(|column| sample(&column.value)).collect();
    batch.inserts = RecordBatch::try_new(spec.shape.schema(), columns).unwrap();
    let applied = target.apply(&batch).await.unwrap();
    assert_eq!(applied.rejects, []);
    let names: Vec<String> = (0..kinds.len()).map(|i| format!("c{i}")).collect();
    let arguments = ["types", "every_type_there_is"].into_iter().chain(names.iter().map(String::as_str));
    let types = Database::mongodb(&url, &arguments.collect::<Vec<_>>()).remove(0);
    names.iter().cloned().zip(types.split('|').map(str::to_owned)).collect()
}

#[tokio::test]
async fn the_documented_types_are_those_that_are_created() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteTarget::new(hydrant_target_sqlite::Settings { path: folder.path().join("types.db") });
    let settings = hydrant_target_postgres::Settings { url: postgres_server().into(), password: None };
    let postgres = PostgresTarget::new(settings).unwrap();
    let kinds = kinds();
    let of_mysql = |url: &str| {
        let settings = hydrant_target_mysql::Settings { url: required(url).into(), password: None };
        MysqlTarget::new(settings).unwrap()
    };
    let columns = [
        ("SQLite", created(&sqlite, '"', &kinds).await),
        ("Postgres", created(&postgres, '"', &kinds).await),
        ("MySQL", created(&of_mysql("HYDRANT_TEST_MYSQL"), '`', &kinds).await),
        ("MariaDB", created(&of_mysql("HYDRANT_TEST_MARIADB"), '`', &kinds).await),
        ("MongoDB", written(&kinds).await),
    ];
    let heads: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let mut table = format!("| value | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for (i, kind) in kinds.iter().enumerate() {
        let column = format!("c{i}");
        let types: Vec<_> = columns.iter().map(|(_, types)| format!("`{}`", types[&column])).collect();
        table += &format!("| {kind} | {} |\n", types.join(" | "));
    }

    let path = Path::new("docs/types.md");
    let document = fs::read_to_string(path).unwrap();
    let start = document.find("| value | SQLite |").expect("the table");
    let end = start + document[start..].find("\n\n").map_or(document.len() - start, |at| at + 1);
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, format!("{}{table}{}", &document[..start], &document[end..])).unwrap();
    } else {
        assert_eq!(&document[start..end], table, "run this test with BLESS=1");
    }
}
