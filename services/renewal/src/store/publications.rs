//! How far events are published to a stream.
//!
//! Only whoever has the claim publishes and moves the position; a claim runs out by itself.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{StoreError, statement, values};

/// How long a claim lasts unless it is renewed.
const CLAIM: TimeDelta = TimeDelta::seconds(60);

/// How far a stream has come, for whoever has the claim of it.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Publication {
    /// The cursor behind the last event that the stream has for sure; empty: it has none.
    pub position: String,
    /// Which claim it is.
    pub claim: i64,
}

#[derive(Debug, FromQueryResult)]
struct Position {
    position: String,
}

const POSITION_SQLITE: &str = "SELECT position FROM publications WHERE stream = ?1";

const POSITION_POSTGRES: &str = "SELECT position FROM publications WHERE stream = $1";

/// The cursor behind the last event that `stream` has for sure; empty: it has none.
pub async fn position<C: ConnectionTrait>(
    connection: &C,
    stream: &str,
) -> Result<String, StoreError> {
    let asked = statement(connection, POSITION_SQLITE, POSITION_POSTGRES, [stream.into()]);
    let found = Position::find_by_statement(asked).one(connection).await?;
    Ok(found.map(|row| row.position).unwrap_or_default())
}

/// ?1 stream, ?2 now, ?3 until when.
const TAKE_SQLITE: &str = "
    INSERT INTO publications (stream, position, claim, claimed_until) VALUES (?1, '', 1, ?3)
    ON CONFLICT (stream) DO UPDATE SET claim = claim + 1, claimed_until = ?3
        WHERE claimed_until <= ?2
    RETURNING position, claim";

/// $1 stream, $2 now, $3 until when.
const TAKE_POSTGRES: &str = "
    INSERT INTO publications (stream, position, claim, claimed_until) VALUES ($1, '', 1, $3)
    ON CONFLICT (stream) DO UPDATE SET claim = publications.claim + 1, claimed_until = $3
        WHERE publications.claimed_until <= $2
    RETURNING position, claim";

/// Claims `stream` at `now`, unless somebody else has.
pub async fn take<C: ConnectionTrait>(
    connection: &C,
    stream: &str,
    now: DateTime<Utc>,
) -> Result<Option<Publication>, StoreError> {
    let values = [stream.into(), values::micros(now).into(), values::micros(now + CLAIM).into()];
    let taken = statement(connection, TAKE_SQLITE, TAKE_POSTGRES, values);
    Ok(Publication::find_by_statement(taken).one(connection).await?)
}

/// ?1 stream, ?2 claim, ?3 cursor, ?4 until when.
const KEEP_SQLITE: &str = "
    UPDATE publications SET position = ?3, claimed_until = ?4 WHERE stream = ?1 AND claim = ?2";

/// $1 stream, $2 claim, $3 cursor, $4 until when.
const KEEP_POSTGRES: &str = "
    UPDATE publications SET position = $3, claimed_until = $4 WHERE stream = $1 AND claim = $2";

/// Keeps how far `stream` has come; gives the claim back if it is the `end`, and renews it otherwise.
/// False if the claim is another's by now.
pub async fn keep<C: ConnectionTrait>(
    connection: &C,
    stream: &str,
    publication: &Publication,
    now: DateTime<Utc>,
    end: bool,
) -> Result<bool, StoreError> {
    let until = if end { now } else { now + CLAIM };
    let Publication { position, claim } = publication;
    let values =
        [stream.into(), (*claim).into(), position.as_str().into(), values::micros(until).into()];
    let kept = statement(connection, KEEP_SQLITE, KEEP_POSTGRES, values);
    Ok(connection.execute_raw(kept).await?.rows_affected() > 0)
}
