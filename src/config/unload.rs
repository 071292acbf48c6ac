//! What a warehouse needs to know to write into the store.

/// How a source unloads, by the block that it was written as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnloadSpec {
    /// DuckDB: by hydrant's own access to the store.
    DuckDb,
    /// Snowflake.
    Snowflake(SnowflakeAccess),
    /// Google BigQuery: by the account that queries run as.
    BigQuery,
    /// Amazon Redshift.
    Redshift {
        /// The role that the cluster writes with: an ARN, several with commas between, or `default`.
        iam_role: String,
    },
}

/// What lets Snowflake write into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnowflakeAccess {
    /// A storage integration, by its name as SQL has it.
    Integration(String),
    /// An external stage whose address is that of the store, by its name as SQL has it: `database.schema.stage`.
    Stage(String),
}
