//! The rows that are synced: made from their numbers, the same in every run on every machine.
//!
//! Every cell is made from one whole number. So a table can be checked by sums that any database can do, without
//! another copy of the rows beside it.

use crate::{day::Row, mix::mix};
use arrow::{
    array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
        StringArray, TimestampMicrosecondArray,
    },
    record_batch::RecordBatch,
};
use clap::ValueEnum;
use std::{fmt::Write, sync::Arc};

const PLANS: [&str; 4] = ["free", "starter", "growth", "enterprise"];
/// 2025-01-01 in milliseconds, and in days.
const BEGAN_MS: i64 = 1_735_689_600_000;
const BEGAN_DAYS: i64 = 18_000;
/// The weights of rows in sums are below this.
const WEIGHTS: i64 = 1_009;

/// What the rows look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// Ten columns, one of each usual kind.
    Standard,
    /// Sixty columns: the same kinds again and again.
    Wide,
    /// A key of two texts, and nine columns.
    TextKey,
    /// A key and one number, for very many rows.
    Narrow,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The number of the row, as a key.
    Id,
    /// The first and the second part of a key of text.
    Tenant,
    User,
    Name,
    Integer,
    BigInteger,
    Decimal,
    Double,
    Boolean,
    /// A point in time. MongoDB's dates have milliseconds, so the values have no more.
    Instant,
    Date,
    /// One of four words, or NULL.
    Plan,
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    salt: u64,
}

/// What a table holds: its rows, and for each column the sum of its numbers, each times its row's weight. A value in the wrong row
/// changes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checksum {
    pub(crate) rows: u64,
    pub(crate) sums: Vec<i128>,
}

impl Shape {
    /// As `--shape` takes it.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().expect("none is skipped").get_name().to_owned()
    }

    pub(crate) fn columns(self) -> Vec<Column> {
        const VALUES: [(&str, Kind); 9] = [
            ("name", Kind::Name),
            ("seats", Kind::Integer),
            ("events", Kind::BigInteger),
            ("mrr", Kind::Decimal),
            ("score", Kind::Double),
            ("trial", Kind::Boolean),
            ("seen_at", Kind::Instant),
            ("since", Kind::Date),
            ("plan", Kind::Plan),
        ];
        let mut columns: Vec<(String, Kind)> = match self {
            Self::Standard | Self::Wide | Self::Narrow => vec![("id".to_owned(), Kind::Id)],
            Self::TextKey => vec![("tenant".to_owned(), Kind::Tenant), ("user_id".to_owned(), Kind::User)],
        };
        match self {
            Self::Standard | Self::TextKey => {
                columns.extend(VALUES.map(|(name, kind)| (name.to_owned(), kind)))
            }
            Self::Wide => columns.extend((0..59).map(|at| {
                let (name, kind) = VALUES[at % VALUES.len()];
                (format!("{name}_{}", at / VALUES.len() + 1), kind)
            })),
            Self::Narrow => columns.push(("value".to_owned(), Kind::Integer)),
        }
        let salted =
            (1..).zip(columns).map(|(number, (name, kind))| Column { name, kind, salt: mix(number) });
        salted.collect()
    }

    /// The names of the key's columns.
    pub(crate) fn key(self) -> &'static [&'static str] {
        match self {
            Self::Standard | Self::Wide | Self::Narrow => &["id"],
            Self::TextKey => &["tenant", "user_id"],
        }
    }

    /// The names of all columns, parted by commas.
    pub(crate) fn list(self) -> String {
        self.columns().iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The names of the columns that are not of the key.
    pub(crate) fn values(self) -> Vec<String> {
        let all = self.columns().into_iter().map(|column| column.name);
        all.filter(|name| !self.key().contains(&name.as_str())).collect()
    }
}

impl Column {
    /// The number that the cell of a row is made from.
    pub(crate) fn number(&self, row: Row) -> i64 {
        let random = || (mix(row.number ^ self.salt ^ (u64::from(row.version) << 48)) >> 2) as i64;
        match self.kind {
            Kind::Id => row.number as i64,
            Kind::Tenant => (row.number / 100) as i64,
            Kind::User => (row.number % 100) as i64,
            Kind::Name => random() & 0xFFFF_FFFF,
            Kind::Integer => random() % 500,
            Kind::BigInteger => random() % 1_000_000_000,
            Kind::Decimal => random() % 10_000_000,
            Kind::Double => random() % 1_000_000_000_000,
            Kind::Boolean => i64::from(random() % 7 == 0),
            Kind::Instant => BEGAN_MS + random() % 30_000_000_000,
            Kind::Date => BEGAN_DAYS + random() % 2_000,
            Kind::Plan => PLANS.get((random() % 5) as usize).map_or(0, |plan| plan.len() as i64),
        }
    }

    /// The cell as the text formats of `COPY` and `LOAD DATA` have it.
    pub(crate) fn text(&self, number: i64, into: &mut String) {
        let write = match self.kind {
            Kind::Id | Kind::Integer | Kind::BigInteger | Kind::Boolean => write!(into, "{number}"),
            Kind::Tenant | Kind::User | Kind::Name => write!(into, "{}", self.words(number)),
            Kind::Decimal => write!(into, "{}.{:02}", number / 100, number % 100),
            Kind::Double => write!(into, "{}", number as f64 / 1e6),
            Kind::Instant => {
                let at = chrono::DateTime::from_timestamp_millis(number).expect("a time of this century");
                write!(into, "{}", at.format("%Y-%m-%d %H:%M:%S%.3f"))
            }
            Kind::Date => {
                let at = chrono::DateTime::from_timestamp(number * 86_400, 0).expect("a day of this century");
                write!(into, "{}", at.format("%Y-%m-%d"))
            }
            Kind::Plan => write!(into, "{}", plan(number).unwrap_or("\\N")),
        };
        write.expect("a String takes everything");
    }

    /// Text that ends in the eight hexadecimal digits of its number.
    pub(crate) fn words(&self, number: i64) -> String {
        match self.kind {
            Kind::Tenant => format!("tenant-{number:08x}"),
            Kind::User => format!("user-{number:08x}"),
            _ => format!("account {:06x}{number:08x}", mix(number as u64) & 0xFF_FFFF),
        }
    }

    fn array(&self, numbers: &[i64]) -> ArrayRef {
        let each = || numbers.iter().copied();
        match self.kind {
            Kind::Id | Kind::BigInteger => Arc::new(Int64Array::from(numbers.to_vec())),
            Kind::Tenant | Kind::User | Kind::Name => {
                Arc::new(StringArray::from_iter_values(each().map(|number| self.words(number))))
            }
            Kind::Integer => Arc::new(Int32Array::from_iter_values(each().map(|number| number as i32))),
            Kind::Decimal => {
                let cents = Decimal128Array::from_iter_values(each().map(i128::from));
                Arc::new(cents.with_precision_and_scale(12, 2).expect("a decimal"))
            }
            Kind::Double => {
                Arc::new(Float64Array::from_iter_values(each().map(|number| number as f64 / 1e6)))
            }
            Kind::Boolean => Arc::new(BooleanArray::from_iter(each().map(|number| Some(number == 1)))),
            Kind::Instant => {
                let micros = TimestampMicrosecondArray::from_iter_values(each().map(|ms| ms * 1_000));
                Arc::new(micros.with_timezone("UTC"))
            }
            Kind::Date => Arc::new(Date32Array::from_iter_values(each().map(|days| days as i32))),
            Kind::Plan => Arc::new(StringArray::from_iter(each().map(plan))),
        }
    }
}

/// The plan of a number. They are told apart by their length.
pub(crate) fn plan(length: i64) -> Option<&'static str> {
    PLANS.into_iter().find(|plan| plan.len() as i64 == length)
}

/// The numbers of these rows, column by column.
fn numbers(columns: &[Column], rows: &[Row]) -> Vec<Vec<i64>> {
    columns.iter().map(|column| rows.iter().map(|row| column.number(*row)).collect()).collect()
}

/// These rows, and what they add to the checksum.
pub(crate) fn batch(shape: Shape, columns: &[Column], rows: &[Row], checksum: &mut Checksum) -> RecordBatch {
    let numbers = numbers(columns, rows);
    checksum.add(shape, &numbers);
    let arrays = columns.iter().zip(&numbers).map(|(column, numbers)| (&column.name, column.array(numbers)));
    RecordBatch::try_from_iter(arrays).expect("columns of one length")
}

impl Checksum {
    /// Adds rows by the numbers of their cells, column by column.
    pub(crate) fn add(&mut self, shape: Shape, numbers: &[Vec<i64>]) {
        self.sums.resize(numbers.len(), 0);
        let rows = numbers.first().map_or(0, Vec::len);
        self.rows += rows as u64;
        let keys = &numbers[..shape.key().len()];
        let weights: Vec<i64> = (0..rows).map(|at| weight(keys.iter().map(|column| column[at]))).collect();
        for (sum, numbers) in self.sums.iter_mut().zip(numbers) {
            *sum += numbers
                .iter()
                .zip(&weights)
                .map(|(number, weight)| i128::from(number * weight))
                .sum::<i128>();
        }
    }

    /// With these rows as well.
    pub(crate) fn and(mut self, shape: Shape, rows: impl Iterator<Item = Row>) -> Self {
        let (columns, mut rows) = (shape.columns(), rows.peekable());
        while rows.peek().is_some() {
            let some: Vec<Row> = rows.by_ref().take(8_192).collect();
            self.add(shape, &numbers(&columns, &some));
        }
        self
    }
}

fn weight(key: impl Iterator<Item = i64>) -> i64 {
    key.fold(0, |all, part| all * 31 + part) % WEIGHTS + 1
}

/// The weight of a row in SQL, from its key's numbers in SQL.
pub(crate) fn weight_in_sql(key: &[String]) -> String {
    let all = key.iter().skip(1).fold(key[0].clone(), |all, part| format!("({all} * 31 + {part})"));
    format!("({all} % {WEIGHTS} + 1)")
}
