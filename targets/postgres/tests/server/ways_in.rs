//! Ways in: passwords, TLS, sockets, several hosts, and what keeps one out.

use super::{address, fresh, psql, setting, target, through, url};
use hydrant_conformance::program;
use hydrant_contract::{ErrorKind, Target, TargetError};
use hydrant_target_postgres::{PostgresTarget, Settings};
use std::process::Command;

fn certificate(file: &str) -> String {
    format!("{}/{file}", setting("HYDRANT_TEST_POSTGRES_CERTS"))
}

async fn refused(url: &str) -> TargetError {
    let error = target(url).probe().await.expect_err(url);
    assert!(!error.to_string().contains("secret"), "{error}");
    error
}

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
async fn tls(host: &str, parameters: &str) -> Result<bool, ErrorKind> {
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
