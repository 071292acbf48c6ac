//! How a configuration names a model of dbt: as dbt's own SQL does.

use std::fmt;

/// `ref('model')`, `ref('package', 'model')`, `ref('model', v=2)` or `source('name', 'table')`, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A model, seed or snapshot.
    Ref {
        /// The package that it belongs to; without it, the project itself or the one package that has it.
        package: Option<String>,
        /// Its name.
        name: String,
        /// Its version; without it, the latest one.
        version: Option<String>,
    },
    /// A table that dbt reads and does not build.
    Source {
        /// The name of the source.
        source: String,
        /// The name of the table.
        table: String,
    },
}

/// Why a text that begins like a reference is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAReference(pub String);

impl Reference {
    /// Reads a reference, with or without the braces of Jinja around it; `None` if the text does not even begin like one.
    pub fn parse(text: &str) -> Option<Result<Self, NotAReference>> {
        let text = text.trim();
        let call = match text.strip_prefix("{{") {
            None => text,
            Some(rest) => {
                let Some(inner) = rest.strip_suffix("}}") else {
                    return Some(wrong("it begins with `{{` and does not end with `}}`"));
                };
                let inner = inner.strip_prefix('-').unwrap_or(inner);
                inner.strip_suffix('-').unwrap_or(inner).trim()
            }
        };
        let opened = |word: &str| call.strip_prefix(word)?.trim_start().strip_prefix('(');
        let read = if let Some(rest) = opened("ref") {
            arguments(rest).and_then(Self::of_ref)
        } else if let Some(rest) = opened("source") {
            arguments(rest).and_then(Self::of_source)
        } else if call.len() != text.len() {
            wrong("only `ref(…)` and `source(…)` are understood between `{{` and `}}`")
        } else {
            return None;
        };
        Some(read)
    }

    fn of_ref(arguments: Vec<Argument>) -> Result<Self, NotAReference> {
        let mut names = Vec::new();
        let mut version = None;
        for argument in arguments {
            match argument {
                Argument::Text(name) => names.push(name),
                Argument::Version(_) if version.is_some() => return wrong("it names two versions"),
                Argument::Version(given) => version = Some(given),
            }
        }
        let mut names = names.into_iter();
        match (names.next(), names.next(), names.next()) {
            (Some(name), None, None) => Ok(Self::Ref { package: None, name, version }),
            (Some(package), Some(name), None) => Ok(Self::Ref { package: Some(package), name, version }),
            _ => wrong("it takes a model, or a package and a model"),
        }
    }

    fn of_source(arguments: Vec<Argument>) -> Result<Self, NotAReference> {
        match <[Argument; 2]>::try_from(arguments) {
            Ok([Argument::Text(source), Argument::Text(table)]) => Ok(Self::Source { source, table }),
            _ => wrong("it takes the name of a source and the name of a table"),
        }
    }
}

fn wrong<T>(why: &str) -> Result<T, NotAReference> {
    Err(NotAReference(why.to_owned()))
}

enum Argument {
    Text(String),
    Version(String),
}

/// What stands between the parentheses, of which the opening one has been read.
fn arguments(text: &str) -> Result<Vec<Argument>, NotAReference> {
    let mut read = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix(')') {
            return match after.trim() {
                "" => Ok(read),
                _ => wrong("something stands behind its closing parenthesis"),
            };
        }
        let (argument, after) = argument(rest)?;
        read.push(argument);
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.starts_with(')') => {}
            None if rest.is_empty() => return wrong("its closing parenthesis is missing"),
            None => return wrong("its arguments are not parted by commas"),
        }
    }
}

fn argument(text: &str) -> Result<(Argument, &str), NotAReference> {
    if text.starts_with(['\'', '"']) {
        let (text, rest) = quoted(text)?;
        return match text.is_empty() {
            true => wrong("a name in it is empty"),
            false => Ok((Argument::Text(text), rest)),
        };
    }
    let named =
        ["version", "v"].iter().find_map(|word| text.strip_prefix(word)?.trim_start().strip_prefix('='));
    let Some(value) = named.map(str::trim_start) else {
        return wrong("names in it are written in quotes: `ref('customers')`");
    };
    if value.starts_with(['\'', '"']) {
        let (version, rest) = quoted(value)?;
        return Ok((Argument::Version(version), rest));
    }
    let end = value.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(value.len());
    match end {
        0 => wrong("a version is a number, or a text in quotes: `ref('customers', v=2)`"),
        _ => Ok((Argument::Version(value[..end].to_owned()), &value[end..])),
    }
}

/// The text between the quote that stands first and the next one of its kind, and what follows that.
fn quoted(text: &str) -> Result<(String, &str), NotAReference> {
    let mut read = String::new();
    let mut characters = text.char_indices();
    let quote = characters.next().map(|(_, quote)| quote);
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => read.extend(characters.next().map(|(_, escaped)| escaped)),
            c if Some(c) == quote => return Ok((read, &text[at + c.len_utf8()..])),
            c => read.push(c),
        }
    }
    wrong("a quote in it is not closed")
}

/// The form that dbt's own files take.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |name: &str| format!("'{}'", name.replace('\\', "\\\\").replace('\'', "\\'"));
        match self {
            Self::Source { source, table } => write!(f, "source({}, {})", quoted(source), quoted(table)),
            Self::Ref { package, name, version } => {
                f.write_str("ref(")?;
                if let Some(package) = package {
                    write!(f, "{}, ", quoted(package))?;
                }
                f.write_str(&quoted(name))?;
                match version {
                    None => {}
                    // As a number where it looks like one: dbt takes `2` and `'2'` for the same version.
                    Some(version) if version.parse::<f64>().is_ok() => write!(f, ", v={version}")?,
                    Some(version) => write!(f, ", v={}", quoted(version))?,
                }
                f.write_str(")")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        match Reference::parse(text).unwrap() {
            Ok(reference) => Ok(reference.to_string()),
            Err(NotAReference(why)) => Err(why),
        }
    }

    #[test]
    fn references_are_read_as_dbt_writes_them() {
        for (text, canonical) in [
            ("ref('customers')", "ref('customers')"),
            (r#" ref ( "customers" ) "#, "ref('customers')"),
            ("{{ ref('customers') }}", "ref('customers')"),
            ("{{- ref('customers') -}}", "ref('customers')"),
            (r#"ref("shop", 'customers')"#, "ref('shop', 'customers')"),
            ("ref('customers', v=2)", "ref('customers', v=2)"),
            ("ref('shop', 'customers', version = '2024-05',)", "ref('shop', 'customers', v='2024-05')"),
            ("ref('customers', v='2')", "ref('customers', v=2)"),
            ("ref('customers', v=1.5)", "ref('customers', v=1.5)"),
            (r"ref('it\'s')", r"ref('it\'s')"),
            ("source('raw','events')", "source('raw', 'events')"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(canonical), "{text}");
            assert_eq!(read(canonical).as_deref(), Ok(canonical), "{text}");
        }
    }

    #[test]
    fn what_only_begins_like_a_reference_is_told_why_it_is_none() {
        for (text, why) in [
            ("ref(customers)", "in quotes"),
            ("ref('customers'", "closing parenthesis is missing"),
            ("ref('customers)", "not closed"),
            ("ref()", "takes a model"),
            ("ref('a', 'b', 'c')", "takes a model"),
            ("ref('a' 'b')", "commas"),
            ("ref('a', v=x)", "a version is"),
            ("ref('a', v=1, version=2)", "two versions"),
            ("ref('')", "empty"),
            ("ref('a') where x", "closing parenthesis"),
            ("source('a')", "name of a source"),
            ("{{ ref('a')", "does not end"),
            ("{{ config(x=1) }}", "only `ref(…)`"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
        for text in ["refs", "reference('x')", "select 1", "customers", "source"] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
    }
}
