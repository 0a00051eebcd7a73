//! What must always hold of the rows, asked of the rows. Only reads.

mod chain;
mod parts;
mod refunds;

use chrono::{DateTime, Utc};
use kernel::ids::AccountId;
use platform::{
    audit::{self, Check, Finding, Only},
    database::Backend,
};
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, EntityTrait, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, Value,
};

use super::{Store, StoreError, entity::wallet};

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
         WHERE w.cash <> COALESCE(e.total, 0) OR w.cash < 0",
    ),
    (
        "the cash set aside is the sum of its entries (W-3)",
        "SELECT w.account AS subject,
             'held ' || w.held || ', entries ' || CAST(COALESCE(e.total, 0) AS bigint) AS found
         FROM wallets w LEFT JOIN (
             SELECT account, SUM(CASE WHEN credit LIKE 'hold:%:cash' THEN amount ELSE -amount END)
                 AS total
             FROM entries WHERE credit LIKE 'hold:%:cash' OR debit LIKE 'hold:%:cash'
             GROUP BY account
         ) e ON e.account = w.account
         WHERE w.held <> COALESCE(e.total, 0) OR w.held < 0",
    ),
    (
        "money is set aside only for payments that are pending (W-3)",
        "SELECT h.account || ' ' || h.name AS subject,
             COALESCE(p.state, 'no payment') || ', held ' || CAST(h.total AS bigint) AS found
         FROM (
             SELECT account, name, payment_id, SUM(gained) AS total
             FROM (
                 SELECT account, credit AS name, payment_id, amount AS gained FROM entries
                 WHERE credit LIKE 'hold:%'
                 UNION ALL
                 SELECT account, debit AS name, payment_id, -amount AS gained FROM entries
                 WHERE debit LIKE 'hold:%'
             ) moved GROUP BY account, name, payment_id HAVING SUM(gained) <> 0
         ) h LEFT JOIN payments p ON p.account = h.account AND p.payment_id = h.payment_id
         WHERE COALESCE(p.state, '') <> 'PENDING'",
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
        "what a voucher was issued with is somewhere (V-5)",
        "SELECT v.account || ' voucher ' || {id:v.id} AS subject,
             v.face || ' issued, ' || v.remaining || ' remains, ' || v.captured || ' captured, '
                 || v.held || ' held, ' || v.forfeited || ' forfeited, ' || v.voided || ' void, '
                 || v.expired || ' expired' AS found
         FROM vouchers v
         WHERE v.face
                 <> v.remaining + v.captured + v.held + v.forfeited + v.voided + v.expired
             OR v.remaining < 0 OR v.captured < 0 OR v.held < 0 OR v.forfeited < 0
             OR v.voided < 0 OR v.expired < 0",
    ),
    // The names before the id are `voucher:`, `hold:<payment>:voucher:`, `forfeited:`, `void:` and
    // `expired:`.
    (
        "the parts of a voucher are the sums of their entries (W-2)",
        "SELECT v.account || ' voucher ' || {id:v.id} AS subject,
             v.remaining || ' remains, entries ' || CAST(COALESCE(e.remaining, 0) AS bigint)
                 || '; ' || v.held || ' held, entries ' || CAST(COALESCE(e.held, 0) AS bigint)
                 || '; ' || v.forfeited || ' forfeited, entries '
                 || CAST(COALESCE(e.forfeited, 0) AS bigint)
                 || '; ' || v.voided || ' void, entries ' || CAST(COALESCE(e.voided, 0) AS bigint)
                 || '; ' || v.expired || ' expired, entries '
                 || CAST(COALESCE(e.expired, 0) AS bigint) AS found
         FROM vouchers v LEFT JOIN (
             SELECT account, id,
                 SUM(CASE WHEN name LIKE 'voucher:%' THEN gained ELSE 0 END) AS remaining,
                 SUM(CASE WHEN name LIKE 'hold:%' THEN gained ELSE 0 END) AS held,
                 SUM(CASE WHEN name LIKE 'forfeited:%' THEN gained ELSE 0 END) AS forfeited,
                 SUM(CASE WHEN name LIKE 'void:%' THEN gained ELSE 0 END) AS voided,
                 SUM(CASE WHEN name LIKE 'expired:%' THEN gained ELSE 0 END) AS expired
             FROM (
                 SELECT account, name, gained,
                     CASE WHEN name LIKE 'voucher:%' THEN SUBSTR(name, 9)
                         WHEN name LIKE 'hold:%:voucher:%' THEN SUBSTR(name, 51)
                         WHEN name LIKE 'forfeited:%' THEN SUBSTR(name, 11)
                         WHEN name LIKE 'void:%' THEN SUBSTR(name, 6)
                         WHEN name LIKE 'expired:%' THEN SUBSTR(name, 9) END AS id
                 FROM (
                     SELECT account, credit AS name, amount AS gained FROM entries
                     UNION ALL
                     SELECT account, debit AS name, -amount AS gained FROM entries
                 ) sides
             ) moved WHERE id IS NOT NULL GROUP BY account, id
         ) e ON e.account = v.account AND e.id = {id:v.id}
         WHERE v.remaining <> COALESCE(e.remaining, 0) OR v.held <> COALESCE(e.held, 0)
             OR v.forfeited <> COALESCE(e.forfeited, 0) OR v.voided <> COALESCE(e.voided, 0)
             OR v.expired <> COALESCE(e.expired, 0)",
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
        "money moved only for payments that took or held it (W-2)",
        "SELECT e.account || ' entry ' || e.number AS subject,
             COALESCE(p.state, 'no payment') AS found
         FROM entries e LEFT JOIN payments p
             ON p.account = e.account AND p.payment_id = e.payment_id
         WHERE e.payment_id IS NOT NULL AND (
             COALESCE(p.state, 'REFUSED') = 'REFUSED'
             OR p.intent_id IS NULL AND p.state <> 'SUCCEEDED'
             OR e.credit LIKE 'revenue:%' AND p.state <> 'SUCCEEDED')",
    ),
    (
        "what channels brought is booked, and nothing else (W-4)",
        "SELECT p.account || ' payment ' || {id:p.payment_id} AS subject,
             'callbacks ' || CAST(COALESCE(c.total, 0) AS bigint)
                 || ', entries ' || CAST(COALESCE(e.total, 0) AS bigint) AS found
         FROM payments p LEFT JOIN (
             SELECT payment_id, SUM(amount) AS total FROM callbacks
             WHERE money_id IS NOT NULL GROUP BY payment_id
         ) c ON c.payment_id = p.payment_id LEFT JOIN (
             SELECT payment_id, SUM(amount) AS total FROM entries
             WHERE debit LIKE 'external:channel:%' GROUP BY payment_id
         ) e ON e.payment_id = p.payment_id
         WHERE COALESCE(c.total, 0) <> COALESCE(e.total, 0)",
    ),
    (
        "money goes back only by refunds that there are (O-6)",
        "SELECT e.account || ' entry ' || e.number AS subject,
             e.debit || ' to ' || e.credit AS found
         FROM entries e LEFT JOIN refunds r
             ON r.refund_id = e.refund_id AND r.account = e.account
                 AND r.payment_id = e.payment_id
         WHERE r.refund_id IS NULL AND (e.refund_id IS NOT NULL
             OR e.debit LIKE 'revenue:%' OR e.debit LIKE 'refund:%' OR e.credit LIKE 'refund:%')",
    ),
    (
        "an item is given back by one refund (O-6)",
        "SELECT 'refund ' || {id:i.refund_id} AS subject, i.instance AS found
         FROM refunded_items i JOIN payments p ON p.payment_id = i.payment_id LEFT JOIN refunds r
             ON r.refund_id = i.refund_id AND r.payment_id = i.payment_id
         WHERE r.refund_id IS NULL",
    ),
];

/// The tables that the checks read.
const TABLES: &[&str] = &["wallets", "vouchers", "payments", "entries", "callbacks", "refunds"];

/// How much of the tables is looked at at a time, and how much is told.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Wallets, payments or refunds at a time.
    page: u64,
    /// Entries of the chains at a time.
    entries: u64,
    /// Findings of one kind at the most.
    most: usize,
}

/// What is looked at: everything, or everything of one account, at one moment.
#[derive(Debug, Clone, Copy)]
struct Survey<'a> {
    transaction: &'a DatabaseTransaction,
    backend: Backend,
    account: Option<&'a str>,
    bounds: Bounds,
}

/// The findings of all pages, until there are enough. `look` answers those of the page after a key and
/// the key of its last row; nothing, where no rows are left.
async fn page_by_page<K: Default, Look>(
    survey: Survey<'_>,
    look: impl Fn(K) -> Look,
) -> Result<Vec<Finding>, StoreError>
where
    Look: Future<Output = Result<Option<(K, Vec<Finding>)>, StoreError>>,
{
    let (mut findings, mut after) = (Vec::new(), K::default());
    while let Some((last, found)) = look(after).await? {
        findings.extend(found);
        if findings.len() >= survey.bounds.most {
            findings.truncate(survey.bounds.most);
            break;
        }
        after = last;
    }
    Ok(findings)
}

/// The page of the rows of `query` after `after`, in the order of the second column; the first one names
/// the account.
async fn rows<E: EntityTrait>(
    survey: Survey<'_>,
    query: Select<E>,
    [account, key]: [E::Column; 2],
    after: impl Into<Value>,
) -> Result<Vec<E::Model>, StoreError> {
    let of_account = survey.account.map(|name| account.eq(name));
    let query = query.filter(Condition::all().add_option(of_account)).filter(key.gt(after.into()));
    Ok(query.order_by_asc(key).limit(survey.bounds.page).all(survey.transaction).await?)
}

impl Bounds {
    const USUAL: Self = Self { page: 500, entries: 1_000, most: audit::MOST };
}

/// What an audit found.
#[derive(Debug)]
pub struct Audited {
    /// Everything that is off, 100 findings of each kind at the most.
    pub findings: Vec<Finding>,
    /// How many wallets were looked at.
    pub wallets: u64,
}

impl Store {
    /// What is as it should be and still needs somebody: refunds whose channel has kept silent since
    /// `since` or before (O-6). Only reads.
    pub async fn notices(
        &self,
        account: Option<&AccountId>,
        since: DateTime<Utc>,
    ) -> Result<Vec<Finding>, StoreError> {
        let transaction = self.database.begin_survey().await?;
        let silent = refunds::silent(&transaction, account.map(AccountId::as_str), since).await?;
        transaction.commit().await?;
        Ok(silent)
    }

    /// Looks at everything, or at everything of one account, at one moment.
    pub async fn audit(&self, account: Option<&AccountId>) -> Result<Audited, StoreError> {
        let account = account.map(AccountId::as_str);
        let backend = self.database.backend();
        let transaction = self.database.begin_survey().await?;
        let only = account.map(|account| Only { account, tables: TABLES });
        let mut findings = audit::findings_of(&transaction, CHECKS, only).await?;
        let survey = Survey { transaction: &transaction, backend, account, bounds: Bounds::USUAL };
        findings.extend(parts::check(survey).await?);
        findings.extend(refunds::check(survey).await?);
        findings.extend(chain::check(survey).await?);
        let mut wallets = wallet::Entity::find();
        if let Some(account) = account {
            wallets = wallets.filter(wallet::Column::Account.eq(account));
        }
        let wallets = wallets.count(&transaction).await?;
        transaction.commit().await?;
        Ok(Audited { findings, wallets })
    }
}

#[cfg(test)]
mod tests;
