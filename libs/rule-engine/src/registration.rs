//! What product consoles say of instances, and what of it is taken over.

mod circle;
mod contradiction;
mod correction;
mod mismatch;
mod standing;

use std::{cmp::Ordering, collections::BTreeMap};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use kernel::{
    Currency,
    ids::{AccountId, InstanceId, OrderId, ProductId, Region},
};

use self::contradiction::contradicted_fields;
pub use self::{
    circle::bound_in_circles,
    correction::{Correction, correct_expiry},
    mismatch::group_mismatches,
    standing::held_groups,
};
use crate::{
    calendar::{DayOfMonth, check_end, last_day},
    check,
    configuration::{Configuration, Setting},
    instance::{Account, Billing, Binding, Instance},
    profile::Boundary,
    reason::{Reason, Refusal},
    term::{Term, anchor_leads_to, registered_anchor},
};

/// A console's word on one instance (I-1).
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that products report")]
pub struct Registration {
    /// Its name in the cloud.
    pub id: InstanceId,
    /// Who rents it. Fixed.
    pub account: AccountId,
    /// What kind of instance it is. Fixed.
    pub product: ProductId,
    /// Where it runs. Fixed.
    pub region: Region,
    /// What its owner calls it.
    pub name: String,
    /// Its owner's labels.
    pub labels: BTreeMap<String, String>,
    /// Data-centre type, where the product has one.
    pub room_type: Option<String>,
    /// What it is made of.
    pub configuration: Configuration,
    /// How it is billed. Perennial's own after the first registration.
    pub billing: RegisteredBilling,
    /// A trial.
    pub trial: bool,
    /// Bought by number of uses.
    pub one_time: bool,
    /// A change of its configuration is under way.
    pub change_pending: bool,
    /// It is released or unsubscribed.
    pub released: bool,
    /// What it is tied to.
    pub binding: Option<Binding>,
    /// The console's own version, growing.
    pub source_version: u64,
}

/// How a console says that an instance is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisteredBilling {
    /// In advance, with this first term.
    Prepaid {
        /// Start of the term.
        start: DateTime<Utc>,
        /// End of the term: the first instant that is not paid for.
        end: DateTime<Utc>,
        /// The anchor day, if it is known (T-6).
        anchor: Option<DayOfMonth>,
    },
    /// Metered.
    Postpaid,
}

/// A newly registered instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The instance; its policy is `MANUAL` (P-1).
    pub instance: Instance,
    /// Its first term; none if it is postpaid.
    pub first_term: Option<Term>,
}

/// Why a first registration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRegistered {
    /// For a reason that the rules have a code for.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// No chain of months on the anchor day comes to the end that it stands beside (I-1, T-6).
    #[error("no month's day {} is the end on {ends_on}, nor is that the last of a shorter month", .anchor.get())]
    AnchorMissesEnd {
        /// The anchor that was said.
        anchor: DayOfMonth,
        /// The last day of the term, in the account's zone.
        ends_on: NaiveDate,
    },
}

/// What a repeated registration does to an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repeated {
    /// Nothing, and it cannot be right: the word that the instance stands by has the same
    /// `source_version`, and says something else in these fields.
    Contradicts(Vec<&'static str>),
    /// Nothing: it is late, or says nothing new.
    Unchanged,
    /// It is like this from now on.
    Updated {
        /// The instance.
        instance: Box<Instance>,
        /// The unpaid order that is cancelled, with the reason `CONFIGURATION_CHANGED`: what it was
        /// priced with is no longer so (I-2).
        cancels: Option<OrderId>,
    },
}

/// The instance that `row` registers for the first time, with its first term (I-1).
///
/// Without an anchor it is the start's local day in `zone` if the end fits it, else the end's own
/// day; an anchor that does not lead to the end is refused. `boundary` is the product's. A term that does not end after it starts, or not in the years
/// 1970 to 9999, is `DATE_OUT_OF_RANGE` (T-8).
///
/// ```
/// # use std::collections::BTreeMap;
/// # use rule_engine::{configuration::Configuration, profile::Boundary, registration::*};
/// # let registration = Registration {
/// #     id: "vm".parse()?, account: "a".parse()?, product: "p".parse()?, region: "r".parse()?,
/// #     name: String::new(), labels: BTreeMap::new(), room_type: None,
/// #     configuration: Configuration::default(),
/// #     billing: RegisteredBilling::Prepaid {
/// #         start: "2024-01-31T10:00:00+08:00".parse()?,
/// #         end: "2024-03-01T00:00:00+08:00".parse()?, anchor: None,
/// #     },
/// #     trial: false, one_time: false, change_pending: false, released: false, binding: None,
/// #     source_version: 1,
/// # };
/// use chrono_tz::Asia::Shanghai;
/// // Bought on the 31st of January, paid through the 29th of February: the day stays the 31st.
/// let registered = register(registration, Boundary::EndOfDay, Shanghai)?;
/// assert_eq!(registered.first_term.unwrap().anchor.get(), 31);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn register(
    row: Registration,
    boundary: Boundary,
    zone: Tz,
) -> Result<Registered, NotRegistered> {
    let first_term = match row.billing {
        RegisteredBilling::Postpaid => None,
        RegisteredBilling::Prepaid { start, end, anchor } => {
            if start >= end || check_end(zone, end).is_err() || start < DateTime::UNIX_EPOCH {
                let message = format!("The term of {} is not one: {start} to {end}.", row.id);
                let refusal = Refusal::new(Reason::DateOutOfRange, message);
                return Err(NotRegistered::Refused(refusal));
            }
            if let Some(anchor) = anchor.filter(|it| !anchor_leads_to(*it, boundary, zone, end)) {
                return Err(NotRegistered::AnchorMissesEnd {
                    anchor,
                    ends_on: last_day(zone, end),
                });
            }
            let anchor = anchor.unwrap_or_else(|| registered_anchor(boundary, zone, start, end));
            Some(Term { start, end, anchor })
        }
    };
    let billing = first_term.map_or(Billing::Postpaid, |term| Billing::Prepaid(term.lease()));
    let instance = Instance {
        name: row.name,
        labels: row.labels,
        room_type: row.room_type,
        configuration: row.configuration,
        first_start: first_term.map(|term| term.start),
        trial: row.trial,
        one_time: row.one_time,
        released: row.released,
        change_pending: row.change_pending,
        binding: row.binding,
        source_version: row.source_version,
        ..Instance::new(row.id, row.account, row.product, row.region, billing)
    };
    Ok(Registered { instance, first_term })
}

/// What `row` does to the instance `known` that has its id already (I-1, I-2).
///
/// Name, labels, room type, the trial and one-time flags, `change_pending` and `released` always
/// follow the console; configuration and binding only while no order is open, `OPEN_ORDER_EXISTS`.
/// The exception is an order that is still unpaid: a change of what is priced cancels it. Account,
/// product and region never change, and neither does an expiry: Perennial owns it.
///
/// `priced` says whether a setting of the configuration decides on the price. Every reason is given
/// at once. A row with an older `source_version` comes late and does nothing, whatever it says; one
/// with the same is a repeat, and contradicts itself if it says something else.
///
/// ```
/// # use std::collections::BTreeMap;
/// # use rule_engine::{configuration::Configuration, profile::Boundary, registration::*};
/// # let registration = Registration {
/// #     id: "vm".parse()?, account: "a".parse()?, product: "p".parse()?, region: "r".parse()?,
/// #     name: String::new(), labels: BTreeMap::new(), room_type: None,
/// #     configuration: Configuration::default(),
/// #     billing: RegisteredBilling::Prepaid {
/// #         start: "2024-01-31T10:00:00+08:00".parse()?,
/// #         end: "2024-03-01T00:00:00+08:00".parse()?, anchor: None,
/// #     },
/// #     trial: false, one_time: false, change_pending: false, released: false, binding: None,
/// #     source_version: 1,
/// # };
/// # let zone = chrono_tz::Asia::Shanghai;
/// let known = register(registration.clone(), Boundary::EndOfDay, zone)?.instance;
/// // A message that comes late changes nothing, whatever it says.
/// let late = Registration { name: "old".to_owned(), source_version: 0, ..registration.clone() };
/// assert_eq!(repeat(late, &known, |_| true), Ok(Repeated::Unchanged));
/// // What comes under the same number is the same word, or somebody is wrong.
/// assert_eq!(repeat(registration.clone(), &known, |_| true), Ok(Repeated::Unchanged));
/// let other = Registration { name: "other".to_owned(), ..registration.clone() };
/// assert_eq!(repeat(other, &known, |_| true), Ok(Repeated::Contradicts(vec!["name"])));
/// let newer = Registration { region: "elsewhere".parse()?, source_version: 2, ..registration };
/// let refusals = repeat(newer, &known, |_| true).unwrap_err();
/// assert_eq!(refusals[0].reason.code(), "INSTANCE_IMMUTABLE_FIELD");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn repeat(
    row: Registration,
    known: &Instance,
    priced: impl Fn(&str) -> bool,
) -> Result<Repeated, Vec<Refusal>> {
    if row.account == known.account {
        let moved = row.product != known.product || row.region != known.region;
        match row.source_version.cmp(&known.source_version) {
            Ordering::Less => return Ok(Repeated::Unchanged),
            Ordering::Equal if !moved => {
                let fields = contradicted_fields(&row, known);
                let same = fields.is_empty();
                return Ok(if same { Repeated::Unchanged } else { Repeated::Contradicts(fields) });
            }
            Ordering::Equal | Ordering::Greater => {}
        }
    }
    let cancels = match held(&row, known, priced) {
        Held::Free => None,
        Held::Cancels(order) => Some(order),
        Held::Refused(refusal) => return Err(refusals(&row, known, Some(refusal))),
    };
    let refusals = refusals(&row, known, None);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let instance = Box::new(Instance {
        name: row.name,
        labels: row.labels,
        room_type: row.room_type,
        configuration: row.configuration,
        trial: row.trial,
        one_time: row.one_time,
        released: row.released,
        change_pending: row.change_pending,
        binding: row.binding,
        source_version: row.source_version,
        ..known.clone()
    });
    Ok(Repeated::Updated { instance, cancels })
}

fn refusals(row: &Registration, known: &Instance, held: Option<Refusal>) -> Vec<Refusal> {
    let mut refusals: Vec<_> = held.into_iter().collect();
    let fixed = [
        ("account_id", row.account != known.account),
        ("product_id", row.product != known.product),
        ("region", row.region != known.region),
    ];
    let fields: Vec<_> =
        fixed.iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
    if !fields.is_empty() {
        let message = format!("{} is registered with another account, product or region.", row.id);
        let refusal = Refusal::new(Reason::InstanceImmutableField, message);
        refusals.push(refusal.with_all("fields", fields));
    }
    if row.account == known.account {
        refusals.extend(expiry_conflict(row, known));
    } else {
        let message = format!("The id {} is that of another account's instance.", row.id);
        refusals.push(Refusal::new(Reason::InstanceIdTaken, message));
    }
    refusals.sort();
    refusals
}

/// `EXPIRY_CONFLICT`, if the row says another expiry or billing mode than Perennial knows (I-2).
fn expiry_conflict(row: &Registration, known: &Instance) -> Option<Refusal> {
    let said = match row.billing {
        RegisteredBilling::Prepaid { end, .. } => Some(end),
        RegisteredBilling::Postpaid => None,
    };
    if said == known.expiry() {
        return None;
    }
    let text = |expiry: Option<DateTime<Utc>>| {
        expiry.map_or_else(|| "none".to_owned(), |expiry| expiry.to_rfc3339())
    };
    let message = format!("{} has another expiry here; only CorrectExpiry changes it.", row.id);
    let refusal = Refusal::new(Reason::ExpiryConflict, message);
    Some(refusal.with("expiry", text(known.expiry())).with("said", text(said)))
}

/// What an open order says to the row.
enum Held {
    Free,
    Cancels(OrderId),
    Refused(Refusal),
}

fn held(row: &Registration, known: &Instance, priced: impl Fn(&str) -> bool) -> Held {
    let Some(order) = known.open_order else { return Held::Free };
    let bound_elsewhere = row.binding != known.binding;
    let configured = row.configuration != known.configuration;
    if order.unpaid && !bound_elsewhere {
        let settings = |configuration: &Configuration| -> Vec<_> {
            let of_price = |one: &&Setting| priced(&one.name);
            configuration.settings.iter().filter(of_price).cloned().collect()
        };
        let repriced = settings(&row.configuration) != settings(&known.configuration);
        return if repriced { Held::Cancels(order.id) } else { Held::Free };
    }
    if !bound_elsewhere && !configured {
        return Held::Free;
    }
    check::held_refusal(known, None).map_or(Held::Free, Held::Refused)
}

/// `ACCOUNT_ZONE_FIXED`, if the account already owns an instance and zone or currency would change:
/// every date and price that it has was counted in them (T-4).
///
/// ```
/// # use kernel::Currency;
/// # use rule_engine::{instance::Account, profile::AccountSettings, registration::check_zone};
/// # let settings = AccountSettings {
/// #     zone: chrono_tz::Asia::Shanghai, currency: Currency::Cny, standard_day: None,
/// #     day_meaning: Default::default(), auto_follows_standard_day: false, auto_days_before: None,
/// # };
/// # let account = Account { id: "a".parse().unwrap(), settings, frozen: false };
/// let moved = |owns| check_zone(&account, chrono_tz::Asia::Tokyo, Currency::Cny, owns);
/// assert!(moved(false).is_ok());
/// assert!(moved(true).is_err());
/// ```
pub fn check_zone(
    account: &Account,
    zone: Tz,
    currency: Currency,
    owns_an_instance: bool,
) -> Result<(), Refusal> {
    let same = account.settings.zone == zone && account.settings.currency == currency;
    if same || !owns_an_instance {
        return Ok(());
    }
    let message = format!(
        "The account {} owns instances: its zone stays {} and its currency {}.",
        account.id, account.settings.zone, account.settings.currency
    );
    Err(Refusal::new(Reason::AccountZoneFixed, message)
        .with("zone", account.settings.zone)
        .with("currency", account.settings.currency))
}

#[cfg(test)]
mod tests;
