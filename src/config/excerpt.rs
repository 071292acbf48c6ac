//! The one line of the file that an error shows, with everything in it hidden that may be secret.

use std::ops::Range;

/// What stands in place of a hidden text.
const HIDDEN: &str = "***";

/// What is known of the scalars of a file. Of what lies in neither list only punctuation is shown: comments and names of
/// anchors may be what is left of a secret that was mistyped.
#[derive(Default)]
pub(super) struct Regions {
    /// What may be shown.
    pub(super) harmless: Vec<Range<usize>>,
    /// What may not.
    pub(super) hidden: Vec<Range<usize>>,
}

/// A line of the file and what is marked in it.
#[derive(Debug)]
pub(super) struct Excerpt {
    /// Its number, counted from 1.
    pub(super) line: usize,
    /// Where the marked part begins in the file's own line: in characters, counted from 1.
    pub(super) column: usize,
    /// The line with hidden parts replaced.
    pub(super) text: String,
    /// The bytes of `text` that are marked.
    pub(super) marked: Range<usize>,
}

impl Regions {
    fn is_shown(&self, at: usize, c: char) -> bool {
        within(&self.harmless, at)
            || !within(&self.hidden, at)
                && matches!(
                    c,
                    ' ' | '\t' | '{' | '}' | '[' | ']' | ',' | ':' | '-' | '?' | '"' | '\'' | '|' | '>'
                )
    }
}

fn within(ranges: &[Range<usize>], at: usize) -> bool {
    ranges.iter().any(|range| range.contains(&at))
}

impl Excerpt {
    /// The line on which `span` begins, without what may be secret in it.
    pub(super) fn of(source: &str, span: &Range<usize>, regions: &Regions) -> Self {
        let start = floor(source, span.start);
        let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = source[line_start..].lines().next().unwrap_or_default();

        let mut text = String::new();
        let mut marked = None;
        let mut marked_end = 0;
        let mut was_hidden = false;
        for (at, c) in line.char_indices().map(|(at, c)| (line_start + at, c)) {
            if at == start {
                marked = Some(text.len());
            }
            let is_shown = regions.is_shown(at, c);
            if !is_shown && c == '#' && !within(&regions.hidden, at) {
                text.truncate(text.trim_end().len());
                break;
            } else if is_shown {
                text.push(c);
            } else if !was_hidden {
                text.push_str(HIDDEN);
            }
            was_hidden = !is_shown;
            if at < span.end {
                marked_end = text.len();
            }
        }
        let marked = marked.unwrap_or(text.len()).min(text.len());
        Self {
            line: source[..line_start].matches('\n').count() + 1,
            column: source[line_start..start].chars().count() + 1,
            marked: marked..marked_end.clamp(marked, text.len().max(marked)),
            text,
        }
    }

    /// A line of a file that is not YAML, where nothing is known about what is secret: only its key is shown.
    pub(super) fn of_unparsed(source: &str, line: usize, column: usize) -> Self {
        let text = source.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let shown = key_length(text);
        let hidden = if text[shown..].trim().is_empty() { "" } else { HIDDEN };
        let column_byte = text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
        let text = format!("{}{hidden}", &text[..shown]);
        let start = column_byte.min(if hidden.is_empty() { text.len() } else { shown });
        Self { line, column, marked: start..floor(&text, start + 1).max(start), text }
    }
}

/// How much of a line is its indentation, dashes and key with the colon and a space.
fn key_length(line: &str) -> usize {
    let indent = line.len() - line.trim_start_matches([' ', '\t', '-']).len();
    match line[indent..].split_once(':') {
        Some((key, rest))
            if !key.is_empty()
                && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
                && (rest.is_empty() || rest.starts_with([' ', '\t'])) =>
        {
            indent + key.len() + 1 + (rest.len() - rest.trim_start().len())
        }
        _ => indent,
    }
}

/// The last boundary between characters at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
