//! A table as the system catalog describes it.

use crate::{
    column_type::{CatalogType, Kind},
    name,
    transaction::Transaction,
};
use hydrant_contract::TableName;
use tokio_postgres::{Error, Row, types::Type};

/// A table that is there.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) oid: u32,
    /// Its name, qualified and quoted.
    pub(crate) quoted: String,
    /// Its name as messages of COPY show it.
    pub(crate) name: String,
    /// `r` table, `p` partitioned table, `v` view, `m` materialized view, `f` foreign table.
    pub(crate) relation: char,
    /// `p` permanent, `u` unlogged, `t` temporary.
    pub(crate) persistence: char,
    /// Whether functions of the application may run when rows are written.
    pub(crate) has_triggers: bool,
    /// Whether it is so small that the planner may look through it rather than look rows up.
    pub(crate) is_tiny: bool,
    pub(crate) columns: Vec<TableColumn>,
    pub(crate) indexes: Vec<UniqueIndex>,
}

/// A column of a table.
#[derive(Debug)]
pub(crate) struct TableColumn {
    pub(crate) name: String,
    pub(crate) number: i16,
    /// The type as SQL shows it, modifier included.
    pub(crate) shown: String,
    /// The declared type, qualified and quoted, without a modifier.
    pub(crate) type_name: String,
    pub(crate) kind: Kind,
    /// Whether a text form goes in and comes out unchanged, where the kind is [`Kind::Other`].
    pub(crate) text_is_exact: bool,
    /// Whether texts that differ in their bytes are different: not so under some ICU collations.
    pub(crate) tells_texts_apart: bool,
    pub(crate) not_null: bool,
    /// A default, an identity or a domain with a default.
    pub(crate) has_default: bool,
    /// `a` always, `d` by default, otherwise a space.
    pub(crate) identity: char,
    pub(crate) generated: bool,
}

/// A unique index that a row is checked against at once.
#[derive(Debug)]
pub(crate) struct UniqueIndex {
    pub(crate) name: String,
    /// The indexed columns by number; 0 stands for an expression.
    pub(crate) columns: Vec<i16>,
    /// The equality operator of each column, qualified, as in `OPERATOR(pg_catalog.=)`.
    pub(crate) operators: Vec<String>,
    /// How each column is ordered.
    pub(crate) order: Vec<IndexOrder>,
    /// Covers all rows, is complete, and tells apart what its columns do.
    pub(crate) whole: bool,
    /// Two NULLs are equal in it.
    pub(crate) nulls_equal: bool,
}

/// The order that an index has for one of its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexOrder {
    /// The operators of its operator family, qualified.
    pub(crate) less: String,
    pub(crate) not_less: String,
    pub(crate) greater: String,
    /// The collation, qualified and quoted, if it is not the column's own.
    pub(crate) collation: Option<String>,
    /// Where NULLs stand when it is read upwards, from its end if it is descending.
    pub(crate) nulls_first: bool,
}

impl Table {
    /// Looks a table up. It stays as it is until the end of the transaction once its rows were looked at.
    pub(crate) async fn find(tx: &Transaction<'_>, table: &TableName) -> Result<Option<Self>, Error> {
        let (schema, name) = (name::schema_of(table), table.name.as_str());
        let found = tx
            .query(
                "SELECT c.oid, c.relkind, c.relpersistence, c.relkind <> 'r' OR EXISTS \
                 (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal), \
                 coalesce(pg_relation_size(c.oid) < 1048576, true) FROM pg_class c \
                 JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1::text::name AND c.relname = $2::text::name \
                 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
                &[(&schema, Type::TEXT), (&name, Type::TEXT)],
            )
            .await?;
        let Some(row) = found.first() else { return Ok(None) };
        let oid: u32 = row.try_get(0)?;
        let parameters = [(&oid as _, Type::OID)];
        let (columns, indexes) =
            tokio::try_join!(tx.query(COLUMNS, &parameters), tx.query(INDEXES, &parameters))?;
        Ok(Some(Self {
            oid,
            quoted: name::qualified(schema, name),
            name: name.to_owned(),
            relation: letter(row, 1)?,
            persistence: letter(row, 2)?,
            has_triggers: row.try_get(3)?,
            is_tiny: row.try_get(4)?,
            columns: columns.iter().map(TableColumn::of).collect::<Result<_, _>>()?,
            indexes: indexes.iter().map(UniqueIndex::of).collect::<Result<_, _>>()?,
        }))
    }

    pub(crate) fn column(&self, name: &str) -> Option<&TableColumn> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The unique index on exactly these columns, in whatever order.
    pub(crate) fn index_on(&self, columns: &[i16]) -> Option<&UniqueIndex> {
        self.indexes.iter().find(|index| {
            index.whole
                && index.columns.len() == columns.len()
                && columns.iter().all(|column| index.columns.contains(column))
        })
    }
}

/// Follows domains down to their base type; a modifier of a domain counts where the column has none.
const COLUMNS: &str = "\
WITH RECURSIVE step AS (
    SELECT a.attnum, t.oid, t.typtype, t.typbasetype, a.atttypmod AS modifier, t.typnotnull AS not_null,
           t.typdefault IS NOT NULL AS has_default
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
    SELECT s.attnum, t.oid, t.typtype, t.typbasetype, d.typtypmod, s.not_null OR t.typnotnull,
           s.has_default OR t.typdefault IS NOT NULL
    FROM step s JOIN pg_type d ON d.oid = s.oid JOIN pg_type t ON t.oid = s.typbasetype
    WHERE s.typtype = 'd'
)
SELECT a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), dn.nspname, d.typname,
       b.oid, b.typname, b.typtype, b.typcategory, s.modifier,
       e.oid, e.typname, e.typtype,
       a.attnotnull OR s.not_null, a.atthasdef OR a.attidentity <> '' OR s.has_default,
       a.attidentity, a.attgenerated <> '',
       coalesce((SELECT co.collisdeterministic FROM pg_collation co WHERE co.oid = a.attcollation), true)
FROM pg_attribute a
JOIN step s ON s.attnum = a.attnum AND s.typtype <> 'd'
JOIN pg_type d ON d.oid = a.atttypid JOIN pg_namespace dn ON dn.oid = d.typnamespace
JOIN pg_type b ON b.oid = s.oid
LEFT JOIN pg_type e ON e.oid = b.typelem AND b.typcategory = 'A'
WHERE a.attrelid = $1 ORDER BY a.attnum";

/// The operators of an index column are the strategies of its operator family (1 less, 3 equal, 4 not less, 5 greater),
/// which is what the index itself calls equal: for `citext`, say, without regard to case.
const INDEXES: &str = "\
SELECT c.relname,
       (SELECT array_agg(k.attnum ORDER BY k.at) FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, at)
        WHERE k.at <= i.indnkeyatts),
       x.equal,
       i.indisvalid AND i.indisready AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
       AND coalesce(x.exact, true),
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false),
       x.less, x.not_less, x.greater, x.coll, x.nulls_first
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
CROSS JOIN LATERAL (
    SELECT array_agg(format('OPERATOR(%I.%s)', n.nspname, op.oprname) ORDER BY k.at) FILTER (WHERE ao.amopstrategy = 1),
           array_agg(format('OPERATOR(%I.%s)', n.nspname, op.oprname) ORDER BY k.at) FILTER (WHERE ao.amopstrategy = 3),
           array_agg(format('OPERATOR(%I.%s)', n.nspname, op.oprname) ORDER BY k.at) FILTER (WHERE ao.amopstrategy = 4),
           array_agg(format('OPERATOR(%I.%s)', n.nspname, op.oprname) ORDER BY k.at) FILTER (WHERE ao.amopstrategy = 5),
           array_agg(CASE WHEN co.oid <> a.attcollation THEN format('%I.%I', cn.nspname, co.collname) END ORDER BY k.at)
           FILTER (WHERE ao.amopstrategy = 3),
           bool_and(coalesce(co.collisdeterministic OR co.oid = a.attcollation, true)),
           array_agg((k.option & 1 = 1) <> (k.option & 2 = 2) ORDER BY k.at) FILTER (WHERE ao.amopstrategy = 3)
    FROM unnest(i.indclass::oid[], i.indcollation::oid[], i.indkey::int2[], i.indoption::int2[])
         WITH ORDINALITY AS k(class, coll, attnum, option, at)
    JOIN pg_opclass oc ON oc.oid = k.class
    JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy IN (1, 3, 4, 5)
         AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
    JOIN pg_operator op ON op.oid = ao.amopopr JOIN pg_namespace n ON n.oid = op.oprnamespace
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    LEFT JOIN pg_collation co ON co.oid = k.coll LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
    WHERE k.at <= i.indnkeyatts
) AS x(less, equal, not_less, greater, coll, exact, nulls_first)
WHERE i.indrelid = $1 AND i.indisunique AND m.amname = 'btree' ORDER BY i.indisprimary DESC, c.relname";

impl TableColumn {
    fn of(row: &Row) -> Result<Self, Error> {
        let (schema, type_name): (&str, &str) = (row.try_get(3)?, row.try_get(4)?);
        let item: Option<u32> = row.try_get(10)?;
        let item = match item {
            Some(oid) => Some((oid, row.try_get(11)?, letter(row, 12)?)),
            None => None,
        };
        let base = CatalogType {
            oid: row.try_get(5)?,
            name: row.try_get(6)?,
            class: letter(row, 7)?,
            category: letter(row, 8)?,
            modifier: row.try_get(9)?,
            item,
        };
        Ok(Self {
            name: row.try_get(0)?,
            number: row.try_get(1)?,
            shown: row.try_get(2)?,
            type_name: name::qualified(schema, type_name),
            kind: Kind::of(&base),
            text_is_exact: base.modifier < 0 && matches!(base.category, 'I' | 'U' | 'R' | 'V'),
            not_null: row.try_get(13)?,
            has_default: row.try_get(14)?,
            identity: letter(row, 15)?,
            generated: row.try_get(16)?,
            tells_texts_apart: row.try_get(17)?,
        })
    }
}

impl UniqueIndex {
    fn of(row: &Row) -> Result<Self, Error> {
        let texts =
            |column: usize| row.try_get::<_, Option<Vec<String>>>(column).map(Option::unwrap_or_default);
        let columns: Vec<i16> = row.try_get(1)?;
        let operators = texts(2)?;
        let collations = row.try_get::<_, Option<Vec<Option<String>>>>(8)?.unwrap_or_default();
        let nulls_first = row.try_get::<_, Option<Vec<bool>>>(9)?.unwrap_or_default();
        let order = texts(5)?.into_iter().zip(texts(6)?).zip(texts(7)?).zip(collations).zip(nulls_first);
        let order: Vec<_> = order
            .map(|((((less, not_less), greater), collation), nulls_first)| IndexOrder {
                less,
                not_less,
                greater,
                collation,
                nulls_first,
            })
            .collect();
        Ok(Self {
            name: row.try_get(0)?,
            whole: row.try_get(3)? && [operators.len(), order.len()] == [columns.len(); 2],
            order,
            columns,
            operators,
            nulls_equal: row.try_get(4)?,
        })
    }
}

/// A column of the type `"char"`, which is a byte; none is a space.
fn letter(row: &Row, column: usize) -> Result<char, Error> {
    let byte: i8 = row.try_get(column)?;
    Ok(if byte == 0 { ' ' } else { char::from(byte.cast_unsigned()) })
}
