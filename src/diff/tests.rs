use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const HOLD_NOTHING: Hold = Hold { inserts: false, updates: false, deletes: false };
const EVERYTHING: Rules<'static> =
    Rules { duplicate_keys: DuplicateKeys::Error, deletes: true, hold: HOLD_NOTHING, scope: Scope::All };

fn parts(index: &BTreeMap<u128, u64>) -> (Vec<u128>, Vec<u64>) {
    (index.keys().copied().collect(), index.values().copied().collect())
}

fn sorted(rows: &[(u128, u64)]) -> Vec<(u128, u64, u64)> {
    let mut sorted: Vec<_> =
        rows.iter().enumerate().map(|(at, (hash, row))| (*hash, at as u64, *row)).collect();
    sorted.sort_unstable();
    sorted
}

fn compare(old: &BTreeMap<u128, u64>, rows: &[(u128, u64)], rules: Rules<'_>) -> BucketDiff {
    let (hashes, old_rows) = parts(old);
    let sorted = sorted(rows);
    let new: Vec<_> = sorted.iter().map(|s| s.0).collect();
    let positions: Vec<_> = sorted.iter().map(|s| s.1).collect();
    let new_rows: Vec<_> = sorted.iter().map(|s| s.2).collect();
    diff(
        Old { hashes: &hashes, rows: &old_rows },
        New { hashes: &new, rows: &new_rows, positions: &positions },
        rules,
    )
}

/// The index that a comparison says is the next one.
fn next_index(old: &BTreeMap<u128, u64>, rows: &[(u128, u64)], got: &BucketDiff) -> BTreeMap<u128, u64> {
    let sorted = sorted(rows);
    let (hashes, old_rows) = parts(old);
    let kept = got.kept.iter().map(|n| (sorted[*n].0, sorted[*n].2));
    let stay = got.stay.iter().map(|o| (hashes[*o], old_rows[*o]));
    kept.chain(stay).collect()
}

/// What a target holds after the changes, if it held what the old index says.
fn applied(old: &BTreeMap<u128, u64>, rows: &[(u128, u64)], got: &BucketDiff) -> BTreeMap<u128, u64> {
    let mut state = old.clone();
    let known: Vec<_> = old.keys().copied().collect();
    for gone in &got.deletes {
        assert!(state.remove(&known[*gone]).is_some());
    }
    for at in &got.inserts {
        assert!(state.insert(rows[*at as usize].0, rows[*at as usize].1).is_none());
    }
    for at in &got.updates {
        let (hash, row) = rows[*at as usize];
        let before = state.insert(hash, row);
        assert!(before.is_some() && before != Some(row));
    }
    state
}

#[test]
fn each_kind_of_change_is_found() {
    let old = BTreeMap::from([(1, 10), (2, 20), (3, 30), (5, UNKNOWN_ROW)]);
    let got = compare(&old, &[(2, 21), (3, 30), (4, 40), (5, 50)], EVERYTHING);
    assert_eq!((got.inserts, got.updates, got.deletes), (vec![2], vec![0, 3], vec![0]));
    assert_eq!((got.unchanged, got.duplicates, got.stay), (1, vec![], vec![]));
}

#[test]
fn duplicates_are_reported_or_passed_over() {
    let rows = [(7, 1), (7, 2), (7, 3), (8, 4)];
    let none = BTreeMap::new();
    let by = |duplicate_keys| compare(&none, &rows, Rules { duplicate_keys, ..EVERYTHING });
    assert_eq!(by(DuplicateKeys::Error).duplicates, [1]);
    assert_eq!(by(DuplicateKeys::First).inserts, [0, 3]);
    let last = by(DuplicateKeys::Last);
    assert_eq!((last.inserts, last.duplicates.len()), (vec![2, 3], 2));
}

/// A row that the type rules refused keeps its old values in the target; it is neither deleted nor forgotten.
#[test]
fn a_refused_row_stays_as_it_was() {
    let old = BTreeMap::from([(1, 10), (2, 20)]);
    let rows = [(1, UNKNOWN_ROW), (2, 20), (3, UNKNOWN_ROW)];
    let got = compare(&old, &rows, EVERYTHING);
    assert_eq!((got.inserts.len(), got.updates.len(), got.deletes.len()), (0, 0, 0));
    assert_eq!(next_index(&old, &rows, &got), old);
}

#[test]
fn keys_that_left_are_forgotten_where_deletes_are_nothing_to_the_table() {
    let old = BTreeMap::from([(1, 10), (2, 20)]);
    let got = compare(&old, &[(2, 20)], Rules { deletes: false, ..EVERYTHING });
    assert_eq!((got.deletes.len(), got.stay.len(), got.held.deletes), (0, 0, 0));
}

#[test]
fn only_what_is_unknown_is_sent_when_that_is_asked() {
    let old = BTreeMap::from([(1, 10), (2, UNKNOWN_ROW), (3, UNKNOWN_ROW), (4, 40)]);
    let rows = [(1, 11), (2, 20), (5, 50)];
    let got = compare(&old, &rows, Rules { scope: Scope::Unknown, ..EVERYTHING });
    assert_eq!((&got.inserts, &got.updates, &got.deletes), (&vec![], &vec![1], &vec![2]));
    assert_eq!(got.out_of_scope, Held { inserts: 1, updates: 1, deletes: 1 });
    assert_eq!(got.held, Held::default());
    assert_eq!(next_index(&old, &rows, &got), BTreeMap::from([(1, 10), (2, 20), (4, 40)]));
    // What nobody asked for is not held back by anybody.
    let hold = Hold { inserts: true, updates: true, deletes: true };
    let held = compare(&old, &rows, Rules { scope: Scope::Unknown, hold, ..EVERYTHING });
    assert_eq!(held.out_of_scope, got.out_of_scope);
    assert_eq!(held.held, Held { inserts: 0, updates: 1, deletes: 1 });
}

/// Rows that the earlier state did not have in the target (a change that was withheld then) are not brought "back".
#[test]
fn restoring_takes_only_what_the_earlier_index_had() {
    let then = BTreeMap::from([(1, 10), (2, 19), (3, 30)]);
    let now = BTreeMap::from([(1, 11), (2, 22), (3, 33), (4, 40), (5, 50)]);
    // The earlier export: of 2 it had a newer row than the target, 3 had left the query and its delete was withheld.
    let rows = [(1, 10), (2, 20), (6, 60)];
    let (hashes, old_rows) = parts(&then);
    let scope = Scope::Restore(Old { hashes: &hashes, rows: &old_rows });
    let got = compare(&now, &rows, Rules { scope, ..EVERYTHING });
    assert_eq!((&got.inserts, &got.updates, &got.deletes), (&vec![], &vec![0], &vec![3, 4]));
    assert_eq!(next_index(&now, &rows, &got), BTreeMap::from([(1, 10), (2, 22), (3, 33)]));
}

proptest! {
    /// Applying what was found to the old state gives the new state.
    #[test]
    fn the_change_set_turns_old_into_new(
        old in prop::collection::btree_map(0u128..40, 0u64..4, 0..40),
        rows in prop::collection::vec((0u128..40, 1u64..4), 0..60),
        last in any::<bool>(),
    ) {
        let duplicate_keys = if last { DuplicateKeys::Last } else { DuplicateKeys::First };
        let got = compare(&old, &rows, Rules { duplicate_keys, ..EVERYTHING });
        let mut wanted = BTreeMap::new();
        for (hash, row) in &rows {
            if last { wanted.insert(*hash, *row); } else { wanted.entry(*hash).or_insert(*row); }
        }
        prop_assert_eq!(&applied(&old, &rows, &got), &wanted);
        prop_assert_eq!(&next_index(&old, &rows, &got), &wanted);
        prop_assert_eq!(got.kept.len() + got.duplicates.len(), rows.len());
        prop_assert_eq!(got.unchanged as usize + got.inserts.len() + got.updates.len(), wanted.len());
    }

    /// Whatever is held: the next index says what the target holds, and nothing is lost for the run after it.
    #[test]
    fn the_next_index_is_what_the_target_holds(
        old in prop::collection::btree_map(0u128..40, 0u64..4, 0..40),
        then in prop::collection::btree_map(0u128..40, 0u64..4, 0..40),
        rows in prop::collection::vec((0u128..40, 0u64..4), 0..60),
        (inserts, updates, deletes) in any::<(bool, bool, bool)>(),
        scope in 0..3,
    ) {
        let (hashes, then_rows) = parts(&then);
        let scope = match scope {
            0 => Scope::All,
            1 => Scope::Unknown,
            _ => Scope::Restore(Old { hashes: &hashes, rows: &then_rows }),
        };
        let hold = Hold { inserts, updates, deletes };
        let rules = Rules { duplicate_keys: DuplicateKeys::First, hold, scope, ..EVERYTHING };
        let got = compare(&old, &rows, rules);
        let next = next_index(&old, &rows, &got);
        prop_assert_eq!(&applied(&old, &rows, &got), &next);
        // The next run, with nothing held, brings everything that was held now.
        let refused: Vec<_> = rows.iter().copied().filter(|(_, row)| *row != UNKNOWN_ROW).collect();
        let rest = compare(&next, &refused, Rules { duplicate_keys: DuplicateKeys::First, ..EVERYTHING });
        let all = applied(&next, &refused, &rest);
        let mut wanted = BTreeMap::new();
        for (hash, row) in &refused { wanted.entry(*hash).or_insert(*row); }
        prop_assert_eq!(all, wanted);
    }
}
