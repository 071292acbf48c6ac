//! The changed rows of an export, in export order, read from its parts.

use crate::store::{Export, RunNames, StoreError, SyncStore, decode};
use arrow::{
    array::{BooleanArray, RecordBatch},
    datatypes::SchemaRef,
};
use futures::{Stream, StreamExt, stream};
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use roaring::RoaringTreemap;
use std::{ops::Range, sync::Arc};
use tokio_util::task::AbortOnDropHandle;

/// Parts that are fetched and decoded at the same time, and the batches of each that wait for the caller: where few rows of many
/// have changed, decoding is most of the work.
const PARTS_AT_ONCE: usize = 2;
const BATCHES_AHEAD: usize = 2;

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
            let expected = positions.range_cardinality(range.clone());
            let missing = StoreError::corrupt(&path, "it has fewer rows than its manifest says");
            let (send, receive) = tokio::sync::mpsc::channel(BATCHES_AHEAD);
            // A task of its own: a stream that nobody polls does not move.
            let reading = AbortOnDropHandle::new(tokio::spawn(async move {
                let bytes = match store.get(&path).await {
                    Ok(bytes) => bytes,
                    Err(error) => return drop(send.send(Err(error)).await),
                };
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
            }));
            // Were a part to end early, unnoticed, all later positions would be wrong.
            std::future::ready(stream::unfold(
                (receive, expected, Some(missing), reading),
                |(mut receive, left, missing, reading)| async move {
                    match receive.recv().await {
                        Some(Ok(picked)) => {
                            let left = left.saturating_sub(picked.positions.len() as u64);
                            Some((Ok(picked), (receive, left, missing, reading)))
                        }
                        Some(Err(error)) => Some((Err(error), (receive, 0, None, reading))),
                        None => missing
                            .filter(|_| left > 0)
                            .map(|error| (Err(error), (receive, 0, None, reading))),
                    }
                },
            ))
        })
        .buffered(PARTS_AT_ONCE)
        .flatten()
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
        datatypes::{DataType, Field, Int64Type, Schema},
    };
    use futures::TryStreamExt;
    use object_store::{
        memory::InMemory,
        path::Path,
        throttle::{ThrottleConfig, ThrottledStore},
    };
    use std::time::Duration;

    fn numbers() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]))
    }

    /// An export of so many parts with a thousand rows each, counted from 0.
    async fn exported(parts: usize) -> (SyncStore, Export) {
        let store = SyncStore::new(Arc::new(InMemory::new()), &Path::default(), "s");
        let mut export = Export::default();
        for number in 0..parts {
            let rows = Int64Array::from_iter_values(number as i64 * 1000..number as i64 * 1000 + 1000);
            let batch = RecordBatch::try_new(numbers(), vec![Arc::new(rows)]).unwrap();
            let bytes = encode(batch.schema(), &[batch], Codec::Rows).unwrap();
            export.parts.push(Part { number, rows: 1000, bytes: bytes.len() as u64 });
            store.put(&store.names().run(1).export_part(number), bytes).await.unwrap();
        }
        (store, export)
    }

    #[tokio::test]
    async fn rows_come_in_export_order_from_all_parts() {
        let (store, export) = exported(4).await;
        let names = store.names().run(1);
        let wanted: Vec<u64> = vec![0, 1, 2, 500, 999, 1000, 3500, 3998, 3999];
        let picked: Vec<_> = pick(store, names, &export, wanted.iter().copied().collect(), numbers())
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

    /// Nobody asks for the second part while the first one is used.
    #[tokio::test]
    async fn the_next_part_is_read_while_the_caller_works_on_this_one() {
        let (store, export) = exported(2).await;
        let names = store.names().run(1);
        let wait_get_per_call = Duration::from_millis(1);
        let config = ThrottleConfig { wait_get_per_call, ..ThrottleConfig::default() };
        let slow = ThrottledStore::new(store.objects().clone(), config);
        let slow = SyncStore::new(Arc::new(slow), &Path::default(), "s");
        let mut rows = Box::pin(pick_all(slow, names.clone(), &export, numbers()));
        assert_eq!(rows.next().await.unwrap().unwrap().positions[0], 0);
        // Whoever waits for an earlier moment is woken first.
        tokio::time::sleep(Duration::from_millis(100)).await;
        store.delete(&names.export_part(1)).await.unwrap();
        let rest: Vec<_> = rows.try_collect().await.unwrap();
        assert_eq!(rest.iter().flat_map(|picked| &picked.positions).copied().max(), Some(1999));
    }
}
