use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub payment_id: Uuid,
    pub state: String,
    /// None, as the fields up to `as_of_us`, where it was voided before it was known.
    pub order_id: Option<Uuid>,
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub digest: Option<Vec<u8>>,
    pub as_of_us: Option<i64>,
    /// A `perennial.wallet.v1.Payment` with nothing but its parts.
    pub parts: Vec<u8>,
    /// What each voucher pays and then forfeits, in the order in which they are taken, in JSON.
    pub vouchers: String,
    /// Empty unless refused, as `message`.
    pub reason: String,
    pub message: String,
    pub available: Option<i64>,
    /// None, as the fields up to `expires_us`, where no channel is asked.
    pub intent_id: Option<Uuid>,
    pub channel: Option<String>,
    pub channel_amount: Option<i64>,
    pub expires_us: Option<i64>,
    pub confirmed_us: Option<i64>,
    /// Whether all of it was given back because no order knew of it after a restore.
    pub withdrawn: bool,
    pub created_us: i64,
}

impl ActiveModelBehavior for ActiveModel {}
