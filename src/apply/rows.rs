//! The changed rows of an export, in export order, read from its parts.

use crate::store::{Export, RunNames, StoreError, SyncStore, decode};
use arrow::{
    array::{BooleanArray, RecordBatch},
    datatypes::SchemaRef,
};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use roaring::RoaringTreemap;
use std::{ops::Range, sync::Arc};

/// Rows picked from an export.
pub struct Picked {
    /// The rows, in the schema asked for.
    pub rows: RecordBatch,
    /// Positions of the rows in the export.
    pub positions: Vec<u64>,
}

impl Picked {
    /// Which rows are in a set.
    pub fn within(&self, set: &RoaringTreemap) -> BooleanArray {
        self.positions.iter().map(|p| Some(set.contains(*p))).collect()
    }
}

/// Reads all rows.
pub fn pick_all(
    store: SyncStore,
    names: RunNames,
    export: &Export,
    schema: SchemaRef,
) -> impl Stream<Item = Result<Picked, StoreError>> + use<> {
    let mut all = RoaringTreemap::new();
    all.insert_range(0..export.kept_rows());
    pick(store, names, export, all, schema)
}

/// Reads the rows at these positions. Parts without such rows are not fetched; the next part is fetched and decoded while
/// the caller works on this one.
pub fn pick(
    store: SyncStore,
    names: RunNames,
    export: &Export,
    positions: RoaringTreemap,
    schema: SchemaRef,
) -> impl Stream<Item = Result<Picked, StoreError>> + use<> {
    let mut from = 0;
    let parts: Vec<(usize, Range<u64>)> = export
        .parts
        .iter()
        .map(|part| {
            let range = from..from + part.rows;
            from = range.end;
            (part.number, range)
        })
        .filter(|(_, range)| positions.range_cardinality(range.clone()) > 0)
        .collect();
    let positions = Arc::new(positions);
    stream::iter(parts)
        .map(move |(number, range)| {
            let (store, path) = (store.clone(), names.export_part(number));
            let (positions, schema) = (positions.clone(), schema.clone());
            async move {
                let bytes = store.get(&path).await?;
                // Decoding is work for a core; it goes on in the background with a few batches of lead.
                let expected = positions.range_cardinality(range.clone());
                let missing = StoreError::corrupt(&path, "it has fewer rows than its manifest says");
                let (send, receive) = tokio::sync::mpsc::channel(4);
                tokio::task::spawn_blocking(move || {
                    let mut from_here = positions.iter();
                    from_here.advance_to(range.start);
                    let wanted: Vec<u64> = from_here.take_while(|p| *p < range.end).collect();
                    let mut done = 0;
                    let mut next = |rows: RecordBatch| {
                        let positions = wanted[done..done + rows.num_rows()].to_vec();
                        done += rows.num_rows();
                        let rows = RecordBatch::try_new(schema.clone(), rows.columns().to_vec())?;
                        Ok::<_, arrow::error::ArrowError>(Picked { rows, positions })
                    };
                    let corrupt = |e: &dyn std::fmt::Display| StoreError::corrupt(&path, e);
                    let reader = match decode(bytes, Some(selection(&wanted, range))) {
                        Ok(reader) => reader,
                        Err(error) => return drop(send.blocking_send(Err(corrupt(&error)))),
                    };
                    for rows in reader {
                        let picked = rows.and_then(&mut next).map_err(|e| corrupt(&e));
                        if send.blocking_send(picked).is_err() {
                            return; // nobody wants more
                        }
                    }
                });
                // Were a part to end early, unnoticed, all later positions would be wrong.
                Ok(stream::unfold(
                    (receive, expected, Some(missing)),
                    |(mut receive, left, missing)| async move {
                        match receive.recv().await {
                            Some(Ok(picked)) => {
                                let left = left.saturating_sub(picked.positions.len() as u64);
                                Some((Ok(picked), (receive, left, missing)))
                            }
                            Some(Err(error)) => Some((Err(error), (receive, 0, None))),
                            None => {
                                missing.filter(|_| left > 0).map(|error| (Err(error), (receive, 0, None)))
                            }
                        }
                    },
                ))
            }
        })
        .buffered(2)
        .try_flatten()
}

fn selection(wanted: &[u64], range: Range<u64>) -> RowSelection {
    let mut selectors: Vec<RowSelector> = Vec::new();
    let mut at = range.start;
    for position in wanted {
        if *position > at || selectors.is_empty() {
            selectors.push(RowSelector::skip(count(*position - at)));
            selectors.push(RowSelector::select(0));
        }
        if let Some(last) = selectors.last_mut() {
            last.row_count += 1;
        }
        at = position + 1;
    }
    selectors.push(RowSelector::skip(count(range.end - at)));
    selectors.into()
}

/// A part has far fewer rows than any machine's address space.
fn count(rows: u64) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Codec, Part, encode};
    use arrow::{
        array::{AsArray, Int64Array},
        datatypes::Int64Type,
    };
    use object_store::{memory::InMemory, path::Path};

    #[tokio::test]
    async fn rows_come_in_export_order_from_all_parts() {
        let store = SyncStore::new(Arc::new(InMemory::new()), &Path::default(), "s");
        let names = store.names().run(1);
        let mut export = Export::default();
        for number in 0..4 {
            let rows = Int64Array::from_iter_values(number as i64 * 1000..number as i64 * 1000 + 1000);
            let batch = RecordBatch::try_from_iter([("n", Arc::new(rows) as _)]).unwrap();
            let bytes = encode(batch.schema(), &[batch], Codec::Rows).unwrap();
            export.parts.push(Part { number, rows: 1000, bytes: bytes.len() as u64 });
            store.put(&names.export_part(number), bytes).await.unwrap();
        }
        let wanted: Vec<u64> = vec![0, 1, 2, 500, 999, 1000, 3500, 3998, 3999];
        let schema = Arc::new(arrow::datatypes::Schema::new(vec![arrow::datatypes::Field::new(
            "n",
            arrow::datatypes::DataType::Int64,
            false,
        )]));
        let picked: Vec<_> = pick(store, names, &export, wanted.iter().copied().collect(), schema)
            .try_collect()
            .await
            .unwrap();
        let rows: Vec<u64> = picked
            .iter()
            .flat_map(|p| p.rows.column(0).as_primitive::<Int64Type>().values().to_vec())
            .map(|n| n as u64)
            .collect();
        let positions: Vec<u64> = picked.iter().flat_map(|p| p.positions.clone()).collect();
        assert_eq!((rows, positions), (wanted.clone(), wanted));
    }
}
