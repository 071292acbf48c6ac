//! The binary: a table of contents.

use clap::Parser;
use hydrant::cli::{self, Cli, Exit};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// glibc has a good one: a run takes less of the processor and less memory with it than with this one
/// (docs/decisions/0023-glibcs-allocator.md).
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    // One crypto provider for every TLS connection; with two in the graph rustls would panic at the first handshake.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signals(stop.clone()));
    cli::execute(cli, stop).await.into()
}

/// The first signal asks for a stop between two batches, the second ends the process at once. Both are safe: what was
/// committed is committed together with its checkpoint, and a sealed run is finished by the next one.
async fn stop_on_signals(stop: CancellationToken) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return tracing::warn!("signals cannot be caught; a signal ends the process at once");
    };
    for times in 1.. {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if times > 1 {
            std::process::exit(Exit::Stopped as i32);
        }
        tracing::warn!("stopping after the current batch; a second signal stops at once");
        stop.cancel();
    }
}
