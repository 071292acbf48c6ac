//! What the account may do, as the server says it, and what it must be able to do.

use crate::{connect::Link, own, plan::Plan, shown, timeouts};
use hydrant_contract::{Deletes, Mismatch, Mode, Result, TableSpec};
use mongodb::bson::{Bson, Document, doc};

/// What an account may do; nothing is known where the server does not ask who somebody is.
pub(crate) struct Rights {
    privileges: Option<Vec<Document>>,
    user: Document,
}

/// Asks the server.
pub(crate) async fn of_account(link: &Link, doing: &str) -> Result<Rights> {
    let command =
        doc! { "connectionStatus": 1, "showPrivileges": true, "maxTimeMS": timeouts::command_millis() };
    let reply = link.run(&link.database, command, doing).await?;
    let info = reply.get_document("authInfo").cloned().unwrap_or_default();
    let list = |name: &str| -> Vec<Document> {
        let all = info.get_array(name).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter_map(Bson::as_document).cloned().collect()
    };
    let user = list("authenticatedUsers").into_iter().next();
    let privileges = match (&user, list("authenticatedUserPrivileges")) {
        (None, _) => None,
        // Some servers name the roles alone.
        (Some(_), none) if none.is_empty() => of_roles(&list("authenticatedUserRoles")),
        (Some(_), privileges) => Some(privileges),
    };
    Ok(Rights { privileges, user: user.unwrap_or_default() })
}

/// The privileges of built-in roles, as far as hydrant needs them; `None` if there are roles that only the server knows:
/// then the first command will tell.
fn of_roles(roles: &[Document]) -> Option<Vec<Document>> {
    const READ: &[&str] = &["find"];
    const ALL: &[&str] = &["find", "insert", "update", "remove", "createCollection", "createIndex"];
    let privilege = |role: &Document| {
        let home = role.get_str("db").unwrap_or_default();
        let (actions, database) = match role.get_str("role").ok()? {
            "read" => (READ, home),
            "readWrite" | "dbOwner" => (ALL, home),
            "dbAdmin" => (&ALL[4..], home),
            "readAnyDatabase" => (READ, ""),
            "readWriteAnyDatabase" | "root" | "restore" | "__system" => (ALL, ""),
            _ => return None,
        };
        Some(doc! { "resource": { "db": database, "collection": "" }, "actions": actions.to_vec() })
    };
    roles.iter().map(privilege).collect()
}

impl Rights {
    fn may(&self, action: &str, database: &str, collection: &str) -> bool {
        let Some(privileges) = &self.privileges else { return true };
        privileges.iter().any(|privilege| {
            let actions = privilege.get_array("actions").map(Vec::as_slice).unwrap_or_default();
            let has = actions
                .iter()
                .any(|one| matches!(one.as_str(), Some(one) if one == action || one == "anyAction"));
            has && privilege
                .get_document("resource")
                .is_ok_and(|resource| covers(resource, database, collection))
        })
    }

    fn missing(&self, actions: &[&str], database: &str, collection: &str) -> Vec<String> {
        let missing = actions.iter().filter(|action| !self.may(action, database, collection));
        missing.map(|action| (*action).to_owned()).collect()
    }

    /// What is missing to keep a table that is there.
    pub(crate) fn of_table(&self, spec: &TableSpec, plan: &Plan) -> Option<Mismatch> {
        let mut actions = vec!["find"];
        if spec.mode != Mode::Update {
            actions.push("insert");
        }
        actions.push("update");
        if matches!(spec.mode, Mode::Mirror | Mode::Upsert) && spec.deletes == Deletes::Hard {
            actions.push("remove");
        }
        let missing = self.missing(&actions, &plan.database, &plan.collection);
        self.mismatch(&missing, &plan.database, &plan.collection)
    }

    /// What is missing to make a table.
    pub(crate) fn to_create(&self, plan: &Plan) -> Option<Mismatch> {
        let mut actions = vec!["createCollection"];
        if !plan.is_in_id() {
            actions.push("createIndex");
        }
        let missing = self.missing(&actions, &plan.database, &plan.collection);
        self.mismatch(&missing, &plan.database, &plan.collection)
    }

    /// What is missing for hydrant's own collections.
    pub(crate) fn of_own(&self, database: &str) -> Option<Mismatch> {
        [own::CHECKPOINT, own::FRESHNESS].into_iter().find_map(|collection| {
            let missing = self.missing(&["find", "insert", "update"], database, collection);
            self.mismatch(&missing, database, collection)
        })
    }

    fn mismatch(&self, missing: &[String], database: &str, collection: &str) -> Option<Mismatch> {
        if missing.is_empty() {
            return None;
        }
        let user = self.user.get_str("user").unwrap_or("USER");
        let home = self.user.get_str("db").unwrap_or("admin");
        let grant = doc! {
            "grantRolesToUser": user, "roles": [ { "role": "readWrite", "db": database } ],
        };
        Some(Mismatch {
            column: None,
            problem: format!(
                "the account {user:?} may not {} in {database}.{collection}",
                missing.join(", ")
            ),
            mend: format!("{} (or a role with less: docs/targets/mongodb.md)", shown::command(home, &grant)),
        })
    }
}

/// Whether a privilege is for this collection. An empty name stands for all but the system's own.
fn covers(resource: &Document, database: &str, collection: &str) -> bool {
    if resource.get_bool("anyResource").unwrap_or_default() {
        return true;
    }
    let matches = |name: &str, wanted: &str| {
        resource.get_str(name).is_ok_and(|found| found.is_empty() || found == wanted)
    };
    matches("db", database) && matches("collection", collection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_privilege_covers_what_it_names() {
        let resource = |db: &str, collection: &str| doc! { "db": db, "collection": collection };
        for (db, collection, is) in
            [("app", "", true), ("", "", true), ("app", "t", true), ("app", "u", false), ("other", "", false)]
        {
            assert_eq!(covers(&resource(db, collection), "app", "t"), is, "{db}.{collection}");
        }
        assert!(covers(&doc! { "anyResource": true }, "app", "t"));
        assert!(!covers(&doc! { "cluster": true }, "app", "t"));
    }

    #[test]
    fn roles_tell_where_privileges_are_not_listed() {
        let role = |role: &str| doc! { "role": role, "db": "app" };
        let of = |roles: &[Document]| Rights { privileges: of_roles(roles), user: doc! {} };
        assert_eq!(of(&[role("readWrite")]).of_own("app"), None);
        assert!(of(&[role("readWrite")]).of_own("other").is_some());
        assert!(of(&[role("read")]).of_own("app").is_some());
        assert_eq!(of(&[role("read"), role("of_the_application")]).of_own("app"), None, "nobody knows");
        assert_eq!(of(&[role("root")]).of_own("other"), None);
    }

    #[test]
    fn what_is_missing_comes_with_the_command_that_gives_it() {
        let read = doc! { "resource": { "db": "app", "collection": "" }, "actions": ["find"] };
        let rights = Rights { privileges: Some(vec![read]), user: doc! { "user": "hydrant", "db": "admin" } };
        let missing = rights.of_own("app").expect("it may only read");
        assert!(missing.problem.contains("may not insert, update"), "{missing}");
        assert!(
            missing.mend.contains("db.getSiblingDB(\"admin\").runCommand({\"grantRolesToUser\": \"hydrant\""),
            "{missing}"
        );
        let unknown = Rights { privileges: None, user: doc! {} };
        assert_eq!(unknown.of_own("app"), None);
    }
}
