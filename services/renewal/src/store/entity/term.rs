//! A paid interval of an instance: the order item of a settled order.

use sea_orm::entity::prelude::*;

/// One term, `[start_time, end_time)`. Live while `reversed_by` is none; two live terms of an
/// instance never have the same start (O-1).
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "terms")]
pub struct Model {
    /// Whose it is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: String,
    /// The instance.
    #[sea_orm(primary_key, auto_increment = false)]
    pub instance_id: String,
    /// The version of the instance that the term came with: orders the instance's terms as they
    /// were appended.
    #[sea_orm(primary_key, auto_increment = false)]
    pub instance_version: i64,
    /// Its first instant.
    pub start_time: i64,
    /// The first instant after it; where it was shortened, of what is left (I-2).
    pub end_time: i64,
    /// The end that it had before it was shortened (I-2).
    pub shortened_from: Option<i64>,
    /// The anchor that holds from it on, 1 to 31 (T-6).
    pub anchor: i32,
    /// `REGISTRATION`, `ORDER` or `ADJUSTMENT`.
    pub kind: String,
    /// The order that appended it.
    pub order_id: Option<Uuid>,
    /// What was paid for it, in minor units; 0 unless an order appended it.
    pub amount: i64,
    /// The configuration that it brought (C-2), in the form of the instance's.
    pub configuration: Option<String>,
    /// It made a postpaid instance prepaid (C-1).
    pub converted: bool,
    /// The refund that reversed it.
    pub reversed_by: Option<Uuid>,
    /// When it was appended.
    pub create_time: i64,
}

/// No relations: queries say what they join.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
