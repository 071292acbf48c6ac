//! JSON text of lists, structs and maps back to values.
//!
//! A parser of its own, since the value types decide how a part is read: numbers keep all their digits, and a part that is
//! itself of type JSON stays the text that it was.

use hydrant_contract::ValueType;
use std::borrow::Cow;

/// A value that was found in the database or in a JSON text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Real(f64),
    /// A number of a JSON text, as it stood there.
    Number(&'a str),
    Text(Cow<'a, str>),
    Blob(&'a [u8]),
    List(Vec<Found<'a>>),
    Fields(Vec<(String, Found<'a>)>),
}

/// Reads the JSON text of a list, vector, struct or map of this type.
pub(crate) fn parse<'a>(text: &'a str, value: &ValueType) -> Result<Found<'a>, String> {
    let mut parser = Parser { text, at: 0 };
    let found = parser.value(value)?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.unexpected());
    }
    Ok(found)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn value(&mut self, value: &ValueType) -> Result<Found<'a>, String> {
        self.space();
        if *value == ValueType::Json {
            let raw = self.raw()?;
            return Ok(if raw == "null" { Found::Null } else { Found::Text(Cow::Borrowed(raw)) });
        }
        Ok(match (self.next(), value) {
            (Some(b'n'), _) => self.word("null", Found::Null)?,
            (Some(b't'), _) => self.word("true", Found::Bool(true))?,
            (Some(b'f'), _) => self.word("false", Found::Bool(false))?,
            (Some(b'"'), _) => Found::Text(Cow::Owned(self.string()?)),
            (Some(b'['), ValueType::List(item)) => self.list(item)?,
            (Some(b'['), ValueType::Vector(_)) => self.list(&ValueType::Float32)?,
            (Some(b'{'), ValueType::Struct(fields)) => self.fields(|name| {
                let field = fields.iter().find(|(field, _)| field == name);
                field.map(|(_, value)| value).ok_or_else(|| format!("there is no field {name:?}"))
            })?,
            (Some(b'{'), ValueType::Map(_, item)) => self.fields(|_| Ok(item))?,
            (Some(b'-' | b'0'..=b'9'), _) => Found::Number(self.raw()?),
            _ => return Err(self.unexpected()),
        })
    }

    fn list(&mut self, item: &ValueType) -> Result<Found<'a>, String> {
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        if !self.take(b']') {
            loop {
                items.push(self.value(item)?);
                if self.ends(b']')? {
                    break;
                }
            }
        }
        Ok(Found::List(items))
    }

    fn fields<'t>(
        &mut self,
        of: impl Fn(&str) -> Result<&'t ValueType, String>,
    ) -> Result<Found<'a>, String> {
        let mut fields = Vec::new();
        self.at += 1;
        self.space();
        if !self.take(b'}') {
            loop {
                self.space();
                let name = self.string()?;
                self.space();
                if !self.take(b':') {
                    return Err(self.unexpected());
                }
                let value = self.value(of(&name)?)?;
                fields.push((name, value));
                if self.ends(b'}')? {
                    break;
                }
            }
        }
        Ok(Found::Fields(fields))
    }

    /// After an item: a comma, or the end.
    fn ends(&mut self, end: u8) -> Result<bool, String> {
        self.space();
        if self.take(b',') {
            return Ok(false);
        }
        if self.take(end) { Ok(true) } else { Err(self.unexpected()) }
    }

    fn string(&mut self) -> Result<String, String> {
        let raw = self.raw()?;
        serde_json::from_str(raw).map_err(|e| format!("{raw}: {e}"))
    }

    /// The text of one value of any kind; that it is valid is for its reader to find.
    fn raw(&mut self) -> Result<&'a str, String> {
        let from = self.at;
        let rest = &self.text[from..];
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<serde::de::IgnoredAny>();
        match values.next() {
            Some(Ok(_)) => self.at = from + values.byte_offset(),
            Some(Err(e)) => return Err(e.to_string()),
            None => return Err(self.unexpected()),
        }
        Ok(&self.text[from..self.at])
    }

    fn word(&mut self, word: &str, found: Found<'a>) -> Result<Found<'a>, String> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.unexpected());
        }
        self.at += word.len();
        Ok(found)
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.next() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.next() {
            self.at += 1;
        }
    }

    fn unexpected(&self) -> String {
        format!("the JSON text is not of this type, from byte {}", self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_contract::Integer;

    fn list(value: ValueType) -> ValueType {
        ValueType::List(Box::new(value))
    }

    #[test]
    fn numbers_keep_their_digits_and_json_its_text() {
        let decimal = ValueType::Decimal { precision: 38, scale: 10 };
        let digits = "1234567890123456789012345678.0123456789";
        let text = format!("[ {digits} , null ]");
        assert_eq!(parse(&text, &list(decimal)), Ok(Found::List(vec![Found::Number(digits), Found::Null])));
        let raw = r#"{"b" : [1,  "]"]}"#;
        let text = format!("[{raw},2]");
        let texts = [raw, "2"].map(|raw| Found::Text(Cow::Borrowed(raw)));
        assert_eq!(parse(&text, &list(ValueType::Json)), Ok(Found::List(texts.to_vec())));
    }

    #[test]
    fn structs_and_maps_are_read_by_name() {
        let whole = ValueType::Integer(Integer::I64);
        let of = ValueType::Struct(vec![("a".into(), whole.clone()), ("b".into(), list(ValueType::Text))]);
        let fields = vec![
            ("b".to_owned(), Found::List(vec![Found::Text("x\"\n".into())])),
            ("a".to_owned(), Found::Number("1")),
        ];
        assert_eq!(parse("{\"b\":[\"x\\\"\\n\"],\"a\":1}", &of), Ok(Found::Fields(fields)));
        let map = ValueType::Map(Box::new(ValueType::Text), Box::new(whole));
        assert_eq!(parse("{}", &map), Ok(Found::Fields(vec![])));
        assert!(parse("{\"c\":1}", &of).is_err());
    }

    #[test]
    fn what_is_not_of_the_type_is_an_error() {
        let of = list(ValueType::Text);
        for text in ["", "[", "[1", "[1,]", "[\"a\"", "{}", "[] x", "nul", "[\"a\" \"b\"]"] {
            assert!(parse(text, &of).is_err(), "{text}");
        }
    }
}
