//! Names and keys of odd characters.

use crate::{Rig, Scene, Value};
use hydrant_contract::{Deletes, ErrorKind, Integer, Mode, SoftMark, ValueType};

cases! {
    Apply []:
        a_text_key_of_any_characters_finds_its_row,
        a_table_of_any_name_is_written,
        columns_of_any_name_are_written;
}

const INT: ValueType = ValueType::Integer(Integer::I64);

/// Texts that careless quoting, folding, trimming or collating would change or take for one another.
const ODD: [&str; 22] = [
    "",
    " ",
    "a",
    "A",
    "a ",
    " a",
    "á",
    "a\u{301}",
    "ﬀ",
    "ff",
    "'",
    "''; DROP TABLE x; --",
    "\"",
    "`",
    "\\",
    "\\N",
    "\\x41",
    "a\tb\r\n",
    "🙂",
    "%_",
    "$1 ?1 :a @b",
    "NULL",
];

async fn a_text_key_of_any_characters_finds_its_row(rig: &dyn Rig) {
    let scene = Scene::new(rig, "odd_keys", &[("k", ValueType::Text), ("v", INT)], &["k"]).created().await;
    let long = "long ".repeat(100);
    let longer = format!("{long}er");
    let keys: Vec<&str> = ODD.into_iter().chain([long.as_str(), longer.as_str()]).collect();
    let rows = |add: i64| -> Vec<Vec<Value>> { (add..).zip(&keys).map(|(i, key)| row![*key, i]).collect() };
    scene.write(&[], &rows(0), &[]).await;
    scene.expect(&rows(0)).await;
    scene.write(&[], &[], &rows(100)).await;
    scene.expect(&rows(100)).await;
    let (gone, kept) = (keys.iter().step_by(2), rows(100).into_iter().skip(1).step_by(2));
    scene.write(&gone.map(|key| row![*key]).collect::<Vec<_>>(), &[], &[]).await;
    scene.expect(&kept.collect::<Vec<_>>()).await;
}

/// Each name is written to, read, and deleted from in every way that builds a statement.
async fn exercise(rig: &dyn Rig, stem: &str, [key, value, gone]: [&str; 3]) {
    let deletes = Deletes::Soft { column: gone.to_owned(), mark: SoftMark::Flag };
    let columns = [(key, INT), (value, ValueType::Text)];
    let scene = Scene::new(rig, stem, &columns, &[key]).deletes(deletes).created().await;
    assert_eq!(scene.mismatches().await, [""; 0]);
    scene.write(&[], &[row![1, "a"], row![2, "b"]], &[]).await;
    scene.write(&[row![1]], &[row![3, "c"]], &[row![2, "B"]]).await;
    scene.expect(&[row![1, "a"], row![2, "B"], row![3, "c"]]).await;
    let scene = scene.deletes(Deletes::NullOut).mode(Mode::Upsert);
    scene.write(&[row![1]], &[], &[]).await;
    let scene = scene.mode(Mode::Update);
    scene.write(&[], &[], &[row![2, "b"], row![9, "x"]]).await;
    let scene = scene.mode(Mode::Insert);
    scene.write(&[], &[row![4, "d"], row![2, "x"]], &[]).await;
    let scene = scene.deletes(Deletes::Hard).mode(Mode::Mirror);
    scene.write(&[row![3]], &[], &[]).await;
    scene.expect(&[row![1, Value::Null], row![2, "b"], row![4, "d"]]).await;
}

async fn a_table_of_any_name_is_written(rig: &dyn Rig) {
    for stem in
        ["Upper", "two words", "sel\"ect", "it's", "semi;colon", "dot.ted", "🙂", "back`tick", "per%cent"]
    {
        exercise(rig, stem, ["id", "name", "gone"]).await;
    }
}

async fn columns_of_any_name_are_written(rig: &dyn Rig) {
    let names = [
        ["Id", "id ", "ID2"],
        ["order", "select", "table"],
        ["quo\"te", "quo'te", "back`tick"],
        ["two words", "semi;colon", "dot.ted"],
        ["🙂", "é", "%s"],
        ["excluded", "rowid", "ctid_"],
        ["key", "value", "_"],
        ["$1", "?", ":name"],
    ];
    for (i, names) in names.into_iter().enumerate() {
        let stem = format!("columns_{i}");
        for name in names.into_iter().filter(|name| !rig.takes_name(name)) {
            let columns = [("plain", INT), (name, ValueType::Text)];
            let scene = Scene::new(rig, &stem, &columns, &["plain"]);
            let error = scene.target.create(&scene.spec).await.expect_err("a name that the database has not");
            assert_eq!(error.kind(), ErrorKind::ShapeDiffers, "{error}");
            assert!(error.to_string().contains(name), "the error says which column: {error}");
        }
        let plain = ["one", "two", "three"];
        let named = [0, 1, 2].map(|at| if rig.takes_name(names[at]) { names[at] } else { plain[at] });
        exercise(rig, &stem, named).await;
    }
}
