//! A customer of the cloud.

use sea_orm::entity::prelude::*;

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "accounts")]
pub struct Model {
    /// Given by the cloud.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Name of the account profile that it lives under.
    pub profile: String,
    /// ISO 4217 code.
    pub currency: String,
    /// IANA name.
    pub time_zone: String,
    /// Labels as a JSON object, keys in order.
    pub labels: String,
    /// Frozen or in arrears.
    pub frozen: bool,
    /// 1 to 28, or 31 for the last of the month; none: no standard renewal date (U-1).
    pub standard_day: Option<i32>,
    /// `LAST_DAY` or `START_OF_DAY` (U-1).
    pub day_meaning: String,
    /// Automatic renewals go to the standard day (U-4).
    pub auto_follows_standard_day: bool,
    /// Days before the last day of the first automatic attempt.
    pub auto_days_before: Option<i32>,
    /// When a deposit or voucher last reached the account.
    pub money_at: Option<i64>,
    /// Nothing of it is renewed automatically before this instant.
    pub parked_until: Option<i64>,
    /// Why.
    pub parked_why: Option<String>,
    /// Its users were reminded today: what else comes up waits until then.
    pub no_reminder_before: Option<i64>,
    /// Grows with each change.
    pub version: i64,
    /// When it became known.
    pub create_time: i64,
}

/// No relations: queries say what they join.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
