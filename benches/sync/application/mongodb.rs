//! The application's requests to MongoDB: by `_id`, each on its own.

use super::{AGAIN, COLUMN, WAIT_MAX, process::Request, schedule::Ask};
use anyhow::{Context, Result};
use mongodb::{
    Client, Collection,
    bson::{RawDocumentBuf, doc},
    error::{Error, ErrorKind, WriteFailure},
    options::ClientOptions,
};
use tokio::{
    runtime::{Handle, Runtime},
    time::{sleep, timeout},
};

/// A write met another one of the same document, and is to be tried again.
const WRITE_CONFLICT: i32 = 112;

pub(super) fn asks(runtime: &Runtime, request: &Request) -> Result<(Vec<Ask>, Vec<Ask>)> {
    let connections = request.load.connections;
    let collection = runtime.block_on(async {
        let mut options = ClientOptions::parse(&request.url).await?;
        // One for every thread that asks: none waits for another's.
        options.max_pool_size = Some(2 * connections);
        options.min_pool_size = Some(2 * connections);
        let database = options.default_database.clone().context("a URL without a database")?;
        let collection = Client::with_options(options)?.database(&database).collection(&request.table.name);
        answer(&collection, 1, None).await?;
        anyhow::Ok(collection)
    })?;
    let all = |write| (0..connections).map(|_| ask(runtime.handle(), collection.clone(), write)).collect();
    Ok((all(false), all(true)))
}

fn ask(handle: &Handle, collection: Collection<RawDocumentBuf>, write: bool) -> Ask {
    let (handle, mut random) = (handle.clone(), fastrand::Rng::new());
    Box::new(move |id| {
        let note = write.then(|| random.i64(0..1_000_000_000));
        handle.block_on(answer(&collection, id, note))
    })
}

/// Reads a document, or writes this note into it.
async fn answer(collection: &Collection<RawDocumentBuf>, id: i64, note: Option<i64>) -> Result<()> {
    let by_id = doc! { "_id": id };
    let asked = async {
        let Some(note) = note else {
            return collection.find_one(by_id).await.map(drop);
        };
        loop {
            match collection.update_one(by_id.clone(), doc! { "$set": { COLUMN: note } }).await {
                // As an application does. What all tries took together counts.
                Err(error) if code(&error) == Some(WRITE_CONFLICT) => sleep(AGAIN).await,
                done => return done.map(drop),
            }
        }
    };
    Ok(timeout(WAIT_MAX, asked).await.context("no answer for two minutes")??)
}

fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(error) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        _ => None,
    }
}
