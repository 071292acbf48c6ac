//! Amazon Redshift: `UNLOAD`. Made from its documentation, and never run against the service.

use super::{
    Form, Receipt, Recipe, Staging,
    text::{literal, table},
};
use crate::source::Dialect;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

/// The size that a file should have at most, in MB: every slice writes one of its own, and without this it could have 6.2 GB.
const FILE_MB: u64 = 256;

/// The manifest's name, which is what comes behind the folder's.
const MANIFEST: &str = "manifest";

/// How Redshift unloads a model that is described by this schema. `role` is `default` or what IAM calls a role; `region` is that of
/// the bucket, if it is known.
///
/// # Errors
///
/// Why it is streamed instead, in words.
pub fn recipe(
    sql: &str,
    schema: &Schema,
    into: &Staging,
    role: &str,
    region: Option<&str>,
) -> Result<Recipe, String> {
    if !matches!(into.scheme(), "s3" | "s3a") {
        return Err(format!("{}, and Redshift unloads to s3://", into.in_words()));
    }
    let (mut columns, mut forms) = (Vec::new(), Vec::new());
    for field in schema.fields() {
        let (value, form) = how(field)?;
        let name = Dialect::Redshift.column(field.name());
        columns.push(if value == name { name } else { format!("{value} AS {name}") });
        forms.push(form);
    }
    let query = format!("SELECT {}\nFROM {}", columns.join(", "), table(sql, Dialect::Redshift));
    // Inside this text a backslash begins an escape, unlike in the query itself.
    let query = query.replace('\\', "\\\\");
    let role = if role == "default" { role.to_owned() } else { literal(role) };
    let region = region.map_or_else(String::new, |region| format!("\nREGION {}", literal(region)));
    let statement = format!(
        "UNLOAD ({})\nTO {}\nIAM_ROLE {role}\nFORMAT AS PARQUET\nMANIFEST VERBOSE\nMAXFILESIZE {FILE_MB} MB{region}",
        literal(&query),
        literal(&format!("s3://{}/{}/", into.bucket(), into.path())),
    );
    Ok(Recipe {
        before: Vec::new(),
        statement,
        forms,
        receipt: Receipt::Manifest(MANIFEST),
        keeps_order: false,
    })
}

/// What is written for a column, and how it stands in the file then.
fn how(field: &Field) -> Result<(String, Form), String> {
    let name = Dialect::Redshift.column(field.name());
    Ok(match field.data_type() {
        DataType::Boolean
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Date32
        | DataType::Decimal128(..) => (name, Form::AsIs),
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            (format!("DATEDIFF(microsecond, TIMESTAMP '1970-01-01 00:00:00', {name})"), Form::Count)
        }
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => (
            format!("DATEDIFF(microsecond, TIMESTAMP '1970-01-01 00:00:00', {name} AT TIME ZONE 'UTC')"),
            Form::Count,
        ),
        DataType::Time64(TimeUnit::Microsecond) => {
            (format!("DATEDIFF(microsecond, TIME '00:00:00', {name})"), Form::Count)
        }
        other => {
            return Err(format!(
                "the column {} is {other}, which files of Redshift do not hold",
                field.name()
            ));
        }
    })
}
