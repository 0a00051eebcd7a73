//! What consoles are told of an instance: all that it is, as its row says it. What a row derives with
//! time is not told: a version has one content.

use std::collections::BTreeMap;

use kernel::ids::{AccountId, InstanceId};
use proto::{
    convert::timestamp,
    provisioner::v1::{ApplyEntitlementRequest, apply_entitlement_request::State},
};
use rule_engine::{instance::Instance, lifecycle};
use sea_orm::ConnectionTrait;

use crate::{
    app::rules::Catalogue,
    domain::delivery::delivery_id,
    store::{
        StoreError,
        deliveries::{Change, Due},
        instances::{self, Loaded, Lock, Named, Reach},
    },
    wire::{billing_mode_message, configuration_message},
};

/// The instances that are due, as they are now.
pub async fn load<C: ConnectionTrait>(
    connection: &C,
    due: &[Due],
) -> Result<BTreeMap<(AccountId, InstanceId), Loaded>, StoreError> {
    if due.is_empty() {
        return Ok(BTreeMap::new());
    }
    let named: Vec<_> =
        due.iter().map(|due| Named { account: &due.account, id: &due.id }).collect();
    let loaded = instances::load_named(connection, &named, Reach::Groups, Lock::None).await?;
    let key = |one: &Loaded| (one.instance.account.clone(), one.instance.id.clone());
    Ok(loaded.into_iter().map(|one| (key(&one), one)).collect())
}

/// The state of an instance as its console is told it.
#[must_use]
pub fn message(one: &Loaded) -> ApplyEntitlementRequest {
    let Loaded { instance, version, recorded } = one;
    let state = match recorded.state {
        _ if instance.released => State::Released,
        lifecycle::State::Active => State::Active,
        lifecycle::State::Grace => State::Grace,
        lifecycle::State::Retained => State::Retained,
        lifecycle::State::Released => State::Released,
    };
    let next = instance.pending.as_ref();
    ApplyEntitlementRequest {
        delivery_id: delivery_id(&instance.account, &instance.id, *version).to_string(),
        account_id: instance.account.to_string(),
        instance_id: instance.id.to_string(),
        product_id: instance.product.to_string(),
        version: *version,
        state: state.into(),
        billing_mode: billing_mode_message(instance.billing.mode()).into(),
        paid_until: instance.billing.expiry().map(timestamp),
        configuration: Some(configuration_message(&instance.configuration)),
        next_configuration: next.map(|next| configuration_message(&next.configuration)),
        effective_time: next.map(|next| timestamp(next.effective)),
    }
}

/// What of `changed` consoles are to be told: instances with the versions that they have since. No
/// order waits for it.
pub fn changes<'i>(
    catalogue: &Catalogue,
    changed: impl IntoIterator<Item = (&'i Instance, i64)>,
) -> Vec<Change> {
    let has_console = |instance: &Instance| {
        let product = catalogue.product(&instance.product);
        product.is_some_and(|product| product.profile.provisioner.is_some())
    };
    let changed = changed.into_iter().filter(|(instance, _)| has_console(instance));
    let change = |(instance, version): (&Instance, i64)| Change {
        account_id: instance.account.clone(),
        id: instance.id.to_string(),
        product_id: instance.product.to_string(),
        version,
        order_id: None,
    };
    changed.map(change).collect()
}
