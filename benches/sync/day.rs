//! What a later day has in the place of the first one's rows.

/// A row: its number, and 0 for the values of the first day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) number: u64,
    pub(crate) version: u8,
}

/// A day. The first has the rows from 0 on in the order of their keys. A later one differs from it in about that share of rows: of
/// ten, eight are updates and one a delete, spread evenly over the table, and one is a new row at its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Day {
    rows: u64,
    /// Rows of the first day that are others now.
    touched: u64,
    inserted: u64,
}

/// Of nine rows that are touched, one is deleted.
const DELETED_EVERY: u64 = 9;

enum Fate {
    Stays,
    Updated,
    Deleted,
}

impl Day {
    pub(crate) fn first(rows: u64) -> Self {
        Self { rows, touched: 0, inserted: 0 }
    }

    /// `percent` of the rows are others than on the first day.
    pub(crate) fn later(rows: u64, percent: f64) -> Self {
        let changed = (rows as f64 * percent / 100.0).round() as u64;
        let inserted = changed / 10;
        Self { rows, touched: changed - inserted, inserted }
    }

    /// How many changes lead from the first day to this one.
    pub(crate) fn changed(&self) -> u64 {
        self.touched + self.inserted
    }

    /// All rows of the day.
    pub(crate) fn rows(self) -> impl Iterator<Item = Row> {
        let kept = (0..self.rows).filter_map(move |number| match self.fate(number) {
            Fate::Stays => Some(Row { number, version: 0 }),
            Fate::Updated => Some(Row { number, version: 1 }),
            Fate::Deleted => None,
        });
        kept.chain(self.inserted())
    }

    /// The rows that are new or have other values.
    pub(crate) fn upserted(self) -> impl Iterator<Item = Row> {
        let updated = (0..self.rows).filter(move |number| matches!(self.fate(*number), Fate::Updated));
        updated.map(|number| Row { number, version: 1 }).chain(self.inserted())
    }

    /// The rows that are gone.
    pub(crate) fn deleted(self) -> impl Iterator<Item = Row> {
        let deleted = (0..self.rows).filter(move |number| matches!(self.fate(*number), Fate::Deleted));
        deleted.map(|number| Row { number, version: 0 })
    }

    fn inserted(self) -> impl Iterator<Item = Row> {
        (self.rows..self.rows + self.inserted).map(|number| Row { number, version: 0 })
    }

    fn fate(&self, number: u64) -> Fate {
        let touched_below = |number: u64| number * self.touched / self.rows;
        match touched_below(number) {
            before if touched_below(number + 1) == before => Fate::Stays,
            before if before % DELETED_EVERY == 0 => Fate::Deleted,
            _ => Fate::Updated,
        }
    }
}
