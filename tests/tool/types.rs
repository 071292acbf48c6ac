//! The table of types in `docs/types.md` is what the targets create. `BLESS=1` writes it anew.

use crate::harness::postgres_server;
use hydrant_contract::{
    Column, Deletes, Documents, Inspection, Integer, Mode, Resolution, Shape, TableName, TableSpec, Target,
    ValueType,
};
use hydrant_target_postgres::PostgresTarget;
use hydrant_target_sqlite::SqliteTarget;
use std::{collections::HashMap, fs, path::Path};

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

/// The type of each column in the statement that a target would create the table by.
async fn created(target: &dyn Target, kinds: &[ValueType]) -> HashMap<String, String> {
    let key = Column { name: "id".into(), value: ValueType::Integer(Integer::I64) };
    let columns =
        kinds.iter().enumerate().map(|(i, value)| Column { name: format!("c{i}"), value: value.clone() });
    let shape = Shape::new([key].into_iter().chain(columns).collect(), vec!["id".into()]).unwrap();
    let table = TableName { schema: None, name: "every_type_there_is".into() };
    let spec = TableSpec {
        table,
        shape,
        mode: Mode::Mirror,
        deletes: Deletes::Hard,
        documents: Documents::default(),
    };
    let Inspection::Absent { statements, .. } = target.inspect(&spec).await.unwrap() else {
        panic!("it is there")
    };
    let columns = statements.iter().flat_map(|s| s.lines()).filter_map(|line| {
        let (name, of) = line.trim().strip_prefix('"')?.split_once("\" ")?;
        Some((name.to_owned(), of.trim_end_matches(',').to_owned()))
    });
    columns.collect()
}

#[tokio::test]
async fn the_documented_types_are_those_that_are_created() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteTarget::new(hydrant_target_sqlite::Settings { path: folder.path().join("types.db") });
    let settings = hydrant_target_postgres::Settings { url: postgres_server().into(), password: None };
    let postgres = PostgresTarget::new(settings).unwrap();
    let kinds = kinds();
    let (sqlite, postgres) = (created(&sqlite, &kinds).await, created(&postgres, &kinds).await);
    let mut table = String::from("| value | SQLite | Postgres |\n|---|---|---|\n");
    for (i, kind) in kinds.iter().enumerate() {
        let column = format!("c{i}");
        table += &format!("| {kind} | `{}` | `{}` |\n", sqlite[&column], postgres[&column]);
    }

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/types.md");
    let document = fs::read_to_string(&path).unwrap();
    let start = document.find("| value | SQLite |").expect("the table");
    let end = start + document[start..].find("\n\n").map_or(document.len() - start, |at| at + 1);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, format!("{}{table}{}", &document[..start], &document[end..])).unwrap();
    } else {
        assert_eq!(&document[start..end], table, "run this test with BLESS=1");
    }
}
