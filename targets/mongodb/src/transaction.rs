//! The way of a batch's commands to the server: all in one transaction, or one by one.

use crate::{
    classify::{self, code},
    connect::{Failure, Link},
    reply::{self, Refusal},
    timeouts,
};
use hydrant_contract::{ErrorKind, Result, TargetError};
use mongodb::{
    ClientSession,
    bson::{Document, RawDocumentBuf, cstr, rawdoc},
    error::UNKNOWN_TRANSACTION_COMMIT_RESULT,
    options::ReadConcern,
};
use std::time::Duration;

/// How often a commit whose outcome is unknown is asked for again: the server answers the same for the same commit.
const COMMITS_MAX: u32 = 5;
const COMMIT_PAUSE: Duration = Duration::from_millis(200);

/// A transaction, or the lack of one. Dropped before its commit, it is undone.
pub(crate) struct Unit<'l> {
    pub(crate) link: &'l Link,
    doing: &'l str,
    session: Option<ClientSession>,
}

impl<'l> Unit<'l> {
    /// Begins a transaction. It shows the state of one moment, and is committed by a majority.
    pub(crate) async fn begin(link: &'l Link, doing: &'l str) -> Result<Self> {
        let started = async {
            let mut session = link.client.start_session().await?;
            session
                .start_transaction()
                .read_concern(ReadConcern::snapshot())
                .write_concern(link.write_concern.clone())
                .max_commit_time(timeouts::COMMIT)
                .await?;
            Ok(session)
        };
        let session =
            started.await.map_err(|e: mongodb::error::Error| classify::error(link.context(doing), e))?;
        Ok(Self { link, doing, session: Some(session) })
    }

    /// Commands that each stand for themselves.
    pub(crate) fn none(link: &'l Link, doing: &'l str) -> Self {
        Self { link, doing, session: None }
    }

    pub(crate) fn is_transaction(&self) -> bool {
        self.session.is_some()
    }

    pub(crate) fn context(&self) -> String {
        self.link.context(self.doing)
    }

    pub(crate) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> TargetError {
        TargetError::new(kind, self.context(), message)
    }

    /// Runs a command, which says what it waits for by itself if it is no part of a transaction.
    pub(crate) async fn run(&mut self, database: &str, command: Document) -> Result<Document> {
        let raw = RawDocumentBuf::try_from(&command)
            .map_err(|e| self.error(ErrorKind::Broken, format!("encoding a command: {e}")))?;
        let answer = self.link.try_run(database, raw, self.session.as_mut()).await;
        answer.map_err(|failure| failure.into_error(&self.context()))
    }

    /// Runs a write command of so many operations and returns those that were refused. Within a transaction the first
    /// refusal has undone everything.
    pub(crate) async fn write(
        &mut self,
        database: &str,
        command: Vec<u8>,
        operations: usize,
    ) -> Result<Vec<(usize, Refusal)>> {
        let command = RawDocumentBuf::from_bytes(command)
            .map_err(|e| self.error(ErrorKind::Broken, format!("encoding a command: {e}")))?;
        match self.link.try_run(database, command, self.session.as_mut()).await {
            Ok(answer) => reply::refusals(&answer, &self.context()),
            // A command of one operation is refused as a whole if the document is too large.
            Err(failure) => match (failure.code(), operations) {
                (Some(refused), 1) if code::TOO_LARGE.contains(&refused) => {
                    Ok(vec![(0, too_large(self.link, failure))])
                }
                // Some servers fail the whole command for a duplicate, and name no operation: then it is not known which
                // index it is either, and the rows go by updates that find out.
                (Some(refused), _) if code::DUPLICATE_KEY.contains(&refused) => {
                    Ok((0..operations).map(|at| (at, Refusal::duplicate())).collect())
                }
                _ => Err(failure.into_error(&self.context())),
            },
        }
    }

    /// The head of a write command, up to its list of operations.
    pub(crate) fn head(&self, command: &str, collection: &str) -> RawDocumentBuf {
        let limit = timeouts::command_millis();
        let mut head = match command {
            "insert" => rawdoc! { "insert": collection },
            "delete" => rawdoc! { "delete": collection },
            _ => rawdoc! { "update": collection },
        };
        head.append(cstr!("ordered"), self.is_transaction());
        head.append(cstr!("maxTimeMS"), limit);
        if !self.is_transaction()
            && let Ok(concern) = mongodb::bson::RawBson::try_from(self.link.concern())
        {
            head.append(cstr!("writeConcern"), concern);
        }
        head
    }

    /// Makes everything that was written visible at once. Nothing to do where there is no transaction.
    pub(crate) async fn commit(mut self) -> Result<()> {
        let context = self.context();
        let Some(session) = self.session.as_mut() else { return Ok(()) };
        for attempt in 1.. {
            let limit = timeouts::COMMIT + timeouts::CONNECT;
            let Ok(committed) = tokio::time::timeout(limit, session.commit_transaction()).await else {
                return Err(Failure::Silent.into_error(&context));
            };
            let Err(error) = committed else { return Ok(()) };
            if !error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) {
                return Err(classify::error(context, error));
            }
            if attempt >= COMMITS_MAX {
                // It may be done or not: the same batch again finds that out.
                let (_, message) = classify::verdict(&error);
                let message = format!("whether the batch was committed is not known: {message}");
                return Err(TargetError::new(ErrorKind::Unreachable, context, message).with_source(error));
            }
            tokio::time::sleep(COMMIT_PAUSE * attempt).await;
        }
        Ok(())
    }

    /// Undoes everything. The server does so by itself if it does not hear of it.
    pub(crate) async fn abort(mut self) {
        if let Some(session) = self.session.as_mut() {
            let _ = tokio::time::timeout(timeouts::CONNECT, session.abort_transaction()).await;
        }
    }
}

fn too_large(link: &Link, failure: Failure) -> Refusal {
    let mut refusal = Refusal::too_large(0, link.facts.document_max);
    refusal.reason = failure.into_error("").to_string().trim_start_matches(": ").to_owned();
    refusal
}
