//! All that the catalog says of a table, but for what must be different in another one that holds the same rows.
//!
//! Columns of the catalog are left out by name, all others count: what a later version of the server adds is compared, too,
//! and if it is not carried over, the table stays as it is.

use crate::transaction::Transaction;
use serde_json::Value;
use tokio_postgres::{Error, types::Type};

/// The portrait of a table.
pub(super) async fn of(tx: &Transaction<'_>, table: u32) -> Result<Value, Error> {
    let rows = tx.query(PORTRAIT, &[(&table, Type::OID)]).await?;
    let text: String = rows.first().map_or(Ok(String::new()), |row| row.try_get(0))?;
    // What is no JSON is compared as it is.
    Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Where two of them differ first, in words.
pub(super) fn difference(before: &Value, after: &Value) -> Option<String> {
    find(before, after, String::new())
}

fn find(before: &Value, after: &Value, path: String) -> Option<String> {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (before, after) {
        _ if before == after => None,
        (Value::Object(a), Value::Object(b)) => {
            let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
            names.into_iter().find_map(|name| {
                let [a, b] = [a, b].map(|side| side.get(name).unwrap_or(&Value::Null));
                find(a, b, below(name))
            })
        }
        _ => Some(format!("{path} is {before}, and was built as {after}")),
    }
}

/// As text, since the numbers of columns and objects are left out or resolved to names. Lists whose order means nothing are
/// sorted. The letters: `c` the table, `a` a column, `i` an index, `o` a constraint.
const PORTRAIT: &str = r"
SELECT jsonb_build_object(
    'table', to_jsonb(c) - '{oid,reltype,relfilenode,relpages,reltuples,relallvisible,relallfrozen,reltoastrelid,relhasindex,relnatts,relhasrules,relhastriggers,relhassubclass,relfrozenxid,relminmxid,relrewrite,relacl,reloptions}'::text[]
        || jsonb_build_object(
            'options', (SELECT jsonb_agg(x ORDER BY x) FROM unnest(c.reloptions) x),
            'toast options', (SELECT jsonb_agg(x ORDER BY x) FROM pg_class t, unnest(t.reloptions) x WHERE t.oid = c.reltoastrelid),
            'toast tablespace', (SELECT t.reltablespace FROM pg_class t WHERE t.oid = c.reltoastrelid),
            'rights', (SELECT jsonb_agg(to_jsonb(x) ORDER BY x.grantee, x.privilege_type)
                       FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) x),
            'comment', obj_description(c.oid, 'pg_class')),
    'columns', (
        SELECT jsonb_object_agg(a.attname, to_jsonb(a) - '{attrelid,attnum,attcacheoff,atthasmissing,attmissingval,attacl}'::text[]
            || jsonb_build_object(
                'place', a.place,
                'default', (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum),
                'sequence', pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname),
                'rights', (SELECT jsonb_agg(to_jsonb(x) ORDER BY x.grantee, x.privilege_type) FROM aclexplode(a.attacl) x),
                'comment', col_description(a.attrelid, a.attnum)))
        FROM (SELECT a.*, row_number() OVER (ORDER BY a.attnum) AS place FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS a),
    'indexes', (
        SELECT jsonb_object_agg(r.relname, to_jsonb(i) - '{indexrelid,indrelid,indkey,indexprs,indpred,indcheckxmin}'::text[]
            || jsonb_build_object(
                'definition', pg_get_indexdef(r.oid), 'tablespace', r.reltablespace, 'owner', r.relowner,
                'persistence', r.relpersistence, 'comment', obj_description(r.oid, 'pg_class'),
                'statistics', (SELECT jsonb_agg(a.attstattarget ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = r.oid)))
        FROM pg_index i JOIN pg_class r ON r.oid = i.indexrelid WHERE i.indrelid = c.oid),
    'constraints', (
        SELECT jsonb_object_agg(o.conname, to_jsonb(o) - '{oid,conrelid,conindid,conkey,conbin,conparentid}'::text[]
            || jsonb_build_object(
                'definition', pg_get_constraintdef(o.oid), 'comment', obj_description(o.oid, 'pg_constraint')))
        FROM pg_constraint o WHERE o.conrelid = c.oid),
    'policies', (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid),
    'triggers', (SELECT count(*) FROM pg_trigger g WHERE g.tgrelid = c.oid),
    'statistics', (SELECT count(*) FROM pg_statistic_ext s WHERE s.stxrelid = c.oid)
)::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_difference_is_named_by_its_path() {
        let before =
            json!({ "table": { "options": ["fillfactor=80"], "relkind": "r" }, "indexes": { "i": {} } });
        assert_eq!(difference(&before, &before), None);
        let mut other = before.clone();
        other["table"]["options"] = json!(null);
        let said = difference(&before, &other).expect("a difference");
        assert_eq!(said, r#"table.options is ["fillfactor=80"], and was built as null"#);
        // What only one of them has is a difference, too, whichever it is.
        let mut fewer = before.clone();
        fewer["indexes"] = json!({});
        for (a, b) in [(&before, &fewer), (&fewer, &before)] {
            assert!(difference(a, b).expect("a difference").starts_with("indexes.i is "), "{a} {b}");
        }
    }
}
