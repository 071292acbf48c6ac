//! One table in memory.

use crate::unique::{self, Unique};
use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, TimestampMicrosecondArray, new_empty_array, new_null_array,
    },
    compute::interleave,
    datatypes::{DataType, Int64Type, Schema},
    record_batch::RecordBatch,
    row::{OwnedRow, RowConverter, SortField},
};
use hydrant_contract::{
    Batch, Column, Deletes, Integer, Limits, Mismatch, Mode, Part, Reject, Resolution, SoftMark, TableSpec,
    ValueType,
};
use std::{collections::BTreeMap, sync::Arc};

/// A column of a table in memory.
#[derive(Clone)]
pub struct MemoryColumn {
    /// Its name.
    pub name: String,
    /// What it holds, in the carrier of this type. A whole number out of the type's range is refused.
    pub value: ValueType,
    /// One value in that carrier: what new rows hold if nothing else was said.
    pub default: ArrayRef,
    /// NULL is refused.
    pub not_null: bool,
    /// Longer texts are refused.
    pub characters_max: Option<u64>,
    /// A constraint, of which `inspect` says nothing.
    pub refuse: Option<Refuse>,
}

/// Why a column refuses the value at a position of an array, if it does.
pub type Refuse = Arc<dyn Fn(&dyn Array, usize) -> Option<String> + Send + Sync>;

/// A value where it stands in the batch that brought it.
#[derive(Clone)]
pub(crate) struct Cell {
    pub(crate) array: ArrayRef,
    pub(crate) row: usize,
}

/// Rows in the order of their key.
pub(crate) struct Table {
    pub(crate) columns: Vec<MemoryColumn>,
    key: Vec<String>,
    pub(crate) by_key: RowConverter,
    pub(crate) rows: BTreeMap<OwnedRow, Vec<Cell>>,
    unique: Vec<Unique>,
}

/// What a batch makes of one row.
pub(crate) struct Change {
    pub(crate) part: Part,
    pub(crate) row: usize,
    /// None if it goes.
    pub(crate) cells: Option<Vec<Cell>>,
}

/// Changes by the key of their row.
pub(crate) type Changes = BTreeMap<OwnedRow, Change>;

impl MemoryColumn {
    /// A column that takes NULL, which is its default, and every value of its type.
    pub fn new(name: impl Into<String>, value: ValueType) -> Self {
        let default = new_null_array(&value.carrier(), 1);
        let (not_null, characters_max, refuse) = (false, None, None);
        Self { name: name.into(), value, default, not_null, characters_max, refuse }
    }

    fn refuses(&self, array: &dyn Array, row: usize) -> Option<String> {
        if array.is_null(row) && self.not_null {
            return Some("NULL is refused".to_owned());
        }
        if array.is_valid(row) && !is_within(&self.value, array, row) {
            return Some(format!("the number does not fit a {}", self.value));
        }
        if let (Some(max), true, Some(texts)) =
            (self.characters_max, array.is_valid(row), array.as_string_opt::<i32>())
            && texts.value(row).chars().count() as u64 > max
        {
            return Some(format!("longer than {max} characters"));
        }
        self.refuse.as_ref().and_then(|refuse| refuse(array, row))
    }

    /// What it refuses of values of this type.
    fn limits(&self, of: &Column) -> Limits {
        let range = match (&self.value, &of.value) {
            (ValueType::Integer(own), ValueType::Integer(theirs)) => {
                let ((low, high), (min, max)) = (own.range(), theirs.range());
                (min < low || max > high).then(|| (low.max(min), high.min(max)))
            }
            _ => None,
        };
        let characters = self.characters_max;
        Limits { not_null: self.not_null, characters, range, ..Limits::none(&self.name) }
    }
}

/// Whether a value that is not NULL lies in the range of the type, which may be narrower than its carrier's.
pub(crate) fn is_within(value: &ValueType, array: &dyn Array, row: usize) -> bool {
    match (value, array.data_type()) {
        (ValueType::Integer(integer), DataType::Int64) => {
            let (min, max) = integer.range();
            (min..=max).contains(&array.as_primitive::<Int64Type>().value(row).into())
        }
        _ => true,
    }
}

impl Table {
    pub(crate) fn new(columns: Vec<MemoryColumn>, key: Vec<String>) -> Self {
        let of_key = |c: &&MemoryColumn| key.is_empty() || key.contains(&c.name);
        let fields = columns.iter().filter(of_key).map(|c| SortField::new(c.value.carrier())).collect();
        let by_key = RowConverter::new(fields).expect("a key has an order");
        Self { columns, key, by_key, rows: BTreeMap::new(), unique: Vec::new() }
    }

    pub(crate) fn make_unique(&mut self, columns: &[&str]) {
        let positions = columns.iter().map(|name| self.position(name)).collect();
        self.unique.push(Unique::new(positions, &self.columns));
    }

    /// The table that `create` makes.
    pub(crate) fn of(spec: &TableSpec) -> Self {
        let soft = spec.soft_column().map(|(name, mark)| MemoryColumn::new(name, marked(mark)));
        let columns = spec.shape.columns().iter().map(|c| {
            let not_null = spec.shape.is_key(&c.name);
            MemoryColumn { not_null, ..MemoryColumn::new(&c.name, c.value.clone()) }
        });
        Self::new(columns.chain(soft).collect(), spec.shape.key().to_vec())
    }

    pub(crate) fn limits(&self, spec: &TableSpec) -> Vec<Limits> {
        let of = |column: &Column| {
            let own = self.columns.iter().find(|own| own.name == column.name);
            own.map_or_else(|| Limits::none(&column.name), |own| own.limits(column))
        };
        spec.shape.columns().iter().map(of).collect()
    }

    pub(crate) fn mismatches(&self, spec: &TableSpec) -> Vec<Mismatch> {
        let soft = spec.soft_column().map(|(name, mark)| (name, marked(mark)));
        let wanted = spec.shape.columns().iter().map(|c| (c.name.as_str(), c.value.clone())).chain(soft);
        let mut mismatches: Vec<Mismatch> = wanted
            .filter_map(|(name, value)| {
                let (problem, mend) = match self.columns.iter().find(|c| c.name == name) {
                    None => ("it is not there".to_owned(), format!("add a column for {value}")),
                    Some(column) if !holds(&column.value, &value) => {
                        (format!("it holds {}, not {value}", column.value), format!("make it hold {value}"))
                    }
                    Some(_) => return None,
                };
                Some(Mismatch { column: Some(name.to_owned()), problem, mend })
            })
            .collect();
        let inserts = spec.mode != Mode::Update;
        for column in
            self.columns.iter().filter(|c| inserts && spec.shape.columns().iter().all(|s| s.name != c.name))
        {
            if let Some(reason) = column
                .refuses(&column.default, 0)
                .filter(|_| spec.soft_column().is_none_or(|(soft, _)| soft != column.name))
            {
                mismatches.push(Mismatch {
                    column: Some(column.name.clone()),
                    problem: format!("hydrant does not manage it, and it refuses its own default: {reason}"),
                    mend: "give it another default".to_owned(),
                });
            }
        }
        let mut keys = [self.key.clone(), spec.shape.key().to_vec()];
        keys.iter_mut().for_each(|key| key.sort());
        if keys[0] != keys[1] {
            mismatches.push(Mismatch {
                column: None,
                problem: format!(
                    "its key is ({}), not ({})",
                    self.key.join(", "),
                    spec.shape.key().join(", ")
                ),
                mend: "make the table with that key".to_owned(),
            });
        }
        mismatches
    }

    pub(crate) fn insert(&mut self, rows: &RecordBatch) {
        for name in rows.schema().fields().iter().map(|f| f.name()) {
            assert!(self.columns.iter().any(|c| &c.name == name), "there is no column {name:?}");
        }
        let defaults = |c: &MemoryColumn| interleave(&[c.default.as_ref()], &vec![(0, 0); rows.num_rows()]);
        let whole = self.columns.iter().map(|c| {
            let given = rows.column_by_name(&c.name).cloned();
            (&c.name, given.unwrap_or_else(|| defaults(c).expect("a default is in its carrier")))
        });
        let whole = RecordBatch::try_from_iter(whole).expect("columns of one length");
        for (row, key) in self.keys(&whole).into_iter().enumerate() {
            let cells = self.fresh(&whole, row);
            self.rows.insert(key, cells);
        }
    }

    pub(crate) fn all(&self) -> RecordBatch {
        let rows: Vec<&Vec<Cell>> = self.rows.values().collect();
        let fields = self.columns.iter().map(|c| c.value.field(&c.name, true)).collect::<Vec<_>>();
        let columns = (0..self.columns.len()).map(|i| self.gather(&rows, i)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("cells are in their carriers")
    }

    pub(crate) fn read(&self, spec: &TableSpec, keys: &RecordBatch) -> RecordBatch {
        let rows: Vec<_> = self.keys(keys).iter().filter_map(|key| self.rows.get(key)).collect();
        let columns =
            spec.shape.columns().iter().map(|c| self.gather(&rows, self.position(&c.name))).collect();
        RecordBatch::try_new(spec.shape.schema(), columns).expect("cells are in their carriers")
    }

    /// Writes what the contract's table of modes says, and returns the rows that were refused.
    pub(crate) fn write(&mut self, batch: &Batch) -> Vec<Reject> {
        let (mut changes, mut rejects) = (Changes::new(), Vec::new());
        if matches!(batch.spec.mode, Mode::Mirror | Mode::Upsert) {
            self.delete(batch, &mut changes, &mut rejects);
        }
        let unmark = batch.spec.soft_column().map(|(name, mark)| (self.position(name), mark_of(mark, None)));
        for (part, rows) in [(Part::Updates, &batch.updates), (Part::Inserts, &batch.inserts)] {
            for (row, key) in self.keys(rows).into_iter().enumerate() {
                let present = self.rows.get(&key);
                let mut cells = match (batch.spec.mode, present) {
                    (Mode::Insert, Some(_)) | (Mode::Update, None) => continue,
                    (_, None) => self.fresh(rows, row),
                    (_, Some(old)) => self.over(old, rows, row),
                };
                if let Some((position, mark)) = &unmark {
                    cells[*position] = mark.clone();
                }
                match self.refusal(&cells, present.is_none(), rows) {
                    Some((column, reason)) => rejects.push(refused(part, row, column, reason)),
                    None => drop(changes.insert(key, Change { part, row, cells: Some(cells) })),
                }
            }
        }
        rejects.extend(unique::refuse(&self.unique, self, &mut changes));
        for (key, change) in changes {
            match change.cells {
                Some(cells) => drop(self.rows.insert(key, cells)),
                None => drop(self.rows.remove(&key)),
            }
        }
        rejects
    }

    fn delete(&self, batch: &Batch, changes: &mut Changes, rejects: &mut Vec<Reject>) {
        let part = Part::Deletes;
        for (row, key) in self.keys(&batch.deletes).into_iter().enumerate() {
            let Some(old) = self.rows.get(&key) else { continue };
            let mut cells = old.clone();
            match &batch.spec.deletes {
                Deletes::Ignore => continue,
                Deletes::Hard => {
                    changes.insert(key, Change { part, row, cells: None });
                    continue;
                }
                Deletes::Soft { column, mark } => {
                    cells[self.position(column)] = mark_of(*mark, Some(batch.as_of.timestamp_micros()));
                }
                Deletes::NullOut => {
                    for column in batch.spec.shape.value_columns() {
                        let array = new_null_array(&column.value.carrier(), 1);
                        cells[self.position(&column.name)] = Cell { array, row: 0 };
                    }
                }
            }
            match self.refusal(&cells, true, &batch.deletes) {
                Some((column, reason)) => rejects.push(refused(part, row, column, reason)),
                None => drop(changes.insert(key, Change { part, row, cells: Some(cells) })),
            }
        }
    }

    /// The first column that refuses its cell; of an old row only the columns that are written are asked.
    fn refusal(&self, cells: &[Cell], all: bool, written: &RecordBatch) -> Option<(String, String)> {
        self.columns.iter().zip(cells).find_map(|(column, cell)| {
            let asked = all || written.column_by_name(&column.name).is_some();
            let reason = asked.then(|| column.refuses(&cell.array, cell.row)).flatten()?;
            Some((column.name.clone(), reason))
        })
    }

    fn fresh(&self, rows: &RecordBatch, row: usize) -> Vec<Cell> {
        let defaults: Vec<_> =
            self.columns.iter().map(|c| Cell { array: c.default.clone(), row: 0 }).collect();
        self.over(&defaults, rows, row)
    }

    fn over(&self, old: &[Cell], rows: &RecordBatch, row: usize) -> Vec<Cell> {
        self.columns
            .iter()
            .zip(old)
            .map(|(column, old)| match rows.column_by_name(&column.name) {
                Some(array) => Cell { array: array.clone(), row },
                None => old.clone(),
            })
            .collect()
    }

    fn keys(&self, rows: &RecordBatch) -> Vec<OwnedRow> {
        let of_key = |c: &&MemoryColumn| self.key.is_empty() || self.key.contains(&c.name);
        let columns: Vec<ArrayRef> = self
            .columns
            .iter()
            .filter(of_key)
            .map(|c| rows.column_by_name(&c.name).expect("rows name their key").clone())
            .collect();
        let converted = self.by_key.convert_columns(&columns).expect("keys are in their carriers");
        converted.iter().map(|key| key.owned()).collect()
    }

    pub(crate) fn gather(&self, rows: &[&Vec<Cell>], position: usize) -> ArrayRef {
        if rows.is_empty() {
            return new_empty_array(&self.columns[position].value.carrier());
        }
        let arrays: Vec<&dyn Array> = rows.iter().map(|cells| cells[position].array.as_ref()).collect();
        let places: Vec<_> = rows.iter().enumerate().map(|(i, cells)| (i, cells[position].row)).collect();
        interleave(&arrays, &places).expect("cells are in their carriers")
    }

    pub(crate) fn position(&self, name: &str) -> usize {
        self.columns.iter().position(|c| c.name == name).expect("the table fits the sync")
    }
}

fn refused(part: Part, row: usize, column: String, reason: String) -> Reject {
    Reject { part, row, column: Some(column), reason, may_settle: false }
}

/// Whether a column of one type takes and gives values of another: whole numbers of one carrier do, within its range.
fn holds(column: &ValueType, wanted: &ValueType) -> bool {
    use ValueType::Integer as Whole;
    column == wanted
        || matches!((column, wanted), (Whole(a), Whole(b)) if *a != Integer::U64 && *b != Integer::U64)
}

fn marked(mark: SoftMark) -> ValueType {
    match mark {
        SoftMark::Flag => ValueType::Boolean,
        SoftMark::Time => ValueType::Instant(Resolution::Micro),
    }
}

/// What the marking column holds of a row that is gone since a time, or of one that is there.
fn mark_of(mark: SoftMark, gone: Option<i64>) -> Cell {
    let array: ArrayRef = match mark {
        SoftMark::Flag => Arc::new(BooleanArray::from(vec![gone.is_some()])),
        SoftMark::Time => Arc::new(TimestampMicrosecondArray::from(vec![gone]).with_timezone("UTC")),
    };
    Cell { array, row: 0 }
}
