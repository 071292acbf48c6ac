//! Rows as JSON documents in parameters of statements: a way that needs neither `local_infile` nor temporary tables.

use crate::rows::{Place, Rows};

/// Documents are cut by what the server takes, and before they get so large that parsing them takes longer than a lock should.
const DOCUMENT_BYTES: usize = 4 << 20;
const DOCUMENT_ROWS_MAX: usize = 10_000;
/// What a statement has beside its parameters.
const STATEMENT_BYTES: usize = 64 << 10;

/// How large documents and statements may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// A document that holds several rows stays below.
    pub(crate) bytes: usize,
    /// A single row may take as much.
    pub(crate) row_bytes: usize,
}

impl Room {
    /// The room that `max_allowed_packet` leaves.
    pub(crate) fn new(packet_bytes_max: usize) -> Self {
        let row_bytes = packet_bytes_max.saturating_sub(STATEMENT_BYTES).max(packet_bytes_max / 2);
        Self { bytes: DOCUMENT_BYTES.min(row_bytes), row_bytes }
    }
}

/// A row that no document has room for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge {
    /// Its number.
    pub(crate) number: usize,
}

/// Documents of these columns of the rows with these numbers, each with how many rows it has. All values are known to fit
/// their columns.
pub(crate) fn documents(
    rows: &Rows,
    places: &[Place],
    numbers: &[usize],
    columns: &[usize],
    room: Room,
) -> Result<Vec<(Vec<u8>, u64)>, TooLarge> {
    let mut documents = Vec::new();
    let (mut document, mut count) = (Vec::new(), 0_u64);
    for number in numbers {
        let start = document.len();
        document.push(if start == 0 { b'[' } else { b',' });
        document.push(b'[');
        document.extend_from_slice(number.to_string().as_bytes());
        if rows.put_json(places[*number], columns, &mut document).is_err() {
            document.truncate(start);
            continue;
        }
        document.push(b']');
        let length = document.len() - start;
        if length + 1 > room.row_bytes {
            return Err(TooLarge { number: *number });
        }
        let full = document.len() + 1 > room.bytes || count as usize >= DOCUMENT_ROWS_MAX;
        if full && start > 0 {
            let mut next = document.split_off(start);
            next[0] = b'[';
            document.push(b']');
            documents.push((std::mem::replace(&mut document, next), count));
            count = 0;
        }
        count += 1;
    }
    if count > 0 {
        document.push(b']');
        documents.push((document, count));
    }
    Ok(documents)
}
