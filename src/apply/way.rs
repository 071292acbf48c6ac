//! Which way the changes of a run go into the table: in batches, or by building the table anew.

use crate::{store::Changes, sync::Rewrite};
use hydrant_contract::{Rebuildable, Result, TableSpec, Target};
use serde::Serialize;

/// Below this, batches are done in seconds, and nobody need wait for them.
const ROWS_MIN: u64 = 100_000;
/// From this share of the rows on, building anew is faster (decision 0019 has the figures).
const PERCENT_MIN: u64 = 50;

/// How a run writes its changes, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    /// Whether the table is built anew; otherwise the changes go into it batch by batch.
    pub rebuild: bool,
    /// The reason, without a full stop.
    pub because: String,
}

impl Way {
    /// In batches, for this reason.
    pub fn batches(because: impl Into<String>) -> Self {
        Self { rebuild: false, because: because.into() }
    }

    /// Chooses for these changes of a table that is `absent` or there. `None` if nobody has asked for anything but batches,
    /// or if there is no change.
    ///
    /// # Errors
    ///
    /// The target cannot be asked.
    pub async fn choose(
        rewrite: Rewrite,
        target: &dyn Target,
        spec: &TableSpec,
        changes: &Changes,
        absent: bool,
    ) -> Result<Option<Self>> {
        if rewrite == Rewrite::Never || changes.total() == 0 {
            return Ok(None);
        }
        if absent {
            return Ok(Some(Self::batches(
                "the table is made by this run, so that there is nothing to build anew",
            )));
        }
        // What costs a question to the server comes last.
        if let Some(because) = (rewrite == Rewrite::Auto).then(|| too_few(changes, 0)).flatten() {
            return Ok(Some(Self::batches(because)));
        }
        let Rebuildable { obstacles, rows } = ask(target, spec).await?;
        if !obstacles.is_empty() {
            return Ok(Some(Self::batches(obstacles.join("; "))));
        }
        Ok(Some(match rewrite {
            Rewrite::Auto => match too_few(changes, rows) {
                Some(because) => Self::batches(because),
                None => Self { rebuild: true, because: share(changes, rows) },
            },
            Rewrite::Always | Rewrite::Never => {
                Self { rebuild: true, because: "the configuration says so".to_owned() }
            }
        }))
    }
}

/// Why a table that is there cannot be built anew, if that is so.
pub(crate) async fn obstacle(target: &dyn Target, spec: &TableSpec) -> Result<Option<String>> {
    let obstacles = ask(target, spec).await?.obstacles;
    Ok((!obstacles.is_empty()).then(|| obstacles.join("; ")))
}

async fn ask(target: &dyn Target, spec: &TableSpec) -> Result<Rebuildable> {
    match target.capabilities().await?.rebuild {
        true => target.rebuildable(spec).await,
        false => Ok(Rebuildable::never("the target")),
    }
}

/// Rows that stay in the table, and rows of it that are rewritten or go: inserts cost the same either way.
fn rows_of(changes: &Changes, rows: u64) -> (u64, u64) {
    let touched = changes.updates + changes.deletes;
    // The target counts the application's rows, too, but seldom.
    (touched, rows.max(touched + changes.unchanged))
}

fn too_few(changes: &Changes, rows: u64) -> Option<String> {
    let (touched, rows) = rows_of(changes, rows);
    if rows < ROWS_MIN {
        return Some(format!(
            "the table has {rows} rows, and batches of fewer than {ROWS_MIN} are done soon"
        ));
    }
    (touched.saturating_mul(100) < rows.saturating_mul(PERCENT_MIN))
        .then(|| format!("{}, and batches are faster below {PERCENT_MIN} %", share(changes, rows)))
}

fn share(changes: &Changes, rows: u64) -> String {
    let (touched, rows) = rows_of(changes, rows);
    format!("{} % of its {rows} rows change or go", touched.saturating_mul(100) / rows.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(inserts: u64, updates: u64, deletes: u64, unchanged: u64) -> Changes {
        Changes { inserts, updates, deletes, unchanged, ..Changes::default() }
    }

    #[test]
    fn half_of_a_large_table_must_change() {
        assert_eq!(too_few(&changes(0, 40_000, 10_000, 50_000), 0), None);
        let few = too_few(&changes(900_000, 49_000, 0, 51_000), 0).unwrap();
        assert!(few.starts_with("49 % of its 100000 rows change or go"), "{few}");
        let small = too_few(&changes(0, 90_000, 0, 0), 0).unwrap();
        assert!(small.contains("90000 rows"), "{small}");
        // The application's own rows would have to be copied.
        let others = too_few(&changes(0, 100_000, 0, 0), 1_000_000).unwrap();
        assert!(others.starts_with("10 %"), "{others}");
    }
}
