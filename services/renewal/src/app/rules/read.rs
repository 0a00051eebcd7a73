//! The catalog's messages as the rules know them.

use std::sync::Arc;

use chrono::NaiveTime;
use kernel::ids::ProductId;
use proto::{
    catalog::v1 as pb,
    convert::{WireError, instant, known, required},
    r#type::v1 as types,
};
use rule_engine::{
    duration::TermDuration,
    profile::{
        AccountProfile, AllowedDays, AutoSchedule, Boundary, DayRange, EndShown, LateStart,
        MoneyPolicy, OddDays, Policy, ProductProfile, Reminders, Rounding, SmallestExtension,
        StopsWhen, StrongInBatch, Unify, UnifyOffer, VoucherRule, VoucherRules, VoucherStrategy,
    },
};

use super::Product;

/// Why a message of the catalog says nothing that this program understands.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// A value is not there, or unknown.
    #[error("a value {0}")]
    Wire(#[from] WireError),
    /// A text is none of those expected.
    #[error("{0:?} means nothing")]
    Text(String),
}

pub fn product(product: pb::Product) -> Result<(ProductId, Product), Unreadable> {
    let id = ProductId::try_from(product.product_id.clone())
        .map_err(|_| Unreadable::Text(product.product_id))?;
    let versions = product.profile_versions.into_iter().map(|version| {
        let from = instant(required(version.effective_time)?)?;
        Ok((from, Arc::new(profile(required(version.profile)?)?)))
    });
    let versions = versions.collect::<Result<_, Unreadable>>()?;
    let profile = Arc::new(profile(required(product.profile)?)?);
    let priced = product.components.into_iter().flat_map(|one| [one.sku_from, one.quantity_from]);
    let priced = priced.filter(|setting| !setting.is_empty()).collect();
    let pb::Product { catalog, line, .. } = product;
    Ok((id, Product { catalog, line, profile, versions, priced }))
}

/// The rules that a catalog proposes for a product.
pub fn proposed(one: pb::ProposedProfile) -> Result<(ProductId, ProductProfile), Unreadable> {
    let id = ProductId::try_from(one.product_id.clone());
    let id = id.map_err(|_| Unreadable::Text(one.product_id))?;
    Ok((id, profile(required(one.profile)?)?))
}

fn profile(profile: pb::RenewalProfile) -> Result<ProductProfile, Unreadable> {
    let policies = profile.policies.iter().map(|policy| policy_of(*policy));
    let auto_schedule = profile.auto_schedule.as_ref().map(auto_schedule_of).transpose()?;
    Ok(ProductProfile {
        durations: durations(&profile.durations)?,
        auto_cycles: Some(durations(&profile.auto_cycles)?),
        policies: policies.collect::<Result<_, _>>()?,
        boundary: match known(profile.boundary)? {
            pb::renewal_profile::Boundary::Exact => Boundary::Exact,
            _ => Boundary::EndOfDay,
        },
        end_shown: match known(profile.end_shown)? {
            pb::renewal_profile::EndShown::NextMidnight => EndShown::NextMidnight,
            _ => EndShown::LastSecond,
        },
        late_start: match known(profile.late_start)? {
            pb::renewal_profile::LateStart::OldExpiry => LateStart::OldExpiry,
            _ => LateStart::RenewalDate,
        },
        grace_days: count(profile.grace_days)?,
        retention_days: count(profile.retention_days)?,
        max_total_months: profile.max_total_months.map(count).transpose()?,
        not_renewable: Some(profile.not_renewable_why).filter(|why| !why.is_empty()),
        discontinued: profile.discontinued,
        converts_postpaid: profile.converts_postpaid,
        configuration_change: profile.configuration_change,
        unify: profile.unify.map(unify_of).transpose()?.unwrap_or_default(),
        strong_in_batch: match known(profile.strong_in_batch)? {
            pb::renewal_profile::StrongInBatch::Refused => StrongInBatch::Refused,
            _ => StrongInBatch::Allowed,
        },
        auto_schedule,
        reminders: reminders_of(profile.reminders.unwrap_or_default())?,
        money_policy: money_policy_of(required(profile.money_policy)?)?,
        provisioner: Some(profile.provisioner).filter(|address| !address.is_empty()),
    })
}

pub fn account_profile(profile: &pb::AccountProfile) -> Result<AccountProfile, Unreadable> {
    Ok(AccountProfile {
        vouchers: VoucherRules {
            manual: voucher_rule(required(profile.manual_vouchers)?)?,
            automatic: voucher_rule(required(profile.automatic_vouchers)?)?,
        },
        unpaid_order_days: count(profile.unpaid_order_days)?,
        quote_hold_minutes: count(profile.quote_hold_minutes)?,
        batch_limit: count(profile.batch_limit)?,
        batch_limit_with_bound: count(profile.batch_limit_with_bound)?,
        outage_hours: count(profile.outage_hours)?,
    })
}

fn voucher_rule(rule: types::VoucherRule) -> Result<VoucherRule, Unreadable> {
    use types::VoucherStrategy as Wire;
    let strategy = match known(rule.strategy)? {
        Wire::NearestExpiryThenLargest => VoucherStrategy::NearestExpiryThenLargest,
        Wire::SmallestThenNearest => VoucherStrategy::SmallestThenNearest,
        Wire::LargestFirst => VoucherStrategy::LargestFirst,
        Wire::CoverWholeFirst => VoucherStrategy::CoverWholeFirst,
        Wire::ChosenByUser | Wire::Unspecified => VoucherStrategy::ChosenByUser,
    };
    Ok(VoucherRule { strategy, max_per_payment: rule.max_per_payment.map(count).transpose()? })
}

fn policy_of(policy: i32) -> Result<Policy, Unreadable> {
    use types::RenewalPolicy as Wire;
    Ok(match known(policy)? {
        Wire::Auto => Policy::Auto,
        Wire::PostpaidAfterExpiry => Policy::PostpaidAfterExpiry,
        Wire::NotRenew => Policy::NotRenew,
        Wire::Manual | Wire::Unspecified => Policy::Manual,
    })
}

fn auto_schedule_of(schedule: &pb::AutoSchedule) -> Result<AutoSchedule, Unreadable> {
    use pb::auto_schedule::Stop;
    let range = schedule.account_days_min.zip(schedule.account_days_max);
    let range =
        range.map(|(least, most)| Ok(DayRange { least: count(least)?, most: count(most)? }));
    let time = NaiveTime::parse_from_str(&schedule.time, "%H:%M");
    Ok(AutoSchedule {
        days_before: count(schedule.days_before)?,
        time: time.map_err(|_| Unreadable::Text(schedule.time.clone()))?,
        stop: match known(schedule.stop)? {
            Stop::OneDay => StopsWhen::OneDay,
            Stop::UntilSuspension => StopsWhen::UntilSuspension,
            Stop::UntilExpiry | Stop::Unspecified => StopsWhen::UntilExpiry,
        },
        account_override: range.transpose().map_err(|error: Unreadable| error)?,
        last_day_retry: schedule.last_day_retry,
    })
}

fn unify_of(unify: pb::UnifyRules) -> Result<Unify, Unreadable> {
    use pb::unify_rules::{Offer, SmallestExtension as Smallest};
    Ok(Unify {
        offer: match known(unify.offer)? {
            Offer::Alone => UnifyOffer::Alone,
            Offer::WithDuration => UnifyOffer::WithDuration,
            Offer::AdHoc => UnifyOffer::AdHoc,
            Offer::NotOffered | Offer::Unspecified => UnifyOffer::NotOffered,
        },
        days: AllowedDays {
            least: count(unify.first_day)?,
            most: count(unify.last_day)?,
            last_of_month: unify.last_of_month,
        },
        smallest_extension: match known(unify.smallest_extension)? {
            Smallest::OneMonth => SmallestExtension::OneMonth,
            Smallest::None | Smallest::Unspecified => SmallestExtension::None,
        },
        automatic: unify.automatic,
    })
}

fn reminders_of(rules: pb::ReminderRules) -> Result<Reminders, Unreadable> {
    let days = |days: Vec<i32>| days.into_iter().map(count).collect::<Result<Vec<_>, _>>();
    Ok(Reminders {
        before_expiry: days(rules.days_before_expiry)?,
        at_expiry: rules.at_expiry,
        after_expiry: days(rules.days_after_expiry)?,
        before_release: days(rules.days_before_release)?,
    })
}

fn money_policy_of(policy: pb::MoneyPolicy) -> Result<MoneyPolicy, Unreadable> {
    use pb::money_policy::{OddDays as Odd, Rounding as Round};
    Ok(MoneyPolicy {
        name: policy.name,
        version: count(policy.version)?,
        rounding: match known(policy.rounding)? {
            Round::Truncate => Rounding::Truncate,
            Round::HalfUp | Round::Unspecified => Rounding::HalfUp,
        },
        odd_days: match known(policy.odd_days)? {
            Odd::Beyond30 => OddDays::DaysBeyond30,
            Odd::BeyondTerm | Odd::Unspecified => OddDays::DaysBeyondTerm,
        },
        divisor: count(policy.divisor)?,
    })
}

fn durations(durations: &[types::TermDuration]) -> Result<Vec<TermDuration>, Unreadable> {
    let read = |duration: &types::TermDuration| {
        let short = duration.short()?;
        short.parse().map_err(|_| Unreadable::Text(short))
    };
    durations.iter().map(read).collect()
}

fn count(number: i32) -> Result<u32, Unreadable> {
    u32::try_from(number).map_err(|_| Unreadable::Text(number.to_string()))
}
