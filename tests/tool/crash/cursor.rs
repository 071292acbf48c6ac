//! An incremental run is killed, the source moves on, and the next run leaves the table as if nothing had happened.

use super::{
    child,
    order::{Moment, Order},
};
use crate::harness::{Project, Ran, everywhere};
use hydrant::point::Point;
use std::os::unix::process::ExitStatusExt;

const POINTS: [Point; 8] = [
    Point::Claimed,
    Point::PartWritten,
    Point::Exported,
    Point::Compared,
    Point::Sealed,
    Point::Committed,
    Point::Applied,
    Point::Published,
];

fn killed(project: &Project, point: Point) {
    let mut command = child::command(&Order::die("items", Moment::new(point, 1)));
    command.current_dir(project.path("")).envs(&project.environment);
    let ended = command.output().expect("the child starts");
    assert_eq!(ended.status.signal(), Some(9), "{point:?}: {}", Ran::of(&ended).all());
}

/// Contract: C2, C7
#[test]
fn an_incremental_run_that_is_killed_is_finished_or_forgotten() {
    everywhere(|project| {
        for point in POINTS {
            let project = project();
            project.sync("key: [id]\ncursor: { column: version, lookback: 0 }");
            project.items("id,name,version\n1,one,1\n2,two,2\n3,three,3\n");
            project.ok(&["run"]);
            project.items("id,name,version\n1,one,1\n2,zwei,4\n3,three,3\n4,four,5\n");
            killed(&project, point);
            // One row more has changed, and one that the dead run was about has changed again.
            project.items("id,name,version\n1,uno,6\n2,deux,7\n3,three,3\n4,four,5\n");
            let report = project.report();
            let is_sealed =
                !matches!(point, Point::Claimed | Point::PartWritten | Point::Exported | Point::Compared);
            // What was finished counts: the next run asks from there on.
            let since = if is_sealed { "5" } else { "3" };
            assert_eq!(report["cursor"]["since"], since, "{point:?}: {report}");
            let rows = project.query("SELECT id, name, version FROM items ORDER BY id");
            assert_eq!(rows, ["1|uno|6", "2|deux|7", "3|three|3", "4|four|5"], "{point:?}");
        }
    });
}
