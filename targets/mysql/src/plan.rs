//! A sync's columns matched with the columns of its table.

use crate::{
    catalog::{Table, TableColumn, UniqueIndex},
    column_type::{self, KeyRoom, Kind},
    encode::Codec,
    name,
    session::Server,
};
use arrow::{array::ArrayRef, record_batch::RecordBatch};
use hydrant_contract::{Deletes, Mismatch, Mode, SoftMark, TableSpec, ValueType};
use std::sync::Arc;

/// How the rows of a sync go into its table.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) table: Arc<Table>,
    /// The managed columns, in the query's order.
    pub(crate) columns: Arc<[ColumnPlan]>,
    /// Positions of the key among the columns, in the order of its index.
    pub(crate) key: Vec<usize>,
    /// Positions of the key among the columns, in the key's own order.
    pub(crate) key_of_spec: Vec<usize>,
    pub(crate) key_index: UniqueIndex,
    /// The column that marks soft deletes, quoted, and the mark of a row that is not deleted.
    pub(crate) soft: Option<(String, SoftMark)>,
}

/// How the values of one column go into the table.
#[derive(Clone, Debug)]
pub(crate) struct ColumnPlan {
    pub(crate) value: ValueType,
    pub(crate) column: TableColumn,
    pub(crate) is_key: bool,
    pub(crate) codec: Codec,
}

impl ColumnPlan {
    /// The name, quoted.
    pub(crate) fn quoted(&self) -> String {
        name::quoted(&self.column.name)
    }
}

impl Plan {
    /// Matches, or says all that does not match.
    pub(crate) fn new(spec: &TableSpec, table: Table, server: &Server) -> Result<Self, Vec<Mismatch>> {
        let mut mismatches = Vec::new();
        mismatches.extend(engine(&table));
        let room = KeyRoom::new(spec.shape.key_columns().map(|c| &c.value), server);
        let columns: Vec<_> = spec
            .shape
            .columns()
            .iter()
            .filter_map(|wanted| {
                let room = spec.shape.is_key(&wanted.name).then_some(&room);
                column(&table, &wanted.name, &wanted.value, room, server).map_err(|m| mismatches.push(m)).ok()
            })
            .collect();
        let soft = spec.soft_column().and_then(|(column, mark)| {
            soft_column(&table, column, mark).map_err(|m| mismatches.push(m)).ok()
        });
        let names: Vec<_> =
            spec.shape.key().iter().filter_map(|key| Some(table.column(key)?.name.as_str())).collect();
        let key_index = table.index_on(&names).filter(|_| names.len() == spec.shape.key().len()).cloned();
        if key_index.is_none() {
            mismatches.push(no_index(spec, &table));
        }
        if spec.deletes == Deletes::NullOut && spec.mode == Mode::Mirror {
            mismatches.extend(columns.iter().filter(|c| !c.is_key && c.column.not_null).map(|c| Mismatch {
                column: Some(c.column.name.clone()),
                problem: "it is NOT NULL, and deletes shall make it NULL".to_owned(),
                mend: format!(
                    "ALTER TABLE {} MODIFY COLUMN {} {} NULL",
                    table.quoted,
                    c.quoted(),
                    c.column.declared()
                ),
            }));
        }
        let Some(key_index) = key_index.filter(|_| mismatches.is_empty()) else { return Err(mismatches) };
        let position = |name: &String| columns.iter().position(|c| c.column.name == *name);
        let key = key_index.columns.iter().flatten().filter_map(position).collect();
        let key_of_spec = spec.shape.key_positions();
        Ok(Self { table: Arc::new(table), columns: columns.into(), key, key_of_spec, key_index, soft })
    }

    /// The key columns in the order of the index, with their positions.
    pub(crate) fn key_columns(&self) -> impl Iterator<Item = (usize, &ColumnPlan)> {
        self.key.iter().map(|at| (*at, &self.columns[*at]))
    }

    /// The columns that are not the key, with their positions.
    pub(crate) fn value_columns(&self) -> impl Iterator<Item = (usize, &ColumnPlan)> {
        self.columns.iter().enumerate().filter(|(_, c)| !c.is_key)
    }

    /// For each managed column the array of a batch that holds it: of rows all, of keys those of the key.
    pub(crate) fn arrays(&self, batch: &RecordBatch, keys_only: bool) -> Vec<Option<ArrayRef>> {
        match keys_only {
            false => batch.columns().iter().cloned().map(Some).collect(),
            true => {
                let place = |at: usize| {
                    self.key_of_spec.iter().position(|k| *k == at).map(|i| batch.column(i).clone())
                };
                (0..self.columns.len()).map(place).collect()
            }
        }
    }
}

fn engine(table: &Table) -> Option<Mismatch> {
    let engine = table.engine.as_deref().unwrap_or("none");
    (!engine.eq_ignore_ascii_case("InnoDB")).then(|| Mismatch {
        column: None,
        problem: format!(
            "its storage engine is {engine}, which has no transactions: rows and checkpoint could not be written together"
        ),
        mend: format!("ALTER TABLE {} ENGINE=InnoDB", table.quoted),
    })
}

fn column(
    table: &Table,
    wanted: &str,
    value: &ValueType,
    key: Option<&KeyRoom>,
    server: &Server,
) -> Result<ColumnPlan, Mismatch> {
    let mismatch =
        |problem: String, mend: String| Mismatch { column: Some(wanted.to_owned()), problem, mend };
    let quoted = name::quoted(wanted);
    let home = || column_type::created_sql(value, key, server);
    let Some(column) = table.column(wanted) else {
        if let Some(problem) = name::problem(wanted) {
            return Err(mismatch(problem, "give it another name in the query with AS".to_owned()));
        }
        let mend = match home() {
            Some(home) => format!("ALTER TABLE {} ADD COLUMN {quoted} {home}", table.quoted),
            None => no_home(value),
        };
        return Err(mismatch("the table has no such column that the account may see".to_owned(), mend));
    };
    if column.generated {
        let mend = "leave it out of the query".to_owned();
        return Err(mismatch("the database generates it from other columns".to_owned(), mend));
    }
    let modify = |to: &str| {
        let not_null = if column.not_null { " NOT NULL" } else { "" };
        format!("ALTER TABLE {} MODIFY COLUMN {} {to}{not_null}", table.quoted, name::quoted(&column.name))
    };
    let codec =
        Codec::new(value, &column.kind, server.product, key.is_some() && column.ignores_spaces_at_end());
    let Some(codec) = codec else {
        let problem = match &column.charset {
            Some(charset) if column.kind == Kind::Other => format!(
                "the query gives {value}, the column is {} in the character set {charset}, whose characters hydrant does not know",
                column.shown
            ),
            _ => format!("the query gives {value}, the column is {}", column.shown),
        };
        let mend = home()
            .map_or_else(|| no_home(value), |home| format!("{}; or cast it in the query", modify(&home)));
        return Err(mismatch(problem, mend));
    };
    if key.is_some() {
        if matches!(column.kind, Kind::Set(_) | Kind::Json | Kind::Text { .. } | Kind::Blob(_)) {
            let problem =
                format!("a column of type {} cannot be a key: no index holds it whole", column.shown);
            return Err(mismatch(problem, modify(&home().unwrap_or_default())));
        }
        if *value == ValueType::Text && column.kind.is_text() && !column.tells_texts_apart() {
            let collation = column.collation.as_deref().unwrap_or_default();
            let problem = format!(
                "its collation {collation} calls keys equal that are different to the query (A and a, say)"
            );
            let to = format!("{} CHARACTER SET utf8mb4 COLLATE {}", column.shown, server.exact_collation());
            return Err(mismatch(problem, modify(&to)));
        }
    }
    Ok(ColumnPlan { value: value.clone(), column: column.clone(), is_key: key.is_some(), codec })
}

/// What to do about a type that MySQL has no column for.
pub(crate) fn no_home(value: &ValueType) -> String {
    format!("MySQL has no column for {value}: cast it in the query, to DECIMAL(65, 30) or less, or to text")
}

fn soft_column(table: &Table, wanted: &str, mark: SoftMark) -> Result<(String, SoftMark), Mismatch> {
    let mismatch =
        |problem: String, mend: String| Mismatch { column: Some(wanted.to_owned()), problem, mend };
    let quoted = name::quoted(wanted);
    let Some(column) = table.column(wanted) else {
        let add = format!("ALTER TABLE {} ADD COLUMN {quoted} {}", table.quoted, column_type::soft_sql(mark));
        return Err(mismatch("the table lacks the column that marks deleted rows".to_owned(), add));
    };
    let (fits, wants) = match mark {
        SoftMark::Flag => (column.kind.takes(&ValueType::Boolean), "BOOLEAN"),
        SoftMark::Time => {
            (matches!(column.kind, Kind::Datetime(_) | Kind::Timestamp(_)), "DATETIME(6) or TIMESTAMP(6)")
        }
    };
    if !fits || column.generated {
        let problem = format!("it marks deleted rows and must be {wants}, but is {}", column.shown);
        return Err(mismatch(problem, "name another column for the mark in the configuration".to_owned()));
    }
    if mark == SoftMark::Time && column.not_null {
        let mend = format!("ALTER TABLE {} MODIFY COLUMN {quoted} {} NULL", table.quoted, column.shown);
        return Err(mismatch("it is NULL for rows that are not deleted, but is NOT NULL".to_owned(), mend));
    }
    Ok((name::quoted(&column.name), mark))
}

fn no_index(spec: &TableSpec, table: &Table) -> Mismatch {
    let key = name::list(spec.shape.key().iter().map(String::as_str));
    Mismatch {
        column: None,
        problem: format!(
            "no primary key or unique index stands on exactly the key ({key}) that is visible, and without prefix or expression"
        ),
        mend: format!("ALTER TABLE {} ADD UNIQUE INDEX ({key})", table.quoted),
    }
}
