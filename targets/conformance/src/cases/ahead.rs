//! Batches that are begun before their turn.

use crate::{Fixture, Kind, Rig, Scene, fixture::column, scene::refused};
use hydrant_contract::{Applied, Batch, ErrorKind, Integer, Part::Inserts, Part::Updates, Target, ValueType};
use std::time::Duration;

cases! {
    Begin [Ahead]:
        begun_batches_are_seen_when_they_are_committed,
        a_begun_batch_that_is_dropped_leaves_nothing,
        a_begun_batch_of_a_smaller_epoch_is_fenced,
        a_begun_batch_is_written_whatever_was_believed,
        a_begun_batch_refuses_what_apply_refuses;
    Begin [Ahead, Locks]:
        a_begun_batch_keeps_nobody_waiting;
}

const INT: ValueType = ValueType::Integer(Integer::I64);
/// A begun batch that is in nobody's way does not even make them wait as long as this.
const WAIT: Duration = Duration::from_secs(4);

async fn filled<'a>(rig: &'a dyn Rig, stem: &str) -> Scene<'a> {
    let scene = Scene::new(rig, stem, &[("id", INT), ("v", INT)], &["id"]).created().await;
    scene.write(&[], &[row![1, 1], row![2, 2], row![3, 3]], &[]).await;
    scene
}

/// Begins with a batch and commits it; applied like any other where it cannot be begun.
async fn ahead(target: &dyn Target, batch: &Batch) -> Applied {
    match target.begin(batch).await {
        Ok(Some(begun)) => begun.commit().await.expect("a begun batch is written"),
        Ok(None) | Err(_) => target.apply(batch).await.expect("the batch is written"),
    }
}

async fn begun_batches_are_seen_when_they_are_committed(rig: &dyn Rig) {
    let scene = filled(rig, "ahead").await;
    let before = rig.checkpoint(&scene.sync).await;
    let batches = [
        scene.batch(&[], &[row![4, 4], row![5, 5]], &[]),
        scene.batch(&[], &[row![6, 6]], &[]),
        scene.batch(&[row![1]], &[row![7, 7]], &[row![2, 22]]),
    ];
    let mut begun = Vec::new();
    for batch in &batches {
        begun.push(scene.target.begin(batch).await.expect("a beginning").expect("something to do ahead"));
    }
    scene.expect(&[row![1, 1], row![2, 2], row![3, 3]]).await;
    assert_eq!(rig.checkpoint(&scene.sync).await, before);
    let states = [
        vec![row![1, 1], row![2, 2], row![3, 3], row![4, 4], row![5, 5]],
        vec![row![1, 1], row![2, 2], row![3, 3], row![4, 4], row![5, 5], row![6, 6]],
        vec![row![2, 22], row![3, 3], row![4, 4], row![5, 5], row![6, 6], row![7, 7]],
    ];
    for ((begun, batch), state) in begun.into_iter().zip(&batches).zip(states) {
        let applied = begun.commit().await.expect("a begun batch is written");
        assert_eq!(applied.rejects, []);
        scene.expect(&state).await;
        assert_eq!(rig.checkpoint(&scene.sync).await.as_ref(), Some(&batch.checkpoint));
        assert_eq!(
            rig.freshness(&scene.sync).await,
            batch.freshness.clone().map(|f| (batch.checkpoint.run, f))
        );
    }
}

async fn a_begun_batch_that_is_dropped_leaves_nothing(rig: &dyn Rig) {
    let scene = filled(rig, "dropped").await;
    let before = rig.checkpoint(&scene.sync).await;
    let batches = [
        scene.batch(&[], &[row![4, 4], row![5, 5]], &[]),
        scene.batch(&[row![1]], &[row![6, 6]], &[row![2, 22]]),
    ];
    for batch in &batches {
        drop(scene.target.begin(batch).await.expect("a beginning").expect("something to do ahead"));
    }
    scene.expect(&[row![1, 1], row![2, 2], row![3, 3]]).await;
    assert_eq!(rig.checkpoint(&scene.sync).await, before);
    for batch in &batches {
        let applied = scene.target.apply(batch).await.expect("nothing is in the way");
        assert_eq!(applied.rejects, []);
    }
    scene.expect(&[row![2, 22], row![3, 3], row![4, 4], row![5, 5], row![6, 6]]).await;
}

async fn a_begun_batch_of_a_smaller_epoch_is_fenced(rig: &dyn Rig) {
    let scene = filled(rig, "ahead_fenced").await;
    let batches =
        [scene.batch(&[], &[row![4, 4]], &[]), scene.batch(&[row![1]], &[row![5, 5]], &[row![2, 22]])];
    for (epoch, batch) in (2..).zip(&batches) {
        let begun = scene.target.begin(batch).await.expect("a beginning").expect("something to do ahead");
        let other = rig.target();
        tokio::time::timeout(WAIT, other.claim(&scene.sync, epoch))
            .await
            .expect("a claim does not wait for what is begun")
            .expect("a claim");
        let error = begun.commit().await.expect_err("the sync was taken over");
        assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
        scene.expect(&[row![1, 1], row![2, 2], row![3, 3]]).await;
    }
}

async fn a_begun_batch_is_written_whatever_was_believed(rig: &dyn Rig) {
    let scene = filled(rig, "ahead_believed").await;
    let absent = scene.batch(&[row![9]], &[], &[row![1, 11], row![4, 4]]);
    let present = scene.batch(&[], &[row![2, 22], row![5, 5]], &[]);
    for batch in [&absent, &present, &absent, &present] {
        let applied = ahead(&*scene.target, batch).await;
        assert_eq!(applied.rejects, []);
    }
    scene.expect(&[row![1, 11], row![2, 22], row![3, 3], row![4, 4], row![5, 5]]).await;
}

async fn a_begun_batch_refuses_what_apply_refuses(rig: &dyn Rig) {
    let scene = Scene::new(rig, "ahead_refused", &[("id", INT), ("v", INT)], &["id"]);
    let fixture = Fixture {
        columns: vec![column("id", Kind::Integer).not_null(), column("v", Kind::Small).refusing(13)],
        primary_key: vec!["id".to_owned()],
        ..Fixture::default()
    };
    rig.make(&scene.spec.table, &fixture).await;
    let scene = scene.claimed().await;
    // By the rules of the type, which are known before; and by a constraint of the server.
    let out_of_range = scene.batch(&[], &[row![1, 1], row![2, 70_000]], &[]);
    assert_eq!(refused(&ahead(&*scene.target, &out_of_range).await), [(Inserts, 1)]);
    let constrained = scene.batch(&[], &[row![3, 3], row![4, 13]], &[]);
    assert_eq!(refused(&ahead(&*scene.target, &constrained).await), [(Inserts, 1)]);
    let both = scene.batch(&[row![3]], &[row![5, 5], row![6, 13]], &[row![1, 13], row![3, 70_000]]);
    assert_eq!(refused(&ahead(&*scene.target, &both).await), [(Inserts, 1), (Updates, 0), (Updates, 1)]);
    scene.expect(&[row![1, 1], row![5, 5]]).await;
}

async fn a_begun_batch_keeps_nobody_waiting(rig: &dyn Rig) {
    let scene = filled(rig, "ahead_locks").await;
    let batch = scene.batch(&[row![1]], &[row![4, 4]], &[row![2, 22]]);
    let begun = scene.target.begin(&batch).await.expect("a beginning").expect("something to do ahead");
    let held = tokio::time::timeout(WAIT, rig.lock(&scene.spec.table)).await;
    drop(held.expect("the application locks all rows that are there"));
    let applied = begun.commit().await.expect("a begun batch is written");
    assert_eq!(applied.rejects, []);
    scene.expect(&[row![2, 22], row![3, 3], row![4, 4]]).await;
}
