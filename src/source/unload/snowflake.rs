//! Snowflake: `COPY INTO <location>`. Made from its documentation, and never run against the service.

use super::{
    Form, Receipt, Recipe, Staging,
    text::{literal, table},
};
use crate::{config::SnowflakeAccess, object_storage::Address, source::Dialect};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

/// The size that a file should have at most, in bytes: large enough that there are few, small enough that every node of a
/// warehouse has some. Without it there would be one for every 16 MB.
const FILE_BYTES: u64 = 256 << 20;

/// Kinds of values that are streamed as text, whose text in a file is another one, or that files do not hold.
const UNLIKE: [&str; 7] = ["VARIANT", "OBJECT", "ARRAY", "MAP", "GEOGRAPHY", "GEOMETRY", "VECTOR"];

/// How Snowflake unloads a model that is described by this schema.
///
/// # Errors
///
/// Why it is streamed instead, in words.
pub fn recipe(
    sql: &str,
    schema: &Schema,
    into: &Staging,
    access: &SnowflakeAccess,
) -> Result<Recipe, String> {
    let (to, options) = match access {
        SnowflakeAccess::Integration(name) => {
            (literal(&format!("{}/", address(into)?)), format!("\nSTORAGE_INTEGRATION = {name}"))
        }
        SnowflakeAccess::Stage(name) => {
            address(into)?;
            (literal(&format!("@{name}/{}/", into.below_root())), String::new())
        }
    };
    let (mut columns, mut forms) = (Vec::new(), Vec::new());
    for field in schema.fields() {
        let (value, form) = how(field)?;
        let name = Dialect::Snowflake.column(field.name());
        columns.push(if value == name { name } else { format!("{value} AS {name}") });
        forms.push(form);
    }
    let statement = format!(
        "COPY INTO {to}\nFROM (SELECT {}\nFROM {}){options}\nFILE_FORMAT = (TYPE = PARQUET COMPRESSION = SNAPPY)\nHEADER = TRUE\nMAX_FILE_SIZE = {FILE_BYTES}",
        columns.join(", "),
        table(sql, Dialect::Snowflake),
    );
    Ok(Recipe {
        before: Vec::new(),
        statement,
        forms,
        receipt: Receipt::Column("rows_unloaded"),
        keeps_order: false,
    })
}

/// The folder as Snowflake writes addresses.
fn address(into: &Staging) -> Result<String, String> {
    match into.scheme() {
        "s3" | "s3a" => Ok(format!("s3://{}/{}", into.bucket(), into.path())),
        "gs" => Ok(format!("gcs://{}/{}", into.bucket(), into.path())),
        "az" | "azure" | "abfs" | "abfss" => match into.address().and_then(Address::azure) {
            Some((account, container)) => {
                Ok(format!("azure://{account}.blob.core.windows.net/{container}/{}", into.path()))
            }
            None => Err("Snowflake's address of the store needs the option account_name".to_owned()),
        },
        _ => Err(format!("{}, and Snowflake unloads to s3://, gs:// or az://", into.in_words())),
    }
}

/// What is written for a column, and how it stands in the file then.
fn how(field: &Field) -> Result<(String, Form), String> {
    let name = Dialect::Snowflake.column(field.name());
    let counted = |function: String| Ok((function, Form::Count));
    match field.data_type() {
        DataType::Boolean | DataType::Date32 | DataType::Binary | DataType::Decimal128(..) => {
            Ok((name, Form::AsIs))
        }
        integer if integer.is_integer() => Ok((name, Form::AsIs)),
        DataType::Float64 => Ok((format!("CAST({name} AS DOUBLE)"), Form::AsIs)),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let kind = field.metadata().values().map(|value| value.to_ascii_uppercase());
            match kind.into_iter().find(|value| UNLIKE.contains(&value.as_str())) {
                None => Ok((name, Form::AsIs)),
                Some(kind) => Err(format!(
                    "the column {} is of the type {kind}, which files hold otherwise",
                    field.name()
                )),
            }
        }
        // Files hold timestamps of one kind only, and others are an error; whole numbers they hold exactly.
        DataType::Timestamp(unit, _) => counted(format!("DATE_PART({}, {name})", epoch(*unit))),
        DataType::Time32(unit) | DataType::Time64(unit) => {
            counted(format!("DATEDIFF({}, '00:00:00'::TIME, {name})", part(*unit)))
        }
        other => Err(format!("the column {} is {other}, which files of Snowflake do not hold", field.name())),
    }
}

fn epoch(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "EPOCH_SECOND",
        TimeUnit::Millisecond => "EPOCH_MILLISECOND",
        TimeUnit::Microsecond => "EPOCH_MICROSECOND",
        TimeUnit::Nanosecond => "EPOCH_NANOSECOND",
    }
}

fn part(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "SECOND",
        TimeUnit::Millisecond => "MILLISECOND",
        TimeUnit::Microsecond => "MICROSECOND",
        TimeUnit::Nanosecond => "NANOSECOND",
    }
}
