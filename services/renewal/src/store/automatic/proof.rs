//! What a proof that attempts were decided once reads: rows as they are, whatever is due by the index.

use chrono::NaiveDate;
use kernel::ids::AccountId;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use crate::store::{
    StoreError,
    due::pages::{Key, Place},
    statement,
};

/// `1` and `2` after, `3` the last account, `4` limit.
const CANDIDATES_SQLITE: &str = "\
SELECT account_id, id, open_order_id FROM instances
WHERE (account_id, id) > (?1, ?2) AND account_id <= ?3
  AND (policy = 'AUTO' OR decided IS NOT NULL)
ORDER BY account_id, id LIMIT ?4";

const CANDIDATES_POSTGRES: &str = "\
SELECT account_id, id, open_order_id FROM instances
WHERE (account_id, id) > ($1, $2) AND account_id <= $3
  AND (policy = 'AUTO' OR decided IS NOT NULL)
ORDER BY account_id, id LIMIT $4";

/// Behind the name of every account.
const LAST: &str = "\u{10ffff}";

/// Instances that may have attempts, after `after`, by account and id: those of one account, or of all.
pub async fn candidates<C: ConnectionTrait>(
    connection: &C,
    account: Option<&AccountId>,
    after: &Place,
    limit: u32,
) -> Result<Vec<Key>, StoreError> {
    let first = account.map_or("", AccountId::as_str).max(&after.account);
    let values: [Value; 4] = [
        first.into(),
        after.id.as_str().into(),
        account.map_or(LAST, AccountId::as_str).into(),
        i64::from(limit).into(),
    ];
    let statement = statement(connection, CANDIDATES_SQLITE, CANDIDATES_POSTGRES, values);
    Ok(Key::find_by_statement(statement).all(connection).await?)
}

/// `1` account, `2` date.
const OF_DAY_SQLITE: &str = "\
SELECT attempt_root AS root, attempt_expiry AS expiry, attempt_kind AS kind,
  SUM(CASE WHEN outcome <> 'VOID' THEN 1 ELSE 0 END) AS decisions, MIN(outcome) AS outcome
FROM orders WHERE account_id = ?1 AND attempt_date = ?2 AND attempt_root IS NOT NULL
GROUP BY attempt_root, attempt_expiry, attempt_kind
ORDER BY attempt_root, attempt_expiry, attempt_kind";

const OF_DAY_POSTGRES: &str = "\
SELECT attempt_root AS root, attempt_expiry AS expiry, attempt_kind AS kind,
  SUM(CASE WHEN outcome <> 'VOID' THEN 1 ELSE 0 END) AS decisions, MIN(outcome) AS outcome
FROM orders WHERE account_id = $1 AND attempt_date = $2 AND attempt_root IS NOT NULL
GROUP BY attempt_root, attempt_expiry, attempt_kind
ORDER BY attempt_root, attempt_expiry, attempt_kind";

/// An attempt that has rows.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Kept {
    /// The root.
    pub root: String,
    /// The expiry that it would move.
    pub expiry: i64,
    /// 0: scheduled; else which retry of its date.
    pub kind: i32,
    /// How many decisions there are of it.
    pub decisions: i64,
    /// How it was decided; of several, one of them.
    pub outcome: Option<String>,
}

/// The attempts of an account's day that have rows.
pub async fn of_day<C: ConnectionTrait>(
    connection: &C,
    account: &AccountId,
    date: NaiveDate,
) -> Result<Vec<Kept>, StoreError> {
    let values: [Value; 2] = [account.as_str().into(), date.to_string().into()];
    let statement = statement(connection, OF_DAY_SQLITE, OF_DAY_POSTGRES, values);
    Ok(Kept::find_by_statement(statement).all(connection).await?)
}
