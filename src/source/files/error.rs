//! What went wrong with the files, in words for the owner of the data.
//!
//! No message shows a value: logs travel further than the data may.

use crate::{
    object_storage::{StorageError, StorageErrorKind},
    source::{SourceError, SourceErrorKind},
};
use arrow::{datatypes::SchemaRef, error::ArrowError};
use datafusion::error::DataFusionError;
use std::{error::Error, fmt, io, sync::Arc};

/// An error of the engine while it read one file.
#[derive(Debug)]
pub(super) struct FileError {
    pub(super) table: Arc<str>,
    pub(super) file: String,
    pub(super) schema: SchemaRef,
    pub(super) error: DataFusionError,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}: {}", self.table, self.file)
    }
}

impl Error for FileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

impl From<StorageErrorKind> for SourceErrorKind {
    fn from(kind: StorageErrorKind) -> Self {
        match kind {
            StorageErrorKind::Missing => Self::Missing,
            StorageErrorKind::Denied => Self::Denied,
            StorageErrorKind::Unreachable => Self::Unreachable,
            StorageErrorKind::Misconfigured | StorageErrorKind::Full | StorageErrorKind::Broken => {
                Self::Broken
            }
        }
    }
}

/// The storage's error while it did something ("table customers: looking for s3://…").
pub(super) fn storage_error(doing: &str, error: &object_store::Error) -> SourceError {
    let error = StorageError::new(doing, error);
    SourceError { kind: error.kind.into(), message: error.message, position: None }
}

/// An error met while files were read or the query ran.
pub(super) fn data_error(error: &DataFusionError) -> SourceError {
    let file: Option<&FileError> = chain(error).find_map(|cause| cause.downcast_ref());
    let place = file.map_or_else(|| "running the query".to_owned(), ToString::to_string);
    if let Some(storage) = chain(error).find_map(|cause| cause.downcast_ref::<object_store::Error>()) {
        let mut error = storage_error(&place, storage);
        if error.kind == SourceErrorKind::Broken && file.is_some() {
            // The storage answered, and the file is not as long as its own footer says.
            error.kind = SourceErrorKind::Data;
        }
        return error;
    }
    let (kind, message) = explain(error, file);
    SourceError { kind, message: format!("{place}: {message}"), position: None }
}

fn explain(error: &DataFusionError, file: Option<&FileError>) -> (SourceErrorKind, String) {
    use DataFusionError as E;
    let root =
        chain(error).filter_map(|cause| cause.downcast_ref::<DataFusionError>()).last().unwrap_or(error);
    if let Some(io) = chain(error).find_map(|cause| cause.downcast_ref::<io::Error>()) {
        let kind = match io.kind() {
            io::ErrorKind::NotFound => SourceErrorKind::Missing,
            io::ErrorKind::PermissionDenied => SourceErrorKind::Denied,
            _ if file.is_some() => SourceErrorKind::Data,
            _ => SourceErrorKind::Broken,
        };
        let cut_off = io.kind() == io::ErrorKind::UnexpectedEof;
        return (kind, if cut_off { "the file is cut off".to_owned() } else { io.to_string() });
    }
    match root {
        E::ResourcesExhausted(message) => (
            SourceErrorKind::Broken,
            format!(
                "the query needs more memory than it may use, even with what it can put on disk; raise `memory`, or \
                 join and aggregate less at once ({})",
                first_line(message)
            ),
        ),
        E::ArrowError(..) | E::ParquetError(_) | E::Execution(_) | E::External(_) => {
            (SourceErrorKind::Data, without_values(first_line(&innermost(error)), file))
        }
        E::Plan(_) | E::SchemaError(..) | E::SQL(..) | E::NotImplemented(_) | E::Configuration(_) => {
            (SourceErrorKind::Query, first_line(&root.message()).to_owned())
        }
        _ => (SourceErrorKind::Broken, first_line(&root.message()).to_owned()),
    }
}

/// The causes of an error, itself first.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The text of the last cause, without what the layers above it say of its type.
pub(super) fn innermost(error: &DataFusionError) -> String {
    let last = chain(error).last().unwrap_or(error);
    let text = match last.downcast_ref::<DataFusionError>() {
        Some(error) => error.message().into_owned(),
        None => last.to_string(),
    };
    let mut text = text.as_str();
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest;
    }
    if last.downcast_ref::<ArrowError>().is_some_and(|error| matches!(error, ArrowError::DivideByZero)) {
        text = "division by zero";
    }
    text.to_owned()
}

/// How the layers below name the type of an error.
const PREFIXES: [&str; 11] = [
    "Parser error: ",
    "Csv error: ",
    "Json error: ",
    "Cast error: ",
    "Compute error: ",
    "Invalid argument error: ",
    "Parquet argument error: ",
    "Parquet error: ",
    "Arrow: ",
    "EOF: ",
    "External: ",
];

/// The message with the place of a value instead of the value.
fn without_values(message: &str, file: Option<&FileError>) -> String {
    if let Some(rest) = message.strip_prefix("Error while parsing value '")
        && let Some((_, rest)) = rest.rsplit_once("' as type '")
        && let Some((wanted, rest)) = rest.split_once("' for column ")
        && let Some((column, rest)) = rest.split_once(" at line ")
        && let Some((line, _)) = rest.split_once('.')
    {
        let name =
            column.parse().ok().and_then(|at: usize| file?.schema.fields().get(at).map(|f| f.name().clone()));
        let column = name.unwrap_or_else(|| format!("number {column}"));
        return format!(
            "record {line}, column {column}: the value is not {wanted}, which the records before it are; hydrant guesses \
             types from the first {} records",
            super::format::RECORDS_GUESSED_FROM
        );
    }
    if let Some((before, rest)) = message.split_once("failed to parse ")
        && let Some((_, wanted)) = rest.rsplit_once(" as ")
    {
        let fields: Vec<&str> = before.split('\'').skip(1).step_by(2).collect();
        return format!("field {}: a value is not {wanted}", fields.join("."));
    }
    if let Some(rest) = message.strip_prefix("Cannot cast string '")
        && let Some((_, wanted)) = rest.rsplit_once("' to value of ")
    {
        let wanted = wanted.trim_end_matches(" type");
        return format!(
            "a text cannot be cast to {wanted}; find the rows with TRY_CAST, which gives NULL where CAST fails"
        );
    }
    message.to_owned()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
