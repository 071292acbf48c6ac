//! What comes out, whatever goes in: the wanted columns in their order, NULL where there was NULL, and hashes that others
//! compute too.

use super::{Constant, Mapper, Mapping, MappingError, Salt, Transforms, Wanted};
use crate::secret::Secret;
use arrow::{array::*, datatypes::*, record_batch::RecordBatch};
use proptest::prelude::*;
use std::{collections::BTreeSet, sync::Arc};

const KEY: &str = "Jefe-and-more-than-16-bytes";

fn salt(text: &str) -> Salt {
    Salt::new(Secret::new(text)).unwrap()
}

fn column(name: &str, from: &str, transforms: Transforms) -> Wanted {
    Wanted::Column { name: name.into(), from: from.into(), transforms }
}

fn plain(name: &str, from: &str) -> Wanted {
    column(name, from, Transforms::default())
}

fn hashed(name: &str, from: &str) -> Wanted {
    column(name, from, Transforms { hash: Some(salt(KEY)), ..Transforms::default() })
}

fn others(except: &[&str]) -> Wanted {
    Wanted::Others { except: except.iter().map(|name| (*name).to_owned()).collect() }
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .unwrap()
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn map(columns: Vec<Wanted>, batch: &RecordBatch) -> RecordBatch {
    Mapper::new(&Mapping { columns }, &batch.schema()).unwrap().map(batch).unwrap()
}

fn errors(columns: Vec<Wanted>, batch: &RecordBatch) -> Vec<MappingError> {
    Mapper::new(&Mapping { columns }, &batch.schema()).unwrap_err()
}

fn names(batch: &RecordBatch) -> Vec<String> {
    batch.schema().fields().iter().map(|field| field.name().clone()).collect()
}

fn strings(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = batch.column_by_name(name).unwrap();
    column.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

fn people() -> RecordBatch {
    batch(vec![
        ("ID", Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef),
        ("EMAIL", texts(&[Some(" Ann@Example.org\n"), None])),
        ("NOTE", texts(&[Some("a"), Some("b")])),
        ("SCORE", Arc::new(Float64Array::from(vec![1.5, 2.5])) as ArrayRef),
    ])
}

#[test]
fn columns_come_in_the_order_of_the_mapping_under_the_names_it_gives() {
    let mapped = map(vec![plain("score", "SCORE"), plain("id", "ID"), plain("again", "ID")], &people());
    assert_eq!(names(&mapped), ["score", "id", "again"]);
    assert_eq!(mapped.column(1), people().column(0));
    // Those that no other entry is made from stand where the star stands, as they are.
    let mapped = map(vec![plain("id", "ID"), others(&["NOTE"]), hashed("mail", "EMAIL")], &people());
    assert_eq!(names(&mapped), ["id", "SCORE", "mail"]);
    assert_eq!(names(&map(vec![others(&[])], &people())), ["ID", "EMAIL", "NOTE", "SCORE"]);
}

#[test]
fn constants_have_the_type_that_they_are_written_in() {
    let constant = |name: &str, value| Wanted::Constant { name: name.into(), value };
    let mapped = map(
        vec![
            constant("text", Constant::Text("warehouse".into())),
            constant("flag", Constant::Boolean(true)),
            constant("number", Constant::Integer(-7)),
            constant("rate", Constant::decimal("-01.50").unwrap()),
        ],
        &people(),
    );
    let expected = batch(vec![
        ("text", texts(&[Some("warehouse"), Some("warehouse")])),
        ("flag", Arc::new(BooleanArray::from(vec![true, true])) as ArrayRef),
        ("number", Arc::new(Int64Array::from(vec![-7, -7])) as ArrayRef),
        ("rate", Arc::new(Decimal128Array::from(vec![-150, -150]).with_precision_and_scale(3, 2).unwrap())),
    ]);
    assert_eq!(mapped, expected);
    let decimal = |unscaled, precision, scale| Some(Constant::Decimal { unscaled, precision, scale });
    assert_eq!(Constant::decimal("0.001"), decimal(1, 3, 3));
    assert_eq!(Constant::decimal("0.0"), decimal(0, 1, 1));
    for bad in ["1", "1.", ".5", "1e3", "1_0.5", "--1.0", "+-1.0", "", ".", &format!("1.{}", "0".repeat(38))]
    {
        assert_eq!(Constant::decimal(bad), None, "{bad}");
    }
}

/// The values were computed by Python: `hmac.new(b"Jefe-and-more-than-16-bytes", b"ann@example.org", "sha256").hexdigest()`.
#[test]
fn trim_lower_and_hash_come_in_this_order_and_the_hash_is_hmac_sha_256() {
    let all = Transforms { trim: true, lower: true, hash: Some(salt(KEY)) };
    let mapped = map(vec![column("mail", "EMAIL", all), hashed("id", "ID")], &people());
    assert_eq!(strings(&mapped, "mail"), [Some(ANN.to_owned()), None]);
    assert_eq!(strings(&mapped, "id"), [Some(ONE.to_owned()), Some(TWO.to_owned())]);
    let lower = Transforms { trim: true, lower: true, hash: None };
    assert_eq!(
        strings(&map(vec![column("m", "EMAIL", lower)], &people()), "m")[0].as_deref(),
        Some("ann@example.org")
    );
}

const ANN: &str = "c91548ad84f6952fef52d4e525d3d3a81e8a4017afe16a0a88c4dfc91e578976";
const ONE: &str = "36a606338d2e6798ca67591e30312d2952138b23011a8fa31dd356f875e112f3";
const TWO: &str = "1e702e4588bde1642a8c18a4d0df1fd6477fcf5656b72280b6d3f64b089b75eb";
const UUID: &str = "b22f8e1ace7a8d30228709fb498ddd378e2fcb2c0b0bf0f0b9769246403196b0";

/// However a driver encodes it, the value is the same, and so is its hash.
#[test]
fn a_hash_does_not_depend_on_the_encoding_of_the_value() {
    let hash = |array: ArrayRef| strings(&map(vec![hashed("h", "v")], &batch(vec![("v", array)])), "h");
    for array in [
        Arc::new(StringArray::from(vec!["ann@example.org"])) as ArrayRef,
        Arc::new(LargeStringArray::from(vec!["ann@example.org"])),
        Arc::new(StringViewArray::from(vec!["ann@example.org"])),
        Arc::new(DictionaryArray::<Int8Type>::from_iter(["ann@example.org"])),
        Arc::new(StringArray::from(vec!["x", "ann@example.org", "y"]).slice(1, 1)),
    ] {
        assert_eq!(hash(array), [Some(ANN.to_owned())]);
    }
    for array in [
        Arc::new(Int8Array::from(vec![1])) as ArrayRef,
        Arc::new(UInt64Array::from(vec![1])),
        Arc::new(StringArray::from(vec!["1"])),
    ] {
        assert_eq!(hash(array), [Some(ONE.to_owned())]);
    }
    let bytes = uuid::Uuid::try_parse("6BA7B810-9dad-11d1-80b4-00c04fd430c8").unwrap().into_bytes();
    let uuids =
        FixedSizeBinaryArray::try_from_sparse_iter_with_size([Some(bytes), None].into_iter(), 16).unwrap();
    let field = Field::new("v", uuids.data_type().clone(), true)
        .with_metadata([("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned())].into());
    let uuids = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::new(uuids)]).unwrap();
    assert_eq!(strings(&map(vec![hashed("h", "v")], &uuids), "h"), [Some(UUID.to_owned()), None]);
}

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    let twice = batch(vec![
        ("a", texts(&[Some("x")])),
        ("b", texts(&[Some("x")])),
        ("b", texts(&[Some("x")])),
        ("f", Arc::new(Float64Array::from(vec![1.0])) as ArrayRef),
        ("i", Arc::new(IntervalDayTimeArray::from(vec![IntervalDayTime::ZERO])) as ArrayRef),
    ]);
    let all = Transforms { trim: true, lower: false, hash: Some(salt(KEY)) };
    let found = errors(
        vec![
            plain("x", "gone"),
            plain("y", "b"),
            column("z", "f", all),
            hashed("w", "i"),
            Wanted::Constant { name: "a".into(), value: Constant::Integer(1) },
            others(&["nowhere"]),
        ],
        &twice,
    );
    let words: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(words.len(), 7, "{words:#?}");
    for (word, part) in words.iter().zip([
        "does not return the column \"gone\"",
        "returns the column \"b\" twice",
        "`trim` takes text, but the column \"f\" is 64-bit float",
        "`hash` takes text, whole numbers and UUIDs, but the column \"f\" is 64-bit float",
        "column \"i\" has the type Interval",
        "does not return the column \"nowhere\"",
        "\"*\": { except: [a] }",
    ]) {
        assert!(word.contains(part), "{word}: {part}");
    }
    // What is not wanted may be of any type.
    assert_eq!(names(&map(vec![plain("a", "a")], &twice)), ["a"]);
}

#[test]
fn a_later_batch_may_come_in_another_schema_but_must_have_the_columns() {
    let first = people();
    let mapping = Mapping { columns: vec![plain("id", "ID"), plain("note", "NOTE")] };
    let mut mapper = Mapper::new(&mapping, &first.schema()).unwrap();
    let turned = first.project(&[2, 0]).unwrap();
    let mapped = mapper.map(&turned).unwrap();
    assert_eq!(
        (names(&mapped), mapped.column(1)),
        (vec!["id".to_owned(), "note".to_owned()], first.column(2))
    );
    let error = mapper.map(&first.project(&[0, 1]).unwrap()).unwrap_err().to_string();
    assert!(error.contains("changed its columns") && error.contains("\"NOTE\""), "{error}");
}

#[test]
fn a_batch_without_rows_or_columns_stays_one() {
    let none = people().slice(0, 0);
    let all = Transforms { trim: true, lower: true, hash: Some(salt(KEY)) };
    assert_eq!(map(vec![column("m", "EMAIL", all)], &none).num_rows(), 0);
}

#[test]
fn a_salt_is_never_shown_and_never_short() {
    assert!(Salt::new(Secret::new("0123456789abcde")).is_none());
    let mapping = Mapping { columns: vec![hashed("h", "NOTE")] };
    let mapper = Mapper::new(&mapping, &people().schema()).unwrap();
    let shown = format!("{mapping:?} {mapping:#?} {mapper:?} {mapper:#?}");
    assert!(!shown.contains("Jefe"), "{shown}");
}

#[test]
fn the_digest_tells_any_two_mappings_apart_and_is_always_the_same() {
    let constant = |value| Wanted::Constant { name: "a".into(), value };
    let trim = Transforms { trim: true, ..Transforms::default() };
    let lower = Transforms { lower: true, ..Transforms::default() };
    let other = Transforms { hash: Some(salt("another salt of 28 bytes ...")), ..Transforms::default() };
    let mappings = [
        vec![plain("a", "b")],
        vec![plain("ab", "")],
        vec![plain("a", "b"), plain("c", "d")],
        vec![plain("c", "d"), plain("a", "b")],
        vec![column("a", "b", trim)],
        vec![column("a", "b", lower)],
        vec![hashed("a", "b")],
        vec![column("a", "b", other)],
        vec![others(&[])],
        vec![others(&["a"])],
        vec![others(&["a", "b"])],
        vec![constant(Constant::Text("1".into()))],
        vec![constant(Constant::Integer(1))],
        vec![constant(Constant::Boolean(true))],
        vec![constant(Constant::decimal("1.0").unwrap())],
        vec![constant(Constant::decimal("0.10").unwrap())],
    ];
    let digest = |columns: &Vec<Wanted>| Mapping { columns: columns.clone() }.digest();
    let digests: BTreeSet<String> = mappings.iter().map(digest).collect();
    assert_eq!(digests.len(), mappings.len());
    // It stands in manifests: if this changes, every sync with `cursor` makes a full run.
    assert_eq!(digest(&mappings[0]), "73ed85a97a1cbd7cf5b6a24f89ce28cb92d28b410f6e7e2a06c3b676239508c9");
    assert!(digests.iter().all(|digest| digest.len() == 64));
}

proptest! {
    /// The kernels against one value at a time, on arrays with NULLs that begin anywhere.
    #[test]
    fn kernels_do_what_one_call_per_value_would(
        values in prop::collection::vec(prop::option::of("[ \t\u{a0}aAbBÄäΣσßİ😀]{0,6}"), 0..30),
        from in 0_usize..30,
        trim: bool, lower: bool, hash: bool,
    ) {
        let from = from.min(values.len());
        let array = StringArray::from(values.clone()).slice(from, values.len() - from);
        let transforms = Transforms { trim, lower, hash: hash.then(|| salt(KEY)) };
        let mapped = map(vec![column("v", "v", transforms)], &batch(vec![("v", Arc::new(array))]));
        let hasher = salt(KEY).hasher();
        let expected: Vec<Option<String>> = values[from..].iter().map(|value| {
            let mut text = value.clone()?;
            if trim { text = text.trim().to_owned(); }
            if lower { text = text.to_lowercase(); }
            if hash { text = String::from_utf8(hasher.of(text.as_bytes()).to_vec()).unwrap(); }
            Some(text)
        }).collect();
        prop_assert_eq!(strings(&mapped, "v"), expected);
    }

    /// Columns that are only chosen and renamed are the very arrays that came in.
    #[test]
    fn what_is_only_chosen_is_passed_on(picked in prop::collection::vec(0_usize..5, 1..8)) {
        let columns: Vec<(String, ArrayRef)> =
            (0..5).map(|i| (format!("c{i}"), Arc::new(Int64Array::from(vec![i, i + 1])) as ArrayRef)).collect();
        let source = batch(columns.iter().map(|(name, array)| (name.as_str(), array.clone())).collect());
        let wanted = picked.iter().enumerate().map(|(i, at)| plain(&format!("t{i}"), &format!("c{at}")));
        let mapped = map(wanted.collect(), &source);
        for (i, at) in picked.iter().enumerate() {
            prop_assert!(Arc::ptr_eq(mapped.column(i), source.column(*at)));
        }
    }
}
