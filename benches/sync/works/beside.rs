//! The same changes with the application beside them: what it feels of hydrant, and of a merge in one transaction.

use super::{Bench, Model};
use crate::{
    application::{Load, Table},
    beside::beside,
    day::Day,
    hydrant::Hydrant,
    measured::{Line, Measured, measured},
    products::TABLE,
};
use std::{fs, time::Duration};

impl Bench<'_> {
    /// So many percent of the rows changed, end to end by hydrant and the merge alone by hand, once each. The application has had
    /// the server for itself for `idle` before each.
    pub(crate) fn beside(&self, hydrant: &Hydrant, percent: f64, idle: Duration) -> Vec<Line> {
        if self.shape.key() != ["id"] {
            eprintln!("no application beside the shape {}: it asks for rows by `id`", self.shape.name());
            return Vec::new();
        }
        let day = Day::later(self.rows, percent);
        let model = self.model(day);
        let changes = self.prepare_changes(day);
        let work = format!("{percent} % changed, the application beside it");

        hydrant.day(&model.parquet);
        let ours = self.with_application(&work, "hydrant", (day, &model), idle, || {
            let run = hydrant.run();
            assert_eq!(run.changed, day.changed(), "hydrant says how many rows it changed");
            run.measured
        });
        // Back, as after any change: its state with a run, the table with a load.
        hydrant.day(&self.first.parquet);
        hydrant.run();
        self.product.restore();

        let way = self.product.merge(&changes);
        let by_hand = self.with_application(&work, way.who, (day, &model), idle, || {
            measured(way.command, Some(self.server))
        });
        self.product.restore();
        for file in [&model.parquet, &changes.upserted, &changes.deleted] {
            fs::remove_file(file).expect("our own file");
        }
        vec![ours, by_hand]
    }

    /// Does what makes the table that of the model, and says what it took and how long the application waited. The server's processor
    /// time and what it wrote are the application's too.
    pub(crate) fn with_application(
        &self,
        work: &str,
        who: &str,
        (day, model): (Day, &Model),
        idle: Duration,
        doing: impl FnOnce() -> Measured,
    ) -> Line {
        let table = Table { name: TABLE.to_owned(), rows: self.rows };
        self.product.settle();
        let (took, latency) = beside(self.server, &table, Load::default(), idle, doing);
        self.expect(&model.checksum, who);
        let (latency, note) = match latency {
            Ok(latency) => (Some(latency), None),
            Err(error) => (None, Some(format!("the application was refused: {error:#}"))),
        };
        Line { latency, note, ..self.line(work, who, day.changed(), &took) }
    }
}
