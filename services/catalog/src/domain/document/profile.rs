//! Profiles of products and accounts. The defaults are those of the rules.

use rule_engine::profile::{
    AccountProfile, AllowedDays, AutoSchedule, DayRange, MoneyPolicy, ProductProfile, Reminders,
    Unify, VoucherRule, VoucherRules,
};

use super::reader::{Noted, Place};

/// The rules of a product.
pub fn product_profile(place: &Place<'_>) -> Result<ProductProfile, Noted> {
    let fields = place.fields()?;
    let durations = fields.required("durations", |place| place.list(Place::parsed));
    let auto_cycles = fields.optional("auto_cycles", |place| place.list(Place::parsed));
    let policies = fields.required("policies", |place| place.list(Place::named));
    let boundary = fields.optional("boundary", Place::named);
    let end_shown = fields.optional("end_shown", Place::named);
    let late_start = fields.required("late_start", Place::named);
    let grace_days = fields.required("grace_days", Place::number);
    let retention_days = fields.required("retention_days", Place::number);
    let max_total_months = fields.optional("max_total_months", Place::number);
    let not_renewable = fields.optional("not_renewable", Place::string);
    let discontinued = fields.or("discontinued", false, Place::yes_or_no);
    let converts_postpaid = fields.or("converts_postpaid", false, Place::yes_or_no);
    let configuration_change = fields.or("configuration_change", false, Place::yes_or_no);
    let unify = fields.optional("unify", unify);
    let strong_in_batch = fields.optional("strong_in_batch", Place::named);
    let auto_schedule = fields.optional("auto_schedule", auto_schedule);
    let reminders = fields.optional("reminders", reminders);
    let money_policy = fields.required("money_policy", money_policy);
    let provisioner = fields.optional("provisioner", Place::string);
    fields.finish();

    let profile = ProductProfile {
        durations: durations?,
        auto_cycles: auto_cycles?,
        policies: policies?,
        boundary: boundary?.unwrap_or_default(),
        end_shown: end_shown?.unwrap_or_default(),
        late_start: late_start?,
        grace_days: grace_days?,
        retention_days: retention_days?,
        max_total_months: max_total_months?,
        not_renewable: not_renewable?,
        discontinued: discontinued?,
        converts_postpaid: converts_postpaid?,
        configuration_change: configuration_change?,
        unify: unify?.unwrap_or_default(),
        strong_in_batch: strong_in_batch?.unwrap_or_default(),
        auto_schedule: auto_schedule?,
        reminders: reminders?.unwrap_or(Reminders { at_expiry: true, ..Reminders::default() }),
        money_policy: money_policy?,
        provisioner: provisioner?,
    };
    for mistake in profile.validate() {
        place.wrong_below(mistake.field, &mistake.problem);
    }
    Ok(profile)
}

fn unify(place: &Place<'_>) -> Result<Unify, Noted> {
    let fields = place.fields()?;
    let offer = fields.optional("offer", Place::named);
    let days = fields.optional("days", allowed_days);
    let smallest_extension = fields.optional("smallest_extension", Place::named);
    let automatic = fields.or("automatic", false, Place::yes_or_no);
    fields.finish();
    Ok(Unify {
        offer: offer?.unwrap_or_default(),
        days: days?.unwrap_or_default(),
        smallest_extension: smallest_extension?.unwrap_or_default(),
        automatic: automatic?,
    })
}

fn allowed_days(place: &Place<'_>) -> Result<AllowedDays, Noted> {
    let fields = place.fields()?;
    let least = fields.required("least", Place::number);
    let most = fields.required("most", Place::number);
    let last_of_month = fields.or("last_of_month", false, Place::yes_or_no);
    fields.finish();
    Ok(AllowedDays { least: least?, most: most?, last_of_month: last_of_month? })
}

fn auto_schedule(place: &Place<'_>) -> Result<AutoSchedule, Noted> {
    let fields = place.fields()?;
    let days_before = fields.required("days_before", Place::number);
    let time = fields.required("time", Place::time);
    let stop = fields.required("stop", Place::named);
    let account_override = fields.optional("account_override", day_range);
    let last_day_retry = fields.or("last_day_retry", true, Place::yes_or_no);
    fields.finish();
    Ok(AutoSchedule {
        days_before: days_before?,
        time: time?,
        stop: stop?,
        account_override: account_override?,
        last_day_retry: last_day_retry?,
    })
}

fn day_range(place: &Place<'_>) -> Result<DayRange, Noted> {
    let fields = place.fields()?;
    let least = fields.required("least", Place::number);
    let most = fields.required("most", Place::number);
    fields.finish();
    Ok(DayRange { least: least?, most: most? })
}

fn reminders(place: &Place<'_>) -> Result<Reminders, Noted> {
    let fields = place.fields()?;
    let days = |name| fields.optional(name, |place| place.list(Place::number));
    let before_expiry = days("before_expiry");
    let at_expiry = fields.or("at_expiry", true, Place::yes_or_no);
    let after_expiry = days("after_expiry");
    let before_release = days("before_release");
    fields.finish();
    Ok(Reminders {
        before_expiry: before_expiry?.unwrap_or_default(),
        at_expiry: at_expiry?,
        after_expiry: after_expiry?.unwrap_or_default(),
        before_release: before_release?.unwrap_or_default(),
    })
}

fn money_policy(place: &Place<'_>) -> Result<MoneyPolicy, Noted> {
    let fields = place.fields()?;
    let name = fields.required("name", Place::name);
    let version = fields.required("version", Place::number);
    let rounding = fields.required("rounding", Place::named);
    let odd_days = fields.optional("odd_days", Place::named);
    let divisor = fields.or("divisor", 30, Place::number);
    fields.finish();
    Ok(MoneyPolicy {
        name: name?,
        version: version?,
        rounding: rounding?,
        odd_days: odd_days?.unwrap_or_default(),
        divisor: divisor?,
    })
}

/// How the accounts of a catalog are treated.
pub fn account_profile(place: &Place<'_>) -> Result<AccountProfile, Noted> {
    let fields = place.fields()?;
    let vouchers = fields.required("vouchers", voucher_rules);
    let unpaid_order_days = fields.or("unpaid_order_days", 15, Place::number);
    let quote_hold_minutes = fields.or("quote_hold_minutes", 15, Place::number);
    let batch_limit = fields.or("batch_limit", 100, Place::number);
    let batch_limit_with_bound = fields.or("batch_limit_with_bound", 1_000, Place::number);
    let outage_hours = fields.or("outage_hours", 24, Place::number);
    fields.finish();

    let profile = AccountProfile {
        vouchers: vouchers?,
        unpaid_order_days: unpaid_order_days?,
        quote_hold_minutes: quote_hold_minutes?,
        batch_limit: batch_limit?,
        batch_limit_with_bound: batch_limit_with_bound?,
        outage_hours: outage_hours?,
    };
    for mistake in profile.validate() {
        place.wrong_below(mistake.field, &mistake.problem);
    }
    Ok(profile)
}

fn voucher_rules(place: &Place<'_>) -> Result<VoucherRules, Noted> {
    let fields = place.fields()?;
    let manual = fields.required("manual", voucher_rule);
    let automatic = fields.required("automatic", voucher_rule);
    fields.finish();
    Ok(VoucherRules { manual: manual?, automatic: automatic? })
}

fn voucher_rule(place: &Place<'_>) -> Result<VoucherRule, Noted> {
    let fields = place.fields()?;
    let strategy = fields.required("strategy", Place::named);
    let max_per_payment = fields.optional("max_per_payment", Place::number);
    fields.finish();
    Ok(VoucherRule { strategy: strategy?, max_per_payment: max_per_payment? })
}
