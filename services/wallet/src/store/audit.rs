//! What must always hold of the rows, asked of the rows. Only reads.

mod parts;

use platform::audit::{self, Check, Finding};

use super::{Store, StoreError};

/// Each check is a query for what is off.
const CHECKS: &[Check] = &[
    (
        "cash is the sum of its entries (W-2)",
        "SELECT w.account AS subject,
             'cash ' || w.cash || ', entries ' || CAST(COALESCE(e.total, 0) AS bigint) AS found
         FROM wallets w LEFT JOIN (
             SELECT account, SUM(CASE WHEN credit = 'cash' THEN amount ELSE -amount END) AS total
             FROM entries WHERE credit = 'cash' OR debit = 'cash' GROUP BY account
         ) e ON e.account = w.account
         WHERE w.cash <> COALESCE(e.total, 0) OR w.cash < 0 OR w.held <> 0",
    ),
    (
        "entries are numbered without a gap (W-2)",
        "SELECT w.account AS subject,
             'last ' || w.entries || ', there are ' || COALESCE(e.many, 0) AS found
         FROM wallets w LEFT JOIN (
             SELECT account, COUNT(*) AS many, MAX(number) AS last FROM entries GROUP BY account
         ) e ON e.account = w.account
         WHERE w.entries <> COALESCE(e.many, 0) OR w.entries <> COALESCE(e.last, 0)",
    ),
    (
        "every entry is of a wallet and in its currency (W-6)",
        "SELECT e.account || ' entry ' || e.number AS subject, e.currency AS found
         FROM entries e LEFT JOIN wallets w ON w.account = e.account
         WHERE w.account IS NULL OR w.currency <> e.currency",
    ),
    (
        "what a voucher was issued with remains, was captured or was forfeited (V-5)",
        "SELECT v.account || ' voucher ' || {id:v.id} AS subject,
             v.face || ' issued, ' || v.remaining || ' remains, ' || v.captured || ' captured, '
                 || v.forfeited || ' forfeited' AS found
         FROM vouchers v
         WHERE v.face <> v.remaining + v.captured + v.forfeited
             OR v.remaining < 0 OR v.captured < 0 OR v.forfeited < 0",
    ),
    (
        "what remains of a voucher is the sum of its entries (W-2)",
        "SELECT v.account || ' voucher ' || {id:v.id} AS subject,
             v.remaining || ' remains, entries ' || CAST(COALESCE(e.rest, 0) AS bigint) AS found
         FROM vouchers v LEFT JOIN (
             SELECT account, name, SUM(gained) AS rest, SUM(captured) AS captured,
                 SUM(forfeited) AS forfeited
             FROM (
                 SELECT account, credit AS name, amount AS gained, 0 AS captured, 0 AS forfeited
                 FROM entries WHERE credit LIKE 'voucher:%'
                 UNION ALL
                 SELECT account, debit AS name, -amount AS gained,
                     CASE WHEN credit LIKE 'revenue:%' THEN amount ELSE 0 END AS captured,
                     CASE WHEN credit LIKE 'forfeited:%' THEN amount ELSE 0 END AS forfeited
                 FROM entries WHERE debit LIKE 'voucher:%'
             ) moved GROUP BY account, name
         ) e ON e.account = v.account AND e.name = 'voucher:' || {id:v.id}
         WHERE v.remaining <> COALESCE(e.rest, 0) OR v.captured <> COALESCE(e.captured, 0)
             OR v.forfeited <> COALESCE(e.forfeited, 0)",
    ),
    (
        "the vouchers issued are those that there are (W-2)",
        "SELECT w.account AS subject,
             'issued ' || w.issued || ', faces ' || CAST(COALESCE(v.total, 0) AS bigint) AS found
         FROM wallets w LEFT JOIN (
             SELECT account, SUM(face) AS total FROM vouchers GROUP BY account
         ) v ON v.account = w.account
         WHERE w.issued <> COALESCE(v.total, 0)",
    ),
    (
        "the entries of a payment are what was taken (W-2)",
        "SELECT p.account || ' payment ' || {id:p.payment_id} AS subject,
             p.state || ', entries ' || CAST(COALESCE(e.total, 0) AS bigint) AS found
         FROM payments p LEFT JOIN (
             SELECT account, payment_id, SUM(amount) AS total FROM entries
             WHERE payment_id IS NOT NULL AND credit LIKE 'revenue:%'
             GROUP BY account, payment_id
         ) e ON e.account = p.account AND e.payment_id = p.payment_id
         WHERE COALESCE(e.total, 0) <> CASE WHEN p.state = 'SUCCEEDED' THEN p.amount ELSE 0 END",
    ),
    (
        "money moved only for payments that succeeded (W-2)",
        "SELECT e.account || ' entry ' || e.number AS subject,
             COALESCE(p.state, 'no payment') AS found
         FROM entries e LEFT JOIN payments p
             ON p.account = e.account AND p.payment_id = e.payment_id
         WHERE e.payment_id IS NOT NULL AND COALESCE(p.state, '') <> 'SUCCEEDED'",
    ),
];

impl Store {
    /// Everything that is off, at one moment; 100 findings of each kind at the most.
    pub async fn audit(&self) -> Result<Vec<Finding>, StoreError> {
        let transaction = self.database.begin_snapshot().await?;
        let mut findings = audit::findings(&transaction, CHECKS).await?;
        findings.extend(parts::check(&transaction, self.database.backend()).await?);
        transaction.commit().await?;
        Ok(findings)
    }
}
