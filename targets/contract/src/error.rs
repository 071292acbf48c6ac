//! How a target says no.

use std::{error::Error, fmt};

/// An error of a target: opaque but for its [kind](TargetError::kind), which says what the caller can do.
#[derive(Debug)]
pub struct TargetError {
    kind: ErrorKind,
    doing: String,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Kinds of errors, named for what the caller can do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The server cannot be reached, or the connection broke. The work may or may not be done: ask or send it again.
    Unreachable,
    /// The server has too much to do: a lock was not had in time, no connection is free, a disk is full.
    Busy,
    /// Lost against another transaction (deadlock, serialization); nothing was done.
    Conflict,
    /// The account may not do this, or is not let in.
    Denied,
    /// A database, schema, table or file that must be there is not.
    Missing,
    /// The table differs from what the sync wants.
    ShapeDiffers,
    /// A value was refused and the target could not say which row it stood in.
    ValueRefused,
    /// Something is larger than the server takes.
    LimitExceeded,
    /// A later epoch has written: this writer has lost its lease and must stop.
    Fenced,
    /// Anything else: the server or the target contradicts itself.
    Broken,
}

impl ErrorKind {
    /// Whether the same call may succeed if it is made again a little later. All calls of a target may be repeated.
    pub fn is_transient(self) -> bool {
        match self {
            Self::Unreachable | Self::Busy | Self::Conflict => true,
            Self::Denied
            | Self::Missing
            | Self::ShapeDiffers
            | Self::ValueRefused
            | Self::LimitExceeded
            | Self::Fenced
            | Self::Broken => false,
        }
    }

    /// What the person who reads the error should do.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Unreachable => {
                "check that the server runs and that this machine reaches it; the next run goes on where this one stopped"
            }
            Self::Busy => {
                "the target is under load or short of a resource; the next run goes on where this one stopped"
            }
            Self::Conflict => "other transactions kept winning; the next run goes on where this one stopped",
            Self::Denied => "check user, password and grants; what the account needs stands in docs/targets",
            Self::Missing => "create what is missing, or correct the configuration",
            Self::ShapeDiffers => "run the statements shown, or change the query to fit the table",
            Self::ValueRefused => {
                "look for the constraint or trigger that is named, and mend the query or the table"
            }
            Self::LimitExceeded => "shrink the value in the query or raise the server's limit",
            Self::Fenced => {
                "another hydrant works on this sync now; nothing to do, unless two schedulers start it"
            }
            Self::Broken => "this is not expected; keep the message and report it",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "unreachable",
            Self::Busy => "busy",
            Self::Conflict => "conflict",
            Self::Denied => "denied",
            Self::Missing => "missing",
            Self::ShapeDiffers => "shape differs",
            Self::ValueRefused => "value refused",
            Self::LimitExceeded => "limit exceeded",
            Self::Fenced => "fenced",
            Self::Broken => "broken",
        })
    }
}

impl TargetError {
    /// An error of this kind, met while doing something ("connecting to db.example:5432"). No part may hold a secret.
    pub fn new(kind: ErrorKind, doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, doing: doing.into(), message: message.into(), source: None }
    }

    /// The same, caused by an error of a driver. The message should already hold what a person needs of it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.message)
    }
}

impl Error for TargetError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn Error + 'static))
    }
}
