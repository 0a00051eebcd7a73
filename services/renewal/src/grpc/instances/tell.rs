//! Instances, and what became of calls about them, as messages.

use kernel::{Money, ids::InstanceId};
use proto::{
    convert::timestamp,
    renewal::v1::{
        self as pb, instance::State as WireState, policy_result, registration_result,
        term_record::Kind,
    },
    r#type::v1 as types,
};
use rule_engine::{instance::Instance, kind::BillingMode, lifecycle::State};

use crate::{
    app::{
        bound::BoundShown, error::RowRefusal, instances::Detail, policies::PolicySet,
        registration::Outcome, releases::Moved, view::Shown,
    },
    grpc::row_refusal_message,
    store::{entity::term, values},
    wire,
};

/// An instance whose release would move.
pub fn moved(moved: &Moved) -> pb::MovedRelease {
    pb::MovedRelease {
        account_id: moved.account.to_string(),
        instance_id: moved.id.to_string(),
        product_id: moved.product.to_string(),
        expire_time: Some(timestamp(moved.expiry)),
        release_time: Some(timestamp(moved.release)),
        new_release_time: Some(timestamp(moved.would_be)),
    }
}

/// What became of a row of a registration.
pub fn registration_result(
    (instance_id, result): (String, Result<Outcome, RowRefusal>),
) -> pb::RegistrationResult {
    use registration_result::{Outcome as Wire, Result as Told};
    let outcome = |outcome| match outcome {
        Outcome::Created => Wire::Created,
        Outcome::Updated => Wire::Updated,
        Outcome::Unchanged => Wire::Unchanged,
    };
    let told = match result {
        Ok(done) => Told::Outcome(outcome(done).into()),
        Err(refusal) => Told::Error(row_refusal_message(refusal)),
    };
    pb::RegistrationResult { instance_id, result: Some(told) }
}

/// What became of the policy of one instance.
pub fn policy_result(
    (id, outcome): (InstanceId, Result<PolicySet, RowRefusal>),
) -> pb::PolicyResult {
    let instance_id = id.into();
    match outcome {
        Ok(set) => pb::PolicyResult {
            instance_id,
            result: Some(policy_result::Result::Renewal(wire::renewal_setting_message(set.policy))),
            set_along: set.set_along.into_iter().map(String::from).collect(),
            policy_before: wire::policy_message(set.before.policy()).into(),
        },
        Err(refusal) => pb::PolicyResult {
            instance_id,
            result: Some(policy_result::Result::Error(row_refusal_message(refusal))),
            ..pb::PolicyResult::default()
        },
    }
}

/// An instance with all that is to know of it.
pub fn detail(detail: Detail) -> pb::GetInstanceResponse {
    let currency = detail.account.settings.currency;
    let term = |row: term::Model| term_record(&row, currency);
    pb::GetInstanceResponse {
        instance: Some(instance(detail.instance)),
        durations: detail.durations.into_iter().map(wire::duration_message).collect(),
        bound: detail.bound.into_iter().map(instance).collect(),
        terms: detail.terms.into_iter().map(term).collect(),
    }
}

/// An instance that goes along, or may.
pub fn bound(bound: BoundShown) -> pb::BoundInstance {
    pb::BoundInstance {
        instance: Some(instance(bound.instance)),
        kind: wire::binding_kind_message(bound.kind).into(),
        item: bound.item,
        refusals: bound.refusals,
    }
}

fn term_record(row: &term::Model, currency: kernel::Currency) -> pb::TermRecord {
    let instant = |micros| values::instant(micros).ok().map(timestamp);
    let kind = match row.kind.as_str() {
        "ORDER" => Kind::Order,
        "ADJUSTMENT" => Kind::Adjustment,
        _ => Kind::Registration,
    };
    pb::TermRecord {
        start_time: instant(row.start_time),
        end_time: instant(row.end_time),
        anchor_day: row.anchor,
        kind: kind.into(),
        order_id: row.order_id.map(|id| id.to_string()).unwrap_or_default(),
        amount: row.order_id.map(|_| Money::new(row.amount, currency).into()),
    }
}

/// An instance as a message.
pub fn instance(shown: Shown) -> pb::Instance {
    let Shown { instance, .. } = shown;
    let lease = instance.billing.lease();
    pb::Instance {
        renewal: Some(renewal(&instance)),
        billing_mode: wire::billing_mode_message(instance.billing.mode()).into(),
        configuration: Some(wire::configuration_message(&instance.configuration)),
        pending_configuration: instance
            .pending
            .as_ref()
            .map(|pending| wire::configuration_message(&pending.configuration)),
        expire_time: lease.map(|lease| timestamp(lease.end)),
        last_day: shown.last_day.map(types::Date::from),
        expiry_shown: shown.expiry_shown,
        anchor_day: lease.map_or(0, |lease| wire::count(lease.anchor.get())),
        state: state(shown.state).into(),
        open_order_id: instance.open_order.map(|order| order.id.to_string()).unwrap_or_default(),
        binding: instance.binding.map(|binding| pb::Binding {
            parent_instance_id: binding.parent.into(),
            kind: wire::binding_kind_message(binding.kind).into(),
        }),
        renewable: shown.refusals.is_empty(),
        refusals: wire::refusal_messages(shown.refusals),
        release_time: shown.release_time.map(timestamp),
        version: shown.version,
        instance_id: instance.id.into(),
        account_id: instance.account.into(),
        product_id: instance.product.into(),
        product_line: shown.product_line,
        region: instance.region.into(),
        name: instance.name,
        room_type: instance.room_type.unwrap_or_default(),
        labels: instance.labels,
        trial: instance.trial,
        one_time: instance.one_time,
        change_pending: instance.change_pending,
    }
}

/// What happens at its expiry; nothing is said of what has none (P-1).
fn renewal(instance: &Instance) -> pb::RenewalSetting {
    match instance.billing.mode() {
        BillingMode::Prepaid => wire::renewal_setting_message(instance.policy),
        BillingMode::Postpaid => pb::RenewalSetting::default(),
    }
}

const fn state(state: State) -> WireState {
    match state {
        State::Active => WireState::Active,
        State::Grace => WireState::Grace,
        State::Retained => WireState::Retained,
        State::Released => WireState::Released,
    }
}
