//! Messages to the values of the rules, and back: what more than one call of this service reads or
//! answers.
//!
//! Errors are the rest of a sentence that begins with the field's name.

use std::collections::BTreeMap;

use kernel::ids::InvalidName;
use platform::status::BadRequest;
use proto::{
    convert::{self, WireError},
    renewal::v1 as pb,
    r#type::v1 as types,
};
use rule_engine::{
    configuration::{Configuration, Setting},
    duration::TermDuration,
    instance::{Binding, BindingKind},
    kind::BillingMode,
    policy::{PolicyState, PolicyWish, Remaining},
    profile::{Policy, StandardDay},
    reason::Refusal,
};

/// The most labels of an account or instance.
const MAX_LABELS: usize = 50;

/// The most settings of a configuration.
const MAX_SETTINGS: usize = 50;

/// The longest name of a label or setting, in bytes.
const MAX_KEY_LEN: usize = 64;

/// The longest value of a label or setting, and the longest text for people, in bytes.
pub const MAX_TEXT_LEN: usize = 200;

/// The id in `field`, which names something that the cloud made.
pub fn id<T: std::str::FromStr<Err = InvalidName>>(
    bad: &mut BadRequest,
    field: impl Into<String>,
    text: &str,
) -> Option<T> {
    bad.field(field, text.parse())
}

/// The id in `field`, or none where it is empty.
pub fn optional_id<T: std::str::FromStr<Err = InvalidName>>(
    bad: &mut BadRequest,
    field: impl Into<String>,
    text: &str,
) -> Option<T> {
    if text.is_empty() { None } else { id(bad, field, text) }
}

/// Text for people: short, and without what no database keeps and no terminal shows.
pub fn text(text: String) -> Result<String, String> {
    if text.len() > MAX_TEXT_LEN {
        return Err(format!("must be at most {MAX_TEXT_LEN} bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err("must have no control characters".to_owned());
    }
    Ok(text)
}

/// Like [`text`], and not empty.
pub fn required_text(given: String) -> Result<String, String> {
    if given.trim().is_empty() { Err("is required".to_owned()) } else { text(given) }
}

/// Labels: few, with short names.
pub fn labels(labels: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, String> {
    if labels.len() > MAX_LABELS {
        return Err(format!("must be at most {MAX_LABELS}"));
    }
    let pairs = labels.into_iter().map(|(name, value)| Ok((key(name)?, text(value)?)));
    pairs.collect::<Result<_, String>>().map_err(|why| format!("names and values {why}"))
}

fn key(name: String) -> Result<String, String> {
    if name.is_empty() || name.len() > MAX_KEY_LEN {
        return Err(format!("must have names of 1 to {MAX_KEY_LEN} bytes"));
    }
    text(name)
}

/// A configuration; one that is not set is empty.
pub fn configuration(wire: Option<types::Configuration>) -> Result<Configuration, String> {
    let settings = wire.unwrap_or_default().settings;
    if settings.len() > MAX_SETTINGS {
        return Err(format!("must be at most {MAX_SETTINGS} settings"));
    }
    let settings = settings.into_iter().map(|types::Setting { name, value }| {
        Ok(Setting { name: key(name)?, value: text(value)? })
    });
    let settings = settings.collect::<Result<_, String>>();
    let configuration =
        Configuration { settings: settings.map_err(|why| format!("names and values {why}"))? };
    match configuration.duplicate() {
        Some(name) => Err(format!("names {name} twice")),
        None => Ok(configuration),
    }
}

/// A configuration on the wire.
#[must_use]
pub fn configuration_message(configuration: &Configuration) -> types::Configuration {
    let settings = configuration.settings.iter();
    let setting =
        |one: &Setting| types::Setting { name: one.name.clone(), value: one.value.clone() };
    types::Configuration { settings: settings.map(setting).collect() }
}

/// A duration (T-1).
pub fn duration(wire: types::TermDuration) -> Result<TermDuration, String> {
    let short = wire.short().map_err(|error| error.to_string())?;
    short.parse().map_err(|error: rule_engine::duration::InvalidDuration| error.to_string())
}

/// A duration on the wire.
#[must_use]
pub fn duration_message(duration: TermDuration) -> types::TermDuration {
    use rule_engine::duration::TermUnit;
    use types::term_duration::Unit;
    let unit = match duration.unit() {
        TermUnit::Month => Unit::Month,
        TermUnit::Year => Unit::Year,
    };
    types::TermDuration { unit: unit.into(), count: count(duration.count()) }
}

/// A small number on the wire; one that does not fit is the largest that does.
#[must_use]
pub fn count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A refusal on the wire.
#[must_use]
pub fn refusal_message(refusal: Refusal) -> pb::Refusal {
    pb::Refusal {
        reason: refusal.reason.code().to_owned(),
        rule_id: refusal.reason.rule().to_owned(),
        message: refusal.message,
        metadata: refusal.metadata,
    }
}

/// Refusals on the wire, the weightiest first.
#[must_use]
pub fn refusal_messages(mut refusals: Vec<Refusal>) -> Vec<pb::Refusal> {
    refusals.sort();
    refusals.into_iter().map(refusal_message).collect()
}

/// A billing mode on the wire.
#[must_use]
pub const fn billing_mode_message(mode: BillingMode) -> types::BillingMode {
    match mode {
        BillingMode::Prepaid => types::BillingMode::Prepaid,
        BillingMode::Postpaid => types::BillingMode::Postpaid,
    }
}

/// A policy on the wire.
#[must_use]
pub const fn policy_message(policy: Policy) -> types::RenewalPolicy {
    match policy {
        Policy::Manual => types::RenewalPolicy::Manual,
        Policy::Auto => types::RenewalPolicy::Auto,
        Policy::PostpaidAfterExpiry => types::RenewalPolicy::PostpaidAfterExpiry,
        Policy::NotRenew => types::RenewalPolicy::NotRenew,
    }
}

/// What happens at expiry, on the wire; none for what has no expiry (P-1).
#[must_use]
pub fn renewal_setting_message(policy: PolicyState) -> pb::RenewalSetting {
    let auto = policy.auto();
    pb::RenewalSetting {
        policy: policy_message(policy.policy()).into(),
        auto_cycle: auto.map(|auto| duration_message(auto.cycle)),
        auto_remaining: auto.and_then(|auto| auto.remaining).map(|left| count(left.get())),
    }
}

/// The policy that a caller wishes for (P-3); notes every bad field under `renewal`.
pub fn policy_wish(bad: &mut BadRequest, wire: Option<&pb::RenewalSetting>) -> Option<PolicyWish> {
    let wire = bad.field("renewal", convert::required(wire))?;
    let policy = bad.field("renewal.policy", convert::known::<types::RenewalPolicy>(wire.policy));
    let cycle = wire.auto_cycle.map(|cycle| bad.field("renewal.auto_cycle", duration(cycle)));
    let remaining =
        wire.auto_remaining.map(|left| bad.field("renewal.auto_remaining", remaining(left)));
    let policy = policy?;
    if policy != types::RenewalPolicy::Auto {
        for (field, given) in [
            ("renewal.auto_cycle", cycle.is_some()),
            ("renewal.auto_remaining", remaining.is_some()),
        ] {
            if given {
                bad.note(field, "must only be set with AUTO");
            }
        }
    }
    match policy {
        types::RenewalPolicy::Auto => {
            // A field that was given and is bad is noted above; it must not count as left out.
            let cycle = cycle.map_or(Some(None), |cycle| cycle.map(Some))?;
            let remaining = remaining.map_or(Some(None), |remaining| remaining.map(Some))?;
            Some(PolicyWish::Auto { cycle, remaining })
        }
        types::RenewalPolicy::Manual => Some(PolicyWish::Manual),
        types::RenewalPolicy::PostpaidAfterExpiry => Some(PolicyWish::PostpaidAfterExpiry),
        types::RenewalPolicy::NotRenew => Some(PolicyWish::NotRenew),
        types::RenewalPolicy::Unspecified => None,
    }
}

fn remaining(left: i32) -> Result<Remaining, String> {
    let bounds = || "must be 1 to 99, or be left out for no limit".to_owned();
    let left = u32::try_from(left).map_err(|_| bounds())?;
    Remaining::try_from(left).map_err(|_| bounds())
}

/// What an instance is bound to; notes every bad field under `field`.
pub fn binding(bad: &mut BadRequest, field: &str, wire: &pb::Binding) -> Option<Binding> {
    let parent = id(bad, format!("{field}.parent_instance_id"), &wire.parent_instance_id);
    let kind = convert::known::<pb::binding::Kind>(wire.kind);
    let kind = bad.field(format!("{field}.kind"), kind.and_then(binding_kind));
    Some(Binding { parent: parent?, kind: kind? })
}

const fn binding_kind(wire: pb::binding::Kind) -> Result<BindingKind, WireError> {
    match wire {
        pb::binding::Kind::Optional => Ok(BindingKind::Optional),
        pb::binding::Kind::Forced => Ok(BindingKind::Forced),
        pb::binding::Kind::Strong => Ok(BindingKind::Strong),
        pb::binding::Kind::Unspecified => Err(WireError::UnknownValue),
    }
}

/// How an instance is bound, on the wire.
#[must_use]
pub const fn binding_kind_message(kind: BindingKind) -> pb::binding::Kind {
    match kind {
        BindingKind::Optional => pb::binding::Kind::Optional,
        BindingKind::Forced => pb::binding::Kind::Forced,
        BindingKind::Strong => pb::binding::Kind::Strong,
    }
}

/// A day on which expiries are aligned (U-1).
pub fn standard_day(day: pb::StandardDay) -> Result<StandardDay, String> {
    let number = match day.day {
        Some(pb::standard_day::Day::DayOfMonth(number)) => number,
        Some(pb::standard_day::Day::LastOfMonth(true)) => return Ok(StandardDay::LastOfMonth),
        Some(pb::standard_day::Day::LastOfMonth(false)) | None => {
            return Err("must name a day of the month, or its last day".to_owned());
        }
    };
    // What is no number of a day is as wrong as 29.
    let number = u32::try_from(number).unwrap_or_default();
    StandardDay::day(number).map_err(|error| error.to_string())
}

/// Checks that `given` things are 1 to `most`.
pub fn one_to(most: usize, given: usize) -> Result<(), String> {
    if (1..=most).contains(&given) { Ok(()) } else { Err(format!("must be 1 to {most}")) }
}

#[cfg(test)]
mod tests;
