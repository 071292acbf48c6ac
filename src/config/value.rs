//! The kinds of values that keys take: how each is read, and what the JSON Schema says of it.

use super::{
    reader::{At, Read, Reader},
    suggest::{choose, closest, did_you_mean},
    tree::{Node, What},
};
use crate::secret::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use std::borrow::Cow;

/// Gives a value type the JSON Schema that stands beside how it is read.
macro_rules! schema {
    ($kind:ty, $schema:tt) => {
        impl JsonSchema for $kind {
            fn schema_name() -> Cow<'static, str> {
                stringify!($kind).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

/// Text that is no secret: a name, a path, a query. It is never empty.
#[derive(Clone)]
pub(super) struct Text {
    /// The text, with its references filled in.
    pub(super) text: String,
    /// What messages show of it: the text as it was typed.
    pub(super) typed: String,
    /// Whether something was filled in.
    pub(super) is_foreign: bool,
}

schema!(Text, { "type": "string", "minLength": 1 });

impl Read for Text {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.show(&node.span);
        let What::Text(typed) = &node.what else {
            reader.mismatch(node, "text", quotes(node));
            return None;
        };
        let filled = reader.interpolate(typed, &node.span)?;
        if filled.text.trim().is_empty() {
            let message = format!("{} is empty", reader.name());
            reader.problem(&node.span, message, "give it a value".to_owned());
            return None;
        }
        Some(Self { text: filled.text, typed: typed.clone(), is_foreign: filled.is_foreign })
    }
}

/// Text that must not be shown. It is never empty.
pub(super) struct Hidden(pub(super) Secret);

schema!(Hidden, { "type": "string", "minLength": 1, "writeOnly": true });

impl Read for Hidden {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let What::Text(typed) = &node.what else {
            reader.mismatch(node, "text", quotes(node));
            return None;
        };
        secret(typed, node, reader).map(Self)
    }
}

/// An option of a storage client: text, true or false, or a number, all of which it takes as text.
pub(super) struct Setting(pub(super) Secret);

schema!(Setting, { "type": ["string", "boolean", "number"], "writeOnly": true });

impl Read for Setting {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.what {
            What::Text(typed) => secret(typed, node, reader).map(Self),
            // As it was typed: `007` is seven for YAML, but not for whom the option is meant for.
            What::Flag | What::Whole(_) | What::Number(_) => {
                Some(Self(Secret::new(reader.typed(&node.span))))
            }
            What::Nothing | What::List(_) | What::Block(_) => {
                reader.mismatch(node, "text, a number, or true or false", None);
                None
            }
        }
    }
}

fn secret(typed: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Secret> {
    let filled = reader.interpolate(typed, &node.span)?;
    if filled.text.is_empty() {
        let message = format!("{} is empty", reader.name());
        reader.problem(&node.span, message, "is the variable or file that it comes from empty?".to_owned());
        return None;
    }
    Some(Secret::new(filled.text))
}

/// What to do about a number where text is due.
fn quotes(node: &Node) -> Option<String> {
    matches!(node.what, What::Flag | What::Whole(_) | What::Number(_))
        .then(|| "put it in quotes, so that YAML takes it for text".to_owned())
}

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

/// A word out of a few.
pub(super) struct OneOf<T>(pub(super) T);

/// A type with few values, each of which has a word for it.
pub(super) trait Choice: Copy + 'static {
    /// The word, the value, and what it means.
    const WORDS: &'static [(&'static str, Self, &'static str)];
    /// What else the key takes, for the help of an error.
    const OTHERWISE: Option<&'static str> = None;
}

impl<T: Choice> JsonSchema for OneOf<T> {
    fn schema_name() -> Cow<'static, str> {
        "OneOf".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<Value> =
            T::WORDS.iter().map(|(word, _, about)| json!({ "const": word, "description": about })).collect();
        json_schema!({ "oneOf": words })
    }
}

impl<T: Choice> Read for OneOf<T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = Text::read(node, reader)?;
        if let Some((_, value, _)) = T::WORDS.iter().find(|(word, ..)| *word == text.text) {
            return Some(Self(*value));
        }
        let words: Vec<&str> = T::WORDS.iter().map(|(word, ..)| *word).collect();
        let otherwise = T::OTHERWISE.map(|more| format!("; {more}")).unwrap_or_default();
        // A guess would tell what was filled in.
        let help = match closest(&text.text, &words) {
            Some(word) if !text.is_foreign => did_you_mean(word),
            _ => choose(&words) + &otherwise,
        };
        let message = format!("{} cannot be `{}`", reader.name(), text.typed);
        reader.problem(&node.span, message, help);
        None
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

/// A short form or a long one: text is read as `S`, a list or block as `L`.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
pub(super) enum Either<S, L> {
    Short(S),
    Long(L),
}

/// A type that is read from one form of YAML only, by the name that [`What::describe`] has for it.
pub(super) trait Form: Read {
    const FORM: &'static str;
}

impl<S: Read, L: Form> Read for Either<S, L> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.what {
            What::Text(_) => S::read(node, reader).map(Self::Short),
            what if what.describe() == L::FORM => L::read(node, reader).map(Self::Long),
            _ => {
                reader.mismatch(node, &format!("text or {}", L::FORM), quotes(node));
                None
            }
        }
    }
}

/// A list.
pub(super) struct List<T>(pub(super) Vec<At<T>>);

impl<T: JsonSchema> JsonSchema for List<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("List_of_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "minItems": 1, "items": generator.subschema_for::<T>() })
    }
}

impl<T: Read> Form for List<T> {
    const FORM: &'static str = "a list";
}

impl<T: Read> Read for List<T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let What::List(items) = &node.what else {
            reader.mismatch(node, "a list", None);
            return None;
        };
        if items.is_empty() {
            let message = format!("{} is empty", reader.name());
            reader.problem(&node.span, message, "give it at least one item".to_owned());
            return None;
        }
        // All are read before one that is wrong makes the list wrong, so that all are complained about.
        let read: Vec<Option<At<T>>> = items
            .iter()
            .map(|item| T::read(item, reader).map(|value| At { value, span: item.span.clone() }))
            .collect();
        read.into_iter().collect::<Option<Vec<_>>>().map(Self)
    }
}

/// A block whose keys are names that the user chose.
pub(super) struct Names<T>(pub(super) Vec<Named<T>>);

/// One entry of such a block; the value is `None` where it was wrong, so that the name is known all the same.
pub(super) struct Named<T> {
    pub(super) name: At<String>,
    pub(super) value: Option<At<T>>,
}

impl<T: JsonSchema> JsonSchema for Names<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Names_of_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<T>() })
    }
}

impl<T: Read> Read for Names<T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let entries = reader.entries(node)?;
        let named = entries.iter().map(|entry| {
            let name = At { value: entry.key.clone(), span: entry.span.clone() };
            Named { name, value: reader.value(entry) }
        });
        Some(Self(named.collect()))
    }
}

impl<T> Names<T> {
    /// The names.
    pub(super) fn names(&self) -> Vec<&str> {
        self.0.iter().map(|named| named.name.value.as_str()).collect()
    }

    /// Name and value of the entries that are right.
    pub(super) fn right(self) -> impl Iterator<Item = (At<String>, At<T>)> {
        self.0.into_iter().filter_map(|named| named.value.map(|value| (named.name, value)))
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
