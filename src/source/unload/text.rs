//! Pieces of SQL that the statements of all warehouses are made of.

use crate::source::Dialect;

/// The name that a model goes by inside a statement.
pub(super) const MODEL: &str = "hydrant_model";

/// A text in single quotes, with those in it doubled.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A text in single quotes where a backslash begins an escape.
pub(super) fn escaped(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The model as a table: in brackets, on lines of its own, so that a comment at its end ends there.
pub(super) fn table(sql: &str, dialect: Dialect) -> String {
    format!("(\n{}\n) AS {MODEL}", body(sql, dialect))
}

/// A model without the semicolon that may end it, which cannot stand inside another statement. Comments stay.
pub(super) fn body(sql: &str, dialect: Dialect) -> String {
    let sql = sql.trim();
    match last_sign(sql, dialect) {
        Some(at) if sql[at..].starts_with(';') => {
            format!("{}{}", &sql[..at], &sql[at + 1..]).trim_end().to_owned()
        }
        _ => sql.to_owned(),
    }
}

/// Where the last character is that stands neither in a comment nor in a text, nor is white space. `None` if a text or comment
/// that never ends comes last: what is wrong with it the warehouse says best.
fn last_sign(sql: &str, dialect: Dialect) -> Option<usize> {
    let escapes = matches!(dialect, Dialect::BigQuery | Dialect::Snowflake | Dialect::Databricks);
    let (mut at, mut last) = (0, None);
    while let Some(sign) = sql[at..].chars().next() {
        let rest = &sql[at..];
        let is_line_comment = rest.starts_with("--")
            || (rest.starts_with('#') && dialect == Dialect::BigQuery)
            || (rest.starts_with("//") && dialect == Dialect::Snowflake);
        let end = if is_line_comment {
            Some(rest.find('\n').unwrap_or(rest.len()))
        } else if let Some(comment) = rest.strip_prefix("/*") {
            Some(comment.find("*/")? + 4)
        } else if let Some(quoted) = rest.strip_prefix("$$") {
            last = Some(at);
            Some(quoted.find("$$")? + 4)
        } else if matches!(sign, '\'' | '"' | '`') {
            last = Some(at);
            Some(end_of_quoted(rest, sign, escapes)?)
        } else {
            if !sign.is_whitespace() {
                last = Some(at);
            }
            None
        };
        at += end.unwrap_or(sign.len_utf8());
    }
    last
}

/// The length of a quoted piece at the start of this text. A doubled quote reads as the end of one and the start of the next.
fn end_of_quoted(rest: &str, quote: char, escapes: bool) -> Option<usize> {
    let mut signs = rest.char_indices().skip(1);
    while let Some((at, sign)) = signs.next() {
        if sign == '\\' && escapes {
            signs.next();
        } else if sign == quote {
            return Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_semicolon_that_ends_the_model_is_taken_away() {
        for (sql, inside) in [
            ("SELECT 1", "SELECT 1"),
            ("  SELECT 1 ;\n", "SELECT 1"),
            ("SELECT 1; -- all of it", "SELECT 1 -- all of it"),
            ("SELECT 1 -- so; it ends;", "SELECT 1 -- so; it ends;"),
            ("SELECT ';'", "SELECT ';'"),
            ("SELECT 'it''s;'", "SELECT 'it''s;'"),
            ("SELECT 1 AS \"a;\";", "SELECT 1 AS \"a;\""),
            ("SELECT 1; /* ; */\n", "SELECT 1 /* ; */"),
            ("SELECT $$;$$;", "SELECT $$;$$"),
            ("SELECT 1; SELECT 2", "SELECT 1; SELECT 2"),
            ("SELECT 'never ends;", "SELECT 'never ends;"),
            ("SELECT 'ü'; -- ü", "SELECT 'ü' -- ü"),
        ] {
            assert_eq!(body(sql, Dialect::DuckDb), inside, "{sql}");
        }
        assert_eq!(body(r"SELECT '\';'; # '", Dialect::BigQuery), r"SELECT '\';' # '");
        assert_eq!(body(r"SELECT '\';", Dialect::DuckDb), r"SELECT '\'");
        assert_eq!(body("SELECT 1; // ;", Dialect::Snowflake), "SELECT 1 // ;");
    }

    #[test]
    fn a_model_in_brackets_ends_where_its_comment_does() {
        assert_eq!(table("SELECT 1 -- one", Dialect::DuckDb), "(\nSELECT 1 -- one\n) AS hydrant_model");
    }

    #[test]
    fn texts_end_where_they_should() {
        assert_eq!(literal(r"it's \ here"), r"'it''s \ here'");
        assert_eq!(escaped(r"it's \ here"), r"'it\'s \\ here'");
    }
}
