//! The list of cases.

use crate::Case;

/// Cases from functions: the clause that they prove, what they need, and their names.
macro_rules! cases {
    (@needs [$($need:ident),*]) => { &[$($crate::Need::$need),*] };
    ($( $clause:ident $needs:tt : $($body:ident),+ $(,)? );+ $(;)?) => {
        pub(super) fn cases() -> Vec<$crate::Case> {
            vec![$($(
                $crate::Case {
                    name: stringify!($body),
                    proves: $crate::Clause::$clause,
                    needs: cases!(@needs $needs),
                    body: |rig| Box::pin($body(rig)),
                }
            ),+),+]
        }
    };
}

/// A row of values.
macro_rules! row {
    ($($value:expr),* $(,)?) => { vec![$($crate::Value::from($value)),*] };
}

// After the macros, which are known from here on.
mod ahead;
mod epochs;
mod limits;
mod load;
mod modes;
mod names;
mod random;
mod rebuild;
mod rejects;
mod scan;
mod settle;
mod tables;
mod unique;
mod units;
mod values;

/// Every case of the suite.
pub fn cases() -> Vec<Case> {
    [
        tables::cases(),
        epochs::cases(),
        units::cases(),
        modes::cases(),
        names::cases(),
        values::cases(),
        random::cases(),
        rejects::cases(),
        unique::cases(),
        settle::cases(),
        limits::cases(),
        scan::cases(),
        load::cases(),
        rebuild::cases(),
        ahead::cases(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clause;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_every_clause_is_proved() {
        let cases = cases();
        assert_eq!(cases.iter().map(|c| c.name).collect::<BTreeSet<_>>().len(), cases.len());
        let proved: BTreeSet<_> = cases.iter().map(|c| c.proves).collect();
        assert_eq!(proved, Clause::ALL.into_iter().collect());
    }
}
