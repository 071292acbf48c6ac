//! Types of columns: those of tables that are there, and those that hydrant makes.

use crate::session::{Product, Server};
use hydrant_contract::{Integer, SoftMark, ValueType};

/// MySQL's DECIMAL has at most so many digits, and at most so many of them after the point.
pub(crate) const DECIMAL_DIGITS_MAX: u8 = 65;
pub(crate) const DECIMAL_SCALE_MAX: u8 = 30;
/// Digits of a second that times keep at most.
pub(crate) const SECOND_DIGITS_MAX: u8 = 6;

/// What a column is, as far as it matters for the values that go into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int {
        bits: u8,
        unsigned: bool,
    },
    Bit(u8),
    Year,
    Decimal {
        precision: u8,
        scale: u8,
        unsigned: bool,
    },
    Float {
        unsigned: bool,
    },
    Double {
        unsigned: bool,
    },
    /// A text that ends where its spaces do.
    Char {
        characters: u64,
        charset: Charset,
    },
    Varchar {
        characters: u64,
        charset: Charset,
    },
    /// TINYTEXT to LONGTEXT.
    Text {
        bytes: u64,
        charset: Charset,
    },
    /// Filled up with zeros.
    Binary(u64),
    Varbinary(u64),
    /// TINYBLOB to LONGBLOB.
    Blob(u64),
    Date,
    Time(u8),
    Datetime(u8),
    Timestamp(u8),
    /// MySQL's own; MariaDB's is a text.
    Json,
    Enum(Vec<String>),
    Set(Vec<String>),
    /// MariaDB's.
    Uuid,
    /// Whatever hydrant cannot promise exactness for.
    Other,
}

/// A character set whose characters hydrant knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    Utf8mb4,
    /// Up to U+FFFF.
    Utf8mb3,
    /// Windows-1252 with what that leaves undefined.
    Latin1,
    Ascii,
}

impl Charset {
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "utf8mb4" => Self::Utf8mb4,
            "utf8mb3" | "utf8" => Self::Utf8mb3,
            "latin1" => Self::Latin1,
            "ascii" => Self::Ascii,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Utf8mb4 => "utf8mb4",
            Self::Utf8mb3 => "utf8mb3",
            Self::Latin1 => "latin1",
            Self::Ascii => "ascii",
        }
    }

    /// How many bytes a character takes at most.
    pub(crate) fn bytes_max(self) -> u64 {
        match self {
            Self::Utf8mb4 => 4,
            Self::Utf8mb3 => 3,
            Self::Latin1 | Self::Ascii => 1,
        }
    }

    /// Whether it has all characters of a text.
    pub(crate) fn holds(self, text: &str) -> bool {
        match self {
            Self::Utf8mb4 => true,
            Self::Utf8mb3 => text.chars().all(|c| u32::from(c) <= 0xffff),
            Self::Ascii => text.is_ascii(),
            Self::Latin1 => text.is_ascii() || text.chars().all(in_latin1),
        }
    }

    /// How many bytes a text takes in it.
    pub(crate) fn length(self, text: &str) -> u64 {
        match self {
            Self::Utf8mb4 | Self::Utf8mb3 | Self::Ascii => text.len() as u64,
            Self::Latin1 => text.chars().count() as u64,
        }
    }
}

fn in_latin1(c: char) -> bool {
    matches!(u32::from(c), 0..=0x7f | 0xa0..=0xff | 0x81 | 0x8d | 0x8f | 0x90 | 0x9d)
        || "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ".contains(c)
}

/// What the catalog says of a column's type.
pub(crate) struct CatalogType<'a> {
    /// As in `int`.
    pub(crate) data: &'a str,
    /// As in `int unsigned`.
    pub(crate) full: &'a str,
    pub(crate) characters: Option<u64>,
    pub(crate) bytes: Option<u64>,
    pub(crate) precision: Option<u64>,
    pub(crate) scale: Option<u64>,
    pub(crate) second_digits: Option<u64>,
    pub(crate) charset: Option<&'a str>,
}

impl CatalogType<'_> {
    pub(crate) fn kind(&self) -> Kind {
        self.known().unwrap_or(Kind::Other)
    }

    fn known(&self) -> Option<Kind> {
        let unsigned = self.full.contains("unsigned");
        let charset = || self.charset.and_then(Charset::of);
        let small = |number: Option<u64>| u8::try_from(number.unwrap_or(0)).ok();
        let int = |bits| Some(Kind::Int { bits, unsigned });
        match self.data {
            "tinyint" => int(8),
            "smallint" => int(16),
            "mediumint" => int(24),
            "int" | "integer" => int(32),
            "bigint" => int(64),
            "bit" => Some(Kind::Bit(small(self.precision)?)),
            "year" => Some(Kind::Year),
            "decimal" | "numeric" => {
                Some(Kind::Decimal { precision: small(self.precision)?, scale: small(self.scale)?, unsigned })
            }
            // FLOAT(7,2) rounds what it is given.
            "float" | "double" | "real" if self.full.contains(',') => None,
            "float" => Some(Kind::Float { unsigned }),
            "double" | "real" => Some(Kind::Double { unsigned }),
            "char" => Some(Kind::Char { characters: self.characters?, charset: charset()? }),
            "varchar" => Some(Kind::Varchar { characters: self.characters?, charset: charset()? }),
            "tinytext" | "text" | "mediumtext" | "longtext" => {
                Some(Kind::Text { bytes: self.bytes?, charset: charset()? })
            }
            "binary" => Some(Kind::Binary(self.bytes?)),
            "varbinary" => Some(Kind::Varbinary(self.bytes?)),
            "tinyblob" | "blob" | "mediumblob" | "longblob" => Some(Kind::Blob(self.bytes?)),
            "date" => Some(Kind::Date),
            "time" => Some(Kind::Time(small(self.second_digits)?)),
            "datetime" => Some(Kind::Datetime(small(self.second_digits)?)),
            "timestamp" => Some(Kind::Timestamp(small(self.second_digits)?)),
            "json" => Some(Kind::Json),
            "enum" => Some(Kind::Enum(labels(self.full)?)),
            "set" => Some(Kind::Set(labels(self.full)?)),
            "uuid" => Some(Kind::Uuid),
            _ => None,
        }
    }
}

/// The labels in `enum('a','it''s')`.
fn labels(full: &str) -> Option<Vec<String>> {
    let (_, list) = full.split_once('(')?;
    let list = list.rsplit_once(')')?.0;
    let mut labels = Vec::new();
    let mut rest = list;
    while let Some(inner) = rest.strip_prefix('\'') {
        let mut label = String::new();
        let mut chars = inner.char_indices().peekable();
        let end = loop {
            let (at, c) = chars.next()?;
            match (c, chars.peek()) {
                ('\'', Some((_, '\''))) => {
                    label.push('\'');
                    chars.next();
                }
                ('\'', _) => break at + 1,
                _ => label.push(c),
            }
        };
        labels.push(label);
        rest = inner[end..].trim_start_matches(',');
    }
    rest.is_empty().then_some(labels)
}

impl Kind {
    /// Whether a column of this kind holds values of this type exactly, or refuses them one by one.
    pub(crate) fn takes(&self, value: &ValueType) -> bool {
        match value {
            ValueType::Boolean => matches!(self, Self::Int { bits: 8, .. } | Self::Bit(1)),
            ValueType::Integer(_) => {
                matches!(self, Self::Int { .. } | Self::Decimal { .. } | Self::Bit(_) | Self::Year)
            }
            ValueType::Decimal { scale, .. } => match self {
                Self::Decimal { .. } => true,
                Self::Int { .. } => *scale <= 0,
                _ => false,
            },
            ValueType::Float32 => matches!(self, Self::Float { .. } | Self::Double { .. }),
            ValueType::Float64 => matches!(self, Self::Double { .. }),
            ValueType::Text => {
                self.is_text() || matches!(self, Self::Json | Self::Enum(_) | Self::Set(_) | Self::Uuid)
            }
            ValueType::Bytes => matches!(self, Self::Binary(_) | Self::Varbinary(_) | Self::Blob(_)),
            ValueType::Date => *self == Self::Date,
            ValueType::Time(_) => matches!(self, Self::Time(_)),
            ValueType::Timestamp(_) => matches!(self, Self::Datetime(_)),
            ValueType::Instant(_) => matches!(self, Self::Timestamp(_) | Self::Datetime(_)),
            ValueType::Uuid => {
                matches!(self, Self::Uuid | Self::Binary(16) | Self::Varbinary(16..))
                    || self.holds_characters(36)
            }
            ValueType::Json
            | ValueType::List(_)
            | ValueType::Vector(_)
            | ValueType::Struct(_)
            | ValueType::Map(..) => *self == Self::Json || self.is_text(),
        }
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self, Self::Char { .. } | Self::Varchar { .. } | Self::Text { .. })
    }

    fn holds_characters(&self, count: u64) -> bool {
        match self {
            Self::Char { characters, .. } | Self::Varchar { characters, .. } => *characters >= count,
            Self::Text { .. } => true,
            _ => false,
        }
    }

    /// Whether its values travel in hexadecimal digits, since a stream of text has no place for all bytes.
    pub(crate) fn is_bytes(&self) -> bool {
        matches!(self, Self::Binary(_) | Self::Varbinary(_) | Self::Blob(_))
    }
}

/// The columns of a key share what an index has room for.
pub(crate) struct KeyRoom {
    /// Bytes for each key column of text or bytes.
    bytes_each: u64,
}

impl KeyRoom {
    /// InnoDB's limit for an index (3072 bytes with pages of 16 KiB or more, 1536 with 8 KiB, 768 with 4 KiB), parted among
    /// the key columns whose length is open.
    pub(crate) fn new<'a>(key: impl Iterator<Item = &'a ValueType>, server: &Server) -> Self {
        let room: u64 = match server.innodb_page_bytes {
            0..=4096 => 768,
            4097..=8192 => 1536,
            _ => 3072,
        };
        let (mut fixed, mut open) = (0, 0);
        for value in key {
            match value {
                ValueType::Text | ValueType::Bytes => open += 1,
                ValueType::Decimal { .. } => fixed += 32,
                ValueType::Uuid => fixed += 16,
                _ => fixed += 8,
            }
        }
        Self { bytes_each: room.saturating_sub(fixed) / u64::max(open, 1) }
    }

    /// How many characters a text has room for.
    pub(crate) fn characters(&self) -> u64 {
        self.bytes_each / Charset::Utf8mb4.bytes_max()
    }

    /// How many bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes_each
    }
}

/// The kind of the column that is made for values of this type; `None` if MySQL has none that holds them.
pub(crate) fn created(value: &ValueType, key: Option<&KeyRoom>, product: Product) -> Option<Kind> {
    let int = |bits, unsigned| Some(Kind::Int { bits, unsigned });
    match value {
        ValueType::Boolean => int(8, false),
        ValueType::Integer(Integer::I8) => int(8, false),
        ValueType::Integer(Integer::I16) => int(16, false),
        ValueType::Integer(Integer::I32) => int(32, false),
        ValueType::Integer(Integer::I64) => int(64, false),
        ValueType::Integer(Integer::U8) => int(8, true),
        ValueType::Integer(Integer::U16) => int(16, true),
        ValueType::Integer(Integer::U32) => int(32, true),
        ValueType::Integer(Integer::U64) => int(64, true),
        ValueType::Float32 => Some(Kind::Float { unsigned: false }),
        ValueType::Float64 => Some(Kind::Double { unsigned: false }),
        ValueType::Decimal { precision, scale } => {
            let fraction = scale.max(&0).unsigned_abs();
            let whole = i16::from(*precision) - i16::from(*scale);
            let precision = u8::try_from(whole.max(0) + i16::from(fraction)).ok()?.max(1);
            let fits = fraction <= DECIMAL_SCALE_MAX && precision <= DECIMAL_DIGITS_MAX;
            fits.then_some(Kind::Decimal { precision, scale: fraction, unsigned: false })
        }
        ValueType::Text => Some(match key {
            Some(room) => Kind::Varchar { characters: room.characters(), charset: Charset::Utf8mb4 },
            None => Kind::Text { bytes: u32::MAX.into(), charset: Charset::Utf8mb4 },
        }),
        ValueType::Bytes => Some(match key {
            Some(room) => Kind::Varbinary(room.bytes()),
            None => Kind::Blob(u32::MAX.into()),
        }),
        ValueType::Date => Some(Kind::Date),
        ValueType::Time(_) => Some(Kind::Time(SECOND_DIGITS_MAX)),
        // TIMESTAMP ends in the year 2038.
        ValueType::Timestamp(_) | ValueType::Instant(_) => Some(Kind::Datetime(SECOND_DIGITS_MAX)),
        ValueType::Uuid => Some(Kind::Binary(16)),
        ValueType::Json
        | ValueType::List(_)
        | ValueType::Vector(_)
        | ValueType::Struct(_)
        | ValueType::Map(..) => Some(match product {
            Product::MySql => Kind::Json,
            Product::MariaDb => Kind::Text { bytes: u32::MAX.into(), charset: Charset::Utf8mb4 },
        }),
    }
}

/// The type of such a column in SQL; a key's texts get the collation that tells all texts apart.
pub(crate) fn created_sql(value: &ValueType, key: Option<&KeyRoom>, server: &Server) -> Option<String> {
    let kind = created(value, key, server.product)?;
    let sign = |unsigned| if unsigned { " UNSIGNED" } else { "" };
    Some(match kind {
        Kind::Int { .. } if *value == ValueType::Boolean => "BOOLEAN".to_owned(),
        Kind::Int { bits, unsigned } => {
            let name = match bits {
                8 => "TINYINT",
                16 => "SMALLINT",
                32 => "INT",
                _ => "BIGINT",
            };
            format!("{name}{}", sign(unsigned))
        }
        Kind::Decimal { precision, scale, .. } => format!("DECIMAL({precision}, {scale})"),
        Kind::Float { .. } => "FLOAT".to_owned(),
        Kind::Double { .. } => "DOUBLE".to_owned(),
        Kind::Varchar { characters, .. } => {
            format!("VARCHAR({characters}) CHARACTER SET utf8mb4 COLLATE {}", server.exact_collation())
        }
        Kind::Varbinary(bytes) => format!("VARBINARY({bytes})"),
        Kind::Binary(bytes) => format!("BINARY({bytes})"),
        Kind::Blob(_) => "LONGBLOB".to_owned(),
        Kind::Date => "DATE".to_owned(),
        Kind::Time(digits) => format!("TIME({digits})"),
        Kind::Datetime(digits) => format!("DATETIME({digits})"),
        Kind::Text { .. } if *value == ValueType::Text => "LONGTEXT".to_owned(),
        // MariaDB makes a text with a check of it.
        _ => "JSON".to_owned(),
    })
}

/// The type of a column that marks deleted rows.
pub(crate) fn soft_sql(mark: SoftMark) -> &'static str {
    match mark {
        SoftMark::Flag => "BOOLEAN NOT NULL DEFAULT FALSE",
        SoftMark::Time => "DATETIME(6) NULL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_an_enum_are_read_with_their_quotes() {
        assert_eq!(
            labels("enum('a','it''s','b,c','')"),
            Some(vec!["a".into(), "it's".into(), "b,c".into(), String::new()])
        );
        assert_eq!(labels("set('x')"), Some(vec!["x".into()]));
        assert_eq!(labels("enum('a"), None);
    }

    #[test]
    fn latin1_is_windows_1252() {
        assert!(Charset::Latin1.holds("é€\u{81}ÿ"));
        assert!(!Charset::Latin1.holds("ł") && !Charset::Latin1.holds("\u{80}"));
        assert!(!Charset::Utf8mb3.holds("🙂") && Charset::Utf8mb3.holds("日本"));
        assert_eq!(Charset::Latin1.length("é€"), 2);
    }

    #[test]
    fn decimals_have_a_home_up_to_65_digits_of_which_30_are_behind_the_point() {
        let home = |precision, scale| created(&ValueType::Decimal { precision, scale }, None, Product::MySql);
        let decimal = |precision, scale| Some(Kind::Decimal { precision, scale, unsigned: false });
        assert_eq!(home(38, 10), decimal(38, 10));
        assert_eq!(home(5, -3), decimal(8, 0));
        assert_eq!(home(2, 4), decimal(4, 4));
        assert_eq!(home(65, 30), decimal(65, 30));
        assert_eq!(home(76, 30), None);
        assert_eq!(home(38, 31), None);
    }
}
