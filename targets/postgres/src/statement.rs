//! The statements that move rows between the temporary table and the table.
//!
//! All names are qualified, and keys are compared with the operators of the key's own index, so that nothing depends on
//! the search path. In all of them `t` is the table and `s` the temporary table: `p` the part of the batch, `n` the
//! number of the row, `c0`, `c1`, … the managed columns.

use crate::{
    catalog::UniqueIndex,
    plan::{self, ColumnPlan, Plan},
    unique::Parking,
};
use hydrant_contract::{Deletes, Mode, Part, SoftMark};

pub(crate) const DROP_STAGE: &str = "DROP TABLE IF EXISTS pg_temp.hydrant_stage";
/// Statistics keep the planner from choosing a scan of the whole table for a handful of rows.
pub(crate) const ANALYZE_STAGE: &str = "ANALYZE pg_temp.hydrant_stage";
/// Each staged row is looked up in the key's index, so that the work is in proportion to the batch and never to the table,
/// whatever the statistics say (measured: 10,000 updates of a million rows in a fifth of the time), and the temporary table
/// need not be analyzed. A batch is sorted in memory; it has at most 16 MiB.
///
/// Compiling such a plan takes longer than running it (measured: 50,000 updates in 164 instead of 309 ms).
pub(crate) const LOOK_UP: &str = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; \
    SET LOCAL random_page_cost = 0; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'";
/// The planner as it is configured: for triggers of the application, and where staged rows are joined with one another.
pub(crate) const PLAN_FREELY: &str = "SET LOCAL enable_hashjoin TO DEFAULT; SET LOCAL enable_mergejoin TO DEFAULT; \
    SET LOCAL random_page_cost TO DEFAULT; SET LOCAL jit TO DEFAULT; SET LOCAL work_mem TO DEFAULT";
/// Finds rows by number, while the guilty ones are searched.
pub(crate) const INDEX_STAGE: &str = "CREATE INDEX ON pg_temp.hydrant_stage (n)";

/// The staged rows from one number to another, both included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) first: usize,
    pub(crate) last: usize,
    /// How many of them are deletes.
    pub(crate) deletes: usize,
    /// How many are not.
    pub(crate) rows: usize,
}

impl Span {
    fn filter(self) -> String {
        format!("s.n BETWEEN {} AND {}", self.first, self.last)
    }
}

/// How a part of a batch is marked in the temporary table.
pub(crate) fn part_number(part: Part) -> i16 {
    match part {
        Part::Deletes => 0,
        Part::Updates => 1,
        Part::Inserts => 2,
    }
}

/// Makes the temporary table, gone with the transaction.
pub(crate) fn create_stage(plan: &Plan<'_>) -> String {
    let columns: String = plan
        .columns
        .iter()
        .enumerate()
        .map(|(i, c)| format!(", c{i} {}", c.column.kind.travel_sql()))
        .collect();
    format!(
        "CREATE TEMPORARY TABLE hydrant_stage (p pg_catalog.int2, n pg_catalog.int4{columns}) ON COMMIT DROP"
    )
}

pub(crate) fn copy_to_stage(plan: &Plan<'_>) -> String {
    let columns: String = (0..plan.columns.len()).map(|i| format!(", c{i}")).collect();
    format!("COPY pg_temp.hydrant_stage (p, n{columns}) FROM STDIN (FORMAT binary)")
}

pub(crate) fn copy_straight(plan: &Plan<'_>) -> String {
    format!("COPY {} ({}) FROM STDIN (FORMAT binary)", plan.table.quoted, written(plan).join(", "))
}

/// Locks the staged rows that are there in the order of their keys, and counts them: deletes, and others.
///
/// Not stronger than an update of columns that no foreign key refers to, so that the application's inserts of rows that
/// refer to these do not wait.
pub(crate) fn lock(plan: &Plan<'_>, span: Span) -> String {
    format!(
        "WITH hit AS (SELECT s.p FROM {table} AS t JOIN pg_temp.hydrant_stage AS s ON {on} WHERE {span} \
         ORDER BY {order} FOR NO KEY UPDATE OF t) \
         SELECT pg_catalog.count(*) FILTER (WHERE p = 0), pg_catalog.count(*) FILTER (WHERE p <> 0) FROM hit",
        table = plan.table.quoted,
        on = same_key(plan, "t", "s"),
        span = span.filter(),
        order = key_order(plan),
    )
}

/// Deletes, marks or nulls the staged deletes; `None` if there is nothing to do.
pub(crate) fn delete(plan: &Plan<'_>, deletes: &Deletes, as_of: &str, span: Span) -> Option<String> {
    let table = &plan.table.quoted;
    let (staged, same) = (in_key_order(plan, "p = 0", span), same_key(plan, "t", "s"));
    let set = match deletes {
        Deletes::Ignore => return None,
        Deletes::Hard => {
            return Some(format!("DELETE FROM {table} AS t USING {staged} WHERE {same}"));
        }
        Deletes::Soft { .. } => {
            let (column, mark) = plan.soft.as_ref()?;
            match mark {
                SoftMark::Flag => format!("{column} = true"),
                SoftMark::Time => format!("{column} = '{as_of}'::pg_catalog.timestamptz"),
            }
        }
        Deletes::NullOut => {
            let columns: Vec<_> =
                plan.value_columns().map(|(_, c)| format!("{} = NULL", c.quoted())).collect();
            if columns.is_empty() {
                return None;
            }
            columns.join(", ")
        }
    };
    Some(format!("UPDATE {table} AS t SET {set} FROM {staged} WHERE {same}"))
}

/// Updates the staged rows that are there; `None` if no column but the key is managed.
pub(crate) fn update(plan: &Plan<'_>, span: Span) -> Option<String> {
    let set = assignments(plan, |at, column| column.cast(&format!("s.c{at}")));
    (!set.is_empty()).then(|| {
        format!(
            "UPDATE {} AS t SET {set} FROM {} WHERE {}",
            plan.table.quoted,
            in_key_order(plan, "p <> 0", span),
            same_key(plan, "t", "s")
        )
    })
}

/// Inserts the staged rows that are not there, in the order of their keys. One that another session inserts meanwhile is
/// updated, or left as it is, as the mode says.
pub(crate) fn insert(plan: &Plan<'_>, mode: Mode, span: Span) -> String {
    let values = plan.columns.iter().enumerate().map(|(at, c)| c.cast(&format!("s.c{at}")));
    let values: Vec<_> = values.chain(unmarked(plan).map(|(_, value)| value.to_owned())).collect();
    let set = assignments(plan, |_, column| format!("excluded.{}", column.quoted()));
    let on_conflict = match mode {
        Mode::Mirror | Mode::Upsert if !set.is_empty() => format!("UPDATE SET {set}"),
        Mode::Mirror | Mode::Upsert | Mode::Insert | Mode::Update => "NOTHING".to_owned(),
    };
    let key: Vec<_> = plan.key_columns().map(|(_, c)| c.quoted()).collect();
    format!(
        "INSERT INTO {table} ({columns}) SELECT {values} FROM pg_temp.hydrant_stage AS s WHERE s.p <> 0 AND {span} \
         AND NOT EXISTS (SELECT FROM {table} AS t WHERE {same}) ORDER BY {order} \
         ON CONFLICT ({key}) DO {on_conflict}",
        table = plan.table.quoted,
        columns = written(plan).join(", "),
        values = values.join(", "),
        span = span.filter(),
        same = same_key(plan, "t", "s"),
        order = key_order(plan),
        key = key.join(", "),
    )
}

/// Puts values of a unique index that are about to move out of the way.
pub(crate) fn park(plan: &Plan<'_>, parking: &Parking<'_>, span: Span) -> String {
    let moved: Vec<_> = plan
        .value_columns()
        .filter(|(_, c)| parking.index.columns.contains(&c.column.number))
        .map(|(at, c)| {
            let new = c.cast(&format!("s.c{at}"));
            format!(
                "(t.{column} {equal} {new}) IS NOT TRUE",
                column = c.quoted(),
                equal = plan::operator(parking.index, c.column.number)
            )
        })
        .collect();
    format!(
        "UPDATE {} AS t SET {} = {} FROM pg_temp.hydrant_stage AS s WHERE s.p <> 0 AND {} AND {} AND ({})",
        plan.table.quoted,
        parking.column.quoted(),
        parking.value,
        span.filter(),
        same_key(plan, "t", "s"),
        moved.join(" OR ")
    )
}

/// Drops the staged rows that the mode leaves as they are, since their values do not move.
pub(crate) fn drop_untouched(plan: &Plan<'_>, mode: Mode) -> Option<String> {
    let there = format!("EXISTS (SELECT FROM {} AS t WHERE {})", plan.table.quoted, same_key(plan, "t", "s"));
    let untouched = match mode {
        Mode::Insert => there,
        Mode::Update => format!("NOT {there}"),
        Mode::Mirror | Mode::Upsert => return None,
    };
    Some(format!("DELETE FROM pg_temp.hydrant_stage AS s WHERE s.p <> 0 AND {untouched}"))
}

/// Drops the staged rows whose new values in a unique index belong to a row that keeps them, or to an earlier row of the
/// same batch, and returns their numbers. All columns of the index are managed.
pub(crate) fn drop_conflicts(plan: &Plan<'_>, index: &UniqueIndex) -> String {
    let columns: Vec<_> =
        plan.columns.iter().enumerate().filter(|(_, c)| index.columns.contains(&c.column.number)).collect();
    let equal = |of: &dyn Fn(usize, &ColumnPlan<'_>) -> String| {
        let terms = columns.iter().map(|(at, c)| {
            let operator = plan::operator(index, c.column.number);
            format!("{} {operator} {}", of(*at, c), c.cast(&format!("s.c{at}")))
        });
        terms.collect::<Vec<_>>().join(" AND ")
    };
    format!(
        "DELETE FROM pg_temp.hydrant_stage AS s WHERE s.p <> 0 AND (\
         EXISTS (SELECT FROM {table} AS t WHERE {held} AND NOT EXISTS \
         (SELECT FROM pg_temp.hydrant_stage AS o WHERE o.p <> 0 AND {moving})) \
         OR EXISTS (SELECT FROM pg_temp.hydrant_stage AS o WHERE o.p <> 0 AND o.n < s.n AND {twice})) RETURNING s.n",
        table = plan.table.quoted,
        held = equal(&|_, c| format!("t.{}", c.quoted())),
        moving = same_key(plan, "t", "o"),
        twice = equal(&|at, c| c.cast(&format!("o.c{at}"))),
    )
}

/// Drops all staged rows but these.
pub(crate) fn keep_only(numbers: impl Iterator<Item = usize>) -> String {
    let numbers: Vec<_> = numbers.map(|n| n.to_string()).collect();
    format!(
        "DELETE FROM pg_temp.hydrant_stage WHERE n <> ALL ('{{{}}}'::pg_catalog.int4[])",
        numbers.join(",")
    )
}

/// Reads rows by the keys in the parameters, each an array of one key column.
pub(crate) fn read(plan: &Plan<'_>) -> String {
    let columns: Vec<_> =
        plan.columns.iter().map(|c| format!("(t.{})::{}", c.quoted(), c.column.kind.travel_sql())).collect();
    let arrays: Vec<_> = (1..=plan.key.len()).map(|i| format!("pg_catalog.unnest(${i})")).collect();
    let names: Vec<_> = plan.key.iter().map(|at| format!("c{at}")).collect();
    format!(
        "SELECT {} FROM ROWS FROM ({}) AS s ({}) JOIN {} AS t ON {}",
        columns.join(", "),
        arrays.join(", "),
        names.join(", "),
        plan.table.quoted,
        same_key(plan, "t", "s")
    )
}

/// Inserts into a table that is being built what `from` holds of rows whose key has not come, neither with values (they are
/// there already) nor to be deleted (then it is staged).
pub(crate) fn copy_rest(plan: &Plan<'_>, from: &str) -> String {
    let columns = written(plan).join(", ");
    let there = plan.key_columns().map(|(at, column)| {
        let quoted = column.quoted();
        format!("t.{quoted} {} n.{quoted}", plan.key_operator(at))
    });
    format!(
        "INSERT INTO {new} ({columns}) SELECT {columns} FROM {from} AS t \
         WHERE NOT EXISTS (SELECT FROM {new} AS n WHERE {there}) \
         AND NOT EXISTS (SELECT FROM pg_temp.hydrant_stage AS s WHERE {deleted})",
        new = plan.table.quoted,
        there = there.collect::<Vec<_>>().join(" AND "),
        deleted = same_key(plan, "t", "s"),
    )
}

/// Columns that an insert writes.
fn written(plan: &Plan<'_>) -> Vec<String> {
    plan.columns
        .iter()
        .map(ColumnPlan::quoted)
        .chain(unmarked(plan).map(|(column, _)| column.to_owned()))
        .collect()
}

/// What unmarks a row that is not deleted.
fn unmarked<'p>(plan: &'p Plan<'_>) -> impl Iterator<Item = (&'p str, &'static str)> {
    plan.soft.iter().map(|(column, mark)| {
        let value = match mark {
            SoftMark::Flag => "false",
            SoftMark::Time => "NULL::pg_catalog.timestamptz",
        };
        (column.as_str(), value)
    })
}

fn assignments(plan: &Plan<'_>, value: impl Fn(usize, &ColumnPlan<'_>) -> String) -> String {
    let set = plan.value_columns().map(|(at, c)| format!("{} = {}", c.quoted(), value(at, c)));
    let soft = unmarked(plan).map(|(column, value)| format!("{column} = {value}"));
    set.chain(soft).collect::<Vec<_>>().join(", ")
}

/// Whether two rows have the same key, in the words of the key's index.
fn same_key(plan: &Plan<'_>, table: &str, staged: &str) -> String {
    let terms = plan.key_columns().map(|(at, column)| {
        let (quoted, operator) = (column.quoted(), plan.key_operator(at));
        format!("{table}.{quoted} {operator} {}", column.cast(&format!("{staged}.c{at}")))
    });
    terms.collect::<Vec<_>>().join(" AND ")
}

fn key_order(plan: &Plan<'_>) -> String {
    plan.key.iter().map(|at| format!("s.c{at}")).collect::<Vec<_>>().join(", ")
}

/// The staged rows of a part, as `s`, in the order of their keys. With [`LOOK_UP`] the rows of a table that is not tiny are
/// locked in that order, too: looking them up one by one is the cheapest plan.
fn in_key_order(plan: &Plan<'_>, part: &str, span: Span) -> String {
    format!(
        "(SELECT s.* FROM pg_temp.hydrant_stage AS s WHERE s.{part} AND {} ORDER BY {}) AS s",
        span.filter(),
        key_order(plan)
    )
}
