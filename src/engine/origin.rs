//! Where the rows of a run come from, and which of their differences it is about.

use super::{
    Env, Failure, Held, RunOptions,
    adopt::Adopted,
    agreement::still_the_same,
    base::BaseBuilder,
    compare::Scope,
    drift::drift,
    increment::{Because, Course, Past, opened},
    model,
    screen::Earlier,
    unload::{Asking, Way, way},
};
use crate::{
    apply::pick_all,
    fingerprint::Scheme,
    source::{Rows, SourceError, SourceErrorKind},
    spill::Fingerprinted,
    store::{History, Kind, Published, Sealed},
    sync::SyncSpec,
};
use arrow::datatypes::Schema;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use hydrant_contract::{Shape, TableSpec};
use std::sync::Arc;

/// Where rows come from.
pub(super) enum Origin {
    /// The query: every difference is a change.
    Query,
    /// The export of the last published run once more, or the query where that has only rows that changed: only rows of which
    /// it is not known what the target holds are sent.
    Last {
        /// What kind of run that is.
        kind: Kind,
        /// Keys that were found to differ, besides those that the store knows of.
        unsure: Option<Box<Unsure>>,
    },
    /// The export of an earlier run: the table goes back to what it held then.
    Earlier(Box<(Sealed, Published)>),
    /// The table itself: nothing is a change, it becomes the index.
    Table(Arc<Adopted>),
}

/// What was found out of the target that the store does not know.
pub(super) struct Unsure {
    /// Key hashes of rows of the index that the target does not have as the index says.
    pub(super) differing: Fingerprinted,
    /// Keys that it has besides, to be deleted. Without them nothing is deleted at all.
    pub(super) extra: Option<Fingerprinted>,
}

/// Rows that a run starts from.
pub(super) struct Opened {
    pub(super) rows: Rows,
    pub(super) shape: Shape,
    /// As of when they are.
    pub(super) as_of: DateTime<Utc>,
    /// Whether that says how fresh they are; see [`Sealed::fresh`].
    pub(super) fresh: bool,
    /// What the export that they are from has to say of them.
    pub(super) earlier: Earlier,
    /// How they come, if they are the query's.
    pub(super) way: Option<Way>,
    /// What the query was asked for, where the sync has a cursor.
    pub(super) course: Option<Course>,
}

impl Origin {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Query => Kind::Query,
            Self::Last { kind, .. } => *kind,
            Self::Earlier(earlier) => Kind::Rollback { to: earlier.0.run },
            Self::Table(_) => Kind::Adopt,
        }
    }

    /// Keys that were found to differ.
    pub(super) fn take_unsure(&mut self) -> Option<Box<Unsure>> {
        match self {
            Self::Last { unsure, .. } => unsure.take(),
            Self::Query | Self::Earlier(_) | Self::Table(_) => None,
        }
    }

    /// Whether values that the target's columns cannot hold are made to fit. What an earlier run published fitted then, and
    /// what is read from the table does.
    pub(super) fn mends(&self) -> bool {
        match self {
            Self::Query | Self::Last { .. } => true,
            Self::Earlier(_) | Self::Table(_) => false,
        }
    }

    pub(super) async fn open(&self, held: &Held<'_>, history: &History) -> Result<Opened, Failure> {
        match self {
            Self::Query => {
                let asked = match held.options {
                    RunOptions { resend: true, .. } => Some(Because::resent()),
                    RunOptions { full: true, .. } => Some(Because::asked()),
                    RunOptions { .. } => None,
                };
                let last = history.published.as_ref().map(|(sealed, _)| sealed);
                opened(
                    held.env,
                    held.sync,
                    Past { last, abandoned: &history.abandoned, asked },
                    Asking::Run(held.epoch()),
                )
                .await
            }
            Self::Last { .. } => {
                let last = still_the_same(held.sync, history)?;
                same_columns(held, last).await?;
                match last.export.is_full() {
                    true => stored(held.env, last).await,
                    false => anew(held, last).await,
                }
            }
            Self::Earlier(earlier) => stored(held.env, &earlier.0).await,
            Self::Table(adopted) => {
                let as_of = held.env.clock.now();
                let key = held.sync.key.clone();
                let shape = Shape::of(model::describe(held.env, held.sync).await?.as_ref(), key)?;
                let earlier = Earlier::adopted(adopted.unreadable.clone());
                Ok(Opened {
                    rows: adopted.rows(held, &shape),
                    shape,
                    as_of,
                    fresh: false,
                    earlier,
                    way: None,
                    course: None,
                })
            }
        }
    }

    /// Which differences are changes. `begin` becomes what the target is believed to have held when the earlier run was
    /// published, if this goes back to one.
    pub(super) async fn scope(
        &self,
        begin: BaseBuilder,
        spec: &TableSpec,
        scheme: &Scheme,
    ) -> Result<Scope, Failure> {
        Ok(match self {
            Self::Query => Scope::All,
            Self::Last { .. } => Scope::Unknown,
            Self::Earlier(earlier) => {
                let (sealed, published) = earlier.as_ref();
                let then = begin.index(sealed, Some(published), spec, scheme).await?.finish()?;
                Scope::Restore(Box::new(then))
            }
            Self::Table(_) => Scope::Nothing,
        })
    }
}

/// The query's present rows.
pub(super) async fn queried(env: &Env, sync: &SyncSpec, asking: Asking) -> Result<Opened, Failure> {
    let as_of = env.clock.now();
    let mut way = way(env, sync, asking).await?;
    let rows = model::open(env, sync, way.take_rows()).await?;
    let shape = Shape::of(&rows.schema, sync.key.clone())?;
    Ok(Opened { rows, shape, as_of, fresh: true, earlier: Earlier::default(), way: Some(way), course: None })
}

/// The query's present rows, in the place of a last export that has not all of its own. `as_of` stays what it was: rows that
/// changed since are not sent.
async fn anew(held: &Held<'_>, last: &Sealed) -> Result<Opened, Failure> {
    tracing::info!(
        sync = held.sync.name,
        run = last.run,
        "the export of the last run has only the rows that changed (`export: changes`): running the query instead"
    );
    let opened = queried(held.env, held.sync, Asking::Run(held.epoch())).await?;
    match drift(&last.spec.shape, &opened.shape).as_slice() {
        [] => Ok(Opened { as_of: last.as_of, fresh: last.fresh, ..opened }),
        drift => Err(Failure::RunFirst { run: last.run, reason: drift.join("; ") }),
    }
}

/// A failure if the query returns other columns than those of the last export. A source that does not answer is not asked
/// for anything else, and does not keep rows of the store from being sent.
async fn same_columns(held: &Held<'_>, last: &Sealed) -> Result<(), Failure> {
    let schema = match model::describe(held.env, held.sync).await {
        Ok(schema) => schema,
        Err(Failure::Source(_)) => return Ok(()),
        Err(failure) => return Err(failure),
    };
    match drift(&last.spec.shape, &Shape::of(&schema, held.sync.key.clone())?).as_slice() {
        [] => Ok(()),
        drift => Err(Failure::RunFirst { run: last.run, reason: drift.join("; ") }),
    }
}

/// The rows of an earlier export that has all of them, in their order.
pub(super) async fn stored(env: &Env, sealed: &Sealed) -> Result<Opened, Failure> {
    let (rows, shape) = (kept(env, sealed), sealed.spec.shape.clone());
    let earlier = Earlier::of(&env.store, sealed).await?;
    Ok(Opened { rows, shape, as_of: sealed.as_of, fresh: sealed.fresh, earlier, way: None, course: None })
}

/// The rows that an earlier export has, whether or not these are all.
pub(super) fn kept(env: &Env, sealed: &Sealed) -> Rows {
    let shape = &sealed.spec.shape;
    // Keys may be NULL in an export; see `carry`.
    let fields: Vec<_> = shape.columns().iter().map(|c| c.value.field(&c.name, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let names = env.store.names().run(sealed.run);
    let picked = pick_all(env.store.clone(), names, &sealed.export, schema.clone());
    let batches = picked.map_ok(|picked| picked.rows).map_err(|error| SourceError {
        kind: if error.is_missing() { SourceErrorKind::Missing } else { SourceErrorKind::Broken },
        message: format!("reading an earlier export: {error}"),
        position: None,
    });
    Rows { schema, batches: batches.boxed() }
}
