//! `hydrant schema`

use super::{Exit, Problem, output};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct Schema;

impl Schema {
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)]
    pub(super) fn execute(self) -> Result<Exit, Problem> {
        output::json(&crate::config::schema());
        Ok(Exit::Done)
    }
}
