//! One bucket of what should be there against the same bucket of what is there. Pure.

use crate::fingerprint::UNKNOWN_ROW;

/// How two buckets differ. Indices point into the slices that were compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Merged {
    /// Expected and not found.
    pub(super) missing: Vec<usize>,
    /// Expected (first) and found (second) with another row hash.
    pub(super) changed: Vec<(usize, usize)>,
    /// Found and not expected.
    pub(super) extra: Vec<usize>,
    /// Expected, but not known with what.
    pub(super) unknown: u64,
}

/// Key hashes, ascending, with the hash of each row.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) hashes: &'a [u128],
    pub(super) rows: &'a [u64],
}

/// Compares two buckets. Each key is expected at most once. [`UNKNOWN_ROW`] among the expected says that nothing is known of
/// the row, among the found that the row has a value that cannot be read, which is none that was written.
pub(super) fn merge(expected: Side<'_>, found: Side<'_>) -> Merged {
    debug_assert!(expected.hashes.is_sorted_by(|a, b| a < b), "each key is expected once");
    debug_assert!(found.hashes.is_sorted(), "what was found is sorted");
    let mut out = Merged::default();
    let mut e = 0;
    let missing = |e: usize, out: &mut Merged| match expected.rows[e] {
        UNKNOWN_ROW => out.unknown += 1,
        _ => out.missing.push(e),
    };
    for (f, hash) in found.hashes.iter().enumerate() {
        // A row that was deleted and inserted again while the table was read may come twice.
        if f > 0 && found.hashes[f - 1] == *hash {
            continue;
        }
        while e < expected.hashes.len() && expected.hashes[e] < *hash {
            missing(e, &mut out);
            e += 1;
        }
        if expected.hashes.get(e) != Some(hash) {
            out.extra.push(f);
            continue;
        }
        match expected.rows[e] {
            UNKNOWN_ROW => out.unknown += 1,
            row if row != found.rows[f] => out.changed.push((e, f)),
            _ => {}
        }
        e += 1;
    }
    (e..expected.hashes.len()).for_each(|e| missing(e, &mut out));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn sides(of: &BTreeMap<u128, u64>) -> (Vec<u128>, Vec<u64>) {
        of.iter().map(|(hash, row)| (*hash, *row)).unzip()
    }

    proptest! {
        /// Every key is in exactly one class, or the same on both sides.
        #[test]
        fn each_row_is_classified_once(
            expected in prop::collection::btree_map(0u128..40, 0u64..3, 0..40),
            found in prop::collection::btree_map(0u128..40, 0u64..3, 0..40),
        ) {
            let ((eh, er), (fh, fr)) = (sides(&expected), sides(&found));
            let merged = merge(Side { hashes: &eh, rows: &er }, Side { hashes: &fh, rows: &fr });
            let known = |hash: &u128| expected.get(hash).is_some_and(|row| *row != UNKNOWN_ROW);
            let missing: Vec<_> = eh.iter().filter(|h| known(h) && !found.contains_key(h)).collect();
            let changed: Vec<_> = eh.iter().filter(|h| known(h) && found.get(h).is_some_and(|row| *row != expected[h])).collect();
            let extra: Vec<_> = fh.iter().filter(|h| !expected.contains_key(h)).collect();
            prop_assert_eq!(merged.missing.iter().map(|e| &eh[*e]).collect::<Vec<_>>(), missing);
            prop_assert_eq!(merged.changed.iter().map(|(e, _)| &eh[*e]).collect::<Vec<_>>(), changed);
            prop_assert!(merged.changed.iter().all(|(e, f)| eh[*e] == fh[*f]));
            prop_assert_eq!(merged.extra.iter().map(|f| &fh[*f]).collect::<Vec<_>>(), extra);
            prop_assert_eq!(merged.unknown, er.iter().filter(|row| **row == UNKNOWN_ROW).count() as u64);
        }
    }

    #[test]
    fn a_row_that_came_twice_counts_once() {
        let found = Side { hashes: &[1, 1, 2, 2], rows: &[5, 5, 6, 6] };
        let merged = merge(Side { hashes: &[1], rows: &[5] }, found);
        assert_eq!(merged, Merged { extra: vec![2], ..Merged::default() });
    }
}
