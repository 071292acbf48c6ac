//! What an error of SQLite means to the caller.

use hydrant_contract::{ErrorKind, TargetError};

/// A row that the database refused, and a table's constraint or trigger as the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The column, where the message names exactly one.
    pub(crate) column: Option<String>,
    /// What SQLite said.
    pub(crate) reason: String,
    /// Whether another row's value is in the way, and so might move away.
    pub(crate) unique: bool,
    /// Whether another row must come or go first.
    pub(crate) foreign_key: bool,
}

impl Refusal {
    /// A trigger said `RAISE(IGNORE)`, of which SQLite tells nothing.
    pub(crate) fn suppressed() -> Self {
        let reason = "a trigger of the table kept the row from being written".to_owned();
        Self { column: None, reason, unique: false, foreign_key: false }
    }

    /// Whether the row may be accepted once others are written.
    pub(crate) fn may_settle(&self) -> bool {
        self.unique || self.foreign_key
    }
}

/// A statement's failure: of some row in it, or of everything.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A row was refused; the statement changed nothing.
    Refused(Refusal),
    /// Nothing of the batch can be written.
    Failed(TargetError),
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        Self::Failed(error)
    }
}

// Result codes: https://www.sqlite.org/rescode.html
const TOOBIG: i32 = 18;
const CONSTRAINT: i32 = 19;
const MISMATCH: i32 = 20;
const CONSTRAINT_FOREIGNKEY: i32 = 787;
const CONSTRAINT_TRIGGER: i32 = 1811;
const CONSTRAINT_PRIMARYKEY: i32 = 1555;
const CONSTRAINT_UNIQUE: i32 = 2067;
const CONSTRAINT_ROWID: i32 = 2579;

/// The failure of a statement that writes rows.
pub(crate) fn of_rows(error: sqlx::Error, doing: &str) -> Failure {
    match code(&error) {
        Some((code, message)) if matches!(code & 0xff, TOOBIG | CONSTRAINT | MISMATCH) => {
            Failure::Refused(refusal(code, &message))
        }
        _ => Failure::Failed(failed(error, doing)),
    }
}

/// An error outside the rows.
pub(crate) fn failed(error: sqlx::Error, doing: &str) -> TargetError {
    let (kind, message) = match (&error, code(&error)) {
        (_, Some((code, message))) => (kind(code, &message), message),
        (sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed, None) => {
            (ErrorKind::Unreachable, error.to_string())
        }
        (_, None) => (ErrorKind::Broken, error.to_string()),
    };
    TargetError::new(kind, doing, message).with_source(error)
}

fn code(error: &sqlx::Error) -> Option<(i32, String)> {
    let error = error.as_database_error()?;
    Some((error.code()?.parse().ok()?, error.message().to_owned()))
}

fn refusal(code: i32, message: &str) -> Refusal {
    // "UNIQUE constraint failed: customers.email"; of several columns none is the one at fault.
    let column = match message.split_once("constraint failed: ") {
        Some((kind, named)) if matches!(kind, "UNIQUE " | "NOT NULL ") && !named.contains(", ") => {
            named.split_once('.').map(|(_, column)| column.to_owned())
        }
        _ => None,
    };
    Refusal {
        column,
        reason: message.to_owned(),
        unique: matches!(code, CONSTRAINT_UNIQUE | CONSTRAINT_PRIMARYKEY | CONSTRAINT_ROWID),
        // ON DELETE RESTRICT is a trigger that SQLite makes for itself.
        foreign_key: code == CONSTRAINT_FOREIGNKEY
            || (code == CONSTRAINT_TRIGGER && message == "FOREIGN KEY constraint failed"),
    }
}

fn kind(code: i32, message: &str) -> ErrorKind {
    match code & 0xff {
        // BUSY, LOCKED, NOMEM, FULL
        5 | 6 | 7 | 13 => ErrorKind::Busy,
        // IOERR
        10 => ErrorKind::Unreachable,
        // PERM, READONLY, AUTH
        3 | 8 | 23 => ErrorKind::Denied,
        // CANTOPEN
        14 => ErrorKind::Missing,
        // SCHEMA: changed between preparing and running a statement
        17 => ErrorKind::Conflict,
        TOOBIG => ErrorKind::LimitExceeded,
        CONSTRAINT | MISMATCH => ErrorKind::ValueRefused,
        // ERROR says in words only what is wrong.
        1 if message.starts_with("no such table") => ErrorKind::Missing,
        1 if ["no such column", "has no column named", "ON CONFLICT clause does not match"]
            .iter()
            .any(|words| message.contains(words)) =>
        {
            ErrorKind::ShapeDiffers
        }
        _ => ErrorKind::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_what_the_caller_can_do() {
        for (code, message, expected) in [
            (5, "database is locked", ErrorKind::Busy),
            (517, "database is locked", ErrorKind::Busy),
            (13, "database or disk is full", ErrorKind::Busy),
            (778, "disk I/O error", ErrorKind::Unreachable),
            (8, "attempt to write a readonly database", ErrorKind::Denied),
            (1032, "attempt to write a readonly database", ErrorKind::Denied),
            (14, "unable to open database file", ErrorKind::Missing),
            (11, "database disk image is malformed", ErrorKind::Broken),
            (26, "file is not a database", ErrorKind::Broken),
            (1, "no such table: main.x", ErrorKind::Missing),
            (1, "table x has no column named y", ErrorKind::ShapeDiffers),
            (1, "near \"x\": syntax error", ErrorKind::Broken),
            (787, "FOREIGN KEY constraint failed", ErrorKind::ValueRefused),
        ] {
            assert_eq!(kind(code, message), expected, "{code} {message}");
        }
    }

    #[test]
    fn a_refusal_names_the_column_if_it_is_one() {
        let of = |message| refusal(CONSTRAINT, message).column;
        assert_eq!(of("UNIQUE constraint failed: t.email").as_deref(), Some("email"));
        assert_eq!(of("NOT NULL constraint failed: t.a b").as_deref(), Some("a b"));
        assert_eq!(of("UNIQUE constraint failed: t.x, t.y"), None);
        assert_eq!(of("CHECK constraint failed: t.x > 1"), None);
    }
}
