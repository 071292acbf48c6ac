//! Killed more than once: the attempt to finish what a dead run has left behind dies too.

use super::{
    order::{Moment, Order},
    world::{Churn, Draw, Place, Rows, World},
};
use crate::harness::Project;
use hydrant::point::Point;

/// Points that every run which has something to do comes to.
const ALWAYS: [Point; 14] = [
    Point::Leased,
    Point::Inspected,
    Point::Claimed,
    Point::PartWritten,
    Point::Exported,
    Point::Compared,
    Point::Sealing,
    Point::Sealed,
    Point::Sending,
    Point::Committed,
    Point::Noted,
    Point::Applied,
    Point::Publishing,
    Point::Published,
];

/// Dies once, in the middle of its batches; the source moves on.
fn die_once(world: &mut World, before: &Rows) {
    let wanted = world.changed(Churn::MEDIUM);
    world.set(wanted);
    world.killed(&Order::die(&world.name(), Moment::new(Point::Committed, 1)));
    let now = world.moved_on(before);
    world.set(now);
}

fn rolling_forward(mut world: World) {
    world.begin(2_200);
    world.run("before any kill");
    let finishing = [Point::Inspected, Point::Claimed, Point::Sending, Point::Committed, Point::Noted];
    let finishing = finishing.into_iter().chain([Point::Applied, Point::Publishing, Point::Published]);
    let mut moments: Vec<_> = finishing.map(|point| Moment::new(point, 1)).collect();
    // The run after the one that is rolled forward.
    moments
        .extend([Point::Claimed, Point::Sealed].map(|p| Moment::new(p, 1).counted_after(Point::Published)));
    moments.push(Moment::new(Point::Committed, 1).counted_after(Point::Sealed));
    for moment in moments {
        let what = format!("{moment:?}, while a dead run was rolled forward");
        let before = world.rows().clone();
        die_once(&mut world, &before);
        world.killed(&Order::die(&world.name(), moment));
        let now = world.moved_on(&before);
        world.set(now);
        world.run(&what);
    }
}

/// Contract: C2, C7
#[test]
fn while_a_dead_run_is_rolled_forward_into_sqlite() {
    rolling_forward(World::new(Project::sqlite(), Place::Folder, 11));
}

/// Contract: C2, C7
#[test]
fn while_a_dead_run_is_rolled_forward_into_postgres() {
    rolling_forward(World::new(Project::postgres(), Place::S3, 12));
}

/// Contract: C2, C7
#[test]
fn while_a_dead_run_is_rolled_forward_into_mysql() {
    rolling_forward(World::new(Project::mysql(), Place::Folder, 13));
}

/// Contract: C2, C7
#[test]
fn while_a_dead_run_is_rolled_forward_into_mongodb() {
    rolling_forward(World::new(Project::mongodb(), Place::Folder, 14));
}

/// Three kills in a row, wherever the seed says, and the source moves on after each.
fn three_in_a_row(mut world: World, seed: u64) {
    let mut draw = Draw::new(seed);
    world.begin(1_500);
    world.run("before any kill");
    for round in 0..4 {
        let mut before = world.rows().clone();
        let mut what = format!("seed {seed}, round {round}: ");
        for _ in 0..3 {
            let churn = if draw.below(2) == 0 { Churn::LIGHT } else { Churn::MEDIUM };
            let wanted = world.changed(churn);
            world.set(wanted);
            let point = ALWAYS[usize::try_from(draw.below(ALWAYS.len() as u64)).expect("few")];
            what += &format!("{point:?}, ");
            world.killed(&Order::die(&world.name(), Moment::new(point, 1)));
            let now = world.moved_on(&before);
            before = world.rows().clone();
            world.set(now);
        }
        world.run(&what);
    }
}

/// Contract: C2
#[test]
fn three_times_in_a_row_on_sqlite() {
    for seed in seeds([101, 102]) {
        let place = if seed % 2 == 0 { Place::S3 } else { Place::Folder };
        three_in_a_row(World::new(Project::sqlite(), place, seed), seed);
    }
}

/// Contract: C2
#[test]
fn three_times_in_a_row_on_postgres() {
    for seed in seeds([103, 104]) {
        let place = if seed % 2 == 0 { Place::S3 } else { Place::Folder };
        three_in_a_row(World::new(Project::postgres(), place, seed), seed);
    }
}

/// These, or the one that shall be repeated.
fn seeds(usual: [u64; 2]) -> Vec<u64> {
    match std::env::var("HYDRANT_TEST_SEED") {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => usual.to_vec(),
    }
}
