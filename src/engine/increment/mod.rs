//! Incremental export: of a sync with a cursor, only the rows that changed since the last run are asked for.
//!
//! The export of such a run is the whole table all the same: the rows of the last export whose key did not come again, then those
//! that came. So everything after the export (compare, guard, apply, verify, repair, rollback) knows nothing of it, and what is
//! saved is the warehouse's work. What a run asks for is said by [`choice`]; [`arrivals`] takes what comes, [`merge`] puts the rows
//! of the last export before it, and [`watch`] notes how far the run has come.

mod arrivals;
mod choice;
mod keys;
mod merge;
mod report;
mod watch;

pub(super) use choice::{Because, Past};
pub use report::{CursorReport, CursorStatus};

use super::{
    Env, Failure,
    model::open_watched,
    origin::{Opened, queried},
    screen::{Earlier, Screen},
    unload::{Asking, Way, way},
};
use crate::{
    cursor::{Cursor, Mark},
    mend::Mender,
    source::{Model, SourceErrorKind},
    store::{CursorState, Extent, Sealed},
    sync::SyncSpec,
};
use arrivals::{Gathered, gather};
use choice::{Choice, basis, choose};
use hydrant_contract::Shape;
use merge::merge;
use report::in_table;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use watch::Watch;

/// What a run of a sync with a cursor asks its source for.
pub(super) struct Course {
    column: String,
    basis: String,
    watch: Watch,
    part: Part,
}

enum Part {
    All(Because),
    Since(Arc<Since>),
}

/// What the rows that come are put together with.
struct Since {
    /// The run whose export has the other rows.
    last: Sealed,
    /// How far that had come.
    state: CursorState,
    /// The rows that are asked for are not below this.
    from: Mark,
}

/// The query's present rows, or only those that changed since the last run where the sync has a cursor and that is enough.
pub(super) async fn opened(
    env: &Env,
    sync: &SyncSpec,
    past: Past<'_>,
    asking: Asking,
) -> Result<Opened, Failure> {
    let Some(cursor) = &sync.cursor else { return queried(env, sync, asking).await };
    let because = match choose(env, sync, cursor, past).await? {
        Choice::All(because) => because,
        Choice::Since(since) => match part(env, sync, cursor, since).await? {
            Ok(opened) => return Ok(opened),
            Err(because) => because,
        },
    };
    all(env, sync, cursor, because, asking).await
}

async fn all(
    env: &Env,
    sync: &SyncSpec,
    cursor: &Cursor,
    because: Because,
    asking: Asking,
) -> Result<Opened, Failure> {
    tracing::info!(sync = sync.name, because = because.words(), "asking for all rows");
    let way = way(env, sync, asking).await?;
    watched(env, sync, cursor, &sync.model, Part::All(because), Some(way)).await
}

/// The rows since; or why all have to be asked for after all.
async fn part(
    env: &Env,
    sync: &SyncSpec,
    cursor: &Cursor,
    since: Arc<Since>,
) -> Result<Result<Opened, Because>, Failure> {
    let model = sync.model.since(env.source.dialect(), &cursor.column, &since.from);
    // They are streamed: they are few, and if they turn out to be too many, the same run asks for all, which then has its folder
    // for itself.
    match watched(env, sync, cursor, &model, Part::Since(since.clone()), None).await {
        Ok(Opened { shape, .. }) if shape != since.last.spec.shape => {
            Ok(Err(Because::columns(&since.last.spec.shape, &shape)))
        }
        Err(Failure::Source(error)) if error.kind == SourceErrorKind::Query => {
            Ok(Err(Because::refused(&error, sync, cursor)))
        }
        opened => opened.map(Ok),
    }
}

async fn watched(
    env: &Env,
    sync: &SyncSpec,
    cursor: &Cursor,
    model: &Model,
    part: Part,
    mut way: Option<Way>,
) -> Result<Opened, Failure> {
    let (as_of, watch) = (env.clock.now(), Watch::default());
    let unloaded = way.as_mut().and_then(Way::take_rows);
    let rows = open_watched(env, sync, model, unloaded, |rows| watch.on(rows, &cursor.column, as_of)).await?;
    let shape = Shape::of(&rows.schema, sync.key.clone())?;
    let course = Course { column: cursor.column.clone(), basis: basis(sync, cursor), watch, part };
    let earlier = Earlier::default();
    Ok(Opened { rows, shape, as_of, fresh: true, earlier, way, course: Some(course) })
}

/// All rows of the export. Where only a part of them was asked for, that is taken now, and the others are the last export's.
pub(super) async fn completed(
    env: &Env,
    sync: &SyncSpec,
    opened: Opened,
    asking: Asking,
    mender: &Mender,
    lost: &CancellationToken,
) -> Result<Opened, Failure> {
    let since = opened.course.as_ref().and_then(Course::since);
    let Some((cursor, since)) = sync.cursor.as_ref().zip(since) else { return Ok(opened) };
    let shape = &opened.shape;
    let screen = Screen::new(&opened.rows.schema, shape, mender.clone(), &sync.redact, Earlier::default())?;
    let because = match gather(env, sync, opened.rows, screen, lost).await {
        Ok(Gathered::All(arrivals)) => {
            let (rows, earlier) =
                merge(env, &since, in_table(sync, &cursor.column), shape, *arrivals).await?;
            return Ok(Opened { rows, earlier, ..opened });
        }
        Ok(Gathered::TooMany { keys_max }) => Because::too_many(keys_max),
        // Some sources understand a query only when they run it.
        Err(Failure::Source(error)) if error.kind == SourceErrorKind::Query => {
            Because::refused(&error, sync, cursor)
        }
        Err(failure) => return Err(failure),
    };
    all(env, sync, cursor, because, asking).await
}

impl Course {
    fn since(&self) -> Option<Arc<Since>> {
        match &self.part {
            Part::All(_) => None,
            Part::Since(since) => Some(since.clone()),
        }
    }

    /// The run whose export this one goes on from, if it does.
    pub(super) fn base(&self) -> Option<u64> {
        self.since().map(|since| since.last.run)
    }

    /// How far this run has come, once its rows have passed.
    pub(super) fn state(&self, run: u64) -> CursorState {
        let seen = self.watch.seen();
        let (column, basis) = (self.column.clone(), self.basis.clone());
        match &self.part {
            Part::All(because) => CursorState {
                column,
                basis,
                mark: seen.mark,
                nulls: seen.nulls,
                last_full: run,
                increments: 0,
                extent: Extent::Full { why: because.why(), because: because.words().to_owned() },
            },
            Part::Since(since) => CursorState {
                column,
                basis,
                mark: match (seen.mark, since.state.mark) {
                    (Some(seen), Some(before)) => Some(seen.max(before)),
                    (seen, before) => seen.or(before),
                },
                nulls: since.state.nulls,
                last_full: since.state.last_full,
                increments: since.state.increments.saturating_add(1),
                extent: Extent::Since { from: since.from, arrived: seen.rows },
            },
        }
    }
}
