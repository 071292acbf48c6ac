use super::*;
use hydrant_contract::{Mode, TableName};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

/// A folder with the files of an invocation.
struct Target(tempfile::TempDir);

impl Target {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.path().join(name);
        fs::write(&file, text).unwrap();
        file
    }

    fn manifest(&self, manifest: &Value) -> Result<Manifest, ArtifactError> {
        Manifest::read(&self.write("manifest.json", &manifest.to_string()))
    }

    /// The results of a command that ended in this minute.
    fn results(&self, command: &str, minute: u32, results: &[(&str, &str)]) -> Results {
        self.results_of(json!({ "which": command }), minute, results)
    }

    fn results_of(&self, args: Value, minute: u32, results: &[(&str, &str)]) -> Results {
        let results: Vec<Value> = results
            .iter()
            .map(|(unique_id, status)| {
                json!({ "unique_id": unique_id, "status": status, "message": format!("{status}, dbt says"),
                        "relation_name": if unique_id.starts_with("model") { Some(format!("\"db\".\"{unique_id}\"")) } else { None } })
            })
            .collect();
        let text = json!({
            "metadata": {
                "dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json",
                "generated_at": format!("2026-05-01T10:{minute:02}:00.000001Z"),
                "invocation_id": format!("of minute {minute}"),
            },
            "results": results,
            "elapsed_time": 1.5,
            "args": args,
        });
        Results::read(&self.write(&format!("results-{minute}.json"), &text.to_string())).unwrap()
    }
}

fn node(id: &str, more: &Value) -> (String, Value) {
    let mut parts = id.split('.');
    let mut node = json!({
        "resource_type": parts.next(), "package_name": parts.next(), "name": parts.next(), "unique_id": id,
        "relation_name": format!("\"db\".\"{id}\""), "original_file_path": "models/it.sql",
        "config": { "materialized": "table", "enabled": true }, "depends_on": { "macros": [], "nodes": [] },
        "raw_code": "select 1", "columns": { "id": { "tests": [[{ "deep": [1, 2] }]] } },
    });
    for (key, value) in more.as_object().unwrap() {
        node[key] = value.clone();
    }
    (id.to_owned(), node)
}

fn test(name: &str, of: &[&str]) -> (String, Value) {
    let depends = json!({ "depends_on": { "nodes": of }, "relation_name": null });
    node(&format!("test.shop.{name}"), &depends)
}

/// A manifest of the invocation that ended in minute 5, with these nodes besides those that are always there.
fn manifest_with(more: Vec<(String, Value)>) -> Value {
    let orders =
        |v: Value, latest: Value| json!({ "name": "orders", "version": v, "latest_version": latest });
    let nodes = [
        node("model.shop.customers", &json!({})),
        node("model.other.customers", &json!({})),
        node("model.other.regions", &json!({ "access": "private" })),
        node("model.shop.orders.v1", &orders(json!(1), json!(1))),
        node("model.shop.orders.v2", &orders(json!(2), json!(1))),
        node("model.shop.orders.v2-rc", &orders(json!("2-rc"), json!(1))),
        node("model.a.twice", &json!({})),
        node("model.b.twice", &json!({})),
        node(
            "model.shop.steps",
            &json!({ "relation_name": null, "config": { "materialized": "ephemeral" } }),
        ),
        node("seed.shop.countries", &json!({ "depends_on": { "macros": [] } })),
        node("snapshot.shop.prices", &json!({})),
        node("analysis.shop.look", &json!({})),
    ];
    let nodes: serde_json::Map<String, Value> = nodes.into_iter().chain(more).collect();
    let events =
        json!({ "source_name": "raw", "name": "events", "relation_name": "\"db\".\"landing\".\"Events\"" });
    json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "dbt_version": "1.11.16",
            "generated_at": "2026-05-01T10:04:59.5Z", "invocation_id": "of minute 5", "project_name": "shop",
        },
        "nodes": nodes,
        "sources": { "source.shop.raw.events": node("source.shop.raw.events", &events).1 },
        "macros": { "macro.dbt.x": { "macro_sql": "{% macro x() %}" } },
        "disabled": { "model.shop.old": [node("model.shop.old", &json!({})).1] },
        "unit_tests": { "unit_test.shop.customers.adds_up": {
            "resource_type": "unit_test", "package_name": "shop", "name": "adds_up",
            "unique_id": "unit_test.shop.customers.adds_up", "model": "customers",
            "depends_on": { "macros": [], "nodes": ["model.shop.customers"] },
            "config": { "enabled": true }, "version": null,
        } },
    })
}

fn resolve(manifest: &Manifest, text: &str) -> Result<String, Unresolved> {
    let reference = Reference::parse(text).unwrap().unwrap();
    manifest.resolve(&reference).map(|node| node.unique_id)
}

#[test]
fn references_mean_what_they_mean_in_the_projects_own_sql() {
    let manifest = Target::new().manifest(&manifest_with(Vec::new())).unwrap();
    for (text, id) in [
        ("ref('customers')", "model.shop.customers"),
        ("ref('other', 'customers')", "model.other.customers"),
        ("ref('regions')", "model.other.regions"),
        ("ref('orders')", "model.shop.orders.v1"),
        ("ref('orders', v=2)", "model.shop.orders.v2"),
        ("ref('shop', 'orders', version='2-rc')", "model.shop.orders.v2-rc"),
        ("ref('b', 'twice')", "model.b.twice"),
        ("ref('countries')", "seed.shop.countries"),
        ("ref('prices')", "snapshot.shop.prices"),
        ("source('raw', 'events')", "source.shop.raw.events"),
    ] {
        assert_eq!(resolve(&manifest, text).as_deref(), Ok(id), "{text}");
    }
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for (text, why) in [
        ("ref('old')", Unresolved::Disabled),
        ("ref('steps')", Unresolved::NoRelation("ephemeral".to_owned())),
        ("ref('twice')", Unresolved::Ambiguous(names(&["a", "b"]))),
        ("ref('orders', v=3)", Unresolved::Version(names(&["1", "2", "2-rc"]))),
        ("ref('customers', v=1)", Unresolved::Version(Vec::new())),
        ("source('raw', 'event')", Unresolved::Unknown(names(&["raw.events"]))),
        (
            "ref('look')",
            Unresolved::Unknown(names(&[
                "countries",
                "customers",
                "orders",
                "prices",
                "regions",
                "steps",
                "twice",
            ])),
        ),
    ] {
        assert_eq!(resolve(&manifest, text), Err(why), "{text}");
    }
    assert!(matches!(resolve(&manifest, "ref('other', 'orders')"), Err(Unresolved::Unknown(_))));
    let regions = manifest.resolve(&Reference::parse("ref('regions')").unwrap().unwrap()).unwrap();
    assert!(regions.is_private);
    assert_eq!(regions.relation, "\"db\".\"model.other.regions\"");
}

#[test]
fn manifests_of_older_releases_are_read_and_other_files_are_not() {
    let target = Target::new();
    let mut older = manifest_with(Vec::new());
    older["metadata"]["dbt_schema_version"] = json!("https://schemas.getdbt.com/dbt/manifest/v10.json");
    older.as_object_mut().unwrap().remove("unit_tests");
    older["disabled"] = json!(null);
    let manifest = target.manifest(&older).unwrap();
    assert_eq!(resolve(&manifest, "ref('customers')").as_deref(), Ok("model.shop.customers"));

    let told = |text: &str| {
        let error = Manifest::read(&target.write("manifest.json", text)).unwrap_err();
        format!("{}\n{}", error.message, error.help)
    };
    let whole = manifest_with(Vec::new()).to_string();
    assert!(told(&whole[..whole.len() / 2]).contains("ends too early"));
    assert!(told("{ nodes }").contains("is damaged"));
    assert!(told("{}").contains("this is no manifest of dbt"));
    let version = |version: &str| told(&whole.replace("manifest/v12.json", version));
    let newer = version("manifest/v13.json");
    assert!(newer.contains("v13, which is not known") && newer.contains("a newer hydrant"), "{newer}");
    assert!(version("manifest/v9.json").contains("dbt 1.6 to 1.11"));
    assert!(version("run-results/v6.json").contains("this is no manifest"));
    let missing = Manifest::read(&target.0.path().join("nowhere.json")).unwrap_err();
    assert!(missing.message.contains("there is no manifest of dbt"), "{missing:?}");
    assert!(missing.help.contains("`dbt compile` writes it"), "{missing:?}");
}

/// What invocations say of `ref('customers')`.
fn verdict(manifest: &Manifest, results: Vec<Results>, untested_pass: bool) -> Verdict {
    let node = manifest.resolve(&Reference::parse("ref('customers')").unwrap().unwrap()).unwrap();
    Invocations::new(manifest, results, untested_pass).unwrap().verdict(&node)
}

fn refused(verdict: &Verdict, why: &str) {
    let Verdict::Refused(reason) = verdict else { panic!("{verdict:?}, not {why}") };
    assert!(reason.contains(why), "{reason}, not {why}");
}

const MODEL: &str = "model.shop.customers";

#[test]
fn a_model_counts_as_built_only_by_a_command_that_builds_and_with_all_its_rows() {
    let target = Target::new();
    let manifest = target.manifest(&manifest_with(Vec::new())).unwrap();
    let of = |command: &str, results: &[(&str, &str)]| {
        verdict(&manifest, vec![target.results(command, 5, results)], false)
    };
    for command in ["build", "run", "retry"] {
        assert_eq!(of(command, &[(MODEL, "success")]), Verdict::Built, "{command}");
    }
    for command in ["compile", "generate", "show", "clone", "test"] {
        let Verdict::NotBuilt(why) = of(command, &[(MODEL, "success")]) else { panic!("{command} builds") };
        assert!(why.contains(&format!("`dbt {command}` does not build")), "{why}");
    }
    let other = of("build", &[("model.shop.orders.v1", "success")]);
    assert_eq!(other, Verdict::NotBuilt("it was not part of that `dbt build`".to_owned()));
    refused(&of("build", &[(MODEL, "error")]), "it failed: error, dbt says");
    refused(&of("build", &[(MODEL, "skipped")]), "it was skipped");
    refused(&of("build", &[(MODEL, "partial success")]), "some of its batches failed");
    refused(&of("build", &[(MODEL, "reused")]), "dbt calls it `reused`");
    for (flag, args) in [
        ("--empty", json!({ "which": "build", "empty": true, "sample": null })),
        ("--sample", json!({ "which": "build", "empty": false, "sample": { "start": "2026-01-01" } })),
    ] {
        refused(&verdict(&manifest, vec![target.results_of(args, 5, &[(MODEL, "success")])], false), flag);
    }
}

#[test]
fn what_was_built_elsewhere_is_not_what_the_manifest_names() {
    let target = Target::new();
    let elsewhere = json!({ "relation_name": "\"dev\".\"customers\"" });
    let manifest = target.manifest(&manifest_with(vec![node(MODEL, &elsewhere)])).unwrap();
    let results = target.results("build", 5, &[(MODEL, "success")]);
    refused(&verdict(&manifest, vec![results], false), "is that of another target of dbt's?");
}

#[test]
fn every_test_that_looks_at_a_model_must_have_passed_since_it_was_built() {
    const UNIQUE: &str = "test.shop.unique_id";
    const RELATED: &str = "test.shop.orders_have_customers";
    const UNIT: &str = "unit_test.shop.customers.adds_up";
    let target = Target::new();
    let tests =
        vec![test("unique_id", &[MODEL]), test("orders_have_customers", &["model.shop.orders.v1", MODEL])];
    let manifest = target.manifest(&manifest_with(tests)).unwrap();
    let build = |more: &[(&str, &str)]| {
        let results: Vec<(&str, &str)> = [(MODEL, "success")].iter().chain(more).copied().collect();
        target.results("build", 5, &results)
    };
    let of = |more: &[(&str, &str)]| verdict(&manifest, vec![build(more)], false);
    assert_eq!(of(&[(UNIQUE, "pass"), (RELATED, "warn")]), Verdict::Built);
    assert_eq!(of(&[(UNIQUE, "pass"), (RELATED, "pass"), (UNIT, "pass")]), Verdict::Built);
    refused(&of(&[(UNIQUE, "fail"), (RELATED, "pass")]), "its test unique_id failed: fail, dbt says");
    refused(&of(&[(UNIQUE, "error"), (RELATED, "pass")]), "its test unique_id had an error");
    refused(&of(&[(UNIQUE, "pass"), (RELATED, "skipped")]), "its test orders_have_customers was skipped");
    refused(&of(&[(UNIQUE, "pass"), (RELATED, "pass"), (UNIT, "fail")]), "its unit test adds_up failed");
    refused(&of(&[(UNIQUE, "pass")]), "its test orders_have_customers was not run");
    refused(&of(&[]), "its tests were not run: orders_have_customers, unique_id");
    assert_eq!(verdict(&manifest, vec![build(&[])], true), Verdict::Built);
    refused(&verdict(&manifest, vec![build(&[(UNIQUE, "fail")])], true), "unique_id failed");

    // In two invocations: what counts is the last word on a test, if it was said after the model was built.
    let run = |minute| target.results("run", minute, &[(MODEL, "success")]);
    let tested = |minute, unique| target.results("test", minute, &[(UNIQUE, unique), (RELATED, "pass")]);
    assert_eq!(verdict(&manifest, vec![tested(5, "pass"), run(4)], false), Verdict::Built);
    refused(&verdict(&manifest, vec![tested(4, "pass"), run(5)], false), "were not run");
    refused(
        &verdict(&manifest, vec![run(3), tested(4, "pass"), tested(5, "fail")], false),
        "unique_id failed",
    );
    assert_eq!(verdict(&manifest, vec![run(3), tested(4, "fail"), tested(5, "pass")], false), Verdict::Built);
    let failed = target.results("build", 5, &[(MODEL, "error")]);
    refused(&verdict(&manifest, vec![run(3), tested(4, "pass"), failed], false), "it failed");
    // A test that only was compiled has not passed.
    let compiled =
        target.results("compile", 5, &[(MODEL, "success"), (UNIQUE, "success"), (RELATED, "success")]);
    refused(&verdict(&manifest, vec![run(4), compiled], false), "were not run");
}

#[test]
fn results_that_are_newer_than_the_manifest_are_of_the_same_invocation_or_refused() {
    let target = Target::new();
    let manifest = target.manifest(&manifest_with(Vec::new())).unwrap();
    let at = |minute| Invocations::new(&manifest, vec![target.results("build", minute, &[])], false).err();
    assert_eq!(at(5), None, "the same invocation");
    assert_eq!(at(4), None, "the manifest is newer: all that was built is in it");
    let error = at(6).unwrap();
    assert!(error.message.contains("another invocation than the results, and older"), "{}", error.message);
}

#[test]
fn results_must_say_of_which_command_they_are() {
    let target = Target::new();
    let file = target.write(
        "run_results.json",
        &json!({
            "metadata": { "dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json",
                          "generated_at": "2026-05-01T10:00:00Z" },
            "results": [], "args": {},
        })
        .to_string(),
    );
    assert!(Results::read(&file).unwrap_err().message.contains("of which command"));
    let manifest = target.write("manifest.json", &manifest_with(Vec::new()).to_string());
    assert!(Results::read(&manifest).unwrap_err().message.contains("this is no file of results"));
}

#[test]
fn exposures_have_names_that_dbt_takes_and_texts_that_it_does_not_render() {
    let owner = Owner { name: Some("Data: \"the\" team".to_owned()), email: None };
    let table = TableName { schema: Some("public".to_owned()), name: "odd {{ name }}".to_owned() };
    let key = vec!["account_id".to_owned(), "no".to_owned()];
    let exposure = |sync| Exposure {
        sync,
        depends_on: "ref('orders', v=2)",
        target: "app",
        database: "postgres",
        table: &table,
        mode: Mode::Upsert,
        key: &key,
        owner: &owner,
        schedule: Some("0 * * * *"),
    };
    let exposures = Exposures::of(&[exposure("a-b"), exposure("a_b"), exposure("a_b_2"), exposure("2024")]);
    assert_eq!(exposures.names().collect::<Vec<_>>(), ["a_b_3", "a_b", "a_b_2", "2024"]);
    let read: Value = serde_saphyr::from_str(&exposures.yaml().unwrap()).unwrap();
    let name = "public.odd {{ '{' }}{ name }}";
    assert_eq!(
        read["exposures"][0],
        json!({
            "name": "a_b_3",
            "label": format!("a-b → app:{name}"),
            "type": "application",
            "description": format!(
                "hydrant keeps the table {name} of app (postgres) equal to this model: mode upsert, key account_id, no. \
                 Runs: 0 * * * *."
            ),
            "depends_on": ["ref('orders', v=2)"],
            "owner": { "name": "Data: \"the\" team" },
            "config": { "meta": { "hydrant": {
                "sync": "a-b", "target": "app", "database": "postgres", "table": name, "mode": "upsert",
                "key": ["account_id", "no"], "schedule": "0 * * * *",
            } } },
        })
    );
    let none: Value = serde_saphyr::from_str(&Exposures::of(&[]).yaml().unwrap()).unwrap();
    assert_eq!(none, json!({ "exposures": [] }));
}
