//! One rented resource.

use sea_orm::entity::prelude::*;

/// One instance. It is prepaid where it has `paid_until`, which is the end of its last live term.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "instances")]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of its own")]
pub struct Model {
    /// Whose it is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: String,
    /// Given by the cloud; unique over all accounts.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Grows by one with each change of the row.
    pub version: i64,
    /// The product.
    pub product_id: String,
    /// The region.
    pub region: String,
    /// For people.
    pub name: String,
    /// Room type; empty: none.
    pub room_type: String,
    /// Labels as a JSON object, keys in order.
    pub labels: String,
    /// Configuration as a JSON array of `{"name", "value"}`.
    pub configuration: String,
    /// The configuration that was bought and is not in effect yet (C-2), in the same form.
    pub pending_configuration: Option<String>,
    /// The first instant at which the pending configuration is in effect.
    pub pending_from: Option<i64>,
    /// `PREPAID` or `POSTPAID`.
    pub billing_mode: String,
    /// End of the last live term; none while postpaid (T-4).
    pub paid_until: Option<i64>,
    /// Anchor of the last live term, 1 to 31; none while postpaid (T-6).
    pub anchor: Option<i32>,
    /// `MANUAL`, `AUTO`, `POSTPAID_AFTER_EXPIRY` or `NOT_RENEW` (P-1).
    pub policy: String,
    /// Cycle of `AUTO`, as `1m` or `1y` (P-3).
    pub auto_cycle: Option<String>,
    /// Automatic renewals left, 1 to 99; none: no limit (P-3).
    pub auto_remaining: Option<i32>,
    /// A trial.
    pub trial: bool,
    /// Bought by number of uses.
    pub one_time: bool,
    /// The product reports a configuration change under way.
    pub change_pending: bool,
    /// The product reports it gone.
    pub released: bool,
    /// The claim: the open order that holds it (O-2).
    pub open_order_id: Option<Uuid>,
    /// What it is bound to.
    pub parent_id: Option<String>,
    /// `OPTIONAL`, `FORCED` or `STRONG`, with a parent.
    pub binding: Option<String>,
    /// Start of its first term; none: it never was prepaid.
    pub first_start: Option<i64>,
    /// The console's own version of what it last registered (I-1).
    pub source_version: i64,
    /// Which part of all accounts its account is of, 0 to 63.
    pub shard: i16,
    /// The state that was last recorded, with its event: `ACTIVE`, `GRACE`, `RETAINED` or
    /// `RELEASED` (L-3).
    pub state: String,
    /// What of it its users were reminded of: a JSON array of expiries, each with the last offset
    /// that was dealt with.
    pub reminded: Option<String>,
    /// The latest automatic decision for each expiry that still matters, as a JSON array; on the
    /// primary of its group.
    pub decided: Option<String>,
    /// The earliest instant at which anything of it is due; none: nothing ever is. Too early is
    /// harmless, too late is a bug.
    pub due_time: Option<i64>,
    /// When it became known.
    pub create_time: i64,
}

/// No relations: queries say what they join.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
