//! What a person lets pass in one run.

use super::Rule;
use std::str::FromStr;

/// What a person lets pass in one run: each is a limit that takes the place of the rule's own, and is looked at on the
/// figures of that run. Above it the rule fires as it would have.
///
/// It is read from `deletes=1200`, `changes=5000`, `rows=0`, `shrink=60`, `keys`, `schema`, or several of them with
/// commas between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approvals {
    /// Up to this many deletes.
    pub(super) deletes: Option<u64>,
    /// Up to this many updates.
    pub(super) changes: Option<u64>,
    /// An export of at least this many rows.
    pub(super) rows: Option<u64>,
    /// An export that has lost up to this share of the rows, in percent.
    pub(super) shrink: Option<u64>,
    /// None of the known keys need be in the export.
    pub(super) keys: bool,
    /// The columns may be others.
    pub(super) schema: bool,
}

impl Approvals {
    /// Adds what another one lets pass; where both speak of a rule, the other one counts.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            deletes: other.deletes.or(self.deletes),
            changes: other.changes.or(self.changes),
            rows: other.rows.or(self.rows),
            shrink: other.shrink.or(self.shrink),
            keys: other.keys || self.keys,
            schema: other.schema || self.schema,
        }
    }

    /// Lets any number of updates pass: for a run that was asked to send every row again.
    #[must_use]
    pub fn any_changes(self) -> Self {
        Self { changes: Some(u64::MAX), ..self }
    }

    /// Whether nothing at all is let pass.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a text is no approval.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoApproval {
    /// It names no rule.
    #[error(
        "there is no rule `{0}`: say `deletes=N`, `changes=N`, `rows=N`, `shrink=PERCENT`, `keys` or `schema`"
    )]
    UnknownRule(String),
    /// The rule has a limit, and none is said.
    #[error("say how much: `{rule}={}`", if *.rule == Rule::Shrink { "PERCENT" } else { "N" })]
    LimitMissing {
        /// The rule.
        rule: Rule,
    },
    /// The rule has no limit.
    #[error("`{rule}` takes no number: say `{rule}`")]
    LimitNotTaken {
        /// The rule.
        rule: Rule,
    },
    /// The limit is none.
    #[error("`{limit}` is not a whole number{}", if *.rule == Rule::Shrink { " from 0 to 100" } else { "" })]
    NoNumber {
        /// The rule.
        rule: Rule,
        /// What was said.
        limit: String,
    },
}

impl FromStr for Approvals {
    type Err = NoApproval;

    fn from_str(text: &str) -> Result<Self, NoApproval> {
        text.split(',').try_fold(Self::default(), |all, one| Ok(all.and(Self::one(one.trim())?)))
    }
}

impl Approvals {
    fn one(text: &str) -> Result<Self, NoApproval> {
        let (name, limit) = match text.split_once('=') {
            Some((name, limit)) => (name.trim(), Some(limit.trim())),
            None => (text, None),
        };
        let number = |rule| {
            let limit = limit.ok_or(NoApproval::LimitMissing { rule })?;
            let number = limit.parse().ok().filter(|number| rule != Rule::Shrink || *number <= 100);
            number.map(Some).ok_or_else(|| NoApproval::NoNumber { rule, limit: limit.to_owned() })
        };
        let word = |rule| if limit.is_some() { Err(NoApproval::LimitNotTaken { rule }) } else { Ok(true) };
        let none = Self::default();
        Ok(match name {
            "deletes" => Self { deletes: number(Rule::Deletes)?, ..none },
            "changes" => Self { changes: number(Rule::Changes)?, ..none },
            "rows" => Self { rows: number(Rule::Rows)?, ..none },
            "shrink" => Self { shrink: number(Rule::Shrink)?, ..none },
            "keys" => Self { keys: word(Rule::Keys)?, ..none },
            "schema" => Self { schema: word(Rule::Schema)?, ..none },
            _ => return Err(NoApproval::UnknownRule(name.to_owned())),
        })
    }
}
