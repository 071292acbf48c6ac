//! A store that is gone stops the run before its lease ends. With a lease of seconds; the real one lasts a minute.

use crate::{
    harness::required,
    proxy::{Direction::Up, Fault, Proxy, Rule},
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use chrono::TimeDelta;
use futures::StreamExt;
use hydrant::{
    clock::SystemClock,
    config::Location,
    engine::{self, Env, FailureKind, RunOptions, Unobserved},
    guard::GuardRules,
    object_storage,
    secret::Secret,
    source::{About, Dialect, Model, Rows, Source, SourceError, Staging, Unload},
    store::{LeaseTimes, SyncStore},
    sync::{DuplicateKeys, ExportKind, ExposureSpec, NullKeys, Redact, RejectCeiling, Retention, SyncSpec},
};
use hydrant_contract::{Deletes, Documents, Mode, TableName};
use hydrant_target_memory::MemoryTarget;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// A query that never ends.
struct Endless;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]))
}

#[async_trait]
impl Source for Endless {
    fn dialect(&self) -> Dialect {
        Dialect::Standard
    }

    async fn about(&self) -> Result<About, SourceError> {
        Ok(About::default())
    }

    async fn describe(&self, _: &Model) -> Result<SchemaRef, SourceError> {
        Ok(schema())
    }

    async fn open(&self, _: &Model) -> Result<Rows, SourceError> {
        Ok(Rows { schema: schema(), batches: futures::stream::pending().boxed() })
    }

    async fn unload(&self, _: &Model, _: &Staging) -> Result<Unload, SourceError> {
        Ok(Unload::Off)
    }
}

fn store(proxy: &Proxy) -> SyncStore {
    let options = [
        ("endpoint", format!("http://{}", proxy.address())),
        ("access_key_id", "test".to_owned()),
        ("secret_access_key", "testsecret".to_owned()),
        ("region", "us-east-1".to_owned()),
    ];
    let options = options.into_iter().map(|(name, value)| (name.to_owned(), Secret::new(value))).collect();
    let started = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let url = Location::Url(format!("s3://hydrant-test/lease-{}-{started}", std::process::id()));
    let storage = object_storage::connect(&url, &options).unwrap();
    SyncStore::new(storage.store, &storage.root, "items")
}

/// Contract: C15
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_stops_the_run_before_the_lease_ends_and_is_named_as_the_cause() {
    let case = async |fault| {
        let proxy = Proxy::before(required("HYDRANT_TEST_S3").strip_prefix("http://").unwrap());
        let env = Env {
            store: store(&proxy),
            source: Arc::new(Endless),
            target: Arc::new(MemoryTarget::new()),
            clock: Arc::new(SystemClock),
            observer: Arc::new(Unobserved),
            stop: CancellationToken::new(),
            memory_bytes: 64 << 20,
            scratch: std::env::temp_dir(),
            lease_times: LeaseTimes { term: TimeDelta::seconds(6), skew: TimeDelta::seconds(1) },
        };
        let sync = SyncSpec {
            name: "items".into(),
            source: "lake".into(),
            model: Model::default(),
            cursor: None,
            target: "app".into(),
            table: TableName { schema: None, name: "items".into() },
            key: vec!["id".into()],
            mode: Mode::Mirror,
            deletes: Deletes::Hard,
            documents: Documents::default(),
            guard: GuardRules::default(),
            rejects: RejectCeiling::default(),
            rewrite: hydrant::sync::Rewrite::Never,
            columns: None,
            export: ExportKind::Full,
            duplicate_keys: DuplicateKeys::Error,
            null_keys: NullKeys::Error,
            after: Vec::new(),
            retain: Retention::default(),
            redact: Redact::default(),
            refused: BTreeMap::new(),
            exposure: ExposureSpec::default(),
        };
        let running = tokio::spawn(async move { engine::run(&env, &sync, RunOptions::default()).await });
        // The lease was renewed once: by then the run reads its source.
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert!(!running.is_finished());
        let begun = Instant::now();
        proxy.inject(Rule::after(fault, Up, 0).always());
        proxy.strike(fault);
        let error = running.await.unwrap().unwrap_err();
        // It had been renewed half a second before; five seconds after that it had to stop, a second before the lease ends.
        assert!((1..10).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
        assert_eq!(error.failure.kind(), FailureKind::Unavailable, "{error}");
        assert!(error.to_string().contains("the lease could not be renewed"), "{error}");
    };
    tokio::join!(case(Fault::Silence), case(Fault::Cut));
}
