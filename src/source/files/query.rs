//! From the text of a model to a plan.

use super::query_error::{find_word, list, nearest, planning_error, query_error, second_statement, start};
use crate::source::{Model, SourceError};
use datafusion::{
    common::{TableReference, tree_node::TreeNodeRecursion},
    execution::{SessionState, context::SQLOptions},
    logical_expr::LogicalPlan,
    sql::{
        parser::Statement,
        sqlparser::ast::{SetExpr, Statement as SqlStatement},
    },
};

/// The statement of a model: one query, and nothing that could write.
pub(super) fn parse(session: &SessionState, model: &Model) -> Result<Statement, SourceError> {
    let wrong = |message: &str, at, help: &str| query_error(model, message, at, &[help.to_owned()]);
    if let Some(second) = second_statement(&model.sql) {
        return Err(wrong("a model is one statement, and here a second one begins", Some(second), ONE_QUERY));
    }
    if start(&model.sql).is_none() {
        return Err(wrong("the query is empty", None, ONE_QUERY));
    }
    let dialect = session.config().options().sql_parser.dialect;
    let statement =
        session.sql_to_statement(&model.sql, &dialect).map_err(|error| planning_error(model, &error))?;
    let reads = match &statement {
        Statement::Statement(sql) => match sql.as_ref() {
            SqlStatement::Query(query) => !matches!(
                query.body.as_ref(),
                SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
            ),
            _ => false,
        },
        _ => false,
    };
    if reads {
        return Ok(statement);
    }
    let at = start(&model.sql);
    let word = at.and_then(|at| word(&model.sql, at)).unwrap_or("this").to_ascii_uppercase();
    Err(wrong(&format!("{word} is no query"), at, ONE_QUERY))
}

const ONE_QUERY: &str = "a model is a single SELECT (or WITH … SELECT, or VALUES); it never writes";

fn word(sql: &str, at: datafusion::common::Span) -> Option<&str> {
    let line = sql.lines().nth(usize::try_from(at.start.line).ok()?.checked_sub(1)?)?;
    line.get(usize::try_from(at.start.column).ok()?.checked_sub(1)?..)?
        .split(|c: char| !c.is_alphanumeric())
        .next()
}

/// The declared tables that a statement reads.
pub(super) fn tables(
    session: &SessionState,
    statement: &Statement,
    model: &Model,
    declared: &[&str],
) -> Result<Vec<String>, SourceError> {
    let references =
        session.resolve_table_references(statement).map_err(|error| planning_error(model, &error))?;
    let mut tables = Vec::new();
    for reference in references {
        let name = reference.table();
        let known = declared.contains(&name);
        if known && matches!(reference, TableReference::Bare { .. }) {
            tables.push(name.to_owned());
            continue;
        }
        if session.table_functions().contains_key(&name.to_ascii_lowercase()) {
            continue;
        }
        let mut help = Vec::new();
        if known {
            help.push(format!("tables of files have no schema: write {name}"));
        } else if let Some(near) = nearest(name, declared) {
            let case = near.eq_ignore_ascii_case(name);
            help.push(format!(
                "did you mean {near}?{}",
                if case { " Upper and lower case count" } else { "" }
            ));
        }
        help.push(match declared {
            [] => "the source declares no tables".to_owned(),
            _ => format!("the source declares {}", list(declared)),
        });
        let message = format!("there is no table {reference}");
        return Err(query_error(model, &message, find_word(&model.sql, name), &help));
    }
    Ok(tables)
}

/// The plan of a statement, once the tables that it reads are registered.
pub(super) async fn plan(
    session: &SessionState,
    statement: Statement,
    model: &Model,
) -> Result<LogicalPlan, SourceError> {
    let plan = session.statement_to_plan(statement).await.map_err(|error| planning_error(model, &error))?;
    // A second wall behind `parse`: SELECT … INTO, for one, is a query that makes a table.
    let only_reads =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    only_reads
        .verify_plan(&plan)
        .map_err(|_| query_error(model, "the query writes", start(&model.sql), &[ONE_QUERY.to_owned()]))?;
    Ok(plan)
}

/// Whether the rows of a plan arrive in an order that the files have and the query does not make itself.
pub(super) fn keeps_file_order(plan: &LogicalPlan) -> bool {
    let mut keeps = true;
    // The plan is finite and the closure never fails.
    let _ = plan.apply_with_subqueries(|node| {
        keeps &= !matches!(
            node,
            LogicalPlan::Aggregate(_)
                | LogicalPlan::Distinct(_)
                | LogicalPlan::Sort(_)
                | LogicalPlan::Window(_)
        );
        Ok(if keeps { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    keeps
}
