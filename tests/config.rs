//! The configuration: what is wrong in it is told well, and all at once; schema, parser and documentation agree; secrets
//! stay hidden.

// Clippy's exception for tests does not reach helper functions.
#![allow(clippy::unwrap_used)]

use hydrant::{
    config::{Config, CopyMode, FileFormat, FileTable, Location, SourceSpec, TargetSpec, load},
    cursor::{Cursor, Lookback},
    guard::{GuardRules, RowsRule, ShareRule, ShrinkRule, Then},
    mapping::{Transforms, Wanted},
    secret::Secret,
    sync::{DuplicateKeys, ExportKind, ExposureSpec, NullKeys, Redact, Refused, RejectCeiling, Retention},
};
use hydrant_contract::{Deletes, DocumentId, Documents, Mode, Nulls, SoftMark, TableName};
use serde_json::json;
use std::{
    env::VarError,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

#[path = "config/schema.rs"]
mod schema;
#[path = "config/secrets.rs"]
mod secrets;
#[path = "config/warehouses.rs"]
mod warehouses;

/// What is set where the tests' configurations are read.
fn environment(name: &str) -> Result<String, VarError> {
    match name {
        "APP_DATABASE_URL" => Ok("postgres://app@db.example/app".to_owned()),
        "APP_PASSWORD" => Ok("hunter2-of-environment".to_owned()),
        "APP_HOST" => Ok("db.example".to_owned()),
        "PLANS" => Ok("/srv".to_owned()),
        "SALT" => Ok("hunter2-0123456789abcdef".to_owned()),
        "EMPTY" => Ok(String::new()),
        "LATIN" => Err(VarError::NotUnicode(OsString::from("hunter2"))),
        "WORD" => Ok("hunter2-word".to_owned()),
        _ => Err(VarError::NotPresent),
    }
}

fn folders(kind: &str) -> Vec<PathBuf> {
    let root = Path::new("tests/config").join(kind);
    let mut folders: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

/// Every folder of `tests/config/bad` is a configuration that must be refused, as its `expected.txt` shows. To accept
/// what is shown now: `BLESS=1 cargo test --test config`, then read the difference.
#[test]
fn bad_configurations_are_refused_with_place_cause_and_mend() {
    let mut failures = Vec::new();
    let folders = folders("bad");
    assert!(folders.len() >= 20, "only {} cases were found", folders.len());
    for folder in folders {
        let Err(errors) = load(&folder.join("hydrant.yml"), &environment) else {
            failures.push(format!("{}: it was taken", folder.display()));
            continue;
        };
        let shown = errors.render(false).replace(&format!("{}/", folder.display()), "");
        let expected = folder.join("expected.txt");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &shown).unwrap();
        }
        let known = fs::read_to_string(&expected).unwrap_or_default();
        if known != shown {
            failures.push(format!("{}: expected\n{known}\nbut it says\n{shown}", folder.display()));
        }
        if shown.contains("hunter2") {
            failures.push(format!("{}: a secret is shown:\n{shown}", folder.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn a_file_that_is_not_there_is_an_error_without_a_line() {
    let errors = load(Path::new("tests/config/nowhere.yml"), &environment).unwrap_err();
    let shown = errors.to_string();
    assert!(shown.contains("cannot read the configuration"), "{shown}");
    assert!(shown.contains("tests/config/nowhere.yml"), "{shown}");
    assert_eq!(errors.errors()[0].line, None);
}

#[test]
fn errors_have_a_form_for_programs_and_a_coloured_one() {
    let errors =
        load(Path::new("tests/config/bad/unknown_key_with_a_guess/hydrant.yml"), &environment).unwrap_err();
    assert_eq!(
        serde_json::to_value(&errors).unwrap(),
        json!([
            {
                "file": "tests/config/bad/unknown_key_with_a_guess/hydrant.yml",
                "line": 7,
                "column": 3,
                "message": "`syncs.banners` has no `source`",
                "help": "add `source: …` to it",
            },
            {
                "file": "tests/config/bad/unknown_key_with_a_guess/hydrant.yml",
                "line": 8,
                "column": 5,
                "message": "unknown key `sorce` in `syncs.banners`",
                "help": "did you mean `source`?",
            },
        ])
    );
    assert!(errors.render(true).contains("\u{1b}["));
    assert!(!errors.render(false).contains('\u{1b}'));
}

fn good(name: &str) -> Config {
    let path = Path::new("tests/config/good").join(name).join("hydrant.yml");
    load(&path, &environment).unwrap_or_else(|errors| panic!("{name}\n{errors}"))
}

#[test]
fn every_good_configuration_is_taken() {
    for folder in folders("good") {
        good(folder.file_name().unwrap().to_str().unwrap());
    }
}

#[test]
fn what_was_typed_becomes_what_the_program_relies_on() {
    let config = good("everything");
    let folder = Path::new("tests/config/good/everything");
    assert_eq!(config.memory_bytes, 1 << 30);
    assert_eq!(config.scratch.as_deref(), Some(Path::new("/var/tmp/hydrant")));
    assert_eq!(config.store.location, Location::Url("s3://acme-hydrant/prod".to_owned()));
    let options: Vec<(&str, &str)> =
        config.store.options.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(
        options,
        [
            ("access_key_id", "hydrant"),
            ("allow_http", "true"),
            ("connect_timeout", "5"),
            ("endpoint", "http://localhost:9000"),
            ("secret_access_key", "hunter2-of-file"),
        ]
    );

    let SourceSpec::Files(lake) = &config.sources["lake"] else { panic!("lake is no files") };
    assert_eq!(
        lake.tables["customers"],
        FileTable { location: Location::Local(folder.join("data/customers.parquet")), format: None }
    );
    assert_eq!(
        lake.tables["usage.events"],
        FileTable { location: Location::Url("s3://acme-lake/usage/*.csv".to_owned()), format: None }
    );
    assert_eq!(
        lake.tables["plans"],
        FileTable { location: Location::Local(PathBuf::from("/srv/plans")), format: Some(FileFormat::Json) }
    );
    assert_eq!(lake.options["region"].expose(), "eu-central-1");

    let SourceSpec::Postgres(shop) = &config.sources["shop"] else { panic!("shop is no postgres") };
    assert_eq!(shop.url.expose(), "postgres://hydrant@db.example/shop?target_session_attrs=prefer-standby");
    assert_eq!(shop.password.as_ref().map(Secret::expose), Some("hunter2-of-environment"));
    assert_eq!((shop.statement_timeout, shop.copy), (Some(Duration::from_secs(1800)), CopyMode::Binary));

    let TargetSpec::Postgres { url, password } = &config.targets["app"] else { panic!("app is no postgres") };
    assert_eq!(url.expose(), "postgres://hydrant@db.example/app?sslmode=verify-full");
    assert_eq!(password.as_ref().map(Secret::expose), Some("hunter2-of-environment"));
    let TargetSpec::Sqlite { path } = &config.targets["edge"] else { panic!("edge is no sqlite") };
    assert_eq!(*path, folder.join("edge.db"));
    let TargetSpec::Mysql { url, password } = &config.targets["shop"] else { panic!("shop is no mysql") };
    assert_eq!(url.expose(), "mysql://hydrant@db.example:3306/shop?ssl-mode=VERIFY_IDENTITY");
    assert_eq!(password.as_ref().map(Secret::expose), Some("hunter2-of-environment"));
    let TargetSpec::Mongodb { url, password, transactions } = &config.targets["profiles"] else {
        panic!("profiles is no mongodb")
    };
    assert_eq!(url.expose(), "mongodb+srv://hydrant@cluster.example/profiles");
    assert_eq!(password.as_ref().map(Secret::expose), Some("hunter2-of-environment"));
    assert!(!transactions);

    let banners = &config.syncs["usage-banners"];
    assert_eq!(banners.name, "usage-banners");
    assert_eq!(banners.model.sql, "select account_id, region, banner from customers");
    assert_eq!(banners.model.file, Some(folder.join("models/usage_banners.sql")));
    assert_eq!(banners.key, ["account_id", "region"]);
    assert_eq!(
        banners.table,
        TableName { schema: Some("usage.banners".to_owned()), name: "2024".to_owned() }
    );
    assert_eq!(banners.deletes, Deletes::Soft { column: "gone_at".to_owned(), mark: SoftMark::Time });
    let cursor =
        |column: &str, lookback, full_every| Cursor { column: column.to_owned(), lookback, full_every };
    let two_hours = Some(Lookback::Time(Duration::from_secs(7_200)));
    assert_eq!(banners.cursor, Some(cursor("seen_at", two_hours, 12)));
    let recommended = &config.syncs["recommendations"].cursor;
    assert_eq!(*recommended, Some(cursor("version", Some(Lookback::Number(100)), 24)));
    assert_eq!(config.syncs["accounts"].cursor, Some(cursor("updated_at", None, 24)));
    assert_eq!(config.syncs["flags"].cursor, None);
    assert_eq!((banners.duplicate_keys, banners.null_keys), (DuplicateKeys::Last, NullKeys::Reject));
    assert_eq!(banners.rejects, RejectCeiling { rows: 0, percent: 0.0 });

    let recommendations = &config.syncs["recommendations"];
    assert_eq!(
        recommendations.model.sql,
        "select customer_id, list(product_id) as products -- ${not_a_reference}\nfrom recommendations"
    );
    assert_eq!(recommendations.model.file, None);
    assert_eq!(recommendations.key, ["customer_id"]);
    assert_eq!(recommendations.mode, Mode::Mirror);
    assert_eq!(recommendations.deletes, Deletes::Soft { column: "is_gone".to_owned(), mark: SoftMark::Flag });
    assert_eq!(recommendations.rejects, RejectCeiling::default());
    assert_eq!(recommendations.documents, Documents::default());
    let documents = Documents { id: DocumentId::Fields, replace: true, nulls: Nulls::Omit };
    assert_eq!(config.syncs["profiles"].documents, documents);
    assert_eq!(config.syncs["flags"].deletes, Deletes::NullOut);
    assert_eq!(config.syncs["flags"].table, TableName { schema: None, name: "feature.flags".to_owned() });
    assert_eq!(
        (config.syncs["accounts"].mode, &config.syncs["accounts"].deletes),
        (Mode::Update, &Deletes::Ignore)
    );
    assert_eq!(
        (config.syncs["events"].mode, &config.syncs["events"].deletes),
        (Mode::Insert, &Deletes::Ignore)
    );
}

#[test]
fn rules_of_the_guard_are_taken_one_by_one() {
    let config = good("everything");
    assert_eq!(
        config.syncs["usage-banners"].guard,
        GuardRules {
            deletes: ShareRule { rows: 1000, percent: 2.5, then: Then::Stop },
            changes: ShareRule { rows: 5000, percent: 20.0, then: Then::Withhold },
            rows: RowsRule { at_least: 100, then: Then::Stop },
            shrink: ShrinkRule { percent: 30.0, then: Then::Warn },
            keys: Then::Stop,
            schema: Then::Off,
        }
    );
    // A word is what happens; the limits stay.
    let default = GuardRules::default();
    assert_eq!(
        config.syncs["recommendations"].guard,
        GuardRules {
            deletes: ShareRule { then: Then::Off, ..default.deletes },
            changes: ShareRule { then: Then::Stop, ..default.changes },
            rows: RowsRule { at_least: 10, ..default.rows },
            shrink: ShrinkRule { then: Then::Off, ..default.shrink },
            ..default
        }
    );
    assert_eq!(config.syncs["flags"].guard, default);
}

#[test]
fn columns_have_what_is_said_of_them() {
    let config = good("everything");
    let banners = &config.syncs["usage-banners"];
    let refused: Vec<(&str, Refused)> =
        banners.refused.iter().map(|(column, refused)| (column.as_str(), refused.clone())).collect();
    assert_eq!(
        refused,
        [
            ("banner", Refused::Replace(String::new())),
            ("clicked_at", Refused::Null),
            ("is_shown", Refused::Replace("false".to_owned())),
            ("note", Refused::Truncate),
            ("region", Refused::Reject),
            // As it was typed: the target reads it as the column's type.
            ("score", Refused::Replace("-1.50".to_owned())),
            ("seen_at", Refused::Null),
        ]
    );
    assert!(config.syncs["flags"].refused.is_empty());

    let hidden = |sync: &str| {
        let redact = &config.syncs[sync].redact;
        ["account_id", "name", "all"].map(|column| redact.hides(column))
    };
    assert_eq!(hidden("usage-banners"), [true, false, false]);
    assert_eq!(hidden("flags"), [false, true, false], "one column needs no list");
    assert_eq!(config.syncs["recommendations"].redact, Redact::All);
    assert_eq!(hidden("accounts"), [false, false, false]);
}

#[test]
fn columns_are_made_of_what_is_said_of_them() {
    let config = good("everything");
    let columns = |sync: &str| config.syncs[sync].columns.as_ref().map(|mapping| mapping.columns.as_slice());
    let said = |wanted: &Wanted| match wanted {
        Wanted::Column { name, from, transforms: Transforms { trim, lower, hash } } => {
            format!("{name} of {from} {trim} {lower} {}", hash.is_some())
        }
        Wanted::Constant { name, value } => format!("{name} is {value:?}"),
        Wanted::Others { except } => format!("others but {except:?}"),
    };
    let of = |sync: &str| columns(sync).unwrap_or_default().iter().map(said).collect::<Vec<_>>();
    assert_eq!(
        of("usage-banners"),
        [
            "account_id of ID false false false",
            "region of region true true false",
            "email_hash of EMAIL true true true",
            "origin is Text(\"warehouse\")",
            "rate is Decimal { unscaled: -150, precision: 3, scale: 2 }",
            "others but {\"EMAIL\", \"note\"}",
        ]
    );
    assert_eq!(of("flags"), ["name of name false false false", "is_on of is_on false false false"]);
    assert_eq!(
        of("accounts"),
        [
            "id of ID false false false",
            "is_customer is Boolean(true)",
            "version is Integer(2)",
            "others but {\"EMAIL\"}",
        ]
    );
    assert_eq!(of("carts"), ["others but {}", "seen of last_seen false false false"]);
    assert!(columns("recommendations").is_none());
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn what_a_sync_does_not_say_of_retention_the_file_does() {
    let config = good("everything");
    assert_eq!(config.syncs["usage-banners"].retain, Retention { runs: 100, days: 0 });
    assert_eq!(config.syncs["recommendations"].retain, Retention { runs: 2, days: 30 });
    assert_eq!(config.syncs["flags"].retain, Retention { runs: 48, days: 30 });
    assert_eq!(good("shared_settings").syncs["flags"].retain, Retention { runs: 24, days: 7 });
}

#[test]
fn what_a_sync_does_not_say_of_its_exports_the_file_does() {
    let config = good("everything");
    assert_eq!(config.syncs["usage-banners"].export, ExportKind::Full);
    assert_eq!(config.syncs["flags"].export, ExportKind::Changes);
    assert_eq!(good("shared_settings").syncs["flags"].export, ExportKind::Full);
}

#[test]
fn syncs_are_told_what_they_come_after() {
    let config = good("everything");
    assert_eq!(config.syncs["usage-banners"].after, ["accounts", "flags"]);
    assert_eq!(config.syncs["recommendations"].after, ["usage-banners"]);
    assert!(config.syncs["flags"].after.is_empty());
}

#[test]
fn a_model_is_a_file_a_table_sql_or_of_dbt_by_its_text_alone() {
    let config = good("models");
    let sql = |sync: &str| config.syncs[sync].model.sql.as_str();
    assert_eq!(sql("table"), "SELECT * FROM customers");
    assert_eq!(sql("qualified"), r#"SELECT * FROM db.schema."Odd name""#);
    assert_eq!(sql("quoted"), "SELECT * FROM `my-project.marts.events`");
    assert_eq!(sql("of_dbt"), r#"SELECT * FROM "prod"."marts"."Customers""#);
    assert_eq!(sql("version"), r#"SELECT * FROM "prod"."marts"."orders_v2""#);
    assert_eq!(sql("of_dbts_source"), r#"SELECT * FROM "prod"."landing"."Events""#);
    assert_eq!(sql("sql"), "select '{{ x }}' as id");
    let node = config.syncs["version"].model.dbt.as_ref().unwrap();
    assert_eq!(node.unique_id, "model.analytics.orders.v2");
    assert_eq!(node.reference, "ref('analytics', 'orders', v=2)");
    assert_eq!(node.file, "models/orders_v2.sql");
    assert_eq!(config.syncs["table"].model.dbt, None);
}

#[test]
fn dbt_is_told_what_a_sync_says_and_else_what_the_file_says() {
    let config = good("models");
    let told = |sync: &str| {
        let ExposureSpec { owner, schedule } = config.syncs[sync].exposure.clone();
        (owner.unwrap(), schedule.unwrap())
    };
    let (owner, schedule) = told("of_dbt");
    assert_eq!(
        (owner.name.as_deref(), owner.email, schedule.as_str()),
        (Some("Growth"), None, "every morning")
    );
    let (owner, schedule) = told("version");
    assert_eq!(owner.name.as_deref(), Some("Data platform"));
    assert_eq!((owner.email.as_deref(), schedule.as_str()), (Some("data@shop.example"), "hourly"));
    assert_eq!(good("quickstart").syncs["usage_banners"].exposure, ExposureSpec::default());
}

#[test]
fn aliases_and_merge_keys_share_settings() {
    let config = good("shared_settings");
    let plans = &config.syncs["plans"];
    assert_eq!((plans.table.name.as_str(), plans.model.sql.as_str()), ("plans", "select * from plans"));
    let deletes = ShareRule { rows: 0, percent: 1.0, then: Then::Withhold };
    assert_eq!(plans.guard, GuardRules { deletes, ..GuardRules::default() });
    assert_eq!(plans.guard, config.syncs["flags"].guard);
}

#[test]
fn paths_start_at_the_folder_of_the_configuration() {
    let config = good("smallest");
    assert_eq!(
        config.store.location,
        Location::Local(PathBuf::from("tests/config/good/smallest/./.hydrant"))
    );
    assert_eq!(config.memory_bytes, 256 << 20);
    assert_eq!(config.scratch, None);
}
