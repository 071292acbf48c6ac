//! What was measured, as tables and as JSON.

use crate::measured::{Latency, Line};
use comfy_table::{CellAlignment, Table, presets};

/// How the tables look.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Terminal,
    Markdown,
}

/// Of fewer requests, the highest of a thousand says no more than the maximum.
const COUNT_OF_P999: u64 = 1_000;

/// The tables: one for each database and shape, and one of the application's waiting where there was an application, which came
/// together in so many rounds.
pub(crate) fn tables(lines: &[Line], rounds_beside: u32, style: Style) -> String {
    let mut groups: Vec<(&str, &str, u64)> = Vec::new();
    for line in lines {
        let group = (line.target.as_str(), line.shape.as_str(), line.rows);
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let mut text = String::new();
    for (target, shape, rows) in groups {
        let of_group =
            |line: &&Line| (line.target.as_str(), line.shape.as_str(), line.rows) == (target, shape, rows);
        let of_group: Vec<&Line> = lines.iter().filter(of_group).collect();
        let title = format!("{target}, {shape}, {} rows", thousands(rows));
        text += &match style {
            Style::Terminal => format!("\n{title}\n"),
            Style::Markdown => format!("\n### {title}\n\n"),
        };
        let (beside, alone): (Vec<&Line>, Vec<&Line>) = of_group.into_iter().partition(|line| line.beside);
        if !alone.is_empty() {
            text += &format!(
                "{}\n{}\n",
                work(&alone, style),
                notes(&alone, |line| format!("{}, {}", line.work, line.who))
            );
        }
        if let Some(line) = beside.first() {
            let rounds = match rounds_beside {
                1 => "One round.".to_owned(),
                rounds => {
                    format!("{rounds} rounds: all waits together, and the seconds of the one in the middle.")
                }
            };
            text += &format!(
                "{}: how long its requests waited while that was done, and while it had the server for itself (idle). {rounds}\n\n",
                line.work
            );
            text += &format!("{}\n{}\n", latency(&beside, style), notes(&beside, |line| line.who.clone()));
        }
    }
    text
}

fn notes(lines: &[&Line], of: fn(&Line) -> String) -> String {
    let noted = lines.iter().filter_map(|line| Some((of(line), line.note.as_ref()?)));
    noted.map(|(of, note)| format!("\n- {of}: {note}")).collect()
}

fn work(lines: &[&Line], style: Style) -> Table {
    let header = ["work", "by", "s", "rows/s", "CPU s", "server CPU s", "peak MB", "log MB", "ratio", "to"];
    let mut table = table(&header, 2, style);
    for line in lines {
        let rows = if line.changed > 0 && line.work.starts_with("apply") { line.changed } else { line.rows };
        table.add_row([
            line.work.clone(),
            line.who.clone(),
            taken(line),
            if line.seconds.is_finite() {
                thousands((rows as f64 / line.seconds) as u64)
            } else {
                String::new()
            },
            seconds(line.cpu_seconds),
            seconds(line.server_cpu_seconds),
            line.peak_mb.map(thousands).unwrap_or_default(),
            line.written_mb.map(thousands).unwrap_or_default(),
            line.ratio
                .filter(|ratio| ratio.is_finite())
                .map(|ratio| format!("{ratio:.2}"))
                .unwrap_or_default(),
            line.against.clone().unwrap_or_default(),
        ]);
    }
    table
}

fn latency(lines: &[&Line], style: Style) -> Table {
    let header = [
        "by",
        "requests",
        "s",
        "count",
        "failed",
        "p50 ms",
        "idle",
        "p99 ms",
        "idle",
        "p99 / idle",
        "p99.9 ms",
        "idle",
        "max ms",
        "idle",
    ];
    let mut table = table(&header, 2, style);
    for line in lines {
        let of = |name: &str| line.latency.as_ref()?.get(name);
        let known = ["reads", "writes"]
            .into_iter()
            .filter_map(|name| Some((name, of(name)?, of(&format!("idle {name}")))));
        let known: Vec<(&str, &Latency, Option<&Latency>)> = known.collect();
        if known.is_empty() {
            table.add_row([line.who.clone(), String::new(), taken(line)]);
        }
        let worst = known.iter().filter_map(|(_, during, idle)| ratio(during, *idle)).max_by(f64::total_cmp);
        for (requests, during, idle) in known {
            let both =
                |ms: fn(&Latency) -> Option<f64>| [Some(during), idle].map(|of| shown(of.and_then(ms)));
            let mut row = vec![line.who.clone(), requests.to_owned(), taken(line)];
            row.extend([during.count, during.failed].map(thousands));
            row.extend(both(|of| Some(of.p50_ms)));
            row.extend(both(|of| Some(of.p99_ms)));
            row.push(match ratio(during, idle) {
                ratio if ratio == worst && style == Style::Markdown => format!("**{}**", shown(ratio)),
                ratio => shown(ratio),
            });
            row.extend(both(|of| (of.count >= COUNT_OF_P999).then_some(of.p999_ms)));
            row.extend(both(|of| Some(of.max_ms)));
            table.add_row(row);
        }
    }
    table
}

/// How many times as long the application waited at p99 as while it had the server for itself.
fn ratio(during: &Latency, idle: Option<&Latency>) -> Option<f64> {
    Some(during.p99_ms / idle?.p99_ms)
}

fn shown(number: Option<f64>) -> String {
    number.map(|number| format!("{number:.1}")).unwrap_or_default()
}

/// A table whose first columns are words and whose other columns are numbers.
fn table(header: &[&str], words: usize, style: Style) -> Table {
    let mut table = Table::new();
    table.load_preset(match style {
        Style::Terminal => presets::NOTHING,
        Style::Markdown => presets::ASCII_MARKDOWN,
    });
    table.set_header(header);
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn taken(line: &Line) -> String {
    if line.seconds.is_finite() { format!("{:.2}", line.seconds) } else { "failed".to_owned() }
}

fn seconds(seconds: Option<f64>) -> String {
    seconds.filter(|seconds| seconds.is_finite()).map(|seconds| format!("{seconds:.2}")).unwrap_or_default()
}

fn thousands(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}
