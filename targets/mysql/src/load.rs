//! Rows sent by `LOAD DATA LOCAL INFILE`, from memory: another thread encodes while the server reads.

use crate::{
    classify::Failure,
    rows::{BadRow, Place, Rows},
    transaction::{Answered, Done, Session},
};
use bytes::Bytes;
use futures::StreamExt;
use std::io;
use tokio::sync::mpsc;

/// Measured best between 16 KiB and 1 MiB: large enough to be few packets, small enough to keep the server busy meanwhile.
const CHUNK_BYTES: usize = 128 * 1024;
/// Chunks that wait for the server; with them, memory does not grow with rows.
const CHUNKS_AHEAD: usize = 4;

/// What became of a load.
pub(crate) struct Loaded {
    pub(crate) done: Done,
    /// Rows that were sent.
    pub(crate) sent: u64,
    /// Rows that the type rules refused, and that were not sent.
    pub(crate) bad: Vec<(Place, BadRow)>,
}

impl Loaded {
    /// Whether every row that was sent is there, unchanged. Whatever is wrong with a value or a row is but a warning here,
    /// even in strict mode: the server skips duplicates, cuts, and fills in.
    pub(crate) fn is_whole(&self) -> bool {
        self.done.warnings == 0 && self.done.rows == self.sent
    }
}

/// Sends rows of these places by this statement. With `numbered`, each line begins with its number among the places and the
/// number of its part.
pub(crate) async fn load(
    session: &mut Session<'_>,
    sql: &str,
    rows: &Rows,
    places: Vec<Place>,
    numbered: bool,
) -> Answered<Loaded> {
    let (sender, receiver) = mpsc::channel::<Bytes>(CHUNKS_AHEAD);
    let rows = rows.clone();
    let encoder = tokio::task::spawn_blocking(move || encode(&rows, &places, numbered, &sender));
    let file = futures::stream::unfold(receiver, |mut receiver| async {
        let chunk = receiver.recv().await?;
        Some((io::Result::Ok(chunk), receiver))
    });
    let done = session.load(sql, file.boxed()).await?;
    // The server has read to the end of the stream, which is where the encoder left it.
    let (sent, bad) = encoder.await.map_err(|e| Failure::from(mysql_async::Error::Other(e.into())))?;
    Ok(Loaded { done, sent, bad })
}

fn encode(
    rows: &Rows,
    places: &[Place],
    numbered: bool,
    sender: &mpsc::Sender<Bytes>,
) -> (u64, Vec<(Place, BadRow)>) {
    let mut buffer = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
    let (mut sent, mut bad) = (0, Vec::new());
    for (number, place) in places.iter().enumerate() {
        let start = buffer.len();
        if numbered {
            let part = crate::statement::part_number(place.0);
            // Writing into a vector does not fail.
            let _ = io::Write::write_fmt(&mut buffer, format_args!("{number}\t{part}\t"));
        }
        match rows.put_line(*place, &mut buffer) {
            Ok(()) => {
                buffer.push(b'\n');
                sent += 1;
            }
            Err(refused) => {
                buffer.truncate(start);
                bad.push((*place, refused));
            }
        }
        if buffer.len() >= CHUNK_BYTES {
            let chunk = std::mem::replace(&mut buffer, Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8));
            // Nobody reads any more: the server refused, and says so itself.
            if sender.blocking_send(chunk.into()).is_err() {
                return (sent, bad);
            }
        }
    }
    if !buffer.is_empty() {
        let _ = sender.blocking_send(buffer.into());
    }
    (sent, bad)
}
