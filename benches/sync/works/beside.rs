//! The same changes with the application beside them: what it feels of hydrant, and of a merge in one transaction.

use super::Bench;
use crate::{
    application::{Load, Table},
    beside::beside,
    day::Day,
    hydrant::Hydrant,
    measured::{Line, Measured, Role, measured},
    model::Checksum,
    products::TABLE,
};
use std::{fs, time::Duration};

impl Bench<'_> {
    /// So many percent of the rows changed, end to end by hydrant and by its peers, and the merge alone by hand, once each. The
    /// application has had the server for itself for `idle` before each.
    pub(crate) fn beside(&self, hydrant: &Hydrant, percent: f64, idle: Duration) -> Vec<Line> {
        if self.shape.key() != ["id"] {
            eprintln!("no application beside the shape {}: it asks for rows by `id`", self.shape.name());
            return Vec::new();
        }
        let day = Day::later(self.rows, percent);
        let model = self.model(day);
        let changes = self.product.prepare_changes(day);
        let work = format!("{percent} % changed, the application beside it");

        hydrant.day(&model.parquet);
        let ours =
            self.with_application(&work, (Role::Hydrant, "hydrant"), day, &model.checksum, idle, || {
                let run = hydrant.run();
                assert_eq!(run.changed, day.changed(), "hydrant says how many rows it changed");
                Ok(run.measured)
            });
        // Back, as after any change: its state with a run, the table with a load.
        hydrant.day(&self.first.parquet);
        hydrant.run();
        self.product.restore();

        let way = self.product.merge(&changes);
        let by_hand =
            self.with_application(&work, (Role::Baseline, way.who), day, &model.checksum, idle, || {
                Ok(measured(way.command, Some(self.server)))
            });
        self.product.restore();
        changes.remove();
        let mut lines = vec![ours, by_hand];
        lines.extend(self.peers_beside(&work, day, &model, idle));
        fs::remove_file(&model.parquet).expect("our own file");
        lines
    }

    /// Does what makes the table hold `then`, and says what it took and how long the application waited. The server's processor
    /// time and what it wrote are the application's too.
    pub(crate) fn with_application(
        &self,
        work: &str,
        (role, who): (Role, &str),
        day: Day,
        then: &Checksum,
        idle: Duration,
        doing: impl FnOnce() -> Result<Measured, String>,
    ) -> Line {
        let table = Table { name: TABLE.to_owned(), rows: self.rows };
        self.product.settle();
        let (took, latency) = beside(self.server, &table, Load::default(), idle, doing);
        let took = match took {
            Ok(took) => took,
            Err(failure) => return self.failed(work, role, who, day.changed(), &failure),
        };
        self.expect(then, who);
        let (latency, note) = match latency {
            Ok(latency) => (Some(latency), None),
            Err(error) => (None, Some(format!("the application was refused: {error:#}"))),
        };
        Line { latency, note, ..self.line(work, role, who, day.changed(), &took) }
    }
}
