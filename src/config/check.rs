//! From what was typed to what the program relies on.

mod columns;
mod cursor;
mod dbt;
mod guard;
mod order;
mod source;
mod sync;
mod warehouse;

pub(super) use dbt::Project;

use super::{
    Config, StorageOptions, StoreSpec, TargetSpec, location,
    number::{Size, Version, Whole},
    raw,
    reader::{At, Field, Reader},
    value::{Either, Hidden, Names, OneOf, Setting, YesNo},
};
use crate::{
    secret::Secret,
    sync::{ExportKind, Retention},
};
use std::{collections::BTreeMap, path::Path};

/// Enough for the fingerprints of a few million rows, little enough for a small container.
const MEMORY_BYTES: u64 = 256 << 20;

/// Below this, sorted runs on disk become so many that merging them costs more than it saves.
const MEMORY_BYTES_MIN: u64 = 16 << 20;

/// The checked configuration; `None` if anything in it is wrong, all of which the reader was told.
pub(super) fn config(raw: raw::Configuration, path: &Path, reader: &mut Reader<'_>) -> Option<Config> {
    let store = raw.store.given().and_then(|at| match at.value {
        Either::Short(value) => {
            let location = location::location(&At { value, span: at.span }, reader)?;
            Some(StoreSpec { location, options: StorageOptions::new() })
        }
        Either::Long(block) => {
            let location = location::location(&block.url.given()?, reader)?;
            Some(StoreSpec { location, options: options(block.options) })
        }
    });
    let memory_bytes = memory_bytes(raw.memory, reader);
    let scratch = raw.scratch.given().and_then(|text| location::path(&text, reader));

    let sources = raw.sources.given().map(|at| at.value);
    let targets = raw.targets.given().map(|at| at.value);
    let export = raw.export.or(OneOf(ExportKind::default())).map(|export| export.0);
    let retain = retention(raw.retain, Retention::default());
    let dbt = Project::of(raw.dbt, reader);
    let known = sync::Known {
        sources: sources.as_ref().map(Names::names),
        targets: targets.as_ref().map(Names::names),
        kinds: targets.as_ref().map(kinds).unwrap_or_default(),
        // Where they are wrong, it was complained about.
        export: export.unwrap_or_default(),
        retain: retain.unwrap_or_default(),
        dbt: &dbt,
    };
    let syncs = raw.syncs.given().map(|at| sync::syncs(at.value, &known, reader));
    let Version = raw.version.or(Version)?;
    export?;
    Some(Config {
        path: path.to_owned(),
        sources: each(sources, source::source, reader),
        targets: each(targets, target, reader),
        store: store?,
        memory_bytes: memory_bytes?,
        scratch,
        syncs: syncs?,
        dbt: dbt.spec()?,
    })
}

/// The targets that are right, with their kinds.
fn kinds(targets: &Names<raw::Target>) -> BTreeMap<&str, &'static str> {
    let kind = |target: &raw::Target| match target {
        raw::Target::Sqlite(_) => "sqlite",
        raw::Target::Postgres(_) => "postgres",
        raw::Target::Mysql(_) => "mysql",
        raw::Target::Mongodb(_) => "mongodb",
    };
    let known = targets.0.iter();
    known.filter_map(|named| Some((named.name.value.as_str(), kind(&named.value.as_ref()?.value)))).collect()
}

/// How long files are kept; what is not said is taken from `otherwise`.
fn retention(raw: Field<raw::Retain>, otherwise: Retention) -> Option<Retention> {
    let Some(retain) = raw.optional()? else { return Some(otherwise) };
    let runs = retain.value.runs.or(Whole(otherwise.runs));
    let days = retain.value.days.or(Whole(otherwise.days));
    Some(Retention { runs: runs?.0, days: days?.0 })
}

/// The entries of a block of names that are right.
fn each<R, C>(
    names: Option<Names<R>>,
    check: fn(At<R>, &mut Reader<'_>) -> Option<C>,
    reader: &mut Reader<'_>,
) -> BTreeMap<String, C> {
    let right = names.into_iter().flat_map(Names::right);
    right.filter_map(|(name, raw)| check(raw, reader).map(|checked| (name.value, checked))).collect()
}

fn memory_bytes(raw: Field<Size>, reader: &mut Reader<'_>) -> Option<u64> {
    match raw {
        Field::Given(size) if size.value.0 < MEMORY_BYTES_MIN => {
            let help = format!("give it at least {}MiB", MEMORY_BYTES_MIN >> 20);
            reader.problem(&size.span, "`memory` is too small", help);
            None
        }
        other => other.or(Size(MEMORY_BYTES)).map(|size| size.0),
    }
}

fn options(raw: Field<Names<Setting>>) -> StorageOptions {
    let settings = raw.given().into_iter().flat_map(|at| at.value.right());
    settings.map(|(name, setting)| (name.value, setting.value.0)).collect()
}

fn target(raw: At<raw::Target>, reader: &mut Reader<'_>) -> Option<TargetSpec> {
    match raw.value {
        raw::Target::Sqlite(sqlite) => {
            let path = location::path(&sqlite.path.given()?, reader)?;
            Some(TargetSpec::Sqlite { path })
        }
        raw::Target::Postgres(postgres) => {
            let url = postgres_url(postgres.url, reader);
            let password = postgres.password.given().map(|at| at.value.0);
            Some(TargetSpec::Postgres { url: url?, password })
        }
        raw::Target::Mysql(mysql) => {
            let help = "write `mysql://user@host:3306/database`";
            let url = url(mysql.url, &["mysql://", "mariadb://"], "this is no URL of MySQL", help, reader);
            let password = mysql.password.given().map(|at| at.value.0);
            Some(TargetSpec::Mysql { url: url?, password })
        }
        raw::Target::Mongodb(mongodb) => {
            let help = "write `mongodb://user@host:27017/database` or `mongodb+srv://user@host/database`";
            let schemes = ["mongodb://", "mongodb+srv://"];
            let url = url(mongodb.url, &schemes, "this is no connection string of MongoDB", help, reader);
            let password = mongodb.password.given().map(|at| at.value.0);
            let transactions = mongodb.transactions.or(YesNo(true));
            Some(TargetSpec::Mongodb { url: url?, password, transactions: transactions?.0 })
        }
    }
}

/// A URL of Postgres, or keywords.
fn postgres_url(raw: Field<Hidden>, reader: &mut Reader<'_>) -> Option<Secret> {
    let url = raw.given()?;
    let text = url.value.0.expose();
    if !(text.starts_with("postgres://") || text.starts_with("postgresql://") || text.contains('=')) {
        let help = "write `postgres://user@host/database`, or keywords: `host=… user=… dbname=…`";
        reader.problem(&url.span, "this is neither a URL of Postgres nor keywords", help.to_owned());
        return None;
    }
    Some(url.value.0)
}

/// A URL that begins with one of these schemes.
fn url(
    raw: Field<Hidden>,
    schemes: &[&str],
    problem: &'static str,
    help: &'static str,
    reader: &mut Reader<'_>,
) -> Option<Secret> {
    let url = raw.given()?;
    if !schemes.iter().any(|scheme| url.value.0.expose().starts_with(scheme)) {
        reader.problem(&url.span, problem, help.to_owned());
        return None;
    }
    Some(url.value.0)
}
