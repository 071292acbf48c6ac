//! Rows read back by key.

use crate::{
    decode,
    encode::{Codec, Wire},
    plan::Plan,
    statement,
    transaction::{Parameter, Transaction},
    write,
};
use arrow::{
    array::{ArrayRef, new_empty_array},
    record_batch::RecordBatch,
};
use bytes::{BufMut, BytesMut};
use hydrant_contract::{ErrorKind, Result, TableSpec, TargetError};
use std::error::Error;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// Reads; see [`Target::read`](hydrant_contract::Target::read).
pub(crate) async fn read(tx: &Transaction<'_>, spec: &TableSpec, keys: &RecordBatch) -> Result<RecordBatch> {
    if keys.num_rows() == 0 {
        return Ok(RecordBatch::new_empty(spec.shape.schema()));
    }
    let table = write::find(tx, spec).await?;
    let plan = write::plan(tx, spec, &table)?;
    let arrays = key_arrays(&plan, keys);
    let parameters: Vec<Parameter<'_>> = arrays.iter().map(|(array, of)| (array as _, of.clone())).collect();
    let rows = tx.query(&statement::read(&plan), &parameters).await.map_err(|e| tx.error(e))?;
    let broken = |why: String| TargetError::new(ErrorKind::Broken, tx.context(), why);
    let columns = plan.columns.iter().enumerate().map(|(at, column)| {
        let cells: Vec<Option<Bytes<'_>>> = rows
            .iter()
            .map(|row| row.try_get(at))
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| tx.error(e))?;
        let cells: Vec<_> = cells.iter().map(|cell| cell.as_ref().map(|bytes| bytes.0)).collect();
        if cells.is_empty() {
            return Ok(new_empty_array(&column.value.carrier()));
        }
        decode::column(&column.value, &column.column.kind, &cells)
            .map_err(|why| broken(format!("column {:?}: {why}", column.column.name)))
    });
    let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
    RecordBatch::try_new(spec.shape.schema(), columns).map_err(|e| broken(e.to_string()))
}

/// The keys as one array per key column. A key that its column cannot hold is not in the table, and left out.
fn key_arrays(plan: &Plan<'_>, keys: &RecordBatch) -> Vec<(Raw, Type)> {
    let columns: Vec<_> = plan
        .key_columns()
        .filter_map(|(_, column)| {
            let kind = &column.column.kind;
            Some((Codec::new(&column.value, kind, Wire::Travel)?, kind.oid()))
        })
        .collect();
    let mut buffers: Vec<Vec<u8>> = columns.iter().map(|_| Vec::new()).collect();
    let mut count = 0;
    for row in 0..keys.num_rows() {
        let starts: Vec<_> = buffers.iter().map(Vec::len).collect();
        let mut encoded = columns.iter().zip(keys.columns()).zip(&mut buffers);
        if encoded.all(|(((codec, _), array), buffer)| codec.put(array, row, buffer).is_ok()) {
            count += 1;
        } else {
            buffers.iter_mut().zip(starts).for_each(|(buffer, start)| buffer.truncate(start));
        }
    }
    let arrays = columns.iter().zip(buffers).map(|((_, oid), items)| {
        let mut array = Vec::with_capacity(20 + items.len());
        array.put_i32(i32::from(count > 0));
        array.put_i32(0);
        array.put_u32(*oid);
        if count > 0 {
            array.put_i32(count);
            array.put_i32(1);
            array.put_slice(&items);
        }
        (Raw(array), array_type(*oid))
    });
    arrays.collect()
}

/// The type of arrays of a travelling scalar type.
fn array_type(item: u32) -> Type {
    let of = [
        Type::BOOL_ARRAY,
        Type::BYTEA_ARRAY,
        Type::INT8_ARRAY,
        Type::INT2_ARRAY,
        Type::INT4_ARRAY,
        Type::DATE_ARRAY,
        Type::TIME_ARRAY,
        Type::TIMESTAMP_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::NUMERIC_ARRAY,
        Type::UUID_ARRAY,
    ];
    let is_of =
        |array: &Type| matches!(array.kind(), tokio_postgres::types::Kind::Array(of) if of.oid() == item);
    of.into_iter().find(is_of).unwrap_or(Type::TEXT_ARRAY)
}

/// A parameter that is encoded already.
#[derive(Debug)]
pub(crate) struct Raw(pub(crate) Vec<u8>);

impl ToSql for Raw {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// An answer that is decoded later.
pub(crate) struct Bytes<'r>(pub(crate) &'r [u8]);

impl<'r> FromSql<'r> for Bytes<'r> {
    fn from_sql(_: &Type, raw: &'r [u8]) -> std::result::Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
