//! A Postgres server as a source.

use crate::secret::Secret;
use std::time::Duration;

/// Postgres, or what speaks its protocol, to read from.
#[derive(Clone, Debug)]
pub struct PostgresSpec {
    /// A URL or keywords, as libpq takes them.
    pub url: Secret,
    /// The password, where it does not stand in the URL.
    pub password: Option<Secret>,
    /// How long one query may take; `None`: as long as the server lets the account.
    pub statement_timeout: Option<Duration>,
    /// How rows travel.
    pub copy: CopyMode,
}

/// Whether rows travel by binary COPY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyMode {
    /// Where the server is known to have it.
    #[default]
    Auto,
    /// Always.
    Binary,
    /// Never: as text, from a cursor.
    Never,
}
