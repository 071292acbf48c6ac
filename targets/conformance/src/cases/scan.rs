//! A table read from one end to the other.

use crate::{Fixture, FixtureColumn, Kind, Rig, Scene, Value, fixture::column, scene::assert_same};
use hydrant_contract::{Deletes, ErrorKind, Integer, Mode, SoftMark, ValueType};
use std::sync::Arc;

cases! {
    Scan []:
        a_table_comes_whole_in_pieces_of_any_size_whatever_its_key_is,
        a_table_with_a_composite_key_comes_whole_in_pieces_of_any_size,
        an_index_on_the_key_in_another_order_is_scanned_in_its_own,
        a_large_table_comes_whole,
        an_empty_table_ends_at_once,
        a_table_that_is_not_there_cannot_be_scanned,
        what_others_write_between_two_pieces_does_not_disturb,
        rows_that_are_marked_as_gone_are_left_out,
        rows_of_the_application_come_too,
        a_value_that_is_none_of_its_type_spoils_its_row_alone,
        a_key_that_is_none_of_its_type_is_counted,
        rows_without_a_key_are_counted,
        a_mode_that_deletes_nothing_hides_nothing;
    Scan [ByteOrder]:
        keys_of_bytes_come_whole_whether_length_or_content_orders_them;
    Scan [Accounts]:
        an_account_that_may_only_read_can_scan;
    ShortLocks [Locks]:
        a_scan_waits_for_no_lock;
    Repeatable []:
        a_piece_can_be_asked_for_again;
}

const INT: ValueType = ValueType::Integer(Integer::I64);
const SMALL: ValueType = ValueType::Integer(Integer::I16);
const PIECES: [usize; 4] = [1, 2, 7, 1000];

fn two<'a>(rig: &'a dyn Rig, stem: &str) -> Scene<'a> {
    Scene::new(rig, stem, &[("id", INT), ("name", ValueType::Text)], &["id"])
}

/// A table of the application, with these columns and a unique index on these of them.
async fn theirs(scene: &Scene<'_>, columns: Vec<FixtureColumn>, unique: &[&str]) {
    let unique = vec![unique.iter().map(|name| (*name).to_owned()).collect()];
    scene.rig.make(&scene.spec.table, &Fixture { columns, unique, ..Fixture::default() }).await;
    assert_eq!(scene.mismatches().await, [""; 0]);
}

async fn a_table_comes_whole_in_pieces_of_any_size_whatever_its_key_is(rig: &dyn Rig) {
    for (i, (value, keys)) in super::values::keys_of_each_type(rig).into_iter().enumerate() {
        if !rig.holds(&value) {
            continue;
        }
        let columns = [("v", INT), ("k", value)];
        let scene = Scene::new(rig, &format!("scanned_{i}"), &columns, &["k"]).created().await;
        let rows: Vec<_> = (0..).zip(&keys).map(|(v, key)| row![v, key.clone()]).collect();
        scene.write(&[], &rows, &[]).await;
        for pieces in PIECES {
            scene.expect_by_scan(pieces, &rows).await;
            let calls = scene.scan(pieces).await.calls;
            assert!(calls <= rows.len() / pieces + 1, "{calls} pieces of {pieces} for {} rows", rows.len());
        }
    }
}

async fn keys_of_bytes_come_whole_whether_length_or_content_orders_them(rig: &dyn Rig) {
    let columns = [("v", INT), ("k", ValueType::Bytes)];
    let scene = Scene::new(rig, "scanned_bytes", &columns, &["k"]).created().await;
    let keys = [vec![], vec![0], vec![255], vec![0, 0], vec![0, 255], vec![1], vec![0, 0, 0]];
    let rows: Vec<_> = (0..).zip(keys).map(|(v, key)| row![v, Value::Bytes(key)]).collect();
    scene.write(&[], &rows, &[]).await;
    for pieces in PIECES {
        scene.expect_by_scan(pieces, &rows).await;
    }
}

/// Keys of three columns, of which many share the first two.
fn composite() -> Vec<Vec<Value>> {
    let each = ["", "a", "B", "b", "é"]
        .map(|text| (-1..=1).flat_map(move |number| [false, true].map(|flag| row![text, number, flag, "v"])));
    each.into_iter().flatten().collect()
}

async fn a_table_with_a_composite_key_comes_whole_in_pieces_of_any_size(rig: &dyn Rig) {
    let columns = [("a", ValueType::Text), ("b", INT), ("c", ValueType::Boolean), ("v", ValueType::Text)];
    for (i, key) in [["a", "b", "c"], ["c", "a", "b"], ["b", "c", "a"]].iter().enumerate() {
        let scene = Scene::new(rig, &format!("three_{i}"), &columns, key).created().await;
        scene.write(&[], &composite(), &[]).await;
        for pieces in PIECES {
            scene.expect_by_scan(pieces, &composite()).await;
        }
    }
}

async fn an_index_on_the_key_in_another_order_is_scanned_in_its_own(rig: &dyn Rig) {
    let columns = [("a", ValueType::Text), ("b", INT), ("c", ValueType::Boolean), ("v", ValueType::Text)];
    let scene = Scene::new(rig, "turned", &columns, &["a", "b", "c"]);
    let kinds = [("c", Kind::Boolean), ("v", Kind::Text), ("a", Kind::Text), ("b", Kind::Integer)];
    let columns = kinds.map(|(name, kind)| column(name, kind).not_null()).to_vec();
    theirs(&scene, columns, &["c", "b", "a"]).await;
    let scene = scene.claimed().await;
    scene.write(&[], &composite(), &[]).await;
    for pieces in PIECES {
        scene.expect_by_scan(pieces, &composite()).await;
    }
}

async fn a_large_table_comes_whole(rig: &dyn Rig) {
    let scene = two(rig, "scanned_large").created().await;
    let rows: Vec<_> = (0..20_000).map(|id| row![id * 3, format!("row {id}").as_str()]).collect();
    scene.write(&[], &rows, &[]).await;
    scene.expect_by_scan(999, &rows).await;
}

async fn an_empty_table_ends_at_once(rig: &dyn Rig) {
    let scene = two(rig, "scanned_empty").created().await;
    scene.expect_by_scan(10, &[]).await;
    assert_eq!(scene.scan(10).await.calls, 1);
}

async fn a_table_that_is_not_there_cannot_be_scanned(rig: &dyn Rig) {
    // A file of another table is there.
    two(rig, "scanned_other").created().await;
    let scene = two(rig, "scanned_absent");
    let error = scene.target.scan(&scene.spec, None, 10).await.expect_err("no table");
    assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
    assert!(error.to_string().contains(&scene.spec.table.name), "the error names the table: {error}");
}

async fn what_others_write_between_two_pieces_does_not_disturb(rig: &dyn Rig) {
    let scene = two(rig, "scanned_meanwhile").created().await;
    let rows: Vec<_> = (1..=10).map(|id| row![id * 10, "old"]).collect();
    scene.write(&[], &rows, &[]).await;
    let first = scene.target.scan(&scene.spec, None, 3).await.expect("a piece");
    assert_eq!(first.rows, scene.rows(&rows[..3]));
    // Behind the place, at it, and ahead of it.
    let inserts = [row![5, "new"], row![31, "new"], row![1000, "new"]];
    scene.write(&[row![10], row![30], row![40]], &inserts, &[row![20, "new"], row![60, "new"]]).await;
    let rest = scene.scan_by(&rig.target(), first.next, 3).await;
    let kept = [50, 70, 80, 90, 100].map(|id: i64| row![id, "old"]);
    let new = [31, 60, 1000].map(|id: i64| row![id, "new"]);
    assert_same("ahead", rest.rows, [kept.to_vec(), new.to_vec()].concat());
}

async fn rows_that_are_marked_as_gone_are_left_out(rig: &dyn Rig) {
    for (stem, mark) in [("scanned_flag", SoftMark::Flag), ("scanned_time", SoftMark::Time)] {
        let deletes = Deletes::Soft { column: "gone".to_owned(), mark };
        let scene = two(rig, stem).deletes(deletes).created().await;
        let rows: Vec<_> = (0..40).map(|id| row![id, "a"]).collect();
        scene.write(&[], &rows, &[]).await;
        // Whole pieces of them, in the middle and at the end.
        let gone = |id: i64| (10..30).contains(&id) || id == 35 || id == 39;
        let keys: Vec<_> = (0..40).filter(|id| gone(*id)).map(|id| row![id]).collect();
        scene.write(&keys, &[], &[]).await;
        let there: Vec<_> = (0..40).filter(|id| !gone(*id)).map(|id| row![id, "a"]).collect();
        for pieces in PIECES {
            scene.expect_by_scan(pieces, &there).await;
        }
        scene.write(&[], &[], &[row![20, "back"]]).await;
        scene.expect_by_scan(3, &[there, vec![row![20, "back"]]].concat()).await;
    }
}

async fn rows_of_the_application_come_too(rig: &dyn Rig) {
    let scene = two(rig, "scanned_theirs");
    let id = column("id", Kind::Integer).not_null();
    theirs(&scene, vec![column("note", Kind::Text), column("name", Kind::Text), id], &["id"]).await;
    let scene = scene.claimed().await;
    scene.write(&[], &[row![2, "ours"], row![4, Value::Null]], &[]).await;
    let notes = [row![1, "theirs", "x"], row![3, Value::Null, "y"], row![5, "", Value::Null]];
    rig.insert(&scene.spec.table, &["id", "name", "note"], &notes).await;
    let rows = [row![1, "theirs"], row![2, "ours"], row![3, Value::Null], row![4, Value::Null], row![5, ""]];
    for pieces in PIECES {
        scene.expect_by_scan(pieces, &rows).await;
    }
}

async fn a_value_that_is_none_of_its_type_spoils_its_row_alone(rig: &dyn Rig) {
    // The table's numbers are wider than the query's.
    let columns = [("v", SMALL), ("name", ValueType::Text), ("id", INT)];
    let scene = Scene::new(rig, "scanned_strange", &columns, &["id"]);
    let id = column("id", Kind::Integer).not_null();
    theirs(&scene, vec![id, column("v", Kind::Integer), column("name", Kind::Text)], &["id"]).await;
    let scene = scene.claimed().await;
    scene.write(&[], &[row![1, "ours", 1], row![i64::from(i16::MAX), "ours", 2]], &[]).await;
    let strange = [row![70_000, "theirs", 3], row![i64::MIN, "theirs", 5], row![7, "theirs", 6]];
    rig.insert(&scene.spec.table, &["v", "name", "id"], &strange).await;
    scene.write(&[], &[row![Value::Null, "ours", 4]], &[]).await;
    let rows = [
        row![1, "ours", 1],
        row![i64::from(i16::MAX), "ours", 2],
        row![Value::Null, "ours", 4],
        row![7, "theirs", 6],
    ];
    for pieces in PIECES {
        let whole = scene.scan(pieces).await;
        assert_same("readable", whole.rows, rows.to_vec());
        assert_same("unreadable", whole.unreadable, vec![row![3], row![5]]);
        assert_eq!(whole.foreign, 0);
    }
}

async fn a_key_that_is_none_of_its_type_is_counted(rig: &dyn Rig) {
    let scene = Scene::new(rig, "scanned_foreign", &[("id", SMALL), ("name", ValueType::Text)], &["id"]);
    let id = column("id", Kind::Integer).not_null();
    theirs(&scene, vec![id, column("name", Kind::Text)], &["id"]).await;
    let scene = scene.claimed().await;
    let ours = [row![-1, "ours"], row![1, "ours"]];
    scene.write(&[], &ours, &[]).await;
    let strange: Vec<_> = [i64::MIN, -40_000, 40_000, 70_000, i64::MAX].map(|id| row![id, "theirs"]).to_vec();
    rig.insert(&scene.spec.table, &["id", "name"], &strange).await;
    for pieces in PIECES {
        let whole = scene.scan(pieces).await;
        assert_same("readable", whole.rows, ours.to_vec());
        assert_eq!((whole.unreadable, whole.foreign), (vec![], 5));
    }
}

async fn rows_without_a_key_are_counted(rig: &dyn Rig) {
    let columns = [("a", INT), ("b", ValueType::Text), ("v", INT)];
    let scene = Scene::new(rig, "scanned_keyless", &columns, &["a", "b"]);
    let kinds = [("a", Kind::Integer), ("b", Kind::Text), ("v", Kind::Integer)];
    theirs(&scene, kinds.map(|(name, kind)| column(name, kind)).to_vec(), &["a", "b"]).await;
    let rows = [row![1, "x", 1], row![1, "y", 2], row![2, "x", 3]];
    let keyless = [row![1, Value::Null, 4], row![Value::Null, "x", 5], row![Value::Null, Value::Null, 6]];
    rig.insert(&scene.spec.table, &["a", "b", "v"], &[rows.to_vec(), keyless.to_vec()].concat()).await;
    for pieces in PIECES {
        let whole = scene.scan(pieces).await;
        assert_same("with a key", whole.rows, rows.to_vec());
        assert_eq!((whole.unreadable, whole.foreign), (vec![], 3));
    }
}

async fn a_mode_that_deletes_nothing_hides_nothing(rig: &dyn Rig) {
    let scene = two(rig, "scanned_modes").created().await;
    let rows = [row![1, "a"], row![2, "b"]];
    scene.write(&[], &rows, &[]).await;
    for (mode, deletes) in [(Mode::Upsert, Deletes::Ignore), (Mode::Insert, Deletes::Hard)] {
        let mut spec = (*scene.spec).clone();
        (spec.mode, spec.deletes) = (mode, deletes);
        let piece = scene.target.scan(&Arc::new(spec), None, 10).await.expect("a piece");
        assert_eq!(piece.rows, scene.rows(&rows));
    }
}

async fn an_account_that_may_only_read_can_scan(rig: &dyn Rig) {
    let scene = two(rig, "scanned_reader").created().await;
    let rows = [row![1, "a"], row![2, "b"], row![3, "c"]];
    scene.write(&[], &rows, &[]).await;
    let reader = rig.reader(&scene.spec.table, &["id", "name"]).await;
    let whole = scene.scan_by(&reader, None, 2).await;
    assert_same("read", whole.rows, rows.to_vec());
    reader.claim(&scene.sync, 2).await.expect_err("it may not write");
}

async fn a_scan_waits_for_no_lock(rig: &dyn Rig) {
    let scene = two(rig, "scanned_locked").created().await;
    let rows = [row![1, "a"], row![2, "b"], row![3, "c"]];
    scene.write(&[], &rows, &[]).await;
    let held = rig.lock(&scene.spec.table).await;
    let since = std::time::Instant::now();
    scene.expect_by_scan(2, &rows).await;
    assert!(since.elapsed().as_secs() < 3, "{:?}", since.elapsed());
    drop(held);
}

async fn a_piece_can_be_asked_for_again(rig: &dyn Rig) {
    let scene = two(rig, "scanned_again").created().await;
    let rows: Vec<_> = (0..10).map(|id| row![id, "a"]).collect();
    scene.write(&[], &rows, &[]).await;
    let first = scene.target.scan(&scene.spec, None, 4).await.expect("a piece");
    assert_eq!(rig.target().scan(&scene.spec, None, 4).await.expect("the same"), first);
    let second = scene.target.scan(&scene.spec, first.next.as_ref(), 4).await.expect("a piece");
    let again = rig.target().scan(&scene.spec, first.next.as_ref(), 4).await.expect("the same");
    assert_eq!((second.rows.num_rows(), &again), (4, &second));
}
