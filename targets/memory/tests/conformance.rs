//! The target in memory passes the suite.

use arrow::{array::Array, array::AsArray, datatypes::Int64Type, datatypes::Schema};
use async_trait::async_trait;
use hydrant_conformance::{Fixture, FixtureColumn, Held, Kind, Need, Rig, Value, from_batch, to_batch};
use hydrant_contract::{Checkpoint, Column, Freshness, Integer, Resolution, TableName, Target, ValueType};
use hydrant_target_memory::{MemoryColumn, MemoryTarget};
use std::{process::ExitCode, sync::Arc};

fn main() -> ExitCode {
    hydrant_conformance::run("memory", || async {
        let rig: Box<dyn Rig> = Box::new(MemoryRig(MemoryTarget::new()));
        Ok(rig)
    })
}

struct MemoryRig(MemoryTarget);

#[async_trait]
impl Rig for MemoryRig {
    fn target(&self) -> Arc<dyn Target> {
        Arc::new(self.0.clone())
    }

    fn lacks(&self) -> &'static [Need] {
        &[Need::Locks, Need::Statements, Need::ForeignKeys, Need::Accounts]
    }

    fn holds(&self, _: &ValueType) -> bool {
        true
    }

    fn table(&self, stem: &str) -> TableName {
        TableName { schema: Some("s".to_owned()), name: stem.to_owned() }
    }

    async fn make(&self, table: &TableName, fixture: &Fixture) {
        let mut unique = fixture.unique.iter();
        let mut key = fixture.primary_key.clone();
        if key.is_empty() {
            key.extend(unique.next().into_iter().flatten().cloned());
        }
        self.0.make(table, fixture.columns.iter().map(column).collect(), key);
        for columns in unique {
            self.0.unique(table, &columns.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }

    async fn insert(&self, table: &TableName, columns: &[&str], rows: &[Vec<Value>]) {
        let of_table = self.0.rows(table).expect("the table is there").schema();
        let columns: Vec<Column> = columns
            .iter()
            .map(|name| {
                let field = of_table.field_with_name(name).expect("the column is there");
                Column { name: (*name).to_owned(), value: ValueType::of(field).expect("a type") }
            })
            .collect();
        let fields: Vec<_> = columns.iter().map(|c| c.value.field(&c.name, true)).collect();
        self.0.insert(table, &to_batch(Arc::new(Schema::new(fields)), &columns, rows));
    }

    async fn rows(&self, table: &TableName, columns: &[Column]) -> Vec<Vec<Value>> {
        let rows = self.0.rows(table).expect("the table is there");
        let of = |c: &Column| rows.schema().index_of(&c.name).expect("the column is there");
        let rows = rows.project(&columns.iter().map(of).collect::<Vec<_>>()).expect("columns");
        from_batch(&rows, columns)
    }

    async fn checkpoint(&self, sync: &str) -> Option<Checkpoint> {
        self.0.checkpoint(sync)
    }

    async fn freshness(&self, sync: &str) -> Option<(u64, Freshness)> {
        self.0.freshness(sync)
    }

    async fn execute(&self, statement: &str) {
        panic!("memory has no statements: {statement}");
    }

    async fn lock(&self, table: &TableName) -> Held {
        panic!("memory has no locks: {table}");
    }

    async fn reader(&self, table: &TableName, _: &[&str]) -> Arc<dyn Target> {
        panic!("memory has no accounts: {table}");
    }
}

fn column(column: &FixtureColumn) -> MemoryColumn {
    let value = match column.kind {
        Kind::Integer => ValueType::Integer(Integer::I64),
        Kind::Small => ValueType::Integer(Integer::I16),
        Kind::Text | Kind::Short(_) => ValueType::Text,
        Kind::Boolean => ValueType::Boolean,
        Kind::Instant => ValueType::Instant(Resolution::Micro),
    };
    let mut made = MemoryColumn::new(&column.name, value.clone());
    if let Some(default) = &column.default {
        let of = Column { name: column.name.clone(), value: value.clone() };
        let schema = Arc::new(Schema::new(vec![value.field(&column.name, true)]));
        made.default = to_batch(schema, &[of], &[vec![default.clone()]]).column(0).clone();
    }
    made.not_null = column.not_null;
    made.characters_max = match column.kind {
        Kind::Short(n) => Some(n.into()),
        Kind::Integer | Kind::Small | Kind::Text | Kind::Boolean | Kind::Instant => None,
    };
    if let Some(refused) = column.refuses {
        made.refuse = Some(Arc::new(move |array: &dyn Array, row| {
            let refuses = array.is_valid(row) && array.as_primitive::<Int64Type>().value(row) == refused;
            refuses.then(|| "a constraint refuses it".to_owned())
        }));
    }
    made
}
