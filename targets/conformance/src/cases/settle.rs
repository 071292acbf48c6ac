//! Rows that are refused because of other rows, and are sent once more when those are written.

use crate::{Fixture, ForeignKey, Kind, Rig, Scene, Value, fixture::column};
use hydrant_contract::{
    Batch, Integer, Part,
    Part::{Deletes, Inserts, Updates},
    ValueType,
};

cases! {
    ExactOrRefused []:
        what_only_another_value_mends_does_not_settle;
    ExactOrRefused [UniqueColumns]:
        a_value_that_another_row_has_may_settle;
    ExactOrRefused [ForeignKeys]:
        a_row_without_its_parent_may_settle,
        a_row_that_is_still_referred_to_may_settle;
    Apply []:
        rows_may_come_again_under_the_last_number_or_the_next;
    Apply [UniqueColumns]:
        a_row_settles_when_it_comes_again;
}

const INT: ValueType = ValueType::Integer(Integer::I64);

fn fixture(columns: Vec<crate::FixtureColumn>, unique: &[&str], foreign_keys: Vec<ForeignKey>) -> Fixture {
    let unique = unique.iter().map(|name| vec![(*name).to_owned()]).collect();
    Fixture { columns, primary_key: vec!["id".to_owned()], unique, foreign_keys }
}

fn id() -> crate::FixtureColumn {
    column("id", Kind::Integer).not_null()
}

/// Applies a batch, and returns which rows were refused, each with whether it may settle.
async fn refused(
    scene: &Scene<'_>,
    deletes: &[Vec<Value>],
    inserts: &[Vec<Value>],
    updates: &[Vec<Value>],
) -> Vec<(Part, usize, bool)> {
    refused_of(scene, scene.batch(deletes, inserts, updates)).await
}

async fn refused_of(scene: &Scene<'_>, batch: Batch) -> Vec<(Part, usize, bool)> {
    let applied = scene.target.apply(&batch).await.expect("the batch is written, but for some rows");
    let mut refused: Vec<_> = applied.rejects.iter().map(|r| (r.part, r.row, r.may_settle)).collect();
    refused.sort_by_key(|(part, row, _)| (*part as u8, *row));
    refused
}

/// A batch of the same run with an empty range of changes, with the number of the last one or one more.
fn after_the_end(scene: &Scene<'_>, last: &Batch, step: u64, batch: Batch) -> Batch {
    let end = last.checkpoint.next_change;
    let number = last.checkpoint.batch + step;
    scene.follow(number);
    let mut checkpoint = last.checkpoint.clone();
    (checkpoint.batch, checkpoint.first_change, checkpoint.next_change) = (number, end, end);
    Batch { checkpoint, ..batch }
}

async fn what_only_another_value_mends_does_not_settle(rig: &dyn Rig) {
    let scene = Scene::new(rig, "never", &[("id", INT), ("v", INT), ("s", ValueType::Text)], &["id"]);
    let v = column("v", Kind::Small).not_null().refusing(13);
    rig.make(&scene.spec.table, &fixture(vec![id(), v, column("s", Kind::Short(3))], &[], vec![])).await;
    let scene = scene.claimed().await;
    let inserts = [row![1, 13, "a"], row![2, Value::Null, "a"], row![3, 99_999, "a"], row![4, 4, "long"]];
    let refused = refused(&scene, &[], &inserts, &[row![5, 13, "a"], row![6, 6, "a"]]).await;
    let inserts = (0..4).map(|row| (Inserts, row, false));
    assert_eq!(refused, inserts.chain([(Updates, 0, false)]).collect::<Vec<_>>());
    scene.expect(&[row![6, 6, "a"]]).await;
}

async fn a_value_that_another_row_has_may_settle(rig: &dyn Rig) {
    let scene = Scene::new(rig, "may", &[("id", INT), ("v", INT)], &["id"]);
    let v = column("v", Kind::Integer).refusing(13);
    rig.make(&scene.spec.table, &fixture(vec![id(), v], &["v"], vec![])).await;
    rig.insert(&scene.spec.table, &["id", "v"], &[row![1, 1], row![2, 2]]).await;
    let scene = scene.claimed().await;
    let refused = refused(&scene, &[], &[row![3, 1], row![4, 13]], &[row![2, 1]]).await;
    assert_eq!(refused, [(Inserts, 0, true), (Inserts, 1, false), (Updates, 0, true)]);
    scene.expect(&[row![1, 1], row![2, 2]]).await;
}

/// A child table with the column `parent`, and its parent with the keys 1 and 2.
async fn family<'a>(rig: &'a dyn Rig) -> (Scene<'a>, Scene<'a>) {
    let parent = Scene::new(rig, "parent", &[("id", INT), ("v", INT)], &["id"]);
    let child = Scene::new(rig, "child", &[("id", INT), ("parent", INT)], &["id"]);
    rig.make(&parent.spec.table, &fixture(vec![id(), column("v", Kind::Integer)], &[], vec![])).await;
    let refers = ForeignKey {
        column: "parent".to_owned(),
        table: parent.spec.table.clone(),
        references: "id".to_owned(),
    };
    let columns = vec![id(), column("parent", Kind::Integer)];
    rig.make(&child.spec.table, &fixture(columns, &[], vec![refers])).await;
    let (parent, child) = (parent.claimed().await, child.claimed().await);
    parent.write(&[], &[row![1, 1], row![2, 2]], &[]).await;
    (parent, child)
}

async fn a_row_without_its_parent_may_settle(rig: &dyn Rig) {
    let (parent, child) = family(rig).await;
    let rows = [row![10, 1], row![11, 7], row![12, Value::Null], row![13, 8]];
    assert_eq!(refused(&child, &[], &rows, &[]).await, [(Inserts, 1, true), (Inserts, 3, true)]);
    child.expect(&[row![10, 1], row![12, Value::Null]]).await;
    assert_eq!(refused(&child, &[], &[], &[row![10, 9]]).await, [(Updates, 0, true)]);
    parent.write(&[], &[row![7, 7]], &[]).await;
    assert_eq!(refused(&child, &[], &rows, &[]).await, [(Inserts, 3, true)]);
    child.expect(&[row![10, 1], row![11, 7], row![12, Value::Null]]).await;
}

async fn a_row_that_is_still_referred_to_may_settle(rig: &dyn Rig) {
    let (parent, child) = family(rig).await;
    child.write(&[], &[row![10, 1]], &[]).await;
    assert_eq!(refused(&parent, &[row![1], row![2]], &[], &[]).await, [(Deletes, 0, true)]);
    parent.expect(&[row![1, 1]]).await;
    child.write(&[row![10]], &[], &[]).await;
    parent.write(&[row![1], row![2]], &[], &[]).await;
    parent.expect(&[]).await;
}

async fn rows_may_come_again_under_the_last_number_or_the_next(rig: &dyn Rig) {
    let scene = Scene::new(rig, "numbers", &[("id", INT), ("v", INT)], &["id"]).created().await;
    scene.write(&[], &[row![1, 1]], &[]).await;
    let last = scene.write(&[], &[row![2, 2]], &[row![1, 11]]).await;
    for (step, id) in [(0, 3), (0, 4), (1, 5), (1, 6), (2, 7)] {
        let rows = scene.batch(&[], &[row![id, id]], &[row![1, id]]);
        let batch = after_the_end(&scene, &last, step, rows);
        assert_eq!(refused_of(&scene, batch.clone()).await, []);
        // Its own repetition is allowed too.
        assert_eq!(refused_of(&scene, batch.clone()).await, []);
        assert_eq!(rig.checkpoint(&scene.sync).await, Some(batch.checkpoint));
    }
    let kept = (2..=7).map(|id| row![id, id]);
    scene.expect(&kept.chain([row![1, 7]]).collect::<Vec<_>>()).await;
}

async fn a_row_settles_when_it_comes_again(rig: &dyn Rig) {
    let scene = Scene::new(rig, "settles", &[("id", INT), ("v", INT)], &["id"]);
    rig.make(&scene.spec.table, &fixture(vec![id(), column("v", Kind::Integer)], &["v"], vec![])).await;
    let scene = scene.claimed().await;
    scene.write(&[], &[row![1, 1], row![2, 2]], &[]).await;
    // The value moves from a row of a later batch to one of an earlier.
    assert_eq!(refused(&scene, &[], &[], &[row![1, 2]]).await, [(Updates, 0, true)]);
    let last = scene.write(&[], &[], &[row![2, 3]]).await;
    let again = scene.batch(&[], &[], &[row![1, 2]]);
    let again = after_the_end(&scene, &last, 1, again);
    assert_eq!(refused_of(&scene, again).await, []);
    scene.expect(&[row![1, 2], row![2, 3]]).await;
}
