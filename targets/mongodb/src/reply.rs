//! What the server says of single operations: a command's answer is "ok" although some of them failed.

use crate::{
    classify::{self, code},
    shown,
};
use hydrant_contract::{ErrorKind, Part, Reject, Result, TargetError};
use mongodb::bson::{Bson, Document};

/// An operation that was refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: i32,
    /// Why, without values.
    pub(crate) reason: String,
    /// The field at fault, where one can be named.
    pub(crate) field: Option<String>,
    /// The fields of the unique index that has the value already.
    pub(crate) index: Option<Vec<String>>,
}

impl Refusal {
    /// Whether the operation met a value in a unique index.
    pub(crate) fn is_duplicate(&self) -> bool {
        code::DUPLICATE_KEY.contains(&self.code)
    }

    /// Whether that index is the key's. A server that does not say which index it was leaves both open.
    pub(crate) fn is_of_key(&self, key: &[&str]) -> Option<bool> {
        let fields = self.index.as_ref()?;
        Some(fields.len() == key.len() && fields.iter().all(|field| key.contains(&field.as_str())))
    }

    pub(crate) fn reject(self, part: Part, row: usize) -> Reject {
        let may_settle = self.is_duplicate();
        Reject { part, row, column: self.field, reason: self.reason, may_settle }
    }

    /// That another document keeps a value, found without asking the server to write.
    pub(crate) fn taken(fields: &[String]) -> Self {
        Self {
            code: code::DUPLICATE_KEY[0],
            reason: taken(fields),
            field: one(fields),
            index: Some(fields.to_vec()),
        }
    }

    /// That a document has a value in some unique index.
    pub(crate) fn duplicate() -> Self {
        let reason = "another document has the value in a unique index".to_owned();
        Self { code: code::DUPLICATE_KEY[0], reason, field: None, index: None }
    }

    /// That the document is larger than the server takes.
    pub(crate) fn too_large(bytes: usize, max: usize) -> Self {
        Self {
            code: code::TOO_LARGE[0],
            reason: format!("the document would have {bytes} bytes, and MongoDB takes {max}"),
            field: None,
            index: None,
        }
    }
}

fn taken(fields: &[String]) -> String {
    format!("another document has the value in the unique index on {}", fields.join(", "))
}

/// Of several fields none is the one at fault.
fn one(fields: &[String]) -> Option<String> {
    match fields {
        [field] => Some(field.clone()),
        _ => None,
    }
}

/// The operations that were refused, by their position in the command.
///
/// # Errors
///
/// What is about the server and not about a row, and a write that too few servers confirmed.
pub(crate) fn refusals(reply: &Document, context: &str) -> Result<Vec<(usize, Refusal)>> {
    let broken = |what: &str| TargetError::new(ErrorKind::Broken, context, what.to_owned());
    let mut refused = Vec::new();
    if let Ok(errors) = reply.get_array("writeErrors") {
        for error in errors {
            let error = error.as_document().ok_or_else(|| broken("a write error is no document"))?;
            let code = number(error, "code")
                .and_then(|code| i32::try_from(code).ok())
                .ok_or_else(|| broken("a write error has no code"))?;
            let position = number(error, "index")
                .and_then(|index| usize::try_from(index).ok())
                .ok_or_else(|| broken("a write error has no index"))?;
            let message = error.get_str("errmsg").unwrap_or_default();
            match classify::of_code(code) {
                None | Some(ErrorKind::ValueRefused | ErrorKind::LimitExceeded) => {
                    refused.push((position, refusal(code, message, error)));
                }
                Some(kind) => {
                    let message = format!("{} [{code}]", classify::without_values(message));
                    return Err(TargetError::new(kind, context, message));
                }
            }
        }
    }
    // The rows are written, but may be lost with the server that has them: the batch is sent again.
    if let Ok(error) = reply.get_document("writeConcernError") {
        let code = number(error, "code").and_then(|code| i32::try_from(code).ok()).unwrap_or_default();
        let kind = classify::of_code(code).filter(|kind| kind.is_transient()).unwrap_or(ErrorKind::Broken);
        let message = format!(
            "the write was not confirmed as the write concern asks: {} [{code}]",
            classify::without_values(error.get_str("errmsg").unwrap_or_default())
        );
        return Err(TargetError::new(kind, context, message));
    }
    Ok(refused)
}

pub(crate) fn number(document: &Document, name: &str) -> Option<i64> {
    match document.get(name)? {
        Bson::Int32(number) => Some((*number).into()),
        Bson::Int64(number) => Some(*number),
        // A whole number that a shell wrote.
        #[allow(clippy::cast_possible_truncation)]
        Bson::Double(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(*number as i64),
        _ => None,
    }
}

fn refusal(code: i32, message: &str, error: &Document) -> Refusal {
    if code::DUPLICATE_KEY.contains(&code) {
        let index: Option<Vec<String>> =
            error.get_document("keyPattern").ok().map(|keys| keys.keys().cloned().collect());
        let reason = match &index {
            Some(fields) => taken(fields),
            None => "another document has the value in a unique index".to_owned(),
        };
        return Refusal { code, reason, field: index.as_deref().and_then(one), index };
    }
    if code == code::DOCUMENT_VALIDATION_FAILURE {
        let mut found = Broken::default();
        if let Ok(details) = error.get_document("errInfo").and_then(|info| info.get_document("details")) {
            walk(details, "", &mut found);
        }
        let rules = match found.rules.is_empty() {
            true => String::new(),
            false => format!(": {}", found.rules.join("; ")),
        };
        let reason = format!("the validator of the collection refuses the document{rules} [{code}]");
        return Refusal { code, reason, field: found.fields.into_iter().next(), index: None };
    }
    let reason = format!("{} [{code}]", classify::without_values(message));
    Refusal { code, reason, field: None, index: None }
}

/// What a validator found, from the details that MongoDB 5.0 and later give.
#[derive(Default)]
struct Broken {
    fields: Vec<String>,
    rules: Vec<String>,
}

/// Gathers the fields and the rules they break; what was found in the document is left out.
fn walk(details: &Document, path: &str, found: &mut Broken) {
    let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let name = details.get_str("propertyName").ok().map(under);
    let here = name.as_deref().unwrap_or(path);
    if let Ok(missing) = details.get_array("missingProperties") {
        for name in missing.iter().filter_map(Bson::as_str) {
            found.fields.push(under(name));
            found.rules.push(format!("the field {:?} is required", under(name)));
        }
        return;
    }
    let inner: Vec<&Document> = details
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "specifiedAs" | "consideredValue" | "consideredValues"))
        .filter_map(|(_, value)| match value {
            Bson::Array(items) => Some(items.iter().filter_map(Bson::as_document).collect::<Vec<_>>()),
            Bson::Document(inner) => Some(vec![inner]),
            _ => None,
        })
        .flatten()
        .collect();
    if inner.is_empty() {
        let operator = details.get_str("operatorName").unwrap_or("a rule");
        let rule = match details.get_document("specifiedAs") {
            Ok(rule) => shown::document(rule).trim_matches(['{', '}']).to_owned(),
            Err(_) => operator.to_owned(),
        };
        match here {
            "" => found.rules.push(rule),
            field => {
                found.fields.push(field.to_owned());
                found.rules.push(format!("the field {field:?} breaks {rule}"));
            }
        }
        return;
    }
    let here = here.to_owned();
    inner.into_iter().for_each(|inner| walk(inner, &here, found));
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;

    #[test]
    fn each_failure_of_a_reply_is_told_by_its_position() {
        let reply = doc! { "ok": 1.0, "n": 1, "writeErrors": [
            { "index": 2, "code": 11000, "errmsg": "dup key: { e: \"secret\" }", "keyPattern": { "e": 1 } },
            { "index": 5_i64, "code": 28, "errmsg": "Cannot create field 'x' in element {v: \"secret\"}" },
        ] };
        let found = refusals(&reply, "writing").expect("two refusals");
        assert_eq!(
            found.iter().map(|(at, r)| (*at, r.is_duplicate())).collect::<Vec<_>>(),
            [(2, true), (5, false)]
        );
        assert_eq!(found[0].1.is_of_key(&["_id"]), Some(false));
        assert_eq!(found[0].1.field.as_deref(), Some("e"));
        assert!(found.iter().all(|(_, refusal)| !refusal.reason.contains("secret")), "{found:?}");
    }

    #[test]
    fn what_is_no_row_s_fault_fails_the_command() {
        let conflict =
            doc! { "ok": 1.0, "writeErrors": [{ "index": 0, "code": 112, "errmsg": "WriteConflict" }] };
        assert_eq!(refusals(&conflict, "writing").expect_err("a conflict").kind(), ErrorKind::Conflict);
        let unsure =
            doc! { "ok": 1.0, "n": 3, "writeConcernError": { "code": 64, "errmsg": "waiting timed out" } };
        assert_eq!(refusals(&unsure, "writing").expect_err("unconfirmed").kind(), ErrorKind::Busy);
        assert_eq!(refusals(&doc! { "ok": 1.0, "n": 3 }, "writing").expect("written"), []);
    }

    #[test]
    fn the_validator_s_reason_names_field_and_rule_but_no_value() {
        let details = doc! { "operatorName": "$jsonSchema", "schemaRulesNotSatisfied": [
            { "operatorName": "properties", "propertiesNotSatisfied": [{ "propertyName": "a", "details": [
                { "operatorName": "properties", "propertiesNotSatisfied": [{ "propertyName": "b", "details": [
                    { "operatorName": "maximum", "specifiedAs": { "maximum": 10 }, "reason": "comparison failed", "consideredValue": 4711 }
                ] }] }
            ] }] },
            { "operatorName": "required", "specifiedAs": { "required": ["c", "d"] }, "missingProperties": ["d"] },
        ] };
        let error = doc! { "index": 0, "code": 121, "errmsg": "Document failed validation", "errInfo": { "failingDocumentId": 1, "details": details } };
        let refusal = refusal(121, "Document failed validation", &error);
        assert_eq!(refusal.field.as_deref(), Some("a.b"));
        assert_eq!(
            refusal.reason,
            "the validator of the collection refuses the document: the field \"a.b\" breaks \"maximum\": 10; the field \"d\" is required [121]"
        );
    }
}
