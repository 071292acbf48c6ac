//! Google BigQuery: `EXPORT DATA`. Made from its documentation, and never run against the service.

use super::{
    Form, Receipt, Recipe, Staging,
    text::{escaped, table},
};
use crate::source::Dialect;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

/// Kinds of values that are streamed as text, and stand in files otherwise or not at all.
const UNLIKE: [&str; 4] = ["JSON", "GEOGRAPHY", "INTERVAL", "RANGE"];

/// How BigQuery unloads a model that is described by this schema.
///
/// # Errors
///
/// Why it is streamed instead, in words.
pub fn recipe(sql: &str, schema: &Schema, into: &Staging) -> Result<Recipe, String> {
    if into.scheme() != "gs" {
        return Err(format!("{}, and BigQuery unloads to gs://", into.in_words()));
    }
    let (mut columns, mut forms) = (Vec::new(), Vec::new());
    for field in schema.fields() {
        let (value, form) = how(field)?;
        let name = Dialect::BigQuery.column(field.name());
        columns.push(if value == name { name } else { format!("{value} AS {name}") });
        forms.push(form);
    }
    let to = format!("gs://{}/{}/*.parquet", into.bucket(), into.path());
    let statement = format!(
        "EXPORT DATA OPTIONS (uri = {}, format = 'PARQUET', compression = 'SNAPPY', overwrite = false)\nAS SELECT {}\nFROM {}",
        escaped(&to),
        columns.join(", "),
        table(sql, Dialect::BigQuery),
    );
    Ok(Recipe { before: Vec::new(), statement, forms, receipt: Receipt::None, keeps_order: false })
}

/// What is written for a column, and how it stands in the file then.
fn how(field: &Field) -> Result<(String, Form), String> {
    let name = Dialect::BigQuery.column(field.name());
    let kind =
        field.metadata().values().map(|value| value.rsplit(':').next().unwrap_or(value).to_ascii_uppercase());
    if let Some(kind) = kind.into_iter().find(|kind| UNLIKE.contains(&kind.as_str())) {
        return Err(format!("the column {} is of the type {kind}, which files hold otherwise", field.name()));
    }
    Ok(match field.data_type() {
        DataType::Boolean
        | DataType::Int64
        | DataType::Float64
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::Date32
        | DataType::Decimal128(..) => (name, Form::AsIs),
        DataType::Decimal256(..) => (format!("CAST({name} AS STRING)"), Form::DecimalText),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => (format!("UNIX_MICROS({name})"), Form::Count),
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            (format!("UNIX_MICROS(TIMESTAMP({name}, 'UTC'))"), Form::Count)
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            (format!("TIME_DIFF({name}, TIME '00:00:00', MICROSECOND)"), Form::Count)
        }
        other => {
            return Err(format!(
                "the column {} is {other}, of which files of BigQuery are not relied on",
                field.name()
            ));
        }
    })
}
