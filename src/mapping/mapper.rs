//! A mapping made to fit the columns of one query.

use super::{Constant, MapError, Mapping, MappingError, Transforms, Wanted, hash::Hasher, text};
use crate::carry;
use arrow::{
    array::{Array, ArrayRef, AsArray, StringArray, StringBuilder},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
    error::ArrowError,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use hydrant_contract::ValueType;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Maps the batches of one query.
#[derive(Clone, Debug)]
pub struct Mapper {
    mapping: Mapping,
    /// The schema that the steps fit.
    source: SchemaRef,
    schema: SchemaRef,
    steps: Vec<Step>,
}

/// How one column is made.
#[derive(Clone, Debug)]
enum Step {
    /// It is passed on.
    Pass(usize),
    /// It is made of texts.
    Texts { at: usize, value: ValueType, trim: bool, lower: bool, hasher: Option<Hasher> },
    /// It is the same in every row.
    Constant(Constant),
}

impl Mapper {
    /// A mapper for batches of this schema, or everything that is wrong with the mapping.
    pub fn new(mapping: &Mapping, source: &SchemaRef) -> Result<Self, Vec<MappingError>> {
        let mut resolver = Resolver::of(mapping, source);
        mapping.columns.iter().for_each(|wanted| resolver.resolve(wanted));
        let Resolver { fields, steps, errors, .. } = resolver;
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            mapping: mapping.clone(),
            source: Arc::clone(source),
            schema: Arc::new(Schema::new(fields)),
            steps,
        })
    }

    /// The schema of mapped batches.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The same rows, with the columns that are wanted. A batch may come in another schema than the one before: whether what
    /// comes out is still of the same types is for who takes it to say.
    pub fn map(&mut self, batch: &RecordBatch) -> Result<RecordBatch, MapError> {
        if batch.schema_ref() != &self.source {
            *self = Self::new(&self.mapping, batch.schema_ref()).map_err(MapError::Columns)?;
        }
        let columns = self.steps.iter().zip(self.schema.fields()).map(|(step, field)| {
            let fail = |error: ArrowError| MapError::column(field.name(), &error);
            match step {
                Step::Pass(at) => Ok(Arc::clone(batch.column(*at))),
                Step::Constant(value) => value.rows(batch.num_rows()).map_err(fail),
                Step::Texts { at, value, trim, lower, hasher } => {
                    let carried = carry::column(self.source.field(*at), batch.column(*at), value)?;
                    let mut texts = in_words(&carried, value).map_err(fail)?;
                    if *trim {
                        texts = text::trim(&texts);
                    }
                    if *lower {
                        texts = text::lower(&texts).map_err(fail)?;
                    }
                    if let Some(hasher) = hasher {
                        texts = hasher.hash(&texts).map_err(fail)?;
                    }
                    Ok(Arc::new(texts) as ArrayRef)
                }
            }
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema(), columns, &options)
            .map_err(|error| MapError::column("*", &error))
    }
}

/// Texts, whole numbers and UUIDs, in their carriers, as text.
fn in_words(array: &ArrayRef, value: &ValueType) -> Result<StringArray, ArrowError> {
    if *value != ValueType::Uuid {
        return Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone());
    }
    let mut texts = StringBuilder::with_capacity(array.len(), array.len() * uuid::fmt::Hyphenated::LENGTH);
    let mut letters = [0; uuid::fmt::Hyphenated::LENGTH];
    for bytes in array.as_fixed_size_binary() {
        let uuid = bytes.and_then(|bytes| uuid::Uuid::from_slice(bytes).ok());
        texts.append_option(uuid.map(|uuid| &*uuid.hyphenated().encode_lower(&mut letters)));
    }
    Ok(texts.finish())
}

/// Finds the columns that entries name, and collects what is wrong.
struct Resolver<'a> {
    /// Where each column stands; none if there are two of that name.
    found: BTreeMap<&'a str, Option<usize>>,
    source: &'a SchemaRef,
    /// Columns that some entry is made from.
    taken: BTreeSet<&'a str>,
    /// Names in the table that some entry gives.
    given: BTreeSet<&'a str>,
    fields: Vec<FieldRef>,
    steps: Vec<Step>,
    errors: Vec<MappingError>,
}

impl<'a> Resolver<'a> {
    fn of(mapping: &'a Mapping, source: &'a SchemaRef) -> Self {
        let mut found = BTreeMap::new();
        for (at, field) in source.fields().iter().enumerate() {
            found.entry(field.name().as_str()).and_modify(|at| *at = None).or_insert(Some(at));
        }
        let taken = mapping.columns.iter().filter_map(|wanted| match wanted {
            Wanted::Column { from, .. } => Some(from.as_str()),
            Wanted::Constant { .. } | Wanted::Others { .. } => None,
        });
        Self {
            found,
            source,
            taken: taken.collect(),
            given: mapping.names().collect(),
            fields: Vec::new(),
            steps: Vec::new(),
            errors: Vec::new(),
        }
    }

    fn resolve(&mut self, wanted: &'a Wanted) {
        match wanted {
            Wanted::Constant { name, value } => {
                let field = Field::new(name, value.data_type(), true);
                self.push(field, Step::Constant(value.clone()));
            }
            Wanted::Others { except } => self.others(except),
            Wanted::Column { name, from, transforms } => match self.found.get(from.as_str()) {
                None => {
                    self.errors.push(MappingError::Missing { from: from.clone(), name: Some(name.clone()) })
                }
                Some(None) => self.errors.push(MappingError::Twice { from: from.clone() }),
                Some(Some(at)) => self.column(name, *at, transforms),
            },
        }
    }

    fn column(&mut self, name: &str, at: usize, transforms: &Transforms) {
        let field = self.source.field(at);
        if transforms.is_none() {
            return self.push(field.clone().with_name(name), Step::Pass(at));
        }
        let value = match ValueType::of(field) {
            Ok(value) => value,
            Err(error) => return self.errors.push(error.into()),
        };
        let Transforms { trim, lower, hash } = transforms;
        let is_text = value == ValueType::Text;
        let is_hashed = is_text || matches!(value, ValueType::Integer(_) | ValueType::Uuid);
        for (asked, transform, takes, fits) in [
            (*trim, "`trim`", "text", is_text),
            (*lower, "`lower`", "text", is_text),
            (hash.is_some(), "`hash`", "text, whole numbers and UUIDs", is_hashed),
        ] {
            if asked && !fits {
                let (from, value) = (field.name().clone(), value.to_string());
                self.errors.push(MappingError::Type { from, transform, takes, value });
            }
        }
        let hasher = hash.as_ref().map(super::Salt::hasher);
        let step = Step::Texts { at, value, trim: *trim, lower: *lower, hasher };
        self.push(Field::new(name, DataType::Utf8, true), step);
    }

    fn others(&mut self, except: &BTreeSet<String>) {
        for name in except {
            if !self.found.contains_key(name.as_str()) {
                self.errors.push(MappingError::Missing { from: name.clone(), name: None });
            }
        }
        for (at, field) in self.source.fields().iter().enumerate() {
            if self.taken.contains(field.name().as_str()) || except.contains(field.name()) {
                continue;
            }
            if self.given.contains(field.name().as_str()) {
                self.errors.push(MappingError::Collides { name: field.name().clone() });
            }
            self.push(field.as_ref().clone(), Step::Pass(at));
        }
    }

    fn push(&mut self, field: Field, step: Step) {
        self.fields.push(Arc::new(field));
        self.steps.push(step);
    }
}
