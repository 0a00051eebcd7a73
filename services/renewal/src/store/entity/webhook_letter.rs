//! What could not be told yet.

use sea_orm::entity::prelude::*;

/// One event that one receiver has not taken yet.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_letters")]
pub struct Model {
    /// The receiver.
    #[sea_orm(primary_key, auto_increment = false)]
    pub webhook_id: Uuid,
    /// The event.
    #[sea_orm(primary_key, auto_increment = false)]
    pub event_id: Uuid,
    /// Its place among the letters of the receiver: the order of the events.
    pub place: i64,
    /// What it is about: letters of one line are delivered one after the other.
    pub line: String,
    /// The event as it is told.
    pub event: Vec<u8>,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was first tried.
    pub first_attempt: Option<i64>,
    /// Not before.
    pub next_attempt: i64,
    /// Why the last attempt failed.
    pub error: String,
    /// Since when it is not tried any more; none: it is.
    pub dead_time: Option<i64>,
}

/// No relations: queries say what they join.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
