//! Values that were made to fit, for people.

use super::output::{DIM, count};
use crate::mend::Mended;

/// One line a column and way. `would` is for a plan.
pub(super) fn show(sync: &str, mended: &Mended, would: bool) {
    for (column, ways) in mended {
        for (way, number) in ways {
            let (values, were) = match (number, would) {
                (1, false) => ("value", "was"),
                (1, true) => ("value", "would be"),
                (_, false) => ("values", "were"),
                (_, true) => ("values", "would be"),
            };
            let number = count(*number);
            anstream::println!("{DIM}{sync}:{DIM:#} {number} {values} of {column} {were} {way}");
        }
    }
}
