//! The one schema of many files.

use crate::config::FileFormat as Declared;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// The schema that holds every file's rows, or why there is none.
///
/// Columns of Parquet and JSON are found by name, and a file may lack some. Columns of CSV are found by position, so every
/// file must have the same header. Types that were guessed are widened; types that Parquet declares must agree, since
/// widening them in silence would change what a value is.
pub(super) fn common_schema(
    format: Declared,
    files: &[String],
    schemas: &[SchemaRef],
) -> Result<SchemaRef, String> {
    let mut common: Vec<Field> = Vec::new();
    // Which file a column was first seen in, for messages.
    let mut first_seen: Vec<usize> = Vec::new();
    for (file, schema) in schemas.iter().enumerate() {
        if format == Declared::Csv {
            same_header(files, schemas, file)?;
        }
        for field in schema.fields() {
            let Some(known) = common.iter().position(|known| known.name() == field.name()) else {
                // A file before this one may lack it.
                let lacking = file > 0;
                common.push(field.as_ref().clone().with_nullable(field.is_nullable() || lacking));
                first_seen.push(file);
                continue;
            };
            common[known] = widened(format, &common[known], field).ok_or_else(|| {
                format!(
                    "column {} is {} in {} but {} in {}",
                    field.name(),
                    common[known].data_type(),
                    files[first_seen[known]],
                    field.data_type(),
                    files[file],
                )
            })?;
        }
        for known in &mut common {
            if schema.field_with_name(known.name()).is_err() {
                *known = known.clone().with_nullable(true);
            }
        }
    }
    if let Some(twice) = repeated(&common, schemas) {
        return Err(format!("column {twice} occurs more than once in {}", files[0]));
    }
    if format != Declared::Parquet {
        // Nothing is known of a column without a value; text holds whatever comes.
        for field in &mut common {
            *field = as_text_where_unknown(field);
        }
    }
    Ok(Arc::new(Schema::new(common)))
}

/// The same field with text wherever, at any depth, no value has told the type: in empty lists, in objects' fields that are
/// null in every record.
fn as_text_where_unknown(field: &Field) -> Field {
    let known = |field: &Arc<Field>| Arc::new(as_text_where_unknown(field));
    let data_type = match field.data_type() {
        DataType::Null => DataType::Utf8,
        DataType::List(item) => DataType::List(known(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(known).collect()),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

fn same_header(files: &[String], schemas: &[SchemaRef], file: usize) -> Result<(), String> {
    let header =
        |at: usize| schemas[at].fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>();
    let (first, this) = (header(0), header(file));
    if first == this {
        return Ok(());
    }
    Err(format!(
        "the header of {} ({}) is not that of {} ({}); columns of CSV are found by their position",
        files[file],
        this.join(", "),
        files[0],
        first.join(", "),
    ))
}

fn repeated(common: &[Field], schemas: &[SchemaRef]) -> Option<String> {
    let first = schemas.first()?;
    let count = |name: &str| first.fields().iter().filter(|field| field.name() == name).count();
    common.iter().map(Field::name).find(|name| count(name) > 1).cloned()
}

/// A field that holds the values of both.
fn widened(format: Declared, a: &Field, b: &Field) -> Option<Field> {
    if format != Declared::Parquet {
        let wider = match (a.data_type(), b.data_type()) {
            (DataType::Null, other) | (other, DataType::Null) => Some(other.clone()),
            (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => {
                Some(DataType::Float64)
            }
            (one, other) if one == other => Some(one.clone()),
            // In CSV all is text to begin with.
            _ if format == Declared::Csv => Some(DataType::Utf8),
            _ => None,
        };
        if let Some(wider) = wider {
            return Some(a.clone().with_data_type(wider).with_nullable(true));
        }
    }
    if a.data_type() != b.data_type() && !a.data_type().is_nested() {
        return None;
    }
    let mut merged = a.clone();
    // Two files may describe one column differently; what the first says counts.
    merged.try_merge(&b.clone().with_metadata(a.metadata().clone())).ok()?;
    Some(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
        Arc::new(Schema::new(
            columns.iter().map(|(n, t)| Field::new(*n, t.clone(), false)).collect::<Vec<_>>(),
        ))
    }

    fn merged(format: Declared, schemas: &[SchemaRef]) -> Result<String, String> {
        let files: Vec<String> = (0..schemas.len()).map(|n| format!("file {n}")).collect();
        let schema = common_schema(format, &files, schemas)?;
        let shown = schema.fields().iter().map(|field| {
            format!("{} {}{}", field.name(), field.data_type(), if field.is_nullable() { "?" } else { "" })
        });
        Ok(shown.collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn what_no_value_tells_the_type_of_is_text_at_any_depth() {
        let empty = DataType::List(Arc::new(Field::new("item", DataType::Null, true)));
        let object = DataType::Struct([Field::new("city", DataType::Null, true)].into_iter().collect());
        let schema = schema(&[("tags", empty), ("address", object)]);
        let schema = common_schema(Declared::Json, &["a".to_owned()], &[schema]).unwrap();
        assert_eq!(schema.field(0).data_type().to_string(), "List(Utf8)");
        assert_eq!(schema.field(1).data_type().to_string(), r#"Struct("city": Utf8)"#);
    }

    #[test]
    fn parquet_files_may_lack_columns_but_not_change_their_type() {
        let a = schema(&[("id", DataType::Int64), ("a", DataType::Utf8)]);
        let b = schema(&[("id", DataType::Int64), ("b", DataType::Utf8)]);
        assert_eq!(merged(Declared::Parquet, &[a.clone(), b]).unwrap(), "id Int64, a Utf8?, b Utf8?");
        let c = schema(&[("id", DataType::Int32)]);
        assert_eq!(
            merged(Declared::Parquet, &[a, c]).unwrap_err(),
            "column id is Int64 in file 0 but Int32 in file 1"
        );
    }

    #[test]
    fn guessed_types_are_widened() {
        let a = schema(&[("n", DataType::Int64), ("t", DataType::Null), ("x", DataType::Boolean)]);
        let b = schema(&[("n", DataType::Float64), ("t", DataType::Int64), ("x", DataType::Int64)]);
        let both = [a, b];
        assert_eq!(merged(Declared::Csv, &both).unwrap(), "n Float64?, t Int64?, x Utf8?");
        assert_eq!(merged(Declared::Csv, &[schema(&[("empty", DataType::Null)])]).unwrap(), "empty Utf8");
        assert_eq!(
            merged(Declared::Json, &both).unwrap_err(),
            "column x is Boolean in file 0 but Int64 in file 1"
        );
    }

    #[test]
    fn csv_files_must_have_one_header() {
        let a = schema(&[("id", DataType::Int64), ("n", DataType::Int64)]);
        let b = schema(&[("n", DataType::Int64), ("id", DataType::Int64)]);
        assert_eq!(
            merged(Declared::Csv, &[a, b]).unwrap_err(),
            "the header of file 1 (n, id) is not that of file 0 (id, n); columns of CSV are found by their position"
        );
    }
}
