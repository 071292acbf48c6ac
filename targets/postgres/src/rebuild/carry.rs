//! What the table has beside its rows, as statements that give it to the shadow. All of them are made by the server from its
//! catalog, which quotes names and writes expressions as it reads them.

use super::Shadow;
use crate::{catalog::Table, name, transaction::Transaction};
use tokio_postgres::{Error, types::Type};

/// An index of the table.
pub(super) struct Index {
    /// Build it on the shadow, under a name that passes.
    pub(super) made: Vec<String>,
    /// Gives it, and the constraint that stands on it, the name of the table's.
    pub(super) named: String,
}

/// Makes the shadow: columns with types, defaults, expressions, collations, storage, compression and comments, check
/// constraints; where it is kept and how. Everything but names is as the table has it, so that rows can go in.
pub(super) async fn made(tx: &Transaction<'_>, table: &Table, shadow: &str) -> Result<Vec<String>, Error> {
    let rows = tx
        .query(
            "SELECT coalesce(s.spcname, '')::text, coalesce(m.amname, 'heap')::text, \
             (SELECT string_agg(format('%s = %L', split_part(o.option, '=', 1), substr(o.option, strpos(o.option, '=') + 1)), ', ') \
              FROM (SELECT unnest(c.reloptions) UNION ALL SELECT 'toast.' || unnest(t.reloptions)) AS o(option)) \
             FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid \
             LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace LEFT JOIN pg_am m ON m.oid = c.relam WHERE c.oid = $1",
            &[(&table.oid, Type::OID)],
        )
        .await?;
    let Some(row) = rows.first() else { return Ok(Vec::new()) };
    let (tablespace, method): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
    let options = row.try_get::<_, Option<&str>>(2)?.map_or_else(String::new, |o| format!(" WITH ({o})"));
    let unlogged = if table.persistence == 'u' { "UNLOGGED " } else { "" };
    Ok(vec![
        in_tablespace(tablespace),
        format!("SET LOCAL default_table_access_method = {}", name::quoted(method)),
        format!(
            "CREATE {unlogged}TABLE {shadow} (LIKE {} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY \
             EXCLUDING STATISTICS){options}",
            table.quoted
        ),
    ])
}

fn in_tablespace(name: &str) -> String {
    // The empty name, which is the database's own, cannot stand in double quotes.
    format!("SET LOCAL default_tablespace = '{}'", name.replace('\'', "''"))
}

/// The indexes, in an order in which they can be made.
pub(super) async fn indexes(tx: &Transaction<'_>, table: u32, shadow: &Shadow) -> Result<Vec<Index>, Error> {
    let rows = tx
        .query(INDEXES, &[(&table, Type::OID), (&shadow.quoted, Type::TEXT), (&shadow.name, Type::TEXT)])
        .await?;
    let index = |row: &tokio_postgres::Row| {
        let (passing, named): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let mut made = vec![in_tablespace(row.try_get(2)?)];
        made.extend(row.try_get::<_, Vec<Option<String>>>(3)?.into_iter().flatten());
        let passing = name::qualified(&shadow.schema, passing);
        Ok(Index { made, named: format!("ALTER INDEX {passing} RENAME TO {}", name::quoted(named)) })
    };
    rows.iter().map(index).collect()
}

/// Owner, grants, comments, and how statistics are gathered.
pub(super) async fn settings(
    tx: &Transaction<'_>,
    table: u32,
    shadow: &Shadow,
) -> Result<Vec<String>, Error> {
    let parameters =
        [(&table as _, Type::OID), (&shadow.quoted as _, Type::TEXT), (&shadow.oid as _, Type::OID)];
    let mut statements = Vec::new();
    for sql in [COLUMNS, RIGHTS] {
        let rows = tx.query(sql, &parameters).await?;
        for row in rows {
            statements.push(row.try_get(0)?);
        }
    }
    Ok(statements)
}

/// Sequences that belong to a column of the table, and would go with it.
pub(super) async fn sequences(
    tx: &Transaction<'_>,
    table: u32,
    shadow: &Shadow,
) -> Result<Vec<String>, Error> {
    let rows = tx
        .query(
            "SELECT format('ALTER SEQUENCE %I.%I OWNED BY %s.%I', n.nspname, s.relname, $2::text, a.attname) \
             FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' \
             JOIN pg_namespace n ON n.oid = s.relnamespace \
             JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
             WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 \
             AND d.deptype = 'a'",
            &[(&table, Type::OID), (&shadow.quoted, Type::TEXT)],
        )
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// The server shows an index as the statement that makes it. Its name and its table stand at the beginning, written as
/// `format` writes them; the rest is taken as it is. Were the beginning another one, there would be no statement, and the
/// table that was built would lack the index, which is noticed.
const INDEXES: &str = "\
SELECT x.passing, x.relname, x.tablespace, ARRAY[
    CASE WHEN starts_with(x.def, x.start)
         THEN format('CREATE %sINDEX %I ON %s USING %s', x.kind, x.passing, $2::text, substr(x.def, length(x.start) + 1)) END,
    (SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s USING INDEX %I%s%s', $2::text, x.passing,
                   CASE o.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, x.passing,
                   CASE WHEN o.condeferrable THEN ' DEFERRABLE' ELSE '' END,
                   CASE WHEN o.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END)
     FROM pg_constraint o WHERE o.conindid = x.oid AND o.conrelid = $1 AND o.contype IN ('p', 'u')),
    format('COMMENT ON INDEX %I.%I IS %L', x.nspname, x.passing, obj_description(x.oid, 'pg_class')),
    (SELECT format('COMMENT ON CONSTRAINT %I ON %s IS %L', x.passing, $2::text, obj_description(o.oid, 'pg_constraint'))
     FROM pg_constraint o WHERE o.conindid = x.oid AND o.conrelid = $1 AND o.contype IN ('p', 'u')),
    CASE WHEN x.indisclustered THEN format('ALTER TABLE %s CLUSTER ON %I', $2::text, x.passing) END,
    CASE WHEN x.indisreplident THEN format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', $2::text, x.passing) END
]
FROM (SELECT c.oid, c.relname, n.nspname, i.indisclustered, i.indisreplident, coalesce(s.spcname, '')::text AS tablespace,
             pg_get_indexdef(c.oid) AS def, u.kind, $3::text || '_' || row_number() OVER (ORDER BY c.oid) AS passing,
             format('CREATE %sINDEX %I ON %I.%I USING ', u.kind, c.relname, n.nspname, t.relname) AS start,
             i.indisprimary
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_class t ON t.oid = i.indrelid LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
      CROSS JOIN LATERAL (SELECT CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END) AS u(kind)
      WHERE i.indrelid = $1) AS x
ORDER BY x.indisprimary DESC, x.oid";

const COLUMNS: &str = "\
SELECT format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', $2::text, attname, attstattarget) FROM pg_attribute
WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attstattarget >= 0 AND $3::oid > 0
UNION ALL
SELECT format('ALTER TABLE %s ALTER COLUMN %I SET (%s)', $2::text, attname, array_to_string(attoptions, ', '))
FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attoptions IS NOT NULL
UNION ALL
SELECT format('COMMENT ON TABLE %s IS %L', $2::text, obj_description($1, 'pg_class'))
UNION ALL
SELECT format('ALTER TABLE %s REPLICA IDENTITY %s', $2::text, CASE relreplident WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END)
FROM pg_class WHERE oid = $1 AND relreplident IN ('f', 'n')";

/// First its owner, who alone grants, and to whom passes what the shadow's had. Then what a new table has by default goes, and what
/// the table has comes.
const RIGHTS: &str = "\
WITH who AS (
    SELECT 0 AS step, format('ALTER TABLE %s OWNER TO %I', $2::text, pg_get_userbyid(t.relowner)) AS statement
    FROM pg_class t JOIN pg_class n ON n.oid = $3 WHERE t.oid = $1 AND t.relowner <> n.relowner
  UNION ALL
    SELECT 1, format('REVOKE ALL ON TABLE %s FROM %s', $2::text, r.role)
    FROM pg_class t JOIN pg_class n ON n.oid = $3
    CROSS JOIN LATERAL aclexplode(coalesce(n.relacl, acldefault('r', n.relowner))) x
    CROSS JOIN LATERAL (SELECT CASE x.grantee WHEN 0 THEN 'PUBLIC' WHEN n.relowner THEN quote_ident(pg_get_userbyid(t.relowner))
                                              ELSE quote_ident(pg_get_userbyid(x.grantee)) END) AS r(role)
    WHERE t.oid = $1 AND (t.relacl IS NOT NULL OR n.relacl IS NOT NULL)
  UNION ALL
    SELECT 2, format('GRANT %s ON TABLE %s TO %s%s', x.privilege_type, $2::text, r.role,
                                    CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM pg_class t JOIN pg_class n ON n.oid = $3
    CROSS JOIN LATERAL aclexplode(coalesce(t.relacl, acldefault('r', t.relowner))) x
    CROSS JOIN LATERAL (SELECT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END) AS r(role)
    WHERE t.oid = $1 AND (t.relacl IS NOT NULL OR n.relacl IS NOT NULL)
  UNION ALL
    SELECT 3, format('GRANT %s (%I) ON TABLE %s TO %s%s', x.privilege_type, a.attname, $2::text, r.role,
                                         CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) x
    CROSS JOIN LATERAL (SELECT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END) AS r(role)
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
)
SELECT statement FROM (SELECT DISTINCT step, statement FROM who) AS w ORDER BY step, statement";
