//! Which sync comes after which.

use super::sync::{items, none_twice, reference};
use crate::config::{
    reader::{At, Field, Reader},
    value::{Either, List, Text},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The syncs that the one named `name` comes after; all of them are there.
pub(super) fn after(
    raw: Field<Either<Text, List<Text>>>,
    name: &str,
    syncs: &[&str],
    reader: &mut Reader<'_>,
) -> Option<Vec<At<String>>> {
    let Some(raw) = raw.optional()? else { return Some(Vec::new()) };
    // All is looked at before what is wrong makes the list wrong.
    let items = items(raw);
    let is_right = none_twice(&items, "`after`", "sync", reader);
    let known: Vec<Option<At<String>>> = items
        .into_iter()
        .map(|item| {
            let span = item.span.clone();
            if item.value.text == name {
                let message = format!("the sync `{name}` cannot come after itself");
                reader.problem(&span, message, "remove it".to_owned());
                return None;
            }
            reference(item, "sync", Some(syncs), reader).map(|value| At { value, span })
        })
        .collect();
    known.into_iter().collect::<Option<Vec<_>>>().filter(|_| is_right)
}

/// Complains about syncs that wait for one another, once for each such circle. `waiting` holds each sync with those that it
/// comes after, in the order of the file.
pub(super) fn refuse_cycles(waiting: &[(String, Vec<At<String>>)], reader: &mut Reader<'_>) {
    let after: BTreeMap<&str, &[At<String>]> =
        waiting.iter().map(|(name, after)| (name.as_str(), after.as_slice())).collect();
    let mut told = BTreeSet::new();
    for (name, _) in waiting {
        let Some(cycle) = cycle(name, &after) else { continue };
        // It is found from each of its syncs.
        if !told.insert(cycle.iter().map(|at| at.value.as_str()).collect::<BTreeSet<_>>()) {
            continue;
        }
        let names = std::iter::once(name).chain(cycle.iter().map(|at| &at.value));
        let steps = names.zip(&cycle).map(|(name, next)| format!("`{name}` comes after `{}`", next.value));
        let message = format!("syncs wait for one another: {}", steps.collect::<Vec<_>>().join(", "));
        reader.problem(&cycle[0].span, message, "remove one of these from an `after`".to_owned());
    }
}

/// The shortest way from a sync back to itself, by what each comes after.
fn cycle<'a>(name: &str, after: &BTreeMap<&str, &'a [At<String>]>) -> Option<Vec<&'a At<String>>> {
    let mut seen = BTreeSet::new();
    let mut ways = VecDeque::from([Vec::new()]);
    while let Some(way) = ways.pop_front() {
        let here = way.last().map_or(name, |at: &&At<String>| at.value.as_str());
        for next in after.get(here).copied().unwrap_or_default() {
            let mut way: Vec<&At<String>> = way.clone();
            way.push(next);
            if next.value == name {
                return Some(way);
            }
            if seen.insert(next.value.as_str()) {
                ways.push_back(way);
            }
        }
    }
    None
}
