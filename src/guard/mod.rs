//! provisional
use crate::sync::GuardRules;
use serde::{Deserialize, Serialize};
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub inserts: bool,
    pub updates: bool,
    pub deletes: bool,
}
impl Hold {
    pub const NOTHING: Self = Self { inserts: false, updates: false, deletes: false };
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    Deletes,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    Warn,
    Withhold,
    Stop,
}
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub rule: Rule,
    pub then: Then,
    pub reason: String,
    pub approve: String,
}
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    pub published_rows: u64,
    pub last_exported_rows: Option<u64>,
    pub exported_rows: u64,
    pub inserts: u64,
    pub updates: u64,
    pub deletes: u64,
    pub unchanged: u64,
    pub key_columns: Vec<String>,
    pub drift: Vec<String>,
}
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub findings: Vec<Finding>,
    pub hold: Hold,
}
impl Verdict {
    pub fn stops(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.then == Then::Stop)
    }
}
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approvals {
    pub deletes: u64,
}
pub fn judge(rules: &GuardRules, f: &Figures, approved: &Approvals) -> Verdict {
    let mut v = Verdict::default();
    let percent = f.deletes as f64 * 100.0 / f.published_rows.max(1) as f64;
    if f.deletes > approved.deletes
        && (f.exported_rows == 0 || (f.deletes > rules.delete_rows && percent > rules.delete_percent))
    {
        v.hold.deletes = true;
        v.findings.push(Finding {
            rule: Rule::Deletes,
            then: Then::Withhold,
            reason: format!(
                "{} of {} rows ({percent:.1} %) would be deleted, the guard lets pass {} rows or {} %",
                f.deletes, f.published_rows, rules.delete_rows, rules.delete_percent
            ),
            approve: format!("deletes={}", f.deletes),
        });
    }
    v
}
