//! A server of the bench's own: durable, its data on disk, stopped when it is no longer needed.

use crate::{measured::told, processes};
use clap::ValueEnum;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// The database of Postgres that everything happens in.
const DATABASE: &str = "app";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Postgres,
    Mysql,
    Mongodb,
}

impl Kind {
    /// As `--target` takes it, and hydrant's configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Mongodb => "mongodb",
        }
    }
}

pub(crate) struct Server {
    pub(crate) kind: Kind,
    /// With account, password and database.
    pub(crate) url: String,
    pub(crate) folder: PathBuf,
    /// The program that speaks with it: psql, mysql; for MongoDB a Python with pymongo.
    pub(crate) client: String,
    pid: u32,
}

impl Server {
    /// Starts one in a folder that is not there yet. The other users of the machine must be able to look into the folder above it:
    /// Postgres does not run as root.
    pub(crate) fn start(kind: Kind, folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("a folder for the server");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("the folder is ours");
        let mut command = script(folder);
        command.args(["durable", kind.name()]);
        // Its end comes with `Drop`, also if what follows fails.
        let mut server =
            Self { kind, url: String::new(), folder: folder.to_owned(), client: String::new(), pid: 0 };
        let told = told(command);
        let value = |name: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("scripts/servers said no {name}: {told}")).to_owned()
        };
        server.url = value("url");
        server.client = value("client");
        server.pid = value("pid").parse().expect("a number");
        if kind == Kind::Postgres {
            // Nobody's tool spends time on TLS here.
            let (place, _) = server.url.rsplit_once('/').expect("a database");
            server.url = format!("{place}/{DATABASE}?sslmode=disable");
        }
        server.clear();
        server
    }

    /// An empty database in the place of all that was there.
    pub(crate) fn clear(&self) {
        match self.kind {
            Kind::Postgres => {
                let admin = self.url.replace(&format!("/{DATABASE}?"), "/postgres?");
                for sql in [
                    format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"),
                    format!("CREATE DATABASE {DATABASE}"),
                ] {
                    told(psql(&admin, &sql));
                }
            }
            Kind::Mysql => {
                self.sql("DROP DATABASE IF EXISTS test; CREATE DATABASE test");
            }
            Kind::Mongodb => {
                self.python("database.client.drop_database(database)");
            }
        }
    }

    /// Runs SQL in the database, and gives back what it says: fields parted by tabs.
    pub(crate) fn sql(&self, sql: &str) -> String {
        told(self.statements(sql))
    }

    /// The same as a command, to be measured.
    pub(crate) fn statements(&self, sql: &str) -> Command {
        match self.kind {
            Kind::Postgres => psql(&self.url, sql),
            Kind::Mysql => {
                let rest = self.url.strip_prefix("mysql://root:").expect("our own form");
                let (password, rest) = rest.split_once('@').expect("our own form");
                let (host, rest) = rest.split_once(':').expect("our own form");
                let (port, database) = rest.split_once('/').expect("our own form");
                let mut command = Command::new(&self.client);
                command.env("MYSQL_PWD", password).args([
                    "--no-defaults",
                    "--user=root",
                    &format!("--host={host}"),
                    &format!("--port={port}"),
                    "--ssl-mode=DISABLED",
                    "--get-server-public-key",
                    "--local-infile=1",
                    "--batch",
                    "--skip-column-names",
                    "--show-warnings",
                    "-e",
                    sql,
                    database,
                ]);
                command
            }
            Kind::Mongodb => panic!("MongoDB has no SQL"),
        }
    }

    /// Runs Python with `database` of pymongo.
    pub(crate) fn python(&self, program: &str) -> String {
        let mut command = Command::new(&self.client);
        let connect =
            "import sys, pymongo\ndatabase = pymongo.MongoClient(sys.argv[1]).get_default_database()\n";
        command.args(["-c", &format!("{connect}{program}"), &self.url]);
        told(command)
    }

    /// The server's version, as it says it.
    pub(crate) fn version(&self) -> String {
        let version = match self.kind {
            Kind::Postgres => format!("PostgreSQL {}", self.sql("SHOW server_version")),
            Kind::Mysql => format!("MySQL {}", self.sql("SELECT version()")),
            Kind::Mongodb => {
                format!(
                    "a MongoDB server that says it is {}",
                    self.python("print(database.client.server_info()['version'])")
                )
            }
        };
        version.trim().to_owned()
    }

    /// Processor time of all its processes so far.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        processes::cpu_seconds(self.pid)
    }

    /// Bytes that it has written to its logs so far, if it says so: WAL; redo and binary log.
    pub(crate) fn written_bytes(&self) -> Option<u64> {
        let number = |text: &str| text.trim().parse::<u64>().unwrap_or_else(|_| panic!("a number: {text}"));
        match self.kind {
            Kind::Postgres => Some(number(&self.sql("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"))),
            Kind::Mysql => {
                let redo = self.sql("SHOW GLOBAL STATUS LIKE 'Innodb_os_log_written'");
                let redo = number(redo.split('\t').nth(1).expect("a value"));
                let binary = self.sql("SHOW BINARY LOGS");
                let binary =
                    binary.lines().map(|line| number(line.split('\t').nth(1).expect("a size"))).sum::<u64>();
                Some(redo + binary)
            }
            Kind::Mongodb => None,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(&self.folder);
    }
}

/// Stops the server of this folder, if one is there.
pub(crate) fn stop(folder: &Path) {
    if let Err(error) = script(folder).arg("stop").status() {
        eprintln!("the server in {} could not be stopped: {error}", folder.display());
    }
}

fn script(folder: &Path) -> Command {
    let mut command = Command::new("scripts/servers");
    command.env("HYDRANT_SERVERS_DIR", folder);
    command
}

fn psql(url: &str, sql: &str) -> Command {
    let mut command = Command::new("psql");
    command.env("PGTZ", "UTC").args(["-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", url]);
    // One `-c` for each: backslash commands stand alone, and `VACUUM` is in nobody's transaction.
    for statement in sql.split('\n').map(str::trim).filter(|statement| !statement.is_empty()) {
        command.args(["-c", statement]);
    }
    command
}
