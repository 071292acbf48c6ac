//! What the server refused, in words that say where and what to do.

use super::query::Query;
use crate::source::{Model, SourceError, SourceErrorKind, excerpt};
use hydrant_postgres::{Error, ErrorKind, words};
use tokio_postgres::error::{DbError, ErrorPosition};

/// An error that is about no query: the connection, the settings, what hydrant itself asks.
pub(super) fn plain(error: Error) -> SourceError {
    let kind = match error.kind() {
        ErrorKind::Unreachable => SourceErrorKind::Unreachable,
        ErrorKind::Denied => SourceErrorKind::Denied,
        ErrorKind::Misconfigured => SourceErrorKind::Missing,
        ErrorKind::Server(code) => of_code(code.code()),
        ErrorKind::Broken => SourceErrorKind::Broken,
    };
    let hint = error.server().and_then(hint).map(|hint| format!("; {hint}")).unwrap_or_default();
    SourceError { kind, message: format!("{error}{hint}"), position: None }
}

/// An error of a statement that a model became.
pub(super) fn of_query(model: &Model, query: &Query, user: &str, error: Error) -> SourceError {
    let Some(db) = error.server() else { return plain(error) };
    let kind = of_code(db.code().code());
    let position = db.position().and_then(|position| match position {
        ErrorPosition::Original(at) => query.mark(model, *at),
        // A place in a function that the model calls.
        ErrorPosition::Internal { .. } => None,
    });
    let message = format!("{} [{}]", words(db), db.code().code());
    let mut help: Vec<String> = hint(db).map(str::to_owned).into_iter().collect();
    help.extend(grant(db, user));
    help.extend(db.hint().map(str::to_owned));
    match kind {
        // Not about the model: it would not help to show it.
        SourceErrorKind::Unreachable => {
            let help = help.iter().map(|line| format!("; {line}")).collect::<String>();
            SourceError { kind, message: format!("{}: {message}{help}", error.doing()), position: None }
        }
        _ => excerpt::query_error(kind, model, &message, position, &help),
    }
}

/// What the caller can do about a SQLSTATE (PostgreSQL documentation, appendix "PostgreSQL Error Codes"). Single codes
/// first, then classes.
fn of_code(code: &str) -> SourceErrorKind {
    match code {
        "42501" => SourceErrorKind::Denied,
        // No such table, schema or database.
        "42P01" | "3F000" | "3D000" => SourceErrorKind::Missing,
        _ => match code.get(..2).unwrap_or_default() {
            // Connection exceptions; out of connections, memory, disk; object in use; operator intervention, which a
            // timeout is too; errors of the system; rolled back for others' sake.
            "08" | "53" | "55" | "57" | "58" | "40" => SourceErrorKind::Unreachable,
            "28" => SourceErrorKind::Denied,
            "22" => SourceErrorKind::Data,
            // Syntax, names, types; features; a write in a read-only transaction; limits; what functions raise.
            "42" | "0A" | "25" | "54" | "21" | "34" | "38" | "39" | "P0" => SourceErrorKind::Query,
            _ => SourceErrorKind::Broken,
        },
    }
}

/// What hydrant knows of a SQLSTATE that the server does not say.
fn hint(db: &DbError) -> Option<&'static str> {
    match db.code().code() {
        "25006" => Some(
            "a model only reads, and runs in a read-only transaction: write one SELECT, WITH … SELECT, VALUES or TABLE",
        ),
        "40001" => Some(
            "a standby cancels a query that needs rows which the primary has removed meanwhile; set hot_standby_feedback = on there, raise max_standby_streaming_delay, or read another server (docs/sources/postgres.md)",
        ),
        "42P01" => Some("names without a schema are looked for in the account's search_path"),
        "55P03" => Some("another session holds a lock on one of the tables"),
        "57014" => Some(
            "somebody cancelled it, or it took longer than statement_timeout: that of the source in hydrant.yml, or the account's own (ALTER ROLE … SET statement_timeout)",
        ),
        "25P03" | "57P05" => Some("the session was idle for too long, because what comes behind was slow"),
        "22012" | "22P02" | "22003" | "22007" | "22008" => {
            Some("a value of some row does not fit what the query does with it")
        }
        _ => None,
    }
}

/// What has to be granted. The server names the object only in its message, and that in English if its language is.
fn grant(db: &DbError, user: &str) -> Option<String> {
    if db.code().code() != "42501" {
        return None;
    }
    let object = db.message().strip_prefix("permission denied for ")?;
    let role = format!("\"{}\"", user.replace('"', "\"\""));
    let kinds = ["materialized view ", "foreign table ", "table ", "view ", "relation "];
    if let Some(name) = kinds.iter().find_map(|kind| object.strip_prefix(kind)) {
        return Some(format!("GRANT SELECT ON {name} TO {role};"));
    }
    if let Some(name) = object.strip_prefix("schema ") {
        return Some(format!("GRANT USAGE ON SCHEMA {name} TO {role};"));
    }
    let name = object.strip_prefix("function ")?;
    Some(format!("GRANT EXECUTE ON FUNCTION {name} TO {role};"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tell_what_the_caller_can_do() {
        let table = [
            (SourceErrorKind::Unreachable, &["08006", "57P01", "57014", "53300", "40001", "55P03"][..]),
            (SourceErrorKind::Denied, &["28P01", "42501"]),
            (SourceErrorKind::Missing, &["42P01", "3D000", "3F000"]),
            (SourceErrorKind::Query, &["42601", "42703", "25006", "0A000", "21000", "P0001"]),
            (SourceErrorKind::Data, &["22012", "22P02"]),
            (SourceErrorKind::Broken, &["XX000"]),
        ];
        for (kind, codes) in table {
            for code in codes {
                assert_eq!(of_code(code), kind, "{code}");
            }
        }
    }
}
