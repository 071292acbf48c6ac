//! A table read from one end to the other, a piece at a time.

use crate::Shape;
use arrow::{
    array::{Array, ArrayRef},
    error::ArrowError,
    record_batch::RecordBatch,
};

/// Where a scan goes on: opaque, made by the target, and only good for the same table, columns and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub Vec<u8>);

/// A piece of a table, from one call of [`Target::scan`](crate::Target::scan).
#[derive(Clone, Debug, PartialEq)]
pub struct Scanned {
    /// Rows in the carriers of [`Shape::schema`], key columns not NULL.
    pub rows: RecordBatch,
    /// Keys ([`Shape::key_schema`]) of rows with a value in another managed column that is none of the column's
    /// [type](crate::ValueType): hydrant did not write that.
    pub unreadable: RecordBatch,
    /// How many rows there were whose key itself is NULL or no value of its type: never hydrant's.
    pub foreign: u64,
    /// `None` at the end of the table.
    pub next: Option<Cursor>,
}

impl Scanned {
    /// Sorts rows that were fetched into readable, unreadable and foreign ones.
    ///
    /// `decode` makes the carrier of the managed column at a position, of the fetched rows with these numbers; `None` if
    /// one of the values is none of the column's type. Columns are asked for as a whole first, and row by row only if that
    /// fails, so that what is usual costs nothing.
    ///
    /// # Errors
    ///
    /// If `decode` answers with something else than the carrier, or with other than one value for each row.
    pub fn sort(
        shape: &Shape,
        fetched: usize,
        next: Option<Cursor>,
        decode: impl Fn(usize, &[usize]) -> Option<ArrayRef>,
    ) -> Result<Self, ArrowError> {
        let all: Vec<usize> = (0..fetched).collect();
        let key = shape.key_positions();
        let columns: Vec<_> = (0..shape.columns().len()).map(|at| decode(at, &all)).collect();
        let is_key = |at: usize| key.contains(&at);
        let fits = |at: usize, array: &ArrayRef| !is_key(at) || array.null_count() == 0;
        if columns.iter().enumerate().all(|(at, array)| array.as_ref().is_some_and(|array| fits(at, array))) {
            let rows = RecordBatch::try_new(shape.schema(), columns.into_iter().flatten().collect())?;
            let unreadable = RecordBatch::new_empty(shape.key_schema());
            return Ok(Self { rows, unreadable, foreign: 0, next });
        }

        let (mut foreign, mut unreadable) = (vec![false; fetched], vec![false; fetched]);
        for (at, whole) in columns.iter().enumerate() {
            for row in 0..fetched {
                let (bad, null) = match whole {
                    Some(array) => (false, array.is_null(row)),
                    None => decode(at, &[row]).map_or((true, false), |one| (false, one.is_null(0))),
                };
                foreign[row] |= is_key(at) && (bad || null);
                unreadable[row] |= !is_key(at) && bad;
            }
        }
        let select = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
            all.iter().copied().filter(|row| wanted(*row)).collect()
        };
        let good = select(&|row| !foreign[row] && !unreadable[row]);
        let bad = select(&|row| !foreign[row] && unreadable[row]);
        let arrays = |columns: &[usize], rows: &[usize]| -> Result<Vec<ArrayRef>, ArrowError> {
            let twice =
                || ArrowError::ComputeError("values that could be read a moment ago cannot be now".into());
            columns.iter().map(|at| decode(*at, rows).ok_or_else(twice)).collect()
        };
        let every: Vec<usize> = (0..columns.len()).collect();
        Ok(Self {
            rows: RecordBatch::try_new(shape.schema(), arrays(&every, &good)?)?,
            unreadable: RecordBatch::try_new(shape.key_schema(), arrays(&key, &bad)?)?,
            foreign: foreign.iter().filter(|foreign| **foreign).count() as u64,
            next,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, Integer, ValueType};
    use arrow::array::{AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;
    use std::sync::Arc;

    #[test]
    fn one_bad_value_spoils_its_row_alone() {
        let column = |name: &str, value| Column { name: name.to_owned(), value };
        let columns = vec![column("v", ValueType::Text), column("id", ValueType::Integer(Integer::I64))];
        let shape = Shape::new(columns, vec!["id".to_owned()]).expect("a shape");
        // An id of -1 and a text "bad" cannot be read.
        let rows = [(Some(1), "a"), (Some(2), "bad"), (None, "c"), (Some(-1), "bad"), (Some(5), "e")];
        let decode = |at: usize, numbers: &[usize]| -> Option<ArrayRef> {
            let picked = numbers.iter().map(|row| rows[*row]);
            match at {
                0 => {
                    let texts: Vec<_> = picked.map(|(_, text)| text).collect();
                    (!texts.contains(&"bad")).then(|| Arc::new(StringArray::from(texts)) as ArrayRef)
                }
                _ => {
                    let ids: Vec<Option<i64>> = picked.map(|(id, _)| id).collect();
                    (!ids.contains(&Some(-1))).then(|| Arc::new(Int64Array::from(ids)) as ArrayRef)
                }
            }
        };
        let ids = |batch: &RecordBatch| -> Vec<i64> {
            let ids = batch.column_by_name("id").expect("the key").as_primitive::<Int64Type>();
            ids.values().to_vec()
        };
        let found = Scanned::sort(&shape, rows.len(), None, decode).expect("rows");
        assert_eq!((ids(&found.rows), ids(&found.unreadable), found.foreign), (vec![1, 5], vec![2], 2));
        let found = Scanned::sort(&shape, 1, None, decode).expect("rows");
        assert_eq!((ids(&found.rows), found.unreadable.num_rows(), found.foreign), (vec![1], 0, 0));
        let found = Scanned::sort(&shape, 0, None, decode).expect("no rows");
        assert_eq!(found.rows.schema(), shape.schema());
    }
}
