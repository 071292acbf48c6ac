//! The way in, and what the session is told.

use super::{
    harness::{psql, required},
    server::{WAYS, address, database, fresh, model, read, refused, shown, source, url},
};
use hydrant::{
    config::CopyMode,
    source::{Dialect, Source, SourceErrorKind},
};

#[tokio::test]
async fn the_server_says_what_it_is_and_who_reads() {
    let database = database("");
    let superuser = source(&url(&address(), &database), CopyMode::Auto, None);
    let about = superuser.about().await.unwrap();
    assert!(about.product.starts_with("PostgreSQL 1"), "{about:?}");
    assert_eq!(about.place, format!("{}/{database}", address()));
    assert_eq!(about.account.as_deref(), Some("postgres"));
    assert!(about.notes[0].contains("superuser"), "{about:?}");
    assert_eq!(superuser.dialect(), Dialect::Postgres);

    let writer = fresh("writer");
    let sql = format!(
        "CREATE ROLE {writer} LOGIN PASSWORD 'pw'; CREATE TABLE t (id int); GRANT SELECT, INSERT ON t TO {writer}"
    );
    psql(&url(&address(), &database), &sql);
    let about = source(&format!("postgres://{writer}:pw@{}/{database}", address()), CopyMode::Auto, None)
        .about()
        .await;
    assert!(about.unwrap().notes[0].contains("may change rows"), "what it may do beyond reading");
}

#[tokio::test]
async fn a_session_is_read_only_named_and_sees_one_moment() {
    let database = database("");
    let asked = "SELECT current_setting('transaction_read_only') || ' ' || current_setting('transaction_isolation') || ' ' \
                 || current_setting('application_name') || ' ' || current_setting('search_path') || ' ' \
                 || current_setting('lock_timeout') || ' ' || current_setting('idle_in_transaction_session_timeout') || ' ' \
                 || current_setting('client_connection_check_interval') AS settings";
    for way in WAYS {
        let source = source(&url(&address(), &database), way, None);
        let batches = read(&source, asked).await.unwrap();
        assert_eq!(
            shown(batches[0].column(0).as_ref(), 0),
            "on repeatable read hydrant/shop \"$user\", public 1min 10min 10s",
            "{way:?}"
        );
    }
    // A limit that the account has is the account's.
    psql(&url(&address(), &database), &format!("ALTER DATABASE {database} SET lock_timeout = '3s'"));
    let source = source(&url(&address(), &database), CopyMode::Auto, None);
    let batches = read(&source, "SELECT current_setting('lock_timeout') AS t").await.unwrap();
    assert_eq!(shown(batches[0].column(0).as_ref(), 0), "3s");
}

#[tokio::test]
async fn tls_is_what_the_url_says() {
    let database = database("");
    let ca = format!("{}/ca.crt", required("HYDRANT_TEST_POSTGRES_CERTS"));
    let port = address().rsplit_once(':').unwrap().1.to_owned();
    let asked = "SELECT ssl::text AS v FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    for (parameters, encrypted) in
        [(format!("sslmode=verify-full&sslrootcert={ca}"), "true"), ("sslmode=disable".to_owned(), "false")]
    {
        let way_in = format!("{}?{parameters}", url(&format!("localhost:{port}"), &database));
        let batches = read(&source(&way_in, CopyMode::Auto, None), asked).await.unwrap();
        assert_eq!(shown(batches[0].column(0).as_ref(), 0), encrypted, "{parameters}");
    }
}

#[tokio::test]
async fn who_is_not_let_in_is_told_and_no_password_is_shown() {
    let wrong = format!("postgres://postgres:s3cret-wrong@{}/postgres", address());
    let error = source(&wrong, CopyMode::Auto, None).describe(&model("SELECT 1 AS n")).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Denied, "{error}");
    assert!(
        error.message.contains("password authentication failed") && !error.message.contains("s3cret"),
        "{error}"
    );
    let nowhere = source(&url(&address(), "no_such_database"), CopyMode::Auto, None);
    let error = nowhere.about().await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Missing, "{error}");
    // A port on which nobody listens.
    let error =
        refused(&source("postgres://u:p@127.0.0.1:9/db", CopyMode::Auto, None), "SELECT 1 AS n").await;
    assert_eq!(error.kind, SourceErrorKind::Unreachable, "{error}");
    assert!(error.message.contains("connecting to 127.0.0.1:9/db as u"), "{error}");
}

#[tokio::test]
async fn a_reader_may_ask_for_a_standby_first() {
    let database = database("");
    let standby = format!("{}?target_session_attrs=standby", url(&address(), &database));
    let error = refused(&source(&standby, CopyMode::Auto, None), "SELECT 1 AS n").await;
    assert_eq!(error.kind, SourceErrorKind::Unreachable, "{error}");
    assert!(error.message.contains("the server is not read-only"), "{error}");
    let either = format!("{}?target_session_attrs=prefer-standby", url(&address(), &database));
    assert_eq!(read(&source(&either, CopyMode::Auto, None), "SELECT 1 AS n").await.unwrap().len(), 1);
}
