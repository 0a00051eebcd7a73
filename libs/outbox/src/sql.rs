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
    CREATE TABLE outbox_epoch (id integer PRIMARY KEY CHECK (id = 1), epoch integer NOT NULL);
    INSERT INTO outbox_epoch (id, epoch) VALUES (1, 0);
    CREATE TABLE outbox (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        epoch integer NOT NULL,
        xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        id text NOT NULL UNIQUE,
        account text NOT NULL,
        kind text NOT NULL,
        created_us bigint NOT NULL,
        payload bytea NOT NULL
    );
    CREATE INDEX outbox_in_order ON outbox (epoch, xid, seq)";

/// No transaction that can be seen has a number which was not given out yet, unless its row came from
/// another server.
pub(crate) const BEGIN_EPOCH_POSTGRES: &str = "
    UPDATE outbox_epoch SET epoch = epoch + 1
    WHERE id = 1 AND EXISTS (
        SELECT 1 FROM outbox
        WHERE outbox.epoch = outbox_epoch.epoch
            AND outbox.xid >= pg_snapshot_xmax(pg_current_snapshot()))";

/// ?1: rows as JSON arrays, payloads in hexadecimal.
pub(crate) const INSERT_SQLITE: &str = "
    INSERT INTO outbox (id, account, kind, created_us, payload)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4)
    FROM jsonb_each(?1) ORDER BY key";

/// $1 ids, $2 accounts, $3 kinds, $4 times, $5 payloads.
pub(crate) const INSERT_POSTGRES: &str = "
    INSERT INTO outbox (epoch, id, account, kind, created_us, payload)
    SELECT (SELECT epoch FROM outbox_epoch WHERE outbox_epoch.id = 1),
        event.id, account, kind, created_us, payload
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[])
        WITH ORDINALITY AS event (id, account, kind, created_us, payload, place)
    ORDER BY place";

/// ?1 event.
pub(crate) const PLACE_SQLITE: &str = "
    SELECT seq, 0 AS epoch, '0' AS transaction_id FROM outbox WHERE id = ?1";

/// $1 event.
pub(crate) const PLACE_POSTGRES: &str = "
    SELECT seq, epoch, xid::text AS transaction_id FROM outbox WHERE id = $1";

/// ?1 number, ?2 account or nothing, ?3 limit, ?4 how many to look at, ?5 kinds as a JSON array.
///
/// The rows that are wanted, then the last that was looked at.
pub(crate) const LIST_SQLITE: &str = "
    WITH part AS MATERIALIZED (
        SELECT seq, id, account, kind, created_us, payload FROM outbox
        WHERE seq > ?1 ORDER BY seq LIMIT ?4),
    wanted AS (
        SELECT * FROM part
        WHERE (?2 = '' OR account = ?2)
            AND (?5 = '[]' OR kind IN (SELECT value FROM jsonb_each(?5)))
        ORDER BY seq LIMIT ?3)
    SELECT * FROM (
        SELECT 0 AS last, (SELECT count(*) FROM part) AS looked, wanted.* FROM wanted
        UNION ALL
        SELECT 1 AS last, (SELECT count(*) FROM part) AS looked, part.* FROM part
        WHERE seq = (SELECT max(seq) FROM part))
    ORDER BY last, seq";

/// $1 number, $2 account or nothing, $3 limit, $4 how many to look at, $5 kinds, $6 epoch,
/// $7 transaction.
///
/// The rows that are wanted, then the last that was looked at. Earlier epochs are over: nothing of
/// them is under way.
pub(crate) const LIST_POSTGRES: &str = "
    WITH part AS MATERIALIZED (
        SELECT epoch, xid, seq, id, account, kind, created_us, payload FROM outbox
        WHERE (epoch, xid) < ((SELECT e.epoch FROM outbox_epoch e WHERE e.id = 1),
                pg_snapshot_xmin(pg_current_snapshot()))
            AND (epoch, xid, seq) > ($6::integer, $7::text::xid8, $1::bigint)
        ORDER BY epoch, xid, seq LIMIT $4),
    wanted AS (
        SELECT * FROM part
        WHERE ($2 = '' OR account = $2)
            AND (cardinality($5::text[]) = 0 OR kind = ANY($5))
        ORDER BY epoch, xid, seq LIMIT $3),
    latest AS (SELECT * FROM part ORDER BY epoch DESC, xid DESC, seq DESC LIMIT 1)
    SELECT 0::bigint AS last, (SELECT count(*) FROM part) AS looked, wanted.* FROM wanted
    UNION ALL
    SELECT 1::bigint AS last, (SELECT count(*) FROM part) AS looked, latest.* FROM latest
    ORDER BY last, epoch, xid, seq";

pub(crate) const NEWEST_SQLITE: &str = "SELECT id FROM outbox ORDER BY seq DESC LIMIT 1";

pub(crate) const NEWEST_POSTGRES: &str = "
    SELECT id FROM outbox
    WHERE (epoch, xid) < ((SELECT e.epoch FROM outbox_epoch e WHERE e.id = 1),
        pg_snapshot_xmin(pg_current_snapshot()))
    ORDER BY epoch DESC, xid DESC, seq DESC LIMIT 1";

/// ?1 time, ?2 limit.
pub(crate) const PURGE_SQLITE: &str = "
    DELETE FROM outbox
    WHERE seq IN (SELECT seq FROM outbox ORDER BY seq LIMIT ?2)
        AND created_us < ?1 AND seq < (SELECT max(seq) FROM outbox)";

/// $1 time, $2 limit.
pub(crate) const PURGE_POSTGRES: &str = "
    DELETE FROM outbox
    WHERE seq IN (SELECT seq FROM outbox ORDER BY epoch, xid, seq LIMIT $2)
        AND created_us < $1
        AND seq <> (SELECT seq FROM outbox ORDER BY epoch DESC, xid DESC, seq DESC LIMIT 1)";
