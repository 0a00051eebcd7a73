use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "wallet_requests")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub method: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub request_id: Uuid,
    pub digest: Vec<u8>,
    /// What the first call made, in JSON.
    pub made: String,
    pub created_us: i64,
}

impl ActiveModelBehavior for ActiveModel {}
