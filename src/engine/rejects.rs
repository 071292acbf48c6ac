//! The rows that the last published run could not write.

use super::{Counts, RejectsReport};
use crate::{
    apply::shown::HIDDEN,
    store::{History, Refused, RejectRecord, StoreError, SyncStore},
    sync::{Redact, SyncSpec},
};

/// Reads the rejects of a sync, or the first of them. Neither source nor target is touched.
pub async fn rejects(
    store: &SyncStore,
    sync: &SyncSpec,
    limit: Option<usize>,
) -> Result<RejectsReport, StoreError> {
    let mut report = RejectsReport { sync: sync.name.clone(), run: None, rejected: 0, rejects: Vec::new() };
    let limit = limit.unwrap_or(usize::MAX);
    let (sealed, published, records) = loop {
        let Some((sealed, published)) = History::load(store).await?.published else { return Ok(report) };
        match Refused::of(store, &sealed, Some(&published)).take(limit).await {
            Ok(records) => break (sealed, published, records),
            // A later run was published meanwhile, and this one collected: that one's are wanted.
            Err(error) if error.is_missing() && History::last_published(store).await? > Some(sealed.run) => {}
            Err(error) => return Err(error),
        }
    };
    report.run = Some(sealed.run);
    report.rejected = Counts::of(&sealed, Some(&published)).rejected;
    report.rejects = records.into_iter().map(|record| hidden(record, &sync.redact)).collect();
    Ok(report)
}

/// The record without values of columns that are hidden now, whether or not they were when it was written.
pub(super) fn hidden(record: RejectRecord, redact: &Redact) -> RejectRecord {
    let value = record.value.filter(|_| !record.column.as_ref().is_some_and(|column| redact.hides(column)));
    let key = match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&record.key) {
        Ok(mut key) if key.keys().any(|column| redact.hides(column)) => {
            let shown = |(column, value): (&String, &mut serde_json::Value)| {
                if redact.hides(column) && !value.is_null() {
                    *value = HIDDEN.into();
                }
            };
            key.iter_mut().for_each(shown);
            serde_json::Value::Object(key).to_string()
        }
        Ok(_) | Err(_) => record.key,
    };
    RejectRecord { key, value, ..record }
}
