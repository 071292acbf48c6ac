//! Connections: opened when needed, kept on a small stack, opened again when they broke.

use crate::{classify, timeouts::Timeouts};
use hydrant_contract::Result;
use hydrant_postgres::{Config, Connection, Purpose, Settings};
use std::sync::{Mutex, PoisonError};

/// Connections beyond this many are closed when their call ends; as many syncs as run at a time come back for theirs.
const IDLE_MAX: usize = 8;

/// Opens connections and keeps the idle ones.
pub(crate) struct Connector {
    connector: hydrant_postgres::Connector,
    timeouts: Timeouts,
    idle: Mutex<Vec<Connection>>,
}

impl Connector {
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let config = Config::new(settings, Purpose::Write).map_err(classify::error)?;
        let timeouts = Timeouts::of_options(config.options().unwrap_or_default())
            .map_err(|why| classify::error(Config::wrong(why)))?;
        let connector = hydrant_postgres::Connector::new(config);
        Ok(Self { connector, timeouts, idle: Mutex::default() })
    }

    /// Where it connects to, as messages name it.
    pub(crate) fn place(&self) -> String {
        self.connector.config().place()
    }

    /// How long its transactions may take.
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// An idle connection that is not known to be broken.
    pub(crate) fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|c| !c.client.is_closed());
        idle.pop()
    }

    /// Takes a connection back that is in no transaction.
    pub(crate) fn put_idle(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !connection.client.is_closed() {
            idle.push(connection);
        }
    }

    /// A new connection to the first host that lets one in.
    pub(crate) async fn open(&self) -> Result<Connection> {
        self.connector.open().await.map_err(classify::error)
    }
}
