//! What the rules know of instances and of the account that rents them.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use kernel::ids::{AccountId, InstanceId, OrderId, ProductId, Region};

use crate::{
    configuration::Configuration,
    kind::BillingMode,
    lifecycle::{AtExpiry, LifecycleRules, at_expiry},
    policy::PolicyState,
    profile::{AccountSettings, ProductProfile},
    reason::Refusal,
    term::Lease,
};

/// How an instance is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Billing {
    /// In advance, until the end of its last live term.
    Prepaid(Lease),
    /// Metered, without an expiry.
    Postpaid,
}

impl Billing {
    /// The billing mode.
    #[must_use]
    pub const fn mode(self) -> BillingMode {
        match self {
            Self::Prepaid(_) => BillingMode::Prepaid,
            Self::Postpaid => BillingMode::Postpaid,
        }
    }

    /// What has been paid for so far; none if postpaid.
    #[must_use]
    pub const fn lease(self) -> Option<Lease> {
        match self {
            Self::Prepaid(lease) => Some(lease),
            Self::Postpaid => None,
        }
    }

    /// The end of the last live term; none if postpaid.
    #[must_use]
    pub fn expiry(self) -> Option<DateTime<Utc>> {
        self.lease().map(|lease| lease.end)
    }
}

/// How firmly an instance is tied to its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BindingKind {
    /// Ordered together, only ever as one; the parent is the primary (B-4).
    Strong,
    /// Always goes along, to the parent's new expiry (B-5).
    Forced,
    /// Renewed with it only where the user ticks it (B-2).
    Optional,
}

/// A tie of an instance to another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binding {
    /// What the instance is tied to.
    pub parent: InstanceId,
    /// How firmly.
    pub kind: BindingKind,
}

/// A configuration that is bought and not yet in effect (C-2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingChange {
    /// The new configuration.
    pub configuration: Configuration,
    /// The start of the term that it was bought with: in effect from this instant on.
    pub effective: DateTime<Utc>,
}

/// The order or refund that holds an instance (O-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOrder {
    /// Its id; a refund's where a refund holds the instance.
    pub id: OrderId,
    /// It is still unpaid, so that it may be cancelled; not so while it runs.
    pub unpaid: bool,
}

/// One rented resource, as the rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that products report")]
pub struct Instance {
    /// Its name in the cloud.
    pub id: InstanceId,
    /// Who rents it.
    pub account: AccountId,
    /// What kind of instance it is.
    pub product: ProductId,
    /// Where it runs.
    pub region: Region,
    /// What its owner calls it.
    pub name: String,
    /// Its owner's labels.
    pub labels: BTreeMap<String, String>,
    /// Data-centre type, where the product has one.
    pub room_type: Option<String>,
    /// What it is made of now.
    pub configuration: Configuration,
    /// What it will be made of.
    pub pending: Option<PendingChange>,
    /// Until when it is paid for.
    pub billing: Billing,
    /// Start of its first term; none if it never was prepaid.
    pub first_start: Option<DateTime<Utc>>,
    /// What happens at its expiry.
    pub policy: PolicyState,
    /// A trial.
    pub trial: bool,
    /// Bought by number of uses.
    pub one_time: bool,
    /// The product reported it released or unsubscribed.
    pub released: bool,
    /// The product reported a change of its configuration under way.
    pub change_pending: bool,
    /// What holds it.
    pub open_order: Option<OpenOrder>,
    /// What it is tied to.
    pub binding: Option<Binding>,
    /// The console's own version of what it last registered (I-1).
    pub source_version: u64,
}

impl Instance {
    /// An instance of which nothing more is said: not bound, not held, policy `MANUAL` (P-1), an
    /// empty configuration.
    #[must_use]
    pub fn new(
        id: InstanceId,
        account: AccountId,
        product: ProductId,
        region: Region,
        billing: Billing,
    ) -> Self {
        Self {
            id,
            account,
            product,
            region,
            name: String::new(),
            labels: BTreeMap::new(),
            room_type: None,
            configuration: Configuration::default(),
            pending: None,
            billing,
            first_start: None,
            policy: PolicyState::Manual,
            trial: false,
            one_time: false,
            released: false,
            change_pending: false,
            open_order: None,
            binding: None,
            source_version: 0,
        }
    }

    /// The end of its last live term as stored; none if it is postpaid.
    #[must_use]
    pub fn expiry(&self) -> Option<DateTime<Utc>> {
        self.billing.expiry()
    }

    /// How it is billed at `now`, whatever the scheduler has done: under `POSTPAID_AFTER_EXPIRY`
    /// it is postpaid from its expiry on (L-3, L-4).
    ///
    /// ```
    /// use rule_engine::{instance::{Billing, Instance}, policy::PolicyState, term::Lease};
    /// let expiry = "2024-06-20T16:00:00Z".parse()?;
    /// let billing = Billing::Prepaid(Lease { end: expiry, anchor: 20.try_into()? });
    /// let (account, product, region) = ("a".parse()?, "vm".parse()?, "r".parse()?);
    /// let mut vm = Instance::new("i-1".parse()?, account, product, region, billing);
    /// assert!(vm.is_expired(expiry)); // the end is not in the term
    /// assert_eq!(vm.billing_at(expiry), billing);
    ///
    /// vm.policy = PolicyState::PostpaidAfterExpiry;
    /// assert_eq!(vm.billing_at(expiry), Billing::Postpaid);
    /// assert!(!vm.is_expired(expiry));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn billing_at(&self, now: DateTime<Utc>) -> Billing {
        match self.billing {
            Billing::Prepaid(lease)
                if now >= lease.end
                    && at_expiry(self.policy.policy()) == AtExpiry::BecomesPostpaid =>
            {
                Billing::Postpaid
            }
            billing => billing,
        }
    }

    /// Whether `now` is at or after its expiry (T-4). A postpaid instance never is.
    #[must_use]
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.billing_at(now).expiry().is_some_and(|expiry| now >= expiry)
    }

    /// The configuration that it has at `now`: one that is pending counts from the instant on at
    /// which it takes effect (C-2).
    #[must_use]
    pub fn configuration_at(&self, now: DateTime<Utc>) -> &Configuration {
        match &self.pending {
            Some(change) if change.effective <= now => &change.configuration,
            _ => &self.configuration,
        }
    }

    /// The configuration that a plain renewal is priced with: the pending one, if there is one
    /// (C-2).
    #[must_use]
    pub fn configuration_ahead(&self) -> &Configuration {
        self.pending.as_ref().map_or(&self.configuration, |change| &change.configuration)
    }
}

/// An account, as the rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name in the cloud.
    pub id: AccountId,
    /// What it sets for itself: zone, currency, standard date.
    pub settings: AccountSettings,
    /// It is frozen or in arrears.
    pub frozen: bool,
}

impl Account {
    /// The zone whose days its instances are counted by (T-4).
    #[must_use]
    pub const fn zone(&self) -> Tz {
        self.settings.zone
    }
}

/// How many instances one operation may have (B-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many ids may be named.
    pub named: usize,
    /// How many there may be with those that come along.
    pub total: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { named: 100, total: 1_000 }
    }
}

/// Everything that decisions about an account's instances depend on, but the instant.
///
/// It holds what the caller asked for *and everything bound to it*, directly or not, in both
/// directions. An id that is not in it is unknown, and so is one of another account.
#[derive(Debug, Clone)]
pub struct World {
    /// Whose instances they are.
    pub account: Account,
    /// The profiles in force now.
    pub profiles: BTreeMap<ProductId, Arc<ProductProfile>>,
    /// For instances whose expiry is past, the rules in force then, where they are others than
    /// those of the profile now (L-5).
    pub lifecycle_at_expiry: BTreeMap<InstanceId, LifecycleRules>,
    /// The instances.
    pub instances: BTreeMap<InstanceId, Instance>,
    /// Instances whose renewal has no price, each with the reason: found only once a renewal was
    /// planned, and then refused like any other, with the group (B-1).
    pub unpriced: BTreeMap<InstanceId, Refusal>,
    /// How many may be renewed at once.
    pub limits: Limits,
}

impl World {
    /// An account without instances, under the limits of the rules.
    #[must_use]
    pub fn new(account: Account) -> Self {
        Self {
            account,
            profiles: BTreeMap::new(),
            lifecycle_at_expiry: BTreeMap::new(),
            instances: BTreeMap::new(),
            unpriced: BTreeMap::new(),
            limits: Limits::default(),
        }
    }

    /// The account's instance with this id.
    #[must_use]
    pub fn instance(&self, id: &InstanceId) -> Option<&Instance> {
        self.instances.get(id).filter(|instance| instance.account == self.account.id)
    }

    /// The profile of the instance's product in force now; none if the product is unknown.
    #[must_use]
    pub fn profile(&self, instance: &Instance) -> Option<&ProductProfile> {
        self.profiles.get(&instance.product).map(Arc::as_ref)
    }

    /// The days of grace and retention, `late_start` and boundary that hold for the instance (L-5);
    /// none if the product is unknown.
    #[must_use]
    pub fn lifecycle_rules(&self, instance: &Instance) -> Option<LifecycleRules> {
        let at_expiry = self.lifecycle_at_expiry.get(&instance.id).copied();
        at_expiry.or_else(|| self.profile(instance).map(LifecycleRules::of))
    }
}

#[cfg(test)]
mod tests;
