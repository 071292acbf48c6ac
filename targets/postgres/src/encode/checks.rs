//! Texts that a column cannot hold.

use super::Refused;
use crate::column_type::TextLimit;

/// Whether a column with this limit keeps the text exactly as it is.
pub(super) fn text(text: &str, limit: TextLimit) -> Result<(), Refused> {
    if text.as_bytes().contains(&0) {
        return Err("the text contains the character NUL, which Postgres cannot hold".into());
    }
    match limit {
        TextLimit::None => Ok(()),
        TextLimit::Varchar(max) => length(text, max),
        TextLimit::Char(_) if text.ends_with(' ') => {
            Err("the text ends in a space, which a char(n) column does not keep".into())
        }
        TextLimit::Char(max) => length(text, max),
    }
}

fn length(text: &str, max: usize) -> Result<(), Refused> {
    // As many bytes as characters at the most: most texts need no counting.
    if text.len() > max && text.chars().count() > max {
        return Err(format!("the text is longer than the {max} characters of the column").into());
    }
    Ok(())
}

/// Whether a JSON text contains `\u0000` as an escape (and not as an escaped backslash and `u0000`).
pub(super) fn has_escaped_nul(json: &str) -> bool {
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|b| *b == b'\\') {
        at += found;
        if bytes[at..].starts_with(b"\\u0000") {
            return true;
        }
        at += 2;
        if at > bytes.len() {
            break;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_count_not_bytes() {
        assert!(text("äöü", TextLimit::Varchar(3)).is_ok());
        assert!(text("äöüß", TextLimit::Varchar(3)).is_err());
        assert!(text("a ", TextLimit::Char(3)).is_err());
        assert!(text("a\0", TextLimit::None).is_err());
    }

    #[test]
    fn an_escaped_backslash_hides_nothing() {
        assert!(has_escaped_nul(r#""\u0000""#));
        assert!(has_escaped_nul(r#""\\\u0000""#));
        assert!(!has_escaped_nul(r#""\\u0000""#));
        assert!(!has_escaped_nul("\\"));
    }
}
