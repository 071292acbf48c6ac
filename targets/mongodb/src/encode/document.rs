//! BSON documents, byte by byte.
//!
//! Rows become commands without a document object in between: the length of a document is written when its end is known.

/// The type bytes of the BSON specification that hydrant writes.
pub(crate) mod tag {
    pub(crate) const DOUBLE: u8 = 0x01;
    pub(crate) const STRING: u8 = 0x02;
    pub(crate) const DOCUMENT: u8 = 0x03;
    pub(crate) const ARRAY: u8 = 0x04;
    pub(crate) const BINARY: u8 = 0x05;
    pub(crate) const BOOLEAN: u8 = 0x08;
    pub(crate) const DATE: u8 = 0x09;
    pub(crate) const NULL: u8 = 0x0A;
    pub(crate) const INT32: u8 = 0x10;
    pub(crate) const INT64: u8 = 0x12;
    pub(crate) const DECIMAL128: u8 = 0x13;
}

/// Where a document begins that is not closed yet.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) struct Open(usize);

/// Begins a document that stands for itself.
pub(crate) fn open(out: &mut Vec<u8>) -> Open {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    Open(at)
}

/// Begins a document or an array in a field.
pub(crate) fn open_field(out: &mut Vec<u8>, tag: u8, name: &str) -> Open {
    field(out, tag, name);
    open(out)
}

/// Ends a document: its length is known now.
pub(crate) fn close(out: &mut Vec<u8>, open: Open) {
    out.push(0);
    // Nothing longer than a command is ever begun, and a command is far below 2 GB.
    let length = i32::try_from(out.len() - open.0).unwrap_or(i32::MAX);
    out[open.0..open.0 + 4].copy_from_slice(&length.to_le_bytes());
}

/// Whether nothing was written since a document was begun.
pub(crate) fn is_empty(out: &[u8], open: Open) -> bool {
    out.len() == open.0 + 4
}

/// The type and the name of a field whose value follows. Names hold no NUL: plan and encoder see to that.
pub(crate) fn field(out: &mut Vec<u8>, tag: u8, name: &str) {
    out.push(tag);
    out.extend_from_slice(name.as_bytes());
    out.push(0);
}

/// The type and the position of an item whose value follows: arrays are documents with positions for names.
pub(crate) fn item(out: &mut Vec<u8>, tag: u8, position: usize) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = position;
    loop {
        at -= 1;
        // One decimal digit.
        #[allow(clippy::cast_possible_truncation)]
        let digit = (rest % 10) as u8;
        digits[at] = b'0' + digit;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.push(tag);
    out.extend_from_slice(&digits[at..]);
    out.push(0);
}

pub(crate) fn null(out: &mut Vec<u8>, name: &str) {
    field(out, tag::NULL, name);
}

pub(crate) fn boolean(out: &mut Vec<u8>, name: &str, value: bool) {
    field(out, tag::BOOLEAN, name);
    out.push(value.into());
}

pub(crate) fn int32(out: &mut Vec<u8>, name: &str, value: i32) {
    field(out, tag::INT32, name);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Milliseconds since 1970.
pub(crate) fn date(out: &mut Vec<u8>, name: &str, millis: i64) {
    field(out, tag::DATE, name);
    out.extend_from_slice(&millis.to_le_bytes());
}

pub(crate) fn string(out: &mut Vec<u8>, name: &str, value: &str) {
    field(out, tag::STRING, name);
    string_value(out, value);
}

/// Length, text, NUL. A text of 2 GB is no part of any document that is sent.
pub(crate) fn string_value(out: &mut Vec<u8>, value: &str) {
    let length = i32::try_from(value.len() + 1).unwrap_or(i32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(value.as_bytes());
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::{RawDocumentBuf, rawdoc};

    #[test]
    fn it_writes_what_the_driver_writes() {
        let mut out = Vec::new();
        let whole = open(&mut out);
        int32(&mut out, "a", -7);
        let inner = open_field(&mut out, tag::DOCUMENT, "d");
        string(&mut out, "é", "x\0y");
        boolean(&mut out, "t", true);
        close(&mut out, inner);
        let list = open_field(&mut out, tag::ARRAY, "l");
        for at in 0..12 {
            item(&mut out, tag::NULL, at);
        }
        close(&mut out, list);
        date(&mut out, "b", -1);
        close(&mut out, whole);
        let nulls = || mongodb::bson::RawBson::Null;
        let mut array = mongodb::bson::RawArrayBuf::new();
        (0..12).for_each(|_| array.push(nulls()));
        let wanted = rawdoc! { "a": -7, "d": { "é": "x\0y", "t": true }, "l": array, "b": mongodb::bson::DateTime::from_millis(-1) };
        assert_eq!(RawDocumentBuf::from_bytes(out).expect("a document"), wanted);
    }
}
