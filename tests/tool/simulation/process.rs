//! One process that runs the sync, and what every call that it makes goes through.

use super::{
    draw::Draw,
    faults::{Fate, Sleep, When},
    schedule,
    source::Content,
    store::LateWrite,
    world::World,
};
use chrono::{DateTime, Utc};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Calls of two tasks never arrive at the same time: each has a place of its own among this many milliseconds. So their order
/// does not depend on how long the machine that plays the simulation takes for anything.
const ROUND_MS: u64 = 64;
const LANES: u64 = 4;
/// Faults are planned for one of so many calls of a run: one that writes a few batches makes about that many.
const CALLS: u64 = 60;
/// How deep processes are frozen above each other.
const DEPTH_MAX: usize = 3;

/// Which task of a process calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// The run itself.
    Run,
    /// Whatever keeps the lease.
    Lease,
    /// The export, which reads and uploads on the side.
    Export,
    /// Whoever starts, stops and kills it.
    Outside,
}

/// A process.
pub(super) struct Process {
    pub(super) id: u64,
    pub(super) machine: usize,
    pub(super) world: Arc<World>,
    /// Asks the run to stop.
    pub(super) stop: CancellationToken,
    /// The run's future must be dropped.
    pub(super) ended: CancellationToken,
    /// Nothing that the process still has on its way gets done.
    dead: AtomicBool,
    /// Whether it was ever frozen, or its clock was set.
    pub(super) disturbed: AtomicBool,
    /// Whether another process was there at the same time.
    pub(super) accompanied: AtomicBool,
    /// Whether its run has ended, or is gone.
    pub(super) over: AtomicBool,
    /// Whether it was told to send everything.
    pub(super) resend: AtomicBool,
    /// When it must stop by its own clock, as far as it knows.
    pub(super) stop_by: Mutex<Option<DateTime<Utc>>>,
    /// The rows that its query has returned.
    pub(super) seen: Mutex<Content>,
    began: Instant,
    turn: u64,
    main: Mutex<Option<tokio::task::Id>>,
    calls: AtomicU64,
    planned: BTreeMap<u64, Fate>,
    lanes: [Mutex<Draw>; LANES as usize],
}

/// What a call is, for the trace.
pub(super) struct Call {
    pub(super) name: String,
    /// It is about leases.
    pub(super) lease: bool,
    /// How it could still be done if the answer is an error.
    pub(super) late: Option<LateWrite>,
}

impl Call {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), lease: false, late: None }
    }
}

impl Process {
    pub(super) fn new(world: &Arc<World>, machine: usize, draw: &mut Draw) -> Arc<Self> {
        let fates = &world.weather.fates;
        let faults =
            if fates.is_empty() || world.calm.is_cancelled() { 0 } else { draw.of(&[0, 0, 1, 1, 1, 2, 4]) };
        let planned = (0..faults).map(|_| (draw.below(CALLS), draw.of(fates))).collect();
        let (began, turn) = world.turn();
        Arc::new(Self {
            id: world.next_process(),
            machine,
            world: world.clone(),
            stop: CancellationToken::new(),
            ended: CancellationToken::new(),
            dead: AtomicBool::new(false),
            disturbed: AtomicBool::new(false),
            accompanied: AtomicBool::new(world.depth() > 1),
            over: AtomicBool::new(false),
            resend: AtomicBool::new(false),
            stop_by: Mutex::default(),
            seen: Mutex::default(),
            began,
            turn: turn % (ROUND_MS / LANES),
            main: Mutex::default(),
            calls: AtomicU64::new(0),
            planned,
            lanes: std::array::from_fn(|_| Mutex::new(draw.fork())),
        })
    }

    /// This task is the run.
    pub(super) fn is_main(&self) {
        *self.world.lock(&self.main) = tokio::task::try_id();
    }

    pub(super) fn note(&self, what: String) {
        self.world.note(Some(self.id), what);
    }

    /// What the process's clock shows.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.world.clock(self.machine)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Numbers for what happens on this lane.
    pub(super) fn draw(&self, lane: Lane) -> Draw {
        self.world.lock(&self.lanes[lane as usize]).fork()
    }

    /// Nothing that it has on its way gets done any more.
    pub(super) fn kill(&self) {
        self.note("is killed".to_owned());
        self.dead.store(true, Ordering::Relaxed);
        self.ended.cancel();
    }

    fn lane(&self, call: &Call) -> Lane {
        match (*self.world.lock(&self.main) == tokio::task::try_id(), call.lease) {
            (true, _) => Lane::Run,
            (false, true) => Lane::Lease,
            (false, false) => Lane::Export,
        }
    }

    /// Waits until it is this lane's turn, at least so many milliseconds from now.
    pub(super) async fn turn(&self, lane: Lane, least_ms: u64) {
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).expect("a course does not take ages");
        let mine = self.turn * LANES + lane as u64;
        let least_ms = now_ms + least_ms.max(1);
        let at_ms = least_ms + (mine + ROUND_MS - least_ms % ROUND_MS) % ROUND_MS;
        tokio::time::sleep_until(self.began + Duration::from_millis(at_ms)).await;
    }

    /// A dead process does nothing any more, and none does once something has happened that must not.
    async fn alive(&self) {
        if self.is_dead() || self.world.broken.is_cancelled() {
            std::future::pending().await
        }
    }

    fn fate(&self, lane: Lane, draw: &mut Draw) -> Fate {
        if self.world.calm.is_cancelled() {
            return Fate::Fine;
        }
        match lane {
            Lane::Run => {
                let call = self.calls.fetch_add(1, Ordering::Relaxed);
                self.planned.get(&call).copied().unwrap_or(Fate::Fine)
            }
            // Less often: the run would never come far.
            Lane::Lease | Lane::Export if !self.planned.is_empty() && draw.once_in(12) => {
                draw.of(&self.world.weather.fates)
            }
            Lane::Lease | Lane::Export | Lane::Outside => Fate::Fine,
        }
    }

    /// Makes a call: `work` is what the server does.
    pub(super) async fn call<T, E>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T, E>>,
        error: impl Fn(bool, &'static str) -> E,
    ) -> Result<T, E> {
        self.alive().await;
        let lane = self.lane(&call);
        let mut draw = self.draw(lane);
        self.turn(lane, draw.below(20)).await;
        self.alive().await;
        LateWrite::land_due(&self.world).await;
        let fate = match self.fate(lane, &mut draw) {
            Fate::Late if call.late.is_none() => Fate::Refused,
            fate => fate,
        };
        match fate {
            Fate::Fine => self.note(call.name),
            _ => self.note(format!("{}: {fate:?}", call.name)),
        }
        match fate {
            Fate::Fine => work.await,
            Fate::Slow => {
                self.turn(lane, 1_000 + draw.below(25_000)).await;
                self.alive().await;
                work.await
            }
            Fate::Refused => Err(error(true, "refused, as the seed says")),
            Fate::RefusedForGood => Err(error(false, "refused for good, as the seed says")),
            Fate::LostAnswer => {
                work.await?;
                Err(error(true, "the answer was lost, as the seed says"))
            }
            Fate::LostAnswerHang => {
                work.await?;
                self.turn(lane, 5_000 + draw.below(100_000)).await;
                Err(error(true, "the answer never came, as the seed says"))
            }
            Fate::Hang => {
                self.turn(lane, 5_000 + draw.below(100_000)).await;
                Err(error(true, "no answer, as the seed says"))
            }
            Fate::Late => {
                if let Some(write) = call.late {
                    write.by(&self.world, draw.below(200_000));
                }
                Err(error(true, "no answer yet, as the seed says"))
            }
            Fate::Killed(when) => {
                self.dead_within(when, work, &mut draw).await;
                self.dead.store(true, Ordering::Relaxed);
                self.end().await
            }
            Fate::Dropped(when) => {
                self.dead_within(when, work, &mut draw).await;
                self.end().await
            }
            Fate::Frozen(When::Before, sleep) => {
                self.freeze(sleep, &mut draw).await;
                work.await
            }
            Fate::Frozen(When::Within, sleep) => {
                let mut work = std::pin::pin!(work);
                let some = Duration::from_millis(draw.below(ROUND_MS));
                let done = tokio::time::timeout(some, &mut work).await;
                self.freeze(sleep, &mut draw).await;
                match done {
                    Ok(answer) => answer,
                    Err(_) => work.await,
                }
            }
            Fate::Frozen(When::After, sleep) => {
                let answer = work.await;
                self.freeze(sleep, &mut draw).await;
                answer
            }
        }
    }

    /// As much of the work as is done before the process is gone.
    async fn dead_within<T>(&self, when: When, work: impl Future<Output = T>, draw: &mut Draw) {
        match when {
            When::Before => {}
            When::Within => {
                let some = Duration::from_millis(draw.below(ROUND_MS));
                let _ = tokio::time::timeout(some, work).await;
            }
            When::After => drop(work.await),
        }
    }

    async fn end<T>(&self) -> T {
        self.ended.cancel();
        std::future::pending().await
    }

    /// The whole runtime of this process stands still while others go on.
    async fn freeze(&self, sleep: Sleep, draw: &mut Draw) {
        if self.world.depth() >= DEPTH_MAX {
            return;
        }
        self.world.all_freeze();
        self.world.count(|tally| tally.frozen += 1);
        let passed_ms = schedule::meanwhile(&self.world, draw.fork());
        match sleep {
            Sleep::Suspended => self.world.stood_still(passed_ms),
            Sleep::Stopped => tokio::time::advance(Duration::from_millis(passed_ms)).await,
        }
        self.note(format!("wakes after {} s", passed_ms / 1000));
        self.alive().await;
    }
}
