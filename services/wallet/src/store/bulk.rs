//! Statements over many rows at once: their number does not grow with the work.
//!
//! Each has one fixed text per database. PostgreSQL takes columns as arrays, SQLite takes rows as
//! one JSON text, with bytes in hexadecimal.

use platform::database::{Backend, hexadecimal};
use sea_orm::{Statement, Value, prelude::Uuid};
use serde::Serialize;

/// One statement, in the words of each database.
#[derive(Debug, Clone, Copy)]
pub struct Bulk {
    sqlite: &'static str,
    postgres: &'static str,
}

impl Bulk {
    /// The statement over the rows of `columns`, followed by `more` parameters.
    pub fn over(&self, backend: Backend, columns: Vec<Column>, more: Vec<Value>) -> Statement {
        let mut values = match backend {
            // A statement over no rows of ours has only the other parameters.
            Backend::Sqlite if columns.is_empty() => Vec::new(),
            Backend::Sqlite => vec![Value::from(json(&columns))],
            Backend::Postgres => columns.into_iter().map(Column::into_array).collect(),
        };
        values.extend(more);
        let text = backend.pick(self.sqlite, self.postgres);
        Statement::from_sql_and_values(backend.dialect(), text, values)
    }
}

/// One column of the rows that a statement is about; all columns are of one length.
#[derive(Debug, Clone)]
pub enum Column {
    Text(Vec<String>),
    Number(Vec<i64>),
    Id(Vec<Uuid>),
    Bytes(Vec<Vec<u8>>),
}

impl Column {
    fn into_array(self) -> Value {
        match self {
            Self::Text(values) => values.into(),
            Self::Number(values) => values.into(),
            Self::Id(values) => values.into(),
            Self::Bytes(values) => values.into(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(values) => values.len(),
            Self::Number(values) => values.len(),
            Self::Id(values) => values.len(),
            Self::Bytes(values) => values.len(),
        }
    }

    fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Self::Text(values) => Cell::Text(&values[row]),
            Self::Number(values) => Cell::Number(values[row]),
            Self::Id(values) => Cell::Digits(hexadecimal(values[row].as_bytes())),
            Self::Bytes(values) => Cell::Digits(hexadecimal(&values[row])),
        }
    }
}

/// What JSON has for a value of a column.
#[derive(Serialize)]
#[serde(untagged)]
enum Cell<'a> {
    Text(&'a str),
    Number(i64),
    Digits(String),
}

/// The rows of `columns`, each an array.
fn json(columns: &[Column]) -> String {
    let rows = columns.first().map_or(0, Column::len);
    assert!(columns.iter().all(|column| column.len() == rows), "columns are of one length");
    let row = |row| columns.iter().map(|column| column.cell(row)).collect::<Vec<_>>();
    let rows: Vec<_> = (0..rows).map(row).collect();
    serde_json::to_string(&rows).expect("texts and numbers are JSON")
}

/// Wallets by account, locked in the order of their accounts.
pub const LOCK_WALLETS: Bulk = Bulk {
    sqlite: "SELECT * FROM wallets WHERE account IN (SELECT value ->> 0 FROM jsonb_each(?1))
             ORDER BY account",
    postgres: "SELECT * FROM wallets WHERE account = ANY ($1) ORDER BY account FOR UPDATE",
};

/// Wallets by account, as they are.
pub const FIND_WALLETS: Bulk = Bulk {
    sqlite: "SELECT * FROM wallets WHERE account IN (SELECT value ->> 0 FROM jsonb_each(?1))",
    postgres: "SELECT * FROM wallets WHERE account = ANY ($1)",
};

/// Wallets whose chains have grown since they were anchored, locked.
pub const GROWN_CHAINS: Bulk = Bulk {
    sqlite: "SELECT * FROM wallets WHERE entries > anchored ORDER BY account LIMIT ?1",
    postgres: "SELECT * FROM wallets WHERE entries > anchored ORDER BY account LIMIT $1
               FOR UPDATE",
};

/// Up to which entries chains are anchored.
pub const ANCHOR_WALLETS: Bulk = Bulk {
    sqlite: "UPDATE wallets SET anchored = t.last
             FROM (SELECT value ->> 0 AS id, value ->> 1 AS last FROM jsonb_each(?1)) AS t
             WHERE wallets.account = t.id",
    postgres: "UPDATE wallets SET anchored = t.last
               FROM unnest($1::text[], $2::bigint[]) AS t (id, last)
               WHERE wallets.account = t.id",
};

/// What was written down of the chains of accounts.
pub const ANCHORS: Bulk = Bulk {
    sqlite: "SELECT account, payload FROM outbox WHERE kind = 'ledger.anchored'
                 AND account IN (SELECT value ->> 0 FROM jsonb_each(?1))",
    postgres: "SELECT account, payload FROM outbox WHERE kind = 'ledger.anchored'
                   AND account = ANY ($1)",
};

/// What remains of the vouchers of accounts that are valid at an instant.
pub const VALID_VOUCHERS: Bulk = Bulk {
    sqlite: "SELECT account, CAST(SUM(remaining) AS INTEGER) AS remaining FROM vouchers
             WHERE account IN (SELECT value ->> 0 FROM jsonb_each(?1))
               AND remaining > 0 AND from_us <= ?2 AND expires_us > ?2
               AND revoked_us IS NULL
             GROUP BY account",
    postgres: "SELECT account, CAST(SUM(remaining) AS bigint) AS remaining FROM vouchers
               WHERE account = ANY ($1) AND remaining > 0 AND from_us <= $2 AND expires_us > $2
                 AND revoked_us IS NULL
               GROUP BY account",
};

/// The vouchers of accounts that have something left and end after an instant.
pub const OPEN_VOUCHERS: Bulk = Bulk {
    sqlite: "SELECT * FROM vouchers
             WHERE account IN (SELECT value ->> 0 FROM jsonb_each(?1))
               AND remaining > 0 AND expires_us > ?2 AND revoked_us IS NULL",
    postgres: "SELECT * FROM vouchers
               WHERE account = ANY ($1) AND remaining > 0 AND expires_us > $2 AND revoked_us IS NULL",
};

/// Vouchers by account and id.
pub const NAMED_VOUCHERS: Bulk = Bulk {
    sqlite: "SELECT vouchers.* FROM jsonb_each(?1) AS t JOIN vouchers
               ON vouchers.account = t.value ->> 0 AND vouchers.id = unhex(t.value ->> 1)",
    postgres: "SELECT vouchers.* FROM unnest($1::text[], $2::uuid[]) AS t (account, id)
               JOIN vouchers ON vouchers.account = t.account AND vouchers.id = t.id",
};

/// Payments by id.
pub const FIND_PAYMENTS: Bulk = Bulk {
    sqlite: "SELECT * FROM payments
             WHERE payment_id IN (SELECT unhex(value ->> 0) FROM jsonb_each(?1))",
    postgres: "SELECT * FROM payments WHERE payment_id = ANY ($1)",
};

/// New payments; the ids of those that were not there yet come back. `available` is -1 for none.
pub const ADD_PAYMENTS: Bulk = Bulk {
    sqlite: "INSERT INTO payments (account, payment_id, state, order_id, amount, currency, digest,
                 as_of_us, parts, vouchers, reason, message, available, created_us)
             SELECT value ->> 0, unhex(value ->> 1), value ->> 2, unhex(value ->> 3), value ->> 4,
                 value ->> 5, unhex(value ->> 6), value ->> 7, unhex(value ->> 8), value ->> 9,
                 value ->> 10, value ->> 11, NULLIF(value ->> 12, -1), ?2
             FROM jsonb_each(?1) WHERE true
             ON CONFLICT DO NOTHING RETURNING payment_id",
    postgres: "INSERT INTO payments (account, payment_id, state, order_id, amount, currency,
                   digest, as_of_us, parts, vouchers, reason, message, available, created_us)
               SELECT account, payment_id, state, order_id, amount, currency, digest, as_of_us,
                   parts, vouchers, reason, message, NULLIF(available, -1), $14
               FROM unnest($1::text[], $2::uuid[], $3::text[], $4::uuid[], $5::bigint[],
                   $6::text[], $7::bytea[], $8::bigint[], $9::bytea[], $10::text[], $11::text[],
                   $12::text[], $13::bigint[])
                   AS t (account, payment_id, state, order_id, amount, currency, digest, as_of_us,
                       parts, vouchers, reason, message, available)
               ON CONFLICT DO NOTHING RETURNING payment_id",
};

/// The ends of payments that were pending; 0 stands for no confirmation.
pub const END_PAYMENTS: Bulk = Bulk {
    sqlite: "UPDATE payments SET state = t.ended, confirmed_us = NULLIF(t.confirmed, 0)
             FROM (SELECT value ->> 0 AS of_account, unhex(value ->> 1) AS id,
                       value ->> 2 AS ended, value ->> 3 AS confirmed FROM jsonb_each(?1)) AS t
             WHERE payments.account = t.of_account AND payments.payment_id = t.id
               AND payments.state = 'PENDING'",
    postgres: "UPDATE payments SET state = t.ended, confirmed_us = NULLIF(t.confirmed, 0)
               FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[])
                   AS t (of_account, id, ended, confirmed)
               WHERE payments.account = t.of_account AND payments.payment_id = t.id
                 AND payments.state = 'PENDING'",
};

/// What wallets gained or lost, and the numbers of their last entries.
pub const CHANGE_WALLETS: Bulk = Bulk {
    sqlite: "UPDATE wallets
             SET cash = cash + t.gained, held = held + t.aside, issued = issued + t.more,
                 entries = t.last, head = t.hash
             FROM (SELECT value ->> 0 AS id, value ->> 1 AS gained, value ->> 2 AS aside,
                       value ->> 3 AS more, value ->> 4 AS last, unhex(value ->> 5) AS hash
                   FROM jsonb_each(?1)) AS t
             WHERE wallets.account = t.id",
    postgres: "UPDATE wallets
               SET cash = cash + t.gained, held = held + t.aside, issued = issued + t.more,
                   entries = t.last, head = t.hash
               FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                   $6::bytea[]) AS t (id, gained, aside, more, last, hash)
               WHERE wallets.account = t.id",
};

/// What moved in vouchers.
pub const MOVE_VOUCHERS: Bulk = Bulk {
    sqlite: "UPDATE vouchers
             SET remaining = remaining + t.m1, captured = captured + t.m2, held = held + t.m3,
                 forfeited = forfeited + t.m4, voided = voided + t.m5, expired = expired + t.m6
             FROM (SELECT value ->> 0 AS of_account, unhex(value ->> 1) AS of_id,
                       value ->> 2 AS m1, value ->> 3 AS m2, value ->> 4 AS m3, value ->> 5 AS m4,
                       value ->> 6 AS m5, value ->> 7 AS m6
                   FROM jsonb_each(?1)) AS t
             WHERE vouchers.account = t.of_account AND vouchers.id = t.of_id",
    postgres: "UPDATE vouchers
               SET remaining = remaining + t.m1, captured = captured + t.m2, held = held + t.m3,
                   forfeited = forfeited + t.m4, voided = voided + t.m5,
                   expired = expired + t.m6
               FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[],
                   $6::bigint[], $7::bigint[], $8::bigint[])
                   AS t (of_account, of_id, m1, m2, m3, m4, m5, m6)
               WHERE vouchers.account = t.of_account AND vouchers.id = t.of_id",
};

/// Vouchers that have ended, and of which nothing remains or is held.
pub const SWEEP_VOUCHERS: Bulk = Bulk {
    sqlite: "UPDATE vouchers SET swept = true
             FROM (SELECT value ->> 0 AS of_account, unhex(value ->> 1) AS of_id
                   FROM jsonb_each(?1)) AS t
             WHERE vouchers.account = t.of_account AND vouchers.id = t.of_id",
    postgres: "UPDATE vouchers SET swept = true
               FROM unnest($1::text[], $2::uuid[]) AS t (of_account, of_id)
               WHERE vouchers.account = t.of_account AND vouchers.id = t.of_id",
};

/// New codes, none of which was redeemed.
pub const ADD_CODES: Bulk = Bulk {
    sqlite:
        "INSERT INTO voucher_codes (code, number, request_id, face, currency, terms, created_us)
             SELECT value ->> 0, value ->> 1, ?2, ?3, ?4, ?5, ?6 FROM jsonb_each(?1)",
    postgres: "INSERT INTO voucher_codes (code, number, request_id, face, currency, terms,
                   created_us)
               SELECT code, number, $3, $4, $5, $6, $7
               FROM unnest($1::text[], $2::bigint[]) AS t (code, number)",
};

/// New vouchers: all of their face remains.
pub const ADD_VOUCHERS: Bulk = Bulk {
    sqlite: "INSERT INTO vouchers (account, id, currency, face, remaining, captured, held,
                 forfeited, voided, expired, from_us, expires_us, terms, created_us)
             SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 3, 0, 0,
                 0, 0, 0, value ->> 4, value ->> 5, value ->> 6, value ->> 7
             FROM jsonb_each(?1)",
    postgres: "INSERT INTO vouchers (account, id, currency, face, remaining, captured, held,
                   forfeited, voided, expired, from_us, expires_us, terms, created_us)
               SELECT account, id, currency, face, face, 0, 0, 0, 0, 0, from_us, expires_us,
                   terms, created_us
               FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[],
                   $6::bigint[], $7::text[], $8::bigint[])
                   AS t (account, id, currency, face, from_us, expires_us, terms, created_us)",
};

/// New entries; the nil id stands for none.
pub const ADD_ENTRIES: Bulk = Bulk {
    sqlite: "INSERT INTO entries (account, number, debit, credit, amount, currency, payment_id,
                 order_id, refund_id, note, created_us, hash)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
                 NULLIF(unhex(value ->> 6), zeroblob(16)), NULLIF(unhex(value ->> 7), zeroblob(16)),
                 NULLIF(unhex(value ->> 8), zeroblob(16)), value ->> 9, value ->> 10,
                 unhex(value ->> 11)
             FROM jsonb_each(?1)",
    postgres: "INSERT INTO entries (account, number, debit, credit, amount, currency, payment_id,
                   order_id, refund_id, note, created_us, hash)
               SELECT account, number, debit, credit, amount, currency,
                   NULLIF(payment_id, '00000000-0000-0000-0000-000000000000'),
                   NULLIF(order_id, '00000000-0000-0000-0000-000000000000'),
                   NULLIF(refund_id, '00000000-0000-0000-0000-000000000000'), note, created_us,
                   hash
               FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[],
                   $6::text[], $7::uuid[], $8::uuid[], $9::uuid[], $10::text[], $11::bigint[],
                   $12::bytea[])
                   AS t (account, number, debit, credit, amount, currency, payment_id, order_id,
                       refund_id, note, created_us, hash)",
};

/// The entries of payments, by account and payment id.
pub const ENTRIES_OF_PAYMENTS: Bulk = Bulk {
    sqlite: "SELECT e.payment_id, e.debit, e.credit, CAST(SUM(e.amount) AS INTEGER) AS total
             FROM jsonb_each(?1) AS t JOIN entries e
                 ON e.account = t.value ->> 0 AND e.payment_id = unhex(t.value ->> 1)
             GROUP BY e.payment_id, e.debit, e.credit",
    postgres: "SELECT e.payment_id, e.debit, e.credit, CAST(SUM(e.amount) AS bigint) AS total
               FROM unnest($1::text[], $2::uuid[]) AS t (account, id) JOIN entries e
                   ON e.account = t.account AND e.payment_id = t.id
               GROUP BY e.payment_id, e.debit, e.credit",
};

/// The entries of refunds, by account, payment id and refund id.
pub const ENTRIES_OF_REFUNDS: Bulk = Bulk {
    sqlite: "SELECT e.refund_id, e.debit, e.credit, CAST(SUM(e.amount) AS INTEGER) AS total
             FROM jsonb_each(?1) AS t JOIN entries e
                 ON e.account = t.value ->> 0 AND e.payment_id = unhex(t.value ->> 1)
                 AND e.refund_id = unhex(t.value ->> 2)
             GROUP BY e.refund_id, e.debit, e.credit",
    postgres: "SELECT e.refund_id, e.debit, e.credit, CAST(SUM(e.amount) AS bigint) AS total
               FROM unnest($1::text[], $2::uuid[], $3::uuid[]) AS t (account, payment, id)
               JOIN entries e ON e.account = t.account AND e.payment_id = t.payment
                   AND e.refund_id = t.id
               GROUP BY e.refund_id, e.debit, e.credit",
};

#[cfg(test)]
mod tests;
