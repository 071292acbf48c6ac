//! The table of modes and deletes on `Target::apply`.

use crate::{Fixture, Kind, Need, Rig, Scene, Value, fixture::column};
use hydrant_contract::{Column, Deletes, Integer, Mode, Resolution, SoftMark, ValueType};

cases! {
    Apply []:
        mirror_writes_every_row_whatever_was_believed,
        upsert_writes_every_row_whatever_was_believed,
        insert_leaves_rows_that_are_there,
        update_inserts_nothing,
        insert_and_update_leave_rows_that_left_the_query,
        a_hard_delete_deletes_the_row,
        a_soft_delete_flags_the_row_and_its_return_unflags_it,
        a_soft_delete_notes_the_time_and_the_row_s_return_clears_it,
        a_nulled_row_keeps_its_key_alone,
        an_ignored_delete_changes_nothing,
        deleting_what_is_not_there_is_no_error,
        a_table_of_keys_alone_works_in_every_mode,
        a_composite_key_is_compared_column_by_column,
        deletes_and_inserts_of_one_batch_both_happen;
    OnlyManaged []:
        other_columns_and_other_rows_stay,
        other_columns_stay_when_rows_are_marked_or_nulled;
}

const INT: ValueType = ValueType::Integer(Integer::I64);

fn two<'a>(rig: &'a dyn Rig, stem: &str) -> Scene<'a> {
    Scene::new(rig, stem, &[("id", INT), ("name", ValueType::Text)], &["id"])
}

/// Rows 1 and 3 are there; 1 and 2 are believed absent, 3 and 4 believed present.
async fn beliefs(rig: &dyn Rig, mode: Mode, rows: &[Vec<Value>]) {
    let scene = two(rig, "beliefs").created().await;
    scene.write(&[], &[row![1, "old"], row![3, "old"]], &[]).await;
    let scene = scene.mode(mode);
    scene.write(&[], &[row![1, "new"], row![2, "new"]], &[row![3, "new"], row![4, "new"]]).await;
    scene.expect(rows).await;
}

async fn mirror_writes_every_row_whatever_was_believed(rig: &dyn Rig) {
    beliefs(rig, Mode::Mirror, &[row![1, "new"], row![2, "new"], row![3, "new"], row![4, "new"]]).await;
}

async fn upsert_writes_every_row_whatever_was_believed(rig: &dyn Rig) {
    beliefs(rig, Mode::Upsert, &[row![1, "new"], row![2, "new"], row![3, "new"], row![4, "new"]]).await;
}

async fn insert_leaves_rows_that_are_there(rig: &dyn Rig) {
    beliefs(rig, Mode::Insert, &[row![1, "old"], row![2, "new"], row![3, "old"], row![4, "new"]]).await;
}

async fn update_inserts_nothing(rig: &dyn Rig) {
    beliefs(rig, Mode::Update, &[row![1, "new"], row![3, "new"]]).await;
}

async fn insert_and_update_leave_rows_that_left_the_query(rig: &dyn Rig) {
    for mode in [Mode::Insert, Mode::Update] {
        for (name, deletes) in [("hard", Deletes::Hard), ("null", Deletes::NullOut)] {
            let stem = format!("left_{mode:?}_{name}").to_lowercase();
            let scene = two(rig, &stem).deletes(deletes).created().await;
            scene.write(&[], &[row![1, "a"]], &[]).await;
            let scene = scene.mode(mode);
            scene.write(&[row![1]], &[], &[]).await;
            scene.expect(&[row![1, "a"]]).await;
        }
    }
}

async fn a_hard_delete_deletes_the_row(rig: &dyn Rig) {
    let scene = two(rig, "hard").created().await;
    scene.write(&[], &[row![1, "a"], row![2, "b"], row![3, "c"]], &[]).await;
    scene.write(&[row![3], row![1]], &[], &[]).await;
    scene.expect(&[row![2, "b"]]).await;
}

async fn soft(rig: &dyn Rig, mark: SoftMark, value: ValueType, gone: Value, there: Value) {
    let deletes = Deletes::Soft { column: "gone".to_owned(), mark };
    let scene = two(rig, "soft").deletes(deletes).created().await;
    let mut columns = scene.spec.shape.columns().to_vec();
    columns.push(Column { name: "gone".to_owned(), value });
    let row = |id: i64, name: &str, gone: &Value| row![id, name, gone.clone()];

    scene.write(&[], &[row![1, "a"], row![2, "b"], row![3, "c"]], &[]).await;
    scene.expect_columns(&columns, &[row(1, "a", &there), row(2, "b", &there), row(3, "c", &there)]).await;
    scene.write(&[row![1], row![2], row![9]], &[], &[]).await;
    scene.expect_columns(&columns, &[row(1, "a", &gone), row(2, "b", &gone), row(3, "c", &there)]).await;
    // A row that comes back is an insert to hydrant, though the table has it; either belief must unmark it.
    scene.write(&[], &[row![1, "A"]], &[row![2, "B"]]).await;
    scene.expect_columns(&columns, &[row(1, "A", &there), row(2, "B", &there), row(3, "c", &there)]).await;
}

async fn a_soft_delete_flags_the_row_and_its_return_unflags_it(rig: &dyn Rig) {
    soft(rig, SoftMark::Flag, ValueType::Boolean, Value::Bool(true), Value::Bool(false)).await;
}

async fn a_soft_delete_notes_the_time_and_the_row_s_return_clears_it(rig: &dyn Rig) {
    let as_of = crate::scene::as_of(rig).format("%Y-%m-%dT%H:%M:%S%.fZ").to_string();
    let as_of = Value::parse(&as_of, &ValueType::Instant(Resolution::Micro));
    soft(rig, SoftMark::Time, ValueType::Instant(Resolution::Micro), as_of, Value::Null).await;
}

async fn a_nulled_row_keeps_its_key_alone(rig: &dyn Rig) {
    let scene = two(rig, "nulled").deletes(Deletes::NullOut).created().await;
    scene.write(&[], &[row![1, "a"], row![2, "b"]], &[]).await;
    scene.write(&[row![1], row![9]], &[], &[]).await;
    scene.expect(&[row![1, Value::Null], row![2, "b"]]).await;
    scene.write(&[], &[row![1, "back"]], &[]).await;
    scene.expect(&[row![1, "back"], row![2, "b"]]).await;
}

async fn an_ignored_delete_changes_nothing(rig: &dyn Rig) {
    let scene = two(rig, "ignored").deletes(Deletes::Ignore).created().await;
    scene.write(&[], &[row![1, "a"]], &[]).await;
    let batch = scene.write(&[row![1]], &[], &[]).await;
    scene.expect(&[row![1, "a"]]).await;
    assert_eq!(rig.checkpoint(&scene.sync).await, Some(batch.checkpoint));
}

async fn deleting_what_is_not_there_is_no_error(rig: &dyn Rig) {
    let scene = two(rig, "not_there").created().await;
    scene.write(&[row![1], row![2]], &[row![3, "c"]], &[]).await;
    scene.expect(&[row![3, "c"]]).await;
}

async fn a_table_of_keys_alone_works_in_every_mode(rig: &dyn Rig) {
    for mode in [Mode::Mirror, Mode::Upsert, Mode::Insert, Mode::Update] {
        let stem = format!("keys_{mode:?}").to_lowercase();
        let scene =
            Scene::new(rig, &stem, &[("a", INT), ("b", ValueType::Text)], &["a", "b"]).created().await;
        scene.write(&[], &[row![1, "x"], row![2, "x"]], &[]).await;
        let scene = scene.mode(mode);
        scene.write(&[row![2, "x"]], &[row![1, "x"], row![3, "x"]], &[row![4, "x"]]).await;
        let rows = match mode {
            Mode::Mirror | Mode::Upsert => vec![row![1, "x"], row![3, "x"], row![4, "x"]],
            Mode::Insert => vec![row![1, "x"], row![2, "x"], row![3, "x"], row![4, "x"]],
            Mode::Update => vec![row![1, "x"], row![2, "x"]],
        };
        scene.expect(&rows).await;
    }
}

async fn a_composite_key_is_compared_column_by_column(rig: &dyn Rig) {
    let columns = [("v", INT), ("b", ValueType::Text), ("a", ValueType::Text)];
    let scene = Scene::new(rig, "composite", &columns, &["a", "b"]).created().await;
    let rows =
        [row![1, "bc", "a"], row![2, "c", "ab"], row![3, "", "abc"], row![4, "abc", ""], row![5, "a", "bc"]];
    scene.write(&[], &rows, &[]).await;
    scene.expect(&rows).await;
    // Keys come in the key's order, a before b.
    scene.write(&[row!["ab", "c"], row!["bc", "x"]], &[], &[row![33, "", "abc"]]).await;
    scene.expect(&[row![1, "bc", "a"], row![33, "", "abc"], row![4, "abc", ""], row![5, "a", "bc"]]).await;
}

async fn deletes_and_inserts_of_one_batch_both_happen(rig: &dyn Rig) {
    let scene = two(rig, "both").created().await;
    scene.write(&[], &[row![1, "a"], row![2, "b"], row![3, "c"]], &[]).await;
    scene.write(&[row![2]], &[row![4, "d"], row![0, "z"]], &[row![3, "C"], row![1, "A"]]).await;
    scene.expect(&[row![0, "z"], row![1, "A"], row![3, "C"], row![4, "d"]]).await;
}

/// A table of the application with a column and rows of its own.
async fn theirs<'a>(rig: &'a dyn Rig, stem: &str, deletes: Deletes) -> Scene<'a> {
    let scene = two(rig, stem).deletes(deletes);
    let fixture = Fixture {
        columns: vec![
            column("seen", Kind::Integer).not_null().default(0),
            column("id", Kind::Integer).not_null(),
            column("note", Kind::Text),
            column("name", Kind::Text),
            column("gone", Kind::Boolean),
        ],
        primary_key: vec!["id".to_owned()],
        ..Fixture::default()
    };
    rig.make(&scene.spec.table, &fixture).await;
    let rows = [row![1, "a", "theirs", 11], row![2, "b", "theirs", 12], row![3, "c", Value::Null, 13]];
    rig.insert(&scene.spec.table, &["id", "name", "note", "seen"], &rows).await;
    scene.claimed().await
}

fn their_columns() -> [Column; 4] {
    [("id", INT), ("name", ValueType::Text), ("note", ValueType::Text), ("seen", INT)]
        .map(|(name, value)| Column { name: name.to_owned(), value })
}

async fn other_columns_and_other_rows_stay(rig: &dyn Rig) {
    let scene = theirs(rig, "theirs", Deletes::Hard).await;
    scene.write(&[row![7]], &[row![2, "B"], row![4, "d"]], &[row![1, "A"]]).await;
    let seen = if rig.lacks().contains(&Need::Defaults) { Value::Null } else { Value::from(0) };
    let rows = [
        row![1, "A", "theirs", 11],
        row![2, "B", "theirs", 12],
        row![3, "c", Value::Null, 13],
        row![4, "d", Value::Null, seen],
    ];
    scene.expect_columns(&their_columns(), &rows).await;
}

async fn other_columns_stay_when_rows_are_marked_or_nulled(rig: &dyn Rig) {
    let soft = Deletes::Soft { column: "gone".to_owned(), mark: SoftMark::Flag };
    for (stem, deletes, name) in
        [("marked", soft, Value::from("a")), ("nulled", Deletes::NullOut, Value::Null)]
    {
        let scene = theirs(rig, stem, deletes).await;
        scene.write(&[row![1]], &[], &[]).await;
        let rows = [row![1, name, "theirs", 11], row![2, "b", "theirs", 12], row![3, "c", Value::Null, 13]];
        scene.expect_columns(&their_columns(), &rows).await;
    }
}
