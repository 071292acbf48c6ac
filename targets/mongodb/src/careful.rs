//! The careful way: finds exactly the rows that the server refuses and writes all others, in one transaction.
//!
//! The first refusal undoes a transaction and names one row. Rows that are refused for what they hold are found by
//! transactions that are never committed ([`probe`]); rows that want a value which another document has are found by a look
//! at the unique indexes ([`moves`]), which also says which values move within the batch and must be put aside first. What
//! is left over is left out one by one.

use crate::{
    connect::Link,
    moves,
    reply::Refusal,
    send::{self, Outcome, RowId},
    transaction::Unit,
    write::{self, Attempt, Refused, Work},
};
use hydrant_contract::{ErrorKind, Part, Reject, Result, TargetError};
use std::time::{Duration, Instant};

/// How long refused rows are searched for.
const SEARCH_MAX: Duration = Duration::from_secs(120);
/// Past so many refused rows of one batch something is wrong with the collection or the query as a whole, and the batch
/// fails.
pub(crate) const REFUSED_MAX: usize = 2_000;
/// Rows of the first transaction that looks for refused ones; and of the longest.
const PROBE_ROWS: usize = 64;
const PROBE_ROWS_MAX: usize = 4_096;

/// Writes the rows of a batch after the fast way was undone because of this row.
pub(crate) async fn rows(
    link: &Link,
    work: &Work<'_>,
    first: (RowId, Refusal),
    doing: &str,
) -> Result<Vec<Reject>> {
    let since = Instant::now();
    let mut left_out = Refused::new();
    let (mut probed, mut looked) = (false, false);
    // The first way that the validator of the collection lets pass.
    let mut ways = moves::WAYS.iter();
    let mut way = ways.next();
    let mut refused = Some(first);
    loop {
        if let Some((row, refusal)) = refused.take() {
            match refusal.is_duplicate() {
                // It may be a value that moves; only if it is refused again it is left out.
                true if !looked => looked = true,
                duplicate => {
                    left_out.insert(row, refusal);
                    if !duplicate && !probed {
                        probed = true;
                        left_out.extend(probe(link, work, &left_out, doing).await?);
                    }
                }
            }
        }
        let mut parking = Vec::new();
        if looked {
            let writing = written(work, &left_out);
            let moving = moves::resolve(link, work, &writing, true, doing).await?;
            left_out.extend(moving.refused);
            if let Some(way) = way {
                parking.extend(moves::parking(link, work, &moving.wanted, *way));
            }
        }
        enough(link, &left_out, since, doing)?;
        let tried = write::again_on_conflict(link, doing, || {
            write::attempt(link, work, false, &left_out, &parking, doing)
        });
        match tried.await {
            Ok(Attempt::Done(mut rejects)) => {
                rejects
                    .extend(left_out.into_iter().map(|(row, refusal)| refusal.reject(row.part(), row.row)));
                return Ok(rejects);
            }
            Ok(Attempt::Refused(row, refusal)) => refused = Some((row, refusal)),
            Err(error) if error.kind() == ErrorKind::ValueRefused && !parking.is_empty() => way = ways.next(),
            Err(error) => return Err(error),
        }
    }
}

/// The rows of the query that are not left out.
fn written(work: &Work<'_>, left_out: &Refused) -> Vec<RowId> {
    let of = |part: Part, count: usize| (0..count).map(move |row| RowId::new(part, row));
    let rows = of(Part::Inserts, work.inserts.count).chain(of(Part::Updates, work.updates.count));
    rows.filter(|row| !left_out.contains_key(row)).collect()
}

fn enough(link: &Link, left_out: &Refused, since: Instant, doing: &str) -> Result<()> {
    let example = left_out.values().next().map_or("", |refusal| refusal.reason.as_str());
    let message = if left_out.len() > REFUSED_MAX {
        format!("more than {REFUSED_MAX} rows of one batch are refused; one of the reasons: {example}")
    } else if since.elapsed() > SEARCH_MAX {
        format!(
            "{} rows are refused so far, and finding them takes longer than {} s; one of the reasons: {example}",
            left_out.len(),
            SEARCH_MAX.as_secs()
        )
    } else {
        return Ok(());
    };
    Err(TargetError::new(ErrorKind::ValueRefused, link.context(doing), message))
}

/// Finds the rows that are refused for what they hold, whatever other documents do. Each transaction ends at the first
/// refusal, and the next one goes on behind it; so there is one for each refused row, and each row is written once.
async fn probe(link: &Link, work: &Work<'_>, left_out: &Refused, doing: &str) -> Result<Refused> {
    let since = Instant::now();
    let mut refused = Refused::new();
    for stage in work.stages(false) {
        let rows: Vec<usize> = (0..stage.rows.count)
            .filter(|row| !left_out.contains_key(&RowId::new(stage.part, *row)))
            .collect();
        let (mut at, mut size) = (0, PROBE_ROWS);
        while at < rows.len() {
            let some = &rows[at..(at + size).min(rows.len())];
            let found = write::again_on_conflict(link, doing, || async {
                let mut unit = Unit::begin(link, doing).await?;
                let mut outcome = Outcome::default();
                let tried =
                    send::stage(&mut unit, work.plan, &stage, some.iter().copied(), None, &mut outcome).await;
                unit.abort().await;
                tried.map(|()| outcome.refused.pop())
            });
            match found.await? {
                None => {
                    at += some.len();
                    size = (size * 2).min(PROBE_ROWS_MAX);
                }
                Some((row, refusal)) => {
                    at += 1 + some.iter().position(|number| *number == row.row).unwrap_or_default();
                    size = PROBE_ROWS;
                    if !refusal.is_duplicate() {
                        refused.insert(row, refusal);
                        enough(link, &refused, since, doing)?;
                    }
                }
            }
        }
    }
    Ok(refused)
}
