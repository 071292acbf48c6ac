//! What rows go through between the source and the fingerprints: values are carried, and mended where the sync says so.
//! A row with a value for which there is neither a carrier nor a policy is refused here, and all others go on.

use super::{Failure, refusals::Refusals, rejects::hidden, unreadable::Unreadable};
use crate::{
    apply::shown::{key_text, shortened},
    carry::{Carrier, Misfit},
    config::closest,
    mend::{self, Mended, Mender},
    store::{RejectRecord, Sealed, StoreError, SyncStore},
    sync::{Redact, SyncSpec},
};
use arrow::{
    array::{Array, RecordBatch},
    compute::cast,
    datatypes::{DataType, Schema, SchemaRef},
    util::display::{ArrayFormatter, FormatOptions},
};
use hydrant_contract::{Limits, Shape};
use std::collections::BTreeMap;

/// What an earlier export has to say of its rows, when they are sent once more.
#[derive(Default)]
pub(super) struct Earlier {
    /// Rows that it refused.
    refused: Refusals,
    /// Values of it that are not the query's.
    mended: Mended,
    /// Rows of an adopted table that could not be read.
    pub(super) unreadable: Unreadable,
}

impl Earlier {
    /// What is known of a table while it is being adopted.
    pub(super) fn adopted(unreadable: Unreadable) -> Self {
        Self { unreadable, ..Self::default() }
    }

    /// What is known of an export that is being put together from others.
    pub(super) fn merged(refused: Refusals, mended: Mended) -> Self {
        Self { refused, mended, ..Self::default() }
    }

    pub(super) async fn of(store: &SyncStore, sealed: &Sealed) -> Result<Self, StoreError> {
        let refused = Refusals::of(store, sealed).await?;
        let unreadable = Unreadable::of(store, sealed).await?;
        Ok(Self { refused, mended: sealed.mended.clone(), unreadable })
    }
}

/// The policies of a sync's columns, or everything that is wrong with what it says of columns.
pub(super) fn mender(sync: &SyncSpec, shape: &Shape, limits: &[Limits]) -> Result<Mender, Failure> {
    let columns: Vec<&str> = shape.columns().iter().map(|column| column.name.as_str()).collect();
    let redacted = match &sync.redact {
        Redact::Columns(redacted) => redacted.iter().map(|column| ("redact", column)).collect(),
        Redact::All => Vec::new(),
    };
    let named = redacted.into_iter().chain(sync.refused.keys().map(|column| ("refused", column)));
    let unknown = named.filter(|(_, column)| !columns.contains(&column.as_str())).map(|(setting, column)| {
        let hint = match closest(column, &columns) {
            Some(word) => format!("did you mean {word:?}?"),
            None => format!("it returns {}", columns.join(", ")),
        };
        format!("{setting}: the query does not return the column {column:?}; {hint}")
    });
    let mut problems: Vec<String> = unknown.collect();
    match Mender::new(&sync.refused, shape, limits) {
        Ok(mender) if problems.is_empty() => Ok(mender),
        Ok(_) => Err(Failure::Policies { problems }),
        Err(errors) => {
            problems.extend(errors.iter().map(ToString::to_string));
            Err(Failure::Policies { problems })
        }
    }
}

/// Carries and mends batch after batch.
pub(super) struct Screen<'a> {
    carrier: Carrier,
    mender: Mender,
    shape: &'a Shape,
    redact: &'a Redact,
    earlier: Earlier,
    /// Rows that have passed.
    seen: u64,
    /// What was mended.
    pub(super) mended: Mended,
}

/// A batch that has passed.
pub(super) struct Screened {
    /// The rows; NULL stands for values that were refused.
    pub(super) rows: RecordBatch,
    /// Rows that are refused, and why. Hashes are not known yet.
    pub(super) refused: BTreeMap<usize, RejectRecord>,
    /// Rows of which only the key is known, ascending.
    pub(super) unreadable: Vec<usize>,
}

impl<'a> Screen<'a> {
    pub(super) fn new(
        source: &Schema,
        shape: &'a Shape,
        mender: Mender,
        redact: &'a Redact,
        earlier: Earlier,
    ) -> Result<Self, Failure> {
        let carrier = Carrier::new(source, shape)?;
        let mended = earlier.mended.clone();
        Ok(Self { carrier, mender, shape, redact, earlier, seen: 0, mended })
    }

    /// The columns.
    pub(super) fn shape(&self) -> &'a Shape {
        self.shape
    }

    /// The schema of rows that have passed.
    pub(super) fn schema(&self) -> SchemaRef {
        self.carrier.schema()
    }

    pub(super) fn pass(&mut self, batch: &RecordBatch) -> Result<Screened, Failure> {
        let first = self.seen;
        self.seen += batch.num_rows() as u64;
        let carried = self.carrier.carry(batch)?;
        let mut mended = Mended::new();
        let (rows, misfits) =
            self.mender.mend(carried.rows, carried.misfits, &mut mended).map_err(StoreError::memory)?;
        mend::add(&mut self.mended, &mended);
        let mut refused = BTreeMap::new();
        for misfit in misfits {
            // Of several in one row the first counts.
            refused.entry(misfit.row).or_insert_with(|| self.record(batch, &rows, &misfit, first));
        }
        for (position, record) in self.earlier.refused.within(first..self.seen) {
            let row = usize::try_from(position - first).unwrap_or(usize::MAX);
            refused.insert(row, hidden(record, self.redact));
        }
        Ok(Screened { rows, refused, unreadable: self.earlier.unreadable.within(first..self.seen) })
    }

    fn record(&self, batch: &RecordBatch, rows: &RecordBatch, misfit: &Misfit, first: u64) -> RejectRecord {
        let column = &self.shape.columns()[misfit.column].name;
        let reason = match misfit.path == *column {
            true => misfit.reason.to_owned(),
            false => format!("{}: {}", misfit.path, misfit.reason),
        };
        let value = match self.redact.hides(column) {
            true => None,
            false => raw_text(batch.column(misfit.column).as_ref(), misfit.row),
        };
        RejectRecord {
            key: key_text(rows, misfit.row, self.shape, self.redact),
            position: Some(first + misfit.row as u64),
            column: Some(column.clone()),
            reason,
            value,
            ..RejectRecord::default()
        }
    }
}

/// A value as the source has it, as JSON: what it says, or the bare number where it has no words (a year of six digits).
fn raw_text(array: &dyn Array, row: usize) -> Option<String> {
    let one = array.slice(row, 1);
    let words = |array: &dyn Array| {
        let options = FormatOptions::default().with_display_error(false);
        ArrayFormatter::try_new(array, &options).ok()?.value(0).try_to_string().ok()
    };
    if let Some(text) = words(one.as_ref()) {
        return Some(shortened(serde_json::Value::from(text).to_string()));
    }
    words(cast(&one, &DataType::Int64).ok()?.as_ref())
}
