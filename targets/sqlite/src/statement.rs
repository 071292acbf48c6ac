//! The text of every statement that writes or reads rows.
//!
//! Columns in expressions are always named with their table: SQLite takes a quoted name that it does not know for a text,
//! but not if a table stands before it. The words `OR ABORT` overrule what a table's own constraints may say
//! (`ON CONFLICT REPLACE` would delete other rows in silence).

use hydrant_contract::{Column, Resolution, SoftMark, TableSpec, ValueType};
use std::fmt::Write as _;

/// SQLite takes this many parameters in a statement (its default since 3.32).
const PARAMETERS_MAX: usize = 32_766;
/// Longer statements gain nothing more, and a refused one has more rows to send again.
const ROWS_MAX: usize = 256;
/// Expressions may be nested 1000 deep (`SQLITE_MAX_EXPR_DEPTH`), and a composite key is one step for each of its rows.
const KEYS_MAX: usize = 200;

/// Hydrant's own tables; `docs/targets/sqlite.md` tells applications how to read them.
pub(crate) const OWN_TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS main.hydrant_checkpoint (sync TEXT NOT NULL PRIMARY KEY, run INTEGER NOT NULL, \
     epoch INTEGER NOT NULL, batch INTEGER NOT NULL, first_change INTEGER NOT NULL, next_change INTEGER NOT NULL, \
     at TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS main.hydrant_freshness (sync TEXT NOT NULL PRIMARY KEY, run INTEGER NOT NULL, \
     as_of TEXT NOT NULL, rows INTEGER NOT NULL)",
];

pub(crate) const READ_CHECKPOINT: &str = "SELECT run, epoch, batch, first_change, next_change \
    FROM main.hydrant_checkpoint WHERE sync = ?";

pub(crate) const CLAIM: &str = "INSERT INTO main.hydrant_checkpoint \
    (sync, run, epoch, batch, first_change, next_change, at) VALUES (?, 0, ?, 0, 0, 0, ?) \
    ON CONFLICT (sync) DO UPDATE SET epoch = excluded.epoch, at = excluded.at";

pub(crate) const NOTE_CHECKPOINT: &str = "INSERT INTO main.hydrant_checkpoint \
    (sync, run, epoch, batch, first_change, next_change, at) VALUES (?, ?, ?, ?, ?, ?, ?) \
    ON CONFLICT (sync) DO UPDATE SET run = excluded.run, epoch = excluded.epoch, batch = excluded.batch, \
    first_change = excluded.first_change, next_change = excluded.next_change, at = excluded.at";

pub(crate) const NOTE_FRESHNESS: &str = "INSERT INTO main.hydrant_freshness (sync, run, as_of, rows) \
    VALUES (?, ?, ?, ?) ON CONFLICT (sync) DO UPDATE SET run = excluded.run, as_of = excluded.as_of, \
    rows = excluded.rows";

/// A way in which rows or keys are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Rows that may be there or not.
    Upsert,
    /// Rows of which those that are there stay as they are.
    Insert,
    /// Rows of which only those that are there are written.
    Update,
    /// Keys whose rows go.
    Delete,
    /// Keys whose rows get this mark, a literal.
    Mark(String),
    /// Keys whose rows keep nothing else.
    NullOut,
}

impl Way {
    /// Whether whole rows are bound, or keys.
    pub(crate) fn binds_rows(&self) -> bool {
        matches!(self, Self::Upsert | Self::Insert | Self::Update)
    }
}

/// A name in quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The table in the main database, whatever temporary table has its name.
pub(crate) fn table(spec: &TableSpec) -> String {
    format!("main.{}", quoted(&spec.table.name))
}

/// The type that hydrant declares for a column. Decimals and times are texts: SQLite would make floating-point numbers of
/// decimals in a column declared as DECIMAL.
pub(crate) fn declared(value: &ValueType) -> &'static str {
    match value {
        ValueType::Boolean => "BOOLEAN",
        ValueType::Integer(_) => "INTEGER",
        ValueType::Float32 | ValueType::Float64 => "REAL",
        ValueType::Bytes => "BLOB",
        ValueType::Decimal { .. }
        | ValueType::Text
        | ValueType::Date
        | ValueType::Time(_)
        | ValueType::Timestamp(_)
        | ValueType::Instant(_)
        | ValueType::Uuid
        | ValueType::Json
        | ValueType::List(_)
        | ValueType::Vector(_)
        | ValueType::Struct(_)
        | ValueType::Map(..) => "TEXT",
    }
}

/// What the column that marks soft deletes holds.
pub(crate) fn marked(mark: SoftMark) -> ValueType {
    match mark {
        SoftMark::Flag => ValueType::Boolean,
        SoftMark::Time => ValueType::Instant(Resolution::Micro),
    }
}

/// The marking column's definition; rows of the application are not gone.
pub(crate) fn mark_column(name: &str, mark: SoftMark) -> String {
    let more = match mark {
        SoftMark::Flag => " NOT NULL DEFAULT 0",
        SoftMark::Time => "",
    };
    format!("{} {}{more}", quoted(name), declared(&marked(mark)))
}

/// Makes the table.
pub(crate) fn create(spec: &TableSpec) -> String {
    let mut lines: Vec<String> = spec
        .shape
        .columns()
        .iter()
        .map(|c| {
            let not_null = if spec.shape.is_key(&c.name) { " NOT NULL" } else { "" };
            format!("{} {}{not_null}", quoted(&c.name), declared(&c.value))
        })
        .collect();
    lines.extend(spec.soft_column().map(|(name, mark)| mark_column(name, mark)));
    lines.push(format!("PRIMARY KEY ({})", names(spec.shape.key_columns())));
    format!("CREATE TABLE {} (\n  {}\n)", table(spec), lines.join(",\n  "))
}

/// How many rows (or keys) one statement of this way takes.
pub(crate) fn rows_max(way: &Way, spec: &TableSpec) -> usize {
    let (columns, rows) = match way {
        way if way.binds_rows() => (spec.shape.columns().len(), ROWS_MAX),
        Way::Delete => (spec.shape.key().len(), KEYS_MAX),
        _ => (spec.shape.key().len(), ROWS_MAX),
    };
    (PARAMETERS_MAX / columns).clamp(1, rows)
}

/// The statement that writes this many rows; none if such rows need no statement.
pub(crate) fn write(way: &Way, spec: &TableSpec, rows: usize) -> Option<String> {
    let shape = &spec.shape;
    let name = table(spec);
    let values: Vec<&Column> = shape.value_columns().collect();
    let soft = spec.soft_column().map(|(column, mark)| {
        let there = match mark {
            SoftMark::Flag => "0",
            SoftMark::Time => "NULL",
        };
        (quoted(column), there)
    });
    Some(match way {
        Way::Upsert | Way::Insert => {
            let mut columns = names(shape.columns().iter());
            let mut constant = String::new();
            if let Some((column, there)) = &soft {
                columns = format!("{columns}, {column}");
                constant = format!(", {there}");
            }
            let tuple = format!("({}{constant})", placeholders(shape.columns().len()));
            let mut sets: Vec<String> = values.iter().map(|c| set(&quoted(&c.name), "excluded")).collect();
            sets.extend(soft.iter().map(|(column, _)| set(column, "excluded")));
            let action = match way {
                Way::Upsert if !sets.is_empty() => format!("UPDATE SET {}", sets.join(", ")),
                _ => "NOTHING".to_owned(),
            };
            let key: Vec<String> =
                shape.key_columns().map(|c| collated(&quoted(&c.name), &c.value)).collect();
            let rows = repeated(&tuple, ", ", rows);
            let key = key.join(", ");
            format!("INSERT OR ABORT INTO {name} ({columns}) VALUES {rows} ON CONFLICT ({key}) DO {action}")
        }
        Way::Update => {
            let mut sets: Vec<String> = Vec::new();
            for (i, column) in shape.columns().iter().enumerate().filter(|(_, c)| !shape.is_key(&c.name)) {
                sets.push(format!("{} = n.column{}", quoted(&column.name), i + 1));
            }
            sets.extend(soft.iter().map(|(column, there)| format!("{column} = {there}")));
            if sets.is_empty() {
                return None;
            }
            let tuples = repeated(&format!("({})", placeholders(shape.columns().len())), ", ", rows);
            let on = matches(shape.key_positions().into_iter().zip(shape.key_columns()));
            format!(
                "UPDATE OR ABORT {name} AS t SET {} FROM (VALUES {tuples}) AS n WHERE {on}",
                sets.join(", ")
            )
        }
        Way::Delete => format!("DELETE FROM {name} AS t WHERE {}", any_key(spec, rows)),
        Way::Mark(_) | Way::NullOut => {
            let sets: Vec<String> = match (way, &soft) {
                (Way::Mark(mark), Some((column, _))) => vec![format!("{column} = {mark}")],
                _ => values.iter().map(|c| format!("{} = NULL", quoted(&c.name))).collect(),
            };
            if sets.is_empty() {
                return None;
            }
            let tuples = repeated(&format!("({})", placeholders(shape.key().len())), ", ", rows);
            let on = matches(shape.key_columns().enumerate());
            format!(
                "UPDATE OR ABORT {name} AS t SET {} FROM (VALUES {tuples}) AS n WHERE {on}",
                sets.join(", ")
            )
        }
    })
}

/// Reads the managed columns of the rows with this many keys. `CROSS JOIN` makes SQLite look every key up.
pub(crate) fn read(spec: &TableSpec, keys: usize) -> String {
    let columns: Vec<String> =
        spec.shape.columns().iter().map(|c| format!("t.{}", quoted(&c.name))).collect();
    let tuples = repeated(&format!("({})", placeholders(spec.shape.key().len())), ", ", keys);
    let on = matches(spec.shape.key_columns().enumerate());
    let (columns, name) = (columns.join(", "), table(spec));
    format!("SELECT {columns} FROM (VALUES {tuples}) AS n CROSS JOIN {name} AS t WHERE {on}")
}

/// Names, quoted, parted by commas.
pub(crate) fn names<'a>(columns: impl Iterator<Item = &'a Column>) -> String {
    columns.map(|c| quoted(&c.name)).collect::<Vec<_>>().join(", ")
}

/// Texts are compared byte by byte, whatever collation the application gave the column.
pub(crate) fn collated(name: &str, value: &ValueType) -> String {
    if declared(value) == "TEXT" { format!("{name} COLLATE BINARY") } else { name.to_owned() }
}

fn set(column: &str, from: &str) -> String {
    format!("{column} = {from}.{column}")
}

/// The key of `t` is that in the columns of `n` at these positions.
fn matches<'a>(key: impl Iterator<Item = (usize, &'a Column)>) -> String {
    let equal = key.map(|(i, c)| {
        format!("{} = n.column{}", collated(&format!("t.{}", quoted(&c.name)), &c.value), i + 1)
    });
    equal.collect::<Vec<_>>().join(" AND ")
}

/// DELETE knows no FROM; and SQLite would not use the index for a list of tuples.
fn any_key(spec: &TableSpec, keys: usize) -> String {
    let columns: Vec<String> =
        spec.shape.key_columns().map(|c| collated(&format!("t.{}", quoted(&c.name)), &c.value)).collect();
    match columns.as_slice() {
        [column] => format!("{column} IN ({})", placeholders(keys)),
        columns => repeated(&format!("({} = ?)", columns.join(" = ? AND ")), " OR ", keys),
    }
}

fn placeholders(count: usize) -> String {
    repeated("?", ", ", count)
}

fn repeated(part: &str, between: &str, count: usize) -> String {
    let mut out = String::with_capacity((part.len() + between.len()) * count);
    for i in 0..count {
        let _ = write!(out, "{}{part}", if i == 0 { "" } else { between });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_contract::{Deletes, Documents, Integer, Mode, Shape, TableName};

    fn spec(deletes: Deletes) -> TableSpec {
        let column = |name: &str, value| Column { name: name.to_owned(), value };
        let columns = vec![
            column("v\"1", ValueType::Float64),
            column("b", ValueType::Integer(Integer::I64)),
            column("a", ValueType::Text),
        ];
        let shape = Shape::new(columns, vec!["a".to_owned(), "b".to_owned()]).expect("a shape");
        let table = TableName { schema: None, name: "t x".to_owned() };
        TableSpec { table, shape, mode: Mode::Mirror, deletes, documents: Documents::default() }
    }

    #[test]
    fn statements_name_columns_with_their_table_and_overrule_conflict_clauses() {
        let spec = spec(Deletes::Soft { column: "gone".to_owned(), mark: SoftMark::Flag });
        let sql = |way| write(&way, &spec, 2).expect("a statement");
        assert_eq!(
            sql(Way::Upsert),
            "INSERT OR ABORT INTO main.\"t x\" (\"v\"\"1\", \"b\", \"a\", \"gone\") VALUES (?, ?, ?, 0), (?, ?, ?, 0) \
             ON CONFLICT (\"a\" COLLATE BINARY, \"b\") DO UPDATE SET \"v\"\"1\" = excluded.\"v\"\"1\", \
             \"gone\" = excluded.\"gone\""
        );
        assert_eq!(
            sql(Way::Update),
            "UPDATE OR ABORT main.\"t x\" AS t SET \"v\"\"1\" = n.column1, \"gone\" = 0 \
             FROM (VALUES (?, ?, ?), (?, ?, ?)) AS n \
             WHERE t.\"a\" COLLATE BINARY = n.column3 AND t.\"b\" = n.column2"
        );
        assert_eq!(
            sql(Way::Delete),
            "DELETE FROM main.\"t x\" AS t WHERE (t.\"a\" COLLATE BINARY = ? AND t.\"b\" = ?) \
             OR (t.\"a\" COLLATE BINARY = ? AND t.\"b\" = ?)"
        );
        assert_eq!(
            sql(Way::Mark("1".to_owned())),
            "UPDATE OR ABORT main.\"t x\" AS t SET \"gone\" = 1 FROM (VALUES (?, ?), (?, ?)) AS n \
             WHERE t.\"a\" COLLATE BINARY = n.column1 AND t.\"b\" = n.column2"
        );
    }

    #[test]
    fn a_statement_stays_within_the_parameters_that_sqlite_takes() {
        let spec = spec(Deletes::Hard);
        assert_eq!(rows_max(&Way::Upsert, &spec), ROWS_MAX);
        assert_eq!(rows_max(&Way::Delete, &spec), KEYS_MAX);
        let wide = (0..2000).map(|i| Column { name: format!("c{i}"), value: ValueType::Text }).collect();
        let wide = TableSpec { shape: Shape::new(wide, vec!["c0".to_owned()]).expect("a shape"), ..spec };
        assert_eq!(rows_max(&Way::Upsert, &wide), 16);
    }
}
