//! A street: customers who live side by side in one suite, each foretold for themself.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proto::{
    convert::instant,
    renewal::{
        internal::v1::NoticeFundsRequest,
        v1::{
            ForecastRenewalsRequest, ForecastRenewalsResponse, ListOrdersRequest, Shortage, order,
        },
    },
    r#type::v1::PageRequest,
    wallet::{internal::v1::ExpireVouchersRequest, v1::Voucher},
};
use tests::{Suite, fixture::cny};

use super::{
    KINDS, Seen,
    customer::{self, Customer, HOURS, Rescue, customer, start},
    life::{foretold, lived, minor, shown, sweep, vouchers},
};

/// For so many days each customer is foretold.
const DAYS: i32 = 40;

/// How often events are read that a server may hold back while others write.
const READINGS: usize = 100;

/// Customers of one suite, drawn by lot.
#[derive(Debug, Clone)]
pub struct Street {
    /// The hour at which all of this begins.
    hour: i64,
    /// How much of each may be renewed by itself in a day: orders, and fen.
    most: (Option<u32>, Option<u64>),
    /// When the suite is down, in hours after the start.
    down: Option<(i64, i64)>,
    customers: Vec<Customer>,
}

/// A street.
pub fn street() -> impl Strategy<Value = Street> {
    let most = (
        prop_oneof![1 => Just(None), 2 => (1..4_u32).prop_map(Some)],
        prop_oneof![2 => Just(None), 1 => (2_000..40_000_u64).prop_map(Some)],
    );
    // From before the last attempt of what ends on a day until at most a day after its end.
    let down = (1..9_i64, 0..30_i64, 0..23_i64)
        .prop_map(|(day, before, after)| (24 * day - 25 - before, 26 + before + after));
    let down = prop::option::weighted(0.8, down);
    let customers = prop::collection::vec(customer(), 3..=8);
    (0..24_i64, most, down, customers).prop_map(|(hour, most, down, customers)| Street {
        hour,
        most,
        down,
        customers,
    })
}

/// A customer who has moved in.
struct Resident<'s> {
    suite: &'s Suite,
    account: String,
    customer: &'s Customer,
    /// What is foretold of them.
    told: ForecastRenewalsResponse,
    /// Their cash at that time.
    cash: i64,
    /// What is still to come from outside.
    coming: Option<Coming>,
    /// Money has run short before: what failed then is tried again when some comes.
    was_short: bool,
}

/// What comes from outside.
struct Coming {
    time: DateTime<Utc>,
    rescued: Option<Rescued>,
}

/// Where money was about to run short.
struct Rescued {
    short: DateTime<Utc>,
    /// What comes.
    cash: i64,
    /// How much less that is than what is missing.
    less: i64,
}

fn time(of: Option<prost_types::Timestamp>) -> DateTime<Utc> {
    instant(of.expect("a time")).expect("an instant")
}

async fn forecast(suite: &Suite, account: &str, days: i64) -> ForecastRenewalsResponse {
    let days = i32::try_from(days).expect("not too many");
    let request = ForecastRenewalsRequest { account_id: account.to_owned(), days };
    suite.forecasts().forecast_renewals(request).await.expect("a forecast").into_inner()
}

/// When money runs short, unless that is at once.
fn shortage(forecast: &ForecastRenewalsResponse) -> Option<(&Shortage, DateTime<Utc>)> {
    let shortage = forecast.first_shortage.as_ref()?;
    let short = time(shortage.time);
    (short > time(forecast.start_time) + TimeDelta::minutes(1)).then_some((shortage, short))
}

impl Street {
    /// What the command line of the suite says of it.
    pub fn words(&self) -> Vec<String> {
        let (orders, amount) = self.most;
        let orders = orders.map(|most| ["--auto-orders-per-day".to_owned(), most.to_string()]);
        let amount = amount.map(|most| ["--auto-amount-per-day".to_owned(), most.to_string()]);
        orders.into_iter().chain(amount).flatten().collect()
    }

    /// From when until when the suite is down.
    fn down(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let (from, hours) = self.down?;
        let from = start() + TimeDelta::hours(from) + TimeDelta::minutes(45);
        Some((from, from + TimeDelta::hours(hours)))
    }

    /// Foretells what becomes of the customers, lives it, and compares to the cent.
    pub async fn lives(&self, suite: &Suite, seen: &Seen) -> Result<(), String> {
        suite.set_clock(start() + TimeDelta::hours(self.hour));
        customer::apply_catalogs(suite).await;
        let mut residents = Vec::new();
        for (number, customer) in self.customers.iter().enumerate() {
            let account = format!("c{number}");
            let together = customer.moves_in(suite, &account).await;
            note(seen, "ordered together", usize::from(together));
            residents.push(Resident::new(suite, account, customer).await);
        }
        let down = self.down();
        let end = time(residents[0].told.end_time);
        loop {
            sweep(suite).await;
            let now = suite.now();
            let next = residents.iter().filter_map(|one| Some(one.coming.as_ref()?.time)).min();
            let next = next.into_iter().chain([next_sweep(now), end]).min().unwrap_or(end);
            match down {
                Some((from, until)) if now < from && from <= next => {
                    suite.set_clock(until);
                    book_out_vouchers(suite).await;
                    for one in &mut residents {
                        one.comes_true(from).await?;
                        one.foretell().await?;
                    }
                }
                _ if next >= end => break,
                _ => {
                    suite.set_clock(next);
                    for one in &mut residents {
                        one.meets(next, seen).await?;
                    }
                }
            }
        }
        suite.set_clock(end);
        book_out_vouchers(suite).await;
        for one in &mut residents {
            one.comes_true(end).await?;
            one.settles_up(seen).await?;
        }
        suite.audit().await;
        Ok(())
    }
}

/// When the sweeps look next.
fn next_sweep(now: DateTime<Utc>) -> DateTime<Utc> {
    let day = (now - start()).num_days();
    let hours = (day..day + 2).flat_map(|day| HOURS.map(|hour| 24 * day + hour));
    let mut times = hours.map(|hours| start() + TimeDelta::hours(hours));
    times.find(|time| *time > now).expect("there is one a day")
}

async fn book_out_vouchers(suite: &Suite) {
    let request = ExpireVouchersRequest { limit: 0 };
    suite.wallet_sweeps().expire_vouchers(request).await.expect("a sweep");
}

fn note(seen: &Seen, kind: &'static str, often: usize) {
    *seen.lock().expect("nobody has panicked").entry(kind).or_default() += often;
}

impl<'s> Resident<'s> {
    async fn new(suite: &'s Suite, account: String, customer: &'s Customer) -> Self {
        let told = forecast(suite, &account, DAYS.into()).await;
        let cash = suite.cash(&account).await;
        let coming = Some(Coming { time: suite.now(), rescued: None });
        let mut one = Self { suite, account, customer, told, cash, coming, was_short: false };
        one.look_ahead();
        one
    }

    /// Works out when something comes from outside, unless it has come.
    fn look_ahead(&mut self) {
        if self.coming.is_none() {
            return;
        }
        let rescue = self.customer.later.rescue.filter(|_| !self.was_short);
        let rescue = rescue.zip(shortage(&self.told));
        let rescued = rescue.map(|(rescue, (shortage, short))| {
            let missing = minor(shortage.missing.as_ref());
            let less = i64::from(rescue == Rescue::OneLess).min(missing);
            Rescued { short, cash: missing - less, less }
        });
        let time = match &rescued {
            Some(rescued) => rescued.short - TimeDelta::minutes(1),
            // Not at an instant at which things have happened already.
            None => self.customer.later.time().max(self.suite.now() + TimeDelta::minutes(1)),
        };
        self.coming = Some(Coming { time, rescued });
    }

    /// Foretells the rest.
    async fn foretell(&mut self) -> Result<(), String> {
        let days = (start() + TimeDelta::days(DAYS.into()) - self.suite.now()).num_days() + 1;
        let rest = forecast(self.suite, &self.account, days).await;
        if rest.end_time != self.told.end_time {
            let (rest, told) = (rest.end_time, self.told.end_time);
            return Err(format!("it ends at {rest:?}, and not at {told:?}"));
        }
        self.told = rest;
        self.cash = self.suite.cash(&self.account).await;
        self.look_ahead();
        Ok(())
    }

    /// What comes from outside at `now`; then the rest is foretold anew.
    async fn meets(&mut self, now: DateTime<Utc>, seen: &Seen) -> Result<(), String> {
        let Some(coming) = self.coming.take_if(|coming| coming.time == now) else { return Ok(()) };
        book_out_vouchers(self.suite).await;
        self.comes_true(now).await?;
        match &coming.rescued {
            Some(Rescued { cash: 0, .. }) => {}
            Some(Rescued { cash, .. }) => self.suite.deposit(&self.account, *cash).await,
            None => self.customer.later.comes(self.suite, &self.account).await,
        }
        let notice = NoticeFundsRequest { limit: 100 };
        self.suite.sweeps().notice_funds(notice).await.expect("a sweep");
        self.foretell().await?;
        let Some(Rescued { short, less, .. }) = coming.rescued else { return Ok(()) };
        let first = self.told.first_shortage.as_ref();
        let first = first.filter(|shortage| time(shortage.time) == short);
        let missing = first.map(|short| minor(short.missing.as_ref()));
        if missing != Some(less).filter(|less| *less > 0) {
            return Err(format!(
                "{}: with {less} too little, {missing:?} are missing",
                self.account
            ));
        }
        note(seen, if less > 0 { "not quite rescued" } else { "rescued" }, 1);
        Ok(())
    }

    /// Compares what happened from the forecast until `until` with it.
    async fn comes_true(&mut self, until: DateTime<Utc>) -> Result<(), String> {
        let from = time(self.told.start_time);
        let foretold = foretold(&self.told, until);
        let mut lived = lived(self.suite, &self.account, from, until).await;
        for _ in 0..READINGS {
            if lived == foretold {
                break;
            }
            lived = super::life::lived(self.suite, &self.account, from, until).await;
        }
        let only = |these: &[String], those: &[String]| {
            let only = these.iter().filter(|line| !those.contains(line)).cloned();
            only.collect::<Vec<_>>().join("\n  ")
        };
        if lived != foretold {
            let (told, happened) = (only(&foretold, &lived), only(&lived, &foretold));
            let account = &self.account;
            return Err(format!("{account}, foretold only:\n  {told}\nlived only:\n  {happened}"));
        }
        let first = lived.iter().find(|line| says(line, "INSUFFICIENT_FUNDS"));
        self.was_short |= first.is_some();
        let first = first.map(|line| time_of(line).to_owned());
        let short = self.told.first_shortage.as_ref().map(|short| time(short.time));
        let short = short.filter(|time| *time < until).map(shown);
        if first != short {
            let account = &self.account;
            return Err(format!("{account}: money ran short at {first:?}, and not at {short:?}"));
        }
        Ok(())
    }

    /// Counts what of [`KINDS`] has happened to them.
    async fn note(&self, seen: &Seen) {
        let all = lived(self.suite, &self.account, start(), self.suite.now()).await;
        let count = |kind, line: &dyn Fn(&&String) -> bool| {
            note(seen, kind, all.iter().filter(line).count());
        };
        for (kind, _) in KINDS {
            count(kind, &|line| says(line, kind));
        }
        let renewed = || all.iter().filter(|line| says(line, "RENEWED"));
        count("several vouchers", &|line| {
            let mut items = line.split(' ').filter_map(|word| word.split_once('='));
            says(line, "RENEWED") && items.any(|(_, paid)| paid.matches(':').count() > 1)
        });
        count("parked after a renewal", &|line| {
            says(line, "PARKED")
                && renewed()
                    .any(|other| day_of(other) == day_of(line) && time_of(other) <= time_of(line))
        });
        let short = all.iter().find(|line| says(line, "INSUFFICIENT_FUNDS"));
        let at_once = |line: &&String| {
            short.is_some_and(|short| says(line, "RENEWED") && time_of(line) == time_of(short))
        };
        count("short after a renewal", &at_once);
        count("short at a second renewal", &|line| {
            says(line, "INSUFFICIENT_FUNDS")
                && renewed().any(|other| name_in(other) == name_in(line) && *other < **line)
        });
        count("renewed as another ended", &|line| {
            says(line, "EXPIRED") && renewed().any(|other| time_of(other) == time_of(line))
        });
        count("renewed after its end", &|line| {
            says(line, "RENEWED")
                && line[14..16] == *"45"
                && self.customer.has_ended(name_in(line), &line[..16])
        });
        self.note_called_off(&all, seen).await;
    }

    /// Counts orders for several that the last attempt of one of them took the place of.
    async fn note_called_off(&self, all: &[String], seen: &Seen) {
        let request = ListOrdersRequest {
            account_id: self.account.clone(),
            states: vec![order::State::Cancelled.into()],
            page: Some(PageRequest { page_size: 1_000, ..PageRequest::default() }),
            ..ListOrdersRequest::default()
        };
        let listed = self.suite.orders().list_orders(request).await.expect("a list").into_inner();
        for order in listed.orders {
            let why = order.ended_why.as_ref().map(|why| why.reason.as_str());
            if order.items.len() < 2 || why != Some("SUPERSEDED_BY_AUTO_RENEWAL") {
                continue;
            }
            note(seen, "called off together", 1);
            let items = order.items.iter().filter_map(|item| item.item.as_ref());
            let names: BTreeSet<_> = items.map(|item| item.instance_id.as_str()).collect();
            let tried = |line: &&String| {
                says(line, "RENEWED") || says(line, "again") && !says(line, "SKIPPED")
            };
            let tried = all.iter().filter(tried).filter(|line| names.contains(name_in(line)));
            let first = tried.clone().next().map(|line| time_of(line));
            let tried = tried.filter(|line| Some(time_of(line)) == first).count();
            note(seen, "called off while due", usize::from(tried > 1));
        }
    }

    /// Compares what the forecast says that is left with what is.
    async fn settles_up(&self, seen: &Seen) -> Result<(), String> {
        let totals = self.told.totals.clone().expect("totals");
        let cash = self.suite.cash(&self.account).await;
        let vouchers = vouchers(self.suite, &self.account).await;
        let lost = |voucher: &Voucher| {
            let usage = voucher.usage.as_ref();
            usage.is_some_and(|usage| minor(usage.forfeited.as_ref()) > 0)
        };
        note(seen, "forfeited", vouchers.iter().filter(|it| lost(it)).count());
        self.note(seen).await;
        let left: i64 = vouchers.iter().map(|it| minor(it.remaining.as_ref())).sum();
        let foretold = (totals.cash, totals.cash_left, totals.vouchers_left);
        let lived = (Some(cny(self.cash - cash)), Some(cny(cash)), Some(cny(left)));
        if foretold != lived {
            let account = &self.account;
            return Err(format!("{account}: foretold {foretold:?}\nlived    {lived:?}"));
        }
        Ok(())
    }
}

/// Whether the line is of that kind, with that reason.
fn says(line: &str, kind: &str) -> bool {
    let words: BTreeSet<_> = line.split(' ').collect();
    kind.split(' ').all(|word| words.contains(word))
}

/// The local time at which it happened.
fn time_of(line: &str) -> &str {
    &line[..19]
}

fn day_of(line: &str) -> &str {
    &line[..10]
}

/// To which instance it happened.
fn name_in(line: &str) -> &str {
    line.split(' ').nth(3).unwrap_or_default()
}
