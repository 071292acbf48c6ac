//! Log lines on standard error: plain or JSON, without tearing a progress bar apart.

use super::{output::Output, progress::Progress};
use std::io::{self, IsTerminal, Write};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// Starts the log. On a terminal the bars tell how a run proceeds, so only warnings are logged there. `RUST_LOG` overrides.
pub(super) fn start(verbose: u8, output: Output, progress: &Progress) {
    let level = match (verbose, progress.is_shown()) {
        (0, true) => "warn",
        (0, false) => "warn,hydrant=info",
        (1, _) => "warn,hydrant=debug",
        // The driver logs the parameters of its statements and the notices of triggers: values of rows, which must not
        // be in a log.
        _ => "debug,tokio_postgres::query=info,tokio_postgres::connection=warn",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Above(progress.clone()))
        .with_ansi(colour);
    // Started once per process; a second start in a test is not an error.
    let _ = match output {
        Output::Json => log.json().try_init(),
        Output::Text => log.with_target(false).try_init(),
    };
}

/// Writes above the bars.
#[derive(Clone)]
struct Above(Progress);

impl MakeWriter<'_> for Above {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
