//! Who is told by webhook.

use sea_orm::entity::prelude::*;

/// One receiver.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhooks")]
pub struct Model {
    /// Made of the request id that it was made with.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whose events; empty: everybody's.
    pub account_id: String,
    /// Where the receiver is.
    pub url: String,
    /// Types of events, as a JSON array; empty: all.
    pub types: String,
    /// What makes two requests for it the same.
    pub digest: Vec<u8>,
    /// What messages are signed with, as a JSON array of `{"secret", "until"}`, the newest first.
    pub secrets: String,
    /// The cursor behind the last event that was delivered or is among the letters.
    pub position: String,
    /// Failures in a row.
    pub failures: i32,
    /// Why the last attempt failed; empty: it did not.
    pub error: String,
    /// Not before.
    pub next_attempt: i64,
    /// Grows by one whenever somebody begins to deliver.
    pub claim: i64,
    /// Until then somebody delivers; since then nobody does.
    pub claimed_until: i64,
    /// The place of the next letter.
    pub next_place: i64,
    /// When the receiver last said yes.
    pub last_success: Option<i64>,
    /// When it was made.
    pub create_time: i64,
}

/// No relations: queries say what they join.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
