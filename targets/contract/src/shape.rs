//! The columns that hydrant manages in one table.

use crate::{UnsupportedType, ValueType};
use arrow::datatypes::{Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, sync::Arc};

/// One managed column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name, in the query's result and in the table.
    pub name: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub value: ValueType,
}

/// The managed columns of a table in the query's order, and which of them are the key.
///
/// There is at least one key column, names are unique, and every key column is one of the columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    columns: Vec<Column>,
    key: Vec<String>,
}

/// Why columns and a key do not make a shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// A column's type is not carried.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedType),
    /// The query names a column twice.
    #[error("the query returns the column {0:?} twice: give one of them another name with AS")]
    Twice(String),
    /// The key names a column that the query does not return.
    #[error("the key column {missing:?} is not among the columns that the query returns: {}", .columns.join(", "))]
    KeyMissing {
        /// The key column.
        missing: String,
        /// What the query returns.
        columns: Vec<String>,
    },
    /// There is no key, or it names a column twice.
    #[error("a key names at least one column, and none twice")]
    Key,
    /// The type of a key column has no equality that every target shares.
    #[error(
        "the column {column:?} cannot be a key: {value} has no equality that is the same everywhere; cast it to text or to a number in the query"
    )]
    KeyType {
        /// The column.
        column: String,
        /// Its type.
        value: String,
    },
}

impl Shape {
    /// A shape of these columns under this key.
    pub fn new(columns: Vec<Column>, key: Vec<String>) -> Result<Self, ShapeError> {
        let mut names = HashSet::new();
        if let Some(column) = columns.iter().find(|c| !names.insert(&c.name)) {
            return Err(ShapeError::Twice(column.name.clone()));
        }
        if key.is_empty() || key.iter().collect::<HashSet<_>>().len() != key.len() {
            return Err(ShapeError::Key);
        }
        for name in &key {
            let Some(column) = columns.iter().find(|c| &c.name == name) else {
                let columns = columns.iter().map(|c| c.name.clone()).collect();
                return Err(ShapeError::KeyMissing { missing: name.clone(), columns });
            };
            match column.value {
                ValueType::Float32
                | ValueType::Float64
                | ValueType::Json
                | ValueType::List(_)
                | ValueType::Vector(_)
                | ValueType::Struct(_)
                | ValueType::Map(..) => {
                    return Err(ShapeError::KeyType {
                        column: name.clone(),
                        value: column.value.to_string(),
                    });
                }
                ValueType::Boolean
                | ValueType::Integer(_)
                | ValueType::Decimal { .. }
                | ValueType::Text
                | ValueType::Bytes
                | ValueType::Date
                | ValueType::Time(_)
                | ValueType::Timestamp(_)
                | ValueType::Instant(_)
                | ValueType::Uuid => {}
            }
        }
        Ok(Self { columns, key })
    }

    /// The shape of what a query returns, under this key.
    pub fn of(schema: &Schema, key: Vec<String>) -> Result<Self, ShapeError> {
        let columns = schema
            .fields()
            .iter()
            .map(|field| Ok(Column { name: field.name().clone(), value: ValueType::of(field)? }))
            .collect::<Result<_, UnsupportedType>>()?;
        Self::new(columns, key)
    }

    /// All managed columns, in the query's order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The names of the key columns, in the order of the configuration.
    pub fn key(&self) -> &[String] {
        &self.key
    }

    /// Whether the column of this name belongs to the key.
    pub fn is_key(&self, name: &str) -> bool {
        self.key.iter().any(|k| k == name)
    }

    /// The positions of the key columns among the columns, in the key's order.
    pub fn key_positions(&self) -> Vec<usize> {
        self.key.iter().filter_map(|name| self.columns.iter().position(|c| &c.name == name)).collect()
    }

    /// The key columns, in the key's order.
    pub fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key_positions().into_iter().map(|i| &self.columns[i])
    }

    /// The columns that are not the key, in the query's order.
    pub fn value_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|c| !self.is_key(&c.name))
    }

    /// The Arrow schema of a batch of whole rows: every column in its carrier.
    pub fn schema(&self) -> SchemaRef {
        let fields: Vec<_> =
            self.columns.iter().map(|c| c.value.field(&c.name, !self.is_key(&c.name))).collect();
        Arc::new(Schema::new(fields))
    }

    /// The Arrow schema of a batch of keys: the key columns in the key's order.
    pub fn key_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.key_columns().map(|c| c.value.field(&c.name, false)).collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, value: ValueType) -> Column {
        Column { name: name.into(), value }
    }

    #[test]
    fn a_key_must_be_among_the_columns_and_comparable() {
        let columns = vec![column("id", ValueType::Text), column("score", ValueType::Float64)];
        let key =
            |names: &[&str]| Shape::new(columns.clone(), names.iter().map(|n| (*n).to_owned()).collect());
        assert!(key(&["id"]).is_ok());
        assert!(matches!(key(&["nope"]), Err(ShapeError::KeyMissing { .. })));
        assert!(matches!(key(&["score"]), Err(ShapeError::KeyType { .. })));
        assert_eq!(key(&[]), Err(ShapeError::Key));
        assert_eq!(key(&["id", "id"]), Err(ShapeError::Key));
    }

    #[test]
    fn key_columns_come_in_the_order_of_the_key() {
        let columns =
            vec![column("a", ValueType::Text), column("b", ValueType::Date), column("c", ValueType::Text)];
        let shape = Shape::new(columns, vec!["c".into(), "a".into()]).expect("a shape");
        assert_eq!(shape.key_positions(), [2, 0]);
        assert_eq!(shape.key_schema().field(0).name(), "c");
        assert!(!shape.schema().field(0).is_nullable() && shape.schema().field(1).is_nullable());
    }
}
