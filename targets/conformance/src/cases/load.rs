//! Many rows, many columns, several writers, and an application that holds a lock.

use crate::{Rig, Scene, Value};
use futures::future::join_all;
use hydrant_contract::{Batch, ErrorKind, Integer, ValueType};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

cases! {
    Apply []:
        a_large_batch_is_written,
        a_row_of_many_columns_is_written,
        syncs_of_different_tables_write_at_the_same_time;
    ShortLocks []:
        syncs_of_one_table_do_not_deadlock;
    ShortLocks [Locks]:
        a_lock_that_the_application_holds_ends_in_busy_within_seconds;
}

const INT: ValueType = ValueType::Integer(Integer::I64);
const ROWS: i64 = 10_000;
/// Longer than any target should wait for a lock, shorter than a person would.
const WAIT_SECONDS_MAX: u64 = 40;

async fn a_large_batch_is_written(rig: &dyn Rig) {
    let columns = [("id", INT), ("name", ValueType::Text), ("score", ValueType::Float64)];
    let scene = Scene::new(rig, "large", &columns, &["id"]).created().await;
    let row = |id: i64, of: &str| row![id, format!("{of} {id}").as_str(), Value::float64(id as f64 / 8.0)];
    let old: Vec<_> = (0..ROWS).map(|id| row(id, "old")).collect();
    scene.write(&[], &old, &[]).await;
    scene.expect(&old).await;
    let deletes: Vec<_> = (0..ROWS / 4).map(|id| row![id * 4]).collect();
    let updates: Vec<_> = (0..ROWS / 2).map(|id| row(id * 2 + 1, "new")).collect();
    let inserts: Vec<_> = (0..ROWS / 2).map(|id| row(ROWS + id, "new")).collect();
    scene.write(&deletes, &inserts, &updates).await;
    let kept = (0..ROWS / 4).map(|id| row(id * 4 + 2, "old"));
    scene.expect(&kept.chain(updates).chain(inserts).collect::<Vec<_>>()).await;
}

async fn a_row_of_many_columns_is_written(rig: &dyn Rig) {
    const COLUMNS: i64 = 400;
    let names: Vec<String> = (0..COLUMNS).map(|i| format!("c{i}")).collect();
    let columns: Vec<_> = names.iter().map(|name| (name.as_str(), INT)).collect();
    let scene = Scene::new(rig, "wide", &columns, &["c0"]).created().await;
    let rows = |add: i64| -> Vec<Vec<Value>> {
        let row =
            |id| (0..COLUMNS).map(move |c| Value::from(if c == 0 { id } else { id * COLUMNS + c + add }));
        (0..200).map(|id| row(id).collect()).collect()
    };
    scene.write(&[], &rows(0), &[]).await;
    scene.write(&[], &[], &rows(7)).await;
    scene.expect(&rows(7)).await;
}

async fn syncs_of_different_tables_write_at_the_same_time(rig: &dyn Rig) {
    let one = Scene::new(rig, "left", &[("id", INT), ("v", INT)], &["id"]).created().await;
    let other = Scene::new(rig, "right", &[("id", INT), ("v", INT)], &["id"]).created().await;
    let batches = |scene: &Scene<'_>| -> Vec<Batch> {
        (0..10)
            .map(|n| {
                let rows: Vec<_> = (0..200).map(|i| row![n * 200 + i, n]).collect();
                scene.batch(&[], &rows, &[])
            })
            .collect()
    };
    // On one target, as the contract lets the engine do.
    let writers = [batches(&one), batches(&other)].map(|batches| {
        let target = one.target.clone();
        tokio::spawn(async move {
            for batch in batches {
                write_again(target.as_ref(), &batch).await;
            }
        })
    });
    join_all(writers).await.into_iter().for_each(|done| done.expect("a writer ends"));
    let rows: Vec<_> = (0..2000).map(|id| row![id, id / 200]).collect();
    one.expect(&rows).await;
    other.expect(&rows).await;
}

async fn syncs_of_one_table_do_not_deadlock(rig: &dyn Rig) {
    let one = Scene::new(rig, "shared", &[("id", INT), ("a", INT), ("b", INT)], &["id"]).created().await;
    let rows = |add: i64| (0..1000).map(|id| row![id, id + add, 0]).collect::<Vec<_>>();
    one.write(&[], &rows(0), &[]).await;
    let of = |stem: &str, column: &str| {
        let mut scene = Scene::new(rig, stem, &[("id", INT), (column, INT)], &["id"]);
        Arc::make_mut(&mut scene.spec).table = one.spec.table.clone();
        scene
    };
    let (a, b) = (of("shared_a", "a").claimed().await, of("shared_b", "b").claimed().await);
    let batches = |scene: &Scene<'_>, backwards: bool| -> Vec<Batch> {
        (1..=5)
            .map(|n| {
                let mut rows: Vec<_> = (0..1000).map(|id| row![id, id + n]).collect();
                if backwards {
                    rows.reverse();
                }
                scene.batch(&[], &[], &rows)
            })
            .collect()
    };
    let writers =
        [(rig.target(), batches(&a, false)), (rig.target(), batches(&b, true))].map(|(target, batches)| {
            tokio::spawn(async move {
                for batch in batches {
                    if let Err(error) = target.apply(&batch).await {
                        panic!("rows locked in key order do not deadlock: {:?}: {error}", error.kind());
                    }
                }
            })
        });
    join_all(writers).await.into_iter().for_each(|done| done.expect("a writer ends"));
    one.expect(&(0..1000).map(|id| row![id, id + 5, id + 5]).collect::<Vec<_>>()).await;
}

async fn a_lock_that_the_application_holds_ends_in_busy_within_seconds(rig: &dyn Rig) {
    let scene = Scene::new(rig, "locked", &[("id", INT), ("v", INT)], &["id"]).created().await;
    let before = scene.write(&[], &[row![1, 1], row![2, 2]], &[]).await;
    let batch = scene.batch(&[row![1]], &[row![3, 3]], &[row![2, 22]]);
    let held = rig.lock(&scene.spec.table).await;
    let since = Instant::now();
    let error = tokio::time::timeout(Duration::from_secs(WAIT_SECONDS_MAX), scene.target.apply(&batch))
        .await
        .expect("no waiting for ever")
        .expect_err("the rows are locked");
    assert_eq!(error.kind(), ErrorKind::Busy, "after {:?}: {error}", since.elapsed());
    drop(held);
    assert_eq!(rig.checkpoint(&scene.sync).await, Some(before.checkpoint));
    scene.expect(&[row![1, 1], row![2, 2]]).await;
    scene.target.apply(&batch).await.expect("the lock is gone");
    scene.expect(&[row![2, 22], row![3, 3]]).await;
}

/// Sends a batch until it is written.
async fn write_again(target: &dyn hydrant_contract::Target, batch: &Batch) {
    for _ in 0..20 {
        match target.apply(batch).await {
            Ok(applied) => return assert_eq!(applied.rejects, []),
            Err(error) => assert!(error.kind().is_transient(), "{:?}: {error}", error.kind()),
        }
    }
    panic!("twenty times busy");
}
