//! A table of the file compared with what a sync wants.

use crate::{
    classify, limits,
    statement::{self, quoted},
};
use hydrant_contract::{
    Column, Deletes, ErrorKind, Limits, Mismatch, Mode, Result, SoftMark, TableSpec, TargetError, ValueType,
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use std::collections::HashSet;

/// SQLite's own bound (`SQLITE_MAX_COLUMN`).
const COLUMNS_MAX: usize = 2000;

/// What a table is.
pub(crate) struct Table {
    kind: String,
    without_rowid: bool,
    strict: bool,
}

/// What `inspect` found.
pub(crate) struct Inspected {
    pub(crate) mismatches: Vec<Mismatch>,
    pub(crate) limits: Vec<Limits>,
}

/// A unique index: its columns (expressions have no name) with their collations.
pub(crate) struct Index {
    pub(crate) columns: Vec<(Option<String>, String)>,
    partial: bool,
}

struct Found {
    name: String,
    declared: String,
    not_null: bool,
    default: Option<String>,
    /// Place in the primary key, from 1.
    primary_key: i64,
    generated: bool,
}

/// Refuses what no table of SQLite can be.
pub(crate) fn check(spec: &TableSpec) -> Result<()> {
    let doing = format!("looking at what the table {} shall hold", spec.table);
    let no = |kind, message: String| Err(TargetError::new(kind, &doing, message));
    if let Some(schema) = spec.table.schema.as_deref().filter(|schema| !schema.eq_ignore_ascii_case("main")) {
        return no(
            ErrorKind::Missing,
            format!("SQLite has no schema {schema:?}: name the table alone, or main.{}", spec.table.name),
        );
    }
    if spec.table.name.to_ascii_lowercase().starts_with("sqlite_") {
        return no(
            ErrorKind::ShapeDiffers,
            "SQLite keeps names that begin with sqlite_ to itself".to_owned(),
        );
    }
    let names: Vec<&str> = spec
        .shape
        .columns()
        .iter()
        .map(|c| c.name.as_str())
        .chain(spec.soft_column().map(|(n, _)| n))
        .collect();
    if names.len() > COLUMNS_MAX {
        return no(
            ErrorKind::ShapeDiffers,
            format!("{} columns, and SQLite takes {COLUMNS_MAX}", names.len()),
        );
    }
    if names.iter().chain([&spec.table.name.as_str()]).any(|name| name.contains('\0')) {
        return no(ErrorKind::ShapeDiffers, "a name with a NUL character".to_owned());
    }
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(name.to_ascii_lowercase())) {
        Some(name) => no(
            ErrorKind::ShapeDiffers,
            format!(
                "two columns are named {name:?} but for the case of letters, which SQLite does not tell apart; \
                     give one another name with AS in the query"
            ),
        ),
        None => Ok(()),
    }
}

/// The table of that name, if there is one.
pub(crate) async fn find(
    connection: &mut SqliteConnection,
    name: &str,
    doing: &str,
) -> Result<Option<Table>> {
    let row = sqlx::query(
        "SELECT type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ? COLLATE NOCASE",
    )
    .bind(name)
    .fetch_optional(connection)
    .await
    .map_err(|e| classify::failed(e, doing))?;
    Ok(row.map(|row| Table { kind: row.get(0), without_rowid: row.get(1), strict: row.get(2) }))
}

/// The unique indexes of a table; a key that is the rowid has none.
pub(crate) async fn indexes(
    connection: &mut SqliteConnection,
    name: &str,
    doing: &str,
) -> Result<Vec<Index>> {
    let rows = sqlx::query(
        "SELECT l.seq, l.partial, i.name, i.coll FROM pragma_index_list(?, 'main') AS l, \
         pragma_index_xinfo(l.name, 'main') AS i WHERE l.\"unique\" AND i.key ORDER BY l.seq, i.seqno",
    )
    .bind(name)
    .fetch_all(connection)
    .await
    .map_err(|e| classify::failed(e, doing))?;
    let mut indexes: Vec<(i64, Index)> = Vec::new();
    for row in rows {
        let seq: i64 = row.get(0);
        let column = (row.get(2), row.get::<Option<String>, _>(3).unwrap_or_default());
        match indexes.last_mut() {
            Some((last, index)) if *last == seq => index.columns.push(column),
            _ => indexes.push((seq, Index { columns: vec![column], partial: row.get(1) })),
        }
    }
    Ok(indexes.into_iter().map(|(_, index)| index).collect())
}

/// Every difference that keeps a sync from running, and what the columns hold.
pub(crate) async fn inspect(
    connection: &mut SqliteConnection,
    table: &Table,
    spec: &TableSpec,
    doing: &str,
) -> Result<Inspected> {
    if table.kind != "table" {
        let mismatch = Mismatch {
            column: None,
            problem: format!("it is a {}, not a table", table.kind),
            mend: "name a table".to_owned(),
        };
        return Ok(Inspected { mismatches: vec![mismatch], limits: Limits::none_of(spec) });
    }
    let columns = columns(connection, spec, doing).await?;
    let indexes = indexes(connection, &spec.table.name, doing).await?;
    let of = |wanted: &Column| match columns.iter().find(|c| c.name.eq_ignore_ascii_case(&wanted.name)) {
        Some(found) => limits::of(wanted, found.refuses_null(table)),
        None => Limits::none(&wanted.name),
    };
    let limits = spec.shape.columns().iter().map(of).collect();
    Ok(Inspected { mismatches: mismatches(table, spec, &columns, &indexes), limits })
}

async fn columns(connection: &mut SqliteConnection, spec: &TableSpec, doing: &str) -> Result<Vec<Found>> {
    let rows = sqlx::query(
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?, 'main') ORDER BY cid",
    )
    .bind(&spec.table.name)
    .fetch_all(connection)
    .await
    .map_err(|e| classify::failed(e, doing))?;
    Ok(rows.iter().map(found).collect())
}

/// The key in the order of the columns of an index on it, and whether rows may have NULL in it.
pub(crate) async fn key_order<'s>(
    connection: &mut SqliteConnection,
    table: &Table,
    spec: &'s TableSpec,
    doing: &str,
) -> Result<(Vec<&'s Column>, bool)> {
    let mut key: Vec<&Column> = spec.shape.key_columns().collect();
    let columns = columns(connection, spec, doing).await?;
    let indexes = indexes(connection, &spec.table.name, doing).await?;
    if let Some(index) = indexes.iter().find(|index| index.is_key(spec)) {
        let place = |column: &&Column| {
            index.columns.iter().position(|(name, _)| {
                name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(&column.name))
            })
        };
        key.sort_by_key(place);
    }
    let of = |wanted: &&Column| columns.iter().find(|c| c.name.eq_ignore_ascii_case(&wanted.name));
    let rowid = is_rowid(table, spec, &columns);
    let nullable = !rowid && key.iter().filter_map(of).any(|found| !found.refuses_null(table));
    Ok((key, nullable))
}

/// Whether the key is another name for the number that SQLite gives every row.
fn is_rowid(table: &Table, spec: &TableSpec, columns: &[Found]) -> bool {
    !table.without_rowid
        && columns.iter().filter(|c| c.primary_key > 0).count() == 1
        && columns.iter().any(|c| {
            c.primary_key == 1
                && c.declared.eq_ignore_ascii_case("INTEGER")
                && matches!(spec.shape.key(), [key] if key.eq_ignore_ascii_case(&c.name))
        })
}

fn mismatches(table: &Table, spec: &TableSpec, columns: &[Found], indexes: &[Index]) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    for (name, value, definition) in wanted(spec) {
        let problem = match columns.iter().find(|c| c.name.eq_ignore_ascii_case(&name)) {
            None => {
                let table = statement::table(spec);
                Some(("it is not there".to_owned(), format!("ALTER TABLE {table} ADD COLUMN {definition}")))
            }
            Some(column) => column.problem(table, spec, &name, &value),
        };
        mismatches.extend(problem.map(|(problem, mend)| Mismatch { column: Some(name), problem, mend }));
    }
    if spec.mode != Mode::Update {
        let managed = |name: &str| wanted(spec).any(|(wanted, ..)| wanted.eq_ignore_ascii_case(name));
        mismatches.extend(
            columns.iter().filter(|c| c.must_be_filled(table, columns) && !managed(&c.name)).map(|column| {
                Mismatch {
                    column: Some(column.name.clone()),
                    problem: "it must be filled, has no default, and the query does not return it".to_owned(),
                    mend: "return the column in the query, or give it a default, or use the mode update"
                        .to_owned(),
                }
            }),
        );
    }
    if !is_rowid(table, spec, columns) && !indexes.iter().any(|index| index.is_key(spec)) {
        let key: Vec<String> =
            spec.shape.key_columns().map(|c| statement::collated(&quoted(&c.name), &c.value)).collect();
        let name = quoted(&format!("hydrant_key_{}", spec.table.name));
        let (key, table) = (key.join(", "), quoted(&spec.table.name));
        mismatches.push(Mismatch {
            column: None,
            problem: format!("there is no unique index on exactly the key ({})", spec.shape.key().join(", ")),
            mend: format!("CREATE UNIQUE INDEX main.{name} ON {table} ({key})"),
        });
    }
    mismatches
}

/// Managed columns: name, value type, and the definition by which one is added.
fn wanted(spec: &TableSpec) -> impl Iterator<Item = (String, ValueType, String)> + '_ {
    let columns = spec.shape.columns().iter().map(|c| {
        let definition = format!("{} {}", quoted(&c.name), statement::declared(&c.value));
        (c.name.clone(), c.value.clone(), definition)
    });
    columns.chain(
        spec.soft_column().map(|(name, mark)| {
            (name.to_owned(), statement::marked(mark), statement::mark_column(name, mark))
        }),
    )
}

fn found(row: &SqliteRow) -> Found {
    Found {
        name: row.get(0),
        declared: row.get(1),
        not_null: row.get(2),
        default: row.get(3),
        primary_key: row.get(4),
        generated: row.get::<i64, _>(5) > 1,
    }
}

impl Index {
    /// Whether it makes exactly the key unique, for all rows and byte by byte.
    fn is_key(&self, spec: &TableSpec) -> bool {
        let key: Vec<_> = spec.shape.key_columns().collect();
        !self.partial
            && self.columns.len() == key.len()
            && key.iter().all(|c| {
                let text = statement::declared(&c.value) == "TEXT";
                self.columns.iter().any(|(name, collation)| {
                    name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(&c.name))
                        && (!text || collation.eq_ignore_ascii_case("BINARY"))
                })
            })
    }
}

impl Found {
    /// What keeps this column from holding such values, and how to mend it.
    fn problem(
        &self,
        table: &Table,
        spec: &TableSpec,
        name: &str,
        value: &ValueType,
    ) -> Option<(String, String)> {
        if self.generated {
            let mend = "leave it out of the query, or make it an ordinary column".to_owned();
            return Some(("the table generates it".to_owned(), mend));
        }
        let affinity = Affinity::of(&self.declared, table.strict);
        if !affinity.keeps(value) {
            let problem =
                format!("it is declared {}, which would change values of type {value}", self.said());
            let mend = format!(
                "SQLite cannot change a column's type: make the table anew with {} {}, or cast the column in the query",
                quoted(name),
                statement::declared(value)
            );
            return Some((problem, mend));
        }
        let soft_time = spec.soft_column().is_some_and(|(soft, mark)| soft == name && mark == SoftMark::Time);
        let nulled = spec.deletes == Deletes::NullOut && !spec.shape.is_key(name);
        if self.not_null && (soft_time || nulled) {
            let why = if nulled {
                "rows that left the query are nulled out"
            } else {
                "rows that are there hold NULL in it"
            };
            let mend =
                "make the table anew without NOT NULL on it, or choose another way of deletes".to_owned();
            return Some((format!("it is NOT NULL, but {why}"), mend));
        }
        None
    }

    fn said(&self) -> String {
        if self.declared.is_empty() { "without a type".to_owned() } else { self.declared.clone() }
    }

    /// Whether it is NOT NULL, which the primary key of an ordinary table need not be.
    fn refuses_null(&self, table: &Table) -> bool {
        self.not_null || (table.without_rowid && self.primary_key > 0)
    }

    /// Whether an insert that does not name the column would fail.
    fn must_be_filled(&self, table: &Table, columns: &[Self]) -> bool {
        let alone = columns.iter().filter(|c| c.primary_key > 0).count() == 1;
        let rowid = self.primary_key == 1
            && alone
            && !table.without_rowid
            && self.declared.eq_ignore_ascii_case("INTEGER");
        let default = self.default.as_deref().is_some_and(|default| !default.eq_ignore_ascii_case("NULL"));
        self.refuses_null(table) && !default && !self.generated && !rowid
    }
}

/// What SQLite makes of a value that is stored in a column (https://www.sqlite.org/datatype3.html, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Affinity {
    Integer,
    Text,
    /// Keeps every value as it is.
    None,
    Real,
    Numeric,
}

impl Affinity {
    fn of(declared: &str, strict: bool) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |part: &str| declared.contains(part);
        if has("INT") {
            Self::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Self::Text
        } else if has("BLOB") || declared.is_empty() || (strict && declared == "ANY") {
            Self::None
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Self::Real
        } else {
            Self::Numeric
        }
    }

    /// Whether a column of this affinity gives back what was stored.
    fn keeps(self, value: &ValueType) -> bool {
        match (self, value) {
            (Self::None, _) => true,
            (Self::Integer | Self::Numeric, ValueType::Boolean | ValueType::Integer(_)) => true,
            // An integer is stored for a float only if it is the same number.
            (Self::Real | Self::Integer | Self::Numeric, ValueType::Float32 | ValueType::Float64) => true,
            (Self::Numeric, ValueType::Bytes) => true,
            // Columns declared DATE or TIMESTAMP: these texts do not look like numbers, so they stay texts.
            (
                Self::Numeric,
                ValueType::Date
                | ValueType::Time(_)
                | ValueType::Timestamp(_)
                | ValueType::Instant(_)
                | ValueType::Uuid,
            ) => true,
            (Self::Text, value) => statement::declared(value) == "TEXT",
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_contract::Integer;

    #[test]
    fn columns_that_would_change_a_value_do_not_keep_it() {
        let whole = ValueType::Integer(Integer::I64);
        let decimal = ValueType::Decimal { precision: 9, scale: 2 };
        for (declared, value, keeps) in [
            ("BIGINT", &whole, true),
            ("boolean", &ValueType::Boolean, true),
            ("VARCHAR(20)", &whole, false),
            ("DOUBLE", &whole, false),
            ("DECIMAL(9,2)", &decimal, false),
            ("TEXT", &decimal, true),
            ("", &decimal, true),
            ("NUMERIC", &ValueType::Text, false),
            ("DATETIME", &ValueType::Instant(hydrant_contract::Resolution::Micro), true),
            // The trap of section 3.1: FLOATING POINT has INTEGER affinity, for the INT in POINT.
            ("FLOATING POINT", &ValueType::Float64, true),
            ("FLOATING POINT", &ValueType::Text, false),
        ] {
            assert_eq!(Affinity::of(declared, false).keeps(value), keeps, "{declared} {value}");
        }
        assert!(Affinity::of("ANY", true).keeps(&ValueType::Text));
        assert!(!Affinity::of("ANY", false).keeps(&ValueType::Text));
    }
}
