//! What is carried exactly, what is refused, and where the refusal points.

use super::{Carried, Carrier, CarryError};
use arrow::{array::*, buffer::*, datatypes::*, record_batch::RecordBatch};
use hydrant_contract::Shape;
use std::sync::Arc;

fn batch(array: ArrayRef) -> RecordBatch {
    let field = Field::new("v", array.data_type().clone(), true);
    batch_of(field, array)
}

fn batch_of(field: Field, array: ArrayRef) -> RecordBatch {
    let ids = Int32Array::from_iter_values(0..i32::try_from(array.len()).unwrap());
    let schema = Schema::new(vec![Field::new("id", DataType::Int32, false), field]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(ids), array]).unwrap()
}

fn carrier(batch: &RecordBatch) -> Carrier {
    let schema = batch.schema();
    Carrier::new(&schema, &Shape::of(&schema, vec!["id".into()]).unwrap()).unwrap()
}

fn carried(array: ArrayRef) -> Result<ArrayRef, CarryError> {
    let batch = batch(array);
    let carried = carrier(&batch).carry(&batch)?;
    assert_eq!(carried.misfits, []);
    Ok(carried.rows.column(1).clone())
}

/// Path, row and reason of the only value that is refused; NULL must stand in its place.
fn refused(array: ArrayRef) -> (String, usize, &'static str) {
    let mut all = all_refused(array);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn all_refused(array: ArrayRef) -> Vec<(String, usize, &'static str)> {
    let nulls = array.null_count();
    let batch = batch(array);
    let Carried { rows, misfits } = carrier(&batch).carry(&batch).unwrap();
    assert!(misfits.iter().all(|misfit| misfit.column == 1 && rows.column(1).is_null(misfit.row)));
    assert_eq!(rows.column(1).null_count(), nulls + misfits.len(), "all other values are carried");
    misfits.into_iter().map(|misfit| (misfit.path, misfit.row, misfit.reason)).collect()
}

#[test]
fn what_is_in_its_carrier_is_passed_on_without_a_copy() {
    let texts = StringArray::from(vec!["a", "b", "c"]).slice(1, 2);
    let before = texts.values().as_ptr();
    let after = carried(Arc::new(texts.clone())).unwrap();
    assert_eq!(after.as_string::<i32>().values().as_ptr(), before);
    assert_eq!(after.as_string::<i32>(), &texts);
}

#[test]
fn large_text_is_carried_without_copying_its_letters() {
    let texts = LargeStringArray::from(vec!["a", "b"]);
    let before = texts.values().as_ptr();
    assert_eq!(carried(Arc::new(texts)).unwrap().as_string::<i32>().values().as_ptr(), before);
}

#[test]
fn the_key_is_nullable_in_what_is_carried_and_extension_types_keep_their_names() {
    let uuid = Field::new("v", DataType::FixedSizeBinary(16), true)
        .with_metadata([("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned())].into());
    let batch = batch_of(uuid.clone(), new_null_array(uuid.data_type(), 1));
    let schema = carrier(&batch).schema();
    assert_eq!(schema.field(0), &Field::new("id", DataType::Int64, true));
    assert_eq!(schema.field(1), &uuid);
    assert_eq!(carrier(&batch).carry(&batch).unwrap().rows.schema(), schema);
}

/// The id is a 32-bit integer, and one of 64 bits is its carrier: rows of an earlier export come like that.
#[test]
fn what_was_carried_before_is_passed_on_as_what_it_was() {
    let first = batch(Arc::new(Int8Array::from(vec![1, 2])));
    let shape = Shape::of(&first.schema(), vec!["id".into()]).unwrap();
    let once = carrier(&first).carry(&first).unwrap().rows;
    let again = Carrier::new(&once.schema(), &shape).unwrap();
    assert_eq!(again.carry(&once).unwrap().rows, once);
    // The same rows from a table, where no key is NULL.
    let rows = RecordBatch::try_new(shape.schema(), once.columns().to_vec()).unwrap();
    assert_eq!(again.carry(&rows).unwrap().rows, once);
    // A source that returned 32 bits before has changed its columns.
    assert!(matches!(carrier(&first).carry(&once), Err(CarryError::Columns { .. })));
}

#[test]
fn a_timestamp_beyond_microseconds_is_refused_with_its_row_and_never_wraps() {
    let seconds = TimestampSecondArray::from(vec![Some(0), None, Some(i64::MAX / 1_000_000 + 1)]);
    let (column, row, reason) = refused(Arc::new(seconds.clone()));
    assert_eq!((column.as_str(), row), ("v", 2));
    assert!(reason.contains("microseconds"), "{reason}");
    assert_eq!(refused(Arc::new(seconds.with_timezone("Asia/Tokyo"))).1, 2);
    let last = i64::MAX / 1_000;
    assert!(carried(Arc::new(TimestampMillisecondArray::from(vec![last, -last]))).is_ok());
    assert_eq!(refused(Arc::new(TimestampMillisecondArray::from(vec![last, -last - 1]))).1, 1);
}

#[test]
fn a_date_in_milliseconds_must_be_a_whole_day() {
    let day = 86_400_000;
    let days = carried(Arc::new(Date64Array::from(vec![Some(day), Some(-day), None]))).unwrap();
    assert_eq!(days.as_primitive::<Date32Type>(), &Date32Array::from(vec![Some(1), Some(-1), None]));
    let (_, row, reason) = refused(Arc::new(Date64Array::from(vec![0, -1])));
    assert!(row == 1 && reason.contains("timestamp"), "{row} {reason}");
    assert_eq!(refused(Arc::new(Date64Array::from(vec![day * (i64::from(i32::MAX) + 1)]))).1, 0);
}

#[test]
fn a_decimal_wider_than_it_declares_is_refused() {
    let wide = Decimal256Array::from(vec![i256::ONE, i256::MAX]).with_precision_and_scale(38, 2).unwrap();
    assert_eq!(refused(Arc::new(wide)).1, 1);
}

#[test]
fn a_refusal_inside_nested_values_names_the_path_and_the_row_of_the_table() {
    let bad = i64::MAX;
    let times = TimestampSecondArray::from(vec![1, 2, 3, bad]);
    let visits = StructArray::from(vec![(
        Arc::new(Field::new("at", times.data_type().clone(), true)),
        Arc::new(times) as ArrayRef,
    )]);
    let item = Arc::new(Field::new("item", visits.data_type().clone(), true));
    let offsets = OffsetBuffer::<i64>::from_lengths([2, 0, 2, 0]);
    let lists = LargeListArray::new(item, offsets, Arc::new(visits), None);
    let (column, row, _) = refused(Arc::new(lists));
    assert_eq!((column.as_str(), row), ("v.item.at", 2));
}

#[test]
fn every_value_that_cannot_be_carried_is_found_and_all_others_are_carried() {
    let bad = i64::MAX;
    let seconds = TimestampSecondArray::from(vec![Some(bad), Some(1), None, Some(bad), Some(2)]);
    let rows: Vec<_> = all_refused(Arc::new(seconds.clone())).into_iter().map(|(_, row, _)| row).collect();
    assert_eq!(rows, [0, 3]);
    let batch = batch(Arc::new(seconds));
    let carried = carrier(&batch).carry(&batch).unwrap();
    let carried = carried.rows.column(1).as_primitive::<TimestampMicrosecondType>().clone();
    assert_eq!(
        carried,
        TimestampMicrosecondArray::from(vec![None, Some(1_000_000), None, None, Some(2_000_000)])
    );

    // A key of a map cannot be NULL, but a map with such a key can.
    let keys = TimestampSecondArray::from(vec![1, bad, bad, 4]);
    let values = Int32Array::from(vec![1, 2, 3, 4]);
    let entries = StructArray::from(vec![
        (Arc::new(Field::new("key", keys.data_type().clone(), false)), Arc::new(keys) as ArrayRef),
        (Arc::new(Field::new("value", DataType::Int32, true)), Arc::new(values) as ArrayRef),
    ]);
    let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    let maps = MapArray::new(field, OffsetBuffer::from_lengths([1, 2, 0, 1]), entries, None, false);
    let found = all_refused(Arc::new(maps));
    assert_eq!(found.iter().map(|(path, row, _)| (path.as_str(), *row)).collect::<Vec<_>>(), [("v.key", 1)]);
}

#[test]
fn values_that_hide_under_null_are_never_judged() {
    let bad = || Arc::new(TimestampSecondArray::from(vec![7, i64::MAX])) as ArrayRef;
    let field = Arc::new(Field::new("item", bad().data_type().clone(), true));
    let nulls = || Some(NullBuffer::from(vec![true, false]));

    let lists = ListArray::new(field.clone(), OffsetBuffer::from_lengths([1, 1]), bad(), nulls());
    assert_eq!(carried(Arc::new(lists)).unwrap().as_list::<i32>().values().len(), 1);
    let fixed = FixedSizeListArray::new(field.clone(), 1, bad(), nulls());
    assert_eq!(carried(Arc::new(fixed)).unwrap().null_count(), 1);

    let structs = StructArray::new([field.clone()].into_iter().collect(), vec![bad()], nulls());
    assert!(carried(Arc::new(structs)).is_ok());
    // The same one level down: a struct in a struct, and a dictionary that holds what no row refers to.
    let inner = StructArray::new([field].into_iter().collect(), vec![bad()], None);
    let outer = Arc::new(Field::new("inner", inner.data_type().clone(), true));
    let outer = StructArray::new([outer].into_iter().collect(), vec![Arc::new(inner)], nulls());
    assert!(carried(Arc::new(outer)).is_ok());
    let keys = Int8Array::from(vec![0, 0]);
    assert!(carried(Arc::new(DictionaryArray::new(keys, bad()))).is_ok());
}

#[test]
fn a_batch_may_change_its_encoding_but_not_its_columns() {
    let plain = batch(Arc::new(StringArray::from(vec!["a"])));
    let carrier = carrier(&plain);
    let view = batch(Arc::new(StringViewArray::from(vec!["b"])));
    assert_eq!(carrier.carry(&view).unwrap().rows.column(1).as_string::<i32>().value(0), "b");

    let bytes = batch(Arc::new(BinaryArray::from(vec![&b"a"[..]])));
    let error = carrier.carry(&bytes).unwrap_err();
    assert!(matches!(error, CarryError::Columns { position: 2, .. }), "{error}");
    assert!(error.to_string().contains("(text) and is now \"v\" (bytes)"), "{error}");
    let narrow = plain.project(&[0]).unwrap();
    assert!(carrier.carry(&narrow).unwrap_err().to_string().contains("is now none"));
}

#[test]
fn values_of_length_0_are_an_error_where_arrow_would_lose_count() {
    let held: ArrayRef =
        Arc::new(FixedSizeBinaryArray::try_new_with_len(0, Buffer::default(), None, 1).unwrap());
    let keys = Int8Array::from(vec![0, 0, 0]);
    let error = carried(Arc::new(DictionaryArray::new(keys, held))).unwrap_err();
    assert!(error.to_string().contains("length 0"), "{error}");
}

/// All of these are small in memory: the same bytes many times, or pages that nobody touches.
#[test]
fn more_than_2_gib_in_one_batch_is_refused_and_a_slice_far_inside_a_large_buffer_is_not() {
    let refused = |array: ArrayRef| {
        let error = carried(array).unwrap_err().to_string();
        assert!(error.contains("\"v\"") && error.contains("smaller batches"), "{error}");
    };
    let long = "x".repeat(1 << 20);
    let mut views = StringViewBuilder::new();
    let block = views.append_block(Buffer::from(long.as_bytes()));
    (0..2_048).for_each(|_| views.try_append_view(block, 0, 1 << 20).unwrap());
    refused(Arc::new(views.finish()));
    let keys = Int16Array::from(vec![0; 2_048]);
    refused(Arc::new(DictionaryArray::new(keys, Arc::new(StringArray::from(vec![long])))));

    let far = 1_i64 << 31;
    let offsets = OffsetBuffer::new(vec![0, far, far + 3].into());
    let large = LargeBinaryArray::new(offsets, Buffer::from(vec![0_u8; (1 << 31) + 3]), None);
    refused(Arc::new(large.clone()));
    let slice = carried(Arc::new(large.slice(1, 1))).unwrap();
    assert_eq!(slice.as_binary::<i32>().value(0), [0, 0, 0]);
}
