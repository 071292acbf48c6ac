//! Epochs fence.

use crate::{Rig, Scene};
use futures::future::join_all;
use hydrant_contract::{Batch, ErrorKind, Integer, TargetError, ValueType};
use std::time::Duration;

cases! {
    Fenced []:
        a_first_claim_finds_nothing_and_a_later_one_the_last_checkpoint,
        a_smaller_epoch_is_fenced_and_writes_nothing,
        a_smaller_epoch_is_fenced_even_with_an_empty_batch,
        a_claim_between_two_batches_stops_the_older_writer,
        epochs_of_one_sync_do_not_bind_another;
    // Elsewhere a batch that a claim overtakes may be written half-way: the engine waits until the lease has ended.
    Fenced [Transactions]:
        of_writers_that_race_only_the_highest_epoch_writes_after_its_claim;
    Repeatable []:
        a_claim_can_be_repeated;
}

const INT: ValueType = ValueType::Integer(Integer::I64);

fn two<'a>(rig: &'a dyn Rig, stem: &str) -> Scene<'a> {
    Scene::new(rig, stem, &[("id", INT), ("epoch", INT)], &["id"])
}

fn fenced(error: &TargetError) {
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
}

async fn a_first_claim_finds_nothing_and_a_later_one_the_last_checkpoint(rig: &dyn Rig) {
    let scene = two(rig, "claims");
    scene.target.create(&scene.spec).await.expect("the table is made");
    assert_eq!(scene.target.claim(&scene.sync, 1).await.expect("a claim"), None);
    scene.write(&[], &[row![1, 1]], &[]).await;
    let last = scene.write(&[], &[row![2, 1]], &[]).await.checkpoint;
    for epoch in [2, 3] {
        let found = rig.target().claim(&scene.sync, epoch).await.expect("a claim").expect("a checkpoint");
        assert_eq!(
            (found.sync, found.run, found.batch, found.first_change, found.next_change),
            (last.sync.clone(), last.run, last.batch, last.first_change, last.next_change),
            "a claim does not forget how far the run is"
        );
        assert!(found.epoch == 1 || found.epoch == epoch, "{}", found.epoch);
    }
}

async fn a_claim_can_be_repeated(rig: &dyn Rig) {
    let scene = two(rig, "claimed_twice").created().await;
    assert_eq!(scene.target.claim(&scene.sync, 1).await.expect("the same claim"), None);
    scene.write(&[], &[row![1, 1]], &[]).await;
    let once = scene.target.claim(&scene.sync, 2).await.expect("a claim");
    let again = rig.target().claim(&scene.sync, 2).await.expect("the same claim elsewhere");
    assert_eq!(once, again);
}

async fn a_smaller_epoch_is_fenced_and_writes_nothing(rig: &dyn Rig) {
    let scene = two(rig, "fenced").created().await;
    let first = scene.write(&[], &[row![1, 1], row![2, 1]], &[]).await;
    let newer = rig.target();
    newer.claim(&scene.sync, 5).await.expect("a claim");
    fenced(&scene.target.claim(&scene.sync, 4).await.expect_err("an older claim"));
    fenced(&rig.target().claim(&scene.sync, 1).await.expect_err("an older claim elsewhere"));
    scene.epoch.set(4);
    let late = scene.batch(&[row![1]], &[row![3, 4]], &[row![2, 4]]);
    fenced(&scene.target.apply(&late).await.expect_err("an older writer"));
    scene.expect(&[row![1, 1], row![2, 1]]).await;
    assert_eq!(rig.freshness(&scene.sync).await.map(|(_, f)| f), first.freshness);
    let noted = rig.checkpoint(&scene.sync).await.expect("a checkpoint");
    assert_eq!(noted.batch, first.checkpoint.batch);

    scene.follow(first.checkpoint.batch);
    scene.epoch.set(5);
    scene.write(&[row![1]], &[row![3, 5]], &[row![2, 5]]).await;
    scene.expect(&[row![2, 5], row![3, 5]]).await;
}

async fn a_smaller_epoch_is_fenced_even_with_an_empty_batch(rig: &dyn Rig) {
    let scene = two(rig, "fenced_empty").created().await;
    rig.target().claim(&scene.sync, 2).await.expect("a claim");
    fenced(&scene.target.apply(&scene.batch(&[], &[], &[])).await.expect_err("an older writer"));
    assert_eq!(rig.freshness(&scene.sync).await, None);
}

async fn a_claim_between_two_batches_stops_the_older_writer(rig: &dyn Rig) {
    let scene = two(rig, "between").created().await;
    scene.write(&[], &[row![1, 1]], &[]).await;
    let next = scene.batch(&[], &[row![2, 1]], &[row![1, 1]]);
    let newer = rig.target();
    newer.claim(&scene.sync, 2).await.expect("a claim");
    scene.epoch.set(2);
    scene.follow(1);
    let ours = scene.batch(&[], &[], &[row![1, 2]]);
    newer.apply(&ours).await.expect("the newer writer writes");
    for _ in 0..2 {
        fenced(&scene.target.apply(&next).await.expect_err("the older writer"));
    }
    scene.expect(&[row![1, 2]]).await;
    assert_eq!(rig.checkpoint(&scene.sync).await, Some(ours.checkpoint));
}

async fn epochs_of_one_sync_do_not_bind_another(rig: &dyn Rig) {
    let (one, other) = (two(rig, "one").created().await, two(rig, "other").created().await);
    one.target.claim(&one.sync, 9).await.expect("a claim");
    other.write(&[], &[row![1, 1]], &[]).await;
    other.expect(&[row![1, 1]]).await;
}

async fn of_writers_that_race_only_the_highest_epoch_writes_after_its_claim(rig: &dyn Rig) {
    const WRITERS: i64 = 4;
    const BATCHES: i64 = 8;
    let scene = two(rig, "race");
    scene.target.create(&scene.spec).await.expect("the table is made");
    // Each writer has a connection of its own, begins a little later than the one before, and in every batch writes one
    // row that is everybody's and one that is its own.
    let writers = (1..=WRITERS).map(|epoch| {
        scene.epoch.set(epoch.unsigned_abs());
        scene.follow(0);
        let batches: Vec<Batch> = (1..=BATCHES)
            .map(|n| scene.batch(&[], &[row![epoch * 1000 + n, epoch]], &[row![n, epoch]]))
            .collect();
        let (target, sync) = (rig.target(), scene.sync.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(40) * epoch.unsigned_abs() as u32).await;
            let mut written = 0;
            if again(|| target.claim(&sync, epoch.unsigned_abs())).await.is_err() {
                return written;
            }
            for batch in &batches {
                if again(|| target.apply(batch)).await.is_err() {
                    return written;
                }
                written += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            written
        })
    });
    let written = join_all(writers.collect::<Vec<_>>()).await;
    let written: Vec<i64> = written.into_iter().map(|w| w.expect("a writer ends")).collect();
    assert_eq!(written.last(), Some(&BATCHES), "nobody fences the highest epoch: {written:?}");
    let mut rows: Vec<_> = (1..=BATCHES).map(|n| row![n, WRITERS]).collect();
    for (epoch, written) in (1..).zip(&written) {
        rows.extend((1..=*written).map(|n| row![epoch * 1000 + n, epoch]));
    }
    // What was answered was written, and what was fenced was not.
    scene.expect(&rows).await;
}

/// Makes a call until it is done or fenced.
async fn again<T, F: Future<Output = hydrant_contract::Result<T>>>(call: impl Fn() -> F) -> Result<T, ()> {
    for _ in 0..20 {
        match call().await {
            Ok(done) => return Ok(done),
            Err(error) if error.kind() == ErrorKind::Fenced => return Err(()),
            Err(error) => assert!(error.kind().is_transient(), "{:?}: {error}", error.kind()),
        }
    }
    panic!("twenty times busy");
}
