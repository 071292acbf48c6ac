//! One case.

use crate::{Need, Rig};
use futures::future::LocalBoxFuture;

/// One thing that a target must do right.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name, a sentence.
    pub name: &'static str,
    /// The part of the contract that it proves.
    pub proves: Clause,
    /// What it needs beyond the promise that every target makes.
    pub needs: &'static [Need],
    /// The case itself; it panics when the target is wrong.
    pub body: Body,
}

/// The body of a [`Case`].
pub type Body = for<'a> fn(&'a dyn Rig) -> LocalBoxFuture<'a, ()>;

/// A part of the contract: a clause of the promise on [`Target`](hydrant_contract::Target), or what one of its methods
/// says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Clause {
    /// Clause 1: every call may be repeated.
    Repeatable,
    /// Clause 2: a batch is one unit.
    OneUnit,
    /// Clause 3: epochs fence.
    Fenced,
    /// Clause 4: only managed columns and keys are touched.
    OnlyManaged,
    /// Clause 5: exact or refused.
    ExactOrRefused,
    /// Clause 6: locks are short.
    ShortLocks,
    /// The method `inspect`, and `create` with it.
    Inspect,
    /// The table of modes and deletes on the method `apply`.
    Apply,
    /// The method `scan`.
    Scan,
    /// The method `rebuild`, and `rebuildable` with it.
    Rebuild,
    /// The method `begin`.
    Begin,
}

impl Clause {
    /// All of them; each must be proved by a case.
    pub const ALL: [Self; 11] = [
        Self::Repeatable,
        Self::OneUnit,
        Self::Fenced,
        Self::OnlyManaged,
        Self::ExactOrRefused,
        Self::ShortLocks,
        Self::Inspect,
        Self::Apply,
        Self::Scan,
        Self::Rebuild,
        Self::Begin,
    ];
}
