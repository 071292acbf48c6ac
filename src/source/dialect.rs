//! How a source's SQL writes what hydrant adds to a model.

/// The SQL of a source, as far as hydrant writes some itself: names and literals around a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The engine of the `files` source.
    DataFusion,
    /// Postgres, and what speaks like it.
    Postgres,
    /// Amazon Redshift.
    Redshift,
    /// DuckDB.
    DuckDb,
    /// Snowflake.
    Snowflake,
    /// Google BigQuery.
    BigQuery,
    /// Databricks, Spark.
    Databricks,
    /// Nothing is known of it but that it speaks SQL.
    Standard,
}

impl Dialect {
    /// A column's name in quotes: exactly this name, in upper and lower case as it stands.
    pub fn column(self, name: &str) -> String {
        let quote = match self {
            Self::BigQuery | Self::Databricks => '`',
            Self::DataFusion
            | Self::Postgres
            | Self::Redshift
            | Self::DuckDb
            | Self::Snowflake
            | Self::Standard => '"',
        };
        let doubled = match self {
            // There a quote is escaped as in a text.
            Self::BigQuery => name.replace('\\', "\\\\").replace('`', "\\`"),
            _ => name.replace(quote, &format!("{quote}{quote}")),
        };
        format!("{quote}{doubled}{quote}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_each_dialect_does() {
        for (dialect, quoted) in [
            (Dialect::Postgres, r#""a""b`c""#),
            (Dialect::Snowflake, r#""a""b`c""#),
            (Dialect::Databricks, r#"`a"b``c`"#),
            (Dialect::BigQuery, r#"`a"b\`c`"#),
        ] {
            assert_eq!(dialect.column("a\"b`c"), quoted, "{dialect:?}");
        }
    }
}
