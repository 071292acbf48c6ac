//! JSON texts as BSON values.
//!
//! Whole numbers become integers, others doubles where the shortest digits of the double are the number's, and Decimal128
//! elsewhere: what is read back has the same digits.

use super::{
    Name, begin,
    decimal::Decimal,
    document::{self, tag},
};
use std::borrow::Cow;

/// The server refuses documents that nest deeper than 100, as a whole command; some levels are the command's own.
const DEPTH_MAX: usize = 90;

/// Appends a JSON text as a value.
pub(super) fn value(out: &mut Vec<u8>, name: Name<'_>, text: &str) -> Result<(), String> {
    // That the text is JSON is found out first, so that the rest can rely on it.
    serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|e| {
        // The parser's message names line and column, never the text.
        format!("the text is not valid JSON: {e}")
    })?;
    let mut reader = Reader { text, at: 0 };
    reader.value(out, name, 0)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, out: &mut Vec<u8>, name: Name<'_>, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("the JSON nests deeper than {DEPTH_MAX}, which MongoDB does not take"));
        }
        match self.peek() {
            b'{' => self.object(out, name, depth),
            b'[' => self.array(out, name, depth),
            b'"' => {
                begin(out, tag::STRING, name);
                document::string_value(out, &self.string()?);
                Ok(())
            }
            b't' | b'f' => {
                let value = self.peek() == b't';
                self.at += if value { 4 } else { 5 };
                begin(out, tag::BOOLEAN, name);
                out.push(value.into());
                Ok(())
            }
            b'n' => {
                self.at += 4;
                begin(out, tag::NULL, name);
                Ok(())
            }
            _ => self.number(out, name),
        }
    }

    fn object(&mut self, out: &mut Vec<u8>, name: Name<'_>, depth: usize) -> Result<(), String> {
        begin(out, tag::DOCUMENT, name);
        let whole = document::open(out);
        self.at += 1;
        let mut names: Vec<Cow<'a, str>> = Vec::new();
        while self.peek() != b'}' {
            let field = self.string()?;
            if field.contains('\0') {
                return Err(
                    "a name in the JSON contains the character NUL, which BSON has no room for".into()
                );
            }
            if names.contains(&field) {
                return Err("an object in the JSON has two fields of one name".to_owned());
            }
            self.skip(b':');
            self.value(out, Name::Field(&field), depth + 1)?;
            names.push(field);
            self.skip(b',');
        }
        self.at += 1;
        document::close(out, whole);
        Ok(())
    }

    fn array(&mut self, out: &mut Vec<u8>, name: Name<'_>, depth: usize) -> Result<(), String> {
        begin(out, tag::ARRAY, name);
        let whole = document::open(out);
        self.at += 1;
        let mut position = 0;
        while self.peek() != b']' {
            self.value(out, Name::Item(position), depth + 1)?;
            position += 1;
            self.skip(b',');
        }
        self.at += 1;
        document::close(out, whole);
        Ok(())
    }

    fn number(&mut self, out: &mut Vec<u8>, name: Name<'_>) -> Result<(), String> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
        let digits = &rest[..end.unwrap_or(rest.len())];
        self.at += digits.len();
        // `-0` is a number of its own only among doubles.
        if let Some(whole) = digits.parse::<i64>().ok().filter(|_| digits != "-0") {
            match i32::try_from(whole) {
                Ok(whole) => {
                    begin(out, tag::INT32, name);
                    out.extend_from_slice(&whole.to_le_bytes());
                }
                Err(_) => {
                    begin(out, tag::INT64, name);
                    out.extend_from_slice(&whole.to_le_bytes());
                }
            }
            return Ok(());
        }
        let exact = Decimal::parse(digits);
        let double: f64 = digits.parse().unwrap_or(f64::INFINITY);
        if double.is_finite() && same(exact, Decimal::parse(&format!("{double:e}"))) {
            begin(out, tag::DOUBLE, name);
            out.extend_from_slice(&double.to_le_bytes());
            return Ok(());
        }
        let Some(decimal) = exact else {
            return Err(format!(
                "a number in the JSON has more than {} significant digits, or is too large or too small",
                super::decimal::DIGITS
            ));
        };
        begin(out, tag::DECIMAL128, name);
        out.extend_from_slice(&decimal.bytes());
        Ok(())
    }

    /// The next character that is no space; the text was found to be valid.
    fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or_default()
    }

    fn skip(&mut self, byte: u8) {
        if self.peek() == byte {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, String> {
        self.peek();
        let rest = &self.text[self.at..];
        let bytes = rest.as_bytes();
        let mut end = 1;
        let mut plain = true;
        while let Some(byte) = bytes.get(end) {
            match byte {
                b'"' => break,
                b'\\' => {
                    plain = false;
                    end += 2;
                }
                _ => end += 1,
            }
        }
        self.at += end + 1;
        match plain {
            true => Ok(Cow::Borrowed(&rest[1..end])),
            false => serde_json::from_str(&rest[..=end])
                .map(Cow::Owned)
                .map_err(|e| format!("the text is not valid JSON: {e}")),
        }
    }
}

/// Whether two decimals are one number.
fn same(a: Option<Decimal>, b: Option<Decimal>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return false };
    // Both come from `parse`, which leaves no zeros at the end of a coefficient.
    (a.coefficient, a.exponent, a.negative) == (b.coefficient, b.exponent, b.negative)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::{Bson, RawDocumentBuf, doc};

    fn bson(text: &str) -> Result<Bson, String> {
        let mut out = Vec::new();
        let whole = document::open(&mut out);
        value(&mut out, Name::Field("v"), text)?;
        document::close(&mut out, whole);
        let raw = RawDocumentBuf::from_bytes(out).expect("a document");
        let whole = mongodb::bson::Document::try_from(&raw).expect("valid BSON");
        Ok(whole.get("v").expect("the value").clone())
    }

    #[test]
    fn numbers_become_the_smallest_exact_kind() {
        assert_eq!(bson("7"), Ok(Bson::Int32(7)));
        assert_eq!(bson("-2147483649"), Ok(Bson::Int64(-2_147_483_649)));
        assert_eq!(bson("0.1"), Ok(Bson::Double(0.1)));
        assert_eq!(bson("1e308"), Ok(Bson::Double(1e308)));
        assert_eq!(bson("-0"), Ok(Bson::Double(-0.0)));
        let kept = |text: &str| match bson(text) {
            Ok(Bson::Decimal128(decimal)) => decimal.to_string(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(kept("0.12345678901234567890"), "0.1234567890123456789");
        assert_eq!(kept("9223372036854775808"), "9223372036854775808");
        assert!(bson("0.1234567890123456789012345678901234567").is_err());
        assert!(bson("1e7000").is_err());
    }

    #[test]
    fn texts_objects_and_arrays_keep_their_order() {
        let found = bson(" { \"b\" : [ 1 , [ ] , {\"\":null} ] , \"a\\n\" : \"\\u00e9\\\"\" } ");
        let wanted = doc! { "b": [1, [], { "": null }], "a\n": "é\"" };
        assert_eq!(found, Ok(Bson::Document(wanted)));
    }

    #[test]
    fn what_bson_cannot_say_is_refused() {
        assert!(bson("{\"a\\u0000b\":1}").expect_err("NUL").contains("NUL"));
        assert!(bson("{\"a\":1,\"a\":2}").expect_err("twice").contains("two fields"));
        assert!(bson("\"\\ud83d\"").expect_err("half a character").contains("not valid JSON"));
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert!(bson(&deep).expect_err("deep").contains("deeper"));
        assert!(bson("{a:1}").is_err() && bson("").is_err() && bson("1 2").is_err());
    }
}
