//! The table compared with what the sync wants of it, and the table made.

use crate::{
    catalog::Table,
    column_type::{self, KeyRoom},
    grants, limits, name,
    plan::{self, Plan},
    session::Server,
    transaction::Session,
};
use hydrant_contract::{ErrorKind, Inspection, Limits, Mismatch, Mode, Result, TableSpec};

/// Compares; see [`Target::inspect`](hydrant_contract::Target::inspect).
pub(crate) async fn inspect(session: &mut Session<'_>, spec: &TableSpec) -> Result<Inspection> {
    let server = session.server();
    let Some(table) = Table::find(session, &spec.table).await.map_err(|e| session.error(e))? else {
        return Ok(Inspection::Absent {
            statements: absent(session, spec).await?,
            limits: limits::of_created(spec, &server),
        });
    };
    if !matches!(table.relation.as_str(), "BASE TABLE" | "SYSTEM VERSIONED") {
        let what = if table.relation.contains("VIEW") { "a view" } else { "no ordinary table" };
        return Ok(Inspection::Present {
            mismatches: vec![Mismatch {
                column: None,
                problem: format!("{} is {what}, and hydrant writes into tables", table.quoted),
                mend: "name a table in the configuration, for example the one that the view shows".to_owned(),
            }],
            limits: Limits::none_of(spec),
        });
    }
    let limits = limits::of_table(spec, &table);
    let mut mismatches = unmanaged_without_default(spec, &table);
    mismatches.extend(grants::of_table(session, spec, &table).await?);
    mismatches.extend(grants::of_own_tables(session).await?);
    let planned = Plan::new(spec, table, &server).err().unwrap_or_default();
    Ok(Inspection::Present { mismatches: planned.into_iter().chain(mismatches).collect(), limits })
}

/// Creates the table if it is not there.
pub(crate) async fn create(session: &mut Session<'_>, spec: &TableSpec) -> Result<()> {
    if Table::find(session, &spec.table).await.map_err(|e| session.error(e))?.is_some() {
        return Ok(());
    }
    for statement in absent(session, spec).await? {
        // Another one may have created it in between, which is as well.
        if let Err(e) = session.run(&statement).await
            && e.server().is_none_or(|e| e.code != 1050)
        {
            return Err(session.error(e));
        }
    }
    Ok(())
}

/// Columns that a new row would leave without a value although they must have one.
fn unmanaged_without_default(spec: &TableSpec, table: &Table) -> Vec<Mismatch> {
    if spec.mode == Mode::Update {
        return Vec::new();
    }
    let managed = |column: &str| {
        let same = |name: &str| table.column(name).is_some_and(|c| c.name == column);
        spec.shape.columns().iter().any(|c| same(&c.name))
            || spec.soft_column().is_some_and(|(soft, _)| same(soft))
    };
    let needed = table.columns.iter().filter(|c| c.not_null && !c.has_default && !c.generated);
    needed
        .filter(|c| !managed(&c.name))
        .map(|c| Mismatch {
            column: Some(c.name.clone()),
            problem:
                "it is NOT NULL without a default and the query does not return it, so no row can be inserted"
                    .to_owned(),
            mend: format!(
                "ALTER TABLE {} MODIFY COLUMN {} {} NULL (or give it a default, or return it from the query)",
                table.quoted,
                name::quoted(&c.name),
                c.declared()
            ),
        })
        .collect()
}

/// The statements that make the table, after a look whether they would work.
async fn absent(session: &mut Session<'_>, spec: &TableSpec) -> Result<Vec<String>> {
    let server = session.server();
    let database = name::database_of(&spec.table, session.database()).to_owned();
    let fail = |message: String| session.fail(ErrorKind::ShapeDiffers, message);
    if let Some(problem) = name::problem(&spec.table.name) {
        return Err(fail(format!("the table {:?}: {problem}; give it another name", spec.table.name)));
    }
    let soft = spec.soft_column().map(|(column, _)| column);
    let mut names: Vec<&str> = Vec::new();
    for column in spec.shape.columns().iter().map(|c| c.name.as_str()).chain(soft) {
        if let Some(problem) = name::problem(column) {
            return Err(fail(format!(
                "the column {column:?}: {problem}; give it another name in the query with AS"
            )));
        }
        if let Some(other) = names.iter().find(|other| other.to_lowercase() == column.to_lowercase()) {
            return Err(fail(format!(
                "the columns {other:?} and {column:?} are one to MySQL, which compares names without regard to case; rename one with AS"
            )));
        }
        names.push(column);
    }
    if let Some(column) =
        spec.shape.columns().iter().find(|c| column_type::created(&c.value, None, server.product).is_none())
    {
        return Err(fail(format!("the column {:?}: {}", column.name, plan::no_home(&column.value))));
    }
    let there = session
        .query(
            "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?",
            vec![database.as_str().into()],
        )
        .await
        .map_err(|e| session.error(e))?;
    if there.is_empty() {
        let message = format!(
            "there is no database {database:?}, or the account may not see it; create it with: CREATE DATABASE {}",
            name::quoted(&database)
        );
        return Err(session.fail(ErrorKind::Missing, message));
    }
    grants::may_create(session, &database).await?;
    if let Some(rights) = grants::of_own_tables(session).await? {
        return Err(session.fail(ErrorKind::Denied, format!("{}: {}", rights.problem, rights.mend)));
    }
    Ok(vec![create_table(spec, &database, &server)])
}

fn create_table(spec: &TableSpec, database: &str, server: &Server) -> String {
    let room = KeyRoom::new(spec.shape.key_columns().map(|c| &c.value), server);
    let columns = spec.shape.columns().iter().map(|c| {
        let is_key = spec.shape.is_key(&c.name);
        let sql = column_type::created_sql(&c.value, is_key.then_some(&room), server).unwrap_or_default();
        format!("{} {sql}{}", name::quoted(&c.name), if is_key { " NOT NULL" } else { "" })
    });
    let soft = spec
        .soft_column()
        .map(|(column, mark)| format!("{} {}", name::quoted(column), column_type::soft_sql(mark)));
    let key = name::list(spec.shape.key().iter().map(String::as_str));
    let lines: Vec<_> = columns.chain(soft).chain([format!("PRIMARY KEY ({key})")]).collect();
    format!(
        "CREATE TABLE {} (\n    {}\n) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4",
        name::qualified(database, &spec.table.name),
        lines.join(",\n    ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Product;
    use hydrant_contract::{Column, Deletes, Documents, Integer, Shape, SoftMark, TableName, ValueType};

    #[test]
    fn the_statement_quotes_names_and_carries_key_and_mark() {
        let columns = vec![
            Column { name: "Pl`an".into(), value: ValueType::Text },
            Column { name: "id".into(), value: ValueType::Integer(Integer::U32) },
            Column { name: "region".into(), value: ValueType::Text },
        ];
        let spec = TableSpec {
            table: TableName { schema: None, name: "usage".into() },
            shape: Shape::new(columns, vec!["region".into(), "id".into()]).expect("a shape"),
            mode: Mode::Mirror,
            deletes: Deletes::Soft { column: "gone".into(), mark: SoftMark::Flag },
            documents: Documents::default(),
        };
        let server = Server {
            product: Product::MySql,
            version: "9.7.4".into(),
            packet_bytes_max: 1 << 26,
            local_infile: true,
            folds_tables: false,
            account: "'a'@'%'".into(),
            innodb_page_bytes: 16384,
        };
        assert_eq!(
            create_table(&spec, "app", &server),
            "CREATE TABLE `app`.`usage` (\n    `Pl``an` LONGTEXT,\n    `id` INT UNSIGNED NOT NULL,\n    \
             `region` VARCHAR(766) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,\n    \
             `gone` BOOLEAN NOT NULL DEFAULT FALSE,\n    PRIMARY KEY (`region`, `id`)\n) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4"
        );
    }
}
