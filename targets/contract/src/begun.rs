//! Batches that are begun before their turn has come.

use crate::{Applied, Result};
use async_trait::async_trait;

/// A batch that [`Target::begin`](crate::Target::begin) has begun. Dropped, it leaves nothing.
#[async_trait]
pub trait Begun: Send {
    /// Writes it as [`Target::apply`](crate::Target::apply) would have, now that the batch before it is written.
    ///
    /// # Errors
    ///
    /// Those of `apply`, with which the same batch may be sent again.
    async fn commit(self: Box<Self>) -> Result<Applied>;
}
