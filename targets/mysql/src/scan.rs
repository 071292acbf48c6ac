//! A table read from one end to the other, a piece at a time.

use crate::{
    catalog::optional,
    column_type::Kind,
    decode, name,
    plan::{ColumnPlan, Plan},
    statement,
    transaction::Session,
    write,
};
use arrow::array::ArrayRef;
use hydrant_contract::{Cursor, ErrorKind, Result, Scanned, SoftMark, TableSpec};
use mysql_async::{Row, Value};

/// Scans; see [`Target::scan`](hydrant_contract::Target::scan).
pub(crate) async fn scan(
    session: &mut Session<'_>,
    spec: &TableSpec,
    after: Option<&Cursor>,
    rows: usize,
) -> Result<Scanned> {
    let plan = write::plan(session, spec).await?;
    let key = Key { plan: &plan };
    let after = after.map(|cursor| key.parameters(cursor)).transpose();
    let after = after.map_err(|why| session.fail(ErrorKind::Broken, why))?;
    let sql = piece(&plan, &key, after.is_some(), rows);
    let found = session.query(&sql, after.unwrap_or_default()).await.map_err(|e| session.error(e))?;

    let next = found.last().filter(|_| found.len() == rows).map(|last| key.cursor(last));
    // The end of the table is where rows without a key are counted: no cursor leads to them.
    let mut foreign = 0;
    if next.is_none()
        && let Some(count) = without_key(&plan)
    {
        let counted = session.query(&count, Vec::new()).await.map_err(|e| session.error(e))?;
        foreign = counted.first().and_then(|row| optional(row, 0)?.parse().ok()).unwrap_or(0);
    }
    let gone = |row: &&Row| plan.soft.is_some() && optional(row, plan.columns.len()).as_deref() == Some("1");
    let there: Vec<&Row> = found.iter().filter(|row| !gone(row)).collect();
    let sorted = Scanned::sort(&spec.shape, there.len(), next, |at, numbers| {
        decoded(&plan.columns[at], at, numbers.iter().map(|number| there[*number]))
    });
    let mut scanned = sorted.map_err(|e| session.fail(ErrorKind::Broken, e.to_string()))?;
    scanned.foreign += foreign;
    Ok(scanned)
}

/// The column at this position of these rows in its carrier, if all of its values are of the type.
fn decoded<'r>(column: &ColumnPlan, at: usize, rows: impl Iterator<Item = &'r Row>) -> Option<ArrayRef> {
    let cells: Option<Vec<&Value>> = rows.map(|row| row.as_ref(at)).collect();
    decode::column(&column.value, &column.column.kind, &cells?).ok()
}

/// The key in the order of its index, whose order the scan follows.
struct Key<'p> {
    plan: &'p Plan,
}

impl Key<'_> {
    fn descends(&self, at: usize) -> bool {
        self.plan.key_index.descending.get(at).copied().unwrap_or(false)
    }

    /// What is true of the rows behind the place that the parameters name: the first column leads there by the index, the
    /// others find it there. (A comparison of rows as wholes would read the table from its start.) The parameters come in
    /// this order: for each column but the last twice, its place at and its place behind.
    fn behind(&self) -> String {
        let columns: Vec<_> = self.plan.key_columns().collect();
        let mut behind = String::new();
        for (at, (position, column)) in columns.iter().enumerate().rev() {
            let place = self.place(*position);
            let (name, than) = (column.quoted(), if self.descends(at) { "<" } else { ">" });
            behind = match behind.is_empty() {
                true => format!("t.{name} {than} {place}"),
                false => format!("t.{name} {than}= {place} AND (t.{name} {than} {place} OR ({behind}))"),
            };
        }
        behind
    }

    /// A parameter as a value of the column's own type and collation.
    fn place(&self, position: usize) -> String {
        let column = &self.plan.columns[position].column;
        if is_date(&column.kind) {
            return "?".to_owned();
        }
        let text = match &column.charset {
            Some(charset) => format!("CONVERT(? USING {charset})"),
            None => "?".to_owned(),
        };
        statement::typed(&column.kind, column.collation.as_deref(), &text)
    }

    fn order(&self) -> String {
        let order = self.plan.key_columns().enumerate().map(|(at, (_, column))| {
            format!("t.{}{}", column.quoted(), if self.descends(at) { " DESC" } else { "" })
        });
        order.collect::<Vec<_>>().join(", ")
    }

    /// For each column the length and the value in its text form, in which nothing is lost.
    fn cursor(&self, row: &Row) -> Cursor {
        let mut out = Vec::new();
        for (position, _) in self.plan.key_columns() {
            let value = bytes_of(row.as_ref(position).unwrap_or(&Value::NULL));
            out.extend_from_slice(&(value.len() as u64).to_be_bytes());
            out.extend_from_slice(&value);
        }
        Cursor(out)
    }

    fn parameters(&self, cursor: &Cursor) -> std::result::Result<Vec<Value>, String> {
        let other = || "the cursor is of another table or key".to_owned();
        let mut rest = cursor.0.as_slice();
        let mut parameters = Vec::new();
        let last = self.plan.key.len().saturating_sub(1);
        for (at, (_, column)) in self.plan.key_columns().enumerate() {
            let (length, tail) = rest.split_first_chunk::<8>().ok_or_else(other)?;
            let length = usize::try_from(u64::from_be_bytes(*length)).map_err(|_| other())?;
            let (value, tail) = tail.split_at_checked(length).ok_or_else(other)?;
            let value = match &column.column.kind {
                Kind::Bit(_) => {
                    Value::UInt(value.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
                }
                kind if is_date(kind) => date_of(value).ok_or_else(other)?,
                _ => Value::Bytes(value.to_vec()),
            };
            parameters.push(value.clone());
            if at < last {
                parameters.push(value);
            }
            rest = tail;
        }
        if rest.is_empty() { Ok(parameters) } else { Err(other()) }
    }
}

/// Dates travel as what they are: those that are none (`0000-00-00`) have no text form that a strict server reads.
fn is_date(kind: &Kind) -> bool {
    matches!(kind, Kind::Date | Kind::Datetime(_) | Kind::Timestamp(_))
}

/// A value of a key for a cursor.
fn bytes_of(value: &Value) -> Vec<u8> {
    match value {
        Value::Bytes(bytes) => bytes.clone(),
        Value::Date(year, month, day, hour, minute, second, micros) => {
            let mut bytes = year.to_be_bytes().to_vec();
            bytes.extend_from_slice(&[*month, *day, *hour, *minute, *second]);
            bytes.extend_from_slice(&micros.to_be_bytes());
            bytes
        }
        other => other.as_sql(false).trim_matches('\'').as_bytes().to_vec(),
    }
}

fn date_of(bytes: &[u8]) -> Option<Value> {
    let (year, rest) = bytes.split_first_chunk::<2>()?;
    let (clock, micros) = rest.split_first_chunk::<5>()?;
    let [month, day, hour, minute, second] = *clock;
    let micros = u32::from_be_bytes(micros.try_into().ok()?);
    Some(Value::Date(u16::from_be_bytes(*year), month, day, hour, minute, second, micros))
}

/// The rows behind the cursor.
fn piece(plan: &Plan, key: &Key<'_>, after: bool, rows: usize) -> String {
    let columns = plan.columns.iter().map(|c| format!("t.{}", c.quoted()));
    let gone = plan.soft.iter().map(|(column, mark)| match mark {
        SoftMark::Flag => format!("COALESCE(t.{column} <> 0, 0)"),
        SoftMark::Time => format!("t.{column} IS NOT NULL"),
    });
    let columns: Vec<_> = columns.chain(gone).collect();
    let mut conditions: Vec<String> = plan
        .key_columns()
        .filter(|(_, c)| !c.column.not_null)
        .map(|(_, c)| format!("t.{} IS NOT NULL", c.quoted()))
        .collect();
    if after {
        conditions.push(key.behind());
    }
    let conditions =
        if conditions.is_empty() { String::new() } else { format!("WHERE {} ", conditions.join(" AND ")) };
    format!(
        "SELECT {} FROM {} AS t FORCE INDEX ({}) {conditions}ORDER BY {} LIMIT {rows}",
        columns.join(", "),
        plan.table.quoted,
        name::quoted(&plan.key_index.name),
        key.order()
    )
}

/// Counts the rows that have NULL in their key and are not gone, if there can be any.
fn without_key(plan: &Plan) -> Option<String> {
    let absent: Vec<_> = plan
        .key_columns()
        .filter(|(_, c)| !c.column.not_null)
        .map(|(_, c)| format!("t.{} IS NULL", c.quoted()))
        .collect();
    let there = plan.soft.as_ref().map(|(column, mark)| match mark {
        SoftMark::Flag => format!(" AND COALESCE(t.{column} <> 0, 0) = 0"),
        SoftMark::Time => format!(" AND t.{column} IS NULL"),
    });
    (!absent.is_empty()).then(|| {
        format!(
            "SELECT COUNT(*) FROM {} AS t WHERE ({}){}",
            plan.table.quoted,
            absent.join(" OR "),
            there.unwrap_or_default()
        )
    })
}
