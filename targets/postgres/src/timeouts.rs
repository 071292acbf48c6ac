//! How long statements may take, and how long the server may be silent.

use std::time::Duration;

/// How long a statement waits for a lock before it gives up. Others queue behind a waiting writer, so it is short.
const LOCK: Duration = Duration::from_secs(5);
/// How long a statement may run. Batches are sized to take a second or so; past this, something is wrong.
const STATEMENT: Duration = Duration::from_secs(60);
/// How much later than the server's own limit its answer may arrive.
const TRAVEL: Duration = Duration::from_secs(10);

/// Timeouts of each transaction. Zero is none, as for the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// `lock_timeout`.
    pub(crate) lock: Duration,
    /// `statement_timeout`.
    pub(crate) statement: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { lock: LOCK, statement: STATEMENT }
    }
}

impl Timeouts {
    /// hydrant's own limits, but for those that stand among the options of a connection string
    /// (`-c lock_timeout=2s -c statement_timeout=5min`).
    ///
    /// # Errors
    ///
    /// A time that the server would not understand either.
    pub(crate) fn of_options(options: &str) -> Result<Self, String> {
        let mut timeouts = Self::default();
        let mut words = options.split_whitespace();
        while let Some(word) = words.next() {
            let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
                Some("") => words.next().unwrap_or_default(),
                Some(setting) => setting,
                None => continue,
            };
            let Some((name, value)) = setting.split_once('=') else { continue };
            let limit = match name.replace('-', "_").to_ascii_lowercase().as_str() {
                "lock_timeout" => &mut timeouts.lock,
                "statement_timeout" => &mut timeouts.statement,
                _ => continue,
            };
            *limit = time(value).ok_or_else(|| {
                format!(
                    "{name}={value} in options is not a time: write milliseconds, or a whole number and ms, s, min or h"
                )
            })?;
        }
        Ok(timeouts)
    }

    /// How long to wait for the answer to one statement: by then the server has answered or ended it, or it is gone.
    pub(crate) fn answer(self) -> Option<Duration> {
        (!self.statement.is_zero()).then(|| self.statement + TRAVEL)
    }

    /// How long to wait for the answer to a statement that has nothing to do.
    pub(crate) fn trifle() -> Duration {
        TRAVEL
    }
}

/// A time as the server's settings have it; without a unit, milliseconds.
fn time(text: &str) -> Option<Duration> {
    let text = text.trim_matches(['\'', '"']);
    let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..unit].parse().ok()?;
    let millis = match text[unit..].trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_among_the_options_count() {
        let timeouts = |options| Timeouts::of_options(options).expect("options");
        assert_eq!(timeouts(""), Timeouts::default());
        assert_eq!(timeouts("-c geqo=off --jit=off"), Timeouts::default());
        let both = Timeouts { lock: Duration::from_millis(1500), statement: Duration::from_secs(300) };
        assert_eq!(timeouts("-c lock_timeout=1500 -cstatement_timeout=5min"), both);
        assert_eq!(timeouts("--lock-timeout=1500ms -c statement_timeout='300s'"), both);
        assert_eq!(timeouts("-c statement_timeout=0").answer(), None);
        assert!(
            Timeouts::of_options("-c lock_timeout=soon").expect_err("no time").contains("lock_timeout=soon")
        );
    }
}
