//! `${NAME}` and `${file:path}` in the text of a value.

use super::Environment;
use std::{env::VarError, fs::File, io::Read, ops::Range, path::Path};

/// The largest file that a reference may name: certificates fit, a mistyped path to a disk image does not.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A text with its references filled in.
pub(super) struct Interpolated {
    pub(super) text: String,
    /// Whether it had any: what came in must not be shown.
    pub(super) is_foreign: bool,
}

/// A reference that could not be filled in.
pub(super) struct Unresolved {
    /// The reference as it was typed, for finding its place.
    pub(super) reference: String,
    pub(super) message: String,
    pub(super) help: String,
}

/// Fills in every reference; `$${` stands for `${` itself. Relative files are looked for in `folder`. What was filled in
/// is not looked at again.
pub(super) fn interpolate(
    typed: &str,
    environment: &Environment<'_>,
    folder: &Path,
) -> Result<Interpolated, Vec<Unresolved>> {
    let mut text = String::new();
    let mut is_foreign = false;
    let mut unresolved = Vec::new();
    for piece in pieces(typed) {
        match piece {
            Piece::Literal(range) => text.push_str(&typed[range]),
            Piece::Escape => text.push_str("${"),
            Piece::Reference(range) => match resolve(&typed[range], environment, folder) {
                Ok(value) => {
                    text.push_str(&value);
                    is_foreign = true;
                }
                Err(error) => unresolved.push(error),
            },
        }
    }
    if unresolved.is_empty() { Ok(Interpolated { text, is_foreign }) } else { Err(unresolved) }
}

/// The places of the references in a text: they say where a secret comes from, and not what it is.
pub(super) fn references(typed: &str) -> impl Iterator<Item = Range<usize>> {
    pieces(typed).filter_map(|piece| match piece {
        Piece::Reference(range) => Some(range),
        Piece::Literal(_) | Piece::Escape => None,
    })
}

enum Piece {
    Literal(Range<usize>),
    /// `$${`
    Escape,
    /// `${…}`, or `${…` to the end of the text.
    Reference(Range<usize>),
}

fn pieces(typed: &str) -> impl Iterator<Item = Piece> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &typed[at..];
        if rest.is_empty() {
            return None;
        }
        let start = at;
        let piece = if rest.starts_with("$${") {
            at += 3;
            Piece::Escape
        } else if rest.starts_with("${") {
            at += rest.find('}').map_or(rest.len(), |end| end + 1);
            Piece::Reference(start..at)
        } else {
            let first = rest.chars().next().map_or(0, char::len_utf8);
            let next = |mark: &str| rest[first..].find(mark).map(|found| first + found);
            at += next("$${").into_iter().chain(next("${")).min().unwrap_or(rest.len());
            Piece::Literal(start..at)
        };
        Some(piece)
    })
}

fn resolve(reference: &str, environment: &Environment<'_>, folder: &Path) -> Result<String, Unresolved> {
    let fail = |message: String, help: &str| {
        Err(Unresolved { reference: reference.to_owned(), message, help: help.to_owned() })
    };
    let Some(inner) = reference.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
        return fail(
            "a `${` is not closed".to_owned(),
            "close it with `}`, or write `$${` for the text `${` itself",
        );
    };
    if let Some(path) = inner.strip_prefix("file:") {
        return read(&folder.join(path)).or_else(|why| {
            fail(
                format!("cannot read the file `{path}`: {why}"),
                "create it, or correct its path; a relative path starts at the folder of the configuration",
            )
        });
    }
    let is_name = inner.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && inner.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        return fail(
            format!("`{reference}` names neither an environment variable nor a file"),
            "write `${NAME}` or `${file:path}`; there are no defaults in it; write `$${` for the text `${` itself",
        );
    }
    match environment(inner) {
        Ok(value) => Ok(value),
        Err(VarError::NotPresent) => {
            fail(format!("the environment variable `{inner}` is not set"), "set it where hydrant is started")
        }
        Err(VarError::NotUnicode(_)) => fail(
            format!("the environment variable `{inner}` is not UTF-8"),
            "set it to text where hydrant is started",
        ),
    }
}

/// The text of a small file, without the newline that editors put at its end.
fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Err(error) => Err(error.to_string()),
        Ok(bytes) if bytes as u64 > FILE_BYTES_MAX => {
            Err(format!("it is larger than {FILE_BYTES_MAX} bytes"))
        }
        Ok(_) => {
            let line = text.strip_suffix('\n').unwrap_or(&text);
            Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(typed: &str) -> Result<String, Vec<String>> {
        let environment = |name: &str| match name {
            "USER" => Ok("app".to_owned()),
            "NESTED" => Ok("${USER}".to_owned()),
            _ => Err(VarError::NotPresent),
        };
        interpolate(typed, &environment, Path::new("."))
            .map(|filled| filled.text)
            .map_err(|errors| errors.into_iter().map(|error| error.message).collect())
    }

    #[test]
    fn references_are_filled_in_once_and_only_where_they_stand() {
        assert_eq!(filled("plain $ text {x} é"), Ok("plain $ text {x} é".to_owned()));
        assert_eq!(filled("${USER}@${USER}"), Ok("app@app".to_owned()));
        assert_eq!(filled("a$${USER}b"), Ok("a${USER}b".to_owned()));
        assert_eq!(filled("$$${USER}"), Ok("$${USER}".to_owned()));
        assert_eq!(filled("${NESTED}"), Ok("${USER}".to_owned()));
    }

    #[test]
    fn every_reference_that_fails_is_named() {
        let errors = filled("${A} ${USER} ${B:-x} ${file:/no/such} ${C").unwrap_err();
        assert_eq!(errors.len(), 4, "{errors:?}");
        assert_eq!(errors[0], "the environment variable `A` is not set");
        assert_eq!(errors[1], "`${B:-x}` names neither an environment variable nor a file");
        assert!(errors[2].starts_with("cannot read the file `/no/such`: "), "{errors:?}");
        assert_eq!(errors[3], "a `${` is not closed");
    }

    #[test]
    fn only_the_newline_at_the_end_of_a_file_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (held, taken) in [("a b\n", "a b"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a", " a")] {
            std::fs::write(&path, held).unwrap();
            assert_eq!(read(&path), Ok(taken.to_owned()));
        }
        std::fs::write(&path, vec![b'x'; 2 << 20]).unwrap();
        assert_eq!(read(&path), Err("it is larger than 1048576 bytes".to_owned()));
    }
}
