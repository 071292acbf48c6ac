//! A Postgres server to read from.

use super::super::*;
use crate::config::{CopyMode, time_span::TimeSpan};

block! {
    /// Postgres, or what speaks its protocol: Redshift, CockroachDB, Materialize, AlloyDB, Greenplum.
    PostgresSource {
        /// A URL (`postgres://user@host/database?sslmode=verify-full`) or keywords (`host=… user=…`), as libpq takes
        /// them. Take it from the environment: `${WAREHOUSE_URL}`.
        url: Hidden,
        /// The password, where it does not stand in the URL. Take it from the environment or a file: `${PASSWORD}`,
        /// `${file:/run/secrets/password}`.
        [default] password: Hidden,
        /// How long one query may take, with its unit: `30min`. Without it: as long as the server lets the account.
        [default] statement_timeout: TimeSpan,
        /// How rows travel.
        [default = "auto"] copy: OneOf<CopyMode>,
    }
}

words! {
    CopyMode {
        "auto" => Self::Auto, "By binary COPY where the server is known to have it, else as text from a cursor.";
        "binary" => Self::Binary, "By binary COPY.";
        "never" => Self::Never, "As text from a cursor.";
    }
}
