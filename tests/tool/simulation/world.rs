//! All that the processes of one course of events share, and what each of them is given.

use super::{
    draw::Draw,
    faults::{Clocks, Weather},
    ledger::Ledger,
    planted::Planted,
    process::Process,
    schedule::Tally,
    source::{Content, SimulatedSource},
    store::{LateWrite, SimulatedStore},
    target::SimulatedTarget,
    trace::{Trace, Violation},
};
use arrow::{
    array::{Array, AsArray, Int64Array, RecordBatch},
    datatypes::Int64Type,
};
use chrono::{DateTime, TimeDelta, Utc};
use hydrant::{
    clock::Clock,
    engine::{self, AbandonReport, Env, Observer, RunError, RunOptions, RunReport, Step},
    guard::{ShareRule, ShrinkRule, Then},
    point::Point,
    source::Model,
    store::{History, LeaseTimes, SyncStore},
    sync::{
        DuplicateKeys, ExportKind, ExposureSpec, GuardRules, NullKeys, Redact, RejectCeiling, Retention,
        SyncSpec,
    },
};
use hydrant_contract::{Deletes, Documents, Integer, Mode, SoftMark, TableName, Target, ValueType};
use hydrant_target_memory::{MemoryColumn, MemoryTarget};
use object_store::{ObjectStore, memory::InMemory};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Machines that start runs, each with a clock of its own.
pub(super) const MACHINES: usize = 3;
/// Rows of the application itself have keys from here on.
pub(super) const APPLICATION: i64 = 1_000_000;
const MARK: &str = "gone";

/// A row of the target: what its column `name` holds, and whether it is marked as gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: Option<String>,
    pub(super) gone: bool,
}

/// The rows that a target holds.
pub(super) type Held = BTreeMap<i64, Row>;

/// One runtime's share of the true time: while it runs, those below it are frozen.
#[derive(Clone, Copy)]
struct Level {
    began: Instant,
    before_ms: u64,
    processes: u64,
}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) steps: u64,
    pub(super) weather: Weather,
    /// Keys are below this.
    pub(super) keys: u64,
    pub(super) sync: SyncSpec,
    pub(super) objects: Arc<dyn ObjectStore>,
    /// The database itself, and the way to it, on which a bug may be planted.
    pub(super) database: MemoryTarget,
    pub(super) target: Arc<dyn Target>,
    pub(super) source: Mutex<Content>,
    /// What the source held before, to go back to.
    past: Mutex<Vec<Content>>,
    /// Rows that the target refuses at present.
    pub(super) refusal: Mutex<Refusal>,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) late: Mutex<Vec<LateWrite>>,
    /// Set when nothing shall go wrong any more.
    pub(super) calm: CancellationToken,
    /// Set when something happened that must not.
    pub(super) broken: CancellationToken,
    violation: Mutex<Option<Violation>>,
    trace: Mutex<Trace>,
    levels: Mutex<Vec<Level>>,
    offsets_ms: Mutex<[i64; MACHINES]>,
    next_process: AtomicU64,
    step: AtomicU64,
    tally: Mutex<Tally>,
    /// Processes whose runs go on.
    living: Mutex<Vec<Arc<Process>>>,
    memory_bytes: usize,
}

/// A rule by which the target refuses rows: keys with this remainder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) keys: Option<(i64, i64)>,
    /// It says that the row may be accepted once others are written.
    pub(super) may_settle: bool,
}

impl Refusal {
    pub(super) fn refuses(self, id: i64) -> bool {
        self.keys.is_some_and(|(modulus, remainder)| id % modulus == remainder)
    }
}

impl World {
    pub(super) fn new(
        seed: u64,
        steps: u64,
        weather: Option<Weather>,
        planted: Planted,
    ) -> (Arc<Self>, Draw) {
        let mut draw = Draw::new(seed);
        let of_seed = Weather::of(&mut draw);
        let weather = weather.unwrap_or(of_seed);
        let database = MemoryTarget::new();
        let mut sync = sync(&mut draw);
        // Not drawn, so that all else of a seed is what it was before there was this.
        if seed.is_multiple_of(3) {
            sync.export = ExportKind::Changes;
        }
        // Several batches have to be seen, and most of the time the bugs do not need them.
        let keys = draw.of(&[8, 12, 24, 24, 24, 60, 60, 200, 200, 2_600]);
        if draw.once_in(2) {
            made_by_the_application(&database, &sync);
        }
        let world = Self {
            seed,
            steps,
            weather,
            keys,
            objects: planted.on_store(Arc::new(InMemory::new())),
            target: planted.on_target(Arc::new(database.clone())),
            database,
            source: Mutex::default(),
            past: Mutex::default(),
            refusal: Mutex::default(),
            ledger: Mutex::default(),
            late: Mutex::default(),
            calm: CancellationToken::new(),
            broken: CancellationToken::new(),
            violation: Mutex::default(),
            trace: Mutex::default(),
            levels: Mutex::default(),
            offsets_ms: Mutex::default(),
            next_process: AtomicU64::new(1),
            step: AtomicU64::new(0),
            tally: Mutex::default(),
            living: Mutex::default(),
            // Now and then so little that fingerprints spill.
            memory_bytes: if draw.once_in(4) { 100_000 } else { 64 << 20 },
            sync,
        };
        world.note(
            None,
            format!(
                "{:?}, {} keys, {:?}, {:?}, export {:?}",
                world.sync.mode, keys, world.sync.deletes, world.sync.guard, world.sync.export
            ),
        );
        (Arc::new(world), draw)
    }

    /// What a process is given to run the sync.
    pub(super) fn env(process: &Arc<Process>) -> Env {
        let world = &process.world;
        let objects = Arc::new(SimulatedStore::new(process.clone()));
        Env {
            store: SyncStore::new(objects, &object_store::path::Path::default(), &world.sync.name),
            source: Arc::new(SimulatedSource(process.clone())),
            target: Arc::new(SimulatedTarget(process.clone())),
            clock: Arc::new(MachineClock { world: world.clone(), machine: process.machine }),
            observer: Arc::new(StepsNoted(process.clone())),
            stop: process.stop.clone(),
            memory_bytes: world.memory_bytes,
            scratch: std::env::temp_dir(),
            lease_times: LeaseTimes::default(),
        }
    }

    /// What a person may have said for a run.
    pub(super) fn options(draw: &mut Draw) -> RunOptions {
        let mut options = if draw.once_in(8) { Self::approve_all() } else { RunOptions::default() };
        options.resend = draw.once_in(20);
        options
    }

    /// Nothing is withheld.
    pub(super) fn approve_all() -> RunOptions {
        let all = "deletes=18446744073709551615,changes=18446744073709551615,rows=0,shrink=100,keys,schema";
        RunOptions { approved: all.parse().expect("an approval"), ..RunOptions::default() }
    }

    /// Runs the sync.
    pub(super) async fn run(process: &Arc<Process>, options: RunOptions) -> Result<RunReport, RunError> {
        process.resend.store(options.resend, Ordering::Relaxed);
        engine::run(&Self::env(process), &process.world.sync, options).await
    }

    /// Gives up the run that is sealed and not published, if there is one.
    pub(super) async fn abandon(process: &Arc<Process>) -> Option<Result<AbandonReport, RunError>> {
        let world = &process.world;
        let store =
            SyncStore::new(world.objects.clone(), &object_store::path::Path::default(), &world.sync.name);
        let run = History::load(&store).await.ok()?.pending?.run;
        process.note(format!("abandons run {run}"));
        Some(engine::abandon(&Self::env(process), &world.sync, run).await)
    }

    /// The rows that the target holds.
    pub(super) fn held(&self) -> Held {
        let Some(rows) = self.database.rows(&self.sync.table) else { return Held::new() };
        let ids: Int64Array = rows.column_by_name("id").unwrap().as_primitive::<Int64Type>().clone();
        let names = rows.column_by_name("name").unwrap().as_string::<i32>();
        let marks = rows.column_by_name(MARK).map(AsArray::as_boolean);
        (0..rows.num_rows())
            .map(|row| {
                let name = names.is_valid(row).then(|| names.value(row).to_owned());
                let gone = marks.is_some_and(|marks| marks.is_valid(row) && marks.value(row));
                (ids.value(row), Row { name, gone })
            })
            .collect()
    }

    pub(super) fn lock<'a, T>(&self, what: &'a Mutex<T>) -> MutexGuard<'a, T> {
        what.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, who: Option<u64>, what: String) {
        let depth = self.lock(&self.levels).len().saturating_sub(1);
        self.lock(&self.trace).note(self.now_ms(), depth, who, what);
    }

    pub(super) fn trace(&self) -> Trace {
        self.lock(&self.trace).clone()
    }

    /// Something happened that must not: the first such thing ends the course.
    pub(super) fn violated(&self, what: String) {
        let mut violation = self.lock(&self.violation);
        if violation.is_none() {
            self.note(None, format!("VIOLATION: {what}"));
            let (seed, step, steps) = (self.seed, self.step.load(Ordering::Relaxed), self.steps);
            *violation = Some(Violation { seed, step, steps, what, trace: self.trace() });
        }
        self.broken.cancel();
    }

    pub(super) fn count(&self, what: impl FnOnce(&mut Tally)) {
        what(&mut self.lock(&self.tally));
    }

    pub(super) fn tally(&self) -> Tally {
        *self.lock(&self.tally)
    }

    pub(super) fn begins(&self, process: &Arc<Process>) {
        self.lock(&self.living).push(process.clone());
    }

    /// Every process that goes on is about to be frozen, while others run.
    pub(super) fn all_freeze(&self) {
        for process in self.lock(&self.living).iter() {
            process.disturbed.store(true, Ordering::Relaxed);
            process.accompanied.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn ends(&self, process: &Process) {
        process.over.store(true, Ordering::Relaxed);
        self.lock(&self.living).retain(|living| living.id != process.id);
    }

    pub(super) fn violation(&self) -> Option<Violation> {
        self.lock(&self.violation).clone()
    }

    pub(super) fn next_step(&self) {
        self.step.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn next_process(&self) -> u64 {
        self.next_process.fetch_add(1, Ordering::Relaxed)
    }

    /// True time since the beginning.
    pub(super) fn now_ms(&self) -> u64 {
        let levels = self.lock(&self.levels);
        levels.last().map_or(0, |level| level.before_ms + millis(level.began.elapsed()))
    }

    /// Begins the time of a runtime; those below it stand still.
    pub(super) fn enter(&self, now_ms: u64) {
        self.lock(&self.levels).push(Level { began: Instant::now(), before_ms: now_ms, processes: 0 });
    }

    /// Ends the time of the runtime on top.
    pub(super) fn leave(&self) {
        self.lock(&self.levels).pop();
    }

    /// So much time has passed while this runtime, its timers included, stood still.
    pub(super) fn stood_still(&self, passed_ms: u64) {
        self.lock(&self.levels).last_mut().expect("a runtime wakes").before_ms += passed_ms;
    }

    /// The beginning of this runtime's time, and the turn that the next process of it has.
    pub(super) fn turn(&self) -> (Instant, u64) {
        let mut levels = self.lock(&self.levels);
        let level = levels.last_mut().expect("a process runs in a runtime");
        level.processes += 1;
        (level.began, level.processes)
    }

    pub(super) fn depth(&self) -> usize {
        self.lock(&self.levels).len()
    }

    /// What the clock of a machine shows.
    pub(super) fn clock(&self, machine: usize) -> DateTime<Utc> {
        let true_ms = i64::try_from(self.now_ms()).expect("a course does not take ages");
        let shown = true_ms + self.lock(&self.offsets_ms)[machine];
        DateTime::from_timestamp_millis(1_700_000_000_000 + shown).expect("a time in this millennium")
    }

    pub(super) fn set_clock(&self, machine: usize, offset_ms: i64) {
        self.lock(&self.offsets_ms)[machine] = offset_ms;
        for process in self.lock(&self.living).iter().filter(|process| process.machine == machine) {
            process.disturbed.store(true, Ordering::Relaxed);
        }
        self.note(None, format!("the clock of machine {machine} is {offset_ms} ms wrong"));
    }

    /// How wrong a clock may be set: half the allowance each way, so that no two differ by more than it.
    pub(super) fn clock_error_ms(&self, draw: &mut Draw) -> i64 {
        let most_ms = match self.weather.clocks {
            Clocks::Right => 0,
            Clocks::Within => LeaseTimes::default().skew.num_milliseconds() / 2,
            Clocks::Beyond => 200_000,
        };
        draw.below(2 * most_ms as u64 + 1) as i64 - most_ms
    }

    /// Changes the source's rows: sometimes not at all, sometimes back to what they were, sometimes all are gone.
    pub(super) fn change_source(&self, draw: &mut Draw) {
        let mut rows = self.lock(&self.source);
        let mut past = self.lock(&self.past);
        let before = rows.clone();
        let how = match draw.below(10) {
            0 => {
                rows.clear();
                "all rows are gone".to_owned()
            }
            1 | 2 if !past.is_empty() => {
                *rows = draw.of(&past);
                "the rows are what they were".to_owned()
            }
            few => {
                let changes = draw.below(if few < 7 { 6 } else { self.keys }) + 1;
                for _ in 0..changes {
                    let id = draw.below(self.keys) as i64;
                    match draw.below(5) {
                        0 => drop(rows.remove(&id)),
                        1 => drop(rows.insert(id, None)),
                        // Few values, so that rows change back to what they were.
                        _ => drop(rows.insert(id, Some(format!("v{}", draw.below(3))))),
                    }
                }
                format!("{changes} changes")
            }
        };
        if past.len() >= 4 {
            past.remove(0);
        }
        past.push(before);
        self.note(None, format!("source: {how}, {} rows now", rows.len()));
    }

    /// The rule by which the target refuses rows changes.
    pub(super) fn change_refusal(&self, draw: &mut Draw) {
        let modulus = (self.keys as i64 / 8).max(3);
        let keys = (!draw.once_in(3)).then(|| (modulus, draw.below(modulus as u64) as i64));
        let rule = Refusal { keys, may_settle: draw.once_in(3) };
        *self.lock(&self.refusal) = rule;
        self.note(None, format!("target: {rule:?}"));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("a course does not take ages")
}

fn sync(draw: &mut Draw) -> SyncSpec {
    let soft = Deletes::Soft { column: MARK.to_owned(), mark: SoftMark::Flag };
    let (mode, deletes) = draw.of(&[
        (Mode::Mirror, Deletes::Hard),
        (Mode::Mirror, Deletes::Hard),
        (Mode::Mirror, Deletes::Hard),
        (Mode::Mirror, soft.clone()),
        (Mode::Mirror, soft),
        (Mode::Mirror, Deletes::NullOut),
        (Mode::Upsert, Deletes::Hard),
    ]);
    SyncSpec {
        name: "items".into(),
        source: "simulated".into(),
        model: Model::default(),
        cursor: None,
        key: vec!["id".into()],
        target: "simulated".into(),
        table: TableName { schema: None, name: "items".into() },
        mode,
        deletes,
        documents: Documents::default(),
        columns: None,
        export: ExportKind::Full,
        duplicate_keys: DuplicateKeys::Error,
        null_keys: NullKeys::Error,
        guard: guard(draw),
        after: Vec::new(),
        retain: Retention::default(),
        redact: Redact::default(),
        refused: BTreeMap::new(),
        exposure: ExposureSpec::default(),
        rewrite: hydrant::sync::Rewrite::Never,
        rejects: draw.of(&[
            RejectCeiling { rows: 2, percent: 0.0 },
            RejectCeiling::default(),
            RejectCeiling::default(),
        ]),
    }
}

fn guard(draw: &mut Draw) -> GuardRules {
    let share = |rows, percent, then| ShareRule { rows, percent, then };
    let off = Then::Off;
    let mut rules = GuardRules {
        deletes: share(0, 40.0, Then::Withhold),
        changes: share(0, 0.0, off),
        shrink: ShrinkRule { percent: 50.0, then: off },
        keys: off,
        ..GuardRules::default()
    };
    match draw.below(6) {
        0 => rules.deletes = share(2, 10.0, Then::Withhold),
        1 => rules.deletes.then = off,
        2 => rules.changes = share(3, 50.0, Then::Withhold),
        3 => rules.shrink.then = draw.of(&[Then::Withhold, Then::Stop]),
        4 => rules = GuardRules::default(),
        _ => {}
    }
    rules
}

/// A table that was there before hydrant came, with rows of the application.
fn made_by_the_application(database: &MemoryTarget, sync: &SyncSpec) {
    let mut columns = vec![
        MemoryColumn::new("id", ValueType::Integer(Integer::I64)),
        MemoryColumn::new("name", ValueType::Text),
    ];
    if matches!(sync.deletes, Deletes::Soft { .. }) {
        columns.push(MemoryColumn::new(MARK, ValueType::Boolean));
    }
    database.make(&sync.table, columns, vec!["id".into()]);
    let ids = Int64Array::from_iter_values(APPLICATION..APPLICATION + 3);
    let rows = RecordBatch::try_from_iter([("id", Arc::new(ids) as _)]).unwrap();
    database.insert(&sync.table, &rows);
}

/// The clock of one machine.
struct MachineClock {
    world: Arc<World>,
    machine: usize,
}

impl Clock for MachineClock {
    fn now(&self) -> DateTime<Utc> {
        self.world.clock(self.machine)
    }
}

/// Notes the steps of a run among the other events.
struct StepsNoted(Arc<Process>);

impl Observer for StepsNoted {
    fn step(&self, _: &str, step: Step) {
        self.0.note(format!("{step}"));
    }

    fn exported(&self, _: &str, _: u64) {}

    fn compared(&self, _: &str, _: u64, _: u64) {}

    fn applied(&self, _: &str, _: u64, _: u64) {}

    fn reached(&self, _: &str, _: Point) {}
}

/// How far two clocks may differ.
pub(super) fn skew() -> TimeDelta {
    LeaseTimes::default().skew
}
