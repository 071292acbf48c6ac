//! What both forms of the protocol, binary and text, can be read as.

use arrow::datatypes::i256;
use std::borrow::Cow;

/// Days from 1970-01-01 to 2000-01-01, where Postgres begins to count.
pub(super) const DAYS_TO_2000: i32 = 10_957;
/// The same in microseconds.
pub(super) const MICROS_TO_2000: i64 = 946_684_800_000_000;

/// Why a value cannot be carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// A number that is none, or infinite; floats may be both.
    NotANumber,
    /// More digits than its type has.
    TooManyDigits { precision: u8, scale: i8 },
    /// `infinity` or `-infinity`.
    Infinite,
    /// A time that 64 bits of microseconds since 1970 do not hold.
    TooLate,
    /// An array of more than one dimension.
    Dimensions,
    /// A vector of another length than its type says.
    Length,
    /// Text that is not UTF-8.
    NotUtf8,
    /// Nothing that a value of its type can look like.
    Malformed,
}

pub(super) type Read<T> = Result<T, Unfit>;

/// A number without its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Units {
    Small(i128),
    Large(i256),
}

impl Units {
    pub(super) fn wide(self) -> i256 {
        match self {
            Self::Small(value) => i256::from_i128(value),
            Self::Large(value) => value,
        }
    }

    pub(super) fn narrow(self) -> Option<i128> {
        match self {
            Self::Small(value) => Some(value),
            Self::Large(value) => value.to_i128(),
        }
    }
}

/// One form of the protocol. Each function reads a value of the type that it is named for.
pub(super) trait Wire {
    fn bool(cell: &[u8]) -> Read<bool>;
    fn int2(cell: &[u8]) -> Read<i16>;
    fn int4(cell: &[u8]) -> Read<i32>;
    fn int8(cell: &[u8]) -> Read<i64>;
    fn oid(cell: &[u8]) -> Read<u32>;
    fn float4(cell: &[u8]) -> Read<f32>;
    fn float8(cell: &[u8]) -> Read<f64>;
    /// The number in units of this scale; `None` if it has digits beyond.
    fn numeric(cell: &[u8], scale: i8) -> Read<Option<Units>>;
    fn bytea(cell: &[u8]) -> Read<Cow<'_, [u8]>>;
    /// Days since 1970.
    fn date(cell: &[u8]) -> Read<i32>;
    /// Microseconds since midnight.
    fn time(cell: &[u8]) -> Read<i64>;
    /// Microseconds since 1970, of the wall clock or in UTC.
    fn timestamp(cell: &[u8]) -> Read<i64>;
    fn uuid(cell: &[u8]) -> Read<[u8; 16]>;
    /// The text of a `jsonb`.
    fn jsonb(cell: &[u8]) -> Read<&[u8]>;
    /// Hands each item over, `None` for NULL.
    fn items(cell: &[u8], each: &mut dyn FnMut(Option<&[u8]>) -> Read<()>) -> Read<()>;
    /// Hands the numbers of pgvector's `vector` over.
    fn vector(cell: &[u8], each: &mut dyn FnMut(f32)) -> Read<()>;
}
