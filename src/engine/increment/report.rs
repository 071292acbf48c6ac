//! What a run with a cursor has to tell.

use crate::{
    apply::shown::HIDDEN,
    cursor::Mark,
    mapping::Wanted,
    store::{CursorState, Extent, WhyFull},
    sync::SyncSpec,
};
use serde::Serialize;

/// Which rows a run has asked its query for, and how far it has come. Stable: it is part of what `--output json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CursorReport {
    /// The cursor's column.
    pub column: String,
    /// Why the run asked for all rows; none if it asked for a part.
    pub full: Option<WhyFull>,
    /// The same in words.
    pub because: Option<String>,
    /// From which value on it asked for rows, lookback included; none if it asked for all.
    pub since: Option<String>,
    /// Rows that came then; the others are those of the last export.
    pub arrived: Option<u64>,
    /// The highest value of the cursor up to now; the next run asks from there on.
    pub mark: Option<String>,
    /// Rows with NULL in the cursor, when all rows were asked for last.
    pub null_cursors: u64,
    /// The run that asked for all rows last; none in the plan of such a run.
    pub last_full: Option<u64>,
    /// Runs since then that asked for a part, this one included.
    pub increments: u32,
}

/// How long ago all rows were asked for, for `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CursorStatus {
    /// The cursor's column.
    pub column: String,
    /// The run that asked for all rows last.
    pub last_full: u64,
    /// Runs since then that asked for a part.
    pub increments: u32,
    /// Rows with NULL in the cursor, when all rows were asked for last.
    pub null_cursors: u64,
}

impl CursorReport {
    /// What a run's state says; values of a column that is hidden are not shown.
    pub(in crate::engine) fn of(state: &CursorState, sync: &SyncSpec) -> Self {
        let shown = |mark: &Mark| match hides(sync, &state.column) {
            true => HIDDEN.to_owned(),
            false => mark.to_string(),
        };
        let (full, because, since, arrived) = match &state.extent {
            Extent::Full { why, because } => (Some(*why), Some(because.clone()), None, None),
            Extent::Since { from, arrived } => (None, None, Some(shown(from)), Some(*arrived)),
        };
        Self {
            column: state.column.clone(),
            full,
            because,
            since,
            arrived,
            mark: state.mark.as_ref().map(shown),
            null_cursors: state.nulls,
            // Runs are numbered from 1: a plan has no number.
            last_full: Some(state.last_full).filter(|run| *run > 0),
            increments: state.increments,
        }
    }
}

/// Whether the values of this column of the query are hidden, under the name that it has in the table.
pub(super) fn hides(sync: &SyncSpec, column: &str) -> bool {
    let in_table = in_table(sync, column).unwrap_or(column);
    sync.redact.hides(column) || sync.redact.hides(in_table)
}

/// What a column of the query is called in the table, if it is there with its own values.
pub(super) fn in_table<'a>(sync: &'a SyncSpec, column: &'a str) -> Option<&'a str> {
    let Some(mapping) = &sync.columns else { return Some(column) };
    let mut named = mapping.columns.iter().filter_map(|wanted| match wanted {
        Wanted::Column { name, from, transforms } if from == column => {
            Some(transforms.is_none().then_some(name.as_str()))
        }
        Wanted::Column { .. } | Wanted::Constant { .. } | Wanted::Others { .. } => None,
    });
    let Some(first) = named.next() else {
        let others =
            |wanted: &Wanted| matches!(wanted, Wanted::Others { except } if !except.contains(column));
        return mapping.columns.iter().any(others).then_some(column);
    };
    first.or_else(|| named.flatten().next())
}

impl From<&CursorState> for CursorStatus {
    fn from(state: &CursorState) -> Self {
        Self {
            column: state.column.clone(),
            last_full: state.last_full,
            increments: state.increments,
            null_cursors: state.nulls,
        }
    }
}
