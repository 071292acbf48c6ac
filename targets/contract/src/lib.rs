//! What every hydrant target promises: the trait [`Target`], its vocabulary and its errors.
//!
//! This crate is written for the people who implement a target. It knows no driver and no SQL, and nothing of the
//! engine. Read [`Target`] first: the promise stands on the trait. Then [`Batch`] (what is written as one unit),
//! [`TableSpec`] (what a table shall hold), [`ValueType`] (which values there are and how Arrow carries them) and
//! [`TargetError`] (how a target says no).

mod batch;
mod begun;
mod beside;
pub mod carrier;
mod error;
mod inspection;
pub mod json;
mod limits;
mod rebuild;
mod scan;
pub mod search;
mod shape;
mod table;
mod target;
mod value_type;

pub use batch::{Applied, Batch, Checkpoint, Freshness, Part, Reject};
pub use begun::Begun;
pub use error::{ErrorKind, TargetError};
pub use inspection::{Inspection, Mismatch};
pub use limits::{Digits, Limits};
pub use rebuild::{Changes, Rebuildable};
pub use scan::{Cursor, Scanned};
pub use shape::{Column, Shape, ShapeError};
pub use table::{Deletes, DocumentId, Documents, Mode, Nulls, SoftMark, TableName, TableSpec};
pub use target::{Capabilities, ServerInfo, Target};
pub use value_type::{Integer, Resolution, UnsupportedType, ValueType};

/// The result of a question to a target.
pub type Result<T> = std::result::Result<T, TargetError>;
