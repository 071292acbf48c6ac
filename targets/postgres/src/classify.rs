//! From what the server or the driver said to what the caller can do about it.

use hydrant_contract::{ErrorKind, TargetError};
use hydrant_postgres::words;
use tokio_postgres::error::DbError;

/// The contract's error for one of the connection or of a statement on it.
pub(crate) fn error(error: hydrant_postgres::Error) -> TargetError {
    let kind = match error.kind() {
        hydrant_postgres::ErrorKind::Unreachable => ErrorKind::Unreachable,
        hydrant_postgres::ErrorKind::Denied => ErrorKind::Denied,
        hydrant_postgres::ErrorKind::Misconfigured => ErrorKind::Missing,
        hydrant_postgres::ErrorKind::Server(code) => of_code(code.code()),
        hydrant_postgres::ErrorKind::Broken => ErrorKind::Broken,
    };
    let said = error.server().map_or_else(|| error.message().to_owned(), message);
    let error_of_target = TargetError::new(kind, error.doing(), said);
    match error.into_driver() {
        Some(driver) => error_of_target.with_source(driver),
        None => error_of_target,
    }
}

/// What the caller can do about a SQLSTATE (PostgreSQL documentation, appendix "PostgreSQL Error Codes"). Single codes
/// first, then classes.
pub(crate) fn of_code(code: &str) -> ErrorKind {
    match code {
        // A statement or lock timeout, or an administrator, ended it: the server has other things to do.
        "57014" | "55P03" => ErrorKind::Busy,
        // Serialization failure and deadlock; a statement that another transaction's commit made impossible.
        "40001" | "40P01" => ErrorKind::Conflict,
        // The transaction is read-only: a primary that became a standby. The next attempt finds the new one.
        "25006" => ErrorKind::Unreachable,
        // Sessions that were ended for idling: hydrant was slow, the transaction is undone.
        "25P03" | "25P04" | "57P05" => ErrorKind::Unreachable,
        // No such database, schema, table, column, function, type, role.
        "3D000" | "3F000" | "42P01" | "42703" | "42883" | "42704" => ErrorKind::Missing,
        "42501" => ErrorKind::Denied,
        // Another session changed the table between two statements: repeat, and look again.
        "0A000" | "42804" => ErrorKind::ShapeDiffers,
        // `RAISE` in a trigger without a code of its own, and failed assertions in it.
        "P0001" | "P0002" | "P0003" | "P0004" => ErrorKind::ValueRefused,
        _ => match code.get(..2).unwrap_or_default() {
            // Connection exceptions; operator intervention (shutdown, crash recovery, starting up).
            "08" | "57" => ErrorKind::Unreachable,
            // Out of connections, memory, disk; object in use.
            "53" | "55" => ErrorKind::Busy,
            "40" => ErrorKind::Conflict,
            "28" | "0L" | "0P" | "2F" => ErrorKind::Denied,
            // Data exceptions, integrity constraints, check option of a view, errors inside functions of triggers.
            "22" | "23" | "44" | "38" | "39" | "21" | "09" | "27" | "P0" => ErrorKind::ValueRefused,
            "54" => ErrorKind::LimitExceeded,
            // Disk and file errors of the server: it may recover, or fail over.
            "58" => ErrorKind::Unreachable,
            // The standard's classes that a statement of hydrant cannot cause, and internal errors.
            "00" | "01" | "02" | "03" | "0A" | "0B" | "0F" | "0Z" | "20" | "24" | "25" | "26" | "2B"
            | "2D" | "34" | "3B" | "3D" | "3F" | "42" | "72" | "F0" | "HV" | "XX" => ErrorKind::Broken,
            // A code that Postgres does not know was raised by a function of the application.
            _ => ErrorKind::ValueRefused,
        },
    }
}

/// The server's words without values, and what they mean for hydrant.
pub(crate) fn message(db: &DbError) -> String {
    let code = db.code().code();
    let mut message = words(db);
    match code {
        "25006" => message.push_str(
            "; the server is read-only: a failover may be going on, or default_transaction_read_only is set",
        ),
        "55P03" => message.push_str("; another session holds a lock on rows or on the table"),
        "57014" => message.push_str("; hydrant limits its statements to spare the database"),
        _ => {}
    }
    format!("{message} [{code}]")
}

/// Whether it is one row's fault, so that the others of its batch can be written without it.
pub(crate) fn refuses_a_row(db: &DbError) -> bool {
    matches!(of_code(db.code().code()), ErrorKind::ValueRefused | ErrorKind::LimitExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tell_what_the_caller_can_do() {
        let table = [
            (ErrorKind::Unreachable, &["08006", "57P01", "57P03", "25006", "58030"][..]),
            (ErrorKind::Busy, &["55P03", "57014", "53300", "53100", "55006"]),
            (ErrorKind::Conflict, &["40001", "40P01"]),
            (ErrorKind::Denied, &["28P01", "28000", "42501"]),
            (ErrorKind::Missing, &["3D000", "3F000", "42P01", "42703"]),
            (ErrorKind::ValueRefused, &["22003", "23505", "23514", "P0001", "44000", "ACME1"]),
            (ErrorKind::LimitExceeded, &["54000", "54011"]),
            (ErrorKind::Broken, &["42601", "XX000", "25P02"]),
        ];
        for (kind, codes) in table {
            for code in codes {
                assert_eq!(of_code(code), kind, "{code}");
            }
        }
    }
}
