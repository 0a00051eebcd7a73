//! The statements, one text for each database.

pub(crate) const CREATE_SQLITE: &str = "
    CREATE TABLE outbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        account TEXT NOT NULL,
        kind TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        payload BLOB NOT NULL
    ) STRICT";

pub(crate) const CREATE_POSTGRES: &str = "
    CREATE TABLE outbox (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        id text NOT NULL UNIQUE,
        account text NOT NULL,
        kind text NOT NULL,
        created_us bigint NOT NULL,
        payload bytea NOT NULL
    );
    CREATE INDEX outbox_in_order ON outbox (xid, seq)";

/// ?1: rows as JSON arrays, payloads in hexadecimal.
pub(crate) const INSERT_SQLITE: &str = "
    INSERT INTO outbox (id, account, kind, created_us, payload)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4)
    FROM json_each(?1) ORDER BY key";

/// $1 ids, $2 accounts, $3 kinds, $4 times, $5 payloads.
pub(crate) const INSERT_POSTGRES: &str = "
    INSERT INTO outbox (id, account, kind, created_us, payload)
    SELECT id, account, kind, created_us, payload
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[])
        WITH ORDINALITY AS event (id, account, kind, created_us, payload, place)
    ORDER BY place";

/// ?1 number.
pub(crate) const KNOWN_SQLITE: &str = "SELECT 1 AS known FROM outbox WHERE seq = ?1";

/// $1 number.
pub(crate) const KNOWN_POSTGRES: &str = "SELECT 1 AS known FROM outbox WHERE seq = $1";

/// ?1 number, ?2 account or nothing, ?3 limit, ?4 kinds as a JSON array.
pub(crate) const LIST_SQLITE: &str = "
    SELECT seq, '0' AS transaction_id, id, account, kind, created_us, payload
    FROM outbox
    WHERE seq > ?1 AND (?2 = '' OR account = ?2)
        AND (?4 = '[]' OR kind IN (SELECT value FROM json_each(?4)))
    ORDER BY seq LIMIT ?3";

/// $1 number, $2 account or nothing, $3 limit, $4 kinds, $5 transaction.
pub(crate) const LIST_POSTGRES: &str = "
    SELECT seq, xid::text AS transaction_id, id, account, kind, created_us, payload
    FROM outbox
    WHERE xid < pg_snapshot_xmin(pg_current_snapshot())
        AND (xid, seq) > ($5::text::xid8, $1)
        AND ($2 = '' OR account = $2)
        AND (cardinality($4::text[]) = 0 OR kind = ANY($4))
    ORDER BY xid, seq LIMIT $3";

/// ?1 time.
pub(crate) const PURGE_SQLITE: &str = "
    DELETE FROM outbox WHERE created_us < ?1 AND seq < (SELECT max(seq) FROM outbox)";

/// $1 time.
pub(crate) const PURGE_POSTGRES: &str = "
    DELETE FROM outbox WHERE created_us < $1
        AND (xid, seq) < (SELECT xid, seq FROM outbox ORDER BY xid DESC, seq DESC LIMIT 1)";
