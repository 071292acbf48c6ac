//! Whole and decimal numbers, and those inside JSON.

use super::Refused;
use arrow::{
    array::{Array, AsArray},
    datatypes::{DataType, Decimal128Type, Decimal256Type, Int64Type, UInt64Type},
};
use hydrant_contract::ValueType;

/// The carrier of a number and how many of its digits stand after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Int64,
    UInt64,
    Decimal128(i8),
    Decimal256(i8),
}

/// What must be checked of each value for a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// The types say that all values fit.
    Always,
    Limit {
        precision: u8,
        scale: u8,
    },
}

impl Fit {
    pub(crate) fn new(value: &ValueType, precision: u8, scale: u8) -> Self {
        let (has, behind) = match value {
            ValueType::Decimal { precision, scale } => (i32::from(*precision), i32::from(*scale)),
            ValueType::Integer(integer) => {
                let (low, high) = integer.range();
                let digits = low.unsigned_abs().max(high.unsigned_abs()).ilog10() + 1;
                (i32::try_from(digits).unwrap_or(i32::MAX), 0)
            }
            _ => return Self::Limit { precision, scale },
        };
        let (precision_i, scale_i) = (i32::from(precision), i32::from(scale));
        match behind <= scale_i && has - behind <= precision_i - scale_i {
            true => Self::Always,
            false => Self::Limit { precision, scale },
        }
    }
}

impl Number {
    pub(crate) fn of(value: &ValueType) -> Option<Self> {
        match (value, value.carrier()) {
            (ValueType::Integer(_), DataType::UInt64) => Some(Self::UInt64),
            (ValueType::Integer(_), _) => Some(Self::Int64),
            (_, DataType::Decimal128(_, scale)) => Some(Self::Decimal128(scale)),
            (_, DataType::Decimal256(_, scale)) => Some(Self::Decimal256(scale)),
            _ => None,
        }
    }

    fn scale(self) -> i8 {
        match self {
            Self::Int64 | Self::UInt64 => 0,
            Self::Decimal128(scale) | Self::Decimal256(scale) => scale,
        }
    }

    /// The number without its point, if it has at most 38 digits.
    fn small(self, array: &dyn Array, row: usize) -> Option<i128> {
        match self {
            Self::Int64 => Some(array.as_primitive::<Int64Type>().value(row).into()),
            Self::UInt64 => Some(array.as_primitive::<UInt64Type>().value(row).into()),
            Self::Decimal128(_) => Some(array.as_primitive::<Decimal128Type>().value(row)),
            Self::Decimal256(_) => array.as_primitive::<Decimal256Type>().value(row).to_i128(),
        }
    }

    /// Appends a whole number; its type has no digits after the point.
    pub(super) fn put_whole(
        self,
        array: &dyn Array,
        row: usize,
        (low, high): (i128, i128),
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let factor = 10_i128.checked_pow(self.scale().min(0).unsigned_abs().into());
        let value = self.small(array, row).zip(factor).and_then(|(value, factor)| value.checked_mul(factor));
        match value.filter(|value| (low..=high).contains(value)) {
            Some(value) => {
                put_integer(value, out);
                Ok(())
            }
            None => Err("the number is outside the range of the column".into()),
        }
    }

    /// Appends a decimal number with the digits after the point that the column keeps: more, be they zeros, make the
    /// server warn.
    pub(super) fn put_decimal(
        self,
        array: &dyn Array,
        row: usize,
        fit: &Fit,
        kept: u8,
        unsigned: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let (mut buffer, large);
        let (negative, digits) = match self.small(array, row) {
            Some(value) => {
                buffer = [0; DIGITS_MAX];
                let start = put_digits(value.unsigned_abs(), &mut buffer);
                (value < 0, &buffer[start..])
            }
            None => {
                large = array.as_primitive::<Decimal256Type>().value(row).to_string();
                (large.starts_with('-'), large.trim_start_matches('-').as_bytes())
            }
        };
        let digits = if digits == b"0" { &[] } else { digits };
        let (behind, more_zeros) = (
            usize::from(self.scale().max(0).unsigned_abs()),
            usize::from(self.scale().min(0).unsigned_abs()),
        );
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(behind));
        // Zeros between the point and the first digit.
        let gap = behind - fraction.len();
        let significant = fraction.iter().rposition(|d| *d != b'0').map_or(0, |last| gap + last + 1);
        if let Fit::Limit { precision, scale } = fit {
            if significant > usize::from(*scale) {
                return Err(format!(
                    "the number has more than the {scale} digits after the point that the column keeps"
                )
                .into());
            }
            let room = usize::from(precision - scale);
            if !whole.is_empty() && whole.len() + more_zeros > room {
                return Err(format!(
                    "the number has more than the {room} digits before the point that the column keeps"
                )
                .into());
            }
        }
        if unsigned && negative {
            return Err("the number is negative, and the column is unsigned".into());
        }
        if negative {
            out.push(b'-');
        }
        if whole.is_empty() {
            out.push(b'0');
        } else {
            out.extend_from_slice(whole);
            out.resize(out.len() + more_zeros, b'0');
        }
        let shown = behind.min(usize::from(kept));
        if shown > 0 {
            out.push(b'.');
            out.resize(out.len() + gap.min(shown), b'0');
            out.extend_from_slice(&fraction[..shown.saturating_sub(gap)]);
        }
        Ok(())
    }
}

/// Digits of the largest 128-bit number.
const DIGITS_MAX: usize = 39;

fn put_integer(value: i128, out: &mut Vec<u8>) {
    let mut buffer = [0; DIGITS_MAX];
    let start = put_digits(value.unsigned_abs(), &mut buffer);
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&buffer[start..]);
}

/// Writes a number to the end of the buffer, and returns where it begins. (Several times faster than formatting it, and
/// most of what is encoded are numbers.)
fn put_digits(value: u128, buffer: &mut [u8; DIGITS_MAX]) -> usize {
    let mut start = DIGITS_MAX;
    let digit = |rest: u64| b'0' + u8::try_from(rest % 10).unwrap_or_default();
    let mut wide = value;
    // 64-bit division is several times faster again, and nearly all numbers fit.
    let mut rest = loop {
        match u64::try_from(wide) {
            Ok(rest) => break rest,
            Err(_) => {
                start -= 1;
                buffer[start] = digit(u64::try_from(wide % 10).unwrap_or_default());
                wide /= 10;
            }
        }
    };
    loop {
        start -= 1;
        buffer[start] = digit(rest);
        rest /= 10;
        if rest == 0 {
            return start;
        }
    }
}

/// Whether every number in a JSON text is a 64-bit integer, or named by the shortest digits of a 64-bit float: MySQL's JSON
/// keeps nothing else.
pub(super) fn json_survives(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let is_of = |b: &u8| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let end =
                    bytes[at..].iter().position(|b| !is_of(b)).map_or(bytes.len(), |length| at + length);
                if !number_survives(&text[at..end]) {
                    return false;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    true
}

fn number_survives(token: &str) -> bool {
    if token.parse::<i64>().is_ok() || token.parse::<u64>().is_ok() {
        return true;
    }
    let Ok(float) = token.parse::<f64>() else { return false };
    float.is_finite() && significant(&format!("{float:e}")) == significant(token)
}

/// A number as its digits without zeros at either end, and the power of ten of the last one.
fn significant(token: &str) -> (bool, String, i64) {
    let (negative, token) = token.strip_prefix('-').map_or((false, token), |rest| (true, rest));
    let (mantissa, exponent) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.trim_start_matches('+').parse().unwrap_or(i64::MAX / 2);
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0').trim_end_matches('0').to_owned();
    if digits.is_empty() {
        return (false, digits, 0);
    }
    let zeros = all.len() - all.trim_end_matches('0').len();
    (negative, digits, exponent - fraction.len() as i64 + zeros as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_of_all_sizes_are_written() {
        let edges = [
            0,
            1,
            -1,
            9,
            10,
            i64::MIN.into(),
            u64::MAX.into(),
            i128::from(u64::MAX) + 1,
            i128::MAX,
            i128::MIN,
        ];
        for value in edges {
            let mut out = Vec::new();
            put_integer(value, &mut out);
            assert_eq!(String::from_utf8(out).expect("digits"), value.to_string());
        }
    }

    #[test]
    fn numbers_in_json_that_a_float_would_change_are_found() {
        for good in [
            "0",
            "-1.5",
            "9007199254740993",
            "18446744073709551615",
            "1e308",
            "0.1",
            "1.50",
            "1E+2",
            "-0.0",
            r#"{"a\"1.00000000000000000001":[1,2.5e-3]}"#,
            "179769313486231570000e288",
        ] {
            assert!(json_survives(good), "{good}");
        }
        for bad in ["18446744073709551616", "0.10000000000000000001", "[1,12345678901234567890.5]", "1e400"] {
            assert!(!json_survives(bad), "{bad}");
        }
    }
}
