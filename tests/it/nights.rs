//! Nights with two schedulers, in which processes die, schedulers are killed, sleep or come late: every
//! attempt that came due is decided exactly once, and the audit finds nothing off.

mod turns;

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use platform::fault::Fault;
use proto::{
    renewal::v1::{InstanceRegistration, RenewalSetting},
    scheduler::v1::{PauseScheduleRequest, ResumeScheduleRequest},
    r#type::v1::RenewalPolicy,
};
use tests::{Another, Backend, Layout, Suite, console::Desk, fixture::*};

use crate::faults;

/// What has to be done in a night.
const KINDS: [&str; 3] = ["renew", "advance", "deliver"];

/// What follows, and waits as long as that fails.
const FOLLOWING: [&str; 2] = ["expire", "remind"];

/// What the schedulers run, each minute.
const INTERVALS: &str = "all=0,renew=60,advance=60,deliver=60,expire=60,remind=60";

/// What a console is told of.
const MACHINES: [&str; 2] = ["served", "refused"];

/// Minutes until eight in the morning.
const EIGHT: i64 = 8 * 60;

/// Minutes until all of a day is over that matters here.
const ELEVEN_AT_NIGHT: i64 = 23 * 60;

/// Where a page of automatic renewals dies.
const PAGE: [Fault; 4] =
    [Fault::AfterPage, Fault::AfterCharge, Fault::AfterPageAnswer, Fault::AfterPageSettled];

/// Where Advance dies, which finishes a page that died.
const LEFT_BEHIND: [Fault; 3] = [Fault::AfterChargeAnswer, Fault::AfterSettle, Fault::AfterVoid];

/// Where a console is told, and what it refuses is given back.
const DELIVERY: [Fault; 7] = [
    Fault::AfterDelivery,
    Fault::AfterDelivered,
    Fault::AfterDeliveryRefused,
    Fault::AfterTakingBack,
    Fault::AfterRefund,
    Fault::AfterRefundAnswer,
    Fault::AfterRefunded,
];

/// Where somebody renews by hand at midnight.
const BY_HAND: [Fault; 3] = [Fault::AfterCreate, Fault::AfterPaying, Fault::AfterCancel];

/// One night after the other, in a suite of four processes with two schedulers that look each minute.
///
/// Of each night, `rich` has just the money for what is due of it, and `poor` none.
struct Nights {
    suite: Suite,
    desk: Desk,
    schedulers: Vec<Another>,
    day: NaiveDate,
}

async fn two_schedulers(suite: &Suite) -> [Another; 2] {
    [suite.another_scheduler(INTERVALS).await, suite.another_scheduler(INTERVALS).await]
}

impl Nights {
    async fn begin(backend: Backend) -> Self {
        let suite = Suite::start(backend, Layout::FourProcesses).await;
        suite.kingsoft("rich", 0).await;
        suite.open_account("poor", "kingsoft", 0).await;
        suite.open_account("acme", "jdcloud", 10_000_00).await;
        let desk = Desk::open(suite.folder()).await;
        suite.apply_catalog_told_to(&desk.address(), "jd-vm").await;
        let schedulers = Vec::from(two_schedulers(&suite).await);
        let day = NaiveDate::from_ymd_opt(2026, 3, 1).expect("a date");
        Self { suite, desk, schedulers, day }
    }

    /// The local time `time` of the day.
    fn at(&self, time: &str) -> DateTime<Utc> {
        at(&format!("{} {time}", self.day))
    }

    /// The name that `name` has in this night.
    fn id(&self, name: &str) -> String {
        format!("{name}-{}", self.day)
    }

    /// The last day of what is due in this night: Kingsoft's is tried at its midnight, JD's from seven days
    /// before at eight.
    fn last_day(&self, name: &str) -> NaiveDate {
        self.day + Days::new(if MACHINES.contains(&name) { 7 } else { 0 })
    }

    /// Goes on to the evening before the next night, and registers what is due in it.
    async fn evening(&mut self) {
        self.suite.set_clock(self.at("23:30"));
        self.day = self.day + Days::new(1);
        self.desk.refuse(&self.id("refused"));
        self.suite.register(self.due()).await;
        let ids = ["plain", "ordered", "served", "refused"].map(|name| self.id(name));
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        self.suite.set_auto("rich", &ids).await;
        self.suite.set_auto("poor", &[&self.id("poor")]).await;
        let machine = self.suite.price("rich", ids[2]).await;
        let addresses = 2 * self.suite.price("rich", ids[0]).await;
        // What was given back the night before is there still.
        let cash = self.suite.cash("rich").await;
        self.suite.deposit("rich", addresses + 2 * machine - cash).await;
        // It stands in the way until the last attempt calls it off.
        let order = order_of("rich", selection(&ids[1..2], "1m"));
        self.suite.create(order).await.expect("an order");
        // Nothing of this day is under way when the night begins.
        self.wake().await;
        turns::taken(&self.suite, &KINDS).await;
        turns::taken(&self.suite, &FOLLOWING).await;
    }

    /// What is due in the night.
    fn due(&self) -> Vec<InstanceRegistration> {
        let named = |name: &str| {
            let end = self.last_day(name) + Days::new(1);
            (self.id(name), format!("{end} 00:00"))
        };
        let address = |account, name| {
            let (id, end) = named(name);
            eip(account, &id, &end)
        };
        let machine = |account, name| {
            let (id, end) = named(name);
            vm(account, &id, &end)
        };
        vec![
            address("rich", "plain"),
            address("rich", "ordered"),
            machine("rich", "served"),
            machine("rich", "refused"),
            address("poor", "poor"),
            machine("acme", "by-hand"),
        ]
    }

    /// The minute `number` after midnight: the schedulers begin what is due in it.
    async fn begin_minute(&self, number: i64) {
        self.suite.set_clock(self.at("00:00") + TimeDelta::minutes(number));
        self.wake().await;
    }

    /// Midnight.
    async fn midnight(&self) {
        self.begin_minute(0).await;
    }

    /// Waits until the schedulers have had their turn in the minute `number` after midnight.
    async fn whole_minute(&self, number: i64) {
        self.begin_minute(number).await;
        turns::taken(&self.suite, &KINDS).await;
    }

    /// Has the schedulers look now.
    async fn wake(&self) {
        for scheduler in &self.schedulers {
            turns::wake(scheduler).await;
        }
    }

    /// Midnight: while the renewal service hangs, one scheduler begins, and `happens` to it; the other one
    /// looks only then.
    async fn one_at_work<T>(&mut self, happens: impl FnOnce(Another) -> T) -> T {
        let one = self.schedulers.remove(0);
        self.suite.pause("renewal", true);
        self.schedulers.iter().for_each(|other| other.pause(true));
        self.suite.set_clock(self.at("00:00"));
        turns::wake(&one).await;
        turns::begun(&self.suite, "renew").await;
        let happened = happens(one);
        self.schedulers.iter().for_each(|other| other.pause(false));
        self.suite.pause("renewal", false);
        happened
    }

    /// Keeps a schedule from running, or lets it run again.
    async fn pause(&self, kind: &str, paused: bool) {
        let (mut schedules, kind) = (self.suite.schedules(), kind.to_owned());
        if paused {
            schedules.pause_schedule(PauseScheduleRequest { kind }).await.expect("a schedule");
        } else {
            schedules.resume_schedule(ResumeScheduleRequest { kind }).await.expect("a schedule");
        }
    }

    /// The process of `fault`, which is armed, dies; then it is started again.
    async fn die(&mut self, fault: Fault) {
        assert!(self.suite.died(fault.service()), "{fault} was not reached");
        self.suite.restart(fault.service(), None);
        turns::taken(&self.suite, &KINDS).await;
    }

    /// The process of `fault` dies in the night: the next minute after midnight.
    async fn killed_at(&mut self, fault: Fault) -> i64 {
        if PAGE.contains(&fault) {
            self.suite.restart(fault.service(), Some(fault));
            self.midnight().await;
            self.die(fault).await;
            1
        } else if LEFT_BEHIND.contains(&fault) {
            self.killed_mending(fault).await
        } else if DELIVERY.contains(&fault) {
            self.killed_delivering(fault).await
        } else {
            self.killed_by_hand(fault).await;
            1
        }
    }

    /// First a page dies, and then whoever finishes it.
    async fn killed_mending(&mut self, fault: Fault) -> i64 {
        self.suite.restart("renewal", Some(Fault::AfterPage));
        self.midnight().await;
        assert!(self.suite.died("renewal"), "no page was begun");
        turns::taken(&self.suite, &KINDS).await;
        if fault.service() == "wallet" {
            self.suite.restart("renewal", None);
        }
        self.suite.restart(fault.service(), Some(fault));
        // After more than five minutes the wallet does not take the payment any more.
        let later = if fault == Fault::AfterVoid { 7 } else { 2 };
        self.begin_minute(later).await;
        self.die(fault).await;
        later + 1
    }

    /// What was renewed at eight is delivered a minute later.
    async fn killed_delivering(&mut self, fault: Fault) -> i64 {
        self.rest(0).await;
        self.pause("deliver", true).await;
        self.begin_minute(EIGHT).await;
        turns::taken(&self.suite, &["renew"]).await;
        self.suite.restart(fault.service(), Some(fault));
        self.begin_minute(EIGHT + 1).await;
        self.pause("deliver", false).await;
        self.die(fault).await;
        EIGHT + 2
    }

    /// Somebody renews by hand while the schedulers are at it.
    async fn killed_by_hand(&mut self, fault: Fault) {
        let id = self.id("by-hand");
        let order = order_of("acme", selection(&[&id], "1m"));
        self.midnight().await;
        if faults::CHECKOUT.contains(&fault) {
            faults::die_at_checkout(&mut self.suite, fault, &order).await;
        } else {
            assert!(BY_HAND.contains(&fault), "nobody dies of {fault} here");
            faults::die_at(&mut self.suite, fault, &order).await;
        }
        turns::taken(&self.suite, &KINDS).await;
    }

    /// What is left of the night's work is done from the minute `from` after midnight on.
    async fn rest(&self, from: i64) {
        for number in [from, from + 2] {
            self.whole_minute(number).await;
        }
    }

    /// After a night, whatever happened in it.
    async fn all_is_well(&self) {
        let suite = &self.suite;
        if suite.now() < self.at("08:00") {
            self.rest(EIGHT).await;
        }
        self.whole_minute(ELEVEN_AT_NIGHT).await;
        turns::taken(&self.suite, &FOLLOWING).await;
        assert_eq!(suite.decided_once("rich", self.day).await, ["RENEWED 4"], "{}", self.day);
        assert_eq!(suite.decided_once("poor", self.day).await, ["FAILED 2"], "{}", self.day);
        for name in ["plain", "ordered", "served", "refused"] {
            let instance = suite.instance("rich", &self.id(name)).await;
            let policy = instance.renewal.as_ref().map(RenewalSetting::policy);
            assert_eq!(instance.open_order_id, "", "{name}");
            // What the console has refused is given back, and not renewed by itself any more (O-6).
            let refused = name == "refused";
            let same = instance.expiry_shown == format!("{} 23:59:59", self.last_day(name));
            assert_eq!(same, refused, "{name}");
            assert_eq!(policy == Some(RenewalPolicy::Manual), refused, "{name}");
        }
        let poor = suite.instance("poor", &self.id("poor")).await.expiry_shown;
        assert_eq!(poor, format!("{} 23:59:59", self.day));
        assert_eq!(suite.cash("rich").await, 56_00, "that of what was refused is there again");
        suite.audit().await;
    }
}

/// One night for each of `faults`.
async fn nights_of(backend: Backend, faults: &[Fault]) {
    let mut nights = Nights::begin(backend).await;
    for fault in faults {
        nights.evening().await;
        let next = nights.killed_at(*fault).await;
        nights.rest(next).await;
        nights.all_is_well().await;
    }
}

#[test]
fn there_is_a_night_for_every_fault_point() {
    let lived = [&PAGE[..], &LEFT_BEHIND, &DELIVERY, &BY_HAND, &faults::CHECKOUT].concat();
    assert_eq!(lived.len(), faults::of_orders().count());
    assert_eq!(lived.into_iter().collect::<BTreeSet<_>>(), faults::of_orders().collect());
}

fn fall_asleep(scheduler: Another) -> Another {
    scheduler.pause(true);
    scheduler
}

/// Schedulers come and go.
async fn schedulers_come_and_go(backend: Backend) {
    let mut nights = Nights::begin(backend).await;

    // One is killed while it is at it: what it holds is free after half a minute.
    nights.evening().await;
    nights.one_at_work(drop).await;
    nights.rest(1).await;
    nights.all_is_well().await;

    // One falls asleep while it is at it, and goes on when the other one has done its work.
    nights.schedulers.push(nights.suite.another_scheduler(INTERVALS).await);
    nights.evening().await;
    let asleep = nights.one_at_work(fall_asleep).await;
    nights.rest(1).await;
    asleep.pause(false);
    nights.schedulers.push(asleep);
    nights.rest(5).await;
    nights.all_is_well().await;

    // None is there at midnight: late is not missed.
    nights.evening().await;
    nights.schedulers.clear();
    nights.midnight().await;
    nights.begin_minute(5 * 60).await;
    nights.schedulers.extend(two_schedulers(&nights.suite).await);
    nights.rest(5 * 60).await;
    nights.all_is_well().await;

    // An operator keeps renewals from running, and whatever follows them waits.
    nights.evening().await;
    nights.pause("renew", true).await;
    nights.midnight().await;
    turns::taken(&nights.suite, &["advance", "deliver"]).await;
    nights.begin_minute(6 * 60).await;
    nights.pause("renew", false).await;
    nights.rest(6 * 60).await;
    nights.all_is_well().await;
}

macro_rules! on_both {
    ($($name:ident: $night:ident($($faults:expr)?);)*) => {
        mod sqlite {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $night(Backend::Sqlite, $($faults)?).await;
            })*
        }

        mod postgres {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $night(Backend::Postgres, $($faults)?).await;
            })*
        }
    };
}

on_both! {
    a_page_that_dies_is_finished: nights_of(&PAGE);
    what_finishes_a_page_that_died_may_die_too: nights_of(&LEFT_BEHIND);
    deliveries_and_their_refusals_may_die: nights_of(&DELIVERY);
    somebody_else_may_die_at_midnight: nights_of(&BY_HAND);
    a_checkout_may_die_at_midnight: nights_of(&faults::CHECKOUT);
    schedulers_may_be_killed_asleep_late_or_paused: schedulers_come_and_go();
}
