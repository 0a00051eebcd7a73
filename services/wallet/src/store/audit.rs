//! What must always hold of the rows, asked of the rows. Only reads.

mod parts;

use std::fmt;

use platform::database::Backend;
use sea_orm::{ConnectionTrait as _, DbErr, FromQueryResult, Statement};

use super::{Store, StoreError};

/// Something that must always hold, and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What should hold, such as "cash is the sum of its entries (W-2)".
    pub invariant: &'static str,
    /// The account, and the voucher, entry or payment, that it does not hold of.
    pub subject: String,
    /// What was found instead.
    pub found: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.subject, self.invariant, self.found)
    }
}

/// A row that a check finds: none if all is well.
#[derive(Debug, FromQueryResult)]
struct Off {
    subject: String,
    found: String,
}

/// The findings of one check at the most: who has more has seen enough.
const MOST: usize = 100;

/// Each check is a query for what is off. `{name}` stands for the text of the id in that column.
const CHECKS: &[(&str, &str)] = &[
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
        "SELECT v.account || ' voucher ' || {v.id} AS subject,
             v.face || ' issued, ' || v.remaining || ' remains, ' || v.captured || ' captured, '
                 || v.forfeited || ' forfeited' AS found
         FROM vouchers v
         WHERE v.face <> v.remaining + v.captured + v.forfeited
             OR v.remaining < 0 OR v.captured < 0 OR v.forfeited < 0",
    ),
    (
        "what remains of a voucher is the sum of its entries (W-2)",
        "SELECT v.account || ' voucher ' || {v.id} AS subject,
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
         ) e ON e.account = v.account AND e.name = 'voucher:' || {v.id}
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
        "SELECT p.account || ' payment ' || {p.payment_id} AS subject,
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
        let backend = self.database.backend();
        let transaction = self.database.begin_snapshot().await?;
        if backend == Backend::Postgres {
            transaction.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
        }
        let mut findings = Vec::new();
        for &(invariant, query) in CHECKS {
            let query = format!("{} LIMIT {MOST}", in_words_of(backend, query));
            let query = Statement::from_string(backend.dialect(), query);
            let rows = transaction.query_all_raw(query).await?;
            let off = rows.iter().map(|row| Off::from_query_result(row, ""));
            let off: Vec<_> = off.collect::<Result<_, DbErr>>()?;
            findings.extend(off.into_iter().map(|Off { subject, found }| Finding {
                invariant,
                subject,
                found,
            }));
        }
        findings.extend(parts::check(&transaction, backend).await?);
        transaction.commit().await?;
        Ok(findings)
    }
}

/// `query` with the text of each id, which SQLite keeps as 16 bytes, in the words of `backend`.
fn in_words_of(backend: Backend, query: &str) -> String {
    let text_of = |column: &str| match backend {
        Backend::Postgres => format!("CAST({column} AS text)"),
        Backend::Sqlite => {
            let part = |from, len| format!("substr(lower(hex({column})), {from}, {len})");
            let parts = [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)];
            format!("({})", parts.join(" || '-' || "))
        }
    };
    let piece = |piece: &str| match piece.split_once('}') {
        Some((column, rest)) => text_of(column) + rest,
        None => piece.to_owned(),
    };
    query.split('{').map(piece).collect()
}
