//! The statements that a model becomes, and where a place in one of them is in the model.

use super::column::Column;
use crate::source::{Dialect, Model, excerpt::Mark};

/// A statement that contains a model.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) sql: String,
    /// How many characters stand before the model.
    before: usize,
}

impl Query {
    fn around(start: &str, model: &Model, end: &str) -> Self {
        // On lines of its own: it may end with a comment.
        let start = format!("{start}\n");
        Self { sql: format!("{start}{}\n{end}", model.sql), before: start.chars().count() }
    }

    /// The model itself, with casts to text where its types need them.
    pub(super) fn select(model: &Model, columns: &[Column]) -> Self {
        let Some((start, end)) = wrapping(columns) else {
            return Self { sql: model.sql.clone(), before: 0 };
        };
        Self::around(&start, model, &end)
    }

    /// All its rows as a binary COPY.
    pub(super) fn copy(model: &Model, columns: &[Column]) -> Self {
        let (start, end) = wrapping(columns).unwrap_or_default();
        Self::around(&format!("COPY ({start}"), model, &format!("{end}) TO STDOUT (FORMAT binary)"))
    }

    /// All its rows as a cursor.
    pub(super) fn declare(cursor: &str, model: &Model, columns: &[Column]) -> Self {
        let (start, end) = wrapping(columns).unwrap_or_default();
        Self::around(&format!("DECLARE {cursor} CURSOR FOR {start}"), model, &end)
    }

    /// The word of the model that a position of the statement is about. The server counts characters, from 1.
    pub(super) fn mark(&self, model: &Model, position: u32) -> Option<Mark> {
        let at = usize::try_from(position).ok()?.checked_sub(self.before + 1)?;
        let (mut line, mut column) = (1, 1);
        let mut chars = model.sql.chars();
        for _ in 0..at {
            match chars.next()? {
                '\n' => (line, column) = (line + 1, 1),
                _ => column += 1,
            }
        }
        Some(Mark { line, column, width: width(chars.as_str()) })
    }
}

/// What stands around a model whose columns are cast. Columns are named by position: a model may name two alike, which is
/// somebody else's to refuse.
fn wrapping(columns: &[Column]) -> Option<(String, String)> {
    if columns.iter().all(|column| column.cast.is_none()) {
        return None;
    }
    let name = |at: usize| format!("c{at}");
    let names: Vec<String> = (1..=columns.len()).map(name).collect();
    let selected: Vec<String> = columns
        .iter()
        .zip(&names)
        .map(|(column, name)| {
            let cast = column.cast.map(|to| format!("::pg_catalog.{to}")).unwrap_or_default();
            format!("{name}{cast} AS {}", Dialect::Postgres.column(&column.name))
        })
        .collect();
    Some((
        format!("SELECT {} FROM (", selected.join(", ")),
        format!(") AS hydrant_model ({})", names.join(", ")),
    ))
}

/// How many characters the word or sign has that a text begins with.
fn width(text: &str) -> u64 {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let count = match text.chars().next() {
        Some('"') => text[1..].find('"').map_or(1, |close| text[..close + 2].chars().count()),
        Some('\'') => text[1..].find('\'').map_or(1, |close| text[..close + 2].chars().count()),
        _ => text.chars().take_while(|c| is_word(*c)).count().max(1),
    };
    let line = text.lines().next().unwrap_or_default().chars().count();
    u64::try_from(count.min(line.max(1))).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::{super::column::Kind, *};

    fn model(sql: &str) -> Model {
        Model { sql: sql.to_owned(), ..Model::default() }
    }

    #[test]
    fn a_place_of_the_statement_is_found_in_the_model() {
        let model = model("SELECT id,\n       \"né me\" -- what\nFROM t");
        let cast = [
            Column { name: "id".into(), kind: Kind::Int8, cast: None },
            Column { name: "né \"me".into(), kind: Kind::Text, cast: Some("text") },
        ];
        for query in [
            Query::select(&model, &[]),
            Query::select(&model, &cast),
            Query::copy(&model, &[]),
            Query::copy(&model, &cast),
            Query::declare("c", &model, &cast),
        ] {
            let at = query.sql.find("\"né me\" --").expect("the word");
            let position = query.sql[..at].chars().count() + 1;
            let mark = query.mark(&model, u32::try_from(position).expect("small"));
            assert_eq!(mark, Some(Mark { line: 2, column: 8, width: 7 }), "{}", query.sql);
        }
        assert_eq!(Query::copy(&model, &[]).mark(&model, 3), None, "before the model");
        assert_eq!(Query::select(&model, &[]).mark(&model, 1000), None, "behind it");
    }

    #[test]
    fn only_columns_without_a_form_of_their_own_are_cast() {
        let model = model("TABLE t");
        let columns = [
            Column { name: "id".into(), kind: Kind::Int8, cast: None },
            Column { name: "Took".into(), kind: Kind::Text, cast: Some("text") },
        ];
        assert_eq!(
            Query::copy(&model, &columns).sql,
            "COPY (SELECT c1 AS \"id\", c2::pg_catalog.text AS \"Took\" FROM (\nTABLE t\n) AS hydrant_model (c1, c2)) \
             TO STDOUT (FORMAT binary)"
        );
        assert_eq!(Query::copy(&model, &columns[..1]).sql, "COPY (\nTABLE t\n) TO STDOUT (FORMAT binary)");
    }
}
