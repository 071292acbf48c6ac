//! Commands as text, to be read and to be pasted into `mongosh`.

use mongodb::bson::{Bson, Document};

/// A command as a person pastes it into `mongosh`.
pub(crate) fn command(database: &str, command: &Document) -> String {
    format!("db.getSiblingDB({}).runCommand({})", string(database), document(command))
}

/// A document as JSON, its fields in their order: the first one of a command is its name.
pub(crate) fn document(document: &Document) -> String {
    let fields: Vec<_> =
        document.iter().map(|(name, found)| format!("{}: {}", string(name), value(found))).collect();
    format!("{{{}}}", fields.join(", "))
}

fn value(found: &Bson) -> String {
    match found {
        Bson::Document(found) => document(found),
        Bson::Array(items) => format!("[{}]", items.iter().map(value).collect::<Vec<_>>().join(", ")),
        Bson::String(text) => string(text),
        Bson::Boolean(flag) => flag.to_string(),
        Bson::Int32(number) => number.to_string(),
        Bson::Int64(number) => number.to_string(),
        Bson::Double(number) => number.to_string(),
        Bson::Null => "null".to_owned(),
        // Neither commands nor rules of validators have others; if so, they are shown as the driver prints them.
        other => string(&other.to_string()),
    }
}

fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;

    #[test]
    fn a_command_keeps_its_order_and_quotes_what_must_be() {
        let create = doc! { "createIndexes": "by \"hand\"", "indexes": [ { "key": { "b": 1, "a": 1 }, "unique": true } ] };
        assert_eq!(
            command("app", &create),
            r#"db.getSiblingDB("app").runCommand({"createIndexes": "by \"hand\"", "indexes": [{"key": {"b": 1, "a": 1}, "unique": true}]})"#
        );
    }
}
