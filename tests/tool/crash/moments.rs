//! Killed at moments that are no points: in the middle of a transaction, and while the server commits.

use super::{
    order::{End, Moment, Order},
    world::{Churn, Place, World},
};
use crate::harness::{Project, Session, eventually};
use hydrant::point::Point;
use std::os::unix::process::ExitStatusExt;

/// Microseconds after a batch is begun.
const MOMENTS_US: [u64; 9] = [500, 2_000, 5_000, 9_000, 14_000, 20_000, 30_000, 45_000, 60_000];

/// Killed at these moments of one batch.
fn anywhere_in_a_batch(project: Project, seed: u64, moments_us: &[u64]) {
    let mut world = World::new(project, Place::Folder, seed);
    world.begin(6_000);
    world.run("before any kill");
    // A batch takes some tens of milliseconds: its beginning, its rows, its commit, and the next one's.
    for later_us in moments_us.iter().copied() {
        let moment = Moment::new(Point::Sending, 1).later(later_us);
        let what = format!("{moment:?}");
        let (watch, before) = (world.watch(), world.rows().clone());
        let wanted = world.changed(Churn::HEAVY);
        world.set(wanted.clone());
        let ended = world.command(&Order::die(&world.name(), moment)).output().expect("the child starts");
        // On a fast machine the last of them may come too late.
        let killed = ended.status.signal() == Some(9);
        assert!(killed || (later_us > 20_000 && ended.status.success()), "{what}: {:?}", ended);
        let now = world.moved_on(&before);
        world.set(now);
        world.run(&what);
        world.untouched(&what, &watch, &[&before, &wanted]);
    }
}

/// Contract: C2, C9
#[test]
fn anywhere_in_a_transaction_of_sqlite() {
    anywhere_in_a_batch(Project::sqlite(), 31, &MOMENTS_US);
}

/// Contract: C2, C9
#[test]
fn anywhere_in_a_transaction_of_mysql() {
    anywhere_in_a_batch(Project::mysql(), 34, &MOMENTS_US);
}

/// Contract: C2, C9
#[test]
fn anywhere_in_a_transaction_of_mariadb() {
    anywhere_in_a_batch(Project::mariadb(), 35, &MOMENTS_US);
}

/// The server keeps the transaction of a dead client, and the documents that it has written, for up to a minute, which the next
/// run waits for. So there are few moments.
///
/// Contract: C2, C9
#[test]
fn anywhere_in_a_transaction_of_mongodb() {
    anywhere_in_a_batch(Project::mongodb(), 36, &[5_000, 20_000]);
}

impl World {
    /// How many sessions of this database are like this.
    fn sessions(&self, condition: &str) -> u32 {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
             AND ({condition})"
        );
        self.project.query(&sql)[0].parse().expect("a number")
    }
}

/// Contract: C2, C9
#[test]
fn in_the_middle_of_a_transaction_of_postgres() {
    let mut world = World::new(Project::postgres(), Place::Folder, 32);
    world.begin(6_000);
    world.run("before any kill");
    for lock_outlasts_the_start_of_the_next_run in [false, true] {
        let (watch, before) = (world.watch(), world.rows().clone());
        let wanted = world.changed(Churn::HEAVY);
        let in_second_batch = *before
            .iter()
            .skip(4_000)
            .find(|(id, row)| wanted.get(id).is_some_and(|new| new != *row))
            .expect("a changed row")
            .0;
        world.set(wanted.clone());
        let holder = Session::begin(
            &world.project.database,
            &format!("BEGIN; SELECT FROM {} WHERE id = {in_second_batch} FOR UPDATE", world.name()),
        );
        let mut child = world.start(&Order::run(&world.name(), End::Natural));
        eventually("a batch that waits for the lock", || world.sessions("wait_event_type = 'Lock'") == 1);
        child.kill().expect("SIGKILL");
        child.wait().expect("it ends");
        let now = world.moved_on(&before);
        world.set(now);
        // The server does not know yet that its client is gone: the transaction is open, and holds the checkpoint's row.
        assert_eq!(world.sessions("wait_event_type = 'Lock'"), 1);
        if lock_outlasts_the_start_of_the_next_run {
            let next = world.project.start(&["run", &world.name()]);
            eventually("a run that waits for the dead one", || {
                world.sessions("wait_event_type = 'Lock'") == 2
            });
            holder.end();
            assert!(next.wait_with_output().expect("it ends").status.success());
        } else {
            holder.end();
        }
        world.run("killed while it waited for a lock");
        world.untouched("killed while it waited for a lock", &watch, &[&before, &wanted]);
    }
}

/// The server has the whole transaction and goes on with its commit, nobody waits for the answer any more.
///
/// Contract: C2, C9
#[test]
fn while_postgres_commits() {
    let mut world = World::new(Project::postgres(), Place::S3, 33);
    world.begin(6_000);
    world.run("before any kill");
    // A rule of the application for one row, which is looked at while the transaction commits, and takes its time. hydrant
    // has all rules looked at before it commits; so this one is put off again, by the table that it is for.
    let slow = 10;
    let table = world.name();
    for sql in [
        "CREATE TABLE late (id bigint)",
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION slow()",
        "CREATE FUNCTION put_off() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN SET CONSTRAINTS public.slow DEFERRED; INSERT INTO public.late VALUES (NEW.id); RETURN NULL; END $$",
        &format!(
            "CREATE CONSTRAINT TRIGGER put_off AFTER UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW WHEN (NEW.id = {slow}) EXECUTE FUNCTION put_off()"
        ),
    ] {
        world.project.query(sql);
    }
    for next_run_comes_at_once in [false, true] {
        let what =
            format!("killed while the server commits, the next run comes at once: {next_run_comes_at_once}");
        let before = world.rows().clone();
        let mut wanted = world.changed(Churn::HEAVY);
        let mut row = before[&slow].clone();
        row.score += 100;
        wanted.insert(slow, row.clone());
        world.set(wanted);
        let mut child = world.start(&Order::run(&world.name(), End::Natural));
        eventually("a commit", || world.sessions("state = 'active' AND query = 'COMMIT'") == 1);
        child.kill().expect("SIGKILL");
        child.wait().expect("it ends");
        let mut now = world.moved_on(&before);
        now.insert(slow, row);
        world.set(now);
        if !next_run_comes_at_once {
            eventually("the end of the commit", || world.sessions("query = 'COMMIT'") == 0);
            let score = format!("SELECT score FROM {} WHERE id = {slow}", world.name());
            let score: u32 = world.project.query(&score)[0].parse().expect("a number");
            assert_eq!(score, world.rows()[&slow].score, "the batch was committed, and nobody was told");
        }
        world.run(&what);
    }
}
