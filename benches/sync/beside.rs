//! What the application feels of a piece of work: how long it waits while nothing else happens, and while the work is done.

use crate::{
    application::{Application, Load, Operation, Table, Window, due_in, latencies},
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

/// What the application asked for, and how long each request took.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    /// While it had the server for itself.
    idle: Vec<Operation>,
    /// What was due while the work was done, from its first to its last moment.
    during: Vec<Operation>,
}

impl Waits {
    /// Puts those of another round to these.
    pub(crate) fn extend(&mut self, round: Self) {
        self.idle.extend(round.idle);
        self.during.extend(round.during);
    }

    /// Of all of them together: "idle reads" and "idle writes", "reads" and "writes".
    pub(crate) fn latencies(self) -> BTreeMap<String, Latency> {
        let mut latency = latencies(self.idle, "idle ");
        latency.extend(latencies(self.during, ""));
        latency
    }
}

/// Does the work (runs hydrant, a hand-written merge or a peer to its end) with the application beside it, which has had the
/// server for itself for `idle`. Gives back what the work gave, and how long the application waited.
///
/// The waits are missing if the application was refused what it asked for: by a work that replaced its table, say. The error
/// tells what it was told.
pub(crate) fn beside<T>(
    server: &Server,
    table: &Table,
    load: Load,
    idle: Duration,
    work: impl FnOnce() -> T,
) -> (T, Result<Waits>) {
    let application =
        Application::start(server, table, load).unwrap_or_else(|error| panic!("the application: {error:#}"));
    thread::sleep(WARM);
    let ((), idle) = Window::of(|| thread::sleep(idle));
    thread::sleep(PAUSE);
    let (done, during) = Window::of(work);
    thread::sleep(PAUSE);
    let waits =
        application.stop().map(|asked| Waits { idle: due_in(&asked, idle), during: due_in(&asked, during) });
    (done, waits)
}
