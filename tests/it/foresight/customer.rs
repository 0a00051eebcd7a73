//! Customers, drawn by lot: what they rent, with what they pay, and what comes later.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proto::{
    catalog::v1::ApplyCatalogRequest,
    convert::timestamp,
    renewal::v1::{
        AccountSettings, InstanceRegistration, RenewalSetting, SetRenewalPoliciesRequest,
        StandardDay, UpdateAccountSettingsRequest, binding, standard_day::Day,
    },
    r#type::v1::RenewalPolicy,
    wallet::v1::VoucherTerms,
};
use tests::{Suite, fixture::*};

/// What an account has, drawn by lot.
#[derive(Debug, Clone)]
pub struct Customer {
    profile: &'static str,
    cash: i64,
    /// The standard date that automatic renewals follow.
    follows: Option<i32>,
    /// Days after the start on which something ends.
    ends: [i64; DAYS],
    /// Somebody has ordered some of it, together where that can be, and has not paid.
    orders: bool,
    rented: Vec<Rented>,
    vouchers: Vec<Given>,
    pub later: Later,
}

#[derive(Debug, Clone)]
struct Rented {
    product: usize,
    /// On which of the customer's days it ends, so that several do on one.
    end: usize,
    policy: RenewalPolicy,
    cycle: &'static str,
    remaining: Option<i32>,
    /// Something is bound to it and always goes along; it ends so many days later.
    child: Option<i64>,
    /// It is among what somebody has ordered.
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

/// Different days on which what a customer has ends.
const DAYS: usize = 3;

/// The hours at which anything is due.
pub const HOURS: [i64; 4] = [0, 3, 8, 23];

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
    // Huawei tries day after day.
    let product = prop_oneof![2 => 0..PRODUCTS.len(), 1 => Just(4)];
    (product, 0..DAYS, policy, cycle, remaining, child, any::<bool>()).prop_map(
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
            Rented { product, end, policy, cycle, remaining, child, ordered }
        },
    )
}

fn given() -> impl Strategy<Value = Given> {
    let product = prop_oneof![3 => Just(None), 1 => (0..PRODUCTS.len()).prop_map(Some)];
    let minimum = prop_oneof![3 => Just(None), 1 => (1..15_000_i64).prop_map(Some)];
    let share = prop_oneof![3 => Just(None), 1 => (1..=99).prop_map(Some)];
    let longest = prop_oneof![5 => Just(None), 1 => (1..=2).prop_map(Some)];
    let flags = (any::<bool>(), 0..5, 0..6);
    let face = prop_oneof![1 => 1..3_000_i64, 2 => 3_000..40_000_i64];
    (face, -5..15_i64, 1..60_i64, flags, product, minimum, share, longest).prop_map(
        |(face, from, days, (noon, single, automatic), product, minimum, share, longest)| Given {
            face,
            from,
            days: days.max(2 - from),
            noon,
            single_use: single < 3,
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
    (1..25_i64, cash, prop::option::of(given()), rescue)
        .prop_map(|(day, cash, voucher, rescue)| Later { day, cash, voucher, rescue })
}

/// A customer.
pub fn customer() -> impl Strategy<Value = Customer> {
    let profile =
        prop_oneof![Just("kingsoft"), Just("jdcloud"), Just("aliyun"), Just("huaweicloud")];
    let follows = prop_oneof![3 => Just(None), 1 => (1..=28).prop_map(Some)];
    let ends = prop::array::uniform3(-3..10_i64);
    let orders = any::<bool>();
    let rented = prop::collection::vec(rented(), 1..8);
    let vouchers = prop::collection::vec(given(), 0..7);
    let money = prop_oneof![1 => 0..5_000_i64, 2 => 0..60_000_i64, 2 => 0..300_000_i64];
    (profile, money, follows, ends, orders, rented, vouchers, later()).prop_map(
        |(profile, cash, follows, ends, orders, rented, vouchers, later)| Customer {
            profile,
            cash,
            follows,
            ends,
            orders,
            rented,
            vouchers,
            later,
        },
    )
}

/// The day on which it begins.
pub fn start() -> DateTime<Utc> {
    at("2026-03-01 00:00")
}

fn day(days: i64) -> String {
    let local = start() + TimeDelta::days(days) + TimeDelta::hours(8);
    local.format("%Y-%m-%d %H:%M").to_string()
}

/// The catalogs: a pool at Huawei is tried until it stops, and Kingsoft is dearer from April on.
pub async fn apply_catalogs(suite: &Suite) {
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
    /// Opens the account with all that it has, and tells whether several things were ordered together.
    pub async fn moves_in(&self, suite: &Suite, account: &str) -> bool {
        suite.open_account(account, self.profile, self.cash).await;
        if let Some(day) = self.follows {
            let settings = AccountSettings {
                standard_day: Some(StandardDay { day: Some(Day::DayOfMonth(day)) }),
                auto_follows_standard_day: true,
                ..AccountSettings::default()
            };
            let paths = ["standard_day", "auto_follows_standard_day"].map(str::to_owned).into();
            let request = UpdateAccountSettingsRequest {
                account_id: account.to_owned(),
                settings: Some(settings),
                update_mask: Some(prost_types::FieldMask { paths }),
                etag: String::new(),
            };
            suite.accounts().update_account_settings(request).await.expect("good settings");
        }
        let ids: Vec<_> =
            (0..self.rented.len()).map(|number| format!("{account}-{number}")).collect();
        let rows = self.rented.iter().zip(&ids);
        let rows = rows.flat_map(|(it, id)| it.rows(account, id, self.ends[it.end]));
        suite.register(rows.collect()).await;
        let ordered = self.rented.iter().zip(&ids);
        let ordered = ordered.filter(|(rented, _)| self.orders && rented.ordered);
        let ordered: Vec<_> = ordered.map(|(_, id)| id.as_str()).collect();
        let together = self.order(suite, account, &ordered).await;
        for (rented, id) in self.rented.iter().zip(&ids) {
            rented.is_set(suite, account, id).await;
        }
        for given in &self.vouchers {
            given.arrives(suite, account).await;
        }
        together
    }

    /// Orders these together, or where they cannot be, two and two, or each by itself; tells whether any
    /// were ordered together.
    async fn order(&self, suite: &Suite, account: &str, ids: &[&str]) -> bool {
        let order = async |ids: &[&str]| {
            suite.create(order_of(account, selection(ids, "1m"))).await.is_ok()
        };
        let mut together = ids.len() > 1 && order(ids).await;
        if together {
            return true;
        }
        for two in ids.chunks(2) {
            if two.len() > 1 && order(two).await {
                together = true;
                continue;
            }
            for id in two {
                // What ended too long ago cannot be ordered any more.
                order(&[id]).await;
            }
        }
        together
    }

    /// Whether the instance `id` had ended by then, if it was not renewed before.
    pub fn has_ended(&self, id: &str, time: &str) -> bool {
        let number = id.rsplit('-').next().and_then(|number| number.parse::<usize>().ok());
        let rented = number.and_then(|number| self.rented.get(number));
        rented.is_some_and(|rented| *day(self.ends[rented.end]) < *time)
    }
}

impl Rented {
    /// How it is registered, with what is bound to it.
    fn rows(&self, account: &str, id: &str, end: i64) -> Vec<InstanceRegistration> {
        let (product, settings) = PRODUCTS[self.product];
        let mut rows = vec![prepaid(account, id, product, settings, &day(end))];
        let bound = BOUND.iter().find(|(parent, ..)| *parent == product);
        if let Some((later, (_, product, settings, kind))) = self.child.zip(bound) {
            let name = format!("{id}-bound");
            let child = prepaid(account, &name, product, settings, &day(end + later));
            rows.push(tests::fixture::bound(child, id, *kind));
        }
        rows
    }

    /// Sets what becomes of it.
    async fn is_set(&self, suite: &Suite, account: &str, id: &str) {
        if self.policy == RenewalPolicy::Manual {
            return;
        }
        let auto = self.policy == RenewalPolicy::Auto;
        let renewal = RenewalSetting {
            policy: self.policy.into(),
            auto_cycle: auto.then(|| duration(self.cycle)),
            auto_remaining: self.remaining.filter(|_| auto),
        };
        let request = SetRenewalPoliciesRequest {
            account_id: account.to_owned(),
            instance_ids: vec![id.to_owned()],
            renewal: Some(renewal),
        };
        // Too late for some: then they are as they are.
        suite.instances().set_renewal_policies(request).await.expect("a good call");
    }
}

impl Given {
    async fn arrives(&self, suite: &Suite, account: &str) {
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
        suite.issue_with(account, self.face, terms).await;
    }
}

impl Later {
    /// When it comes, where nothing has to be rescued.
    pub fn time(&self) -> DateTime<Utc> {
        start() + TimeDelta::days(self.day) + TimeDelta::minutes(13 * 60 + 30)
    }

    pub async fn comes(&self, suite: &Suite, account: &str) {
        if self.cash > 0 {
            suite.deposit(account, self.cash).await;
        }
        if let Some(voucher) = &self.voucher {
            // Its validity is counted from this day on.
            Given { from: voucher.from + self.day, ..voucher.clone() }
                .arrives(suite, account)
                .await;
        }
    }
}
