//! How far the clock of a sandbox has come.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;

use super::{
    Store, StoreError,
    rows::{Count, micros, time},
};

const TIME: &str = "SELECT now_us FROM sandbox_clock";

/// It never goes back, whoever sets it.
const SET_TIME: &str = "\
INSERT INTO sandbox_clock (id, now_us) VALUES (1, $1)
ON CONFLICT (id) DO UPDATE SET now_us = excluded.now_us
WHERE excluded.now_us > sandbox_clock.now_us";

const LEASES: &str = "SELECT count(*) AS count FROM leases";

const DROP_LEASES: &str = "UPDATE leases SET until_us = 0 WHERE until_us > 0";

#[derive(Debug, FromQueryResult)]
struct Row {
    now_us: i64,
}

impl Store {
    /// Where the clock of the sandbox has come to; none: this is not the database of one.
    pub async fn sandbox_time(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let rows: Vec<Row> = self.rows(TIME, []).await?;
        Ok(rows.first().map(|row| time(row.now_us)))
    }

    /// The clock of the sandbox comes to `now`, unless it is further.
    pub async fn set_sandbox_time(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(self.database.writer(), SET_TIME, [micros(now).into()]).await.map(drop)
    }

    /// Whether any schedule has ever run.
    pub async fn has_leases(&self) -> Result<bool, StoreError> {
        let rows: Vec<Count> = self.rows(LEASES, []).await?;
        Ok(rows.first().is_some_and(|row| row.count > 0))
    }

    /// Takes all leases back.
    pub async fn drop_leases(&self) -> Result<(), StoreError> {
        self.write(self.database.writer(), DROP_LEASES, []).await.map(drop)
    }
}
