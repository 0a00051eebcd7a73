//! When instances are next to be looked at: `due_time`, derived anew in every transaction that
//! changes what it depends on.
//!
//! It is an index and not the truth. Sweeps find work by it and decide again by the rules, so that
//! too early is harmless; too late is a bug.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use kernel::ids::InstanceId;
use rule_engine::{
    due::{AutoFacts, AutoPlan, Decision, DueFacts, due_reminder, due_time},
    group::{Group, Groups},
    instance::{Instance, World},
    lifecycle::{LifecycleRules, State, lifecycle},
    profile::{AccountProfile, AccountSettings, Policy, ProductProfile, Reminders},
};

use super::{preview::profile_of, rules::Catalogue, world::world};
use crate::store::{accounts::KnownAccount, due::Redue, instances::Loaded, values};

/// Derives what is due of the instances of one world.
#[derive(Debug)]
pub struct Dues<'w> {
    world: &'w World,
    groups: Groups<'w>,
    account: &'w KnownAccount,
    profile: AccountProfile,
    now: DateTime<Utc>,
}

/// What decides when an instance is next to be looked at.
#[derive(Debug, Clone)]
pub struct Facts<'w> {
    zone: Tz,
    lifecycle: LifecycleRules,
    end: DateTime<Utc>,
    state: State,
    policy: Policy,
    reminders: &'w Reminders,
    reminded: Option<i32>,
    automatic: Option<Automatic<'w>>,
}

/// How an instance, or the group that it is the primary of, renews itself.
#[derive(Debug, Clone)]
struct Automatic<'w> {
    plan: AutoPlan,
    ends: Vec<DateTime<Utc>>,
    decided: &'w [Decision],
    money_at: Option<DateTime<Utc>>,
}

impl Facts<'_> {
    /// As the rules know them. `payment_running`: an order of the instance is being paid, delivered
    /// or refunded (L-3).
    #[must_use]
    pub fn view(&self, payment_running: bool) -> DueFacts<'_> {
        DueFacts {
            zone: self.zone,
            lifecycle: self.lifecycle,
            end: Some(self.end),
            state: self.state,
            policy: self.policy,
            payment_running,
            reminders: self.reminders,
            reminded: self.reminded,
            automatic: self.automatic(),
        }
    }

    /// How it renews itself; none unless its policy is `AUTO`, and none for a child (B-5).
    #[must_use]
    pub fn automatic(&self) -> Option<AutoFacts<'_>> {
        self.automatic.as_ref().map(|Automatic { plan, ends, decided, money_at }| AutoFacts {
            plan,
            ends,
            decided,
            money_at: *money_at,
        })
    }

    /// The expiry that all of this is about.
    #[must_use]
    pub const fn end(&self) -> DateTime<Utc> {
        self.end
    }

    /// The zone of its account.
    #[must_use]
    pub const fn zone(&self) -> Tz {
        self.zone
    }

    /// The state that is recorded.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// It is recorded that it has entered `state`.
    pub const fn enter(&mut self, state: State) {
        self.state = state;
    }

    /// When it leaves the recorded state by its dates, and for which.
    #[must_use]
    pub fn leaves(&self) -> Option<(DateTime<Utc>, State)> {
        lifecycle(&self.lifecycle, self.end, self.zone).leaves(self.state)
    }

    /// The state that the dates say.
    fn state_at(&self, now: DateTime<Utc>) -> State {
        lifecycle(&self.lifecycle, self.end, self.zone).state_at(now)
    }
}

impl<'w> Dues<'w> {
    /// Derives what is due of the instances of `world`, which is that of `account`, at `now`.
    #[must_use]
    pub fn of(
        world: &'w World,
        account: &'w KnownAccount,
        catalogue: &Catalogue,
        now: DateTime<Utc>,
    ) -> Self {
        let profile = profile_of(account, catalogue);
        Self { world, groups: Groups::of(world, now), account, profile, now }
    }

    /// The group of an instance.
    #[must_use]
    pub fn group(&self, id: &InstanceId) -> Option<&Group<'w>> {
        self.groups.get(id)
    }

    /// What is due of the instance depends on these; none where nothing of it ever is, because it is
    /// postpaid or its product reported it released, and where its product is unknown.
    #[must_use]
    pub fn facts(&self, one: &'w Loaded) -> Option<Facts<'w>> {
        let Loaded { instance, recorded, .. } = one;
        let end = instance.expiry().filter(|_| !instance.released)?;
        let group = self.groups.get(&instance.id)?;
        Some(Facts {
            zone: self.world.account.zone(),
            lifecycle: group.lifecycle_rules(instance, self.world)?,
            end,
            state: recorded.state,
            policy: instance.policy.policy(),
            reminders: &self.world.profile(instance)?.reminders,
            reminded: recorded.reminded.of(end),
            automatic: self.automatic(one, group),
        })
    }

    fn automatic(&self, one: &'w Loaded, group: &Group<'w>) -> Option<Automatic<'w>> {
        let Loaded { instance, recorded, .. } = one;
        let is_root = group.primary().id == instance.id;
        if !is_root || instance.policy.auto().is_none() {
            return None;
        }
        let schedule = self.world.profile(instance)?.auto_schedule.as_ref()?;
        let lifecycle = group.lifecycle_rules(instance, self.world)?;
        let ends = group.members().filter(|member| !member.instance.released);
        Some(Automatic {
            plan: AutoPlan::of(schedule, lifecycle, &self.world.account.settings, &self.profile),
            ends: ends.filter_map(|member| member.instance.expiry()).collect(),
            decided: &recorded.decided,
            money_at: self.account.noted.money_at,
        })
    }

    /// The earliest instant at which anything of the instance is due.
    ///
    /// That an order of it is being paid, and keeps it from being released (L-3), does not count:
    /// the payment ends without a word where it fails, and who looks too early does nothing.
    #[must_use]
    pub fn time(&self, one: &'w Loaded) -> Option<DateTime<Utc>> {
        match self.facts(one) {
            Some(facts) => self.time_of(&facts),
            // Of what cannot be read today, whatever is due is looked for from the expiry on.
            None => one.instance.expiry().filter(|_| !one.instance.released),
        }
    }

    /// See [`Dues::time`]. What of a parked account would be renewed waits.
    #[must_use]
    pub fn time_of(&self, facts: &Facts<'_>) -> Option<DateTime<Utc>> {
        let time = self.unparked_time_of(facts);
        let parked = self.account.noted.parked.as_ref().map(|(until, _)| *until);
        let Some(until) = parked.filter(|until| self.now < *until) else { return time };
        let others = self.unparked_time_of(&Facts { automatic: None, ..facts.clone() });
        [time.map(|time| time.max(until)), others].into_iter().flatten().min()
    }

    fn unparked_time_of(&self, facts: &Facts<'_>) -> Option<DateTime<Utc>> {
        let all = due_time(&facts.view(false), self.now)?;
        let Some(quiet) = self.quiet_until(facts) else { return Some(all) };
        let mute = Facts { reminded: Some(i32::MAX), ..facts.clone() };
        let others = due_time(&mute.view(false), self.now);
        Some(others.map_or(all.max(quiet), |others| others.min(all.max(quiet))))
    }

    /// Until when no further reminder of the account is sent: nothing where one would come too late by
    /// then.
    #[must_use]
    pub fn quiet_until(&self, facts: &Facts<'_>) -> Option<DateTime<Utc>> {
        let quiet = self.account.noted.no_reminder_before.filter(|quiet| self.now < *quiet)?;
        // Before the expiry nobody waits beyond it.
        let expires = Some(facts.end).filter(|end| self.now < *end);
        let in_time = |until: DateTime<Utc>| quiet < expires.map_or(until, |end| end.min(until));
        let reminder = due_reminder(&facts.view(false), self.now);
        reminder.is_none_or(|reminder| in_time(reminder.until)).then_some(quiet)
    }
}

/// Records what follows from a change: `changed` rows, as they are about to be saved, get the state
/// and the time at which they are due from then on; the answer is for those of `before`, the groups
/// that they are in, that are not saved and yet are due at another time.
///
/// A state never advances here: what happens at an expiry happens in a sweep, with its event. It goes
/// back where the dates say so.
#[must_use]
pub fn rederive(
    account: &KnownAccount,
    before: &[Loaded],
    changed: &mut [Loaded],
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> Vec<Redue> {
    let ids: BTreeSet<_> = changed.iter().map(|one| one.instance.id.clone()).collect();
    let others = before.iter().filter(|one| !ids.contains(&one.instance.id));
    let others: Vec<_> = others.collect();
    let after: Vec<_> = changed.iter().chain(others.iter().copied()).cloned().collect();
    let world = world(account, &after, catalogue, now);
    let dues = Dues::of(&world, account, catalogue, now);
    let times: BTreeMap<_, _> =
        after.iter().map(|one| (&one.instance.id, dues.time(one))).collect();
    let states: BTreeMap<_, _> =
        after.iter().map(|one| (&one.instance.id, recorded_state(&dues, one))).collect();
    for one in &mut *changed {
        one.recorded.due_time = times[&one.instance.id];
        one.recorded.state = states[&one.instance.id];
    }
    let moved = others.iter().filter(|one| times[&one.instance.id] != one.recorded.due_time);
    moved.map(|one| redue(one, times[&one.instance.id])).collect()
}

/// The instance is due at `time`.
#[must_use]
pub fn redue(one: &Loaded, time: Option<DateTime<Utc>>) -> Redue {
    Redue {
        account_id: one.instance.account.clone(),
        id: one.instance.id.clone(),
        version: one.version,
        due_time: time.map(values::micros),
    }
}

/// The state that is recorded of an instance after a change: what its dates no longer say is taken
/// back.
fn recorded_state(dues: &Dues<'_>, one: &Loaded) -> State {
    if one.instance.expiry().is_none() {
        return State::Active;
    }
    let by_dates = dues.facts(one).map(|facts| facts.state_at(dues.now));
    by_dates.map_or(one.recorded.state, |state| state.min(one.recorded.state))
}

/// When an instance is to be looked at once its order is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnceSettled {
    /// If its policy is `AUTO` then.
    pub if_automatic: DateTime<Utc>,
    /// If it is another.
    pub otherwise: DateTime<Utc>,
}

/// When an instance whose term ends at `end` once its order is settled is to be looked at then.
///
/// Settling asks nothing of the database but what it writes, and neither policy nor settings are
/// known before: so this is the earliest instant under each that may hold, counting each member of
/// a group by itself. The first who looks at it then knows better.
#[must_use]
pub fn once_settled(
    instance: &Instance,
    end: DateTime<Utc>,
    world: &World,
    paid_at: DateTime<Utc>,
) -> OnceSettled {
    let Some(profile) = world.profile(instance) else {
        return OnceSettled { if_automatic: end, otherwise: end };
    };
    let lifecycle = LifecycleRules::of(profile);
    let plan = widest_plan(profile, lifecycle, &world.account.settings);
    let ends = [end];
    let under = |policy: Policy| {
        let automatic = plan.as_ref().filter(|_| policy == Policy::Auto);
        let facts = DueFacts {
            zone: world.account.zone(),
            lifecycle,
            end: Some(end),
            state: State::Active,
            policy,
            payment_running: false,
            reminders: &profile.reminders,
            reminded: None,
            automatic: automatic.map(|plan| AutoFacts {
                plan,
                ends: &ends,
                decided: &[],
                money_at: None,
            }),
        };
        due_time(&facts, paid_at).unwrap_or(end)
    };
    let otherwise = [Policy::Manual, Policy::PostpaidAfterExpiry, Policy::NotRenew];
    OnceSettled {
        if_automatic: under(Policy::Auto),
        otherwise: otherwise.map(under).into_iter().min().unwrap_or(end),
    }
}

/// The plan with the earliest first attempt that an account may choose.
fn widest_plan(
    profile: &ProductProfile,
    lifecycle: LifecycleRules,
    settings: &AccountSettings,
) -> Option<AutoPlan> {
    let schedule = profile.auto_schedule.as_ref()?;
    let most = schedule.account_override.map_or(0, |range| range.most);
    Some(AutoPlan {
        days_before: schedule.days_before.max(most),
        time: schedule.time,
        stop: schedule.stop,
        last_day_retry: schedule.last_day_retry,
        lifecycle,
        zone: settings.zone,
        outage: TimeDelta::zero(),
    })
}

#[cfg(test)]
mod tests;
