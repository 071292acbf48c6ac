//! What only Postgres has: its ways in, its rights, its triggers, its types. Against a real server, like the suite.

mod ahead;
mod columns;
mod rebuild;
mod scan;

use arrow::{
    array::{ArrayRef, Int64Array, StringArray},
    record_batch::RecordBatch,
};
use chrono::Utc;
use hydrant_conformance::program;
use hydrant_contract::{
    Applied, Batch, Checkpoint, Column, Deletes, Documents, ErrorKind, Inspection, Integer, Mode, Result,
    Shape, TableName, TableSpec, Target, TargetError, ValueType,
};
use hydrant_target_postgres::{PostgresTarget, Settings};
use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

const HOW: &str = "run ./test, which starts a server and sets HYDRANT_TEST_POSTGRES, HYDRANT_TEST_POSTGRES_SOCKET and HYDRANT_TEST_POSTGRES_CERTS";

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: {HOW}"))
}

fn url() -> String {
    setting("HYDRANT_TEST_POSTGRES")
}

/// The host and port in the URL.
fn address() -> (String, u16) {
    let url = url();
    let place = url.split('@').nth(1).and_then(|rest| rest.split('/').next()).expect("a host in the URL");
    let (host, port) = place.split_once(':').expect("a port in the URL");
    (host.to_owned(), port.parse().expect("a port"))
}

fn certificate(file: &str) -> String {
    format!("{}/{file}", setting("HYDRANT_TEST_POSTGRES_CERTS"))
}

fn target(url: &str) -> PostgresTarget {
    PostgresTarget::new(Settings { url: url.into(), password: None }).expect("settings")
}

/// The superuser's way in with further parameters.
fn through(host: &str, parameters: &str) -> String {
    format!("postgres://postgres:secret@{host}:{}/postgres?{parameters}", address().1)
}

async fn refused(url: &str) -> TargetError {
    let error = target(url).probe().await.expect_err(url);
    assert!(!error.to_string().contains("secret"), "{error}");
    error
}

fn psql(sql: &str) -> String {
    let mut psql = Command::new("psql");
    psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", &url()])
        .env("PGOPTIONS", "-c client_min_messages=error");
    program::run(&mut psql, sql).trim().to_owned()
}

/// A name that no other test uses, now or in another run.
fn fresh(stem: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let micros = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_micros();
    format!("{stem}_{micros:x}_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A role with a password and nothing else, and its way in.
fn role(stem: &str) -> (String, String) {
    let name = fresh(stem);
    psql(&format!("CREATE ROLE {name} LOGIN PASSWORD 'pw'"));
    let (host, port) = address();
    let way_in = format!("postgres://{name}:pw@{host}:{port}/postgres");
    (name, way_in)
}

/// A mirror of `id` and `name`.
fn spec(table: &str) -> TableSpec {
    let column = |name: &str, value| Column { name: name.into(), value };
    let columns = vec![column("id", ValueType::Integer(Integer::I64)), column("name", ValueType::Text)];
    TableSpec {
        table: TableName { schema: None, name: table.to_owned() },
        shape: Shape::new(columns, vec!["id".into()]).expect("a shape"),
        mode: Mode::Mirror,
        deletes: Deletes::Hard,
        documents: Documents::default(),
    }
}

fn rows(spec: &TableSpec, rows: &[(i64, Option<&str>)]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.0)));
    let names: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|r| r.1)));
    RecordBatch::try_new(spec.shape.schema(), vec![ids, names]).expect("rows")
}

fn keys(spec: &TableSpec, ids: &[i64]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
    RecordBatch::try_new(spec.shape.key_schema(), vec![ids]).expect("keys")
}

type Row<'a> = (i64, Option<&'a str>);

/// Claims a sync of its own and applies one batch.
async fn apply(
    target: &PostgresTarget,
    spec: &TableSpec,
    deletes: &[i64],
    inserts: &[Row<'_>],
    updates: &[Row<'_>],
) -> Result<Applied> {
    let sync = fresh("sync");
    target.claim(&sync, 1).await?;
    let checkpoint = Checkpoint { sync, run: 1, epoch: 1, batch: 1, first_change: 0, next_change: 1 };
    let mut batch = Batch::empty(Arc::new(spec.clone()), checkpoint, Utc::now());
    batch.deletes = keys(spec, deletes);
    batch.inserts = rows(spec, inserts);
    batch.updates = rows(spec, updates);
    target.apply(&batch).await
}

async fn mismatches(target: &PostgresTarget, spec: &TableSpec) -> Vec<String> {
    match target.inspect(spec).await.expect("an inspection") {
        Inspection::Present { mismatches, .. } => mismatches.iter().map(ToString::to_string).collect(),
        Inspection::Absent { .. } => panic!("the table is absent"),
    }
}

// --- ways in -------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_probe_names_product_and_place() {
    let info = target(&url()).probe().await.expect("a server");
    let (host, port) = address();
    assert!(info.product.starts_with("PostgreSQL "), "{}", info.product);
    assert_eq!(info.place, format!("{host}:{port}/postgres as postgres"));
}

#[tokio::test]
async fn what_keeps_one_out_is_named() {
    let (host, port) = address();
    let wrong_password = refused(&format!("postgres://postgres:secretive@{host}:{port}/postgres")).await;
    assert_eq!(wrong_password.kind(), ErrorKind::Denied);
    assert!(wrong_password.to_string().contains("password authentication failed"), "{wrong_password}");

    let no_password = refused(&format!("postgres://postgres@{host}:{port}/postgres")).await;
    assert_eq!(no_password.kind(), ErrorKind::Denied);
    assert!(no_password.to_string().contains("password missing"), "{no_password}");

    let no_database = refused(&format!("postgres://postgres:secret@{host}:{port}/nowhere")).await;
    assert_eq!(no_database.kind(), ErrorKind::Missing);
    assert!(no_database.to_string().contains("\"nowhere\" does not exist"), "{no_database}");

    let no_listener = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
    let closed = no_listener.expect("a port").port();
    let no_server = refused(&format!("postgres://postgres:secret@127.0.0.1:{closed}/postgres")).await;
    assert_eq!(no_server.kind(), ErrorKind::Unreachable);
    assert!(
        no_server.to_string().contains(&format!("127.0.0.1:{closed}/postgres as postgres")),
        "{no_server}"
    );

    let no_host = refused("postgres://postgres:secret@no-such-host.invalid/postgres").await;
    assert_eq!(no_host.kind(), ErrorKind::Unreachable);
    assert!(no_host.to_string().contains("\"no-such-host.invalid\" cannot be resolved"), "{no_host}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let begun = std::time::Instant::now();
    let silent =
        refused(&format!("postgres://postgres:secret@127.0.0.1:{port}/postgres?connect_timeout=1")).await;
    assert_eq!(silent.kind(), ErrorKind::Unreachable);
    assert!(silent.to_string().contains("within 1 s"), "{silent}");
    assert!(begun.elapsed().as_secs() < 5);
}

/// Whether the way in works, and whether with TLS.
async fn tls(host: &str, parameters: &str) -> std::result::Result<bool, ErrorKind> {
    let name = fresh("tls");
    let url = through(host, &format!("{parameters}&application_name={name}"));
    let target = target(&url);
    target.probe().await.map_err(|e| e.kind())?;
    let ssl = format!(
        "SELECT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.application_name = '{name}'"
    );
    Ok(psql(&ssl) == "t")
}

#[tokio::test]
async fn every_sslmode_verifies_what_libpq_verifies() {
    let (right, wrong) = (certificate("ca.crt"), certificate("rogue-ca.crt"));
    // The certificate names localhost and 127.0.0.1.
    let named = "localhost";
    let denied = Err(ErrorKind::Denied);
    let table = [
        // sslmode, no CA, right CA, right CA and wrong name, wrong CA
        ("disable", Ok(false), Ok(false), Ok(false), Ok(false)),
        ("allow", Ok(false), Ok(false), Ok(false), Ok(false)),
        ("prefer", Ok(true), Ok(true), Ok(true), Ok(false)),
        ("require", Ok(true), Ok(true), Ok(true), denied),
        ("verify-ca", Err(ErrorKind::Missing), Ok(true), Ok(true), denied),
        ("verify-full", Err(ErrorKind::Missing), Ok(true), denied, denied),
    ];
    for (mode, none, good, misnamed, bad) in table {
        assert_eq!(tls(named, &format!("sslmode={mode}")).await, none, "{mode} without a CA");
        let with = |ca: &str| format!("sslmode={mode}&sslrootcert={ca}");
        assert_eq!(tls(named, &with(&right)).await, good, "{mode} with the right CA");
        assert_eq!(tls("127.0.0.1", &with(&right)).await, good, "{mode} with the right CA, by address");
        let other = format!("{}&hostaddr=127.0.0.1", with(&right));
        assert_eq!(tls("db.example", &other).await, misnamed, "{mode} with another name");
        assert_eq!(tls(named, &with(&wrong)).await, bad, "{mode} with the wrong CA");
    }
}

#[tokio::test]
async fn what_is_wrong_with_tls_is_said() {
    let wrong = certificate("rogue-ca.crt");
    let untrusted = refused(&through("localhost", &format!("sslmode=verify-full&sslrootcert={wrong}"))).await;
    assert!(untrusted.to_string().contains("certificate is not accepted"), "{untrusted}");
    let no_file = refused(&through("localhost", "sslmode=verify-full&sslrootcert=/no/such.crt")).await;
    assert_eq!(no_file.kind(), ErrorKind::Missing);
    assert!(no_file.to_string().contains("sslrootcert=/no/such.crt"), "{no_file}");
    let bound = target(&through("localhost", "sslmode=require&channel_binding=require")).probe().await;
    assert!(bound.is_ok(), "{bound:?}");
    let unbound = refused(&through("localhost", "sslmode=disable&channel_binding=require")).await;
    assert_eq!(unbound.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn a_client_certificate_is_a_way_in() {
    psql("DO $$ BEGIN CREATE ROLE hydrant_cert LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    let (ca, cert, key) = (certificate("ca.crt"), certificate("client.crt"), certificate("client.key"));
    let port = address().1;
    let base = format!(
        "host=localhost port={port} user=hydrant_cert dbname=postgres sslmode=verify-full sslrootcert={ca}"
    );
    let info = target(&format!("{base} sslcert={cert} sslkey={key}")).probe().await.expect("let in");
    assert!(info.place.ends_with("as hydrant_cert"), "{}", info.place);
    let without = refused(&base).await;
    assert_eq!(without.kind(), ErrorKind::Denied);

    // The same key as OpenSSL writes it in its own form.
    let folder = tempfile::tempdir().expect("a folder");
    let traditional = folder.path().join("pkcs1.key");
    let openssl = ["pkey", "-in", &key, "-traditional", "-out", traditional.to_str().expect("UTF-8")];
    program::run(Command::new("openssl").args(openssl), "");
    let text = std::fs::read_to_string(&traditional).expect("a key");
    assert!(!text.contains("BEGIN PRIVATE KEY"), "OpenSSL wrote PKCS#8");
    let info = target(&format!("{base} sslcert={cert} sslkey={}", traditional.display())).probe().await;
    assert!(info.is_ok(), "{info:?}");
}

#[tokio::test]
async fn a_unix_socket_is_a_way_in_whatever_sslmode_says() {
    let (folder, port) = (setting("HYDRANT_TEST_POSTGRES_SOCKET"), address().1);
    let words = format!("host={folder} port={port} user=postgres password=secret sslmode=verify-full");
    let info = target(&words).probe().await.expect("let in");
    assert_eq!(info.place, format!("{folder}:{port}/postgres as postgres"));
    let encoded = folder.replace('/', "%2F");
    let info = target(&format!("postgres://postgres:secret@{encoded}:{port}/postgres")).probe().await;
    assert!(info.is_ok(), "{info:?}");
}

#[tokio::test]
async fn of_many_hosts_the_first_that_answers_is_taken() {
    let (host, port) = address();
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let several = format!(
        "postgres://postgres:secret@127.0.0.1:{closed},{host}:{port}/postgres?target_session_attrs=read-write"
    );
    let info = target(&several).probe().await.expect("the second host");
    assert_eq!(info.place, format!("{host}:{port}/postgres as postgres"));
    let none =
        refused(&format!("postgres://postgres:secret@127.0.0.1:{closed},[::1]:{closed}/postgres")).await;
    assert!(none.to_string().contains("127.0.0.1") && none.to_string().contains("[::1]"), "{none}");
}

#[tokio::test]
async fn a_password_of_any_characters_works_encoded_in_the_url_or_beside_it() {
    let name = fresh("odd");
    psql(&format!("CREATE ROLE {name} LOGIN PASSWORD 'p@ss/w:rd?%''é'"));
    let (host, port) = address();
    let encoded = format!("postgres://{name}:p%40ss%2Fw%3Ard%3F%25%27%C3%A9@{host}:{port}/postgres");
    assert!(target(&encoded).probe().await.is_ok());
    let settings = Settings {
        url: format!("postgres://{name}@{host}:{port}/postgres").into(),
        password: Some("p@ss/w:rd?%'é".into()),
    };
    assert!(PostgresTarget::new(settings).expect("settings").probe().await.is_ok());
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_opened_again() {
    let name = fresh("killed");
    let target = target(&through("127.0.0.1", &format!("application_name={name}")));
    target.probe().await.expect("a first connection");
    psql(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'"
    ));
    target.probe().await.expect("a second connection");
}

// --- rights --------------------------------------------------------------------------------------------------------

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

// --- the table -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn every_mismatch_is_shown_at_once() {
    let table = fresh("differs");
    psql(&format!(
        "CREATE TABLE {table} (id text, name timestamp, code text NOT NULL, at int GENERATED ALWAYS AS IDENTITY, \
         twice int GENERATED ALWAYS AS (1 + 1) STORED); CREATE UNIQUE INDEX ON {table} (id) WHERE id <> ''"
    ));
    let column = |name: &str, value| Column { name: name.into(), value };
    let int = ValueType::Integer(Integer::I32);
    let columns = vec![
        column("id", ValueType::Integer(Integer::I64)),
        column("name", ValueType::Instant(hydrant_contract::Resolution::Micro)),
        column("at", int.clone()),
        column("twice", int),
        column("gone", ValueType::Text),
    ];
    let mut spec = spec(&table);
    spec.shape = Shape::new(columns, vec!["id".into()]).expect("a shape");
    let found = mismatches(&target(&url()), &spec).await;
    for wanted in [
        "the column is text",
        "AT TIME ZONE",
        "SET GENERATED BY DEFAULT",
        "generates it from other columns",
        "ADD COLUMN \"gone\" text",
        "CREATE UNIQUE INDEX CONCURRENTLY",
        "NOT NULL without a default",
    ] {
        assert_eq!(found.iter().filter(|m| m.contains(wanted)).count(), 1, "{wanted} in {found:#?}");
    }
    assert_eq!(found.len(), 7, "{found:#?}");
    let view = fresh("view");
    psql(&format!("CREATE VIEW {view} AS SELECT 1 AS id, ''::text AS name"));
    let found = mismatches(&target(&url()), &self::spec(&view)).await;
    assert!(found.len() == 1 && found[0].contains("is a view"), "{found:?}");
}

#[tokio::test]
async fn a_name_that_postgres_would_cut_is_refused() {
    let error = target(&url()).inspect(&spec(&"n".repeat(64))).await.expect_err("64 bytes");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert!(error.to_string().contains("64 bytes"), "{error}");
}

#[tokio::test]
async fn columns_of_types_without_a_binary_form_are_written_through_text() {
    let (table, kind) = (fresh("typed"), fresh("mood"));
    psql(&format!(
        "CREATE TYPE {kind} AS ENUM ('sad', 'ok'); CREATE DOMAIN {kind}_d AS {kind} CHECK (VALUE <> 'sad'); \
         CREATE TABLE {table} (id bigint PRIMARY KEY, name inet); \
         CREATE TABLE {table}_e (id bigint PRIMARY KEY, name {kind}_d); \
         CREATE TABLE {table}_u (id bigint PRIMARY KEY, name uuid)"
    ));
    let target = target(&url());
    let inet = spec(&table);
    assert_eq!(mismatches(&target, &inet).await, [""; 0]);
    let applied =
        apply(&target, &inet, &[], &[(1, Some("10.0.0.1")), (2, Some("nonsense")), (3, None)], &[]).await;
    let applied = applied.expect("written");
    assert_eq!(applied.rejects.len(), 1);
    assert_eq!(applied.rejects[0].row, 1);
    assert!(!applied.rejects[0].reason.contains("nonsense"), "{}", applied.rejects[0].reason);
    assert_eq!(
        psql(&format!(
            "SELECT string_agg(id || '=' || coalesce(host(name), '-'), ' ' ORDER BY id) FROM {table}"
        )),
        "1=10.0.0.1 3=-"
    );

    let mood = spec(&format!("{table}_e"));
    let applied =
        apply(&target, &mood, &[], &[(1, Some("ok")), (2, Some("sad")), (3, Some("odd"))], &[]).await;
    assert_eq!(applied.expect("written").rejects.iter().map(|r| r.row).collect::<Vec<_>>(), [1, 2]);
    let applied =
        apply(&target, &mood, &[], &[], &[(1, Some("sad")), (4, Some("ok"))]).await.expect("written");
    assert_eq!(applied.rejects.iter().map(|r| r.row).collect::<Vec<_>>(), [0]);
    let read = target.read(&mood, &keys(&mood, &[1, 2, 4])).await.expect("rows");
    assert_eq!(read.num_rows(), 2);

    let uuid = spec(&format!("{table}_u"));
    let good = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    let applied =
        apply(&target, &uuid, &[], &[(1, Some(good)), (2, Some("6ba7"))], &[]).await.expect("written");
    assert_eq!(
        applied.rejects.iter().map(|r| (r.row, r.reason.as_str())).collect::<Vec<_>>(),
        [(1, "the text is not a UUID")]
    );
    assert_eq!(target.read(&uuid, &keys(&uuid, &[1])).await.expect("rows"), rows(&uuid, &[(1, Some(good))]));
}

/// Two keys that the table takes for one would be written over each other, and the delete of one would delete both.
#[tokio::test]
async fn a_key_column_that_folds_case_is_refused_with_the_mend() {
    let table = fresh("folded");
    psql("CREATE EXTENSION IF NOT EXISTS citext");
    psql(&format!("CREATE TABLE {table} (id bigint, name citext PRIMARY KEY)"));
    let mut spec = spec(&table);
    spec.shape = Shape::new(spec.shape.columns().to_vec(), vec!["name".into()]).expect("a shape");
    let target = target(&url());
    let Inspection::Present { mismatches, .. } = target.inspect(&spec).await.expect("inspected") else {
        panic!("it is there")
    };
    assert_eq!(mismatches.len(), 1, "{mismatches:?}");
    psql(&mismatches[0].mend);
    assert_eq!(self::mismatches(&target, &spec).await, [""; 0]);
}

/// As after a failover to a standby that had not got everything.
#[tokio::test]
async fn a_batch_that_was_lost_by_the_server_is_not_passed_over() {
    let table = fresh("gap");
    psql(&format!("CREATE TABLE {table} (id bigint PRIMARY KEY, name text)"));
    let (spec, target, sync) = (Arc::new(spec(&table)), target(&url()), fresh("sync"));
    target.claim(&sync, 1).await.expect("claimed");
    let batch = |number| {
        let checkpoint = Checkpoint {
            sync: sync.clone(),
            run: 4,
            epoch: 1,
            batch: number,
            first_change: 0,
            next_change: 1,
        };
        let mut batch = Batch::empty(spec.clone(), checkpoint, Utc::now());
        batch.inserts = rows(&spec, &[(i64::try_from(number).expect("small"), Some("Ann"))]);
        batch
    };
    target.apply(&batch(1)).await.expect("the first");
    target.apply(&batch(1)).await.expect("the first again");
    let error = target.apply(&batch(3)).await.expect_err("the second is missing");
    assert_eq!(error.kind(), ErrorKind::Broken);
    assert!(error.to_string().contains("batch 1 is the last of run 4 that the server knows"), "{error}");
    target.apply(&batch(2)).await.expect("the second");
    target.apply(&batch(3)).await.expect("the third");
    assert_eq!(psql(&format!("SELECT count(*) FROM {table}")), "3");
}

// --- what the table does to rows -----------------------------------------------------------------------------------

#[tokio::test]
async fn rows_that_a_trigger_refuses_or_swallows_are_rejects() {
    let table = fresh("triggered");
    psql(&format!(
        "CREATE TABLE {table} (id bigint PRIMARY KEY, name text); CREATE TABLE {table}_log (id bigint); \
         CREATE FUNCTION {table}_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
           IF NEW.name = 'raise' THEN RAISE EXCEPTION 'not today' USING ERRCODE = 'ACME1'; END IF; \
           IF NEW.name = 'swallow' THEN RETURN NULL; END IF; \
           INSERT INTO {table}_log VALUES (NEW.id); RETURN NEW; END $$; \
         CREATE TRIGGER t BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_f()"
    ));
    let (target, spec) = (target(&url()), spec(&table));
    // The trigger finds its table by the search path that is configured, as it does for the application.
    let inserts = [(1, Some("a")), (2, Some("raise")), (3, Some("swallow")), (4, Some("b"))];
    let applied = apply(&target, &spec, &[], &inserts, &[]).await.expect("written");
    let reasons: Vec<_> = applied.rejects.iter().map(|r| (r.row, r.reason.as_str())).collect();
    assert_eq!(
        reasons,
        [(1, "not today [ACME1]"), (2, "a trigger of the table kept the row from being written")]
    );
    let updates = [(1, Some("swallow")), (4, Some("c"))];
    let applied = apply(&target, &spec, &[], &[], &updates).await.expect("written");
    assert_eq!(applied.rejects.iter().map(|r| r.row).collect::<Vec<_>>(), [0]);
    assert_eq!(psql(&format!("SELECT string_agg(id || name, ' ' ORDER BY id) FROM {table}")), "1a 4c");
    assert_eq!(psql(&format!("SELECT string_agg(id::text, ' ') FROM {table}_log")), "1 4 4");
}

#[tokio::test]
async fn foreign_keys_refuse_single_rows_deferred_or_not() {
    for deferred in ["", "DEFERRABLE INITIALLY DEFERRED"] {
        let table = fresh("child");
        psql(&format!(
            "CREATE TABLE {table}_p (name text PRIMARY KEY); INSERT INTO {table}_p VALUES ('x'), ('y'); \
             CREATE TABLE {table} (id bigint PRIMARY KEY, name text REFERENCES {table}_p {deferred}); \
             CREATE TABLE {table}_g (id bigint REFERENCES {table} {deferred})"
        ));
        let (target, spec) = (target(&url()), spec(&table));
        let inserts = [(1, Some("x")), (2, Some("none")), (3, Some("y")), (4, None)];
        let applied = apply(&target, &spec, &[], &inserts, &[]).await.expect("written");
        assert_eq!(applied.rejects.iter().map(|r| r.row).collect::<Vec<_>>(), [1], "{deferred}");
        psql(&format!("INSERT INTO {table}_g VALUES (3)"));
        let applied = apply(&target, &spec, &[1, 3, 9], &[], &[(4, Some("none"))]).await.expect("written");
        let refused: Vec<_> = applied.rejects.iter().map(|r| (r.part, r.row)).collect();
        let expected = [(hydrant_contract::Part::Deletes, 1), (hydrant_contract::Part::Updates, 0)];
        assert_eq!(refused, expected, "{deferred}");
        assert_eq!(psql(&format!("SELECT string_agg(id::text, ' ' ORDER BY id) FROM {table}")), "3 4");
    }
}

#[tokio::test]
async fn rows_that_refer_to_one_another_are_written_whatever_their_order() {
    let table = fresh("tree");
    psql(&format!("CREATE TABLE {table} (id bigint PRIMARY KEY, name text UNIQUE, CHECK (name <> 'bad'))"));
    psql(&format!(
        "ALTER TABLE {table} ADD parent text GENERATED ALWAYS AS (nullif(split_part(name, '<', 2), '')) STORED"
    ));
    psql(&format!(
        "ALTER TABLE {table} ADD UNIQUE (name), ADD FOREIGN KEY (parent) REFERENCES {table} (name)"
    ));
    let (target, spec) = (target(&url()), spec(&table));
    // The second refers to the third, and a bad row forces the search.
    let inserts = [(1, Some("bad")), (2, Some("leaf<root")), (3, Some("root")), (4, Some("lost<nowhere"))];
    let applied = apply(&target, &spec, &[], &inserts, &[]).await.expect("written");
    assert_eq!(applied.rejects.iter().map(|r| r.row).collect::<Vec<_>>(), [0, 3]);
    assert_eq!(psql(&format!("SELECT string_agg(name, ' ' ORDER BY id) FROM {table}")), "leaf<root root");
}

#[tokio::test]
async fn unchanged_neighbours_and_unmanaged_columns_are_not_touched() {
    let table = fresh("quiet");
    psql(&format!("CREATE TABLE {table} (id bigint PRIMARY KEY, name text, own text DEFAULT 'mine')"));
    psql(&format!("INSERT INTO {table} SELECT n, 'n' || n FROM generate_series(1, 1000) n"));
    let before = psql(&format!("SELECT sum(xmin::text::bigint) FROM {table} WHERE id NOT IN (5, 7)"));
    let (target, spec) = (target(&url()), spec(&table));
    apply(&target, &spec, &[7], &[], &[(5, Some("new"))]).await.expect("written");
    let after = psql(&format!("SELECT sum(xmin::text::bigint) FROM {table} WHERE id NOT IN (5, 7)"));
    assert_eq!(before, after);
    assert_eq!(psql(&format!("SELECT name || own FROM {table} WHERE id = 5")), "newmine");
}

#[tokio::test]
async fn an_inexact_value_is_refused_where_postgres_would_round_or_cut() {
    let table = fresh("exact");
    psql(&format!("CREATE TABLE {table} (id smallint PRIMARY KEY, name char(3))"));
    let (target, spec) = (target(&url()), spec(&table));
    let inserts = [(1, Some("abc")), (70_000, None), (2, Some("a ")), (3, Some("abcd")), (4, Some("a\0b"))];
    let applied = apply(&target, &spec, &[70_001], &inserts, &[]).await.expect("written");
    assert_eq!(
        applied.rejects.iter().map(|r| (r.row, r.column.as_deref())).collect::<Vec<_>>(),
        [(1, Some("id")), (2, Some("name")), (3, Some("name")), (4, Some("name"))]
    );
}

#[tokio::test]
async fn a_lock_held_elsewhere_is_busy_within_seconds_and_nothing_is_lost() {
    let table = fresh("locked");
    psql(&format!(
        "CREATE TABLE {table} (id bigint PRIMARY KEY, name text); INSERT INTO {table} VALUES (1, 'a')"
    ));
    let mut other = Command::new("psql");
    other.args(["--no-psqlrc", "--quiet", "--tuples-only", &url()]);
    let lock = format!("BEGIN; SELECT FROM {table} WHERE id = 1 FOR UPDATE;\n\\echo locked\n");
    let held = program::hold(&mut other, &lock, "locked");
    let (target, spec) = (target(&url()), spec(&table));
    let begun = std::time::Instant::now();
    let busy = apply(&target, &spec, &[], &[], &[(1, Some("b"))]).await.expect_err("locked");
    assert_eq!(busy.kind(), ErrorKind::Busy, "{busy}");
    assert!(busy.to_string().contains("another session holds a lock"), "{busy}");
    assert!((4..10).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    drop(held);
    apply(&target, &spec, &[], &[], &[(1, Some("b"))]).await.expect("free again");
    assert_eq!(psql(&format!("SELECT name FROM {table}")), "b");
}

#[tokio::test]
async fn inserts_of_referring_rows_do_not_wait_for_a_batch() {
    let table = fresh("referred");
    psql(&format!(
        "CREATE TABLE {table} (id bigint PRIMARY KEY, name text); INSERT INTO {table} VALUES (1, 'a'); \
         CREATE TABLE {table}_c (id bigint REFERENCES {table})"
    ));
    let mut other = Command::new("psql");
    other.args(["--no-psqlrc", "--quiet", "--tuples-only", &url()]);
    let refer = format!("BEGIN; INSERT INTO {table}_c VALUES (1);\n\\echo referred\n");
    let _held = program::hold(&mut other, &refer, "referred");
    let (target, spec) = (target(&url()), spec(&table));
    apply(&target, &spec, &[], &[], &[(1, Some("b"))]).await.expect("no waiting for a foreign key");
}

#[tokio::test]
async fn nothing_outlives_a_transaction() {
    let table = fresh("pooled");
    psql(&format!("CREATE TABLE {table} (id bigint PRIMARY KEY, name text)"));
    let name = fresh("pooled");
    let target = target(&through("127.0.0.1", &format!("application_name={name}")));
    let spec = spec(&table);
    apply(&target, &spec, &[], &[(1, Some("a"))], &[]).await.expect("written");
    apply(&target, &spec, &[1], &[(2, Some("b"))], &[(3, Some("c"))]).await.expect("written");
    target.read(&spec, &keys(&spec, &[2])).await.expect("read");

    let state = format!("SELECT DISTINCT state FROM pg_stat_activity WHERE application_name = '{name}'");
    assert_eq!(psql(&state), "idle");
}
