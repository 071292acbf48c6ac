//! From what the server or the driver said to what the caller can do about it: by code and label, never by text.

use hydrant_contract::{ErrorKind, TargetError};
use mongodb::error::{Error, ErrorKind as Driver, TRANSIENT_TRANSACTION_ERROR};

/// Codes of the server that the code asks for by name (MongoDB documentation, "Error Codes").
pub(crate) mod code {
    pub(crate) const NAMESPACE_NOT_FOUND: i32 = 26;
    pub(crate) const DOCUMENT_VALIDATION_FAILURE: i32 = 121;
    pub(crate) const TRANSACTION_TOO_LARGE_FOR_CACHE: i32 = 388;
    pub(crate) const DUPLICATE_KEY: [i32; 3] = [11000, 11001, 12582];
    pub(crate) const TOO_LARGE: [i32; 3] = [10334, 17419, 17420];
}

/// The contract's error for an error of the driver, met while doing something.
pub(crate) fn error(doing: impl Into<String>, error: Error) -> TargetError {
    let (kind, message) = verdict(&error);
    TargetError::new(kind, doing, message).with_source(error)
}

/// The server's code of an error, if the server sent it.
pub(crate) fn code_of(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        Driver::Command(command) => Some(command.code),
        _ => None,
    }
}

/// Whether a transaction was too large for the server's cache: in smaller ones the same work may be done.
pub(crate) fn is_too_large_for_cache(error: &TargetError) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>());
    source.and_then(code_of) == Some(code::TRANSACTION_TOO_LARGE_FOR_CACHE)
}

/// What the caller can do about an error, and what a person reads of it.
pub(crate) fn verdict(error: &Error) -> (ErrorKind, String) {
    match error.kind.as_ref() {
        Driver::Command(command) => {
            let kind = of_code(command.code).unwrap_or(ErrorKind::Broken);
            // A transaction that may be tried again was lost, whatever the code; but for what says more by itself.
            let kind = match kind {
                ErrorKind::Broken if error.contains_label(TRANSIENT_TRANSACTION_ERROR) => ErrorKind::Conflict,
                kind => kind,
            };
            let name = match command.code_name.as_str() {
                "" => command.code.to_string(),
                name => format!("{name} {}", command.code),
            };
            (kind, format!("{}{} [{name}]", without_values(&command.message), mend(command.code)))
        }
        Driver::Authentication { message, .. } => {
            (ErrorKind::Denied, format!("{message}; check user, password and authSource"))
        }
        Driver::Io(cause) => of_text(cause.to_string()),
        Driver::ServerSelection { message, .. } | Driver::ConnectionPoolCleared { message, .. } => {
            of_text(message.clone())
        }
        Driver::DnsResolve { message, .. } => (ErrorKind::Unreachable, message.clone()),
        Driver::InvalidTlsConfig { message, .. } => {
            (ErrorKind::Missing, format!("{message}; check tlsCAFile and tlsCertificateKeyFile"))
        }
        Driver::InvalidArgument { message, .. } => (ErrorKind::Missing, message.clone()),
        Driver::IncompatibleServer { message, .. } => (ErrorKind::Missing, message.clone()),
        Driver::SessionsNotSupported => {
            (ErrorKind::Missing, "the server has no sessions; hydrant needs MongoDB 5.0 or later".to_owned())
        }
        Driver::Shutdown => (ErrorKind::Unreachable, "the client was shut down".to_owned()),
        other => (ErrorKind::Broken, other.to_string()),
    }
}

/// Errors of sockets, and of the search for a server, whose text holds that of the last error of a socket. The words that
/// are looked for are those of the TLS library in this program, not of a server.
fn of_text(message: String) -> (ErrorKind, String) {
    if message.contains("invalid peer certificate") {
        let mend = "check tlsCAFile, and that the host name stands in the server's certificate";
        return (ErrorKind::Denied, format!("the server's certificate is not accepted: {message}; {mend}"));
    }
    if message.contains("received fatal alert") {
        let mend = "check tlsCertificateKeyFile";
        return (ErrorKind::Denied, format!("the server ended the TLS handshake: {message}; {mend}"));
    }
    (ErrorKind::Unreachable, message)
}

/// What the caller can do about a code that is about the server, the account or the collection; `None` for all others.
pub(crate) fn of_code(code: i32) -> Option<ErrorKind> {
    Some(match code {
        // Hosts that cannot be reached, primaries that step down, servers that shut down.
        6 | 7 | 89 | 91 | 133 | 189 | 262 | 9001 | 10058 | 10107 | 11600 | 11602 | 13435 | 13436 => {
            ErrorKind::Unreachable
        }
        // Locks and time that were not had, writes that no majority acknowledged in time, disks that are full, sessions,
        // memory or tickets that ran out, background operations that hold the collection.
        24 | 46 | 50 | 64 | 146 | 202 | 261 | 290 | 314 | 317 | 462 | 11601 | 12586 | 12587 | 14031 => {
            ErrorKind::Busy
        }
        // Write conflicts, transactions that the server ended, snapshots that are gone, routing that changed.
        63 | 112 | 117 | 150 | 225 | 239 | 244 | 246 | 251 | 267 | 13388 => ErrorKind::Conflict,
        13 | 18 | 33 | 8000 => ErrorKind::Denied,
        26 | 27 => ErrorKind::Missing,
        // Names, kinds and indexes of collections.
        48 | 61 | 67 | 73 | 85 | 86 | 166 => ErrorKind::ShapeDiffers,
        388 | 10334 | 17419 | 17420 => ErrorKind::LimitExceeded,
        121 | 11000 | 11001 | 12582 => ErrorKind::ValueRefused,
        _ => return None,
    })
}

fn mend(code: i32) -> &'static str {
    match code {
        13 => "; the account lacks a right, which docs/targets/mongodb.md names",
        18 => "; check user, password and authSource",
        50 => "; hydrant limits its commands to spare the database",
        388 => "; give the server a larger cache (storage.wiredTiger.engineConfig.cacheSizeGB)",
        112 => "; another transaction holds a document of the batch",
        _ => "",
    }
}

/// The server's words without values: those stand in braces and in double quotes.
pub(crate) fn without_values(message: &str) -> String {
    let cut = |message: &str, first: char, last: char| match (message.find(first), message.rfind(last)) {
        (Some(from), Some(to)) if from < to => {
            format!("{}…{}", &message[..from + first.len_utf8()], &message[to..])
        }
        _ => message.to_owned(),
    };
    cut(&cut(message, '{', '}'), '"', '"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tell_what_the_caller_can_do() {
        for (kind, codes) in [
            (ErrorKind::Unreachable, &[91, 189, 10107, 11602][..]),
            (ErrorKind::Busy, &[24, 50, 64, 14031]),
            (ErrorKind::Conflict, &[112, 251]),
            (ErrorKind::Denied, &[13, 18]),
            (ErrorKind::Missing, &[26]),
            (ErrorKind::ValueRefused, &[121, 11000]),
            (ErrorKind::LimitExceeded, &[10334, 17419]),
        ] {
            for code in codes {
                assert_eq!(of_code(*code), Some(kind), "{code}");
            }
        }
        assert_eq!(of_code(2), None);
    }

    #[test]
    fn values_do_not_come_along() {
        let message = without_values("E11000 duplicate key error index: e dup key: { e: \"secret\" }");
        assert_eq!(message, "E11000 duplicate key error index: e dup key: {…}");
        assert_eq!(without_values("bad \"secret\" in \"v\""), "bad \"…\"");
        assert_eq!(without_values("plain"), "plain");
    }
}
