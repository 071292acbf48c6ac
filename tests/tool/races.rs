//! Many writers, one manifest, one lease: on every kind of store that runs here; and many processes, one sync.

use crate::harness::{Database, Ran, Session, eventually, everywhere, required};
use chrono::Utc;
use hydrant::{
    config::{Location, StorageOptions},
    object_storage,
    secret::Secret,
    store::{Commit, Lease, LeaseError, LeaseTimes, StoreError, SyncStore},
};

const RACERS: usize = 24;

fn local() -> (SyncStore, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let storage =
        object_storage::connect(&Location::Local(folder.path().join("store")), &StorageOptions::new())
            .unwrap();
    (SyncStore::new(storage.store, &storage.root, "race"), folder)
}

fn memory() -> SyncStore {
    let storage =
        object_storage::connect(&Location::Url("memory://".into()), &StorageOptions::new()).unwrap();
    SyncStore::new(storage.store, &storage.root, "race")
}

fn s3() -> SyncStore {
    let endpoint = required("HYDRANT_TEST_S3");
    let options = [
        ("endpoint", endpoint.as_str()),
        ("access_key_id", "test"),
        ("secret_access_key", "testsecret"),
        ("region", "us-east-1"),
        ("allow_http", "true"),
    ];
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
    let url = format!("s3://hydrant-test/races-{}", uuid());
    let storage = object_storage::connect(&Location::Url(url), &options).unwrap();
    SyncStore::new(storage.store, &storage.root, "race")
}

/// Unique enough for a bucket that is made for this run of the tests.
fn uuid() -> String {
    format!("{}-{}", std::process::id(), Utc::now().timestamp_nanos_opt().unwrap_or_default())
}

async fn one_manifest_is_written_once(store: &SyncStore) {
    for run in 1..=4 {
        let path = store.names().manifest(run, Commit::Sealed);
        let racers: Vec<_> = (0..RACERS)
            .map(|racer| {
                let (store, path) = (store.clone(), path.clone());
                tokio::spawn(async move {
                    (racer, store.create(&path, &serde_json::json!({ "format": 1, "by": racer })).await)
                })
            })
            .collect();
        let mut winners = Vec::new();
        for racer in racers {
            match racer.await.unwrap() {
                (racer, Ok(())) => winners.push(racer),
                (_, Err(StoreError::Taken { .. })) => {}
                (_, Err(error)) => panic!("{error}"),
            }
        }
        let written: serde_json::Value = store.read(&path).await.unwrap();
        assert_eq!(winners.len(), 1);
        assert_eq!(written["by"], winners[0]);
    }
}

async fn one_racer_gets_the_lease_each_time(store: &SyncStore) {
    for epoch in 1..=4 {
        let racers: Vec<_> = (0..RACERS)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { Lease::take(&store, LeaseTimes::default(), Utc::now()).await })
            })
            .collect();
        let mut leases = Vec::new();
        for racer in racers {
            match racer.await.unwrap() {
                Ok(lease) => leases.push(lease),
                Err(LeaseError::Held(_) | LeaseError::Lost(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(leases.len(), 1, "holders of epoch {epoch}");
        let mut lease = leases.remove(0);
        assert_eq!(lease.epoch(), epoch);
        lease.renew(Utc::now()).await.unwrap();
        lease.release(Utc::now()).await.unwrap();
    }
}

/// Contract: C13
#[test]
fn of_several_processes_one_runs_the_sync_and_the_others_say_which_and_since_when() {
    everywhere(|project| {
        let project = project();
        project.items("id,name\n1,one\n2,two\n");
        project.ok(&["run"]);
        project.items("id,name\n1,changed\n2,two\n");
        // None can come to its end before all have started.
        let lock = match project.database {
            Database::Sqlite(_) => "BEGIN IMMEDIATE",
            Database::Postgres { .. } => "BEGIN; SELECT FROM items WHERE id = 1 FOR UPDATE",
            Database::Mysql { .. } => "BEGIN; SELECT id FROM items WHERE id = 1 FOR UPDATE",
            Database::Mongodb { .. } => unreachable!("it takes no SQL"),
        };
        let lock = Session::begin(&project.database, lock);
        let mut racers: Vec<_> = (0..4).map(|_| project.start(&["run"])).collect();
        let mut losers = Vec::new();
        eventually("three that give way", || {
            let ended = |racer: &mut std::process::Child| racer.try_wait().expect("its status").is_some();
            while let Some(at) = racers.iter_mut().position(ended) {
                losers.push(racers.swap_remove(at).wait_with_output().expect("its output"));
            }
            losers.len() == 3
        });
        lock.end();
        let winner = racers.remove(0);
        let id = winner.id();
        let winner = Ran::of(&winner.wait_with_output().expect("it ends"));
        assert_eq!(winner.code, 0, "{}", winner.all());
        for loser in losers.iter().map(Ran::of) {
            assert_eq!(loser.code, 5, "{}", loser.all());
            assert!(loser.stderr.contains(&format!("process {id} on")), "{}", loser.stderr);
            assert!(loser.stderr.contains("has been running this sync since"), "{}", loser.stderr);
        }
        assert_eq!(project.query("SELECT id, name FROM items ORDER BY id"), ["1|changed", "2|two"]);
        assert_eq!(project.ok(&["status", "--output", "json"]).json()["syncs"][0]["published"]["run"], 2);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_has_one_writer_in_a_local_folder() {
    let (store, _folder) = local();
    one_manifest_is_written_once(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_has_one_holder_in_a_local_folder() {
    let (store, _folder) = local();
    one_racer_gets_the_lease_each_time(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_has_one_writer_on_s3() {
    one_manifest_is_written_once(&s3()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_has_one_holder_on_s3() {
    one_racer_gets_the_lease_each_time(&s3()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_has_one_writer_in_memory() {
    one_manifest_is_written_once(&memory()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_has_one_holder_in_memory() {
    one_racer_gets_the_lease_each_time(&memory()).await;
}
