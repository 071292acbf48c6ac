//! The rows of a batch, and the forms in which they travel.

use crate::{
    encode::{Form, Refused},
    plan::{ColumnPlan, Plan},
};
use arrow::{
    array::{Array, ArrayRef},
    compute::{SortColumn, concat, lexsort_to_indices},
    error::ArrowError,
};
use hydrant_contract::{Batch, Part, Reject};
use mysql_async::Value;
use std::sync::Arc;

/// A row that the type rules refuse.
#[derive(Debug)]
pub(crate) struct BadRow {
    column: String,
    reason: Refused,
}

impl BadRow {
    pub(crate) fn reject(self, (part, row): Place) -> Reject {
        Reject {
            part,
            row: row as usize,
            column: Some(self.column),
            reason: self.reason.into_owned(),
            may_settle: false,
        }
    }
}

/// Where a row stands in its batch.
pub(crate) type Place = (Part, u32);

/// The values of a batch by part and column; cheap to clone, so that another thread can encode them.
#[derive(Clone)]
pub(crate) struct Rows {
    pub(crate) columns: Arc<[ColumnPlan]>,
    /// Positions of the key among the columns, in the order of its index.
    key: Vec<usize>,
    parts: [(Vec<Option<ArrayRef>>, usize); 3],
}

impl Rows {
    pub(crate) fn new(plan: &Plan, batch: &Batch) -> Self {
        let of = |rows: &arrow::record_batch::RecordBatch, keys| (plan.arrays(rows, keys), rows.num_rows());
        Self {
            columns: Arc::clone(&plan.columns),
            key: plan.key.clone(),
            parts: [of(&batch.deletes, true), of(&batch.updates, false), of(&batch.inserts, false)],
        }
    }

    fn part(&self, part: Part) -> &(Vec<Option<ArrayRef>>, usize) {
        match part {
            Part::Deletes => &self.parts[0],
            Part::Updates => &self.parts[1],
            Part::Inserts => &self.parts[2],
        }
    }

    /// How many rows a part has.
    pub(crate) fn count(&self, part: Part) -> usize {
        self.part(part).1
    }

    /// The places of all rows of these parts, in the order of the key's index: in the order in which every writer of hydrant's
    /// locks them.
    pub(crate) fn in_key_order(&self, parts: &[Part]) -> Result<Vec<Place>, ArrowError> {
        let mut places: Vec<Place> = Vec::new();
        for part in parts {
            let count = u32::try_from(self.count(*part)).unwrap_or(u32::MAX);
            places.extend((0..count).map(|row| (*part, row)));
        }
        let column = |at: &usize| {
            let arrays: Vec<&dyn Array> =
                parts.iter().filter_map(|part| self.part(*part).0[*at].as_deref()).collect();
            Ok(SortColumn { values: concat(&arrays)?, options: None })
        };
        let columns = self.key.iter().map(column).collect::<Result<Vec<_>, ArrowError>>()?;
        let order = lexsort_to_indices(&columns, None)?;
        Ok(order.values().iter().map(|at| places[*at as usize]).collect())
    }

    /// Whether all values of a row fit their columns.
    pub(crate) fn check(&self, place: Place, scratch: &mut Vec<u8>) -> Result<(), BadRow> {
        for at in 0..self.columns.len() {
            scratch.clear();
            self.raw(place, at, scratch)?;
        }
        Ok(())
    }

    /// Appends the value of a column in its raw form; false, and nothing, for NULL and for what a delete does not have.
    fn raw(&self, (part, row): Place, at: usize, out: &mut Vec<u8>) -> Result<bool, BadRow> {
        let column = &self.columns[at];
        let row = row as usize;
        let bad = |reason| BadRow { column: column.column.name.clone(), reason };
        let Some(array) = &self.part(part).0[at] else { return Ok(false) };
        if array.is_null(row) {
            return match column.column.not_null {
                true => Err(bad("the value is NULL, and the column is NOT NULL".into())),
                false => Ok(false),
            };
        }
        column.codec.put(array.as_ref(), row, out).map_err(bad)?;
        Ok(true)
    }

    /// Appends the fields of a row as `LOAD DATA` reads them (MySQL Reference Manual, "LOAD DATA Statement": tabs, backslash
    /// escapes), bytes in hexadecimal digits; without the end of the line.
    pub(crate) fn put_line(&self, place: Place, out: &mut Vec<u8>) -> Result<(), BadRow> {
        for at in 0..self.columns.len() {
            if at > 0 {
                out.push(b'\t');
            }
            let start = out.len();
            match self.raw(place, at, out)? {
                false => out.extend_from_slice(b"\\N"),
                true => match self.columns[at].codec.form() {
                    Form::Plain | Form::Bits => {}
                    Form::Text => escape(out, start, line_escape),
                    Form::Bytes => to_hex(out, start),
                },
            }
        }
        Ok(())
    }

    /// Appends these columns of a row as the items of a JSON array, all as strings, bytes in hexadecimal digits.
    pub(crate) fn put_json(&self, place: Place, columns: &[usize], out: &mut Vec<u8>) -> Result<(), BadRow> {
        for at in columns {
            out.push(b',');
            let quote = out.len();
            out.push(b'"');
            match self.raw(place, *at, out)? {
                false => {
                    out.truncate(quote);
                    out.extend_from_slice(b"null");
                    continue;
                }
                true => match self.columns[*at].codec.form() {
                    Form::Plain | Form::Bits => {}
                    Form::Text => escape(out, quote + 1, json_escape),
                    Form::Bytes => to_hex(out, quote + 1),
                },
            }
            out.push(b'"');
        }
        Ok(())
    }

    /// Appends a row as parameters of a statement, and returns about how many bytes they are.
    pub(crate) fn put_values(&self, place: Place, out: &mut Vec<Value>) -> Result<usize, BadRow> {
        let mut length = 0;
        for at in 0..self.columns.len() {
            let mut raw = Vec::new();
            let value = match self.raw(place, at, &mut raw)? {
                false => Value::NULL,
                true if self.columns[at].codec.form() == Form::Bits => {
                    let digits = std::str::from_utf8(&raw).unwrap_or_default();
                    Value::UInt(digits.parse().unwrap_or_default())
                }
                true => Value::Bytes(raw),
            };
            length += match &value {
                Value::Bytes(bytes) => bytes.len() + 9,
                _ => 9,
            };
            out.push(value);
        }
        Ok(length)
    }

    /// The raw forms of these columns of a row, to compare them with those of others; `None` if one is NULL.
    pub(crate) fn identity(&self, place: Place, columns: &[usize]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        for at in columns {
            let start = out.len();
            out.extend_from_slice(&[0; 8]);
            if !self.raw(place, *at, &mut out).ok()? {
                return None;
            }
            let length = (out.len() - start) as u64;
            out[start..start + 8].copy_from_slice(&length.to_be_bytes());
        }
        Some(out)
    }
}

/// Replaces what must be escaped behind `start`; most texts have nothing of it.
fn escape(out: &mut Vec<u8>, start: usize, of: fn(u8) -> Option<Escape>) {
    if !out[start..].iter().any(|byte| of(*byte).is_some()) {
        return;
    }
    let raw = out.split_off(start);
    for byte in raw {
        match of(byte) {
            None => out.push(byte),
            Some(Escape::Letter(letter)) => out.extend_from_slice(&[b'\\', letter]),
            Some(Escape::Number) => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&hex_digits(byte));
            }
        }
    }
}

enum Escape {
    Letter(u8),
    Number,
}

fn line_escape(byte: u8) -> Option<Escape> {
    match byte {
        b'\\' => Some(Escape::Letter(b'\\')),
        b'\t' => Some(Escape::Letter(b't')),
        b'\n' => Some(Escape::Letter(b'n')),
        b'\r' => Some(Escape::Letter(b'r')),
        0 => Some(Escape::Letter(b'0')),
        _ => None,
    }
}

fn json_escape(byte: u8) -> Option<Escape> {
    match byte {
        b'"' | b'\\' => Some(Escape::Letter(byte)),
        0..0x20 => Some(Escape::Number),
        _ => None,
    }
}

fn to_hex(out: &mut Vec<u8>, start: usize) {
    let raw = out.split_off(start);
    out.reserve(raw.len() * 2);
    for byte in raw {
        out.extend_from_slice(&hex_digits(byte));
    }
}

fn hex_digits(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str, of: fn(u8) -> Option<Escape>) -> String {
        let mut out = b"x".to_vec();
        out.extend_from_slice(text.as_bytes());
        escape(&mut out, 1, of);
        String::from_utf8(out.split_off(1)).expect("UTF-8")
    }

    #[test]
    fn what_ends_a_field_or_a_string_is_escaped() {
        assert_eq!(escaped("a\tb\n\\N\0é\r", line_escape), "a\\tb\\n\\\\N\\0é\\r");
        let json = escaped("a\"b\\\n\u{1}é", json_escape);
        assert_eq!(json, "a\\\"b\\\\\\u000a\\u0001é");
        assert_eq!(serde_json::from_str::<String>(&format!("\"{json}\"")).expect("JSON"), "a\"b\\\n\u{1}é");
        let mut out = b"x\x00\xff".to_vec();
        to_hex(&mut out, 1);
        assert_eq!(out, b"x00ff");
    }
}
