//! The columns of a sync as fields of documents.

use crate::path;
use arrow::{array::ArrayRef, record_batch::RecordBatch};
use hydrant_contract::{DocumentId, Mismatch, Nulls, SoftMark, TableSpec, ValueType};

/// The field of the identity.
pub(crate) const ID: &str = "_id";

/// How the rows of a sync become documents.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) database: String,
    pub(crate) collection: String,
    /// The managed columns, in the query's order.
    pub(crate) columns: Vec<ColumnPlan>,
    /// Positions of the key among the columns, in the key's order.
    pub(crate) key: Vec<usize>,
    pub(crate) id: DocumentId,
    pub(crate) replace: bool,
    pub(crate) nulls: Nulls,
    /// The field that marks soft deletes.
    pub(crate) soft: Option<(String, SoftMark)>,
    /// The fields of a whole document but for the identity, nested as their paths say.
    pub(crate) tree: Vec<Node>,
}

/// Where one column is kept.
#[derive(Clone, Debug)]
pub(crate) struct ColumnPlan {
    /// The name, which is its path where it is a field of its own.
    pub(crate) name: String,
    pub(crate) value: ValueType,
    pub(crate) is_key: bool,
    /// The names that lead to it from the document.
    pub(crate) path: Vec<String>,
}

/// A field of a document that is written whole.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// A value.
    Leaf(String, Leaf),
    /// A nested document.
    Branch(String, Vec<Node>),
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Leaf {
    /// The managed column at this position.
    Column(usize),
    /// The mark of soft deletes.
    Soft,
}

impl Plan {
    /// Makes documents of columns, or says all that is in the way.
    pub(crate) fn new(spec: &TableSpec, database: &str) -> Result<Self, Vec<Mismatch>> {
        let id = spec.documents.id;
        let soft = spec.soft_column().map(|(name, mark)| (name.to_owned(), mark));
        let mismatches = mismatches(spec, id);
        if !mismatches.is_empty() {
            return Err(mismatches);
        }
        let single = spec.shape.key().len() == 1;
        let columns: Vec<_> = spec
            .shape
            .columns()
            .iter()
            .map(|column| {
                let is_key = spec.shape.is_key(&column.name);
                let path = match (id, is_key, single) {
                    (DocumentId::Key, true, true) => vec![ID.to_owned()],
                    (DocumentId::Key, true, false) => vec![ID.to_owned(), column.name.clone()],
                    _ => column.name.split('.').map(str::to_owned).collect(),
                };
                ColumnPlan { name: column.name.clone(), value: column.value.clone(), is_key, path }
            })
            .collect();
        let mut tree = Vec::new();
        for (at, column) in columns.iter().enumerate() {
            if id == DocumentId::Fields || !column.is_key {
                plant(&mut tree, &column.path, Leaf::Column(at));
            }
        }
        if let Some((name, _)) = &soft {
            let path: Vec<_> = name.split('.').map(str::to_owned).collect();
            plant(&mut tree, &path, Leaf::Soft);
        }
        Ok(Self {
            database: spec.table.schema.clone().unwrap_or_else(|| database.to_owned()),
            collection: spec.table.name.clone(),
            columns,
            key: spec.shape.key_positions(),
            id,
            replace: spec.documents.replace,
            nulls: spec.documents.nulls,
            soft,
            tree,
        })
    }

    /// The key columns, in the key's order.
    pub(crate) fn key_columns(&self) -> impl Iterator<Item = (usize, &ColumnPlan)> {
        self.key.iter().map(|at| (*at, &self.columns[*at]))
    }

    /// The columns that are not the key, with their positions.
    pub(crate) fn value_columns(&self) -> impl Iterator<Item = (usize, &ColumnPlan)> {
        self.columns.iter().enumerate().filter(|(_, column)| !column.is_key)
    }

    /// Whether the key is kept in the identity.
    pub(crate) fn is_in_id(&self) -> bool {
        self.id == DocumentId::Key
    }

    /// The fields of the unique index that keeps keys unique.
    pub(crate) fn key_fields(&self) -> Vec<&str> {
        match self.id {
            DocumentId::Key => vec![ID],
            DocumentId::Fields => self.key_columns().map(|(_, column)| column.name.as_str()).collect(),
        }
    }

    /// The arrays of a batch of whole rows or of keys, for each managed column.
    pub(crate) fn rows<'b>(&self, batch: &'b RecordBatch, keys_only: bool) -> Rows<'b> {
        let arrays = match keys_only {
            false => batch.columns().iter().map(Some).collect(),
            true => {
                let place = |at: usize| self.key.iter().position(|k| *k == at).map(|i| batch.column(i));
                (0..self.columns.len()).map(place).collect()
            }
        };
        Rows { arrays, count: batch.num_rows() }
    }
}

/// Rows of a batch, by managed columns; of keys only those of the key are there.
pub(crate) struct Rows<'b> {
    pub(crate) arrays: Vec<Option<&'b ArrayRef>>,
    pub(crate) count: usize,
}

fn plant(nodes: &mut Vec<Node>, path: &[String], leaf: Leaf) {
    let [first, rest @ ..] = path else { return };
    if rest.is_empty() {
        nodes.push(Node::Leaf(first.clone(), leaf));
        return;
    }
    for node in nodes.iter_mut() {
        if let Node::Branch(name, inner) = node
            && name == first
        {
            return plant(inner, rest, leaf);
        }
    }
    let mut inner = Vec::new();
    plant(&mut inner, rest, leaf);
    nodes.push(Node::Branch(first.clone(), inner));
}

fn mismatches(spec: &TableSpec, id: DocumentId) -> Vec<Mismatch> {
    let key = spec.shape.key();
    let in_id = |name: &str| id == DocumentId::Key && spec.shape.is_key(name);
    let mut found = Vec::new();
    let columns = spec.shape.columns();
    let soft = spec.soft_column().map(|(name, _)| name);
    let fields: Vec<&str> =
        columns.iter().map(|c| c.name.as_str()).filter(|name| !in_id(name)).chain(soft).collect();
    for name in &fields {
        found.extend(path::problem(name));
        if *name == ID || name.starts_with("_id.") {
            found.push(Mismatch {
                column: Some((*name).to_owned()),
                problem: "it would be the identity of the document, which is no field like others".to_owned(),
                mend: "make it the one column of the key and keep the key in `_id` (documents: { id: key }), or give it \
                       another name with AS in the query"
                    .to_owned(),
            });
        }
    }
    if id == DocumentId::Key && key.len() > 1 {
        for name in
            key.iter().filter(|name| name.contains('.') || path::problem(name).is_some() || *name == ID)
        {
            found.push(Mismatch {
                column: Some(name.clone()),
                problem:
                    "a key of several columns is a document in `_id`, whose fields cannot have this name"
                        .to_owned(),
                mend:
                    "give the column another name with AS in the query, or keep the key in fields of its own \
                       (documents: { id: fields })"
                        .to_owned(),
            });
        }
    }
    for (outer, inner) in path::overlaps(&fields) {
        found.push(Mismatch {
            column: Some(inner.to_owned()),
            problem: format!("it is a field of the document {outer:?}, which another column is as a whole"),
            mend: "return either the whole document or its fields from the query".to_owned(),
        });
    }
    for column in columns {
        if has_nul(&column.value) {
            found.push(Mismatch {
                column: Some(column.name.clone()),
                problem: "a field of its struct has the character NUL in its name".to_owned(),
                mend: "give the field another name in the query".to_owned(),
            });
        }
    }
    found
}

/// Whether a name within the type contains NUL, which BSON has no room for.
fn has_nul(value: &ValueType) -> bool {
    match value {
        ValueType::Struct(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        ValueType::List(item) => has_nul(item),
        ValueType::Map(_, value) => has_nul(value),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_contract::{Column, Deletes, Documents, Mode, Shape, TableName};

    fn spec(columns: &[&str], key: &[&str], id: DocumentId) -> TableSpec {
        let column = |name: &&str| Column { name: (*name).to_owned(), value: ValueType::Text };
        let key = key.iter().map(|name| (*name).to_owned()).collect();
        TableSpec {
            table: TableName { schema: None, name: "t".to_owned() },
            shape: Shape::new(columns.iter().map(column).collect(), key).expect("a shape"),
            mode: Mode::Mirror,
            deletes: Deletes::Hard,
            documents: Documents { id, ..Documents::default() },
        }
    }

    fn refused(columns: &[&str], key: &[&str], id: DocumentId) -> Vec<String> {
        let mismatches = Plan::new(&spec(columns, key, id), "db").expect_err("no documents");
        mismatches.iter().map(|m| m.column.clone().unwrap_or_default()).collect()
    }

    #[test]
    fn a_single_key_may_have_any_name_since_it_is_the_identity() {
        let plan = Plan::new(&spec(&["$1", "v"], &["$1"], DocumentId::Key), "db").expect("a plan");
        assert_eq!(plan.columns[0].path, ["_id"]);
        assert_eq!(refused(&["$1", "v"], &["$1"], DocumentId::Fields), ["$1"]);
        assert!(Plan::new(&spec(&["_id", "v"], &["_id"], DocumentId::Key), "db").is_ok());
        assert_eq!(refused(&["_id", "v"], &["_id"], DocumentId::Fields), ["_id"]);
        assert_eq!(refused(&["id", "_id"], &["id"], DocumentId::Key), ["_id"]);
    }

    #[test]
    fn a_key_of_several_columns_is_a_document_with_plain_names() {
        let plan = Plan::new(&spec(&["v", "b", "a"], &["a", "b"], DocumentId::Key), "db").expect("a plan");
        assert_eq!(plan.columns[1].path, ["_id", "b"]);
        assert_eq!(plan.key, [2, 1]);
        assert_eq!(refused(&["a.x", "b"], &["a.x", "b"], DocumentId::Key), ["a.x"]);
        assert!(Plan::new(&spec(&["a.x", "b"], &["a.x", "b"], DocumentId::Fields), "db").is_ok());
    }

    #[test]
    fn paths_grow_into_one_tree() {
        let plan =
            Plan::new(&spec(&["id", "a.x", "c", "a.y.z"], &["id"], DocumentId::Key), "db").expect("a plan");
        assert_eq!(
            format!("{:?}", plan.tree),
            "[Branch(\"a\", [Leaf(\"x\", Column(1)), Branch(\"y\", [Leaf(\"z\", Column(3))])]), Leaf(\"c\", Column(2))]"
        );
        assert_eq!(refused(&["id", "a", "a.b"], &["id"], DocumentId::Key), ["a.b"]);
    }
}
