//! The course of events: what happens in which order, all of it drawn from one seed.

use super::{
    draw::Draw,
    faults::{Clocks, Weather},
    planted::Planted,
    process::{Lane, Process},
    promise,
    trace::{Trace, Violation},
    world::{MACHINES, Refusal, World},
};
use futures::future::join_all;
use hydrant::{
    engine::{Failure, RunError, RunOptions, RunReport},
    store::LeaseError,
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// How often what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) published: u64,
    pub(super) failed: u64,
    pub(super) killed: u64,
    pub(super) withheld: u64,
    pub(super) rejected: u64,
    pub(super) rolled_forward: u64,
    pub(super) frozen: u64,
    pub(super) abandoned: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.published += other.published;
        self.failed += other.failed;
        self.killed += other.killed;
        self.withheld += other.withheld;
        self.rejected += other.rejected;
        self.rolled_forward += other.rolled_forward;
        self.frozen += other.frozen;
        self.abandoned += other.abandoned;
    }
}

/// Plays one seed to its end.
pub(super) fn play(
    seed: u64,
    steps: u64,
    weather: Option<Weather>,
    planted: Planted,
) -> Result<(Tally, Trace), Box<Violation>> {
    let (world, mut draw) = World::new(seed, steps, weather, planted);
    let course = async {
        world.enter(0);
        for _ in 0..steps {
            world.next_step();
            step(&world, &mut draw).await;
        }
        world.next_step();
        end(&world, &mut draw).await;
    };
    in_a_runtime(&world, seed, course);
    match world.violation() {
        Some(violation) => Err(Box::new(violation)),
        None => Ok((world.tally(), world.trace())),
    }
}

/// What happens while a process is frozen: time passes, others run. Returns how long that took.
pub(super) fn meanwhile(world: &Arc<World>, mut draw: Draw) -> u64 {
    let before_ms = world.now_ms();
    let course = |mut draw: Draw| async move {
        world.enter(before_ms);
        let (least_ms, most_ms) =
            draw.of(&[(0, 20_000), (66_000, 90_000), (66_000, 90_000), (200_000, 400_000)]);
        pass(least_ms + draw.below(most_ms - least_ms)).await;
        // Fewer, the deeper: a course shall come to its end.
        let most = if world.depth() > 2 { 1 } else { 3 };
        for _ in 0..draw.below(most) + 1 {
            Box::pin(step(world, &mut draw)).await;
        }
    };
    // On a thread of its own, because this one is within a runtime; it waits, and so stands still.
    let after_ms = std::thread::scope(|scope| {
        let seed = draw.next();
        let thread = scope.spawn(move || in_a_runtime(world, seed, course(draw)));
        thread.join().expect("a thread ends well")
    });
    after_ms - before_ms
}

/// A runtime whose time passes only when nobody has anything to do.
/// Returns the true time at the end.
fn in_a_runtime(world: &World, seed: u64, course: impl Future<Output = ()>) -> u64 {
    // The jitter of retries.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        tokio::select! {
            biased;
            () = world.broken.cancelled() => {}
            () = course => {}
        }
        let now_ms = world.now_ms();
        world.leave();
        now_ms
    })
}

async fn pass(time_ms: u64) {
    tokio::time::sleep(Duration::from_millis(time_ms)).await;
}

/// A few things change, and then one or several schedulers start a run.
async fn step(world: &Arc<World>, draw: &mut Draw) {
    if !draw.once_in(3) {
        world.change_source(draw);
    }
    if world.weather.rejects && draw.once_in(3) {
        world.change_refusal(draw);
    }
    if world.weather.clocks != Clocks::Right && draw.once_in(3) {
        set_clock(world, draw);
    }
    // Often long enough for the lease of a process that was killed to end.
    let (least_ms, most_ms) = draw.of(&[(0, 1), (0, 100_000), (66_000, 90_000)]);
    pass(least_ms + draw.below(most_ms - least_ms)).await;
    let at_once = if world.weather.races && draw.once_in(2) { 2 + draw.below(2) } else { 1 };
    let runs: Vec<_> = (0..at_once)
        .map(|_| {
            let wait_ms = draw.of(&[0, 0, 100, 5_000, 70_000]);
            scheduled(world, draw.below(wait_ms + 1), at_once > 1, draw.fork())
        })
        .collect();
    join_all(runs).await;
}

fn set_clock(world: &World, draw: &mut Draw) {
    let machine = draw.below(MACHINES as u64) as usize;
    world.set_clock(machine, world.clock_error_ms(draw));
}

/// A scheduler starts a run, and perhaps it is asked to stop, or is killed at some time.
async fn scheduled(world: &Arc<World>, wait_ms: u64, accompanied: bool, mut draw: Draw) {
    let process = Process::new(world, draw.below(MACHINES as u64) as usize, &mut draw);
    process.accompanied.fetch_or(accompanied, Ordering::Relaxed);
    process.turn(Lane::Outside, wait_ms).await;
    let options = World::options(&mut draw);
    let some_time = |draw: &mut Draw| if draw.once_in(12) { draw.below(8_000) } else { u64::MAX / 4 };
    let (stop_ms, kill_ms) = (some_time(&mut draw), some_time(&mut draw));
    let work = if draw.once_in(12) { Work::Abandon } else { Work::Run(options) };
    let outcome = tokio::select! {
        biased;
        outcome = run(&process, work) => outcome,
        () = after(&process, stop_ms, || process.stop.cancel()) => None,
        () = after(&process, kill_ms, || process.kill()) => None,
    };
    match outcome {
        None => world.count(|tally| tally.killed += 1),
        Some(Ok(None)) => world.count(|tally| tally.abandoned += 1),
        Some(Ok(Some(report))) => {
            world.count(|tally| {
                tally.published += 1;
                tally.withheld += u64::from(report.counts.deletes_withheld > 0);
                tally.rejected += report.counts.rejected;
                tally.rolled_forward += u64::from(report.rolled_forward.is_some());
            });
            promise::holds(&process, &report);
        }
        Some(Err(error)) => {
            world.count(|tally| tally.failed += 1);
            promise::explained(&process, &error);
        }
    }
}

/// Does something after a while; never ends, because the run goes on.
async fn after(process: &Process, time_ms: u64, act: impl FnOnce()) {
    if time_ms < u64::MAX / 4 {
        process.turn(Lane::Outside, time_ms).await;
        act();
    }
    std::future::pending().await
}

/// What a process does.
#[derive(Clone, Debug)]
enum Work {
    Run(RunOptions),
    Abandon,
}

/// What a process did: the report of a run, or none for anything else.
type Done = Result<Option<RunReport>, RunError>;

/// One process and its work; none if it was killed or its work dropped, or there was nothing to do.
async fn run(process: &Arc<Process>, work: Work) -> Option<Done> {
    let world = process.world.clone();
    world.begins(process);
    process.note(format!("starts on machine {}: {work:?}", process.machine));
    let mut task = tokio::spawn({
        let process = process.clone();
        async move {
            process.is_main();
            match work {
                Work::Run(options) => Some(World::run(&process, options).await.map(Some)),
                Work::Abandon => World::abandon(&process).await.map(|outcome| outcome.map(|_| None)),
            }
        }
    });
    let outcome = tokio::select! {
        biased;
        () = process.ended.cancelled() => {
            task.abort();
            let _ = (&mut task).await;
            None
        }
        outcome = &mut task => Some(outcome),
    };
    world.ends(process);
    match outcome {
        None => {
            process.note("is gone".to_owned());
            None
        }
        Some(Ok(outcome)) => {
            process.note(match &outcome {
                Some(Ok(Some(report))) => format!("succeeds: run {}, {:?}", report.run, report.counts),
                Some(Ok(None)) => "succeeds".to_owned(),
                Some(Err(error)) => format!("fails: {error}"),
                None => "has nothing to do".to_owned(),
            });
            outcome
        }
        Some(Err(panic)) => {
            world.violated(format!("process {} panics: {panic}", process.id));
            None
        }
    }
}

/// Nothing goes wrong any more: one run makes the target equal to the source, and the next one has nothing to do.
async fn end(world: &Arc<World>, draw: &mut Draw) {
    world.calm.cancel();
    world.note(None, "from here on nothing goes wrong".to_owned());
    *world.lock(&world.refusal) = Refusal::default();
    (0..MACHINES).for_each(|machine| world.set_clock(machine, 0));
    pass(400_000).await;
    let mut reports = Vec::new();
    for _ in 0..8 {
        let process = Process::new(world, 0, draw);
        process.turn(Lane::Outside, 1).await;
        match run(&process, Work::Run(World::approve_all())).await {
            Some(Ok(Some(report))) => {
                promise::holds(&process, &report);
                promise::at_the_end(world, &report);
                reports.push(report.counts);
            }
            Some(Err(error)) => {
                promise::explained(&process, &error);
                // Somebody took it before the end, and its clock was ahead.
                if let Failure::Lease(LeaseError::Held(record)) = &*error.failure {
                    let left = record.expires - process.now();
                    pass(left.num_milliseconds().max(0) as u64 + 10_000).await;
                }
            }
            Some(Ok(None)) | None => {}
        }
        if let [.., counts] = reports.as_slice()
            && reports.len() == 2
        {
            if counts.inserts + counts.updates + counts.deletes > 0 {
                world.violated(format!("nothing changed, and the last run sends {counts:?}"));
            }
            return;
        }
    }
    world.violated("nothing goes wrong any more, and still no run can be had".to_owned());
}
