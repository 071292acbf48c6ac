//! Walks the tree of a file, turns its nodes into types, and collects what does not fit.

use super::{
    Environment,
    error::{ConfigError, ConfigErrors},
    excerpt::{Excerpt, Regions},
    interpolate,
    suggest::{choose, closest, did_you_mean, listed},
    tree::{Entry, Node, What},
    value::Text,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::{borrow::Cow, collections::HashSet, ops::Range, path::Path};

/// Something that a node can be read as. Whoever returns `None` has told the reader why.
pub(super) trait Read: Sized {
    /// Whether YAML's `null`, where it is written out, is a value.
    const TAKES_NULL: bool = false;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self>;
}

/// A value and its place in the file.
#[derive(Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// The value of a key in a block.
#[derive(Default)]
pub(super) enum Field<T> {
    /// The key is not there (and need not be).
    #[default]
    Absent,
    /// It is not there but must be, or its value is wrong; either was reported.
    Bad,
    /// It is there and right.
    Given(At<T>),
}

/// The state of one reading.
pub(super) struct Reader<'a> {
    source: &'a str,
    environment: &'a Environment<'a>,
    /// The folder of the file, where relative paths start.
    pub(super) folder: &'a Path,
    /// The keys that lead to the node being read, for messages.
    keys: Vec<(String, Range<usize>)>,
    problems: Vec<Problem>,
    /// Where scalars begin that are known not to be secret. All others are hidden in what errors show.
    harmless: HashSet<usize>,
}

struct Problem {
    span: Range<usize>,
    message: String,
    help: Option<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a str, environment: &'a Environment<'a>, folder: &'a Path) -> Self {
        Self { source, environment, folder, keys: Vec::new(), problems: Vec::new(), harmless: HashSet::new() }
    }

    /// Remembers what is wrong at a place. No message may show a value that may be secret or came from elsewhere.
    pub(super) fn problem(
        &mut self,
        span: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.problems.push(Problem { span: span.clone(), message: message.into(), help: help.into() });
    }

    /// The value that was made, or all that is wrong with the file.
    pub(super) fn finish<T>(self, made: Option<T>, tree: &Node, file: &str) -> Result<T, ConfigErrors> {
        match made {
            Some(made) if self.problems.is_empty() => Ok(made),
            _ => Err(ConfigErrors::new(self.errors(tree, file))),
        }
    }

    fn errors(mut self, tree: &Node, file: &str) -> Vec<ConfigError> {
        let mut regions = Regions::default();
        self.sort_out(tree, &mut regions);
        self.problems.sort_by_key(|problem| problem.span.start);
        // What an alias repeats is read, and complained about, more than once.
        let mut known = HashSet::new();
        self.problems.retain(|problem| known.insert((problem.span.clone(), problem.message.clone())));
        self.problems
            .into_iter()
            .map(|problem| {
                let excerpt = Excerpt::of(self.source, &problem.span, &regions);
                ConfigError::at(file, excerpt, &problem.message, problem.help)
            })
            .collect()
    }

    /// Sorts the places of all scalars and keys by whether they may be shown.
    fn sort_out(&self, node: &Node, regions: &mut Regions) {
        let mut sort = |span: &Range<usize>| {
            let span = within_quotes(self.source, span);
            if self.harmless.contains(&span.start) {
                regions.harmless.push(span);
            } else {
                let references = interpolate::references(&self.source[span.clone()]);
                regions.harmless.extend(references.map(|at| span.start + at.start..span.start + at.end));
                regions.hidden.push(span);
            }
        };
        match &node.what {
            What::Nothing | What::Flag | What::Whole(_) | What::Number(_) | What::Text(_) => sort(&node.span),
            What::List(items) => items.iter().for_each(|item| self.sort_out(item, regions)),
            What::Block(entries) => {
                entries.iter().for_each(|entry| sort(&entry.span));
                entries.iter().for_each(|entry| self.sort_out(&entry.value, regions));
            }
        }
    }

    /// The node, which is a scalar or key that holds no secret, may be shown.
    pub(super) fn show(&mut self, span: &Range<usize>) {
        self.harmless.insert(within_quotes(self.source, span).start);
    }

    /// The node turned out to hold a secret after all.
    pub(super) fn hide(&mut self, span: &Range<usize>) {
        self.harmless.remove(&within_quotes(self.source, span).start);
    }

    /// The text of the file at a place.
    pub(super) fn typed(&self, span: &Range<usize>) -> &'a str {
        &self.source[span.clone()]
    }

    /// The node being read, as messages name it.
    pub(super) fn name(&self) -> String {
        let keys: Vec<&str> = self.keys.iter().map(|(key, _)| key.as_str()).collect();
        format!("`{}`", keys.join("."))
    }

    /// Reports that a node is not what it must be.
    pub(super) fn mismatch(&mut self, node: &Node, must: &str, help: impl Into<Option<String>>) {
        let subject = if self.keys.is_empty() { "the file".to_owned() } else { self.name() };
        let span = match node.what {
            // An empty value has no place of its own.
            What::Nothing => self.keys.last().map_or(0..0, |(_, span)| span.clone()),
            _ => node.span.clone(),
        };
        self.problem(&span, format!("{subject} must be {must}, but is {}", node.what.describe()), help);
    }

    /// The references in a text filled in.
    pub(super) fn interpolate(
        &mut self,
        typed: &str,
        span: &Range<usize>,
    ) -> Option<interpolate::Interpolated> {
        let unresolved = match interpolate::interpolate(typed, self.environment, self.folder) {
            Ok(interpolated) => return Some(interpolated),
            Err(unresolved) => unresolved,
        };
        for error in unresolved {
            // In quotes and block scalars a reference stands as typed, too; if not, the value as a whole is pointed at.
            let place = self.typed(span).find(&error.reference).map(|at| {
                let start = span.start + at;
                start..start + error.reference.len()
            });
            let message = format!("{}: {}", self.name(), error.message);
            self.problem(&place.unwrap_or_else(|| span.clone()), message, error.help);
        }
        None
    }

    /// The entries of a block, after complaining about keys that it does not take.
    pub(super) fn block<'n>(&mut self, node: &'n Node, known: &[&str]) -> Option<Vec<&'n Entry>> {
        let entries = self.entries(node)?;
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let place = if self.keys.is_empty() { String::new() } else { format!(" in {}", self.name()) };
            let help = match closest(&entry.key, known) {
                Some(word) => did_you_mean(word),
                None => format!("the keys here are {}", listed(known)),
            };
            self.problem(&entry.span, format!("unknown key `{}`{place}", entry.key), help);
        }
        Some(entries)
    }

    /// The entries of a block of names, after complaining about names that stand there twice.
    pub(super) fn entries<'n>(&mut self, node: &'n Node) -> Option<Vec<&'n Entry>> {
        let What::Block(block) = &node.what else {
            self.mismatch(node, "a block of keys", None);
            return None;
        };
        let mut entries: Vec<&Entry> = Vec::new();
        for entry in block {
            if !self.source[entry.span.end..].trim_start_matches(' ').starts_with(':') {
                // What follows a comma in an unquoted password looks like this to YAML: it must stay hidden.
                let help = "write `key: value`; put a value in quotes that holds a comma, brace or bracket";
                self.problem(&entry.span, "there is no `:` after this key", help.to_owned());
                continue;
            }
            self.show(&entry.span);
            if let Some(first) = entries.iter().find(|first| first.key == entry.key) {
                let line = self.source[..first.span.start].matches('\n').count() + 1;
                let message = format!("the key `{}` is given twice", entry.key);
                self.problem(&entry.span, message, format!("it stands in line {line} already"));
                continue;
            }
            entries.push(entry);
        }
        Some(entries)
    }

    /// The word that the key `type` of a block holds.
    pub(super) fn word_of_type(&mut self, node: &Node, words: &[&'static str]) -> Option<&'static str> {
        let entries = self.entries(node)?;
        let help = choose(words);
        let Some(entry) = entries.iter().find(|entry| entry.key == "type") else {
            let (name, span) = (self.name(), self.keys.last().map_or(0..0, |(_, span)| span.clone()));
            self.problem(&span, format!("{name} has no `type`"), help);
            return None;
        };
        let Field::Given(text) = self.field::<Text>(&entries, "type", false) else { return None };
        let word = words.iter().find(|word| **word == text.value.text).copied();
        if word.is_none() {
            self.keys.push((entry.key.clone(), entry.span.clone()));
            let message = format!("{} cannot be `{}`", self.name(), text.value.typed);
            self.keys.pop();
            let close = if text.value.is_foreign { None } else { closest(&text.value.text, words) };
            self.problem(&text.span, message, close.map_or(help, did_you_mean));
        }
        word
    }

    /// Reads the value of an entry.
    pub(super) fn value<T: Read>(&mut self, entry: &Entry) -> Option<At<T>> {
        self.keys.push((entry.key.clone(), entry.span.clone()));
        let value = match entry.value.what {
            What::Nothing if !(T::TAKES_NULL && self.is_null(&entry.value)) => {
                let message = format!("{} has no value", self.name());
                self.problem(&entry.span, message, "give it one, or remove the key".to_owned());
                None
            }
            _ => T::read(&entry.value, self).map(|value| At { value, span: entry.value.span.clone() }),
        };
        self.keys.pop();
        value
    }

    /// Whether a value that is nothing was written as `null`, not left out.
    fn is_null(&self, node: &Node) -> bool {
        matches!(self.typed(&node.span).trim(), "null" | "Null" | "NULL" | "~")
    }

    /// Reads the value of one key of a block.
    pub(super) fn field<T: Read>(&mut self, entries: &[&Entry], key: &str, is_optional: bool) -> Field<T> {
        match entries.iter().find(|entry| entry.key == key) {
            Some(entry) => self.value(entry).map_or(Field::Bad, Field::Given),
            None if is_optional => Field::Absent,
            None => {
                let (message, span) = match self.keys.last() {
                    Some((_, span)) => (format!("{} has no `{key}`", self.name()), span.clone()),
                    None => (format!("there is no `{key}`"), 0..0),
                };
                self.problem(&span, message, format!("add `{key}: …` to it"));
                Field::Bad
            }
        }
    }
}

/// A scalar's place without its quotes, which are no part of what it says.
fn within_quotes(source: &str, span: &Range<usize>) -> Range<usize> {
    let typed = &source[span.clone()];
    let is_quoted = |quote| typed.len() > 1 && typed.starts_with(quote) && typed.ends_with(quote);
    if is_quoted('"') || is_quoted('\'') { span.start + 1..span.end - 1 } else { span.clone() }
}

impl<T> Field<T> {
    /// The value, if it is there and right.
    pub(super) fn given(self) -> Option<At<T>> {
        match self {
            Self::Given(at) => Some(at),
            Self::Absent | Self::Bad => None,
        }
    }

    /// Where the value stands, if it is there and right.
    pub(super) fn place(&self) -> Option<Range<usize>> {
        match self {
            Self::Given(at) => Some(at.span.clone()),
            Self::Absent | Self::Bad => None,
        }
    }

    /// The value, or the default where the key is absent; `None` if it is wrong.
    pub(super) fn or(self, default: T) -> Option<T> {
        match self {
            Self::Given(at) => Some(at.value),
            Self::Absent => Some(default),
            Self::Bad => None,
        }
    }

    /// `None` if it is wrong, `Some(None)` if it is absent.
    pub(super) fn optional(self) -> Option<Option<At<T>>> {
        match self {
            Self::Given(at) => Some(Some(at)),
            Self::Absent => Some(None),
            Self::Bad => None,
        }
    }
}

/// A field has the schema of its value: leaving a key out is not the same as giving it no value.
impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
