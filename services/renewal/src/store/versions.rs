//! Versions of instances after a restore: others were told under them before.

use chrono::{DateTime, Utc};
use kernel::ids::ProductId;
use platform::database::Backend;
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, Statement};

use super::{StoreError, backend_of, statement, values};

/// By how much versions leap: no instance changes so often between a copy and its being put back.
pub const LEAP: i64 = 1 << 32;

/// `1` products; `2` now.
const TELL_SQLITE: &str = "\
INSERT INTO deliveries (account_id, instance_id, product_id, version, since, attempts,
  next_attempt_at, alerted)
SELECT i.account_id, i.id, i.product_id, i.version, ?2, 0, ?2, false
FROM instances i WHERE i.product_id IN (SELECT value FROM jsonb_each(?1))
ON CONFLICT (account_id, instance_id) DO UPDATE SET product_id = excluded.product_id,
  version = excluded.version, since = COALESCE(deliveries.since, excluded.since), attempts = 0,
  next_attempt_at = excluded.next_attempt_at";

const TELL_POSTGRES: &str = "\
INSERT INTO deliveries (account_id, instance_id, product_id, version, since, attempts,
  next_attempt_at, alerted)
SELECT i.account_id, i.id, i.product_id, i.version, $2, 0, $2, false
FROM instances i WHERE i.product_id IN (SELECT json_array_elements_text($1::json))
ON CONFLICT (account_id, instance_id) DO UPDATE SET product_id = excluded.product_id,
  version = excluded.version, since = COALESCE(deliveries.since, excluded.since), attempts = 0,
  next_attempt_at = excluded.next_attempt_at";

/// Gives every instance a version that nobody was told before, and has those of `products`, which have
/// consoles, told again from `now` on; answers how many instances there are. Whole tables are
/// written: statements may take as long as they need in `transaction` from then on.
pub async fn leap(
    transaction: &DatabaseTransaction,
    products: &[&ProductId],
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let backend = backend_of(transaction);
    if backend == Backend::Postgres {
        transaction.execute_unprepared("SET LOCAL statement_timeout = '1h'").await?;
    }
    let leap = format!("UPDATE instances SET version = version + {LEAP}");
    let raised = transaction.execute_raw(Statement::from_string(backend.dialect(), leap)).await?;
    let values = [values::to_json(&products).into(), values::micros(now).into()];
    let tell = statement(transaction, TELL_SQLITE, TELL_POSTGRES, values);
    transaction.execute_raw(tell).await?;
    Ok(raised.rows_affected())
}
