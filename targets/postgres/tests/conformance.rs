//! The suite, against a real server. The second way in is the program `psql`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hydrant_conformance::{Fixture, Held, Kind, Need, Rig, Value, program};
use hydrant_contract::{Checkpoint, Column, Freshness, TableName, Target, ValueType};
use hydrant_target_postgres::{PostgresTarget, Settings};
use std::{
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

const URL: &str = "HYDRANT_TEST_POSTGRES";

fn main() -> ExitCode {
    hydrant_conformance::run("postgres", PostgresRig::start)
}

/// A schema of its own on the server, and names that no other rig uses: those of syncs are shared by the whole database.
struct PostgresRig {
    url: String,
    schema: String,
    mark: String,
    tables: AtomicU32,
}

impl PostgresRig {
    async fn start() -> Result<Box<dyn Rig>, String> {
        let url = std::env::var(URL).map_err(|_| {
            format!("{URL} is not set: run ./test, or give the URL of a server's superuser (postgres://postgres:secret@127.0.0.1:5432/postgres)")
        })?;
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_err(|e| e.to_string())?;
        let mark = format!("{:x}_{:x}", std::process::id(), now.as_micros());
        let rig = Self { url, schema: format!("case {mark}"), mark, tables: AtomicU32::new(0) };
        rig.run(&format!("CREATE SCHEMA {}", quoted(&rig.schema)));
        Ok(Box::new(rig))
    }

    fn psql(&self) -> Command {
        let mut psql = Command::new("psql");
        psql.args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set=ON_ERROR_STOP=1",
            &self.url,
        ])
        .env("PGOPTIONS", "-c client_min_messages=error -c timezone=UTC -c datestyle=ISO");
        psql
    }

    fn run(&self, sql: &str) -> String {
        program::run(&mut self.psql(), sql)
    }

    /// These expressions of all rows as texts. They come as JSON in hexadecimal, since `psql` drops some characters.
    fn texts(&self, expressions: &[String], from: &str) -> Vec<Vec<Option<String>>> {
        let texts: Vec<_> = expressions.iter().map(|e| format!("({e})::text")).collect();
        let json = format!("to_json(ARRAY[{}])::text", texts.join(", "));
        let rows = self.run(&format!("SELECT encode(convert_to({json}, 'UTF8'), 'hex') FROM {from}"));
        let row = |line: &str| serde_json::from_slice(&bytes(line)).expect("an array of texts");
        rows.lines().map(row).collect()
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal digits")).collect()
}

/// Years before 1 and after 9999 as ISO 8601 writes them: 45 BC is -0044.
fn iso(text: &str) -> String {
    let (date, before_christ) = text.strip_suffix(" BC").map_or((text, false), |date| (date, true));
    let (year, rest) = date.split_once('-').expect("a date");
    let year: i32 = year.parse().expect("a year");
    match if before_christ { 1 - year } else { year } {
        year @ ..0 => format!("-{:04}-{rest}", -year),
        year @ 0..10_000 => format!("{year:04}-{rest}"),
        year => format!("+{year}-{rest}"),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn place(table: &TableName) -> String {
    let schema = table.schema.as_deref().expect("the rig names a schema");
    format!("{}.{}", quoted(schema), quoted(&table.name))
}

/// An expression that gives a column as text, lists of scalars as JSON arrays of texts.
fn as_text(column: &Column) -> String {
    let name = quoted(&column.name);
    match &column.value {
        ValueType::Vector(_) => format!("to_json({name}::text[])::text"),
        ValueType::List(item) => match **item {
            ValueType::List(_)
            | ValueType::Vector(_)
            | ValueType::Struct(_)
            | ValueType::Map(..)
            | ValueType::Json => format!("{name}::text"),
            _ => format!("to_json({name}::text[])::text"),
        },
        // Past the calendar that the suite prints in, as the suite counts there: from 1970.
        ValueType::Timestamp(_) | ValueType::Instant(_) => format!(
            "CASE WHEN {name} < '262142-01-01' THEN {name}::text \
             ELSE 'tick ' || extract(epoch FROM date_trunc('second', {name}))::bigint * 1000000 \
             + extract(microseconds FROM {name})::bigint % 1000000 END"
        ),
        _ => format!("{name}::text"),
    }
}

#[async_trait]
impl Rig for PostgresRig {
    fn target(&self) -> Arc<dyn Target> {
        let settings = Settings { url: self.url.clone().into(), password: None };
        Arc::new(PostgresTarget::new(settings).expect("the URL of the server is right"))
    }

    fn lacks(&self) -> &'static [Need] {
        &[]
    }

    fn holds(&self, _: &ValueType) -> bool {
        true
    }

    fn table(&self, stem: &str) -> TableName {
        let number = self.tables.fetch_add(1, Ordering::Relaxed);
        TableName { schema: Some(self.schema.clone()), name: format!("{stem}_{}_{number}", self.mark) }
    }

    async fn make(&self, table: &TableName, fixture: &Fixture) {
        let mut lines: Vec<_> = fixture
            .columns
            .iter()
            .map(|column| {
                let name = quoted(&column.name);
                let kind = match column.kind {
                    Kind::Integer => "bigint".to_owned(),
                    Kind::Small => "smallint".to_owned(),
                    Kind::Text => "text COLLATE \"C\"".to_owned(),
                    Kind::Short(length) => format!("varchar({length})"),
                    Kind::Boolean => "boolean".to_owned(),
                    Kind::Instant => "timestamptz".to_owned(),
                };
                let not_null = if column.not_null { " NOT NULL" } else { "" };
                let default = column.default.as_ref().map(|v| format!(" DEFAULT {}", v.literal()));
                let check = column.refuses.map(|number| format!(" CHECK ({name} <> {number})"));
                format!("{name} {kind}{not_null}{}{}", default.unwrap_or_default(), check.unwrap_or_default())
            })
            .collect();
        let list = |columns: &[String]| columns.iter().map(|c| quoted(c)).collect::<Vec<_>>().join(", ");
        if !fixture.primary_key.is_empty() {
            lines.push(format!("PRIMARY KEY ({})", list(&fixture.primary_key)));
        }
        lines.extend(fixture.unique.iter().map(|columns| format!("UNIQUE ({})", list(columns))));
        lines.extend(fixture.foreign_keys.iter().map(|key| {
            let (column, of) = (quoted(&key.column), quoted(&key.references));
            format!("FOREIGN KEY ({column}) REFERENCES {} ({of})", place(&key.table))
        }));
        self.run(&format!("CREATE TABLE {} ({})", place(table), lines.join(", ")));
    }

    async fn insert(&self, table: &TableName, columns: &[&str], rows: &[Vec<Value>]) {
        let columns: Vec<_> = columns.iter().map(|c| quoted(c)).collect();
        let tuple =
            |row: &Vec<Value>| format!("({})", row.iter().map(Value::literal).collect::<Vec<_>>().join(", "));
        let rows: Vec<_> = rows.iter().map(tuple).collect();
        let into = format!("{} ({})", place(table), columns.join(", "));
        self.run(&format!("INSERT INTO {into} VALUES {}", rows.join(", ")));
    }

    async fn rows(&self, table: &TableName, columns: &[Column]) -> Vec<Vec<Value>> {
        let list: Vec<_> = columns.iter().map(as_text).collect();
        let rows = self.texts(&list, &place(table));
        let value = |(text, column): (Option<String>, &Column)| match text {
            Some(text) => match &column.value {
                ValueType::Timestamp(_) if text.starts_with("tick") => Value::Timestamp(text),
                ValueType::Instant(_) if text.starts_with("tick") => Value::Instant(format!("{text}Z")),
                ValueType::Date | ValueType::Timestamp(_) | ValueType::Instant(_) => {
                    Value::parse(&iso(&text), &column.value)
                }
                value => Value::parse(&text, value),
            },
            None => Value::Null,
        };
        rows.into_iter().map(|row| row.into_iter().zip(columns).map(value).collect()).collect()
    }

    async fn checkpoint(&self, sync: &str) -> Option<Checkpoint> {
        let columns = ["run", "epoch", "batch", "first_change", "next_change"].map(str::to_owned);
        let from = format!("hydrant.checkpoint WHERE sync = {}", Value::from(sync).literal());
        let rows = self.texts(&columns, &from);
        let numbers: Option<Vec<u64>> =
            rows.first()?.iter().map(|text| Some(text.as_ref()?.parse().expect("a number"))).collect();
        // Between a claim and the first batch there is none.
        let [run, epoch, batch, first_change, next_change] = numbers?[..] else { panic!("five columns") };
        Some(Checkpoint { sync: sync.to_owned(), run, epoch, batch, first_change, next_change })
    }

    async fn freshness(&self, sync: &str) -> Option<(u64, Freshness)> {
        let columns =
            ["run", r#"to_char(as_of, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#, "rows"].map(str::to_owned);
        let from = format!("hydrant.freshness WHERE sync = {}", Value::from(sync).literal());
        let rows = self.texts(&columns, &from);
        let text = |at: usize| rows.first()?[at].clone();
        let as_of: DateTime<Utc> = text(1)?.parse().expect("an instant");
        let freshness = Freshness { as_of, rows: text(2)?.parse().expect("a number") };
        Some((text(0)?.parse().expect("a number"), freshness))
    }

    async fn execute(&self, statement: &str) {
        self.run(statement);
    }

    async fn lock(&self, table: &TableName) -> Held {
        let lock = format!(
            "BEGIN; SELECT count(*) FROM (SELECT FROM {} FOR UPDATE) AS held;\n\\echo locked\n",
            place(table)
        );
        program::hold(&mut self.psql(), &lock, "locked")
    }

    async fn reader(&self, table: &TableName, columns: &[&str]) -> Arc<dyn Target> {
        let role = format!("reader_{}", self.mark);
        let columns: Vec<_> = columns.iter().map(|c| quoted(c)).collect();
        self.run(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'pw'; GRANT USAGE ON SCHEMA {} TO {role}; GRANT SELECT ({}) ON {} TO {role}",
            quoted(&self.schema),
            columns.join(", "),
            place(table)
        ));
        let (_, host) = self.url.split_once('@').expect("an account in the URL");
        let settings = Settings { url: format!("postgres://{role}:pw@{host}").into(), password: None };
        Arc::new(PostgresTarget::new(settings).expect("the URL of the server is right"))
    }
}
