//! What the server refuses, and what comes of the rest.

use crate::scene::{INT, Scene, standalone, url};
use arrow::array::{ArrayRef, Int64Array, StringArray};
use hydrant_contract::{DocumentId, Documents, ErrorKind, Mode, Part, Target, ValueType};
use serde_json::json;
use std::sync::Arc;

fn two() -> [(&'static str, ValueType); 2] {
    [("id", INT), ("name", ValueType::Text)]
}

/// Both servers keep the promise about single rows.
fn servers() -> [String; 2] {
    [url(), standalone()]
}

const AT_MOST_5: &str = r#"{"create": "t", "validator": {"$jsonSchema": {"properties": {"name": {"bsonType": ["string", "null"], "maxLength": 5}}}}}"#;

#[tokio::test]
async fn what_a_validator_refuses_is_a_reject_with_field_and_rule() {
    for server in servers() {
        let scene = Scene::on(&server, &two(), &["id"]);
        scene.command(AT_MOST_5);
        let scene = scene.claimed().await;
        scene.apply(&[], &[(1, Some("old")), (2, Some("old"))], &[]).await.expect("a batch");
        let applied = scene
            .apply(&[2], &[(3, Some("too long")), (4, Some("new"))], &[(1, Some("longer still"))])
            .await
            .expect("a batch");
        let refused: Vec<_> =
            applied.rejects.iter().map(|r| (r.part, r.row, r.column.as_deref(), r.may_settle)).collect();
        assert_eq!(refused.len(), 2, "{refused:?}");
        assert!(refused.contains(&(Part::Inserts, 0, Some("name"), false)), "{refused:?}");
        assert!(refused.contains(&(Part::Updates, 0, Some("name"), false)), "{refused:?}");
        let reason = &applied.rejects[0].reason;
        assert!(reason.contains("maxLength") && !reason.contains("too long"), "{reason}");
        assert_eq!(scene.found(), [json!({ "_id": 1, "name": "old" }), json!({ "_id": 4, "name": "new" })]);
    }
}

/// A refusal undoes the whole transaction; each is found without writing the batch again for each of them.
#[tokio::test]
async fn many_refused_rows_of_a_transaction_are_found_in_reasonable_time() {
    let scene = Scene::new(&two(), &["id"]);
    scene.command(AT_MOST_5);
    let scene = scene.claimed().await;
    let rows: Vec<_> = (0..3000).map(|id| (id, Some(if id % 10 == 0 { "too long" } else { "ok" }))).collect();
    let begun = std::time::Instant::now();
    let applied = scene.apply(&[], &rows, &[]).await.expect("a batch");
    assert_eq!(applied.rejects.len(), 300);
    assert!(applied.rejects.iter().all(|reject| reject.row % 10 == 0));
    assert_eq!(scene.found().len(), 2700);
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn too_many_refused_rows_fail_the_batch_with_a_reason() {
    for server in servers() {
        let scene = Scene::on(&server, &two(), &["id"]);
        scene.command(AT_MOST_5);
        let scene = scene.claimed().await;
        let rows: Vec<_> = (0..2500).map(|id| (id, Some("too long"))).collect();
        let error = scene.apply(&[], &rows, &[]).await.expect_err("everything is refused");
        assert_eq!(error.kind(), ErrorKind::ValueRefused, "{error}");
        assert!(error.to_string().contains("maxLength"), "{error}");
        assert_eq!(scene.found(), [json!(null); 0]);
    }
}

#[tokio::test]
async fn a_document_that_is_too_large_is_a_reject_and_the_rest_is_written() {
    for (server, id) in
        servers().into_iter().flat_map(|s| [(s.clone(), DocumentId::Key), (s, DocumentId::Fields)])
    {
        let documents = Documents { id, ..Documents::default() };
        let scene = Scene::on(&server, &two(), &["id"]).documents(documents).created().await;
        // In a transaction the server keeps it in its cache, which is small where the tests run.
        let fitting = if server == standalone() { (16 << 20) - 1000 } else { 6 << 20 };
        let (large, fitting) = ("x".repeat((16 << 20) + 100_000), "y".repeat(fitting));
        let inserts =
            [(1, Some("a")), (2, Some(large.as_str())), (3, Some(fitting.as_str())), (4, Some("d"))];
        let applied = scene.apply(&[], &inserts, &[]).await.expect("a batch");
        let refused: Vec<_> = applied.rejects.iter().map(|r| (r.part, r.row)).collect();
        assert_eq!(refused, [(Part::Inserts, 1)]);
        assert!(applied.rejects[0].reason.contains("bytes"), "{}", applied.rejects[0].reason);
        assert_eq!(scene.found().len(), 3);
        let updates = [(1, Some(large.as_str())), (4, Some("D"))];
        let applied = scene.apply(&[], &[], &updates).await.expect("a batch");
        let refused: Vec<_> = applied.rejects.iter().map(|r| (r.part, r.row)).collect();
        assert_eq!(refused, [(Part::Updates, 0)]);
    }
}

/// A batch of more bytes than one command shall have is several commands of one transaction.
#[tokio::test]
async fn a_batch_is_cut_by_what_the_server_takes() {
    let scene = Scene::new(&two(), &["id"]).created().await;
    let texts: Vec<String> = (0..10).map(|i| char::from(b'a' + i % 26).to_string().repeat(1 << 20)).collect();
    let rows: Vec<_> = (0..).zip(&texts).map(|(id, text)| (id, Some(text.as_str()))).collect();
    assert_eq!(scene.apply(&[], &rows[..6], &[]).await.expect("6 MB").rejects, []);
    assert_eq!(scene.apply(&[], &[], &rows).await.expect("10 MB").rejects, []);
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10));
    let keys = arrow::record_batch::RecordBatch::try_new(scene.spec.shape.key_schema(), vec![ids]);
    let read = scene.target.read(&scene.spec, &keys.expect("keys")).await.expect("rows");
    assert_eq!(read.num_rows(), 10);
}

#[tokio::test]
async fn a_wrong_belief_costs_one_attempt_and_is_remembered() {
    let scene = Scene::new(&two(), &["id"]).created().await;
    scene.insert(&json!([{ "_id": 1, "name": "theirs", "note": "kept" }]));
    let path = scene.apply(&[], &[(1, Some("a")), (2, Some("b"))], &[]).await.expect("a batch").path;
    assert_eq!(path, "update");
    assert_eq!(
        scene.found(),
        [json!({ "_id": 1, "name": "a", "note": "kept" }), json!({ "_id": 2, "name": "b" })]
    );
    let path = scene.apply(&[], &[(3, Some("c"))], &[]).await.expect("a batch").path;
    assert_eq!(path, "update", "for the rest of the run");
}

#[tokio::test]
async fn a_duplicate_in_the_application_s_index_names_the_field_and_may_settle() {
    for server in servers() {
        let scene = Scene::on(&server, &two(), &["id"]);
        scene.command(
            r#"{"createIndexes": "t", "indexes": [{"key": {"name": 1}, "name": "n", "unique": true}]}"#,
        );
        scene.insert(&json!([{ "_id": 100, "name": "taken" }]));
        let scene = scene.claimed().await;
        let applied = scene.apply(&[], &[(1, Some("taken")), (2, Some("free"))], &[]).await.expect("a batch");
        assert_eq!(applied.rejects.len(), 1);
        let reject = &applied.rejects[0];
        assert_eq!((reject.row, reject.column.as_deref(), reject.may_settle), (0, Some("name"), true));
        assert!(!reject.reason.contains("taken"), "{}", reject.reason);
    }
}

/// Values of an index with a condition move as well, though the target does not look into it.
#[tokio::test]
async fn rows_that_only_the_server_can_judge_are_left_out_one_by_one() {
    let scene = Scene::new(&two(), &["id"]);
    scene.command(
        r#"{"createIndexes": "t", "indexes": [{"key": {"name": 1}, "name": "n", "unique": true, "partialFilterExpression": {"name": {"$exists": true}}}]}"#,
    );
    let rows: Vec<_> = (100..110).map(|id| json!({ "_id": id, "name": format!("taken {id}") })).collect();
    scene.insert(&json!(rows));
    let scene = scene.claimed().await;
    let texts: Vec<String> = (100..110).map(|id| format!("taken {id}")).collect();
    let mut inserts: Vec<_> = (0..).zip(&texts).map(|(id, text)| (id, Some(text.as_str()))).collect();
    inserts.push((50, Some("free")));
    let applied = scene.apply(&[], &inserts, &[]).await.expect("a batch");
    assert_eq!(applied.rejects.len(), 10);
    assert!(applied.rejects.iter().all(|reject| reject.may_settle));
    assert_eq!(scene.found().len(), 11);
}

/// A batch that cannot be finished leaves neither rows nor checkpoint, where there are transactions.
#[tokio::test]
async fn a_batch_that_loses_its_lease_half_way_leaves_nothing() {
    let scene = Scene::new(&two(), &["id"]).created().await;
    scene.apply(&[], &[(1, Some("a"))], &[]).await.expect("a batch");
    scene.target.claim("sync", 2).await.expect("a newer claim");
    let error = scene.apply(&[1], &[(2, Some("b"))], &[]).await.expect_err("an older writer");
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
    assert_eq!(scene.found(), [json!({ "_id": 1, "name": "a" })]);
}

/// Without transactions: the rows first, then the checkpoint, and the same batch again leaves the same.
#[tokio::test]
async fn without_transactions_a_batch_that_stopped_half_way_is_finished_by_sending_it_again() {
    let mut scene = Scene::on(&standalone(), &two(), &["id"]).created().await;
    scene.apply(&[], &[(1, Some("a")), (2, Some("b"))], &[]).await.expect("a batch");
    // As if the process had died behind the first commands of the next batch.
    scene.insert(&json!([{ "_id": 3, "name": "c" }]));
    let applied =
        scene.apply(&[1], &[(3, Some("c")), (4, Some("d"))], &[(2, Some("B"))]).await.expect("again");
    assert_eq!(applied.rejects, []);
    assert!(applied.path.ends_with("without transactions"), "{}", applied.path);
    let named = |id: i64, name: &str| json!({ "_id": id, "name": name });
    assert_eq!(scene.found(), [named(2, "B"), named(3, "c"), named(4, "d")]);
    scene.spec.mode = Mode::Insert;
    scene.apply(&[], &[(2, Some("x")), (5, Some("e"))], &[]).await.expect("a batch");
    assert_eq!(scene.found(), [named(2, "B"), named(3, "c"), named(4, "d"), named(5, "e")]);
}

#[tokio::test]
async fn a_commit_that_was_lost_with_a_member_is_noticed() {
    for server in servers() {
        let scene = Scene::on(&server, &two(), &["id"]).created().await;
        scene.apply(&[], &[(1, Some("a"))], &[]).await.expect("batch 1");
        let lost = scene.batch(scene.no_keys(), scene.no_rows(), scene.rows(&[(1, Some("b"))]));
        assert_eq!(lost.checkpoint.batch, 2);
        let error = scene.apply(&[], &[], &[(1, Some("c"))]).await.expect_err("batch 2 is not there");
        assert_eq!(error.kind(), ErrorKind::Broken);
        assert!(error.to_string().contains("are lost"), "{error}");
        assert_eq!(scene.found(), [json!({ "_id": 1, "name": "a" })]);
    }
}

#[tokio::test]
async fn texts_with_nul_are_kept() {
    let scene = Scene::new(&two(), &["id"]).created().await;
    let rows =
        scene.arrays(vec![Arc::new(Int64Array::from(vec![1])), Arc::new(StringArray::from(vec!["a\0b"]))]);
    let batch = scene.batch(scene.no_keys(), rows, scene.no_rows());
    assert_eq!(scene.target.apply(&batch).await.expect("a batch").rejects, []);
    assert_eq!(scene.found(), [json!({ "_id": 1, "name": "a\0b" })]);
}
