//! How far a run is: a bar on a terminal, log lines elsewhere.

use crate::engine::{Observer, Step};
use crate::point::Point;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

/// Log lines of one step come at most this often: a run of an hour should not fill a page.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Shows progress.
#[derive(Clone)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    logged: std::sync::Arc<std::sync::Mutex<Instant>>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
            bar.set_style(style(STEP));
            bar
        });
        Self { bar, logged: std::sync::Arc::new(std::sync::Mutex::new(Instant::now())) }
    }

    pub(super) fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    /// Does something while no bar is drawn.
    pub(super) fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn log_due(&self) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let due = self.bar.is_none() && logged.elapsed() >= LOG_EVERY;
        if due {
            *logged = Instant::now();
        }
        due
    }
}

/// Templates are constants that a test parses.
fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("rate", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        // Whole rows a second are precise enough; a failed write leaves the rate out.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let rate = state.per_sec() as u64;
        let _ = write!(out, "{}/s", HumanCount(rate));
    })
}

const STEP: &str = "{spinner} {prefix}: {msg}";
const ROWS: &str = "{spinner} {prefix}: {msg} {human_pos} rows, {rate}";
const BAR: &str = "{spinner} {prefix}: {msg} [{bar:30}] {human_pos} of {human_len}, {rate}, {eta} left";

impl Observer for Progress {
    fn step(&self, sync: &str, step: Step) {
        match &self.bar {
            Some(bar) => {
                bar.set_style(style(STEP));
                bar.set_prefix(sync.to_owned());
                bar.set_message(step.to_string());
                bar.reset();
                bar.enable_steady_tick(Duration::from_millis(125));
            }
            None => tracing::info!(sync, %step, "step"),
        }
    }

    fn exported(&self, sync: &str, rows: u64) {
        match &self.bar {
            Some(bar) => {
                if bar.position() == 0 {
                    bar.set_style(style(ROWS));
                }
                bar.set_position(rows);
            }
            None if self.log_due() => tracing::info!(sync, rows, "exported"),
            None => {}
        }
    }

    fn compared(&self, sync: &str, done: u64, of: u64) {
        self.part("compared", sync, done, of);
    }

    fn applied(&self, sync: &str, done: u64, of: u64) {
        self.part("applied", sync, done, of);
    }

    fn reached(&self, sync: &str, point: Point) {
        tracing::debug!(sync, ?point, "reached");
    }
}

impl Progress {
    fn part(&self, what: &'static str, sync: &str, done: u64, of: u64) {
        match &self.bar {
            Some(bar) => {
                if bar.length() != Some(of) {
                    bar.set_style(style(BAR));
                    bar.set_length(of);
                }
                bar.set_position(done);
            }
            None if self.log_due() => tracing::info!(sync, done, of, "{what}"),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [STEP, ROWS, BAR] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
