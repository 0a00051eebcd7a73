//! What must always hold of the rows, asked of the rows. Only reads.

use platform::audit::{Check, Finding, findings};
use sea_orm::DatabaseTransaction;

use super::StoreError;

/// Each check is a query for what is off.
const CHECKS: &[Check] = &[
    (
        "who is claimed stands on an open order (O-2)",
        "SELECT i.account_id || '/' || i.id AS subject,
             'claimed by an order that is ' || COALESCE(o.state, 'unknown') AS found
         FROM instances i
         LEFT JOIN orders o ON o.account_id = i.account_id AND o.id = i.open_order_id
             AND EXISTS (SELECT 1 FROM {each:o.instance_ids} WHERE item.value = i.id)
         LEFT JOIN terms t ON t.account_id = i.account_id AND t.instance_id = i.id
             AND t.order_id = o.id AND t.reversed_by = o.refund_id
         WHERE i.open_order_id IS NOT NULL
             AND (o.state IS NULL OR o.state NOT IN ('PENDING_PAYMENT', 'PAYING', 'REFUNDING')
                 OR o.state = 'REFUNDING' AND t.order_id IS NULL)",
    ),
    (
        "an open order holds its instances (O-2)",
        "SELECT o.account_id || '/' || {id:o.id} AS subject,
             'does not hold ' || item.value AS found
         FROM orders o CROSS JOIN {each:o.instance_ids}
         LEFT JOIN instances i ON i.account_id = o.account_id AND i.id = item.value
         WHERE o.state IN ('PENDING_PAYMENT', 'PAYING')
             AND (i.open_order_id IS NULL OR i.open_order_id <> o.id)",
    ),
    (
        "a refund under way holds its instances (O-2)",
        "SELECT o.account_id || '/' || {id:o.id} AS subject,
             'does not hold ' || t.instance_id AS found
         FROM orders o
         JOIN terms t ON t.account_id = o.account_id AND t.order_id = o.id
             AND t.reversed_by = o.refund_id
         LEFT JOIN instances i ON i.account_id = t.account_id AND i.id = t.instance_id
         WHERE o.state = 'REFUNDING' AND (i.open_order_id IS NULL OR i.open_order_id <> o.id)",
    ),
    (
        "what an order took back is refunded, and nothing else (O-6)",
        "SELECT o.account_id || '/' || {id:o.id} AS subject,
             o.state || ', but ' || COUNT(t.reversed_by) || ' of ' || COUNT(t.order_id)
                 || ' terms are taken back' AS found
         FROM orders o
         LEFT JOIN terms t ON t.account_id = o.account_id AND t.order_id = o.id
         WHERE o.state IN ('PAID', 'COMPLETED', 'REFUNDING', 'PARTLY_REFUNDED', 'REFUNDED')
         GROUP BY o.account_id, o.id, o.state
         HAVING o.state IN ('PAID', 'COMPLETED') AND COUNT(t.reversed_by) > 0
             OR o.state = 'REFUNDED' AND COUNT(t.reversed_by) < COUNT(t.order_id)
             OR o.state IN ('REFUNDING', 'PARTLY_REFUNDED') AND COUNT(t.reversed_by) = 0
             OR o.state = 'PARTLY_REFUNDED' AND COUNT(t.reversed_by) = COUNT(t.order_id)",
    ),
    (
        "a live term was paid for by its order (O-1)",
        "SELECT t.account_id || '/' || t.instance_id AS subject,
             'its order is ' || COALESCE(o.state, 'unknown') AS found
         FROM terms t LEFT JOIN orders o ON o.account_id = t.account_id AND o.id = t.order_id
         WHERE t.kind = 'ORDER' AND t.reversed_by IS NULL
             AND (o.state IS NULL OR o.state NOT IN
                 ('PAID', 'COMPLETED', 'REFUNDING', 'PARTLY_REFUNDED', 'REFUNDED'))",
    ),
    (
        "a paid order has extended each of its instances once (O-1)",
        "SELECT o.account_id || '/' || {id:o.id} AS subject,
             COUNT(t.instance_id) || ' terms of ' || item.value AS found
         FROM orders o CROSS JOIN {each:o.instance_ids}
         LEFT JOIN terms t ON t.account_id = o.account_id AND t.instance_id = item.value
             AND t.order_id = o.id
         WHERE o.state IN ('PAID', 'COMPLETED', 'REFUNDING', 'PARTLY_REFUNDED', 'REFUNDED')
         GROUP BY o.account_id, o.id, item.value HAVING COUNT(t.instance_id) <> 1",
    ),
    (
        "an order costs the sum of its items (M-5)",
        "SELECT o.account_id || '/' || {id:o.id} AS subject,
             'payable ' || o.payable || ', items '
                 || CAST(COALESCE(SUM(t.amount), 0) AS bigint) AS found
         FROM orders o
         LEFT JOIN terms t ON t.account_id = o.account_id AND t.order_id = o.id
         WHERE o.state IN ('PAID', 'COMPLETED', 'REFUNDING', 'PARTLY_REFUNDED', 'REFUNDED')
         GROUP BY o.account_id, o.id, o.payable HAVING o.payable <> COALESCE(SUM(t.amount), 0)",
    ),
    (
        "an instance is paid for until its last live term ends, by its anchor (T-4, T-6)",
        "SELECT i.account_id || '/' || i.id AS subject,
             'paid until ' || COALESCE(i.paid_until, 0) || ' anchor ' || COALESCE(i.anchor, 0)
                 || ', last term until ' || COALESCE(t.end_time, 0)
                 || ' anchor ' || COALESCE(t.anchor, 0) AS found
         FROM instances i
         LEFT JOIN terms t ON t.account_id = i.account_id AND t.instance_id = i.id
             AND t.reversed_by IS NULL
             AND NOT EXISTS (SELECT 1 FROM terms later WHERE later.account_id = t.account_id
                 AND later.instance_id = t.instance_id AND later.reversed_by IS NULL
                 AND later.start_time > t.start_time)
         WHERE i.billing_mode = 'PREPAID' AND (t.end_time IS NULL OR i.paid_until IS NULL
             OR i.paid_until <> t.end_time OR i.anchor IS NULL OR i.anchor <> t.anchor)",
    ),
    (
        "what is postpaid has no expiry (C-1)",
        "SELECT account_id || '/' || id AS subject, 'paid until ' || paid_until AS found
         FROM instances WHERE billing_mode = 'POSTPAID' AND paid_until IS NOT NULL",
    ),
    (
        "what can still expire or be released is looked at again (L-3)",
        "SELECT account_id || '/' || id AS subject, state || ' and never due' AS found
         FROM instances
         WHERE billing_mode = 'PREPAID' AND NOT released AND state <> 'RELEASED'
             AND due_time IS NULL",
    ),
    (
        "what is postpaid is active (L-3)",
        "SELECT account_id || '/' || id AS subject, 'postpaid and ' || state AS found
         FROM instances WHERE billing_mode = 'POSTPAID' AND state <> 'ACTIVE'",
    ),
    (
        "live terms of an instance do not overlap (O-1)",
        "SELECT one.account_id || '/' || one.instance_id AS subject,
             'the term from ' || other.start_time || ' begins before that from '
                 || one.start_time || ' ends' AS found
         FROM terms one JOIN terms other ON other.account_id = one.account_id
             AND other.instance_id = one.instance_id AND other.reversed_by IS NULL
         WHERE one.reversed_by IS NULL AND one.start_time < other.start_time
             AND one.end_time > other.start_time",
    ),
    (
        "an order that is not at its end is found again (O-4)",
        "SELECT account_id || '/' || {id:id} AS subject,
             state || ' without its next step' AS found
         FROM orders
         WHERE state = 'PENDING_PAYMENT' AND next_attempt_at IS NULL
             OR state = 'PAYING' AND (next_attempt_at IS NULL OR payment_id IS NULL
                 OR payment_time IS NULL)
             OR state = 'REFUNDING' AND (next_attempt_at IS NULL OR refund_id IS NULL)",
    ),
    (
        "an order is completed once its items are delivered, and waits for nothing else (O-5)",
        "SELECT o.account_id || '/' || {id:o.id} AS subject,
             o.state || ', with ' || COUNT(d.instance_id) || ' items to deliver' AS found
         FROM orders o LEFT JOIN delivery_items d ON d.account_id = o.account_id
             AND d.order_id = o.id AND d.state = 'PENDING'
         GROUP BY o.account_id, o.id, o.state
         HAVING o.state = 'PAID' AND COUNT(d.instance_id) = 0
             OR o.state NOT IN ('PAID', 'REFUNDING', 'PARTLY_REFUNDED')
                 AND COUNT(d.instance_id) > 0",
    ),
    (
        "what is to be delivered is found again (O-5)",
        "SELECT i.account_id || '/' || i.instance_id AS subject,
             'an order waits, and nobody tells the console' AS found
         FROM delivery_items i LEFT JOIN deliveries d ON d.account_id = i.account_id
             AND d.instance_id = i.instance_id AND d.version >= i.version
         WHERE i.state = 'PENDING' AND d.next_attempt_at IS NULL",
    ),
    (
        "an attempt is decided once (A-2)",
        "SELECT account_id || '/' || attempt_root AS subject,
             COUNT(*) || ' orders of the attempt of ' || attempt_date AS found
         FROM orders WHERE attempt_root IS NOT NULL
         GROUP BY account_id, attempt_root, attempt_expiry, attempt_date, attempt_kind
         HAVING COUNT(*) > 1",
    ),
    (
        "an attempt ended as its order did (A-2)",
        "SELECT account_id || '/' || {id:id} AS subject,
             state || ', ' || COALESCE(outcome, 'undecided') AS found
         FROM orders WHERE attempt_root IS NOT NULL
             AND COALESCE(outcome, 'undecided') <> CASE
                 WHEN state = 'PAYING' THEN 'undecided'
                 WHEN state <> 'FAILED' THEN 'RENEWED'
                 WHEN outcome IN ('FAILED', 'SKIPPED', 'MISSED', 'VOID') THEN outcome
                 ELSE '' END",
    ),
    (
        "an order at its end is left alone (O-4)",
        "SELECT account_id || '/' || {id:id} AS subject, state || ' with a next step' AS found
         FROM orders
         WHERE state IN ('COMPLETED', 'CANCELLED', 'EXPIRED', 'FAILED')
             AND next_attempt_at IS NOT NULL
             AND NOT (state IN ('CANCELLED', 'EXPIRED') AND payment_id IS NOT NULL)
             OR state NOT IN ('REFUNDING', 'CANCELLED', 'EXPIRED') AND refund_id IS NOT NULL",
    ),
];

/// Everything that is off in the rows. Whole tables are read: statements may take as long as they
/// need in `transaction` from then on.
pub async fn audit(transaction: &DatabaseTransaction) -> Result<Vec<Finding>, StoreError> {
    Ok(findings(transaction, CHECKS).await?)
}

#[cfg(test)]
mod tests;
