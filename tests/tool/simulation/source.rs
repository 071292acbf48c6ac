//! The source as one process sees it: its rows change between any two steps, and while they are read.

use super::process::{Call, Lane, Process};
use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use async_trait::async_trait;
use futures::StreamExt;
use hydrant::source::{About, Dialect, Model, Rows, Source, SourceError, SourceErrorKind, Staging, Unload};
use std::{collections::BTreeMap, sync::Arc};

/// Rows by their key: what the column `name` holds.
pub(super) type Content = BTreeMap<i64, Option<String>>;

/// A source whose rows are those of the world.
pub(super) struct SimulatedSource(pub(super) Arc<Process>);

fn schema() -> SchemaRef {
    let (id, name) = (Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, true));
    Arc::new(Schema::new(vec![id, name]))
}

fn refused(transient: bool, why: &'static str) -> SourceError {
    let kind = if transient { SourceErrorKind::Unreachable } else { SourceErrorKind::Denied };
    SourceError { kind, message: why.to_owned(), position: None }
}

#[async_trait]
impl Source for SimulatedSource {
    fn dialect(&self) -> Dialect {
        Dialect::Standard
    }

    async fn about(&self) -> Result<About, SourceError> {
        Ok(About::default())
    }

    async fn describe(&self, _: &Model) -> Result<SchemaRef, SourceError> {
        Ok(schema())
    }

    async fn open(&self, _: &Model) -> Result<Rows, SourceError> {
        let process = self.0.clone();
        process.call(Call::new("the query"), std::future::ready(Ok(())), refused).await?;
        process.world.lock(&process.seen).clear();
        let at_once = (process.world.keys / 3).max(5) as usize;
        let batches = futures::stream::unfold(Some(i64::MIN), move |from| {
            let process = process.clone();
            async move {
                let from = from?;
                Some(match read(&process, from, at_once).await {
                    Ok(rows) if rows.is_empty() => (None, None),
                    Ok(rows) => {
                        let next = rows.last().map(|(id, _)| id + 1);
                        (Some(Ok(batch(&rows))), next)
                    }
                    Err(error) => (Some(Err(error)), None),
                })
            }
        });
        let batches = batches.filter_map(std::future::ready);
        Ok(Rows { schema: schema(), batches: batches.boxed() })
    }

    async fn unload(&self, _: &Model, _: &Staging) -> Result<Unload, SourceError> {
        Ok(Unload::Off)
    }
}

/// The next rows, as they are now.
async fn read(
    process: &Arc<Process>,
    from: i64,
    at_most: usize,
) -> Result<Vec<(i64, Option<String>)>, SourceError> {
    let world = &process.world;
    process.call(Call::new("reads rows"), std::future::ready(Ok(())), refused).await?;
    let mut draw = process.draw(Lane::Export);
    if !world.calm.is_cancelled() && draw.once_in(12) {
        world.change_source(&mut draw);
    }
    let rows: Vec<_> =
        world.lock(&world.source).range(from..).take(at_most).map(|(id, name)| (*id, name.clone())).collect();
    world.lock(&process.seen).extend(rows.iter().cloned());
    Ok(rows)
}

fn batch(rows: &[(i64, Option<String>)]) -> RecordBatch {
    let ids = Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id));
    let names: StringArray = rows.iter().map(|(_, name)| name.clone()).collect();
    RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(names)]).unwrap()
}
