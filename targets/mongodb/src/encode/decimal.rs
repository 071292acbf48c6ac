//! Decimal128: 34 significant digits and an exponent of ten (IEEE 754-2008, binary integer decimal).

use arrow::datatypes::i256;

/// The largest coefficient, 34 nines.
const COEFFICIENT_MAX: u128 = 10_u128.pow(DIGITS) - 1;
/// Significant digits.
pub(crate) const DIGITS: u32 = 34;
const EXPONENT_BIAS: i32 = 6176;
const EXPONENT_MAX: i32 = 6111;

/// A number as coefficient and exponent of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) negative: bool,
    pub(crate) coefficient: u128,
    pub(crate) exponent: i32,
}

impl Decimal {
    /// An unscaled number with so many digits after the point; `None` if it needs more significant digits than there are.
    pub(crate) fn of_i128(unscaled: i128, scale: i8) -> Option<Self> {
        Self { negative: unscaled < 0, coefficient: unscaled.unsigned_abs(), exponent: -i32::from(scale) }
            .fitted()
    }

    /// The same for up to 76 digits.
    pub(crate) fn of_i256(unscaled: i256, scale: i8) -> Option<Self> {
        if let Some(unscaled) = unscaled.to_i128() {
            return Self::of_i128(unscaled, scale);
        }
        Self::parse(&format!("{unscaled}e{}", -i32::from(scale)))
    }

    /// A number in digits, with point and exponent or without.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0').trim_end_matches('0');
        let zeros = all.len() - all.trim_end_matches('0').len();
        let coefficient = match significant {
            "" => 0,
            digits if digits.len() > DIGITS as usize => return None,
            digits => digits.parse().ok()?,
        };
        let exponent = exponent
            .checked_sub(i32::try_from(fraction.len()).ok()?)?
            .checked_add(i32::try_from(zeros).ok()?)?;
        Self { negative, coefficient, exponent: if coefficient == 0 { 0 } else { exponent } }.fitted()
    }

    /// The same number with a coefficient and an exponent that there is room for.
    fn fitted(mut self) -> Option<Self> {
        while self.coefficient > COEFFICIENT_MAX && self.coefficient.is_multiple_of(10) {
            self.coefficient /= 10;
            self.exponent = self.exponent.checked_add(1)?;
        }
        while self.exponent > EXPONENT_MAX && self.coefficient <= COEFFICIENT_MAX / 10 {
            self.coefficient *= 10;
            self.exponent -= 1;
        }
        while self.exponent < -EXPONENT_BIAS && self.coefficient.is_multiple_of(10) {
            self.coefficient /= 10;
            self.exponent = self.exponent.checked_add(1)?;
        }
        let fits =
            self.coefficient <= COEFFICIENT_MAX && (-EXPONENT_BIAS..=EXPONENT_MAX).contains(&self.exponent);
        fits.then_some(self)
    }

    /// The 16 bytes of BSON.
    pub(crate) fn bytes(self) -> [u8; 16] {
        // The exponent is in range since `fitted`.
        let exponent = u128::try_from(self.exponent + EXPONENT_BIAS).unwrap_or_default();
        (u128::from(self.negative) << 127 | exponent << 113 | self.coefficient).to_le_bytes()
    }

    /// What 16 bytes of BSON say; `None` for NaN and the infinities.
    pub(crate) fn of_bytes(bytes: [u8; 16]) -> Option<Self> {
        let bits = u128::from_le_bytes(bytes);
        let negative = bits >> 127 == 1;
        // Two bits beyond a coefficient's first: a special value, or a coefficient that is too large and counts as zero.
        if bits >> 125 & 0b11 == 0b11 {
            return (bits >> 123 & 0b1111 != 0b1111).then_some(Self {
                negative,
                coefficient: 0,
                exponent: 0,
            });
        }
        let exponent = i32::try_from(bits >> 113 & 0x3FFF).ok()? - EXPONENT_BIAS;
        let coefficient = bits & ((1 << 113) - 1);
        let coefficient = if coefficient > COEFFICIENT_MAX { 0 } else { coefficient };
        Some(Self { negative, coefficient, exponent })
    }

    /// The unscaled number with so many digits after the point, if that is exact.
    pub(crate) fn unscaled(self, scale: i8) -> Option<i256> {
        let mut number = i256::from_parts(self.coefficient, 0);
        let mut shift = self.exponent.checked_add(i32::from(scale))?;
        let ten = i256::from_i128(10);
        if self.coefficient == 0 {
            shift = 0;
        }
        while shift > 0 {
            number = number.checked_mul(ten)?;
            shift -= 1;
        }
        while shift < 0 {
            if number.checked_rem(ten)? != i256::ZERO {
                return None;
            }
            number = number.checked_div(ten)?;
            shift += 1;
        }
        Some(if self.negative { number.wrapping_neg() } else { number })
    }

    /// The number in plain digits.
    pub(crate) fn digits(self) -> String {
        let sign = if self.negative && self.coefficient > 0 { "-" } else { "" };
        let digits = self.coefficient.to_string();
        match usize::try_from(self.exponent) {
            Ok(zeros) if zeros > 40 => format!("{sign}{digits}e{}", self.exponent),
            Ok(zeros) => format!("{sign}{digits}{}", "0".repeat(zeros)),
            Err(_) if self.exponent < -80 => format!("{sign}{digits}e{}", self.exponent),
            Err(_) => {
                let after = self.exponent.unsigned_abs() as usize;
                let padded = format!("{digits:0>width$}", width = after + 1);
                let (whole, fraction) = padded.split_at(padded.len() - after);
                format!("{sign}{whole}.{fraction}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::Decimal128;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_reads_the_same_and_as_the_driver_prints_it(
            unscaled in -COEFFICIENT_MAX.cast_signed()..=COEFFICIENT_MAX.cast_signed(),
            scale in -30_i8..=76,
        ) {
            let decimal = Decimal::of_i128(unscaled, scale).expect("34 digits");
            prop_assert_eq!(Decimal::of_bytes(decimal.bytes()), Some(decimal));
            prop_assert_eq!(decimal.unscaled(scale), Some(i256::from_i128(unscaled)));
            // The driver knows the format by a code of its own.
            let printed = Decimal128::from_bytes(decimal.bytes()).to_string();
            let again = Decimal::parse(&printed).expect("a number");
            prop_assert_eq!(again.unscaled(scale), Some(i256::from_i128(unscaled)), "{}", printed);
            prop_assert_eq!(Decimal::parse(&decimal.digits()).and_then(|d| d.unscaled(scale)), Some(i256::from_i128(unscaled)));
        }
    }

    #[test]
    fn zeros_at_the_end_do_not_count_as_digits() {
        let wide = Decimal::of_i128(10_i128.pow(37), 0).expect("one digit");
        assert_eq!(wide.unscaled(0), Some(i256::from_i128(10_i128.pow(37))));
        assert_eq!(Decimal::of_i128(10_i128.pow(37) + 1, 0), None);
        let huge = i256::from_string(&format!("12{}", "0".repeat(70))).expect("76 digits");
        assert_eq!(Decimal::of_i256(huge, 30).and_then(|d| d.unscaled(30)), Some(huge));
        assert_eq!(Decimal::parse("1e6200"), None);
        assert_eq!(Decimal::parse("-0.00").map(Decimal::digits).as_deref(), Some("0"));
    }

    #[test]
    fn the_scale_is_kept_where_it_fits() {
        assert_eq!(Decimal::of_i128(150, 2).map(Decimal::digits).as_deref(), Some("1.50"));
    }
}
