//! A model of which only the rows are wanted that changed since.

use super::{Dialect, Model};
use crate::cursor::Mark;

impl Model {
    /// The same query, and of its rows those whose column is not below this value. Rows with NULL there are not among them.
    ///
    /// Its lines keep their numbers, so that an error of the source points at the right one.
    #[must_use]
    pub fn since(&self, dialect: Dialect, column: &str, from: &Mark) -> Self {
        let (column, from) = (dialect.column(column), dialect.literal(from));
        // The model may end in a comment.
        let sql = format!("SELECT * FROM ({}\n) AS hydrant_model WHERE {column} >= {from}", self.sql);
        Self { sql, ..self.clone() }
    }
}

impl Dialect {
    /// A value of a cursor, as a literal of the type that its column has. Times are rounded down to the microsecond: not every
    /// source counts finer, and as a lower bound an earlier one is as good.
    pub fn literal(self, mark: &Mark) -> String {
        let text = match mark {
            Mark::Timestamp(nanos) | Mark::Instant(nanos) => {
                let micros = nanos.div_euclid(1_000);
                let text = Mark::Timestamp(micros * 1_000).to_string();
                match text.split_once('.') {
                    // Snowflake's formats want all digits.
                    Some((seconds, digits)) => format!("{seconds}.{digits:0<6}"),
                    None => format!("{text}.000000"),
                }
            }
            other => other.to_string(),
        };
        match (mark, self) {
            (Mark::Integer(_), _) => text,
            // Without a type it would be a float there.
            (Mark::Decimal { .. }, Self::BigQuery) => format!("BIGNUMERIC '{text}'"),
            (Mark::Decimal { scale, .. }, _) => format!("CAST('{text}' AS DECIMAL(38, {scale}))"),
            // Without a format the session would say how a text is understood.
            (Mark::Date(_), Self::Snowflake) => format!("TO_DATE('{text}', 'YYYY-MM-DD')"),
            (Mark::Date(_), _) => format!("DATE '{text}'"),
            // Its own literals count nanoseconds, which end in the year 2262: a column that reaches further would overflow.
            (Mark::Timestamp(_), Self::DataFusion) => {
                format!("arrow_cast('{text}', 'Timestamp(Microsecond, None)')")
            }
            (Mark::Timestamp(_), Self::Snowflake) => {
                format!("TO_TIMESTAMP_NTZ('{text}', 'YYYY-MM-DD HH24:MI:SS.FF6')")
            }
            (Mark::Timestamp(_), Self::BigQuery) => format!("DATETIME '{text}'"),
            (Mark::Timestamp(_), Self::Databricks) => format!("TIMESTAMP_NTZ '{text}'"),
            (Mark::Timestamp(_), Self::Postgres | Self::Redshift | Self::DuckDb | Self::Standard) => {
                format!("TIMESTAMP '{text}'")
            }
            (Mark::Instant(_), Self::DataFusion) => {
                format!(r#"arrow_cast('{text}Z', 'Timestamp(Microsecond, Some("UTC"))')"#)
            }
            (Mark::Instant(_), Self::Snowflake) => {
                format!("TO_TIMESTAMP_TZ('{text} +00:00', 'YYYY-MM-DD HH24:MI:SS.FF6 TZH:TZM')")
            }
            (Mark::Instant(_), Self::Postgres | Self::Redshift | Self::DuckDb) => {
                format!("TIMESTAMPTZ '{text}+00'")
            }
            (Mark::Instant(_), Self::BigQuery | Self::Databricks | Self::Standard) => {
                format!("TIMESTAMP '{text}+00:00'")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_keeps_its_lines_and_may_end_in_a_comment() {
        let model =
            Model { sql: "select a\nfrom t -- all".into(), file: Some("m.sql".into()), ..Model::default() };
        let since = model.since(Dialect::Postgres, "a", &Mark::Integer(7));
        assert_eq!(since.sql, "SELECT * FROM (select a\nfrom t -- all\n) AS hydrant_model WHERE \"a\" >= 7");
        assert_eq!(since.file, model.file);
    }

    #[test]
    fn values_are_written_as_each_dialect_reads_them() {
        let instant = Mark::Instant(1_767_323_045_000_006_789);
        let timestamp = Mark::Timestamp(1_767_323_045_000_000_000);
        let date = Mark::Date(20_455);
        let decimal = Mark::Decimal { unscaled: 1250, scale: 2 };
        for (dialect, mark, literal) in [
            (Dialect::Postgres, instant, "TIMESTAMPTZ '2026-01-02 03:04:05.000006+00'"),
            (Dialect::BigQuery, instant, "TIMESTAMP '2026-01-02 03:04:05.000006+00:00'"),
            (
                Dialect::Snowflake,
                instant,
                "TO_TIMESTAMP_TZ('2026-01-02 03:04:05.000006 +00:00', 'YYYY-MM-DD HH24:MI:SS.FF6 TZH:TZM')",
            ),
            (
                Dialect::DataFusion,
                instant,
                r#"arrow_cast('2026-01-02 03:04:05.000006Z', 'Timestamp(Microsecond, Some("UTC"))')"#,
            ),
            (Dialect::DuckDb, timestamp, "TIMESTAMP '2026-01-02 03:04:05.000000'"),
            (Dialect::BigQuery, timestamp, "DATETIME '2026-01-02 03:04:05.000000'"),
            (Dialect::Databricks, timestamp, "TIMESTAMP_NTZ '2026-01-02 03:04:05.000000'"),
            (Dialect::Standard, date, "DATE '2026-01-02'"),
            (Dialect::Snowflake, date, "TO_DATE('2026-01-02', 'YYYY-MM-DD')"),
            (Dialect::Redshift, decimal, "CAST('12.50' AS DECIMAL(38, 2))"),
            (Dialect::BigQuery, decimal, "BIGNUMERIC '12.50'"),
            (Dialect::Snowflake, Mark::Integer(-3), "-3"),
        ] {
            assert_eq!(dialect.literal(&mark), literal, "{dialect:?}");
        }
    }
}
