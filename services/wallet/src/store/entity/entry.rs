use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "entries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    pub debit: String,
    pub credit: String,
    pub amount: i64,
    pub currency: String,
    pub payment_id: Option<Uuid>,
    pub order_id: Option<Uuid>,
    pub refund_id: Option<Uuid>,
    pub note: String,
    pub created_us: i64,
    pub hash: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
