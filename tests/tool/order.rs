//! Syncs that come after others: a child table after its parent.

use crate::harness::{Project, everywhere};
use serde_json::json;
use std::fmt::Write;

/// Customers and their orders with a foreign key between the tables. The names of the syncs are in the wrong order.
fn shop(project: &Project) {
    project.query("CREATE TABLE customers (id BIGINT PRIMARY KEY)");
    project.query(
        "CREATE TABLE orders (id BIGINT PRIMARY KEY, customer BIGINT NOT NULL REFERENCES customers (id))",
    );
    configure(project, "SELECT CAST(id AS BIGINT) AS id FROM customers");
}

fn configure(project: &Project, customers: &str) {
    let sync = |name: &str, table: &str, model: &str, after: &str| {
        format!(
            "  {name}:\n    source: lake\n    model: {model}\n    key: id\n    target: app\n    table: {table}\n    {after}\n"
        )
    };
    let orders = "SELECT CAST(id AS BIGINT) AS id, CAST(customer AS BIGINT) AS customer FROM orders";
    let counts = "SELECT CAST(id AS BIGINT) AS id FROM orders";
    let syncs = sync("a_counts", "counts", counts, "after: [b_orders]")
        + &sync("b_orders", "orders", orders, "after: z_customers")
        + &sync("c_apart", "apart", counts, "")
        + &sync("z_customers", "customers", customers, "");
    project.syncs("customers: customers.csv, orders: orders.csv", &syncs);
}

fn rows(project: &Project, customers: &[u32], orders: &[(u32, u32)]) {
    let mut csv = String::from("id\n");
    customers.iter().for_each(|id| writeln!(csv, "{id}").unwrap());
    project.write("customers.csv", &csv);
    csv = String::from("id,customer\n");
    orders.iter().for_each(|(id, customer)| writeln!(csv, "{id},{customer}").unwrap());
    project.write("orders.csv", &csv);
}

fn held(project: &Project) -> (Vec<String>, Vec<String>) {
    (
        project.query("SELECT id FROM customers ORDER BY id"),
        project.query("SELECT id FROM orders ORDER BY id"),
    )
}

#[test]
fn parents_are_inserted_before_their_children() {
    everywhere(|project| {
        let project = project();
        shop(&project);
        rows(&project, &[1, 2], &[(10, 1), (20, 2)]);
        let ran = project.ok(&["run", "--output", "json"]).json();
        let order: Vec<&str> =
            ran["syncs"].as_array().unwrap().iter().map(|sync| sync["sync"].as_str().unwrap()).collect();
        assert_eq!(order, ["c_apart", "z_customers", "b_orders", "a_counts"]);
        rows(&project, &[1, 2, 3], &[(10, 1), (20, 2), (30, 3)]);
        project.ok(&["run", "b_orders", "z_customers"]);
        assert_eq!(held(&project).1, ["10", "20", "30"]);
    });
}

/// Contract: C21
#[test]
fn a_parent_that_its_children_still_need_is_a_reject_and_goes_in_the_next_run() {
    everywhere(|project| {
        let project = project();
        shop(&project);
        rows(&project, &[1, 2, 3], &[(10, 1), (20, 2), (30, 3)]);
        project.ok(&["run"]);
        rows(&project, &[1, 3], &[(10, 1), (30, 3)]);
        let ran = project.run(&["run", "--output", "json"]);
        assert_eq!(ran.code, 4, "{}", ran.all());
        let json = ran.json();
        let of = |name: &str| {
            let syncs = json["syncs"].as_array().unwrap();
            syncs.iter().find(|sync| sync["sync"] == name).unwrap().clone()
        };
        let customers = of("z_customers");
        assert_eq!(
            (&customers["rejected"], &customers["rejects"][0]["key"]),
            (&json!(1), &json!("{\"id\":2}"))
        );
        let reason = customers["rejects"][0]["reason"].as_str().unwrap().to_lowercase();
        assert!(reason.contains("foreign key"), "{reason}");
        assert_eq!(of("b_orders")["deletes"], 1, "a reject of the parent does not hold its children up");
        assert_eq!(held(&project), (strings(&["1", "2", "3"]), strings(&["10", "30"])));
        project.ok(&["run"]);
        assert_eq!(held(&project), (strings(&["1", "3"]), strings(&["10", "30"])));
    });
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn what_comes_after_a_sync_that_failed_is_not_run_and_says_so() {
    let project = Project::sqlite();
    shop(&project);
    rows(&project, &[1], &[(10, 1)]);
    project.ok(&["run"]);
    rows(&project, &[1, 2], &[(10, 1), (20, 2)]);
    configure(&project, "SELECT nope FROM customers");

    let ran = project.run(&["run", "--output", "json"]);
    assert_eq!(ran.code, 9, "the failed one's code counts: {}", ran.all());
    let syncs = ran.json()["syncs"].take();
    assert_eq!(syncs[0]["sync"], "c_apart");
    assert!(syncs[0]["published_at"].is_string(), "what waits for nothing is run: {syncs}");
    assert_eq!((&syncs[1]["sync"], &syncs[1]["error"]["kind"]), (&json!("z_customers"), &json!("wrong")));
    assert_eq!(syncs[2], json!({ "sync": "b_orders", "run": null, "skipped": "z_customers failed" }));
    assert_eq!(syncs[3], json!({ "sync": "a_counts", "run": null, "skipped": "b_orders was not run" }));

    let ran = project.run(&["run"]);
    let not_run = "b_orders: not run, it comes after a sync that was not published: z_customers failed";
    assert!(ran.stdout.contains(not_run), "{}", ran.stdout);
    assert!(ran.stdout.contains("1 of 4 syncs published"), "{}", ran.stdout);
    assert_eq!(held(&project).1, ["10"]);

    // Alone it is run: whoever names it has thought of its parent.
    configure(&project, "SELECT CAST(id AS BIGINT) AS id FROM customers");
    project.ok(&["run", "z_customers"]);
    configure(&project, "SELECT nope FROM customers");
    project.ok(&["run", "b_orders"]);
    assert_eq!(held(&project).1, ["10", "20"]);
}
