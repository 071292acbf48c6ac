//! What an index was made from: whether two indexes can be compared.

use super::{Class, VERSION};
use hydrant_contract::{Column, Shape};
use serde::{Deserialize, Serialize};

/// How the fingerprints of an index were made; kept in its run's manifest.
///
/// Equal schemes are comparable row by row, and so are some that differ: ask [`same_keys`](Scheme::same_keys) and
/// [`same_rows`](Scheme::same_rows).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheme {
    /// The [`VERSION`] of the canonical form, which also fixes the hash functions and their seed.
    pub version: u32,
    /// The key columns, in the order in which they are hashed.
    pub key: Vec<Column>,
    /// The other columns, in the order in which they are hashed: by name.
    pub values: Vec<Column>,
}

impl Scheme {
    /// The scheme of fingerprints that this program makes of rows of this shape.
    pub fn of(shape: &Shape) -> Self {
        let mut values: Vec<_> = shape.value_columns().cloned().collect();
        values.sort_by(|a, b| a.name.cmp(&b.name));
        Self { version: VERSION, key: shape.key_columns().cloned().collect(), values }
    }

    /// Whether equal keys have equal key hashes in both: the same version, and the same key columns in the same order
    /// with types of the same [`Class`].
    pub fn same_keys(&self, other: &Self) -> bool {
        self.version == other.version && same(&self.key, &other.key)
    }

    /// Whether equal rows have equal hashes in both: the keys do, and the other columns have the same names and types
    /// of the same [`Class`].
    pub fn same_rows(&self, other: &Self) -> bool {
        self.same_keys(other) && same(&self.values, &other.values)
    }
}

fn same(a: &[Column], b: &[Column]) -> bool {
    let words = |column: &Column| (column.name.clone(), Class::of(&column.value));
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| words(a) == words(b))
}
