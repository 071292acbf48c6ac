//! What texts may be.

use super::Refused;
use crate::column_type::{Charset, Kind};

/// What a column of text refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextRule {
    characters: Option<u64>,
    bytes: Option<u64>,
    charset: Charset,
    space_at_end: Spaces,
}

/// What becomes of spaces at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spaces {
    Kept,
    /// `CHAR` gives back texts without them.
    Cut,
    /// Two keys that differ in them alone are equal.
    Equal,
}

impl TextRule {
    /// The rule for a column of this kind, if it is one of text.
    pub(super) fn new(kind: &Kind, equal_without_spaces: bool) -> Option<Self> {
        let spaces = if equal_without_spaces { Spaces::Equal } else { Spaces::Kept };
        Some(match kind {
            Kind::Char { characters, charset } => Self {
                characters: Some(*characters),
                bytes: None,
                charset: *charset,
                space_at_end: Spaces::Cut,
            },
            Kind::Varchar { characters, charset } => {
                Self { characters: Some(*characters), bytes: None, charset: *charset, space_at_end: spaces }
            }
            Kind::Text { bytes, charset } => {
                Self { characters: None, bytes: Some(*bytes), charset: *charset, space_at_end: spaces }
            }
            _ => return None,
        })
    }

    pub(super) fn check(&self, text: &str) -> Result<(), Refused> {
        if let Some(max) = self.characters {
            // As many bytes as characters at the most: most texts need no counting.
            if text.len() as u64 > max && text.chars().count() as u64 > max {
                return Err(format!("the text is longer than the {max} characters of the column").into());
            }
        }
        if let Some(max) = self.bytes
            && text.len() as u64 > max
            && self.charset.length(text) > max
        {
            return Err(format!("the text is longer than the {max} bytes of the column").into());
        }
        if self.space_at_end != Spaces::Kept && text.ends_with(' ') {
            return Err(match self.space_at_end {
                Spaces::Cut => "the text ends in a space, and a CHAR column cuts those off",
                _ => {
                    "the key ends in a space, and the column's collation takes it for the key without; a NO PAD collation does not"
                }
            }
            .into());
        }
        if !self.charset.holds(text) {
            let name = self.charset.name();
            return Err(
                format!("the text has a character that the column's character set {name} has not").into()
            );
        }
        Ok(())
    }
}

/// Labels of a set, as the server would give them back.
pub(super) fn check_set(text: &str, labels: &[String]) -> Result<(), Refused> {
    if text.is_empty() {
        return Ok(());
    }
    let mut rest = labels.iter();
    match text.split(',').all(|one| rest.any(|label| label == one)) {
        true => Ok(()),
        false => Err("the text is not a list of the labels of the column's SET, each once, parted by commas, in the set's order".into()),
    }
}

/// Two texts of one UUID are two keys to hydrant and one to the table.
pub(super) fn check_uuid(text: &str) -> Result<(), Refused> {
    let uuid = uuid::Uuid::try_parse(text).map_err(|_| "the text is not a UUID")?;
    let mut buffer = uuid::Uuid::encode_buffer();
    match uuid.hyphenated().encode_lower(&mut buffer) == text {
        true => Ok(()),
        false => Err("a UUID is written in lower case with hyphens; lower() in the query makes it so".into()),
    }
}
