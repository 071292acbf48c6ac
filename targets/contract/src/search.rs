//! The search for the rows that are guilty of a refusal.

use std::ops::Range;

/// Halves ranges of rows until each is accepted as a whole, or is a single row that is refused. Rows are tried in order,
/// so the ranges that were accepted lie in order too.
#[derive(Debug)]
pub struct Search {
    todo: Vec<Range<usize>>,
}

impl Search {
    /// All of these rows are to be tried.
    pub fn new(rows: Range<usize>) -> Self {
        Self { todo: if rows.is_empty() { Vec::new() } else { vec![rows] } }
    }

    /// The next rows to try.
    #[allow(clippy::should_implement_trait)] // what comes next depends on what is said of the rows before
    pub fn next(&mut self) -> Option<Range<usize>> {
        self.todo.pop()
    }

    /// Notes that these rows, just tried, were refused; with the row that the server named, if it did. Returns the row if
    /// it is a single one: it is guilty.
    pub fn refused(&mut self, rows: Range<usize>, named: Option<usize>) -> Option<usize> {
        if rows.len() <= 1 {
            return Some(rows.start);
        }
        // What is named is tried alone too: a wrong name must not reject a good row.
        let cuts = match named.filter(|row| rows.contains(row)) {
            Some(row) => [row, row + 1],
            None => [rows.start + rows.len() / 2; 2],
        };
        let parts = [rows.start..cuts[0], cuts[0]..cuts[1], cuts[1]..rows.end];
        self.todo.extend(parts.into_iter().rev().filter(|part| !part.is_empty()));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn exactly_the_guilty_are_found(
            len in 0_usize..300,
            guilty in proptest::collection::btree_set(0_usize..300, 0..20),
            names in any::<bool>(),
        ) {
            let guilty: BTreeSet<_> = guilty.into_iter().filter(|row| *row < len).collect();
            let (mut search, mut found, mut accepted, mut tries) = (Search::new(0..len), vec![], vec![], 0);
            while let Some(rows) = search.next() {
                tries += 1;
                let first = rows.clone().find(|row| guilty.contains(row));
                match first {
                    None => accepted.extend(rows),
                    Some(first) => found.extend(search.refused(rows, names.then_some(first))),
                }
            }
            prop_assert_eq!(&found, &guilty.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(accepted.len() + found.len(), len);
            prop_assert!(accepted.is_sorted());
            let steps = if names { 3 } else { 20 };
            prop_assert!(tries <= 1 + steps * guilty.len(), "{} tries", tries);
        }
    }

    #[test]
    fn a_name_outside_the_rows_is_not_believed() {
        let mut search = Search::new(0..4);
        let rows = search.next().expect("rows");
        assert_eq!(search.refused(rows, Some(9)), None);
        assert_eq!(search.next(), Some(0..2));
    }
}
