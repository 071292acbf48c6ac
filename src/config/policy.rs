//! What happens to values that a column of the target cannot hold.

use super::{
    raw::Replace,
    reader::{Read, Reader},
    tree::{Node, What},
    value::{Choice, OneOf},
};
use crate::sync::Refused;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// What happens to values that one column cannot hold: a word, or a block with another value.
pub(super) struct Policy(pub(super) Refused);

/// A policy that needs no value.
#[derive(Clone, Copy)]
pub(super) enum Word {
    Reject,
    Null,
    Truncate,
}

impl Choice for Word {
    const WORDS: &'static [(&'static str, Self, &'static str)] = &[
        ("reject", Self::Reject, "The row is a reject."),
        ("null", Self::Null, "NULL is written instead."),
        ("truncate", Self::Truncate, "What fits of it is written."),
    ];
    const OTHERWISE: Option<&'static str> = Some("for another value: `{ replace: value }`");
}

impl Read for Policy {
    /// The word `null` without quotes is YAML's own null.
    const TAKES_NULL: bool = true;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let refused = match &node.what {
            What::Nothing => Refused::Null,
            What::Text(_) => match OneOf::read(node, reader)?.0 {
                Word::Reject => Refused::Reject,
                Word::Null => Refused::Null,
                Word::Truncate => Refused::Truncate,
            },
            What::Block(_) => Refused::Replace(Replace::read(node, reader)?.replace.given()?.value.0),
            What::Flag | What::Whole(_) | What::Number(_) | What::List(_) => {
                let help = "to write a value of yours instead: `{ replace: value }`";
                reader.mismatch(node, "a word or a block of keys", help.to_owned());
                return None;
            }
        };
        Some(Self(refused))
    }
}

impl JsonSchema for Policy {
    fn schema_name() -> Cow<'static, str> {
        "Policy".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<OneOf<Word>>(),
                { "type": "null", "description": "The same as the word null." },
                generator.subschema_for::<Replace>(),
            ]
        })
    }
}
