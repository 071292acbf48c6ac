//! What an account needs, and how it is told.

use crate::{apply, fits, fresh, mismatches, servers, spec, target};
use hydrant_contract::{ErrorKind, Target};

#[tokio::test]
async fn without_rights_each_missing_grant_is_shown_and_suffices() {
    for server in servers() {
        let table = server.table("granted", "id bigint PRIMARY KEY, name varchar(20), other text");
        server.target().claim(&fresh("sync"), 1).await.expect("an administrator makes hydrant's tables");
        let account = server.account("IDENTIFIED BY 'pw'");
        // Without any right on it the server does not say that the table is there.
        server.sql(&format!(
            "GRANT SELECT (other) ON test.{} TO '{u}'@'%'; GRANT SELECT (sync) ON test.hydrant_checkpoint TO '{u}'@'%'; \
             GRANT SELECT (sync) ON test.hydrant_freshness TO '{u}'@'%'",
            table.name,
            u = account.name
        ));
        let target = target(&server.through(&account.name, "pw", "127.0.0.1", ""));
        let spec = spec(&table.name);
        let denied = target.claim(&fresh("sync"), 1).await.expect_err("no rights");
        assert_eq!(denied.kind(), ErrorKind::Denied, "{denied}");
        // Columns that it may not see are not there for it: what can be said comes in two steps.
        server.sql(&format!("GRANT SELECT ON test.{} TO '{}'@'%'", table.name, account.name));
        let found = mismatches(&target, &spec).await;
        let all: String = found.iter().map(|m| format!("{m}\n")).collect();
        for right in ["DELETE", "INSERT (`id`, `name`)", "UPDATE (`name`)", "hydrant_checkpoint"] {
            assert!(all.contains(right), "{right} in {all}");
        }
        for mismatch in &found {
            server.sql(&mismatch.mend);
        }
        fits(&target, &spec).await;
        apply(&target, &spec, &[], &[(1, Some("a")), (2, None)], &[]).await.expect("written");
        apply(&target, &spec, &[2], &[], &[(1, Some("b")), (3, None)]).await.expect("written");
        assert_eq!(server.sql(&format!("SELECT id, name FROM {} ORDER BY id", table.name)), "1\tb\n3\tNULL");
    }
}

#[tokio::test]
async fn an_absent_table_that_may_not_be_created_is_denied_with_the_grant() {
    for server in servers() {
        let account = server.account("IDENTIFIED BY 'pw'");
        server.sql(&format!("GRANT SELECT ON test.* TO '{}'@'%'", account.name));
        let denied = target(&server.through(&account.name, "pw", "127.0.0.1", ""))
            .inspect(&spec(&fresh("absent")))
            .await;
        let denied = denied.expect_err("no right to create");
        assert_eq!(denied.kind(), ErrorKind::Denied, "{denied}");
        let grant = format!("GRANT CREATE ON `test`.* TO '{}'@'%'", account.name);
        assert!(denied.to_string().contains(&grant), "{denied}");
        let mut elsewhere = spec(&fresh("absent"));
        elsewhere.table.schema = Some("no such database".into());
        let missing = server.target().inspect(&elsewhere).await.expect_err("no database");
        assert_eq!(missing.kind(), ErrorKind::Missing);
        assert!(missing.to_string().contains("CREATE DATABASE `no such database`"), "{missing}");
    }
}

#[tokio::test]
async fn rights_that_come_by_a_role_are_rights() {
    for server in servers() {
        let role = fresh("role");
        let account = server.account("IDENTIFIED BY 'pw'");
        let u = &account.name;
        let default = if server.maria {
            format!("SET DEFAULT ROLE {role} FOR '{u}'@'%'")
        } else {
            format!("SET DEFAULT ROLE {role} TO '{u}'@'%'")
        };
        server.sql(&format!(
            "CREATE ROLE {role}; GRANT ALL ON test.* TO {role}; GRANT {role} TO '{u}'@'%'; {default}"
        ));
        let target = target(&server.through(u, "pw", "127.0.0.1", ""));
        let spec = spec(&fresh("by_role"));
        target.create(&spec).await.expect("made");
        fits(&target, &spec).await;
        let applied = apply(&target, &spec, &[], &[], &[(1, Some("a"))]).await.expect("written");
        assert_eq!(applied.path, "merge");
        server.sql(&format!("DROP TABLE {}; DROP ROLE {role}", spec.table.name));
    }
}
