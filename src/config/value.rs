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
pub(super) use schema;

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

/// True or false.
pub(super) struct YesNo(pub(super) bool);

schema!(YesNo, { "type": "boolean" });

impl Read for YesNo {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.show(&node.span);
        // The schema of YAML 1.2 knows three ways to write each, and only these.
        match (&node.what, reader.typed(&node.span)) {
            (What::Flag, "true" | "True" | "TRUE") => Some(Self(true)),
            (What::Flag, _) => Some(Self(false)),
            _ => {
                reader.mismatch(node, "true or false", None);
                None
            }
        }
    }
}

/// A value of a row: text (which may be empty), true or false, or a number, as it was typed.
pub(super) struct Scalar(pub(super) String);

schema!(Scalar, { "type": ["string", "boolean", "number"] });

impl Read for Scalar {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.show(&node.span);
        match &node.what {
            What::Text(typed) => Some(Self(reader.interpolate(typed, &node.span)?.text)),
            What::Flag | What::Whole(_) | What::Number(_) => Some(Self(reader.typed(&node.span).to_owned())),
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

impl<T: Choice> OneOf<T> {
    /// The help that says which words there are.
    fn words() -> String {
        let words: Vec<&str> = T::WORDS.iter().map(|(word, ..)| *word).collect();
        choose(&words) + &T::OTHERWISE.map(|more| format!("; {more}")).unwrap_or_default()
    }
}

impl<T: Choice> Read for OneOf<T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if !matches!(node.what, What::Text(_)) {
            reader.show(&node.span);
            reader.mismatch(node, Self::FORM, Self::help(node));
            return None;
        }
        let text = Text::read(node, reader)?;
        if let Some((_, value, _)) = T::WORDS.iter().find(|(word, ..)| *word == text.text) {
            return Some(Self(*value));
        }
        let words: Vec<&str> = T::WORDS.iter().map(|(word, ..)| *word).collect();
        // A guess would tell what was filled in.
        let help = match closest(&text.text, &words) {
            Some(word) if !text.is_foreign => did_you_mean(word),
            _ => Self::words(),
        };
        let message = format!("{} cannot be `{}`", reader.name(), text.typed);
        reader.problem(&node.span, message, help);
        None
    }
}

/// One of two forms of YAML: what is in the form of `S` is read as `S`, what is in that of `L` as `L`.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
pub(super) enum Either<S, L> {
    Short(S),
    Long(L),
}

/// A type that is read from one form of YAML only, by the name that [`What::describe`] has for it.
pub(super) trait Form: Read {
    const FORM: &'static str;

    /// What to do about a value in another form.
    fn help(_: &Node) -> Option<String> {
        None
    }
}

impl Form for Text {
    const FORM: &'static str = "text";

    fn help(node: &Node) -> Option<String> {
        quotes(node)
    }
}

impl<T: Choice> Form for OneOf<T> {
    const FORM: &'static str = "text";

    fn help(_: &Node) -> Option<String> {
        Some(Self::words())
    }
}

impl<S: Form, L: Form> Read for Either<S, L> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let form = node.what.describe();
        if form == S::FORM {
            S::read(node, reader).map(Self::Short)
        } else if form == L::FORM {
            L::read(node, reader).map(Self::Long)
        } else {
            reader.mismatch(node, &format!("{} or {}", S::FORM, L::FORM), S::help(node));
            None
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

impl<T: Read> Form for Names<T> {
    const FORM: &'static str = "a block of keys";
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
