use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "vouchers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub currency: String,
    pub face: i64,
    pub remaining: i64,
    pub captured: i64,
    pub held: i64,
    pub forfeited: i64,
    pub voided: i64,
    pub expired: i64,
    pub from_us: i64,
    pub expires_us: i64,
    /// The terms in JSON; `from_us` and `expires_us` are theirs.
    pub terms: String,
    pub revoked_us: Option<i64>,
    /// Whether it has ended, and nothing remains of it or is held.
    pub swept: bool,
    pub created_us: i64,
}

impl ActiveModelBehavior for ActiveModel {}
