//! Any course of changes and runs: what an incremental run leaves is what it can know, and what a full run leaves is the query.

use arrow::{
    array::{Array, AsArray, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
};
use async_trait::async_trait;
use futures::StreamExt;
use hydrant::{
    clock::SystemClock,
    cursor::{Cursor, Lookback},
    engine::{self, Env, RunOptions, RunReport, Unobserved},
    guard::{GuardRules, Then},
    source::{About, Dialect, Model, Rows, Source, SourceError, SourceErrorKind, Staging, Unload},
    store::{LeaseTimes, SyncStore, WhyFull},
    sync::{DuplicateKeys, ExportKind, ExposureSpec, NullKeys, Redact, RejectCeiling, Retention, SyncSpec},
};
use hydrant_contract::{Deletes, Documents, Mode, TableName};
use hydrant_target_memory::MemoryTarget;
use object_store::{memory::InMemory, path::Path};
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio_util::sync::CancellationToken;

/// Rows by their key: a name, and the version in which they changed last.
type Content = BTreeMap<i64, (String, Option<i64>)>;

/// What the rows of the query are, and how the source takes a condition on the version.
#[derive(Clone, Default)]
struct Ledger {
    rows: Arc<Mutex<Content>>,
    /// It does not take any.
    refuses: bool,
    /// It finds that out only when rows are read.
    is_late: bool,
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("version", DataType::Int64, true),
    ]))
}

/// The bound in the SQL that hydrant has made of a model.
fn bound(sql: &str) -> Option<i64> {
    let (_, condition) = sql.rsplit_once(") AS hydrant_model WHERE ")?;
    let bound = condition.strip_prefix("\"version\" >= ").expect("a condition on the version");
    Some(bound.parse().expect("a number"))
}

#[async_trait]
impl Source for Ledger {
    async fn unload(&self, _: &Model, _: &Staging) -> Result<Unload, SourceError> {
        Ok(Unload::Off)
    }

    fn dialect(&self) -> Dialect {
        Dialect::Standard
    }

    async fn about(&self) -> Result<About, SourceError> {
        Ok(About::default())
    }

    async fn describe(&self, _: &Model) -> Result<SchemaRef, SourceError> {
        Ok(schema())
    }

    async fn open(&self, model: &Model) -> Result<Rows, SourceError> {
        let bound = bound(&model.sql);
        let refused = || SourceError {
            kind: SourceErrorKind::Query,
            message: "no such syntax\n1 | SELECT …".to_owned(),
            position: None,
        };
        if bound.is_some() && self.refuses {
            if !self.is_late {
                return Err(refused());
            }
            let batches = futures::stream::iter([Err(refused())]).boxed();
            return Ok(Rows { schema: schema(), batches });
        }
        let rows: Vec<_> = self.rows.lock().unwrap().clone().into_iter().collect();
        let rows = rows.into_iter().filter(|(_, (_, version))| bound.is_none() || *version >= bound);
        let rows: Vec<_> = rows.collect();
        let batches: Vec<_> = rows.chunks(7).map(|rows| Ok(batch(rows))).collect();
        Ok(Rows { schema: schema(), batches: futures::stream::iter(batches).boxed() })
    }
}

fn batch(rows: &[(i64, (String, Option<i64>))]) -> RecordBatch {
    let ids = Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id));
    let names: StringArray = rows.iter().map(|(_, (name, _))| Some(name.as_str())).collect();
    let versions: Int64Array = rows.iter().map(|(_, (_, version))| *version).collect();
    RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(names), Arc::new(versions)]).unwrap()
}

struct World {
    env: Env,
    sync: SyncSpec,
    target: MemoryTarget,
}

impl World {
    fn new(source: Ledger, lookback: u64, full_every: u32) -> Self {
        let target = MemoryTarget::default();
        let cursor =
            Cursor { column: "version".into(), lookback: Some(Lookback::Number(lookback)), full_every };
        let mut guard = GuardRules::default();
        guard.deletes.then = Then::Off;
        guard.shrink.then = Then::Off;
        guard.keys = Then::Off;
        let sync = SyncSpec {
            name: "items".into(),
            source: "ledger".into(),
            model: Model { sql: "the ledger".into(), ..Model::default() },
            columns: None,
            cursor: Some(cursor),
            key: vec!["id".into()],
            target: "memory".into(),
            table: TableName { schema: None, name: "items".into() },
            mode: Mode::Mirror,
            deletes: Deletes::Hard,
            documents: Documents::default(),
            export: ExportKind::Full,
            duplicate_keys: DuplicateKeys::Error,
            null_keys: NullKeys::Error,
            guard,
            rejects: RejectCeiling::default(),
            rewrite: hydrant::sync::Rewrite::Never,
            after: Vec::new(),
            retain: Retention { runs: 2, days: 0 },
            redact: Redact::default(),
            refused: BTreeMap::new(),
            exposure: ExposureSpec::default(),
        };
        let env = Env {
            store: SyncStore::new(Arc::new(InMemory::new()), &Path::default(), "items"),
            source: Arc::new(source),
            target: Arc::new(target.clone()),
            clock: Arc::new(SystemClock),
            observer: Arc::new(Unobserved),
            stop: CancellationToken::new(),
            memory_bytes: 1 << 20,
            scratch: std::env::temp_dir(),
            lease_times: LeaseTimes::default(),
        };
        Self { env, sync, target }
    }

    async fn run(&self, full: bool) -> RunReport {
        let options = RunOptions { full, ..RunOptions::default() };
        engine::run(&self.env, &self.sync, options).await.unwrap()
    }

    fn table(&self) -> Content {
        let rows = self.target.rows(&self.sync.table).unwrap();
        let column = |name| rows.column_by_name(name).unwrap();
        let (ids, names) = (column("id").as_primitive::<Int64Type>(), column("name").as_string::<i32>());
        let versions = column("version").as_primitive::<Int64Type>();
        let version = |row| versions.is_valid(row).then(|| versions.value(row));
        (0..rows.num_rows())
            .map(|row| (ids.value(row), (names.value(row).to_owned(), version(row))))
            .collect()
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// A row is new or changes, in a version that is so far behind the last one (0: the next one).
    Set {
        id: i64,
        behind: i64,
    },
    /// It changes, and does not say when.
    SetUnversioned {
        id: i64,
    },
    Delete {
        id: i64,
    },
    Run {
        full: bool,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let id = 0..25_i64;
    prop_oneof![
        6 => (id.clone(), prop_oneof![3 => Just(0_i64), 1 => 0..8_i64]).prop_map(|(id, behind)| Event::Set { id, behind }),
        1 => id.clone().prop_map(|id| Event::SetUnversioned { id }),
        2 => id.prop_map(|id| Event::Delete { id }),
        4 => prop::bool::weighted(0.15).prop_map(|full| Event::Run { full }),
    ]
}

/// What the table must hold, worked out from the course alone.
#[derive(Default)]
struct Expected {
    table: Content,
    mark: Option<i64>,
    increments: u32,
    published: bool,
}

impl Expected {
    fn run(&mut self, source: &Content, asked: bool, lookback: u64, full_every: u32) -> bool {
        let is_full = asked || !self.published || self.increments + 1 >= full_every || self.mark.is_none();
        if is_full {
            self.table = source.clone();
            self.mark = source.values().filter_map(|(_, version)| *version).max();
            self.increments = 0;
        } else {
            // Versions are not negative here, and neither is a bound.
            let from = self.mark.map(|mark| (mark - i64::try_from(lookback).unwrap()).max(0));
            let came = source.iter().filter(|(_, (_, version))| *version >= from);
            self.table.extend(came.clone().map(|(id, row)| (*id, row.clone())));
            self.mark = self.mark.max(came.filter_map(|(_, (_, version))| *version).max());
            self.increments += 1;
        }
        self.published = true;
        is_full
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    /// Contract: C1, C40
    #[test]
    fn property_of_any_course_of_changes_and_runs(
        events in prop::collection::vec(event(), 1..60),
        lookback in 0..6_u64,
        full_every in 2..6_u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let source = Ledger::default();
            let world = World::new(source.clone(), lookback, full_every);
            let mut expected = Expected::default();
            let mut version = 10;
            for event in events.iter().chain([&Event::Run { full: false }, &Event::Run { full: true }]) {
                let set = |id: i64, at: Option<i64>, n: i64| {
                    source.rows.lock().unwrap().insert(id, (format!("name {n}"), at));
                };
                match event {
                    Event::Set { id, behind } => {
                        version += 1;
                        set(*id, Some(version - behind), version);
                    }
                    Event::SetUnversioned { id } => {
                        version += 1;
                        set(*id, None, version);
                    }
                    Event::Delete { id } => drop(source.rows.lock().unwrap().remove(id)),
                    Event::Run { full } => {
                        let now = source.rows.lock().unwrap().clone();
                        let is_full = expected.run(&now, *full, lookback, full_every);
                        let report = world.run(*full).await;
                        let cursor = report.cursor.unwrap();
                        prop_assert_eq!(cursor.full.is_some(), is_full, "{:?}", cursor);
                        prop_assert_eq!(cursor.mark, expected.mark.map(|mark| mark.to_string()));
                        prop_assert_eq!(world.table(), expected.table.clone());
                        if is_full {
                            prop_assert_eq!(world.table(), now);
                        }
                    }
                }
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn where_more_rows_changed_than_are_worth_merging_all_are_asked_for() {
    let source = Ledger::default();
    let mut world = World::new(source.clone(), 0, 10);
    // Room for eight keys.
    world.env.memory_bytes = 8 * 16 * 4;
    let change = |version: i64, rows: i64| {
        let rows = (0..rows).map(|id| (id, (format!("at {version}"), Some(version))));
        source.rows.lock().unwrap().extend(rows);
    };
    change(1, 20);
    world.run(false).await;
    // As many as there is room for, and no tie with the rows before: those are at 1 no more.
    change(3, 20);
    let cursor = world.run(false).await.cursor.unwrap();
    assert_eq!((cursor.full, cursor.arrived), (Some(WhyFull::TooMany), None));
    assert_eq!(cursor.because.unwrap(), "more than 8 rows have changed since");
    assert_eq!(world.table(), *source.rows.lock().unwrap());
    change(2, 20);
    change(4, 8);
    let cursor = world.run(false).await.cursor.unwrap();
    assert_eq!((cursor.full, cursor.arrived), (None, Some(8)));
    assert_eq!(world.table().values().filter(|(name, _)| name == "at 4").count(), 8);
}

#[tokio::test]
async fn a_source_that_does_not_take_the_condition_is_asked_for_all_rows() {
    for is_late in [false, true] {
        let source = Ledger { refuses: true, is_late, ..Ledger::default() };
        source.rows.lock().unwrap().insert(1, ("one".into(), Some(1)));
        let world = World::new(source.clone(), 0, 10);
        world.run(false).await;
        source.rows.lock().unwrap().insert(2, ("two".into(), Some(2)));
        let cursor = world.run(false).await.cursor.unwrap();
        assert_eq!((cursor.full, cursor.since), (Some(WhyFull::Refused), None));
        let because = cursor.because.unwrap();
        assert!(because.ends_with("the cursor's condition: no such syntax"), "{because}");
        assert_eq!(world.table(), *source.rows.lock().unwrap());
    }
}
