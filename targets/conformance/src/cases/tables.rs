//! Making and inspecting tables.

use crate::{Rig, Scene};
use hydrant_contract::{Inspection, Integer, ValueType};

cases! {
    Inspect []: a_table_that_was_made_has_no_mismatch;
}

const INT: ValueType = ValueType::Integer(Integer::I64);

async fn a_table_that_was_made_has_no_mismatch(rig: &dyn Rig) {
    let scene = Scene::new(rig, "made", &[("id", INT), ("name", ValueType::Text)], &["id"]);
    let absent = scene.target.inspect(&scene.spec).await.expect("an inspection");
    assert!(matches!(absent, Inspection::Absent { statements } if !statements.is_empty()));
    let scene = scene.created().await;
    assert_eq!(scene.mismatches().await, [""; 0]);
    scene.write(&[], &[row![1, "a"]], &[]).await;
    scene.expect(&[row![1, "a"]]).await;
}
