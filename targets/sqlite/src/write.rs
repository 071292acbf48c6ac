//! Rows of a batch, statement by statement; and which one it was that the database refused.

use crate::{
    classify::{self, Failure, Refusal},
    encode::{self, Cell},
    moves,
    statement::{self, Way},
};
use arrow::{
    array::ArrayRef,
    record_batch::RecordBatch,
    row::{RowConverter, SortField},
};
use hydrant_contract::{
    Batch, Column, Deletes, ErrorKind, Mode, Part, Reject, Result, SoftMark, TableSpec, TargetError,
};
use sqlx::{AssertSqlSafe, SqliteConnection, sqlite::SqliteArguments};
use std::{collections::HashSet, sync::Arc};

/// One part of a batch, and how it is written.
pub(crate) struct Job<'a> {
    pub(crate) part: Part,
    pub(crate) way: Way,
    pub(crate) rows: &'a RecordBatch,
    /// The columns of `rows`.
    pub(crate) columns: Vec<&'a Column>,
    spec: &'a TableSpec,
    /// The positions of all rows in the order of their keys, in which a B-tree likes to be written.
    pub(crate) order: Vec<usize>,
    /// How many rows one statement takes, and the statement for as many; none if these rows need no statement.
    rows_max: usize,
    full: Option<Arc<str>>,
}

/// A row of a part of the batch.
pub(crate) type RowId = (Part, usize);

/// What a pass over the rows came to.
pub(crate) enum Pass {
    /// All rows are written but these.
    Done(Refused),
    /// A value of a unique column stood in the way, and may belong to a row of this batch.
    InTheWay,
}

/// Rows that are not written.
#[derive(Default)]
pub(crate) struct Refused {
    /// By the type rules; the same ones whenever the batch is sent.
    pub(crate) by_type: Vec<Reject>,
    /// By the database.
    pub(crate) by_database: Vec<(RowId, Refusal)>,
}

/// Writes the rows of a batch and returns those that were refused. What it began and did not finish is the caller's to
/// roll back.
pub(crate) async fn rows(
    connection: &mut SqliteConnection,
    batch: &Batch,
    doing: &str,
) -> Result<Vec<Reject>> {
    let mut writer = Writer { connection, doing };
    let jobs = jobs(batch)?;
    writer.run("SAVEPOINT hydrant_rows").await?;
    let refused = match writer.pass(&jobs, &HashSet::new(), true).await? {
        Pass::Done(refused) => refused,
        Pass::InTheWay => moves::write(&mut writer, batch, &jobs).await?,
    };
    writer.run("RELEASE hydrant_rows").await?;
    let by_database = refused.by_database.into_iter().map(|((part, row), refusal)| Reject {
        part,
        row,
        may_settle: refusal.may_settle(),
        column: refusal.column,
        reason: refusal.reason,
    });
    Ok(refused.by_type.into_iter().chain(by_database).collect())
}

/// Deletes first: their values may be wanted by other rows. Then updates, for the same reason.
fn jobs(batch: &Batch) -> Result<Vec<Job<'_>>> {
    let shape = &batch.spec.shape;
    let rows = match batch.spec.mode {
        Mode::Mirror | Mode::Upsert => Way::Upsert,
        Mode::Insert => Way::Insert,
        Mode::Update => Way::Update,
    };
    let gone = match (batch.spec.mode, &batch.spec.deletes) {
        (Mode::Insert | Mode::Update, _) | (_, Deletes::Ignore) => None,
        (_, Deletes::Hard) => Some(Way::Delete),
        (_, Deletes::NullOut) => Some(Way::NullOut),
        (_, Deletes::Soft { mark: SoftMark::Flag, .. }) => Some(Way::Mark("1".to_owned())),
        (_, Deletes::Soft { mark: SoftMark::Time, .. }) => {
            Some(Way::Mark(format!("'{}'", encode::instant(batch.as_of))))
        }
    };
    let mut jobs = Vec::new();
    if let Some(way) = gone {
        jobs.push(Job::new(Part::Deletes, way, &batch.deletes, shape.key_columns().collect(), &batch.spec)?);
    }
    for (part, of) in [(Part::Updates, &batch.updates), (Part::Inserts, &batch.inserts)] {
        jobs.push(Job::new(part, rows.clone(), of, shape.columns().iter().collect(), &batch.spec)?);
    }
    Ok(jobs)
}

impl<'a> Job<'a> {
    fn new(
        part: Part,
        way: Way,
        rows: &'a RecordBatch,
        columns: Vec<&'a Column>,
        spec: &'a TableSpec,
    ) -> Result<Self> {
        let broken = |e: String| TargetError::new(ErrorKind::Broken, "ordering the rows of a batch", e);
        let keys: Vec<ArrayRef> = spec
            .shape
            .key()
            .iter()
            .map(|name| {
                rows.column_by_name(name).cloned().ok_or_else(|| broken(format!("no column {name:?}")))
            })
            .collect::<Result<_>>()?;
        let fields = keys.iter().map(|array| SortField::new(array.data_type().clone())).collect();
        let sorted = RowConverter::new(fields)
            .and_then(|converter| converter.convert_columns(&keys))
            .map_err(|e| broken(e.to_string()))?;
        let mut order: Vec<usize> = (0..rows.num_rows()).collect();
        order.sort_unstable_by(|a, b| sorted.row(*a).cmp(&sorted.row(*b)));
        let rows_max = statement::rows_max(&way, spec);
        let full = statement::write(&way, spec, rows_max).map(Arc::from);
        Ok(Self { part, way, rows, columns, spec, order, rows_max, full })
    }

    /// Whether a statement changes each of its rows, so that one that is not counted was kept out. (In other ways rows that
    /// are there, or that are not, stay as they are.)
    fn writes_every_row(&self) -> bool {
        let updates = self.spec.shape.value_columns().next().is_some() || self.spec.soft_column().is_some();
        self.way == Way::Upsert && updates
    }

    /// The cells of a row, or the column that cannot be written and why.
    pub(crate) fn cells(&self, row: usize) -> std::result::Result<Vec<Cell>, Reject> {
        let cell = |(i, column): (usize, &&Column)| {
            encode::cell(self.rows.column(i), row, &column.value).map_err(|reason| Reject {
                part: self.part,
                row,
                column: Some(column.name.clone()),
                reason,
                may_settle: false,
            })
        };
        self.columns.iter().enumerate().map(cell).collect()
    }
}

/// A connection inside the transaction of a batch.
pub(crate) struct Writer<'c> {
    pub(crate) connection: &'c mut SqliteConnection,
    pub(crate) doing: &'c str,
}

impl Writer<'_> {
    /// Runs a statement without parameters that no row is at fault for.
    pub(crate) async fn run(&mut self, sql: &'static str) -> Result<()> {
        let done = sqlx::query(sql).execute(&mut *self.connection).await;
        done.map(|_| ()).map_err(|e| classify::failed(e, self.doing))
    }

    /// Writes all rows but the excluded ones. With `stop`, it ends at the first value of a unique column that is in the way.
    pub(crate) async fn pass(
        &mut self,
        jobs: &[Job<'_>],
        excluded: &HashSet<RowId>,
        stop: bool,
    ) -> Result<Pass> {
        let mut by_type = Vec::new();
        let mut waiting = Vec::new();
        for job in jobs {
            // In the other ways rows that are there do not change, or go: no value moves.
            let stop = stop && matches!(job.way, Way::Upsert | Way::Update);
            let rows = job.order.iter().copied().filter(|row| !excluded.contains(&(job.part, *row)));
            let rows: Vec<usize> = rows.collect();
            for chunk in rows.chunks(job.rows_max) {
                let mut cells = Vec::with_capacity(chunk.len());
                for row in chunk {
                    match job.cells(*row) {
                        Ok(of_row) => cells.push((*row, of_row)),
                        Err(reject) => by_type.push(reject),
                    }
                }
                if self.parts(job, cells, stop, &mut waiting).await? {
                    return Ok(Pass::InTheWay);
                }
            }
        }
        let by_database = self.again(waiting).await?;
        Ok(Pass::Done(Refused { by_type, by_database }))
    }

    /// Writes rows by halves until the ones that are refused stand alone.
    async fn parts<'j>(
        &mut self,
        job: &'j Job<'j>,
        rows: Vec<(usize, Vec<Cell>)>,
        stop: bool,
        waiting: &mut Vec<Waiting<'j>>,
    ) -> Result<bool> {
        let mut parts = vec![rows];
        while let Some(mut part) = parts.pop() {
            match self.attempt(job, &part).await {
                Ok(()) => {}
                Err(Failure::Failed(error)) => return Err(error),
                Err(Failure::Refused(refusal)) if stop && refusal.unique => return Ok(true),
                Err(Failure::Refused(refusal)) if part.len() == 1 => {
                    waiting.extend(part.pop().map(|row| Waiting { job, row, refusal }));
                }
                Err(Failure::Refused(_)) => {
                    let rest = part.split_off(part.len() / 2);
                    parts.push(rest);
                    parts.push(part);
                }
            }
        }
        Ok(false)
    }

    /// Tries rows again that another row may have been in the way of, last ones first, as long as that helps: a row whose
    /// parent came later in the batch, a chain of values that moved the other way.
    async fn again(&mut self, waiting: Vec<Waiting<'_>>) -> Result<Vec<(RowId, Refusal)>> {
        let (mut waiting, settled): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|w| w.refusal.may_settle());
        let mut refused: Vec<_> = settled.into_iter().map(Waiting::refused).collect();
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut still = Vec::new();
            for row in waiting.into_iter().rev() {
                match self.attempt(row.job, std::slice::from_ref(&row.row)).await {
                    Ok(()) => {}
                    Err(Failure::Failed(error)) => return Err(error),
                    Err(Failure::Refused(refusal)) => still.push(Waiting { refusal, ..row }),
                }
            }
            if still.len() == before {
                refused.extend(still.into_iter().map(Waiting::refused));
                break;
            }
            waiting = still;
        }
        Ok(refused)
    }

    /// Writes these rows with one statement. A refusal leaves the transaction as it was before, whatever the constraint or
    /// trigger that refused says of its own (`ON CONFLICT FAIL` and `RAISE(FAIL)` would keep the rows before).
    async fn attempt(
        &mut self,
        job: &Job<'_>,
        rows: &[(usize, Vec<Cell>)],
    ) -> std::result::Result<(), Failure> {
        let full = rows.len() == job.rows_max;
        let sql = if full {
            job.full.clone()
        } else {
            statement::write(&job.way, job.spec, rows.len()).map(Arc::from)
        };
        let Some(sql) = sql.filter(|_| !rows.is_empty()) else { return Ok(()) };
        let mut arguments = SqliteArguments::default();
        rows.iter().flat_map(|(_, cells)| cells).for_each(|cell| cell.bind(&mut arguments));
        self.run("SAVEPOINT hydrant_part").await?;
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(full);
        let failure = match query.execute(&mut *self.connection).await {
            Ok(done) if job.writes_every_row() && done.rows_affected() < rows.len() as u64 => {
                Failure::Refused(Refusal::suppressed())
            }
            Ok(_) => return Ok(self.run("RELEASE hydrant_part").await?),
            Err(error) => classify::of_rows(error, self.doing),
        };
        if let Failure::Refused(refusal) = &failure {
            let back = self.run("ROLLBACK TO hydrant_part").await;
            if back.and(self.run("RELEASE hydrant_part").await).is_err() {
                // Nothing that follows would be in a transaction.
                let message =
                    format!("{}; and the table's trigger rolled the whole batch back", refusal.reason);
                return Err(Failure::Failed(TargetError::new(ErrorKind::ValueRefused, self.doing, message)));
            }
        }
        Err(failure)
    }
}

/// A row that was refused, and may yet find its place.
struct Waiting<'j> {
    job: &'j Job<'j>,
    row: (usize, Vec<Cell>),
    refusal: Refusal,
}

impl Waiting<'_> {
    fn refused(self) -> (RowId, Refusal) {
        ((self.job.part, self.row.0), self.refusal)
    }
}
