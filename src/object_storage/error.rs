//! How storage says no.

use std::{error::Error, io};

/// An error of object storage or of the local disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StorageError {
    /// What the caller can do.
    pub kind: StorageErrorKind,
    /// What went wrong, without any secret.
    pub message: String,
}

/// Kinds of storage errors, named for what the caller can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageErrorKind {
    /// The address or an option is wrong: mend the configuration.
    Misconfigured,
    /// The object, bucket or folder is not there.
    Missing,
    /// The account may not do this, or is not let in.
    Denied,
    /// The server cannot be reached or did not answer in time; try again later.
    Unreachable,
    /// There is no room left, or no more of it is allowed.
    Full,
    /// Anything else.
    Broken,
}

impl StorageError {
    pub(super) fn misconfigured(message: String) -> Self {
        Self { kind: StorageErrorKind::Misconfigured, message }
    }

    /// What a client said while it did something with a place ("reading s3://bucket/a.parquet").
    pub fn new(doing: &str, error: &object_store::Error) -> Self {
        let kind = StorageErrorKind::of(error);
        Self { kind, message: format!("{doing}: {}", explain(kind, error)) }
    }
}

impl StorageErrorKind {
    /// The kind of a client's error.
    pub fn of(error: &object_store::Error) -> Self {
        use object_store::Error as E;
        match error {
            E::NotFound { .. } => Self::Missing,
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => Self::Denied,
            E::UnknownConfigurationKey { .. } | E::InvalidPath { .. } => Self::Misconfigured,
            other => of_causes(other).unwrap_or(Self::Broken),
        }
    }
}

/// The kind by what lies underneath, where the client itself has no word for it.
fn of_causes(error: &object_store::Error) -> Option<StorageErrorKind> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(http) = error.downcast_ref::<object_store::client::HttpError>() {
            use object_store::client::HttpErrorKind as H;
            return match http.kind() {
                H::Connect | H::Request | H::Timeout | H::Interrupted => Some(StorageErrorKind::Unreachable),
                _ => None,
            };
        }
        if let Some(io) = error.downcast_ref::<io::Error>() {
            match io.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    return Some(StorageErrorKind::Denied);
                }
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    return Some(StorageErrorKind::Full);
                }
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                    return Some(StorageErrorKind::Missing);
                }
                _ => {}
            }
        }
        cause = error.source();
    }
    // The type that carries the status is private to the client.
    let text = error.to_string();
    let (_, rest) = text.split_once("status code: ")?;
    match rest.get(..3)?.parse::<u16>().ok()? {
        404 => Some(StorageErrorKind::Missing),
        401 | 403 => Some(StorageErrorKind::Denied),
        408 | 429 | 500..600 => Some(StorageErrorKind::Unreachable),
        _ => None,
    }
}

/// The error in few words: the innermost cause, or what the server's answer says.
fn explain(kind: StorageErrorKind, error: &object_store::Error) -> String {
    let text = error.to_string();
    if text.contains("169.254.169.254") || text.contains("metadata.google.internal") {
        return "no credentials are given, and the metadata service of the cloud's own machines does not answer; set \
                the options or the vendor's environment variables"
            .to_owned();
    }
    if let (Some(code), message) =
        (between(&text, "<Code>", "</Code>"), between(&text, "<Message>", "</Message>"))
    {
        return message.map_or_else(|| code.to_owned(), |message| format!("{message} ({code})"));
    }
    let mut innermost: &(dyn Error + 'static) = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    match kind {
        StorageErrorKind::Missing => "it is not there".to_owned(),
        StorageErrorKind::Denied | StorageErrorKind::Unreachable | StorageErrorKind::Full => {
            innermost.to_string()
        }
        StorageErrorKind::Misconfigured | StorageErrorKind::Broken => text,
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(source: impl Into<Box<dyn Error + Send + Sync>>) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: source.into() }
    }

    #[test]
    fn errors_are_told_apart_by_what_to_do() {
        for (error, kind) in [
            (generic(io::Error::from(io::ErrorKind::PermissionDenied)), StorageErrorKind::Denied),
            (generic(io::Error::from(io::ErrorKind::NotFound)), StorageErrorKind::Missing),
            (generic(io::Error::from(io::ErrorKind::StorageFull)), StorageErrorKind::Full),
            (generic("Server returned non-2xx status code: 503 Slow Down"), StorageErrorKind::Unreachable),
            (generic("Server returned non-2xx status code: 404 Not Found"), StorageErrorKind::Missing),
            (generic("Server returned non-2xx status code: 400 Bad Request"), StorageErrorKind::Broken),
        ] {
            assert_eq!(StorageErrorKind::of(&error), kind, "{error}");
        }
    }

    #[test]
    fn an_answer_in_xml_is_shown_in_words() {
        let error = generic(
            "status code: 403: <Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>",
        );
        let error = StorageError::new("listing s3://bucket/a", &error);
        assert_eq!(error.message, "listing s3://bucket/a: Access Denied. (AccessDenied)");
    }
}
