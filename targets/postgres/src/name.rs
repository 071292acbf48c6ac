//! Names and literals in SQL.

use hydrant_contract::TableName;

/// Postgres cuts longer names, and two long names may become one.
pub(crate) const NAME_BYTES_MAX: usize = 63;

/// The schema of tables for which none is named.
pub(crate) const DEFAULT_SCHEMA: &str = "public";

/// A name in double quotes: never folded, whatever it contains.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A schema and a name, both quoted.
pub(crate) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

/// The schema of a table.
pub(crate) fn schema_of(table: &TableName) -> &str {
    table.schema.as_deref().unwrap_or(DEFAULT_SCHEMA)
}

/// Many names, quoted and parted by commas.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_inside_a_name_are_doubled() {
        assert_eq!(qualified("s", r#"a"b; DROP"#), r#""s"."a""b; DROP""#);
    }
}
