//! Cursors: a column by which the rows of a model say when they changed, so that a run need not ask for all of them.
//!
//! Pure: what a mark is, how far one looks back from it, and which types of columns can be asked so.

mod mark;

pub use mark::Mark;

use hydrant_contract::ValueType;
use std::time::Duration;

/// Every so many runs one asks for all rows, if nobody says otherwise: a day of hourly runs.
pub const FULL_EVERY: u32 = 24;

/// How far one looks back where the cursor is a time, if nobody says otherwise. Rows are stamped when a transaction begins and are
/// there when it ends, and what fills a warehouse comes in pieces: an hour is more than both take as a rule.
pub const LOOKBACK_TIME: Duration = Duration::from_secs(3600);

/// The same where it is a number: numbers of a sequence are given out in order, and committed in another.
pub const LOOKBACK_NUMBER: u64 = 1000;

/// A column by which rows say when they changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The column, as the query returns it. Whenever a row changes, its value rises.
    pub column: String,
    /// How far below the highest value known one asks again; without it: [`LOOKBACK_TIME`] or [`LOOKBACK_NUMBER`].
    pub lookback: Option<Lookback>,
    /// One run of so many asks for all rows; at least 2.
    pub full_every: u32,
}

/// How far one looks back from a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookback {
    /// For times and dates.
    Time(Duration),
    /// For whole and decimal numbers.
    Number(u64),
}

impl Cursor {
    /// Why a column of this type cannot be the cursor, with what can be done about it.
    pub fn misfit(&self, value: &ValueType) -> Option<String> {
        let column = &self.column;
        let takes = match value {
            ValueType::Date | ValueType::Timestamp(_) | ValueType::Instant(_) => "a time",
            ValueType::Integer(_) => "a number",
            ValueType::Decimal { precision: ..=38, scale: 0.. } => "a number",
            ValueType::Decimal { .. } => {
                return Some(format!(
                    "the column {column:?} is a {value}: a decimal cursor has at most 38 digits and no negative scale; \
                     cast it in the query"
                ));
            }
            _ => {
                return Some(format!(
                    "the column {column:?} is of the type {value}, which has no order that every source agrees on; \
                     cast it in the query to a timestamp, a date or a number"
                ));
            }
        };
        match (takes, self.lookback) {
            ("a time", Some(Lookback::Number(_))) => Some(format!(
                "the column {column:?} is of the type {value}, so its `lookback` is a time: `2h`, `1d`"
            )),
            ("a number", Some(Lookback::Time(_))) => Some(format!(
                "the column {column:?} is of the type {value}, so its `lookback` is a number: `100`"
            )),
            _ => None,
        }
    }

    /// From which value on rows are asked for, if this is the highest one known; `None` if the lookback is not for it.
    pub fn bound(&self, mark: Mark) -> Option<Mark> {
        let lookback = self.lookback.unwrap_or(match mark {
            Mark::Integer(_) | Mark::Decimal { .. } => Lookback::Number(LOOKBACK_NUMBER),
            Mark::Date(_) | Mark::Timestamp(_) | Mark::Instant(_) => Lookback::Time(LOOKBACK_TIME),
        });
        Some(match mark.back(lookback)? {
            // Nothing lies below what the widest type holds.
            Mark::Integer(number) => Mark::Integer(number.max(i64::MIN.into())),
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_contract::{Integer, Resolution};

    fn cursor(lookback: Option<Lookback>) -> Cursor {
        Cursor { column: "at".into(), lookback, full_every: FULL_EVERY }
    }

    #[test]
    fn types_without_an_order_and_lookbacks_of_the_other_kind_are_refused() {
        let time = Some(Lookback::Time(Duration::from_secs(60)));
        let number = Some(Lookback::Number(3));
        let integer = ValueType::Integer(Integer::I32);
        let decimal = ValueType::Decimal { precision: 38, scale: 2 };
        let instant = ValueType::Instant(Resolution::Nano);
        for (lookback, value) in [
            (None, &integer),
            (number, &decimal),
            (time, &instant),
            (time, &ValueType::Date),
            (None, &instant),
        ] {
            assert_eq!(cursor(lookback).misfit(value), None, "{lookback:?} {value}");
        }
        let wide = ValueType::Decimal { precision: 76, scale: 0 };
        let coarse = ValueType::Decimal { precision: 9, scale: -2 };
        for (lookback, value, words) in [
            (time, &integer, "`lookback` is a number"),
            (number, &instant, "`lookback` is a time"),
            (None, &ValueType::Text, "cast it in the query"),
            (None, &ValueType::Float64, "cast it in the query"),
            (None, &wide, "at most 38 digits"),
            (None, &coarse, "no negative scale"),
        ] {
            let misfit = cursor(lookback).misfit(value).expect("it is refused");
            assert!(misfit.contains(words), "{misfit}");
        }
    }

    #[test]
    fn a_bound_stays_within_the_types_that_it_is_compared_with() {
        let of = |number: i64| Mark::Integer(number.into());
        assert_eq!(cursor(None).bound(of(5_000)), Some(of(4_000)));
        assert_eq!(cursor(None).bound(of(5)), Some(of(0)), "an unsigned column has nothing below");
        assert_eq!(cursor(None).bound(of(-5)), Some(of(-1_005)));
        assert_eq!(cursor(None).bound(of(i64::MIN)), Some(of(i64::MIN)));
        assert_eq!(cursor(Some(Lookback::Number(1))).bound(Mark::Date(5)), None);
    }
}
