//! A batch is one unit, and may be sent again.

use crate::{Fixture, Kind, Rig, Scene, Value, fixture::column, scene::refused};
use hydrant_contract::{Batch, Deletes, ErrorKind, Integer, Mode, SoftMark, ValueType};

cases! {
    OneUnit []:
        checkpoint_and_freshness_are_written_with_the_batch,
        a_batch_without_freshness_leaves_the_last_one,
        an_empty_batch_notes_and_does_not_touch_the_table;
    OneUnit [Transactions, Columns]:
        a_batch_that_fails_writes_nothing;
    Repeatable []:
        the_same_batch_twice_leaves_the_same_rows_in_every_mode,
        a_batch_can_be_sent_again_by_another_process,
        an_older_batch_can_be_sent_again;
}

const INT: ValueType = ValueType::Integer(Integer::I64);

fn two<'a>(rig: &'a dyn Rig, stem: &str) -> Scene<'a> {
    Scene::new(rig, stem, &[("id", INT), ("name", ValueType::Text)], &["id"])
}

async fn checkpoint_and_freshness_are_written_with_the_batch(rig: &dyn Rig) {
    let scene = two(rig, "noted").created().await;
    for id in 1..=2 {
        let batch = scene.write(&[], &[row![id, "a"]], &[]).await;
        assert_eq!(rig.checkpoint(&scene.sync).await, Some(batch.checkpoint.clone()));
        assert_eq!(rig.freshness(&scene.sync).await, batch.freshness.map(|f| (batch.checkpoint.run, f)));
    }
}

async fn a_batch_without_freshness_leaves_the_last_one(rig: &dyn Rig) {
    let scene = two(rig, "not_fresh").created().await;
    let without = Batch { freshness: None, ..scene.batch(&[], &[row![1, "a"]], &[]) };
    scene.target.apply(&without).await.expect("a batch");
    assert_eq!(rig.freshness(&scene.sync).await, None);
    let with = scene.write(&[], &[row![2, "b"]], &[]).await;
    let without = Batch { freshness: None, ..scene.batch(&[], &[row![3, "c"]], &[]) };
    scene.target.apply(&without).await.expect("a batch");
    assert_eq!(rig.freshness(&scene.sync).await.map(|(_, f)| f), with.freshness);
    assert_eq!(rig.checkpoint(&scene.sync).await, Some(without.checkpoint));
}

async fn an_empty_batch_notes_and_does_not_touch_the_table(rig: &dyn Rig) {
    // There is no table: whoever touched it would fail.
    let scene = two(rig, "untouched").claimed().await;
    let batch = scene.write(&[], &[], &[]).await;
    assert_eq!(rig.checkpoint(&scene.sync).await, Some(batch.checkpoint.clone()));
    assert_eq!(rig.freshness(&scene.sync).await, batch.freshness.map(|f| (batch.checkpoint.run, f)));
}

async fn a_batch_that_fails_writes_nothing(rig: &dyn Rig) {
    let scene = two(rig, "fails");
    let fixture = Fixture {
        columns: vec![column("id", Kind::Integer).not_null()],
        primary_key: vec!["id".to_owned()],
        ..Fixture::default()
    };
    rig.make(&scene.spec.table, &fixture).await;
    rig.insert(&scene.spec.table, &["id"], &[row![1], row![2]]).await;
    let scene = scene.claimed().await;
    let noted = rig.checkpoint(&scene.sync).await;
    // The deletes alone would succeed.
    let batch = scene.batch(&[row![1]], &[row![3, "c"]], &[row![2, "b"]]);
    let error = scene.target.apply(&batch).await.expect_err("there is no such column");
    let kind = error.kind();
    assert!(matches!(kind, ErrorKind::ShapeDiffers | ErrorKind::Missing), "{kind:?}: {error}");
    let id = scene.spec.shape.columns()[..1].to_vec();
    scene.expect_columns(&id, &[row![1], row![2]]).await;
    assert_eq!(rig.checkpoint(&scene.sync).await, noted);
    assert_eq!(rig.freshness(&scene.sync).await, None);
}

async fn the_same_batch_twice_leaves_the_same_rows_in_every_mode(rig: &dyn Rig) {
    let soft = |mark| Deletes::Soft { column: "gone".to_owned(), mark };
    let ways = [
        (Mode::Mirror, Deletes::Hard),
        (Mode::Mirror, soft(SoftMark::Flag)),
        (Mode::Mirror, soft(SoftMark::Time)),
        (Mode::Mirror, Deletes::NullOut),
        (Mode::Mirror, Deletes::Ignore),
        (Mode::Upsert, Deletes::Hard),
        (Mode::Insert, Deletes::Hard),
        (Mode::Update, Deletes::Hard),
    ];
    for (i, (mode, deletes)) in ways.into_iter().enumerate() {
        let scene = two(rig, &format!("again_{i}")).deletes(deletes.clone()).created().await;
        scene.write(&[], &[row![1, "a"], row![2, "b"], row![3, "c"]], &[]).await;
        let scene = scene.mode(mode);
        let batch =
            scene.batch(&[row![1], row![8]], &[row![4, "d"], row![3, "C"]], &[row![2, "B"], row![9, "i"]]);
        let mut columns = scene.spec.shape.columns().to_vec();
        match &deletes {
            Deletes::Soft { column, mark } => columns.push(hydrant_contract::Column {
                name: column.clone(),
                value: match mark {
                    SoftMark::Flag => ValueType::Boolean,
                    SoftMark::Time => ValueType::Instant(hydrant_contract::Resolution::Micro),
                },
            }),
            Deletes::Hard | Deletes::NullOut | Deletes::Ignore => {}
        }
        let once = scene.target.apply(&batch).await.expect("a batch");
        let rows = rig.rows(&scene.spec.table, &columns).await;
        let again = scene.target.apply(&batch).await.expect("the same batch");
        assert_eq!(refused(&once), refused(&again), "{mode:?} {deletes:?}");
        scene.expect_columns(&columns, &rows).await;
        assert_eq!(rig.checkpoint(&scene.sync).await, Some(batch.checkpoint));
    }
}

async fn a_batch_can_be_sent_again_by_another_process(rig: &dyn Rig) {
    let scene = two(rig, "elsewhere").created().await;
    let first = scene.write(&[], &[row![1, "a"], row![2, "b"]], &[]).await;
    let second = scene.write(&[row![1]], &[row![3, "c"]], &[row![2, "B"]]).await;
    let other = rig.target();
    other.claim(&scene.sync, 2).await.expect("a claim");
    for mut batch in [second.clone(), second] {
        batch.checkpoint.epoch = 2;
        other.apply(&batch).await.expect("the same batch");
    }
    scene.expect(&[row![2, "B"], row![3, "c"]]).await;
    assert_eq!(first.checkpoint.batch + 1, rig.checkpoint(&scene.sync).await.expect("noted").batch);
}

async fn an_older_batch_can_be_sent_again(rig: &dyn Rig) {
    let scene = two(rig, "older").created().await;
    let first = scene.write(&[], &[row![1, "a"], row![2, "b"]], &[]).await;
    let second = scene.write(&[row![1]], &[], &[row![2, "B"]]).await;
    // A run that is rolled forward from its beginning.
    for batch in [first, second] {
        scene.target.apply(&batch).await.expect("a batch");
    }
    scene.expect(&[vec![Value::from(2), Value::from("B")]]).await;
}
