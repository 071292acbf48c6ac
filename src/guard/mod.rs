//! Rules that withhold a suspicious change set. Pure.

use crate::sync::GuardRules;

/// What a guard looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Rows of the last published run.
    pub published_rows: u64,
    /// Rows of the new export.
    pub exported_rows: u64,
    /// Keys that left the query.
    pub deletes: u64,
}

/// Why the deletes are withheld, in words; `None` lets them pass. `approved` deletes pass in any case: a ceiling that a
/// person gave for this run.
pub fn withhold_deletes(rules: &GuardRules, figures: Figures, approved: u64) -> Option<String> {
    let Figures { published_rows, exported_rows, deletes } = figures;
    if deletes == 0 || deletes <= approved {
        return None;
    }
    if exported_rows == 0 {
        return Some(format!("the query returned no rows at all, {deletes} rows would be deleted"));
    }
    // For a ratio; the loss of precision past 2^53 rows does not matter.
    #[allow(clippy::cast_precision_loss)]
    let percent = deletes as f64 * 100.0 / published_rows.max(1) as f64;
    (deletes > rules.delete_rows && percent > rules.delete_percent).then(|| {
        format!(
            "{deletes} of {published_rows} rows ({percent:.1} %) would be deleted, the guard lets pass {} rows or {} %",
            rules.delete_rows, rules.delete_percent
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(published_rows: u64, exported_rows: u64, deletes: u64, approved: u64) -> bool {
        withhold_deletes(&GuardRules::default(), Figures { published_rows, exported_rows, deletes }, approved)
            .is_some()
    }

    #[test]
    fn deletes_pass_below_rows_or_below_percent() {
        assert!(!judge(20, 10, 10, 0), "half of a small table, but few rows");
        assert!(!judge(10_000, 9_000, 1_000, 0), "many rows, but ten percent");
        assert!(judge(10_000, 8_999, 1_001, 0));
        assert!(!judge(0, 0, 0, 0));
    }

    #[test]
    fn an_empty_export_never_deletes_unless_approved() {
        assert!(judge(3, 0, 3, 0));
        assert!(judge(3, 0, 3, 2), "an approval is a ceiling");
        assert!(!judge(3, 0, 3, 3));
    }
}
