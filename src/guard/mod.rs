//! Rules that hold a suspicious change set back, or stop the run. Pure.
//!
//! A rule looks at the figures of one run, and says in words what it found and what a person types to let it pass. What is
//! held back is not forgotten: the next run finds it again, and judges it on its own figures.

mod approval;
mod rules;
#[cfg(test)]
mod tests;

pub use approval::{Approvals, NoApproval};
pub use rules::{GuardRules, RowsRule, Rule, ShareRule, ShrinkRule, Then};

use serde::{Deserialize, Serialize};

/// Fewer rows than this say nothing about a query: a table of ten may well have ten others tomorrow.
const MANY_ROWS: u64 = 100;

/// What the guard looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Rows that are believed to be in the target, those included whose delete was held back.
    pub published_rows: u64,
    /// Distinct keys of the last run's export; `None` in the first run.
    pub last_exported_rows: Option<u64>,
    /// Distinct keys of the new export.
    pub exported_rows: u64,
    /// Rows that the target does not have.
    pub inserts: u64,
    /// Rows that it has otherwise.
    pub updates: u64,
    /// Rows that left the query, if that matters to the sync.
    pub deletes: u64,
    /// Rows that it has just so.
    pub unchanged: u64,
    /// The columns of the key, for messages.
    pub key_columns: Vec<String>,
    /// How the columns differ from those of the last run: in words, one text per column.
    pub drift: Vec<String>,
}

/// A rule that fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// What happens: never [`Then::Off`], and [`Then::Warn`] instead of [`Then::Withhold`] if there is nothing to hold
    /// back.
    pub then: Then,
    /// What was found, in words.
    pub reason: String,
    /// What lets it pass, behind `--approve`: `deletes=1200`.
    pub approve: String,
}

/// What is held back in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// New rows.
    pub inserts: bool,
    /// Changed rows.
    pub updates: bool,
    /// Rows that left the query.
    pub deletes: bool,
}

impl Hold {
    /// What a rule holds back if it says [`Then::Withhold`].
    fn by(rule: Rule) -> Self {
        let nothing = Self::default();
        match rule {
            // What an export lacks shows as deletes; what it has may be right.
            Rule::Deletes | Rule::Rows | Rule::Shrink => Self { deletes: true, ..nothing },
            Rule::Changes => Self { updates: true, ..nothing },
            // No row of it can be trusted.
            Rule::Keys | Rule::Schema => Self { inserts: true, updates: true, deletes: true },
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            inserts: self.inserts || other.inserts,
            updates: self.updates || other.updates,
            deletes: self.deletes || other.deletes,
        }
    }

    /// Rows of a change set that it holds back.
    fn rows(self, figures: &Figures) -> u64 {
        let count = |held, rows| if held { rows } else { 0 };
        count(self.inserts, figures.inserts)
            .saturating_add(count(self.updates, figures.updates))
            .saturating_add(count(self.deletes, figures.deletes))
    }

    /// Whether anything is held back.
    pub fn is_any(self) -> bool {
        self != Self::default()
    }
}

/// What the guard says of a change set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The rules that fired.
    pub findings: Vec<Finding>,
    /// What is held back, if the run is not stopped.
    pub hold: Hold,
}

impl Verdict {
    /// Why the run must not go on; without any it may.
    pub fn stops(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.then == Then::Stop)
    }

    /// Why something is held back.
    pub fn withholds(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.then == Then::Withhold)
    }
}

/// Looks at a change set with all rules.
pub fn judge(rules: &GuardRules, figures: &Figures, approved: &Approvals) -> Verdict {
    let looked = [
        (Rule::Deletes, rules.deletes.then, deletes(&rules.deletes, figures, approved)),
        (Rule::Changes, rules.changes.then, changes(&rules.changes, figures, approved)),
        (Rule::Rows, rules.rows.then, rows(&rules.rows, figures, approved)),
        (Rule::Shrink, rules.shrink.then, shrink(&rules.shrink, figures, approved)),
        (Rule::Keys, rules.keys, keys(figures, approved)),
        (Rule::Schema, rules.schema, schema(figures, approved)),
    ];
    // Whoever has counted the deletes and lets them go need not say it again for the rules that hold back the same rows.
    let deletes_approved = approved.deletes.is_some_and(|limit| figures.deletes <= limit);
    let mut verdict = Verdict::default();
    for (rule, then, fired) in looked {
        let Some(Fired { reason, approve }) = fired else { continue };
        let hold = Hold::by(rule);
        let then = match then {
            Then::Off => continue,
            Then::Withhold if hold.rows(figures) == 0 => Then::Warn,
            Then::Withhold if deletes_approved && hold == (Hold { deletes: true, ..Hold::default() }) => {
                continue;
            }
            then => then,
        };
        if then == Then::Withhold {
            verdict.hold = verdict.hold.and(hold);
        }
        verdict.findings.push(Finding { rule, then, reason, approve });
    }
    verdict
}

/// Why a rule fires, and what would let it pass.
struct Fired {
    reason: String,
    approve: String,
}

fn deletes(rule: &ShareRule, figures: &Figures, approved: &Approvals) -> Option<Fired> {
    let Figures { published_rows, exported_rows, deletes, .. } = *figures;
    if deletes == 0 || approved.deletes.is_some_and(|limit| deletes <= limit) {
        return None;
    }
    let reason = if exported_rows == 0 {
        format!("the query returned no rows at all, {deletes} rows would be deleted")
    } else {
        rule.exceeded(deletes, published_rows, "deleted")?
    };
    Some(Fired { reason, approve: format!("deletes={deletes}") })
}

fn changes(rule: &ShareRule, figures: &Figures, approved: &Approvals) -> Option<Fired> {
    let Figures { published_rows, updates, .. } = *figures;
    if approved.changes.is_some_and(|limit| updates <= limit) {
        return None;
    }
    let reason = rule.exceeded(updates, published_rows, "updated")?;
    Some(Fired { reason, approve: format!("changes={updates}") })
}

impl ShareRule {
    /// What is to be said of so many rows, if they are too many.
    fn exceeded(&self, rows: u64, published_rows: u64, would_be: &str) -> Option<String> {
        let percent = percent(rows, published_rows);
        (rows > self.rows && percent > self.percent).then(|| {
            format!(
                "{rows} of {published_rows} rows ({percent:.1} %) would be {would_be}, the guard lets pass {} rows or {} %",
                self.rows, self.percent
            )
        })
    }
}

fn rows(rule: &RowsRule, figures: &Figures, approved: &Approvals) -> Option<Fired> {
    let (rows, wanted) = (figures.exported_rows, rule.at_least);
    let is_few = rows < wanted && approved.rows.is_none_or(|limit| rows < limit);
    is_few.then(|| Fired {
        reason: format!("the query returned {rows} rows, the guard wants {wanted} at least"),
        approve: format!("rows={rows}"),
    })
}

fn shrink(rule: &ShrinkRule, figures: &Figures, approved: &Approvals) -> Option<Fired> {
    let last = figures.last_exported_rows.unwrap_or(0);
    // Deletes that were held back for a small export are still to come in the next run, which is compared with that
    // small export: they must not slip through then.
    let in_table = if figures.deletes > 0 { figures.published_rows } else { 0 };
    let (before, place) =
        if last >= in_table { (last, "of the last run") } else { (in_table, "in the table") };
    let rows = figures.exported_rows;
    // Rounding may take the ratio of huge numbers past it.
    let lost = percent(before.saturating_sub(rows), before).min(100.0);
    if before < MANY_ROWS || lost <= rule.percent || approved.shrink.is_some_and(|limit| lost <= whole(limit))
    {
        return None;
    }
    Some(Fired {
        reason: format!(
            "the query returned {rows} rows, {lost:.1} % fewer than the {before} rows {place}, the guard lets pass {} %",
            rule.percent
        ),
        approve: format!("shrink={}", lost.ceil()),
    })
}

fn keys(figures: &Figures, approved: &Approvals) -> Option<Fired> {
    let Figures { published_rows, exported_rows, updates, unchanged, ref key_columns, .. } = *figures;
    let are_many = published_rows >= MANY_ROWS && exported_rows >= MANY_ROWS;
    if !are_many || updates > 0 || unchanged > 0 || approved.keys {
        return None;
    }
    let columns = match key_columns.as_slice() {
        [column] => format!("column {column}"),
        columns => format!("columns {}", columns.join(", ")),
    };
    Some(Fired {
        reason: format!(
            "none of the {published_rows} keys in the table is among the {exported_rows} that the query returned: all values of the key {columns} are others than before"
        ),
        approve: Rule::Keys.name().to_owned(),
    })
}

fn schema(figures: &Figures, approved: &Approvals) -> Option<Fired> {
    (!figures.drift.is_empty() && !approved.schema).then(|| Fired {
        reason: format!("the query's columns are others than in the last run: {}", figures.drift.join("; ")),
        approve: Rule::Schema.name().to_owned(),
    })
}

/// A share in percent; of nothing, any part is beyond all limits.
fn percent(part: u64, of: u64) -> f64 {
    whole(part) * 100.0 / whole(of.max(1))
}

/// For ratios: the loss of precision past 2^53 rows does not matter.
#[allow(clippy::cast_precision_loss)]
fn whole(number: u64) -> f64 {
    number as f64
}
