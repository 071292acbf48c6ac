//! A project in a folder of its own, a database to look into, and the binary.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// A folder with `hydrant.yml`, a model and its data.
pub(crate) struct Project {
    folder: tempfile::TempDir,
    pub(crate) database: Database,
    pub(crate) environment: BTreeMap<String, String>,
}

/// The target of a project, looked into by the database's own command line program.
pub(crate) enum Database {
    Sqlite(PathBuf),
    Postgres { url: String },
    Mysql { url: String, client: String },
    Mongodb { url: String },
}

/// What the binary printed, and how it ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Databases that a test runs on, one after the other.
pub(crate) fn everywhere(test: impl Fn(fn() -> Project)) {
    test(Project::sqlite);
    test(Project::postgres);
}

/// A name that no other test uses: numbers of processes come again, and databases stay.
fn unused() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let started = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_micros();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("tool_{started:x}_{}_{number}", std::process::id())
}

/// A URL with another database.
fn with_database(url: &str, name: &str) -> String {
    let (start, rest) = url.rsplit_once('/').filter(|_| !url.contains('?')).map_or_else(
        || {
            let (place, options) = url.split_once('?').expect("options");
            (place.rsplit_once('/').expect("a URL with a database").0, format!("?{options}"))
        },
        |(start, _)| (start, String::new()),
    );
    format!("{start}/{name}{rest}")
}

impl Project {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::Sqlite(folder.path().join("app.db"));
        Self::new(folder, database, "{ type: sqlite, path: app.db }")
    }

    /// In a database of its own.
    pub(crate) fn postgres() -> Self {
        let (server, name) = (postgres_server(), unused());
        psql(&server, &format!("CREATE DATABASE {name}"));
        let url = with_database(&server, &name);
        Self::at("postgres", &url, Database::Postgres { url: url.clone() })
    }

    pub(crate) fn mysql() -> Self {
        Self::of_mysql("HYDRANT_TEST_MYSQL", "HYDRANT_TEST_MYSQL_CLIENT")
    }

    pub(crate) fn mariadb() -> Self {
        Self::of_mysql("HYDRANT_TEST_MARIADB", "HYDRANT_TEST_MARIADB_CLIENT")
    }

    fn of_mysql(server: &str, client: &str) -> Self {
        let (server, client, name) = (required(server), required(client), unused());
        Database::Mysql { url: server.clone(), client: client.clone() }
            .query(&format!("CREATE DATABASE {name}"));
        let url = with_database(&server, &name);
        Self::at("mysql", &url, Database::Mysql { url: url.clone(), client })
    }

    /// On a server with transactions.
    pub(crate) fn mongodb() -> Self {
        let url = with_database(&required("HYDRANT_TEST_MONGODB"), &unused());
        Self::at("mongodb", &url, Database::Mongodb { url: url.clone() })
    }

    /// On a server without transactions.
    pub(crate) fn mongodb_alone() -> Self {
        let url = with_database(&required("HYDRANT_TEST_MONGODB_STANDALONE"), &unused());
        Self::at("mongodb", &url, Database::Mongodb { url: url.clone() })
    }

    /// On a server, whose URL comes from the environment.
    fn at(kind: &str, url: &str, database: Database) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut project = Self::new(folder, database, &format!(r#"{{ type: {kind}, url: "${{APP}}" }}"#));
        project.env("APP", url);
        project
    }

    fn new(folder: tempfile::TempDir, database: Database, target: &str) -> Self {
        let mut project = Self { folder, database, environment: BTreeMap::new() };
        project.env("TARGET", target);
        project.sync("key: [id]");
        project.model("SELECT * FROM items");
        project
    }

    /// One sync named `items`, from `items.csv` into the table `items`, with these settings.
    pub(crate) fn sync(&self, settings: &str) {
        let settings = settings.replace('\n', "\n    ");
        self.syncs(
            "items: items.csv",
            &format!("  items:\n    source: lake\n    model: items.sql\n    target: app\n    table: items\n    {settings}\n"),
        );
    }

    /// These syncs, over these tables of files.
    pub(crate) fn syncs(&self, tables: &str, syncs: &str) {
        let target = &self.environment["TARGET"];
        self.write(
            "hydrant.yml",
            &format!(
                "store: ./store\n\
                 sources:\n  lake: {{ type: files, tables: {{ {tables} }} }}\n\
                 targets:\n  app: {target}\n\
                 syncs:\n{syncs}"
            ),
        );
    }

    pub(crate) fn model(&self, sql: &str) {
        self.write("items.sql", sql);
    }

    /// The rows of the model's table.
    pub(crate) fn items(&self, csv: &str) {
        self.write("items.csv", csv);
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file in the project");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file in the project")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn env(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        hydrant(self.folder.path(), arguments, &self.environment)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.command(arguments).output().expect("the binary starts"))
    }

    /// Runs and expects success.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?} failed:\n{}{}", ran.stdout, ran.stderr);
        ran
    }

    /// `run --output json`, with the report of the one sync.
    pub(crate) fn report(&self) -> serde_json::Value {
        let ran = self.run(&["run", "--output", "json"]);
        ran.json()["syncs"][0].take()
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts")
    }

    /// Rows as the database's own program prints them, columns parted by `|`.
    pub(crate) fn query(&self, sql: &str) -> Vec<String> {
        self.database.query(sql)
    }
}

/// The binary, in a folder, with nothing from outside but what is given.
pub(crate) fn hydrant(folder: &Path, arguments: &[&str], environment: &BTreeMap<String, String>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hydrant"));
    command.current_dir(folder).args(arguments).envs(environment);
    command.env_remove("RUST_LOG").env_remove("HYDRANT_CONFIG").env("NO_COLOR", "1");
    command
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| {
            panic!("standard output is not JSON ({e}):\n{}\n{}", self.stdout, self.stderr)
        })
    }

    /// Everything that was printed.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl Database {
    pub(crate) fn query(&self, sql: &str) -> Vec<String> {
        match self {
            Self::Sqlite(path) => {
                // The first look makes an empty database. A writer in another process may be about to commit.
                lines(Command::new("sqlite3").args(["-cmd", ".timeout 10000"]).arg(path).arg(sql))
            }
            Self::Postgres { url } => psql(url, sql),
            Self::Mysql { url, client } => {
                let tabs = lines(mysql(url, client).args(["--execute", sql]));
                tabs.into_iter().map(|line| line.replace('\t', "|")).collect()
            }
            Self::Mongodb { .. } => panic!("a document database takes no SQL: {sql}"),
        }
    }

    /// What `tests/support/mongodb.py` prints.
    pub(crate) fn mongodb(url: &str, arguments: &[&str]) -> Vec<String> {
        let program = "tests/support/mongodb.py";
        lines(Command::new(required("HYDRANT_TEST_PYMONGO")).args([program, url]).args(arguments))
    }

    /// These columns of a table whose key is `id`, in the order of the key.
    pub(crate) fn rows(&self, table: &str, columns: &[&str]) -> Vec<String> {
        match self {
            Self::Mongodb { url } => {
                let fields = columns.iter().map(|column| if *column == "id" { "_id" } else { column });
                Self::mongodb(url, &["rows", table].into_iter().chain(fields).collect::<Vec<_>>())
            }
            _ => self.query(&format!("SELECT {} FROM {table} ORDER BY id", columns.join(", "))),
        }
    }

    /// One column of a table.
    pub(crate) fn column(&self, table: &str, column: &str) -> Vec<String> {
        match self {
            Self::Mongodb { url } => Self::mongodb(url, &["rows", table, column]),
            _ => self.query(&format!("SELECT {column} FROM {table}")),
        }
    }

    /// How many rows have this number in a column.
    pub(crate) fn count(&self, table: &str, column: &str, number: u32) -> u32 {
        let found = match self {
            Self::Mongodb { url } => Self::mongodb(url, &["count", table, column, &number.to_string()]),
            _ => self.query(&format!("SELECT count(*) FROM {table} WHERE {column} = {number}")),
        };
        found[0].parse().expect("a count")
    }

    /// Sets a number in all rows.
    pub(crate) fn set_all(&self, table: &str, column: &str, number: u32) {
        match self {
            Self::Mongodb { url } => drop(Self::mongodb(url, &["set", table, column, &number.to_string()])),
            _ => drop(self.query(&format!("UPDATE {table} SET {column} = {number}"))),
        }
    }

    /// Makes a table as an application would: `id`, a unique `name` and a `score` below a limit. In MongoDB `name` is not unique:
    /// the server of the tests does not let a document be inserted with a value that an update has freed, which MongoDB does.
    pub(crate) fn make(&self, table: &str, limit: u32) {
        let (name, score) = match self {
            Self::Mongodb { url } => return drop(Self::mongodb(url, &["make", table, &limit.to_string()])),
            Self::Sqlite(_) => ("TEXT", "INTEGER"),
            Self::Postgres { .. } => ("TEXT", "BIGINT"),
            Self::Mysql { .. } => ("VARCHAR(100)", "BIGINT"),
        };
        self.query(&format!(
            "CREATE TABLE {table} (id BIGINT PRIMARY KEY, name {name} UNIQUE, score {score} CHECK (score < {limit}))"
        ));
    }

    /// Everything that stands in hydrant's own table about a sync.
    pub(crate) fn remembered(&self, sync: &str) -> Vec<String> {
        match self {
            Self::Mongodb { url } => Self::mongodb(url, &["remembered", sync]),
            _ => self.query(&format!("SELECT * FROM {} WHERE sync = '{sync}'", self.checkpoints())),
        }
    }

    /// Run, epoch, batch, first and next change of a sync's checkpoint, if a batch was written.
    pub(crate) fn checkpoint(&self, sync: &str) -> Option<Vec<u64>> {
        let exists = match self {
            Self::Mongodb { .. } => "",
            Self::Sqlite(_) => "SELECT count(*) FROM sqlite_master WHERE name = 'hydrant_checkpoint'",
            Self::Postgres { .. } => {
                "SELECT count(*) FROM pg_tables WHERE schemaname = 'hydrant' AND tablename = 'checkpoint'"
            }
            Self::Mysql { .. } => {
                "SELECT count(*) FROM information_schema.tables \
                 WHERE table_schema = database() AND table_name = 'hydrant_checkpoint'"
            }
        };
        let found = match self {
            Self::Mongodb { url } => Self::mongodb(url, &["checkpoint", sync]),
            _ if self.query(exists)[0] != "1" => return None,
            _ => self.query(&format!(
                "SELECT run, epoch, batch, first_change, next_change FROM {} WHERE sync = '{sync}' AND run IS NOT NULL",
                self.checkpoints()
            )),
        };
        Some(found.first()?.split('|').map(|number| number.parse().expect("a number")).collect())
    }

    /// The table in which hydrant keeps its checkpoints.
    pub(crate) fn checkpoints(&self) -> &'static str {
        match self {
            Self::Postgres { .. } => "hydrant.checkpoint",
            Self::Sqlite(_) | Self::Mysql { .. } | Self::Mongodb { .. } => "hydrant_checkpoint",
        }
    }

    /// The table that tells how fresh tables are.
    pub(crate) fn freshness(&self) -> &'static str {
        match self {
            Self::Postgres { .. } => "hydrant.freshness",
            Self::Sqlite(_) | Self::Mysql { .. } | Self::Mongodb { .. } => "hydrant_freshness",
        }
    }
}

/// From now on every write to the table `items` fails, where the database does not tell by itself which rows were written.
pub(crate) fn refuse_writes(project: &Project) {
    let refuse = match project.database {
        Database::Sqlite(_) => "BEGIN SELECT RAISE(ABORT, 'touched'); END",
        Database::Mysql { .. } => "FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'touched'",
        Database::Postgres { .. } | Database::Mongodb { .. } => return,
    };
    for event in ["INSERT", "UPDATE", "DELETE"] {
        project.query(&format!("CREATE TRIGGER no_{event} BEFORE {event} ON items {refuse}"));
    }
}

/// The end of that.
pub(crate) fn allow_writes(project: &Project) {
    if let Database::Sqlite(_) | Database::Mysql { .. } = project.database {
        for event in ["INSERT", "UPDATE", "DELETE"] {
            project.query(&format!("DROP TRIGGER no_{event}"));
        }
    }
}

/// A session of somebody else with an open transaction.
pub(crate) struct Session(Child);

impl Session {
    /// Begins a transaction, and waits until this is done in it.
    pub(crate) fn begin(database: &Database, sql: &str) -> Self {
        let mut command = match database {
            Database::Sqlite(path) => {
                let mut command = Command::new("sqlite3");
                command.args(["-cmd", ".timeout 10000"]).arg(path);
                command
            }
            Database::Postgres { url } => {
                let mut command = Command::new("psql");
                command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url]);
                command
            }
            Database::Mysql { url, client } => {
                let mut command = mysql(url, client);
                // Or it keeps to itself what it has to say until it ends.
                command.arg("--unbuffered");
                command
            }
            Database::Mongodb { .. } => panic!("a document database takes no SQL: {sql}"),
        };
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a session");
        let input = child.stdin.as_mut().expect("its input");
        writeln!(input, "{sql}; SELECT 'begun';").expect("a session");
        let output = BufReader::new(child.stdout.as_mut().expect("its output"));
        assert!(output.lines().any(|line| line.expect("a line") == "begun"), "{sql}");
        Self(child)
    }

    /// Ends it.
    pub(crate) fn end(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().expect("it ends").success());
    }
}

/// MySQL's own program, or MariaDB's.
fn mysql(url: &str, client: &str) -> Command {
    let (account, place) = url.split_once("://").and_then(|(_, rest)| rest.split_once('@')).expect("a URL");
    let (user, password) = account.split_once(':').expect("a password");
    let (address, database) = place.split_once('/').expect("a database");
    let (host, port) = address.split_once(':').expect("a port");
    let mut command = Command::new(client);
    command.args(["--no-defaults", "--batch", "--raw", "--skip-column-names", "--user", user]);
    command.args(["--host", host, "--port", port, "--database", database]).env("MYSQL_PWD", password);
    command
}

pub(crate) fn psql(url: &str, sql: &str) -> Vec<String> {
    lines(Command::new("psql").args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql]))
}

fn lines(command: &mut Command) -> Vec<String> {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; ./test installs it"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// URL of the server that `./test` starts.
pub(crate) fn postgres_server() -> String {
    required("HYDRANT_TEST_POSTGRES")
}

pub(crate) fn required(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run the tests by ./test, which starts the servers"))
}

/// Waits for something that another process brings about.
pub(crate) fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let since = Instant::now();
    while !happened() {
        assert!(since.elapsed() < Duration::from_secs(60), "{what} did not happen within a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to a process that a test has started.
pub(crate) fn signal(child: &Child, signal: &str) {
    let status = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
    assert!(status.expect("kill").success());
}
