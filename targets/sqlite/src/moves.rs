//! Values of unique columns that move between the rows of a batch.
//!
//! SQLite checks uniqueness row by row. Where two rows swap their values, or many rotate them, no order of writing them
//! works. So the rows whose present value another row of the batch wants are *parked* first: their unique column gets a
//! random value that nobody has. Then all rows are written as usual. Rows are never deleted to be inserted again, since
//! that would lose the columns that hydrant does not manage and fire the application's cascades.
//!
//! A parked row that is then refused must have its old value back, and that may be wanted by others: the whole batch is
//! rolled back and written again without it.

use crate::{
    classify::{self, Failure},
    encode::Cell,
    inspect,
    statement::{self, Way, quoted},
    write::{Job, Pass, Refused, RowId, Writer},
};
use hydrant_contract::{Batch, Column, Result, TableSpec};
use sqlx::{AssertSqlSafe, sqlite::SqliteArguments};
use std::collections::HashSet;

/// A chain of moves behind a refused row is one attempt for each link. Past this many, rows that are still in each other's
/// way are refused, and tried again by the next run.
const ATTEMPTS_MAX: usize = 20;
/// Rows put into the staging table at once.
const ROWS_MAX: usize = 100;

/// A unique index of the table, by the managed columns in it.
struct Unique {
    /// Positions in the staging table's columns.
    columns: Vec<usize>,
    /// The one that is changed to park a row.
    parked: usize,
}

/// Writes the rows of a batch whose values are in each other's way, after the savepoint `hydrant_rows`.
pub(crate) async fn write(writer: &mut Writer<'_>, batch: &Batch, jobs: &[Job<'_>]) -> Result<Refused> {
    let spec = &batch.spec;
    let (staged, unique) = unique(writer, spec).await?;
    let mut excluded: HashSet<RowId> = HashSet::new();
    let mut settled = Vec::new();
    for attempt in 0.. {
        writer.run("ROLLBACK TO hydrant_rows").await?;
        let parked = attempt < ATTEMPTS_MAX && park(writer, spec, jobs, &excluded, &staged, &unique).await?;
        let Pass::Done(mut refused) = writer.pass(jobs, &excluded, false).await? else { continue };
        if refused.by_database.is_empty() || !parked {
            refused.by_database.extend(settled);
            return Ok(refused);
        }
        excluded.extend(refused.by_database.iter().map(|(row, _)| *row));
        settled.extend(refused.by_database);
    }
    unreachable!("an attempt without parking ends it")
}

/// The columns to stage (the key, then those in unique indexes), and the unique indexes that can be parked.
async fn unique<'s>(writer: &mut Writer<'_>, spec: &'s TableSpec) -> Result<(Vec<&'s Column>, Vec<Unique>)> {
    let mut staged: Vec<&Column> = spec.shape.key_columns().collect();
    let keys = staged.len();
    let mut unique = Vec::new();
    for index in inspect::indexes(writer.connection, &spec.table.name, writer.doing).await? {
        let managed: Vec<&Column> = index
            .columns
            .iter()
            .filter_map(|(name, _)| {
                spec.shape
                    .columns()
                    .iter()
                    .find(|c| name.as_ref().is_some_and(|n| n.eq_ignore_ascii_case(&c.name)))
            })
            .collect();
        let mut columns = Vec::new();
        for column in managed {
            let at = staged.iter().position(|c| c.name == column.name);
            columns.push(at.unwrap_or(staged.len()));
            if at.is_none() {
                staged.push(column);
            }
        }
        if let Some(parked) = columns.iter().copied().find(|at| *at >= keys) {
            unique.push(Unique { columns, parked });
        }
    }
    Ok((staged, unique))
}

/// Parks the rows whose values are wanted, and says whether there were any.
async fn park(
    writer: &mut Writer<'_>,
    spec: &TableSpec,
    jobs: &[Job<'_>],
    excluded: &HashSet<RowId>,
    staged: &[&Column],
    unique: &[Unique],
) -> Result<bool> {
    let columns: Vec<String> =
        staged.iter().enumerate().map(|(i, c)| format!("c{i} {}", statement::declared(&c.value))).collect();
    writer.run("DROP TABLE IF EXISTS temp.hydrant_moves").await?;
    let columns = columns.join(", ");
    execute(writer, format!("CREATE TEMP TABLE hydrant_moves (row INTEGER PRIMARY KEY, {columns})"), vec![])
        .await?;
    stage(writer, jobs, excluded, staged).await?;
    let mut parked = 0;
    for (i, index) in unique.iter().enumerate() {
        let columns: Vec<String> = index.columns.iter().map(|at| format!("c{at}")).collect();
        let columns = columns.join(", ");
        execute(writer, format!("CREATE INDEX temp.hydrant_moves_{i} ON hydrant_moves ({columns})"), vec![])
            .await?;
        for value in placeholders(writer, spec, staged[index.parked]).await? {
            writer.run("SAVEPOINT hydrant_park").await?;
            let done = try_execute(writer, parking(spec, staged, index, value), vec![]).await;
            // A constraint that refuses the value, or a child row that holds on to the old one.
            if let Err(Failure::Refused(_)) = &done {
                writer.run("ROLLBACK TO hydrant_park").await?;
            }
            writer.run("RELEASE hydrant_park").await?;
            match done {
                Ok(rows) => {
                    parked += rows;
                    break;
                }
                Err(Failure::Refused(_)) => {}
                Err(Failure::Failed(error)) => return Err(error),
            }
        }
    }
    writer.run("DROP TABLE temp.hydrant_moves").await?;
    Ok(parked > 0)
}

/// Puts the key and the unique values of all rows that will be written into the staging table.
async fn stage(
    writer: &mut Writer<'_>,
    jobs: &[Job<'_>],
    excluded: &HashSet<RowId>,
    staged: &[&Column],
) -> Result<()> {
    for job in jobs.iter().filter(|job| matches!(job.way, Way::Upsert | Way::Update)) {
        let at = |column: &&Column| job.columns.iter().position(|c| c.name == column.name);
        let at: Vec<usize> = staged.iter().filter_map(at).collect();
        for chunk in job.order.chunks(ROWS_MAX.min(32_000 / staged.len())) {
            let mut cells = Vec::with_capacity(chunk.len() * at.len());
            for row in chunk.iter().filter(|row| !excluded.contains(&(job.part, **row))) {
                // A row that the type rules refuse keeps its values: it is not written.
                if let Ok(of_row) = job.cells(*row) {
                    cells.extend(at.iter().map(|at| of_row[*at].clone()));
                }
            }
            if cells.is_empty() {
                continue;
            }
            let names: Vec<String> = (0..at.len()).map(|i| format!("c{i}")).collect();
            let tuple = format!("({})", vec!["?"; at.len()].join(", "));
            let tuples = vec![tuple.as_str(); cells.len() / at.len()].join(", ");
            let names = names.join(", ");
            execute(writer, format!("INSERT INTO temp.hydrant_moves ({names}) VALUES {tuples}"), cells)
                .await?;
        }
    }
    Ok(())
}

/// Values to park with, best first. NULL would cut off child rows that follow the column by ON UPDATE CASCADE, so it is
/// for tables without children alone.
async fn placeholders(
    writer: &mut Writer<'_>,
    spec: &TableSpec,
    column: &Column,
) -> Result<Vec<&'static str>> {
    let random = match statement::declared(&column.value) {
        "TEXT" => "'hydrant moves ' || hex(randomblob(16))",
        "BLOB" => "randomblob(16)",
        "REAL" => "random() / 3.0",
        _ => "random()",
    };
    let children: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pragma_table_list AS l, pragma_foreign_key_list(l.name, 'main') AS f \
         WHERE l.schema = 'main' AND f.\"table\" = ? COLLATE NOCASE",
    )
    .bind(&spec.table.name)
    .fetch_one(&mut *writer.connection)
    .await
    .map_err(|e| classify::failed(e, writer.doing))?;
    Ok(if children == 0 { vec![random, "NULL"] } else { vec![random] })
}

fn parking(spec: &TableSpec, staged: &[&Column], index: &Unique, value: &str) -> String {
    let of_table = |at: usize| format!("t.{}", quoted(&staged[at].name));
    let key: Vec<String> = (0..spec.shape.key().len())
        .map(|at| format!("{} = own.c{at}", statement::collated(&of_table(at), &staged[at].value)))
        .collect();
    let wanted: Vec<String> =
        index.columns.iter().map(|at| format!("other.c{at} = {}", of_table(*at))).collect();
    format!(
        "UPDATE OR ABORT {} AS t SET {} = {value} FROM temp.hydrant_moves AS own WHERE {} AND EXISTS \
         (SELECT 1 FROM temp.hydrant_moves AS other WHERE other.row <> own.row AND {})",
        statement::table(spec),
        quoted(&staged[index.parked].name),
        key.join(" AND "),
        wanted.join(" AND ")
    )
}

async fn execute(writer: &mut Writer<'_>, sql: String, cells: Vec<Cell>) -> Result<u64> {
    match try_execute(writer, sql, cells).await {
        Ok(rows) => Ok(rows),
        Err(Failure::Failed(error)) => Err(error),
        Err(Failure::Refused(refusal)) => Err(hydrant_contract::TargetError::new(
            hydrant_contract::ErrorKind::Broken,
            writer.doing,
            refusal.reason,
        )),
    }
}

async fn try_execute(
    writer: &mut Writer<'_>,
    sql: String,
    cells: Vec<Cell>,
) -> std::result::Result<u64, Failure> {
    let mut arguments = SqliteArguments::default();
    cells.iter().for_each(|cell| cell.bind(&mut arguments));
    let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(false);
    let done = query.execute(&mut *writer.connection).await;
    done.map(|done| done.rows_affected()).map_err(|e| classify::of_rows(e, writer.doing))
}
