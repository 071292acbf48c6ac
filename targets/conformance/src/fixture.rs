//! Columns of fixtures, short to write.

use crate::{FixtureColumn, Kind, Value};

/// A column that takes NULL.
pub(crate) fn column(name: &str, kind: Kind) -> FixtureColumn {
    FixtureColumn { name: name.to_owned(), kind, not_null: false, refuses: None, default: None }
}

impl FixtureColumn {
    pub(crate) fn not_null(self) -> Self {
        Self { not_null: true, ..self }
    }

    pub(crate) fn refusing(self, number: i64) -> Self {
        Self { refuses: Some(number), ..self }
    }

    pub(crate) fn default(self, value: impl Into<Value>) -> Self {
        Self { default: Some(value.into()), ..self }
    }
}
