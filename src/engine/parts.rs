//! An export on its way into the store: rows are cut into parts, which are encoded and uploaded in the background.

use super::{Observer, export::in_background};
use crate::{
    point::Point,
    spill::sliced_bytes,
    store::{Codec, Export, Part, RunNames, StoreError, SyncStore, encode},
};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::{TryStreamExt, stream::FuturesOrdered};
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;

/// A part of an export: large enough that a million rows are a dozen objects, small enough that two of them are
/// encoded at once in little memory.
const PART_ROWS: usize = 131_072;
const PART_BYTES: usize = 8 << 20;
/// Parts that are encoded or uploaded at the same time.
const PARTS_AT_ONCE: usize = 2;

/// Where an export goes.
pub(super) struct Destination<'a> {
    pub(super) store: &'a SyncStore,
    pub(super) names: RunNames,
}

/// Who is told that a part is written.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) observer: Arc<dyn Observer>,
    pub(super) sync: String,
}

type Upload = std::pin::Pin<Box<dyn Future<Output = Result<Part, StoreError>> + Send>>;

/// Cuts the rows into parts, and encodes and uploads them in the background.
pub(super) struct Parts<'a> {
    to: Destination<'a>,
    told: Told,
    schema: SchemaRef,
    pending: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    next: usize,
    uploads: FuturesOrdered<Upload>,
    done: Vec<Part>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(to: Destination<'a>, schema: SchemaRef, told: Told) -> Self {
        let (pending, uploads, done) = (Vec::new(), FuturesOrdered::new(), Vec::new());
        Self { to, told, schema, pending, rows: 0, bytes: 0, next: 0, uploads, done }
    }

    pub(super) async fn add(&mut self, batch: RecordBatch) -> Result<(), StoreError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows();
        self.bytes += batch.columns().iter().map(sliced_bytes).sum::<usize>();
        self.pending.push(batch);
        if self.rows >= PART_ROWS || self.bytes >= PART_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        while self.uploads.len() >= PARTS_AT_ONCE {
            self.done.extend(self.uploads.try_next().await?);
        }
        let batches = std::mem::take(&mut self.pending);
        let (number, rows) = (self.next, self.rows as u64);
        (self.next, self.rows, self.bytes) = (number + 1, 0, 0);
        let (store, path, schema) =
            (self.to.store.clone(), self.to.names.export_part(number), self.schema.clone());
        let Told { observer, sync } = self.told.clone();
        // A task of its own: it goes on while the next rows are read, and ends when the run is given up.
        let upload = AbortOnDropHandle::new(tokio::spawn(async move {
            let (named, work) = (path.clone(), move || encode(schema, &batches, Codec::Rows));
            let bytes =
                in_background(&path, move || work().map_err(|e| StoreError::corrupt(&named, e))).await?;
            let size = bytes.len() as u64;
            store.put(&path, bytes).await?;
            observer.reached(&sync, Point::PartWritten);
            Ok(Part { number, rows, bytes: size })
        }));
        let path = self.to.names.export_part(number);
        self.uploads.push_back(Box::pin(async move {
            upload.await.map_err(|e| StoreError::corrupt(&path, format!("encoding it failed: {e}")))?
        }));
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<Export, StoreError> {
        if !self.pending.is_empty() {
            self.flush().await?;
        }
        while let Some(part) = self.uploads.try_next().await? {
            self.done.push(part);
        }
        Ok(Export { parts: self.done, changes_of: None })
    }
}
