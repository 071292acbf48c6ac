//! Properties over random tables in random Arrow layouts.

use super::{
    Fingerprints, batch, fingerprints,
    model::{V, canonical},
    physical::build,
    strategy::{Physical, table, value},
};
use arrow::{
    datatypes::{DataType, Field, Fields},
    record_batch::RecordBatch,
};
use hydrant_contract::ValueType;
use proptest::{prelude::*, sample::Index};
use std::sync::Arc;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

fn key(table: &[Physical]) -> Vec<&str> {
    table.iter().map(|c| c.field.name().as_str()).filter(|name| name.starts_with('k')).collect()
}

/// The fingerprints by the second implementation.
fn expected(table: &[Physical]) -> Fingerprints {
    let mut out = Fingerprints::default();
    let types: Vec<_> = table.iter().map(|c| ValueType::of(&c.field).unwrap()).collect();
    let mut by_name: Vec<_> = (0..table.len()).filter(|&i| !table[i].field.name().starts_with('k')).collect();
    by_name.sort_by_key(|&i| table[i].field.name().as_bytes());
    let keys: Vec<_> = (0..table.len()).filter(|i| !by_name.contains(i)).collect();
    for row in 0..table[0].values.len() {
        let bytes = |columns: &[usize]| -> Vec<u8> {
            columns.iter().flat_map(|&c| canonical(&table[c].values[row], &types[c])).collect()
        };
        out.keys.push(xxh3_128(&bytes(&keys)));
        out.rows.push(xxh3_64(&bytes(&by_name)));
        if keys.iter().any(|&c| table[c].values[row] == V::Null) {
            out.null_keys.push(u32::try_from(row).unwrap());
        }
    }
    out
}

fn physical(table: &[Physical]) -> RecordBatch {
    batch(table.iter().map(|c| (c.field.clone(), build(&c.field, &c.values))).collect())
}

/// The same column, with `before` and `after` copies of its values around them.
fn padded(column: &Physical, before: usize, after: usize) -> Physical {
    let pad = |n: usize| column.values.iter().cycle().take(if column.values.is_empty() { 0 } else { n });
    let values = pad(before).chain(&column.values).chain(pad(after)).cloned().collect();
    Physical { field: column.field.clone(), values }
}

/// The same table by another author: columns, struct fields and map entries the other way round.
fn reversed(column: &Physical) -> Physical {
    fn of_field(field: &Field) -> Field {
        let again = |f: &Arc<Field>| Arc::new(of_field(f));
        let data_type = match field.data_type() {
            DataType::List(f) => DataType::List(again(f)),
            DataType::LargeList(f) => DataType::LargeList(again(f)),
            DataType::ListView(f) => DataType::ListView(again(f)),
            DataType::LargeListView(f) => DataType::LargeListView(again(f)),
            DataType::FixedSizeList(f, n) => DataType::FixedSizeList(again(f), *n),
            DataType::Struct(fields) => DataType::Struct(fields.iter().rev().map(again).collect::<Fields>()),
            DataType::Map(entries, sorted) => {
                let DataType::Struct(parts) = entries.data_type() else { panic!("a map of {entries}") };
                let parts = DataType::Struct(parts.iter().map(again).collect());
                DataType::Map(Arc::new(entries.as_ref().clone().with_data_type(parts)), *sorted)
            }
            other => other.clone(),
        };
        field.clone().with_data_type(data_type)
    }
    fn of_value(v: &V) -> V {
        match v {
            V::List(items) => V::List(items.iter().map(of_value).collect()),
            V::Struct(parts) => V::Struct(parts.iter().rev().map(of_value).collect()),
            V::Map(entries) => {
                V::Map(entries.iter().rev().map(|(k, v)| (of_value(k), of_value(v))).collect())
            }
            leaf => leaf.clone(),
        }
    }
    Physical { field: of_field(&column.field), values: column.values.iter().map(of_value).collect() }
}

/// A table, one of its cells, and another value for that cell.
fn changed_cell() -> impl Strategy<Value = (Vec<Physical>, usize, usize, V)> {
    (table().prop_filter("rows", |t| !t[0].values.is_empty()), any::<Index>(), any::<Index>()).prop_flat_map(
        |(table, column, row)| {
            let (column, row) = (column.index(table.len()), row.index(table[0].values.len()));
            let other = value(&table[column].field);
            (Just(table), Just(column), Just(row), other)
        },
    )
}

proptest! {
    #[test]
    fn the_hash_is_of_the_logical_values_whatever_the_arrow_layout_and_the_batches(
        table in table(), before in 0_usize..4, after in 0_usize..3, cut in any::<Index>(),
    ) {
        let rows = table[0].values.len();
        let around: Vec<_> = table.iter().map(|c| padded(c, before, after)).collect();
        let whole = physical(&around);
        let rows_at = |from: usize, to: usize| {
            let skipped = if rows == 0 { 0 } else { before };
            whole.slice(skipped + from, to - from)
        };
        let cut = cut.index(rows + 1);
        let found = fingerprints(&[rows_at(0, cut), rows_at(cut, rows)], &key(&table)).unwrap();
        prop_assert_eq!(found, expected(&table));
    }

    #[test]
    fn a_changed_value_changes_the_hash_of_its_row_and_no_other((table, column, row, other) in changed_cell()) {
        let mut changed = table.clone();
        changed[column].values[row] = other.clone();
        let before = fingerprints(&[physical(&table)], &key(&table)).unwrap();
        let after = fingerprints(&[physical(&changed)], &key(&table)).unwrap();

        let value = ValueType::of(&table[column].field).unwrap();
        let was = &table[column].values[row];
        let differs = canonical(was, &value) != canonical(&other, &value);
        prop_assert!(differs || (*was == V::Null) == (other == V::Null), "NULL is like nothing else");
        let in_key = table[column].field.name().starts_with('k');
        for i in 0..before.rows.len() {
            let here = differs && i == row;
            prop_assert_eq!(before.keys[i] != after.keys[i], here && in_key);
            prop_assert_eq!(before.rows[i] != after.rows[i], here && !in_key);
        }
    }

    #[test]
    fn a_null_in_any_cell_changes_the_hash((table, column, row, other) in changed_cell()) {
        let mut table = table;
        if table[column].values[row] == V::Null {
            table[column].values[row] = other;
        }
        // Both were NULL: there is no value to lose.
        if table[column].values[row] == V::Null {
            return Ok(());
        }
        let mut changed = table.clone();
        changed[column].values[row] = V::Null;
        let before = fingerprints(&[physical(&table)], &key(&table)).unwrap();
        let after = fingerprints(&[physical(&changed)], &key(&table)).unwrap();
        if table[column].field.name().starts_with('k') {
            prop_assert_ne!(before.keys[row], after.keys[row]);
            prop_assert!(after.null_keys.contains(&u32::try_from(row).unwrap()));
        } else {
            prop_assert_ne!(before.rows[row], after.rows[row]);
        }
    }

    #[test]
    fn the_order_of_columns_struct_fields_and_map_entries_does_not_matter(table in table()) {
        let key = key(&table);
        let other: Vec<_> = table.iter().rev().map(reversed).collect();
        prop_assert_eq!(
            fingerprints(&[physical(&table)], &key).unwrap(),
            fingerprints(&[physical(&other)], &key).unwrap()
        );
    }
}
