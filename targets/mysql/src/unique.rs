//! Values of unique columns that move between rows of one batch.
//!
//! InnoDB checks a unique index row by row, so two rows cannot simply swap their values. What moves is put out of the way
//! first: NULL where the column may be, else a value at the far end of its type that nobody uses. The transaction hides it
//! from everyone but the table's own triggers.

use crate::{
    catalog::UniqueIndex,
    column_type::Kind,
    limits::range_of,
    plan::{ColumnPlan, Plan},
};

/// How the values of one unique index are put out of the way.
#[derive(Debug)]
pub(crate) struct Parking<'p> {
    pub(crate) index: &'p UniqueIndex,
    /// The column of the index that takes a passing value.
    pub(crate) column: &'p ColumnPlan,
    /// An expression for it, different for every row `s`.
    pub(crate) value: String,
}

/// The unique indexes besides the key that a change of a managed column may collide in.
pub(crate) fn others(plan: &Plan) -> impl Iterator<Item = &UniqueIndex> {
    plan.table.indexes.iter().filter(move |index| {
        index.name != plan.key_index.name && plan.value_columns().any(|(_, c)| index.has(&c.column.name))
    })
}

/// The positions of the columns of an index, if hydrant knows the values of all of them before they are written.
pub(crate) fn managed(plan: &Plan, index: &UniqueIndex) -> Option<Vec<usize>> {
    let position = |name: &Option<String>| {
        let name = name.as_ref()?;
        plan.columns.iter().position(|c| c.column.name == *name)
    };
    index.columns.iter().map(position).collect::<Option<Vec<_>>>().filter(|_| index.whole)
}

/// The ways to put values out of the way, the best first; each is one parking per index. Constraints of the table may
/// refuse any of them.
pub(crate) fn ways(plan: &Plan) -> Vec<Vec<Parking<'_>>> {
    let way = |far_end: fn(&Kind) -> Option<String>, allow_null: bool| {
        let parkings: Option<Vec<_>> =
            others(plan).map(|index| parking(plan, index, far_end, allow_null)).collect();
        parkings.filter(|p| !p.is_empty())
    };
    [way(high, true), way(high, false), way(low, false)].into_iter().flatten().collect()
}

fn parking<'p>(
    plan: &'p Plan,
    index: &'p UniqueIndex,
    far_end: fn(&Kind) -> Option<String>,
    allow_null: bool,
) -> Option<Parking<'p>> {
    let columns = || plan.value_columns().map(|(_, c)| c).filter(|c| index.has(&c.column.name));
    if allow_null && let Some(column) = columns().find(|c| !c.column.not_null) {
        return Some(Parking { index, column, value: "NULL".to_owned() });
    }
    columns().find_map(|column| Some(Parking { index, column, value: far_end(&column.column.kind)? }))
}

/// Values at the upper end of a type.
fn high(kind: &Kind) -> Option<String> {
    Some(match kind {
        Kind::Int { .. } => format!("{} - s.n", range_of(kind)?.1),
        Kind::Decimal { precision, scale, .. } => {
            let digits = usize::from(precision - scale);
            if digits == 0 {
                return None;
            }
            format!("{} - s.n", "9".repeat(digits))
        }
        Kind::Date => "DATE_SUB('9999-12-31', INTERVAL s.n DAY)".to_owned(),
        Kind::Datetime(_) => "DATE_SUB('9999-12-31 00:00:00', INTERVAL s.n SECOND)".to_owned(),
        Kind::Timestamp(_) => "DATE_SUB('2038-01-18 00:00:00', INTERVAL s.n SECOND)".to_owned(),
        // Short columns: as many digits as fit, behind a sign that few values begin with.
        Kind::Char { characters, .. } | Kind::Varchar { characters, .. } if *characters < 20 => {
            "CONCAT('~', s.n)".to_owned()
        }
        Kind::Char { .. } | Kind::Varchar { .. } => "CONCAT('~hydrant~', s.n)".to_owned(),
        Kind::Varbinary(bytes) if *bytes < 20 => "CONCAT('~', s.n)".to_owned(),
        Kind::Varbinary(_) => "CONCAT('~hydrant~', s.n)".to_owned(),
        Kind::Binary(16) | Kind::Uuid => {
            let digits = "LPAD(HEX(s.n), 32, 'f')";
            match kind {
                Kind::Uuid => digits.to_owned(),
                _ => format!("UNHEX({digits})"),
            }
        }
        Kind::Bit(_)
        | Kind::Year
        | Kind::Float { .. }
        | Kind::Double { .. }
        | Kind::Text { .. }
        | Kind::Binary(_)
        | Kind::Blob(_)
        | Kind::Time(_)
        | Kind::Json
        | Kind::Enum(_)
        | Kind::Set(_)
        | Kind::Other => return None,
    })
}

/// Values at the lower end of a type.
fn low(kind: &Kind) -> Option<String> {
    Some(match kind {
        Kind::Int { .. } => format!("{} + s.n", range_of(kind)?.0),
        Kind::Decimal { precision, scale, unsigned: false } => {
            let digits = usize::from(precision - scale);
            if digits == 0 {
                return None;
            }
            format!("s.n - {}", "9".repeat(digits))
        }
        Kind::Date => "DATE_ADD('0001-01-01', INTERVAL s.n DAY)".to_owned(),
        _ => return high(kind),
    })
}
