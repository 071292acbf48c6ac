//! The one place that knows what objects are called.
//!
//! ```text
//! <sync>/leases/00000042.json
//! <sync>/manifests/00000017.sealed.json
//! <sync>/manifests/00000017.{published,abandoned}.json
//! <sync>/runs/00000017/unloaded/…
//! <sync>/runs/00000017/export/part-00000.parquet
//! <sync>/runs/00000017/export/unreadable.roaring
//! <sync>/runs/00000017/index/bucket-0000.parquet
//! <sync>/runs/00000017/changes/{inserts,updates}.roaring
//! <sync>/runs/00000017/changes/deletes-00000.parquet
//! <sync>/runs/00000017/rejects/000000000000.parquet
//! <sync>/runs/00000017/rejects/export.parquet
//! <sync>/runs/00000017/carried/000000000000.parquet
//! <sync>/runs/00000017/absent/000000000000.parquet
//! <sync>/runs/00000017/unknown/part-00000.parquet
//! <sync>/runs/00000017/finishing/00000019/begun.json
//! <sync>/runs/00000017/finishing/00000019/{rejects,carried,absent}/000000000000.parquet
//! <sync>/runs/00000017/report.json
//! ```
//!
//! Numbers are padded so that listings sort by number; a number that outgrows its padding stays correct, since names are
//! parsed, not compared.

use object_store::path::Path;

/// The names of one sync's objects.
#[derive(Clone, Debug)]
pub struct SyncNames {
    root: Path,
}

/// The commit points of a run, as objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Commit {
    /// From here on the run will be finished.
    Sealed,
    /// The run is finished.
    Published,
    /// The run will not be finished.
    Abandoned,
}

impl SyncNames {
    /// The names below the store's root.
    pub fn new(root: &Path, sync: &str) -> Self {
        Self { root: root.clone().join(sync) }
    }

    /// Folder of everything that is kept of the sync.
    pub fn folder(&self) -> Path {
        self.root.clone()
    }

    /// Folder of the leases.
    pub fn leases(&self) -> Path {
        self.root.clone().join("leases")
    }

    /// One lease.
    pub fn lease(&self, number: u64) -> Path {
        self.leases().join(format!("{number:08}.json"))
    }

    /// The number of a lease, if this is one.
    pub fn lease_number(path: &Path) -> Option<u64> {
        path.filename()?.strip_suffix(".json")?.parse().ok()
    }

    /// Folder of the manifests of all runs.
    pub fn manifests(&self) -> Path {
        self.root.clone().join("manifests")
    }

    /// A commit point of a run.
    pub fn manifest(&self, run: u64, commit: Commit) -> Path {
        let kind = match commit {
            Commit::Sealed => "sealed",
            Commit::Published => "published",
            Commit::Abandoned => "abandoned",
        };
        self.manifests().join(format!("{run:08}.{kind}.json"))
    }

    /// Which run's commit point this is.
    pub fn manifest_of(path: &Path) -> Option<(u64, Commit)> {
        let (run, kind) = path.filename()?.strip_suffix(".json")?.split_once('.')?;
        let commit = match kind {
            "sealed" => Commit::Sealed,
            "published" => Commit::Published,
            "abandoned" => Commit::Abandoned,
            _ => return None,
        };
        Some((run.parse().ok()?, commit))
    }

    /// Folder of all runs.
    pub fn runs(&self) -> Path {
        self.root.clone().join("runs")
    }

    /// Which run's folder this object lies in.
    pub fn run_of(&self, path: &Path) -> Option<u64> {
        path.prefix_match(&self.runs())?.next()?.as_ref().parse().ok()
    }

    /// One run's own objects.
    pub fn run(&self, run: u64) -> RunNames {
        RunNames { run, root: self.runs().join(format!("{run:08}")) }
    }
}

/// The names of one run's objects.
#[derive(Clone, Debug)]
pub struct RunNames {
    run: u64,
    root: Path,
}

/// The names of what one holder of the lease notes while it applies a run.
#[derive(Clone, Debug)]
pub struct NoteNames {
    root: Path,
}

impl NoteNames {
    fn in_folder(&self, folder: &str, first_change: u64) -> Path {
        self.root.clone().join(folder).join(format!("{first_change:012}.parquet"))
    }

    /// The rejects of the batch that begins at this change.
    pub fn rejects(&self, first_change: u64) -> Path {
        self.in_folder("rejects", first_change)
    }

    /// Keys whose delete was refused in the batch that begins at this change.
    pub fn carried(&self, first_change: u64) -> Path {
        self.in_folder("carried", first_change)
    }

    /// Keys that mode `update` found absent in the batch that begins at this change.
    pub fn absent(&self, first_change: u64) -> Path {
        self.in_folder("absent", first_change)
    }

    /// The same notes without those of rows that settled, as they are published.
    pub fn settled(&self) -> Self {
        Self { root: self.root.clone().join("settled") }
    }

    /// Says that the notes of those who came before are copied: from here on these ones are complete.
    pub fn begun(&self) -> Path {
        self.root.clone().join("begun.json")
    }
}

impl RunNames {
    fn in_folder(&self, folder: &str, name: String) -> Path {
        self.root.clone().join(folder).join(name)
    }

    /// Folder of what a warehouse writes for this run to read, under names that it chooses.
    pub fn unloaded(&self) -> Path {
        self.root.clone().join("unloaded")
    }

    /// A part of the export.
    pub fn export_part(&self, part: usize) -> Path {
        self.in_folder("export", format!("part-{part:05}.parquet"))
    }

    /// Positions in the export of rows of an adopted table whose values could not be read.
    pub fn unreadable(&self) -> Path {
        self.in_folder("export", "unreadable.roaring".to_owned())
    }

    /// A bucket of the index.
    pub fn index_bucket(&self, bucket: usize) -> Path {
        self.in_folder("index", format!("bucket-{bucket:04}.parquet"))
    }

    /// Positions in the export of rows believed absent from the target.
    pub fn inserts(&self) -> Path {
        self.in_folder("changes", "inserts.roaring".to_owned())
    }

    /// Positions in the export of rows believed present in the target.
    pub fn updates(&self) -> Path {
        self.in_folder("changes", "updates.roaring".to_owned())
    }

    /// A part of the keys that left the query.
    pub fn deletes_part(&self, part: usize) -> Path {
        self.in_folder("changes", format!("deletes-{part:05}.parquet"))
    }

    /// Rows that were refused while they were exported: for a NULL in their key, or a value that nothing can carry.
    pub fn refused(&self) -> Path {
        self.in_folder("rejects", "export.parquet".to_owned())
    }

    /// What that was called when only NULL keys were such a reason.
    pub(super) fn null_keys(&self) -> Path {
        self.in_folder("rejects", "null-keys.parquet".to_owned())
    }

    /// What the holder of this epoch notes while it applies the run.
    ///
    /// Its own holder's notes lie in the run's folder itself. Whoever finishes the run later has a folder of its own in
    /// there, so that the first one, should it still be alive, changes nothing of what the second one relies on.
    pub fn notes(&self, epoch: u64) -> NoteNames {
        match self.run == epoch {
            true => NoteNames { root: self.root.clone() },
            false => NoteNames { root: self.finishers().join(format!("{epoch:08}")) },
        }
    }

    /// Folder of the notes of those who finish the run for its holder.
    pub fn finishers(&self) -> Path {
        self.root.clone().join("finishing")
    }

    /// Whose [`NoteNames::begun`] this is.
    pub fn finisher_of(path: &Path) -> Option<u64> {
        let mut parts: Vec<_> = path.parts().collect();
        (parts.pop()?.as_ref() == "begun.json").then_some(())?;
        parts.pop()?.as_ref().parse().ok()
    }

    /// A part of the keys that an abandoned run may have changed.
    pub fn unknown_part(&self, part: usize) -> Path {
        self.in_folder("unknown", format!("part-{part:05}.parquet"))
    }

    /// Everything of this run.
    pub fn folder(&self) -> &Path {
        &self.root
    }

    /// What happened, for people and for `hydrant status`.
    pub fn report(&self) -> Path {
        self.root.clone().join("report.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_back_from_names() {
        let names = SyncNames::new(&Path::from("prod"), "users");
        assert_eq!(names.lease(42).as_ref(), "prod/users/leases/00000042.json");
        assert_eq!(SyncNames::lease_number(&names.lease(123_456_789)), Some(123_456_789));
        for commit in [Commit::Sealed, Commit::Published, Commit::Abandoned] {
            assert_eq!(SyncNames::manifest_of(&names.manifest(7, commit)), Some((7, commit)));
        }
        assert_eq!(SyncNames::manifest_of(&names.lease(1)), None);
        let run = names.run(7);
        assert_eq!(run.notes(7).rejects(5).as_ref(), "prod/users/runs/00000007/rejects/000000000005.parquet");
        assert_eq!(RunNames::finisher_of(&run.notes(9).begun()), Some(9));
        assert_eq!(RunNames::finisher_of(&run.notes(9).rejects(0)), None);
        assert_eq!(
            names.run(7).export_part(3).as_ref(),
            "prod/users/runs/00000007/export/part-00003.parquet"
        );
    }
}
