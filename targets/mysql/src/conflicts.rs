//! Rows whose values in a unique index belong to rows that keep them.
//!
//! They are told from rows whose values move to one another, before anything is written: what is written row by row would
//! take the one for the other.

use crate::{
    careful::{Refused, Work, number},
    statement,
    transaction::Session,
    unique,
    write::{Refusal, refusal},
};
use hydrant_contract::{Mode, Result};
use mysql_async::{Row, Value};
use std::collections::{HashMap, HashSet};

/// Finds the rows whose unique values belong to rows that keep them. A row that is refused keeps its own values, which may
/// make another one a conflict; so until nothing is found any more.
pub(crate) async fn find(session: &mut Session<'_>, work: &Work<'_>, numbers: &[usize]) -> Result<Refused> {
    let mut refused = Refused::new();
    let indexes: Vec<_> = unique::others(work.plan)
        .filter_map(|index| Some((index, unique::managed(work.plan, index)?)))
        .collect();
    if indexes.is_empty() || numbers.is_empty() {
        return Ok(refused);
    }
    let database = session.database();
    let there = statement::keys_there(work.plan, database);
    let Some(keys) = found(session, work, &there, numbers, &work.plan.key).await? else { return Ok(refused) };
    let number_of: HashMap<Vec<u8>, usize> = keys.into_iter().map(|(number, key)| (key, number)).collect();
    let is_there: HashSet<usize> = number_of.values().copied().collect();
    // The mode leaves the others as they are, so that their values do not move.
    let mut moving: HashSet<usize> = numbers
        .iter()
        .copied()
        .filter(|number| match work.batch.spec.mode {
            Mode::Mirror | Mode::Upsert => true,
            Mode::Insert => !is_there.contains(number),
            Mode::Update => is_there.contains(number),
        })
        .collect();
    let mut held = Vec::new();
    for (index, columns) in &indexes {
        let holders = statement::holders(work.plan, database, &index.name, columns);
        let Some(holders) = found(session, work, &holders, numbers, columns).await? else { continue };
        held.extend(
            holders
                .into_iter()
                .map(|(number, key)| (number, number_of.get(&key).copied(), index.name.as_str())),
        );
        let mut first: HashMap<Vec<u8>, usize> = HashMap::new();
        for number in numbers.iter().filter(|number| moving.contains(number)).copied().collect::<Vec<_>>() {
            let Some(values) = work.rows.identity(work.places[number], columns) else { continue };
            if first.insert(values.clone(), number).is_some() {
                moving.remove(&number);
                refused.insert(number, taken(&index.name, "another row of the batch has it too"));
            }
        }
    }
    loop {
        let before = refused.len();
        for (number, holder, index) in &held {
            let keeps = holder.is_none_or(|holder| !moving.contains(&holder));
            if keeps && moving.remove(number) {
                refused.insert(*number, taken(index, "another row of the table has it and keeps it"));
            }
        }
        if refused.len() == before {
            return Ok(refused);
        }
    }
}

fn taken(index: &str, why: &str) -> Refusal {
    Refusal {
        reason: format!("duplicate entry for the unique index {index:?}: {why} [1062]"),
        column: None,
        code: 1062,
    }
}

/// For numbers of rows, keys of the table in a form that can be compared. `None` if a value refuses to be compared: that is
/// found out row by row.
async fn found(
    session: &mut Session<'_>,
    work: &Work<'_>,
    sql: &str,
    numbers: &[usize],
    columns: &[usize],
) -> Result<Option<Vec<(usize, Vec<u8>)>>> {
    let Ok(documents) = work.documents(numbers, columns) else { return Ok(None) };
    let mut found = Vec::new();
    for (document, _) in documents {
        match session.query(sql, vec![Value::Bytes(document)]).await {
            Ok(rows) => found.extend(rows.iter().filter_map(|row| Some((number(row)?, key_of(row))))),
            Err(e) => return refusal(session, e).map(|_| None),
        }
    }
    Ok(Some(found))
}

/// The key behind the number of a row.
fn key_of(row: &Row) -> Vec<u8> {
    let mut key = Vec::new();
    for at in 1..row.len() {
        let value = row.as_ref(at).map(|value| value.as_sql(false)).unwrap_or_default();
        key.extend_from_slice(&(value.len() as u64).to_be_bytes());
        key.extend_from_slice(value.as_bytes());
    }
    key
}
