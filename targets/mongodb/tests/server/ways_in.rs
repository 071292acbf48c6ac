//! Connecting: passwords, certificates, servers that are not there, accounts that may not.

use crate::scene::{INT, Scene, fresh, setting, standalone, target, url};
use hydrant_contract::{ErrorKind, Target, TargetError, ValueType};
use hydrant_target_mongodb::{MongodbTarget, Settings};
use serde_json::json;

async fn refused(url: &str) -> TargetError {
    let error = target(url).probe().await.expect_err(url);
    assert!(!error.to_string().contains("secret"), "{error}");
    error
}

fn certificate(file: &str) -> String {
    format!("{}/{file}", setting("HYDRANT_TEST_MONGODB_CERTS"))
}

/// The host and port in a URL.
fn address(url: &str) -> &str {
    url.split('@').nth(1).and_then(|rest| rest.split('/').next()).expect("a host in the URL")
}

#[tokio::test]
async fn a_probe_names_product_and_place_and_what_the_server_can() {
    let with = target(&url());
    let info = with.probe().await.expect("a server");
    assert!(info.product.starts_with("MongoDB "), "{}", info.product);
    assert_eq!(info.place, format!("{}/test as root", address(&url())));
    assert!(with.capabilities().await.expect("a server").transactions);
    let settings = Settings { url: url().into(), password: None, transactions: false };
    let off = MongodbTarget::new(settings).expect("settings");
    assert!(!off.capabilities().await.expect("a server").transactions, "they are turned off");
    assert!(!target(&standalone()).capabilities().await.expect("a server").transactions);
}

#[tokio::test]
async fn what_keeps_one_out_is_named() {
    let wrong = refused(&url().replace("root:secret", "root:secretive")).await;
    assert_eq!(wrong.kind(), ErrorKind::Denied, "{wrong}");
    let nobody = refused(&url().replace("root:secret", "nobody:secret")).await;
    assert_eq!(nobody.kind(), ErrorKind::Denied, "{nobody}");
    let no_listener = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
    let closed = no_listener.expect("a port").port();
    let gone = format!("mongodb://root:secret@127.0.0.1:{closed}/app?serverSelectionTimeoutMS=500");
    let no_server = refused(&gone).await;
    assert_eq!(no_server.kind(), ErrorKind::Unreachable);
    assert!(no_server.to_string().contains(&format!("127.0.0.1:{closed}/app as root")), "{no_server}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let begun = std::time::Instant::now();
    let silent = refused(&format!(
        "mongodb://root:secret@127.0.0.1:{port}/app?serverSelectionTimeoutMS=1000&connectTimeoutMS=500"
    ))
    .await;
    assert_eq!(silent.kind(), ErrorKind::Unreachable, "{silent}");
    assert!(begun.elapsed().as_secs() < 8, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_password_of_any_characters_works_encoded_in_the_url_or_beside_it() {
    let scene = Scene::new(&[("id", INT)], &["id"]);
    let user = fresh("odd");
    scene.command(&format!(
        r#"{{"createUser": "{user}", "pwd": "p@ss/w:rd?%'é", "roles": [{{"role": "readWrite", "db": "{}"}}]}}"#,
        scene.database
    ));
    let at = address(&scene.url);
    let encoded = format!("mongodb://{user}:p%40ss%2Fw%3Ard%3F%25%27%C3%A9@{at}/{}", scene.database);
    target(&encoded).probe().await.expect("let in");
    let settings = Settings {
        url: format!("mongodb://{user}@{at}/{}", scene.database).into(),
        password: Some("p@ss/w:rd?%'é".into()),
        transactions: true,
    };
    MongodbTarget::new(settings).expect("settings").probe().await.expect("let in");
}

/// The server without transactions speaks TLS alone; its certificate names localhost and 127.0.0.1.
fn through(host: &str, options: &str) -> String {
    let url = standalone();
    let port = address(&url).rsplit(':').next().expect("a port").to_owned();
    format!(
        "mongodb://root:secret@{host}:{port}/test?authSource=admin&serverSelectionTimeoutMS=3000&{options}"
    )
}

#[tokio::test]
async fn tls_verifies_authority_and_name() {
    let (right, wrong) = (certificate("ca.crt"), certificate("rogue-ca.crt"));
    for host in ["localhost", "127.0.0.1"] {
        let with = through(host, &format!("tls=true&tlsCAFile={right}"));
        target(&with).probe().await.unwrap_or_else(|e| panic!("{host} with the right authority: {e}"));
    }
    let untrusted = refused(&through("localhost", &format!("tls=true&tlsCAFile={wrong}"))).await;
    assert_eq!(untrusted.kind(), ErrorKind::Denied, "{untrusted}");
    assert!(untrusted.to_string().contains("certificate is not accepted"), "{untrusted}");
    // The whole of 127.0.0.0/8 is this machine.
    let misnamed = refused(&through("127.0.0.2", &format!("tls=true&tlsCAFile={right}"))).await;
    assert!(matches!(misnamed.kind(), ErrorKind::Denied | ErrorKind::Unreachable), "{misnamed}");
    let plain = refused(&through("localhost", "tls=false")).await;
    assert_eq!(plain.kind(), ErrorKind::Unreachable, "{plain}");
    let no_file = refused(&through("localhost", "tls=true&tlsCAFile=/no/such.crt")).await;
    assert_eq!(no_file.kind(), ErrorKind::Missing, "{no_file}");
    assert!(no_file.to_string().contains("/no/such.crt"), "{no_file}");
}

#[tokio::test]
async fn a_client_certificate_is_presented() {
    let (ca, cert, key) = (certificate("ca.crt"), certificate("client.crt"), certificate("client.key"));
    let folder = tempfile::tempdir().expect("a folder");
    let both = folder.path().join("client.pem");
    let pem = [cert, key].map(|file| std::fs::read_to_string(file).expect("a PEM file")).concat();
    std::fs::write(&both, pem).expect("a PEM file");
    let with =
        |file: &str| through("localhost", &format!("tls=true&tlsCAFile={ca}&tlsCertificateKeyFile={file}"));
    target(&with(both.to_str().expect("UTF-8"))).probe().await.expect("let in");
    let no_key = refused(&with(&certificate("client.crt"))).await;
    assert_eq!(no_key.kind(), ErrorKind::Missing, "{no_key}");
}

#[tokio::test]
async fn each_missing_right_is_shown_with_the_command_that_gives_it() {
    let scene = Scene::new(&[("id", INT), ("name", ValueType::Text)], &["id"]).created().await;
    let user = fresh("reads");
    scene.command(&format!(
        r#"{{"createUser": "{user}", "pwd": "pw", "roles": [{{"role": "read", "db": "{}"}}]}}"#,
        scene.database
    ));
    let reader = target(&format!("mongodb://{user}:pw@{}/{}", address(&scene.url), scene.database));
    let denied = reader.claim("other", 1).await.expect_err("it may not write");
    assert_eq!(denied.kind(), ErrorKind::Denied, "{denied}");
    let hydrant_contract::Inspection::Present { mismatches, .. } =
        reader.inspect(&scene.spec).await.expect("an inspection")
    else {
        panic!("the collection is there");
    };
    let text = mismatches.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(text.contains("may not insert, update, remove in"), "{text}");
    for mismatch in &mismatches {
        let command = mismatch.mend.split(" (or a role").next().expect("a command");
        scene.second.ask("paste", &[json!(command)]);
    }
    // A connection of its own: what an account may do is known from when it logged in.
    let writer = target(&format!("mongodb://{user}:pw@{}/{}", address(&scene.url), scene.database));
    writer.claim("other", 1).await.expect("it may write");
    let again = writer.inspect(&scene.spec).await.expect("an inspection");
    assert!(
        matches!(&again, hydrant_contract::Inspection::Present { mismatches, .. } if mismatches.is_empty()),
        "{again:?}"
    );
}
