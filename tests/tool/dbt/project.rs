//! Configurations with models of dbt, and files as dbt writes them.

use serde_json::{Map, Value, json};
use std::fmt::Write;

/// A configuration with a sync for each model, into a table of the same name; all have the key `id`.
pub(super) fn configuration(source: &str, target: &str, dbt: &str, models: &[(&str, &str)]) -> String {
    let mut text = format!(
        "store: ./store\ndbt: {{ project: {dbt} }}\nsources:\n  warehouse: {source}\ntargets:\n  app: {target}\nsyncs:\n"
    );
    for (sync, model) in models {
        write!(
            text,
            "  {sync}:\n    source: warehouse\n    model: {model}\n    key: id\n    target: app\n    table: {sync}\n"
        )
        .unwrap();
    }
    text
}

fn metadata(hour: u32, schema: &str) -> Value {
    json!({
        "dbt_schema_version": format!("https://schemas.getdbt.com/dbt/{schema}.json"),
        "generated_at": format!("2026-05-01T{hour:02}:00:00.5Z"),
        "invocation_id": format!("of hour {hour}"),
        "project_name": "shop",
    })
}

/// A manifest with models that all are built as the table `items`, each with a test.
pub(super) fn manifest(hour: u32, models: &[&str]) -> String {
    let mut nodes = Map::new();
    for model in models {
        let id = format!("model.shop.{model}");
        let test = format!("test.shop.test_{model}");
        nodes.insert(
            test.clone(),
            json!({
                "resource_type": "test", "package_name": "shop", "name": format!("test_{model}"), "unique_id": test,
                "attached_node": id, "depends_on": { "nodes": [id] }, "config": { "materialized": "test" },
            }),
        );
        nodes.insert(
            id.clone(),
            json!({
                "resource_type": "model", "package_name": "shop", "name": model, "unique_id": id,
                "relation_name": "\"items\"", "original_file_path": format!("models/{model}.sql"),
                "config": { "materialized": "table" },
            }),
        );
    }
    let landed = json!({
        "resource_type": "source", "package_name": "shop", "source_name": "raw", "name": "landed",
        "unique_id": "source.shop.raw.landed", "relation_name": "\"items\"", "original_file_path": "models/raw.yml",
    });
    json!({
        "metadata": metadata(hour, "manifest/v12"),
        "nodes": nodes,
        "sources": { "source.shop.raw.landed": landed },
    })
    .to_string()
}

/// The results of a command; its invocation is that of the manifest of the same hour.
pub(super) fn results(hour: u32, command: &str, results: &[(&str, &str)]) -> String {
    let results: Vec<Value> = results
        .iter()
        .map(|(id, status)| json!({ "unique_id": id, "status": status, "message": "Got 2 results" }))
        .collect();
    json!({ "metadata": metadata(hour, "run-results/v6"), "results": results, "args": { "which": command } })
        .to_string()
}
