//! Carrying: batches of whatever Arrow types a source has become batches of the one carrier per logical type.
//!
//! A driver upgrade may turn `Utf8` into `Utf8View`, a Parquet file may bring dictionaries, a warehouse may count in
//! milliseconds: past this module nobody notices. Everything is exact or a [`Misfit`] with the column and the row; nothing
//! wraps, rounds or turns into NULL unnoticed. What is in its carrier already is passed on without a copy.
//!
//! NULL keys are not judged here: [`Carrier::schema`] allows NULL in every column, so that a row without a key reaches
//! the fingerprinting, which counts it, and the policy for null keys, which says what becomes of it.

mod column;
mod error;
mod foreign;
mod leaf;
mod nested;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod types_doc;
#[cfg(test)]
mod warehouses_doc;

pub use error::{CarryError, Misfit};

use arrow::{
    array::{Array, ArrayRef, BooleanArray},
    compute::nullif,
    datatypes::{Field, FieldRef, Schema, SchemaRef},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use error::{Fault, Misfits};
use hydrant_contract::{Column, Shape, ValueType};
use std::sync::Arc;

/// Turns the batches of one source into carriers.
#[derive(Clone, Debug)]
pub struct Carrier {
    columns: Vec<Column>,
    /// The schema that was found to hold these columns; equal ones need no second look.
    source: SchemaRef,
    /// Whether they are in their carriers there.
    is_carried: bool,
    schema: SchemaRef,
}

/// A batch in carriers.
#[derive(Clone, Debug)]
pub struct Carried {
    /// The rows.
    pub rows: RecordBatch,
    /// What has no exact form, column by column, at most one of each column and row.
    pub misfits: Vec<Misfit>,
}

impl Carrier {
    /// A carrier for batches of this schema, whose columns must be those of the shape, in the same order.
    ///
    /// Rows of an earlier export or of a table are carried already: their schema is that of the carriers, which do not tell
    /// an 8-bit integer from a 64-bit one. They are passed on.
    pub fn new(source: &Schema, shape: &Shape) -> Result<Self, CarryError> {
        let is_carried = is_carried(source, shape.columns());
        if !is_carried {
            check(source, shape.columns())?;
        }
        let fields: Vec<_> = shape.columns().iter().map(|c| c.value.field(&c.name, true)).collect();
        Ok(Self {
            columns: shape.columns().to_vec(),
            source: Arc::new(source.clone()),
            is_carried,
            schema: Arc::new(Schema::new(fields)),
        })
    }

    /// The schema of carried batches: [`Shape::schema`], but with nullable key columns (see the module's words).
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The same rows in carriers, with NULL for every misfit.
    ///
    /// A batch may differ from the schema in encoding only (a dictionary where there was plain text, another unit of
    /// time): names, order and logical types must be the same, or it is an error.
    pub fn carry(&self, batch: &RecordBatch) -> Result<Carried, CarryError> {
        let as_before = batch.schema_ref() == &self.source
            || (self.is_carried && is_carried(batch.schema_ref(), &self.columns));
        if !as_before {
            check(batch.schema_ref(), &self.columns)?;
        }
        let mut misfits = Vec::new();
        let mut columns = Vec::with_capacity(self.columns.len());
        for (position, (column, array)) in self.columns.iter().zip(batch.columns()).enumerate() {
            let fail = |fault: Fault| fault.into_error(&column.name);
            let mut found = Misfits::default();
            let mut carried = column::carry(array, &column.value, &mut found).map_err(fail)?;
            let found = found.of_column(position, &column.name);
            if !found.is_empty() {
                let mut is_misfit = vec![false; carried.len()];
                found.iter().for_each(|misfit| is_misfit[misfit.row] = true);
                carried = nullif(&carried, &BooleanArray::from(is_misfit)).map_err(|e| fail(e.into()))?;
                misfits.extend(found);
            }
            columns.push(carried);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let rows = RecordBatch::try_new_with_options(self.schema(), columns, &options)
            .map_err(|e| CarryError::Column { column: "*".to_owned(), reason: e.to_string() })?;
        Ok(Carried { rows, misfits })
    }
}

/// One column of a type of which every value has its exact form in the carrier, in that carrier. Its logical type is `value`.
pub fn column(field: &Field, array: &ArrayRef, value: &ValueType) -> Result<ArrayRef, CarryError> {
    let mut misfits = Misfits::default();
    let carried =
        column::carry(array, value, &mut misfits).map_err(|fault| fault.into_error(field.name()))?;
    match misfits.of_column(0, field.name()).into_iter().next() {
        None => Ok(carried),
        Some(Misfit { path, reason, .. }) => {
            Err(CarryError::Column { column: path, reason: reason.to_owned() })
        }
    }
}

/// Whether these columns are all there, each in its carrier.
fn is_carried(schema: &Schema, columns: &[Column]) -> bool {
    let fits = |(column, field): (&Column, &FieldRef)| {
        field.name() == &column.name && field.data_type() == &column.value.carrier()
    };
    schema.fields().len() == columns.len() && columns.iter().zip(schema.fields()).all(fits)
}

fn check(schema: &Schema, expected: &[Column]) -> Result<(), CarryError> {
    let found = schema
        .fields()
        .iter()
        .map(|field| Ok(Column { name: field.name().clone(), value: ValueType::of(field)? }))
        .collect::<Result<Vec<_>, CarryError>>()?;
    let differs = (0..found.len().max(expected.len())).find(|&i| found.get(i) != expected.get(i));
    differs.map_or(Ok(()), |i| {
        let words = |columns: &[Column]| {
            columns.get(i).map_or_else(|| "none".to_owned(), |c| format!("{:?} ({})", c.name, c.value))
        };
        Err(CarryError::Columns { position: i + 1, expected: words(expected), found: words(&found) })
    })
}
