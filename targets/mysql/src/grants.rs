//! The rights that a sync needs, and the statements that grant the ones it lacks.

use crate::{
    catalog::{Table, optional},
    name, own,
    transaction::Session,
};
use hydrant_contract::{Deletes, ErrorKind, Mismatch, Mode, Result, TableSpec};

/// The statements that let an account use hydrant's own tables.
pub(crate) fn of_own(database: &str, account: &str) -> String {
    let grant = |table: &str| {
        format!("GRANT SELECT, INSERT, UPDATE ON {} TO {account}", name::qualified(database, table))
    };
    format!("{}; {}", grant(own::CHECKPOINT), grant(own::FRESHNESS))
}

/// The rights on the table that are missing, each with its GRANT.
pub(crate) async fn of_table(
    session: &mut Session<'_>,
    spec: &TableSpec,
    table: &Table,
) -> Result<Vec<Mismatch>> {
    let account = session.server().account.clone();
    let mut missing = Vec::new();
    for (right, columns) in rights_on_columns(spec) {
        let lacks = |column: &&str| {
            table
                .column(column)
                .is_some_and(|c| !c.rights.iter().any(|have| have.eq_ignore_ascii_case(right)))
        };
        let without: Vec<&str> = columns.into_iter().filter(lacks).collect();
        if !without.is_empty() {
            let list = name::list(without.into_iter());
            missing.push(Mismatch {
                column: None,
                problem: format!(
                    "the account lacks the right {right} on the columns {list} of {}",
                    table.quoted
                ),
                mend: format!("GRANT {right} ({list}) ON {} TO {account}", table.quoted),
            });
        }
    }
    if spec.mode == Mode::Mirror && spec.deletes == Deletes::Hard && lacks_delete(session, table).await? {
        missing.push(Mismatch {
            column: None,
            problem: format!("the account lacks the right DELETE on {}", table.quoted),
            mend: format!("GRANT DELETE ON {} TO {account}", table.quoted),
        });
    }
    Ok(missing)
}

/// The catalog says which rights there are on columns; for this one the server is asked to plan a delete of nothing.
async fn lacks_delete(session: &mut Session<'_>, table: &Table) -> Result<bool> {
    let plan = format!("EXPLAIN DELETE FROM {} WHERE 1 = 0", table.quoted);
    match session.query_text(&plan).await {
        Ok(_) => Ok(false),
        Err(e) if e.server().is_some_and(|e| matches!(e.code, 1142 | 1143 | 1044)) => Ok(true),
        // Tables of other engines, views and the like are other mismatches' matter.
        Err(e) if e.leaves_connection() => Ok(false),
        Err(e) => Err(session.error(e)),
    }
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

/// What keeps the account from using hydrant's own tables, or from making them.
pub(crate) async fn of_own_tables(session: &mut Session<'_>) -> Result<Option<Mismatch>> {
    let (server, database) = (session.server(), session.database());
    let there = own::there(session).await?;
    let mut lacks = false;
    for (table, there) in [own::CHECKPOINT, own::FRESHNESS].into_iter().zip(there) {
        if there {
            let sql =
                "SELECT PRIVILEGES FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";
            let rows = session.query(sql, vec![database.into(), table.into()]).await;
            let rows = rows.map_err(|e| session.error(e))?;
            lacks |= rows.iter().any(|row| {
                let rights = optional(row, 0).unwrap_or_default().to_lowercase();
                !["select", "insert", "update"].iter().all(|right| rights.contains(right))
            });
        } else {
            lacks |= !may(session, "CREATE", database).await?;
        }
    }
    let [checkpoint, freshness] = own::create(database, &server);
    Ok(lacks.then(|| Mismatch {
        column: None,
        problem: "the account may neither use nor make hydrant's own tables; an administrator may make them"
            .to_owned(),
        mend: format!("{checkpoint}; {freshness}; {}", of_own(database, &server.account)),
    }))
}

/// Fails if the account may not create a table in a database.
pub(crate) async fn may_create(session: &mut Session<'_>, database: &str) -> Result<()> {
    if may(session, "CREATE", database).await? {
        return Ok(());
    }
    let message = format!(
        "the account may not create the table; grant it with: GRANT CREATE ON {}.* TO {} (or create the table with an account that may)",
        name::quoted(database),
        session.server().account
    );
    Err(session.fail(ErrorKind::Denied, message))
}

/// Whether the account has a right on all of a database. Where roles are involved, the server alone knows, and it is
/// believed until it says no.
async fn may(session: &mut Session<'_>, right: &str, database: &str) -> Result<bool> {
    let rows = session.query_text("SHOW GRANTS FOR CURRENT_USER()").await.map_err(|e| session.error(e))?;
    let grants: Vec<String> = rows.iter().map(|row| optional(row, 0).unwrap_or_default()).collect();
    Ok(grants.iter().any(|grant| grants_it(grant, right, database)))
}

/// Whether a line of `SHOW GRANTS` grants a right on a database, or a role, which may.
fn grants_it(grant: &str, right: &str, database: &str) -> bool {
    let Some(grant) = grant.strip_prefix("GRANT ") else { return false };
    let Some((rights, scope)) = grant.split_once(" ON ") else { return grant.contains(" TO ") };
    let scope = scope.split(" TO ").next().unwrap_or_default().trim();
    let named = || {
        let name = scope.strip_suffix(".*")?.strip_prefix('`')?.strip_suffix('`')?;
        Some(like(&name.replace("``", "`"), database))
    };
    let has = rights.split(',').any(|have| {
        let have = have.trim();
        have.eq_ignore_ascii_case(right) || have.eq_ignore_ascii_case("ALL PRIVILEGES")
    });
    has && (scope == "*.*" || named().unwrap_or(false))
}

/// Whether a database is meant by a pattern of GRANT, in which `%` and `_` stand for anything unless escaped.
fn like(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('%') => (0..=name.len())
            .filter(|at| name.is_char_boundary(*at))
            .any(|at| like(rest.as_str(), &name[at..])),
        Some('_') => name.chars().next().is_some_and(|c| like(rest.as_str(), &name[c.len_utf8()..])),
        Some('\\') if matches!(rest.clone().next(), Some('%' | '_')) => {
            let literal = rest.next();
            literal.is_some_and(|c| name.starts_with(c) && like(rest.as_str(), &name[c.len_utf8()..]))
        }
        Some(c) => name.starts_with(c) && like(rest.as_str(), &name[c.len_utf8()..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_show_grants_are_understood() {
        let table = [
            ("GRANT USAGE ON *.* TO `a`@`%`", false),
            ("GRANT ALL PRIVILEGES ON *.* TO `a`@`%` WITH GRANT OPTION", true),
            ("GRANT SELECT, CREATE ON `app`.* TO `a`@`%`", true),
            ("GRANT CREATE TEMPORARY TABLES ON `app`.* TO `a`@`%`", false),
            ("GRANT CREATE ON `ap_`.* TO `a`@`%`", true),
            ("GRANT CREATE ON `ap\\_`.* TO `a`@`%`", false),
            ("GRANT CREATE ON `other`.* TO `a`@`%`", false),
            ("GRANT CREATE ON `app`.`t` TO `a`@`%`", false),
            ("GRANT `role`@`%` TO `a`@`%`", true),
        ];
        for (grant, expected) in table {
            assert_eq!(grants_it(grant, "CREATE", "app"), expected, "{grant}");
        }
    }

    #[test]
    fn patterns_of_databases_match_as_grant_means_them() {
        assert!(like("a%", "app") && like("%", "") && like("a\\_b", "a_b"));
        assert!(!like("a\\_b", "axb") && !like("a", "ab"));
    }
}
