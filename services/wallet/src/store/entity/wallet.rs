use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "wallets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: String,
    pub currency: String,
    pub cash: i64,
    pub held: i64,
    pub issued: i64,
    pub entries: i64,
    /// The hash of the last entry; 32 zeros before the first.
    pub head: Vec<u8>,
    /// How many entries there were when the chain was last anchored.
    pub anchored: i64,
    pub created_us: i64,
}

impl ActiveModelBehavior for ActiveModel {}
