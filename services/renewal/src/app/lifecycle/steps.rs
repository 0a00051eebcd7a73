//! What steps an account's instances have taken.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use kernel::ids::OrderId;
use rule_engine::{
    calendar::told,
    due::{Transition, due_transition},
    instance::{Billing, Instance},
    lifecycle::State,
    policy::PolicyState,
    reason::{Reason, Refusal},
};

use crate::{
    app::{
        due::{Dues, Facts},
        rules::Catalogue,
        world::world,
    },
    store::{
        accounts::KnownAccount,
        due::moves::Move,
        events::{Event, kinds},
        instances::Loaded,
        orders::Order,
        values,
    },
};

/// What a page does.
#[derive(Debug, Default)]
pub struct Steps {
    /// The instances from now on, in the order in which they were given.
    pub after: Vec<Loaded>,
    /// What is written of them.
    pub moves: Vec<Move>,
    /// What is told of them, in the order in which it happened.
    pub told: Vec<Event>,
    /// What their consoles are told: the instances that took a step, and their versions.
    pub changed: Vec<(Instance, i64)>,
    /// Unpaid orders that end, and why.
    pub ended: BTreeMap<OrderId, Refusal>,
    /// Orders whose checkouts are to be called off first.
    pub checkouts: BTreeSet<OrderId>,
    /// How many instances took a step.
    pub done: u32,
    /// How many wait for what holds them.
    pub waiting: u32,
    /// How many wait for their consoles.
    pub undelivered: u32,
}

/// What may be in the way of a step.
#[derive(Debug)]
pub struct Obstacles {
    /// The orders that hold instances, by id.
    pub orders: HashMap<OrderId, Order>,
    /// The instances on whose orders something is paid and not delivered, by account and id.
    pub undelivered: HashSet<(String, String)>,
}

impl Steps {
    /// Adds what another account's instances do.
    pub fn extend(&mut self, other: Self) {
        self.after.extend(other.after);
        self.moves.extend(other.moves);
        self.told.extend(other.told);
        self.changed.extend(other.changed);
        self.ended.extend(other.ended);
        self.checkouts.extend(other.checkouts);
        self.done += other.done;
        self.waiting += other.waiting;
        self.undelivered += other.undelivered;
    }
}

/// One step, and when it was due.
#[derive(Debug, Clone, Copy)]
struct Step {
    from: State,
    transition: Transition,
    since: DateTime<Utc>,
}

/// Whether a step may be taken.
enum Held {
    /// Nothing is in the way.
    Free,
    /// This unpaid order ends with it.
    Ends(OrderId),
    /// Not before this order's checkout is called off.
    Checkout(OrderId),
    /// Not now.
    Waits,
    /// Not before its console knows what was paid.
    Undelivered,
}

/// What the instances `wanted` of the account's `loaded` ones do at `now`; the others are those that
/// they hang together with, by groups and by the orders of `obstacles`.
pub fn decide(
    account: &KnownAccount,
    loaded: &[Loaded],
    wanted: &BTreeSet<&str>,
    obstacles: &Obstacles,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> Steps {
    let before = world(account, loaded, catalogue, now);
    let dues = Dues::of(&before, account, catalogue, now);
    let mut steps = Steps::default();
    let mut after = loaded.to_vec();
    for (one, next) in loaded.iter().zip(&mut after) {
        if wanted.contains(one.instance.id.as_str())
            && let Some(facts) = dues.facts(one)
        {
            steps.walk(one, next, facts, obstacles, now);
        }
    }
    steps.free(&mut after);
    let walked = loaded.iter().zip(&after).filter(|(one, next)| {
        one.recorded != next.recorded || one.instance.billing != next.instance.billing
    });
    let walked = walked.map(|(_, next)| (next.instance.clone(), next.version));
    steps.changed.extend(walked);
    let world = world(account, &after, catalogue, now);
    let dues = Dues::of(&world, account, catalogue, now);
    let times: Vec<_> = after.iter().map(|next| dues.time(next)).collect();
    for ((one, next), due_time) in loaded.iter().zip(&mut after).zip(times) {
        next.recorded.due_time = due_time;
        if next.version == one.version && due_time == one.recorded.due_time {
            continue;
        }
        steps.moves.push(Move {
            account_id: account.id.clone(),
            id: one.instance.id.clone(),
            version: one.version,
            next_version: next.version,
            state: next.recorded.state.code(),
            postpaid: next.instance.billing != one.instance.billing,
            free: next.instance.open_order != one.instance.open_order,
            due_time: due_time.map(values::micros),
        });
    }
    steps.after = after;
    steps
}

impl Steps {
    /// Takes the steps of `one` that are due, one after the other, which makes it `next`.
    fn walk(
        &mut self,
        one: &Loaded,
        next: &mut Loaded,
        mut facts: Facts<'_>,
        obstacles: &Obstacles,
        now: DateTime<Utc>,
    ) {
        let mut walked = false;
        while let Some(transition) = due_transition(&facts.view(false), now) {
            let Some((since, _)) = facts.leaves() else { break };
            let step = Step { from: facts.state(), transition, since };
            match step.held(one, obstacles) {
                Held::Free => {}
                Held::Ends(order) => {
                    let why = step.refusal(one, facts.zone());
                    self.ended.entry(order).or_insert(why);
                }
                Held::Checkout(order) => {
                    self.checkouts.insert(order);
                    self.waiting += 1;
                    break;
                }
                Held::Waits => {
                    self.waiting += 1;
                    break;
                }
                Held::Undelivered => {
                    self.undelivered += 1;
                    break;
                }
            }
            step.take(next);
            self.told.push(step.event(next, facts.end()));
            walked = true;
            let Transition::Enters(state) = transition else { break };
            facts.enter(state);
        }
        self.done += u32::from(walked);
    }

    /// Drops the claims of the orders that end.
    fn free(&self, after: &mut [Loaded]) {
        for next in after {
            let held = next.instance.open_order;
            if held.is_some_and(|order| self.ended.contains_key(&order.id)) {
                next.instance.open_order = None;
                next.version += 1;
            }
        }
    }
}

impl Step {
    /// Whether it is one after which nothing is left of what an order was made for.
    const fn ends_orders(self) -> bool {
        matches!(self.transition, Transition::BecomesPostpaid | Transition::Enters(State::Released))
    }

    fn held(self, one: &Loaded, obstacles: &Obstacles) -> Held {
        if !self.ends_orders() {
            return Held::Free;
        }
        // What its order gave may have to be taken back, if a console refuses (L-3).
        let key = (one.instance.account.to_string(), one.instance.id.to_string());
        if obstacles.undelivered.contains(&key) {
            return Held::Undelivered;
        }
        let Some(order) = one.instance.open_order else { return Held::Free };
        match obstacles.orders.get(&order.id) {
            // It is being paid, delivered or refunded: what it comes to decides what is due.
            _ if !order.unpaid => Held::Waits,
            // It came in between, and orders are locked before instances.
            None => Held::Waits,
            // A channel may have been in time, which only the wallet knows.
            Some(order) if order.has_checkout() => Held::Checkout(order.id),
            Some(order) => Held::Ends(order.id),
        }
    }

    /// Why an order ends with it (section 11).
    fn refusal(self, one: &Loaded, zone: chrono_tz::Tz) -> Refusal {
        let id = &one.instance.id;
        let since = told(zone, self.since);
        let refusal = match self.transition {
            Transition::BecomesPostpaid => {
                let message = format!("{id} became postpaid at {since}.");
                Refusal::new(Reason::NoExpiry, message)
            }
            Transition::Enters(_) => {
                let message = format!("{id} could be renewed until {since}.");
                Refusal::new(Reason::RenewalWindowClosed, message)
            }
        };
        refusal.with("instance", id)
    }

    fn take(self, next: &mut Loaded) {
        next.version += 1;
        match self.transition {
            Transition::Enters(state) => next.recorded.state = state,
            Transition::BecomesPostpaid => {
                next.instance.billing = Billing::Postpaid;
                next.instance.policy = PolicyState::Manual;
                next.recorded.state = State::Active;
            }
        }
    }

    /// What is told of it, once it is taken.
    fn event(self, next: &Loaded, expiry: DateTime<Utc>) -> Event {
        let kind = match (self.from, self.transition) {
            (_, Transition::BecomesPostpaid) => kinds::INSTANCE_BECAME_POSTPAID,
            (_, Transition::Enters(State::Released)) => kinds::INSTANCE_RELEASED,
            (State::Active, Transition::Enters(_)) => kinds::INSTANCE_EXPIRED,
            (_, Transition::Enters(_)) => kinds::INSTANCE_RETAINED,
        };
        Event::new(kind, next.instance.account.clone())
            .of_instance(next.instance.id.clone(), next.version)
            .with("expiry", expiry.to_rfc3339())
            .with("since", self.since.to_rfc3339())
            .with("state", next.recorded.state)
    }
}
