//! Refused rows once more, without running the query: a run of its own whose rows are the last export. Only where that does
//! not have all rows, the query is run.

use super::{Env, RunError, RunOptions, RunReport, origin::Origin, run::under_lease};
use crate::{store::Kind, sync::SyncSpec};

/// Sends the rows that the last published run could not write once more, and no row of which it is known what the target
/// holds. Rows that were refused while they were exported stay rejects: their values are not in the export.
pub async fn retry(env: &Env, sync: &SyncSpec) -> Result<RunReport, RunError> {
    let origin = Origin::Last { kind: Kind::Retry, unsure: None };
    under_lease(env, sync, RunOptions::default(), move |held| Box::pin(held.advance(origin))).await
}
