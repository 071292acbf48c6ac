//! Everything that can be known before anything runs: is the source there, is the query right, does the table fit.

use super::{
    CheckReport, Env, Failure, RunError, Step,
    agreement::{not_published, refuse_reserved, same_place_and_key},
    model, place,
    screen::mender,
    table_spec,
    unload::{Asking, way},
};
use crate::{
    apply::obstacle,
    fingerprint::Scheme,
    source::About,
    store::History,
    sync::{Rewrite, SyncSpec},
};
use hydrant_contract::{Inspection, Shape};

/// Checks a sync; changes nothing, and does not run the query.
pub async fn check(env: &Env, sync: &SyncSpec) -> Result<CheckReport, RunError> {
    let fail = |step| {
        move |failure| RunError { sync: sync.name.clone(), run: None, step, failure: Box::new(failure) }
    };
    let history = History::load(&env.store).await.map_err(Failure::from).map_err(fail(Step::Start))?;
    env.unless_stopped(inspect(env, sync, &history)).await.map_err(fail(Step::Inspect))
}

async fn inspect(env: &Env, sync: &SyncSpec, history: &History) -> Result<CheckReport, Failure> {
    let source = env.source.about().await?;
    let schema = model::describe(env, sync).await?;
    let shape = Shape::of(&schema, sync.key.clone())?;
    refuse_reserved(&schema, &sync.deletes)?;
    let spec = table_spec(sync, shape);
    same_place_and_key(sync, history, &spec, &Scheme::of(&spec.shape))?;
    let server = env.target.probe().await?;
    let table = place(&sync.target, &spec);
    let (ddl, limits) = match env.target.inspect(&spec).await? {
        Inspection::Absent { statements, limits } => {
            not_published(history)?;
            (statements, limits)
        }
        Inspection::Present { mismatches, limits } if mismatches.is_empty() => (Vec::new(), limits),
        Inspection::Present { mismatches, .. } => return Err(Failure::TableDiffers { table, mismatches }),
    };
    mender(sync, &spec.shape, &limits)?;
    let columns = spec.shape.columns().iter().map(|c| (c.name.clone(), c.value.to_string())).collect();
    let target = format!("{} at {}", server.product, server.place);
    let About { product, place: at, account, notes } = source;
    let source = match account {
        Some(account) => format!("{product} at {at} as {account}"),
        None => format!("{product}: {at}"),
    };
    let dbt = sync.model.dbt.clone();
    let unload = way(env, sync, Asking::Plan).await?.report();
    let no_rewrite = match sync.rewrite {
        Rewrite::Auto | Rewrite::Always if ddl.is_empty() => obstacle(env.target.as_ref(), &spec).await?,
        Rewrite::Auto | Rewrite::Always | Rewrite::Never => None,
    };
    let (name, export) = (sync.name.clone(), sync.export);
    Ok(CheckReport {
        sync: name,
        dbt,
        source,
        notes,
        target,
        table,
        columns,
        ddl,
        no_rewrite,
        export,
        unload,
    })
}
