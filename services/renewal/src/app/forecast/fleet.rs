//! Copies of an account's instances, to which things happen.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use kernel::ids::{InstanceId, OrderId};
use rule_engine::{due::Decision, instance::BindingKind};

use crate::{
    app::{
        automatic::decide::{self, Sorted},
        due::Dues,
        lifecycle::steps::{self, Obstacles, Steps},
        rules::Catalogue,
        settle::{complete::settled_instance, unreadable},
        world::world,
    },
    store::{
        StoreError,
        accounts::KnownAccount,
        events::Event,
        instances::{Loaded, many::Holding},
        orders::Order,
    },
};

/// The account and its instances, group by group.
#[derive(Debug)]
pub struct Fleet {
    account: KnownAccount,
    catalogue: Arc<Catalogue>,
    bands: Vec<Band>,
    /// Unpaid orders that are in the way. What waits for its console is taken as delivered.
    obstacles: Obstacles,
}

/// Instances that are bound together, and when each is due.
#[derive(Debug)]
struct Band {
    loaded: Vec<Loaded>,
    due: Vec<Option<DateTime<Utc>>>,
}

impl Band {
    fn next(&self) -> Option<DateTime<Utc>> {
        self.due.iter().flatten().min().copied()
    }

    fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.next().is_some_and(|next| next <= now)
    }

    /// Works out anew when its instances are due. What is being paid or refunded is left alone.
    fn look(&mut self, account: &KnownAccount, catalogue: &Catalogue, now: DateTime<Utc>) {
        let running = |one: &Loaded| one.instance.open_order.is_some_and(|order| !order.unpaid);
        if self.loaded.iter().any(running) {
            self.due = vec![None; self.loaded.len()];
            return;
        }
        let world = world(account, &self.loaded, catalogue, now);
        let dues = Dues::of(&world, account, catalogue, now);
        self.due = self.loaded.iter().map(|one| dues.time(one)).collect();
    }

    /// What its due instances do by their dates.
    fn step(
        &mut self,
        account: &KnownAccount,
        obstacles: &Obstacles,
        catalogue: &Catalogue,
        now: DateTime<Utc>,
    ) -> Steps {
        let due = self.loaded.iter().zip(&self.due);
        let due = due.filter(|(_, due)| due.is_some_and(|due| due <= now));
        let wanted = due.map(|(one, _)| one.instance.id.as_str()).collect();
        let mut steps = steps::decide(account, &self.loaded, &wanted, obstacles, catalogue, now);
        self.loaded = std::mem::take(&mut steps.after);
        steps
    }
}

impl Fleet {
    /// The account with its instances, each with all that it is bound to by a group.
    pub fn new(
        mut account: KnownAccount,
        mut loaded: Vec<Loaded>,
        orders: Vec<Order>,
        catalogue: Arc<Catalogue>,
        now: DateTime<Utc>,
    ) -> Self {
        account.noted.no_reminder_before = None;
        loaded.iter_mut().for_each(remind_never);
        let bands = bands(loaded).into_iter().map(|loaded| Band { loaded, due: Vec::new() });
        let bands = bands.collect();
        let orders = orders.into_iter().map(|order| (order.id, order)).collect();
        let obstacles = Obstacles { orders, undelivered: HashSet::new() };
        let mut fleet = Self { account, catalogue, bands, obstacles };
        fleet.look(|_| true, now);
        fleet
    }

    /// Whose it is.
    pub const fn account(&self) -> &KnownAccount {
        &self.account
    }

    /// When anything is due next.
    pub fn next(&self) -> Option<DateTime<Utc>> {
        self.bands.iter().filter_map(Band::next).min()
    }

    /// When an unpaid order expires next.
    pub fn next_order_expiry(&self) -> Option<DateTime<Utc>> {
        self.obstacles.orders.values().map(|order| order.expire_time).min()
    }

    /// What the sweep of automatic renewals makes of what is due at `now`.
    pub fn sorted(&self, now: DateTime<Utc>) -> Sorted {
        let (mut names, mut loaded) = (Vec::new(), Vec::new());
        for band in self.bands.iter().filter(|band| band.is_due(now)) {
            for (one, due) in band.loaded.iter().zip(&band.due) {
                if due.is_some_and(|due| due <= now) {
                    names.push((self.account.id.clone(), one.instance.id.clone()));
                }
                loaded.push(one.clone());
            }
        }
        let holding = Holding { account: self.account.clone(), loaded };
        decide::page(&names, vec![holding], Arc::clone(&self.catalogue), now)
    }

    /// The order of an attempt was paid: its terms are appended.
    pub fn renew(&mut self, order: &Order, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut extended = BTreeSet::new();
        for item in &order.snapshot.items {
            let settled = settled_instance(order, item);
            let settled = settled.ok_or_else(|| unreadable(order, "plan"))?;
            let mut all = self.bands.iter_mut().flat_map(|band| &mut band.loaded);
            if let Some(one) = all.find(|one| one.instance.id.as_str() == settled.id) {
                settled.extend(one)?;
                remind_never(one);
                extended.insert(one.instance.id.clone());
            }
        }
        self.look(|one| extended.contains(&one.instance.id), now);
        Ok(())
    }

    /// These are the decisions of `root` from now on.
    pub fn decide(&mut self, root: &InstanceId, decisions: Vec<Decision>, now: DateTime<Utc>) {
        let mut all = self.bands.iter_mut().flat_map(|band| &mut band.loaded);
        if let Some(one) = all.find(|one| one.instance.id == *root) {
            one.recorded.decided = decisions;
        }
        self.look(|one| one.instance.id == *root, now);
    }

    /// Nothing more is renewed by itself until then.
    pub fn park(&mut self, until: DateTime<Utc>, why: String, now: DateTime<Utc>) {
        self.account.noted.parked = Some((until, why));
        self.look(|_| true, now);
    }

    /// What happens by the dates at `now`, and is told of it. Unpaid orders of what is gone end; a
    /// checkout is called off first.
    pub fn step(&mut self, now: DateTime<Utc>) -> Vec<Event> {
        let Self { account, catalogue, bands, obstacles } = self;
        let mut all = Steps::default();
        for band in bands.iter_mut().filter(|band| band.is_due(now)) {
            all.extend(band.step(account, obstacles, catalogue, now));
            band.look(account, catalogue, now);
        }
        for id in &all.checkouts {
            if let Some(order) = obstacles.orders.get_mut(id) {
                order.payment_id = None;
            }
        }
        self.call_off(&all.ended.into_keys().collect::<Vec<_>>());
        all.told
    }

    /// Unpaid orders are no longer in the way.
    pub fn call_off(&mut self, orders: &[OrderId]) {
        if orders.is_empty() {
            return;
        }
        self.obstacles.orders.retain(|id, _| !orders.contains(id));
        for one in self.bands.iter_mut().flat_map(|band| &mut band.loaded) {
            if one.instance.open_order.is_some_and(|order| orders.contains(&order.id)) {
                one.instance.open_order = None;
            }
        }
    }

    /// Calls off what can no longer be paid.
    pub fn expire_orders(&mut self, now: DateTime<Utc>) {
        let over = self.obstacles.orders.values().filter(|order| order.is_overdue(now));
        let over: Vec<_> = over.map(|order| order.id).collect();
        self.call_off(&over);
    }

    /// What is still due at `now` is not looked at again before anything of its group changes.
    pub fn set_aside(&mut self, now: DateTime<Utc>) {
        for due in self.bands.iter_mut().flat_map(|band| &mut band.due) {
            *due = due.filter(|due| *due > now);
        }
    }

    /// Works out anew when the groups of what changed are due.
    fn look(&mut self, changed: impl Fn(&Loaded) -> bool, now: DateTime<Utc>) {
        let Self { account, catalogue, bands, .. } = self;
        for band in bands.iter_mut().filter(|band| band.loaded.iter().any(&changed)) {
            band.look(account, catalogue, now);
        }
    }
}

/// Reminders move neither money nor states: they are taken as sent.
fn remind_never(one: &mut Loaded) {
    if let Some(end) = one.instance.expiry() {
        one.recorded.reminded =
            std::mem::take(&mut one.recorded.reminded).with(end, i32::MAX, None);
    }
}

/// The instances by what binds them into groups.
fn bands(loaded: Vec<Loaded>) -> Vec<Vec<Loaded>> {
    let all: BTreeMap<_, _> = loaded.iter().map(|one| (&one.instance.id, one)).collect();
    let tops: Vec<_> = loaded.iter().map(|one| top(one, &all).clone()).collect();
    let mut bands = BTreeMap::<_, Vec<_>>::new();
    for (top, one) in tops.into_iter().zip(loaded) {
        bands.entry(top).or_default().push(one);
    }
    bands.into_values().collect()
}

/// What the instance is bound to in the end.
fn top<'l>(one: &'l Loaded, all: &BTreeMap<&InstanceId, &'l Loaded>) -> &'l InstanceId {
    let mut top = one;
    for _ in 0..all.len() {
        let binding = top.instance.binding.as_ref();
        let parent = binding.filter(|binding| binding.kind != BindingKind::Optional);
        let next = parent.and_then(|binding| all.get(&binding.parent).copied());
        let Some(next) = next else { break };
        top = next;
    }
    &top.instance.id
}
