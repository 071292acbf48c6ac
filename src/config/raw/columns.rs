//! What a sync makes of the columns that its query returns.

use super::*;
use crate::config::{literal::Literal, tree::What};

/// The columns that a sync wants: a list selects, a block also renames and transforms.
pub(in crate::config) type Columns = Either<List<Text>, Names<ColumnFrom>>;

/// What one column is made of.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
pub(in crate::config) enum ColumnFrom {
    /// The name of a column that the query returns; `*` under the name `*` for all that no other entry is made from.
    Name(Text),
    /// A column that the query returns, with what is done to its values.
    Column(ColumnBlock),
    /// The same value in every row.
    Constant(ConstantBlock),
    /// Under the name `*`: all columns that no other entry is made from, but for some.
    Others(OthersBlock),
}

impl Read for ColumnFrom {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let has = |key| matches!(&node.what, What::Block(entries) if entries.iter().any(|e| e.key == key));
        match &node.what {
            What::Text(_) => Text::read(node, reader).map(Self::Name),
            What::Block(_) if has("constant") => ConstantBlock::read(node, reader).map(Self::Constant),
            What::Block(_) if has("except") => OthersBlock::read(node, reader).map(Self::Others),
            What::Block(_) => ColumnBlock::read(node, reader).map(Self::Column),
            What::Nothing | What::Flag | What::Whole(_) | What::Number(_) | What::List(_) => {
                reader.show(&node.span);
                let help = "name a column of the query; for a fixed value: `{ constant: value }`";
                reader.mismatch(node, "text or a block of keys", help.to_owned());
                None
            }
        }
    }
}

block! {
    /// A column that the query returns, with what is done to its values, in this order. NULL stays NULL.
    ColumnBlock {
        /// The column's name in the query's result. Without it: the same name.
        [default] from: Text,
        /// Whether white space is taken off both ends of a text.
        [default = false] trim: YesNo,
        /// Whether a text is put into lower case.
        [default = false] lower: YesNo,
        /// A keyed hash takes the place of the value.
        [default] hash: Hash,
    }
}

block! {
    /// HMAC-SHA-256 as 64 lower-case hexadecimal digits, of a text, a whole number or a UUID.
    Hash {
        /// The key of the hash: at least 16 bytes, kept as secret as what is hashed. Take it from the environment or a file:
        /// `${SALT}`, `${file:/run/secrets/salt}`. With another one every row changes.
        salt: Hidden,
    }
}

block! {
    /// The same value in every row.
    ConstantBlock {
        /// The value: text, a whole number of 64 bits, a decimal number with the digits that are written, or true or false.
        constant: Literal,
    }
}

block! {
    /// All columns that no other entry is made from, but for some.
    OthersBlock {
        /// The columns of the query that are left out: one, or a list.
        except: Either<Text, List<Text>>,
    }
}
