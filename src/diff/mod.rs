//! What changed: a merge of the last index and the new fingerprints, bucket by bucket. Pure.

use crate::{fingerprint::UNKNOWN_ROW, sync::DuplicateKeys};

/// One bucket of the last index: hashes ascending, each once.
#[derive(Clone, Copy, Debug)]
pub struct Old<'a> {
    /// Key hashes.
    pub hashes: &'a [u128],
    /// Row hashes; [`UNKNOWN_ROW`] where it is not known what the target holds.
    pub rows: &'a [u64],
}

/// The same bucket of the new fingerprints: ordered by hash, then by position.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// Key hashes.
    pub hashes: &'a [u128],
    /// Row hashes.
    pub rows: &'a [u64],
    /// Positions of the rows in the export.
    pub positions: &'a [u64],
}

/// What turns the old bucket into the new one. Indices point into the slices that were compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketDiff {
    /// Fingerprints of the new index (into [`New`]), ascending.
    pub kept: Vec<usize>,
    /// Positions in the export of rows that the old index does not know.
    pub inserts: Vec<u64>,
    /// Positions in the export of rows that it knows otherwise, or not for certain.
    pub updates: Vec<u64>,
    /// Fingerprints that are gone (into [`Old`]), ascending.
    pub deletes: Vec<usize>,
    /// Rows that did not change.
    pub unchanged: u64,
    /// Rows with a key that another row has too (into [`New`]): under [`DuplicateKeys::Error`] the second of each key,
    /// otherwise all that were passed over.
    pub duplicates: Vec<usize>,
}

/// Compares one bucket.
pub fn diff(old: Old<'_>, new: New<'_>, duplicate_keys: DuplicateKeys) -> BucketDiff {
    debug_assert!(old.hashes.is_sorted_by(|a, b| a < b), "the old index is sorted and has each key once");
    debug_assert!(new.hashes.is_sorted(), "new fingerprints are sorted");
    let mut out = BucketDiff { kept: Vec::with_capacity(new.hashes.len()), ..BucketDiff::default() };
    let (mut o, mut n) = (0, 0);
    while n < new.hashes.len() {
        let hash = new.hashes[n];
        let end = n + new.hashes[n..].iter().take_while(|h| **h == hash).count();
        let winner = match duplicate_keys {
            DuplicateKeys::Error | DuplicateKeys::First => n,
            DuplicateKeys::Last => end - 1,
        };
        match duplicate_keys {
            DuplicateKeys::Error => out.duplicates.extend((end - n > 1).then_some(n + 1)),
            DuplicateKeys::First | DuplicateKeys::Last => {
                out.duplicates.extend((n..end).filter(|i| *i != winner))
            }
        }
        while o < old.hashes.len() && old.hashes[o] < hash {
            out.deletes.push(o);
            o += 1;
        }
        if o < old.hashes.len() && old.hashes[o] == hash {
            if old.rows[o] == new.rows[winner] && old.rows[o] != UNKNOWN_ROW {
                out.unchanged += 1;
            } else {
                out.updates.push(new.positions[winner]);
            }
            o += 1;
        } else {
            out.inserts.push(new.positions[winner]);
        }
        out.kept.push(winner);
        n = end;
    }
    out.deletes.extend(o..old.hashes.len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn compare(old: &BTreeMap<u128, u64>, rows: &[(u128, u64)], policy: DuplicateKeys) -> BucketDiff {
        let mut sorted: Vec<_> =
            rows.iter().enumerate().map(|(at, (hash, row))| (*hash, at as u64, *row)).collect();
        sorted.sort_unstable();
        let hashes: Vec<_> = old.keys().copied().collect();
        let old_rows: Vec<_> = old.values().copied().collect();
        let new: Vec<_> = sorted.iter().map(|s| s.0).collect();
        let positions: Vec<_> = sorted.iter().map(|s| s.1).collect();
        let new_rows: Vec<_> = sorted.iter().map(|s| s.2).collect();
        diff(
            Old { hashes: &hashes, rows: &old_rows },
            New { hashes: &new, rows: &new_rows, positions: &positions },
            policy,
        )
    }

    #[test]
    fn each_kind_of_change_is_found() {
        let old = BTreeMap::from([(1, 10), (2, 20), (3, 30), (5, UNKNOWN_ROW)]);
        let got = compare(&old, &[(2, 21), (3, 30), (4, 40), (5, UNKNOWN_ROW)], DuplicateKeys::Error);
        assert_eq!((got.inserts, got.updates, got.deletes), (vec![2], vec![0, 3], vec![0]));
        assert_eq!((got.unchanged, got.duplicates), (1, vec![]));
    }

    #[test]
    fn duplicates_are_reported_or_passed_over() {
        let rows = [(7, 1), (7, 2), (7, 3), (8, 4)];
        let none = BTreeMap::new();
        assert_eq!(compare(&none, &rows, DuplicateKeys::Error).duplicates, [1]);
        assert_eq!(compare(&none, &rows, DuplicateKeys::First).inserts, [0, 3]);
        let last = compare(&none, &rows, DuplicateKeys::Last);
        assert_eq!((last.inserts, last.duplicates.len()), (vec![2, 3], 2));
    }

    proptest! {
        /// Applying what was found to the old state gives the new state.
        #[test]
        fn the_change_set_turns_old_into_new(
            old in prop::collection::btree_map(0u128..40, 0u64..4, 0..40),
            rows in prop::collection::vec((0u128..40, 0u64..4), 0..60),
            last in any::<bool>(),
        ) {
            let policy = if last { DuplicateKeys::Last } else { DuplicateKeys::First };
            let got = compare(&old, &rows, policy);
            let mut wanted = BTreeMap::new();
            for (hash, row) in &rows {
                if last { wanted.insert(*hash, *row); } else { wanted.entry(*hash).or_insert(*row); }
            }
            let mut state = old.clone();
            let known: Vec<_> = old.keys().copied().collect();
            for gone in &got.deletes { prop_assert!(state.remove(&known[*gone]).is_some()); }
            for at in &got.inserts { prop_assert!(state.insert(rows[*at as usize].0, rows[*at as usize].1).is_none()); }
            for at in &got.updates {
                let (hash, row) = rows[*at as usize];
                let before = state.insert(hash, row);
                prop_assert!(before.is_some() && (before != Some(row) || row == UNKNOWN_ROW));
            }
            prop_assert_eq!(&state, &wanted);
            prop_assert_eq!(got.kept.len(), wanted.len());
            prop_assert_eq!(got.kept.len() + got.duplicates.len(), rows.len());
            prop_assert_eq!(got.unchanged as usize + got.inserts.len() + got.updates.len(), wanted.len());
        }
    }
}
