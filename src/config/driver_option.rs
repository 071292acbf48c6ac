//! Options that are passed on to a driver as they are.

use super::{
    reader::{Read, Reader},
    tree::{Node, What},
    value::schema,
    warehouse::DriverOption,
};
use crate::secret::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// The value of an option of a driver: text (which may be empty: some options are switched off so), true or false, or a
/// number, all of which drivers take as text.
pub(super) struct Passed(pub(super) DriverOption);

schema!(Passed, { "type": ["string", "boolean", "number"], "writeOnly": true });

impl Read for Passed {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.what {
            What::Text(typed) => {
                let filled = reader.interpolate(typed, &node.span)?;
                let is_secret = filled.is_foreign;
                Some(Self(DriverOption { value: Secret::new(filled.text), is_secret }))
            }
            // As it was typed: `007` is seven for YAML, but not for whom the option is meant for.
            What::Flag | What::Whole(_) | What::Number(_) => {
                let value = Secret::new(reader.typed(&node.span));
                Some(Self(DriverOption { value, is_secret: false }))
            }
            What::Nothing | What::List(_) | What::Block(_) => {
                reader.mismatch(node, "text, a number, or true or false", None);
                None
            }
        }
    }
}
