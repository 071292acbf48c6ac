//! The suite, against real servers, once for each way that rows take. The second way in are the products' own programs.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hydrant_conformance::{Fixture, Held, Kind, Need, Rig, Value, program, run_all, suite};
use hydrant_contract::{Checkpoint, Column, Freshness, TableName, Target, ValueType};
use hydrant_target_mysql::{MysqlTarget, Settings};
use std::{
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

fn main() -> ExitCode {
    run_all([
        suite("mysql", "mysql", || MysqlRig::start("MYSQL", Way::Load)),
        suite("mariadb", "mariadb", || MysqlRig::start("MARIADB", Way::Load)),
        suite("mysql_statements", "mysql", || MysqlRig::start("MYSQL", Way::Statements)),
        suite("mariadb_statements", "mariadb", || MysqlRig::start("MARIADB", Way::Statements)),
    ])
}

/// The way that rows take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `LOAD DATA LOCAL INFILE`, and a temporary table.
    Load,
    /// Neither.
    Statements,
}

/// A database of its own on the server, gone with the rig; what a killed test leaves behind begins with `case_`.
struct MysqlRig {
    url: url::Url,
    client: String,
    way: Way,
    database: String,
    maria: bool,
    tables: AtomicU32,
}

impl MysqlRig {
    async fn start(server: &str, way: Way) -> Result<Box<dyn Rig>, String> {
        let setting = |name: String| {
            std::env::var(&name)
                .map_err(|_| format!("{name} is not set: run ./test, which starts the servers"))
        };
        let url = setting(format!("HYDRANT_TEST_{server}"))?;
        let client = setting(format!("HYDRANT_TEST_{server}_CLIENT"))?;
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_err(|e| e.to_string())?;
        let database = format!("case_{:x}_{:x}", std::process::id(), now.as_nanos());
        let url = url.parse::<url::Url>().map_err(|e| e.to_string())?;
        let maria = server == "MARIADB";
        let rig = Self { url, client, way, database, maria, tables: AtomicU32::new(0) };
        rig.run(&format!("CREATE DATABASE {}", quoted(&rig.database)));
        Ok(Box::new(rig))
    }

    /// The program, in no database.
    fn program(&self) -> Command {
        let mut program = Command::new(&self.client);
        let port = self.url.port().expect("a port in the URL").to_string();
        let host = self.url.host_str().expect("a host in the URL");
        program.args(["--no-defaults", "--batch", "--raw", "--skip-column-names", "--unbuffered"]);
        program.args(["--protocol=tcp", "--host", host, "--port", &port, "--user", self.url.username()]);
        program.args([
            "--default-character-set=utf8mb4",
            "--init-command=SET sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES', time_zone = '+00:00'",
        ]);
        program.env("MYSQL_PWD", self.url.password().unwrap_or_default());
        program
    }

    fn run(&self, sql: &str) -> String {
        program::run(&mut self.program(), sql)
    }

    /// These expressions of all rows as texts. They come in hexadecimal, since the program changes some characters.
    fn texts(&self, expressions: &[String], from: &str) -> Vec<Vec<Option<String>>> {
        let hex: Vec<_> =
            expressions.iter().map(|e| format!("HEX(CAST({e} AS CHAR CHARACTER SET utf8mb4))")).collect();
        // A row of nothing but empty texts would be an empty line.
        let rows = self.run(&format!("SELECT 'row', {} FROM {from}", hex.join(", ")));
        let text = |field: &str| match field {
            "NULL" => None,
            digits => Some(String::from_utf8(bytes(digits)).expect("UTF-8")),
        };
        rows.lines().map(|line| line.split('\t').skip(1).map(text).collect()).collect()
    }

    fn place(&self, table: &TableName) -> String {
        let database = table.schema.as_deref().unwrap_or(&self.database);
        format!("{}.{}", quoted(database), quoted(&table.name))
    }

    fn url_for(&self, user: &str, password: &str) -> String {
        let mut url = self.url.clone();
        url.set_username(user).expect("a user");
        url.set_password(Some(password)).expect("a password");
        url.set_path(&self.database);
        if self.way == Way::Statements {
            url.query_pairs_mut().append_pair("local-infile", "never");
        }
        url.to_string()
    }

    fn reader_name(&self) -> String {
        self.database.replace("case_", "r_").chars().take(30).collect()
    }
}

impl Drop for MysqlRig {
    fn drop(&mut self) {
        // Not `run`, which panics, perhaps for the second time.
        let drop = format!(
            "DROP USER IF EXISTS '{}'@'%'; DROP DATABASE {}",
            self.reader_name(),
            quoted(&self.database)
        );
        let _ = self.program().args(["--execute", &drop]).output();
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal digits")).collect()
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// An expression that gives a column as text.
fn as_text(column: &Column) -> String {
    let name = quoted(&column.name);
    match &column.value {
        // A float shows six digits of itself, unless it is made a double.
        ValueType::Float32 => format!("({name} + 0e0)"),
        ValueType::Bytes | ValueType::Uuid => format!("HEX({name})"),
        _ => name,
    }
}

fn value_of(text: Option<String>, column: &Column) -> Value {
    let Some(text) = text else { return Value::Null };
    match &column.value {
        ValueType::Instant(_) => Value::parse(&format!("{text}Z"), &column.value),
        ValueType::Uuid => {
            let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| text[range].to_lowercase());
            Value::Uuid(groups.join("-"))
        }
        value => Value::parse(&text, value),
    }
}

/// A literal, for the kinds that [`Value::literal`] knows; instants as MySQL reads them.
fn literal(value: &Value) -> String {
    match value {
        Value::Instant(text) => format!("'{}'", text.trim_end_matches('Z').replacen('T', " ", 1)),
        value => value.literal(),
    }
}

#[async_trait]
impl Rig for MysqlRig {
    fn target(&self) -> Arc<dyn Target> {
        let url = self.url_for(self.url.username(), self.url.password().unwrap_or_default());
        Arc::new(
            MysqlTarget::new(Settings { url: url.into(), password: None })
                .expect("the URL of the server is right"),
        )
    }

    fn lacks(&self) -> &'static [Need] {
        &[]
    }

    fn holds(&self, value: &ValueType) -> bool {
        match value {
            // DECIMAL has 65 digits, 30 of them after the point.
            ValueType::Decimal { precision, scale } => {
                *scale <= 30 && i16::from(*precision) - i16::from(*scale).min(0) <= 65
            }
            _ => true,
        }
    }

    fn takes_name(&self, name: &str) -> bool {
        !name.ends_with(' ') && name.chars().all(|c| u32::from(c) <= 0xffff)
    }

    fn table(&self, stem: &str) -> TableName {
        let number = self.tables.fetch_add(1, Ordering::Relaxed);
        // A table's name has 64 characters, none past U+FFFF.
        let stem: String = stem.chars().filter(|c| u32::from(*c) <= 0xffff).take(50).collect();
        TableName { schema: Some(self.database.clone()), name: format!("{stem}_{number}") }
    }

    async fn make(&self, table: &TableName, fixture: &Fixture) {
        let collation = if self.maria { "utf8mb4_nopad_bin" } else { "utf8mb4_0900_bin" };
        let exact = format!("CHARACTER SET utf8mb4 COLLATE {collation}");
        let mut lines: Vec<_> = fixture
            .columns
            .iter()
            .map(|column| {
                let name = quoted(&column.name);
                let kind = match column.kind {
                    Kind::Integer => "bigint".to_owned(),
                    Kind::Small => "smallint".to_owned(),
                    // No index holds a longer one.
                    Kind::Text => format!("varchar(600) {exact}"),
                    Kind::Short(length) => format!("varchar({length}) {exact}"),
                    Kind::Boolean => "boolean".to_owned(),
                    Kind::Instant => "timestamp(6)".to_owned(),
                };
                let null = if column.not_null { "NOT NULL" } else { "NULL" };
                let default = column.default.as_ref().map(|v| format!(" DEFAULT {}", literal(v)));
                let check = column.refuses.map(|number| format!(" CHECK ({name} <> {number})"));
                format!("{name} {kind} {null}{}{}", default.unwrap_or_default(), check.unwrap_or_default())
            })
            .collect();
        let list = |columns: &[String]| columns.iter().map(|c| quoted(c)).collect::<Vec<_>>().join(", ");
        if !fixture.primary_key.is_empty() {
            lines.push(format!("PRIMARY KEY ({})", list(&fixture.primary_key)));
        }
        lines.extend(fixture.unique.iter().map(|columns| format!("UNIQUE ({})", list(columns))));
        lines.extend(fixture.foreign_keys.iter().map(|key| {
            let (column, of) = (quoted(&key.column), quoted(&key.references));
            format!("FOREIGN KEY ({column}) REFERENCES {} ({of})", self.place(&key.table))
        }));
        self.run(&format!("CREATE TABLE {} ({}) ENGINE=InnoDB", self.place(table), lines.join(", ")));
    }

    async fn insert(&self, table: &TableName, columns: &[&str], rows: &[Vec<Value>]) {
        let columns: Vec<_> = columns.iter().map(|c| quoted(c)).collect();
        let tuple =
            |row: &Vec<Value>| format!("({})", row.iter().map(literal).collect::<Vec<_>>().join(", "));
        let rows: Vec<_> = rows.iter().map(tuple).collect();
        let into = format!("{} ({})", self.place(table), columns.join(", "));
        self.run(&format!("INSERT INTO {into} VALUES {}", rows.join(", ")));
    }

    async fn rows(&self, table: &TableName, columns: &[Column]) -> Vec<Vec<Value>> {
        let list: Vec<_> = columns.iter().map(as_text).collect();
        let rows = self.texts(&list, &self.place(table));
        let values = |row: Vec<Option<String>>| {
            row.into_iter().zip(columns).map(|(text, column)| value_of(text, column)).collect()
        };
        rows.into_iter().map(values).collect()
    }

    async fn checkpoint(&self, sync: &str) -> Option<Checkpoint> {
        let columns = ["run", "epoch", "batch", "first_change", "next_change"].map(quoted);
        let table = TableName { schema: None, name: "hydrant_checkpoint".to_owned() };
        let from = format!("{} WHERE sync = {}", self.place(&table), Value::from(sync).literal());
        let rows = self.texts(&columns, &from);
        let numbers: Option<Vec<u64>> =
            rows.first()?.iter().map(|text| Some(text.as_ref()?.parse().expect("a number"))).collect();
        // Between a claim and the first batch there is none.
        let [run, epoch, batch, first_change, next_change] = numbers?[..] else { panic!("five columns") };
        Some(Checkpoint { sync: sync.to_owned(), run, epoch, batch, first_change, next_change })
    }

    async fn freshness(&self, sync: &str) -> Option<(u64, Freshness)> {
        let columns = ["run", "as_of", "rows"].map(quoted);
        let table = TableName { schema: None, name: "hydrant_freshness".to_owned() };
        let from = format!("{} WHERE sync = {}", self.place(&table), Value::from(sync).literal());
        let rows = self.texts(&columns, &from);
        let text = |at: usize| rows.first()?[at].clone();
        let as_of: DateTime<Utc> =
            format!("{}Z", text(1)?.replacen(' ', "T", 1)).parse().expect("an instant");
        let freshness = Freshness { as_of, rows: text(2)?.parse().expect("a number") };
        Some((text(0)?.parse().expect("a number"), freshness))
    }

    async fn execute(&self, statement: &str) {
        self.run(statement);
    }

    async fn lock(&self, table: &TableName) -> Held {
        let place = self.place(table);
        let lock = format!("START TRANSACTION; SELECT 'row' FROM {place} FOR UPDATE; SELECT 'locked';\n");
        program::hold(&mut self.program(), &lock, "locked")
    }

    async fn reader(&self, table: &TableName, columns: &[&str]) -> Arc<dyn Target> {
        let user = self.reader_name();
        let columns: Vec<_> = columns.iter().map(|c| quoted(c)).collect();
        self.run(&format!(
            "CREATE USER '{user}'@'%' IDENTIFIED BY 'pw'; GRANT SELECT ({}) ON {} TO '{user}'@'%'",
            columns.join(", "),
            self.place(table)
        ));
        let settings = Settings { url: self.url_for(&user, "pw").into(), password: None };
        Arc::new(MysqlTarget::new(settings).expect("the URL of the server is right"))
    }
}
