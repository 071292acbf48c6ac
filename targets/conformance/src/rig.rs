//! What a target supplies to be tested.

use crate::Value;
use async_trait::async_trait;
use hydrant_contract::{Checkpoint, Column, Documents, Freshness, TableName, TableSpec, Target, ValueType};
use std::{any::Any, sync::Arc};

/// A database to test in, and a second way into it.
///
/// Everything but [`target`](Rig::target) goes by the second way: the command line program of the database, or a driver
/// that the target does not use. It must not share code with the target, since it says what is true. A rig is started
/// anew for every case; it panics, with what the database said, when something goes wrong.
#[async_trait]
pub trait Rig: Send + Sync {
    /// A new target on this database, with connections of its own.
    fn target(&self) -> Arc<dyn Target>;

    /// What cases must not ask of this rig: any [`Need`] but those that the target's capabilities speak of.
    fn lacks(&self) -> &'static [Need];

    /// Whether the target has a home for values of this type. Where it has none, `inspect` must say so.
    fn holds(&self, value: &ValueType) -> bool;

    /// Whether the database has room for this value of a type that it has a home for. Where it has none (a calendar that
    /// ends in milliseconds, 34 decimal digits), the target may refuse what others must keep.
    fn has_room(&self, _: &Value, _: &ValueType) -> bool {
        true
    }

    /// How rows become documents in the tables of this rig, where they do.
    fn documents(&self) -> Documents {
        Documents::default()
    }

    /// Told of every table that a case is about: documents do not say by themselves which of their fields are the key.
    fn about(&self, _: &TableSpec) {}

    /// A table that no other case uses, not made yet, whose name contains `stem` (which may be of any characters) where
    /// the database lets it.
    fn table(&self, stem: &str) -> TableName;

    /// Makes a table as the application would have.
    async fn make(&self, table: &TableName, fixture: &Fixture);

    /// Inserts rows by the application's hand; the others of its columns get their defaults. Values are NULL, booleans,
    /// numbers, texts and instants; [`Value::literal`] writes them in SQL.
    async fn insert(&self, table: &TableName, columns: &[&str], rows: &[Vec<Value>]);

    /// Reads these columns of all rows, in any order. [`Value::parse`] makes values of text.
    async fn rows(&self, table: &TableName, columns: &[Column]) -> Vec<Vec<Value>>;

    /// Reads the checkpoint of a sync from hydrant's own table.
    async fn checkpoint(&self, sync: &str) -> Option<Checkpoint>;

    /// Reads the freshness of a sync, and the run that wrote it, from hydrant's own table.
    async fn freshness(&self, sync: &str) -> Option<(u64, Freshness)>;

    /// Runs a statement that the target showed, as a person would who pastes it. Not called if [`Need::Statements`] is
    /// lacking.
    async fn execute(&self, statement: &str);

    /// Locks all rows of a table against writers, in a transaction that lasts until the answer is dropped. Not called if
    /// [`Need::Locks`] is lacking.
    async fn lock(&self, table: &TableName) -> Held;

    /// A new target on this database whose account may read these columns of the table, and may do nothing else. Not called
    /// if [`Need::Accounts`] is lacking.
    async fn reader(&self, table: &TableName, columns: &[&str]) -> Arc<dyn Target>;

    /// Whether a column may have this name. Where it may not (a space at its end, an emoji), the target must refuse to make a
    /// table with it.
    fn takes_name(&self, _: &str) -> bool {
        true
    }
}

/// Holds a lock until it is dropped.
pub type Held = Box<dyn Any + Send>;

/// What a case needs beyond the promise that every target makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// [`Capabilities::transactions`](hydrant_contract::Capabilities::transactions).
    Transactions,
    /// [`Capabilities::schemas`](hydrant_contract::Capabilities::schemas).
    Schemas,
    /// [`Capabilities::unique_columns`](hydrant_contract::Capabilities::unique_columns).
    UniqueColumns,
    /// [`Capabilities::rebuild`](hydrant_contract::Capabilities::rebuild).
    Rebuild,
    /// [`Capabilities::ahead`](hydrant_contract::Capabilities::ahead).
    Ahead,
    /// The rig can hold a lock from outside.
    Locks,
    /// The target shows statements that a person can run.
    Statements,
    /// The database enforces foreign keys.
    ForeignKeys,
    /// The database has accounts that may do some things and not others.
    Accounts,
    /// Tables declare their columns and the columns' types. Documents do not: a field is there when it is written.
    Columns,
    /// Columns have defaults, which the database fills in.
    Defaults,
    /// What keeps keys unique can be missing. It cannot where the key is the identity that every document has.
    KeyIndex,
    /// Keys of bytes compare as they sort. They do in every database that is worth the name, but not in every server that is
    /// tested with.
    ByteOrder,
    /// A row can be inserted with a value of a unique column that an update gave up; the same holds for it.
    FreedValues,
}

impl Need {
    /// Why a case that needs this cannot run.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Transactions => "the target has no transactions",
            Self::Schemas => "the target has no schemas",
            Self::UniqueColumns => "the target enforces no unique columns",
            Self::Rebuild => "the target does not build tables anew",
            Self::Ahead => "the target begins no batch ahead",
            Self::Locks => "the target has no locks to wait for",
            Self::Statements => "the target has no statements",
            Self::ForeignKeys => "the target has no foreign keys",
            Self::Accounts => "the target has no accounts",
            Self::Columns => "the target's tables declare no columns",
            Self::Defaults => "the target's columns have no defaults",
            Self::KeyIndex => "the target's keys are the identity of their rows",
            Self::ByteOrder => "a defect of this server: it compares bytes otherwise than it sorts them",
            Self::FreedValues => "a defect of this server: a value that an update gave up cannot be inserted",
        }
    }
}

/// A table of the application's own making.
#[derive(Clone, Debug, Default)]
pub struct Fixture {
    /// Its columns.
    pub columns: Vec<FixtureColumn>,
    /// Its primary key; none if empty.
    pub primary_key: Vec<String>,
    /// Further unique constraints or indexes, checked at once (not deferred to the end of the transaction).
    pub unique: Vec<Vec<String>>,
    /// Foreign keys, checked at once; only in cases that need [`Need::ForeignKeys`].
    pub foreign_keys: Vec<ForeignKey>,
}

/// A foreign key of one column.
#[derive(Clone, Debug)]
pub struct ForeignKey {
    /// The column.
    pub column: String,
    /// The table that it refers to, which is there already.
    pub table: TableName,
    /// The column there.
    pub references: String,
}

/// A column of a [`Fixture`].
#[derive(Clone, Debug)]
pub struct FixtureColumn {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// A number (in a column of numbers) that a constraint of the database refuses: `CHECK (c <> 13)`.
    pub refuses: Option<i64>,
    /// A default, of the kinds that [`Rig::insert`] takes.
    pub default: Option<Value>,
}

/// What a column of a [`Fixture`] holds, in types that every database has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 64-bit integer.
    Integer,
    /// 16-bit integer; where the database has none, a 64-bit integer with a constraint.
    Small,
    /// Text of any length, compared byte by byte.
    Text,
    /// Text of at most this many characters; a constraint where the type does not say so.
    Short(u32),
    /// Boolean.
    Boolean,
    /// Instant with microseconds (timestamp with time zone).
    Instant,
}
