//! Killed while the table is built anew.

use super::{
    order::{Moment, Order},
    world::{Churn, Place, World},
};
use crate::harness::Project;
use hydrant::point::Point;
use std::os::unix::process::ExitStatusExt;

/// Microseconds after it is begun: while rows are copied, indexes are built, tables are exchanged, and after that.
const MOMENTS_US: [u64; 5] = [2_000, 10_000, 30_000, 60_000, 120_000];

/// What is left of tables that were not finished.
fn shadows(world: &World) -> String {
    world.project.query("SELECT count(*) FROM pg_class WHERE relname LIKE 'hydrant_rebuild_%'")[0].clone()
}

/// Contract: C2, C42
#[test]
fn anywhere_while_a_table_is_built_anew() {
    let mut world = World::new(Project::postgres(), Place::Folder, 41).with("rewrite: always");
    world.begin(3_000);
    world.run("before any kill");
    let points = [Point::Committed, Point::Publishing].map(|p| Moment::new(p, 1));
    let between = MOMENTS_US.map(|later| Moment::new(Point::Sending, 1).later(later));
    for moment in points.into_iter().chain(between) {
        let before = world.rows().clone();
        let wanted = world.changed(Churn::MEDIUM);
        world.set(wanted.clone());
        let ended =
            world.command(&Order::die(&world.name(), moment.clone())).output().expect("the child starts");
        let killed = ended.status.signal() == Some(9);
        assert!(killed || (moment.later_us > 20_000 && ended.status.success()), "{moment:?}: {ended:?}");
        let now = world.moved_on(&before);
        world.set(now);
        world.run(&format!("{moment:?}"));
        assert_eq!(shadows(&world), "0", "{moment:?}");
    }
}
