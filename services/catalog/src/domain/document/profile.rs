//! Profiles of products and accounts. The defaults are those of the rules.

use chrono::NaiveTime;
use rule_engine::profile::{
    AccountProfile, AllowedDays, AutoSchedule, Boundary, DayRange, EndShown, LateStart,
    MoneyPolicy, OddDays, ProductProfile, ProfileMistake, Reminders, Rounding, StopsWhen,
    StrongInBatch, Unify, VoucherRule, VoucherRules, VoucherStrategy,
};

use super::reader::Place;

/// The rules of a product.
pub fn product_profile(place: &Place<'_>) -> ProductProfile {
    let fields = place.fields();
    let reminded = Reminders { at_expiry: true, ..Reminders::default() };
    let profile = ProductProfile {
        durations: fields.required("durations", Vec::new(), |place| place.list(Place::parsed)),
        auto_cycles: fields.optional("auto_cycles", |place| place.list(Place::parsed)),
        policies: fields.required("policies", Vec::new(), |place| place.list(Place::named)),
        boundary: fields.optional("boundary", Place::named).unwrap_or_default(),
        end_shown: fields.optional("end_shown", Place::named).unwrap_or_default(),
        late_start: fields.required("late_start", LateStart::RenewalDate, Place::named),
        grace_days: fields.required("grace_days", 0, Place::number),
        retention_days: fields.required("retention_days", 0, Place::number),
        max_total_months: fields.optional("max_total_months", Place::number),
        not_renewable: fields.optional("not_renewable", Place::string),
        discontinued: fields.or("discontinued", false, Place::yes_or_no),
        converts_postpaid: fields.or("converts_postpaid", false, Place::yes_or_no),
        configuration_change: fields.or("configuration_change", false, Place::yes_or_no),
        unify: fields.or("unify", Unify::default(), |place| Ok(unify(place))),
        strong_in_batch: fields.optional("strong_in_batch", Place::named).unwrap_or_default(),
        auto_schedule: fields.optional("auto_schedule", |place| Ok(auto_schedule(place))),
        reminders: fields.or("reminders", reminded, |place| Ok(reminders(place))),
        money_policy: fields
            .required("money_policy", no_money_policy(), |place| Ok(money_policy(place))),
        provisioner: fields.optional("provisioner", Place::string),
    };
    fields.finish();
    note(place, &profile.validate());
    profile
}

/// Notes the mistakes that do not come from what could not be read.
fn note(place: &Place<'_>, mistakes: &[ProfileMistake]) {
    for mistake in mistakes.iter().filter(|it| it.needs.iter().all(|field| place.is_read(field))) {
        place.wrong_below(mistake.field, &mistake.problem);
    }
}

/// Stands in for a profile that is not there at all.
pub fn no_product_profile() -> ProductProfile {
    ProductProfile {
        durations: Vec::new(),
        auto_cycles: None,
        policies: Vec::new(),
        boundary: Boundary::default(),
        end_shown: EndShown::default(),
        late_start: LateStart::RenewalDate,
        grace_days: 0,
        retention_days: 0,
        max_total_months: None,
        not_renewable: None,
        discontinued: false,
        converts_postpaid: false,
        configuration_change: false,
        unify: Unify::default(),
        strong_in_batch: StrongInBatch::default(),
        auto_schedule: None,
        reminders: Reminders::default(),
        money_policy: no_money_policy(),
        provisioner: None,
    }
}

fn unify(place: &Place<'_>) -> Unify {
    let fields = place.fields();
    let unify = Unify {
        offer: fields.optional("offer", Place::named).unwrap_or_default(),
        days: fields.or("days", AllowedDays::default(), |place| Ok(allowed_days(place))),
        smallest_extension: fields.optional("smallest_extension", Place::named).unwrap_or_default(),
        automatic: fields.or("automatic", false, Place::yes_or_no),
    };
    fields.finish();
    unify
}

fn allowed_days(place: &Place<'_>) -> AllowedDays {
    let fields = place.fields();
    let days = AllowedDays {
        least: fields.required("least", 1, Place::number),
        most: fields.required("most", 28, Place::number),
        last_of_month: fields.or("last_of_month", false, Place::yes_or_no),
    };
    fields.finish();
    days
}

fn auto_schedule(place: &Place<'_>) -> AutoSchedule {
    let fields = place.fields();
    let schedule = AutoSchedule {
        days_before: fields.required("days_before", 0, Place::number),
        time: fields.required("time", NaiveTime::MIN, Place::time),
        stop: fields.required("stop", StopsWhen::OneDay, Place::named),
        account_override: fields.optional("account_override", |place| Ok(day_range(place))),
        last_day_retry: fields.or("last_day_retry", true, Place::yes_or_no),
    };
    fields.finish();
    schedule
}

fn day_range(place: &Place<'_>) -> DayRange {
    let fields = place.fields();
    let range = DayRange {
        least: fields.required("least", 0, Place::number),
        most: fields.required("most", 0, Place::number),
    };
    fields.finish();
    range
}

fn reminders(place: &Place<'_>) -> Reminders {
    let fields = place.fields();
    let days = |name| fields.or(name, Vec::new(), |place| place.list(Place::number));
    let reminders = Reminders {
        before_expiry: days("before_expiry"),
        at_expiry: fields.or("at_expiry", true, Place::yes_or_no),
        after_expiry: days("after_expiry"),
        before_release: days("before_release"),
    };
    fields.finish();
    reminders
}

fn money_policy(place: &Place<'_>) -> MoneyPolicy {
    let fields = place.fields();
    let unread = no_money_policy();
    let policy = MoneyPolicy {
        name: fields.required("name", unread.name, Place::name),
        version: fields.required("version", unread.version, Place::number),
        rounding: fields.required("rounding", unread.rounding, Place::named),
        odd_days: fields.optional("odd_days", Place::named).unwrap_or_default(),
        divisor: fields.or("divisor", unread.divisor, Place::number),
    };
    fields.finish();
    policy
}

/// Stands in for one that cannot be read.
fn no_money_policy() -> MoneyPolicy {
    MoneyPolicy {
        name: "unread".to_owned(),
        version: 1,
        rounding: Rounding::HalfUp,
        odd_days: OddDays::default(),
        divisor: 30,
    }
}

/// How the accounts of a catalog are treated.
pub fn account_profile(place: &Place<'_>) -> AccountProfile {
    let fields = place.fields();
    let profile = AccountProfile {
        vouchers: fields.required("vouchers", no_voucher_rules(), |place| Ok(voucher_rules(place))),
        unpaid_order_days: fields.or("unpaid_order_days", 15, Place::number),
        quote_hold_minutes: fields.or("quote_hold_minutes", 15, Place::number),
        batch_limit: fields.or("batch_limit", 100, Place::number),
        batch_limit_with_bound: fields.or("batch_limit_with_bound", 1_000, Place::number),
        outage_hours: fields.or("outage_hours", 24, Place::number),
    };
    fields.finish();
    note(place, &profile.validate());
    profile
}

/// Stands in for a profile that is not there at all.
pub fn no_account_profile() -> AccountProfile {
    AccountProfile {
        vouchers: no_voucher_rules(),
        unpaid_order_days: 15,
        quote_hold_minutes: 15,
        batch_limit: 100,
        batch_limit_with_bound: 1_000,
        outage_hours: 24,
    }
}

fn no_voucher_rules() -> VoucherRules {
    VoucherRules { manual: no_voucher_rule(), automatic: no_voucher_rule() }
}

const fn no_voucher_rule() -> VoucherRule {
    VoucherRule { strategy: VoucherStrategy::LargestFirst, max_per_payment: None }
}

fn voucher_rules(place: &Place<'_>) -> VoucherRules {
    let fields = place.fields();
    let rule = |name| fields.required(name, no_voucher_rule(), |place| Ok(voucher_rule(place)));
    let rules = VoucherRules { manual: rule("manual"), automatic: rule("automatic") };
    fields.finish();
    rules
}

fn voucher_rule(place: &Place<'_>) -> VoucherRule {
    let fields = place.fields();
    let rule = VoucherRule {
        strategy: fields.required("strategy", VoucherStrategy::LargestFirst, Place::named),
        max_per_payment: fields.optional("max_per_payment", Place::number),
    };
    fields.finish();
    rule
}
