//! What a preview quoted, as long as it holds (M-6).

use sea_orm::entity::prelude::*;

/// One quote.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "quotes")]
pub struct Model {
    /// Whose it is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: String,
    /// Sorts by creation.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The last instant at which its price holds.
    pub hold_until: i64,
    /// What it quotes: an encoded `OrderSnapshot`.
    pub snapshot: Vec<u8>,
}

/// No relations: queries say what they join.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
