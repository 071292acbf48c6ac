//! What keeps a table from being built anew: everything that it has and that would not be carried over.
//!
//! What depends on a table is asked of the catalog as a whole, and what is known to be carried is taken away: something that
//! nobody has thought of here is refused, not lost.

use crate::{catalog::Table, name, plan::Plan, transaction::Transaction, write};
use hydrant_contract::{Deletes, Mode, Rebuildable, Result, TableSpec};
use tokio_postgres::types::Type;

/// Answers; see [`Target::rebuildable`](hydrant_contract::Target::rebuildable).
pub(crate) async fn rebuildable(tx: &Transaction<'_>, spec: &TableSpec) -> Result<Rebuildable> {
    let table = write::find(tx, spec).await?;
    let obstacles = of_table(tx, spec, &table).await?;
    let rows = tx
        .query("SELECT reltuples::int8 FROM pg_class WHERE oid = $1", &[(&table.oid, Type::OID)])
        .await
        .and_then(|rows| rows.first().map_or(Ok(0_i64), |row| row.try_get(0)))
        .map_err(|e| tx.error(e))?;
    // -1 where nobody has counted yet.
    Ok(Rebuildable { obstacles, rows: u64::try_from(rows).unwrap_or(0) })
}

/// All obstacles of a table that fits the sync.
pub(super) async fn of_table(tx: &Transaction<'_>, spec: &TableSpec, table: &Table) -> Result<Vec<String>> {
    let plan = write::plan(tx, spec, table)?;
    let mut obstacles = of_plan(spec, &plan);
    let schema = name::schema_of(&spec.table);
    let parameters = [(&table.oid as _, Type::OID)];
    let named =
        [(&table.oid as _, Type::OID), (&schema as _, Type::TEXT), (&spec.table.name as _, Type::TEXT)];
    for (sql, parameters) in [(ITSELF, &named[..]), (MEMBERS, &parameters[..]), (DEPENDENTS, &parameters[..])]
    {
        let rows = tx.query(sql, parameters).await.map_err(|e| tx.error(e))?;
        for row in rows {
            obstacles.push(row.try_get(0).map_err(|e| tx.error(e))?);
        }
    }
    Ok(obstacles)
}

/// What the sync does not say of the table.
fn of_plan(spec: &TableSpec, plan: &Plan<'_>) -> Vec<String> {
    let mut obstacles = Vec::new();
    if spec.mode != Mode::Mirror || spec.deletes != Deletes::Hard {
        obstacles.push("only a mirror with hard deletes can be built anew".to_owned());
    }
    for column in &plan.table.columns {
        let managed = plan.columns.iter().find(|c| c.column.number == column.number);
        match managed {
            Some(managed) if managed.direct.is_none() => obstacles
                .push(format!("the values of the column {:?} are written by way of a cast", column.name)),
            None if !column.generated => obstacles.push(format!(
                "the column {:?} is the application's: the query does not return it",
                column.name
            )),
            Some(_) | None => {}
        }
    }
    obstacles
}

/// The table as a whole, and the server: `$1` is the table, `$2` and `$3` its schema and name.
const ITSELF: &str = "\
SELECT reason FROM pg_class c CROSS JOIN LATERAL (VALUES
    (c.relkind <> 'r', 'it is partitioned'),
    (c.relispartition OR EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)),
     'it is a partition, or inherits'),
    (c.reloftype <> 0, 'it is declared by a composite type'),
    (c.relrowsecurity OR c.relforcerowsecurity, 'row-level security is on'),
    (NOT pg_has_role(c.relowner, 'USAGE'),
     format('the account is neither %I, to whom it belongs, nor a member of that role', pg_get_userbyid(c.relowner))),
    (NOT has_schema_privilege(c.relnamespace, 'CREATE'), 'the account may not create tables in its schema'),
    (EXISTS (SELECT FROM pg_seclabel s WHERE s.objoid = c.oid AND s.classoid = 'pg_class'::regclass),
     'it has security labels'),
    (EXISTS (SELECT FROM aclexplode(c.relacl) x WHERE x.grantor <> c.relowner)
     OR EXISTS (SELECT FROM pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid = c.oid AND x.grantor <> c.relowner),
     'others than its owner have granted rights on it')
) AS v(found, reason) WHERE c.oid = $1 AND v.found
UNION ALL
SELECT format('the publication %I replicates it: those who subscribe would miss the rows that were built', pubname)
FROM pg_publication_tables WHERE schemaname = $2::text::name AND tablename = $3::text::name
UNION ALL
SELECT format('the replication slot %I decodes this database: who reads it would miss the rows that were built', slot_name)
FROM pg_replication_slots WHERE slot_type = 'logical' AND database = current_database()";

/// Its columns, indexes and constraints.
const MEMBERS: &str = "\
SELECT format('the column %I is an identity', a.attname) FROM pg_attribute a
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity <> ''
UNION ALL
SELECT format('the index %I is not valid: a CREATE or REINDEX CONCURRENTLY goes on, or has failed', c.relname)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = $1 AND NOT (i.indisvalid AND i.indisready AND i.indislive)
UNION ALL
SELECT format('a column of the index %I has a statistics target of its own', c.relname)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_attribute a ON a.attrelid = c.oid
WHERE i.indrelid = $1 AND a.attstattarget >= 0
UNION ALL
SELECT format('the constraint %I is not valid for all rows, or not enforced', c.conname) FROM pg_constraint c
WHERE c.conrelid = $1 AND NOT (c.convalidated AND coalesce((to_jsonb(c) ->> 'conenforced')::bool, true))
UNION ALL
SELECT format('it belongs to %s', pg_describe_object(d.refclassid, d.refobjid, 0)) FROM pg_depend d
WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('e', 'x')
  AND d.objid IN (SELECT $1 UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid = $1)";

/// Whatever refers to the table, or to a part of it, and is no part that is carried. A table's type is referred to by
/// functions and by columns of other tables. Of its triggers those are left out that come with a foreign key.
const DEPENDENTS: &str = "\
WITH part(classid, objid, is_its_own) AS (
    SELECT 'pg_class'::regclass::oid, $1::oid, true
  UNION ALL
    SELECT 'pg_class'::regclass, indexrelid, true FROM pg_index WHERE indrelid = $1
  UNION ALL
    SELECT 'pg_constraint'::regclass, oid, true FROM pg_constraint WHERE conrelid = $1 AND contype IN ('c', 'p', 'u', 'n')
  UNION ALL
    SELECT 'pg_attrdef'::regclass, oid, true FROM pg_attrdef WHERE adrelid = $1
  UNION ALL
    SELECT 'pg_type'::regclass, t.oid, true FROM pg_class c JOIN pg_type t ON t.oid = c.reltype OR t.typelem = c.reltype
    WHERE c.oid = $1 AND c.reltype <> 0
  UNION ALL
    SELECT 'pg_class'::regclass, reltoastrelid, false FROM pg_class WHERE oid = $1
  UNION ALL
    SELECT 'pg_class'::regclass, s.oid, false FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.deptype = 'a'
)
SELECT DISTINCT format('%s depends on it', CASE WHEN v.oid IS NOT NULL THEN pg_describe_object('pg_class'::regclass, v.oid, 0)
                                                ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END)
FROM pg_depend d JOIN part p ON p.is_its_own AND (p.classid, p.objid) = (d.refclassid, d.refobjid)
LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
LEFT JOIN pg_class v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm')
WHERE NOT EXISTS (SELECT FROM part o WHERE (o.classid, o.objid) = (d.classid, d.objid))
  AND NOT (d.classid = 'pg_trigger'::regclass AND EXISTS
           (SELECT FROM pg_trigger g WHERE g.oid = d.objid AND g.tgisinternal))
ORDER BY 1";
