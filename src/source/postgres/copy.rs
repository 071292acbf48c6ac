//! The rows of a model by binary COPY.

use super::{decode::Decoder, query::Query, session::Session};
use crate::source::{Model, SourceError, SourceErrorKind};
use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use std::pin::Pin;
use tokio_postgres::CopyOutStream;

/// What a binary COPY begins with, before flags and the length of what else may stand in the header.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// The signature, flags, and the length of the rest of the header.
const HEADER: usize = SIGNATURE.len() + 8;
/// Instead of a number of values: there are no more rows.
const END: i16 = -1;

/// A COPY that is running.
pub(super) struct Copying {
    session: Session,
    model: Model,
    query: Query,
    stream: Pin<Box<CopyOutStream>>,
    rows: Rows,
    is_over: bool,
}

impl Copying {
    pub(super) async fn begin(
        session: Session,
        model: &Model,
        query: Query,
        decoder: Decoder,
    ) -> Result<Self, SourceError> {
        let begun = session.client().copy_out(&query.sql);
        let begun = session.of_model(model, &query, DOING, session.patience(), begun).await;
        match begun {
            Ok(stream) => {
                let rows = Rows { decoder, rest: Vec::new(), state: State::Header };
                Ok(Self {
                    session,
                    model: model.clone(),
                    query,
                    stream: Box::pin(stream),
                    rows,
                    is_over: false,
                })
            }
            Err(failed) => session.finish(Err(failed)).await,
        }
    }

    /// The next rows; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        while !self.is_over && !self.rows.decoder.is_full() {
            match self.message().await? {
                Some(bytes) => self.rows.take(&bytes)?,
                None => {
                    self.rows.end()?;
                    self.is_over = true;
                }
            }
        }
        self.rows.decoder.batch()
    }

    async fn message(&mut self) -> Result<Option<Bytes>, SourceError> {
        let stream = &mut self.stream;
        // Most of the time it is there already, and no clock is needed.
        let (limit, ready) = match stream.next().now_or_never() {
            Some(ready) => (None, Some(ready)),
            None => (self.session.patience(), None),
        };
        let message = async {
            match ready {
                Some(ready) => ready.transpose(),
                None => stream.next().await.transpose(),
            }
        };
        self.session.of_model(&self.model, &self.query, DOING, limit, message).await
    }

    pub(super) fn into_session(self) -> Session {
        self.session
    }
}

const DOING: &str = "reading the rows of the query";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    Rows,
    Over,
}

/// The bytes of a COPY on their way into rows.
struct Rows {
    decoder: Decoder,
    /// The beginning of a row whose end has not arrived. PostgreSQL sends a row at a time; the protocol promises nothing.
    rest: Vec<u8>,
    state: State,
}

impl Rows {
    fn take(&mut self, bytes: &[u8]) -> Result<(), SourceError> {
        if self.rest.is_empty() {
            let used = self.read(bytes)?;
            self.rest.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        let used = self.read(&all)?;
        all.drain(..used);
        self.rest = all;
        Ok(())
    }

    /// Reads what is there in whole, and returns how many bytes that are.
    fn read(&mut self, bytes: &[u8]) -> Result<usize, SourceError> {
        let mut used = 0;
        if self.state == State::Header {
            match header(bytes)? {
                Some(length) => used = length,
                None => return Ok(0),
            }
            self.state = State::Rows;
        }
        while self.state == State::Rows {
            let Some(count) = bytes.get(used..used + 2) else { break };
            let count = i16::from_be_bytes([count[0], count[1]]);
            if count == END {
                self.state = State::Over;
                used += 2;
            } else if usize::try_from(count) != Ok(self.decoder.width()) {
                return Err(broken("a row has another number of values than the query has columns"));
            } else {
                let cells = &bytes[used + 2..];
                let Some(length) = row_length(cells, self.decoder.width())? else { break };
                self.decoder.binary(Cells { rest: &cells[..length] })?;
                used += 2 + length;
            }
        }
        Ok(used)
    }

    /// The server has said that this was all: the rows must say so too.
    fn end(&self) -> Result<(), SourceError> {
        match self.state == State::Over && self.rest.is_empty() {
            true => Ok(()),
            false => Err(broken("the rows ended in the middle")),
        }
    }
}

/// How long the header is, if all of it is there.
fn header(bytes: &[u8]) -> Result<Option<usize>, SourceError> {
    if bytes.len() < HEADER {
        return Ok(None);
    }
    if !bytes.starts_with(SIGNATURE) {
        return Err(broken("the server does not send rows in the binary form of COPY; set `copy: never`"));
    }
    let extension = u32::from_be_bytes([bytes[15], bytes[16], bytes[17], bytes[18]]);
    let length = HEADER + usize::try_from(extension).map_err(|_| broken("the header has no end"))?;
    Ok((bytes.len() >= length).then_some(length))
}

/// How many bytes so many values have, if all of them are there.
fn row_length(bytes: &[u8], values: usize) -> Result<Option<usize>, SourceError> {
    let mut at = 0;
    for _ in 0..values {
        let Some(length) = bytes.get(at..at + 4) else { return Ok(None) };
        at += 4;
        match i32::from_be_bytes([length[0], length[1], length[2], length[3]]) {
            -1 => {}
            length => at += usize::try_from(length).map_err(|_| broken("a value has a negative length"))?,
        }
    }
    Ok((at <= bytes.len()).then_some(at))
}

/// The values of a row that is there in whole.
struct Cells<'b> {
    rest: &'b [u8],
}

impl<'b> Iterator for Cells<'b> {
    type Item = Option<&'b [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else { return Some(None) };
        let (cell, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Some(cell))
    }
}

fn broken(why: &str) -> SourceError {
    SourceError {
        kind: SourceErrorKind::Broken,
        message: format!("reading the rows of the query: {why}"),
        position: None,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::column::{Column, Kind},
        *,
    };
    use arrow::{array::AsArray, datatypes::Int32Type};

    /// Two rows of an `int4` and a `text`, the second one of NULLs.
    fn two_rows() -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0; 4]);
        bytes.extend([0, 0, 0, 3, 9, 9, 9]);
        bytes.extend([0, 2, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 2, b'h', b'i']);
        bytes.extend([0, 2, 255, 255, 255, 255, 255, 255, 255, 255]);
        bytes.extend([255, 255]);
        bytes
    }

    fn rows() -> Rows {
        let column = |name: &str, kind| Column { name: name.to_owned(), kind, cast: None };
        let decoder = Decoder::new(vec![column("n", Kind::Int4), column("t", Kind::Text)]);
        Rows { decoder, rest: Vec::new(), state: State::Header }
    }

    #[test]
    fn rows_may_be_cut_into_messages_anywhere() {
        let bytes = two_rows();
        for size in 1..=bytes.len() {
            let mut rows = rows();
            for message in bytes.chunks(size) {
                rows.take(message).expect("rows");
            }
            rows.end().expect("the end");
            let batch = rows.decoder.batch().expect("a batch").expect("rows");
            assert_eq!(
                batch.column(0).as_primitive::<Int32Type>().iter().collect::<Vec<_>>(),
                [Some(7), None]
            );
            assert_eq!(batch.column(1).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("hi"), None]);
        }
    }

    #[test]
    fn rows_that_end_too_early_are_an_error() {
        let bytes = two_rows();
        for length in 0..bytes.len() {
            let mut rows = rows();
            rows.take(&bytes[..length]).expect("rows");
            assert_eq!(rows.end().expect_err("no end").kind, SourceErrorKind::Broken, "{length}");
        }
    }

    #[test]
    fn what_is_no_binary_copy_is_refused() {
        assert!(rows().take(b"1\thello\n2\tworld, and so on\n").is_err());
        let mut wider = two_rows();
        let count = HEADER + 3 + 1;
        wider[count] = 3;
        assert!(rows().take(&wider).is_err());
    }
}
