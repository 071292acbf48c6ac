//! A table as the information schema describes it.

use crate::{
    column_type::{CatalogType, Kind},
    name,
    transaction::{Answered, Session},
};
use hydrant_contract::TableName;
use mysql_async::{Row, Value};

/// A table that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) database: String,
    pub(crate) name: String,
    /// Its name, qualified and quoted.
    pub(crate) quoted: String,
    /// `BASE TABLE`, `VIEW`, …
    pub(crate) relation: String,
    /// As in `InnoDB`.
    pub(crate) engine: Option<String>,
    pub(crate) columns: Vec<TableColumn>,
    /// Those whose columns the account may see.
    pub(crate) indexes: Vec<UniqueIndex>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableColumn {
    pub(crate) name: String,
    /// The type as SQL writes it, as in `varchar(20)`; without character set and collation.
    pub(crate) shown: String,
    pub(crate) charset: Option<String>,
    pub(crate) collation: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) not_null: bool,
    pub(crate) has_default: bool,
    pub(crate) generated: bool,
    /// What the account may do with it, in lower case: `select`, `insert`, `update`.
    pub(crate) rights: Vec<String>,
}

/// A unique index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UniqueIndex {
    pub(crate) name: String,
    /// Its columns by name, in its order; `None` for an expression.
    pub(crate) columns: Vec<Option<String>>,
    /// Which of them it has in descending order.
    pub(crate) descending: Vec<bool>,
    /// Stands on whole columns, not on prefixes or expressions, and is used by the optimizer.
    pub(crate) whole: bool,
}

impl TableColumn {
    /// The type with character set and collation, as another table would declare it.
    pub(crate) fn declared(&self) -> String {
        match (&self.charset, &self.collation) {
            (Some(charset), Some(collation)) => {
                format!("{} CHARACTER SET {charset} COLLATE {collation}", self.shown)
            }
            _ => self.shown.clone(),
        }
    }

    /// Whether texts that differ in their bytes are different, but for spaces at the end.
    pub(crate) fn tells_texts_apart(&self) -> bool {
        self.collation.as_deref().is_none_or(|collation| collation.ends_with("_bin") || collation == "binary")
    }

    /// Whether texts that differ only in spaces at the end are equal.
    pub(crate) fn ignores_spaces_at_end(&self) -> bool {
        let keeps = |collation: &str| collation.contains("_0900_") || collation.contains("nopad");
        self.kind.is_text() && self.collation.as_deref().is_some_and(|collation| !keeps(collation))
    }
}

impl Table {
    /// Looks a table up.
    pub(crate) async fn find(session: &mut Session<'_>, table: &TableName) -> Answered<Option<Self>> {
        let database = name::database_of(table, session.database()).to_owned();
        let place = || vec![Value::from(database.as_str()), Value::from(table.name.as_str())];
        let folds = session.server().folds_tables;
        // The information schema may compare names without regard to case where the server does not.
        let same = |found: &str, wanted: &str| {
            found == wanted || (folds && found.to_lowercase() == wanted.to_lowercase())
        };
        let tables = session.query(TABLES, place()).await?;
        let Some(found) =
            tables.iter().find(|row| same(&text(row, 0), &database) && same(&text(row, 1), &table.name))
        else {
            return Ok(None);
        };
        let stored = [text(found, 0), text(found, 1)];
        let of_table = |row: &Row| text(row, 0) == stored[0] && text(row, 1) == stored[1];
        let columns = session.query(COLUMNS, place()).await?;
        let statistics = session.query(INDEXES, place()).await?;
        Ok(Some(Self {
            quoted: name::qualified(&database, &table.name),
            relation: text(found, 2),
            engine: optional(found, 3),
            columns: columns.iter().filter(|row| of_table(row)).map(column).collect(),
            indexes: indexes(statistics.iter().filter(|row| of_table(row))),
            database,
            name: table.name.clone(),
        }))
    }

    /// The column of this name, which the server compares without regard to case.
    pub(crate) fn column(&self, name: &str) -> Option<&TableColumn> {
        let exact = self.columns.iter().find(|c| c.name == name);
        exact.or_else(|| self.columns.iter().find(|c| c.name.to_lowercase() == name.to_lowercase()))
    }

    /// The unique index on exactly these columns, in whatever order; the primary key first.
    pub(crate) fn index_on(&self, columns: &[&str]) -> Option<&UniqueIndex> {
        let fits = |index: &&UniqueIndex| {
            index.whole
                && index.columns.len() == columns.len()
                && columns.iter().all(|column| index.has(column))
        };
        let primary = self.indexes.iter().find(|index| index.name == "PRIMARY" && fits(index));
        primary.or_else(|| self.indexes.iter().find(fits))
    }
}

impl UniqueIndex {
    pub(crate) fn has(&self, column: &str) -> bool {
        self.columns.iter().flatten().any(|c| c == column)
    }
}

const TABLES: &str = "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES \
                      WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";

const COLUMNS: &str = "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, \
                       EXTRA, CHARACTER_MAXIMUM_LENGTH, CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, \
                       DATETIME_PRECISION, CHARACTER_SET_NAME, COLLATION_NAME, PRIVILEGES \
                       FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION";

/// All columns, since what says whether an index is used is named differently by the two products (`IS_VISIBLE`, `IGNORED`).
const INDEXES: &str = "SELECT TABLE_SCHEMA, TABLE_NAME, s.* FROM information_schema.STATISTICS AS s \
                       WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND NON_UNIQUE = 0 ORDER BY INDEX_NAME, SEQ_IN_INDEX";

fn column(row: &Row) -> TableColumn {
    let (data, shown, extra) = (text(row, 3).to_lowercase(), text(row, 4), text(row, 7).to_uppercase());
    let (charset, collation) = (optional(row, 13), optional(row, 14));
    let kind = CatalogType {
        data: &data,
        full: &shown,
        characters: number(row, 8),
        bytes: number(row, 9),
        precision: number(row, 10),
        scale: number(row, 11),
        second_digits: number(row, 12),
        charset: charset.as_deref(),
    }
    .kind();
    let not_null = text(row, 5) == "NO";
    TableColumn {
        name: text(row, 2),
        kind,
        charset,
        collation,
        not_null,
        has_default: !not_null || optional(row, 6).is_some() || extra.contains("AUTO_INCREMENT"),
        generated: ["VIRTUAL", "STORED", "PERSISTENT"].iter().any(|word| extra.starts_with(word)),
        rights: text(row, 15).to_lowercase().split(',').map(|right| right.trim().to_owned()).collect(),
        shown,
    }
}

fn indexes<'r>(rows: impl Iterator<Item = &'r Row>) -> Vec<UniqueIndex> {
    let mut indexes: Vec<UniqueIndex> = Vec::new();
    for row in rows {
        let named = |name: &str| {
            let at = row.columns_ref().iter().position(|c| c.name_str().eq_ignore_ascii_case(name));
            at.and_then(|at| optional(row, at))
        };
        let name = named("INDEX_NAME").unwrap_or_default();
        if indexes.last().is_none_or(|last| last.name != name) {
            indexes.push(UniqueIndex { name, columns: Vec::new(), descending: Vec::new(), whole: true });
        }
        let Some(index) = indexes.last_mut() else { continue };
        let column = named("COLUMN_NAME");
        let is_used =
            named("IS_VISIBLE").as_deref() != Some("NO") && named("IGNORED").as_deref() != Some("YES");
        index.whole &= column.is_some() && named("SUB_PART").is_none() && is_used;
        // FULLTEXT and the like are not unique; a hash index of MEMORY has no order.
        index.whole &= named("INDEX_TYPE").is_none_or(|of| of.eq_ignore_ascii_case("BTREE"));
        index.descending.push(named("COLLATION").as_deref() == Some("D"));
        index.columns.push(column);
    }
    indexes
}

/// A value as text, empty if it is NULL.
pub(crate) fn text(row: &Row, at: usize) -> String {
    optional(row, at).unwrap_or_default()
}

/// A value as text.
pub(crate) fn optional(row: &Row, at: usize) -> Option<String> {
    match row.as_ref(at)? {
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        _ => None,
    }
}

fn number(row: &Row, at: usize) -> Option<u64> {
    optional(row, at)?.parse().ok()
}
