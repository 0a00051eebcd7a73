//! What must always hold of rows, asked of the rows.
//!
//! A service says what is off as queries; how a query is put to either database, and what becomes
//! of its rows, is the same for all of them.

use std::fmt;

use sea_orm::{
    ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr, FromQueryResult, Statement, Value,
};

use crate::database::Backend;

/// Something that must always hold, and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What should hold, such as "cash is the sum of its entries (W-2)".
    pub invariant: &'static str,
    /// What it does not hold of: an account, and the instance, order or voucher of it.
    pub subject: String,
    /// What was found instead.
    pub found: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.subject, self.invariant, self.found)
    }
}

/// Something that must always hold, and a query for what it does not hold of: its rows have the
/// text columns `subject` and `found`.
///
/// The query is the same on both databases. `{id:column}` stands in it for the text of a UUID, and
/// `{each:column}` for the elements of a JSON array, which are `item.value`.
pub type Check = (&'static str, &'static str);

/// The findings of one check at the most: who has more has seen enough.
pub const MOST: usize = 100;

/// A row that a check finds: none if all is well.
#[derive(Debug, FromQueryResult)]
struct Off {
    subject: String,
    found: String,
}

/// What `checks` find, [`MOST`] of each. Only reads.
///
/// Whole tables are read: statements may take as long as they need in `transaction` from then on.
pub async fn findings(
    transaction: &DatabaseTransaction,
    checks: &[Check],
) -> Result<Vec<Finding>, DbErr> {
    findings_of(transaction, checks, None).await
}

/// What of one account a check reads.
#[derive(Debug, Clone, Copy)]
pub struct Only<'a> {
    /// The account.
    pub account: &'a str,
    /// Every table of the checks; each has a column `account`.
    pub tables: &'a [&'a str],
}

/// What `checks` find, as [`findings`], in the rows of one account if that is asked.
pub async fn findings_of(
    transaction: &DatabaseTransaction,
    checks: &[Check],
    only: Option<Only<'_>>,
) -> Result<Vec<Finding>, DbErr> {
    let backend = match transaction.get_database_backend() {
        DbBackend::Postgres => Backend::Postgres,
        _ => Backend::Sqlite,
    };
    if backend == Backend::Postgres {
        transaction.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
    }
    let mut findings = Vec::new();
    let narrowed = only.map(|only| narrowed(backend, only)).unwrap_or_default();
    let values: Vec<Value> = only.map(|only| only.account.into()).into_iter().collect();
    for (invariant, query) in checks {
        let query = format!("{narrowed}{} LIMIT {MOST}", in_words_of(backend, query));
        let query = Statement::from_sql_and_values(backend.dialect(), query, values.clone());
        let off = Off::find_by_statement(query).all(transaction).await?;
        findings.extend(off.into_iter().map(|Off { subject, found }| Finding {
            invariant,
            subject,
            found,
        }));
    }
    Ok(findings)
}

/// What stands before a query that is to see the rows of one account only, which is its parameter:
/// each table stands for a part of itself.
fn narrowed(backend: Backend, only: Only<'_>) -> String {
    let itself = backend.pick("main.", "");
    let part =
        |table: &&str| format!("{table} AS (SELECT * FROM {itself}{table} WHERE account = $1)");
    format!("WITH {} ", only.tables.iter().map(part).collect::<Vec<_>>().join(", "))
}

/// `query` as `backend` understands it.
fn in_words_of(backend: Backend, query: &str) -> String {
    // SQLite keeps the 16 bytes of an id.
    let id = backend.pick(
        "(substr(lower(hex({})), 1, 8) || '-' || substr(lower(hex({})), 9, 4) || '-' \
         || substr(lower(hex({})), 13, 4) || '-' || substr(lower(hex({})), 17, 4) || '-' \
         || substr(lower(hex({})), 21, 12))",
        "CAST({} AS text)",
    );
    let each = backend.pick(
        "json_each({}) AS item",
        "jsonb_array_elements_text(CAST({} AS jsonb)) AS item(value)",
    );
    put(&put(query, "{id:", id), "{each:", each)
}

/// `text` with each `{name:column}` as `meaning` says of `{}`, where `open` is `{name:`.
fn put(text: &str, open: &str, meaning: &str) -> String {
    let mut parts = text.split(open);
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (column, rest) = part.split_once('}').unwrap_or((part, ""));
        all.push_str(&meaning.replace("{}", column));
        all.push_str(rest);
    }
    all
}

#[cfg(test)]
mod tests;
