//! A source, a store and a target; what the source holds is known here, and what the target must hold.

use super::{
    child::{self, GO_ON},
    order::Order,
};
use crate::harness::{Database, Project, Ran, required, signal};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    os::unix::process::ExitStatusExt,
    process::{Child, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

/// The rows of the source, by key.
pub(super) type Rows = BTreeMap<u32, Row>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) score: u32,
}

/// Tables that a test makes itself refuse scores from here on.
pub(super) const REFUSED: u32 = 1_000_000;

/// What a trigger is for, and which row it tells of.
const WRITES: [(&str, &str); 3] = [("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")];

/// Where the store is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Folder,
    S3,
}

pub(super) struct World {
    pub(super) project: Project,
    store: String,
    /// What every sync has beside the rest.
    setting: &'static str,
    /// Which rows of an export are kept.
    export: &'static str,
    tables: u32,
    /// What the source returns now.
    rows: Rows,
    pub(super) draw: Draw,
}

/// How much changes at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Churn {
    /// Of a hundred rows, so many are updated.
    pub(super) updates_percent: u64,
    /// So many are deleted.
    pub(super) deletes_percent: u64,
    /// So many changes there shall be at least; inserts make up for what is missing.
    pub(super) total: u64,
}

impl Churn {
    pub(super) const LIGHT: Self = Self { updates_percent: 10, deletes_percent: 5, total: 60 };
    /// Two batches, since the first has 2 000 changes.
    pub(super) const MEDIUM: Self = Self { updates_percent: 70, deletes_percent: 8, total: 2_800 };
    /// Three batches, since the second has at most twice as many.
    pub(super) const HEAVY: Self = Self { updates_percent: 70, deletes_percent: 8, total: 7_000 };
}

impl World {
    pub(super) fn new(project: Project, place: Place, seed: u64) -> Self {
        let store = match place {
            Place::Folder => "./store".to_owned(),
            Place::S3 => s3(&required("HYDRANT_TEST_S3")),
        };
        let draw = Draw::new(seed);
        Self { project, store, setting: "", export: "full", tables: 0, rows: Rows::new(), draw }
    }

    /// Syncs with this setting, too.
    pub(super) fn with(self, setting: &'static str) -> Self {
        Self { setting, ..self }
    }

    /// The same, where only the rows that changed are kept of an export.
    pub(super) fn keeping_changes(self) -> Self {
        Self { export: "changes", ..self }
    }

    /// The same store under another address.
    pub(super) fn store_at(&mut self, store: String) {
        self.store = store;
        self.configure();
    }

    /// The name of the present sync, and of its table.
    pub(super) fn name(&self) -> String {
        format!("items_{}", self.tables)
    }

    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Goes on with another sync and another table, which is not there yet.
    pub(super) fn begin(&mut self, rows: u32) {
        self.tables += 1;
        self.configure();
        self.set(stock(rows));
    }

    /// Nothing is kept that is not needed: what is removed too early is missed at once.
    fn configure(&self) {
        let (store, target, name) = (&self.store, &self.project.environment["TARGET"], self.name());
        let export = self.export;
        self.project.write(
            "hydrant.yml",
            &format!(
                "store: {store}\nscratch: .\nexport: {export}\n\
                 sources:\n  lake: {{ type: files, tables: {{ items: items.csv }} }}\n\
                 targets:\n  app: {target}\n\
                 syncs:\n  {name}:\n    source: lake\n    model: items.sql\n    target: app\n    table: {name}\n    \
                 key: [id]\n    guard: {{ deletes: off, shrink: off }}\n    \
                 retain: {{ runs: 1, days: 0 }}\n    {}\n",
                self.setting
            ),
        );
    }

    /// Makes the table as an application would, with a column of unique values and a rule for another one.
    pub(super) fn make_table(&self) {
        self.project.database.make(&self.name(), REFUSED);
    }

    /// The source changes.
    pub(super) fn set(&mut self, rows: Rows) {
        let mut csv = String::from("id,name,score\n");
        for (id, Row { name, score }) in &rows {
            writeln!(csv, "{id},{name},{score}").expect("a string");
        }
        self.project.items(&csv);
        self.rows = rows;
    }

    /// What the source might hold some time later.
    pub(super) fn changed(&mut self, churn: Churn) -> Rows {
        let mut rows = Rows::new();
        let mut changes = 0;
        for (id, row) in &self.rows {
            let drawn = self.draw.below(100);
            changes += u64::from(drawn < churn.updates_percent + churn.deletes_percent);
            if drawn < churn.updates_percent {
                rows.insert(*id, Row { score: row.score + 1, ..row.clone() });
            } else if drawn >= churn.updates_percent + churn.deletes_percent {
                rows.insert(*id, row.clone());
            }
        }
        let first = self.rows.keys().next_back().map_or(0, |id| id + 1);
        for id in (first..).take(usize::try_from(churn.total.saturating_sub(changes).max(5)).expect("few")) {
            rows.insert(id, Row { name: format!("n{id}"), score: 7 });
        }
        rows
    }

    /// What the source holds when a run that wanted to bring `before` to the present rows has died. Of the rows that it was
    /// to change, some are what it wanted; some are what they were before: values that changed back, inserted rows that are
    /// gone, deleted rows that have come back; and some are something else.
    pub(super) fn moved_on(&mut self, before: &Rows) -> Rows {
        let wanted = std::mem::take(&mut self.rows);
        let keys: BTreeSet<u32> = before.keys().chain(wanted.keys()).copied().collect();
        let mut rows = Rows::new();
        for id in keys {
            let (old, new) = (before.get(&id), wanted.get(&id));
            let row = match self.draw.below(5) {
                _ if old == new && self.draw.below(50) > 0 => new.cloned(),
                0 => new.cloned(),
                1 | 2 => old.cloned(),
                3 => None,
                _ => old.or(new).map(|row| Row { score: row.score + 2, ..row.clone() }),
            };
            rows.extend(row.map(|row| (id, row)));
        }
        for id in (wanted.keys().next_back().map_or(0, |id| id + 1)..).take(5) {
            rows.insert(id, Row { name: format!("n{id}"), score: 8 });
        }
        self.rows = wanted;
        rows
    }

    /// A child process with an order.
    pub(super) fn command(&self, order: &Order) -> Command {
        let mut command = child::command(order);
        command.current_dir(self.project.path("")).envs(&self.project.environment);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(super) fn start(&self, order: &Order) -> Child {
        self.command(order).spawn().expect("the child starts")
    }

    /// Lets a child run, which must end by SIGKILL: otherwise the moment at which it should have died never came.
    pub(super) fn killed(&self, order: &Order) {
        let ended = self.command(order).output().expect("the child starts");
        let said = Ran::of(&ended).all();
        assert_eq!(ended.status.signal(), Some(9), "{order:?} was not killed: {}\n{said}", ended.status);
    }

    /// Lets a child run to its own end, and returns its exit code and what it said.
    pub(super) fn ended(&self, order: &Order) -> Ran {
        Ran::of(&self.command(order).output().expect("the child starts"))
    }

    /// Lets a process that stands still go on, to its own end.
    pub(super) fn goes_on(&self, child: Child) -> Ran {
        self.project.write(GO_ON, "");
        signal(&child, "CONT");
        let ended = Ran::of(&child.wait_with_output().expect("it ends"));
        std::fs::remove_file(self.project.path(GO_ON)).expect("the file");
        ended
    }

    /// Runs the sync with the binary, and compares.
    pub(super) fn run(&self, what: &str) {
        let ran = self.project.run(&["run", &self.name()]);
        assert_eq!(ran.code, 0, "{what}: {}", ran.all());
        self.compare(what, &self.rows);
    }

    /// The table holds these rows, each once, and no others.
    pub(super) fn compare(&self, what: &str, wanted: &Rows) {
        let found = self.project.database.rows(&self.name(), &["id", "name", "score"]);
        let wanted: Vec<_> =
            wanted.iter().map(|(id, Row { name, score })| format!("{id}|{name}|{score}")).collect();
        let (is, be): (BTreeSet<_>, BTreeSet<_>) = (found.iter().collect(), wanted.iter().collect());
        let differ = |a: &BTreeSet<_>, b: &BTreeSet<_>| a.difference(b).take(5).cloned().collect::<Vec<_>>();
        assert!(
            found == wanted,
            "{what}: the table has {} rows and the source {}; only in the table {:?}, only in the source {:?}",
            found.len(),
            wanted.len(),
            differ(&is, &be),
            differ(&be, &is),
        );
    }

    /// From now on it shows which rows are written.
    pub(super) fn watch(&self) -> Watch {
        let table = self.name();
        let query = |sql: &str| self.project.query(sql);
        match self.project.database {
            Database::Sqlite(_) => {
                query(&format!(
                    "CREATE TABLE IF NOT EXISTS written_{table} (id INTEGER, at INTEGER PRIMARY KEY)"
                ));
                query(&format!("CREATE INDEX IF NOT EXISTS by_id_{table} ON written_{table} (id)"));
                query(&format!("DELETE FROM written_{table}"));
                for (verb, row) in WRITES {
                    query(&format!(
                        "CREATE TRIGGER IF NOT EXISTS {table}_{verb} AFTER {verb} ON {table} \
                         BEGIN INSERT INTO written_{table} (id) VALUES ({row}.id); END"
                    ));
                }
            }
            Database::Mysql { .. } => {
                query(&format!(
                    "CREATE TABLE IF NOT EXISTS written_{table} \
                     (id BIGINT, at BIGINT AUTO_INCREMENT PRIMARY KEY, KEY (id))"
                ));
                query(&format!("DELETE FROM written_{table}"));
                for (verb, row) in WRITES {
                    query(&format!(
                        "CREATE TRIGGER IF NOT EXISTS {table}_{verb} AFTER {verb} ON {table} \
                         FOR EACH ROW INSERT INTO written_{table} (id) VALUES ({row}.id)"
                    ));
                }
            }
            // It knows by itself.
            Database::Postgres { .. } | Database::Mongodb { .. } => {}
        }
        Watch(self.versions())
    }

    /// What stands for the version of each row: a row that is written gets another one.
    fn versions(&self) -> BTreeMap<u32, String> {
        let table = self.name();
        let lines = match &self.project.database {
            Database::Sqlite(_) | Database::Mysql { .. } => self.project.query(&format!(
                "SELECT id, (SELECT count(*) FROM written_{table} w WHERE w.id = t.id) FROM {table} t"
            )),
            Database::Postgres { .. } => self.project.query(&format!("SELECT id, xmin FROM {table}")),
            // Nothing in a document says that it was written, and the log of the tests' server is read too slowly. What is sent
            // is the engine's choice, whatever the target.
            Database::Mongodb { .. } => return BTreeMap::new(),
        };
        let number = |line: String| {
            let (id, version) = line.split_once('|').expect("two columns");
            (id.parse().expect("a number"), version.to_owned())
        };
        lines.into_iter().map(number).collect()
    }

    /// Of the rows that were the same all the time, none was written.
    pub(super) fn untouched(&self, what: &str, watch: &Watch, sources: &[&Rows]) {
        let now = self.versions();
        let mut same = 0;
        for (id, row) in &self.rows {
            if sources.iter().all(|rows| rows.get(id) == Some(row)) {
                assert_eq!(watch.0.get(id), now.get(id), "{what}: row {id} never changed, and was written");
                same += 1;
            }
        }
        assert!(same > 20, "{what}: only {same} rows did not change");
    }
}

/// Rows to begin with.
pub(super) fn stock(rows: u32) -> Rows {
    (0..rows).map(|id| (id, Row { name: format!("n{id}"), score: 0 })).collect()
}

/// Versions of the rows at some time.
pub(super) struct Watch(BTreeMap<u32, String>);

/// A place in the bucket of the tests that nobody else uses, by way of this server.
pub(super) fn s3(endpoint: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_nanos();
    format!(
        "{{ url: \"s3://hydrant-test/crash-{}-{now}\", options: {{ endpoint: \"{endpoint}\", region: us-east-1, \
         access_key_id: test, secret_access_key: testsecret, allow_http: \"true\" }} }}",
        std::process::id()
    )
}

/// xorshift64*: a seed means the same for ever.
#[derive(Clone, Debug)]
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % end
    }
}
