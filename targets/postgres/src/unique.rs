//! Values of unique columns that move between rows of one batch.
//!
//! Postgres checks a unique index row by row, so two rows cannot simply swap their values. What moves is put out of the
//! way first: NULL where the column may be, else a value at the far end of its type that nobody uses. The transaction
//! hides it from everyone but the table's own triggers.

use crate::{
    catalog::UniqueIndex,
    column_type::{Kind, TextLimit},
    plan::{ColumnPlan, Plan},
};

/// How the values of one unique index are put out of the way.
#[derive(Debug)]
pub(crate) struct Parking<'p> {
    pub(crate) index: &'p UniqueIndex,
    /// The column of the index that takes a passing value.
    pub(crate) column: &'p ColumnPlan<'p>,
    /// An expression for it, different for every staged row `s`.
    pub(crate) value: String,
}

/// The unique indexes besides the key that a change of a managed column may collide in.
pub(crate) fn others<'p>(plan: &'p Plan<'_>) -> impl Iterator<Item = &'p UniqueIndex> {
    let key = &plan.key_index.name;
    plan.table.indexes.iter().filter(move |index| {
        index.name != *key && plan.value_columns().any(|(_, c)| index.columns.contains(&c.column.number))
    })
}

/// Whether hydrant knows the values of all columns of an index, before they are written.
pub(crate) fn is_managed(plan: &Plan<'_>, index: &UniqueIndex) -> bool {
    index.whole && index.columns.iter().all(|number| plan.columns.iter().any(|c| c.column.number == *number))
}

/// The ways to put values out of the way, the best first; each is one parking per index. Constraints of the table may
/// refuse any of them.
pub(crate) fn ways<'p>(plan: &'p Plan<'p>) -> Vec<Vec<Parking<'p>>> {
    let way = |far_end: fn(&Kind) -> Option<String>, allow_null: bool| {
        let parkings: Option<Vec<_>> =
            others(plan).map(|index| parking(plan, index, far_end, allow_null)).collect();
        parkings.filter(|p| !p.is_empty())
    };
    [way(high, true), way(high, false), way(low, false)].into_iter().flatten().collect()
}

fn parking<'p>(
    plan: &'p Plan<'p>,
    index: &'p UniqueIndex,
    far_end: fn(&Kind) -> Option<String>,
    allow_null: bool,
) -> Option<Parking<'p>> {
    let columns =
        || plan.value_columns().map(|(_, c)| c).filter(|c| index.columns.contains(&c.column.number));
    if allow_null
        && !index.nulls_equal
        && let Some(column) = columns().find(|c| !c.column.not_null)
    {
        return Some(Parking { index, column, value: "NULL".to_owned() });
    }
    columns().find_map(|column| Some(Parking { index, column, value: far_end(&column.column.kind)? }))
}

/// Values at the upper end of a type.
fn high(kind: &Kind) -> Option<String> {
    Some(match kind {
        Kind::Int2 => "(32767 - s.n)::pg_catalog.int2".to_owned(),
        Kind::Int4 => "2147483647 - s.n".to_owned(),
        Kind::Int8 => "9223372036854775807 - s.n::pg_catalog.int8".to_owned(),
        Kind::Numeric(None) => "1e100 + s.n".to_owned(),
        Kind::Numeric(Some(limit)) => {
            let digits = usize::try_from(limit.precision - limit.scale).ok().filter(|digits| *digits > 0)?;
            format!("{} - s.n", "9".repeat(digits))
        }
        Kind::Date => "'5874897-12-31'::pg_catalog.date - s.n".to_owned(),
        Kind::Timestamp(_) => after("timestamp"),
        Kind::Timestamptz(_) => after("timestamptz"),
        Kind::Text(TextLimit::None) | Kind::Citext => "'~hydrant~' || s.n".to_owned(),
        // Short columns: as many digits as fit, behind a sign that few values begin with.
        Kind::Text(_) => "'~' || s.n".to_owned(),
        Kind::Uuid => format!("pg_catalog.lpad(pg_catalog.to_hex(s.n), 32, 'f'){}", "::pg_catalog.uuid"),
        Kind::Bytea => "pg_catalog.convert_to('~hydrant~' || s.n, 'UTF8')".to_owned(),
        Kind::Bool
        | Kind::Float4
        | Kind::Float8
        | Kind::Enum
        | Kind::Time(_)
        | Kind::Json
        | Kind::Jsonb
        | Kind::Array(..)
        | Kind::Vector(_)
        | Kind::Other => return None,
    })
}

/// Values at the lower end of a type.
fn low(kind: &Kind) -> Option<String> {
    Some(match kind {
        Kind::Int2 => "(s.n - 32768)::pg_catalog.int2".to_owned(),
        Kind::Int4 => "s.n - 2147483647 - 1".to_owned(),
        Kind::Int8 => "s.n::pg_catalog.int8 - 9223372036854775807".to_owned(),
        Kind::Numeric(None) => "-1e100 - s.n".to_owned(),
        Kind::Numeric(Some(limit)) => {
            let digits = usize::try_from(limit.precision - limit.scale).ok().filter(|digits| *digits > 0)?;
            format!("s.n - {}", "9".repeat(digits))
        }
        Kind::Date => "'4713-01-01 BC'::pg_catalog.date + s.n".to_owned(),
        _ => return high(kind),
    })
}

/// Whole seconds before the last year, so that a column that keeps no fractions takes them too.
fn after(of: &str) -> String {
    format!("'294276-12-31 00:00:00'::pg_catalog.{of} - s.n * '1 second'::pg_catalog.interval")
}
