//! Values as people see them: keys and values of rows in messages, samples and reject records, without what is hidden.

use crate::sync::Redact;
use arrow::array::{Array, AsArray, RecordBatch};
use hydrant_contract::{Column, Shape, ValueType, json};

/// What stands for a value that is not shown.
pub(crate) const HIDDEN: &str = "[redacted]";
/// Characters of a value that are shown at the most.
const SHOWN_MAX: usize = 200;

/// The key of a row (or of a batch of keys) as a JSON object.
pub(crate) fn key_text(rows: &RecordBatch, row: usize, shape: &Shape, redact: &Redact) -> String {
    let mut out = String::from("{");
    for column in shape.key_columns() {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&serde_json::Value::from(column.name.as_str()).to_string());
        out.push(':');
        let array = rows.column_by_name(&column.name);
        if redact.hides(&column.name) && array.is_some_and(|array| array.is_valid(row)) {
            out.push_str(&serde_json::Value::from(HIDDEN).to_string());
            continue;
        }
        let rendered = array.is_some_and(|array| json::append(&mut out, array, row, &column.value).is_ok());
        if !rendered {
            out.push_str("null");
        }
    }
    out.push('}');
    out
}

/// The value of a column as JSON, shortened; none if it is hidden, or if there is no such column.
pub(crate) fn value_text(rows: &RecordBatch, row: usize, column: &Column, redact: &Redact) -> Option<String> {
    let array = rows.column_by_name(&column.name).filter(|_| !redact.hides(&column.name))?;
    let mut out = String::new();
    if let Err(error) = json::append(&mut out, array, row, &column.value) {
        // NaN and such have no JSON form, but they have a name.
        out = serde_json::Value::from(error.to_string()).to_string();
    }
    Some(shortened(out))
}

/// The first characters of a text that is longer than what is shown.
pub(crate) fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(SHOWN_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A message about this row, which may come from a trigger of the application, without hidden values of the row.
pub(crate) fn without_hidden(
    message: String,
    rows: &RecordBatch,
    row: usize,
    shape: &Shape,
    redact: &Redact,
) -> String {
    let hidden = shape.columns().iter().filter(|column| redact.hides(&column.name));
    hidden.fold(message, |message, column| {
        let Some(array) = rows.column_by_name(&column.name) else { return message };
        let plain = match column.value {
            ValueType::Text | ValueType::Json if array.is_valid(row) => {
                array.as_string::<i32>().value(row).to_owned()
            }
            _ => {
                let mut out = String::new();
                match json::append(&mut out, array, row, &column.value) {
                    Ok(()) if array.is_valid(row) => out.trim_matches('"').to_owned(),
                    Ok(()) | Err(_) => return message,
                }
            }
        };
        if plain.is_empty() { message } else { message.replace(&plain, HIDDEN) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray};
    use std::sync::Arc;

    #[test]
    fn hidden_values_are_taken_out_of_keys_and_messages() {
        let rows = RecordBatch::try_from_iter([
            ("id", Arc::new(Int64Array::from(vec![7])) as _),
            ("name", Arc::new(StringArray::from(vec!["Ada"])) as _),
        ])
        .unwrap();
        let shape = Shape::of(&rows.schema(), vec!["id".into(), "name".into()]).unwrap();
        let some = Redact::Columns(["name".to_owned()].into());
        assert_eq!(key_text(&rows, 0, &shape, &some), r#"{"id":7,"name":"[redacted]"}"#);
        assert_eq!(key_text(&rows, 0, &shape, &Redact::default()), r#"{"id":7,"name":"Ada"}"#);
        let message = "Ada (7) is not welcome".to_owned();
        assert_eq!(without_hidden(message.clone(), &rows, 0, &shape, &some), "[redacted] (7) is not welcome");
        assert_eq!(
            without_hidden(message, &rows, 0, &shape, &Redact::All),
            "[redacted] ([redacted]) is not welcome"
        );
        assert_eq!(value_text(&rows, 0, &shape.columns()[1], &some), None);
        assert_eq!(value_text(&rows, 0, &shape.columns()[0], &some).as_deref(), Some("7"));
        assert_eq!(shortened("é".repeat(300)).chars().count(), SHOWN_MAX + 1);
    }
}
