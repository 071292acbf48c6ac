//! The statements that move rows into the table.
//!
//! In all of them `t` is the table and `s` the rows that come: `n` is the number of a row, `c0`, `c1`, … are the managed
//! columns. They come from one of two [sources](Source): a temporary table with columns of the table's own types (and the
//! part `p` of the batch), or a JSON document in a parameter, which needs no right at all. The join begins with the rows that come, in the
//! order of their numbers, which is the order of their keys, and looks each one up in the index on the key, whatever the
//! statistics say: so the work depends on the batch and not on the table, and every writer locks in the same order.

use crate::{
    column_type::{Charset, Kind},
    encode::Form,
    name,
    plan::{ColumnPlan, Plan},
    unique::Parking,
};
use hydrant_contract::{Deletes, Part, SoftMark};

const STAGE: &str = "hydrant_stage";
/// How `LOAD DATA` is told to read what [`crate::rows::Rows::put_line`] writes.
const LINES: &str =
    r"CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n'";

/// Where the rows that come are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The temporary table of the session.
    Stage,
    /// A JSON array of arrays: the number of a row, and its columns as strings or null.
    Document,
}

/// How a part of a batch is marked in the temporary table.
pub(crate) fn part_number(part: Part) -> u8 {
    match part {
        Part::Deletes => 0,
        Part::Updates => 1,
        Part::Inserts => 2,
    }
}

/// Makes the temporary table, in place of one that an earlier call has left.
pub(crate) fn create_stage(plan: &Plan, database: &str) -> String {
    let columns: String = plan
        .columns
        .iter()
        .enumerate()
        .map(|(i, c)| format!(", c{i} {} NULL", c.column.declared()))
        .collect();
    let stage = name::qualified(database, STAGE);
    format!(
        "DROP TEMPORARY TABLE IF EXISTS {stage}; CREATE TEMPORARY TABLE {stage} \
         (n INT UNSIGNED NOT NULL PRIMARY KEY, p TINYINT UNSIGNED NOT NULL{columns}) ENGINE=InnoDB"
    )
}

pub(crate) fn drop_stage(database: &str) -> String {
    format!("DROP TEMPORARY TABLE IF EXISTS {}", name::qualified(database, STAGE))
}

pub(crate) fn load_stage(plan: &Plan, database: &str) -> String {
    let columns = plan.columns.iter().enumerate().map(|(i, c)| (c, format!("c{i}")));
    load(&name::qualified(database, STAGE), "n, p, ", columns, &[])
}

pub(crate) fn load_straight(plan: &Plan) -> String {
    let columns = plan.columns.iter().map(|c| (c, c.quoted()));
    let soft: Vec<_> = unmarked(plan).map(|(column, value)| format!("{column} = {value}")).collect();
    load(&plan.table.quoted, "", columns, &soft)
}

fn load<'p>(
    into: &str,
    first: &str,
    columns: impl Iterator<Item = (&'p ColumnPlan, String)>,
    set: &[String],
) -> String {
    let mut set = set.to_vec();
    let fields: Vec<_> = columns
        .enumerate()
        .map(|(i, (column, target))| match column.codec.form() {
            Form::Plain | Form::Text => target,
            Form::Bytes => {
                set.push(format!("{target} = UNHEX(@hydrant_{i})"));
                format!("@hydrant_{i}")
            }
            Form::Bits => {
                set.push(format!("{target} = CAST(@hydrant_{i} AS UNSIGNED)"));
                format!("@hydrant_{i}")
            }
        })
        .collect();
    let set = if set.is_empty() { String::new() } else { format!(" SET {}", set.join(", ")) };
    format!("LOAD DATA LOCAL INFILE 'hydrant' INTO TABLE {into} {LINES} ({first}{}){set}", fields.join(", "))
}

impl Source {
    /// The rows that come, with these of their columns, joined with those of the table that have the same key.
    fn joined(self, plan: &Plan, database: &str, columns: &[usize]) -> String {
        self.joined_on(plan, database, columns, &plan.key_index.name, &self.same_key(plan))
    }

    fn joined_on(self, plan: &Plan, database: &str, columns: &[usize], index: &str, on: &str) -> String {
        format!(
            "{} STRAIGHT_JOIN {} AS t FORCE INDEX ({}) ON {on}",
            self.rows(plan, database, columns),
            plan.table.quoted,
            name::quoted(index)
        )
    }

    fn rows(self, plan: &Plan, database: &str, columns: &[usize]) -> String {
        match self {
            Self::Stage => format!("{} AS s", name::qualified(database, STAGE)),
            Self::Document => {
                let of = |(i, at): (usize, &usize)| {
                    let of_type = document_type(&plan.columns[*at]);
                    // Without these words, what cannot be converted would be NULL.
                    format!(", c{at} {of_type} PATH '$[{}]' ERROR ON ERROR", i + 1)
                };
                let columns: String = columns.iter().enumerate().map(of).collect();
                format!(
                    "JSON_TABLE(?, '$[*]' COLUMNS (n INT UNSIGNED PATH '$[0]' ERROR ON ERROR{columns})) AS s"
                )
            }
        }
    }

    /// An expression that is stored into a column.
    fn value(self, plan: &Plan, at: usize) -> String {
        match (self, plan.columns[at].codec.form()) {
            (Self::Document, Form::Bytes) => format!("UNHEX(s.c{at})"),
            (Self::Document, Form::Bits) => format!("CAST(s.c{at} AS UNSIGNED)"),
            _ => format!("s.c{at}"),
        }
    }

    /// An expression that is compared with a column: of the column's own type and collation, so that the comparison is the
    /// index's.
    pub(crate) fn comparable(self, plan: &Plan, at: usize) -> String {
        let column = &plan.columns[at];
        let value = self.value(plan, at);
        if self == Self::Stage {
            return value;
        }
        typed(&column.column.kind, column.column.collation.as_deref(), &value)
    }

    /// Whether two rows have the same key, in the words of the key's index.
    fn same_key(self, plan: &Plan) -> String {
        let terms = plan
            .key_columns()
            .map(|(at, column)| format!("t.{} = {}", column.quoted(), self.comparable(plan, at)));
        terms.collect::<Vec<_>>().join(" AND ")
    }
}

/// A text (or number) as a value of a column's type.
pub(crate) fn typed(kind: &Kind, collation: Option<&str>, value: &str) -> String {
    match kind {
        Kind::Int { unsigned: true, .. } | Kind::Bit(_) | Kind::Year => format!("CAST({value} AS UNSIGNED)"),
        Kind::Int { unsigned: false, .. } => format!("CAST({value} AS SIGNED)"),
        Kind::Decimal { precision, scale, .. } => format!("CAST({value} AS DECIMAL({precision}, {scale}))"),
        Kind::Float { .. } | Kind::Double { .. } => format!("CAST({value} AS DOUBLE)"),
        Kind::Date => format!("CAST({value} AS DATE)"),
        Kind::Time(digits) => format!("CAST({value} AS TIME({digits}))"),
        Kind::Datetime(digits) | Kind::Timestamp(digits) => format!("CAST({value} AS DATETIME({digits}))"),
        Kind::Char { .. } | Kind::Varchar { .. } | Kind::Text { .. } | Kind::Enum(_) | Kind::Set(_) => {
            match collation {
                Some(collation) => format!("{value} COLLATE {collation}"),
                None => value.to_owned(),
            }
        }
        Kind::Binary(_) | Kind::Varbinary(_) | Kind::Blob(_) | Kind::Json | Kind::Uuid | Kind::Other => {
            value.to_owned()
        }
    }
}

/// The type of a column in a document. Short texts have their limits, since they are compared; character sets are named,
/// since that of the database counts otherwise.
fn document_type(column: &ColumnPlan) -> String {
    let charset = || column.column.charset.as_deref().and_then(Charset::of).map_or("utf8mb4", Charset::name);
    match &column.column.kind {
        Kind::Char { characters, .. } | Kind::Varchar { characters, .. } => {
            format!("VARCHAR({}) CHARACTER SET {}", characters.max(&1), charset())
        }
        Kind::Enum(labels) => {
            let longest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).max(1);
            format!("VARCHAR({longest}) CHARACTER SET {}", charset())
        }
        Kind::Binary(bytes) | Kind::Varbinary(bytes) if *bytes <= 8192 => {
            format!("VARCHAR({}) CHARACTER SET ascii", (bytes * 2).max(1))
        }
        Kind::Text { .. } | Kind::Json | Kind::Set(_) => "LONGTEXT CHARACTER SET utf8mb4".to_owned(),
        Kind::Binary(_) | Kind::Varbinary(_) | Kind::Blob(_) => "LONGTEXT CHARACTER SET ascii".to_owned(),
        _ => "VARCHAR(100) CHARACTER SET ascii".to_owned(),
    }
}

/// Locks the staged rows that are there in the order of their keys, and counts them: deletes, and others.
pub(crate) fn lock_stage(plan: &Plan, database: &str) -> String {
    let joined = Source::Stage.joined(plan, database, &[]);
    format!(
        "SELECT CAST(COALESCE(SUM(s.p = 0), 0) AS SIGNED), CAST(COALESCE(SUM(s.p <> 0), 0) AS SIGNED) FROM {joined} FOR UPDATE"
    )
}

/// Finds the numbers of those rows of a document of keys that are there, and locks them as asked.
pub(crate) fn find(plan: &Plan, database: &str, for_update: &str) -> String {
    format!("SELECT s.n FROM {} {for_update}", Source::Document.joined(plan, database, &plan.key))
}

/// Deletes, marks or nulls the rows of keys; `None` if there is nothing to do.
pub(crate) fn delete(
    plan: &Plan,
    database: &str,
    source: Source,
    deletes: &Deletes,
    as_of: &str,
) -> Option<String> {
    let joined = source.joined(plan, database, &plan.key);
    let only = if source == Source::Stage { " WHERE s.p = 0" } else { "" };
    let set = match deletes {
        Deletes::Ignore => return None,
        Deletes::Hard => return Some(format!("DELETE t FROM {joined}{only}")),
        Deletes::Soft { .. } => {
            let (column, mark) = plan.soft.as_ref()?;
            match mark {
                SoftMark::Flag => format!("t.{column} = TRUE"),
                SoftMark::Time => format!("t.{column} = '{as_of}'"),
            }
        }
        Deletes::NullOut => {
            let columns: Vec<_> =
                plan.value_columns().map(|(_, c)| format!("t.{} = NULL", c.quoted())).collect();
            if columns.is_empty() {
                return None;
            }
            columns.join(", ")
        }
    };
    Some(format!("UPDATE {joined} SET {set}{only}"))
}

/// Updates the rows that are there; `None` if no column but the key is managed.
pub(crate) fn update(plan: &Plan, database: &str, source: Source) -> Option<String> {
    let set = plan.value_columns().map(|(at, c)| format!("t.{} = {}", c.quoted(), source.value(plan, at)));
    let soft = unmarked(plan).map(|(column, value)| format!("t.{column} = {value}"));
    let set: Vec<_> = set.chain(soft).collect();
    let only = if source == Source::Stage { " WHERE s.p <> 0" } else { "" };
    (!set.is_empty())
        .then(|| format!("UPDATE {} SET {}{only}", source.joined(plan, database, &all(plan)), set.join(", ")))
}

/// Inserts the staged rows; if some of them may be there, those that are not.
pub(crate) fn insert_staged(plan: &Plan, database: &str, some_are_there: bool) -> String {
    let values = (0..plan.columns.len()).map(|at| Source::Stage.value(plan, at));
    let values: Vec<_> = values.chain(unmarked(plan).map(|(_, value)| value.to_owned())).collect();
    let (join, only) = match (some_are_there, plan.key_columns().next()) {
        (true, Some((_, first))) => (
            format!(
                " LEFT JOIN {} AS t FORCE INDEX ({}) ON {}",
                plan.table.quoted,
                name::quoted(&plan.key_index.name),
                Source::Stage.same_key(plan)
            ),
            format!(" AND t.{} IS NULL", first.quoted()),
        ),
        _ => (String::new(), String::new()),
    };
    format!(
        "INSERT INTO {} ({}) SELECT {} FROM {}{join} WHERE s.p <> 0{only} ORDER BY s.n",
        plan.table.quoted,
        written(plan).join(", "),
        values.join(", "),
        Source::Stage.rows(plan, database, &[]),
    )
}

/// Inserts so many rows, whose values are parameters.
pub(crate) fn insert_values(plan: &Plan, rows: usize) -> String {
    let marks = plan.columns.iter().map(|_| "?").chain(unmarked(plan).map(|(_, value)| value));
    let row = format!("({})", marks.collect::<Vec<_>>().join(", "));
    let rows = vec![row; rows].join(", ");
    format!("INSERT INTO {} ({}) VALUES {rows}", plan.table.quoted, written(plan).join(", "))
}

/// Puts values of a unique index that are about to move out of the way.
pub(crate) fn park(plan: &Plan, database: &str, parking: &Parking<'_>) -> String {
    let moved: Vec<_> = plan
        .value_columns()
        .filter(|(_, c)| parking.index.has(&c.column.name))
        .map(|(at, c)| format!("NOT t.{} <=> {}", c.quoted(), Source::Document.comparable(plan, at)))
        .collect();
    format!(
        "UPDATE {} SET t.{} = {} WHERE {}",
        Source::Document.joined(plan, database, &all(plan)),
        parking.column.quoted(),
        parking.value,
        moved.join(" OR ")
    )
}

/// For each row of a document the key of the row of the table that has its value in a unique index, all of whose columns are
/// managed.
pub(crate) fn holders(plan: &Plan, database: &str, index: &str, columns: &[usize]) -> String {
    let on = columns
        .iter()
        .map(|at| format!("t.{} = {}", plan.columns[*at].quoted(), Source::Document.comparable(plan, *at)));
    let on = on.collect::<Vec<_>>().join(" AND ");
    let joined = Source::Document.joined_on(plan, database, columns, index, &on);
    format!("SELECT s.n, {} FROM {joined}", keys(plan))
}

/// For each row of a document of keys that is there, its key as the table has it.
pub(crate) fn keys_there(plan: &Plan, database: &str) -> String {
    format!("SELECT s.n, {} FROM {}", keys(plan), Source::Document.joined(plan, database, &plan.key))
}

/// Reads the rows of a document of keys.
pub(crate) fn read(plan: &Plan, database: &str) -> String {
    let columns: Vec<_> = plan.columns.iter().map(|c| format!("t.{}", c.quoted())).collect();
    format!("SELECT {} FROM {}", columns.join(", "), Source::Document.joined(plan, database, &plan.key))
}

fn keys(plan: &Plan) -> String {
    plan.key_columns().map(|(_, c)| format!("t.{}", c.quoted())).collect::<Vec<_>>().join(", ")
}

/// Positions of all columns, as a document of whole rows has them.
pub(crate) fn all(plan: &Plan) -> Vec<usize> {
    (0..plan.columns.len()).collect()
}

/// Columns that an insert writes.
fn written(plan: &Plan) -> Vec<String> {
    let soft = unmarked(plan).map(|(column, _)| column.to_owned());
    plan.columns.iter().map(ColumnPlan::quoted).chain(soft).collect()
}

/// What unmarks a row that is not deleted.
fn unmarked(plan: &Plan) -> impl Iterator<Item = (&str, &'static str)> {
    plan.soft.iter().map(|(column, mark)| {
        let value = match mark {
            SoftMark::Flag => "FALSE",
            SoftMark::Time => "NULL",
        };
        (column.as_str(), value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::{Table, TableColumn, UniqueIndex},
        session::{Product, Server},
    };
    use hydrant_contract::{Column, Documents, Integer, Mode, Shape, TableName, TableSpec, ValueType};

    /// A key of text, bits, bytes, and a mark.
    fn plan() -> Plan {
        let column = |name: &str, shown: &str, kind, not_null| TableColumn {
            name: name.into(),
            shown: shown.into(),
            charset: matches!(kind, Kind::Varchar { .. }).then(|| "utf8mb4".into()),
            collation: matches!(kind, Kind::Varchar { .. }).then(|| "utf8mb4_0900_bin".into()),
            kind,
            not_null,
            has_default: !not_null,
            generated: false,
            rights: Vec::new(),
        };
        let table = Table {
            database: "d".into(),
            name: "t".into(),
            quoted: "`d`.`t`".into(),
            relation: "BASE TABLE".into(),
            engine: Some("InnoDB".into()),
            columns: vec![
                column("k", "varchar(9)", Kind::Varchar { characters: 9, charset: Charset::Utf8mb4 }, true),
                column("f", "bit(3)", Kind::Bit(3), false),
                column("b", "varbinary(9)", Kind::Varbinary(9), false),
                column("gone", "tinyint(1)", Kind::Int { bits: 8, unsigned: false }, true),
            ],
            indexes: vec![UniqueIndex {
                name: "PRIMARY".into(),
                columns: vec![Some("k".into())],
                descending: vec![false],
                whole: true,
            }],
        };
        let columns =
            [("k", ValueType::Text), ("f", ValueType::Integer(Integer::I8)), ("b", ValueType::Bytes)];
        let columns = columns.map(|(name, value)| Column { name: name.into(), value }).to_vec();
        let spec = TableSpec {
            table: TableName { schema: None, name: "t".into() },
            shape: Shape::new(columns, vec!["k".into()]).expect("a shape"),
            mode: Mode::Mirror,
            deletes: Deletes::Soft { column: "gone".into(), mark: SoftMark::Flag },
            documents: Documents::default(),
        };
        let server = Server {
            product: Product::MySql,
            version: "9.7.4".into(),
            packet_bytes_max: 1 << 26,
            local_infile: true,
            folds_tables: false,
            account: "'a'@'%'".into(),
            innodb_page_bytes: 16384,
        };
        Plan::new(&spec, table, &server).expect("a plan")
    }

    #[test]
    fn the_temporary_table_has_the_table_s_own_types_and_a_key() {
        let sql = create_stage(&plan(), "d");
        for wanted in [
            "n INT UNSIGNED NOT NULL PRIMARY KEY",
            "c0 varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NULL",
            "c1 bit(3) NULL",
        ] {
            assert!(sql.contains(wanted), "{wanted} in {sql}");
        }
    }

    #[test]
    fn what_no_text_can_carry_is_loaded_through_variables() {
        let sql = load_straight(&plan());
        let wanted = "(`k`, @hydrant_1, @hydrant_2) SET `gone` = FALSE, `f` = CAST(@hydrant_1 AS UNSIGNED), `b` = UNHEX(@hydrant_2)";
        assert!(sql.ends_with(wanted), "{sql}");
    }

    #[test]
    fn an_update_goes_from_the_rows_that_come_to_the_index_of_the_key() {
        let staged = update(&plan(), "d", Source::Stage).expect("columns to update");
        assert_eq!(
            staged,
            "UPDATE `d`.`hydrant_stage` AS s STRAIGHT_JOIN `d`.`t` AS t FORCE INDEX (`PRIMARY`) ON t.`k` = s.c0 \
             SET t.`f` = s.c1, t.`b` = s.c2, t.`gone` = FALSE WHERE s.p <> 0"
        );
        let document = update(&plan(), "d", Source::Document).expect("columns to update");
        for wanted in [
            "c0 VARCHAR(9) CHARACTER SET utf8mb4 PATH '$[1]' ERROR ON ERROR",
            "ON t.`k` = s.c0 COLLATE utf8mb4_0900_bin",
            "t.`f` = CAST(s.c1 AS UNSIGNED), t.`b` = UNHEX(s.c2)",
        ] {
            assert!(document.contains(wanted), "{wanted} in {document}");
        }
    }

    #[test]
    fn values_are_compared_as_what_their_column_is() {
        let typed = |kind| typed(&kind, Some("latin1_bin"), "s.c0");
        assert_eq!(typed(Kind::Int { bits: 8, unsigned: true }), "CAST(s.c0 AS UNSIGNED)");
        let decimal = Kind::Decimal { precision: 9, scale: 2, unsigned: false };
        assert_eq!(typed(decimal), "CAST(s.c0 AS DECIMAL(9, 2))");
        let text = Kind::Varchar { characters: 9, charset: Charset::Latin1 };
        assert_eq!(typed(text), "s.c0 COLLATE latin1_bin");
        assert_eq!(typed(Kind::Varbinary(9)), "s.c0");
    }
}
