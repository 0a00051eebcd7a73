use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "voucher_codes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub code: String,
    /// The request that made it, and its place there.
    pub request_id: Uuid,
    pub number: i64,
    pub face: i64,
    pub currency: String,
    /// The terms of the voucher in JSON.
    pub terms: String,
    /// None, as the two that follow, until it is redeemed.
    pub account: Option<String>,
    pub voucher_id: Option<Uuid>,
    pub redeemed_us: Option<i64>,
    pub created_us: i64,
}

impl ActiveModelBehavior for ActiveModel {}
