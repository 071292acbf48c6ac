//! Columns selected, renamed and transformed between the query and the table.

use crate::harness::{Database, Project, Ran, everywhere, postgres_server, psql};
use std::process::Command;

const SALT: &str = "pepper-of-the-house-of-cards";

const COLUMNS: &str = r#"
columns:
  id: ID
  contact: { from: EMAIL, trim: true, lower: true, hash: { salt: "${SALT}" } }
  number: { from: ID, hash: { salt: "${SALT}" } }
  origin: { constant: warehouse }
  rate: { constant: 1.50 }
  "*": { except: note }"#;

const ITEMS: &str = "ID,EMAIL,plan,note\n1, Ann@Example.ORG ,free,x\n2,ÄNNE@example.org,pro,y\n3,,free,z\n";

/// A project with upper-case names in its query, as Snowflake returns them.
fn customers(project: fn() -> Project, settings: &str) -> Project {
    let mut project = project();
    project.env("SALT", SALT);
    project.model(r#"SELECT "ID", "EMAIL", plan, note FROM items"#);
    project.sync(&format!("key: [id]{settings}"));
    project.items(ITEMS);
    project
}

fn report(ran: &Ran) -> serde_json::Value {
    ran.json()["syncs"][0].take()
}

/// What Python's `hmac` and Postgres' functions make of values: two ways that share no code with hydrant.
fn by_python(values: &[&str]) -> Vec<String> {
    let program = "import hmac, sys\n\
                   for v in sys.argv[2:]: print(hmac.new(sys.argv[1].encode(), v.strip().lower().encode(), 'sha256').hexdigest())";
    let output = Command::new("python3").args(["-c", program, SALT]).args(values).output().expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("hexadecimal digits").lines().map(str::to_owned).collect()
}

/// HMAC by its definition (RFC 2104), of the hash function that every Postgres has.
fn by_postgres(value: &str) -> String {
    let padded = |byte: &str| {
        format!(
            "(SELECT string_agg(set_byte('\\x00'::bytea, 0, (CASE WHEN i < length(k) THEN get_byte(k, i) ELSE 0 END) # {byte}), ''::bytea ORDER BY i) \
             FROM generate_series(0, 63) i)"
        )
    };
    let sql = format!(
        "WITH key AS (SELECT convert_to('{SALT}', 'UTF8') AS k) \
         SELECT encode(sha256({} || sha256({} || convert_to('{value}', 'UTF8'))), 'hex') FROM key",
        padded("92"),
        padded("54")
    );
    psql(&postgres_server(), &sql).remove(0)
}

#[test]
fn columns_are_selected_renamed_and_transformed_and_hashes_are_those_of_others() {
    everywhere(|project| {
        let project = customers(project, COLUMNS);
        let checked = report(&project.ok(&["check", "--output", "json"]));
        let columns: Vec<&str> =
            checked["columns"].as_array().unwrap().iter().map(|c| c[0].as_str().unwrap()).collect();
        assert_eq!(columns, ["id", "contact", "number", "origin", "rate", "plan"]);
        project.ok(&["run"]);
        let found = project.query("SELECT contact, number, origin, rate, plan FROM items ORDER BY id");
        let hashes = by_python(&["  Ann@Example.ORG ", "ÄNNE@example.org", "1", "2", "3"]);
        assert_eq!(
            found,
            [
                format!("{}|{}|warehouse|1.50|free", hashes[0], hashes[2]),
                format!("{}|{}|warehouse|1.50|pro", hashes[1], hashes[3]),
                format!("|{}|warehouse|1.50|free", hashes[4]),
            ]
        );
        assert_eq!(hashes[0], by_postgres("ann@example.org"));
        // Nothing changed, so nothing is sent; what is not selected is nothing to the table.
        project.items(&ITEMS.replace(",x\n", ",other\n").replace("Ann@Example.ORG", "ann@example.org"));
        let again = report(&project.ok(&["run", "--output", "json"]));
        assert_eq!((&again["unchanged"], &again["updates"]), (&3.into(), &0.into()), "{again:#}");
        // Rows of the last export, and the table itself, are known by the same names.
        project.query("DELETE FROM items WHERE id = 2");
        let repaired = report(&project.run(&["repair", "items", "--output", "json"]));
        assert_eq!(repaired["repair"]["updates"], 1, "{repaired:#}");
        assert_eq!(project.query("SELECT contact FROM items WHERE id = 2"), [hashes[1].clone()]);
        project.ok(&["verify"]);
    });
}

#[test]
fn a_list_selects_and_the_rest_of_the_settings_name_columns_of_the_table() {
    everywhere(|project| {
        let settings = "\ncolumns: { id: ID, mail: EMAIL }\nredact: mail\nrefused: { mail: { replace: none } }\ndeletes: { soft: plan }";
        let project = customers(project, settings);
        project.ok(&["run"]);
        // `plan` is a column of the query, but not of the table: hydrant may have it.
        project.items("ID,EMAIL,plan,note\n1,a@b.org,free,x\n");
        let planned = project.ok(&["plan"]);
        assert!(planned.stdout.contains("[redacted]"), "{}", planned.all());
        assert!(
            !planned.all().contains("a@b.org") && !planned.all().contains("Example"),
            "{}",
            planned.all()
        );
        let chosen = "  chosen: { source: lake, model: items.sql, target: app, table: chosen, columns: [ID, plan], key: ID }\n";
        project.syncs("items: items.csv", chosen);
        project.items(ITEMS);
        project.ok(&["run"]);
        assert_eq!(project.query(r#"SELECT * FROM chosen ORDER BY "ID""#), ["1|free", "2|pro", "3|free"]);
    });
}

/// The guard sees what a change of the mapping does.
#[test]
fn another_salt_changes_every_row_and_the_guard_sees_it() {
    everywhere(|project| {
        let mut project = customers(
            project,
            &format!("{COLUMNS}\nguard: {{ changes: {{ rows: 0, percent: 50, then: stop }} }}"),
        );
        project.ok(&["run"]);
        project.env("SALT", "another-salt-that-is-long-enough");
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 11, "{}", ran.all());
        assert!(ran.all().contains("changes"), "{}", ran.all());
        project.env("SALT", SALT);
        assert_eq!(report(&project.ok(&["run", "--output", "json"]))["unchanged"], 3);
    });
}

#[test]
fn everything_that_is_wrong_with_the_columns_is_told_at_once_and_nothing_is_written() {
    everywhere(|project| {
        let settings = r#"
columns:
  id: id
  mail: { from: EMIAL }
  plan: { constant: free }
  number: { from: ID, trim: true }
  gone: entirely_else
  "*": { except: note_ }"#;
        let project = customers(project, settings);
        for command in ["check", "plan", "run"] {
            let ran = project.run(&[command]);
            assert_eq!(ran.code, 9, "{}", ran.all());
            for part in [
                r#"does not return the column "id"; did you mean "ID"? Write `id: ID`"#,
                r#"does not return the column "EMIAL"; did you mean "EMAIL"? Write `mail: EMAIL`"#,
                r#""plan" would be there twice"#,
                r#"`trim` takes text, but the column "ID" is 64-bit integer"#,
                r#"does not return the column "entirely_else"; it returns ID, EMAIL, plan, note"#,
                r#"does not return the column "note_"; did you mean "note"?"#,
                "mend `columns`",
            ] {
                assert!(ran.all().contains(part), "{command}: {part}\n{}", ran.all());
            }
        }
        // A key that the mapping takes along only if the query has it.
        project.sync("columns: { \"*\": \"*\" }\nkey: id");
        let ran = project.run(&["check"]);
        assert!(ran.all().contains("\"id\"") && ran.all().contains("ID, EMAIL"), "{}", ran.all());
    });
}

/// A query that lost a column that is wanted fails before anything is written, and the table stays as it was.
#[test]
fn a_column_that_is_gone_from_the_query_stops_the_run() {
    everywhere(|project| {
        let project = customers(project, COLUMNS);
        project.ok(&["run"]);
        project.model(r#"SELECT "ID", plan, note FROM items"#);
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 9, "{}", ran.all());
        assert!(ran.all().contains(r#"does not return the column "EMAIL""#), "{}", ran.all());
        assert_eq!(project.query("SELECT count(*) FROM items WHERE contact IS NOT NULL"), ["2"]);
        // Nor are rows of the last export sent as long as it is not known what the sync wants.
        project.query("DELETE FROM items WHERE id = 1");
        let ran = project.run(&["repair", "items"]);
        assert_eq!(ran.code, 9, "{}", ran.all());
        assert!(ran.all().contains(r#"does not return the column "EMAIL""#), "{}", ran.all());
    });
}

#[test]
fn the_salt_is_nowhere_in_output_logs_or_store() {
    everywhere(|project| {
        let project = customers(project, COLUMNS);
        let mut printed = String::new();
        for arguments in [
            &["check", "-vv"][..],
            &["plan", "-vv"],
            &["run", "-vv"],
            &["run", "-vv", "--output", "json"],
            &["status", "-v", "--output", "json"],
        ] {
            printed += &project.ok(arguments).all();
        }
        project.sync(&format!("key: [id]{}", COLUMNS.replace("from: EMAIL", "from: EMIAL")));
        printed += &project.run(&["run", "-vv"]).all();
        project.sync(&format!("key: [id]{}", COLUMNS.replace("hash:", "hsah:")));
        printed += &project.run(&["run", "-vv"]).all();
        assert!(printed.contains("contact") && printed.len() > 1000, "there is something to look through");
        assert!(!printed.contains(SALT), "{printed}");
        assert_eq!(crate::secrets::holding(&project.path("store"), SALT), Vec::<String>::new());
        if let Database::Sqlite(path) = &project.database {
            let bytes = std::fs::read(path).unwrap();
            assert!(!bytes.windows(SALT.len()).any(|part| part == SALT.as_bytes()));
        }
    });
}
