//! A table built anew holds what batches would have left.

use crate::{Fixture, Kind, Rig, Scene, fixture::column};
use async_trait::async_trait;
use hydrant_contract::{Batch, Changes, Column, ErrorKind, Integer, Result, TargetError, ValueType};

cases! {
    Rebuild [Rebuild]:
        a_rebuild_leaves_the_rows_that_batches_would_leave,
        a_rebuild_notes_checkpoint_and_freshness,
        a_rebuild_can_be_repeated,
        a_rebuild_without_changes_leaves_all_rows,
        a_rebuild_that_fails_leaves_the_table_as_it_was,
        a_rebuild_with_a_smaller_epoch_is_fenced,
        a_column_of_the_application_is_in_the_way;
}

const INT: ValueType = ValueType::Integer(Integer::I64);

fn two<'a>(rig: &'a dyn Rig, stem: &str) -> Scene<'a> {
    Scene::new(rig, stem, &[("id", INT), ("name", ValueType::Text)], &["id"])
}

/// Batches that are there already, and then perhaps a failure.
struct Given {
    batches: std::vec::IntoIter<Batch>,
    then: Option<&'static str>,
}

impl Given {
    fn of(batches: &[Batch]) -> Self {
        Self { batches: Vec::from(batches).into_iter(), then: None }
    }
}

#[async_trait]
impl Changes for Given {
    async fn next(&mut self) -> Result<Option<Batch>> {
        if let Some(batch) = self.batches.next() {
            return Ok(Some(batch));
        }
        match self.then {
            Some(why) => Err(TargetError::new(ErrorKind::Broken, "reading changes", why)),
            None => Ok(None),
        }
    }
}

impl Scene<'_> {
    /// Rows that hydrant has written, and one of the application's.
    async fn filled(self) -> Self {
        let scene = self.created().await;
        scene.write(&[], &[row![1, "a"], row![2, "b"], row![3, "c"], row![4, "d"]], &[]).await;
        scene.rig.insert(&scene.spec.table, &["id", "name"], &[row![100, "own"]]).await;
        scene
    }

    /// The batch that notes, and changes: 1 goes and 9, too, which is not there; 2 changes and 5, which is not there; 6 is new
    /// and 3, which is there.
    fn changes(&self) -> (Batch, Vec<Batch>) {
        let last = self.batch(&[], &[], &[]);
        let deletes = self.batch(&[row![1], row![9]], &[], &[]);
        let rows =
            self.batch(&[], &[row![6, "new"], row![3, "there"]], &[row![2, "changed"], row![5, "gone"]]);
        // All of them are one unit, under one number.
        let changes = [deletes, rows].map(|batch| Batch { checkpoint: last.checkpoint.clone(), ..batch });
        (last, changes.to_vec())
    }

    async fn expect_changed(&self) {
        self.expect(&[
            row![2, "changed"],
            row![3, "there"],
            row![4, "d"],
            row![5, "gone"],
            row![6, "new"],
            row![100, "own"],
        ])
        .await;
    }

    async fn expect_as_before(&self) {
        self.expect(&[row![1, "a"], row![2, "b"], row![3, "c"], row![4, "d"], row![100, "own"]]).await;
    }
}

async fn a_rebuild_leaves_the_rows_that_batches_would_leave(rig: &dyn Rig) {
    let scene = two(rig, "built").filled().await;
    let (last, changes) = scene.changes();
    let answer = scene.target.rebuildable(&scene.spec).await.expect("an answer");
    assert_eq!(answer.obstacles, [""; 0]);
    scene.target.rebuild(&last, &mut Given::of(&changes)).await.expect("a rebuild");
    scene.expect_changed().await;
    scene.follow(last.checkpoint.batch);
    // It is the same table for what comes next, its unique key included.
    scene.write(&[row![2]], &[row![7, "next"], row![6, "again"]], &[]).await;
    scene
        .expect(&[
            row![3, "there"],
            row![4, "d"],
            row![5, "gone"],
            row![6, "again"],
            row![7, "next"],
            row![100, "own"],
        ])
        .await;
}

async fn a_rebuild_notes_checkpoint_and_freshness(rig: &dyn Rig) {
    let scene = two(rig, "built_noted").filled().await;
    let (last, changes) = scene.changes();
    scene.target.rebuild(&last, &mut Given::of(&changes)).await.expect("a rebuild");
    assert_eq!(rig.checkpoint(&scene.sync).await, Some(last.checkpoint.clone()));
    assert_eq!(rig.freshness(&scene.sync).await, last.freshness.map(|f| (last.checkpoint.run, f)));
}

async fn a_rebuild_can_be_repeated(rig: &dyn Rig) {
    let scene = two(rig, "built_twice").filled().await;
    let (last, changes) = scene.changes();
    for _ in 0..2 {
        rig.target().rebuild(&last, &mut Given::of(&changes)).await.expect("a rebuild");
        scene.expect_changed().await;
    }
    // And the same changes in batches, by one who does not know that it was done.
    for batch in &changes {
        scene.target.apply(batch).await.expect("a batch");
    }
    scene.expect_changed().await;
}

async fn a_rebuild_without_changes_leaves_all_rows(rig: &dyn Rig) {
    let scene = two(rig, "built_same").filled().await;
    let (last, _) = scene.changes();
    scene.target.rebuild(&last, &mut Given::of(&[])).await.expect("a rebuild");
    scene.expect_as_before().await;
}

async fn a_rebuild_that_fails_leaves_the_table_as_it_was(rig: &dyn Rig) {
    let scene = two(rig, "built_not").filled().await;
    let noted = rig.checkpoint(&scene.sync).await;
    let (last, changes) = scene.changes();
    let mut torn = Given { then: Some("the file is torn"), ..Given::of(&changes) };
    let error = scene.target.rebuild(&last, &mut torn).await.expect_err("the changes end too early");
    assert!(error.to_string().contains("the file is torn"), "{error}");
    scene.expect_as_before().await;
    assert_eq!(rig.checkpoint(&scene.sync).await, noted);
    // Two rows with one key are no set of changes.
    let twice = scene.batch(&[], &[row![7, "x"], row![7, "y"]], &[]);
    scene.target.rebuild(&last, &mut Given::of(&[twice])).await.expect_err("the key is not unique");
    scene.expect_as_before().await;
    scene.target.rebuild(&last, &mut Given::of(&changes)).await.expect("a rebuild");
    scene.expect_changed().await;
}

async fn a_rebuild_with_a_smaller_epoch_is_fenced(rig: &dyn Rig) {
    let scene = two(rig, "built_fenced").filled().await;
    let (last, changes) = scene.changes();
    scene.target.claim(&scene.sync, 2).await.expect("a claim");
    let error = scene.target.rebuild(&last, &mut Given::of(&changes)).await.expect_err("it is fenced");
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
    scene.expect_as_before().await;
}

async fn a_column_of_the_application_is_in_the_way(rig: &dyn Rig) {
    let scene = two(rig, "built_own_column");
    let fixture = Fixture {
        columns: vec![
            column("id", Kind::Integer).not_null(),
            column("name", Kind::Text),
            column("seen", Kind::Integer),
        ],
        primary_key: vec!["id".to_owned()],
        ..Fixture::default()
    };
    rig.make(&scene.spec.table, &fixture).await;
    rig.insert(&scene.spec.table, &["id", "name", "seen"], &[row![1, "a", 5]]).await;
    let scene = scene.claimed().await;
    let found = scene.target.rebuildable(&scene.spec).await.expect("an answer").obstacles;
    assert!(found.iter().any(|obstacle| obstacle.contains("seen")), "{found:?}");
    let (last, changes) = scene.changes();
    scene.target.rebuild(&last, &mut Given::of(&changes)).await.expect_err("the column would be lost");
    let all = [scene.spec.shape.columns(), &[Column { name: "seen".into(), value: INT }]].concat();
    scene.expect_columns(&all, &[row![1, "a", 5]]).await;
}
