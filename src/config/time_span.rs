//! A time that something takes, with its unit.

use super::{
    reader::{Read, Reader},
    tree::{Node, What},
    value::{Form, Text, schema},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::{borrow::Cow, time::Duration};

/// How long something takes: a whole number and its unit.
pub(super) struct TimeSpan(pub(super) Duration);

schema!(TimeSpan, { "type": "string", "pattern": "^[0-9]+ ?(ms|s|min|h|d)$" });

impl TimeSpan {
    fn parse(text: &str) -> Option<Duration> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let factor: u64 = match unit.strip_prefix(' ').unwrap_or(unit) {
            "ms" => 1,
            "s" => 1_000,
            "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(factor).map(Duration::from_millis)
    }
}

impl Read for TimeSpan {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        const HELP: &str = "write a whole number and one of `ms`, `s`, `min`, `h`, `d`: `30min`";
        if matches!(node.what, What::Whole(_) | What::Number(_)) {
            reader.show(&node.span);
            reader.mismatch(node, "a time with its unit", HELP.to_owned());
            return None;
        }
        let text = Text::read(node, reader)?;
        let span = Self::parse(text.text.trim());
        if span.is_none() {
            let message = format!("{}: `{}` is not a time", reader.name(), text.typed);
            reader.problem(&node.span, message, HELP.to_owned());
        }
        span.map(Self)
    }
}

impl Form for TimeSpan {
    const FORM: &'static str = "text";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, ms) in [
            ("30min", Some(1_800_000)),
            ("5 s", Some(5_000)),
            ("1h", Some(3_600_000)),
            ("250ms", Some(250)),
            ("0s", Some(0)),
            ("2d", Some(172_800_000)),
            ("30", None),
            ("h", None),
            ("5m", None),
            ("1.5h", None),
            ("-1h", None),
            ("1 week", None),
            ("99999999999999999h", None),
        ] {
            assert_eq!(TimeSpan::parse(text), ms.map(Duration::from_millis), "{text}");
        }
    }
}
