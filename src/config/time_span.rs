//! A time that something takes, with its unit.

use super::{
    reader::{Read, Reader},
    tree::{Node, What},
    value::{Form, Text, schema},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::{borrow::Cow, time::Duration};

/// How long something takes; more than nothing.
pub(super) struct TimeSpan(pub(super) Duration);

schema!(TimeSpan, { "type": "string", "pattern": "^[0-9]+ ?(ms|s|min|h)$" });

/// The longest time: what Postgres and others can be told in milliseconds.
const MAX_MS: u64 = i32::MAX as u64;

impl TimeSpan {
    fn parse(text: &str) -> Option<Duration> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let factor: u64 = match unit.strip_prefix(' ').unwrap_or(unit) {
            "ms" => 1,
            "s" => 1_000,
            "min" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        let ms = number.parse::<u64>().ok()?.checked_mul(factor)?;
        (1..=MAX_MS).contains(&ms).then(|| Duration::from_millis(ms))
    }
}

impl Read for TimeSpan {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        const HELP: &str = "write a whole number and one of `ms`, `s`, `min`, `h`: `30min`";
        if matches!(node.what, What::Whole(_) | What::Number(_)) {
            reader.show(&node.span);
            reader.mismatch(node, "a time with its unit", HELP.to_owned());
            return None;
        }
        let text = Text::read(node, reader)?;
        let span = Self::parse(text.text.trim());
        if span.is_none() {
            let message =
                format!("{}: `{}` is not a time, or not one from 1ms to 596h", reader.name(), text.typed);
            reader.problem(&node.span, message, HELP.to_owned());
        }
        span.map(Self)
    }
}

impl Form for TimeSpan {
    const FORM: &'static str = "a time";
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
            ("0s", None),
            ("30", None),
            ("1.5h", None),
            ("2d", None),
            ("600h", None),
            ("99999999999999999h", None),
        ] {
            assert_eq!(TimeSpan::parse(text), ms.map(Duration::from_millis), "{text}");
        }
    }
}
