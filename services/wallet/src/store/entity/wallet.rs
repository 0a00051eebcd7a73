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
    pub created_us: i64,
}

impl ActiveModelBehavior for ActiveModel {}
