//! Lists, vectors, structs and maps: their parts are carried, and what hides under a NULL is dropped.
//!
//! Arrow allows a NULL list to span items and a NULL struct to have fields with values. Nobody can see those values, so
//! they must never fail a row: they are taken away before the parts are carried.

use super::{
    column::{carry, gather, plain},
    error::{Fault, Misfits},
};
use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, FixedSizeListArray, GenericListArray, GenericListViewArray,
        ListArray, MapArray, OffsetSizeTrait, StructArray, UInt64Array,
    },
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    compute::nullif,
    datatypes::{DataType, Field},
};
use hydrant_contract::ValueType;
use std::{ops::Range, sync::Arc};

pub(super) fn list(array: &ArrayRef, item: &ValueType, misfits: &mut Misfits) -> Result<ArrayRef, Fault> {
    let (items, ranges) = match array.data_type() {
        DataType::List(_) => offset_list(array.as_list::<i32>()),
        DataType::LargeList(_) => offset_list(array.as_list::<i64>()),
        DataType::ListView(_) => view_list(array.as_list_view::<i32>()),
        DataType::LargeListView(_) => view_list(array.as_list_view::<i64>()),
        _ => fixed_list(array.as_fixed_size_list()),
    };
    let packed = Packing::of(&ranges, array.nulls())?;
    let items = part(&packed.pack(items)?, item, "item", misfits, |i| packed.row(i))?;
    let field = Arc::new(item.field("item", true));
    Ok(Arc::new(ListArray::try_new(field, packed.offsets, items, array.nulls().cloned())?))
}

pub(super) fn vector(array: &ArrayRef, len: i32) -> Result<ArrayRef, Fault> {
    let list = array.as_fixed_size_list();
    let field = Arc::new(ValueType::Float32.field("item", true));
    let (items, nulls) = (Arc::clone(list.values()), list.nulls().cloned());
    Ok(Arc::new(FixedSizeListArray::try_new_with_length(field, len, items, nulls, list.len())?))
}

pub(super) fn structure(
    array: &ArrayRef,
    fields: &[(String, ValueType)],
    misfits: &mut Misfits,
) -> Result<ArrayRef, Fault> {
    let source = array.as_struct();
    let hidden = source
        .nulls()
        .filter(|nulls| nulls.null_count() > 0)
        .map(|nulls| BooleanArray::new(!nulls.inner(), None));
    let mut parts = Vec::with_capacity(fields.len());
    for ((name, value), array) in fields.iter().zip(source.columns()) {
        let carried = match &hidden {
            // In its carrier already: nothing can fail, so what hides there may stay.
            Some(hidden) if array.data_type() != &value.carrier() => {
                let seen = plain(array).and_then(|array| Ok(nullif(&array, hidden)?));
                part(&seen.map_err(|f| f.within(name))?, value, name, misfits, |row| row)
            }
            _ => part(array, value, name, misfits, |row| row),
        };
        parts.push(carried?);
    }
    let fields = fields.iter().map(|(name, value)| value.field(name, true)).collect();
    Ok(Arc::new(StructArray::try_new_with_length(fields, parts, source.nulls().cloned(), source.len())?))
}

pub(super) fn map(
    array: &ArrayRef,
    key: &ValueType,
    value: &ValueType,
    misfits: &mut Misfits,
) -> Result<ArrayRef, Fault> {
    let source = array.as_map();
    let packed = Packing::of(&ranges(source.offsets()), source.nulls())?;
    let keys = part(&packed.pack(source.keys())?, key, "key", misfits, |i| packed.row(i))?;
    let values = part(&packed.pack(source.values())?, value, "value", misfits, |i| packed.row(i))?;
    let fields = [key.field("key", false), value.field("value", true)].into_iter().collect();
    let entries = StructArray::try_new(fields, vec![keys, values], None)?;
    let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    Ok(Arc::new(MapArray::try_new(field, packed.offsets, entries, source.nulls().cloned(), false)?))
}

/// One part of nested values, carried; `row` turns its rows into those of the whole.
fn part(
    array: &ArrayRef,
    value: &ValueType,
    name: &str,
    misfits: &mut Misfits,
    row: impl Fn(usize) -> usize,
) -> Result<ArrayRef, Fault> {
    let mut inner = Misfits::default();
    let carried = carry(array, value, &mut inner).map_err(|fault| fault.within(name))?;
    misfits.within(name, inner, row);
    Ok(carried)
}

/// Where in the items each list stands.
type Ranges = Vec<Range<usize>>;

fn ranges<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> Ranges {
    offsets.windows(2).map(|o| o[0].as_usize()..o[1].as_usize()).collect()
}

fn offset_list<O: OffsetSizeTrait>(list: &GenericListArray<O>) -> (&ArrayRef, Ranges) {
    (list.values(), ranges(list.offsets()))
}

fn view_list<O: OffsetSizeTrait>(list: &GenericListViewArray<O>) -> (&ArrayRef, Ranges) {
    let views = list.offsets().iter().zip(list.sizes().iter());
    (list.values(), views.map(|(o, size)| o.as_usize()..o.as_usize() + size.as_usize()).collect())
}

fn fixed_list(list: &FixedSizeListArray) -> (&ArrayRef, Ranges) {
    let size = list.value_length().unsigned_abs() as usize;
    (list.values(), (0..list.len()).map(|i| i * size..(i + 1) * size).collect())
}

/// How items are laid out so that every list follows the one before it, and a NULL list has none.
struct Packing {
    offsets: OffsetBuffer<i32>,
    items: Items,
}

enum Items {
    /// They stand so already, from here on: no copy.
    Slice(usize),
    /// They are gathered from these positions.
    Gather(UInt64Array),
}

impl Packing {
    fn of(ranges: &[Range<usize>], nulls: Option<&NullBuffer>) -> Result<Self, Fault> {
        let visible = || {
            let seen = |row| !nulls.is_some_and(|nulls: &NullBuffer| nulls.is_null(row));
            ranges.iter().enumerate().map(move |(row, range)| if seen(row) { range.clone() } else { 0..0 })
        };
        let mut offsets = Vec::with_capacity(ranges.len() + 1);
        offsets.push(0);
        let (mut total, mut start, mut next, mut in_order) = (0_usize, None, 0, true);
        for range in visible() {
            total += range.len();
            offsets.push(i32::try_from(total).map_err(|_| Fault::too_large())?);
            if !range.is_empty() {
                in_order &= start.is_none() || range.start == next;
                start = start.or(Some(range.start));
                next = range.end;
            }
        }
        let items = if in_order {
            Items::Slice(start.unwrap_or_default())
        } else {
            Items::Gather(visible().flatten().map(|i| i as u64).collect())
        };
        Ok(Self { offsets: OffsetBuffer::new(ScalarBuffer::from(offsets)), items })
    }

    fn pack(&self, items: &ArrayRef) -> Result<ArrayRef, Fault> {
        Ok(match &self.items {
            Items::Slice(start) => items.slice(*start, self.row_items()),
            Items::Gather(positions) => gather(items, positions)?,
        })
    }

    fn row_items(&self) -> usize {
        self.offsets.last().map_or(0, |end| end.unsigned_abs() as usize)
    }

    /// The row whose list holds this packed item.
    fn row(&self, item: usize) -> usize {
        self.offsets.partition_point(|&start| start.unsigned_abs() as usize <= item).saturating_sub(1)
    }
}
