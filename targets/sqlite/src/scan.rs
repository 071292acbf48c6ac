//! A table read from one end to the other, a piece at a time.

use crate::{
    classify, decode,
    encode::{self, Cell},
    inspect,
    statement::{self, collated, quoted},
};
use arrow::array::{Array, ArrayRef};
use hydrant_contract::{Column, Cursor, ErrorKind, Result, Scanned, SoftMark, TableSpec, TargetError};
use sqlx::{
    AssertSqlSafe, Connection, Decode, Row, SqliteConnection, TypeInfo, ValueRef,
    sqlite::{SqliteArguments, SqliteRow, SqliteValueRef},
};

/// A value of the key as it is stored, whatever the column's type is: the place where a scan goes on.
#[derive(Clone, Debug, PartialEq)]
enum Stored {
    Integer(i64),
    Real(f64),
    /// A text need not be UTF-8.
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

/// Scans; see [`Target::scan`](hydrant_contract::Target::scan). What a statement returns is of one moment, since SQLite
/// reads in a snapshot.
pub(crate) async fn scan(
    connection: &mut SqliteConnection,
    spec: &TableSpec,
    after: Option<&Cursor>,
    rows: usize,
    doing: &str,
) -> Result<Scanned> {
    let missing = || TargetError::new(ErrorKind::Missing, doing, format!("there is no table {}", spec.table));
    let table = inspect::find(connection, &spec.table.name, doing).await?.ok_or_else(missing)?;
    let (key, nullable) = inspect::key_order(connection, &table, spec, doing).await?;
    let broken = |message: String| TargetError::new(ErrorKind::Broken, doing, message);
    let after = after.map(|cursor| parse(cursor, key.len())).transpose().map_err(broken)?;

    // One snapshot for all statements of the piece.
    let mut transaction = connection.begin().await.map_err(|e| classify::failed(e, doing))?;
    let mut found: Vec<SqliteRow> = Vec::new();
    for stretch in stretches(spec, &key, after.as_deref()) {
        if found.len() < rows {
            let sql = format!("{} LIMIT {}", stretch.sql, rows - found.len());
            let mut arguments = SqliteArguments::default();
            stretch.bound.iter().for_each(|stored| stored.bind(&mut arguments));
            let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(false);
            let more = query.fetch_all(&mut *transaction).await;
            found.extend(more.map_err(|e| classify::failed(e, doing))?);
        }
    }
    let next = match found.last().filter(|_| found.len() == rows) {
        Some(last) => Some(cursor(last, spec, &key).map_err(broken)?),
        None => None,
    };
    // The end of the table is where rows without a key are counted: no index leads to them, and no cursor.
    let mut foreign = 0;
    if next.is_none() && nullable {
        let counted = sqlx::query_scalar::<_, i64>(AssertSqlSafe(without_key(spec, &key)))
            .persistent(false)
            .fetch_one(&mut *transaction)
            .await;
        foreign = counted.map_err(|e| classify::failed(e, doing))?.unsigned_abs();
    }
    transaction.rollback().await.map_err(|e| classify::failed(e, doing))?;
    let gone = spec.shape.columns().len();
    let there = |row: &&SqliteRow| spec.soft_column().is_none() || row.get::<i64, _>(gone) == 0;
    let found: Vec<&SqliteRow> = found.iter().filter(there).collect();
    let sorted = Scanned::sort(&spec.shape, found.len(), next, |at, numbers| {
        let column = &spec.shape.columns()[at];
        let rows: Vec<&SqliteRow> = numbers.iter().map(|number| found[*number]).collect();
        decoded(&rows, at, column, spec.shape.is_key(&column.name))
    });
    let mut scanned = sorted.map_err(|e| broken(e.to_string()))?;
    scanned.foreign += foreign;
    Ok(scanned)
}

/// The column at this position of these rows in its carrier, if all of its values are of the type.
fn decoded(rows: &[&SqliteRow], at: usize, column: &Column, is_key: bool) -> Option<ArrayRef> {
    let found = rows.iter().map(|row| decode::found(row.try_get_raw(at).ok()?, &column.value).ok());
    let array = decode::array(&found.collect::<Option<Vec<_>>>()?, &column.value).ok()?;
    // `1.5` and `1.50` are one decimal and two keys: only the one that hydrant writes is found again by its value.
    let written = |row: usize| {
        array.is_null(row)
            || encode::cell(&array, row, &column.value).is_ok_and(|cell| is_stored(&cell, rows[row], at))
    };
    let same = !is_key || (0..rows.len()).all(written);
    same.then_some(array)
}

fn is_stored(cell: &Cell, row: &SqliteRow, at: usize) -> bool {
    let Some(Ok(stored)) = row.try_get_raw(at).ok().map(Stored::of) else { return false };
    match (cell, &stored) {
        (Cell::Integer(cell), Stored::Integer(stored)) => cell == stored,
        (Cell::Text(cell), Stored::Text(stored)) => cell.as_bytes() == stored,
        (Cell::Blob(cell), Stored::Blob(stored)) => **cell == **stored,
        _ => false,
    }
}

/// Rows that lie side by side in the index.
struct Stretch<'a> {
    sql: String,
    bound: &'a [Stored],
}

/// The rows behind the cursor in the order of the index on the key, as stretches that follow on one another: the rows that
/// share all columns of the key with the cursor but the last, those that share all but the last two, and so on.
///
/// Row values (`(a, b) > (?, ?)`) would say it in one statement, but SQLite scans the index from its beginning for them where
/// a collation is named.
fn stretches<'a>(spec: &TableSpec, key: &[&Column], after: Option<&'a [Stored]>) -> Vec<Stretch<'a>> {
    let named = |c: &Column| format!("t.{}", quoted(&c.name));
    let mut columns: Vec<String> = spec.shape.columns().iter().map(named).collect();
    columns.extend(spec.soft_column().map(|(column, mark)| match mark {
        SoftMark::Flag => format!("t.{} IS TRUE", quoted(column)),
        SoftMark::Time => format!("t.{} IS NOT NULL", quoted(column)),
    }));
    let key: Vec<String> = key.iter().map(|c| collated(&named(c), &c.value)).collect();
    let stretch = |shared: usize, bound: &'a [Stored]| {
        let places = bound.iter().map(Stored::placeholder).zip(&key).enumerate();
        let mut conditions: Vec<String> = places
            .map(|(at, (place, column))| format!("{column} {} {place}", if at < shared { "=" } else { ">" }))
            .collect();
        conditions.extend(key[bound.len()..].iter().map(|column| format!("{column} IS NOT NULL")));
        let sql = format!(
            "SELECT {} FROM {} AS t WHERE {} ORDER BY {}",
            columns.join(", "),
            statement::table(spec),
            conditions.join(" AND "),
            key[shared..].join(", ")
        );
        Stretch { sql, bound }
    };
    match after {
        None => vec![stretch(0, &[])],
        Some(after) => (0..key.len()).rev().map(|shared| stretch(shared, &after[..=shared])).collect(),
    }
}

/// Counts the rows that have NULL in their key and are not gone.
fn without_key(spec: &TableSpec, key: &[&Column]) -> String {
    let absent: Vec<String> = key.iter().map(|c| format!("t.{} IS NULL", quoted(&c.name))).collect();
    let there = spec.soft_column().map(|(column, mark)| match mark {
        SoftMark::Flag => format!(" AND t.{} IS NOT TRUE", quoted(column)),
        SoftMark::Time => format!(" AND t.{} IS NULL", quoted(column)),
    });
    format!(
        "SELECT count(*) FROM {} AS t WHERE ({}){}",
        statement::table(spec),
        absent.join(" OR "),
        there.unwrap_or_default()
    )
}

impl Stored {
    fn of(value: SqliteValueRef<'_>) -> std::result::Result<Self, String> {
        let said = |e: sqlx::error::BoxDynError| e.to_string();
        let class = value.type_info().name().to_owned();
        Ok(match class.as_str() {
            "INTEGER" => Self::Integer(i64::decode(value).map_err(said)?),
            "REAL" => Self::Real(f64::decode(value).map_err(said)?),
            "TEXT" => Self::Text(<&[u8]>::decode(value).map_err(said)?.to_vec()),
            "BLOB" => Self::Blob(<&[u8]>::decode(value).map_err(said)?.to_vec()),
            other => return Err(format!("a key of the storage class {other}")),
        })
    }

    fn bind(&self, arguments: &mut SqliteArguments) {
        match self {
            Self::Integer(value) => Cell::Integer(*value),
            Self::Real(value) => Cell::Real(*value),
            Self::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Cell::Text(text.into()),
                Err(_) => Cell::Blob(bytes.as_slice().into()),
            },
            Self::Blob(bytes) => Cell::Blob(bytes.as_slice().into()),
        }
        .bind(arguments);
    }

    fn placeholder(&self) -> &'static str {
        match self {
            Self::Text(bytes) if std::str::from_utf8(bytes).is_err() => "CAST(? AS TEXT)",
            _ => "?",
        }
    }
}

/// For each column of the key a letter for its storage class, eight bytes with a number or the length, and the bytes.
fn cursor(row: &SqliteRow, spec: &TableSpec, key: &[&Column]) -> std::result::Result<Cursor, String> {
    let mut out = Vec::new();
    for column in key {
        let at = spec.shape.columns().iter().position(|c| c.name == column.name);
        let at = at.ok_or("a key column that is not managed")?;
        let value = row.try_get_raw(at).map_err(|e| e.to_string())?;
        let (class, number, bytes) = match Stored::of(value)? {
            Stored::Integer(value) => (b'i', value.to_be_bytes(), Vec::new()),
            Stored::Real(value) => (b'r', value.to_be_bytes(), Vec::new()),
            Stored::Text(bytes) => (b't', (bytes.len() as u64).to_be_bytes(), bytes),
            Stored::Blob(bytes) => (b'b', (bytes.len() as u64).to_be_bytes(), bytes),
        };
        out.push(class);
        out.extend_from_slice(&number);
        out.extend_from_slice(&bytes);
    }
    Ok(Cursor(out))
}

fn parse(cursor: &Cursor, columns: usize) -> std::result::Result<Vec<Stored>, String> {
    let mut rest = cursor.0.as_slice();
    let mut stored = Vec::with_capacity(columns);
    while let Some(part) = take(&mut rest) {
        stored.push(part);
    }
    match rest.is_empty() && stored.len() == columns {
        true => Ok(stored),
        false => Err("the cursor is of another table or key".to_owned()),
    }
}

fn take(rest: &mut &[u8]) -> Option<Stored> {
    let (class, tail) = rest.split_first()?;
    let (number, tail) = tail.split_first_chunk::<8>()?;
    let bytes = || {
        let length = usize::try_from(u64::from_be_bytes(*number)).ok()?;
        Some((tail.get(..length)?.to_vec(), tail.get(length..)?))
    };
    let (stored, tail) = match class {
        b'i' => (Stored::Integer(i64::from_be_bytes(*number)), tail),
        b'r' => (Stored::Real(f64::from_be_bytes(*number)), tail),
        b't' => bytes().map(|(bytes, tail)| (Stored::Text(bytes), tail))?,
        b'b' => bytes().map(|(bytes, tail)| (Stored::Blob(bytes), tail))?,
        _ => return None,
    };
    *rest = tail;
    Some(stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_contract::{Deletes, Documents, Integer, Mode, Shape, TableName, ValueType};

    #[test]
    fn a_cursor_of_another_key_is_refused() {
        let number = [b"i".as_slice(), &7_i64.to_be_bytes()].concat();
        let text = [b"t".as_slice(), &2_u64.to_be_bytes(), &[0xff, 0]].concat();
        let both = Cursor([number.clone(), text].concat());
        let stored = vec![Stored::Integer(7), Stored::Text(vec![0xff, 0])];
        assert_eq!(parse(&both, 2), Ok(stored));
        assert!(parse(&both, 1).is_err() && parse(&Cursor(number), 2).is_err());
        assert!(parse(&Cursor(b"t\0\0\0\0\0\0\0\x09x".to_vec()), 1).is_err());
    }

    #[tokio::test]
    async fn every_stretch_is_found_by_the_index() {
        let column = |name: &str, value| Column { name: name.to_owned(), value };
        let whole = ValueType::Integer(Integer::I64);
        let columns = vec![column("a", ValueType::Text), column("b", whole), column("c", ValueType::Text)];
        let table = TableName { schema: None, name: "t".to_owned() };
        let after = [Stored::Text(vec![0xff]), Stored::Integer(1), Stored::Text(b"x".to_vec())];
        for (table_sql, key) in [
            ("CREATE TABLE t (a TEXT, b INTEGER, c TEXT, PRIMARY KEY (a, b, c))", vec!["a", "b", "c"]),
            (
                "CREATE TABLE t (a TEXT COLLATE NOCASE, b, c TEXT); CREATE UNIQUE INDEX i ON t (a COLLATE BINARY, c)",
                vec!["a", "c"],
            ),
            ("CREATE TABLE t (a TEXT PRIMARY KEY, b INTEGER, c TEXT) WITHOUT ROWID", vec!["a"]),
            ("CREATE TABLE t (a TEXT, b INTEGER PRIMARY KEY, c TEXT)", vec!["b"]),
        ] {
            let key: Vec<String> = key.into_iter().map(str::to_owned).collect();
            let shape = Shape::new(columns.clone(), key).expect("a shape");
            let spec = TableSpec {
                table: table.clone(),
                shape,
                mode: Mode::Mirror,
                deletes: Deletes::Hard,
                documents: Documents::default(),
            };
            let key: Vec<_> = spec.shape.key_columns().collect();
            let mut connection = SqliteConnection::connect("sqlite::memory:").await.expect("a database");
            sqlx::raw_sql(table_sql).execute(&mut connection).await.expect("a table");
            let first = stretches(&spec, &key, None);
            let rest = stretches(&spec, &key, Some(&after[..key.len()]));
            assert_eq!((first.len(), rest.len()), (1, key.len()));
            for stretch in first.iter().chain(&rest) {
                let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {} LIMIT 9", stretch.sql));
                let mut arguments = SqliteArguments::default();
                stretch.bound.iter().for_each(|stored| stored.bind(&mut arguments));
                let steps =
                    sqlx::query_with(sql, arguments).fetch_all(&mut connection).await.expect("a plan");
                let steps: Vec<String> = steps.iter().map(|step| step.get(3)).collect();
                let bounds = steps[0].matches(['=', '>']).count();
                let found = stretch.bound.is_empty()
                    || (steps[0].starts_with("SEARCH t") && bounds == stretch.bound.len());
                assert!(found && steps.len() == 1, "{}: {steps:?}", stretch.sql);
            }
        }
    }
}
