//! The works that are compared, each by hydrant and by what people would do without it, in turns and from the same state.

mod beside;

use crate::{
    day::Day,
    duckdb,
    files::{write_parquet, write_text},
    hydrant::{Hydrant, Run},
    measured::{Line, Measured, measured},
    model::{Checksum, Shape},
    products::{Changes, Product, product},
    servers::Server,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The argument that makes a process of this program the plain loop over Parquet.
pub(crate) const PLAIN_LOOP: &str = "--plain-loop";

/// A table in a server of its own, with a model that is kept in it.
pub(crate) struct Bench<'a> {
    server: &'a Server,
    product: Box<dyn Product + 'a>,
    shape: Shape,
    rows: u64,
    /// The better of so many counts.
    rounds: u32,
    folder: PathBuf,
    first: Model,
}

/// A day's rows as Parquet, and what a table with them holds.
struct Model {
    parquet: PathBuf,
    checksum: Checksum,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(server: &'a Server, shape: Shape, rows: u64, rounds: u32, folder: &Path) -> Self {
        let parquet = folder.join("first.parquet");
        let checksum = write_parquet(&parquet, shape, Day::first(rows));
        let first = Model { parquet, checksum };
        let product = product(server, shape, folder);
        Self { server, product, shape, rows, rounds, folder: folder.to_owned(), first }
    }

    /// The first load into an empty table, measured. It is what everything else begins with: the table and hydrant's state are
    /// those of the first day afterwards. `by_hand`: whether the same is done by hand too.
    pub(crate) fn first_load(&self, by_hand: bool) -> (Hydrant<'a>, Vec<Line>) {
        let mut best: Option<Measured> = None;
        let mut ways: Vec<(&str, Measured)> = Vec::new();
        let mut hydrant = None;
        self.server.clear();
        self.product.create();
        self.prepare_loads();
        for _ in 0..self.rounds {
            if by_hand {
                for way in self.product.loads() {
                    self.product.truncate();
                    self.product.settle();
                    let took = measured(way.command, Some(self.server));
                    self.expect(&self.first.checksum, way.who);
                    match ways.iter_mut().find(|(who, _)| *who == way.who) {
                        Some((_, best)) => *best = best.clone().better(took),
                        None => ways.push((way.who, took)),
                    }
                }
            }
            self.server.clear();
            self.product.create();
            let now = Hydrant::new(self.server, self.shape, self.folder.join("hydrant"));
            now.day(&self.first.parquet);
            self.product.settle();
            let run = now.run();
            assert_eq!(run.changed, self.rows, "hydrant says how many rows it wrote");
            self.expect(&self.first.checksum, "hydrant");
            best = Some(better(best, run.measured));
            hydrant = Some(now);
        }
        let best = best.expect("a round");
        let mut lines = vec![self.line("first load", "hydrant", 0, &best)];
        lines.extend(ways.iter().map(|(who, took)| self.line("first load", who, 0, took)));
        compare(&mut lines, ways.first().map(|(who, _)| *who));
        (hydrant.expect("a round"), lines)
    }

    /// A run that finds nothing new.
    pub(crate) fn no_change(&self, hydrant: &Hydrant) -> Vec<Line> {
        const WORK: &str = "no change";
        let duckdb = duckdb::program();
        let (mut ours, mut plain, mut join): (Option<Measured>, Option<Measured>, Option<Measured>) =
            (None, None, None);
        let again = self.folder.join("again.parquet");
        let before = self.folder.join("before.parquet");
        fs::copy(&self.first.parquet, &before).expect("room for a copy");
        for _ in 0..self.rounds {
            self.product.settle();
            let run = hydrant.run();
            assert_eq!(run.changed, 0, "nothing changed");
            ours = Some(better(ours, run.measured));
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            command.arg(PLAIN_LOOP).arg(&self.first.parquet).arg(&again);
            plain = Some(better(plain, measured(command, None)));
            if let Some(program) = &duckdb {
                let command = duckdb::compare(program, &before, &self.first.parquet, &again, self.shape);
                let took = measured(command, None);
                let different = took.output.lines().last().map(str::trim);
                assert_eq!(different, Some("0"), "DuckDB finds no difference");
                join = Some(better(join, took));
            }
        }
        for file in [again, before] {
            fs::remove_file(file).expect("our own file");
        }
        self.expect(&self.first.checksum, WORK);
        let mut ours = self.line(WORK, "hydrant", 0, &ours.expect("a round"));
        if duckdb.is_none() {
            ours.note = Some(
                "DuckDB is not installed (scripts/peers): there is no full outer join beside it".to_owned(),
            );
        }
        let mut lines = vec![ours];
        const JOIN: &str = "DuckDB: full outer join, and writing Parquet again";
        const PLAIN: &str = "plain loop: reading and writing Parquet";
        lines.extend(join.as_ref().map(|took| self.line(WORK, JOIN, 0, took)));
        lines.push(self.line(WORK, PLAIN, 0, &plain.expect("a round")));
        compare(&mut lines, Some(if duckdb.is_some() { JOIN } else { PLAIN }));
        lines
    }

    /// A run in which so many percent of the rows are others; and the step `apply` of it beside the same changes by hand.
    pub(crate) fn changed(&self, hydrant: &Hydrant, percent: f64, by_hand: bool) -> Vec<Line> {
        let day = Day::later(self.rows, percent);
        let model = self.model(day);
        let changes = by_hand.then(|| self.prepare_changes(day));
        let mut best: Option<Measured> = None;
        let mut apply_seconds = f64::MAX;
        let mut hand: Option<(&str, Measured)> = None;
        for _ in 0..self.rounds {
            hydrant.day(&model.parquet);
            self.product.settle();
            let run: Run = hydrant.run();
            assert_eq!(run.changed, day.changed(), "hydrant says how many rows it changed");
            self.expect(&model.checksum, "hydrant");
            apply_seconds = apply_seconds.min(run.apply_seconds);
            best = Some(better(best, run.measured));
            // Its state goes back with a run, the table with a load: what both sides begin with is the same to the page.
            hydrant.day(&self.first.parquet);
            hydrant.run();
            self.expect(&self.first.checksum, "hydrant, on its way back");
            self.product.restore();
            if let Some(changes) = &changes {
                self.product.settle();
                let way = self.product.merge(changes);
                let took = measured(way.command, Some(self.server));
                self.expect(&model.checksum, way.who);
                hand = Some((way.who, better(hand.map(|(_, took)| took), took)));
                self.product.restore();
            }
        }
        fs::remove_file(&model.parquet).expect("our own file");
        for file in changes.iter().flat_map(|changes| [&changes.upserted, &changes.deleted]) {
            fs::remove_file(file).expect("our own file");
        }
        let best = best.expect("a round");
        let mut lines = vec![self.line(&format!("{percent} % changed"), "hydrant", day.changed(), &best)];
        if let Some((who, took)) = hand {
            let work = format!("apply of {percent} % changed alone");
            // Only its seconds are known of a step.
            let apply = Line {
                seconds: apply_seconds,
                ..self.line(&work, "hydrant", day.changed(), &Measured::default())
            };
            let apply = Line { cpu_seconds: None, peak_mb: None, ..apply };
            let mut both = vec![apply, self.line(&work, who, day.changed(), &took)];
            compare(&mut both, Some(who));
            lines.extend(both);
        }
        lines
    }

    fn model(&self, day: Day) -> Model {
        let parquet = self.folder.join("later.parquet");
        let checksum = write_parquet(&parquet, self.shape, day);
        Model { parquet, checksum }
    }

    fn prepare_loads(&self) {
        let text = self.folder.join("text");
        write_text(&text, &self.shape.columns(), Day::first(self.rows).rows());
        self.product.prepare_loads(&text);
        // MySQL took it away.
        let _ = fs::remove_file(&text);
    }

    fn prepare_changes(&self, day: Day) -> Changes {
        let columns = self.shape.columns();
        let keys = &columns[..self.shape.key().len()];
        let text = Changes {
            upserted: self.folder.join("upserted.text"),
            deleted: self.folder.join("deleted.text"),
        };
        write_text(&text.upserted, &columns, day.upserted());
        write_text(&text.deleted, keys, day.deleted());
        let changes = self.product.prepare_changes(&text);
        for file in [&text.upserted, &text.deleted] {
            let _ = fs::remove_file(file);
        }
        changes
    }

    /// A figure for a table that is wrong is worth nothing.
    fn expect(&self, checksum: &Checksum, who: &str) {
        assert_eq!(self.product.checksum(), *checksum, "{who} left another table than the model");
    }

    fn line(&self, work: &str, who: &str, changed: u64, took: &Measured) -> Line {
        Line {
            target: self.server.kind.name().to_owned(),
            shape: self.shape.name(),
            work: work.to_owned(),
            rows: self.rows,
            changed,
            ..took.line(who)
        }
    }
}

fn better(best: Option<Measured>, now: Measured) -> Measured {
    match best {
        Some(best) => best.better(now),
        None => now,
    }
}

/// Each line's ratio to that of `baseline`.
fn compare(lines: &mut [Line], baseline: Option<&str>) {
    let Some(of) = lines.iter().find(|line| Some(line.who.as_str()) == baseline) else { return };
    let (seconds, who) = (of.seconds, of.who.clone());
    for line in lines.iter_mut().filter(|line| line.who != who) {
        line.ratio = Some(seconds / line.seconds);
        line.against = Some(who.clone());
    }
}
