//! What was measured, as tables and as JSON.

use crate::measured::Line;
use comfy_table::{CellAlignment, Table, presets};

/// How the tables look.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Terminal,
    Markdown,
}

/// The tables: one for each database and shape, and one of the application's waiting where there was an application.
pub(crate) fn tables(lines: &[Line], style: Style) -> String {
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
        text += &format!("{}\n", work(&of_group, style));
        if of_group.iter().any(|line| line.latency.is_some()) {
            text += &format!("\n{}\n", latency(&of_group, style));
        }
        let notes = of_group.iter().filter_map(|line| Some((line, line.note.as_ref()?)));
        for (line, note) in notes {
            text += &format!("\n- {}, {}: {note}", line.work, line.who);
        }
        text += "\n";
    }
    text
}

fn work(lines: &[&Line], style: Style) -> Table {
    let header = ["work", "by", "s", "rows/s", "CPU s", "server CPU s", "peak MB", "log MB", "ratio", "to"];
    let mut table = table(&header, 2, style);
    for line in lines {
        let rows = if line.changed > 0 && line.work.starts_with("apply") { line.changed } else { line.rows };
        table.add_row([
            line.work.clone(),
            line.who.clone(),
            if line.seconds.is_finite() { format!("{:.2}", line.seconds) } else { "failed".to_owned() },
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
    let header = ["beside", "by", "requests", "count", "failed", "p50 ms", "p99 ms", "p99.9 ms", "max ms"];
    let mut table = table(&header, 3, style);
    for line in lines {
        for (requests, latency) in line.latency.iter().flatten() {
            let mut row = vec![line.work.clone(), line.who.clone(), requests.clone()];
            row.extend([latency.count, latency.failed].map(thousands));
            let times = [latency.p50_ms, latency.p99_ms, latency.p999_ms, latency.max_ms];
            row.extend(times.map(|ms| format!("{ms:.1}")));
            table.add_row(row);
        }
    }
    table
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

fn seconds(seconds: Option<f64>) -> String {
    seconds.filter(|seconds| seconds.is_finite()).map(|seconds| format!("{seconds:.2}")).unwrap_or_default()
}

fn thousands(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}
