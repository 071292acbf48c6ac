//! A table read from one end to the other, a piece at a time.

use crate::{
    catalog::IndexOrder,
    decode,
    plan::{ColumnPlan, Plan},
    read::{Bytes, Raw},
    transaction::{Parameter, Transaction},
    write,
};
use arrow::array::ArrayRef;
use hydrant_contract::{Cursor, ErrorKind, Result, Scanned, SoftMark, TableSpec, TargetError};
use tokio_postgres::{Row, types::Type};

/// The transaction writes nothing; and the key's index is used even where statistics are old, because a sort of the rest of
/// the table for every piece of it would be quadratic. Costs of other plans are so high then that they would be compiled.
const READ_BY_INDEX: &str = "SET TRANSACTION READ ONLY; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; \
                             SET LOCAL enable_sort = off; SET LOCAL jit = off";

/// Scans; see [`Target::scan`](hydrant_contract::Target::scan).
pub(crate) async fn scan(
    tx: &Transaction<'_>,
    spec: &TableSpec,
    after: Option<&Cursor>,
    rows: usize,
) -> Result<Scanned> {
    let broken = |why: String| TargetError::new(ErrorKind::Broken, tx.context(), why);
    tx.run(READ_BY_INDEX).await.map_err(|e| tx.error(e))?;
    let table = write::find(tx, spec).await?;
    let plan = write::plan(tx, spec, &table)?;
    let key = Key::of(&plan);
    let after = after.map(|cursor| key.parameters(cursor)).transpose().map_err(broken)?;
    let parameters: Vec<Parameter<'_>> =
        after.iter().flatten().map(|(raw, of)| (raw as _, of.clone())).collect();
    let found =
        tx.query(&piece(&plan, &key, after.is_some(), rows), &parameters).await.map_err(|e| tx.error(e))?;

    let next = match found.last().filter(|_| found.len() == rows) {
        Some(last) => Some(key.cursor(last).map_err(|e| tx.error(e))?),
        None => None,
    };
    // The end of the table is where rows without a key are counted: no cursor leads to them.
    let mut foreign = 0;
    if next.is_none()
        && let Some(count) = without_key(&plan, &key)
    {
        let counted = tx.query(&count, &[]).await.map_err(|e| tx.error(e))?;
        let counted: Option<i64> =
            counted.first().map(|row| row.try_get(0)).transpose().map_err(|e| tx.error(e))?;
        foreign = counted.unwrap_or_default().unsigned_abs();
    }
    let mut there = Vec::with_capacity(found.len());
    for row in &found {
        let gone = plan.soft.is_some() && row.try_get(plan.columns.len()).map_err(|e| tx.error(e))?;
        there.extend((!gone).then_some(row));
    }
    let sorted = Scanned::sort(&spec.shape, there.len(), next, |at, numbers| {
        decoded(&plan.columns[at], at, numbers.iter().map(|number| there[*number]))
    });
    let mut scanned = sorted.map_err(|e| broken(e.to_string()))?;
    scanned.foreign += foreign;
    Ok(scanned)
}

/// The column at this position of these rows in its carrier, if all of its values are of the type.
fn decoded<'r>(
    column: &ColumnPlan<'_>,
    at: usize,
    rows: impl ExactSizeIterator<Item = &'r Row>,
) -> Option<ArrayRef> {
    if rows.len() == 0 {
        return Some(arrow::array::new_empty_array(&column.value.carrier()));
    }
    let cells: Option<Vec<Option<&[u8]>>> =
        rows.map(|row| Some(row.try_get::<_, Option<Bytes<'_>>>(at).ok()?.map(|bytes| bytes.0))).collect();
    decode::column(&column.value, &column.column.kind, &cells?).ok()
}

/// The columns of the key in the order of the index, whose order the scan follows.
struct Key<'p> {
    columns: Vec<KeyColumn<'p>>,
}

struct KeyColumn<'p> {
    /// Position among the managed columns.
    at: usize,
    plan: &'p ColumnPlan<'p>,
    order: &'p IndexOrder,
}

impl<'p> Key<'p> {
    fn of(plan: &'p Plan<'p>) -> Self {
        let index = plan.key_index;
        let column = |(number, order): (&i16, &'p IndexOrder)| {
            let (at, plan) = plan.key_columns().find(|(_, c)| c.column.number == *number)?;
            Some(KeyColumn { at, plan, order })
        };
        Self { columns: index.columns.iter().zip(&index.order).filter_map(column).collect() }
    }

    /// The columns as the index has them.
    fn terms(&self) -> Vec<String> {
        let term = |c: &KeyColumn<'_>| match &c.order.collation {
            Some(collation) => format!("t.{} COLLATE {collation}", c.plan.quoted()),
            None => format!("t.{}", c.plan.quoted()),
        };
        self.columns.iter().map(term).collect()
    }

    /// What is true of the rows behind the place that the parameters name, in words that the index understands. A row is
    /// compared as a whole by one operator, which the columns of almost every index share; otherwise the first column
    /// leads to the place, and the others find it there.
    fn behind(&self, plan: &Plan<'_>) -> String {
        let terms = self.terms();
        let places = (1..).zip(&self.columns).map(|(number, c)| c.plan.cast(&format!("${number}")));
        let places: Vec<_> = places.collect();
        let greater = |at: usize| self.columns[at].order.greater.as_str();
        if (0..self.columns.len()).all(|at| greater(at) == greater(0)) {
            return format!("({}) {} ({})", terms.join(", "), greater(0), places.join(", "));
        }
        let mut behind = String::new();
        for (at, column) in self.columns.iter().enumerate().rev() {
            let (term, place) = (&terms[at], &places[at]);
            let rest = match behind.is_empty() {
                true => String::new(),
                false => format!(" OR {term} {} {place} AND ({behind})", plan.key_operator(column.at)),
            };
            behind = format!("{term} {} {place}{rest}", greater(at));
        }
        format!("{} {} {} AND ({behind})", terms[0], self.columns[0].order.not_less, places[0])
    }

    /// The order of the index. No row has NULL in its key here, but an order with them at the other end would not be the
    /// index's.
    fn order(&self) -> String {
        let terms = self.terms();
        let order = self.columns.iter().zip(&terms).map(|(c, term)| {
            let nulls = if c.order.nulls_first { "FIRST" } else { "LAST" };
            format!("{term} USING {} NULLS {nulls}", c.order.less)
        });
        order.collect::<Vec<_>>().join(", ")
    }

    /// For each column its type's oid, the length, and the value as the server sent it: nothing is lost in between.
    fn cursor(&self, row: &Row) -> std::result::Result<Cursor, tokio_postgres::Error> {
        let mut out = Vec::new();
        for column in &self.columns {
            let value: Bytes<'_> = row.try_get(column.at)?;
            out.extend_from_slice(&column.plan.column.kind.oid().to_be_bytes());
            out.extend_from_slice(&(value.0.len() as u64).to_be_bytes());
            out.extend_from_slice(value.0);
        }
        Ok(Cursor(out))
    }

    fn parameters(&self, cursor: &Cursor) -> std::result::Result<Vec<(Raw, Type)>, String> {
        let other = || "the cursor is of another table or key".to_owned();
        let mut rest = cursor.0.as_slice();
        let mut parameters = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let (oid, tail) = rest.split_first_chunk::<4>().ok_or_else(other)?;
            let (length, tail) = tail.split_first_chunk::<8>().ok_or_else(other)?;
            let length = usize::try_from(u64::from_be_bytes(*length)).map_err(|_| other())?;
            let (value, tail) = tail.split_at_checked(length).ok_or_else(other)?;
            let oid = Some(u32::from_be_bytes(*oid)).filter(|oid| *oid == column.plan.column.kind.oid());
            let of = oid.and_then(Type::from_oid).ok_or_else(other)?;
            parameters.push((Raw(value.to_vec()), of));
            rest = tail;
        }
        if rest.is_empty() { Ok(parameters) } else { Err(other()) }
    }
}

/// The rows behind the cursor.
fn piece(plan: &Plan<'_>, key: &Key<'_>, after: bool, rows: usize) -> String {
    let columns = plan.columns.iter().map(|c| format!("(t.{})::{}", c.quoted(), c.column.kind.travel_sql()));
    let gone = plan.soft.iter().map(|(column, mark)| match mark {
        SoftMark::Flag => format!("t.{column} IS TRUE"),
        SoftMark::Time => format!("t.{column} IS NOT NULL"),
    });
    let columns: Vec<_> = columns.chain(gone).collect();
    let mut conditions: Vec<String> = key
        .columns
        .iter()
        .filter(|c| !c.plan.column.not_null)
        .map(|c| format!("t.{} IS NOT NULL", c.plan.quoted()))
        .collect();
    if after {
        conditions.push(key.behind(plan));
    }
    let conditions =
        if conditions.is_empty() { String::new() } else { format!("WHERE {} ", conditions.join(" AND ")) };
    format!(
        "SELECT {} FROM {} AS t {conditions}ORDER BY {} LIMIT {rows}",
        columns.join(", "),
        plan.table.quoted,
        key.order()
    )
}

/// Counts the rows that have NULL in their key and are not gone, if there can be any.
fn without_key(plan: &Plan<'_>, key: &Key<'_>) -> Option<String> {
    let absent: Vec<_> = key
        .columns
        .iter()
        .filter(|c| !c.plan.column.not_null)
        .map(|c| format!("t.{} IS NULL", c.plan.quoted()))
        .collect();
    let there = plan.soft.as_ref().map(|(column, mark)| match mark {
        SoftMark::Flag => format!(" AND t.{column} IS NOT TRUE"),
        SoftMark::Time => format!(" AND t.{column} IS NULL"),
    });
    (!absent.is_empty()).then(|| {
        format!(
            "SELECT pg_catalog.count(*) FROM {} AS t WHERE ({}){}",
            plan.table.quoted,
            absent.join(" OR "),
            there.unwrap_or_default()
        )
    })
}
