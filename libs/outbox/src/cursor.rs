//! Where a reader stands.

use platform::page::PageTokens;

/// The position of the last event that a reader has been given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cursor {
    /// Its transaction on PostgreSQL; 0 on SQLite.
    pub(crate) transaction: u64,
    /// Its number.
    pub(crate) sequence: i64,
}

/// A cursor is forged, or older than what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one of ours, or older than what is kept: begin from the oldest event")]
pub struct CursorExpired;

impl Cursor {
    /// The cursor as readers keep it: opaque.
    pub(crate) fn issue(self) -> String {
        tokens().issue(&format!("{} {}", self.transaction, self.sequence))
    }

    /// Reads back what [`Cursor::issue`] gave; the empty text stands before the oldest event.
    pub(crate) fn read(text: &str) -> Result<Option<Self>, CursorExpired> {
        let Some(position) = tokens().read(text).map_err(|_| CursorExpired)? else {
            return Ok(None);
        };
        let (transaction, sequence) = position.split_once(' ').ok_or(CursorExpired)?;
        let transaction = transaction.parse().map_err(|_| CursorExpired)?;
        let sequence = sequence.parse().map_err(|_| CursorExpired)?;
        Ok(Some(Self { transaction, sequence }))
    }
}

/// Cursors outlive filters: a reader may ask for more kinds from where it stands.
fn tokens() -> PageTokens {
    PageTokens::of("outbox", &())
}
