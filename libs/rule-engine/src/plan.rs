//! What a renewal would do: the one decision behind preview, order and payment.

mod choice;
mod dates;
mod replan;
mod ticks;
mod unit;

use chrono::{DateTime, NaiveDate, Utc};

use kernel::ids::{InstanceId, OrderId};

use self::choice::Choice;
pub use self::replan::{MovedTerm, Replanned, replan};
use crate::{
    configuration::Configuration,
    duration::TermDuration,
    instance::{Billing, PendingChange, World},
    kind::OrderKind,
    profile::StandardDay,
    reason::Refusal,
    term::{PricedSpan, Term},
};

/// What somebody wants to renew, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The instances named, in the order of the bill. What is bound to them `FORCED` or `STRONG`
    /// comes by itself (B-2).
    pub named: Vec<InstanceId>,
    /// The instances ticked of those bound to them `OPTIONAL` (B-2).
    pub ticked: Vec<Ticked>,
    /// How long.
    pub extent: Extent,
    /// What happens where an instance is refused (B-1).
    pub mode: Mode,
    /// The configuration from the new term on, of a single instance or the primary of a single
    /// group (C-2). One that is the configuration already is no change.
    pub change: Option<Configuration>,
    /// The order that does not count as an open one: the one that is paid now (O-8).
    pub exempt_order: Option<OrderId>,
    /// Late renewals start at the old expiry whatever the product says: they are late by our fault
    /// (A-6).
    pub after_outage: bool,
}

impl Selection {
    /// These instances for so long, all or nothing, and nothing more.
    #[must_use]
    pub fn of(named: impl IntoIterator<Item = InstanceId>, extent: Extent) -> Self {
        Self {
            named: named.into_iter().collect(),
            ticked: Vec::new(),
            extent,
            mode: Mode::default(),
            change: None,
            exempt_order: None,
            after_outage: false,
        }
    }
}

/// A bound instance that is wanted along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticked {
    /// The instance.
    pub id: InstanceId,
    /// It goes to its parent's new expiry instead of by the same duration (B-3).
    pub to_parent_expiry: bool,
}

/// How long a renewal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// So long (T-1).
    Duration(TermDuration),
    /// Onto the standard renewal date (U-2).
    StandardDate {
        /// So long at least; a month if absent.
        duration: Option<TermDuration>,
        /// The day for this operation only; the account's if absent (U-1).
        day: Option<StandardDay>,
    },
    /// Onto this date, the new last day in the account's zone (U-5).
    AdHoc(NaiveDate),
    /// By this cycle of an automatic renewal: onto the standard date where the account wants that
    /// (U-4), else plain.
    Cycle(TermDuration),
}

impl Extent {
    /// Whether everything is brought to one date, so that nothing may be expired (U-3).
    const fn is_common_date(&self) -> bool {
        matches!(self, Self::StandardDate { .. } | Self::AdHoc(_))
    }

    /// The duration that was chosen, if one was.
    #[must_use]
    pub const fn duration(&self) -> Option<TermDuration> {
        match self {
            Self::Duration(duration) | Self::Cycle(duration) => Some(*duration),
            Self::StandardDate { duration, .. } => *duration,
            Self::AdHoc(_) => None,
        }
    }
}

/// What happens where an instance is refused (B-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The whole is refused.
    #[default]
    AllOrNothing,
    /// It is left out, with its reasons.
    BestEffort,
}

/// Why an instance is part of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Inclusion {
    /// It was named.
    Named,
    /// It was ticked (B-2).
    Ticked,
    /// It shares the term of its group (B-4).
    Strong,
    /// It always goes along with its parent (B-5).
    Forced,
}

/// What a renewal does to one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The instance.
    pub instance: InstanceId,
    /// The primary of its group: itself, if it stands alone.
    pub root: InstanceId,
    /// Why it is here.
    pub inclusion: Inclusion,
    /// What is done to it.
    pub kind: OrderKind,
    /// How it was billed before.
    pub before: Billing,
    /// The term that is appended.
    pub term: Term,
    /// Its last day, in the account's zone (T-4).
    pub last_day: NaiveDate,
    /// What of it is priced (M-4).
    pub span: PricedSpan,
    /// Whole days of it that have passed already (L-2).
    pub days_passed: u32,
    /// The configuration that is priced (M-1, C-2).
    pub configuration: Configuration,
    /// The new configuration, and since when it is in effect: the start of the term (C-2).
    pub change: Option<PendingChange>,
}

/// An instance that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The instance.
    pub instance: InstanceId,
    /// Every reason, the first by precedence first. Where another member of its group is the cause,
    /// `instance` in the metadata names that one.
    pub refusals: Vec<Refusal>,
}

/// An instance that is left out without fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The instance.
    pub instance: InstanceId,
    /// There is nothing to add (`ALREADY_COVERED`), or it is past its window and does not stop its
    /// parent (B-5).
    pub why: Refusal,
}

/// What a renewal would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What is renewed: groups in the order in which they were named, each followed by what was
    /// ticked along with it; in a group the primary, then strong members, then forced children, by
    /// id.
    pub items: Vec<Item>,
    /// What is refused.
    pub refused: Vec<Refused>,
    /// What is left out.
    pub left_out: Vec<LeftOut>,
    /// The durations that all chosen instances offer, the shortest first (B-1); those do not count
    /// that go to a parent's expiry (B-3), or that no duration would help.
    pub durations: Vec<TermDuration>,
    /// Why no order can be made of it in the mode asked for, the first by precedence (B-1): none if
    /// one can. Under `instances` it names all that are refused for this reason, or the cause where
    /// one instance refuses all (U-3, U-5).
    pub refusal: Option<Refusal>,
}

impl Plan {
    /// Why the instance is refused or left out, the first by precedence first; nothing if it is
    /// neither.
    #[must_use]
    pub fn refusals_of(&self, id: &InstanceId) -> Vec<Refusal> {
        let refused = self.refused.iter().filter(|one| one.instance == *id);
        let left_out = self.left_out.iter().filter(|one| one.instance == *id);
        let refused = refused.flat_map(|one| one.refusals.iter().cloned());
        refused.chain(left_out.map(|one| one.why.clone())).collect()
    }

    /// What is done to the instance, if anything.
    #[must_use]
    pub fn item(&self, id: &InstanceId) -> Option<&Item> {
        self.items.iter().find(|item| item.instance == *id)
    }
}

/// What renewing `selection` at the instant `now` would do to the instances of `world`.
///
/// Preview, order and the check at the payment instant all ask this; so what a preview says is what
/// an order does. A group stands or falls together (B-1); an instance both named and brought along
/// counts once; nothing is ever shortened. Under a common date one expired instance refuses all
/// (U-3).
///
/// An id named twice is `DUPLICATE_INSTANCE`, too many are `TOO_MANY_INSTANCES` (B-1): these two
/// refuse the request as a whole, everything else is said of the instances.
///
/// ```
/// # use std::{collections::BTreeMap, sync::Arc};
/// # use rule_engine::{instance::*, profile::{AccountSettings, ProductProfile}, term::Lease};
/// # let profile: ProductProfile = serde_json::from_str(r#"{
/// #     "durations": ["1m"], "policies": ["MANUAL"], "late_start": "RENEWAL_DATE",
/// #     "grace_days": 0, "retention_days": 7,
/// #     "money_policy": {"name": "n", "version": 1, "rounding": "HALF_UP"}
/// # }"#)?;
/// # let settings: AccountSettings =
/// #     serde_json::from_str(r#"{"zone": "Asia/Shanghai", "currency": "CNY"}"#)?;
/// # let mut world = World::new(Account { id: "a".parse()?, settings, frozen: false });
/// # let now = "2024-06-01T00:00:00+08:00".parse()?;
/// # world.profiles.insert("p".parse()?, Arc::new(profile));
/// # for (id, end, day) in [
/// #     ("vm", "2024-06-21T00:00:00+08:00", 20), ("disk", "2024-08-01T00:00:00+08:00", 31),
/// # ] {
/// #     let billing = Billing::Prepaid(Lease { end: end.parse()?, anchor: day.try_into()? });
/// #     let (account, product, region) = ("a".parse()?, "p".parse()?, "r".parse()?);
/// #     let one = Instance::new(id.parse()?, account, product, region, billing);
/// #     world.instances.insert(one.id.clone(), one);
/// # }
/// # let binding = Binding { parent: "vm".parse()?, kind: BindingKind::Forced };
/// # world.instances.get_mut(&"disk".parse()?).unwrap().binding = Some(binding);
/// use rule_engine::plan::{Extent, Selection, plan};
/// // The disk always goes along with the machine, and is paid through a later day already.
/// let selection = Selection::of(["vm".parse()?], Extent::Duration("1m".parse()?));
/// let plan = plan(&selection, &world, now)?;
/// assert_eq!(plan.items.len(), 1);
/// assert_eq!(plan.left_out[0].why.reason.code(), "ALREADY_COVERED");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn plan(selection: &Selection, world: &World, now: DateTime<Utc>) -> Result<Plan, Refusal> {
    Ok(unit::plan_all(&Choice::of(selection, None, world, now)?))
}

#[cfg(test)]
mod tests;
