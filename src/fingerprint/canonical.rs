//! The canonical form of single values: a tag, then a payload of fixed length or with its length in front.
//!
//! Specified in `docs/fingerprint.md`; the two change together, and then [`VERSION`](super::VERSION) is raised. All
//! numbers are little endian.

use arrow::datatypes::i256;
use std::ops::Range;

/// The first byte of every value's canonical form.
pub(super) mod tag {
    pub(in super::super) const NULL: u8 = 0x00;
    pub(in super::super) const FALSE: u8 = 0x01;
    pub(in super::super) const TRUE: u8 = 0x02;
    pub(in super::super) const INTEGER: u8 = 0x03;
    pub(in super::super) const LARGE_INTEGER: u8 = 0x04;
    pub(in super::super) const DECIMAL: u8 = 0x05;
    pub(in super::super) const WIDE_DECIMAL: u8 = 0x06;
    pub(in super::super) const FLOAT: u8 = 0x07;
    pub(in super::super) const TEXT: u8 = 0x08;
    pub(in super::super) const BYTES: u8 = 0x09;
    pub(in super::super) const DATE: u8 = 0x0a;
    pub(in super::super) const TIME: u8 = 0x0b;
    pub(in super::super) const TIMESTAMP: u8 = 0x0c;
    pub(in super::super) const INSTANT: u8 = 0x0d;
    pub(in super::super) const UUID: u8 = 0x0e;
    pub(in super::super) const LIST: u8 = 0x0f;
    pub(in super::super) const STRUCT: u8 = 0x10;
    pub(in super::super) const MAP: u8 = 0x11;
}

/// The most that a decimal of up to 128 bits, and one of up to 256, take.
pub(super) const DECIMAL_BYTES: usize = 19;
pub(super) const WIDE_DECIMAL_BYTES: usize = 35;

/// What a canonical form is written to.
pub(super) trait Out {
    /// Appends bytes whose number the compiler knows.
    fn put<const N: usize>(&mut self, bytes: [u8; N]);

    /// Appends a part of a column's bytes.
    fn put_part(&mut self, all: &[u8], part: Range<usize>);
}

impl Out for Vec<u8> {
    #[inline(always)]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.extend_from_slice(&bytes);
    }

    #[inline(always)]
    fn put_part(&mut self, all: &[u8], part: Range<usize>) {
        self.extend_from_slice(&all[part]);
    }
}

/// A tag and what comes behind it.
#[inline(always)]
fn put_tagged<const N: usize>(out: &mut impl Out, tag: u8, payload: [u8; N]) {
    out.put([tag]);
    out.put(payload);
}

#[inline(always)]
pub(super) fn boolean(out: &mut impl Out, value: bool) {
    out.put([if value { tag::TRUE } else { tag::FALSE }]);
}

#[inline(always)]
pub(super) fn integer(out: &mut impl Out, value: i64) {
    put_tagged(out, tag::INTEGER, value.to_le_bytes());
}

/// A whole number that may be beyond `i64`.
#[inline(always)]
pub(super) fn unsigned(out: &mut impl Out, value: u64) {
    match i64::try_from(value) {
        Ok(value) => integer(out, value),
        Err(_) => put_tagged(out, tag::LARGE_INTEGER, value.to_le_bytes()),
    }
}

/// Any NaN is the quiet one without payload, -0.0 is 0.0.
#[inline(always)]
pub(super) fn float(out: &mut impl Out, value: f64) {
    /// Written out because no language promises the bits of its NaN.
    const NAN: u64 = 0x7ff8_0000_0000_0000;
    let bits = if value.is_nan() {
        NAN
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    };
    put_tagged(out, tag::FLOAT, bits.to_le_bytes());
}

/// The number `unscaled` × 10^-`scale`: as an integer where it is one that fits, else without trailing zeros.
pub(super) fn decimal(out: &mut impl Out, unscaled: i128, scale: i16) {
    // Money and counts fit in 64 bits, where a division is ten times cheaper.
    let (mut unscaled, mut scale) = match i64::try_from(unscaled) {
        Ok(0) => return integer(out, 0),
        Ok(mut small) => {
            let mut scale = scale;
            while scale > 0 && small % 10 == 0 {
                small /= 10;
                scale -= 1;
            }
            if scale == 0 {
                return integer(out, small);
            }
            if scale > 0 {
                return fraction(out, small.into(), scale);
            }
            (i128::from(small), scale)
        }
        Err(_) => (unscaled, scale),
    };
    while scale > 0 && unscaled % 10 == 0 {
        unscaled /= 10;
        scale -= 1;
    }
    if scale <= 0 {
        let whole =
            10_i128.checked_pow(scale.unsigned_abs().into()).and_then(|power| unscaled.checked_mul(power));
        if let Some(whole) = whole.and_then(|whole| i64::try_from(whole).ok()) {
            return integer(out, whole);
        }
        if let Some(whole) = whole.and_then(|whole| u64::try_from(whole).ok()) {
            return unsigned(out, whole);
        }
        while unscaled % 10 == 0 {
            unscaled /= 10;
            scale -= 1;
        }
    }
    fraction(out, unscaled, scale);
}

/// A number that is no whole one, or too large; without trailing zeros.
fn fraction(out: &mut impl Out, unscaled: i128, scale: i16) {
    put_tagged(out, tag::DECIMAL, scale.to_le_bytes());
    out.put(unscaled.to_le_bytes());
}

/// The same for decimals that may have more digits than 128 bits hold.
pub(super) fn wide_decimal(out: &mut impl Out, unscaled: i256, scale: i16) {
    let ten = i256::from_i128(10);
    let (mut unscaled, mut scale) = (unscaled, scale);
    loop {
        if let Some(unscaled) = unscaled.to_i128() {
            return decimal(out, unscaled, scale);
        }
        if unscaled.wrapping_rem(ten) != i256::ZERO {
            break;
        }
        unscaled = unscaled.wrapping_div(ten);
        scale -= 1;
    }
    put_tagged(out, tag::WIDE_DECIMAL, scale.to_le_bytes());
    out.put(unscaled.to_le_bytes());
}

/// A part of a column's bytes behind its tag and length.
#[inline(always)]
pub(super) fn bytes(out: &mut impl Out, tag: u8, all: &[u8], part: Range<usize>) {
    counted(out, tag, part.len());
    out.put_part(all, part);
}

/// A tag and a number of bytes, items, fields or entries.
#[inline(always)]
pub(super) fn counted(out: &mut impl Out, tag: u8, count: usize) {
    put_tagged(out, tag, count_bytes(count));
}

/// The name of a struct's field: its length and its bytes, without a tag.
pub(super) fn name(out: &mut impl Out, name: &str) {
    out.put(count_bytes(name.len()));
    out.put_part(name.as_bytes(), 0..name.len());
}

/// Carriers have 32-bit offsets: every count fits.
#[inline(always)]
fn count_bytes(count: usize) -> [u8; 4] {
    debug_assert!(u32::try_from(count).is_ok(), "a carrier cannot hold {count} bytes in one value");
    #[allow(clippy::cast_possible_truncation)]
    (count as u32).to_le_bytes()
}

#[inline(always)]
pub(super) fn date(out: &mut impl Out, days: i32) {
    put_tagged(out, tag::DATE, days.to_le_bytes());
}

/// A time, timestamp or instant: whole seconds, rounded down, and the nanoseconds from there.
#[inline(always)]
pub(super) fn moment(out: &mut impl Out, tag: u8, seconds: i64, nanos: u32) {
    put_tagged(out, tag, seconds.to_le_bytes());
    out.put(nanos.to_le_bytes());
}

#[inline(always)]
pub(super) fn uuid(out: &mut impl Out, value: &[u8]) {
    out.put([tag::UUID]);
    out.put_part(value, 0..value.len());
}
