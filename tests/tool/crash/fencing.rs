//! A holder of the lease that was stopped for so long that another process took over, and then goes on.

use super::{
    order::{End, Moment, Order, Signal, Verb},
    world::{Churn, Place, World},
};
use crate::harness::{Project, eventually};
use hydrant::point::Point;
use std::{fs, process::Child};

/// Longer than a lease lasts.
const AHEAD_S: i64 = 120;

/// Starts a run that stops at a moment, and waits until it has.
fn stopped(world: &World, moment: &Moment, lease_ms: Option<(i64, i64)>) -> Child {
    let end = End::At { moment: moment.clone(), signal: Signal::Stop };
    let child = world.start(&Order { lease_ms, ..Order::run(&world.name(), end) });
    let stat = format!("/proc/{}/stat", child.id());
    eventually("a process that stands still", || {
        let stat = fs::read_to_string(&stat).expect("a process");
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        assert_ne!(state, Some('Z'), "it ended before it came to {moment:?}");
        state == Some('T')
    });
    child
}

/// Lets the process go on to its end. It must end with one of these codes, 5 for one whose place another one has taken, and
/// have written nothing.
fn goes_on(world: &World, child: Child, codes: &[i32], what: &str) {
    let checkpoint = checkpoint(world);
    let ended = world.goes_on(child);
    assert!(codes.contains(&ended.code), "{what}: {} {}", ended.code, ended.all());
    world.compare(what, world.rows());
    assert_eq!(self::checkpoint(world), checkpoint, "{what}");
}

/// Everything that the target remembers of the sync, the time of the last write too.
fn checkpoint(world: &World) -> Vec<String> {
    world.project.database.remembered(&world.name())
}

/// A process whose clock says that the lease has ended: nobody has to wait for that.
fn takes_over(world: &World, verb: Verb) {
    let order = Order { clock_ahead_s: AHEAD_S, verb, ..Order::run(&world.name(), End::Natural) };
    let ended = world.ended(&order);
    assert_eq!(ended.code, 0, "{}", ended.all());
}

/// The process that was stopped thinks that it holds the lease, since that is what its clock says: only the target can tell it.
fn only_the_epoch_tells(mut world: World) {
    world.begin(2_200);
    world.run("at first");
    let moments = [
        // Before anything of it is sealed: its late seal must do no harm.
        Moment::new(Point::Claimed, 1),
        Moment::new(Point::Sealing, 1),
        Moment::new(Point::Sealed, 1),
        // In the middle of its batches, which the other one finishes.
        Moment::new(Point::Sending, 2),
        Moment::new(Point::Committed, 1),
        // Between the last batch and the publication.
        Moment::new(Point::Applied, 1),
        Moment::new(Point::Publishing, 1),
    ];
    for moment in moments {
        let what = format!("stopped: {moment:?}");
        let before = world.rows().clone();
        let wanted = world.changed(Churn::MEDIUM);
        world.set(wanted);
        let child = stopped(&world, &moment, None);
        let now = world.moved_on(&before);
        world.set(now);
        takes_over(&world, Verb::Run);
        world.compare(&what, world.rows());
        match moment.point() {
            // Where the other one's word that the run is published is removed again, it says so once more, of an old run.
            Point::Publishing => goes_on(&world, child, &[0, 5], &what),
            _ => goes_on(&world, child, &[5], &what),
        }
        // What it has left behind in the store does not mislead the next run.
        let now = world.changed(Churn::LIGHT);
        world.set(now);
        world.run(&what);
    }
}

/// Contract: C13, C14
#[test]
fn not_one_row_is_written_to_sqlite() {
    only_the_epoch_tells(World::new(Project::sqlite(), Place::Folder, 41));
}

/// Contract: C13, C14
#[test]
fn not_one_row_is_written_to_postgres() {
    only_the_epoch_tells(World::new(Project::postgres(), Place::S3, 42));
}

/// Contract: C13, C14
#[test]
fn not_one_row_is_written_to_mysql() {
    only_the_epoch_tells(World::new(Project::mysql(), Place::Folder, 45));
}

/// Contract: C13, C14
#[test]
fn not_one_document_is_written_to_mongodb() {
    only_the_epoch_tells(World::new(Project::mongodb(), Place::Folder, 46));
}

/// Where the run stands still between two calls; one that stands still inside of a call to a server without transactions is
/// what the lease is waited out for.
///
/// Contract: C13, C39
#[test]
fn not_one_document_is_written_to_mongodb_without_transactions() {
    only_the_epoch_tells(World::new(Project::mongodb_alone(), Place::Folder, 47));
}

/// The same with a lease that really ends, so that the process may notice by itself.
///
/// Contract: C14
#[test]
fn not_one_row_is_written_after_the_end_of_a_lease() {
    for project in [Project::sqlite(), Project::postgres()] {
        let mut world = World::new(project, Place::Folder, 43);
        world.begin(2_200);
        world.run("at first");
        for point in [Point::Sealing, Point::Sending] {
            let what = format!("stopped at {point:?}");
            let before = world.rows().clone();
            let wanted = world.changed(Churn::MEDIUM);
            world.set(wanted);
            let short = Some((2_000, 200));
            let child = stopped(&world, &Moment::new(point, 1), short);
            let now = world.moved_on(&before);
            world.set(now);
            let taker = Order { lease_ms: short, ..Order::run(&world.name(), End::Natural) };
            eventually("the end of the lease", || {
                let ended = world.ended(&taker);
                assert!([0, 5].contains(&ended.code), "{}", ended.all());
                ended.code == 0
            });
            world.compare(&what, world.rows());
            // If it notices by itself, it cannot tell whether another one has taken over.
            goes_on(&world, child, &[5, 7], &what);
            world.run(&what);
        }
    }
}

/// The operator abandons the run of a process that is stopped; nobody has claimed the target since, so that process may go on
/// with its batches, and even publish. Whatever it did counts as unknown.
///
/// Contract: C10, C14
#[test]
fn a_run_that_goes_on_although_it_was_abandoned_does_no_harm() {
    for (project, place) in [(Project::sqlite(), Place::S3), (Project::postgres(), Place::Folder)] {
        let mut world = World::new(project, place, 44);
        world.begin(2_200);
        world.run("at first");
        for moment in [Moment::new(Point::Sending, 2), Moment::new(Point::Publishing, 1)] {
            for next_run_comes_first in [false, true] {
                let what = format!("stopped: {moment:?}, the next run comes first: {next_run_comes_first}");
                let before = world.rows().clone();
                let wanted = world.changed(Churn::MEDIUM);
                world.set(wanted);
                let child = stopped(&world, &moment, None);
                let status = world.project.ok(&["status", "--output", "json"]).json();
                let run = status["syncs"][0]["pending"].as_u64().expect("a pending run");
                takes_over(&world, Verb::Abandon { run });
                let now = world.moved_on(&before);
                world.set(now);
                if next_run_comes_first {
                    world.run(&what);
                    // With nothing left to write, it still publishes what nobody looks at any more.
                    goes_on(&world, child, &[0, 5], &what);
                } else {
                    let ended = world.goes_on(child);
                    assert!([0, 5].contains(&ended.code), "{what}: {}", ended.all());
                }
                let now = world.changed(Churn::LIGHT);
                world.set(now);
                world.run(&what);
            }
        }
    }
}
