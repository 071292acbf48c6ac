//! Warehouses behind ADBC drivers.

use super::*;
use crate::{config::driver_option::Passed, source::Dialect};

block! {
    /// Anything that has an ADBC driver.
    Adbc {
        /// The driver: its name (`postgresql`), or the path of its library or manifest.
        driver: Text,
        /// The function that its library begins with. Without it: as its manifest or its name says.
        [default] entrypoint: Text,
        /// Options of the database in the driver's own names, such as `uri`, `username`, `password`. Take secrets from
        /// the environment: `${PASSWORD}`.
        [default] options: Names<Passed>,
        /// Options of the connection in the driver's own names.
        [default] connection: Names<Passed>,
        /// Options of the statement in the driver's own names.
        [default] statement: Names<Passed>,
        /// How its SQL is written, where hydrant writes some itself.
        [default = "standard"] dialect: OneOf<Dialect>,
    }
}

words! {
    Dialect {
        "standard" => Self::Standard, "As the SQL standard says.";
        "postgres" => Self::Postgres, "Postgres, and what speaks like it.";
        "duckdb" => Self::DuckDb, "DuckDB.";
        "snowflake" => Self::Snowflake, "Snowflake.";
        "bigquery" => Self::BigQuery, "Google BigQuery.";
        "databricks" => Self::Databricks, "Databricks, Spark.";
        "redshift" => Self::Redshift, "Amazon Redshift.";
    }
}

block! {
    /// DuckDB.
    Duckdb {
        /// The database file. Without it: a database in memory, for queries over files.
        [default] path: Text,
        /// Whether the file is opened for reading only, so that others can read it meanwhile.
        [default = true] read_only: YesNo,
        /// How many threads a query may use. Without it: one for each processor.
        [default] threads: Whole<1, THREADS_MAX>,
        /// How much memory DuckDB may use before it spills to disk. Without it: most of the machine's.
        [default] memory: Size,
        /// Settings of DuckDB, each for `SET name = value`.
        [default] settings: Names<Passed>,
        /// Whether DuckDB writes a model's rows into the store as Parquet, for hydrant to read them there.
        [default = false] unload: YesNo,
        /// The driver: the path of `libduckdb.so`, or a name. Without it: `duckdb`.
        [default] driver: Text,
        /// Options of the driver, by its own names. They count more than the other keys.
        [default] options: Names<Passed>,
    }
}

/// More than any machine that DuckDB runs on has.
pub(in crate::config) const THREADS_MAX: u32 = 4096;

block! {
    /// Snowflake.
    Snowflake {
        /// The account's identifier: `organisation-account`.
        account: Text,
        /// The user that queries run as. Not needed with `oauth_token`.
        [default] user: Text,
        /// The user's password.
        [default] password: Hidden,
        /// The user's private key in PKCS #8, as text (`-----BEGIN PRIVATE KEY-----` …).
        [default] private_key: Hidden,
        /// The file of the user's private key.
        [default] private_key_path: Text,
        /// The passphrase of an encrypted private key.
        [default] private_key_passphrase: Hidden,
        /// A programmatic access token of the user's.
        [default] token: Hidden,
        /// A token from an OAuth provider.
        [default] oauth_token: Hidden,
        /// The warehouse that queries run on. Without it: the user's default.
        [default] warehouse: Text,
        /// The database that names in queries start from.
        [default] database: Text,
        /// The schema that names in queries start from.
        [default] schema: Text,
        /// The role that queries run with. Without it: the user's default.
        [default] role: Text,
        /// Lets Snowflake write a model's rows into the store as Parquet (`COPY INTO`), for hydrant to read them there.
        [default] unload: SnowflakeUnload,
        /// The driver: the path of its library or manifest, or a name. Without it: `snowflake`.
        [default] driver: Text,
        /// Options of the driver, by its own names. They count more than the other keys.
        [default] options: Names<Passed>,
    }
}

block! {
    /// Google BigQuery.
    Bigquery {
        /// The project that queries run in, and that pays for them.
        project: Text,
        /// The dataset that names in queries start from.
        [default] dataset: Text,
        /// The file of a service account's key. Without credentials: the machine's own (application default credentials).
        [default] credentials_file: Text,
        /// The key of a service account itself, as JSON text.
        [default] credentials_json: Hidden,
        /// Where the data lies: `EU`, `europe-west3`.
        [default] location: Text,
        /// Whether BigQuery writes a model's rows into the store as Parquet (`EXPORT DATA`), for hydrant to read them there. The
        /// store must be at `gs://`, and the account that queries run as must have the right to write into it.
        [default = false] unload: YesNo,
        /// The driver: the path of its library or manifest, or a name. Without it: `bigquery`.
        [default] driver: Text,
        /// Options of the driver, by its own names. They count more than the other keys.
        [default] options: Names<Passed>,
    }
}

block! {
    /// Databricks SQL.
    Databricks {
        /// The workspace's host: `dbc-a1b2345c-d6e7.cloud.databricks.com`.
        host: Text,
        /// The path of the SQL warehouse or cluster: `/sql/1.0/warehouses/abc123`.
        http_path: Text,
        /// A personal access token.
        [default] token: Hidden,
        /// The client id of a service principal, together with `client_secret`.
        [default] client_id: Text,
        /// The OAuth secret of a service principal.
        [default] client_secret: Hidden,
        /// The catalog that names in queries start from.
        [default] catalog: Text,
        /// The schema that names in queries start from.
        [default] schema: Text,
        /// The driver: the path of its library or manifest, or a name. Without it: `databricks`.
        [default] driver: Text,
        /// Options of the driver, by its own names. They count more than the other keys.
        [default] options: Names<Passed>,
    }
}

block! {
    /// Amazon Redshift.
    Redshift {
        /// The database.
        database: Text,
        /// The endpoint's host. With `cluster` or `workgroup` it is found by itself.
        [default] host: Text,
        /// The endpoint's port.
        [default = 5439] port: Whole<1, 65_535>,
        /// The database user, together with `password`.
        [default] user: Text,
        /// The database user's password.
        [default] password: Hidden,
        /// The identifier of a provisioned cluster, for logging in with the machine's AWS identity.
        [default] cluster: Text,
        /// The name of a serverless workgroup, for logging in with the machine's AWS identity.
        [default] workgroup: Text,
        /// The AWS region. Without it: as the machine's AWS configuration says.
        [default] region: Text,
        /// Lets Redshift write a model's rows into the store as Parquet (`UNLOAD`), for hydrant to read them there. The store
        /// must be at `s3://`.
        [default] unload: RedshiftUnload,
        /// The driver: the path of its library or manifest, or a name. Without it: `redshift`.
        [default] driver: Text,
        /// Options of the driver, by its own names. They count more than the other keys.
        [default] options: Names<Passed>,
    }
}

block! {
    /// Any server of Arrow Flight SQL.
    Flightsql {
        /// The server: `grpc+tls://host:port`, or `grpc://host:port` without encryption.
        url: Text,
        /// The user, together with `password`.
        [default] user: Text,
        /// The user's password.
        [default] password: Hidden,
        /// A token, sent as `Authorization: Bearer …`.
        [default] token: Hidden,
        /// The file with the certificates (PEM) that the server's is checked against. Without it: the system's.
        [default] tls_ca: Text,
        /// Headers of every request, by name.
        [default] headers: Names<Passed>,
        /// The driver: the path of its library or manifest, or a name. Without it: `flightsql`.
        [default] driver: Text,
        /// Options of the driver, by its own names. They count more than the other keys.
        [default] options: Names<Passed>,
    }
}

block! {
    /// What lets Snowflake write into the store: one of both.
    SnowflakeUnload {
        /// The name of a storage integration that allows the store's address.
        [default] integration: Text,
        /// The name of an external stage whose address is that of the store: `database.schema.stage`.
        [default] stage: Text,
    }
}

block! {
    /// What lets Redshift write into the store.
    RedshiftUnload {
        /// The role that the cluster writes with: `arn:aws:iam::…:role/…`, or `default` for the cluster's own.
        iam_role: Text,
    }
}
