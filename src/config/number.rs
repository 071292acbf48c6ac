//! Numbers that keys take: how each is read, and what the JSON Schema says of it.

use super::{
    reader::{Read, Reader},
    tree::{Node, What},
    value::{Form, Text, schema},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// A number of rows.
pub(super) struct Count(pub(super) u64);

schema!(Count, { "type": "integer", "minimum": 0 });

impl Read for Count {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.show(&node.span);
        match node.what {
            What::Whole(count) => Some(Self(count)),
            What::Number(_) => {
                let message = format!("{} must be a whole number that is not negative", reader.name());
                reader.problem(&node.span, message, None);
                None
            }
            _ => {
                reader.mismatch(node, "a whole number", None);
                None
            }
        }
    }
}

impl Form for Count {
    const FORM: &'static str = "a number";
}

/// A whole number in a range.
pub(super) struct Whole<const MIN: u32, const MAX: u32>(pub(super) u32);

impl<const MIN: u32, const MAX: u32> JsonSchema for Whole<MIN, MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("Whole_{MIN}_{MAX}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

impl<const MIN: u32, const MAX: u32> Read for Whole<MIN, MAX> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.show(&node.span);
        match node.what {
            What::Whole(number) => {
                let number = u32::try_from(number).ok().filter(|number| (MIN..=MAX).contains(number));
                if number.is_none() {
                    let message = format!("{} must be from {MIN} to {MAX}", reader.name());
                    reader.problem(&node.span, message, None);
                }
                number.map(Self)
            }
            What::Number(_) => {
                let message = format!("{} must be a whole number from {MIN} to {MAX}", reader.name());
                reader.problem(&node.span, message, None);
                None
            }
            _ => {
                reader.mismatch(node, "a whole number", None);
                None
            }
        }
    }
}

/// A share, 0 to 100.
pub(super) struct Percent(pub(super) f64);

schema!(Percent, { "type": "number", "minimum": 0, "maximum": 100 });

impl Read for Percent {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.show(&node.span);
        let number = match node.what {
            // Shares beyond 2^53 percent need not be exact.
            #[allow(clippy::cast_precision_loss)]
            What::Whole(number) => number as f64,
            What::Number(number) => number,
            _ => {
                reader.mismatch(node, "a number", "write it without the percent sign: `10`".to_owned());
                return None;
            }
        };
        if !(0.0..=100.0).contains(&number) {
            let message = format!("{} must be from 0 to 100", reader.name());
            reader.problem(&node.span, message, None);
            return None;
        }
        Some(Self(number))
    }
}

/// An amount of memory, in bytes.
pub(super) struct Size(pub(super) u64);

schema!(Size, { "type": "string", "pattern": "^[0-9]+ ?(KiB|MiB|GiB|TiB)$" });

impl Size {
    fn parse(text: &str) -> Option<u64> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let factor: u64 = match unit.strip_prefix(' ').unwrap_or(unit) {
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(factor)
    }
}

impl Read for Size {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        const HELP: &str = "write a whole number and one of `KiB`, `MiB`, `GiB`, `TiB`: `256MiB`";
        if matches!(node.what, What::Whole(_) | What::Number(_)) {
            reader.show(&node.span);
            reader.mismatch(node, "a size with its unit", HELP.to_owned());
            return None;
        }
        let text = Text::read(node, reader)?;
        let size = Self::parse(text.text.trim());
        if size.is_none() {
            let message = format!("{}: `{}` is not a size", reader.name(), text.typed);
            reader.problem(&node.span, message, HELP.to_owned());
        }
        size.map(Self)
    }
}

/// The version of the configuration's form. There is one.
pub(super) struct Version;

schema!(Version, { "const": 1 });

impl Read for Version {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.show(&node.span);
        if matches!(node.what, What::Whole(1)) {
            return Some(Self);
        }
        let message = format!("{} must be 1", reader.name());
        reader.problem(&node.span, message, "a higher version needs a later hydrant".to_owned());
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        for (text, bytes) in [
            ("256MiB", Some(256 << 20)),
            ("1 GiB", Some(1 << 30)),
            ("0KiB", Some(0)),
            ("2TiB", Some(2 << 40)),
            ("256", None),
            ("256MB", None),
            ("MiB", None),
            ("1.5GiB", None),
            ("-1MiB", None),
            ("99999999999TiB", None),
        ] {
            assert_eq!(Size::parse(text), bytes, "{text}");
        }
    }
}
