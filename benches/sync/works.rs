//! The works that are compared, each by hydrant and by what people would do without it, in turns and from the same state.

mod beside;
mod peers;

pub(crate) use beside::Beside;

use crate::{
    day::Day,
    duckdb,
    files::write_parquet,
    hydrant::{Hydrant, Run},
    measured::{Line, Measured, Role, measured},
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

const FIRST_LOAD: &str = "first load";
const NO_CHANGE: &str = "no change";

/// A table in a server of its own, with a model that is kept in it.
pub(crate) struct Bench<'a> {
    server: &'a Server,
    product: Box<dyn Product + 'a>,
    shape: Shape,
    rows: u64,
    /// The better of so many counts.
    rounds: u32,
    /// Of hydrant's sync, as its file has them.
    settings: String,
    folder: PathBuf,
    first: Model,
}

/// A day's rows as Parquet, and what a table with them holds.
struct Model {
    parquet: PathBuf,
    checksum: Checksum,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(
        server: &'a Server,
        shape: Shape,
        rows: u64,
        rounds: u32,
        settings: &str,
        folder: &Path,
    ) -> Self {
        let parquet = folder.join("first.parquet");
        let checksum = write_parquet(&parquet, shape, Day::first(rows));
        let first = Model { parquet, checksum };
        let product = product(server, shape, folder);
        let (settings, folder) = (settings.to_owned(), folder.to_owned());
        Self { server, product, shape, rows, rounds, settings, folder, first }
    }

    /// Prepares what writing by hand needs, and putting the table back. To be called before what does either.
    pub(crate) fn prepare(&self) {
        self.server.clear();
        self.product.create();
        self.product.prepare_loads(Day::first(self.rows));
    }

    /// The first load into an empty table, measured. It is what everything else begins with: the table and hydrant's state are
    /// those of the first day afterwards. `by_hand`: whether the same is done by hand too.
    pub(crate) fn first_load(&self, by_hand: bool) -> (Hydrant<'a>, Vec<Line>) {
        let mut best: Option<Measured> = None;
        let mut ways: Vec<(&str, Measured)> = Vec::new();
        let mut hydrant = None;
        for _ in 0..self.rounds {
            if by_hand {
                self.server.clear();
                self.product.create();
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
            let now = Hydrant::new(self.server, self.shape, &self.settings, self.folder.join("hydrant"));
            now.day(&self.first.parquet);
            self.product.settle();
            let run = now.run();
            assert_eq!(run.changed, self.rows, "hydrant says how many rows it wrote");
            self.expect(&self.first.checksum, "hydrant");
            best = Some(better(best, run.measured));
            hydrant = Some(now);
        }
        let best = best.expect("a round");
        let mut lines = vec![self.line(FIRST_LOAD, Role::Hydrant, &self.hydrant(), 0, &best)];
        let roles = [Role::Baseline].into_iter().chain(std::iter::repeat(Role::Other));
        lines.extend(
            ways.iter().zip(roles).map(|((who, took), role)| self.line(FIRST_LOAD, role, who, 0, took)),
        );
        (hydrant.expect("a round"), lines)
    }

    /// A run that finds nothing new; and, if it is to be compared, the least that it could be.
    pub(crate) fn no_change(&self, hydrant: &Hydrant, compared: bool) -> Vec<Line> {
        let mut best: Option<Measured> = None;
        let mut others: [Option<Measured>; 2] = [None, None];
        let again = self.folder.join("again.parquet");
        let before = self.folder.join("before.parquet");
        let duckdb = duckdb::program();
        if compared {
            fs::copy(&self.first.parquet, &before).expect("room for a copy");
        }
        for _ in 0..self.rounds {
            self.product.settle();
            let run = hydrant.run();
            assert_eq!(run.changed, 0, "nothing changed");
            best = Some(better(best, run.measured));
            if compared {
                let [join, plain] = &mut others;
                if let Some(program) = &duckdb {
                    let command = duckdb::compare(program, &before, &self.first.parquet, &again, self.shape);
                    let took = measured(command, None);
                    assert_eq!(
                        took.output.lines().last().map(str::trim),
                        Some("0"),
                        "DuckDB finds no difference"
                    );
                    *join = Some(better(join.take(), took));
                }
                let mut command = Command::new(std::env::current_exe().expect("this program"));
                command.arg(PLAIN_LOOP).arg(&self.first.parquet).arg(&again);
                *plain = Some(better(plain.take(), measured(command, None)));
            }
        }
        self.expect(&self.first.checksum, "hydrant");
        let mut ours = self.line(NO_CHANGE, Role::Hydrant, &self.hydrant(), 0, &best.expect("a round"));
        if compared && duckdb.is_none() {
            ours.note =
                Some("DuckDB is not installed (scripts/peers): its full outer join is not here".to_owned());
        }
        if compared {
            fs::remove_file(&again).expect("our own file");
            fs::remove_file(&before).expect("our own file");
        }
        let whos =
            ["DuckDB: full outer join, and Parquet written again", "plain loop: Parquet read and written"];
        // The first that is there is what hydrant is compared with.
        let roles = [Role::Baseline, if duckdb.is_some() { Role::Other } else { Role::Baseline }];
        let others = others.into_iter().zip(whos).zip(roles);
        let others =
            others.filter_map(|((took, who), role)| Some(self.line(NO_CHANGE, role, who, 0, &took?)));
        std::iter::once(ours).chain(others).collect()
    }

    /// A run in which so many percent of the rows are others; and the step `apply` of it beside the same changes by hand.
    pub(crate) fn changed(&self, hydrant: &Hydrant, percent: f64, by_hand: bool) -> Vec<Line> {
        let day = Day::later(self.rows, percent);
        let model = self.model(day);
        let changes = by_hand.then(|| self.product.prepare_changes(day));
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
        changes.iter().for_each(Changes::remove);
        let best = best.expect("a round");
        let of = day.changed();
        let mut lines = vec![self.line(&changed_work(percent), Role::Hydrant, &self.hydrant(), of, &best)];
        if let Some((who, took)) = hand {
            let work = format!("apply of {percent} % changed alone");
            // Of a step only its seconds are known.
            let apply = self.line(&work, Role::Hydrant, &self.hydrant(), of, &Measured::default());
            lines.push(Line { seconds: apply_seconds, cpu_seconds: None, peak_mb: None, ..apply });
            lines.push(self.line(&work, Role::Baseline, who, of, &took));
        }
        lines
    }

    fn model(&self, day: Day) -> Model {
        let parquet = self.folder.join("later.parquet");
        let checksum = write_parquet(&parquet, self.shape, day);
        Model { parquet, checksum }
    }

    /// A figure for a table that is wrong is worth nothing.
    fn expect(&self, checksum: &Checksum, who: &str) {
        self.holds(checksum).unwrap_or_else(|other| panic!("{who} {other}"));
    }

    /// Whether the table is as it should be.
    fn holds(&self, checksum: &Checksum) -> Result<(), String> {
        let found = self.product.checksum();
        if found == *checksum {
            return Ok(());
        }
        Err(format!("left another table than the model: {found:?} is not {checksum:?}"))
    }

    /// The line of what did not come to its end.
    fn failed(&self, work: &str, role: Role, who: &str, changed: u64, failure: &str) -> Line {
        eprintln!("{work}, {who}: {failure}");
        let line = self.line(work, role, who, changed, &Measured::failed());
        Line { note: Some(format!("failed: {}", reason(failure))), ..line }
    }

    /// What hydrant is called in a line: with what its sync has beside the defaults.
    fn hydrant(&self) -> String {
        match self.settings.as_str() {
            "" => "hydrant".to_owned(),
            settings => format!("hydrant, {settings}"),
        }
    }

    fn line(&self, work: &str, role: Role, who: &str, changed: u64, took: &Measured) -> Line {
        Line {
            target: self.server.kind.name().to_owned(),
            shape: self.shape.name(),
            work: work.to_owned(),
            rows: self.rows,
            changed,
            ..took.line(role, who)
        }
    }
}

fn changed_work(percent: f64) -> String {
    format!("{percent} % changed")
}

/// Where the database's own words begin in what a program says: libpq, Go's drivers of Postgres and MySQL.
const WORDS_OF_THE_DATABASE: [&str; 3] = ["ERROR: ", "pq: ", "Error 1"];

/// Why a program ended, in one line: the first that the database said to it, which is often followed by what came of that; or else
/// its last line.
fn reason(failure: &str) -> &str {
    let of_the_database =
        |line| WORDS_OF_THE_DATABASE.iter().find_map(|words| str::find(line, words).map(|at| &line[at..]));
    let last = || failure.trim().lines().last().unwrap_or_default();
    let reason = failure.lines().find_map(of_the_database).unwrap_or_else(last);
    // What colours its end on a terminal is no part of it.
    reason.split('\u{1b}').next().unwrap_or_default().trim()
}

fn better(best: Option<Measured>, now: Measured) -> Measured {
    match best {
        Some(best) => best.better(now),
        None => now,
    }
}
