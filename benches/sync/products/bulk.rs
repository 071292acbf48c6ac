//! The loop that people write with MongoDB's driver, in a process of its own: `--mongodb-bulk URL COLLECTION FILE` inserts the
//! documents of a file; with a second file it upserts those of the first, and deletes those of the second.

use futures::{StreamExt, TryStreamExt, stream};
use mongodb::{
    Client, Collection, Namespace,
    bson::{Bson, Document, RawDocumentBuf, doc},
    options::{UpdateOneModel, WriteModel},
};
use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

/// The argument that makes a process of this program that loop: `main` then calls [`run`] and nothing else.
pub(crate) const ARGUMENT: &str = "--mongodb-bulk";
/// Documents of one call. The driver parts what is too much for one message.
const BATCH: usize = 20_000;
/// Calls at the same time: the next documents are read while the server works.
const AT_ONCE: usize = 2;

pub(crate) fn run(arguments: &[String]) {
    let [url, table, files @ ..] = arguments else { panic!("{ARGUMENT} URL COLLECTION FILE [FILE]") };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let client = Client::with_uri_str(url).await.expect("a server");
        let database = client.default_database().expect("the URL names one");
        match files {
            [inserted] => insert(&database.collection(table), Path::new(inserted)).await,
            [upserted, deleted] => {
                upsert(&client, &Namespace::new(database.name(), table), Path::new(upserted)).await;
                delete(&database.collection(table), Path::new(deleted)).await;
            }
            _ => panic!("one file or two"),
        }
    });
}

async fn insert(collection: &Collection<RawDocumentBuf>, file: &Path) {
    let calls = stream::iter(batches(file))
        .map(|documents| async { collection.insert_many(documents).ordered(false).await.map(drop) });
    calls.buffer_unordered(AT_ONCE).try_collect::<()>().await.expect("inserted");
}

async fn upsert(client: &Client, namespace: &Namespace, file: &Path) {
    let model = |document: RawDocumentBuf| {
        let mut set = Document::try_from(document).expect("BSON");
        let id = set.remove("_id").expect("an _id");
        let one = UpdateOneModel::builder().namespace(namespace.clone()).filter(doc! { "_id": id });
        WriteModel::UpdateOne(one.update(doc! { "$set": set }).upsert(true).build())
    };
    let calls = stream::iter(batches(file)).map(|documents| async {
        let models: Vec<WriteModel> = documents.into_iter().map(model).collect();
        client.bulk_write(models).ordered(false).await.map(drop)
    });
    calls.buffer_unordered(AT_ONCE).try_collect::<()>().await.expect("written");
}

async fn delete(collection: &Collection<Document>, file: &Path) {
    for documents in batches(file) {
        let id = |document: RawDocumentBuf| {
            Bson::try_from(document.get("_id").expect("BSON").expect("an _id")).expect("BSON")
        };
        let ids: Vec<Bson> = documents.into_iter().map(id).collect();
        collection.delete_many(doc! { "_id": { "$in": ids } }).await.expect("deleted");
    }
}

/// The documents of a file, one behind the other.
fn batches(file: &Path) -> impl Iterator<Item = Vec<RawDocumentBuf>> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(file).expect("the file of documents"));
    std::iter::from_fn(move || {
        let batch: Vec<RawDocumentBuf> = std::iter::from_fn(|| document(&mut file)).take(BATCH).collect();
        (!batch.is_empty()).then_some(batch)
    })
}

fn document(file: &mut impl Read) -> Option<RawDocumentBuf> {
    let mut length = [0; 4];
    // A file ends behind a document.
    file.read_exact(&mut length).ok()?;
    let mut bytes = length.to_vec();
    bytes.resize(u32::from_le_bytes(length) as usize, 0);
    file.read_exact(&mut bytes[4..]).expect("a whole document");
    Some(RawDocumentBuf::from_bytes(bytes).expect("BSON"))
}
