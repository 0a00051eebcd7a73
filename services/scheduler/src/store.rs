//! Keeps who is at what, how runs went, and which schedules are paused.
//!
//! Each statement has one text for both databases. Instants are whole microseconds since 1970.

mod migration;
mod rows;
mod sandbox;
mod sql;

use std::{collections::BTreeMap, ops::Range};

use chrono::{DateTime, Utc};
use platform::database::{Database, retry};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};

pub use self::migration::Migrator;
use self::rows::{micros, time};
use crate::domain::{LEASE, Lease, Part, RunId, State, Tally};
pub use platform::database::StoreError;

/// How things stand, all schedules at a glance.
#[derive(Debug, Clone, Default)]
pub struct Board {
    /// By schedule and first shard; those that never ran have none.
    pub leases: BTreeMap<(String, i32), Lease>,
    /// What was asked for and nobody has begun, the oldest first: schedule, first shard, when.
    pub waiting: Vec<(String, i32, DateTime<Utc>)>,
    /// Schedules that are paused, and since when.
    pub paused: BTreeMap<String, DateTime<Utc>>,
}

/// What somebody wants to carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub kind: &'static str,
    pub planned: DateTime<Utc>,
    pub shards: Range<i32>,
    pub asked: bool,
}

/// A part of a run that somebody has the lease of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub job: Job,
    /// Of the lease: whoever takes it next has a larger one.
    pub epoch: i64,
    /// What attempts before found and did.
    pub tally: Tally,
}

/// What becomes of a claim while it is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It goes on.
    Held,
    /// It goes on, but its schedule is paused.
    Paused,
    /// Somebody else has taken it over.
    Lost,
}

/// A part of the list of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Only this schedule's.
    pub kind: Option<&'static str>,
    /// The run before it; none for the first part.
    pub after: Option<RunId>,
    pub skip: u64,
    pub size: u64,
}

/// The rows of this service. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
}

impl Store {
    /// The rows in `database`, whose schema is up to date.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    fn statement<const N: usize>(&self, text: &str, values: [Value; N]) -> Statement {
        Statement::from_sql_and_values(self.database.backend().dialect(), text, values)
    }

    async fn write<const N: usize>(
        &self,
        on: &impl ConnectionTrait,
        text: &str,
        values: [Value; N],
    ) -> Result<u64, StoreError> {
        Ok(on.execute_raw(self.statement(text, values)).await?.rows_affected())
    }

    /// The same in a transaction of its own, with who asked for it if it changes anything.
    async fn write_alone<const N: usize>(
        &self,
        text: &str,
        values: [Value; N],
    ) -> Result<(), StoreError> {
        let unit = self.database.begin_write().await?;
        if self.write(&unit, text, values).await? > 0 {
            unit.commit().await?;
        }
        Ok(())
    }

    async fn rows<M: FromQueryResult, const N: usize>(
        &self,
        text: &str,
        values: [Value; N],
    ) -> Result<Vec<M>, StoreError> {
        let query = M::find_by_statement(self.statement(text, values));
        Ok(query.all(self.database.reader()).await?)
    }

    /// How things stand.
    pub async fn board(&self) -> Result<Board, StoreError> {
        let leases: Vec<rows::Lease> = self.rows(sql::LEASES, []).await?;
        let waiting: Vec<rows::Waiting> = self.rows(sql::WAITING, []).await?;
        let paused: Vec<rows::Paused> = self.rows(sql::PAUSED, []).await?;
        let key = |row: rows::Lease| ((row.kind.clone(), row.shard), row.into());
        Ok(Board {
            leases: leases.into_iter().map(key).collect(),
            waiting: waiting
                .into_iter()
                .map(|row| (row.kind, row.shard, time(row.planned_us)))
                .collect(),
            paused: paused.into_iter().map(|row| (row.kind, time(row.paused_us))).collect(),
        })
    }

    /// Takes the lease of `job` and begins it. None: somebody else has the lease, or it was done
    /// meanwhile. Whatever was under way under an earlier lease is abandoned.
    pub async fn claim(
        &self,
        job: &Job,
        holder: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<Claim>, StoreError> {
        retry(async || self.try_claim(job, holder, now).await).await
    }

    async fn try_claim(
        &self,
        job: &Job,
        holder: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<Claim>, StoreError> {
        let Job { kind, planned, shards, asked } = job;
        let (now_us, shard) = (micros(now), shards.start);
        let unit = self.database.begin_write().await?;
        let values: [Value; 7] = [
            (*kind).into(),
            shard.into(),
            holder.into(),
            micros(now + LEASE).into(),
            now_us.into(),
            micros(now + LEASE * 10).into(),
            micros(*planned).into(),
        ];
        let Some(row) = unit.query_one_raw(self.statement(sql::TAKE, values)).await? else {
            return Ok(None);
        };
        let epoch: i64 = row.try_get("", "epoch")?;
        self.write(&unit, sql::ABANDON, [(*kind).into(), shard.into(), now_us.into()]).await?;
        let values: [Value; 8] = [
            (*kind).into(),
            shard.into(),
            micros(*planned).into(),
            (*asked).into(),
            holder.into(),
            epoch.into(),
            now_us.into(),
            (shards.end - shards.start).into(),
        ];
        // Without a commit the lease stays as it was.
        let begun = unit.query_one_raw(self.statement(sql::BEGIN, values)).await?;
        let Some(row) = begun else { return Ok(None) };
        let tally = rows::Tally::from_query_result(&row, "")?.try_into()?;
        unit.commit().await?;
        Ok(Some(Claim { job: job.clone(), epoch, tally }))
    }

    /// Keeps the lease for its whole length from `now` on.
    pub async fn renew(&self, claim: &Claim, now: DateTime<Utc>) -> Result<Standing, StoreError> {
        let values: [Value; 4] = [
            claim.job.kind.into(),
            claim.job.shards.start.into(),
            claim.epoch.into(),
            micros(now + LEASE).into(),
        ];
        let renewed = self.write(self.database.writer(), sql::RENEW, values).await?;
        Ok(if renewed == 0 { Standing::Lost } else { Standing::Held })
    }

    /// Keeps how far `claim` has got.
    pub async fn progress(
        &self,
        claim: &Claim,
        tally: &Tally,
        shards_done: i32,
    ) -> Result<Standing, StoreError> {
        let values: [Value; 8] = [
            claim.job.kind.into(),
            claim.job.shards.start.into(),
            micros(claim.job.planned).into(),
            claim.epoch.into(),
            tally.due.into(),
            tally.done.into(),
            rows::json(&tally.failed).into(),
            shards_done.into(),
        ];
        let statement = self.statement(sql::PROGRESS, values);
        let row = self.database.writer().query_one_raw(statement).await?;
        let Some(row) = row else { return Ok(Standing::Lost) };
        let paused: i64 = row.try_get("", "paused")?;
        Ok(if paused > 0 { Standing::Paused } else { Standing::Held })
    }

    /// Keeps how `claim` has ended, and gives its lease back.
    pub async fn finish(
        &self,
        claim: &Claim,
        state: State,
        error: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        retry(async || {
            let (kind, shard) = (claim.job.kind, claim.job.shards.start);
            let (planned, now) = (micros(claim.job.planned), micros(now));
            let unit = self.database.begin_write().await?;
            // The lease first, as whoever takes it over does.
            let done = (state == State::Done).then_some(planned);
            let failed = if state == State::Failed { now } else { 0 };
            let values: [Value; 5] =
                [kind.into(), shard.into(), claim.epoch.into(), done.into(), failed.into()];
            self.write(&unit, sql::FREE, values).await?;
            let values: [Value; 7] = [
                kind.into(),
                shard.into(),
                planned.into(),
                claim.epoch.into(),
                state.name().into(),
                now.into(),
                error.into(),
            ];
            self.write(&unit, sql::END, values).await?;
            Ok(unit.commit().await?)
        })
        .await
    }

    /// Asks for a run of `kind` in these parts at `now`, or finds the one that was asked for and of
    /// which nothing has begun.
    pub async fn ask(
        &self,
        kind: &'static str,
        parts: &[Range<i32>],
        now: DateTime<Utc>,
    ) -> Result<RunId, StoreError> {
        loop {
            let asked = retry(async || self.try_ask(kind, parts, micros(now)).await).await?;
            if let Some(planned) = asked {
                return Ok(RunId { kind: kind.to_owned(), planned: time(planned) });
            }
        }
    }

    /// None: a planned run has the same instant.
    async fn try_ask(
        &self,
        kind: &'static str,
        parts: &[Range<i32>],
        now: i64,
    ) -> Result<Option<i64>, StoreError> {
        let unit = self.database.begin_write().await?;
        let first = parts.first().map_or(0, |part| part.start);
        self.write(&unit, sql::LOCK, [kind.into(), first.into()]).await?;
        let found = self.statement(sql::ASKED, [kind.into()]);
        if let Some(row) = unit.query_one_raw(found).await? {
            return Ok(Some(row.try_get("", "planned_us")?));
        }
        let latest = unit.query_one_raw(self.statement(sql::LAST_PLANNED, [kind.into()])).await?;
        let latest = latest.map_or(Ok(None), |row| row.try_get::<Option<i64>>("", "latest"))?;
        // Two runs of one schedule have two instants.
        let planned = latest.map_or(now, |latest| now.max(latest + 1));
        for Range { start, end } in parts {
            let values = [kind.into(), (*start).into(), planned.into(), (end - start).into()];
            if self.write(&unit, sql::ASK, values).await? == 0 {
                return Ok(None);
            }
        }
        unit.commit().await?;
        Ok(Some(planned))
    }

    /// Pauses `kind` from `now` on, unless it is paused.
    pub async fn pause(&self, kind: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        let values = [kind.into(), micros(now).into()];
        self.write_alone(sql::PAUSE, values).await
    }

    /// Lets `kind` run by itself again.
    pub async fn resume(&self, kind: &str) -> Result<(), StoreError> {
        self.write_alone(sql::RESUME, [kind.into()]).await
    }

    /// The parts of the run `id` as they are at `now`, by shard.
    pub async fn run(&self, id: &RunId, now: DateTime<Utc>) -> Result<Vec<Part>, StoreError> {
        let values = [micros(now).into(), id.kind.as_str().into(), micros(id.planned).into()];
        self.parts(sql::ONE, values).await
    }

    /// The parts of the latest run that has begun of each schedule.
    pub async fn latest(&self, now: DateTime<Utc>) -> Result<Vec<Part>, StoreError> {
        self.parts(sql::LATEST, [micros(now).into()]).await
    }

    /// The parts of the runs that are `wanted`, the latest run first.
    pub async fn list(&self, wanted: &Wanted, now: DateTime<Utc>) -> Result<Vec<Part>, StoreError> {
        let number = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let after = wanted.after.as_ref();
        let values: [Value; 5] = [
            micros(now).into(),
            after.map_or(i64::MAX, |id| micros(id.planned)).into(),
            after.map_or("", |id| &id.kind).into(),
            number(wanted.size).into(),
            number(wanted.skip).into(),
        ];
        match wanted.kind {
            None => self.parts(sql::ALL, values).await,
            Some(kind) => {
                let [now, planned, _, size, skip] = values;
                self.parts(sql::OF_KIND, [now, planned, kind.into(), size, skip]).await
            }
        }
    }

    async fn parts<const N: usize>(
        &self,
        page: &str,
        values: [Value; N],
    ) -> Result<Vec<Part>, StoreError> {
        let text = sql::PARTS.replace("{page}", page);
        let rows: Vec<rows::Part> = self.rows(&text, values).await?;
        rows.into_iter().map(Part::try_from).collect()
    }

    /// How many runs there are, of `kind` or of all.
    pub async fn count(&self, kind: Option<&str>) -> Result<u64, StoreError> {
        let rows: Vec<rows::Count> =
            self.rows(sql::COUNT, [kind.unwrap_or_default().into()]).await?;
        Ok(rows.first().map_or(0, |row| row.count.unsigned_abs()))
    }

    /// Forgets so many parts of runs that were planned before `before`, and of those that found
    /// nothing before `idle_before`, the oldest first. The latest of each schedule stays.
    pub async fn purge(
        &self,
        before: DateTime<Utc>,
        idle_before: DateTime<Utc>,
        limit: i64,
    ) -> Result<u64, StoreError> {
        let values = [micros(before).into(), micros(idle_before).into(), limit.into()];
        self.write(self.database.writer(), sql::PURGE, values).await
    }
}

#[cfg(test)]
mod tests;
