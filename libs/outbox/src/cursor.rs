//! Where a reader stands.

use platform::page::PageTokens;
use uuid::Uuid;

/// The last event that a reader has been given, or has passed over.
///
/// It names the event itself and not its number, because a database that was restored may give the
/// same number to another event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor(pub(crate) Uuid);

/// A cursor is forged, or older than what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one of ours, or older than what is kept: begin from the oldest event")]
pub struct CursorExpired;

impl Cursor {
    /// The cursor as readers keep it: opaque.
    pub(crate) fn issue(self) -> String {
        tokens().issue(&self.0.simple().to_string())
    }

    /// Reads back what [`Cursor::issue`] gave; the empty text stands before the oldest event.
    pub(crate) fn read(text: &str) -> Result<Option<Self>, CursorExpired> {
        let Some(event) = tokens().read(text).map_err(|_| CursorExpired)? else {
            return Ok(None);
        };
        event.parse().map(|event| Some(Self(event))).map_err(|_| CursorExpired)
    }
}

/// Cursors outlive filters: a reader may ask for more kinds from where it stands.
fn tokens() -> PageTokens {
    PageTokens::of("outbox", &())
}
