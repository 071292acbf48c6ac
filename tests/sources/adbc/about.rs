//! What a source says of itself, and what it does when it is asked for nothing but that.

use super::fixture::{duckdb, flightsql, postgres, snowflake, sqlite};
use hydrant::source::{Dialect, Source};

#[tokio::test]
async fn a_source_says_product_place_account_and_rights() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.duckdb");
    duckdb(&format!(", path: {}, read_only: false", path.display()))
        .execute("create table t (id int)")
        .await
        .unwrap();
    let source = duckdb(&format!(", path: {}", path.display()));
    let about = source.about().await.unwrap();
    assert!(about.product.starts_with("DuckDB v1."), "{about:?}");
    assert!(about.product.contains(" by ADBC DuckDB Driver v1."), "{about:?}");
    assert_eq!((about.place, about.account), (path.display().to_string(), None));
    assert!(about.notes[0].starts_with("the file is opened for reading only"), "{:?}", about.notes);
    assert_eq!(source.dialect(), Dialect::DuckDb);

    let about = postgres().about().await.unwrap();
    assert!(about.product.starts_with("PostgreSQL 1"), "{about:?}");
    assert!(about.product.contains('.') && !about.product.contains("150"), "{about:?}");
    assert_eq!(about.account.as_deref(), Some("postgres"));
    assert!(about.place.starts_with("127.0.0.1:") && !about.place.contains("secret"), "{about:?}");

    let about = sqlite(":memory:").about().await.unwrap();
    assert!(about.product.starts_with("SQLite 3."), "{about:?}");

    let about = snowflake().about().await.unwrap();
    assert!(about.product.starts_with("Snowflake by ADBC Snowflake Driver"), "{about:?}");
    assert_eq!((about.place.as_str(), about.account.as_deref()), ("acme, SHOP, PUBLIC", Some("hydrant")));

    let about = flightsql().about().await.unwrap();
    assert!(about.product.starts_with("Flight SQL by ADBC Flight SQL Driver"), "{about:?}");
    assert!(!about.product.contains("unknown"), "{about:?}");
    assert!(about.place.starts_with("grpc://127.0.0.1:"), "{about:?}");
}
