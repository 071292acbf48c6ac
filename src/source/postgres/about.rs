//! What the server says of itself, and what whoever sets hydrant up should know of the account.

use super::{error, product::Product, session::Session};
use crate::source::{About, SourceError};

/// Names, and what the account may do beyond reading. Of tables, those that are the application's.
const OF_POSTGRES: &str = "\
SELECT pg_catalog.current_database(), current_user, r.rolsuper, pg_catalog.pg_is_in_recovery(), \
pg_catalog.current_setting('hot_standby_feedback'), \
EXISTS (SELECT 1 FROM pg_catalog.pg_class AS c WHERE c.relkind IN ('r', 'p') \
AND c.relnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname ~ '^pg_' OR nspname = 'information_schema') \
AND pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')), \
pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') \
FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user";

const OF_OTHERS: &str = "SELECT current_database(), current_user";

/// Asks the server.
pub(super) async fn about(session: &Session) -> Result<About, SourceError> {
    let is_postgres = session.product() == Product::Postgres;
    let asked = if is_postgres { OF_POSTGRES } else { OF_OTHERS };
    let answer = session.words(asked).await.map_err(error::plain)?;
    let text = |at: usize| answer.get(at).cloned().flatten();
    let is = |at: usize| text(at).as_deref() == Some("t");
    let mut notes = Vec::new();
    if is(2) {
        notes.push("the account is a superuser; a role that may only read is enough".to_owned());
    } else if is(5) || is(6) {
        let what = if is(5) { "change rows of tables" } else { "create schemas" };
        notes.push(format!(
            "the account may {what}; hydrant only reads here, in read-only transactions: a role with SELECT is enough"
        ));
    }
    if is(3) && text(4).as_deref() == Some("off") {
        notes.push(
            "the server is a standby with hot_standby_feedback = off; it may cancel long queries with \"conflict with recovery\", and the next run tries again"
                .to_owned(),
        );
    }
    // The place is told as it was reached: host, port and database, without the account.
    let place = session.place().split(" as ").next().unwrap_or_default().to_owned();
    Ok(About { product: session.product().named(session.version()), place, account: text(1), notes })
}
