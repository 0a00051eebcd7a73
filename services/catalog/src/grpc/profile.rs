//! Products and profiles on the wire.

use kernel::ids::ProductId;
use proto::{catalog::v1 as pb, convert::timestamp, r#type::v1 as types};
use rule_engine::{
    duration::{TermDuration, TermUnit},
    price::Component,
    profile::{
        AccountProfile, AutoSchedule, Boundary, EndShown, LateStart, MoneyPolicy, OddDays, Policy,
        ProductProfile, Reminders, Rounding, SmallestExtension, StopsWhen, StrongInBatch, Unify,
        UnifyOffer, VoucherRule, VoucherStrategy,
    },
};

use crate::{app::Entry, store::ProfileVersion};

/// A product.
pub fn product(entry: &Entry) -> pb::Product {
    let product = entry.product();
    pb::Product {
        product_id: product.id.to_string(),
        catalog: entry.catalog().to_owned(),
        name: product.name.clone(),
        line: product.line.clone(),
        profile: Some(renewal_profile(&product.profile)),
        profile_versions: entry.profiles.iter().map(profile_version).collect(),
        components: entry.priced().components.iter().map(component).collect(),
        etag: entry.etag.clone(),
    }
}

fn profile_version(version: &ProfileVersion) -> pb::ProfileVersion {
    pb::ProfileVersion {
        effective_time: Some(timestamp(version.effective_at)),
        profile: Some(renewal_profile(&version.profile)),
    }
}

fn component(component: &Component) -> pb::Component {
    pb::Component {
        name: component.name.clone(),
        sku_from: component.sku_from.clone().unwrap_or_default(),
        quantity_from: component.quantity_from.clone().unwrap_or_default(),
    }
}

/// A duration.
pub fn duration(duration: TermDuration) -> types::TermDuration {
    let unit = match duration.unit() {
        TermUnit::Month => types::term_duration::Unit::Month,
        TermUnit::Year => types::term_duration::Unit::Year,
    };
    types::TermDuration { unit: unit.into(), count: small(duration.count()) }
}

/// Durations, shortest first.
fn durations(durations: &[TermDuration]) -> Vec<types::TermDuration> {
    let mut sorted = durations.to_vec();
    sorted.sort();
    sorted.into_iter().map(duration).collect()
}

/// Numbers of profiles are bounded when they are read.
fn small(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// The rules of a product as a document says them.
pub fn proposed((product, profile): &(ProductId, ProductProfile)) -> pb::ProposedProfile {
    let product_id = product.to_string();
    pb::ProposedProfile { product_id, profile: Some(renewal_profile(profile)) }
}

fn renewal_profile(profile: &ProductProfile) -> pb::RenewalProfile {
    use pb::renewal_profile as wire;
    pb::RenewalProfile {
        durations: durations(&profile.durations),
        auto_cycles: durations(profile.cycles()),
        policies: profile.policies.iter().map(|&each| policy(each).into()).collect(),
        boundary: match profile.boundary {
            Boundary::EndOfDay => wire::Boundary::EndOfDay,
            Boundary::Exact => wire::Boundary::Exact,
        }
        .into(),
        end_shown: match profile.end_shown {
            EndShown::LastSecond => wire::EndShown::LastSecond,
            EndShown::NextMidnight => wire::EndShown::NextMidnight,
        }
        .into(),
        late_start: match profile.late_start {
            LateStart::RenewalDate => wire::LateStart::RenewalDate,
            LateStart::OldExpiry => wire::LateStart::OldExpiry,
        }
        .into(),
        grace_days: small(profile.grace_days),
        retention_days: small(profile.retention_days),
        max_total_months: profile.max_total_months.map(small),
        not_renewable_why: profile.not_renewable.clone().unwrap_or_default(),
        discontinued: profile.discontinued,
        converts_postpaid: profile.converts_postpaid,
        configuration_change: profile.configuration_change,
        unify: Some(unify(&profile.unify)),
        strong_in_batch: match profile.strong_in_batch {
            StrongInBatch::Allowed => wire::StrongInBatch::Allowed,
            StrongInBatch::Refused => wire::StrongInBatch::Refused,
        }
        .into(),
        auto_schedule: profile.auto_schedule.as_ref().map(auto_schedule),
        reminders: Some(reminders(&profile.reminders)),
        money_policy: Some(money_policy(&profile.money_policy)),
        provisioner: profile.provisioner.clone().unwrap_or_default(),
    }
}

fn policy(policy: Policy) -> types::RenewalPolicy {
    match policy {
        Policy::Manual => types::RenewalPolicy::Manual,
        Policy::Auto => types::RenewalPolicy::Auto,
        Policy::PostpaidAfterExpiry => types::RenewalPolicy::PostpaidAfterExpiry,
        Policy::NotRenew => types::RenewalPolicy::NotRenew,
    }
}

fn unify(unify: &Unify) -> pb::UnifyRules {
    use pb::unify_rules as wire;
    pb::UnifyRules {
        offer: match unify.offer {
            UnifyOffer::NotOffered => wire::Offer::NotOffered,
            UnifyOffer::Alone => wire::Offer::Alone,
            UnifyOffer::WithDuration => wire::Offer::WithDuration,
            UnifyOffer::AdHoc => wire::Offer::AdHoc,
        }
        .into(),
        smallest_extension: match unify.smallest_extension {
            SmallestExtension::OneMonth => wire::SmallestExtension::OneMonth,
            SmallestExtension::None => wire::SmallestExtension::None,
        }
        .into(),
        last_of_month: unify.days.last_of_month,
        first_day: small(unify.days.least),
        last_day: small(unify.days.most),
        automatic: unify.automatic,
    }
}

fn auto_schedule(schedule: &AutoSchedule) -> pb::AutoSchedule {
    use pb::auto_schedule as wire;
    pb::AutoSchedule {
        days_before: small(schedule.days_before),
        time: schedule.time.format("%H:%M").to_string(),
        stop: match schedule.stop {
            StopsWhen::OneDay => wire::Stop::OneDay,
            StopsWhen::UntilExpiry => wire::Stop::UntilExpiry,
            StopsWhen::UntilSuspension => wire::Stop::UntilSuspension,
        }
        .into(),
        account_days_min: schedule.account_override.map(|range| small(range.least)),
        account_days_max: schedule.account_override.map(|range| small(range.most)),
        last_day_retry: schedule.last_day_retry,
    }
}

fn reminders(reminders: &Reminders) -> pb::ReminderRules {
    let days = |days: &[u32]| days.iter().map(|&day| small(day)).collect();
    pb::ReminderRules {
        days_before_expiry: days(&reminders.before_expiry),
        days_before_release: days(&reminders.before_release),
        days_after_expiry: days(&reminders.after_expiry),
        at_expiry: reminders.at_expiry,
    }
}

fn money_policy(policy: &MoneyPolicy) -> pb::MoneyPolicy {
    use pb::money_policy as wire;
    pb::MoneyPolicy {
        name: policy.name.clone(),
        version: small(policy.version),
        rounding: match policy.rounding {
            Rounding::HalfUp => wire::Rounding::HalfUp,
            Rounding::Truncate => wire::Rounding::Truncate,
        }
        .into(),
        odd_days: match policy.odd_days {
            OddDays::DaysBeyondTerm => wire::OddDays::BeyondTerm,
            OddDays::DaysBeyond30 => wire::OddDays::Beyond30,
        }
        .into(),
        divisor: small(policy.divisor),
    }
}

/// How the accounts of the catalog `name` are treated.
pub fn account_profile(name: &str, profile: &AccountProfile) -> pb::AccountProfile {
    pb::AccountProfile {
        profile: name.to_owned(),
        manual_vouchers: Some(voucher_rule(&profile.vouchers.manual)),
        automatic_vouchers: Some(voucher_rule(&profile.vouchers.automatic)),
        unpaid_order_days: small(profile.unpaid_order_days),
        quote_hold_minutes: small(profile.quote_hold_minutes),
        batch_limit: small(profile.batch_limit),
        batch_limit_with_bound: small(profile.batch_limit_with_bound),
        outage_hours: small(profile.outage_hours),
    }
}

fn voucher_rule(rule: &VoucherRule) -> types::VoucherRule {
    let strategy = match rule.strategy {
        VoucherStrategy::NearestExpiryThenLargest => {
            types::VoucherStrategy::NearestExpiryThenLargest
        }
        VoucherStrategy::SmallestThenNearest => types::VoucherStrategy::SmallestThenNearest,
        VoucherStrategy::LargestFirst => types::VoucherStrategy::LargestFirst,
        VoucherStrategy::CoverWholeFirst => types::VoucherStrategy::CoverWholeFirst,
        VoucherStrategy::ChosenByUser => types::VoucherStrategy::ChosenByUser,
    };
    types::VoucherRule {
        strategy: strategy.into(),
        max_per_payment: rule.max_per_payment.map(small),
    }
}
