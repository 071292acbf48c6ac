//! `numeric` in binary: digits in base 10,000, the weight of the first, the sign, the digits to show.

use super::wire::{Read, Unfit, Units};
use arrow::datatypes::i256;

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
/// The signs of NaN and of the two infinities.
const NOT_FINITE: [u16; 3] = [0xC000, 0xD000, 0xF000];
const HEADER: usize = 8;
/// So many digits in base 10,000 fit into 128 bits, whatever they are.
const SMALL_DIGITS: usize = 9;
const BASE: i128 = 10_000;
/// Whole powers of ten that 128 bits hold.
const POWERS: [i128; 39] = powers();

const fn powers() -> [i128; 39] {
    let (mut powers, mut power, mut at) = ([1; 39], 1_i128, 1);
    while at < 39 {
        power *= 10;
        powers[at] = power;
        at += 1;
    }
    powers
}

/// A power of ten, if 128 bits hold it.
pub(super) fn power(exponent: u32) -> Option<i128> {
    POWERS.get(usize::try_from(exponent).ok()?).copied()
}

/// The number in units of this scale; `None` if it has digits beyond, or more than 256 bits hold.
pub(super) fn units(cell: &[u8], scale: i8) -> Read<Option<Units>> {
    if cell.len() < HEADER {
        return Err(Unfit::Malformed);
    }
    let word = |at: usize| u16::from_be_bytes([cell[at], cell[at + 1]]);
    let negative = match word(4) {
        POSITIVE => false,
        NEGATIVE => true,
        sign if NOT_FINITE.contains(&sign) => return Err(Unfit::NotANumber),
        _ => return Err(Unfit::Malformed),
    };
    let count = usize::from(word(0));
    let weight = i32::from(i16::from_be_bytes([cell[2], cell[3]]));
    let digits = cell.get(HEADER..HEADER + 2 * count).ok_or(Unfit::Malformed)?;
    let digits = || digits.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    // The server sends no zeros at the end, but others that speak its protocol may.
    let zeros = digits().rev().take_while(|digit| *digit == 0).count();
    let count = count - zeros;
    let Some(last) = digits().nth(count.wrapping_sub(1)) else { return Ok(Some(Units::Small(0))) };
    // The value is the digits, read as a whole number, times ten to this.
    let shift = 4 * (weight + 1 - i32::try_from(count).map_err(|_| Unfit::Malformed)?) + i32::from(scale);
    // Of the last digit, which is not zero, up to three places may lie beyond the scale.
    let (last_factor, cut) = match shift {
        0.. => (BASE, 1),
        -3..0 => {
            let cut = POWERS[usize::try_from(-shift).unwrap_or_default()];
            (BASE / cut, cut)
        }
        _ => return Ok(None),
    };
    let last = i128::from(last);
    if last % cut != 0 {
        return Ok(None);
    }
    let zeros = shift.max(0).unsigned_abs();
    let before = digits().take(count - 1).map(i128::from);
    if count <= SMALL_DIGITS {
        let whole = before.clone().fold(0, |value, digit| value * BASE + digit) * last_factor + last / cut;
        let whole = if negative { -whole } else { whole };
        if let Some(units) = power(zeros).and_then(|factor| whole.checked_mul(factor)) {
            return Ok(Some(Units::Small(units)));
        }
    }
    let wide = i256::from_i128;
    let times = |value: i256, factor, plus| value.checked_mul(wide(factor))?.checked_add(wide(plus));
    let whole = before
        .into_iter()
        .try_fold(i256::ZERO, |value, digit| times(value, BASE, digit))
        .and_then(|value| times(value, last_factor, last / cut))
        .and_then(|value| value.checked_mul(wide(10).checked_pow(zeros)?));
    Ok(whole.map(|whole| Units::Large(if negative { whole.wrapping_neg() } else { whole })))
}
