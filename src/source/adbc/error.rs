//! What a driver says when it fails, in words for whoever runs the query.
//!
//! No message has a secret in it, and none a value of a row: logs travel further than the data may.

use super::{
    place::{marked, picture, without_picture},
    scrub::Scrub,
    session::Sessions,
};
use crate::source::{Model, SourceError, SourceErrorKind};
use adbc_core::error::{Error, Status};
use arrow::error::ArrowError;

/// How much of a driver's message is shown, in characters: some append whole traces.
const MESSAGE_LENGTH_MAX: usize = 1000;

/// What was being done, for messages.
pub(super) struct Told<'a> {
    scrub: &'a Scrub,
    warehouse: &'static str,
    doing: &'a str,
    /// The model, and how many lines stood before it in what was run.
    model: Option<(&'a Model, usize)>,
}

/// The driver's thread has ended without a word.
pub(super) fn died() -> SourceError {
    SourceError {
        kind: SourceErrorKind::Broken,
        message: "running the query: the ADBC driver has died in the middle of it".to_owned(),
        position: None,
    }
}

impl<'a> Told<'a> {
    pub(super) fn of(sessions: &'a Sessions, doing: &'a str) -> Self {
        Self { scrub: sessions.scrub(), warehouse: sessions.spec().warehouse.name(), doing, model: None }
    }

    pub(super) fn with(self, model: &'a Model, shift: usize) -> Self {
        Self { model: Some((model, shift)), ..self }
    }

    /// A text without secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        self.scrub.clean(text)
    }

    /// An error before there was a connection.
    pub(super) fn connecting(&self, error: &Error) -> SourceError {
        self.beginning(&format!("connecting to {}", self.warehouse), error)
    }

    /// A setting of the session that the warehouse does not take.
    pub(super) fn setting(&self, name: &str, error: &Error) -> SourceError {
        self.beginning(&format!("connecting to {}: setting {name}", self.warehouse), error)
    }

    fn beginning(&self, doing: &str, error: &Error) -> SourceError {
        let kind = match kind(error) {
            // There is no query yet that could be wrong.
            SourceErrorKind::Query | SourceErrorKind::Data => SourceErrorKind::Broken,
            other => other,
        };
        let message = format!("{doing}: {}{}", self.shown(&error.message, kind), code(error));
        SourceError { kind, message, position: None }
    }

    /// An option of a statement that the driver does not take.
    pub(super) fn option(&self, name: &str, error: &Error) -> SourceError {
        let message = self.shown(&error.message, SourceErrorKind::Broken);
        let message = format!("{}: the driver does not take its option {name}: {message}", self.doing);
        SourceError { kind: SourceErrorKind::Broken, message, position: None }
    }

    /// An error of a query.
    pub(super) fn query(&self, error: &Error) -> SourceError {
        self.failed(&error.message, kind(error), &code(error))
    }

    /// An error in the middle of the rows, of which drivers give the text only.
    pub(super) fn reading(&self, error: &ArrowError) -> SourceError {
        let text = match error {
            ArrowError::CDataInterface(text) => text.clone(),
            other => other.to_string(),
        };
        let kind = by_words(&text).unwrap_or(SourceErrorKind::Broken);
        self.failed(&text, kind, "")
    }

    /// Rows that are not what Arrow rows must be.
    pub(super) fn invalid(&self, column: &str, error: &ArrowError) -> SourceError {
        let said = error.to_string();
        let message = if said.contains("UTF-8") || said.contains("UTF8") || said.contains("utf8") {
            format!("{}: column {column} has text that is not UTF-8", self.doing)
        } else {
            format!(
                "{}: the driver's rows are broken in column {column}: {}",
                self.doing,
                first_sentence(&said)
            )
        };
        SourceError { kind: SourceErrorKind::Data, message, position: None }
    }

    /// The query was not wanted any more before it began.
    pub(super) fn cancelled(&self) -> SourceError {
        let message = format!("{}: cancelled", self.doing);
        SourceError { kind: SourceErrorKind::Broken, message, position: None }
    }

    fn failed(&self, said: &str, kind: SourceErrorKind, code: &str) -> SourceError {
        let mut message = format!("{}: {}{code}", self.doing, self.shown(said, kind));
        let mut position = None;
        let is_of_model =
            matches!(kind, SourceErrorKind::Query | SourceErrorKind::Missing | SourceErrorKind::Data);
        if let Some((model, shift)) = self.model.filter(|_| is_of_model) {
            let (picture, place) = picture(model, marked(said), shift);
            message.push_str(&picture);
            position = place.and_then(|place| {
                let file = model.file.clone();
                Some((file, u64::try_from(place.line).ok()?, u64::try_from(place.column).ok()?))
            });
        }
        SourceError { kind, message, position }
    }

    /// The driver's words as they may be shown.
    fn shown(&self, said: &str, kind: SourceErrorKind) -> String {
        let mut text = without_picture(said).trim();
        for prefix in PREFIXES {
            text = text.strip_prefix(prefix).unwrap_or(text).trim_start();
        }
        let mut text = self.scrub.clean(text);
        if kind == SourceErrorKind::Data {
            text = without_values(&text);
        }
        if let Some((end, _)) = text.char_indices().nth(MESSAGE_LENGTH_MAX) {
            text.truncate(end);
            text.push('…');
        }
        if text.is_empty() { "the driver says nothing more".to_owned() } else { text.replace("\n\n", "\n") }
    }
}

/// How drivers name themselves before what they say.
const PREFIXES: &[&str] = &[
    "[libpq]",
    "[SQLite]",
    "[Snowflake]",
    "[FlightSQL]",
    "Execution error [PGRES_FATAL_ERROR]:",
    "Failed to prepare query:",
    "Failed to execute query:",
    "could not begin COPY:",
    "ERROR:",
];

/// The first sentence of a message.
pub(super) fn first_sentence(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_end_matches('.')
}

/// The SQLSTATE, if the driver gives one.
fn code(error: &Error) -> String {
    sqlstate(error).map(|state| format!(" (SQLSTATE {state})")).unwrap_or_default()
}

fn sqlstate(error: &Error) -> Option<String> {
    let state: String = error.sqlstate.iter().map(|&c| char::from(c.cast_unsigned())).collect();
    (state.chars().all(|c| c.is_ascii_alphanumeric()) && state != "00000").then_some(state)
}

/// What the caller can do: by SQLSTATE, which says it best; by the status, where that says it; otherwise by the words.
fn kind(error: &Error) -> SourceErrorKind {
    use SourceErrorKind as K;
    if let Some(kind) = sqlstate(error).and_then(|state| by_sqlstate(&state)) {
        return kind;
    }
    let words = || by_words(&error.message);
    match error.status {
        Status::Unauthenticated | Status::Unauthorized => K::Denied,
        Status::Timeout => K::Unreachable,
        Status::IO => words().unwrap_or(K::Unreachable),
        Status::NotFound => words().unwrap_or(K::Missing),
        Status::InvalidData | Status::Integrity => words().unwrap_or(K::Data),
        // Also what one would not guess: several drivers say so of queries, of logins and of servers that are away.
        Status::InvalidArguments | Status::AlreadyExists => words().unwrap_or(K::Query),
        Status::Ok | Status::Unknown | Status::Internal | Status::InvalidState | Status::NotImplemented => {
            words().unwrap_or(K::Broken)
        }
        Status::Cancelled => K::Broken,
    }
}

fn by_sqlstate(state: &str) -> Option<SourceErrorKind> {
    use SourceErrorKind as K;
    Some(match (state, &state[..2]) {
        ("42501", _) | (_, "28") => K::Denied,
        ("42P01" | "42S02" | "3D000" | "3F000" | "02000", _) => K::Missing,
        ("57014", _) => K::Broken,
        (_, "08" | "53" | "57" | "58") => K::Unreachable,
        (_, "22") => K::Data,
        (_, "42" | "0A" | "34" | "26") => K::Query,
        _ => return None,
    })
}

/// By what drivers without codes write, the first that is found.
fn by_words(message: &str) -> Option<SourceErrorKind> {
    let lower = message.to_lowercase();
    WORDS.iter().find(|(words, _)| lower.contains(words)).map(|(_, kind)| *kind)
}

/// What drivers write, in lower case, with what it means.
const WORDS: &[(&str, SourceErrorKind)] = &[
    // Logins and rights.
    ("authentication failed", SourceErrorKind::Denied),
    ("authentication token", SourceErrorKind::Denied),
    ("incorrect username or password", SourceErrorKind::Denied),
    ("no password supplied", SourceErrorKind::Denied),
    ("permission denied", SourceErrorKind::Denied),
    ("permission error", SourceErrorKind::Denied),
    ("access denied", SourceErrorKind::Denied),
    ("accessdenied", SourceErrorKind::Denied),
    ("unauthenticated", SourceErrorKind::Denied),
    ("unauthorized", SourceErrorKind::Denied),
    ("not authorized", SourceErrorKind::Denied),
    ("insufficient privileges", SourceErrorKind::Denied),
    ("invalid access token", SourceErrorKind::Denied),
    ("invalid_grant", SourceErrorKind::Denied),
    ("http 403", SourceErrorKind::Denied),
    ("http 401", SourceErrorKind::Denied),
    ("(401)", SourceErrorKind::Denied),
    ("(403)", SourceErrorKind::Denied),
    ("error 403", SourceErrorKind::Denied),
    ("error 401", SourceErrorKind::Denied),
    // Ended from outside.
    ("interrupt", SourceErrorKind::Broken),
    ("canceling statement", SourceErrorKind::Broken),
    ("out of memory", SourceErrorKind::Broken),
    ("options were not recognized", SourceErrorKind::Broken),
    ("unrecognized configuration parameter", SourceErrorKind::Broken),
    // DuckDB says what kind of error it is.
    ("parser error", SourceErrorKind::Query),
    ("syntax error", SourceErrorKind::Query),
    ("binder error", SourceErrorKind::Query),
    ("table with name", SourceErrorKind::Missing),
    ("no files found", SourceErrorKind::Missing),
    ("catalog error", SourceErrorKind::Query),
    ("conversion error", SourceErrorKind::Data),
    ("out of range error", SourceErrorKind::Data),
    ("invalid input error", SourceErrorKind::Data),
    ("invalid input syntax", SourceErrorKind::Data),
    ("division by zero", SourceErrorKind::Data),
    ("out of range", SourceErrorKind::Data),
    ("invalid type error", SourceErrorKind::Query),
    ("not implemented error", SourceErrorKind::Query),
    // Databases and tables that are not there.
    ("no such file", SourceErrorKind::Missing),
    ("database does not exist", SourceErrorKind::Missing),
    ("no such table", SourceErrorKind::Missing),
    ("table not found", SourceErrorKind::Missing),
    ("not found: table", SourceErrorKind::Missing),
    ("not found: dataset", SourceErrorKind::Missing),
    ("does not exist or not authorized", SourceErrorKind::Missing),
    ("table_or_view_not_found", SourceErrorKind::Missing),
    ("relation", SourceErrorKind::Missing),
    ("no such column", SourceErrorKind::Query),
    ("invalid identifier", SourceErrorKind::Query),
    ("sql compilation error", SourceErrorKind::Query),
    // Servers and files that others have, and lines that are cut.
    ("could not set lock", SourceErrorKind::Unreachable),
    ("database is locked", SourceErrorKind::Unreachable),
    ("connection", SourceErrorKind::Unreachable),
    ("broken pipe", SourceErrorKind::Unreachable),
    ("reset by peer", SourceErrorKind::Unreachable),
    ("could not receive data", SourceErrorKind::Unreachable),
    ("could not translate host name", SourceErrorKind::Unreachable),
    ("no such host", SourceErrorKind::Unreachable),
    ("unexpected eof", SourceErrorKind::Unreachable),
    ("deadline exceeded", SourceErrorKind::Unreachable),
    ("timed out", SourceErrorKind::Unreachable),
    ("timeout", SourceErrorKind::Unreachable),
    ("unavailable", SourceErrorKind::Unreachable),
    ("unreachable", SourceErrorKind::Unreachable),
    ("no data left", SourceErrorKind::Unreachable),
    ("http error", SourceErrorKind::Unreachable),
    ("io error", SourceErrorKind::Unreachable),
];

/// The message with dots where a value may stand: in quotes, and behind the words that announce one.
fn without_values(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut quote = None;
    for char in text.chars() {
        match quote {
            Some(open) if char == open => {
                quote = None;
                clean.push('…');
                clean.push(char);
            }
            Some(_) => {}
            None => {
                // An apostrophe within a word opens nothing.
                let opens = char == '"' || (char == '\'' && !clean.ends_with(char::is_alphanumeric));
                quote = opens.then_some(char);
                clean.push(char);
            }
        }
    }
    if quote.is_some() {
        clean.push('…');
    }
    for before in ["with value ", "value: ", "Value: "] {
        if let Some((start, rest)) = clean.split_once(before)
            && !rest.starts_with(['"', '\''])
        {
            let after = rest.split_once(' ').map_or("", |(_, after)| after);
            clean = format!("{start}{before}… {after}").trim_end().to_owned();
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: Status, message: &str, state: &str) -> Error {
        let mut error = Error::with_message_and_status(message, status);
        for (to, from) in error.sqlstate.iter_mut().zip(state.bytes()) {
            *to = from.cast_signed();
        }
        error
    }

    #[test]
    fn what_the_caller_can_do_is_told_by_code_then_status_then_words() {
        use SourceErrorKind as K;
        for (status, message, state, expected) in [
            (Status::InvalidArguments, "relation \"x\" does not exist", "42P01", K::Missing),
            (Status::InvalidArguments, "syntax error at end of input", "42601", K::Query),
            (Status::IO, "password authentication failed for user \"x\"", "", K::Denied),
            (Status::IO, "could not connect", "", K::Unreachable),
            (Status::Internal, "Catalog Error: Table with name x does not exist!", "", K::Missing),
            (Status::Internal, "IO Error: Could not set lock on file", "", K::Unreachable),
            (
                Status::InvalidArguments,
                "Conversion Error: Could not convert string 'a' to INT32",
                "",
                K::Data,
            ),
            (Status::Internal, "something else", "", K::Broken),
            (Status::Unauthorized, "no", "", K::Denied),
            (Status::Unknown, "canceling statement due to user request", "57014", K::Broken),
        ] {
            assert_eq!(kind(&error(status, message, state)), expected, "{message}");
        }
    }

    #[test]
    fn values_are_not_shown() {
        for (said, shown) in [
            ("Could not convert string 'it''s' to INT32", "Could not convert string '…''…' to INT32"),
            (
                "invalid input syntax for type integer: \"12a\"",
                "invalid input syntax for type integer: \"…\"",
            ),
            (
                "Type INT64 with value 3000000000 can't be cast to INT32",
                "Type INT64 with value … can't be cast to INT32",
            ),
            ("Bad int64 value: abc", "Bad int64 value: …"),
            ("cut 'off", "cut '…"),
            ("division by zero", "division by zero"),
        ] {
            assert_eq!(without_values(said), shown);
        }
    }
}
