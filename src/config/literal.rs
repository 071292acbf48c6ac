//! A value whose type is the one that it is written in.

use super::{
    reader::{Read, Reader},
    tree::{Node, What},
    value::schema,
};
use crate::mapping::Constant;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// Text (which may be empty), true or false, or a number.
pub(super) struct Literal(pub(super) Constant);

schema!(Literal, { "type": ["string", "boolean", "number"] });

impl Read for Literal {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.show(&node.span);
        let typed = reader.typed(&node.span);
        let constant = match &node.what {
            What::Text(text) => Constant::Text(reader.interpolate(text, &node.span)?.text),
            What::Flag => Constant::Boolean(typed.eq_ignore_ascii_case("true")),
            // As it was typed: what YAML makes of it is a binary number.
            What::Whole(_) | What::Number(_) => match typed.parse().map(Constant::Integer) {
                Ok(number) => number,
                Err(_) => match Constant::decimal(typed) {
                    Some(decimal) => decimal,
                    None => {
                        let message = format!("{} is no number that has an exact type", reader.name());
                        let help = "write digits, with a point or without: 64 bits for a whole number, 38 digits for others; or put it in quotes as text";
                        reader.problem(&node.span, message, help.to_owned());
                        return None;
                    }
                },
            },
            What::Nothing | What::List(_) | What::Block(_) => {
                reader.mismatch(node, "text, a number, or true or false", None);
                return None;
            }
        };
        Some(Self(constant))
    }
}
