//! The way of statements with rows in their parameters: for servers and accounts that cannot load, and to find exactly
//! the rows that the server refuses while all others are written.
//!
//! Rows depend on one another: one takes a unique value that another gives up, one refers to another by a foreign key. So
//! what fails alone is tried again after the others were written, as long as that helps; and values of unique columns that
//! move between rows are moved in two steps (see [`unique`]).

use crate::{
    conflicts,
    document::{Room, TooLarge, documents},
    own,
    plan::Plan,
    rows::{Place, Rows},
    statement::{self, Source},
    transaction::{Answered, Session},
    unique::{self, Parking},
    write::{self, Prepared, Refusal, refusal},
};
use hydrant_contract::{Applied, Batch, ErrorKind, Mode, Part, Reject, Result, search::Search};
use mysql_async::{Row, Value};
use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

/// How long refused rows are searched for in one transaction: what is written already stays locked meanwhile.
const SEARCH_MAX: Duration = Duration::from_secs(120);
/// Past so many refused rows of one batch the search would hold its locks for too long: something is wrong with the table
/// or the query as a whole, and the batch fails.
const REFUSED_MAX: usize = 2_000;
/// Placeholders are counted in 16 bits.
const PLACEHOLDERS_MAX: usize = 65_535;
/// More rows gain nothing, and each number of rows is a statement to prepare.
const INSERT_ROWS_MAX: usize = 500;
/// The number that stands for a row larger than a packet.
const TOO_LARGE: u16 = 1153;

/// Rows by their number.
pub(crate) type Refused = BTreeMap<usize, Refusal>;

/// The rows that are written, by their number in the order of their keys.
pub(crate) struct Work<'w> {
    pub(crate) plan: &'w Plan,
    pub(crate) rows: &'w Rows,
    pub(crate) batch: &'w Batch,
    pub(crate) places: Vec<Place>,
    room: Room,
}

impl<'w> Work<'w> {
    /// All rows of these parts, with the numbers of those whose values fit their columns, and rejects of the others.
    fn new(
        session: &Session<'_>,
        prepared: &'w Prepared,
        batch: &'w Batch,
        parts: &[Part],
    ) -> Result<(Self, Vec<usize>, Vec<Reject>)> {
        let (plan, rows) = (&prepared.plan, &prepared.rows);
        let places = write::in_key_order(session, rows, parts)?;
        let (mut numbers, mut rejects, mut scratch) =
            (Vec::with_capacity(places.len()), Vec::new(), Vec::new());
        for (number, place) in places.iter().enumerate() {
            match rows.check(*place, &mut scratch) {
                Ok(()) => numbers.push(number),
                // A key that the column cannot hold is not in the table: there is nothing to delete.
                Err(_) if place.0 == Part::Deletes => {}
                Err(bad) => rejects.push(bad.reject(*place)),
            }
        }
        let room = Room::new(session.server().packet_bytes_max);
        Ok((Self { plan, rows, batch, places, room }, numbers, rejects))
    }

    fn is_delete(&self, number: usize) -> bool {
        self.places[number].0 == Part::Deletes
    }

    /// Documents of these columns of rows, each with how many rows it has.
    pub(crate) fn documents(
        &self,
        numbers: &[usize],
        columns: &[usize],
    ) -> std::result::Result<Vec<(Vec<u8>, u64)>, Refusal> {
        documents(self.rows, &self.places, numbers, columns, self.room).map_err(|e| self.too_large(&e))
    }

    fn too_large(&self, _: &TooLarge) -> Refusal {
        let reason = format!(
            "the row is larger than the server's max_allowed_packet leaves room for ({} bytes) [{TOO_LARGE}]",
            self.room.row_bytes
        );
        Refusal { reason, column: None, code: TOO_LARGE }
    }
}

/// Writes all rows of these parts or none, but for those that the type rules refuse, which it returns.
pub(crate) async fn at_once(
    session: &mut Session<'_>,
    prepared: &Prepared,
    batch: &Batch,
    parts: &[Part],
) -> Result<std::result::Result<Vec<Reject>, Refusal>> {
    let (work, numbers, rejects) = Work::new(session, prepared, batch, parts)?;
    Ok(statements(session, &work, &numbers, &[]).await?.map(|()| rejects))
}

/// Writes the rows of a batch, after the fast way was rolled back.
pub(crate) async fn rows(session: &mut Session<'_>, prepared: &Prepared, batch: &Batch) -> Result<Applied> {
    let all = [Part::Deletes, Part::Updates, Part::Inserts];
    let (work, numbers, mut rejects) = Work::new(session, prepared, batch, &all)?;
    // It may have been a belief that was wrong, and no row's fault.
    if attempt(session, &work, &numbers).await?.is_ok() {
        return Ok(Applied { rejects, path: "statements" });
    }
    let mut refused = Refused::new();
    let mut pending = numbers;
    let mut first_round = true;
    while !pending.is_empty() {
        let before = pending.len();
        let (deletes, rows): (Vec<_>, Vec<_>) = pending.iter().partition(|n| work.is_delete(**n));
        let mut failing = search(session, &work, &deletes).await?;
        let rows = match first_round {
            true => {
                let conflicts = conflicts::find(session, &work, &rows).await?;
                let rest = rows.into_iter().filter(|n| !conflicts.contains_key(n)).collect();
                refused.extend(conflicts);
                rest
            }
            false => rows,
        };
        failing.extend(search(session, &work, &rows).await?);
        too_many(session, refused.len() + failing.len(), failing.values().next())?;

        let (again, done): (Refused, Refused) =
            failing.into_iter().partition(|(_, refusal)| refusal.depends_on_others());
        refused.extend(done);
        pending = again.keys().copied().collect();
        // Another round helps only if this one wrote something that a refused row may depend on.
        if pending.is_empty() || pending.len() == before {
            refused.extend(again);
            break;
        }
        first_round = false;
    }
    rejects.extend(refused.into_iter().map(|(number, refusal)| refusal.reject(work.places[number])));
    Ok(Applied { rejects, path: "statements, row by row where refused" })
}

/// Writes what can be written of these rows, and returns the others.
async fn search(session: &mut Session<'_>, work: &Work<'_>, numbers: &[usize]) -> Result<Refused> {
    let mut refused = Refused::new();
    let mut search = Search::new(0..numbers.len());
    let since = Instant::now();
    while let Some(range) = search.next() {
        if since.elapsed() > SEARCH_MAX {
            let message = format!(
                "{} rows are refused so far, and finding them takes longer than {} s, during which rows stay locked",
                refused.len(),
                SEARCH_MAX.as_secs()
            );
            return Err(session.fail(ErrorKind::LimitExceeded, message));
        }
        if let Err(refusal) = attempt(session, work, &numbers[range.clone()]).await?
            && let Some(guilty) = search.refused(range, None)
        {
            too_many(session, refused.len() + 1, Some(&refusal))?;
            refused.insert(numbers[guilty], refusal);
        }
    }
    Ok(refused)
}

fn too_many(session: &Session<'_>, count: usize, last: Option<&Refusal>) -> Result<()> {
    if count <= REFUSED_MAX {
        return Ok(());
    }
    let last = last.map_or("", |refusal| refusal.reason.as_str());
    let message =
        format!("more than {REFUSED_MAX} rows of one batch are refused; one of the reasons: {last}");
    Err(session.fail(ErrorKind::ValueRefused, message))
}

/// Writes these rows, all or none; by another way where values of unique columns move.
async fn attempt(
    session: &mut Session<'_>,
    work: &Work<'_>,
    numbers: &[usize],
) -> Result<std::result::Result<(), Refusal>> {
    if numbers.is_empty() {
        return Ok(Ok(()));
    }
    begin(session).await?;
    let first = match statements(session, work, numbers, &[]).await? {
        Ok(()) => return release(session).await,
        Err(refusal) => refusal,
    };
    undo(session).await?;
    if crate::classify::is_duplicate(first.code) && numbers.iter().any(|n| !work.is_delete(*n)) {
        for parkings in unique::ways(work.plan) {
            begin(session).await?;
            if statements(session, work, numbers, &parkings).await?.is_ok() {
                return release(session).await;
            }
            undo(session).await?;
        }
    }
    Ok(Err(first))
}

async fn begin(session: &mut Session<'_>) -> Result<()> {
    session.run("SAVEPOINT hydrant_attempt").await.map(drop).map_err(|e| session.error(e))
}

async fn release(session: &mut Session<'_>) -> Result<std::result::Result<(), Refusal>> {
    session.run("RELEASE SAVEPOINT hydrant_attempt").await.map_err(|e| session.error(e))?;
    Ok(Ok(()))
}

async fn undo(session: &mut Session<'_>) -> Result<()> {
    let undo = "ROLLBACK TO SAVEPOINT hydrant_attempt; RELEASE SAVEPOINT hydrant_attempt";
    session.run(undo).await.map(drop).map_err(|e| session.error(e))
}

/// Deletes, updates and inserts these rows, after moving values of unique columns out of the way as asked.
async fn statements(
    session: &mut Session<'_>,
    work: &Work<'_>,
    numbers: &[usize],
    parkings: &[Parking<'_>],
) -> Result<std::result::Result<(), Refusal>> {
    let keys = match work.documents(numbers, &work.plan.key) {
        Ok(keys) => keys,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let there = match there(session, work, keys).await {
        Ok(there) => there,
        Err(e) => return refusal(session, e).map(Err),
    };
    let mode = work.batch.spec.mode;
    let (mut deletes, mut updates, mut inserts) = (Vec::new(), Vec::new(), Vec::new());
    for number in numbers {
        match (work.is_delete(*number), there.contains(number)) {
            (true, true) if matches!(mode, Mode::Mirror | Mode::Upsert) => deletes.push(*number),
            (false, true) if mode != Mode::Insert => updates.push(*number),
            (false, false) if mode != Mode::Update => inserts.push(*number),
            _ => {}
        }
    }
    let (deletes, updates) = match (
        work.documents(&deletes, &work.plan.key),
        work.documents(&updates, &statement::all(work.plan)),
    ) {
        (Ok(deletes), Ok(updates)) => (deletes, updates),
        (Err(refusal), _) | (_, Err(refusal)) => return Ok(Err(refusal)),
    };
    let inserts = match insertions(work, &inserts) {
        Ok(inserts) => inserts,
        Err(refusal) => return Ok(Err(refusal)),
    };
    match change(session, work, deletes, updates, inserts, parkings).await {
        Ok(true) => Ok(Ok(())),
        Ok(false) => Err(session.fail(ErrorKind::Conflict, "rows came or went at this moment")),
        Err(e) => refusal(session, e).map(Err),
    }
}

/// The numbers of those rows whose key is in the table. They are locked, unless the mode leaves them as they are.
async fn there(
    session: &mut Session<'_>,
    work: &Work<'_>,
    keys: Vec<(Vec<u8>, u64)>,
) -> Answered<HashSet<usize>> {
    let server = session.server();
    let lock = if work.batch.spec.mode == Mode::Insert { "" } else { server.for_update() };
    let find = statement::find(work.plan, session.database(), lock);
    let mut there = HashSet::new();
    for (document, _) in keys {
        let found = session.query(&find, vec![Value::Bytes(document)]).await?;
        there.extend(found.iter().filter_map(number));
    }
    Ok(there)
}

/// The number of the row that an answer is about.
pub(crate) fn number(row: &Row) -> Option<usize> {
    crate::catalog::optional(row, 0)?.parse().ok()
}

/// A statement that inserts so many rows, with its parameters.
type Insertion = (usize, Vec<Value>);

fn insertions(work: &Work<'_>, numbers: &[usize]) -> std::result::Result<Vec<Insertion>, Refusal> {
    let rows_max = (PLACEHOLDERS_MAX / work.plan.columns.len().max(1)).clamp(1, INSERT_ROWS_MAX);
    let mut insertions: Vec<Insertion> = Vec::new();
    let mut bytes = 0;
    for number in numbers {
        let mut row = Vec::with_capacity(work.plan.columns.len());
        // All values are known to fit their columns.
        let Ok(length) = work.rows.put_values(work.places[*number], &mut row) else { continue };
        if length > work.room.row_bytes {
            return Err(work.too_large(&TooLarge { number: *number }));
        }
        bytes += length;
        match insertions.last_mut().filter(|(rows, _)| *rows < rows_max && bytes <= work.room.bytes) {
            Some((rows, values)) => {
                *rows += 1;
                values.extend(row);
            }
            None => {
                bytes = length;
                insertions.push((1, row));
            }
        }
    }
    Ok(insertions)
}

/// Returns whether as many rows were written as had to be.
async fn change(
    session: &mut Session<'_>,
    work: &Work<'_>,
    deletes: Vec<(Vec<u8>, u64)>,
    updates: Vec<(Vec<u8>, u64)>,
    inserts: Vec<Insertion>,
    parkings: &[Parking<'_>],
) -> Answered<bool> {
    let (plan, database) = (work.plan, session.database());
    let as_of = own::timestamp(work.batch.as_of);
    if let Some(delete) =
        statement::delete(plan, database, Source::Document, &work.batch.spec.deletes, &as_of)
    {
        for (document, count) in deletes {
            if session.execute(&delete, vec![Value::Bytes(document)]).await?.rows != count {
                return Ok(false);
            }
        }
    }
    if let Some(update) = statement::update(plan, database, Source::Document) {
        for parking in parkings {
            let park = statement::park(plan, database, parking);
            for (document, _) in &updates {
                session.execute(&park, vec![Value::Bytes(document.clone())]).await?;
            }
        }
        for (document, count) in updates {
            if session.execute(&update, vec![Value::Bytes(document)]).await?.rows != count {
                return Ok(false);
            }
        }
    }
    for (rows, values) in inserts {
        let done = session.execute(&statement::insert_values(plan, rows), values).await?;
        if done.rows != rows as u64 {
            return Ok(false);
        }
    }
    Ok(true)
}
