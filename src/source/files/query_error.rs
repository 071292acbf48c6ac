//! What is wrong with a query, with the place in it.

use crate::source::{
    Model, SourceError, SourceErrorKind,
    excerpt::{self, Mark},
};
use datafusion::{
    common::{Column, Diagnostic, Location, SchemaError, Span},
    error::DataFusionError,
    sql::sqlparser::{
        dialect::GenericDialect,
        tokenizer::{Token, TokenWithSpan, Tokenizer},
    },
};
/// How many names a message lists at most.
const NAMES_MAX: usize = 20;

/// How alike a name must be to be suggested, from 0 to 1 (Jaro-Winkler): `acount_id` for `account_id` is 0.97, other words
/// of the same table rarely reach 0.8.
const LIKENESS_MIN: f64 = 0.8;

/// An error of a query at a place in it, with what may help.
pub(super) fn query_error(model: &Model, message: &str, at: Option<Span>, help: &[String]) -> SourceError {
    let mark = at.map(|at| Mark {
        line: at.start.line,
        column: at.start.column,
        width: if at.end.line == at.start.line { at.end.column.saturating_sub(at.start.column) } else { 1 },
    });
    excerpt::query_error(SourceErrorKind::Query, model, message, mark, help)
}

/// An error of the engine while it understood or planned the query.
pub(super) fn planning_error(model: &Model, error: &DataFusionError) -> SourceError {
    let error = error.iter().next().unwrap_or(error);
    let diagnostic = error.diagnostic();
    let span = diagnostic.and_then(|diagnostic| diagnostic.span);
    let root = error.find_root();
    match root {
        DataFusionError::SQL(parser, _) => {
            let (message, at) = parser_message(&parser.to_string());
            // Only where the query ends too early the parser names no place.
            let at = at.map(|at| word_at(&model.sql, at)).or_else(|| end(&model.sql));
            query_error(model, &message, at, &[])
        }
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => {
                let at = span.or_else(|| find_word(&model.sql, &field.name));
                let message = format!("there is no column {}", field.flat_name());
                query_error(model, &message, at, &other_columns(field, valid_fields))
            }
            SchemaError::AmbiguousReference { field } => {
                let at = span.or_else(|| find_word(&model.sql, &field.name));
                let help = "write the table's name or alias before it".to_owned();
                query_error(model, &format!("column {} is in more than one table", field.name), at, &[help])
            }
            other => query_error(model, &other.to_string(), span, &[]),
        },
        DataFusionError::ResourcesExhausted(_) | DataFusionError::Internal(_) => {
            super::error::data_error(error)
        }
        _ => {
            let message =
                diagnostic.map_or_else(|| super::error::innermost(error), |found| found.message.clone());
            let (first, help) = message_and_help(&message, diagnostic);
            query_error(model, &first, span, &help)
        }
    }
}

/// What the parser says, without its prefix and with the position taken off its end.
fn parser_message(text: &str) -> (String, Option<Location>) {
    let text = text.trim_start_matches("sql parser error: ");
    let (text, at) = match text.rsplit_once(" at Line: ") {
        Some((before, place)) => {
            let at = place.split_once(", Column: ").and_then(|(line, column)| {
                let digits = |text: &str| {
                    text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
                };
                Some(Location { line: digits(line)?, column: digits(column)? })
            });
            (before, at)
        }
        None => (text, None),
    };
    let text = text.replace("Expected: ", "expected ").replace("found: ", "found ");
    (uncapitalised(&text.replace("found EOF", "found the end of the query")), at)
}

/// The first line of the engine's message, and what it or its diagnostic add as help.
fn message_and_help(message: &str, diagnostic: Option<&Diagnostic>) -> (String, Vec<String>) {
    let mut lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    // Some messages end with the parser's own picture of the query.
    let first = if first.contains("span: Span(") { first.split(" {").next().unwrap_or(first) } else { first };
    let first = first.trim_end_matches('.').to_owned();
    let mut help: Vec<String> = lines.map(uncapitalised).collect();
    let helps = diagnostic.iter().flat_map(|found| found.helps.iter().map(|help| help.message.as_str()));
    let notes = diagnostic.iter().flat_map(|found| found.notes.iter().map(|note| note.message.as_str()));
    for more in helps.chain(notes).map(uncapitalised) {
        help.push(match more.strip_prefix("possible function ") {
            Some(function) => format!("did you mean {function}?"),
            None => more,
        });
    }
    (uncapitalised(&first), help)
}

/// The text with a small first letter, unless its first word is written in capitals.
fn uncapitalised(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text.to_owned(),
    }
}

fn other_columns(field: &Column, valid: &[Column]) -> Vec<String> {
    let names: Vec<&str> = valid.iter().map(|column| column.name.as_str()).collect();
    let mut help = Vec::new();
    if let Some(near) = nearest(&field.name, &names) {
        let case = near.eq_ignore_ascii_case(&field.name);
        help.push(format!("did you mean {near}?{}", if case { " Upper and lower case count" } else { "" }));
    }
    if !names.is_empty() {
        help.push(format!("the columns are {}", list(&names)));
    }
    help
}

/// The name that was probably meant.
pub(super) fn nearest<'a>(written: &str, names: &[&'a str]) -> Option<&'a str> {
    let likeness = |name: &str| strsim::jaro_winkler(&written.to_lowercase(), &name.to_lowercase());
    let best = names.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= LIKENESS_MIN).then_some(best)
}

/// Names, not too many of them.
pub(super) fn list(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(NAMES_MAX) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}

/// Where a word stands first in a query.
pub(super) fn find_word(sql: &str, word: &str) -> Option<Span> {
    tokens(sql)
        .find(|token| matches!(&token.token, Token::Word(found) if found.value == word))
        .and_then(|t| span(&t))
}

/// Where the query begins, behind comments.
pub(super) fn start(sql: &str) -> Option<Span> {
    tokens(sql).find(|token| !matches!(token.token, Token::Whitespace(_))).and_then(|token| span(&token))
}

/// Where the query ends: behind its last word or sign.
fn end(sql: &str) -> Option<Span> {
    let last =
        tokens(sql).filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF)).last()?;
    let at = span(&last)?.end;
    Some(Span { start: at, end: Location { line: at.line, column: at.column + 1 } })
}

/// Where a second statement begins.
pub(super) fn second_statement(sql: &str) -> Option<Span> {
    let tokens = tokens(sql).filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    let behind = tokens.skip_while(|token| token.token != Token::SemiColon);
    behind.skip_while(|token| token.token == Token::SemiColon).find_map(|token| span(&token))
}

/// The word at a place; one character if there is none.
fn word_at(sql: &str, at: Location) -> Span {
    let word =
        tokens(sql).find(|token| token.span.start.line == at.line && token.span.start.column == at.column);
    word.and_then(|token| span(&token))
        .unwrap_or(Span { start: at, end: Location { line: at.line, column: at.column + 1 } })
}

fn span(token: &TokenWithSpan) -> Option<Span> {
    Span::try_from_sqlparser_span(token.span)
}

/// The words and signs of a query, as far as it can be cut into them.
fn tokens(sql: &str) -> impl Iterator<Item = TokenWithSpan> {
    let mut tokens = Vec::new();
    // What comes before an unclosed quote is still there after the error.
    let _ = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location_into_buf(&mut tokens);
    tokens.into_iter()
}
