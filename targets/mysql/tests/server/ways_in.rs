//! TCP, TLS, sockets, passwords.

use crate::{fresh, refused, servers, target};
use hydrant_contract::{ErrorKind, Target};
use hydrant_target_mysql::{MysqlTarget, Settings};

#[tokio::test]
async fn a_probe_names_product_and_place() {
    for server in servers() {
        let info = server.target().probe().await.expect("a server");
        let (product, version) = info.product.split_once(' ').expect("a version");
        assert_eq!(product, if server.maria { "MariaDB" } else { "MySQL" });
        assert!(
            version.split('.').count() == 3 && version.starts_with(|c: char| c.is_ascii_digit()),
            "{version}"
        );
        assert_eq!(info.place, format!("127.0.0.1:{}/test as root", server.port()));
    }
}

#[tokio::test]
async fn what_keeps_one_out_is_named() {
    for server in servers() {
        let wrong = refused(&server.through("root", "secretive", "127.0.0.1", "")).await;
        assert_eq!(wrong.kind(), ErrorKind::Denied);
        assert!(wrong.to_string().contains("Access denied for user"), "{wrong}");

        let no_database = refused(&server.url("").replace("/test", "/nowhere")).await;
        assert_eq!(no_database.kind(), ErrorKind::Missing);
        assert!(no_database.to_string().contains("nowhere"), "{no_database}");
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
    let closed = listener.expect("a port").port();
    let no_server = refused(&format!("mysql://root:secret@127.0.0.1:{closed}/test")).await;
    assert_eq!(no_server.kind(), ErrorKind::Unreachable);
    assert!(no_server.to_string().contains(&format!("127.0.0.1:{closed}/test as root")), "{no_server}");
    let no_host = refused("mysql://root:secret@no-such-host.invalid/test").await;
    assert_eq!(no_host.kind(), ErrorKind::Unreachable);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let begun = std::time::Instant::now();
    let silent = refused(&format!("mysql://root:secret@127.0.0.1:{port}/test?connect-timeout=1")).await;
    assert_eq!(silent.kind(), ErrorKind::Unreachable);
    assert!(silent.to_string().contains("within 1 s"), "{silent}");
    assert!(begun.elapsed().as_secs() < 5);
}

#[tokio::test]
async fn every_ssl_mode_verifies_what_it_says() {
    for server in servers() {
        // An account that is let in with TLS only tells whether there is TLS.
        let account = server.account("IDENTIFIED BY 'pw' REQUIRE SSL");
        let (right, wrong) = (server.certificate("ca.crt"), server.certificate("rogue-ca.crt"));
        let (yes, no) = (Ok(()), Err(ErrorKind::Denied));
        // The certificate names localhost and 127.0.0.1, not 127.0.0.2.
        let table = [
            ("127.0.0.1", "ssl-mode=DISABLED".to_owned(), no),
            ("127.0.0.1", String::new(), yes),
            ("127.0.0.1", "ssl-mode=PREFERRED".to_owned(), yes),
            ("127.0.0.2", "ssl-mode=REQUIRED".to_owned(), yes),
            ("127.0.0.1", format!("ssl-mode=VERIFY_CA&ssl-ca={right}"), yes),
            ("127.0.0.2", format!("ssl-mode=VERIFY_CA&ssl-ca={right}"), yes),
            ("127.0.0.2", format!("ssl-ca={right}"), yes),
            ("127.0.0.1", format!("ssl-mode=VERIFY_CA&ssl-ca={wrong}"), no),
            ("127.0.0.2", format!("ssl-mode=VERIFY_CA&ssl-ca={wrong}"), no),
            ("127.0.0.1", format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={right}"), yes),
            ("localhost", format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={right}"), yes),
            ("127.0.0.2", format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={right}"), no),
            ("127.0.0.1", format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={wrong}"), no),
            // No public authority knows this server.
            ("127.0.0.1", "ssl-mode=VERIFY_IDENTITY".to_owned(), no),
            ("127.0.0.1", "ssl-mode=VERIFY_IDENTITY&ssl-ca=/no/such.crt".to_owned(), Err(ErrorKind::Missing)),
        ];
        for (host, options, expected) in table {
            let url = server.through(&account.name, "pw", host, &options);
            // The account may use no database; who gets as far as that was let in.
            let found = target(&url).probe().await.map(drop).map_err(|e| (e.kind(), e.to_string()));
            let let_in = match found {
                Err((ErrorKind::Denied, text)) if text.contains("to database") => Ok(()),
                other => other.map_err(|(kind, _)| kind),
            };
            assert_eq!(let_in, expected, "{host} {options}, MariaDB: {}", server.maria);
        }
    }
}

#[tokio::test]
async fn a_client_certificate_is_a_way_in() {
    for server in servers() {
        let account = server.account("IDENTIFIED BY 'pw' REQUIRE X509");
        server.sql(&format!("GRANT SELECT ON test.* TO '{}'@'%'", account.name));
        let ca = server.certificate("ca.crt");
        let verify = format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}");
        let (cert, key) = (server.certificate("client.crt"), server.certificate("client.key"));
        let with = format!("{verify}&ssl-cert={cert}&ssl-key={key}");
        let info =
            target(&server.through(&account.name, "pw", "127.0.0.1", &with)).probe().await.expect("let in");
        assert!(info.place.ends_with(&format!("as {}", account.name)), "{}", info.place);
        let without = refused(&server.through(&account.name, "pw", "127.0.0.1", &verify)).await;
        assert_eq!(without.kind(), ErrorKind::Denied);
        let no_key = format!("{verify}&ssl-cert={cert}&ssl-key={cert}");
        let no_key = refused(&server.through(&account.name, "pw", "127.0.0.1", &no_key)).await;
        assert!(no_key.to_string().contains("no private key"), "{no_key}");
    }
}

#[tokio::test]
async fn a_unix_socket_is_a_way_in() {
    for server in servers() {
        let socket = server.socket();
        // An account of its own: that of the administrator may be let in by the operating system's name.
        let account = server.account("IDENTIFIED BY 'pw'");
        server.sql(&format!("GRANT SELECT ON test.* TO '{}'@'%'", account.name));
        let url = server.through(&account.name, "pw", "localhost", &format!("socket={socket}"));
        let info = target(&url).probe().await.expect("let in");
        assert_eq!(info.place, format!("{socket}/test as {}", account.name));
        let absent = refused(&server.url("socket=/no/such.sock")).await;
        assert_eq!(absent.kind(), ErrorKind::Unreachable);
    }
}

/// The first time the server asks for the password itself (sent by TLS or the socket, or encrypted with the server's key),
/// afterwards it knows a hash.
#[tokio::test]
async fn caching_sha2_password_lets_in_the_first_time_and_again_with_tls_and_without() {
    let [server, _] = servers();
    let socket = format!("socket={}", server.socket());
    for options in ["ssl-mode=REQUIRED", "ssl-mode=DISABLED", socket.as_str()] {
        let account = server.account("IDENTIFIED WITH caching_sha2_password BY 'pw'");
        server.sql(&format!("GRANT SELECT ON test.* TO '{}'@'%'", account.name));
        for time in ["first", "second"] {
            let url = server.through(&account.name, "pw", "127.0.0.1", options);
            let let_in = target(&url).probe().await;
            assert!(let_in.is_ok(), "the {time} time, {options}: {let_in:?}");
        }
    }
}

#[tokio::test]
async fn a_password_of_any_characters_works_encoded_in_the_url_or_beside_it() {
    for server in servers() {
        let account = server.account("IDENTIFIED BY 'p@ss/w:rd?%é'");
        server.sql(&format!("GRANT SELECT ON test.* TO '{}'@'%'", account.name));
        let encoded = server.through(&account.name, "p%40ss%2Fw%3Ard%3F%25%C3%A9", "127.0.0.1", "");
        assert!(target(&encoded).probe().await.is_ok());
        let url = format!("mysql://{}@127.0.0.1:{}/test", account.name, server.port());
        let settings = Settings { url: url.into(), password: Some("p@ss/w:rd?%é".into()) };
        assert!(MysqlTarget::new(settings).expect("settings").probe().await.is_ok());
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_opened_again() {
    for server in servers() {
        let account = server.account("IDENTIFIED BY 'pw'");
        server.sql(&format!("GRANT SELECT ON test.* TO '{}'@'%'", account.name));
        let target = target(&server.through(&account.name, "pw", "127.0.0.1", ""));
        target.probe().await.expect("a first connection");
        let of_account = format!("FROM information_schema.PROCESSLIST WHERE USER = '{}'", account.name);
        let ids = server.sql(&format!("SELECT ID {of_account}"));
        assert!(!ids.is_empty(), "the connection is kept");
        for id in ids.lines() {
            server.sql(&format!("KILL {id}"));
        }
        target.probe().await.expect("a second connection");
    }
}

/// Whatever the server's own settings are, the session has hydrant's.
#[tokio::test]
async fn a_session_is_strict_in_utc_and_reads_what_is_committed() {
    for server in servers() {
        let name = fresh("settings");
        let table = server.table(&name, "id bigint PRIMARY KEY, name varchar(200), at timestamp(6) NULL");
        let isolation = if server.maria { "@@tx_isolation" } else { "@@transaction_isolation" };
        server.sql(&format!(
            "CREATE TRIGGER {} BEFORE INSERT ON {} FOR EACH ROW SET NEW.name = CONCAT(@@time_zone, ' ', {isolation}, ' ', \
             @@innodb_lock_wait_timeout, ' ', @@lock_wait_timeout)",
            fresh("trigger"),
            table.name
        ));
        crate::apply(
            &target(&server.url("lock-timeout=7")),
            &crate::spec(&table.name),
            &[],
            &[(0, Some("x"))],
            &[],
        )
        .await
        .expect("written");
        let found = server.sql(&format!("SELECT id, name FROM {}", table.name));
        assert_eq!(found, "0\t+00:00 READ-COMMITTED 7 7");
    }
}
