//! SQLite passes the suite; the second way into the file is the command line program `sqlite3`.

use async_trait::async_trait;
use chrono::DateTime;
use hydrant_conformance::{Fixture, Held, Kind, Need, Rig, Value, program};
use hydrant_contract::{Checkpoint, Column, Freshness, TableName, Target, ValueType};
use hydrant_target_sqlite::{Settings, SqliteTarget};
use std::{process::Command, process::ExitCode, sync::Arc};

fn main() -> ExitCode {
    hydrant_conformance::run("sqlite", SqliteRig::start)
}

struct SqliteRig {
    folder: tempfile::TempDir,
}

impl SqliteRig {
    async fn start() -> Result<Box<dyn Rig>, String> {
        let found = Command::new("sqlite3").arg("--version").output();
        found.map_err(|e| format!("the program sqlite3 (Debian package sqlite3) does not start: {e}"))?;
        Ok(Box::new(Self { folder: tempfile::tempdir().map_err(|e| e.to_string())? }))
    }

    fn sqlite3(&self) -> Command {
        let mut command = Command::new("sqlite3");
        command.args(["-batch", "-bail", "-cmd", ".timeout 20000"]).arg(self.folder.path().join("app.db"));
        command
    }

    fn sql(&self, sql: &str) -> String {
        program::run(&mut self.sqlite3(), &format!("{sql};\n"))
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[async_trait]
impl Rig for SqliteRig {
    fn target(&self) -> Arc<dyn Target> {
        Arc::new(SqliteTarget::new(Settings { path: self.folder.path().join("app.db") }))
    }

    fn lacks(&self) -> &'static [Need] {
        &[Need::Accounts]
    }

    fn holds(&self, _: &ValueType) -> bool {
        true
    }

    fn table(&self, stem: &str) -> TableName {
        TableName { schema: None, name: stem.to_owned() }
    }

    async fn make(&self, table: &TableName, fixture: &Fixture) {
        let list = |names: &[String]| names.iter().map(|n| quoted(n)).collect::<Vec<_>>().join(", ");
        let column = |c: &hydrant_conformance::FixtureColumn| {
            let name = quoted(&c.name);
            let kind = match c.kind {
                Kind::Integer => "INTEGER".to_owned(),
                Kind::Small => format!("SMALLINT CHECK ({name} BETWEEN -32768 AND 32767)"),
                Kind::Text => "TEXT".to_owned(),
                Kind::Short(n) => format!("VARCHAR({n}) CHECK (length({name}) <= {n})"),
                Kind::Boolean => "BOOLEAN".to_owned(),
                Kind::Instant => "DATETIME".to_owned(),
            };
            let not_null = if c.not_null { " NOT NULL" } else { "" };
            let check = c.refuses.map(|n| format!(" CHECK ({name} <> {n})")).unwrap_or_default();
            let default = c.default.as_ref().map(|v| format!(" DEFAULT {}", v.literal())).unwrap_or_default();
            format!("{name} {kind}{not_null}{check}{default}")
        };
        let mut parts: Vec<String> = fixture.columns.iter().map(column).collect();
        if !fixture.primary_key.is_empty() {
            parts.push(format!("PRIMARY KEY ({})", list(&fixture.primary_key)));
        }
        parts.extend(fixture.unique.iter().map(|names| format!("UNIQUE ({})", list(names))));
        parts.extend(fixture.foreign_keys.iter().map(|key| {
            let (column, table, of) = (quoted(&key.column), quoted(&key.table.name), quoted(&key.references));
            format!("FOREIGN KEY ({column}) REFERENCES {table} ({of})")
        }));
        self.sql(&format!("CREATE TABLE {} ({})", quoted(&table.name), parts.join(", ")));
    }

    async fn insert(&self, table: &TableName, columns: &[&str], rows: &[Vec<Value>]) {
        let columns = columns.iter().map(|n| quoted(n)).collect::<Vec<_>>().join(", ");
        let row =
            |r: &Vec<Value>| format!("({})", r.iter().map(Value::literal).collect::<Vec<_>>().join(", "));
        let rows = rows.iter().map(row).collect::<Vec<_>>().join(", ");
        self.sql(&format!("INSERT INTO {} ({columns}) VALUES {rows}", quoted(&table.name)));
    }

    async fn rows(&self, table: &TableName, columns: &[Column]) -> Vec<Vec<Value>> {
        // Class and bytes of each value: whatever a value holds, the program does not interpret it.
        let cell = |c: &Column| {
            let name = format!("t.{}", quoted(&c.name));
            format!(
                "substr(typeof({name}), 1, 1) || coalesce(CASE typeof({name}) WHEN 'real' THEN \
                 hex(ieee754_to_blob({name})) ELSE hex(CAST({name} AS BLOB)) END, '')"
            )
        };
        let cells = columns.iter().map(cell).collect::<Vec<_>>().join(", ");
        let found = self.sql(&format!("SELECT {cells} FROM {} AS t", quoted(&table.name)));
        let row = |line: &str| line.split('|').zip(columns).map(|(cell, c)| value(cell, &c.value)).collect();
        found.lines().map(row).collect()
    }

    async fn checkpoint(&self, sync: &str) -> Option<Checkpoint> {
        let sync_is = Value::from(sync).literal();
        let found = self.sql(&format!(
            "SELECT run, epoch, batch, first_change, next_change FROM hydrant_checkpoint WHERE sync = {sync_is}"
        ));
        let numbers: Vec<u64> =
            found.lines().next()?.split('|').map(|n| n.parse().expect("a number")).collect();
        let [run, epoch, batch, first_change, next_change] = numbers.try_into().expect("five numbers");
        Some(Checkpoint { sync: sync.to_owned(), run, epoch, batch, first_change, next_change })
    }

    async fn freshness(&self, sync: &str) -> Option<(u64, Freshness)> {
        let sync = Value::from(sync).literal();
        let found = self.sql(&format!("SELECT run, rows, as_of FROM hydrant_freshness WHERE sync = {sync}"));
        let fields: Vec<&str> = found.lines().next()?.split('|').collect();
        let as_of = DateTime::parse_from_rfc3339(fields[2]).expect("an instant").to_utc();
        let rows = fields[1].parse().expect("a count");
        Some((fields[0].parse().expect("a run"), Freshness { as_of, rows }))
    }

    async fn execute(&self, statement: &str) {
        self.sql(statement);
    }

    async fn lock(&self, _: &TableName) -> Held {
        program::hold(&mut self.sqlite3(), "BEGIN IMMEDIATE;\nSELECT 'held';\n", "held")
    }

    async fn reader(&self, table: &TableName, _: &[&str]) -> Arc<dyn Target> {
        panic!("SQLite has no accounts: {table}");
    }
}

/// A value from its storage class and bytes.
fn value(cell: &str, value: &ValueType) -> Value {
    let (class, digits) = cell.split_at(1);
    let Value::Bytes(bytes) = Value::parse(digits, &ValueType::Bytes) else { unreachable!("bytes") };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    match (class, value) {
        ("n", _) => Value::Null,
        ("b", ValueType::Bytes) => Value::Bytes(bytes),
        ("r", ValueType::Float32 | ValueType::Float64) => {
            let number = f64::from_be_bytes(bytes.try_into().expect("eight bytes"));
            Value::parse(&number.to_string(), value)
        }
        ("i", ValueType::Boolean | ValueType::Integer(_)) => Value::parse(&text(bytes), value),
        ("t", ValueType::Boolean | ValueType::Integer(_) | ValueType::Float32 | ValueType::Float64) => {
            panic!("{cell} is a text where {value} is expected")
        }
        ("t", _) => Value::parse(&text(bytes), value),
        (class, _) => panic!("storage class {class} where {value} is expected"),
    }
}
