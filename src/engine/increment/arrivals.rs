//! Takes the rows that came, before those of the last export can be put around them: which of those stay is known only when all
//! keys are.

use super::{
    super::{
        Env, Failure,
        ahead::Ahead,
        export::REFUSED_MAX,
        screen::{Screen, Screened},
    },
    keys::KeySet,
};
use crate::{
    fingerprint::{Fingerprinter, Fingerprints},
    mend::Mended,
    source::Rows,
    store::{RejectRecord, StoreError},
    sync::SyncSpec,
};
use arrow::{
    error::ArrowError,
    ipc::{reader::FileReader, writer::FileWriter},
};
use std::{
    fs::File,
    io::{BufReader, BufWriter},
};
use tokio_util::sync::CancellationToken;

/// Keys that are held in memory at most: 64 MB. With more of them all rows are asked for, which needs no such set.
const KEYS_MAX: usize = 4_000_000;
/// They may also take a quarter of the memory that a run has for fingerprints.
const SHARE_OF_MEMORY: usize = 4;
const KEY_BYTES: usize = 16;

/// Rows that came, screened.
pub(super) struct Arrivals {
    /// The rows, in a file that is gone from its folder already: nothing stays behind, however the process ends.
    pub(super) rows: FileReader<BufReader<File>>,
    /// Their keys.
    pub(super) keys: KeySet,
    /// Those that are refused, by their position among the arrivals.
    pub(super) refused: Vec<(u64, RejectRecord)>,
    /// Values that were mended.
    pub(super) mended: Mended,
}

pub(super) enum Gathered {
    All(Box<Arrivals>),
    /// More than so many keys came.
    TooMany {
        keys_max: usize,
    },
}

/// Takes all rows, and gives up where they are too many.
pub(super) async fn gather(
    env: &Env,
    sync: &SyncSpec,
    rows: Rows,
    mut screen: Screen<'_>,
    lost: &CancellationToken,
) -> Result<Gathered, Failure> {
    let keys_max = (env.memory_bytes / SHARE_OF_MEMORY / KEY_BYTES).min(KEYS_MAX);
    let scratch = |error: &dyn std::fmt::Display| StoreError::Scratch {
        place: env.scratch.display().to_string(),
        message: error.to_string(),
    };
    let file = tempfile::tempfile_in(&env.scratch).map_err(|e| scratch(&e))?;
    let begin = |file: &File| -> Result<_, ArrowError> {
        FileWriter::try_new(BufWriter::new(file.try_clone()?), &screen.schema())
    };
    let mut writer = begin(&file).map_err(|e| scratch(&e))?;
    let mut fingerprinter = Fingerprinter::new(screen.shape());
    let mut prints = Fingerprints::default();
    let (mut keys, mut refused_all, mut seen) = (Vec::new(), Vec::new(), 0);
    let mut ahead = Ahead::new(rows, env, lost);
    while let Some(batch) = ahead.next().await? {
        let Screened { rows, refused, .. } = screen.pass(&batch)?;
        fingerprinter.hash(&rows, &mut prints).map_err(StoreError::memory)?;
        let has_key =
            |row: usize| u32::try_from(row).is_ok_and(|row| prints.null_keys.binary_search(&row).is_err());
        keys.extend(prints.keys.iter().enumerate().filter(|(row, _)| has_key(*row)).map(|(_, hash)| *hash));
        if keys.len() > keys_max {
            return Ok(Gathered::TooMany { keys_max });
        }
        refused_all.extend(refused.into_iter().map(|(row, record)| (seen + row as u64, record)));
        if refused_all.len() > REFUSED_MAX {
            let first = refused_all.first().map_or_else(String::new, |(_, record)| record.in_words());
            let (rejected, ceiling) = (refused_all.len() as u64, REFUSED_MAX as u64);
            return Err(Failure::TooManyRejects { rejected, ceiling, first });
        }
        writer.write(&rows).map_err(|e| scratch(&e))?;
        seen += rows.num_rows() as u64;
        env.observer.exported(&sync.name, seen);
    }
    writer.finish().map_err(|e| scratch(&e))?;
    drop(writer);
    let rows = FileReader::try_new(BufReader::new(file), None).map_err(|e| scratch(&e))?;
    let keys = KeySet::new(keys);
    Ok(Gathered::All(Box::new(Arrivals { rows, keys, refused: refused_all, mended: screen.mended })))
}
