use chrono::TimeDelta;
use proptest::prelude::*;
use proto::wallet::v1::payment;
use rule_engine::{due::AttemptKind, instance::BindingKind, policy::PolicyWish, profile::Policy};

use super::{caps::Caps, *};
use crate::{
    domain::order::State,
    store::orders::{Order, list::AttemptList},
    tests::{
        cloud::{Cloud, acme, at, bound, clouds, id, prepaid},
        purse::Trouble,
        renewals::{create, pay},
    },
};

const MONTHLY: PolicyWish = PolicyWish::Auto { cycle: None, remaining: None };

impl Cloud {
    /// Sets a policy on instances of `acme`.
    async fn policy(&self, names: &[&str], wish: PolicyWish) {
        let ids: Vec<_> = names.iter().map(|name| id(name)).collect();
        let results = self.policies.set(&acme(), &ids, wish).await.unwrap();
        for (name, result) in results {
            result.unwrap_or_else(|refusal| panic!("{name}: {}", refusal.reason));
        }
    }

    /// One page of all shards.
    async fn page(&self, limit: usize, after: Option<Place>) -> Result<Swept, OrderError> {
        self.orders.renew_due(&RenewDue { shards: 0..64, after, limit }).await
    }

    /// Sweeps at the local time `time`: how many attempts were decided.
    async fn sweep_at(&self, time: &str) -> u32 {
        self.clock.set(at(time));
        self.sweep(1_000).await
    }

    /// Page after page, until nothing is left.
    async fn sweep(&self, limit: usize) -> u32 {
        let (mut done, mut after) = (0, None);
        loop {
            let swept = self.page(limit, after).await.unwrap();
            done += swept.done;
            after = swept.next;
            if after.is_none() {
                return done;
            }
        }
    }

    async fn attempts_of(&self, instance: Option<&str>) -> Vec<Order> {
        let wanted = AttemptList {
            account: acme(),
            instance: instance.map(id),
            date: None,
            before: None,
            size: 1_000,
        };
        self.orders.attempts(&wanted).await.unwrap().orders
    }

    /// What was decided, such as `a 2026-03-10/0 RENEWED`, in order.
    async fn decided(&self) -> Vec<String> {
        let told = |order: Order| {
            let attempt = order.attempt.unwrap();
            let identity = attempt.identity;
            let retry = match identity.kind {
                AttemptKind::Scheduled => 0,
                AttemptKind::Retry(number) => number,
            };
            let outcome = attempt.outcome.map_or("PAYING", Outcome::name);
            let reason = attempt.reason.map(|reason| format!(" {reason}")).unwrap_or_default();
            format!("{} {}/{retry} {outcome}{reason}", identity.root, identity.date)
        };
        let mut all: Vec<_> = self.attempts_of(None).await.into_iter().map(told).collect();
        all.sort();
        all
    }

    async fn policy_of(&self, name: &str) -> String {
        self.row(name).await.policy
    }

    /// Everything that is off, and everybody who holds what is not being paid.
    async fn assert_sound(&self) {
        assert_eq!(self.off().await, Vec::<String>::new());
    }
}

// at midnight of the last day, once, however often it is swept.
#[tokio::test]
async fn what_is_due_is_renewed_once() {
    let (clouds, _folder) = clouds("auto_once").await;
    for cloud in clouds {
        cloud.purse.put(150);
        cloud.register(vec![prepaid("a", "ks", "2026-03-11 00:00")]).await;
        cloud.register(vec![prepaid("m", "ks", "2026-03-11 00:00")]).await;
        cloud.policy(&["a"], MONTHLY).await;
        let before = cloud.events().await.len();
        assert_eq!(cloud.sweep_at("2026-03-09 23:59").await, 0);
        assert_eq!(cloud.sweep_at("2026-03-10 00:00").await, 1);
        assert_eq!(cloud.sweep_at("2026-03-10 00:00").await, 0);
        assert_eq!(cloud.expiry("a").await, "2026-04-10 23:59:59");
        assert_eq!(cloud.expiry("m").await, "2026-03-10 23:59:59", "it is not automatic");
        assert_eq!(cloud.events().await[before..], ["instance.renewed"]);
        assert_eq!(cloud.decided().await, ["a 2026-03-10/0 RENEWED"]);
        let order = cloud.attempts_of(Some("a")).await.remove(0);
        assert_eq!((order.state, order.payable.minor()), (State::Completed, 100));
        assert_eq!(order.payment.unwrap().state(), payment::State::Succeeded);
        assert_eq!(cloud.purse.cash(), 50);
        // The next month there is too little, and the policy stays (P-4).
        assert_eq!(cloud.sweep_at("2026-04-10 00:00").await, 1);
        assert_eq!(cloud.policy_of("a").await, "AUTO");
        assert_eq!(cloud.sweep_at("2026-04-10 23:00").await, 1, "once more in the evening");
        assert_eq!(
            cloud.decided().await,
            [
                "a 2026-03-10/0 RENEWED",
                "a 2026-04-10/0 FAILED INSUFFICIENT_FUNDS",
                "a 2026-04-10/1 FAILED INSUFFICIENT_FUNDS",
            ]
        );
        cloud.purse.put(1_000);
        assert_eq!(cloud.sweep_at("2026-04-11 00:00").await, 0, "it has expired (P-4)");
        cloud.assert_sound().await;
    }
}

// daily from seven days before; on the last day again when money arrives, and at 23:00.
#[tokio::test]
async fn what_lacks_money_is_tried_daily_and_when_money_arrives() {
    let (clouds, _folder) = clouds("auto_daily").await;
    for cloud in clouds {
        cloud.register(vec![prepaid("a", "pool", "2026-03-11 00:00")]).await;
        cloud.policy(&["a"], MONTHLY).await;
        for day in 3..=9 {
            assert_eq!(cloud.sweep_at(&format!("2026-03-0{day} 02:59")).await, 0);
            assert_eq!(cloud.sweep_at(&format!("2026-03-0{day} 03:00")).await, 1);
            assert_eq!(cloud.sweep_at(&format!("2026-03-0{day} 03:01")).await, 0);
        }
        let failed = cloud.attempts_of(Some("a")).await.remove(0);
        let attempt = failed.attempt.unwrap();
        assert_eq!(attempt.retry_time, Some(at("2026-03-10 03:00")));
        assert_eq!(failed.expire_time, at("2026-03-11 00:00"), "the last moment to pay");
        assert_eq!(cloud.sweep_at("2026-03-10 03:00").await, 1);
        assert_eq!(cloud.sweep_at("2026-03-10 12:00").await, 0);
        // Half of it comes, then the rest.
        for (time, fen, retry) in [("2026-03-10 13:00", 50, 1), ("2026-03-10 14:00", 50, 2)] {
            cloud.purse.deposit("acme", fen, at(time));
            cloud.clock.set(at(time) + TimeDelta::seconds(1));
            assert_eq!(cloud.orders.notice_funds(10).await.unwrap().noted, 1);
            assert_eq!(cloud.orders.notice_funds(10).await.unwrap().noted, 0);
            assert_eq!(cloud.sweep(1_000).await, 1);
            assert_eq!(cloud.sweep(1_000).await, 0);
            let decided = cloud.decided().await;
            assert!(decided.iter().any(|one| one.contains(&format!("03-10/{retry}"))), "{retry}");
        }
        assert_eq!(cloud.expiry("a").await, "2026-04-10 23:59:59");
        assert_eq!(cloud.decided().await.len(), 10);
        cloud.assert_sound().await;
    }
}

// in order of expiry, then id; one that cannot be paid is skipped, the next are still tried.
#[tokio::test]
async fn money_goes_in_order_of_expiry_and_what_is_too_dear_is_skipped() {
    let (clouds, _folder) = clouds("auto_order").await;
    for cloud in clouds {
        cloud.purse.put(250);
        let rows = ["c", "a", "b"].map(|name| prepaid(name, "pool", "2026-03-11 00:00"));
        cloud.register(rows.into()).await;
        cloud.register(vec![prepaid("z", "pool", "2026-03-10 00:00")]).await;
        cloud.policy(&["a", "b", "c", "z"], MONTHLY).await;
        // Pages of one: the order is the same.
        cloud.clock.set(at("2026-03-05 03:00"));
        assert_eq!(cloud.sweep(1).await, 4);
        assert_eq!(
            cloud.decided().await,
            [
                "a 2026-03-05/0 RENEWED",
                "b 2026-03-05/0 FAILED INSUFFICIENT_FUNDS",
                "c 2026-03-05/0 FAILED INSUFFICIENT_FUNDS",
                "z 2026-03-05/0 RENEWED",
            ]
        );
        cloud.assert_sound().await;
    }
}

// B-5, U-4: a group is one payment; its child goes to the new expiry of its parent.
#[tokio::test]
async fn a_group_is_renewed_as_one() {
    let (clouds, _folder) = clouds("auto_group").await;
    for cloud in clouds {
        cloud.purse.put(300);
        let child = prepaid("child", "ks", "2026-03-06 00:00");
        cloud
            .register(vec![
                prepaid("root", "ks", "2026-03-11 00:00"),
                bound(child, "root", BindingKind::Forced),
            ])
            .await;
        cloud.policy(&["root"], MONTHLY).await;
        assert_eq!(cloud.sweep_at("2026-03-05 00:00").await, 1, "the child is due first");
        assert_eq!(cloud.decided().await, ["root 2026-03-05/0 RENEWED"]);
        for name in ["root", "child"] {
            assert_eq!(cloud.expiry(name).await, "2026-04-10 23:59:59");
        }
        assert_eq!(cloud.purse.payments().len(), 1);
        assert_eq!(cloud.purse.cash(), 100);
        cloud.assert_sound().await;
    }
}

// an unpaid order keeps earlier attempts away, and is called off by the last one.
#[tokio::test]
async fn the_last_attempt_takes_the_place_of_an_unpaid_order() {
    let (clouds, _folder) = clouds("auto_last").await;
    for cloud in clouds {
        cloud.purse.put(1_000);
        let rows = ["a", "b"].map(|name| prepaid(name, "pool", "2026-03-11 00:00"));
        cloud.register(rows.into()).await;
        let order = cloud.order(&create(1, &["a", "b"])).await.unwrap();
        cloud.policy(&["a"], MONTHLY).await;
        assert_eq!(cloud.sweep_at("2026-03-09 03:00").await, 1);
        assert_eq!(cloud.decided().await, ["a 2026-03-09/0 SKIPPED OPEN_ORDER_EXISTS"]);
        assert_eq!(cloud.sweep_at("2026-03-10 03:00").await, 1);
        let cancelled = cloud.reread(&order).await;
        assert_eq!(cancelled.state, State::Cancelled);
        assert_eq!(cancelled.ended_why.unwrap().reason, "SUPERSEDED_BY_AUTO_RENEWAL");
        assert_eq!(cloud.expiry("a").await, "2026-04-10 23:59:59");
        assert_eq!(cloud.expiry("b").await, "2026-03-10 23:59:59");
        assert_eq!(cloud.row("b").await.open_order_id, None);
        cloud.assert_sound().await;
    }
}

// one that is being paid is never superseded, and nothing is decided meanwhile.
#[tokio::test]
async fn an_order_that_is_being_paid_is_waited_for() {
    let (clouds, _folder) = clouds("auto_wait").await;
    for cloud in clouds {
        cloud.purse.put(1_000);
        cloud.register(vec![prepaid("a", "pool", "2026-03-11 00:00")]).await;
        cloud.policy(&["a"], MONTHLY).await;
        cloud.clock.set(at("2026-03-10 02:59"));
        let order = cloud.order(&create(1, &["a"])).await.unwrap();
        cloud.purse.fail([Trouble::Down]);
        cloud.orders.pay(&pay(2, &order)).await.unwrap_err();
        assert_eq!(cloud.sweep_at("2026-03-10 03:00").await, 0);
        assert_eq!(cloud.decided().await, Vec::<String>::new());
        assert_eq!(cloud.orders.advance(10).await.unwrap().done, 1);
        assert_eq!(cloud.sweep_at("2026-03-10 03:01").await, 0, "it was renewed by hand");
        cloud.assert_sound().await;
    }
}

// P-3: only successful automatic renewals count down, and the last one makes it manual.
#[tokio::test]
async fn the_last_renewal_makes_it_manual() {
    let (clouds, _folder) = clouds("auto_count").await;
    for cloud in clouds {
        cloud.purse.put(1_000);
        cloud.register(vec![prepaid("a", "ks", "2026-03-11 00:00")]).await;
        let twice = PolicyWish::Auto { cycle: None, remaining: Some(2.try_into().unwrap()) };
        cloud.policy(&["a"], twice).await;
        assert_eq!(cloud.sweep_at("2026-03-10 00:00").await, 1);
        assert_eq!(cloud.row("a").await.auto_remaining, Some(1));
        let before = cloud.events().await.len();
        assert_eq!(cloud.sweep_at("2026-04-10 00:00").await, 1);
        let row = cloud.row("a").await;
        assert_eq!(
            (row.policy.as_str(), row.auto_cycle, row.auto_remaining),
            ("MANUAL", None, None)
        );
        let told = ["instance.renewed", "instance.policy_changed"];
        assert_eq!(cloud.events().await[before..], told);
        assert_eq!(cloud.sweep_at("2026-05-10 00:00").await, 0);
        cloud.assert_sound().await;
    }
}

// late is not missed; what expired while nothing ran is renewed from its old expiry; and what
// is too late is told.
#[tokio::test]
async fn late_is_not_missed() {
    let (clouds, _folder) = clouds("auto_late").await;
    for cloud in clouds {
        cloud.purse.put(1_000);
        let rows = [("late", "10"), ("outage", "09"), ("missed", "05")];
        let rows = rows.map(|(name, day)| prepaid(name, "ks", &format!("2026-03-{day} 00:00")));
        cloud.register(rows.into()).await;
        cloud.policy(&["late", "outage", "missed"], MONTHLY).await;
        assert_eq!(cloud.sweep_at("2026-03-09 12:00").await, 3);
        assert_eq!(
            cloud.decided().await,
            [
                "late 2026-03-09/0 RENEWED",
                "missed 2026-03-04/0 MISSED RENEWAL_WINDOW_CLOSED",
                "outage 2026-03-08/0 RENEWED",
            ]
        );
        assert_eq!(cloud.expiry("late").await, "2026-04-09 23:59:59");
        assert_eq!(cloud.expiry("outage").await, "2026-04-08 23:59:59", "from the old expiry");
        assert_eq!(cloud.sweep_at("2026-03-09 13:00").await, 0);
        let told = cloud.events().await;
        assert!(told.contains(&"instance.auto_renewal_missed".to_owned()));
        cloud.assert_sound().await;
    }
}

// A-2, O-4: a page that comes to nothing halfway is finished, once.
#[tokio::test]
async fn what_a_page_leaves_halfway_is_finished_by_advance() {
    let (clouds, _folder) = clouds("auto_halfway").await;
    for cloud in clouds {
        cloud.purse.put(100);
        let rows = ["a", "b"].map(|name| prepaid(name, "pool", "2026-03-11 00:00"));
        cloud.register(rows.into()).await;
        cloud.policy(&["a", "b"], MONTHLY).await;
        for (day, trouble) in [(3, Trouble::Down), (4, Trouble::AnswerLost)] {
            cloud.purse.fail([trouble]);
            cloud.clock.set(at(&format!("2026-03-0{day} 03:00")));
            cloud.page(1_000, None).await.unwrap_err();
            assert_eq!(cloud.sweep(1_000).await, 0, "they are being paid");
            assert_eq!(cloud.orders.advance(10).await.unwrap().taken, 0, "not at once");
            cloud.clock.advance(TimeDelta::minutes(1));
            let left = if day == 3 { 2 } else { 1 };
            assert_eq!(cloud.orders.advance(10).await.unwrap().done, left);
            assert_eq!(cloud.sweep(1_000).await, 0, "they are decided");
        }
        assert_eq!(
            cloud.decided().await,
            [
                "a 2026-03-03/0 RENEWED",
                "b 2026-03-03/0 FAILED INSUFFICIENT_FUNDS",
                "b 2026-03-04/0 FAILED INSUFFICIENT_FUNDS",
            ]
        );
        assert_eq!(cloud.purse.cash(), 0);
        cloud.assert_sound().await;
    }
}

// a payment that the wallet will not take any more is no decision; the attempt is made
// again, with another payment.
#[tokio::test]
async fn a_payment_that_is_called_off_decides_nothing() {
    let (clouds, _folder) = clouds("auto_void").await;
    for cloud in clouds {
        cloud.purse.put(100);
        cloud.register(vec![prepaid("a", "pool", "2026-03-11 00:00")]).await;
        cloud.policy(&["a"], MONTHLY).await;
        cloud.clock.set(at("2026-03-03 03:00"));
        cloud.purse.fail([Trouble::Down, Trouble::ClockSkew]);
        cloud.page(1_000, None).await.unwrap_err();
        cloud.clock.set(at("2026-03-03 04:00"));
        assert_eq!(cloud.orders.advance(10).await.unwrap().done, 1);
        assert_eq!(cloud.decided().await, ["a 2026-03-03/0 VOID CLOCK_SKEW"]);
        cloud.assert_sound().await;
        assert_eq!(cloud.sweep(1_000).await, 1);
        assert_eq!(cloud.decided().await, ["a 2026-03-03/0 RENEWED"]);
        let order = cloud.attempts_of(None).await.remove(0);
        assert_eq!(order.pay_number, 2);
        cloud.assert_sound().await;
    }
}

// two sweepers at once decide each attempt once.
#[tokio::test]
async fn two_sweepers_at_once_renew_once() {
    let (clouds, _folder) = clouds("auto_two").await;
    for cloud in clouds {
        cloud.purse.put(1_000_000);
        let names: Vec<_> = (0..40).map(|number| format!("i-{number}")).collect();
        let rows = names.iter().map(|name| prepaid(name, "ks", "2026-03-11 00:00"));
        cloud.register(rows.collect()).await;
        let all: Vec<_> = names.iter().map(String::as_str).collect();
        cloud.policy(&all, MONTHLY).await;
        cloud.clock.set(at("2026-03-10 00:00"));
        let sweeps = (1..=4).map(|limit| cloud.sweep(limit * 7));
        let done: u32 = futures::future::join_all(sweeps).await.into_iter().sum();
        // What one of them was too late for is still due, until it is decided.
        assert_eq!(done + cloud.sweep(1_000).await, 40);
        assert_eq!(cloud.decided().await.len(), 40);
        assert_eq!(cloud.purse.cash(), 1_000_000 - 40 * 100);
        cloud.assert_sound().await;
    }
}

// beyond the bounds of a day the account is parked, until the next day or an operator.
#[tokio::test]
async fn beyond_its_bounds_an_account_is_parked() {
    let (clouds, _folder) = clouds("auto_caps").await;
    for mut cloud in clouds {
        cloud.purse.put(1_000);
        let caps = Caps { orders: Some(2), amount: Some(250) };
        cloud.orders = cloud.orders.clone().within(caps);
        let rows = ["a", "b", "c", "d", "e"].map(|name| prepaid(name, "pool", "2026-03-11 00:00"));
        cloud.register(rows.into()).await;
        cloud.policy(&["a", "b", "c", "d", "e"], MONTHLY).await;
        let before = cloud.events().await.len();
        assert_eq!(cloud.sweep_at("2026-03-05 03:00").await, 2);
        assert_eq!(
            cloud.events().await[before..],
            ["account.auto_renewal_parked", "instance.renewed", "instance.renewed"]
        );
        assert_eq!(cloud.sweep_at("2026-03-05 23:00").await, 0);
        let parked = cloud.accounts.get(&acme()).await.unwrap();
        assert_eq!(parked.noted.parked.unwrap().0, at("2026-03-06 00:00"));
        // An operator has it go on; the bound counts anew.
        cloud.accounts.resume(&acme()).await.unwrap();
        assert_eq!(cloud.sweep(1_000).await, 2);
        assert_eq!(cloud.sweep_at("2026-03-06 02:59").await, 1, "the attempt of the day before");
        assert_eq!(cloud.decided().await.last().unwrap(), "e 2026-03-05/0 RENEWED");
        cloud.assert_sound().await;
        let amount = Caps { orders: None, amount: Some(99) };
        cloud.orders = cloud.orders.clone().within(amount);
        cloud.register(vec![prepaid("f", "pool", "2026-03-12 00:00")]).await;
        cloud.policy(&["f"], MONTHLY).await;
        assert_eq!(cloud.sweep(1_000).await, 0, "it costs more than a day may");
        assert_eq!(cloud.accounts.resume(&acme()).await.unwrap().id, acme());
    }
}

// P-3: a cycle that is no longer offered is not replaced by another one.
#[tokio::test]
async fn by_rule_an_attempt_fails_with_its_reason() {
    let (clouds, _folder) = clouds("auto_rule").await;
    for cloud in clouds {
        cloud.purse.put(1_000);
        cloud.register(vec![prepaid("a", "ks", "2026-03-11 00:00")]).await;
        let yearly = PolicyWish::Auto { cycle: Some("1y".parse().unwrap()), remaining: None };
        cloud.policy(&["a"], yearly).await;
        cloud.catalog.end_yearly_cycles();
        assert_eq!(cloud.sweep_at("2026-03-10 00:00").await, 1);
        assert_eq!(cloud.decided().await, ["a 2026-03-10/0 FAILED TERM_NOT_OFFERED"]);
        assert_eq!(cloud.purse.cash(), 1_000);
        assert_eq!(cloud.policy_of("a").await, Policy::Auto.code());
        cloud.assert_sound().await;
    }
}

// W-5
#[tokio::test]
async fn what_costs_nothing_is_renewed_without_a_payment() {
    let (clouds, _folder) = clouds("auto_free").await;
    for cloud in clouds {
        cloud.catalog.give_away();
        cloud.register(vec![prepaid("a", "ks", "2026-03-11 00:00")]).await;
        cloud.policy(&["a"], MONTHLY).await;
        assert_eq!(cloud.sweep_at("2026-03-10 00:00").await, 1);
        assert_eq!(cloud.decided().await, ["a 2026-03-10/0 RENEWED"]);
        assert!(cloud.purse.payments().is_empty());
        cloud.assert_sound().await;
    }
}

/// A step of a random month.
#[derive(Debug, Clone)]
enum Step {
    /// So many hours pass.
    Hours(i64),
    /// A sweep in pages of so many.
    Sweep(usize),
    /// A page that breaks down, and what it leaves is finished.
    Broken(Trouble),
    /// So many fen come.
    Money(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..30_i64).prop_map(Step::Hours),
        4 => (1..6_usize).prop_map(Step::Sweep),
        1 => prop_oneof![Just(Trouble::Down), Just(Trouble::AnswerLost)].prop_map(Step::Broken),
        2 => (0..400_i64).prop_map(Step::Money),
    ];
    proptest::collection::vec(step, 5..40)
}

fn fleet() -> impl Strategy<Value = Vec<(bool, u32)>> {
    proptest::collection::vec((any::<bool>(), 3..20_u32), 1..8)
}

/// Lives through the steps; afterwards every attempt was decided once, and no fen is lost.
async fn live(cloud: &Cloud, fleet: &[(bool, u32)], steps: &[Step]) {
    let rows = fleet.iter().enumerate().map(|(number, (ks, day))| {
        let product = if *ks { "ks" } else { "pool" };
        prepaid(&format!("i-{number}"), product, &format!("2026-03-{day:02} 00:00"))
    });
    cloud.register(rows.collect()).await;
    let names: Vec<_> = (0..fleet.len()).map(|number| format!("i-{number}")).collect();
    cloud.policy(&names.iter().map(String::as_str).collect::<Vec<_>>(), MONTHLY).await;
    let mut money = 0;
    for step in steps {
        match step {
            Step::Hours(hours) => cloud.clock.advance(TimeDelta::hours(*hours)),
            Step::Sweep(limit) => {
                cloud.orders.notice_funds(100).await.unwrap();
                cloud.sweep(*limit).await;
                assert_eq!(cloud.sweep(1_000).await, 0, "nothing is left to decide");
            }
            Step::Broken(trouble) => {
                cloud.purse.fail([*trouble]);
                // Nothing may be due: then nothing breaks.
                let _ = cloud.page(1_000, None).await;
                cloud.purse.recover();
                cloud.clock.advance(TimeDelta::minutes(2));
                cloud.orders.advance(100).await.unwrap();
            }
            Step::Money(fen) => {
                money += fen;
                cloud.purse.deposit("acme", *fen, cloud.orders.now());
            }
        }
        let mut off = cloud.off().await;
        // While time passes and nobody sweeps, what is due waits.
        let swept = matches!(step, Step::Sweep(_));
        off.retain(|off| swept || !off.contains("is decided within an hour"));
        assert_eq!(off, Vec::<String>::new());
    }
    let attempts = cloud.attempts_of(None).await;
    let mut identities: Vec<_> =
        attempts.iter().map(|order| order.attempt.as_ref().unwrap().identity.to_string()).collect();
    identities.sort();
    let all = identities.len();
    identities.dedup();
    assert_eq!(identities.len(), all, "each attempt is decided once");
    let spent: i64 = attempts
        .iter()
        .filter(|order| order.state.is_paid())
        .map(|order| order.payable.minor())
        .sum();
    assert_eq!(cloud.purse.cash() + spent, money, "no fen is lost, and none is taken twice");
    assert!(attempts.iter().all(|order| order.state != State::Paying));
}

// O-4: random fleets, swept in any order and repeatedly.
#[test]
fn whatever_happens_each_attempt_is_decided_once() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 6,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let number = std::sync::atomic::AtomicU32::new(0);
    runner
        .run(&(fleet(), steps()), |(fleet, steps)| {
            let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            runtime.block_on(async {
                let (clouds, _folder) = clouds(&format!("auto_any_{number}")).await;
                for cloud in &clouds {
                    live(cloud, &fleet, &steps).await;
                }
            });
            Ok(())
        })
        .unwrap();
}
