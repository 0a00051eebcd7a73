//! A cloud for tests: a catalog that stands still, accounts, and instances to register.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kernel::{
    Env,
    env::ManualClock,
    ids::{AccountId, InstanceId, ProductId},
};
use proto::{
    catalog::v1::{
        self as catalog, QuoteRenewalsRequest, QuoteRenewalsResponse,
        auto_schedule::Stop,
        renewal_profile::{Boundary, EndShown, LateStart, StrongInBatch},
    },
    convert::timestamp,
    r#type::v1 as types,
};
use rule_engine::{
    instance::{Binding, BindingKind},
    profile::ProductProfile,
    registration::{RegisteredBilling, Registration},
};
use tempfile::TempDir;
use types::RenewalPolicy;

use super::{desk::Desk, purse::Purse, stores::stores};
use crate::app::{
    Orders, Pricing, RemoteError,
    accounts::{AccountRow, Accounts},
    correction::Corrections,
    deliver::Deliveries,
    error::RowRefusal,
    instances::Instances,
    policies::Policies,
    registration::{Outcome, Registrations},
    rules::{Catalogue, Rules},
};
use crate::store::Store;

/// The use cases over one empty store, at midnight of 2026-03-01 in Shanghai.
pub struct Cloud {
    pub clock: Arc<ManualClock>,
    pub store: Store,
    pub accounts: Accounts,
    pub registrations: Registrations,
    pub instances: Instances,
    pub policies: Policies,
    pub corrections: Corrections,
    pub orders: Orders,
    pub deliveries: Deliveries,
    pub desk: Arc<Desk>,
    pub purse: Arc<Purse>,
    pub catalog: Arc<Still>,
}

/// A cloud on each database, with the accounts `acme` and `other`; `name` is that of the test.
pub async fn clouds(name: &str) -> (Vec<Cloud>, TempDir) {
    let (stores, folder) = stores(name).await;
    let mut clouds = Vec::new();
    for store in stores {
        let clock = ManualClock::at(at("2026-03-01 00:00"));
        let env = Env::with_clock(Arc::clone(&clock) as _);
        let purse = Arc::new(Purse::default());
        let catalog = Arc::new(Still::default());
        let rules = Arc::new(Rules::new(Arc::clone(&catalog) as _));
        let orders = Orders::start(
            store.clone(),
            Arc::clone(&rules),
            Arc::clone(&catalog) as _,
            Arc::clone(&purse) as _,
            env.clone(),
        );
        let desk = Arc::new(Desk::default());
        let cloud = Cloud {
            clock,
            deliveries: Deliveries::new(orders.clone(), Arc::clone(&desk) as _),
            desk,
            accounts: Accounts::new(store.clone(), Arc::clone(&rules), env.clone()),
            registrations: Registrations::new(store.clone(), Arc::clone(&rules), env.clone()),
            instances: Instances::new(store.clone(), Arc::clone(&rules), env.clone()),
            policies: Policies::new(store.clone(), Arc::clone(&rules), env.clone()),
            corrections: Corrections::new(store.clone(), rules, env),
            orders,
            store,
            purse,
            catalog,
        };
        cloud.accounts.upsert(vec![account("acme"), account("other")]).await.unwrap();
        clouds.push(cloud);
    }
    (clouds, folder)
}

impl Cloud {
    /// Registers `rows`, and tells what became of each: the outcome, or the reason.
    pub async fn register(&self, rows: Vec<Registration>) -> Vec<String> {
        let results = self.registrations.register(rows).await.unwrap();
        results.into_iter().map(told).collect()
    }

    /// The types of the events so far.
    pub async fn events(&self) -> Vec<String> {
        let filter = outbox::Filter::default();
        loop {
            let database = self.store.database();
            let page = crate::store::events::list(database, &filter, "", 1_000).await.unwrap();
            let events = page.events;
            // Transactions of other databases of the same server hold events back for a while.
            let all = outbox_rows(&self.store).await;
            if events.len() == all {
                return events.into_iter().map(|event| event.r#type).collect();
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn outbox_rows(store: &Store) -> usize {
    use sea_orm::{ConnectionTrait as _, Statement};
    let backend = store.database().backend().dialect();
    let statement = Statement::from_string(backend, "SELECT seq FROM outbox");
    store.reader().query_all_raw(statement).await.unwrap().len()
}

fn told(result: Result<Outcome, RowRefusal>) -> String {
    match result {
        Ok(outcome) => format!("{outcome:?}"),
        Err(refusal) => refusal.reason.to_owned(),
    }
}

/// An instant by its local time in Shanghai.
pub fn at(local: &str) -> DateTime<Utc> {
    format!("{local}:00+08:00").parse().unwrap()
}

pub fn acme() -> AccountId {
    "acme".parse().unwrap()
}

pub fn id(text: &str) -> InstanceId {
    text.parse().unwrap()
}

pub fn account(id: &str) -> AccountRow {
    AccountRow {
        id: id.parse().unwrap(),
        profile: "cloud".to_owned(),
        currency: kernel::Currency::Cny,
        zone: chrono_tz::Asia::Shanghai,
        labels: std::collections::BTreeMap::new(),
        frozen: false,
    }
}

/// A prepaid instance of `product`, begun on 2026-02-01 and ending at the local time `end`.
pub fn prepaid(name: &str, product: &str, end: &str) -> Registration {
    Registration {
        id: id(name),
        account: acme(),
        product: product.parse().unwrap(),
        region: "north".parse().unwrap(),
        name: name.to_owned(),
        labels: std::collections::BTreeMap::new(),
        room_type: None,
        configuration: [("flavor", "small"), ("note", "x")].into_iter().collect(),
        billing: RegisteredBilling::Prepaid {
            start: at("2026-02-01 00:00"),
            end: at(end),
            anchor: None,
        },
        trial: false,
        one_time: false,
        change_pending: false,
        released: false,
        binding: None,
        source_version: 1,
    }
}

pub fn bound(row: Registration, parent: &str, kind: BindingKind) -> Registration {
    Registration { binding: Some(Binding { parent: id(parent), kind }), ..row }
}

/// The products: `vm` is sold as JD's, but reminds nobody, `pool` as Huawei's; `kec` and `ebs` are bound as Kingsoft's;
/// `ks` renews itself as Kingsoft's; `kad` is not renewed; `old` is no longer sold; `changed` had 15 days of grace until 2026-03-03.
/// The consoles of `served` and `pooled` are told what was paid, unless they are `unserved`.
pub fn catalogue() -> Catalogue {
    catalogue_of(1, false, false, &["1m", "6m", "1y"])
}

fn catalogue_of(
    version_number: i64,
    withdrawn: bool,
    unserved: bool,
    cycles: &[&str],
) -> Catalogue {
    use RenewalPolicy::{Auto, Manual, NotRenew};
    let vm = profile(&[Manual, Auto, NotRenew], 0, 7);
    let why = if withdrawn { "it is withdrawn" } else { "" };
    let converting = catalog::RenewalProfile {
        converts_postpaid: true,
        not_renewable_why: why.to_owned(),
        ..vm.clone()
    };
    let pool = pool();
    let refused = StrongInBatch::Refused.into();
    let kec =
        catalog::RenewalProfile { strong_in_batch: refused, ..profile(&[Manual, Auto], 0, 7) };
    let why = "it needs no renewal".to_owned();
    let kad = catalog::RenewalProfile { not_renewable_why: why, ..vm.clone() };
    let old = catalog::RenewalProfile { discontinued: true, ..vm.clone() };
    let at = |host: &str| if unserved { String::new() } else { format!("http://{host}") };
    let served = |host| catalog::RenewalProfile { provisioner: at(host), ..converting.clone() };
    let (served, pooled) = (served("served"), served("pooled"));
    let mut changed = product("changed", vm.clone());
    changed.profile_versions = vec![
        version("2020-01-01 00:00", profile(&[Manual, Auto], 15, 0)),
        version("2026-03-03 00:00", vm),
    ];
    let products = [
        ("vm", converting.clone()),
        ("pool", pool),
        ("kec", kec.clone()),
        ("ebs", kec),
        ("kad", kad),
        ("old", old),
        ("served", served),
        ("pooled", pooled),
        ("ks", ks(cycles)),
    ];
    let mut products: Vec<_> =
        products.into_iter().map(|(id, profile)| product(id, profile)).collect();
    products.push(changed);
    let voucher = |strategy: types::VoucherStrategy| {
        Some(types::VoucherRule { strategy: strategy.into(), max_per_payment: None })
    };
    let account = catalog::AccountProfile {
        profile: "cloud".to_owned(),
        manual_vouchers: voucher(types::VoucherStrategy::LargestFirst),
        automatic_vouchers: voucher(types::VoucherStrategy::LargestFirst),
        unpaid_order_days: 15,
        quote_hold_minutes: 15,
        batch_limit: 100,
        batch_limit_with_bound: 1_000,
        outage_hours: 24,
    };
    Catalogue::read(version_number, products, vec![account])
}

/// As Kingsoft's: one attempt, at midnight of the last day.
fn ks(cycles: &[&str]) -> catalog::RenewalProfile {
    use RenewalPolicy::{Auto, Manual};
    catalog::RenewalProfile {
        auto_cycles: cycles.iter().map(|text| text.parse().unwrap()).collect(),
        auto_schedule: Some(catalog::AutoSchedule {
            days_before: 0,
            time: "00:00".to_owned(),
            stop: Stop::OneDay.into(),
            account_days_min: None,
            account_days_max: None,
            last_day_retry: true,
        }),
        ..profile(&[Manual, Auto], 0, 7)
    }
}

/// As Huawei's: four policies, attempts and reminders from a week before, grace and retention.
fn pool() -> catalog::RenewalProfile {
    use RenewalPolicy::{Auto, Manual, NotRenew, PostpaidAfterExpiry};
    catalog::RenewalProfile {
        reminders: Some(catalog::ReminderRules {
            days_before_expiry: vec![7, 3, 1],
            at_expiry: true,
            days_after_expiry: Vec::new(),
            days_before_release: vec![6, 2, 0],
        }),
        auto_schedule: Some(catalog::AutoSchedule {
            days_before: 7,
            time: "03:00".to_owned(),
            stop: Stop::UntilExpiry.into(),
            account_days_min: Some(0),
            account_days_max: Some(7),
            last_day_retry: true,
        }),
        ..profile(&[Manual, Auto, PostpaidAfterExpiry, NotRenew], 15, 15)
    }
}

fn version(from: &str, profile: catalog::RenewalProfile) -> catalog::ProfileVersion {
    catalog::ProfileVersion { effective_time: Some(timestamp(at(from))), profile: Some(profile) }
}

fn product(id: &str, profile: catalog::RenewalProfile) -> catalog::Product {
    catalog::Product {
        product_id: id.to_owned(),
        catalog: "cloud".to_owned(),
        name: id.to_owned(),
        line: format!("line of {id}"),
        profile: Some(profile),
        components: vec![catalog::Component {
            name: "flavor".to_owned(),
            sku_from: "flavor".to_owned(),
            quantity_from: String::new(),
        }],
        ..catalog::Product::default()
    }
}

fn profile(policies: &[RenewalPolicy], grace: i32, retention: i32) -> catalog::RenewalProfile {
    let durations = ["1m", "6m", "1y"].map(|text| text.parse().unwrap()).to_vec();
    catalog::RenewalProfile {
        auto_cycles: durations.clone(),
        durations,
        policies: policies.iter().map(|policy| (*policy).into()).collect(),
        boundary: Boundary::EndOfDay.into(),
        end_shown: EndShown::LastSecond.into(),
        late_start: LateStart::RenewalDate.into(),
        grace_days: grace,
        retention_days: retention,
        strong_in_batch: StrongInBatch::Allowed.into(),
        money_policy: Some(catalog::MoneyPolicy {
            name: "cloud".to_owned(),
            version: 1,
            rounding: catalog::money_policy::Rounding::HalfUp.into(),
            odd_days: catalog::money_policy::OddDays::BeyondTerm.into(),
            divisor: 30,
        }),
        ..catalog::RenewalProfile::default()
    }
}

/// The value of a setting that has no price.
pub const UNSOLD: &str = "unsold";

/// A catalog that changes only when a test says so: 1.00 for each instance, or another price since
/// its version grew.
#[derive(Debug, Default)]
pub struct Still {
    changes: AtomicI64,
    withdrawn: AtomicBool,
    free: AtomicBool,
    unserved: AtomicBool,
    no_yearly_cycles: AtomicBool,
}

impl Still {
    /// From now on `vm` is not renewed any more.
    pub fn withdraw(&self) {
        self.withdrawn.store(true, Ordering::Relaxed);
        self.change();
    }

    /// From now on no product has a console.
    pub fn close_desks(&self) {
        self.unserved.store(true, Ordering::Relaxed);
        self.change();
    }

    /// From now on nothing is renewed by itself for a year.
    pub fn end_yearly_cycles(&self) {
        self.no_yearly_cycles.store(true, Ordering::Relaxed);
        self.change();
    }

    /// Every instance costs 0.01 more.
    pub fn change(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Nothing costs anything any more.
    pub fn give_away(&self) {
        self.free.store(true, Ordering::Relaxed);
    }

    fn changes(&self) -> i64 {
        self.changes.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Pricing for Still {
    async fn version(&self) -> Result<i64, RemoteError> {
        Ok(1 + self.changes())
    }

    async fn catalogue(&self) -> Result<Catalogue, RemoteError> {
        let is = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        let cycles: &[_] =
            if is(&self.no_yearly_cycles) { &["1m", "6m"] } else { &["1m", "6m", "1y"] };
        let version = 1 + self.changes();
        Ok(catalogue_of(version, is(&self.withdrawn), is(&self.unserved), cycles))
    }

    /// The document is a product and its days of grace, parted by a space.
    async fn proposed(
        &self,
        document: String,
    ) -> Result<Vec<(ProductId, ProductProfile)>, RemoteError> {
        let (id, days) = document.split_once(' ').unwrap();
        let id: ProductId = id.parse().unwrap();
        let catalogue = self.catalogue().await?;
        let profile = ProductProfile::clone(&catalogue.product(&id).unwrap().profile);
        Ok(vec![(id, ProductProfile { grace_days: days.parse().unwrap(), ..profile })])
    }

    async fn quote(
        &self,
        request: QuoteRenewalsRequest,
    ) -> Result<QuoteRenewalsResponse, RemoteError> {
        use catalog::quote_result::Result as Priced;
        let free = self.free.load(Ordering::Relaxed);
        let price = if free { 0 } else { 100 + self.changes() };
        let payable = kernel::Money::new(price, kernel::Currency::Cny);
        let price = |item: catalog::PriceFacts| {
            let mut settings = item.configuration.unwrap_or_default().settings.into_iter();
            let result = if settings.any(|setting| setting.value == UNSOLD) {
                Priced::Error(catalog::QuoteError {
                    reason: "PRICE_NOT_FOUND".to_owned(),
                    message: "flavor has no price".to_owned(),
                })
            } else {
                let payable = Some(payable.into());
                Priced::Quote(catalog::ItemQuote { payable, ..catalog::ItemQuote::default() })
            };
            catalog::QuoteResult { item_id: item.item_id, result: Some(result) }
        };
        let results = request.items.into_iter().map(price).collect();
        Ok(QuoteRenewalsResponse { results, catalog_version: 1 + self.changes() })
    }
}
