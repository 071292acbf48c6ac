//! What an account may do, and what is said where it may not.

use super::{apply, fresh, keys, mismatches, psql, role, spec, target, url};
use hydrant_contract::{ErrorKind, Inspection, Target};

#[tokio::test]
async fn without_rights_each_missing_grant_is_shown_and_suffices() {
    let table = fresh("granted");
    psql(&format!("CREATE TABLE {table} (id bigint PRIMARY KEY, name text, other text)"));
    let (role, way_in) = role("nobody");
    psql("REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC");
    let (target, spec) = (target(&way_in), spec(&table));
    // hydrant's own tables are an administrator's to make, or there already.
    self::target(&url()).claim(&fresh("sync"), 1).await.expect("a superuser makes hydrant's tables");
    let denied = target.claim(&fresh("sync"), 1).await.expect_err("no rights");
    assert_eq!(denied.kind(), ErrorKind::Denied);
    assert!(denied.to_string().contains("GRANT SELECT, INSERT, UPDATE ON hydrant.checkpoint"), "{denied}");

    let Inspection::Present { mismatches, .. } = target.inspect(&spec).await.expect("an inspection") else {
        panic!("the table is there");
    };
    let all: String = mismatches.iter().map(|m| format!("{m}\n")).collect();
    for right in
        ["TEMPORARY", "DELETE", "SELECT (\"id\", \"name\")", "INSERT", "UPDATE (\"name\")", "hydrant"]
    {
        assert!(all.contains(right), "{right} in {all}");
    }
    for mismatch in &mismatches {
        psql(&mismatch.mend);
    }
    assert_eq!(self::mismatches(&target, &spec).await, [""; 0]);
    let applied = apply(&target, &spec, &[], &[(1, Some("a")), (2, None)], &[]).await.expect("written");
    assert_eq!((applied.rejects.len(), applied.path), (0, "copy"));
    apply(&target, &spec, &[2], &[], &[(1, Some("b")), (3, None)]).await.expect("written");
    assert_eq!(
        psql(&format!("SELECT string_agg(id || coalesce(name, '-'), ' ' ORDER BY id) FROM {table}")),
        "1b 3-"
    );
    psql(&format!("GRANT TEMPORARY ON DATABASE postgres TO PUBLIC; DROP OWNED BY {role}"));
}

#[tokio::test]
async fn an_absent_table_that_may_not_be_created_is_denied_with_the_grant() {
    let (role, way_in) = role("creator");
    // Before PostgreSQL 15 everybody may create tables in the schema public.
    let schema = fresh("closed");
    psql(&format!("CREATE SCHEMA {schema}"));
    let mut spec = spec(&fresh("absent"));
    spec.table.schema = Some(schema.clone());
    let denied = target(&way_in).inspect(&spec).await.expect_err("no right to create");
    assert_eq!(denied.kind(), ErrorKind::Denied);
    let grant = format!("GRANT USAGE, CREATE ON SCHEMA \"{schema}\" TO \"{role}\"");
    assert!(denied.to_string().contains(&grant), "{denied}");
    let mut elsewhere = spec;
    elsewhere.table.schema = Some("no such schema".into());
    let missing = target(&url()).inspect(&elsewhere).await.expect_err("no schema");
    assert_eq!(missing.kind(), ErrorKind::Missing);
    assert!(missing.to_string().contains("CREATE SCHEMA \"no such schema\""), "{missing}");
}

#[tokio::test]
async fn row_level_security_is_a_mismatch_and_never_hides_rows() {
    let table = fresh("policed");
    let (role, way_in) = role("policed");
    psql(&format!(
        "CREATE TABLE {table} (id bigint PRIMARY KEY, name text); ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; \
         CREATE POLICY none ON {table} USING (false) WITH CHECK (true); GRANT ALL ON {table} TO {role}"
    ));
    let (target, spec) = (target(&way_in), spec(&table));
    let found = mismatches(&target, &spec).await.join("\n");
    assert!(found.contains("BYPASSRLS"), "{found}");
    let error = target.read(&spec, &keys(&spec, &[1])).await.expect_err("hidden rows");
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
}
