//! What a Rust file names: paths, macros and methods, each with its line. A reader of tokens, not of the language: it
//! expands `use` trees and knows what is test code, and that is enough for rules about names.

use std::fmt;

/// Something that a file names.
#[derive(Debug)]
pub(crate) struct Name {
    /// Where, counted from 1.
    pub(crate) line: usize,
    /// Whether it stands in an item under `#[cfg(test)]`.
    pub(crate) in_test: bool,
    /// `["std", "fs", "read"]`; a macro ends in `println!`, a method is `[".elapsed"]`.
    segments: Vec<String>,
    /// Whether a single segment can only be a crate or module: in a `use`, or with more behind it.
    is_path: bool,
}

impl Name {
    /// Whether the name is what a pattern means:
    ///
    /// | pattern | means |
    /// |---|---|
    /// | `tokio` | the crate: a path that begins so (a variable of that name does not count) |
    /// | `hydrant_target_*` | every crate whose name begins so |
    /// | `process::exit` | these segments one after the other, anywhere in the path |
    /// | `::now` | a path that ends so |
    /// | `println!` | the macro, by whatever path |
    /// | `.elapsed` | the method |
    pub(crate) fn is(&self, pattern: &str) -> bool {
        let last = self.segments.last().map_or("", String::as_str);
        if let Some(ending) = pattern.strip_prefix("::") {
            self.segments.len() > 1 && last == ending
        } else if pattern.ends_with('!') || pattern.starts_with('.') {
            last == pattern
        } else if pattern.contains("::") {
            let wanted: Vec<&str> = pattern.split("::").collect();
            self.segments.windows(wanted.len()).any(|part| part == wanted)
        } else if let Some(beginning) = pattern.strip_suffix('*') {
            self.is_path && self.segments[0].starts_with(beginning)
        } else {
            self.is_path && self.segments[0] == pattern
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.segments.join("::"))
    }
}

/// Everything that the file names.
pub(crate) fn in_source(source: &str) -> Vec<Name> {
    let tokens = tokens(source);
    let mut names = Names { tokens: &tokens, found: Vec::new(), test_until: 0 };
    names.read();
    names.found
}

struct Token<'a> {
    line: usize,
    text: &'a str,
}

struct Names<'a> {
    tokens: &'a [Token<'a>],
    found: Vec<Name>,
    /// Up to this token everything is test code.
    test_until: usize,
}

impl Names<'_> {
    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.text)
    }

    fn is_word(&self, at: usize) -> bool {
        self.text(at).starts_with(|c: char| c.is_alphabetic() || c == '_')
    }

    fn push(&mut self, at: usize, segments: Vec<String>, is_path: bool) {
        let in_test = at < self.test_until;
        self.found.push(Name { line: self.tokens[at].line, in_test, segments, is_path });
    }

    fn read(&mut self) {
        let mut at = 0;
        while at < self.tokens.len() {
            at = match self.text(at) {
                "#" if self.is_cfg_test(at) => {
                    self.test_until = self.test_until.max(self.end_of_item(at));
                    at + 1
                }
                "use" if self.text(at + 1) != "<" => self.read_use(at + 1, &[]),
                "extern" if self.text(at + 1) == "crate" => {
                    self.push(at + 2, vec![self.text(at + 2).to_owned()], true);
                    at + 3
                }
                "." if self.is_word(at + 1) && matches!(self.text(at + 2), "(" | "::") => {
                    self.push(at + 1, vec![format!(".{}", self.text(at + 1))], false);
                    at + 2
                }
                "." => at + 2,
                _ if self.is_word(at) => self.read_path(at),
                _ => at + 1,
            };
        }
    }

    /// A path as it stands in an expression or a type; returns where it ends.
    fn read_path(&mut self, start: usize) -> usize {
        let mut segments = vec![self.text(start).to_owned()];
        let mut at = start + 1;
        while self.text(at) == "::" && self.is_word(at + 1) {
            segments.push(self.text(at + 1).to_owned());
            at += 2;
        }
        if self.text(at) == "!"
            && matches!(self.text(at + 1), "(" | "[" | "{")
            && let Some(last) = segments.last_mut()
        {
            last.push('!');
        }
        let is_path = segments.len() > 1;
        self.push(start, segments, is_path);
        at
    }

    /// A tree of a `use`, from its first token; returns where it ends.
    fn read_use(&mut self, mut at: usize, prefix: &[String]) -> usize {
        let mut path = prefix.to_vec();
        let start = at;
        loop {
            match self.text(at) {
                "::" => at += 1,
                "{" => {
                    at += 1;
                    while !matches!(self.text(at), "}" | "") {
                        // What is no tree (a `$` in a macro) is passed over.
                        at = if self.text(at) == "," { at + 1 } else { self.read_use(at, &path).max(at + 1) };
                    }
                    return at + 1;
                }
                "as" => at += 2,
                "self" if !path.is_empty() => at += 1,
                "*" => {
                    path.push("*".to_owned());
                    at += 1;
                }
                _ if self.is_word(at) => {
                    path.push(self.text(at).to_owned());
                    at += 1;
                }
                _ => {
                    if start < self.tokens.len() && !path.is_empty() {
                        self.push(start, path, true);
                    }
                    // The comma or brace belongs to the tree around this one.
                    return if self.text(at) == ";" { at + 1 } else { at };
                }
            }
        }
    }

    /// Whether `#[cfg(test)]` or `#[cfg(all(test, …))]` stands here.
    fn is_cfg_test(&self, at: usize) -> bool {
        let is = |tokens: &[&str]| tokens.iter().enumerate().all(|(i, text)| self.text(at + i) == *text);
        is(&["#", "[", "cfg", "(", "test", ")", "]"]) || is(&["#", "[", "cfg", "(", "all", "(", "test"])
    }

    /// Where the item that an attribute at `at` belongs to ends: at its closing brace, or at a `;` before any brace.
    fn end_of_item(&self, at: usize) -> usize {
        let mut depth = 0_usize;
        for end in at..self.tokens.len() {
            match self.text(end) {
                "{" | "(" | "[" => depth += 1,
                closing @ ("}" | ")" | "]") => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 && closing == "}" {
                        return end;
                    }
                }
                ";" if depth == 0 => return end,
                _ => {}
            }
        }
        self.tokens.len()
    }
}

/// Words, `::` and single signs, without comments, literals and lifetimes.
fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(c) = source[at..].chars().next() {
        let rest = &source[at..];
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = string(rest) {
            length
        } else if c == '\'' {
            character_or_lifetime(rest)
        } else if c.is_alphanumeric() || c == '_' {
            let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            found.push(Token { line, text: &rest[..length] });
            length
        } else if rest.starts_with("::") {
            found.push(Token { line, text: "::" });
            2
        } else {
            if !c.is_whitespace() {
                found.push(Token { line, text: &rest[..c.len_utf8()] });
            }
            c.len_utf8()
        };
        line += rest[..length].matches('\n').count();
        at += length;
    }
    found
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of the string literal that begins here, if one does: `"…"`, `b"…"`, `c"…"`, `r"…"`, `r#"…"#`, `br#"…"#`.
fn string(rest: &str) -> Option<usize> {
    let letters = rest.find(|c| !matches!(c, 'b' | 'c' | 'r')).filter(|length| *length <= 2)?;
    let raw = rest[..letters].ends_with('r');
    let hashes = if raw { rest[letters..].bytes().take_while(|byte| *byte == b'#').count() } else { 0 };
    let body = letters + hashes + 1;
    if rest.as_bytes().get(body - 1) != Some(&b'"') {
        return None;
    }
    if raw {
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(rest[body..].find(&end).map_or(rest.len(), |found| body + found + end.len()));
    }
    let mut bytes = rest.bytes().enumerate().skip(body);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// `'a'`, `'\n'` and `'\u{1F600}'` are characters, `'a` is a lifetime.
fn character_or_lifetime(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            rest.char_indices().skip(3).find(|(_, c)| *c == '\'').map_or(rest.len(), |(at, _)| at + 1)
        }
        _ => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
    }
}
