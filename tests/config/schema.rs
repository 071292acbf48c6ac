//! Schema, parser and documentation know the same keys.

use super::{environment, folders};
use hydrant::config::{load, schema};
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, fs};

/// A key that is nowhere known and like none that is.
const FOREIGN_KEY: &str = "zzzzzzzz";

fn good_examples() -> Vec<(String, Value)> {
    let read = |folder: std::path::PathBuf| {
        let path = folder.join("hydrant.yml");
        let text = fs::read_to_string(&path).unwrap();
        // As the parser has it, and YAML 1.2: `off` is a text.
        let options = serde_saphyr::options! { strict_booleans: true };
        (path.display().to_string(), serde_saphyr::from_str_with_options(&text, options).unwrap())
    };
    folders("good").into_iter().map(read).collect()
}

/// The parts of JSON Schema that the configuration's schema is made of. Any other word in it fails the test, so that
/// nothing is taken for valid that was not looked at.
const WORDS: &[&str] = &[
    "$defs",
    "$ref",
    "$schema",
    "additionalProperties",
    "anyOf",
    "const",
    "default",
    "description",
    "items",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "oneOf",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
    "writeOnly",
];

/// The schema at a place, behind its reference.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Map<String, Value> {
    let schema = schema.as_object().unwrap();
    if let Some(unknown) = schema.keys().find(|word| !WORDS.contains(&word.as_str())) {
        panic!("the test does not know the word `{unknown}` of JSON Schema");
    }
    match schema.get("$ref") {
        Some(reference) => {
            let name = reference.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
            resolve(root, &root["$defs"][name])
        }
        None => schema,
    }
}

/// Whether a value is as the schema has it. `used` takes every key of the schema that the value uses, by its place.
fn is_valid(root: &Value, schema: &Value, value: &Value, place: &str, used: &mut BTreeSet<String>) -> bool {
    let schema = resolve(root, schema);
    for word in ["anyOf", "oneOf"] {
        if let Some(branches) = schema.get(word) {
            let valid: Vec<BTreeSet<String>> = branches
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|branch| {
                    let mut used = BTreeSet::new();
                    is_valid(root, branch, value, place, &mut used).then_some(used)
                })
                .collect();
            assert!(valid.len() <= 1, "{place} fits several branches");
            return match valid.into_iter().next() {
                Some(keys) => {
                    used.extend(keys);
                    true
                }
                None => false,
            };
        }
    }
    if schema.get("const").is_some_and(|constant| constant != value) {
        return false;
    }
    let types: Vec<&str> = match schema.get("type") {
        None => Vec::new(),
        Some(Value::Array(types)) => types.iter().map(|name| name.as_str().unwrap()).collect(),
        Some(name) => vec![name.as_str().unwrap()],
    };
    let length_min = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
    let is_type = |name: &&str| match *name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        "string" => value.as_str().is_some_and(|text| text.chars().count() as u64 >= length_min),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        other => panic!("the test does not know the type `{other}`"),
    };
    if !types.is_empty() && !types.iter().any(is_type) {
        return false;
    }
    if let Some(items) = value.as_array() {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        return items.len() as u64 >= least
            && items.iter().all(|item| is_valid(root, &schema["items"], item, place, used));
    }
    let Some(entries) = value.as_object() else { return true };
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    if required.iter().any(|key| !entries.contains_key(key.as_str().unwrap())) {
        return false;
    }
    entries.iter().all(|(key, value)| {
        if let Some(property) = schema.get("properties").and_then(|properties| properties.get(key)) {
            let kind =
                schema["properties"].get("type").map_or("", |kind| kind["const"].as_str().unwrap_or(""));
            let place = format!("{place}.{key}({kind})");
            used.insert(place.clone());
            return is_valid(root, property, value, &place, used);
        }
        match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => false,
            Some(names) => is_valid(root, names, value, &format!("{place}.*"), used),
            None => panic!("{place} takes anything"),
        }
    })
}

/// Every key of the schema, by its place.
fn keys(root: &Value, schema: &Value, place: &str, found: &mut BTreeSet<String>) {
    let schema = resolve(root, schema);
    for branch in ["anyOf", "oneOf"].iter().filter_map(|word| schema.get(*word)?.as_array()).flatten() {
        keys(root, branch, place, found);
    }
    if let Some(items) = schema.get("items") {
        keys(root, items, place, found);
    }
    if let Some(names @ Value::Object(_)) = schema.get("additionalProperties") {
        keys(root, names, &format!("{place}.*"), found);
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let kind = properties.get("type").map_or("", |kind| kind["const"].as_str().unwrap_or(""));
    for (key, property) in properties {
        let place = format!("{place}.{key}({kind})");
        found.insert(place.clone());
        keys(root, property, &place, found);
    }
}

fn all_keys() -> BTreeSet<String> {
    let schema = schema();
    let mut found = BTreeSet::new();
    keys(&schema, &schema, "", &mut found);
    found
}

#[test]
fn the_schema_takes_every_good_example_and_the_examples_use_every_key_of_it() {
    let schema = schema();
    let mut used = BTreeSet::new();
    for (path, example) in good_examples() {
        // Merge keys are gone after parsing; what is typed is validated by editors after the same expansion.
        assert!(is_valid(&schema, &schema, &example, "", &mut used), "{path} is not valid");
    }
    assert_eq!(
        all_keys().difference(&used).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "keys without example"
    );
}

#[test]
fn the_schema_refuses_what_the_parser_refuses() {
    let schema = schema();
    let (_, example) = good_examples().into_iter().find(|(path, _)| path.contains("quickstart")).unwrap();
    let is_taken = |example: &Value| {
        let by_schema = is_valid(&schema, &schema, example, "", &mut BTreeSet::new());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hydrant.yml");
        fs::write(&path, example.to_string()).unwrap();
        let by_parser = load(&path, &environment);
        assert_eq!(by_schema, by_parser.is_ok(), "{example:#}\n{by_parser:?}");
        by_schema
    };
    assert!(is_taken(&example));
    for (pointer, key) in [
        ("", "store"),
        ("", "sources"),
        ("", "targets"),
        ("", "syncs"),
        ("/sources/lake", "type"),
        ("/sources/lake", "tables"),
        ("/targets/app", "type"),
        ("/targets/app", "url"),
        ("/syncs/usage_banners", "source"),
        ("/syncs/usage_banners", "model"),
        ("/syncs/usage_banners", "key"),
        ("/syncs/usage_banners", "target"),
        ("/syncs/usage_banners", "table"),
    ] {
        let mut without = example.clone();
        without.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key).unwrap();
        assert!(!is_taken(&without), "{pointer} without {key}");
    }
    for (pointer, value) in [
        ("/store", json!({ "url": "s3://bucket", "option": {} })),
        ("/syncs/usage_banners/mode", json!("mirrored")),
        ("/syncs/usage_banners/key", json!([])),
        ("/syncs/usage_banners/key", json!("")),
        ("/syncs/usage_banners/deletes", json!({ "soft": { "mark": "time" } })),
        ("/syncs/usage_banners/guard/deletes/rows", json!("10")),
        ("/syncs/usage_banners/guard", json!({ "rows": { "then": "stop" } })),
        ("/syncs/usage_banners/guard", json!({ "keys": "hold" })),
        ("/syncs/usage_banners/guard", json!({ "shrink": 50 })),
    ] {
        let mut changed = example.clone();
        *changed.pointer_mut(pointer).unwrap() = value.clone();
        assert!(!is_taken(&changed), "{pointer} as {value}");
    }
}

/// Puts a foreign key into each block of a configuration in turn, and gives the place of the block with the result.
fn with_foreign_key(value: &Value, place: &str) -> Vec<(String, Value)> {
    let mut changed = Vec::new();
    if let Some(entries) = value.as_object() {
        let mut more = entries.clone();
        more.insert(FOREIGN_KEY.to_owned(), json!(1));
        changed.push((place.to_owned(), Value::Object(more)));
        for (key, inner) in entries {
            for (place, inner) in with_foreign_key(inner, &format!("{place}.{key}")) {
                let mut outer = entries.clone();
                outer.insert(key.clone(), inner);
                changed.push((place, Value::Object(outer)));
            }
        }
    }
    changed
}

#[test]
fn the_parser_takes_the_keys_of_the_schema_and_no_others() {
    let (_, example) = good_examples().into_iter().find(|(path, _)| path.contains("everything")).unwrap();
    let schema = schema();
    let mut blocks: Vec<BTreeSet<String>> = Vec::new();
    collect_blocks(&schema, &mut blocks);
    let mut seen = BTreeSet::new();
    for (place, changed) in with_foreign_key(&example, "") {
        // JSON is YAML. The files beside the example are needed, so it is read in a copy of its folder.
        let folder = tempfile::tempdir().unwrap();
        let origin = std::path::Path::new("tests/config/good/everything");
        for file in
            ["storage-key", "snowflake.p8", "models/usage_banners.sql", "analytics/built/manifest.json"]
        {
            fs::create_dir_all(folder.path().join(file).parent().unwrap()).unwrap();
            fs::copy(origin.join(file), folder.path().join(file)).unwrap();
        }
        let path = folder.path().join("hydrant.yml");
        fs::write(&path, changed.to_string()).unwrap();
        let errors = match load(&path, &environment) {
            Ok(_) => {
                // Options are a client's or driver's own; the others take names with values that are no number.
                let passed_on = [".options", ".connection", ".statement", ".settings", ".headers"];
                assert!(passed_on.iter().any(|name| place.ends_with(name)), "{place} takes any key");
                continue;
            }
            Err(errors) => errors,
        };
        let [error] = errors.errors() else { panic!("{place}: {errors}") };
        if !error.message.starts_with(&format!("unknown key `{FOREIGN_KEY}`")) {
            let names = [
                "",
                ".sources",
                ".targets",
                ".syncs",
                ".sources.lake.tables",
                ".syncs.usage-banners.refused",
                ".syncs.usage-banners.columns",
                ".syncs.accounts.columns",
                ".syncs.carts.columns",
            ];
            assert!(names.contains(&place.as_str()), "{place}: {errors}");
            continue;
        }
        let help = error.help.as_deref().unwrap();
        let keys: BTreeSet<String> = help.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert!(
            blocks.contains(&keys),
            "{place}: the parser takes {keys:?}, which no block of the schema does"
        );
        seen.insert(keys);
    }
    for block in blocks {
        assert!(seen.contains(&block), "no block of the example has the keys {block:?}");
    }
}

/// The sets of keys that the blocks of the schema have.
fn collect_blocks(schema: &Value, blocks: &mut Vec<BTreeSet<String>>) {
    match schema {
        Value::Object(entries) => {
            if let Some(properties) = entries.get("properties").and_then(Value::as_object) {
                blocks.push(properties.keys().cloned().collect());
            }
            entries.values().for_each(|inner| collect_blocks(inner, blocks));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect_blocks(inner, blocks)),
        _ => {}
    }
}

#[test]
fn the_documentation_explains_every_key_and_every_word() {
    let text = fs::read_to_string("docs/configuration.md").unwrap();
    for place in all_keys() {
        let key = place.rsplit('.').next().unwrap().split('(').next().unwrap();
        assert!(
            text.contains(&format!("| `{key}` |")),
            "docs/configuration.md has no row for `{key}` ({place})"
        );
    }
    let mut words = BTreeSet::new();
    collect_words(&schema(), &mut words);
    for word in words {
        assert!(text.contains(&format!("`{word}`")), "docs/configuration.md does not explain `{word}`");
    }
}

fn collect_words(schema: &Value, words: &mut BTreeSet<String>) {
    match schema {
        Value::Object(entries) => {
            words.extend(entries.get("const").and_then(Value::as_str).map(str::to_owned));
            entries.values().for_each(|inner| collect_words(inner, words));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect_words(inner, words)),
        _ => {}
    }
}

#[test]
fn the_examples_of_the_documentation_are_taken() {
    let text = fs::read_to_string("docs/configuration.md").unwrap();
    let examples: Vec<&str> =
        text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("models")).unwrap();
        fs::write(folder.path().join("models/usage_banners.sql"), "select 1").unwrap();
        fs::write(folder.path().join("password"), "hunter2").unwrap();
        let path = folder.path().join("hydrant.yml");
        fs::write(&path, example).unwrap();
        load(&path, &environment).unwrap_or_else(|errors| panic!("{errors}\n{example}"));
    }
}
