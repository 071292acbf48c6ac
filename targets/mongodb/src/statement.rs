//! One row as one operation of a write command.

use crate::{
    encode::{
        self,
        document::{self, tag},
    },
    plan::{ID, Leaf, Node, Plan, Rows},
};
use arrow::array::Array;
use hydrant_contract::{Nulls, SoftMark};

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A new document; a key that is there is an error.
    Insert,
    /// The managed fields, in the document that is there or in a new one.
    Upsert,
    /// A new document where there is none; what is there stays as it is.
    InsertIfAbsent,
    /// The managed fields of the document that is there.
    Update,
    /// No document.
    Delete,
    /// The mark of a soft delete, on the document that is there.
    Mark,
    /// NULL in all managed fields but the key, of the document that is there.
    NullOut,
}

impl Way {
    /// The command and the name of its list of operations.
    pub(crate) fn command(self) -> (&'static str, &'static str) {
        match self {
            Self::Insert => ("insert", "documents"),
            Self::Delete => ("delete", "deletes"),
            Self::Upsert | Self::InsertIfAbsent | Self::Update | Self::Mark | Self::NullOut => {
                ("update", "updates")
            }
        }
    }
}

/// A value that has no place in a document.
#[derive(Clone, Debug)]
pub(crate) struct Unfit {
    pub(crate) column: String,
    pub(crate) reason: String,
}

/// How rows become operations.
pub(crate) struct Statement<'p> {
    pub(crate) plan: &'p Plan,
    pub(crate) way: Way,
    /// Milliseconds of the run's as-of time: what a soft delete notes.
    pub(crate) as_of: i64,
}

type Fit<T> = std::result::Result<T, Unfit>;

impl Statement<'_> {
    /// Appends a row as the item at this position of the command's list. Returns false, with nothing appended, if there is
    /// nothing to write.
    pub(crate) fn operation(
        &self,
        out: &mut Vec<u8>,
        position: usize,
        rows: &Rows<'_>,
        row: usize,
    ) -> Fit<bool> {
        let before = out.len();
        document::item(out, tag::DOCUMENT, position);
        let written = self.body(out, rows, row);
        if !matches!(written, Ok(true)) {
            out.truncate(before);
        }
        written
    }

    fn body(&self, out: &mut Vec<u8>, rows: &Rows<'_>, row: usize) -> Fit<bool> {
        let whole = document::open(out);
        if self.way == Way::Insert {
            if self.plan.is_in_id() {
                identity(out, self.plan, rows, row)?;
            }
            self.fields(out, &self.plan.tree, rows, row)?;
            document::close(out, whole);
            return Ok(true);
        }
        let query = document::open_field(out, tag::DOCUMENT, "q");
        key(out, self.plan, rows, row)?;
        document::close(out, query);
        if self.way == Way::Delete {
            document::int32(out, "limit", 1);
            document::close(out, whole);
            return Ok(true);
        }
        let change = document::open_field(out, tag::DOCUMENT, "u");
        match self.way {
            Way::Upsert | Way::Update if self.plan.replace => self.fields(out, &self.plan.tree, rows, row)?,
            Way::Upsert | Way::Update => self.set(out, rows, row)?,
            Way::InsertIfAbsent => {
                let set = document::open_field(out, tag::DOCUMENT, "$setOnInsert");
                self.fields(out, &self.plan.tree, rows, row)?;
                end(out, set, "$setOnInsert");
            }
            Way::Mark => self.mark(out),
            Way::NullOut => self.null_out(out),
            Way::Insert | Way::Delete => {}
        }
        let upserts = matches!(self.way, Way::Upsert | Way::InsertIfAbsent);
        let replaces = self.plan.replace && matches!(self.way, Way::Upsert | Way::Update);
        if document::is_empty(out, change) && !replaces {
            if !upserts {
                return Ok(false);
            }
            // A row of keys alone: there is nothing to set, and the document shall be there all the same.
            let nothing = document::open_field(out, tag::DOCUMENT, "$setOnInsert");
            document::close(out, nothing);
        }
        document::close(out, change);
        if upserts {
            document::boolean(out, "upsert", true);
        }
        document::close(out, whole);
        Ok(true)
    }

    /// The fields of a whole document, nested. What is NULL is left out if the sync says so, and with it a document that
    /// would hold nothing.
    fn fields(&self, out: &mut Vec<u8>, nodes: &[Node], rows: &Rows<'_>, row: usize) -> Fit<()> {
        for node in nodes {
            match node {
                Node::Leaf(name, Leaf::Column(at)) => self.column(out, name, *at, rows, row)?,
                Node::Leaf(name, Leaf::Soft) => self.unmarked(out, name),
                Node::Branch(name, inner) => {
                    let before = out.len();
                    let nested = document::open_field(out, tag::DOCUMENT, name);
                    self.fields(out, inner, rows, row)?;
                    match document::is_empty(out, nested) {
                        true => out.truncate(before),
                        false => document::close(out, nested),
                    }
                }
            }
        }
        Ok(())
    }

    fn column(&self, out: &mut Vec<u8>, name: &str, at: usize, rows: &Rows<'_>, row: usize) -> Fit<()> {
        let Some(array) = rows.arrays[at] else { return Ok(()) };
        if self.plan.nulls == Nulls::Omit && array.is_null(row) {
            return Ok(());
        }
        value(out, name, self.plan, at, rows, row)
    }

    /// What a document holds that is not marked as gone.
    fn unmarked(&self, out: &mut Vec<u8>, name: &str) {
        match self.plan.soft {
            Some((_, SoftMark::Flag)) => document::boolean(out, name, false),
            Some((_, SoftMark::Time)) if self.plan.nulls == Nulls::Keep => document::null(out, name),
            _ => {}
        }
    }

    /// `$set` of the managed fields, and `$unset` of those that are NULL if the sync wants them gone.
    fn set(&self, out: &mut Vec<u8>, rows: &Rows<'_>, row: usize) -> Fit<()> {
        let set = document::open_field(out, tag::DOCUMENT, "$set");
        for (at, column) in self.plan.value_columns() {
            self.column(out, &column.name, at, rows, row)?;
        }
        if let Some((name, _)) = &self.plan.soft {
            self.unmarked(out, name);
        }
        end(out, set, "$set");
        if self.plan.nulls == Nulls::Omit {
            let unset = document::open_field(out, tag::DOCUMENT, "$unset");
            for (at, column) in self.plan.value_columns() {
                if rows.arrays[at].is_some_and(|array| array.is_null(row)) {
                    document::string(out, &column.name, "");
                }
            }
            if let Some((name, SoftMark::Time)) = &self.plan.soft {
                document::string(out, name, "");
            }
            end(out, unset, "$unset");
        }
        Ok(())
    }

    fn mark(&self, out: &mut Vec<u8>) {
        if let Some((name, mark)) = &self.plan.soft {
            let set = document::open_field(out, tag::DOCUMENT, "$set");
            match mark {
                SoftMark::Flag => document::boolean(out, name, true),
                SoftMark::Time => document::date(out, name, self.as_of),
            }
            document::close(out, set);
        }
    }

    fn null_out(&self, out: &mut Vec<u8>) {
        let (operator, keep) = match self.plan.nulls {
            Nulls::Keep => ("$set", true),
            Nulls::Omit => ("$unset", false),
        };
        let change = document::open_field(out, tag::DOCUMENT, operator);
        for (_, column) in self.plan.value_columns() {
            match keep {
                true => document::null(out, &column.name),
                false => document::string(out, &column.name, ""),
            }
        }
        end(out, change, operator);
    }
}

/// Closes the document of an operator, or takes it back if it is empty.
fn end(out: &mut Vec<u8>, open: document::Open, operator: &str) {
    match document::is_empty(out, open) {
        // Its type byte, its name and the NUL behind that, and its length.
        true => out.truncate(out.len() - 4 - operator.len() - 2),
        false => document::close(out, open),
    }
}

/// The fields that find the document of a row: its identity, or its key.
pub(crate) fn key(out: &mut Vec<u8>, plan: &Plan, rows: &Rows<'_>, row: usize) -> Fit<()> {
    if plan.is_in_id() {
        return identity(out, plan, rows, row);
    }
    for (at, column) in plan.key_columns() {
        value(out, &column.name, plan, at, rows, row)?;
    }
    Ok(())
}

/// The identity that a row has.
fn identity(out: &mut Vec<u8>, plan: &Plan, rows: &Rows<'_>, row: usize) -> Fit<()> {
    if let [at] = plan.key[..] {
        return value(out, ID, plan, at, rows, row);
    }
    let whole = document::open_field(out, tag::DOCUMENT, ID);
    for (at, column) in plan.key_columns() {
        value(out, &column.name, plan, at, rows, row)?;
    }
    document::close(out, whole);
    Ok(())
}

fn value(out: &mut Vec<u8>, name: &str, plan: &Plan, at: usize, rows: &Rows<'_>, row: usize) -> Fit<()> {
    let column = &plan.columns[at];
    let Some(array) = rows.arrays[at] else { return Ok(()) };
    let unfit = |reason: String| Unfit { column: column.name.clone(), reason };
    // Where NULL is no field, a field that is null is the JSON null and nothing else.
    if plan.nulls == Nulls::Omit && encode::is_json_null(array, row, &column.value) {
        document::null(out, name);
        return Ok(());
    }
    encode::field(out, name, array, row, &column.value).map_err(unfit)
}
