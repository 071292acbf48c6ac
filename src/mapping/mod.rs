//! What a sync makes of the columns that its query returns: it selects, renames, and does the few things that SQL is
//! awkward for. Everything else belongs in the query. Pure: batches in, batches out.
//!
//! The same rows and the same mapping give the same values for ever: they are fingerprinted, and a hash that came out
//! differently would be another value in every row. How to compute them elsewhere stands in `docs/configuration.md`.

mod constant;
mod digest;
mod error;
mod hash;
mod mapper;
mod text;

#[cfg(test)]
mod tests;

pub use constant::Constant;
pub use error::{MapError, MappingError};
pub use hash::{SALT_BYTES_MIN, Salt};
pub use mapper::Mapper;

use std::collections::BTreeSet;

/// The columns that a sync wants, in the order that the table gets them in.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// At least one; no two of them have the same name, and at most one is [`Wanted::Others`].
    pub columns: Vec<Wanted>,
}

/// One entry of a mapping.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// A column of the query.
    Column {
        /// Its name in the table.
        name: String,
        /// Its name in the query's result.
        from: String,
        /// What is done to its values.
        transforms: Transforms,
    },
    /// The same value in every row.
    Constant {
        /// The column's name in the table.
        name: String,
        /// The value.
        value: Constant,
    },
    /// Every column of the query that no other entry is made from, under its own name.
    Others {
        /// But for these.
        except: BTreeSet<String>,
    },
}

/// What is done to the values of one column, in this order. NULL stays NULL.
#[derive(Clone, Debug, Default)]
pub struct Transforms {
    /// White space (as Unicode has it) is taken off both ends. Text only.
    pub trim: bool,
    /// Upper case becomes lower case, by Unicode's default rules. Text only.
    pub lower: bool,
    /// HMAC-SHA-256 of the value's UTF-8 text under this key, as 64 lower-case hexadecimal digits. Text, whole numbers and
    /// UUIDs.
    pub hash: Option<Salt>,
}

impl Transforms {
    /// Whether anything is done at all.
    pub fn is_none(&self) -> bool {
        !self.trim && !self.lower && self.hash.is_none()
    }
}

impl Mapping {
    /// Whether it takes columns along that it does not name.
    pub fn takes_others(&self) -> bool {
        self.columns.iter().any(|wanted| matches!(wanted, Wanted::Others { .. }))
    }

    /// The names in the table that it gives, besides those that it takes along.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().filter_map(Wanted::name)
    }
}

impl Wanted {
    /// The column's name in the table, if it is one column.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Column { name, .. } | Self::Constant { name, .. } => Some(name),
            Self::Others { .. } => None,
        }
    }
}
