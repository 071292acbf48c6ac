//! Errors of a query, with the line of the model that they are about.

use super::{Model, SourceError, SourceErrorKind};
use std::fmt::Write;

/// A place in a query: where it begins, in lines and characters from 1, and how many characters it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) line: u64,
    pub(super) column: u64,
    pub(super) width: u64,
}

/// An error at a place in a query, with what may help.
pub(super) fn query_error(
    kind: SourceErrorKind,
    model: &Model,
    message: &str,
    at: Option<Mark>,
    help: &[String],
) -> SourceError {
    let mut text = message.to_owned();
    let file = model.file.as_ref().map_or_else(|| "query".to_owned(), |file| file.display().to_string());
    let found = at.and_then(|at| {
        let line = model.sql.lines().nth(usize::try_from(at.line).ok()?.checked_sub(1)?)?;
        Some((at, line))
    });
    match found {
        Some((at, line)) => {
            let number = at.line.to_string();
            let gutter = " ".repeat(number.len());
            let column = usize::try_from(at.column).unwrap_or(1).max(1);
            // Tabs stay tabs, so that the mark stands below its word however wide they are.
            let indent: String =
                line.chars().take(column - 1).map(|char| if char == '\t' { '\t' } else { ' ' }).collect();
            let mark = "^".repeat(usize::try_from(at.width).unwrap_or(1).max(1));
            let _ = write!(text, "\n{gutter}--> {file}:{number}:{column}");
            let _ = write!(text, "\n{gutter} |\n{number} | {line}\n{gutter} | {indent}{mark}");
            for line in help {
                let _ = write!(text, "\n{gutter} = {line}");
            }
        }
        None => {
            let _ = write!(text, "\n --> {file}");
            for line in help {
                let _ = write!(text, "\n  = {line}");
            }
        }
    }
    let position = found.map(|(at, _)| (model.file.clone(), at.line, at.column));
    SourceError { kind, message: text, position }
}
