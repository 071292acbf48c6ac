//! The binary form: what the `…send` functions of the server write.

use super::{
    numeric,
    wire::{DAYS_TO_2000, MICROS_TO_2000, Read, Unfit, Units, Wire},
};
use std::borrow::Cow;

/// The binary form.
pub(super) struct Binary;

/// Bytes between an array's first word and its items: dimensions, flags, the item's type, length and first position.
const ARRAY_HEADER: usize = 20;

fn fixed<const N: usize>(cell: &[u8]) -> Read<[u8; N]> {
    cell.try_into().map_err(|_| Unfit::Malformed)
}

fn word(cell: &[u8], at: usize) -> Read<i32> {
    let bytes = cell.get(at..at + 4).ok_or(Unfit::Malformed)?;
    Ok(i32::from_be_bytes(fixed(bytes)?))
}

impl Wire for Binary {
    fn bool(cell: &[u8]) -> Read<bool> {
        Ok(fixed::<1>(cell)? != [0])
    }

    fn int2(cell: &[u8]) -> Read<i16> {
        Ok(i16::from_be_bytes(fixed(cell)?))
    }

    fn int4(cell: &[u8]) -> Read<i32> {
        Ok(i32::from_be_bytes(fixed(cell)?))
    }

    fn int8(cell: &[u8]) -> Read<i64> {
        Ok(i64::from_be_bytes(fixed(cell)?))
    }

    fn oid(cell: &[u8]) -> Read<u32> {
        Ok(u32::from_be_bytes(fixed(cell)?))
    }

    fn float4(cell: &[u8]) -> Read<f32> {
        Ok(f32::from_be_bytes(fixed(cell)?))
    }

    fn float8(cell: &[u8]) -> Read<f64> {
        Ok(f64::from_be_bytes(fixed(cell)?))
    }

    fn numeric(cell: &[u8], scale: i8) -> Read<Option<Units>> {
        numeric::units(cell, scale)
    }

    fn bytea(cell: &[u8]) -> Read<Cow<'_, [u8]>> {
        Ok(Cow::Borrowed(cell))
    }

    fn date(cell: &[u8]) -> Read<i32> {
        match Self::int4(cell)? {
            i32::MAX | i32::MIN => Err(Unfit::Infinite),
            // The last day that Postgres has is far from the end.
            days => days.checked_add(DAYS_TO_2000).ok_or(Unfit::Malformed),
        }
    }

    fn time(cell: &[u8]) -> Read<i64> {
        Self::int8(cell)
    }

    fn timestamp(cell: &[u8]) -> Read<i64> {
        match Self::int8(cell)? {
            i64::MAX | i64::MIN => Err(Unfit::Infinite),
            micros => micros.checked_add(MICROS_TO_2000).ok_or(Unfit::TooLate),
        }
    }

    fn uuid(cell: &[u8]) -> Read<[u8; 16]> {
        fixed(cell)
    }

    fn jsonb(cell: &[u8]) -> Read<&[u8]> {
        // The version of the form stands before the text; there is one.
        match cell.split_first() {
            Some((1, text)) => Ok(text),
            _ => Err(Unfit::Malformed),
        }
    }

    fn items(cell: &[u8], each: &mut dyn FnMut(Option<&[u8]>) -> Read<()>) -> Read<()> {
        let count = match word(cell, 0)? {
            0 => return Ok(()),
            1 => word(cell, 12)?,
            _ => return Err(Unfit::Dimensions),
        };
        let mut at = ARRAY_HEADER;
        for _ in 0..count {
            let length = word(cell, at)?;
            at += 4;
            match usize::try_from(length) {
                Ok(length) => {
                    each(Some(cell.get(at..at + length).ok_or(Unfit::Malformed)?))?;
                    at += length;
                }
                Err(_) => each(None)?,
            }
        }
        Ok(())
    }

    fn vector(cell: &[u8], each: &mut dyn FnMut(f32)) -> Read<()> {
        // The number of dimensions and a word without a meaning, of two bytes each.
        let numbers = cell.get(4..).ok_or(Unfit::Malformed)?;
        if numbers.len() % 4 != 0 {
            return Err(Unfit::Malformed);
        }
        for number in numbers.chunks_exact(4) {
            each(f32::from_be_bytes(fixed(number)?));
        }
        Ok(())
    }
}
