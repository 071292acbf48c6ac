//! Disks that are full: hydrant says so, leaves nothing half-done, and goes on when there is room.
//!
//! They are file systems of some kilobytes, in a mount namespace that ends with the process.

use super::{csv, first_day, side_by_side, unavailable};
use crate::harness::{Database, Project, Ran, postgres_server, psql};
use std::{path::Path, process::Command};

/// Runs hydrant twice with the project's folder `small` on a disk of this size, which has room the second time.
fn twice(project: &Project, size: &str, afterwards: &str) -> (Ran, Ran) {
    std::fs::create_dir_all(project.path("small")).expect("a folder");
    let script = format!(
        "mount -t tmpfs -o size={size} tmpfs small || exit 99
         \"$0\" run >1.out 2>1.err; echo $? >1.code
         mount -o remount,size=64m small
         \"$0\" run >2.out 2>2.err; echo $? >2.code
         {afterwards}"
    );
    // The real root needs no namespace of users, and may not be allowed one.
    let status = ["-m", "-rm"].iter().find_map(|how| {
        let mut command = Command::new("unshare");
        command.args([how, "sh", "-c", &script, env!("CARGO_BIN_EXE_hydrant")]);
        let like = project.command(&[]);
        command.current_dir(like.get_current_dir().expect("a folder"));
        command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.status().ok().filter(std::process::ExitStatus::success)
    });
    assert!(
        status.is_some(),
        "no small disk can be made: that takes root or user namespaces (unshare -rm). Leave the tests of full disks out \
         with: cargo nextest run -E 'not test(full::)'"
    );
    let ran = |number: u32| Ran {
        code: project.read(&format!("{number}.code")).trim().parse().expect("a code"),
        stdout: project.read(&format!("{number}.out")),
        stderr: project.read(&format!("{number}.err")),
    };
    (ran(1), ran(2))
}

fn assert_equal(found: &[String], csv: &str) {
    let mut wanted: Vec<_> = csv.lines().skip(1).map(|line| line.replace(',', "|")).collect();
    let mut found = found.to_vec();
    wanted.sort();
    found.sort();
    assert!(found == wanted, "the rows differ: {} are there, {} are wanted", found.len(), wanted.len());
}

/// However far it comes: what is sealed is there to its last byte, or the second run could not finish it.
///
/// Contract: C7, C12
#[test]
fn a_full_store_seals_nothing_that_is_not_there() {
    let sizes = [8, 24, 64, 160, 260, 300, 340, 380, 420, 460, 500, 600];
    let failed = std::sync::Mutex::new(Vec::new());
    side_by_side(sizes, |kilobytes| {
        let project = Project::sqlite();
        let config = project.read("hydrant.yml").replace("./store", "./small/store");
        project.write("hydrant.yml", &config);
        project.items(&first_day());
        let listing = "find small -type f >files";
        let (first, second) = twice(&project, &format!("{kilobytes}k"), listing);
        if first.code != 0 {
            unavailable(&first, &["No space left on device", "make room where the store is"]);
            failed.lock().expect("no panic").push(kilobytes);
        }
        assert_eq!(second.code, 0, "{kilobytes} kB: {}", second.all());
        assert_equal(&project.query("SELECT id, name FROM items"), &first_day());
        let files = project.read("files");
        assert!(!files.contains('#'), "{kilobytes} kB: half of an object stayed behind:\n{files}");
    });
    let failed = failed.into_inner().expect("no panic");
    assert!((3..sizes.len()).contains(&failed.len()), "the disk was full at {failed:?} kB");
}

/// Half a minute each, side by side.
///
/// Contract: C7, C12
#[test]
fn a_full_disk_under_a_target_is_waited_for_and_then_said() {
    side_by_side([sqlite, postgres], |case: fn()| case());
}

fn sqlite() {
    let project = Project::sqlite();
    let config = project.read("hydrant.yml").replace("path: app.db", "path: small/app.db");
    project.write("hydrant.yml", &config);
    project.items(&first_day());
    let rows = "sqlite3 small/app.db 'SELECT id, name FROM items' >rows; \
                sqlite3 small/app.db 'PRAGMA integrity_check' >integrity";
    let (first, second) = twice(&project, "300k", rows);
    unavailable(&first, &["database or disk is full"]);
    assert_eq!(second.code, 0, "{}", second.all());
    assert!(second.stdout.contains("finished first"), "{}", second.stdout);
    let rows: Vec<_> = project.read("rows").lines().map(str::to_owned).collect();
    assert_equal(&rows, &first_day());
    assert_eq!(project.read("integrity").trim(), "ok");
}

#[test]
fn a_full_scratch_folder_is_named_with_what_to_do() {
    let project = Project::sqlite();
    let config = project.read("hydrant.yml");
    project.write("hydrant.yml", &format!("memory: 16MiB\nscratch: ./small\n{config}"));
    // More fingerprints than the memory holds.
    let rows = csv((0..170_000).map(|id| (id, "")));
    project.items(&rows);
    let (first, second) = twice(&project, "1m", "find small -type f >files");
    unavailable(
        &first,
        &["spilling fingerprints to", "small", "No space left on device", "make room in the scratch folder"],
    );
    assert!(!first.stderr.contains("sealed"), "{}", first.stderr);
    assert_eq!(second.code, 0, "{}", second.all());
    assert_equal(&project.query("SELECT id, name FROM items"), &rows);
    assert_eq!(project.read("files"), "", "nothing stays in the scratch folder");
}

/// All rows wait there until it is known which of them changed.
///
/// Contract: C12, C41
#[test]
fn a_scratch_folder_without_room_for_the_rows_is_named_with_what_to_do() {
    let project = Project::sqlite();
    project.sync("key: [id]\nexport: changes");
    project.items(&csv((0..10).map(|id| (id, "first"))));
    project.ok(&["run"]);
    let config = project.read("hydrant.yml");
    project.write("hydrant.yml", &format!("scratch: ./small\n{config}"));
    let rows = csv((0..100_000).map(|id| (id, "a name that takes some room")));
    project.items(&rows);
    let (first, second) = twice(&project, "1m", "find small -type f >files");
    unavailable(
        &first,
        &["setting rows aside in", "small", "No space left on device", "make room in the scratch folder"],
    );
    assert_eq!(second.code, 0, "{}", second.all());
    assert_equal(&project.query("SELECT id, name FROM items"), &rows);
    assert_eq!(project.read("files"), "", "nothing stays in the scratch folder");
}

/// A tablespace on a disk of its own. Only root can make one that the server sees.
struct SmallDisk {
    folder: tempfile::TempDir,
    tablespace: String,
    database: String,
}

impl SmallDisk {
    fn new(name: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Self { folder, tablespace: format!("small_{name}"), database: name.to_owned() };
        if !disk.mount("size=500k,mode=0755,uid=postgres") {
            return None;
        }
        let create = format!("CREATE TABLESPACE {} LOCATION '{}'", disk.tablespace, disk.path().display());
        let made = Command::new("psql").args(["-XAtq", "-d", &postgres_server(), "-c", &create]).output();
        made.is_ok_and(|made| made.status.success()).then_some(disk)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn mount(&self, options: &str) -> bool {
        // The server's account looks into the folder's parents, too.
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(self.path()).output();
        mounted.is_ok_and(|mounted| mounted.status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let server = postgres_server();
        for sql in [
            format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database),
            format!("DROP TABLESPACE IF EXISTS {}", self.tablespace),
        ] {
            let _ = Command::new("psql").args(["-XAtq", "-d", &server, "-c", &sql]).output();
        }
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

/// Without root the server's answer is what a trigger of the table says: the same SQLSTATE, from the same server.
fn postgres() {
    let project = Project::postgres();
    let Database::Postgres { url } = &project.database else { unreachable!() };
    let name = url.rsplit_once('/').expect("a database in the URL").1;
    project.items(&first_day());
    let disk = SmallDisk::new(name);
    match &disk {
        Some(disk) => {
            let tablespace = &disk.tablespace;
            project.query(&format!(
                "CREATE TABLE items (id bigint PRIMARY KEY, name text) TABLESPACE {tablespace}"
            ));
        }
        None => {
            project.query(
                "CREATE TABLE items (id bigint PRIMARY KEY, name text); \
                 CREATE FUNCTION full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                   RAISE 'no room' USING ERRCODE = 'disk_full'; END $$; \
                 CREATE TRIGGER full BEFORE INSERT ON items FOR EACH STATEMENT EXECUTE FUNCTION full()",
            );
        }
    }
    let ran = project.run(&["run"]);
    unavailable(&ran, &["53100"]);
    match &disk {
        Some(disk) => assert!(disk.mount("remount,size=64m"), "the disk grows"),
        None => drop(psql(url, "DROP TRIGGER full ON items")),
    }
    let ran = project.ok(&["run"]);
    assert!(ran.stdout.contains("finished first"), "{}", ran.stdout);
    assert_equal(&project.query("SELECT id, name FROM items"), &first_day());
    drop(disk);
}
