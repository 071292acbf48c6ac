//! What is refused: by the server, and values that Arrow has no room for. Every message says where, why and what to do.

use super::{
    harness::psql,
    server::{WAYS, address, database, fresh, model, refused, source, url},
};
use hydrant::{
    config::CopyMode,
    source::{Model, Source, SourceErrorKind},
};
use std::{path::PathBuf, time::Duration};

fn contains(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in:\n{message}");
    }
}

#[tokio::test]
async fn a_value_without_an_exact_form_names_column_row_and_mend() {
    let database = database("");
    for way in WAYS {
        let source = source(&url(&address(), &database), way, None);
        for (value, parts) in [
            ("'NaN'::numeric", ["NaN", "NULLIF(\"v\", 'NaN')"]),
            ("'Infinity'::numeric", ["infinite", "double precision"]),
            ("'NaN'::numeric(5, 2)", ["NaN", "NULLIF"]),
            ("1e39::numeric", ["more than 38 digits before the point", "\"v\"::numeric(38, 10)"]),
            ("1e-39::numeric", ["more than 38 behind it", "\"v\"::text"]),
            ("'infinity'::timestamptz", ["infinity", "isfinite(\"v\")"]),
            ("'-infinity'::timestamp", ["infinity", "isfinite"]),
            ("'infinity'::date", ["infinity", "isfinite"]),
            ("'294276-12-31'::timestamp", ["294247", "placeholder"]),
            ("'{{1,2},{3,4}}'::int[]", ["more than one dimension", "to_jsonb(\"v\")"]),
            ("ARRAY['infinity'::timestamptz]", ["infinity", "isfinite"]),
        ] {
            let asked = format!(
                "SELECT CASE WHEN n = 9001 THEN {value} END AS v FROM generate_series(1, 10000) AS n"
            );
            let error = refused(&source, &asked).await;
            assert_eq!(error.kind, SourceErrorKind::Data, "{value} by {way:?}: {error}");
            contains(&error.message, &["column \"v\", row 9001: "]);
            contains(&error.message, &parts);
        }
    }
}

#[tokio::test]
async fn an_error_in_the_query_is_shown_at_its_place() {
    let database = database("CREATE TABLE accounts (id int, name text, took interval)");
    let source = source(&url(&address(), &database), CopyMode::Auto, None);
    let file = Some(PathBuf::from("models/accounts.sql"));
    let asked = Model {
        sql: "SELECT a.id,\n\ta.nmae\nFROM accounts a".to_owned(),
        file: file.clone(),
        ..Model::default()
    };
    let error = source.describe(&asked).await.unwrap_err();
    assert_eq!((error.kind, error.position), (SourceErrorKind::Query, Some((file, 2, 2))));
    assert_eq!(
        error.message,
        "column a.nmae does not exist [42703]\n --> models/accounts.sql:2:2\n  |\n2 | \ta.nmae\n  | \t^^^^^^\n  \
         = Perhaps you meant to reference the column \"a.name\"."
    );
    let missing = source.describe(&model("SELECT * FROM shop.accounts, nowhere")).await.unwrap_err();
    assert_eq!(missing.kind, SourceErrorKind::Missing, "{missing}");
    contains(
        &missing.message,
        &[
            "relation \"shop.accounts\" does not exist [42P01]",
            "1 | SELECT * FROM shop",
            "^^^^^^^^^^^^^",
            "search_path",
        ],
    );
    for (asked, parts) in [
        ("SELEC 1", &["syntax error at or near \"SELEC\" [42601]", "^^^^^"][..]),
        ("SELECT 1 /", &["syntax error at end of input", "query:1:11"]),
        ("SELECT id FROM accounts WHERE id = $1", &["parameters ($1 …)"]),
        ("SELECT", &["returns no columns"]),
        ("CREATE TABLE x (id int)", &["returns no columns", "one SELECT"]),
        ("SELECT 1; SELECT 2", &["cannot insert multiple commands"]),
    ] {
        let error = source.describe(&model(asked)).await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Query, "{asked}: {error}");
        contains(&error.message, parts);
    }
}

/// Only when it runs does the server find out; with the columns cast, the place is still that in the model.
#[tokio::test]
async fn an_error_of_a_running_query_is_about_the_model_too() {
    let database = database(
        "CREATE TABLE accounts (id int, secret text, took interval); INSERT INTO accounts VALUES (0, 'hunter2', '1 s')",
    );
    for way in WAYS {
        let source = source(&url(&address(), &database), way, None);
        let error = refused(&source, "SELECT took, 1 / id AS part\nFROM accounts").await;
        assert_eq!(error.kind, SourceErrorKind::Data, "{error}");
        contains(&error.message, &["division by zero [22012]", "a value of some row"]);
        let error = refused(&source, "SELECT took, secret::int AS n FROM accounts").await;
        contains(&error.message, &["invalid input syntax for type integer", "[22P02]"]);
        assert!(!error.message.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_model_that_writes_is_refused_and_writes_nothing() {
    let database = database(
        "CREATE TABLE accounts (id int); CREATE FUNCTION write() RETURNS int LANGUAGE sql AS 'INSERT INTO accounts VALUES (1) RETURNING id'",
    );
    for way in WAYS {
        let source = source(&url(&address(), &database), way, None);
        for asked in [
            "INSERT INTO accounts VALUES (1) RETURNING id",
            "WITH w AS (DELETE FROM accounts RETURNING id) SELECT * FROM w",
            "SELECT write() AS id",
            "SELECT nextval('own') AS id",
            "SELECT id INTO copied FROM accounts",
        ] {
            psql(&url(&address(), &database), "CREATE SEQUENCE IF NOT EXISTS own");
            let error = refused(&source, asked).await;
            assert_eq!(error.kind, SourceErrorKind::Query, "{asked} by {way:?}: {error}");
        }
    }
    let error =
        refused(&source(&url(&address(), &database), CopyMode::Auto, None), "SELECT write() AS id").await;
    contains(&error.message, &["read-only transaction [25006]", "a model only reads"]);
    assert_eq!(psql(&url(&address(), &database), "SELECT count(*) FROM accounts"), ["0"]);
    assert_eq!(
        psql(
            &url(&address(), &database),
            "SELECT to_regclass('copied') IS NULL, (SELECT last_value FROM own)"
        ),
        ["t|1"]
    );
}

#[tokio::test]
async fn a_missing_right_comes_with_its_grant() {
    let database =
        database("CREATE TABLE accounts (id int); CREATE SCHEMA shop; CREATE TABLE shop.orders (id int)");
    let role = fresh("reader");
    psql(&url(&address(), &database), &format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'"));
    let reader = source(&format!("postgres://{role}:pw@{}/{database}", address()), CopyMode::Auto, None);
    let error = refused(&reader, "SELECT id FROM accounts").await;
    assert_eq!(error.kind, SourceErrorKind::Denied, "{error}");
    contains(
        &error.message,
        &[
            "permission denied for table accounts [42501]",
            &format!("= GRANT SELECT ON accounts TO \"{role}\";"),
        ],
    );
    let error = refused(&reader, "SELECT id FROM shop.orders").await;
    contains(
        &error.message,
        &["permission denied for schema shop", &format!("GRANT USAGE ON SCHEMA shop TO \"{role}\";")],
    );
    psql(&url(&address(), &database), &format!("GRANT SELECT ON accounts TO \"{role}\""));
    assert!(super::server::read(&reader, "SELECT id FROM accounts").await.is_ok());
    let about = reader.about().await.unwrap();
    assert_eq!((about.account.as_deref(), about.notes), (Some(role.as_str()), vec![]));
}

#[tokio::test]
async fn a_query_that_takes_too_long_names_the_setting() {
    let database = database("");
    for way in WAYS {
        let source = source(&url(&address(), &database), way, Some(Duration::from_millis(300)));
        let error = refused(&source, "SELECT pg_sleep(30)::text AS slept").await;
        assert_eq!(error.kind, SourceErrorKind::Unreachable, "{error}");
        contains(
            &error.message,
            &["canceling statement due to statement timeout [57014]", "statement_timeout", "hydrant.yml"],
        );
    }
}
