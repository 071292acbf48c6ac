//! A walk through all points.

use super::{
    order::{End, Moment, Order, Verb},
    world::{Churn, Place, REFUSED, Row, Rows, World, stock},
};
use crate::harness::{Database, Project};
use hydrant::point::Point;
use std::collections::BTreeSet;

/// How a run is made to come to a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A few changes of a published table.
    Light,
    /// Changes for several batches.
    Heavy,
    /// The first load, into a table that is not there.
    First,
    /// Values of a unique column move between rows of different batches, and some rows are refused.
    Moves,
    /// An export of several parts.
    Long,
    /// A sealed run is abandoned.
    Abandon,
    /// What runs have left behind is removed.
    Collect,
}

/// The ways on which a run is killed at a point, and the how manieth time that it comes there.
fn ways(point: Point) -> Vec<(Way, u32)> {
    match point {
        Point::Leased | Point::Inspected | Point::Exported | Point::Compared | Point::Sealing => {
            vec![(Way::Light, 1)]
        }
        Point::Claimed | Point::Sealed | Point::Publishing | Point::Published => {
            vec![(Way::Light, 1), (Way::First, 1)]
        }
        Point::Created => vec![(Way::First, 1)],
        Point::Sending => vec![(Way::Light, 1), (Way::Heavy, 1), (Way::Heavy, 2), (Way::First, 1)],
        Point::Committed => vec![(Way::Heavy, 1), (Way::Heavy, 2), (Way::First, 2), (Way::Moves, 1)],
        Point::Noted => vec![(Way::Heavy, 1), (Way::Heavy, 2), (Way::First, 1), (Way::Moves, 1)],
        Point::Applied => vec![(Way::Light, 1), (Way::Heavy, 1), (Way::Moves, 1)],
        Point::PartWritten => vec![(Way::Light, 1), (Way::Long, 2)],
        Point::Settling => vec![(Way::Moves, 1)],
        Point::Abandoning => vec![(Way::Abandon, 1)],
        Point::Collecting => vec![(Way::Collect, 1), (Way::Collect, 2), (Way::Collect, 6)],
    }
}

/// Every point at which a run is killed on this way.
fn moments(way: Way) -> Vec<Moment> {
    let of_point = |point: &Point| {
        let times = ways(*point).into_iter().filter(move |(other, _)| *other == way);
        times.map(|(_, nth)| Moment::new(*point, nth)).collect::<Vec<_>>()
    };
    Point::ALL.iter().flat_map(of_point).collect()
}

#[test]
fn is_through_every_point() {
    for point in Point::ALL {
        assert!(!ways(*point).is_empty(), "{point:?}");
    }
}

fn worlds(way: Way, sqlite: Place, postgres: Place, walk: fn(World, Vec<Moment>)) {
    walk(World::new(Project::sqlite(), sqlite, 1), moments(way));
    walk(World::new(Project::postgres(), postgres, 2), moments(way));
}

/// From one published state to the next, and killed on the way each time.
fn changes(mut world: World, moments: Vec<Moment>, rows: u32, churn: Churn) {
    world.begin(rows);
    world.run("before any kill");
    for moment in moments {
        let what = format!("{moment:?}");
        let (watch, before) = (world.watch(), world.rows().clone());
        let wanted = world.changed(churn);
        world.set(wanted.clone());
        world.killed(&Order::die(&world.name(), moment));
        let now = world.moved_on(&before);
        world.set(now);
        world.run(&what);
        world.untouched(&what, &watch, &[&before, &wanted]);
    }
}

fn light(world: World, moments: Vec<Moment>) {
    changes(world, moments, 300, Churn::LIGHT);
}

fn heavy(world: World, moments: Vec<Moment>) {
    changes(world, moments, 6_000, Churn::HEAVY);
}

/// Contract: C2, C8
#[test]
fn a_few_changes_with_the_store_in_a_folder() {
    worlds(Way::Light, Place::Folder, Place::Folder, light);
}

/// Contract: C2, C8
#[test]
fn a_few_changes_with_the_store_on_s3() {
    worlds(Way::Light, Place::S3, Place::S3, light);
}

/// Contract: C2, C3, C7, C9
#[test]
fn several_batches_into_sqlite() {
    heavy(World::new(Project::sqlite(), Place::Folder, 3), moments(Way::Heavy));
    heavy(World::new(Project::sqlite(), Place::S3, 4), moments(Way::Heavy));
}

/// Contract: C2, C3, C7, C9
#[test]
fn several_batches_into_postgres() {
    heavy(World::new(Project::postgres(), Place::Folder, 5), moments(Way::Heavy));
    heavy(World::new(Project::postgres(), Place::S3, 6), moments(Way::Heavy));
}

fn first_load(mut world: World, moments: Vec<Moment>) {
    for moment in moments {
        let what = format!("{moment:?}");
        world.begin(2_500);
        world.killed(&Order::die(&world.name(), moment));
        let now = world.moved_on(&Rows::new());
        world.set(now);
        world.run(&what);
    }
}

/// Contract: C2, C7
#[test]
fn a_first_load() {
    worlds(Way::First, Place::Folder, Place::S3, first_load);
    worlds(Way::First, Place::S3, Place::Folder, first_load);
}

fn long(mut world: World, moments: Vec<Moment>) {
    world.begin(300);
    world.run("before any kill");
    for moment in moments {
        let what = format!("{moment:?}");
        let before = world.rows().clone();
        let long = world.changed(Churn { total: 140_000, ..Churn::LIGHT });
        world.set(long);
        world.killed(&Order::die(&world.name(), moment));
        world.set(before);
        let now = world.changed(Churn::LIGHT);
        world.set(now);
        world.run(&what);
    }
}

/// Contract: C2
#[test]
fn an_export_of_several_parts() {
    worlds(Way::Long, Place::Folder, Place::S3, long);
}

fn moving(world: World, moments: Vec<Moment>) {
    refused(world, moments.into_iter().chain(settling()).collect());
}

/// In the batch in which rows that were refused are sent again.
fn settling() -> impl Iterator<Item = Moment> {
    let points = [Point::Sending, Point::Committed, Point::Published];
    points.into_iter().map(|point| Moment::new(point, 1).counted_after(Point::Settling))
}

fn refused(mut world: World, moments: Vec<Moment>) {
    world.begin(STOCK);
    world.make_table();
    world.run("before any kill");
    for moment in moments {
        moves(&mut world, moment);
    }
}

/// Contract: C2, C17, C20
#[test]
fn values_that_move_between_rows_and_rows_that_are_refused() {
    worlds(Way::Moves, Place::Folder, Place::S3, moving);
}

/// More than the first batch has.
const STOCK: u32 = 2_600;

/// Names change places between the first rows of a table and its last ones, other rows cannot be written.
fn moves(world: &mut World, moment: Moment) {
    let what = format!("{moment:?}");
    let before = world.rows().clone();
    let mut wanted = world.changed(Churn { updates_percent: 80, deletes_percent: 2, ..Churn::MEDIUM });
    let kept: Vec<u32> = before.keys().filter(|id| wanted.contains_key(id)).copied().collect();
    let pairs: Vec<(u32, u32)> =
        kept.iter().copied().zip(kept.iter().rev().copied()).step_by(3).take(20).collect();
    let swap = |rows: &mut Rows, pair: &(u32, u32)| {
        for (id, other) in [(pair.0, pair.1), (pair.1, pair.0)] {
            if let Some(row) = rows.get_mut(&id) {
                row.name = before[&other].name.clone();
            }
        }
    };
    pairs.iter().for_each(|pair| swap(&mut wanted, pair));
    for id in kept.iter().skip(100).take(15) {
        wanted.insert(*id, Row { score: REFUSED, ..before[id].clone() });
    }
    world.set(wanted);
    world.killed(&Order::die(&world.name(), moment));

    // Half of the swaps are taken back, the others stand: a pair's names change together, or there were twins.
    let mut now = world.moved_on(&before);
    for (id, row) in &mut now {
        row.name = format!("n{id}");
    }
    pairs.iter().step_by(2).for_each(|pair| swap(&mut now, pair));
    world.set(now.clone());
    let refused: BTreeSet<u32> =
        now.iter().filter(|(_, row)| row.score >= REFUSED).map(|(id, _)| *id).collect();
    let ran = world.project.run(&["run", &world.name()]);
    assert_eq!(ran.code, if refused.is_empty() { 0 } else { 4 }, "{what}: {}", ran.all());
    let mut held = now.clone();
    held.extend(refused.iter().map(|id| (*id, before[id].clone())));
    world.compare(&what, &held);
    // And all can be written.
    world.set(stock(STOCK));
    world.run(&what);
}

fn abandoned(mut world: World, moments: Vec<Moment>) {
    world.begin(2_200);
    world.run("before any kill");
    for moment in moments {
        for given_up in [true, false] {
            let what = format!("{moment:?}, abandoned in the end: {given_up}");
            let before = world.rows().clone();
            let wanted = world.changed(Churn::MEDIUM);
            world.set(wanted);
            world.killed(&Order::die(&world.name(), Moment::new(Point::Committed, 1)));
            let run = pending(&world);
            let abandon = |end| Order { verb: Verb::Abandon { run }, ..Order::run(&world.name(), end) };
            let die = Order::die("", moment.clone()).end;
            world.killed(&abandon(die));
            if given_up {
                let done = world.ended(&abandon(End::Natural));
                assert_eq!(done.code, 0, "{what}: {}", done.all());
            }
            let now = world.moved_on(&before);
            world.set(now);
            world.run(&what);
        }
    }
}

/// Contract: C2, C10
#[test]
fn a_run_that_is_being_abandoned() {
    worlds(Way::Abandon, Place::Folder, Place::S3, abandoned);
    worlds(Way::Abandon, Place::S3, Place::Folder, abandoned);
}

/// Contract: C2, C35
#[test]
fn the_removal_of_what_nothing_needs() {
    fn walk(mut world: World, moments: Vec<Moment>) {
        world.begin(300);
        world.run("before any kill");
        for moment in moments {
            // After a publication the run before it goes as well.
            let verbs = if moment.nth == 1 { vec![Verb::Run, Verb::Collect] } else { vec![Verb::Run] };
            for verb in verbs {
                let what = format!("{verb:?} {moment:?}");
                let before = world.rows().clone();
                // It leaves an export behind, in the place of the seal of a run that never was.
                let wanted = world.changed(Churn::LIGHT);
                world.set(wanted);
                world.killed(&Order::die(&world.name(), Moment::new(Point::Exported, 1)));
                let name = world.name();
                world.killed(&Order { verb, ..Order::die(&name, moment.clone()) });
                let now = world.moved_on(&before);
                world.set(now);
                world.run(&what);
                let left = world.project.ok(&["gc", "--dry-run", "--output", "json"]).json();
                assert_eq!(left["syncs"][0]["runs"], serde_json::json!([]), "{what}: {left}");
            }
        }
    }
    worlds(Way::Collect, Place::Folder, Place::S3, walk);
    worlds(Way::Collect, Place::S3, Place::Folder, walk);
}

/// The run that is sealed and not finished.
fn pending(world: &World) -> u64 {
    let status = world.project.ok(&["status", "--output", "json"]).json();
    status["syncs"][0]["pending"].as_u64().unwrap_or_else(|| panic!("no pending run: {status}"))
}

/// The same where only the rows that changed are kept of an export: all others are gone with the process that dies.
mod keeping_changes {
    use super::{Place, Project, Way, World, abandoned, first_load, heavy, light, long, moments, moving};

    fn walk(way: Way, sqlite: Place, postgres: Place, walk: fn(World, Vec<super::Moment>)) {
        walk(World::new(Project::sqlite(), sqlite, 11).keeping_changes(), moments(way));
        walk(World::new(Project::postgres(), postgres, 12).keeping_changes(), moments(way));
    }

    /// Contract: C2, C8, C41
    #[test]
    fn a_few_changes() {
        walk(Way::Light, Place::Folder, Place::S3, light);
    }

    /// Contract: C2, C3, C7, C9, C41
    #[test]
    fn several_batches() {
        walk(Way::Heavy, Place::S3, Place::Folder, heavy);
    }

    /// Contract: C2, C7
    #[test]
    fn a_first_load() {
        walk(Way::First, Place::Folder, Place::Folder, first_load);
    }

    /// Contract: C2, C41
    #[test]
    fn changes_of_several_parts() {
        walk(Way::Long, Place::Folder, Place::S3, long);
    }

    /// Contract: C2, C17, C20, C41
    #[test]
    fn values_that_move_between_rows_and_rows_that_are_refused() {
        walk(Way::Moves, Place::Folder, Place::Folder, moving);
    }

    /// Contract: C2, C10, C41
    #[test]
    fn a_run_that_is_being_abandoned() {
        walk(Way::Abandon, Place::Folder, Place::Folder, abandoned);
    }
}

/// The servers beside Postgres. What happens in the store alone is walked through with SQLite and Postgres.
mod elsewhere {
    use super::{
        Database, Moment, Order, Place, Point, Project, STOCK, Way, World, abandoned, first_load, heavy,
        light, moments, moving, refused, settling, stock,
    };

    /// A walk on one server: the store is in a folder, or on S3 for some.
    fn walk(project: Project, place: Place, way: Way, walk: fn(World, Vec<Moment>)) {
        walk(World::new(project, place, 7), moments(way));
    }

    /// Contract: C2, C8
    #[test]
    fn a_few_changes_in_mysql() {
        walk(Project::mysql(), Place::Folder, Way::Light, light);
    }

    /// Contract: C2, C8
    #[test]
    fn a_few_changes_in_mongodb() {
        walk(Project::mongodb(), Place::Folder, Way::Light, light);
    }

    /// Contract: C2, C3, C7, C9
    #[test]
    fn several_batches_into_mysql() {
        walk(Project::mysql(), Place::Folder, Way::Heavy, heavy);
    }

    /// Contract: C2, C3, C7, C9
    #[test]
    fn several_batches_into_mariadb() {
        walk(Project::mariadb(), Place::S3, Way::Heavy, heavy);
    }

    /// Contract: C2, C3, C7, C9
    #[test]
    fn several_batches_into_mongodb() {
        walk(Project::mongodb(), Place::S3, Way::Heavy, heavy);
    }

    /// Contract: C2, C7
    #[test]
    fn a_first_load_into_mysql() {
        walk(Project::mysql(), Place::Folder, Way::First, first_load);
    }

    /// Contract: C2, C7
    #[test]
    fn a_first_load_into_mongodb() {
        walk(Project::mongodb(), Place::Folder, Way::First, first_load);
    }

    /// Contract: C2, C17, C20
    #[test]
    fn values_that_move_between_rows_of_mysql() {
        walk(Project::mysql(), Place::Folder, Way::Moves, moving);
    }

    /// Contract: C2, C17, C20
    #[test]
    fn values_that_move_between_rows_of_mariadb() {
        walk(Project::mariadb(), Place::Folder, Way::Moves, moving);
    }

    /// Contract: C2, C17
    #[test]
    fn documents_that_mongodb_refuses() {
        let refusing = |moment: &Moment| moment.point() != Point::Settling;
        let moments = moments(Way::Moves).into_iter().filter(refusing).collect();
        refused(World::new(Project::mongodb(), Place::Folder, 7), moments);
    }

    /// Contract: C2, C20
    #[test]
    fn values_that_move_between_documents_of_mongodb() {
        let project = Project::mongodb();
        let Database::Mongodb { url } = &project.database else { unreachable!() };
        let url = url.clone();
        let mut world = World::new(project, Place::Folder, 8);
        world.begin(STOCK);
        world.make_table();
        Database::mongodb(&url, &["unique", &world.name()]);
        world.run("before any kill");
        for moment in moments(Way::Moves).into_iter().chain(settling()) {
            let what = format!("{moment:?}");
            let before = world.rows().clone();
            let swapped = |every: usize, score: u32| {
                let mut rows = before.clone();
                rows.values_mut().for_each(|row| row.score += score);
                let ends = before.keys().zip(before.keys().rev()).step_by(3).take(20);
                for (id, other) in ends.step_by(every) {
                    for (id, other) in [(id, other), (other, id)] {
                        rows.get_mut(id).expect("a row").name = before[other].name.clone();
                    }
                }
                rows
            };
            world.set(swapped(1, 1));
            world.killed(&Order::die(&world.name(), moment));
            // Half of the swaps are taken back.
            world.set(swapped(2, 2));
            world.run(&what);
            world.set(stock(STOCK));
            world.run(&what);
        }
    }

    /// Contract: C2, C10
    #[test]
    fn a_run_that_is_being_abandoned_in_mysql() {
        walk(Project::mysql(), Place::Folder, Way::Abandon, abandoned);
    }

    /// Contract: C2, C10
    #[test]
    fn a_run_that_is_being_abandoned_in_mongodb() {
        walk(Project::mongodb(), Place::Folder, Way::Abandon, abandoned);
    }
}
