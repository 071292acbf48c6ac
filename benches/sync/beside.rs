//! What the application feels of a piece of work: how long it waits while nothing else happens, and while the work is done.

use crate::{
    application::{Application, Load, Table, Window, latencies},
    measured::Latency,
    servers::Server,
};
use anyhow::Result;
use std::{collections::BTreeMap, thread, time::Duration};

/// Connections are opened and the rows that are asked for often are in memory, before anything counts.
const WARM: Duration = Duration::from_secs(2);
/// How long the application usually has the server for itself before.
pub(crate) const IDLE: Duration = Duration::from_secs(15);
/// Between the two, and after the work: what the one leaves behind is not the other's.
const PAUSE: Duration = Duration::from_secs(2);

/// Does the work (runs hydrant, a hand-written merge or a peer to its end) with the application beside it, which has had the
/// server for itself for `idle`. Gives back what the work gave, and how long the application waited: "idle reads" and "idle
/// writes" before, and "reads" and "writes" for what was due while the work was done, from its first to its last moment.
///
/// The figures are missing if the application was refused what it asked for: by a work that replaced its table, say. The error
/// tells what it was told.
pub(crate) fn beside<T>(
    server: &Server,
    table: &Table,
    load: Load,
    idle: Duration,
    work: impl FnOnce() -> T,
) -> (T, Result<BTreeMap<String, Latency>>) {
    let application =
        Application::start(server, table, load).unwrap_or_else(|error| panic!("the application: {error:#}"));
    thread::sleep(WARM);
    let ((), idle) = Window::of(|| thread::sleep(idle));
    thread::sleep(PAUSE);
    let (done, during) = Window::of(work);
    thread::sleep(PAUSE);
    let latency = application.stop().map(|asked| {
        let mut latency = latencies(&asked, idle, "idle ");
        latency.extend(latencies(&asked, during, ""));
        latency
    });
    (done, latency)
}
