//! The same work by other tools: a first load, and a merge of a model of which some rows are others. Once each: some take minutes.

use super::{Bench, FIRST_LOAD, Model, changed_work};
use crate::{
    day::Day,
    measured::{Line, Role, attempted},
    model::Checksum,
    peers::{Peer, Work},
    products::TABLE,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

impl Bench<'_> {
    /// A first load, and a merge of so many percent changed, by each of these. The table is theirs afterwards.
    pub(crate) fn peers(&self, peers: &[Box<dyn Peer>], percent: f64) -> Vec<Line> {
        let day = Day::later(self.rows, percent);
        let model = self.model(day);
        let mut lines = Vec::new();
        for peer in peers {
            let own = self.own_folder();
            if let Some(command) = peer.full(&self.work(&self.first.parquet, &own)) {
                self.server.clear();
                self.product.settle();
                lines.push(match attempted(command, Some(self.server)) {
                    Ok(took) => {
                        // The types of its columns are its own choice.
                        assert_eq!(
                            self.product.count(TABLE),
                            self.rows,
                            "{}: rows of a full load",
                            peer.name()
                        );
                        self.line(FIRST_LOAD, Role::Peer, &peer.name(), 0, &took)
                    }
                    Err(failure) => self.failed(FIRST_LOAD, Role::Peer, &peer.name(), 0, &failure),
                });
            }
            let own = self.own_folder();
            let Some(command) = peer.merge(&self.work(&model.parquet, &own)) else {
                eprintln!("{}: {}", peer.name(), peer.cannot(self.server.kind));
                continue;
            };
            let work = changed_work(percent);
            let then = self.merged(peer.as_ref(), day, &model);
            let took = self.merged_first(peer.as_ref(), &own).and_then(|()| {
                self.product.settle();
                let took = attempted(command, Some(self.server))?;
                self.holds(&then).map(|()| took)
            });
            lines.push(match took {
                Ok(took) => {
                    let line = self.line(&work, Role::Peer, &peer.name(), day.changed(), &took);
                    Line { note: Some(peer.cannot(self.server.kind).to_owned()), ..line }
                }
                Err(failure) => self.failed(&work, Role::Peer, &peer.name(), day.changed(), &failure),
            });
        }
        fs::remove_file(&model.parquet).expect("our own file");
        lines
    }

    pub(super) fn work<'a>(&'a self, parquet: &'a Path, folder: &'a Path) -> Work<'a> {
        Work { server: self.server, shape: self.shape, parquet, table: TABLE, folder }
    }

    /// What the peer keeps between runs starts with the first day in our table, merged by the peer itself.
    pub(super) fn merged_first(&self, peer: &dyn Peer, own: &Path) -> Result<(), String> {
        self.server.clear();
        self.product.create();
        let command = peer.merge(&self.work(&self.first.parquet, own)).expect("it merges");
        attempted(command, None)?;
        self.holds(&self.first.checksum)
    }

    /// What a merge leaves: the model, and what it does not delete.
    pub(super) fn merged(&self, peer: &dyn Peer, day: Day, model: &Model) -> Checksum {
        let checksum = model.checksum.clone();
        if peer.deletes(self.server.kind) { checksum } else { checksum.and(self.shape, day.deleted()) }
    }

    pub(super) fn own_folder(&self) -> PathBuf {
        let own = self.folder.join("peer");
        if own.exists() {
            fs::remove_dir_all(&own).expect("our own folder");
        }
        fs::create_dir(&own).expect("a folder");
        own
    }
}
