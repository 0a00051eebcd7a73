//! Requests that may have been made before (O-3).

use futures::future::BoxFuture;

use super::failure::OrderError;

/// What a request came to.
#[derive(Debug)]
pub enum Once<B, D> {
    /// It was made before: what came of it.
    Before(D),
    /// It is new, and was begun.
    Begun(B),
}

/// Begins a request, unless `before` finds that it was made before. It looks again where the beginning is
/// refused: perhaps because of what this same request has done meanwhile.
pub async fn once<'r, B, D>(
    before: impl Fn() -> BoxFuture<'r, Result<Option<D>, OrderError>>,
    begins: BoxFuture<'r, Result<B, OrderError>>,
) -> Result<Once<B, D>, OrderError> {
    if let Some(done) = before().await? {
        return Ok(Once::Before(done));
    }
    match begins.await {
        Ok(begun) => Ok(Once::Begun(begun)),
        Err(error) => before().await?.map(Once::Before).ok_or(error),
    }
}
