use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refunds")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub refund_id: Uuid,
    pub account: String,
    pub payment_id: Uuid,
    pub order_id: Uuid,
    pub state: String,
    pub digest: Vec<u8>,
    pub amount: i64,
    pub currency: String,
    /// None, as `channel_amount`, where nothing goes through a channel.
    pub channel: Option<String>,
    pub channel_amount: Option<i64>,
    /// A `perennial.wallet.v1.Refund` with nothing but its parts.
    pub parts: Vec<u8>,
    pub created_us: i64,
    pub confirmed_us: Option<i64>,
    /// When somebody is to be reminded that the channel has not answered; there while it has not.
    pub remind_us: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
