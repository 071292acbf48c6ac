//! Sources.

use super::{each, options};
use crate::config::{
    FileTable, FilesSpec, SourceSpec, location, raw,
    reader::{At, Reader},
    value::{Either, Text},
};

pub(super) fn source(raw: At<raw::Source>, reader: &mut Reader<'_>) -> Option<SourceSpec> {
    match raw.value {
        raw::Source::Files(files) => {
            let tables = files.tables.given().map(|at| at.value);
            Some(SourceSpec::Files(FilesSpec {
                tables: each(tables, file_table, reader),
                options: options(files.options),
            }))
        }
    }
}

fn file_table(raw: At<Either<Text, raw::FileTable>>, reader: &mut Reader<'_>) -> Option<FileTable> {
    let (path, format) = match raw.value {
        Either::Short(path) => (At { value: path, span: raw.span }, None),
        Either::Long(block) => (block.path.given()?, block.format.given().map(|at| at.value.0)),
    };
    Some(FileTable { location: location::location(&path, reader)?, format })
}
