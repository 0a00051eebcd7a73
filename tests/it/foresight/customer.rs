//! Customers, drawn by lot: what they rent, with what they pay, and what comes later.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proto::{
    catalog::v1::ApplyCatalogRequest,
    convert::timestamp,
    renewal::v1::{
        AccountSettings, RenewalSetting, SetRenewalPoliciesRequest, StandardDay,
        UpdateAccountSettingsRequest, binding, standard_day::Day,
    },
    r#type::v1::RenewalPolicy,
    wallet::v1::VoucherTerms,
};
use tests::{Suite, fixture::*};

/// What an account has, drawn by lot.
#[derive(Debug, Clone)]
pub struct Customer {
    profile: &'static str,
    /// The hour at which all of this begins.
    hour: i64,
    cash: i64,
    /// The standard date that automatic renewals follow.
    follows: Option<i32>,
    /// How much of it may be renewed by itself in a day: orders, and fen.
    most: (Option<u32>, Option<u64>),
    rented: Vec<Rented>,
    vouchers: Vec<Given>,
    pub later: Later,
}

#[derive(Debug, Clone)]
struct Rented {
    product: usize,
    /// Days after the start on which it ends.
    end: i64,
    policy: RenewalPolicy,
    cycle: &'static str,
    remaining: Option<i32>,
    /// Something is bound to it and always goes along; it ends so many days later.
    child: Option<i64>,
    /// Somebody ordered it and has not paid.
    ordered: bool,
}

#[derive(Debug, Clone)]
struct Given {
    face: i64,
    from: i64,
    days: i64,
    noon: bool,
    single_use: bool,
    automatic: bool,
    product: Option<usize>,
    minimum: Option<i64>,
    share: Option<i32>,
    longest: Option<i32>,
}

/// What comes from outside once the story is under way.
#[derive(Debug, Clone)]
pub struct Later {
    /// So many days after the start.
    day: i64,
    cash: i64,
    voucher: Option<Given>,
    /// Where money runs short: a minute before, just what is missing, or a fen less.
    pub rescue: Option<Rescue>,
}

/// How much comes when money is about to run short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rescue {
    /// What is missing.
    Enough,
    /// One fen less.
    OneLess,
}

type Settings = &'static [(&'static str, &'static str)];

/// Products of all four vendors, and what is bound to them.
const PRODUCTS: [(&str, Settings); 6] = [
    ("ks-eip", &[("line_type", "bgp"), ("bandwidth_mbps", "5")]),
    ("ks-kec", &[("flavor", "n3.2b")]),
    ("jd-vm", &[("flavor", "g.n2.medium")]),
    ("al-redis", &[("instance_class", "redis.master.small")]),
    ("hw-ecs", &[("flavor", "s6.small.1")]),
    ("hw-standard-pool", &[("flavor", "modelarts.vm.cpu.8ud"), ("nodes", "1")]),
];

const BOUND: [(&str, &str, Settings, binding::Kind); 2] = [
    ("ks-kec", "ks-ebs", &[("disk_type", "ssd3.0"), ("size_gb", "50")], binding::Kind::Strong),
    ("jd-vm", "jd-eip", &[("line_type", "bgp"), ("bandwidth_mbps", "1")], binding::Kind::Forced),
];

fn rented() -> impl Strategy<Value = Rented> {
    let policy = prop_oneof![
        7 => Just(RenewalPolicy::Auto),
        1 => Just(RenewalPolicy::Manual),
        2 => Just(RenewalPolicy::PostpaidAfterExpiry),
    ];
    let cycle = prop_oneof![3 => Just("1m"), 1 => Just("2m")];
    let remaining = prop_oneof![3 => Just(None), 1 => (1..=2).prop_map(Some)];
    let child = prop_oneof![1 => Just(None), 1 => (0..4_i64).prop_map(Some)];
    (0..PRODUCTS.len(), -4..40_i64, policy, cycle, remaining, child, 0..6).prop_map(
        |(product, end, policy, cycle, remaining, child, ordered)| {
            let name = PRODUCTS[product].0;
            let policy = match policy {
                RenewalPolicy::PostpaidAfterExpiry if !name.starts_with("hw") => {
                    RenewalPolicy::Auto
                }
                policy => policy,
            };
            // Kingsoft renews by the month.
            let cycle = if name.starts_with("ks") { "1m" } else { cycle };
            let bound = BOUND.iter().find(|(parent, ..)| *parent == name);
            // Those that are as one end at one instant (B-4).
            let child = child.zip(bound);
            let child = child.map(
                |(later, (.., kind))| {
                    if *kind == binding::Kind::Strong { 0 } else { later }
                },
            );
            Rented { product, end, policy, cycle, remaining, child, ordered: ordered == 0 }
        },
    )
}

fn given() -> impl Strategy<Value = Given> {
    let product = prop_oneof![2 => Just(None), 1 => (0..PRODUCTS.len()).prop_map(Some)];
    let minimum = prop_oneof![3 => Just(None), 1 => (1..15_000_i64).prop_map(Some)];
    let share = prop_oneof![3 => Just(None), 1 => (1..=99).prop_map(Some)];
    let longest = prop_oneof![5 => Just(None), 1 => (1..=2).prop_map(Some)];
    let flags = (any::<bool>(), 0..4, 0..5);
    (1..20_000_i64, -5..20_i64, 1..60_i64, flags, product, minimum, share, longest).prop_map(
        |(face, from, days, (noon, single, automatic), product, minimum, share, longest)| Given {
            face,
            from,
            days: days.max(2 - from),
            noon,
            single_use: single == 0,
            automatic: automatic > 0,
            product,
            minimum,
            share,
            longest,
        },
    )
}

fn later() -> impl Strategy<Value = Later> {
    let rescue = prop_oneof![
        1 => Just(None), 2 => Just(Some(Rescue::Enough)), 1 => Just(Some(Rescue::OneLess)),
    ];
    let cash = prop_oneof![1 => Just(0), 1 => 1..40_000_i64];
    (2..40_i64, cash, prop::option::of(given()), rescue)
        .prop_map(|(day, cash, voucher, rescue)| Later { day, cash, voucher, rescue })
}

/// A customer.
pub fn customer() -> impl Strategy<Value = Customer> {
    let profile =
        prop_oneof![Just("kingsoft"), Just("jdcloud"), Just("aliyun"), Just("huaweicloud")];
    let follows = prop_oneof![3 => Just(None), 1 => (1..=28).prop_map(Some)];
    let most = (
        prop_oneof![4 => Just(None), 1 => (1..3_u32).prop_map(Some)],
        prop_oneof![6 => Just(None), 1 => (1..40_000_u64).prop_map(Some)],
    );
    let rented = prop::collection::vec(rented(), 1..6);
    let vouchers = prop::collection::vec(given(), 0..5);
    let money = prop_oneof![1 => 0..30_000_i64, 1 => 0..200_000_i64];
    (profile, 0..24_i64, money, follows, most, rented, vouchers, later()).prop_map(
        |(profile, hour, cash, follows, most, rented, vouchers, later)| Customer {
            profile,
            hour,
            cash,
            follows,
            most,
            rented,
            vouchers,
            later,
        },
    )
}

/// Whose everything is.
pub const ACCOUNT: &str = "acme";

/// The day on which it begins.
pub fn start() -> DateTime<Utc> {
    at("2026-03-01 00:00")
}

fn day(days: i64) -> String {
    let local = start() + TimeDelta::days(days) + TimeDelta::hours(8);
    local.format("%Y-%m-%d %H:%M").to_string()
}

/// The catalogs: a pool at Huawei is tried until it stops, and Kingsoft is dearer from April on.
async fn apply_catalogs(suite: &Suite) {
    let dearer = "\nprices:\n  - {product: ks-eip, component: bandwidth, sku: bgp, currency: CNY, \
                  effective_from: \"2026-04-01T00:00:00+08:00\", monthly: 21.37}\n";
    for document in CATALOGS {
        let mut document = document.to_owned();
        if document.contains("- id: hw-standard-pool") {
            document = document.replacen("stop: UNTIL_EXPIRY", "stop: UNTIL_SUSPENSION", 1);
        }
        if document.contains("- id: ks-eip") {
            document = document.replacen("\nprices:\n", dearer, 1);
        }
        let request = ApplyCatalogRequest { document, dry_run: false };
        suite.catalog().apply_catalog(request).await.expect("the catalog is good");
    }
}

impl Customer {
    /// What the command line of the suite says of it.
    pub fn words(&self) -> Vec<String> {
        let (orders, amount) = self.most;
        let orders = orders.map(|most| ["--auto-orders-per-day".to_owned(), most.to_string()]);
        let amount = amount.map(|most| ["--auto-amount-per-day".to_owned(), most.to_string()]);
        orders.into_iter().chain(amount).flatten().collect()
    }

    /// The hours at which anything of it is due.
    pub fn hours(&self) -> Vec<i64> {
        let schedule = |rented: &Rented| match PRODUCTS[rented.product].0.split_once('-') {
            Some(("hw", _)) => 3,
            Some(("jd" | "al", _)) => 8,
            _ => 0,
        };
        let hours: BTreeSet<_> = self.rented.iter().map(schedule).chain([0, 23]).collect();
        hours.into_iter().collect()
    }

    pub async fn moves_in(&self, suite: &Suite) {
        suite.set_clock(start() + TimeDelta::hours(self.hour));
        apply_catalogs(suite).await;
        suite.open_account(ACCOUNT, self.profile, self.cash).await;
        if let Some(day) = self.follows {
            let settings = AccountSettings {
                standard_day: Some(StandardDay { day: Some(Day::DayOfMonth(day)) }),
                auto_follows_standard_day: true,
                ..AccountSettings::default()
            };
            let paths = ["standard_day", "auto_follows_standard_day"].map(str::to_owned).into();
            let request = UpdateAccountSettingsRequest {
                account_id: ACCOUNT.to_owned(),
                settings: Some(settings),
                update_mask: Some(prost_types::FieldMask { paths }),
                etag: String::new(),
            };
            suite.accounts().update_account_settings(request).await.expect("good settings");
        }
        for (number, rented) in self.rented.iter().enumerate() {
            rented.moves_in(suite, &format!("i-{number}")).await;
        }
        for given in &self.vouchers {
            given.arrives(suite).await;
        }
    }
}

impl Rented {
    async fn moves_in(&self, suite: &Suite, id: &str) {
        let (product, settings) = PRODUCTS[self.product];
        let mut rows = vec![prepaid(ACCOUNT, id, product, settings, &day(self.end))];
        let bound = BOUND.iter().find(|(parent, ..)| *parent == product);
        if let Some((later, (_, product, settings, kind))) = self.child.zip(bound) {
            let name = format!("{id}-bound");
            let child = prepaid(ACCOUNT, &name, product, settings, &day(self.end + later));
            rows.push(tests::fixture::bound(child, id, *kind));
        }
        suite.register(rows).await;
        if self.ordered {
            // What ended too long ago cannot be ordered any more.
            let _ = suite.create(order_of(ACCOUNT, selection(&[id], "1m"))).await;
        }
        if self.policy != RenewalPolicy::Manual {
            let auto = self.policy == RenewalPolicy::Auto;
            let renewal = RenewalSetting {
                policy: self.policy.into(),
                auto_cycle: auto.then(|| duration(self.cycle)),
                auto_remaining: self.remaining.filter(|_| auto),
            };
            let request = SetRenewalPoliciesRequest {
                account_id: ACCOUNT.to_owned(),
                instance_ids: vec![id.to_owned()],
                renewal: Some(renewal),
            };
            // Too late for some: then they are as they are.
            suite.instances().set_renewal_policies(request).await.expect("a good call");
        }
    }
}

impl Given {
    async fn arrives(&self, suite: &Suite) {
        let expires = at(&day(self.from + self.days));
        let noon = TimeDelta::hours(if self.noon { 12 } else { 0 });
        let products = self.product.map(|product| PRODUCTS[product].0.to_owned());
        let terms = VoucherTerms {
            valid_from: Some(timestamp(at(&day(self.from)))),
            expire_time: Some(timestamp(expires + noon)),
            only_product_ids: products.into_iter().collect(),
            minimum_spend: self.minimum.map(cny),
            single_use: self.single_use,
            automatic_use: Some(self.automatic),
            largest_share_percent: self.share,
            longest_term_months: self.longest,
            ..VoucherTerms::default()
        };
        suite.issue_with(ACCOUNT, self.face, terms).await;
    }
}

impl Later {
    /// When it comes, where nothing has to be rescued.
    pub fn time(&self) -> DateTime<Utc> {
        start() + TimeDelta::days(self.day) + TimeDelta::minutes(13 * 60 + 30)
    }

    pub async fn comes(&self, suite: &Suite) {
        if self.cash > 0 {
            suite.deposit(ACCOUNT, self.cash).await;
        }
        if let Some(voucher) = &self.voucher {
            // Its validity is counted from this day on.
            Given { from: voucher.from + self.day, ..voucher.clone() }.arrives(suite).await;
        }
    }
}
