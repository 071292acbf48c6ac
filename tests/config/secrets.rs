//! Whatever happens to a configuration, its secrets are not shown.

use hydrant::config::{Config, ConfigErrors, TargetSpec, load};
use std::{env::VarError, fs, path::Path};

/// Each place where a secret can come from and go to has its own, none of which is like any word of the configuration.
const SECRETS: &[&str] = &[
    "QQ1url",
    "QQ2word",
    "QQ3file",
    "QQ4opt",
    "QQ5opt",
    "QQ6env",
    "QQ7folded",
    "QQ8name",
    "QQ9snow",
    "QQ10trino",
    "QQ9salt",
];

/// What takes the place of a character.
const SLIPS: &[&str] = &["", " ", "\n", ":", ",", "{", "}", "#", "&", "\""];

const TEXT: &str = r#"version: 1
store:
  url: s3://bucket/path
  options: { secret_access_key: QQ4opt, access_key_id: "${KEY}" }
sources:
  lake:
    type: files
    tables: { customers: customers.parquet }
    options:
      secret_access_key: 'QQ5opt'
  snow: { type: snowflake, account: acme, user: hydrant, password: QQ9snow }
  other:
    type: adbc
    driver: trino
    options: { uri: "https://u:QQ10trino@trino.example", any: "${KEY}" }
targets:
  app: { type: postgres, url: "postgres://app:QQ1url@db.example/app", password: QQ2word }
  web:
    type: postgres
    url: >-
      host=db.example
      password=QQ7folded
    password: ${file:password}
syncs:
  banners:
    source: lake
    model: select * from customers
    columns: { id: ID, mail: { hash: { salt: "QQ9salt of 23 bytes in all" } }, "*": "*" }
    key: id
    target: app
    table: banners
"#;

fn environment(name: &str) -> Result<String, VarError> {
    if name == "KEY" { Ok("QQ6env".to_owned()) } else { Err(VarError::NotPresent) }
}

fn load_in(folder: &Path, text: &str) -> Result<Config, ConfigErrors> {
    let path = folder.join("hydrant.yml");
    fs::write(&path, text).unwrap();
    fs::write(folder.join("password"), "QQ3file\n").unwrap();
    load(&path, &environment)
}

/// Every form in which a result can be shown.
fn shown(result: &Result<Config, ConfigErrors>) -> String {
    match result {
        Ok(config) => format!("{config:?}\n{config:#?}"),
        Err(errors) => {
            let json = serde_json::to_string_pretty(errors).unwrap();
            format!(
                "{errors}\n{errors:?}\n{errors:#?}\n{}\n{}\n{json}",
                errors.render(true),
                errors.render(false)
            )
        }
    }
}

fn secrets_in(shown: &str) -> Vec<&'static str> {
    SECRETS.iter().copied().filter(|secret| shown.contains(secret)).collect()
}

#[test]
fn a_configuration_shows_none_of_its_secrets_and_still_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let config = load_in(folder.path(), TEXT).unwrap_or_else(|errors| panic!("{errors}"));
    let options = &config.store.options;
    assert_eq!(options["secret_access_key"].expose(), "QQ4opt");
    assert_eq!(options["access_key_id"].expose(), "QQ6env");
    let TargetSpec::Postgres { url, password } = &config.targets["web"] else { panic!("web is no postgres") };
    assert_eq!(url.expose(), "host=db.example password=QQ7folded");
    assert_eq!(password.as_ref().unwrap().expose(), "QQ3file");
    assert_eq!(secrets_in(&shown(&Ok(config))), Vec::<&str>::new());
}

/// A slip of one character anywhere, of many kinds: whatever error it makes, no secret is shown. Only slips outside of
/// the secrets themselves are made.
#[test]
fn a_slip_anywhere_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let mut leaks = Vec::new();
    let mut errors = 0;
    for (at, c) in TEXT.char_indices() {
        // Each place gets a few of them in turn, since every one costs a parse.
        for turn in 0..3 {
            let slip = SLIPS[(3 * at + turn) % SLIPS.len()];
            let changed = format!("{}{slip}{}", &TEXT[..at], &TEXT[at + c.len_utf8()..]);
            if SECRETS.iter().filter(|secret| TEXT.contains(**secret)).any(|secret| !changed.contains(secret))
            {
                continue;
            }
            let result = load_in(folder.path(), &changed);
            errors += usize::from(result.is_err());
            // What errors are rendered from is all there in their Debug form, which costs less than rendering.
            let found = secrets_in(&format!("{result:?}"));
            if !found.is_empty() {
                leaks.push(format!(
                    "{found:?} by {slip:?} for {c:?} at {at}:\n{}",
                    result.map_or_else(|e| e.to_string(), |_| "taken".to_owned())
                ));
            }
        }
    }
    assert!(errors > 1000, "only {errors} slips were errors");
    assert!(leaks.is_empty(), "{} leaks\n{}", leaks.len(), leaks.join("\n\n"));
}
