//! Where in a query something is wrong, as databases say it.

use crate::source::Model;
use std::fmt::Write;

/// Line and column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Finds the place in a message that ends with the line and a mark below it, as those of Postgres and DuckDB do:
///
/// ```text
/// LINE 2: select nmae
///                ^
/// ```
pub(super) fn marked(message: &str) -> Option<Place> {
    let mut lines = message.lines();
    let shown = lines.by_ref().find(|line| line.starts_with("LINE "))?;
    let mark = lines.next()?;
    let (number, text) = shown.strip_prefix("LINE ")?.split_once(": ")?;
    // A long line is shown in part, and nobody says which.
    if text.starts_with("...") || mark.trim() != "^" {
        return None;
    }
    let before = mark.chars().take_while(|char| *char != '^').count();
    let prefix = shown.chars().count() - text.chars().count();
    Some(Place { line: number.parse().ok()?, column: before.checked_sub(prefix)? + 1 })
}

/// The message without its own picture of the query.
pub(super) fn without_picture(message: &str) -> &str {
    let end = ["\nLINE ", "\n\nQuery was:", "\nquery: ", "\nQuery was:"]
        .iter()
        .filter_map(|mark| message.find(mark))
        .min();
    message[..end.unwrap_or(message.len())].trim_end()
}

/// The place in the model, with its line. `shift` is how many lines stood before the model in what was run.
pub(super) fn picture(model: &Model, place: Option<Place>, shift: usize) -> (String, Option<Place>) {
    let file = model.file.as_ref().map_or_else(|| "query".to_owned(), |file| file.display().to_string());
    let found = place.and_then(|place| {
        let line = place.line.checked_sub(shift)?;
        let text = model.sql.lines().nth(line.checked_sub(1)?)?;
        Some((Place { line, column: place.column }, text))
    });
    let Some((place, text)) = found else { return (format!("\n --> {file}"), None) };
    let number = place.line.to_string();
    let gutter = " ".repeat(number.len());
    // Tabs stay tabs, so that the mark stands below its word however wide they are.
    let indent: String =
        text.chars().take(place.column - 1).map(|char| if char == '\t' { '\t' } else { ' ' }).collect();
    let mut picture = format!("\n{gutter}--> {file}:{number}:{}", place.column);
    let _ = write!(picture, "\n{gutter} |\n{number} | {text}\n{gutter} | {indent}^");
    (picture, Some(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str =
        "Binder Error: no column \"nmae\"\n\nLINE 2:   nmae, id\n          ^\n\nQuery was: select";

    #[test]
    fn the_mark_is_found_and_shown_in_the_model() {
        let place = marked(SAID);
        assert_eq!(place, Some(Place { line: 2, column: 3 }));
        assert_eq!(without_picture(SAID), "Binder Error: no column \"nmae\"");
        let model = Model { sql: "select\n  nmae, id\nfrom t".to_owned(), file: Some("models/t.sql".into()) };
        let (picture, found) = picture(&model, place, 0);
        assert_eq!(picture, "\n --> models/t.sql:2:3\n  |\n2 |   nmae, id\n  |   ^");
        assert_eq!(found, place);
    }

    #[test]
    fn a_place_outside_of_the_model_is_none() {
        let model = Model { sql: "select 1".to_owned(), file: None };
        let place = Place { line: 1, column: 1 };
        assert_eq!(picture(&model, Some(place), 1), ("\n --> query".to_owned(), None));
        assert_eq!(marked("LINE 1: ...a, b\n   ^"), None);
        assert_eq!(marked("no picture"), None);
    }
}
