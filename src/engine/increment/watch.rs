//! Notes the highest value of a cursor while rows pass.

use crate::{
    carry::{Carrier, CarryError},
    cursor::Mark,
    source::{Rows, SourceError, SourceErrorKind},
};
use arrow::{
    array::{Array, RecordBatch},
    datatypes::{Schema, SchemaRef},
};
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use hydrant_contract::{Column, Shape, ValueType};
use std::sync::{Arc, Mutex, PoisonError};

/// What was seen so far of rows that are being read.
#[derive(Clone, Default)]
pub(super) struct Watch(Arc<Mutex<Seen>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The highest value.
    pub(super) mark: Option<Mark>,
    /// Rows with NULL in the cursor.
    pub(super) nulls: u64,
    /// All rows.
    pub(super) rows: u64,
}

impl Watch {
    /// The same rows, watched as they come from the source: before anything is made of their columns and values.
    /// A column that is not there, or cannot be a cursor, is not watched; that is an error of its own elsewhere.
    pub(super) fn on(&self, rows: Rows, column: &str, now: DateTime<Utc>) -> Rows {
        let Some(eye) = Eye::of(&rows.schema, column, now) else { return rows };
        let noted = self.clone();
        let batches = rows.batches.and_then(move |batch| {
            let seen = eye.look(&batch).map(|seen| noted.add(seen));
            let seen = seen.map_err(|error| SourceError {
                kind: SourceErrorKind::Data,
                message: error.to_string(),
                position: None,
            });
            std::future::ready(seen.map(|()| batch))
        });
        Rows { schema: rows.schema, batches: batches.boxed() }
    }

    pub(super) fn seen(&self) -> Seen {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, more: Seen) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.mark = match (seen.mark, more.mark) {
            (Some(before), Some(now)) => Some(now.max(before)),
            (before, now) => now.or(before),
        };
        seen.nulls += more.nulls;
        seen.rows += more.rows;
    }
}

/// Looks at one column.
struct Eye {
    position: usize,
    value: ValueType,
    carrier: Carrier,
    now: DateTime<Utc>,
}

impl Eye {
    fn of(schema: &SchemaRef, column: &str, now: DateTime<Utc>) -> Option<Self> {
        let position = schema.index_of(column).ok()?;
        let field = schema.field(position);
        let value = ValueType::of(field).ok()?;
        // A table of this column alone, so that it is carried as it will be.
        let columns = vec![Column { name: column.to_owned(), value: value.clone() }];
        let shape = Shape::new(columns, vec![column.to_owned()]).ok()?;
        let carrier = Carrier::new(&Schema::new(vec![field.clone()]), &shape).ok()?;
        Some(Self { position, value, carrier, now })
    }

    fn look(&self, batch: &RecordBatch) -> Result<Seen, CarryError> {
        let wrong = |reason: String| CarryError::Column { column: String::new(), reason };
        let column = batch.project(&[self.position]).map_err(|error| wrong(error.to_string()))?;
        let carried = self.carrier.carry(&column)?;
        let values = carried.rows.column(0);
        // What has no carrier is NULL here, and is refused by its own reason later.
        let nulls = values.null_count().saturating_sub(carried.misfits.len());
        Ok(Seen {
            mark: Mark::highest(values.as_ref(), &self.value, self.now),
            nulls: nulls as u64,
            rows: batch.num_rows() as u64,
        })
    }
}
