//! How rows become documents.

use crate::scene::{INT, Scene};
use arrow::array::{
    ArrayRef, Decimal128Array, FixedSizeBinaryArray, Int64Array, StringArray, TimestampMicrosecondArray,
};
use hydrant_contract::{
    Deletes, DocumentId, Documents, Inspection, Integer, Mode, Nulls, Resolution, SoftMark, Target, ValueType,
};
use serde_json::{Value as Json, json};
use std::sync::Arc;

fn fields() -> Documents {
    Documents { id: DocumentId::Fields, ..Documents::default() }
}

/// `_id` is not forced to be an ObjectId: the key's own type stays.
#[tokio::test]
async fn the_identity_keeps_the_type_of_the_key() {
    let int = Arc::new(Int64Array::from(vec![7])) as ArrayRef;
    let uuid = FixedSizeBinaryArray::try_from_iter([[1_u8; 16]].into_iter()).expect("16 bytes");
    let cents = Decimal128Array::from(vec![150]).with_precision_and_scale(9, 2).expect("a decimal");
    let at = TimestampMicrosecondArray::from(vec![1_500_000]).with_timezone("UTC");
    let cases: Vec<(ValueType, ArrayRef, Json)> = vec![
        (INT, int.clone(), json!({ "int": "7", "bits": 64 })),
        (ValueType::Integer(Integer::I32), int.clone(), json!({ "int": "7", "bits": 32 })),
        (ValueType::Integer(Integer::U32), int, json!({ "int": "7", "bits": 64 })),
        (ValueType::Text, Arc::new(StringArray::from(vec!["k"])), json!("k")),
        (ValueType::Uuid, Arc::new(uuid), json!({ "bytes": "01".repeat(16), "subtype": 4 })),
        (ValueType::Decimal { precision: 9, scale: 2 }, Arc::new(cents), json!({ "decimal": "1.50" })),
        (ValueType::Instant(Resolution::Micro), Arc::new(at), json!({ "ms": 1500 })),
    ];
    for (value, key, told) in cases {
        let scene = Scene::new(&[("k", value.clone()), ("v", ValueType::Text)], &["k"]).created().await;
        let rows = scene.arrays(vec![key, Arc::new(StringArray::from(vec!["x"]))]);
        let batch = scene.batch(scene.no_keys(), rows, scene.no_rows());
        assert_eq!(scene.target.apply(&batch).await.expect("a batch").rejects, []);
        let found = scene.second.ask("find", &[json!(scene.database), json!("t")]);
        assert_eq!(found, json!([{ "document": [["_id", told], ["v", "x"]] }]), "{value}");
    }
}

#[tokio::test]
async fn a_key_of_several_columns_is_a_document_in_the_order_of_the_key() {
    let columns = [("v", ValueType::Text), ("b", INT), ("a", ValueType::Text)];
    let scene = Scene::new(&columns, &["a", "b"]).created().await;
    let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let rows = scene.arrays(vec![text("x"), Arc::new(Int64Array::from(vec![1])), text("k")]);
    let batch = scene.batch(scene.no_keys(), rows.clone(), scene.no_rows());
    scene.target.apply(&batch).await.expect("a batch");
    let found = scene.second.ask("find", &[json!(scene.database), json!("t")]);
    let id = json!({ "document": [["a", "k"], ["b", { "int": "1", "bits": 64 }]] });
    assert_eq!(found, json!([{ "document": [["_id", id], ["v", "x"]] }]));
    // A document of the application with the same parts in another order is another key, and none of hydrant's.
    scene.insert(&json!([{ "_id": { "z": 1 }, "v": "theirs" }]));
    let whole = scene.target.scan(&scene.spec, None, 10).await.expect("a piece");
    assert_eq!((whole.rows, whole.foreign), (rows, 1));
}

#[tokio::test]
async fn an_update_leaves_what_the_application_keeps_unless_documents_are_replaced() {
    for replace in [false, true] {
        let documents = Documents { replace, ..Documents::default() };
        let columns = [("id", INT), ("address.city", ValueType::Text)];
        let scene = Scene::new(&columns, &["id"]).documents(documents).created().await;
        scene.insert(&json!([{ "_id": 1, "address": { "city": "old", "zip": "1" }, "note": "theirs" }]));
        scene.apply(&[], &[(2, Some("b"))], &[(1, Some("a")), (3, Some("c"))]).await.expect("a batch");
        let first = match replace {
            false => json!({ "_id": 1, "address": { "city": "a", "zip": "1" }, "note": "theirs" }),
            true => json!({ "_id": 1, "address": { "city": "a" } }),
        };
        let nested = |id: i64, city: &str| json!({ "_id": id, "address": { "city": city } });
        assert_eq!(scene.found(), [first, nested(2, "b"), nested(3, "c")], "replace: {replace}");
        let read = scene.target.scan(&scene.spec, None, 10).await.expect("a piece");
        assert_eq!(read.rows, scene.rows(&[(1, Some("a")), (2, Some("b")), (3, Some("c"))]));
    }
}

#[tokio::test]
async fn null_is_a_field_or_no_field_as_the_sync_says() {
    for (nulls, id, replace) in [
        (Nulls::Keep, DocumentId::Key, false),
        (Nulls::Omit, DocumentId::Key, false),
        (Nulls::Omit, DocumentId::Key, true),
        (Nulls::Omit, DocumentId::Fields, false),
    ] {
        let documents = Documents { id, replace, nulls };
        let mut scene = Scene::new(&[("id", INT), ("a.b", ValueType::Text)], &["id"]).documents(documents);
        scene.spec.deletes = Deletes::Soft { column: "gone".to_owned(), mark: SoftMark::Time };
        let scene = scene.created().await;
        scene.apply(&[], &[(1, None), (2, Some("b"))], &[]).await.expect("a batch");
        scene.apply(&[], &[], &[(2, None)]).await.expect("a batch");
        let found = scene.second.ask("find", &[json!(scene.database), json!("t")]);
        let text = found.to_string();
        match nulls {
            Nulls::Keep => {
                assert!(text.contains(r#"["b",null]"#) && text.contains(r#"["gone",null]"#), "{text}")
            }
            Nulls::Omit => assert!(!text.contains("null") && !text.contains("gone"), "{text}"),
        }
        let read = scene.target.scan(&scene.spec, None, 10).await.expect("a piece");
        assert_eq!(read.rows, scene.rows(&[(1, None), (2, None)]), "{documents:?}");
        scene.apply(&[2], &[], &[]).await.expect("a batch");
        let read = scene.target.scan(&scene.spec, None, 10).await.expect("a piece");
        assert_eq!(read.rows, scene.rows(&[(1, None)]), "{documents:?}");
    }
}

#[tokio::test]
async fn a_document_in_the_way_of_a_nested_field_is_a_reject() {
    let scene = Scene::new(&[("id", INT), ("address.city", ValueType::Text)], &["id"]).created().await;
    scene.insert(&json!([{ "_id": 1, "address": "a street" }, { "_id": 2 }]));
    let applied = scene.apply(&[], &[], &[(1, Some("a")), (2, Some("b"))]).await.expect("a batch");
    assert_eq!(applied.rejects.len(), 1, "{:?}", applied.rejects);
    assert!(!applied.rejects[0].reason.contains("a street"), "{:?}", applied.rejects);
    assert_eq!(
        scene.found(),
        [json!({ "_id": 1, "address": "a street" }), json!({ "_id": 2, "address": { "city": "b" } })]
    );
}

#[tokio::test]
async fn a_key_in_fields_needs_a_unique_index_that_shows_every_document_byte_by_byte() {
    let columns = [("id", ValueType::Text), ("name", ValueType::Text)];
    let text = r#""key": {"id": 1}, "name": "k", "unique": true"#;
    for (options, wrong) in [
        (text.to_owned(), None),
        (r#""key": {"id": 1}, "name": "k""#.to_owned(), Some("it is not unique")),
        (format!(r#"{text}, "sparse": true"#), Some("it is sparse")),
        (
            format!(r#"{text}, "partialFilterExpression": {{"id": {{"$exists": true}}}}"#),
            Some("it is partial"),
        ),
        (
            format!(r#"{text}, "collation": {{"locale": "en", "strength": 2}}"#),
            Some("takes different keys for the same"),
        ),
    ] {
        let scene = Scene::new(&columns, &["id"]).documents(fields());
        scene.command(r#"{"create": "t"}"#);
        // Order of fields does not count in an index's options.
        scene.command(&format!(r#"{{"createIndexes": "t", "indexes": [{{{options}}}]}}"#));
        let mismatches = scene.mismatches().await;
        match wrong {
            None => assert_eq!(mismatches, [""; 0]),
            Some(wrong) => {
                assert!(mismatches.len() == 1 && mismatches[0].contains(wrong), "{wrong}: {mismatches:?}");
                let Inspection::Present { mismatches, .. } =
                    scene.target.inspect(&scene.spec).await.expect("an inspection")
                else {
                    panic!("the collection is there");
                };
                scene.second.ask("paste", &[json!(mismatches[0].mend)]);
                assert_eq!(scene.mismatches().await, [""; 0], "the mend mends");
            }
        }
    }
}

#[tokio::test]
async fn a_collation_that_merges_keys_is_a_mismatch_for_texts_alone() {
    for (key, fits) in [(ValueType::Text, false), (INT, true)] {
        let scene = Scene::new(&[("id", key), ("name", ValueType::Text)], &["id"]);
        scene.command(r#"{"create": "t", "collation": {"locale": "en", "strength": 2}}"#);
        let mismatches = scene.mismatches().await;
        assert_eq!(mismatches.is_empty(), fits, "{mismatches:?}");
        assert!(fits || mismatches[0].contains("collation \"en\""), "{mismatches:?}");
    }
}

#[tokio::test]
async fn views_and_other_collections_that_keep_no_rows_are_refused() {
    for (create, what) in [
        (r#"{"create": "t", "viewOn": "other", "pipeline": []}"#, "a view"),
        (r#"{"create": "t", "capped": true, "size": 4096}"#, "a capped collection"),
        (r#"{"create": "t", "timeseries": {"timeField": "at"}}"#, "a time series collection"),
    ] {
        let scene = Scene::new(&[("id", INT), ("name", ValueType::Text)], &["id"]);
        scene.command(create);
        let mismatches = scene.mismatches().await;
        assert!(mismatches.len() == 1 && mismatches[0].contains(what), "{what}: {mismatches:?}");
    }
}

#[tokio::test]
async fn a_field_that_the_validator_requires_and_nobody_returns_is_a_mismatch() {
    let mut scene = Scene::new(&[("id", INT), ("name", ValueType::Text)], &["id"]);
    scene.command(r#"{"create": "t", "validator": {"$jsonSchema": {"required": ["_id", "name", "owner"]}}}"#);
    let mismatches = scene.mismatches().await;
    assert!(mismatches.len() == 1 && mismatches[0].contains("\"owner\""), "{mismatches:?}");
    scene.spec.mode = Mode::Update;
    assert_eq!(scene.mismatches().await, [""; 0]);
}

#[tokio::test]
async fn keys_of_other_types_are_counted_once_and_do_not_stop_a_scan() {
    for documents in [Documents::default(), fields()] {
        let scene = Scene::new(&[("id", INT), ("name", ValueType::Text)], &["id"]).documents(documents);
        let scene = scene.created().await;
        scene.apply(&[], &[(-1, Some("a")), (5, Some("b")), (9, Some("c"))], &[]).await.expect("a batch");
        let field = if documents.id == DocumentId::Key { "_id" } else { "id" };
        let mut strange = vec![json!("x"), json!({ "a": 1 }), json!(true), json!(null), json!("y")];
        if documents.id == DocumentId::Fields {
            strange.extend([json!([1, 2]), json!(["x2", -5])]);
        }
        let documents: Vec<Json> = strange.iter().map(|id| json!({ field: id, "name": "theirs" })).collect();
        scene.insert(&json!(documents));
        for rows in [1, 2, 3, 100] {
            let (mut after, mut foreign, mut found) = (None, 0, 0);
            loop {
                let piece = scene.target.scan(&scene.spec, after.as_ref(), rows).await.expect("a piece");
                (foreign, found) = (foreign + piece.foreign, found + piece.rows.num_rows());
                after = piece.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!((found, foreign), (3, strange.len() as u64), "in pieces of {rows}");
        }
    }
}

#[tokio::test]
async fn json_comes_back_with_all_digits_or_not_at_all() {
    let documents = Documents { nulls: Nulls::Omit, ..Documents::default() };
    let scene = Scene::new(&[("id", INT), ("j", ValueType::Json)], &["id"]).documents(documents);
    let scene = scene.created().await;
    let texts = [
        "null",
        r#"{"b":1,"a":[1.5,-0.1,12345678901234567890.123,{"$odd.name":true}]}"#,
        "0.1234567890123456789012345678901234567",
        "{\"a\\u0000\":1}",
    ];
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 2, 3]));
    let rows = scene.arrays(vec![ids, Arc::new(StringArray::from(texts.to_vec()))]);
    let batch = scene.batch(scene.no_keys(), rows.clone(), scene.no_rows());
    let applied = scene.target.apply(&batch).await.expect("a batch");
    let refused: Vec<_> = applied.rejects.iter().map(|r| (r.row, r.column.as_deref())).collect();
    assert_eq!(refused, [(2, Some("j")), (3, Some("j"))], "{:?}", applied.rejects);
    let read = scene.target.scan(&scene.spec, None, 10).await.expect("a piece");
    assert_eq!(read.rows, rows.slice(0, 2));
    // Fields keep their order, and a number its digits.
    assert_eq!(scene.found().len(), 2);
}
