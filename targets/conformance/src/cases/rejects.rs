//! A row that is refused leaves the others alone.

use crate::{Fixture, Kind, Rig, Scene, Value, fixture::column, scene::refused};
use hydrant_contract::{Integer, Part::Inserts, Part::Updates, ValueType};

cases! {
    ExactOrRefused []:
        a_number_out_of_the_column_s_range_is_refused_alone,
        a_text_that_is_too_long_is_refused_alone,
        a_null_that_the_column_refuses_is_refused_alone,
        rows_that_a_constraint_refuses_are_found_among_many,
        a_batch_of_which_every_row_is_refused_is_still_noted;
    ExactOrRefused [UniqueColumns]:
        a_value_that_another_row_of_the_application_has_is_refused_alone;
    Repeatable []:
        a_batch_with_refused_rows_can_be_sent_again;
}

const INT: ValueType = ValueType::Integer(Integer::I64);

/// A table of the application with the columns `id`, its key, and `v`.
async fn theirs<'a>(rig: &'a dyn Rig, stem: &str, value: ValueType, v: crate::FixtureColumn) -> Scene<'a> {
    let scene = Scene::new(rig, stem, &[("id", INT), ("v", value)], &["id"]);
    let fixture = Fixture {
        columns: vec![column("id", Kind::Integer).not_null(), v],
        primary_key: vec!["id".to_owned()],
        ..Fixture::default()
    };
    rig.make(&scene.spec.table, &fixture).await;
    assert_eq!(scene.mismatches().await, [""; 0]);
    scene.claimed().await
}

async fn a_number_out_of_the_column_s_range_is_refused_alone(rig: &dyn Rig) {
    let scene = theirs(rig, "narrow", INT, column("v", Kind::Small)).await;
    scene.write(&[], &[row![1, 1], row![2, 2]], &[]).await;
    let inserts = [row![3, 32768], row![4, 32767], row![5, -32769], row![6, -32768], row![7, 4_294_967_296]];
    let updates = [row![1, 70000], row![2, 22]];
    let refused = scene.write_some(&[], &inserts, &updates).await;
    assert_eq!(refused, [(Inserts, 0), (Inserts, 2), (Inserts, 4), (Updates, 0)]);
    scene.expect(&[row![1, 1], row![2, 22], row![4, 32767], row![6, -32768]]).await;
}

async fn a_text_that_is_too_long_is_refused_alone(rig: &dyn Rig) {
    let scene = theirs(rig, "short", ValueType::Text, column("v", Kind::Short(5))).await;
    scene.write(&[], &[row![1, "old"], row![2, "old"]], &[]).await;
    // Characters count, not bytes; and spaces at the end are characters, though some databases cut them in silence.
    let inserts = [row![3, "éééé🙂"], row![4, "abcdef"], row![5, "abcde "], row![6, "abcd "]];
    let refused = scene.write_some(&[], &inserts, &[row![1, "longer"], row![2, "new"]]).await;
    assert_eq!(refused, [(Inserts, 1), (Inserts, 2), (Updates, 0)]);
    scene.expect(&[row![1, "old"], row![2, "new"], row![3, "éééé🙂"], row![6, "abcd "]]).await;
}

async fn a_null_that_the_column_refuses_is_refused_alone(rig: &dyn Rig) {
    let scene = theirs(rig, "filled", INT, column("v", Kind::Integer).not_null()).await;
    scene.write(&[], &[row![1, 1], row![2, 2]], &[]).await;
    let refused = scene
        .write_some(&[], &[row![3, Value::Null], row![4, 4]], &[row![1, Value::Null], row![2, 22]])
        .await;
    assert_eq!(refused, [(Inserts, 0), (Updates, 0)]);
    scene.expect(&[row![1, 1], row![2, 22], row![4, 4]]).await;
}

async fn rows_that_a_constraint_refuses_are_found_among_many(rig: &dyn Rig) {
    let scene = theirs(rig, "many", INT, column("v", Kind::Integer).refusing(13)).await;
    let old: Vec<_> = (0..1000).map(|id| row![id, 1]).collect();
    scene.write(&[], &old, &[]).await;
    let bad = [0, 1, 500, 999];
    let value = |at: i64| if bad.contains(&at) { 13 } else { 2 };
    let updates: Vec<_> = (0..1000).map(|id| row![id, value(id)]).collect();
    let inserts: Vec<_> = (0..1000).map(|at| row![1000 + at, value(at)]).collect();
    let refused = scene.write_some(&[], &inserts, &updates).await;
    let at = |part| bad.map(|at| (part, usize::try_from(at).expect("a position"))).to_vec();
    assert_eq!(refused, [at(Inserts), at(Updates)].concat());
    let kept = (0..1000).map(|id| row![id, if bad.contains(&id) { 1 } else { 2 }]);
    let added = (0..1000).filter(|at| !bad.contains(at)).map(|at| row![1000 + at, 2]);
    scene.expect(&kept.chain(added).collect::<Vec<_>>()).await;
}

async fn a_batch_of_which_every_row_is_refused_is_still_noted(rig: &dyn Rig) {
    let scene = theirs(rig, "none", INT, column("v", Kind::Integer).refusing(13)).await;
    let batch = scene.batch(&[], &[row![1, 13], row![2, 13]], &[row![3, 13]]);
    let applied = scene.target.apply(&batch).await.expect("the batch is noted");
    assert_eq!(refused(&applied), [(Inserts, 0), (Inserts, 1), (Updates, 0)]);
    scene.expect(&[]).await;
    assert_eq!(rig.checkpoint(&scene.sync).await, Some(batch.checkpoint));
}

async fn a_batch_with_refused_rows_can_be_sent_again(rig: &dyn Rig) {
    let scene = theirs(rig, "again", INT, column("v", Kind::Small).refusing(13)).await;
    scene.write(&[], &[row![1, 1]], &[]).await;
    let batch = scene.batch(&[], &[row![2, 13], row![3, 3], row![4, 99_999]], &[row![1, 13]]);
    let once = refused(&scene.target.apply(&batch).await.expect("a batch"));
    let again = refused(&scene.target.apply(&batch).await.expect("the same batch"));
    assert_eq!(once, [(Inserts, 0), (Inserts, 2), (Updates, 0)]);
    assert_eq!(once, again);
    scene.expect(&[row![1, 1], row![3, 3]]).await;
}

async fn a_value_that_another_row_of_the_application_has_is_refused_alone(rig: &dyn Rig) {
    let scene = Scene::new(rig, "taken", &[("id", INT), ("v", ValueType::Text)], &["id"]);
    let fixture = Fixture {
        columns: vec![column("id", Kind::Integer).not_null(), column("v", Kind::Text)],
        primary_key: vec!["id".to_owned()],
        unique: vec![vec!["v".to_owned()]],
        ..Fixture::default()
    };
    rig.make(&scene.spec.table, &fixture).await;
    rig.insert(&scene.spec.table, &["id", "v"], &[row![100, "taken"]]).await;
    let scene = scene.claimed().await;
    scene.write(&[], &[row![1, "a"]], &[]).await;
    let refused = scene.write_some(&[], &[row![2, "taken"], row![3, "c"]], &[row![1, "taken"]]).await;
    assert_eq!(refused, [(Inserts, 0), (Updates, 0)]);
    scene.expect(&[row![1, "a"], row![3, "c"], row![100, "taken"]]).await;
}
