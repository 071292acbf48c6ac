//! `hydrant completions`

use super::{Cli, Exit, Problem};
use clap::{Args, CommandFactory};

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    shell: clap_complete::Shell,
}

impl Completions {
    #[allow(clippy::unnecessary_wraps)]
    pub(super) fn execute(self) -> Result<Exit, Problem> {
        clap_complete::generate(self.shell, &mut Cli::command(), "hydrant", &mut std::io::stdout());
        Ok(Exit::Done)
    }
}
