//! The rights that a sync needs, and the statements that grant the ones it lacks.

use crate::{catalog::Table, name, transaction::Transaction};
use hydrant_contract::{Deletes, Mismatch, Mode, TableSpec};
use tokio_postgres::{Error, types::Type};

/// The rights on the table, its schema and the database that are missing, each with its GRANT.
pub(crate) async fn of_table(
    tx: &Transaction<'_>,
    spec: &TableSpec,
    table: &Table,
) -> Result<Vec<Mismatch>, Error> {
    let schema = name::schema_of(&spec.table);
    let row = tx
        .query(
            "SELECT current_user::text, current_database()::text, has_schema_privilege($2::text, 'USAGE'), \
             has_database_privilege(current_database(), 'TEMPORARY'), row_security_active($1), \
             has_table_privilege($1, 'DELETE')",
            &[(&table.oid, Type::OID), (&schema, Type::TEXT)],
        )
        .await?;
    let Some(row) = row.first() else { return Ok(Vec::new()) };
    let (user, database): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let user = name::quoted(&user);
    let mut missing = Vec::new();
    let mut lacks = |right: &str, on: String| {
        missing.push(Mismatch {
            column: None,
            problem: format!("the account lacks the right {right} on {on}"),
            mend: format!("GRANT {right} ON {on} TO {user}"),
        });
    };
    if !row.try_get::<_, bool>(2)? {
        lacks("USAGE", format!("SCHEMA {}", name::quoted(schema)));
    }
    if !row.try_get::<_, bool>(3)? {
        lacks("TEMPORARY", format!("DATABASE {}", name::quoted(&database)));
    }
    if spec.mode == Mode::Mirror && spec.deletes == Deletes::Hard && !row.try_get::<_, bool>(5)? {
        lacks("DELETE", format!("TABLE {}", table.quoted));
    }
    let row_security: bool = row.try_get(4)?;
    for (right, columns) in rights_on_columns(spec) {
        let columns: Vec<&str> = columns.into_iter().filter(|c| table.column(c).is_some()).collect();
        let rows = tx
            .query(
                "SELECT c.name FROM unnest($2::text[]) AS c(name) WHERE NOT has_column_privilege($1, c.name, $3::text)",
                &[(&table.oid, Type::OID), (&columns, Type::TEXT_ARRAY), (&right, Type::TEXT)],
            )
            .await?;
        let without: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        if !without.is_empty() {
            let list = name::list(without.iter().map(String::as_str));
            missing.push(Mismatch {
                column: None,
                problem: format!(
                    "the account lacks the right {right} on the columns {list} of {}",
                    table.quoted
                ),
                mend: format!("GRANT {right} ({list}) ON TABLE {} TO {user}", table.quoted),
            });
        }
    }
    if row_security {
        missing.push(Mismatch {
            column: None,
            problem: "row-level security hides rows from the account, so that they could not be compared"
                .to_owned(),
            mend: format!("ALTER ROLE {user} BYPASSRLS"),
        });
    }
    Ok(missing)
}

/// Which right is needed on which columns.
fn rights_on_columns(spec: &TableSpec) -> Vec<(&'static str, Vec<&str>)> {
    let soft = spec.soft_column().map(|(column, _)| column);
    let all: Vec<&str> = spec.shape.columns().iter().map(|c| c.name.as_str()).chain(soft).collect();
    let values: Vec<&str> = spec.shape.value_columns().map(|c| c.name.as_str()).chain(soft).collect();
    let mut rights = vec![("SELECT", all.clone())];
    if spec.mode != Mode::Update {
        rights.push(("INSERT", all));
    }
    if spec.mode != Mode::Insert {
        // Rows are locked before they are deleted or updated, which takes the right to update some column.
        let keys = || spec.shape.key().iter().map(String::as_str).collect();
        rights.push(("UPDATE", if values.is_empty() { keys() } else { values }));
    }
    rights
}
