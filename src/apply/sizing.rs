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

/// Learns from the time that batches took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizing {
    rows: usize,
    /// What even a small batch took: the round trips to a server that is far away.
    fixed: Option<Duration>,
}

impl Sizing {
    pub(super) fn new() -> Self {
        Self { rows: ROWS_FIRST, fixed: None }
    }

    /// Rows of the next batch.
    pub(super) fn rows(self) -> usize {
        self.rows
    }

    /// A batch of so many rows took so long. The next that is cut has at most four times as many, so that one lucky batch does
    /// not make a giant. (Some have been cut already: they are made ready, and begun, while the one before is written.)
    pub(super) fn learn(&mut self, rows: usize, took: Duration) {
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
            let mut sizing = Sizing::new();
            for _ in 0..20 {
                let rows = sizing.rows();
                sizing.learn(rows, Duration::from_micros(row_us * rows as u64));
            }
            let wanted = usize::try_from(500_000 / row_us).unwrap().clamp(ROWS_MIN, ROWS_MAX);
            assert!(
                sizing.rows().abs_diff(wanted) <= wanted / 50,
                "{row_us} µs a row: {} rows, not {wanted}",
                sizing.rows()
            );
        }
    }

    #[test]
    fn a_server_that_is_far_away_gets_no_tiny_batches() {
        for (trips_ms, row_us) in [(480, 10), (900, 10), (2_000, 50)] {
            let mut sizing = Sizing::new();
            for _ in 0..40 {
                let rows = sizing.rows();
                sizing.learn(
                    rows,
                    Duration::from_millis(trips_ms) + Duration::from_micros(row_us * rows as u64),
                );
            }
            assert!(sizing.rows() > 1_000 || trips_ms > 1_000, "{trips_ms} ms: {} rows", sizing.rows());
        }
    }

    /// Those that were cut before anything was known of their predecessors do not count as steps of growth.
    #[test]
    fn a_batch_that_was_cut_ahead_does_not_grow_twice() {
        let mut sizing = Sizing::new();
        for _ in 0..3 {
            sizing.learn(ROWS_FIRST, Duration::from_millis(1));
            assert_eq!(sizing.rows(), GROWTH * ROWS_FIRST);
        }
    }

    #[test]
    fn a_small_last_batch_does_not_shrink_the_next() {
        let mut sizing = Sizing::new();
        sizing.learn(3, Duration::from_millis(4));
        assert_eq!(sizing.rows(), ROWS_FIRST);
    }
}
