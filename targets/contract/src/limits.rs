//! What a column can hold, beyond its type.

use crate::TableSpec;
use serde::Serialize;

/// What one column can hold, beyond its type; known before anything is written, so that values can be made to fit before
/// they are fingerprinted.
///
/// A limit is stated where values of the column's [type](crate::ValueType) can be beyond it, where the target knows it
/// exactly, and where whatever is beyond it is a [`Reject`](crate::Reject) that names the column. `None` and `false` mean
/// that no limit is known; that is no promise. Left out are
///
/// - what constraints and triggers of the table refuse, and whether a text is a label of an enum, a UUID or JSON;
/// - the largest size of a value, which depends on the rest of its row, and times of day that are none;
/// - limits of values inside lists, vectors, structs and maps, but for NUL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// The column.
    pub column: String,
    /// NULL is refused.
    pub not_null: bool,
    /// Texts have at most so many characters (Unicode scalar values).
    pub characters: Option<u64>,
    /// Texts do not contain the character NUL, also those inside lists, structs and maps; a JSON text does not contain it
    /// as `\u0000` either.
    pub no_nul: bool,
    /// Texts do not end in a space.
    pub no_space_at_end: bool,
    /// The smallest and the largest value, in the units of the carrier: a whole number itself, the unscaled number of a
    /// decimal, the days of a date, the microseconds or nanoseconds of a timestamp. An end at which the type itself ends
    /// is given as the type's.
    pub range: Option<(i128, i128)>,
    /// Numbers have at most so many decimal digits in all, so many of them after the point.
    pub digits: Option<Digits>,
    /// Times have at most so many digits after the point of the second.
    pub second_digits: Option<u8>,
    /// NaN is refused.
    pub no_nan: bool,
}

/// Which decimal digits a column keeps: those from 10^(`precision` - `scale` - 1) down to 10^-`scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Digits {
    /// How many digits there are.
    pub precision: i32,
    /// How many of them stand after the point; negative if the last ones before the point are always zeros, and more than
    /// `precision` if the first ones after it are.
    pub scale: i32,
}

impl Limits {
    /// No limit.
    pub fn none(column: impl Into<String>) -> Self {
        Self { column: column.into(), ..Self::default() }
    }

    /// No limits of any column.
    pub fn none_of(spec: &TableSpec) -> Vec<Self> {
        spec.shape.columns().iter().map(|column| Self::none(&column.name)).collect()
    }
}
