//! Nights with two schedulers, in which processes die, schedulers are killed, sleep or come late: every
//! attempt that came due is decided exactly once, and the audit finds nothing off.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use platform::fault::Fault;
use proto::{
    renewal::v1::InstanceRegistration,
    scheduler::v1::{PauseScheduleRequest, ResumeScheduleRequest},
    r#type::v1::RenewalPolicy,
};
use tests::{Another, Backend, Layout, Suite, console::Desk, fixture::*};

use crate::faults;

/// What has to be done in a night. (What follows them waits as long as they fail.)
const KINDS: [&str; 3] = ["renew", "advance", "deliver"];

/// What a console is told of.
const MACHINES: [&str; 2] = ["served", "refused"];

/// Minutes until eight.
const EIGHT: i64 = 8 * 60;

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

impl Nights {
    async fn begin(backend: Backend) -> Self {
        let suite = Suite::start(backend, Layout::FourProcesses).await;
        suite.kingsoft("rich", 0).await;
        suite.open_account("poor", "kingsoft", 0).await;
        suite.open_account("acme", "jdcloud", 10_000_00).await;
        let desk = Desk::open(suite.folder()).await;
        suite.apply_catalog_told_to(&desk.address(), "jd-vm").await;
        let schedulers = vec![suite.another_scheduler(60).await, suite.another_scheduler(60).await];
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

    /// Goes on to noon before the next night, and registers what is due in it.
    async fn noon(&mut self) {
        self.suite.set_clock(self.at("12:00"));
        self.day = self.day + Days::new(1);
        let eip = |account, name| {
            let settings = [("line_type", "bgp"), ("bandwidth_mbps", "5")];
            self.due(account, name, "ks-eip", &settings)
        };
        let machine = |account, name| self.due(account, name, "jd-vm", &[("flavor", "g.s1.micro")]);
        let refused = self.id("refused");
        self.desk.refuse(&refused);
        let rows = vec![
            eip("rich", "plain"),
            eip("rich", "ordered"),
            machine("rich", "served"),
            machine("rich", "refused"),
            eip("poor", "poor"),
            machine("acme", "by-hand"),
        ];
        self.suite.register(rows).await;
        let ids = ["plain", "ordered", "served", "refused"].map(|name| self.id(name));
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        self.suite.set_auto("rich", &ids).await;
        self.suite.set_auto("poor", &[&self.id("poor")]).await;
        let (bill, _) = self.suite.preview("rich", selection(&ids[..3], "1m")).await;
        let (twice, _) = self.suite.preview("rich", selection(&ids[2..3], "1m")).await;
        let price = |bill: proto::renewal::v1::Bill| bill.payable.expect("a price").minor_units;
        let cash = self.suite.cash("rich").await;
        self.suite.deposit("rich", price(bill) + price(twice) - cash).await;
        // It stands in the way until the last attempt calls it off.
        let order = order_of("rich", selection(&ids[1..2], "1m"));
        self.suite.create(order).await.expect("an order");
    }

    fn due(
        &self,
        account: &str,
        name: &str,
        product: &str,
        settings: &[(&str, &str)],
    ) -> InstanceRegistration {
        let end = format!("{} 00:00", self.last_day(name) + Days::new(1));
        prepaid(account, &self.id(name), product, settings, &end)
    }

    /// Midnight: the schedulers begin.
    fn midnight(&self) {
        self.suite.set_clock(self.at("00:00"));
    }

    /// Lets the minute `number` after midnight begin, and all be done that is due then.
    async fn minute(&self, number: i64) {
        self.suite.set_clock(self.at("00:00") + TimeDelta::minutes(number));
        self.suite.minute(&KINDS).await;
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
        self.suite.minute(&KINDS).await;
    }

    /// The process of `fault` dies in the night; it is the next minute but some when this returns.
    async fn killed_at(&mut self, fault: Fault) -> i64 {
        let service = fault.service();
        if PAGE.contains(&fault) {
            self.suite.restart(service, Some(fault));
            self.midnight();
            self.die(fault).await;
            return 1;
        }
        if LEFT_BEHIND.contains(&fault) {
            self.suite.restart("renewal", Some(Fault::AfterPage));
            self.midnight();
            assert!(self.suite.died("renewal"), "no page was begun");
            self.suite.minute(&KINDS).await;
            if service == "wallet" {
                self.suite.restart("renewal", None);
            }
            self.suite.restart(service, Some(fault));
            // After more than five minutes the wallet does not take the payment any more.
            let later = if fault == Fault::AfterVoid { 7 } else { 2 };
            self.suite.set_clock(self.at("00:00") + TimeDelta::minutes(later));
            self.die(fault).await;
            return later + 1;
        }
        if DELIVERY.contains(&fault) {
            self.rest(0).await;
            self.pause("deliver", true).await;
            self.suite.set_clock(self.at("08:00"));
            self.suite.minute(&["renew"]).await;
            self.suite.restart(service, Some(fault));
            self.pause("deliver", false).await;
            self.suite.set_clock(self.at("08:01"));
            self.die(fault).await;
            return EIGHT + 2;
        }
        let id = self.id("by-hand");
        let order = order_of("acme", selection(&[&id], "1m"));
        self.midnight();
        if faults::CHECKOUT.contains(&fault) {
            faults::die_at_checkout(&mut self.suite, fault, &order).await;
        } else {
            assert!(BY_HAND.contains(&fault), "nobody dies of {fault} here");
            faults::die_at(&mut self.suite, fault, &order).await;
        }
        self.suite.minute(&KINDS).await;
        1
    }

    /// After a night, whatever happened in it.
    async fn all_is_well(&self) {
        let suite = &self.suite;
        if suite.now() < self.at("08:00") {
            self.rest(EIGHT).await;
        }
        suite.set_clock(self.at("23:00"));
        suite.minute(&KINDS).await;
        suite.minute(&["expire"]).await;
        assert_eq!(suite.decided_once("rich", self.day).await, ["RENEWED 4"], "{}", self.day);
        assert_eq!(suite.decided_once("poor", self.day).await, ["FAILED 2"], "{}", self.day);
        for name in ["plain", "ordered", "served", "refused"] {
            let instance = suite.instance("rich", &self.id(name)).await;
            let policy = instance.renewal.as_ref().map(proto::renewal::v1::RenewalSetting::policy);
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

    /// Four minutes of the night, from this one after midnight on.
    async fn rest(&self, from: i64) {
        for number in from..from + 4 {
            self.minute(number).await;
        }
    }
}

/// One night for each of `faults`.
async fn nights_of(backend: Backend, faults: &[Fault]) {
    let mut nights = Nights::begin(backend).await;
    for fault in faults {
        nights.noon().await;
        let next = nights.killed_at(*fault).await;
        nights.rest(next).await;
        nights.all_is_well().await;
    }
}

#[test]
fn there_is_a_night_for_every_fault_point() {
    let lived = [&PAGE[..], &LEFT_BEHIND, &DELIVERY, &BY_HAND, &faults::CHECKOUT].concat();
    assert_eq!(lived.len(), Fault::ALL.len());
    assert_eq!(lived.into_iter().collect::<BTreeSet<_>>(), Fault::ALL.into());
}

/// Schedulers come and go.
async fn schedulers_come_and_go(backend: Backend) {
    let mut nights = Nights::begin(backend).await;

    // One is killed while it is at it: what it holds is free after half a minute.
    nights.noon().await;
    nights.midnight();
    nights.schedulers.pop();
    nights.rest(1).await;
    nights.all_is_well().await;

    // One falls asleep while it is at it, and goes on when the other one has done its work. A file has one
    // process that writes: whatever that one holds when it falls asleep, it holds.
    nights.noon().await;
    nights.schedulers.push(nights.suite.another_scheduler(60).await);
    nights.midnight();
    nights.schedulers[1].pause(backend == Backend::Postgres);
    nights.rest(1).await;
    nights.schedulers[1].pause(false);
    nights.rest(5).await;
    nights.all_is_well().await;

    // None is there at midnight: late is not missed.
    nights.noon().await;
    nights.schedulers.clear();
    nights.midnight();
    nights.suite.set_clock(nights.at("05:00"));
    nights.schedulers =
        vec![nights.suite.another_scheduler(60).await, nights.suite.another_scheduler(60).await];
    nights.rest(5 * 60).await;
    nights.all_is_well().await;

    // An operator keeps renewals from running, and whatever follows them waits.
    nights.noon().await;
    nights.pause("renew", true).await;
    nights.midnight();
    nights.suite.minute(&["advance", "deliver"]).await;
    nights.suite.set_clock(nights.at("06:00"));
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
