//! The keys of the rows that came.

/// Bits of a hash by which its place is found: with 65 536 places each of them has a few dozen of four million hashes.
const PLACE_BITS: u32 = 16;

/// A set of key hashes, 16 bytes each, that is asked for every row of an export.
pub(super) struct KeySet {
    hashes: Vec<u128>,
    /// Where the hashes of each place begin, and the end: a search through all of them would miss the cache at every step.
    starts: Vec<usize>,
}

impl KeySet {
    pub(super) fn new(mut hashes: Vec<u128>) -> Self {
        hashes.sort_unstable();
        hashes.dedup();
        let mut starts = vec![0; (1 << PLACE_BITS) + 1];
        for hash in &hashes {
            starts[place(*hash) + 1] += 1;
        }
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        Self { hashes, starts }
    }

    pub(super) fn contains(&self, hash: u128) -> bool {
        let place = place(hash);
        self.hashes[self.starts[place]..self.starts[place + 1]].binary_search(&hash).is_ok()
    }
}

fn place(hash: u128) -> usize {
    (hash >> (128 - PLACE_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn it_has_what_was_put_in_and_nothing_else(
            hashes in prop::collection::vec(prop_oneof![any::<u128>(), (0..40_u128), (0..40_u128).prop_map(|n| u128::MAX - n)], 0..200),
            others in prop::collection::vec(prop_oneof![any::<u128>(), (0..40_u128), (0..40_u128).prop_map(|n| u128::MAX - n)], 0..200),
        ) {
            let set = KeySet::new(hashes.clone());
            let known: HashSet<u128> = hashes.into_iter().collect();
            for hash in known.iter().chain(&others) {
                prop_assert_eq!(set.contains(*hash), known.contains(hash));
            }
        }
    }
}
