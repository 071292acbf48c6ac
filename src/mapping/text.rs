//! Texts without white space at their ends, and in lower case.

use arrow::{
    array::{Array, StringArray, StringBuilder},
    buffer::{Buffer, OffsetBuffer},
    error::ArrowError,
};
use std::fmt::Write;

/// Without what Unicode calls white space at both ends.
pub(super) fn trim(texts: &StringArray) -> StringArray {
    let has_ends = texts.iter().flatten().any(|text| text.len() != text.trim().len());
    if !has_ends {
        return texts.clone();
    }
    let mut trimmed = StringBuilder::with_capacity(texts.len(), length(texts));
    texts.iter().for_each(|text| trimmed.append_option(text.map(str::trim)));
    trimmed.finish()
}

/// In lower case, by Unicode's default rules.
pub(super) fn lower(texts: &StringArray) -> Result<StringArray, ArrowError> {
    let letters = &texts.values().as_slice()[start(texts)..][..length(texts)];
    if letters.is_ascii() {
        let first = texts.value_offsets()[0];
        let offsets = texts.offsets().iter().map(|offset| offset - first).collect::<Vec<_>>();
        let offsets = OffsetBuffer::new(offsets.into());
        return StringArray::try_new(
            offsets,
            Buffer::from_vec(letters.to_ascii_lowercase()),
            texts.nulls().cloned(),
        );
    }
    let mut lowered = StringBuilder::with_capacity(texts.len(), length(texts));
    for text in texts {
        match text {
            None => lowered.append_null(),
            // The one letter whose lower case depends on where it stands.
            Some(text) if text.contains('Σ') => lowered.append_value(text.to_lowercase()),
            Some(text) => {
                for letter in text.chars().flat_map(char::to_lowercase) {
                    lowered
                        .write_char(letter)
                        .map_err(|error| ArrowError::ComputeError(error.to_string()))?;
                }
                lowered.append_value("");
            }
        }
    }
    Ok(lowered.finish())
}

fn start(texts: &StringArray) -> usize {
    texts.value_offsets().first().map_or(0, |start| start.unsigned_abs() as usize)
}

/// Bytes of all texts together.
fn length(texts: &StringArray) -> usize {
    texts.value_offsets().last().map_or(0, |end| end.unsigned_abs() as usize) - start(texts)
}
