//! Spans of time that keys take.

use super::{
    reader::{Read, Reader},
    tree::Node,
    value::{Form, Text, schema},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::{borrow::Cow, time::Duration};

/// A span of time: a whole number and its unit.
pub(super) struct Span(pub(super) Duration);

schema!(Span, { "type": "string", "pattern": "^[0-9]+ ?(s|min|h|d)$" });

impl Span {
    fn parse(text: &str) -> Option<Duration> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let seconds = match unit.strip_prefix(' ').unwrap_or(unit) {
            "s" => 1,
            "min" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
    }
}

impl Read for Span {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        const HELP: &str = "write a whole number and one of `s`, `min`, `h`, `d`: `2h`";
        let text = Text::read(node, reader)?;
        let span = Self::parse(text.text.trim());
        if span.is_none() {
            let message = format!("{}: `{}` is not a span of time", reader.name(), text.typed);
            reader.problem(&node.span, message, HELP.to_owned());
        }
        span.map(Self)
    }
}

impl Form for Span {
    const FORM: &'static str = "text";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit() {
        for (text, seconds) in [
            ("90s", Some(90)),
            ("5 min", Some(300)),
            ("5m", None),
            ("2h", Some(7_200)),
            ("1d", Some(86_400)),
            ("0s", Some(0)),
            ("2", None),
            ("h", None),
            ("1.5h", None),
            ("-1h", None),
            ("1 week", None),
            ("999999999999999999d", None),
        ] {
            assert_eq!(Span::parse(text).map(|span| span.as_secs()), seconds, "{text}");
        }
    }
}
