//! How far this service has read what others tell.

use sea_orm::entity::prelude::*;

/// One place in a list of events.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cursors")]
pub struct Model {
    /// What is read.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The cursor, as it was given.
    pub place: String,
}

/// No relations: queries say what they join.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
