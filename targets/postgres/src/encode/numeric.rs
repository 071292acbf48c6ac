//! The binary form of `numeric`: digits in base 10,000, the weight of the first, the sign, the digits to show.

use super::Refused;
use crate::column_type::NumericLimit;
use arrow::datatypes::i256;
use bytes::BufMut;
use hydrant_contract::ValueType;

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
/// 76 decimal digits and up to three zeros for alignment are at most 20 digits in base 10,000.
const GROUPS_MAX: usize = 24;
const GROUP: i32 = 4;

/// A number without its point.
pub(crate) struct Unscaled {
    negative: bool,
    /// The magnitude; above 128 bits in 32-bit limbs, the smallest first.
    magnitude: Magnitude,
}

enum Magnitude {
    Small(u128),
    Large([u32; 8]),
}

impl Unscaled {
    pub(crate) fn small(value: i128) -> Self {
        Self { negative: value < 0, magnitude: Magnitude::Small(value.unsigned_abs()) }
    }

    pub(crate) fn large(value: i256) -> Self {
        let bytes = value.wrapping_abs().to_le_bytes();
        let mut limbs = [0; 8];
        for (limb, bytes) in limbs.iter_mut().zip(bytes.chunks_exact(4)) {
            *limb = bytes.iter().rev().fold(0, |value, byte| (value << 8) | u32::from(*byte));
        }
        Self { negative: value < i256::ZERO, magnitude: Magnitude::Large(limbs) }
    }

    /// The value as a whole number, if it is one within 128 bits. The scale is not positive.
    pub(crate) fn whole(&self, scale: i32) -> Option<i128> {
        let Magnitude::Small(magnitude) = self.magnitude else { return None };
        let factor = 10_u128.checked_pow(scale.unsigned_abs())?;
        let magnitude = i128::try_from(magnitude.checked_mul(factor)?).ok()?;
        Some(if self.negative { -magnitude } else { magnitude })
    }
}

impl Magnitude {
    fn is_zero(&self) -> bool {
        match self {
            Self::Small(value) => *value == 0,
            Self::Large(limbs) => limbs.iter().all(|limb| *limb == 0),
        }
    }

    /// Divides by a small number and returns the remainder.
    fn divide(&mut self, by: u16) -> u16 {
        match self {
            Self::Small(value) => {
                // Most numbers are small, and wider divisions take ten times as long.
                let (quotient, remainder) = match u64::try_from(*value) {
                    Ok(small) => ((small / u64::from(by)).into(), (small % u64::from(by)).into()),
                    Err(_) => (*value / u128::from(by), *value % u128::from(by)),
                };
                *value = quotient;
                // A remainder is smaller than the divisor.
                u16::try_from(remainder).unwrap_or_default()
            }
            Self::Large(limbs) => {
                let mut remainder = 0_u64;
                for limb in limbs.iter_mut().rev() {
                    let value = (remainder << 32) | u64::from(*limb);
                    *limb = u32::try_from(value / u64::from(by)).unwrap_or_default();
                    remainder = value % u64::from(by);
                }
                u16::try_from(remainder).unwrap_or_default()
            }
        }
    }
}

/// What must be checked of each value for a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// The types say that all values fit.
    Always,
    Limit(NumericLimit),
}

impl Fit {
    pub(crate) fn new(value: &ValueType, limit: Option<NumericLimit>) -> Self {
        let Some(limit) = limit else { return Self::Always };
        let (precision, scale) = match value {
            ValueType::Decimal { precision, scale } => (i32::from(*precision), i32::from(*scale)),
            ValueType::Integer(integer) => {
                let (low, high) = integer.range();
                let digits = low.unsigned_abs().max(high.unsigned_abs()).ilog10() + 1;
                (i32::try_from(digits).unwrap_or(i32::MAX), 0)
            }
            _ => return Self::Limit(limit),
        };
        match scale <= limit.scale && precision - scale <= limit.precision - limit.scale {
            true => Self::Always,
            false => Self::Limit(limit),
        }
    }
}

/// Digits in base 10,000, the most significant first, without zeros at either end.
pub(crate) struct Digits {
    groups: [u16; GROUPS_MAX],
    first: usize,
    last: usize,
    weight: i32,
}

/// Splits a magnitude into groups of four decimal digits, counted from the point.
fn split(mut magnitude: Magnitude, scale: i32) -> Digits {
    let mut groups = [0_u16; GROUPS_MAX];
    let mut at = GROUPS_MAX;
    // The value is magnitude * 10^(-scale) = magnitude * 10^zeros * 10000^power.
    let (power, zeros) = ((-scale).div_euclid(GROUP), (-scale).rem_euclid(GROUP).unsigned_abs());
    let mut first_divisor = 10_u16.pow(GROUP.unsigned_abs() - zeros);
    let mut first_factor = 10_u16.pow(zeros);
    let mut count = 0;
    while !magnitude.is_zero() {
        let group = magnitude.divide(first_divisor) * first_factor;
        (first_divisor, first_factor) = (10_000, 1);
        at -= 1;
        groups[at] = group;
        count += 1;
    }
    let trailing = groups[at..].iter().rev().take_while(|group| **group == 0).count();
    Digits { groups, first: at, last: (GROUPS_MAX - trailing).max(at), weight: count - 1 + power }
}

/// Appends the field.
pub(super) fn put(value: &Unscaled, scale: i32, fit: &Fit, out: &mut Vec<u8>) -> Result<(), Refused> {
    let magnitude = match &value.magnitude {
        Magnitude::Small(value) => Magnitude::Small(*value),
        Magnitude::Large(limbs) => Magnitude::Large(*limbs),
    };
    let digits = split(magnitude, scale);
    let groups = &digits.groups[digits.first..digits.last];
    if let Fit::Limit(limit) = fit {
        check(groups, digits.weight, *limit)?;
    }
    let weight = if groups.is_empty() { 0 } else { digits.weight };
    // 24 groups, a weight of a few dozens and a scale of at most 127 all fit.
    let short = |n: i32| i16::try_from(n).unwrap_or(i16::MAX);
    let count = i32::try_from(groups.len()).unwrap_or_default();
    out.put_i32(8 + 2 * count);
    out.put_i16(short(count));
    out.put_i16(short(weight));
    out.put_u16(if value.negative && count > 0 { NEGATIVE } else { POSITIVE });
    out.put_i16(short(scale.max(0)));
    for group in groups {
        out.put_u16(*group);
    }
    Ok(())
}

/// Whether all digits of a number lie within the places that a `numeric(precision, scale)` keeps.
fn check(groups: &[u16], weight: i32, limit: NumericLimit) -> Result<(), Refused> {
    let (Some(first), Some(last)) = (groups.first(), groups.last()) else { return Ok(()) };
    // Places are powers of ten; a group's lowest place is four times its weight.
    let highest = weight * GROUP + i32::try_from(first.ilog10()).unwrap_or_default();
    let zeros =
        i32::try_from((0..4).take_while(|n| last % 10_u16.pow(n + 1) == 0).count()).unwrap_or_default();
    let lowest = (weight + 1 - i32::try_from(groups.len()).unwrap_or_default()) * GROUP + zeros;
    let NumericLimit { precision, scale } = limit;
    if lowest < -scale {
        return Err(format!(
            "the number has more than the {scale} digits after the point that the column keeps"
        )
        .into());
    }
    if highest >= precision - scale {
        return Err(format!(
            "the number has more digits than the column's numeric({precision}, {scale}) keeps"
        )
        .into());
    }
    Ok(())
}

/// The text of a number from its binary form, in plain digits; `None` if it is not a finite number.
pub(crate) fn digits_of(bytes: &[u8]) -> Option<String> {
    let word = |i: usize| Some(u16::from_be_bytes([*bytes.get(2 * i)?, *bytes.get(2 * i + 1)?]));
    let signed = |i: usize| Some(i32::from(word(i)?.cast_signed()));
    let (count, weight, sign, scale) = (signed(0)?, signed(1)?, word(2)?, signed(3)?);
    if sign != POSITIVE && sign != NEGATIVE {
        return None;
    }
    let group = |weight_of: i32| {
        let i = weight - weight_of;
        if i < 0 || i >= count { Some(0) } else { word(4 + usize::try_from(i).ok()?) }
    };
    let mut text = String::from(if sign == NEGATIVE { "-" } else { "" });
    if weight < 0 {
        text.push('0');
    }
    for w in (0..=weight).rev() {
        let group = group(w)?;
        text.push_str(&if w == weight { group.to_string() } else { format!("{group:04}") });
    }
    if scale > 0 {
        text.push('.');
        let places = usize::try_from(scale).ok()?;
        let mut fraction = String::new();
        for w in 1..=(scale + GROUP - 1) / GROUP {
            fraction.push_str(&format!("{:04}", group(-w)?));
        }
        text.push_str(&fraction[..places]);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, Decimal256Array};
    use arrow::util::display::{ArrayFormatter, FormatOptions};
    use hydrant_contract::carrier::parse_units;
    use proptest::prelude::*;

    fn binary(value: &Unscaled, scale: i32, fit: &Fit) -> Result<Vec<u8>, Refused> {
        let mut out = Vec::new();
        put(value, scale, fit, &mut out)?;
        Ok(out[4..].to_vec())
    }

    #[test]
    fn known_forms() {
        let words = |value, scale| {
            let bytes = binary(&Unscaled::small(value), scale, &Fit::Always).expect("a number");
            bytes.chunks(2).map(|w| i16::from_be_bytes([w[0], w[1]])).collect::<Vec<_>>()
        };
        assert_eq!(words(0, 2), [0, 0, 0, 2]);
        assert_eq!(words(12_345_678, 2), [3, 1, 0, 2, 12, 3456, 7800], "123456.78");
        assert_eq!(words(-1, 4), [1, -1, 0x4000, 4, 1], "-0.0001");
        assert_eq!(words(5, -6), [1, 1, 0, 0, 500], "5000000");
        assert_eq!(words(10_000, 0), [1, 1, 0, 0, 1]);
    }

    #[test]
    fn what_a_column_would_round_or_overflow_is_refused() {
        let fits = |value, scale, precision, column_scale| {
            let fit = Fit::Limit(NumericLimit { precision, scale: column_scale });
            binary(&Unscaled::small(value), scale, &fit).is_ok()
        };
        assert!(fits(12_300, 2, 3, 0) && !fits(12_301, 2, 3, 0) && !fits(1234, 0, 3, 0));
        assert!(fits(99_999, 3, 5, 3) && !fits(100_000, 3, 5, 3));
        assert!(fits(1200, 0, 2, -2) && !fits(1210, 0, 2, -2) && !fits(12_300, 0, 2, -2));
        assert!(fits(5, 5, 2, 5) && !fits(1, 2, 2, 5) && fits(0, 0, 1, 1));
    }

    proptest! {
        #[test]
        fn decimals_of_128_bits_keep_their_digits(
            value in -99_999_999_999_999_999_999_999_999_999_999_999_999_i128
                ..=99_999_999_999_999_999_999_999_999_999_999_999_999,
            shift in 0_u32..38,
            scale in 0_i8..38,
        ) {
            let value = value / 10_i128.pow(shift);
            let array = Decimal128Array::from(vec![value]).with_precision_and_scale(38, scale).expect("decimal");
            let formatter = ArrayFormatter::try_new(&array, &FormatOptions::default()).expect("formatter");
            let expected = formatter.value(0).to_string();
            let bytes = binary(&Unscaled::small(value), scale.into(), &Fit::Always).expect("a number");
            let text = digits_of(&bytes).expect("finite");
            prop_assert_eq!(&text, &expected);
            prop_assert_eq!(parse_units(&text, scale.unsigned_abs().into()), Some(i256::from_i128(value)));
        }

        #[test]
        fn decimals_of_256_bits_keep_their_digits(digits in "-?[1-9][0-9]{0,75}", scale in 0_i8..76) {
            let value = i256::from_string(&digits).expect("a number");
            let array = Decimal256Array::from(vec![value]).with_precision_and_scale(76, scale).expect("decimal");
            let formatter = ArrayFormatter::try_new(&array, &FormatOptions::default()).expect("formatter");
            let expected = formatter.value(0).to_string();
            let bytes = binary(&Unscaled::large(value), scale.into(), &Fit::Always).expect("a number");
            let text = digits_of(&bytes).expect("finite");
            prop_assert_eq!(&text, &expected);
            prop_assert_eq!(parse_units(&text, scale.unsigned_abs().into()), Some(value));
        }
    }
}
