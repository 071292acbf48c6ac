//! Rows read back by key.

use crate::{
    decode,
    document::{Room, documents},
    rows::{Place, Rows},
    statement,
    transaction::Session,
    write,
};
use arrow::{array::ArrayRef, record_batch::RecordBatch};
use hydrant_contract::{Batch, Checkpoint, ErrorKind, Part, Result, TableSpec};
use mysql_async::Value;
use std::sync::Arc;

/// Reads; see [`Target::read`](hydrant_contract::Target::read).
pub(crate) async fn read(
    session: &mut Session<'_>,
    spec: &TableSpec,
    keys: &RecordBatch,
) -> Result<RecordBatch> {
    if keys.num_rows() == 0 {
        return Ok(RecordBatch::new_empty(spec.shape.schema()));
    }
    let plan = write::plan(session, spec).await?;
    // Keys travel as those of rows to delete do.
    let none =
        Checkpoint { sync: String::new(), run: 0, epoch: 0, batch: 0, first_change: 0, next_change: 0 };
    let mut batch = Batch::empty(Arc::new(spec.clone()), none, chrono::DateTime::UNIX_EPOCH);
    batch.deletes = keys.clone();
    let rows = Rows::new(&plan, &batch);
    let places: Vec<Place> = write::in_key_order(session, &rows, &[Part::Deletes])?;
    let mut scratch = Vec::new();
    // A key that its column cannot hold is not in the table.
    let fits = |number: &usize| rows.check(places[*number], &mut scratch).is_ok();
    let numbers: Vec<usize> = (0..places.len()).filter(fits).collect();
    let room = Room::new(session.server().packet_bytes_max);
    let Ok(documents) = documents(&rows, &places, &numbers, &plan.key, room) else {
        return Err(
            session.fail(ErrorKind::LimitExceeded, "a key is larger than the server's max_allowed_packet")
        );
    };
    let sql = statement::read(&plan, session.database());
    let mut found = Vec::new();
    for (document, _) in documents {
        found.extend(session.query(&sql, vec![Value::Bytes(document)]).await.map_err(|e| session.error(e))?);
    }
    let broken = |why: String| session.fail(ErrorKind::Broken, why);
    let null = Value::NULL;
    let columns = plan.columns.iter().enumerate().map(|(at, column)| {
        let cells: Vec<&Value> = found.iter().map(|row| row.as_ref(at).unwrap_or(&null)).collect();
        decode::column(&column.value, &column.column.kind, &cells)
            .map_err(|why| broken(format!("column {:?}: {why}", column.column.name)))
    });
    let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
    RecordBatch::try_new(spec.shape.schema(), columns).map_err(|e| broken(e.to_string()))
}
