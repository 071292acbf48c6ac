//! A sync's columns matched with the columns of its table.

use crate::{
    catalog::{Table, TableColumn, UniqueIndex},
    column_type::{self, Kind},
    encode::{Codec, Wire},
    name,
};
use arrow::{array::ArrayRef, record_batch::RecordBatch};
use hydrant_contract::{Deletes, Mismatch, SoftMark, TableSpec, ValueType};

/// How the rows of a sync go into its table.
#[derive(Debug)]
pub(crate) struct Plan<'t> {
    pub(crate) table: &'t Table,
    /// The managed columns, in the query's order.
    pub(crate) columns: Vec<ColumnPlan<'t>>,
    /// Positions of the key among the columns, in the key's order.
    pub(crate) key: Vec<usize>,
    pub(crate) key_index: &'t UniqueIndex,
    /// The column that marks soft deletes, quoted.
    pub(crate) soft: Option<(String, SoftMark)>,
}

/// How the values of one column go into the table.
#[derive(Debug)]
pub(crate) struct ColumnPlan<'t> {
    pub(crate) value: ValueType,
    pub(crate) column: &'t TableColumn,
    pub(crate) is_key: bool,
    /// On the way through the temporary table.
    pub(crate) travel: Codec,
    /// Straight into the table, if that is possible.
    pub(crate) direct: Option<Codec>,
}

impl ColumnPlan<'_> {
    /// The name, quoted.
    pub(crate) fn quoted(&self) -> String {
        name::quoted(&self.column.name)
    }

    /// Makes the column's type of an expression of its travelling type.
    pub(crate) fn cast(&self, expression: &str) -> String {
        match self.column.kind.needs_cast() {
            true => format!("({expression})::{}", self.column.type_name),
            false => expression.to_owned(),
        }
    }
}

impl<'t> Plan<'t> {
    /// Matches, or says all that does not match.
    pub(crate) fn new(spec: &TableSpec, table: &'t Table) -> Result<Self, Vec<Mismatch>> {
        let mut mismatches = Vec::new();
        let columns: Vec<_> = spec
            .shape
            .columns()
            .iter()
            .filter_map(|wanted| {
                let is_key = spec.shape.is_key(&wanted.name);
                column(table, &wanted.name, &wanted.value, is_key).map_err(|m| mismatches.push(m)).ok()
            })
            .collect();
        let soft = spec
            .soft_column()
            .and_then(|(column, mark)| soft_column(table, column, mark).map_err(|m| mismatches.push(m)).ok());
        let numbers: Vec<_> =
            spec.shape.key().iter().filter_map(|key| Some(table.column(key)?.number)).collect();
        let complete = numbers.len() == spec.shape.key().len();
        let key_index = table.index_on(&numbers).filter(|_| complete);
        if key_index.is_none() {
            mismatches.push(no_index(spec, table));
        }
        if spec.deletes == Deletes::NullOut {
            mismatches.extend(columns.iter().filter(|c| !c.is_key && c.column.not_null).map(|c| Mismatch {
                column: Some(c.column.name.clone()),
                problem: "it is NOT NULL, and deletes shall make it NULL".to_owned(),
                mend: format!("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL", table.quoted, c.quoted()),
            }));
        }
        match key_index {
            Some(key_index) if mismatches.is_empty() => {
                Ok(Self { table, columns, key: spec.shape.key_positions(), key_index, soft })
            }
            _ => Err(mismatches),
        }
    }

    /// Whether rows can be copied straight into the table.
    pub(crate) fn can_copy(&self) -> bool {
        self.columns.iter().all(|c| c.direct.is_some())
    }

    /// The key columns, in the key's order.
    pub(crate) fn key_columns(&self) -> impl Iterator<Item = (usize, &ColumnPlan<'t>)> {
        self.key.iter().map(|at| (*at, &self.columns[*at]))
    }

    /// The columns that are not the key, with their positions.
    pub(crate) fn value_columns(&self) -> impl Iterator<Item = (usize, &ColumnPlan<'t>)> {
        self.columns.iter().enumerate().filter(|(_, c)| !c.is_key)
    }

    /// The operator that the key's index calls equality, for the column at this position.
    pub(crate) fn key_operator(&self, at: usize) -> &str {
        operator(self.key_index, self.columns[at].column.number)
    }

    /// For each managed column the array of a batch that holds it: of rows all, of keys those of the key.
    pub(crate) fn arrays<'b>(&self, batch: &'b RecordBatch, keys_only: bool) -> Vec<Option<&'b ArrayRef>> {
        match keys_only {
            false => batch.columns().iter().map(Some).collect(),
            true => {
                let place = |at: usize| self.key.iter().position(|k| *k == at).map(|i| batch.column(i));
                (0..self.columns.len()).map(place).collect()
            }
        }
    }
}

/// The equality operator of an index for one of its columns.
pub(crate) fn operator(index: &UniqueIndex, column: i16) -> &str {
    let at = index.columns.iter().position(|c| *c == column);
    at.and_then(|at| index.operators.get(at)).map_or("OPERATOR(pg_catalog.=)", String::as_str)
}

fn column<'t>(
    table: &'t Table,
    wanted: &str,
    value: &ValueType,
    is_key: bool,
) -> Result<ColumnPlan<'t>, Mismatch> {
    let mismatch =
        |problem: String, mend: String| Mismatch { column: Some(wanted.to_owned()), problem, mend };
    let (quoted, create) = (name::quoted(wanted), column_type::created(value, None));
    let Some(column) = table.column(wanted) else {
        if wanted.len() > name::NAME_BYTES_MAX {
            return Err(mismatch(too_long(wanted), "give it a shorter name in the query with AS".to_owned()));
        }
        let add = format!("ALTER TABLE {} ADD COLUMN {quoted} {create}", table.quoted);
        return Err(mismatch("the table has no such column".to_owned(), add));
    };
    if column.generated || column.identity == 'a' {
        let (problem, mend) = match column.generated {
            true => ("the database generates it from other columns", "leave it out of the query".to_owned()),
            false => (
                "it is GENERATED ALWAYS AS IDENTITY, so nobody else may write it",
                format!("ALTER TABLE {} ALTER COLUMN {quoted} SET GENERATED BY DEFAULT", table.quoted),
            ),
        };
        return Err(mismatch(problem.to_owned(), mend));
    }
    if is_key && matches!(column.kind, Kind::Citext | Kind::Json | Kind::Jsonb | Kind::Other) {
        let problem =
            format!("a key of the type {} calls keys equal that are different to the query", column.shown);
        let to = column_type::created(value, None);
        let mend = format!(
            "ALTER TABLE {} ALTER COLUMN {quoted} TYPE {to} USING {quoted}::text::{to}",
            table.quoted
        );
        return Err(mismatch(problem, mend));
    }
    if is_key && !column.tells_texts_apart {
        let problem =
            "its collation is not deterministic: it calls keys equal that are different to the query";
        let mend =
            format!("ALTER TABLE {} ALTER COLUMN {quoted} TYPE {} COLLATE \"C\"", table.quoted, column.shown);
        return Err(mismatch(problem.to_owned(), mend));
    }
    let travel = Codec::new(value, &column.kind, Wire::Travel)
        .filter(|_| column.kind != Kind::Other || column.text_is_exact);
    let Some(travel) = travel else {
        let problem = format!("the query gives {value}, the column is {}", column.shown);
        return Err(mismatch(problem, mend_of_type(table, column, value)));
    };
    let direct = Codec::new(value, &column.kind, Wire::Table);
    Ok(ColumnPlan { value: value.clone(), column, is_key, travel, direct })
}

fn mend_of_type(table: &Table, column: &TableColumn, value: &ValueType) -> String {
    let quoted = name::quoted(&column.name);
    let alter = |to: &str, using: &str| {
        format!("ALTER TABLE {} ALTER COLUMN {quoted} TYPE {to} USING {using}", table.quoted)
    };
    match (value, &column.kind) {
        // Which zone the wall clock was in, only a person knows.
        (ValueType::Instant(_), Kind::Timestamp(_)) => alter(
            "timestamptz",
            &format!(
                "{quoted} AT TIME ZONE 'UTC' (with the zone that its times are in); or make it a timestamp without zone in the query"
            ),
        ),
        (ValueType::Timestamp(_), Kind::Timestamptz(_)) => alter(
            "timestamp",
            &format!("{quoted} AT TIME ZONE 'UTC'; or make it a timestamp with time zone in the query"),
        ),
        _ => {
            let to = column_type::created(value, None);
            format!("{}; or cast it in the query", alter(&to, &format!("{quoted}::text::{to}")))
        }
    }
}

fn soft_column(table: &Table, wanted: &str, mark: SoftMark) -> Result<(String, SoftMark), Mismatch> {
    let mismatch =
        |problem: String, mend: String| Mismatch { column: Some(wanted.to_owned()), problem, mend };
    let quoted = name::quoted(wanted);
    let Some(column) = table.column(wanted) else {
        let add = format!("ALTER TABLE {} ADD COLUMN {quoted} {}", table.quoted, soft_type(mark));
        return Err(mismatch("the table lacks the column that marks deleted rows".to_owned(), add));
    };
    let (fits, wants) = match mark {
        SoftMark::Flag => (column.kind == Kind::Bool, "boolean"),
        SoftMark::Time => (matches!(column.kind, Kind::Timestamptz(_)), "timestamptz"),
    };
    if !fits {
        let problem = format!("it marks deleted rows and must be {wants}, but is {}", column.shown);
        return Err(mismatch(problem, "name another column for the mark in the configuration".to_owned()));
    }
    if mark == SoftMark::Time && column.not_null {
        let mend = format!("ALTER TABLE {} ALTER COLUMN {quoted} DROP NOT NULL", table.quoted);
        return Err(mismatch("it is NULL for rows that are not deleted, but is NOT NULL".to_owned(), mend));
    }
    Ok((quoted, mark))
}

/// The type of a column that marks deleted rows.
pub(crate) fn soft_type(mark: SoftMark) -> &'static str {
    match mark {
        SoftMark::Flag => "boolean NOT NULL DEFAULT false",
        SoftMark::Time => "timestamptz",
    }
}

fn no_index(spec: &TableSpec, table: &Table) -> Mismatch {
    let key = name::list(spec.shape.key().iter().map(String::as_str));
    // An index on a partitioned table cannot be built concurrently.
    let how = if table.relation == 'p' { "" } else { "CONCURRENTLY " };
    Mismatch {
        column: None,
        problem: format!(
            "no unique index stands on exactly the key ({key}) that is valid, not deferrable, and without condition, expression or a collation that is not deterministic"
        ),
        mend: format!("CREATE UNIQUE INDEX {how}ON {} ({key})", table.quoted),
    }
}

/// What is wrong with a name that Postgres would cut.
pub(crate) fn too_long(name: &str) -> String {
    format!("the name is {} bytes long, and Postgres cuts names after {}", name.len(), name::NAME_BYTES_MAX)
}
