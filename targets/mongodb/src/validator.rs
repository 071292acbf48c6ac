//! What the validator of a collection says of fields, as far as it says so plainly: a `$jsonSchema` with `required` and,
//! for single fields, `bsonType` and a length or a range. Everything else is left to the server, which refuses row by row.

use crate::{catalog::Kind, plan::Plan, reply::number};
use hydrant_contract::{Integer, Limits, Mismatch, Mode, Nulls, TableSpec, ValueType};
use mongodb::bson::{Bson, Document};

/// The rules of a collection that refuses what breaks them.
pub(crate) struct Validator<'k> {
    schema: Option<&'k Document>,
}

impl<'k> Validator<'k> {
    pub(crate) fn of(kind: &'k Kind) -> Self {
        let refuses = kind.options.get_str("validationAction").unwrap_or("error") == "error"
            && kind.options.get_str("validationLevel").unwrap_or("strict") == "strict";
        let validator = kind.options.get_document("validator").ok().filter(|_| refuses);
        Self { schema: validator.and_then(|validator| validator.get_document("$jsonSchema").ok()) }
    }

    /// Fields that a new document must have and would not.
    pub(crate) fn unfilled(&self, spec: &TableSpec, plan: &Plan) -> Vec<Mismatch> {
        if spec.mode == Mode::Update {
            return Vec::new();
        }
        let filled = |name: &str| {
            let managed = plan.columns.iter().filter(|column| column.path[0] == name);
            managed.count() > 0
                || name == crate::plan::ID
                || plan.soft.as_ref().is_some_and(|(soft, _)| soft.split('.').next() == Some(name))
        };
        self.required()
            .filter(|name| !filled(name))
            .map(|name| Mismatch {
                column: Some(name.to_owned()),
                problem: "the collection's validator requires the field and the query does not return it, so no document can \
                          be inserted"
                    .to_owned(),
                mend: format!(
                    "take {name:?} out of \"required\" in the validator (db.getSiblingDB({:?}).runCommand({{\"collMod\": {:?}, \
                     \"validator\": …}})), or return it from the query",
                    plan.database, plan.collection
                ),
            })
            .collect()
    }

    /// What the validator says of one column.
    pub(crate) fn limits(&self, plan: &Plan, limits: &mut Limits, value: &ValueType) {
        let Some(column) = plan.columns.iter().find(|column| column.name == limits.column) else { return };
        let ([name], Some(schema)) = (&column.path[..], self.schema) else { return };
        let Some(rules) = schema.get_document("properties").ok().and_then(|all| all.get_document(name).ok())
        else {
            return;
        };
        let takes_null = match rules.get("bsonType") {
            Some(Bson::String(one)) => one == "null",
            Some(Bson::Array(some)) => some.iter().any(|one| one.as_str() == Some("null")),
            _ => true,
        };
        limits.not_null |= match plan.nulls {
            Nulls::Keep => !takes_null,
            Nulls::Omit => self.required().any(|required| required == name),
        };
        if *value == ValueType::Text {
            limits.characters = number(rules, "maxLength").and_then(|max| u64::try_from(max).ok());
        }
        let exclusive = rules.contains_key("exclusiveMinimum") || rules.contains_key("exclusiveMaximum");
        if let ValueType::Integer(integer) = value
            && !exclusive
        {
            limits.range =
                narrowed(*integer, number(rules, "minimum"), number(rules, "maximum")).or(limits.range);
        }
    }

    fn required(&self) -> impl Iterator<Item = &'k str> {
        let required = self.schema.and_then(|schema| schema.get_array("required").ok());
        required.into_iter().flatten().filter_map(Bson::as_str)
    }
}

/// The range of whole numbers, if it is narrower than the type's.
fn narrowed(integer: Integer, minimum: Option<i64>, maximum: Option<i64>) -> Option<(i128, i128)> {
    let (min, max) = integer.range();
    let low = minimum.map_or(min, i128::from).max(min);
    let high = maximum.map_or(max, i128::from).min(max);
    (low > min || high < max).then_some((low, high))
}
