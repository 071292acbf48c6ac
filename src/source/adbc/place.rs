//! Where in a query something is wrong, as databases say it.

use crate::source::Model;
use std::fmt::Write;

/// Line and column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// The place as a message shows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Marked<'a> {
    /// The number of the line, from 1.
    line: usize,
    /// The line, or a part of it: long ones are cut at both ends.
    shown: &'a str,
    /// How many characters of what is shown stand before the mark.
    before: usize,
}

/// Finds the place in a message that ends with the line and a mark below it, as those of Postgres and DuckDB do:
///
/// ```text
/// LINE 2: select nmae
///                ^
/// ```
pub(super) fn marked(message: &str) -> Option<Marked<'_>> {
    let mut lines = message.lines();
    let picture = lines.by_ref().find(|line| line.starts_with("LINE "))?;
    let mark = lines.next().filter(|mark| mark.trim() == "^")?;
    let (number, text) = picture.strip_prefix("LINE ")?.split_once(": ")?;
    let shown = text.strip_prefix("...").unwrap_or(text);
    let prefix = picture.chars().count() - shown.chars().count();
    let before = mark.chars().take_while(|char| *char != '^').count().checked_sub(prefix)?;
    Some(Marked { line: number.parse().ok()?, shown: shown.strip_suffix("...").unwrap_or(shown), before })
}

impl Marked<'_> {
    /// The place in the query's own line.
    fn in_line(&self, line: &str) -> Option<usize> {
        let at = line.find(self.shown)?;
        let column = line[..at].chars().count() + self.before;
        // Some count a tab as nothing.
        let spaces = line.chars().skip(column).take_while(|char| char.is_whitespace()).count();
        Some(column + spaces + 1)
    }
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
pub(super) fn picture(model: &Model, marked: Option<Marked<'_>>, shift: usize) -> (String, Option<Place>) {
    let file = model.file.as_ref().map_or_else(|| "query".to_owned(), |file| file.display().to_string());
    let found = marked.and_then(|marked| {
        let line = marked.line.checked_sub(shift)?;
        let text = model.sql.lines().nth(line.checked_sub(1)?)?;
        Some((Place { line, column: marked.in_line(text)? }, text))
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

    fn model(sql: &str) -> Model {
        Model { sql: sql.to_owned(), file: Some("models/t.sql".into()), ..Model::default() }
    }

    #[test]
    fn the_mark_is_found_and_shown_in_the_model() {
        assert_eq!(without_picture(SAID), "Binder Error: no column \"nmae\"");
        let (picture, found) = picture(&model("select\n  nmae, id\nfrom t"), marked(SAID), 0);
        assert_eq!(picture, "\n --> models/t.sql:2:3\n  |\n2 |   nmae, id\n  |   ^");
        assert_eq!(found, Some(Place { line: 2, column: 3 }));
    }

    #[test]
    fn a_line_that_is_shown_in_part_is_found_again() {
        let sql = format!("select {} nmae from t", "1, ".repeat(50));
        let said = "no column\nLINE 1: ... 1, 1,  nmae fro...\n                   ^";
        let (_, found) = picture(&model(&sql), marked(said), 0);
        let column = sql.find("nmae").unwrap() + 1;
        // Where the same words stand more than once, the first is as good as another.
        assert!(found.is_some_and(|found| found.line == 1 && found.column <= column), "{found:?}");
    }

    #[test]
    fn a_tab_is_passed_over() {
        let (_, found) = picture(&model("\tnmae"), marked("LINE 1: \tnmae\n        ^"), 0);
        assert_eq!(found, Some(Place { line: 1, column: 2 }));
    }

    #[test]
    fn a_place_outside_of_the_model_is_none() {
        let outside = marked("LINE 1: select 1\n        ^");
        assert!(outside.is_some());
        assert_eq!(picture(&model("select 1"), outside, 1), ("\n --> models/t.sql".to_owned(), None));
        assert_eq!(marked("no picture"), None);
    }
}
