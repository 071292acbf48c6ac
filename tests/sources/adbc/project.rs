//! A project in a folder of its own with one sync from a warehouse into a SQLite file, and the binary.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

pub(crate) struct Project {
    folder: tempfile::TempDir,
    environment: BTreeMap<String, String>,
}

impl Project {
    /// With a source as the configuration has it, and a model whose key is `id`.
    pub(crate) fn new(source: &str, model: &str) -> Self {
        let project = Self::empty();
        project.write(
            "hydrant.yml",
            &format!(
                "store: ./store\nsources:\n  warehouse: {source}\ntargets:\n  app: {{ type: sqlite, path: app.db }}\nsyncs:\n  \
                 items: {{ source: warehouse, model: items.sql, key: id, target: app, table: items }}\n"
            ),
        );
        project.write("items.sql", model);
        project
    }

    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), environment: BTreeMap::new() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn env(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hydrant"));
        command.current_dir(self.folder.path()).args(arguments);
        command.env_remove("RUST_LOG").env_remove("HYDRANT_CONFIG").env_remove("ADBC_DRIVER_PATH");
        command.env("NO_COLOR", "1").envs(&self.environment);
        command
    }

    /// The exit code and everything that was printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.command(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    }

    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let (code, said) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?} failed:\n{said}");
        said
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The report of the one sync of a run.
    pub(crate) fn report(&self) -> serde_json::Value {
        let output = self.command(&["run", "--output", "json"]).output().unwrap();
        let mut report: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        report["syncs"][0].take()
    }

    /// Rows of the target, as its own program prints them.
    pub(crate) fn query(&self, sql: &str) -> Vec<String> {
        let output = Command::new("sqlite3").arg(self.path("app.db")).arg(sql).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// How many runs were sealed.
    pub(crate) fn sealed(&self) -> usize {
        let manifests = fs::read_dir(self.path("store/items/manifests")).into_iter().flatten().flatten();
        manifests.filter(|file| file.file_name().to_string_lossy().ends_with(".sealed.json")).count()
    }
}
