//! Values of unique columns, which may move between the rows of one batch.

use crate::table::{Cell, Changes, MemoryColumn, Table};
use arrow::{
    array::{Array, ArrayRef},
    row::{OwnedRow, RowConverter, SortField},
};
use hydrant_contract::{Part, Reject};
use std::collections::HashSet;

/// Columns whose values, taken together, no two rows share.
pub(crate) struct Unique {
    columns: Vec<usize>,
    by_value: RowConverter,
    name: Option<String>,
}

impl Unique {
    pub(crate) fn new(columns: Vec<usize>, of: &[MemoryColumn]) -> Self {
        let fields = columns.iter().map(|at| SortField::new(of[*at].value.carrier())).collect();
        let by_value = RowConverter::new(fields).expect("unique columns have an order");
        // Of several columns none is the one at fault.
        let name = if let [one] = columns[..] { Some(of[one].name.clone()) } else { None };
        Self { columns, by_value, name }
    }

    /// What a row has in these columns; nothing if one of them is NULL.
    fn value(&self, row: &[Cell]) -> Option<OwnedRow> {
        let arrays: Vec<ArrayRef> =
            self.columns.iter().map(|at| row[*at].array.slice(row[*at].row, 1)).collect();
        let present = arrays.iter().all(|array| array.is_valid(0));
        let rows =
            present.then(|| self.by_value.convert_columns(&arrays).expect("cells are in their carriers"));
        rows.map(|rows| rows.row(0).owned())
    }
}

/// Takes back the changes that would make two rows share a value, and returns them as rejects.
///
/// Who had the value before the batch keeps it; of two that come to it the first does. A change that is taken back leaves
/// the row with its old values, which may be wanted by another: so until nobody is refused any more. Before the batch no
/// two rows shared a value, so there is an end.
pub(crate) fn refuse(constraints: &[Unique], table: &Table, changes: &mut Changes) -> Vec<Reject> {
    let mut rejects = Vec::new();
    loop {
        let refused = constraints.iter().find_map(|unique| {
            let key = clash(unique, table, changes)?;
            Some((unique, key))
        });
        let Some((unique, key)) = refused else { return rejects };
        if let Some(change) = changes.remove(&key) {
            rejects.push(Reject {
                part: change.part,
                row: change.row,
                column: unique.name.clone(),
                reason: "another row has the value in a unique column".to_owned(),
                may_settle: true,
            });
        }
    }
}

/// The key of one changed row that comes to a value which is another's.
fn clash(unique: &Unique, table: &Table, changes: &Changes) -> Option<OwnedRow> {
    let mut taken = HashSet::new();
    let mut coming: Vec<(Part, usize, &OwnedRow, OwnedRow)> = Vec::new();
    for (_, cells) in table.rows.iter().filter(|(key, _)| !changes.contains_key(*key)) {
        taken.extend(unique.value(cells));
    }
    for (key, change) in changes {
        let Some(new) = change.cells.as_ref().and_then(|cells| unique.value(cells)) else { continue };
        if table.rows.get(key).and_then(|old| unique.value(old)).as_ref() == Some(&new) {
            taken.insert(new);
        } else {
            coming.push((change.part, change.row, key, new));
        }
    }
    coming.sort_by_key(|(part, row, ..)| (*part as u8, *row));
    coming.into_iter().find_map(|(_, _, key, value)| (!taken.insert(value)).then(|| key.clone()))
}
