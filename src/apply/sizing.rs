//! How many rows a batch has: as many as fit the time that a transaction may take.

use std::time::Duration;

/// A transaction should last this long: short enough that nobody waits noticeably for a row, long enough that commits do
/// not dominate.
const AIM: Duration = Duration::from_millis(500);
const ROWS_FIRST: usize = 2_000;
const ROWS_MIN: usize = 100;
const GROWTH: usize = 4;
const ROWS_MAX: usize = 100_000;
/// However fast the target is, a batch is held in memory, encoded and sent.
pub(super) const BYTES_MAX: usize = 16 << 20;

/// Learns from the time that batches took: deletes, which come first in a change set, apart from rows. They may be far
/// faster, and a batch of rows as large as the last one of deletes could run into the limit of a statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizing {
    /// So many changes are deletes.
    deletes: u64,
    of_deletes: Estimate,
    of_rows: Estimate,
}

impl Sizing {
    pub(super) fn new(deletes: u64) -> Self {
        Self { deletes, of_deletes: Estimate::new(), of_rows: Estimate::new() }
    }

    /// How many changes the batch has that begins with this one.
    pub(super) fn changes(self, first: u64) -> usize {
        match usize::try_from(self.deletes.saturating_sub(first)).unwrap_or(usize::MAX) {
            0 => self.of_rows.rows,
            deletes => self.of_deletes.rows.min(deletes.saturating_add(self.of_rows.rows)),
        }
    }

    /// The batch of the changes from one up to another took so long. One with both kinds says something about rows, if they are
    /// most of it, and counts as if it were they that took the time.
    pub(super) fn learn(&mut self, first: u64, next: u64, took: Duration) {
        let rows = next.saturating_sub(first.max(self.deletes));
        let (estimate, changes) = match rows {
            0 => (&mut self.of_deletes, next - first),
            rows if rows * 2 >= next - first => (&mut self.of_rows, rows),
            _ => return,
        };
        estimate.learn(usize::try_from(changes).unwrap_or(usize::MAX), took);
    }
}

/// How fast one kind of changes goes.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    /// Of the next batch.
    rows: usize,
    /// What even a small batch took: the round trips to a server that is far away.
    fixed: Option<Duration>,
}

impl Estimate {
    fn new() -> Self {
        Self { rows: ROWS_FIRST, fixed: None }
    }

    /// A batch of so many rows took so long. The next that is cut has at most four times as many, so that one lucky batch does
    /// not make a giant. (Some have been cut already: they are made ready, and begun, while the one before is written.)
    fn learn(&mut self, rows: usize, took: Duration) {
        // A batch that was cut for its bytes, or the last one, says little about larger ones.
        if rows < self.rows / 2 && took < AIM {
            return;
        }
        // Were the time of the round trips counted as the rows', batches would shrink to the smallest and only take longer in
        // all. It shows when they have become small; time beyond the aim is the rows' in any case.
        if rows <= 2 * ROWS_MIN {
            self.fixed = Some(self.fixed.unwrap_or(AIM).min(took));
        }
        let took = took.saturating_sub(self.fixed.unwrap_or_default());
        let per_row = took.max(Duration::from_micros(1)).as_secs_f64() / rows.max(1) as f64;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let fitting = (AIM.as_secs_f64() / per_row) as usize;
        self.rows = fitting.min(rows.max(self.rows / GROWTH) * GROWTH).clamp(ROWS_MIN, ROWS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_settles_at_the_aim_from_both_sides() {
        for row_us in [1_u64, 20, 400, 100_000] {
            let mut pace = Estimate::new();
            for _ in 0..20 {
                let rows = pace.rows;
                pace.learn(rows, Duration::from_micros(row_us * rows as u64));
            }
            let wanted = usize::try_from(500_000 / row_us).unwrap().clamp(ROWS_MIN, ROWS_MAX);
            assert!(
                pace.rows.abs_diff(wanted) <= wanted / 50,
                "{row_us} µs a row: {} rows, not {wanted}",
                pace.rows
            );
        }
    }

    #[test]
    fn a_server_that_is_far_away_gets_no_tiny_batches() {
        for (trips_ms, row_us) in [(480, 10), (900, 10), (2_000, 50)] {
            let mut pace = Estimate::new();
            for _ in 0..40 {
                let rows = pace.rows;
                pace.learn(
                    rows,
                    Duration::from_millis(trips_ms) + Duration::from_micros(row_us * rows as u64),
                );
            }
            assert!(pace.rows > 1_000 || trips_ms > 1_000, "{trips_ms} ms: {} rows", pace.rows);
        }
    }

    /// Those that were cut before anything was known of their predecessors do not count as steps of growth.
    #[test]
    fn a_batch_that_was_cut_ahead_does_not_grow_twice() {
        let mut pace = Estimate::new();
        for _ in 0..3 {
            pace.learn(ROWS_FIRST, Duration::from_millis(1));
            assert_eq!(pace.rows, GROWTH * ROWS_FIRST);
        }
    }

    /// A server that deletes 2,000 rows in 2 ms, and needs 4 s for as many others.
    #[test]
    fn deletes_say_nothing_about_rows() {
        let deletes = 100_000;
        let mut sizing = Sizing::new(deletes);
        let mut at = 0;
        for _ in 0..12 {
            let changes = sizing.changes(at) as u64;
            let rows = (at + changes).saturating_sub(at.max(deletes));
            assert!(rows <= ROWS_FIRST as u64, "{rows} rows in a batch from {at}");
            sizing.learn(at, at + changes, Duration::from_micros(changes) + Duration::from_millis(2 * rows));
            at += changes;
        }
        assert!(at > deletes, "{at}");
        assert!(sizing.changes(at).abs_diff(250) <= 5, "{}", sizing.changes(at));
        assert!(sizing.changes(0) > 50_000, "the deletes were sent in large batches");
    }

    /// Its time is theirs: were it the row's, batches of rows would become the smallest.
    #[test]
    fn a_batch_of_deletes_with_a_row_at_its_end_says_nothing_about_rows() {
        let mut sizing = Sizing::new(1_999);
        sizing.learn(0, 2_000, AIM * 2);
        assert_eq!(sizing.changes(2_000), ROWS_FIRST);
    }

    #[test]
    fn a_small_last_batch_does_not_shrink_the_next() {
        let mut pace = Estimate::new();
        pace.learn(3, Duration::from_millis(4));
        assert_eq!(pace.rows, ROWS_FIRST);
    }
}
