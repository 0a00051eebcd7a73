//! The statements, the same for SQLite and PostgreSQL.

/// Who is at what, and how the last runs went.
pub const LEASES: &str = "SELECT kind, shard, until_us, done_us, failed_us FROM leases";

/// What was asked for and nobody has begun.
pub const WAITING: &str = "\
SELECT kind, shard, planned_us FROM runs
WHERE ended_us IS NULL AND state = 'WAITING' ORDER BY planned_us, kind, shard";

/// Which schedules are paused.
pub const PAUSED: &str = "SELECT kind, paused_us FROM paused_schedules";

/// Pauses a schedule.
pub const PAUSE: &str =
    "INSERT INTO paused_schedules (kind, paused_us) VALUES ($1, $2) ON CONFLICT DO NOTHING";

/// Resumes a schedule.
pub const RESUME: &str = "DELETE FROM paused_schedules WHERE kind = $1";

/// Takes a lease that nobody has. One that ends later than any can was taken by a clock that was
/// ahead.
pub const TAKE: &str = "\
INSERT INTO leases (kind, shard, holder, epoch, until_us, planned_us)
VALUES ($1, $2, $3, 1, $4, $7)
ON CONFLICT (kind, shard) DO UPDATE SET
    holder = excluded.holder, epoch = leases.epoch + 1,
    until_us = excluded.until_us, planned_us = excluded.planned_us
WHERE leases.until_us <= $5 OR leases.until_us > $6
RETURNING epoch";

/// Keeps a lease.
pub const RENEW: &str =
    "UPDATE leases SET until_us = $4 WHERE kind = $1 AND shard = $2 AND epoch = $3";

/// Gives a lease back.
pub const FREE: &str = "\
UPDATE leases SET until_us = 0, done_us = COALESCE($4, done_us), failed_us = $5
WHERE kind = $1 AND shard = $2 AND epoch = $3";

/// What was under way under an earlier lease is not any more.
pub const ABANDON: &str = "\
UPDATE runs SET state = 'ABANDONED', ended_us = $3
WHERE kind = $1 AND shard = $2 AND ended_us IS NULL AND state = 'RUNNING'";

/// Begins a part of a run, or begins it again, unless it is done. What was asked for is begun once.
pub const BEGIN: &str = "\
INSERT INTO runs (kind, shard, planned_us, asked, state, attempts, holder, epoch, started_us, shards)
VALUES ($1, $2, $3, $4, 'RUNNING', 1, $5, $6, $7, $8)
ON CONFLICT (kind, shard, planned_us) DO UPDATE SET
    state = 'RUNNING', attempts = runs.attempts + 1, holder = excluded.holder,
    epoch = excluded.epoch, started_us = excluded.started_us, ended_us = NULL,
    shards = excluded.shards, shards_done = 0, error = ''
WHERE runs.state = 'WAITING' OR (runs.state <> 'DONE' AND NOT runs.asked)
RETURNING due, done, failed";

/// How far a part of a run has got, unless somebody else has taken it over.
pub const PROGRESS: &str = "\
UPDATE runs SET due = $5, done = $6, failed = $7, shards_done = $8
WHERE kind = $1 AND shard = $2 AND planned_us = $3 AND epoch = $4 AND state = 'RUNNING'
RETURNING (SELECT count(*) FROM paused_schedules WHERE kind = $1) AS paused";

/// How a part of a run has ended, unless somebody else has taken it over.
pub const END: &str = "\
UPDATE runs SET state = $5, ended_us = $6, error = $7
WHERE kind = $1 AND shard = $2 AND planned_us = $3 AND epoch = $4 AND state = 'RUNNING'";

/// Locks what all who ask for a run of a schedule must lock.
pub const LOCK: &str = "\
INSERT INTO leases (kind, shard, holder, epoch, until_us, planned_us) VALUES ($1, $2, '', 0, 0, 0)
ON CONFLICT (kind, shard) DO UPDATE SET holder = leases.holder";

/// The run that was asked for and of which nothing has begun.
pub const ASKED: &str = "\
SELECT planned_us FROM runs WHERE kind = $1 AND ended_us IS NULL AND asked
GROUP BY planned_us HAVING count(*) = count(CASE WHEN state = 'WAITING' THEN 1 END)
ORDER BY planned_us DESC LIMIT 1";

/// The latest instant that a run of a schedule has.
pub const LAST_PLANNED: &str = "SELECT max(planned_us) AS latest FROM runs WHERE kind = $1";

/// Asks for a part of a run.
pub const ASK: &str = "\
INSERT INTO runs (kind, shard, planned_us, asked, state, attempts, holder, epoch, shards)
VALUES ($1, $2, $3, TRUE, 'WAITING', 0, '', 0, $4) ON CONFLICT DO NOTHING";

/// The parts of the runs that `{page}` names. Nobody is at one whose lease has ended.
pub const PARTS: &str = "\
SELECT r.kind, r.shard, r.planned_us, r.asked,
    CASE WHEN r.state = 'RUNNING' AND (l.epoch <> r.epoch OR l.until_us <= $1)
        THEN 'ABANDONED' ELSE r.state END AS state,
    r.attempts, r.holder, r.started_us, r.ended_us, r.shards, r.shards_done,
    r.due, r.done, r.failed, r.error
FROM ({page}) AS page
JOIN runs AS r ON r.kind = page.kind AND r.planned_us = page.planned_us
LEFT JOIN leases AS l ON l.kind = r.kind AND l.shard = r.shard
ORDER BY r.planned_us DESC, r.kind DESC, r.shard";

/// One run.
pub const ONE: &str =
    "SELECT kind, planned_us FROM runs WHERE kind = $2 AND planned_us = $3 LIMIT 1";

/// The latest run that has begun of each schedule.
pub const LATEST: &str = "SELECT kind, max(planned_us) AS planned_us FROM leases GROUP BY kind";

/// A page of all runs.
pub const ALL: &str = "\
SELECT kind, planned_us FROM runs WHERE planned_us <= $2 AND (planned_us < $2 OR kind < $3)
GROUP BY planned_us, kind ORDER BY planned_us DESC, kind DESC LIMIT $4 OFFSET $5";

/// A page of the runs of a schedule.
pub const OF_KIND: &str = "\
SELECT kind, planned_us FROM runs WHERE kind = $3 AND planned_us < $2
GROUP BY kind, planned_us ORDER BY planned_us DESC LIMIT $4 OFFSET $5";

/// How many runs there are, of a schedule or of all.
pub const COUNT: &str = "\
SELECT count(*) AS count
FROM (SELECT DISTINCT kind, planned_us FROM runs WHERE $1 = '' OR kind = $1) AS found";

/// Forgets old runs.
pub const PURGE: &str = "\
DELETE FROM runs WHERE (kind, shard, planned_us) IN (
    SELECT kind, shard, planned_us FROM runs AS old
    WHERE planned_us < $2 AND ended_us IS NOT NULL
        AND (planned_us < $1 OR (state = 'DONE' AND due = 0 AND done = 0))
        AND planned_us < (SELECT max(planned_us) FROM leases WHERE leases.kind = old.kind)
    ORDER BY planned_us LIMIT $3)";
