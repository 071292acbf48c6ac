//! The table compared with what the sync wants of it, and the table made.

use crate::{
    catalog::Table,
    column_type, grants, limits, name, own,
    plan::{self, Plan},
    transaction::Transaction,
};
use hydrant_contract::{ErrorKind, Inspection, Limits, Mismatch, Mode, Result, TableSpec, TargetError};
use tokio_postgres::types::Type;

/// Compares; see [`Target::inspect`](hydrant_contract::Target::inspect).
pub(crate) async fn inspect(tx: &Transaction<'_>, spec: &TableSpec) -> Result<Inspection> {
    let Some(table) = Table::find(tx, &spec.table).await.map_err(|e| tx.error(e))? else {
        return Ok(Inspection::Absent {
            statements: absent(tx, spec).await?,
            limits: limits::of_created(spec),
        });
    };
    if !matches!(table.relation, 'r' | 'p') || table.persistence == 't' {
        let what = match table.relation {
            'v' => "a view",
            'm' => "a materialized view",
            'f' => "a foreign table",
            _ => "a temporary table",
        };
        return Ok(Inspection::Present {
            mismatches: vec![Mismatch {
                column: None,
                problem: format!("{} is {what}, and hydrant writes into tables", table.quoted),
                mend: "name a table in the configuration, for example the one that the view shows".to_owned(),
            }],
            limits: Limits::none_of(spec),
        });
    }
    let mut mismatches = Plan::new(spec, &table).err().unwrap_or_default();
    mismatches.extend(unmanaged_without_default(spec, &table));
    mismatches.extend(grants::of_table(tx, spec, &table).await.map_err(|e| tx.error(e))?);
    mismatches.extend(own::missing_rights(tx).await.map_err(|e| tx.error(e))?);
    Ok(Inspection::Present { mismatches, limits: limits::of_table(spec, &table) })
}

/// Creates the table if it is not there.
pub(crate) async fn create(tx: &Transaction<'_>, spec: &TableSpec) -> Result<()> {
    // Two that create at a time would both find it absent; the lock is let go with the transaction.
    tx.query("SELECT pg_advisory_xact_lock($1)::text", &[(&own::ADVISORY_LOCK, Type::INT8)])
        .await
        .map_err(|e| tx.error(e))?;
    if Table::find(tx, &spec.table).await.map_err(|e| tx.error(e))?.is_some() {
        return Ok(());
    }
    for statement in absent(tx, spec).await? {
        tx.run(&statement).await.map_err(|e| tx.error(e))?;
    }
    Ok(())
}

/// Columns that a new row would leave NULL although they must not be.
fn unmanaged_without_default(spec: &TableSpec, table: &Table) -> Vec<Mismatch> {
    if spec.mode == Mode::Update {
        return Vec::new();
    }
    let managed = |column: &str| {
        spec.shape.columns().iter().any(|c| c.name == column)
            || spec.soft_column().is_some_and(|(soft, _)| soft == column)
    };
    let needed = table.columns.iter().filter(|c| c.not_null && !c.has_default && !c.generated);
    needed
        .filter(|c| !managed(&c.name))
        .map(|c| Mismatch {
            column: Some(c.name.clone()),
            problem: "it is NOT NULL without a default and the query does not return it, so no row can be inserted"
                .to_owned(),
            mend: format!(
                "ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL (or give it a default, or return it from the query)",
                table.quoted,
                name::quoted(&c.name)
            ),
        })
        .collect()
}

/// The statements that make the table, after a look whether they would work.
async fn absent(tx: &Transaction<'_>, spec: &TableSpec) -> Result<Vec<String>> {
    let schema = name::schema_of(&spec.table);
    let soft = spec.soft_column().map(|(column, _)| column);
    let columns = spec.shape.columns().iter().map(|c| c.name.as_str()).chain(soft);
    for long in [schema, spec.table.name.as_str()].into_iter().chain(columns) {
        if long.len() > name::NAME_BYTES_MAX {
            return Err(TargetError::new(
                ErrorKind::LimitExceeded,
                tx.context(),
                format!("{long:?}: {}; give it a shorter name", plan::too_long(long)),
            ));
        }
    }
    let found = tx
        .query(
            "SELECT has_schema_privilege(n.oid, 'USAGE') AND has_schema_privilege(n.oid, 'CREATE'), current_user::text \
             FROM pg_namespace n WHERE n.nspname = $1::text::name",
            &[(&schema, Type::TEXT)],
        )
        .await
        .map_err(|e| tx.error(e))?;
    let Some(row) = found.first() else {
        return Err(TargetError::new(
            ErrorKind::Missing,
            tx.context(),
            format!("there is no schema {schema:?}; create it with: CREATE SCHEMA {}", name::quoted(schema)),
        ));
    };
    let (may_create, user): (bool, &str) = (row.get(0), row.get(1));
    if !may_create {
        return Err(TargetError::new(
            ErrorKind::Denied,
            tx.context(),
            format!(
                "the account may not create the table in schema {schema:?}; grant it with: GRANT USAGE, CREATE ON SCHEMA {} TO {} \
                 (or create the table with an account that may)",
                name::quoted(schema),
                name::quoted(user)
            ),
        ));
    }
    if let Some(rights) = own::missing_rights(tx).await.map_err(|e| tx.error(e))? {
        let message = format!("{}: {}", rights.problem, rights.mend);
        return Err(TargetError::new(ErrorKind::Denied, tx.context(), message));
    }
    let vector = tx
        .query(
            "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'",
            &[],
        )
        .await
        .map_err(|e| tx.error(e))?;
    let vector = vector.first().map(|row| column_type::vector_name(row.get(0)));
    Ok(vec![create_table(spec, vector.as_deref())])
}

fn create_table(spec: &TableSpec, vector: Option<&str>) -> String {
    let columns = spec.shape.columns().iter().map(|c| {
        let not_null = if spec.shape.is_key(&c.name) { " NOT NULL" } else { "" };
        format!("{} {}{not_null}", name::quoted(&c.name), column_type::created(&c.value, vector))
    });
    let soft = spec
        .soft_column()
        .map(|(column, mark)| format!("{} {}", name::quoted(column), plan::soft_type(mark)));
    let key = name::list(spec.shape.key().iter().map(String::as_str));
    let lines: Vec<_> = columns.chain(soft).chain([format!("PRIMARY KEY ({key})")]).collect();
    let table = name::qualified(name::schema_of(&spec.table), &spec.table.name);
    format!("CREATE TABLE {table} (\n    {}\n)", lines.join(",\n    "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_contract::{Column, Deletes, Documents, Integer, Shape, SoftMark, TableName, ValueType};

    #[test]
    fn the_statement_quotes_names_and_carries_key_and_mark() {
        let columns = vec![
            Column { name: "Plan".into(), value: ValueType::Text },
            Column { name: "id".into(), value: ValueType::Integer(Integer::U32) },
        ];
        let spec = TableSpec {
            table: TableName { schema: None, name: "usage".into() },
            shape: Shape::new(columns, vec!["id".into()]).expect("a shape"),
            mode: Mode::Mirror,
            deletes: Deletes::Soft { column: "gone".into(), mark: SoftMark::Flag },
            documents: Documents::default(),
        };
        assert_eq!(
            create_table(&spec, None),
            "CREATE TABLE \"public\".\"usage\" (\n    \"Plan\" text,\n    \"id\" bigint NOT NULL,\n    \
             \"gone\" boolean NOT NULL DEFAULT false,\n    PRIMARY KEY (\"id\")\n)"
        );
    }
}
