//! What changed: a merge of the last index and the new fingerprints, bucket by bucket. Pure.

use crate::{fingerprint::UNKNOWN_ROW, guard::Hold, sync::DuplicateKeys};

/// The last index: hashes ascending, each once.
#[derive(Clone, Copy, Debug)]
pub struct Old<'a> {
    /// Key hashes.
    pub hashes: &'a [u128],
    /// Row hashes; [`UNKNOWN_ROW`] where it is not known what the target holds.
    pub rows: &'a [u64],
}

/// The same range of the new fingerprints: ordered by hash, then by position.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// Key hashes.
    pub hashes: &'a [u128],
    /// Row hashes; [`UNKNOWN_ROW`] for rows that were refused before the compare: the target keeps what it has of them.
    pub rows: &'a [u64],
    /// Positions of the rows in the export.
    pub positions: &'a [u64],
}

/// Which differences are changes of this run. The others are left alone: the new index goes on saying what the old one said.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// Every difference.
    All,
    /// Only rows of which it is not known what the target holds.
    Unknown,
    /// Only what brings back the state of this earlier index: rows as it had them, and deletes of keys it did not have.
    Restore(Old<'a>),
    /// None: the rows are in the target as they are here.
    Nothing,
}

/// By which rules two buckets are compared.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// What to do about two rows with the same key.
    pub duplicate_keys: DuplicateKeys,
    /// Whether keys that left the export are deletes; otherwise they are forgotten.
    pub deletes: bool,
    /// Kinds of changes that are held.
    pub hold: Hold,
    /// Which differences are looked at in the first place.
    pub scope: Scope<'a>,
}

/// What turns the old bucket into the new one. Indices point into the slices that were compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketDiff {
    /// Fingerprints of the new index that are the export's (into [`New`]), ascending.
    pub kept: Vec<usize>,
    /// Fingerprints of the new index that stay as they were, since their change is held or out of scope (into [`Old`]),
    /// ascending.
    pub stay: Vec<usize>,
    /// Positions in the export of rows that the old index does not know.
    pub inserts: Vec<u64>,
    /// Positions in the export of rows that it knows otherwise, or not for certain.
    pub updates: Vec<u64>,
    /// Fingerprints that are gone (into [`Old`]), ascending.
    pub deletes: Vec<usize>,
    /// Rows that did not change.
    pub unchanged: u64,
    /// Changes that are held, as the rules say.
    pub held: Held,
    /// Differences that this run leaves alone, because they are not in its scope.
    pub out_of_scope: Held,
    /// Rows with a key that another row has too (into [`New`]): under [`DuplicateKeys::Error`] the second of each key,
    /// otherwise all that were passed over.
    pub duplicates: Vec<usize>,
}

/// How many changes are not made, by kind. Rows that were refused before the compare are not among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Held {
    /// Rows that are not inserted.
    pub inserts: u64,
    /// Rows that keep their old values.
    pub updates: u64,
    /// Rows that stay although they left the query.
    pub deletes: u64,
}

impl Held {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.inserts + self.updates + self.deletes
    }

    /// Adds those of another comparison.
    pub fn add(&mut self, other: Self) {
        self.inserts += other.inserts;
        self.updates += other.updates;
        self.deletes += other.deletes;
    }
}

/// Compares one bucket.
pub fn diff(old: Old<'_>, new: New<'_>, rules: Rules<'_>) -> BucketDiff {
    debug_assert!(old.hashes.is_sorted_by(|a, b| a < b), "the old index is sorted and has each key once");
    debug_assert!(new.hashes.is_sorted(), "new fingerprints are sorted");
    let mut merge = Merge {
        old,
        new,
        rules,
        o: 0,
        out: BucketDiff { kept: Vec::with_capacity(new.hashes.len()), ..BucketDiff::default() },
    };
    let mut n = 0;
    while n < new.hashes.len() {
        let hash = new.hashes[n];
        let end = n + new.hashes[n..].iter().take_while(|h| **h == hash).count();
        let winner = match rules.duplicate_keys {
            DuplicateKeys::Error | DuplicateKeys::First => n,
            DuplicateKeys::Last => end - 1,
        };
        match rules.duplicate_keys {
            DuplicateKeys::Error => merge.out.duplicates.extend((end - n > 1).then_some(n + 1)),
            DuplicateKeys::First | DuplicateKeys::Last => {
                merge.out.duplicates.extend((n..end).filter(|i| *i != winner));
            }
        }
        merge.gone(Some(hash));
        merge.row(winner);
        n = end;
    }
    merge.gone(None);
    merge.out
}

/// A merge that has come to `o` in the old index.
struct Merge<'a> {
    old: Old<'a>,
    new: New<'a>,
    rules: Rules<'a>,
    o: usize,
    out: BucketDiff,
}

impl Merge<'_> {
    /// All old keys before this one are gone from the export.
    fn gone(&mut self, before: Option<u128>) {
        while self.o < self.old.hashes.len() && before.is_none_or(|hash| self.old.hashes[self.o] < hash) {
            let o = self.o;
            self.o += 1;
            if !self.rules.deletes {
                continue;
            }
            let in_scope = match self.rules.scope {
                Scope::All => true,
                Scope::Unknown => self.old.rows[o] == UNKNOWN_ROW,
                Scope::Restore(then) => then.hashes.binary_search(&self.old.hashes[o]).is_err(),
                Scope::Nothing => false,
            };
            if in_scope && !self.rules.hold.deletes {
                self.out.deletes.push(o);
            } else {
                self.left(in_scope).deletes += 1;
                self.out.stay.push(o);
            }
        }
    }

    /// The row of the export that counts for its key; all smaller old keys are done.
    fn row(&mut self, n: usize) {
        let (hash, row) = (self.new.hashes[n], self.new.rows[n]);
        let before = (self.o < self.old.hashes.len() && self.old.hashes[self.o] == hash).then_some(self.o);
        self.o += usize::from(before.is_some());
        if matches!(self.rules.scope, Scope::Nothing) {
            self.out.unchanged += 1;
            return self.out.kept.push(n);
        }
        if row == UNKNOWN_ROW {
            return self.out.stay.extend(before);
        }
        let known = before.map(|o| self.old.rows[o]);
        if known == Some(row) {
            self.out.unchanged += 1;
            return self.out.kept.push(n);
        }
        let in_scope = match self.rules.scope {
            Scope::All => true,
            Scope::Unknown => known == Some(UNKNOWN_ROW),
            Scope::Restore(then) => then.hashes.binary_search(&hash).is_ok_and(|at| then.rows[at] == row),
            Scope::Nothing => false,
        };
        let is_held = if before.is_some() { self.rules.hold.updates } else { self.rules.hold.inserts };
        if in_scope && !is_held {
            let changes = if before.is_some() { &mut self.out.updates } else { &mut self.out.inserts };
            changes.push(self.new.positions[n]);
            return self.out.kept.push(n);
        }
        let left = self.left(in_scope);
        *(if before.is_some() { &mut left.updates } else { &mut left.inserts }) += 1;
        self.out.stay.extend(before);
    }

    /// Where a change is counted that is not made.
    fn left(&mut self, in_scope: bool) -> &mut Held {
        if in_scope { &mut self.out.held } else { &mut self.out.out_of_scope }
    }
}

#[cfg(test)]
mod tests;
