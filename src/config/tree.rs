//! The file as a tree in which every value knows where it stands.
//!
//! Reading YAML straight into types would stop at the first thing that does not fit. A tree can be walked to its end,
//! so that one look at the errors is enough.

use super::{error::ConfigError, excerpt::Excerpt};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{
    DuplicateKeyPolicy, Location, MessageFormatter, NonFiniteFloatPolicy, Spanned, UserMessageFormatter,
};
use std::{fmt, ops::Range};

/// A value and the bytes of the file that it stands in. A list or block spans its first character only.
pub(super) struct Node {
    pub(super) what: What,
    pub(super) span: Range<usize>,
}

/// What a value is, as YAML sees it.
pub(super) enum What {
    Nothing,
    Flag,
    Whole(u64),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Block(Vec<Entry>),
}

/// A key and its value. A block may hold the same key twice: who reads the block complains.
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) span: Range<usize>,
    pub(super) value: Node,
}

impl What {
    /// How messages call it.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Nothing => "empty",
            Self::Flag => "true or false",
            Self::Whole(_) | Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Block(_) => "a block of keys",
        }
    }
}

/// What is wrong with a text that is no YAML.
pub(super) struct NotYaml {
    message: String,
    help: &'static str,
    /// Line and column, counted from 1.
    at: Option<(usize, usize)>,
}

/// Reads the text of a file. Only YAML itself can fail here: the limits of the parser on nesting and aliases included.
pub(super) fn parse(text: &str) -> Result<Node, NotYaml> {
    let options = serde_saphyr::options! {
        // Every duplicate is reported, with the others, by who reads the block.
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        // `no` and `on` are names like any other.
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| NotYaml::new(&error))
}

impl NotYaml {
    fn new(error: &serde_saphyr::Error) -> Self {
        use serde_saphyr::Error;
        let at = error
            .location()
            .filter(|at| *at != Location::UNKNOWN)
            .map(|at| (index(at.line()), index(at.column())));
        let mut inner = error.without_snippet();
        while let Error::AliasError { error, .. } = inner {
            inner = error.without_snippet();
        }
        let (message, help) = match inner {
            Error::MultipleDocuments { .. } => (
                "the file holds several YAML documents".to_owned(),
                "keep one, and remove the lines of `---`",
            ),
            Error::RecursiveReferencesRequireWeakTypes { .. } => {
                ("an alias refers to a value that it is part of".to_owned(), "write the value out")
            }
            Error::UnknownAnchor { .. } => {
                ("an alias refers to an anchor that is not there".to_owned(), "define it before: `&name`")
            }
            Error::Budget { .. }
            | Error::AliasReplayLimitExceeded { .. }
            | Error::AliasReplayStackDepthExceeded { .. } => (
                "the file is too large, nests too deeply, or repeats itself too often by aliases".to_owned(),
                "write it without aliases",
            ),
            Error::Unexpected { expected: "string scalar", .. } => {
                ("a key is a list or block".to_owned(), "put a text with brackets or braces in quotes")
            }
            other => (
                format!("this is not YAML: {}", UserMessageFormatter.format_message(other)),
                "look for a wrong indentation or a missing quote, here and in the lines before",
            ),
        };
        Self { message, help, at }
    }

    /// The error to report.
    pub(super) fn in_file(self, file: &str, text: &str) -> ConfigError {
        let help = Some(self.help.to_owned());
        match self.at {
            Some((line, column)) => {
                let excerpt = Excerpt::of_unparsed(text, line, column);
                ConfigError::at(file, excerpt, &self.message, help)
            }
            None => ConfigError::of_file(file, self.message, help),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, defined, .. } = Spanned::<What>::deserialize(deserializer)?;
        Ok(Self { what: value, span: bytes(defined) })
    }
}

impl<'de> Deserialize<'de> for What {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = What;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<What, E> {
        Ok(What::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<What, E> {
        Ok(What::Flag)
    }

    fn visit_u64<E>(self, number: u64) -> Result<What, E> {
        Ok(What::Whole(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<What, E> {
        // Only negative numbers come this way, and no key takes one: its exact value does not matter.
        #[allow(clippy::cast_precision_loss)]
        Ok(What::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<What, E> {
        Ok(What::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<What, E> {
        Ok(What::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<What, E> {
        Ok(What::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<What, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(What::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<What, A::Error> {
        let mut block = Vec::new();
        while let Some((key, value)) = entries.next_entry::<Spanned<String>, Node>()? {
            block.push(Entry { key: key.value, span: bytes(key.defined), value });
        }
        Ok(What::Block(block))
    }
}

/// Where a value was written, not where an alias repeats it: that is the place to mend.
fn bytes(location: Location) -> Range<usize> {
    let span = location.span();
    let start = index(span.byte_offset().unwrap_or(0));
    start..start + index(span.byte_len().unwrap_or(0))
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
