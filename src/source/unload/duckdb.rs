//! DuckDB: `COPY … TO`.
//!
//! One file, which keeps the order of the model, and whose row groups DuckDB still makes on all cores.

use super::{
    Form, Receipt, Recipe, Staging,
    text::{body, literal, table},
};
use crate::{object_storage::S3Keys, secret::Secret, source::Dialect};
use arrow::datatypes::{DataType, Field, Schema};

/// The file.
const FILE: &str = "rows.parquet";

/// What the keys of the store are called in DuckDB.
const SECRET: &str = "hydrant_store";

/// What it writes to S3 with.
const LOAD: &str = "LOAD httpfs";

/// What a model's columns are asked by: one row for each, with `column_name` and `column_type`.
pub fn types(sql: &str) -> String {
    format!("DESCRIBE SELECT * FROM {}", table(sql, Dialect::DuckDb))
}

/// How DuckDB unloads a model whose columns have these types there, which are described by this schema. `keys` are those of the
/// store, if it is S3.
///
/// # Errors
///
/// Why it is streamed instead, in words.
pub fn recipe(
    sql: &str,
    schema: &Schema,
    types: &[String],
    into: &Staging,
    keys: Option<&S3Keys>,
) -> Result<Recipe, String> {
    let (to, before) = match (into.scheme(), into.local(), keys) {
        ("file", Some(folder), _) => match folder.join(FILE).to_str() {
            Some(path) => (path.to_owned(), Vec::new()),
            None => return Err("the path of the store is not UTF-8".to_owned()),
        },
        ("s3" | "s3a", _, Some(keys)) => {
            let address = format!("s3://{}/{}/{FILE}", into.bucket(), into.path());
            (address, vec![Secret::new(LOAD), secret(keys, into.bucket())])
        }
        ("s3" | "s3a", _, None) => {
            return Err("DuckDB needs keys for S3, and the store has none in its options or the environment"
                .to_owned());
        }
        _ => return Err(format!("{}, and DuckDB unloads into a folder or to S3", into.in_words())),
    };
    if types.len() != schema.fields().len() {
        return Err("DuckDB describes other columns than it streams".to_owned());
    }
    let (mut columns, mut forms) = (Vec::new(), Vec::new());
    let mut is_cast = false;
    for (field, of_type) in schema.fields().iter().zip(types) {
        let name = Dialect::DuckDb.column(field.name());
        let (to, form) = how(field, of_type)?;
        is_cast |= to.is_some();
        columns.push(to.map_or(name.clone(), |to| format!("CAST({name} AS {to}) AS {name}")));
        forms.push(form);
    }
    let query = match is_cast {
        false => body(sql, Dialect::DuckDb),
        true => format!("SELECT {}\nFROM {}", columns.join(", "), table(sql, Dialect::DuckDb)),
    };
    Ok(Recipe {
        before,
        statement: format!("COPY (\n{query}\n) TO {} (FORMAT parquet, COMPRESSION snappy)", literal(&to)),
        forms,
        receipt: Receipt::Column("Count"),
        // Around the model there is no promise about its order.
        keeps_order: !is_cast,
    })
}

/// Types that its Parquet files do not hold as Arrow streams do, as words in the name of a column's type, with what the files hold.
const UNLIKE: [(&str, &str); 9] = [
    ("HUGEINT", "64-bit floats"),
    ("UHUGEINT", "64-bit floats"),
    ("BIGNUM", "text"),
    ("BIT", "text"),
    ("TIME WITH TIME ZONE", "times without their zone"),
    ("TIME_NS", "text"),
    ("INTERVAL", "milliseconds"),
    ("UNION", "structs"),
    ("VARIANT", "an encoding of its own"),
];

/// The type that a column is cast to before it is written, if it is, and how it stands in the file then; or why the model is
/// streamed.
fn how(field: &Field, of_type: &str) -> Result<(Option<&'static str>, Form), String> {
    match (of_type, field.data_type()) {
        // As a sum of integers is. With Arrow types that lose nothing, and without.
        ("HUGEINT", DataType::FixedSizeBinary(16)) => return Ok((Some("VARCHAR"), Form::Int128Text)),
        ("UHUGEINT", DataType::FixedSizeBinary(16)) => return Ok((Some("VARCHAR"), Form::UInt128Text)),
        // What has more digits ends the statement.
        ("HUGEINT" | "UHUGEINT", DataType::Decimal128(38, 0)) => {
            return Ok((Some("DECIMAL(38, 0)"), Form::AsIs));
        }
        ("UUID", DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
            return Ok((Some("VARCHAR"), Form::AsIs));
        }
        _ => {}
    }
    match UNLIKE.iter().find(|(word, _)| has_word(of_type, word)) {
        None => Ok((None, Form::AsIs)),
        Some((word, what)) => Err(format!(
            "the column {} is of the type {of_type}, and DuckDB's Parquet files hold {word} as {what}",
            field.name()
        )),
    }
}

/// Whether a type's name has this word in it; `HUGEINT` is none in `UHUGEINT`.
fn has_word(of_type: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    of_type
        .match_indices(word)
        .any(|(at, _)| !of_type[..at].ends_with(is_part) && !of_type[at + word.len()..].starts_with(is_part))
}

/// The statement that gives DuckDB the keys of the store, for as long as the database is open and for this bucket only.
fn secret(keys: &S3Keys, bucket: &str) -> Secret {
    let mut options = vec!["TYPE s3".to_owned(), format!("SCOPE {}", literal(&format!("s3://{bucket}/")))];
    let mut add = |name: &str, value: &str| options.push(format!("{name} {}", literal(value)));
    add("KEY_ID", keys.access_key_id.expose());
    add("SECRET", keys.secret_access_key.expose());
    if let Some(token) = &keys.session_token {
        add("SESSION_TOKEN", token.expose());
    }
    if let Some(region) = &keys.region {
        add("REGION", region);
    }
    if let Some(endpoint) = &keys.endpoint {
        let (is_encrypted, host) = match endpoint.split_once("://") {
            Some((scheme, host)) => (scheme != "http", host),
            None => (true, endpoint.as_str()),
        };
        add("ENDPOINT", host.trim_end_matches('/'));
        add("URL_STYLE", if keys.virtual_hosted { "vhost" } else { "path" });
        options.push(format!("USE_SSL {is_encrypted}"));
    }
    Secret::new(format!("CREATE OR REPLACE TEMPORARY SECRET {SECRET} ({})", options.join(", ")))
}

/// What must succeed before DuckDB can write there, if anything; and why it streams if it does not.
pub fn needs(into: &Staging) -> Option<(&'static str, &'static str)> {
    let because = "DuckDB writes to S3 by its extension httpfs, which is not installed where hydrant runs (`INSTALL httpfs`)";
    matches!(into.scheme(), "s3" | "s3a").then_some((LOAD, because))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_types_are_whole_words() {
        assert!(has_word("HUGEINT", "HUGEINT") && has_word("STRUCT(a HUGEINT[])", "HUGEINT"));
        assert!(!has_word("UHUGEINT", "HUGEINT") && !has_word("ENUM('a')", "BIT"));
        assert!(!has_word("TIMESTAMP WITH TIME ZONE", "TIME WITH TIME ZONE"));
    }
}
