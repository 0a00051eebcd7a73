use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "callbacks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub channel: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: String,
    pub digest: Vec<u8>,
    /// The channel's id of the money that it brought; none where nothing came.
    pub money_id: Option<String>,
    pub outcome: String,
    /// Why money went to the cash balance; empty where it did not.
    pub reason: String,
    pub account: String,
    pub payment_id: Uuid,
    pub amount: i64,
    pub currency: String,
    pub created_us: i64,
}

impl ActiveModelBehavior for ActiveModel {}
