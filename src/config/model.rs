//! The query of a sync: read from its file, and looked at only so far as to know that it is one statement.

use super::{
    reader::{At, Reader},
    value::Text,
};
use crate::source::Model;
use std::fs;

/// The query that a `model` names or holds.
pub(super) fn model(model: &At<Text>, reader: &mut Reader<'_>) -> Option<Model> {
    let Text { text, typed, .. } = &model.value;
    let is_file = !text.contains('\n') && text.ends_with(".sql");
    let (sql, file, place) = if is_file {
        let file = reader.folder.join(text);
        let sql = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) => {
                let help = "a model that ends in `.sql` is a file; its path starts at the folder of the configuration";
                reader.problem(
                    &model.span,
                    format!("cannot read the model `{typed}`: {error}"),
                    help.to_owned(),
                );
                return None;
            }
        };
        let Ok(sql) = String::from_utf8(sql) else {
            reader.problem(
                &model.span,
                format!("the model `{typed}` is not UTF-8"),
                "save it as UTF-8".to_owned(),
            );
            return None;
        };
        let sql = sql.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(sql);
        (sql, Some(file), format!("the model `{typed}`"))
    } else if text.trim().contains(char::is_whitespace) {
        (text.clone(), None, "the model".to_owned())
    } else {
        let help = "write the name of a file that ends in `.sql`, or a query: `select * from …`";
        reader.problem(
            &model.span,
            format!("the model `{typed}` is neither a file of SQL nor SQL"),
            help.to_owned(),
        );
        return None;
    };
    match statement(&sql) {
        Ok(statement) => Some(Model { sql: statement.to_owned(), file }),
        Err(NotOne::Empty) => {
            reader.problem(&model.span, format!("{place} holds no statement"), "write a query".to_owned());
            None
        }
        Err(NotOne::Several { line }) => {
            let message = format!("{place} holds several statements: the second begins in its line {line}");
            reader.problem(&model.span, message, "a model is one query; make each its own sync".to_owned());
            None
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum NotOne {
    Empty,
    /// The second statement begins in this line of the model, counted from 1.
    Several {
        line: usize,
    },
}

/// The one statement of a text, without the semicolon after it. Whether it is good SQL is for the source to say: here
/// only comments and quoted texts are told from the rest.
fn statement(sql: &str) -> Result<&str, NotOne> {
    let mut end = None;
    let mut is_empty = true;
    let mut at = 0;
    while let Some(c) = sql[at..].chars().next() {
        let rest = &sql[at..];
        let length = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if c.is_whitespace() {
            c.len_utf8()
        } else if c == ';' {
            if !is_empty {
                end = end.or(Some(at));
            }
            1
        } else if end.is_some() {
            return Err(NotOne::Several { line: sql[..at].matches('\n').count() + 1 });
        } else {
            is_empty = false;
            match c {
                // A doubled quote inside ends one text and begins the next.
                '\'' | '"' | '`' => rest[1..].find(c).map_or(rest.len(), |close| close + 2),
                _ => c.len_utf8(),
            }
        };
        at += length;
    }
    if is_empty { Err(NotOne::Empty) } else { Ok(&sql[..end.unwrap_or(sql.len())]) }
}

/// The length of the comment that a text begins with; comments may stand in comments.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_is_told_from_none_and_several() {
        for (sql, expected) in [
            ("select 1", Ok("select 1")),
            ("select 1;\n", Ok("select 1")),
            ("select ';' as \"a;b\" -- ;x\n;; -- end", Ok("select ';' as \"a;b\" -- ;x\n")),
            ("select 'it''s; ok'", Ok("select 'it''s; ok'")),
            ("select 1 /* ; /* ; */ x */ ;", Ok("select 1 /* ; /* ; */ x */ ")),
            ("-- é\nselect 'é'", Ok("-- é\nselect 'é'")),
            ("", Err(NotOne::Empty)),
            (" ;; -- nothing\n /* at all", Err(NotOne::Empty)),
            ("select 1;\nselect 2", Err(NotOne::Several { line: 2 })),
            ("select 1; ;\n\n-- then\ndrop table t", Err(NotOne::Several { line: 4 })),
        ] {
            assert_eq!(statement(sql), expected, "{sql}");
        }
    }
}
