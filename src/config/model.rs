//! The query of a sync: read from its file, and looked at only so far as to know that it is one statement.

use super::{
    check::Project,
    reader::{At, Reader},
    relation::is_relation,
    value::Text,
};
use crate::source::Model;
use std::fs;

/// The query that a `model` names or holds.
///
/// Which of its forms it has is decided by the text, in this order: `ref(…)` and `source(…)` are of dbt; what ends in
/// `.sql` is a file; what can be the name of a table is one, unless a file lies there; what has a blank in it is SQL.
pub(super) fn model(model: &At<Text>, dbt: &Project, reader: &mut Reader<'_>) -> Option<Model> {
    if let Some(node) = dbt.model(model, reader) {
        let node = node?;
        return Some(Model { sql: whole(&node.relation), file: None, dbt: Some(node) });
    }
    let Text { text, typed, .. } = &model.value;
    let trimmed = text.trim();
    if !text.contains('\n') && text.ends_with(".sql") {
        return of_file(model, reader);
    }
    // A misspelt ending would be a table that is not there.
    let is_file = || !trimmed.contains(char::is_whitespace) && reader.folder.join(trimmed).is_file();
    if is_relation(trimmed) && !is_file() {
        return Some(Model { sql: whole(trimmed), ..Model::default() });
    }
    if trimmed.contains(char::is_whitespace) {
        let sql = one_statement(text, "the model", model, reader)?;
        return Some(Model { sql, ..Model::default() });
    }
    let help = if trimmed.contains(['/', '\\']) || is_file() {
        "the name of a file of SQL ends in `.sql`".to_owned()
    } else {
        "write the name of a table, of a file that ends in `.sql`, a query (`select * from …`), or a model of dbt \
         (`ref('…')`)"
            .to_owned()
    };
    reader.problem(&model.span, format!("the model `{typed}` is no table, no file of SQL and no SQL"), help);
    None
}

/// All of a table, whose name stands as it was given.
fn whole(relation: &str) -> String {
    format!("SELECT * FROM {relation}")
}

fn of_file(model: &At<Text>, reader: &mut Reader<'_>) -> Option<Model> {
    let Text { text, typed, .. } = &model.value;
    let file = reader.folder.join(text);
    let sql = match fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) => {
            let help =
                "a model that ends in `.sql` is a file; its path starts at the folder of the configuration";
            reader.problem(&model.span, format!("cannot read the model `{typed}`: {error}"), help.to_owned());
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
    let sql = sql.strip_prefix('\u{feff}').unwrap_or(&sql);
    let sql = one_statement(sql, &format!("the model `{typed}`"), model, reader)?;
    Some(Model { sql, file: Some(file), dbt: None })
}

/// The one statement of a text, which messages call `place`.
fn one_statement(sql: &str, place: &str, model: &At<Text>, reader: &mut Reader<'_>) -> Option<String> {
    let (message, help) = match statement(sql) {
        Ok(statement) => return Some(statement.to_owned()),
        Err(NotOne::Empty) => (format!("{place} holds no statement"), "write a query"),
        Err(NotOne::Several { line }) => (
            format!("{place} holds several statements: the second begins in its line {line}"),
            "a model is one query; make each its own sync",
        ),
        Err(NotOne::Jinja { line }) => (
            format!("{place} holds Jinja, in its line {line}: only dbt can make SQL of it"),
            "let dbt build it, and name what it has built: `model: ref('…')`",
        ),
    };
    reader.problem(&model.span, message, help.to_owned());
    None
}

#[derive(Debug, PartialEq, Eq)]
enum NotOne {
    Empty,
    /// The second statement begins in this line of the model, counted from 1.
    Several {
        line: usize,
    },
    /// It is a template of dbt's, as this line shows.
    Jinja {
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
        } else if is_jinja(rest) {
            return Err(NotOne::Jinja { line: sql[..at].matches('\n').count() + 1 });
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

/// Whether a text begins with a call or a statement of dbt's templates. Two braces alone may be SQL: DuckDB has maps.
fn is_jinja(text: &str) -> bool {
    if text.starts_with("{%") {
        return true;
    }
    let Some(inner) = text.strip_prefix("{{") else { return false };
    let inner = inner.strip_prefix('-').unwrap_or(inner).trim_start();
    ["ref", "source", "config", "var", "env_var", "this"].iter().any(|word| {
        inner.strip_prefix(word).is_some_and(|rest| rest.trim_start().starts_with(['(', '}', '-', '.']))
    })
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
            ("select *\nfrom {{ ref('customers') }}", Err(NotOne::Jinja { line: 2 })),
            ("{%- set x = 1 %} select 1", Err(NotOne::Jinja { line: 1 })),
            ("{{config(materialized='table')}}", Err(NotOne::Jinja { line: 1 })),
            (
                "select '{{ ref(1) }}', map {{'a': 1}: 2} -- {{ ref('x') }}",
                Ok("select '{{ ref(1) }}', map {{'a': 1}: 2} -- {{ ref('x') }}"),
            ),
            ("select 1; ;\n\n-- then\ndrop table t", Err(NotOne::Several { line: 4 })),
        ] {
            assert_eq!(statement(sql), expected, "{sql}");
        }
    }
}
