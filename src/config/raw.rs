//! The configuration as it is typed: every block with its keys.
//!
//! These declarations are both the parser and the JSON Schema, so that the two cannot differ. Their documentation is
//! what editors show people who write a configuration.

use super::{
    number::{Count, Percent, Size, Version, Whole},
    policy::Policy,
    reader::{Field, Read, Reader},
    tree::Node,
    value::{Choice, Either, Form, Hidden, List, Names, OneOf, Scalar, Setting, Text, YesNo},
};
use crate::sync::{DuplicateKeys, ExportKind, NullKeys, Rewrite};
use hydrant_contract::{DocumentId, Mode, Nulls, SoftMark};
use schemars::JsonSchema;

/// A block with keys of its own.
trait Block: Sized {
    /// Reads it; `beside` its keys may stand one that others read.
    fn read_block(node: &Node, beside: Option<&'static str>, reader: &mut Reader<'_>) -> Option<Self>;
}

/// Declares a block by its keys. Those that need not be given have `[default]` or `[default = value]` before them.
macro_rules! block {
    ($(#[$about:meta])* $block:ident {
        $($(#[$key_about:meta])* $([$default:ident $(= $value:expr)?])? $key:ident: $kind:ty,)*
    }) => {
        $(#[$about])*
        #[derive(JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub(in crate::config) struct $block {
            $(
                $(#[$key_about])*
                $(#[schemars($default $(, extend("default" = $value))?)])?
                pub(in crate::config) $key: Field<$kind>,
            )*
        }

        impl Block for $block {
            fn read_block(node: &Node, beside: Option<&'static str>, reader: &mut Reader<'_>) -> Option<Self> {
                let keys: Vec<&str> = beside.into_iter().chain([$(stringify!($key)),*]).collect();
                let entries = reader.block(node, &keys)?;
                Some(Self {
                    $($key: reader.field(&entries, stringify!($key), !concat!($(stringify!($default))?).is_empty()),)*
                })
            }
        }

        impl Form for $block {
            const FORM: &'static str = "a block of keys";
        }

        impl Read for $block {
            fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
                Self::read_block(node, None, reader)
            }
        }
    };
}

/// Declares a block whose other keys depend on its key `type`.
macro_rules! block_by_type {
    ($(#[$about:meta])* $block:ident { $($(#[$kind_about:meta])* $word:literal => $kind:ident,)* }) => {
        $(#[$about])*
        #[derive(JsonSchema)]
        #[schemars(tag = "type")]
        // There is one for each block of a file, for as long as the file is read.
        #[allow(clippy::large_enum_variant)]
        pub(in crate::config) enum $block {
            $($(#[$kind_about])* #[schemars(rename = $word)] $kind($kind),)*
        }

        impl Read for $block {
            fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
                const WORDS: &[&str] = &[$($word),*];
                match reader.word_of_type(node, WORDS)? {
                    $($word => $kind::read_block(node, Some("type"), reader).map(Self::$kind),)*
                    _ => None,
                }
            }
        }
    };
}

/// Declares the words of a key that takes one of a few.
macro_rules! words {
    ($kind:ty { $($word:literal => $value:expr, $about:literal;)* } $(otherwise $otherwise:literal)?) => {
        impl Choice for $kind {
            const WORDS: &'static [(&'static str, Self, &'static str)] = &[$(($word, $value, $about)),*];
            $(const OTHERWISE: Option<&'static str> = Some($otherwise);)?
        }
    };
}

mod columns;
mod cursor;
mod dbt;
mod guard;
mod source;
mod warehouse;
pub(super) use columns::*;
pub(super) use cursor::*;
pub(super) use dbt::*;
pub(super) use guard::*;
pub(super) use source::*;
pub(super) use warehouse::*;

block! {
    /// Keeps tables in application databases equal to queries on a warehouse.
    Configuration {
        /// The version of this file's form. There is one: 1.
        [default = 1] version: Version,
        /// Where exports and all state are kept: a folder, or a URL of object storage. Every machine that runs these
        /// syncs must reach the same store.
        store: Either<Text, Store>,
        /// How much memory one run may use for fingerprints before they spill to disk; at least 16MiB.
        [default = "256MiB"] memory: Size,
        /// Folder for spilled fingerprints, and for rows that are set aside. Without it: the system's temporary folder.
        [default] scratch: Text,
        /// Where rows come from, by a name of your choice.
        sources: Names<Source>,
        /// Where rows go to, by a name of your choice.
        targets: Names<Target>,
        /// What is kept equal, by a name of your choice: letters, digits, `_` and `-`, at most 64. The name is a folder
        /// in the store: under another name a sync starts anew.
        syncs: Names<Sync>,
        /// Which rows of each export are kept in the store, for all syncs that do not say otherwise.
        [default = "full"] export: OneOf<ExportKind>,
        /// How long the files of published runs are kept, for all syncs that do not say otherwise.
        [default] retain: Retain,
        /// The dbt project whose models syncs name as `ref('…')`.
        [default] dbt: Dbt,
    }
}

block! {
    /// Where exports and all state are kept, with options.
    Store {
        /// A folder, or a URL: `s3://bucket/path`, `gs://…`, `az://…`.
        url: Text,
        /// Options of the storage client, such as `endpoint`, `region`, `access_key_id`, `secret_access_key`,
        /// `allow_http`. Without them the vendor's own environment variables count.
        [default] options: Names<Setting>,
    }
}

block_by_type! {
    /// Where rows go to.
    Target {
        /// A SQLite database file.
        "sqlite" => Sqlite,
        /// Postgres, or what speaks its protocol.
        "postgres" => Postgres,
        /// MySQL or MariaDB.
        "mysql" => Mysql,
        /// MongoDB, or what speaks its protocol.
        "mongodb" => Mongodb,
    }
}

block! {
    /// A SQLite database file.
    Sqlite {
        /// The file. It is created if its folder exists.
        path: Text,
    }
}

block! {
    /// Postgres, or what speaks its protocol.
    Postgres {
        /// A URL (`postgres://user@host/database?sslmode=verify-full`) or keywords (`host=… user=…`), as libpq takes
        /// them. Take it from the environment: `${APP_DATABASE_URL}`.
        url: Hidden,
        /// The password, where it does not stand in the URL. Take it from the environment or a file: `${PASSWORD}`,
        /// `${file:/run/secrets/password}`.
        [default] password: Hidden,
    }
}

block! {
    /// MySQL or MariaDB.
    Mysql {
        /// A URL: `mysql://user@host:3306/database?ssl-mode=VERIFY_IDENTITY&ssl-ca=/etc/ssl/ca.pem`. Take it from the
        /// environment: `${APP_DATABASE_URL}`.
        url: Hidden,
        /// The password, where it does not stand in the URL. Take it from the environment or a file: `${PASSWORD}`,
        /// `${file:/run/secrets/password}`.
        [default] password: Hidden,
    }
}

block! {
    /// MongoDB, or what speaks its protocol.
    Mongodb {
        /// A connection string with the database: `mongodb+srv://user@cluster.example/app` or `mongodb://…`. Take it from
        /// the environment: `${APP_DATABASE_URL}`.
        url: Hidden,
        /// The password, where it does not stand in the URL. Take it from the environment or a file: `${PASSWORD}`,
        /// `${file:/run/secrets/password}`.
        [default] password: Hidden,
        /// Whether a batch is one transaction. A standalone server, which has none, is recognised; this is for servers
        /// that only speak MongoDB's protocol.
        [default = true] transactions: YesNo,
    }
}

block! {
    /// One query kept in one table.
    Sync {
        /// The name of the source that the query runs on.
        source: Text,
        /// The rows: a file beside this one whose name ends in `.sql`, SQL, the name of a table, or a model of dbt as
        /// `ref('…')`.
        model: Text,
        /// What is made of the columns that the query returns: a list selects some of them; a block gives each column of the
        /// table what it is made from. Without it all columns are taken as they are.
        [default] columns: Columns,
        /// The column by which a row says when it changed, or a block: only rows that changed since the last run are asked
        /// for. Deletes are found by full runs only.
        [default] cursor: Either<Text, Cursor>,
        /// The column, or list of columns, that identifies a row.
        key: Either<Text, List<Text>>,
        /// The name of the target that the table is kept in.
        target: Text,
        /// The table: `name`, `schema.name`, or `'"a name with . in it"'`. Names are never folded.
        table: Either<Text, Table>,
        /// Which rows are written.
        [default = "mirror"] mode: OneOf<Mode>,
        /// What happens to rows that left the query, in mode `mirror`.
        [default = "hard"] deletes: Either<OneOf<DeletesWord>, DeletesBlock>,
        /// How a row becomes a document, in a target of the type `mongodb`.
        [default] document: Document,
        /// What to do about two rows with the same key.
        [default = "error"] duplicate_keys: OneOf<DuplicateKeys>,
        /// What to do about a row with NULL in its key.
        [default = "error"] null_keys: OneOf<NullKeys>,
        /// When a set of changes is suspicious.
        [default] guard: Guard,
        /// How many rows may be refused before the run fails: the larger of both counts.
        [default] rejects: Rejects,
        /// Whether the table may be built anew beside itself and put in its place where most of it changes, in a target of the
        /// type `postgres`. The application's writers wait meanwhile.
        [default = "never"] rewrite: OneOf<Rewrite>,
        /// What happens to a value that the target's column cannot hold, by column: `reject` (the default), `null`,
        /// `truncate` or `{ replace: value }`.
        [default] refused: Names<Policy>,
        /// The columns whose values are never shown in rejects, samples, messages or logs: a list, or `all`.
        [default] redact: Either<Text, List<Text>>,
        /// The sync, or list of syncs, that this one comes after, as a child table comes after its parent. If one of
        /// them was not published in an invocation, this one is not run in it.
        [default] after: Either<Text, List<Text>>,
        /// Which rows of each export are kept in the store.
        [default] export: OneOf<ExportKind>,
        /// How long the files of published runs are kept.
        [default] retain: Retain,
        /// What `hydrant dbt exposures` says of this sync.
        [default] exposure: Exposure,
    }
}

block! {
    /// The name of a table in its parts.
    Table {
        /// The schema, or database. Without it: the target's default.
        [default] schema: Text,
        /// The table itself.
        name: Text,
    }
}

words! {
    Mode {
        "mirror" => Self::Mirror, "The table's managed rows equal the query's: insert, update and delete.";
        "upsert" => Self::Upsert, "Insert and update; rows that left the query stay.";
        "insert" => Self::Insert, "Insert rows whose key is not there; rows that are there stay as they are.";
        "update" => Self::Update, "Update rows whose key is there; never insert.";
    }
}

/// A rule for rows that left the query that needs no column.
#[derive(Clone, Copy)]
pub(super) enum DeletesWord {
    Hard,
    NullOut,
    Ignore,
}

words! {
    DeletesWord {
        "hard" => Self::Hard, "The row is deleted.";
        "null_out" => Self::NullOut, "The row stays; its managed columns other than the key become NULL.";
        "null out" => Self::NullOut, "The same as null_out.";
        "ignore" => Self::Ignore, "The row stays as it is.";
    }
    otherwise "to keep rows and mark them: `deletes: { soft: column }`"
}

block! {
    /// Rows that left the query stay, and a column says that they are gone.
    DeletesBlock {
        /// The marking column. hydrant manages it; the query must not return it.
        soft: Either<Text, Soft>,
    }
}

block! {
    /// The marking column and what it holds.
    Soft {
        /// The marking column. hydrant manages it; the query must not return it.
        column: Text,
        /// What the column holds.
        [default = "flag"] mark: OneOf<SoftMark>,
    }
}

words! {
    SoftMark {
        "flag" => Self::Flag, "True for rows that are gone, false for the others.";
        "time" => Self::Time, "The run's as-of time for rows that are gone, NULL for the others.";
    }
}

block! {
    /// How a row becomes a document.
    Document {
        /// Where the key is kept.
        [default = "key"] id: OneOf<DocumentId>,
        /// Whether an update writes the whole document anew, so that fields of the application's go. Without it, it sets
        /// the query's columns and leaves all other fields as they are.
        [default = false] replace: YesNo,
        /// What NULL becomes.
        [default = "keep"] nulls: OneOf<Nulls>,
    }
}

words! {
    DocumentId {
        "key" => Self::Key, "In `_id` and nowhere else: the value of the one key column, or a document of the key columns.";
        "fields" => Self::Fields, "In fields of their own under a unique index; `_id` stays the application's.";
    }
}

words! {
    Nulls {
        "keep" => Self::Keep, "A field that is null.";
        "omit" => Self::Omit, "No field.";
    }
}

words! {
    ExportKind {
        "full" => Self::Full, "All rows.";
        "changes" => Self::Changes, "The rows that the run inserts or updates. No rollback to the run is possible then; repair and retry run the query.";
    }
}

words! {
    DuplicateKeys {
        "error" => Self::Error, "The run fails before anything is written, and names the first ten keys.";
        "first" => Self::First, "The row that came first counts.";
        "last" => Self::Last, "The row that came last counts.";
    }
}

words! {
    NullKeys {
        "error" => Self::Error, "The run fails before anything is written, and names the first ten rows.";
        "reject" => Self::Reject, "The row is a reject.";
    }
}

words! {
    Rewrite {
        "never" => Self::Never, "The table is changed in batches.";
        "auto" => Self::Auto, "It is built anew if it has at least 100,000 rows and half of them change or go.";
        "always" => Self::Always, "It is built anew whenever a run changes anything.";
    }
}

block! {
    /// How many rows may be refused before the run fails: the larger of both.
    Rejects {
        /// Up to this many.
        [default = 100] rows: Count,
        /// Up to this share of the export's rows.
        [default = 1] percent: Percent,
    }
}

block! {
    /// How long the files of a published run are kept: as long as one of both says so.
    Retain {
        /// It is among the last so many.
        [default = 24] runs: Whole<1, RUNS_MAX>,
        /// It is younger than so many days.
        [default = 7] days: Whole<0, DAYS_MAX>,
    }
}

/// More than anybody keeps; nothing is computed with it that could overflow.
const RUNS_MAX: u32 = 1_000_000;

/// A hundred years: further back, times would need care.
const DAYS_MAX: u32 = 36_500;

block! {
    /// Another value instead of one that the target's column cannot hold.
    Replace {
        /// The value: text, a number, or true or false, as the column takes it.
        replace: Scalar,
    }
}
