//! Everything that is wrong with a configuration, each with the line it stands on.

use super::excerpt::Excerpt;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;
use std::fmt;

/// Everything that is wrong with a configuration, in the order of the file. No part of it shows a secret.
///
/// It serialises as a list of its errors. Printing it shows each with its source line, without colours.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct ConfigErrors {
    errors: Vec<ConfigError>,
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
pub struct ConfigError {
    /// The configuration file, as it was named.
    pub file: String,
    /// The line, counted from 1; `None` if the file as a whole is meant.
    pub line: Option<usize>,
    /// The column in characters, counted from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    #[serde(skip)]
    excerpt: Option<Excerpt>,
}

impl ConfigErrors {
    pub(super) fn new(errors: Vec<ConfigError>) -> Self {
        Self { errors }
    }

    /// The errors; there is at least one.
    pub fn errors(&self) -> &[ConfigError] {
        &self.errors
    }

    /// All errors as text for people, each with its source line, ending in a newline; with ANSI colours if wanted.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let texts: Vec<String> = self.errors.iter().map(|error| error.render(&renderer) + "\n").collect();
        texts.join("\n")
    }
}

impl ConfigError {
    /// An error about the file as a whole.
    pub(super) fn of_file(file: &str, message: String, help: Option<String>) -> Self {
        let message = printable(&message);
        Self { file: file.to_owned(), line: None, column: None, message, help, excerpt: None }
    }

    /// An error about a place in it.
    pub(super) fn at(file: &str, excerpt: Excerpt, message: &str, help: Option<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: Some(excerpt.line),
            column: Some(excerpt.column),
            message: printable(message),
            help: help.map(|help| printable(&help)),
            excerpt: Some(excerpt),
        }
    }

    fn render(&self, renderer: &Renderer) -> String {
        let title = Group::with_title(Level::ERROR.primary_title(&self.message));
        let shown = match &self.excerpt {
            Some(excerpt) => title.element(
                Snippet::source(&excerpt.text)
                    .path(&self.file)
                    .line_start(excerpt.line)
                    .annotation(AnnotationKind::Primary.span(excerpt.marked.clone())),
            ),
            None => title.element(Origin::path(&self.file)),
        };
        let shown = match &self.help {
            Some(help) => shown.element(Level::HELP.message(help)),
            None => shown,
        };
        renderer.render(&[shown])
    }
}

/// A name from the file may hold control characters, which must not reach a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for ConfigErrors {}
