//! Rows as write commands, cut by what the server takes.

use crate::{
    encode::document::{self, tag},
    own,
    plan::{Plan, Rows},
    reply::Refusal,
    statement::{Statement, Unfit, Way},
    transaction::Unit,
};
use hydrant_contract::{Checkpoint, ErrorKind, Part, Reject, Result};

/// A command is sent when it has grown to so many bytes, far below what the server takes: the driver holds a command three
/// times, and a server without transactions is asked for the fence between two commands.
const COMMAND_BYTES: usize = 4 << 20;
/// What a command holds beside its head and its operations: the driver's own fields.
const DRIVER_BYTES: usize = 1024;

/// A row of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RowId {
    /// The part in the order of [`Part`]; it has no order of its own.
    part: u8,
    pub(crate) row: usize,
}

impl RowId {
    pub(crate) fn new(part: Part, row: usize) -> Self {
        let part = match part {
            Part::Deletes => 0,
            Part::Inserts => 1,
            Part::Updates => 2,
        };
        Self { part, row }
    }

    pub(crate) fn part(self) -> Part {
        match self.part {
            0 => Part::Deletes,
            1 => Part::Inserts,
            _ => Part::Updates,
        }
    }
}

/// Rows of one part that go one way.
pub(crate) struct Stage<'s> {
    pub(crate) part: Part,
    pub(crate) statement: Statement<'s>,
    pub(crate) rows: &'s Rows<'s>,
}

/// What became of rows.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Rows that have no place in a document.
    pub(crate) unfit: Vec<Reject>,
    /// Rows that the server refused. In a transaction there is one at most, and with it everything is undone.
    pub(crate) refused: Vec<(RowId, Refusal)>,
}

/// Sends the rows with these numbers. In a transaction it ends at the first refusal.
///
/// `fence`: the checkpoint to compare with before each command where no transaction does so.
pub(crate) async fn stage(
    unit: &mut Unit<'_>,
    plan: &Plan,
    stage: &Stage<'_>,
    numbers: impl Iterator<Item = usize>,
    fence: Option<&Checkpoint>,
    outcome: &mut Outcome,
) -> Result<()> {
    let mut command = Command::new(unit, plan, stage.statement.way);
    let mut numbers = numbers.peekable();
    let mut again = None;
    while let Some(number) = again.take().or_else(|| numbers.next()) {
        let before = command.bytes.len();
        let position = command.rows.len();
        match stage.statement.operation(&mut command.bytes, position, stage.rows, number) {
            Ok(false) => continue,
            Ok(true) => {}
            Err(Unfit { column, reason }) => {
                outcome.unfit.push(Reject {
                    part: stage.part,
                    row: number,
                    column: Some(column),
                    reason,
                    may_settle: false,
                });
                continue;
            }
        }
        let grown = command.bytes.len() - before;
        let facts = &unit.link.facts;
        let alone = command.head.len() + grown + DRIVER_BYTES;
        // A whole document is an item of the list itself; operations have some bytes around it.
        let document_too_large =
            stage.statement.way == Way::Insert && grown > facts.document_max + ITEM_BYTES;
        if document_too_large || alone > facts.body_max() {
            command.bytes.truncate(before);
            let refusal = Refusal::too_large(grown, facts.document_max);
            // In a transaction there is one refusal at a time, and rows in front of this one come first.
            if unit.is_transaction() {
                command.send(unit, plan, stage.part, fence, outcome).await?;
                if outcome.refused.is_empty() {
                    outcome.refused.push((RowId::new(stage.part, number), refusal));
                }
                return Ok(());
            }
            outcome.refused.push((RowId::new(stage.part, number), refusal));
            continue;
        }
        let full = command.bytes.len() + DRIVER_BYTES > facts.body_max();
        if full && position > 0 {
            command.bytes.truncate(before);
            again = Some(number);
        } else {
            command.rows.push(number);
        }
        if again.is_some()
            || command.bytes.len() >= COMMAND_BYTES
            || command.rows.len() >= facts.operations_max
        {
            command.send(unit, plan, stage.part, fence, outcome).await?;
            if unit.is_transaction() && !outcome.refused.is_empty() {
                return Ok(());
            }
        }
    }
    command.send(unit, plan, stage.part, fence, outcome).await
}

/// Type byte, position and NUL around a document in a list.
const ITEM_BYTES: usize = 12;

/// A command that is being filled.
struct Command {
    /// The command's document without its end, and the beginning of the list.
    head: Vec<u8>,
    bytes: Vec<u8>,
    list_at: usize,
    /// The rows of the operations, in order.
    rows: Vec<usize>,
}

impl Command {
    fn new(unit: &Unit<'_>, plan: &Plan, way: Way) -> Self {
        let (name, list) = way.command();
        let mut head = unit.head(name, &plan.collection).into_bytes();
        head.pop();
        document::field(&mut head, tag::ARRAY, list);
        let list_at = head.len();
        head.extend_from_slice(&[0; 4]);
        Self { bytes: head.clone(), head, list_at, rows: Vec::new() }
    }

    async fn send(
        &mut self,
        unit: &mut Unit<'_>,
        plan: &Plan,
        part: Part,
        fence: Option<&Checkpoint>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        if let Some(checkpoint) = fence {
            own::guard(unit, checkpoint).await?;
        }
        let mut bytes = std::mem::replace(&mut self.bytes, self.head.clone());
        let rows = std::mem::take(&mut self.rows);
        // The end of the list, then of the command; and both lengths.
        bytes.extend_from_slice(&[0, 0]);
        let (whole, list) = (bytes.len(), bytes.len() - 1 - self.list_at);
        for (at, length) in [(0, whole), (self.list_at, list)] {
            let length = i32::try_from(length)
                .map_err(|_| unit.error(ErrorKind::Broken, "a command of more than 2 GB"))?;
            bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
        }
        let refused = unit.write(&plan.database, bytes, rows.len()).await?;
        for (position, refusal) in refused {
            let row = *rows.get(position).ok_or_else(|| {
                unit.error(
                    ErrorKind::Broken,
                    format!("the server names operation {position} of {}", rows.len()),
                )
            })?;
            outcome.refused.push((RowId::new(part, row), refusal));
        }
        Ok(())
    }
}
