//! Exposures: what dbt shows as standing behind a model.

use hydrant_contract::{Mode, TableName};
use serde::Serialize;
use std::collections::BTreeSet;

/// One sync, as dbt gets to know it.
#[derive(Clone, Debug)]
pub struct Exposure<'a> {
    /// The name of the sync.
    pub sync: &'a str,
    /// The model that it depends on: `ref('customers')`.
    pub depends_on: &'a str,
    /// The target's name in the configuration.
    pub target: &'a str,
    /// The kind of database that it is: `postgres`.
    pub database: &'a str,
    /// The table there.
    pub table: &'a TableName,
    /// Which rows are written.
    pub mode: Mode,
    /// The columns that identify a row.
    pub key: &'a [String],
    /// Who answers for it.
    pub owner: &'a Owner,
    /// When it runs, in the words of who configured it.
    pub schedule: Option<&'a str>,
}

/// Who answers for an exposure: dbt wants a name or an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// A person or a team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// A properties file of dbt's with nothing but exposures.
#[derive(Serialize)]
pub struct Exposures {
    exposures: Vec<Written>,
}

/// As dbt 1.6 to 1.11 take it without a warning: `meta` stands under `config`, where earlier ones of these do not show it.
#[derive(Serialize)]
struct Written {
    name: String,
    label: String,
    r#type: &'static str,
    description: String,
    depends_on: [String; 1],
    owner: Owner,
    config: Config,
}

#[derive(Serialize)]
struct Config {
    meta: Meta,
}

#[derive(Serialize)]
struct Meta {
    hydrant: About,
}

#[derive(Serialize)]
struct About {
    sync: String,
    target: String,
    database: String,
    table: String,
    mode: Mode,
    key: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
}

impl Exposures {
    /// The exposures of these syncs, in their order.
    pub fn of(syncs: &[Exposure<'_>]) -> Self {
        let names = names(syncs);
        Self { exposures: syncs.iter().zip(names).map(|(sync, name)| written(sync, name)).collect() }
    }

    /// The names of the exposures, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.exposures.iter().map(|exposure| exposure.name.as_str())
    }

    /// As YAML.
    ///
    /// # Errors
    ///
    /// There is none that is known of: text always can be written.
    pub fn yaml(&self) -> Result<String, String> {
        serde_saphyr::to_string(self).map_err(|error| error.to_string())
    }
}

fn written(sync: &Exposure<'_>, name: String) -> Written {
    let table = sync.table.to_string();
    let key = sync.key.join(", ");
    let when = sync.schedule.map_or_else(String::new, |schedule| format!(" Runs: {schedule}."));
    let description = format!(
        "hydrant keeps the table {table} of {} ({}) equal to this model: mode {}, key {key}.{when}",
        sync.target,
        sync.database,
        word(sync.mode)
    );
    Written {
        name,
        label: plain(&format!("{} → {}:{table}", sync.sync, sync.target)),
        r#type: "application",
        description: plain(&description),
        depends_on: [sync.depends_on.to_owned()],
        owner: Owner {
            name: sync.owner.name.as_deref().map(plain),
            email: sync.owner.email.as_deref().map(plain),
        },
        config: Config {
            meta: Meta {
                hydrant: About {
                    sync: sync.sync.to_owned(),
                    target: plain(sync.target),
                    database: sync.database.to_owned(),
                    table: plain(&table),
                    mode: sync.mode,
                    key: sync.key.iter().map(|column| plain(column)).collect(),
                    schedule: sync.schedule.map(plain),
                },
            },
        },
    }
}

/// The word that the configuration has for it.
fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Mirror => "mirror",
        Mode::Upsert => "upsert",
        Mode::Insert => "insert",
        Mode::Update => "update",
    }
}

/// A text that dbt shows as it is, although it reads all texts of a properties file as Jinja.
fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('{', Some('{' | '%' | '#')) => escaped.push_str("{{ '{' }}"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// A name of letters, digits and `_` for each sync. Those whose own name is such keep it.
fn names(syncs: &[Exposure<'_>]) -> Vec<String> {
    let is_plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let mut taken: BTreeSet<String> =
        syncs.iter().filter(|sync| is_plain(sync.sync)).map(|sync| sync.sync.to_owned()).collect();
    let mut name_of = |sync: &Exposure<'_>| {
        if is_plain(sync.sync) {
            return sync.sync.to_owned();
        }
        let plain: String =
            sync.sync.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let numbered = (2_u32..).map(|number| format!("{plain}_{number}"));
        let mut free = std::iter::once(plain.clone()).chain(numbered);
        // There are more numbers than syncs.
        let name = free.find(|name| !taken.contains(name)).unwrap_or(plain.clone());
        taken.insert(name.clone());
        name
    };
    syncs.iter().map(&mut name_of).collect()
}
