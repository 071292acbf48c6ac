//! Unique indexes and the values in them, compared as the server compares them.

use crate::{
    catalog::Index,
    decode,
    plan::{ID, Plan},
    read,
};
use mongodb::bson::{Bson, Document, RawBsonRef, RawDocument, RawDocumentBuf};
use std::collections::HashMap;

/// The values of a document in an index, with the form in which equal ones are the same.
#[derive(Clone, Debug)]
pub(super) struct Tuple {
    form: Vec<u8>,
    values: Vec<Bson>,
}

impl PartialEq for Tuple {
    fn eq(&self, other: &Self) -> bool {
        self.form == other.form
    }
}

impl Eq for Tuple {}

impl std::hash::Hash for Tuple {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.form.hash(state);
    }
}

/// A unique index other than the key's, whose values can be compared here.
pub(super) struct Unique {
    /// The fields, each with the position of the managed column that it is.
    pub(super) fields: Vec<(String, Option<usize>)>,
    sparse: bool,
}

impl Unique {
    pub(super) fn of(index: &Index, plan: &Plan) -> Option<Self> {
        let comparable = index.unique && !index.partial && !index.collated && index.is_ordered();
        if !comparable || index.is_on(&plan.key_fields()) || index.is_on(&[ID]) {
            return None;
        }
        let column =
            |field: &str| plan.columns.iter().position(|column| column.name == field && column.path[0] != ID);
        let fields: Vec<_> = index.keys.iter().map(|(field, _)| (field.clone(), column(field))).collect();
        let unique = Self { fields, sparse: index.sparse };
        unique.parked(plan).is_some().then_some(unique)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.fields.iter().map(|(field, _)| field.clone()).collect()
    }

    /// The managed column that is changed to put a value aside; none if there are only columns of the key.
    pub(super) fn parked(&self, plan: &Plan) -> Option<usize> {
        self.fields.iter().filter_map(|(_, column)| *column).find(|column| !plan.columns[*column].is_key)
    }

    /// What a document has in the index. A field that is not there counts as null; a sparse index leaves out documents
    /// that have none of its fields. `None` too for arrays, which are in the index item by item.
    pub(super) fn tuple(&self, document: &RawDocument) -> Option<Tuple> {
        let cell = |field: &str| {
            let path: Vec<String> = field.split('.').map(str::to_owned).collect();
            read::cell(document, &path)
        };
        self.of_cells(self.fields.iter().map(|(field, _)| cell(field)))
    }

    /// What a row will have in the index: its own values, and the document's in fields that are not managed.
    pub(super) fn tuple_of_row(
        &self,
        plan: &Plan,
        written: &HashMap<String, RawDocumentBuf>,
        document: Option<&RawDocumentBuf>,
    ) -> Option<Tuple> {
        let document = document.filter(|_| !plan.replace);
        let cell = |(field, column): &(String, Option<usize>)| match column {
            Some(_) => match written.get(field)?.get("v").ok()? {
                // A null that is written as no field is null in the index all the same, unless that is sparse.
                Some(RawBsonRef::Null) if plan.nulls == hydrant_contract::Nulls::Omit => Some(None),
                found => Some(found),
            },
            None => match document {
                Some(document) => {
                    let path: Vec<String> = field.split('.').map(str::to_owned).collect();
                    read::cell(document, &path)
                }
                None => Some(None),
            },
        };
        self.of_cells(self.fields.iter().map(cell).collect::<Vec<_>>().into_iter())
    }

    fn of_cells<'d>(&self, cells: impl Iterator<Item = Option<decode::Cell<'d>>>) -> Option<Tuple> {
        let cells: Vec<decode::Cell<'d>> = cells.collect::<Option<_>>()?;
        if self.sparse && cells.iter().all(Option::is_none) {
            return None;
        }
        let mut tuple = Tuple { form: Vec::new(), values: Vec::with_capacity(cells.len()) };
        for cell in cells {
            let found = cell.unwrap_or(RawBsonRef::Null);
            if matches!(found, RawBsonRef::Array(_)) {
                return None;
            }
            append(&mut tuple.form, found);
            tuple.values.push(Bson::try_from(found).ok()?);
        }
        Some(tuple)
    }

    /// What finds the document that has these values.
    pub(super) fn filter(&self, tuple: &Tuple) -> Document {
        self.names().into_iter().zip(tuple.values.iter().cloned()).collect()
    }
}

/// The key of a document in the form in which equal ones are the same; `None` if a part is not there.
pub(super) fn key(plan: &Plan, document: &RawDocument) -> Option<Vec<u8>> {
    let mut form = Vec::new();
    for field in plan.key_fields() {
        let path: Vec<String> = field.split('.').map(str::to_owned).collect();
        append(&mut form, read::cell(document, &path)??);
    }
    Some(form)
}

/// Appends a value so that what the server takes for equal is the same: numbers by value, all else by type and bytes.
fn append(form: &mut Vec<u8>, found: RawBsonRef<'_>) {
    if let Some(number) = decode::whole(found) {
        form.push(1);
        form.extend_from_slice(&number.to_le_bytes());
        return;
    }
    if let RawBsonRef::Document(fields) = found {
        form.push(2);
        for (name, value) in fields.iter().flatten() {
            form.extend_from_slice(name.as_str().as_bytes());
            form.push(0);
            append(form, value);
        }
        form.push(0);
        return;
    }
    form.push(3);
    // Its own document: type byte, length and bytes, as BSON has them.
    let mut one = RawDocumentBuf::new();
    one.append(mongodb::bson::cstr!(""), found);
    form.extend_from_slice(one.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::rawdoc;

    fn form(document: &RawDocumentBuf) -> Vec<u8> {
        let mut form = Vec::new();
        append(&mut form, document.get("v").expect("BSON").expect("a value"));
        form
    }

    #[test]
    fn numbers_are_equal_by_value_and_texts_by_bytes() {
        assert_eq!(form(&rawdoc! { "v": 1 }), form(&rawdoc! { "v": 1.0 }));
        assert_eq!(form(&rawdoc! { "v": { "a": 1_i64 } }), form(&rawdoc! { "v": { "a": 1 } }));
        assert_ne!(form(&rawdoc! { "v": "1" }), form(&rawdoc! { "v": 1 }));
        assert_ne!(form(&rawdoc! { "v": "a" }), form(&rawdoc! { "v": "A" }));
        assert_ne!(form(&rawdoc! { "v": null }), form(&rawdoc! { "v": false }));
    }

    #[test]
    fn a_sparse_index_leaves_out_what_has_no_field() {
        let index = |sparse| Unique { fields: vec![("a".to_owned(), None), ("b".to_owned(), None)], sparse };
        assert!(index(true).tuple(&rawdoc! { "c": 1 }).is_none());
        assert_eq!(
            index(true).tuple(&rawdoc! { "a": 1 }),
            index(false).tuple(&rawdoc! { "a": 1, "b": null })
        );
        assert!(index(false).tuple(&rawdoc! { "a": [1] }).is_none());
    }
}
