//! Making and inspecting tables.

use crate::{Fixture, Kind, Rig, Scene, fixture::column};
use hydrant_contract::{Batch, Deletes, ErrorKind, Inspection, Integer, Mode, SoftMark, ValueType};
use std::sync::Arc;

cases! {
    Inspect []:
        a_table_that_was_made_has_no_mismatch,
        inspecting_makes_nothing,
        a_table_of_the_application_that_can_hold_the_rows_fits,
        an_index_on_the_key_in_another_order_does,
        a_column_that_must_be_filled_but_is_not_managed_keeps_inserts_away,
        a_type_has_a_home_or_is_a_mismatch;
    Inspect [Columns]:
        every_mismatch_is_reported_at_once;
    Inspect [KeyIndex]:
        an_index_on_more_or_less_than_the_key_does_not_do;
    Inspect [Statements]:
        the_statements_shown_make_the_table;
    Inspect [Statements, Columns]:
        the_mends_shown_mend;
    Inspect [Statements, KeyIndex]:
        the_mend_of_a_missing_index_mends;
    Inspect [Schemas]:
        tables_of_one_name_in_two_schemas_would_not_be_confused;
    Repeatable []:
        making_a_table_twice_is_no_error;
    OneUnit []:
        writing_to_a_table_that_is_not_there_says_so_and_notes_nothing;
}

const INT: ValueType = ValueType::Integer(Integer::I64);

fn two<'a>(rig: &'a dyn Rig, stem: &str) -> Scene<'a> {
    Scene::new(rig, stem, &[("id", INT), ("name", ValueType::Text)], &["id"])
}

async fn statements(scene: &Scene<'_>) -> Vec<String> {
    match scene.target.inspect(&scene.spec).await.expect("an inspection") {
        Inspection::Absent { statements, .. } => statements,
        present @ Inspection::Present { .. } => panic!("absent is the table, not {present:?}"),
    }
}

async fn a_table_that_was_made_has_no_mismatch(rig: &dyn Rig) {
    let marks = [("gone", SoftMark::Flag), ("gone_at", SoftMark::Time)];
    for deletes in marks.map(|(column, mark)| Deletes::Soft { column: column.to_owned(), mark }) {
        let scene =
            two(rig, &format!("made_{deletes:?}").to_lowercase().replace(['{', '}', ':', ' ', '"', ','], ""));
        let scene = scene.deletes(deletes).created().await;
        assert_eq!(scene.mismatches().await, [""; 0]);
        scene.write(&[], &[row![1, "a"]], &[]).await;
        scene.expect(&[row![1, "a"]]).await;
    }
}

async fn inspecting_makes_nothing(rig: &dyn Rig) {
    let scene = two(rig, "looked_at");
    assert!(!statements(&scene).await.is_empty());
    assert!(!statements(&scene).await.is_empty(), "still absent");
}

async fn making_a_table_twice_is_no_error(rig: &dyn Rig) {
    let scene = two(rig, "twice").created().await;
    scene.write(&[], &[row![1, "a"]], &[]).await;
    scene.target.create(&scene.spec).await.expect("nothing to do");
    rig.target().create(&scene.spec).await.expect("nothing to do over another connection");
    scene.expect(&[row![1, "a"]]).await;
}

async fn the_statements_shown_make_the_table(rig: &dyn Rig) {
    let deletes = Deletes::Soft { column: "gone at".to_owned(), mark: SoftMark::Time };
    let columns = [("a \"b\"", INT), ("key", ValueType::Text), ("name", ValueType::Text)];
    let scene = Scene::new(rig, "by \"hand\"", &columns, &["key", "a \"b\""]).deletes(deletes);
    for statement in statements(&scene).await {
        rig.execute(&statement).await;
    }
    assert_eq!(scene.mismatches().await, [""; 0]);
    let scene = scene.claimed().await;
    scene.write(&[], &[row![1, "a", "x"]], &[]).await;
    scene.expect(&[row![1, "a", "x"]]).await;
}

async fn a_table_of_the_application_that_can_hold_the_rows_fits(rig: &dyn Rig) {
    let scene = two(rig, "theirs");
    let fixture = Fixture {
        columns: vec![
            column("note", Kind::Text),
            column("name", Kind::Short(100)).not_null(),
            column("id", Kind::Small).not_null(),
            column("seen", Kind::Integer).not_null().default(0),
        ],
        primary_key: vec!["id".to_owned()],
        ..Fixture::default()
    };
    rig.make(&scene.spec.table, &fixture).await;
    assert_eq!(scene.mismatches().await, [""; 0]);
    let scene = scene.claimed().await;
    scene.write(&[], &[row![1, "a"]], &[]).await;
    scene.expect(&[row![1, "a"]]).await;
}

async fn every_mismatch_is_reported_at_once(rig: &dyn Rig) {
    let columns = [("id", INT), ("name", ValueType::Text), ("score", INT)];
    let deletes = Deletes::Soft { column: "gone".to_owned(), mark: SoftMark::Flag };
    let scene = Scene::new(rig, "wrong", &columns, &["id"]).deletes(deletes);
    let theirs = [column("id", Kind::Integer), column("score", Kind::Text), column("other", Kind::Text)];
    rig.make(&scene.spec.table, &Fixture { columns: theirs.to_vec(), ..Fixture::default() }).await;
    rig.insert(&scene.spec.table, &["id", "score"], &[row![1, "good"]]).await;

    let once = scene.target.inspect(&scene.spec).await.expect("an inspection");
    let Inspection::Present { mismatches, .. } = &once else { panic!("the table is there") };
    for name in ["name", "score", "gone"] {
        let about = mismatches.iter().filter(|m| m.column.as_deref() == Some(name)).count();
        assert_eq!(about, 1, "mismatches about {name} in {mismatches:?}");
    }
    assert!(mismatches.iter().any(|m| m.column.is_none()), "the missing index on the key in {mismatches:?}");
    assert_eq!(mismatches.len(), 4, "{mismatches:?}");
    for mismatch in mismatches {
        assert!(!mismatch.problem.is_empty() && !mismatch.mend.is_empty(), "{mismatch:?}");
    }

    let text = hydrant_contract::Column { name: "score".to_owned(), value: ValueType::Text };
    let int = hydrant_contract::Column { name: "id".to_owned(), value: INT };
    scene.expect_columns(&[int, text], &[row![1, "good"]]).await;
    let again = scene.target.inspect(&scene.spec).await.expect("an inspection");
    assert_eq!(again, once, "inspecting changed nothing");
}

async fn the_mends_shown_mend(rig: &dyn Rig) {
    let columns = [("id", INT), ("new \"one\"", ValueType::Text)];
    let deletes = Deletes::Soft { column: "gone".to_owned(), mark: SoftMark::Flag };
    let scene = Scene::new(rig, "to mend", &columns, &["id"]).deletes(deletes);
    let theirs = [column("id", Kind::Integer).not_null(), column("name", Kind::Text)];
    rig.make(&scene.spec.table, &Fixture { columns: theirs.to_vec(), ..Fixture::default() }).await;
    rig.insert(&scene.spec.table, &["id", "name"], &[row![1, "theirs"]]).await;
    let Inspection::Present { mismatches, .. } =
        scene.target.inspect(&scene.spec).await.expect("an inspection")
    else {
        panic!("the table is there");
    };
    assert_eq!(mismatches.len(), 3, "{mismatches:?}");
    for mismatch in &mismatches {
        rig.execute(&mismatch.mend).await;
    }
    assert_eq!(scene.mismatches().await, [""; 0]);
}

async fn the_mend_of_a_missing_index_mends(rig: &dyn Rig) {
    let scene = Scene::new(rig, "to index", &[("id", INT), ("b", INT), ("v", INT)], &["id", "b"]);
    let columns = ["id", "b", "v"].map(|name| column(name, Kind::Integer).not_null()).to_vec();
    rig.make(&scene.spec.table, &Fixture { columns, ..Fixture::default() }).await;
    rig.insert(&scene.spec.table, &["id", "b", "v"], &[row![1, 1, 1], row![1, 2, 1]]).await;
    let Inspection::Present { mismatches, .. } =
        scene.target.inspect(&scene.spec).await.expect("an inspection")
    else {
        panic!("the table is there");
    };
    assert_eq!(mismatches.len(), 1, "{mismatches:?}");
    rig.execute(&mismatches[0].mend).await;
    assert_eq!(scene.mismatches().await, [""; 0]);
    let scene = scene.claimed().await;
    scene.write(&[], &[row![2, 1, 1]], &[row![1, 2, 2]]).await;
    scene.expect(&[row![1, 1, 1], row![1, 2, 2], row![2, 1, 1]]).await;
}

async fn an_index_on_more_or_less_than_the_key_does_not_do(rig: &dyn Rig) {
    let columns = [("a", INT), ("b", INT), ("c", INT)];
    for (i, unique) in [vec!["a"], vec!["a", "b", "c"], vec!["a", "c"]].into_iter().enumerate() {
        let scene = Scene::new(rig, &format!("index_{i}"), &columns, &["a", "b"]);
        let fixture = Fixture {
            columns: ["a", "b", "c"].map(|name| column(name, Kind::Integer).not_null()).to_vec(),
            unique: vec![unique.into_iter().map(str::to_owned).collect()],
            ..Fixture::default()
        };
        rig.make(&scene.spec.table, &fixture).await;
        assert_eq!(scene.mismatches().await.len(), 1, "{:?}", fixture.unique);
    }
}

async fn an_index_on_the_key_in_another_order_does(rig: &dyn Rig) {
    let scene = Scene::new(rig, "order", &[("a", INT), ("b", INT), ("c", INT)], &["a", "b"]);
    let fixture = Fixture {
        columns: ["a", "b", "c"].map(|name| column(name, Kind::Integer).not_null()).to_vec(),
        unique: vec![vec!["b".to_owned(), "a".to_owned()]],
        ..Fixture::default()
    };
    rig.make(&scene.spec.table, &fixture).await;
    assert_eq!(scene.mismatches().await, [""; 0]);
    let scene = scene.claimed().await;
    scene.write(&[], &[row![1, 2, 3], row![2, 1, 4]], &[]).await;
    scene.write(&[row![1, 2]], &[], &[row![2, 1, 5]]).await;
    scene.expect(&[row![2, 1, 5]]).await;
}

async fn a_column_that_must_be_filled_but_is_not_managed_keeps_inserts_away(rig: &dyn Rig) {
    let fixture = Fixture {
        columns: vec![
            column("id", Kind::Integer).not_null(),
            column("name", Kind::Text),
            column("owner", Kind::Text).not_null(),
        ],
        primary_key: vec!["id".to_owned()],
        ..Fixture::default()
    };
    let scene = two(rig, "owned");
    rig.make(&scene.spec.table, &fixture).await;
    let mismatches = scene.mismatches().await;
    assert!(mismatches.len() == 1 && mismatches[0].contains("owner"), "{mismatches:?}");
    let scene = scene.mode(Mode::Update);
    assert_eq!(scene.mismatches().await, [""; 0], "updates alone do not fill it");

    rig.insert(&scene.spec.table, &["id", "name", "owner"], &[row![1, "a", "me"]]).await;
    let scene = scene.claimed().await;
    scene.write(&[], &[row![2, "x"]], &[row![1, "b"]]).await;
    scene.expect(&[row![1, "b"]]).await;
}

async fn a_type_has_a_home_or_is_a_mismatch(rig: &dyn Rig) {
    for (i, value) in super::values::one_of_each_type().into_iter().enumerate() {
        let scene = Scene::new(rig, &format!("home_{i}"), &[("id", INT), ("v", value.clone())], &["id"]);
        if rig.holds(&value) {
            let scene = scene.created().await;
            assert_eq!(scene.mismatches().await, [""; 0], "{value}");
        } else {
            match scene.target.inspect(&scene.spec).await {
                Ok(Inspection::Present { mismatches, .. }) => {
                    assert!(
                        mismatches.iter().any(|m| m.column.as_deref() == Some("v")),
                        "{value}: {mismatches:?}"
                    );
                }
                Ok(Inspection::Absent { statements, .. }) => {
                    panic!("{value} has no home, yet {statements:?}")
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::ShapeDiffers, "{value}: {error}"),
            }
        }
    }
}

async fn tables_of_one_name_in_two_schemas_would_not_be_confused(rig: &dyn Rig) {
    let scene = two(rig, "schema");
    assert!(scene.spec.table.schema.is_some(), "a rig of a target with schemas names one");
    let scene = scene.created().await;
    let mut elsewhere = (*scene.spec).clone();
    elsewhere.table.schema = Some("hydrant_no_such_schema".to_owned());
    let batch = Batch { spec: Arc::new(elsewhere), ..scene.batch(&[], &[row![1, "a"]], &[]) };
    scene.target.apply(&batch).await.expect_err("that schema has no such table");
    scene.expect(&[]).await;
}

async fn writing_to_a_table_that_is_not_there_says_so_and_notes_nothing(rig: &dyn Rig) {
    let scene = two(rig, "absent").claimed().await;
    let error = scene.target.apply(&scene.batch(&[], &[row![1, "a"]], &[])).await.expect_err("no table");
    assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
    assert!(error.to_string().contains(&scene.spec.table.name), "the error names the table: {error}");
    assert_eq!(rig.freshness(&scene.sync).await, None);
    assert_eq!(scene.target.claim(&scene.sync, 1).await.expect("a claim"), None, "no batch was written");
}
