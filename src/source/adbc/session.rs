//! Connections, with the options that they are told.

use super::{driver, error::Told, scrub::Scrub, worker::Cancel};
use crate::{
    config::{AdbcSpec, DriverOptions},
    source::SourceError,
};
use adbc_core::{
    Connection, Database, Driver, Optionable, Statement,
    error::Error,
    options::{OptionConnection, OptionDatabase, OptionStatement, OptionValue},
};
use adbc_driver_manager::{ManagedConnection, ManagedDatabase, ManagedDriver, ManagedStatement};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What connections are made of.
pub(super) struct Sessions {
    spec: AdbcSpec,
    scrub: Scrub,
    loaded: Mutex<Loaded>,
}

/// What was loaded and opened so far.
#[derive(Default)]
struct Loaded {
    driver: Option<ManagedDriver>,
    /// The database, as long as a session has it. Two queries at a time share it: a file that is opened twice in one
    /// process is not safe in every engine. With the last session it is closed, so that nobody else is kept from it.
    database: Weak<ManagedDatabase>,
}

/// A connection. What is dropped first stands first.
pub(super) struct Session {
    pub(super) connection: ManagedConnection,
    statement: DriverOptions,
    _database: Arc<ManagedDatabase>,
}

impl Sessions {
    pub(super) fn new(spec: &AdbcSpec) -> Self {
        let told = [&spec.database, &spec.connection, &spec.statement, &spec.settings];
        Self { spec: spec.clone(), scrub: Scrub::new(told), loaded: Mutex::default() }
    }

    pub(super) fn spec(&self) -> &AdbcSpec {
        &self.spec
    }

    pub(super) fn scrub(&self) -> &Scrub {
        &self.scrub
    }

    /// Connects. Blocks.
    pub(super) fn connect(&self) -> Result<Session, SourceError> {
        let told = Told::of(self, "connecting");
        let database = self.database(&told)?;
        let options: Vec<_> = each::<OptionConnection>(&self.spec.connection).collect();
        let connection =
            database.new_connection_with_opts(options).map_err(|error| told.connecting(&error))?;
        let mut session = Session { connection, statement: self.spec.statement.clone(), _database: database };
        self.set(&mut session, &told)?;
        Ok(session)
    }

    fn database(&self, told: &Told<'_>) -> Result<Arc<ManagedDatabase>, SourceError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = loaded.database.upgrade() {
            return Ok(database);
        }
        let mut driver = match &loaded.driver {
            Some(driver) => driver.clone(),
            None => {
                let driver = driver::load(&self.spec, told)?;
                loaded.driver = Some(driver.clone());
                driver
            }
        };
        let options = each::<OptionDatabase>(&self.spec.database);
        let database = driver.new_database_with_opts(options).map_err(|error| told.connecting(&error))?;
        let database = Arc::new(database);
        loaded.database = Arc::downgrade(&database);
        Ok(database)
    }

    /// The settings of the session.
    fn set(&self, session: &mut Session, told: &Told<'_>) -> Result<(), SourceError> {
        for (name, option) in &self.spec.settings {
            let value = option.value.expose().replace('\'', "''");
            let sql = format!("SET {} = '{value}'", self.spec.dialect.column(name));
            let mut statement =
                session.connection.new_statement().map_err(|error| told.connecting(&error))?;
            let done = statement.set_sql_query(sql).and_then(|()| statement.execute_update());
            done.map_err(|error| told.setting(name, &error))?;
        }
        Ok(())
    }
}

impl Session {
    /// A statement that can be cancelled, ready to run.
    pub(super) fn statement(
        &mut self,
        sql: &str,
        cancel: &Cancel,
        told: &Told<'_>,
    ) -> Result<ManagedStatement, SourceError> {
        let mut statement = self.connection.new_statement().map_err(|error| told.query(&error))?;
        for (name, option) in &self.statement {
            set(&mut statement, name, option.value.expose()).map_err(|error| told.option(name, &error))?;
        }
        statement.set_sql_query(sql).map_err(|error| told.query(&error))?;
        if !cancel.now(vec![statement.get_cancel_handle(), self.connection.get_cancel_handle()]) {
            return Err(told.cancelled());
        }
        Ok(statement)
    }
}

/// Sets an option as text; where the driver wants a number, as a number.
fn set(statement: &mut ManagedStatement, name: &str, value: &str) -> Result<(), Error> {
    let refused = match statement.set_option(OptionStatement::from(name), value.into()) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let Ok(number) = value.parse::<i64>() else { return Err(refused) };
    statement.set_option(OptionStatement::from(name), number.into()).map_err(|_| refused)
}

/// Options as the driver manager takes them.
fn each<K: for<'a> From<&'a str>>(options: &DriverOptions) -> impl Iterator<Item = (K, OptionValue)> {
    options.iter().map(|(name, option)| (K::from(name.as_str()), OptionValue::from(option.value.expose())))
}
