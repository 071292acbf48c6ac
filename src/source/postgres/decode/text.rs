//! The text form, as sessions of hydrant are told to write it: ISO dates, bytes in hexadecimal.

use super::{
    calendar,
    wire::{Read, Unfit, Units, Wire},
};
use hydrant_contract::carrier::parse_units;
use std::{borrow::Cow, str::FromStr};

/// The text form.
pub(super) struct Text;

fn utf8(cell: &[u8]) -> Read<&str> {
    std::str::from_utf8(cell).map_err(|_| Unfit::NotUtf8)
}

fn parsed<T: FromStr>(cell: &[u8]) -> Read<T> {
    utf8(cell)?.parse().map_err(|_| Unfit::Malformed)
}

fn nibble(digit: u8) -> Read<u8> {
    let value = char::from(digit).to_digit(16).ok_or(Unfit::Malformed)?;
    u8::try_from(value).map_err(|_| Unfit::Malformed)
}

impl Wire for Text {
    fn bool(cell: &[u8]) -> Read<bool> {
        match cell {
            b"t" | b"true" => Ok(true),
            b"f" | b"false" => Ok(false),
            _ => Err(Unfit::Malformed),
        }
    }

    fn int2(cell: &[u8]) -> Read<i16> {
        parsed(cell)
    }

    fn int4(cell: &[u8]) -> Read<i32> {
        parsed(cell)
    }

    fn int8(cell: &[u8]) -> Read<i64> {
        parsed(cell)
    }

    fn oid(cell: &[u8]) -> Read<u32> {
        parsed(cell)
    }

    fn float4(cell: &[u8]) -> Read<f32> {
        parsed(cell)
    }

    fn float8(cell: &[u8]) -> Read<f64> {
        parsed(cell)
    }

    fn numeric(cell: &[u8], scale: i8) -> Read<Option<Units>> {
        let text = utf8(cell)?;
        if matches!(text, "NaN" | "Infinity" | "-Infinity") {
            return Err(Unfit::NotANumber);
        }
        // Units of a positive power of ten: that many zeros at the end.
        let zeros = usize::from(scale.min(0).unsigned_abs());
        let text = match zeros {
            0 => Cow::Borrowed(text),
            _ if text == "0" => Cow::Borrowed(text),
            _ => match text.strip_suffix("0".repeat(zeros).as_str()) {
                Some(cut) => Cow::Owned(cut.to_owned()),
                None => return Ok(None),
            },
        };
        Ok(parse_units(&text, scale.max(0).unsigned_abs().into()).map(Units::Large))
    }

    fn bytea(cell: &[u8]) -> Read<Cow<'_, [u8]>> {
        let digits = cell.strip_prefix(b"\\x").ok_or(Unfit::Malformed)?;
        if digits.len() % 2 != 0 {
            return Err(Unfit::Malformed);
        }
        let bytes = digits.chunks_exact(2).map(|pair| Ok(nibble(pair[0])? << 4 | nibble(pair[1])?));
        Ok(Cow::Owned(bytes.collect::<Read<_>>()?))
    }

    fn date(cell: &[u8]) -> Read<i32> {
        calendar::date(utf8(cell)?)
    }

    fn time(cell: &[u8]) -> Read<i64> {
        calendar::time(utf8(cell)?)
    }

    fn timestamp(cell: &[u8]) -> Read<i64> {
        calendar::timestamp(utf8(cell)?)
    }

    fn uuid(cell: &[u8]) -> Read<[u8; 16]> {
        let uuid = uuid::Uuid::try_parse(utf8(cell)?).map_err(|_| Unfit::Malformed)?;
        Ok(uuid.into_bytes())
    }

    fn jsonb(cell: &[u8]) -> Read<&[u8]> {
        Ok(cell)
    }

    fn items(cell: &[u8], each: &mut dyn FnMut(Option<&[u8]>) -> Read<()>) -> Read<()> {
        // Positions that do not begin with 1 stand before the items: `[0:2]={1,2,3}`.
        let list = match cell.first() {
            Some(b'[') => {
                let equals = cell.iter().position(|byte| *byte == b'=').ok_or(Unfit::Malformed)?;
                if cell[..equals].iter().filter(|byte| **byte == b'[').count() > 1 {
                    return Err(Unfit::Dimensions);
                }
                &cell[equals + 1..]
            }
            _ => cell,
        };
        let inner =
            list.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}")).ok_or(Unfit::Malformed)?;
        let mut rest = inner;
        let mut item = Vec::new();
        while !rest.is_empty() {
            item.clear();
            let quoted = rest[0] == b'"';
            let mut at = usize::from(quoted);
            loop {
                match rest.get(at) {
                    Some(b'\\') => {
                        item.push(*rest.get(at + 1).ok_or(Unfit::Malformed)?);
                        at += 2;
                    }
                    Some(b'"') if quoted => {
                        at += 1;
                        break;
                    }
                    Some(b'{') if !quoted => return Err(Unfit::Dimensions),
                    Some(b',') | None if !quoted => break,
                    Some(byte) => {
                        item.push(*byte);
                        at += 1;
                    }
                    None => return Err(Unfit::Malformed),
                }
            }
            match quoted || item != b"NULL" {
                true => each(Some(&item))?,
                false => each(None)?,
            }
            rest = match rest.get(at) {
                Some(b',') => &rest[at + 1..],
                None => &[],
                Some(_) => return Err(Unfit::Malformed),
            };
        }
        Ok(())
    }

    fn vector(cell: &[u8], each: &mut dyn FnMut(f32)) -> Read<()> {
        let inner = utf8(cell)?.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        for number in inner.ok_or(Unfit::Malformed)?.split(',') {
            each(number.trim().parse().map_err(|_| Unfit::Malformed)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Read<Vec<Option<String>>> {
        let mut found = Vec::new();
        Text::items(text.as_bytes(), &mut |item| {
            found.push(item.map(|item| String::from_utf8_lossy(item).into_owned()));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn arrays_are_parsed_as_the_server_writes_them() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(items("{}"), Ok(vec![]));
        assert_eq!(items("{1,NULL,\"NULL\",\"\"}"), Ok(vec![some("1"), None, some("NULL"), some("")]));
        assert_eq!(items(r#"{"a,b","c\"d\\e","{}"}"#), Ok(vec![some("a,b"), some(r#"c"d\e"#), some("{}")]));
        assert_eq!(items("[0:1]={7,8}"), Ok(vec![some("7"), some("8")]));
        assert_eq!(items("{{1},{2}}"), Err(Unfit::Dimensions));
        assert_eq!(items("[0:0][1:1]={{1}}"), Err(Unfit::Dimensions));
        for bad in ["", "1", "{\"a", "{\"a\"b}", "{a\\"] {
            assert_eq!(items(bad), Err(Unfit::Malformed), "{bad}");
        }
    }

    #[test]
    fn numbers_in_units_of_tens_and_hundreds_are_read() {
        let read = |text: &str, scale| {
            Text::numeric(text.as_bytes(), scale).map(|units| units.and_then(Units::narrow))
        };
        assert_eq!(read("-1200", -2), Ok(Some(-12)));
        assert_eq!(read("0", -2), Ok(Some(0)));
        assert_eq!(read("1250", -2), Ok(None));
        assert_eq!(read("1.5", 3), Ok(Some(1500)));
        assert_eq!(read("NaN", 3), Err(Unfit::NotANumber));
    }
}
