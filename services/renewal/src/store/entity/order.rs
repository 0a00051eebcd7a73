//! One renewal of one or more instances, paid as a whole.

use sea_orm::entity::prelude::*;

/// One order.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    /// Whose it is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: String,
    /// Unique over all accounts; sorts by creation.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Grows by one with each change of the row.
    pub version: i64,
    /// Name of the state, as in the contract without its prefix.
    pub state: String,
    /// What is to be paid, in minor units. Frozen.
    pub payable: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// The instances on it, as a JSON array of ids. Frozen.
    pub instance_ids: String,
    /// The request that made it, unique per account (O-3); none: no caller did.
    pub request_id: Option<Uuid>,
    /// What makes two requests the same.
    pub request_digest: Option<Vec<u8>>,
    /// What it renews and what it was priced with: an encoded `OrderSnapshot` (O-7).
    pub snapshot: Vec<u8>,
    /// An encoded `VoucherChoice`: which vouchers may pay the payment under way or done.
    pub vouchers: Option<Vec<u8>>,
    /// The payment that is under way or that paid it.
    pub payment_id: Option<Uuid>,
    /// How many payments were begun.
    pub pay_number: i32,
    /// The request of the payment under way.
    pub pay_request: Option<Uuid>,
    /// The payment instant of the payment under way or done (O-8).
    pub payment_time: Option<i64>,
    /// The wallet's encoded `Payment`, where it refused or paid.
    pub payment: Option<Vec<u8>>,
    /// An encoded `Refusal`: why it ended without being paid.
    pub ended_why: Option<Vec<u8>>,
    /// The refund that is under way.
    pub refund_id: Option<Uuid>,
    /// When it was made.
    pub create_time: i64,
    /// Until when it can be paid.
    pub expire_time: i64,
    /// When `Advance` is to look at it; none: never again.
    pub next_attempt_at: Option<i64>,
    /// How often `Advance` has looked in vain since the last change of state.
    pub attempts: i32,
    /// The root of what the automatic attempt renews that it is of; none: somebody ordered it.
    pub attempt_root: Option<String>,
    /// The expiry that the attempt would move.
    pub attempt_expiry: Option<i64>,
    /// The date of the attempt, as `2024-06-20`.
    pub attempt_date: Option<String>,
    /// 0: scheduled; else which retry of its date.
    pub attempt_kind: Option<i32>,
    /// `RENEWED`, `FAILED`, `SKIPPED`, `MISSED` or `VOID`; none while it is paid.
    pub outcome: Option<String>,
    /// Why it was not renewed.
    pub outcome_reason: Option<String>,
    /// When it is tried again.
    pub retry_time: Option<i64>,
}

/// No relations: queries say what they join.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
