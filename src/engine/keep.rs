//! What becomes of an export's rows: all of them go into the store while they pass, or they wait until it is known which have
//! changed, and only those do.

use super::{
    Failure, Held,
    base::knows_no_row,
    compare::Compared,
    origin::Origin,
    parts::{Destination, Parts, Told},
};
use crate::{
    fingerprint::Scheme,
    spill::{RowSpill, SpilledRows},
    store::{Export, History, StoreError},
    sync::ExportKind,
};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use hydrant_contract::TableSpec;
use roaring::RoaringTreemap;

/// Takes rows that pass.
pub(super) trait Keep: Send {
    /// What it is when all have passed.
    type Kept: Send;

    /// Takes the next rows.
    fn add(&mut self, rows: RecordBatch) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// All have passed.
    fn finish(self) -> impl Future<Output = Result<Self::Kept, StoreError>> + Send;
}

impl Keep for RowSpill {
    type Kept = SpilledRows;

    async fn add(&mut self, rows: RecordBatch) -> Result<(), StoreError> {
        RowSpill::add(self, rows).await
    }

    async fn finish(self) -> Result<SpilledRows, StoreError> {
        RowSpill::finish(self).await
    }
}

/// What a run does with the rows that pass.
pub(super) enum Rows<'a> {
    /// All of them are kept.
    Stored(Parts<'a>),
    /// They wait.
    Aside(RowSpill),
    /// They are counted: none of them can be a change.
    Counted(u64),
}

/// The same when all have passed.
pub(super) enum Kept {
    /// All of them are in the store.
    Stored(Export),
    /// They wait to be picked.
    Aside(SpilledRows),
    /// There were so many.
    Counted(u64),
}

impl Keep for Rows<'_> {
    type Kept = Kept;

    async fn add(&mut self, rows: RecordBatch) -> Result<(), StoreError> {
        match self {
            Self::Stored(parts) => parts.add(rows).await,
            Self::Aside(spill) => spill.add(rows).await,
            Self::Counted(count) => {
                *count += rows.num_rows() as u64;
                Ok(())
            }
        }
    }

    async fn finish(self) -> Result<Kept, StoreError> {
        Ok(match self {
            Self::Stored(parts) => Kept::Stored(parts.finish().await?),
            Self::Aside(spill) => Kept::Aside(spill.finish().await?),
            Self::Counted(count) => Kept::Counted(count),
        })
    }
}

impl Kept {
    /// Whether all rows are kept.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Stored(_))
    }
}

impl Held<'_> {
    /// What is done with the rows of this run. Where all of them are going to be changes (the first run, `--resend`), they go
    /// straight into the store, and the export is a full one: to set them aside first would only be work.
    pub(super) fn rows(
        &self,
        origin: &Origin,
        history: &History,
        spec: &TableSpec,
        schema: SchemaRef,
    ) -> Result<Rows<'_>, StoreError> {
        let all_change = || self.options.resend || knows_no_row(history, spec, &Scheme::of(&spec.shape));
        Ok(match (self.sync.export, origin) {
            (ExportKind::Changes, Origin::Table(_)) => Rows::Counted(0),
            (ExportKind::Changes, Origin::Query) if all_change() => Rows::Stored(self.parts(schema)),
            (ExportKind::Changes, _) => Rows::Aside(RowSpill::new(&schema, &self.env.scratch)?),
            (ExportKind::Full, _) => Rows::Stored(self.parts(schema)),
        })
    }

    /// The parts of this run's export.
    fn parts(&self, schema: SchemaRef) -> Parts<'_> {
        let to = Destination { store: &self.env.store, names: self.env.store.names().run(self.epoch()) };
        let told = Told { observer: self.env.observer.clone(), sync: self.sync.name.clone() };
        Parts::new(to, schema, told)
    }

    /// The run's export, when it is known what has changed: rows that wait are picked and written, and the change set says
    /// where they are now.
    pub(super) async fn exported(
        &self,
        kept: Kept,
        schema: SchemaRef,
        compared: &mut Compared,
    ) -> Result<Export, Failure> {
        let mut rows = match kept {
            Kept::Stored(export) => return Ok(export),
            Kept::Counted(rows) => return Ok(Export { parts: Vec::new(), changes_of: Some(rows) }),
            Kept::Aside(rows) => rows,
        };
        let changed = &compared.inserts | &compared.updates;
        let (of, count) = (rows.rows(), changed.len());
        compared.inserts = ranks(&compared.inserts, &changed);
        compared.updates = RoaringTreemap::new();
        compared.updates.insert_range(0..count);
        compared.updates -= &compared.inserts;
        let (mut picking, mut parts) = (rows.pick(changed), self.parts(schema));
        while let Some(picked) = picking.next().await? {
            self.go_on()?;
            parts.add(picked).await?;
        }
        Ok(Export { changes_of: Some(of), ..parts.finish().await? })
    }
}

/// The places that some positions have among all of them.
fn ranks(of: &RoaringTreemap, all: &RoaringTreemap) -> RoaringTreemap {
    (0_u64..).zip(all).filter(|(_, position)| of.contains(*position)).map(|(rank, _)| rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_become_places() {
        let set = |positions: &[u64]| positions.iter().copied().collect::<RoaringTreemap>();
        let all = set(&[3, 7, 8, 1 << 40]);
        assert_eq!(ranks(&set(&[7, 1 << 40]), &all), set(&[1, 3]));
        assert_eq!(ranks(&set(&[]), &all), set(&[]));
        assert_eq!(ranks(&all, &all), set(&[0, 1, 2, 3]));
    }
}
