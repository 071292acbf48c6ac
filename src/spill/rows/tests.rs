use super::*;
use arrow::{
    array::{Array, ArrayRef, AsArray, FixedSizeListArray, Int64Array, ListArray, StringArray, StructArray},
    datatypes::{DataType, Field, Float32Type, Int64Type},
};
use proptest::prelude::*;
use std::sync::Arc;

/// Rows of this range, with columns of every kind of layout.
fn rows(range: std::ops::Range<i64>) -> RecordBatch {
    let text = |i: i64| (i % 5 > 0).then(|| "x".repeat((i % 40) as usize) + &i.to_string());
    let numbers = |i: i64| (i % 7 > 0).then(|| (0..i % 4).map(Some).collect::<Vec<_>>());
    let vector = |i: i64| Some(vec![Some(i as f32), Some(0.5)]);
    let inner: ArrayRef = Arc::new(range.clone().map(text).collect::<StringArray>());
    let field = Arc::new(Field::new("inner", DataType::Utf8, true));
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from_iter_values(range.clone())) as ArrayRef, true),
        ("text", inner.clone(), true),
        (
            "yes",
            Arc::new(range.clone().map(|i| Some(i % 3 == 0)).collect::<arrow::array::BooleanArray>()),
            true,
        ),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(range.clone().map(numbers))),
            true,
        ),
        (
            "vector",
            Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(range.map(vector), 2)),
            true,
        ),
        ("struct", Arc::new(StructArray::from(vec![(field, inner)])), true),
    ])
    .unwrap()
}

/// These rows, set aside in batches of these sizes.
async fn set_aside(total: i64, sizes: &[i64]) -> SpilledRows {
    let folder = tempfile::tempdir().unwrap();
    let mut spill = RowSpill::new(&rows(0..0).schema(), folder.path()).unwrap();
    let all = rows(0..total);
    let (mut from, mut sizes) = (0, sizes.iter().cycle());
    while from < total {
        let size = (*sizes.next().unwrap()).min(total - from);
        // Sources give slices, too.
        spill.add(all.slice(from as usize, size as usize)).await.unwrap();
        from += size;
    }
    let aside = spill.finish().await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left in the folder");
    assert_eq!(aside.rows(), total as u64);
    aside
}

async fn picked(aside: &mut SpilledRows, positions: impl Iterator<Item = u64>) -> Vec<RecordBatch> {
    let mut picking = aside.pick(positions.collect());
    let mut found = Vec::new();
    while let Some(rows) = picking.next().await.unwrap() {
        assert!(rows.num_rows() > 0);
        found.push(rows);
    }
    found
}

fn ids(found: &[RecordBatch]) -> Vec<i64> {
    found.iter().flat_map(|rows| rows.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// Whatever the batches that they came in, every row that is picked is the row that was at its position.
    #[test]
    fn picked_rows_are_those_that_were_set_aside(
        total in 0i64..9000,
        sizes in prop::collection::vec(prop_oneof![1i64..20, 500i64..5000], 1..6),
        every in 1i64..400,
        from in 0i64..100,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut aside = set_aside(total, &sizes).await;
            let wanted = || (from..total).step_by(every as usize);
            for _ in 0..2 {
                let found = picked(&mut aside, wanted().map(|i| i as u64)).await;
                assert_eq!(ids(&found), wanted().collect::<Vec<_>>());
                for rows_found in &found {
                    for (at, id) in ids(std::slice::from_ref(rows_found)).into_iter().enumerate() {
                        assert_eq!(rows_found.slice(at, 1), rows(id..id + 1));
                    }
                }
            }
        });
    }
}

#[tokio::test]
async fn many_rows_come_a_few_thousand_at_a_time() {
    let mut aside = set_aside(60_000, &[8192]).await;
    let found = picked(&mut aside, 0..60_000).await;
    assert_eq!(ids(&found), (0..60_000).collect::<Vec<_>>());
    assert!(found.len() > 5 && found.iter().all(|rows| rows.num_rows() <= 2 * PICKED_ROWS));
    assert!(picked(&mut aside, std::iter::empty()).await.is_empty());
}

#[tokio::test]
async fn large_rows_are_picked_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let large = RecordBatch::try_from_iter([(
        "text",
        Arc::new(StringArray::from_iter_values((0..12).map(|i| i.to_string().repeat(1 << 20)))) as ArrayRef,
    )])
    .unwrap();
    let mut spill = RowSpill::new(&large.schema(), folder.path()).unwrap();
    spill.add(large.clone()).await.unwrap();
    let mut aside = spill.finish().await.unwrap();
    assert_eq!(aside.starts.len(), 13, "each row is a block of its own");
    let found = picked(&mut aside, [3, 11].into_iter()).await;
    assert_eq!(found[0].slice(0, 1), large.slice(3, 1));
    assert_eq!(found[0].column(0).len(), 2);
}

#[tokio::test]
async fn an_unwritable_scratch_folder_is_named() {
    let failed = RowSpill::new(&rows(0..0).schema(), Path::new("/nonexistent/scratch")).err().unwrap();
    let message = failed.to_string();
    assert!(message.starts_with("setting rows aside in /nonexistent/scratch: "), "{message}");
}
