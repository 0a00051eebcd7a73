//! Who changed what, as an operator reads it.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait as _, Database};

use super::Suite;

/// A row of a table of mutations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    /// When the call came.
    pub time: DateTime<Utc>,
    /// What its token or certificate calls the caller.
    pub caller: String,
    /// In which roles.
    pub roles: String,
    /// The path of the call.
    pub method: String,
    /// Whose things it was about.
    pub account: String,
    /// Its request id.
    pub request: String,
}

impl Suite {
    /// What the database of `service` has noted, in order.
    pub async fn mutations(&self, service: &str) -> Vec<Mutation> {
        let flag = format!("--{service}-database-url");
        let place = self.databases.iter().position(|word| *word == flag).expect("a database");
        let database = Database::connect(&self.databases[place + 1]).await.expect("a database");
        let rows = database.query_all_raw(sea_orm::Statement::from_string(
            database.get_database_backend(),
            "SELECT time_us, caller, roles, method, account, request_id FROM mutations \
             ORDER BY time_us, method, request_id",
        ));
        let rows = rows.await.expect("a table of mutations");
        database.close().await.expect("a database");
        let text = |row: &sea_orm::QueryResult, name: &str| row.try_get("", name).expect("a text");
        let read = |row: &sea_orm::QueryResult| Mutation {
            time: DateTime::from_timestamp_micros(row.try_get("", "time_us").expect("a time"))
                .expect("a time"),
            caller: text(row, "caller"),
            roles: text(row, "roles"),
            method: text(row, "method"),
            account: text(row, "account"),
            request: text(row, "request_id"),
        };
        rows.iter().map(read).collect()
    }
}
