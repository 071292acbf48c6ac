//! Every type that can be a cursor, asked for in the source's own SQL.

use super::{is_full, is_since, items, rows};
use crate::harness::Project;

/// The column `version`, as this, from the number in the file.
fn with(project: &Project, expression: &str, lookback: &str) {
    let lookback = if lookback.is_empty() { String::new() } else { format!(", lookback: {lookback}") };
    project.sync(&format!("key: [id]\ncursor: {{ column: version{lookback} }}"));
    project.model(&format!("SELECT id, name, {expression} AS version FROM items"));
}

/// Rows below the bound do not come, rows at it do, and the bound is the highest value less the lookback.
#[test]
fn rows_from_the_bound_on_come_and_no_others() {
    for (expression, lookback, since) in [
        ("CAST(version AS TINYINT)", "0", "60"),
        ("CAST(version AS BIGINT UNSIGNED)", "0", "60"),
        ("-version", "0", "-40"),
        ("CAST(version AS DECIMAL(20, 2))", "0", "60.00"),
        ("arrow_cast(version, 'Decimal256(38, 3)')", "0", "60.000"),
        ("arrow_cast(arrow_cast(version, 'Int32'), 'Date32')", "0s", "1970-03-02"),
        ("arrow_cast(arrow_cast(arrow_cast(version, 'Int32'), 'Date32'), 'Date64')", "0s", "1970-03-02"),
        ("arrow_cast(version, 'Timestamp(Second, None)')", "0s", "1970-01-01 00:01:00"),
        ("arrow_cast(version, 'Timestamp(Millisecond, None)')", "0s", "1970-01-01 00:00:00.060"),
        ("arrow_cast(version, 'Timestamp(Microsecond, None)')", "0s", "1970-01-01 00:00:00.000060"),
        // A bound is rounded down to the microsecond, so that here all rows come.
        ("arrow_cast(version * 1000, 'Timestamp(Nanosecond, None)')", "0s", "1970-01-01 00:00:00.000060"),
        ("arrow_cast(version, 'Timestamp(Second, Some(\"UTC\"))')", "0s", "1970-01-01T00:01:00Z"),
        (
            "arrow_cast(version, 'Timestamp(Microsecond, Some(\"Europe/Berlin\"))')",
            "0s",
            "1970-01-01T00:00:00.000060Z",
        ),
        (
            "arrow_cast(version * 1000, 'Timestamp(Nanosecond, Some(\"+02:00\"))')",
            "0s",
            "1970-01-01T00:00:00.000060Z",
        ),
    ] {
        let project = Project::sqlite();
        with(&project, expression, lookback);
        items(&project, &["1,one,40", "2,two,50", "3,three,60"]);
        is_full(&project.report(), "first");
        let falls = expression.starts_with('-');
        // Below the bound nothing is seen; at the bound and above it is.
        let (below, above) = if falls { (60, 40) } else { (50, 60) };
        let further = if falls { 39 } else { 61 };
        items(
            &project,
            &[&format!("1,uno,{further}"), &format!("2,zwei,{below}"), &format!("3,drei,{above}")],
        );
        let report = project.report();
        is_since(&report, since, 2);
        let names: Vec<_> = project.query("SELECT name FROM items ORDER BY id");
        assert_eq!(names, ["uno", "two", "drei"], "{expression}");
    }
}

/// Contract: C40
#[test]
fn without_a_word_one_looks_back_an_hour_a_day_for_dates_and_a_thousand_for_numbers() {
    for (expression, since) in [
        ("version", "19000"),
        ("arrow_cast(version, 'Timestamp(Second, None)')", "1970-01-01 04:33:20"),
        ("arrow_cast(version, 'Timestamp(Second, Some(\"UTC\"))')", "1970-01-01T04:33:20Z"),
        ("arrow_cast(arrow_cast(version, 'Int32'), 'Date32')", "2024-10-03"),
    ] {
        let project = Project::sqlite();
        with(&project, expression, "");
        items(&project, &["1,one,1", "2,two,20000"]);
        project.ok(&["run"]);
        is_since(&project.report(), since, 1);
    }
}

/// `9999-12-31` stands for "for ever" in many a warehouse. As a mark it would hide every later change.
#[test]
fn a_time_far_ahead_does_not_hide_what_changes_later() {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    for expression in [
        "arrow_cast(version, 'Timestamp(Second, None)')",
        "arrow_cast(version * 1000000, 'Timestamp(Microsecond, None)')",
        "arrow_cast(version * 1000000, 'Timestamp(Microsecond, Some(\"UTC\"))')",
        "arrow_cast(arrow_cast(version / 86400, 'Int32'), 'Date32')",
    ] {
        let project = Project::sqlite();
        with(&project, expression, "1d");
        let for_ever = "1,for ever,253402214400";
        items(&project, &[for_ever, &format!("2,two,{}", now - 4 * 86_400)]);
        project.ok(&["run"]);
        items(&project, &[for_ever, &format!("2,zwei,{now}"), &format!("3,three,{now}")]);
        let report = project.report();
        assert_eq!(report["cursor"]["arrived"], 3, "{expression}: {report}");
        assert_eq!(project.query("SELECT name FROM items ORDER BY id"), ["for ever", "zwei", "three"]);
    }
}

#[test]
fn a_query_with_comments_common_tables_and_an_order_can_be_asked_so() {
    let project = Project::sqlite();
    project.sync("key: [id]\ncursor: { column: 'the \"version\"', lookback: 0 }");
    project.model(
        "-- what is wanted; all of it\nWITH named AS (SELECT * FROM items)\n\
         SELECT id, name, version, version AS \"the \"\"version\"\"\" FROM named ORDER BY id -- in order",
    );
    items(&project, &["1,one,1", "2,two,2"]);
    project.ok(&["run"]);
    items(&project, &["1,one,1", "2,zwei,3"]);
    is_since(&project.report(), "2", 1);
    assert_eq!(rows(&project), ["1|one|1", "2|zwei|3"]);
}
