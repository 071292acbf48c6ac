//! A bench that is told to end takes its server along.

use crate::servers::stop;
use std::{fs, path::PathBuf, process::exit, thread};
use tokio::{
    runtime::Builder,
    select,
    signal::unix::{SignalKind, signal},
};

/// From now on the interrupt key and a request to terminate stop the server that has its data in `server`, and remove `folder`.
pub(crate) fn watch(folder: PathBuf, server: PathBuf) {
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_io().build().expect("a runtime");
        let code = runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt()).expect("a signal");
            let mut terminate = signal(SignalKind::terminate()).expect("a signal");
            select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            }
        });
        stop(&server);
        // What is still written there by those who end now may stay behind.
        let _ = fs::remove_dir_all(&folder);
        exit(code);
    });
}
