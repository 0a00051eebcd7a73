//! Which calls were made before, and what they made (O-3).

use sea_orm::entity::prelude::*;

/// One request id of one caller and method.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "requests")]
pub struct Model {
    /// The caller's account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: String,
    /// Name of the RPC.
    #[sea_orm(primary_key, auto_increment = false)]
    pub method: String,
    /// Chosen by the caller.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What makes two requests the same.
    pub digest: Vec<u8>,
    /// Id of what the call made or worked on.
    pub made: String,
    /// When it was first made.
    pub create_time: i64,
}

/// No relations: queries say what they join.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
