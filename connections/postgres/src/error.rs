//! What the server or the driver said, as what it means.

use std::{error::Error as _, fmt, io};
use tokio_postgres::error::{DbError, SqlState};

/// An error of a connection or of a statement on it. No part holds a secret or a value of a row.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    doing: String,
    message: String,
    source: Option<tokio_postgres::Error>,
}

/// What an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The server cannot be reached, or the connection broke.
    Unreachable,
    /// The account is not let in, or the server's certificate is not accepted.
    Denied,
    /// The connection string, or a file that it names, cannot be used.
    Misconfigured,
    /// The server answered with an error of this SQLSTATE.
    Server(SqlState),
    /// Anything else.
    Broken,
}

impl Error {
    /// An error of this kind, met while doing something ("connecting to db.example:5432").
    pub fn new(kind: ErrorKind, doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, doing: doing.into(), message: message.into(), source: None }
    }

    /// An error of the driver, met while doing something.
    pub fn of(doing: impl Into<String>, error: tokio_postgres::Error) -> Self {
        let (kind, message) = verdict(&error);
        Self { kind, doing: doing.into(), message, source: Some(error) }
    }

    #[must_use]
    pub(crate) fn with_source(mut self, source: tokio_postgres::Error) -> Self {
        self.source = Some(source);
        self
    }

    /// What it is about.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// What was going on.
    pub fn doing(&self) -> &str {
        &self.doing
    }

    /// What went wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the server said, if it was the server.
    pub fn server(&self) -> Option<&DbError> {
        self.source.as_ref()?.as_db_error()
    }

    /// The driver's error behind it.
    pub fn into_driver(self) -> Option<tokio_postgres::Error> {
        self.source
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

fn verdict(error: &tokio_postgres::Error) -> (ErrorKind, String) {
    if let Some(db) = error.as_db_error() {
        return (ErrorKind::Server(db.code().clone()), format!("{} [{}]", words(db), db.code().code()));
    }
    let Some(cause) = error.source() else {
        let kind = if error.is_closed() { ErrorKind::Unreachable } else { ErrorKind::Broken };
        return (kind, format!("{error}{}", if error.is_closed() { " by the server" } else { "" }));
    };
    if let Some(cause) = cause.downcast_ref::<io::Error>() {
        return of_io(cause);
    }
    // The driver keeps its own kinds to itself; these are the fixed texts of the three that a person can act on.
    let kind = match error.to_string().as_str() {
        "authentication error" | "invalid configuration" | "error performing TLS handshake" => {
            ErrorKind::Denied
        }
        _ => ErrorKind::Broken,
    };
    let mend = match cause.to_string().as_str() {
        "password missing" => "; the server asks for one, give it in the URL or beside it",
        "server does not support TLS" => "; choose a weaker sslmode if the network is trusted",
        _ => "",
    };
    (kind, format!("{cause}{mend}"))
}

fn of_io(cause: &io::Error) -> (ErrorKind, String) {
    if let Some(tls) = cause.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
        return match tls {
            // A retry does not make a certificate good: the settings are wrong, or someone is in between.
            rustls::Error::InvalidCertificate(why) => {
                let mend =
                    "check sslrootcert, and for verify-full that the host name stands in the certificate";
                (ErrorKind::Denied, format!("the server's certificate is not accepted ({why}); {mend}"))
            }
            other => (ErrorKind::Denied, format!("the TLS handshake failed ({other})")),
        };
    }
    if cause.kind() == io::ErrorKind::PermissionDenied {
        let why = match cause.to_string() {
            text if text.contains("does not allow writes") => {
                Some("the server is read-only, and target_session_attrs asks for one that is not")
            }
            text if text.contains("is not read only") => {
                Some("the server is not read-only, and target_session_attrs asks for one that is")
            }
            _ => None,
        };
        if let Some(why) = why {
            return (ErrorKind::Unreachable, why.to_owned());
        }
    }
    (ErrorKind::Unreachable, cause.to_string())
}

/// The server's words without values: `DETAIL` holds them, and so do the messages of data exceptions, in quotes.
pub fn words(db: &DbError) -> String {
    let mut message = match db.code().code().starts_with("22") {
        true => without_quoted(db.message()),
        false => db.message().to_owned(),
    };
    if let Some(constraint) = db.constraint().filter(|name| !message.contains(*name)) {
        message.push_str(&format!(" (constraint {constraint:?})"));
    }
    message
}

/// Cuts out what stands between the first and the last double quote: all quoted values, whatever they contain.
fn without_quoted(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            format!("{}…{}", &message[..=first], &message[last..])
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_values_are_cut_out() {
        assert_eq!(
            without_quoted(r#"invalid input syntax for type inet: "a"b""#),
            r#"invalid input syntax for type inet: "…""#
        );
        assert_eq!(without_quoted("value too long"), "value too long");
    }
}
