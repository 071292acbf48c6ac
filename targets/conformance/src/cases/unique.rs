//! Values of unique columns move between the rows of one batch.

use crate::{Fixture, Kind, Rig, Scene, Value, fixture::column};
use hydrant_contract::{Column, Integer, Part::Updates, ValueType};

cases! {
    Apply [UniqueColumns]:
        two_rows_swap_their_values,
        a_chain_of_rows_moves_up_and_down,
        many_rows_rotate_their_values,
        a_value_moves_from_a_deleted_row_to_an_inserted_one,
        a_value_moves_from_a_deleted_row_to_an_updated_one,
        values_of_two_unique_columns_move_at_once,
        values_of_a_pair_of_unique_columns_move,
        a_swap_of_columns_that_take_no_null;
    Apply [UniqueColumns, FreedValues]:
        rows_that_are_believed_absent_swap_their_values,
        a_value_moves_from_an_updated_row_to_an_inserted_one;
    ExactOrRefused [UniqueColumns]:
        a_refused_row_does_not_spoil_a_swap,
        a_move_behind_a_refused_row_is_refused_too;
}

const INT: ValueType = ValueType::Integer(Integer::I64);

/// A table of the application with the key `id`, unique `email`, unique `seat` that refuses 13, unique pair of `x` and
/// `y`, and a `note` of the application's own.
async fn theirs<'a>(rig: &'a dyn Rig, stem: &str, not_null: bool) -> Scene<'a> {
    let columns = [("id", INT), ("email", ValueType::Text), ("seat", INT), ("x", INT), ("y", INT)];
    let scene = Scene::new(rig, stem, &columns, &["id"]);
    let mut unique = [
        column("email", Kind::Text),
        column("seat", Kind::Integer).refusing(13),
        column("x", Kind::Integer),
        column("y", Kind::Integer),
    ];
    unique.iter_mut().for_each(|c| c.not_null = not_null);
    let own = [column("id", Kind::Integer).not_null(), column("note", Kind::Text)];
    let fixture = Fixture {
        columns: own.into_iter().chain(unique).collect(),
        primary_key: vec!["id".to_owned()],
        unique: [vec!["email"], vec!["seat"], vec!["x", "y"]]
            .map(|names| names.into_iter().map(str::to_owned).collect())
            .to_vec(),
        ..Fixture::default()
    };
    rig.make(&scene.spec.table, &fixture).await;
    assert_eq!(scene.mismatches().await, [""; 0]);
    let rows: Vec<_> = (1..=5).map(|id| noted(plain(id))).collect();
    rig.insert(&scene.spec.table, &["id", "email", "seat", "x", "y", "note"], &rows).await;
    scene.claimed().await
}

fn with(id: i64, email: &str, seat: i64) -> Vec<Value> {
    row![id, email, seat, id, id]
}

/// A row as the fixture has it.
fn plain(id: i64) -> Vec<Value> {
    with(id, &format!("e{id}"), id)
}

/// The row with what the application noted in it.
fn noted(mut row: Vec<Value>) -> Vec<Value> {
    row.push(Value::from("theirs"));
    row
}

/// The managed columns hold these rows, and what the application noted in its rows 1 to 5 is still there.
async fn expect(scene: &Scene<'_>, rows: &[Vec<Value>]) {
    scene.expect(rows).await;
    let mut columns = scene.spec.shape.columns().to_vec();
    columns.push(Column { name: "note".to_owned(), value: ValueType::Text });
    let rows: Vec<_> = rows
        .iter()
        .map(|row| match (1..=5).any(|id| row[0] == Value::from(id)) {
            true => noted(row.clone()),
            false => [row.clone(), vec![Value::Null]].concat(),
        })
        .collect();
    scene.expect_columns(&columns, &rows).await;
}

async fn two_rows_swap_their_values(rig: &dyn Rig) {
    let scene = theirs(rig, "swap", false).await;
    scene.write(&[], &[], &[with(1, "e2", 1), with(2, "e1", 2)]).await;
    expect(&scene, &[with(1, "e2", 1), with(2, "e1", 2), plain(3), plain(4), plain(5)]).await;
}

async fn rows_that_are_believed_absent_swap_their_values(rig: &dyn Rig) {
    let scene = theirs(rig, "believed", false).await;
    scene.write(&[], &[with(1, "e2", 1), with(2, "e1", 2)], &[with(6, "e5", 6), with(5, "e6", 5)]).await;
    let rows = [with(1, "e2", 1), with(2, "e1", 2), plain(3), plain(4), with(5, "e6", 5), with(6, "e5", 6)];
    expect(&scene, &rows).await;
}

async fn a_chain_of_rows_moves_up_and_down(rig: &dyn Rig) {
    let scene = theirs(rig, "chain", false).await;
    let up = [with(1, "e2", 1), with(2, "e3", 2), with(3, "e4", 3), with(4, "new", 4)];
    scene.write(&[], &[], &up).await;
    expect(&scene, &[up.to_vec(), vec![plain(5)]].concat()).await;
    let down = [with(1, "newer", 1), with(2, "e2", 2), with(3, "e3", 3), with(4, "e4", 4)];
    scene.write(&[], &[], &down).await;
    expect(&scene, &[down.to_vec(), vec![plain(5)]].concat()).await;
}

async fn many_rows_rotate_their_values(rig: &dyn Rig) {
    const ROWS: i64 = 2000;
    let scene = theirs(rig, "rotate", true).await;
    let fresh: Vec<_> = (6..=ROWS).map(|id| with(id, &format!("e{id}"), id + 100_000)).collect();
    scene.write(&[], &fresh, &[]).await;
    let next = |id: i64| id % ROWS + 1;
    let turned: Vec<_> =
        (1..=ROWS).map(|id| with(id, &format!("e{}", next(id)), next(id) + 200_000)).collect();
    scene.write(&[], &[], &turned).await;
    expect(&scene, &turned).await;
}

async fn a_value_moves_from_a_deleted_row_to_an_inserted_one(rig: &dyn Rig) {
    let scene = theirs(rig, "reused", true).await;
    scene.write(&[row![3]], &[with(6, "e3", 3)], &[]).await;
    expect(&scene, &[plain(1), plain(2), plain(4), plain(5), with(6, "e3", 3)]).await;
}

async fn a_value_moves_from_a_deleted_row_to_an_updated_one(rig: &dyn Rig) {
    let scene = theirs(rig, "inherited", true).await;
    scene.write(&[row![3]], &[], &[with(1, "e3", 3)]).await;
    expect(&scene, &[with(1, "e3", 3), plain(2), plain(4), plain(5)]).await;
}

async fn a_value_moves_from_an_updated_row_to_an_inserted_one(rig: &dyn Rig) {
    let scene = theirs(rig, "passed_on", true).await;
    scene.write(&[], &[with(6, "e5", 6), with(0, "e1", 0)], &[with(1, "f1", 1), with(5, "f5", 5)]).await;
    let rows = [
        with(0, "e1", 0),
        with(1, "f1", 1),
        plain(2),
        plain(3),
        plain(4),
        with(5, "f5", 5),
        with(6, "e5", 6),
    ];
    expect(&scene, &rows).await;
}

async fn values_of_two_unique_columns_move_at_once(rig: &dyn Rig) {
    let scene = theirs(rig, "both", false).await;
    // Emails and seats turn in opposite directions.
    let turned = [with(1, "e2", 3), with(2, "e3", 1), with(3, "e1", 2)];
    scene.write(&[], &[], &turned).await;
    expect(&scene, &[turned.to_vec(), vec![plain(4), plain(5)]].concat()).await;
}

async fn values_of_a_pair_of_unique_columns_move(rig: &dyn Rig) {
    let scene = theirs(rig, "pair", true).await;
    let rows =
        [row![1, "e1", 1, 2, 2], row![2, "e2", 2, 1, 1], row![3, "e3", 3, 4, 3], row![4, "e4", 4, 4, 4]];
    scene.write(&[], &[], &rows).await;
    expect(&scene, &[rows.to_vec(), vec![plain(5)]].concat()).await;
}

async fn a_swap_of_columns_that_take_no_null(rig: &dyn Rig) {
    let scene = theirs(rig, "no_null", true).await;
    scene.write(&[], &[], &[with(1, "e2", 2), with(2, "e1", 1)]).await;
    expect(&scene, &[with(1, "e2", 2), with(2, "e1", 1), plain(3), plain(4), plain(5)]).await;
}

async fn a_refused_row_does_not_spoil_a_swap(rig: &dyn Rig) {
    let scene = theirs(rig, "spoiled", false).await;
    let updates = [with(1, "e2", 1), with(2, "e1", 2), with(3, "f3", 13), with(4, "e5", 4), with(5, "e4", 5)];
    let refused = scene.write_some(&[], &[], &updates).await;
    assert_eq!(refused, [(Updates, 2)]);
    let rows = [with(1, "e2", 1), with(2, "e1", 2), plain(3), with(4, "e5", 4), with(5, "e4", 5)];
    expect(&scene, &rows).await;
}

async fn a_move_behind_a_refused_row_is_refused_too(rig: &dyn Rig) {
    let scene = theirs(rig, "behind", false).await;
    // Row 2 keeps its email, since seat 13 is refused: so row 1 cannot have it, and row 3 cannot have row 1's.
    let updates = [with(1, "e2", 1), with(2, "f2", 13), with(3, "e1", 3), with(4, "f4", 4)];
    let refused = scene.write_some(&[], &[], &updates).await;
    assert_eq!(refused, [(Updates, 0), (Updates, 1), (Updates, 2)]);
    expect(&scene, &[plain(1), plain(2), plain(3), with(4, "f4", 4), plain(5)]).await;
}
