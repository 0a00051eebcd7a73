//! What happened in a forecast, as it is told.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use kernel::{
    Currency, Money,
    ids::{InstanceId, VoucherId},
};
use proto::{
    convert::timestamp,
    renewal::v1::{
        ForecastDay, ForecastItem, ForecastRenewalsResponse, ForecastTotals, Happening, Shortage,
        happening::Kind,
    },
    r#type::v1 as types,
    wallet::v1 as wallet,
};
use rule_engine::{calendar::local_date, voucher::ItemParts};

use super::till::Till;
use crate::{
    app::automatic::rows::Starting,
    domain::attempt::Outcome,
    store::events::{Event, kinds},
};

/// What happened so far.
#[derive(Debug)]
pub struct Diary {
    zone: Tz,
    currency: Currency,
    days: Vec<(NaiveDate, ForecastDay)>,
    first_shortage: Option<Shortage>,
    totals: ForecastTotals,
    lost: i64,
}

/// Why something is not renewed.
#[derive(Debug, Clone, Copy)]
pub struct Lack {
    /// The reason.
    pub reason: &'static str,
    /// How much is missing, in minor units.
    pub missing: Option<i64>,
    /// When it is tried again.
    pub retry: Option<DateTime<Utc>>,
}

impl Diary {
    /// Nothing has happened yet.
    pub fn new(zone: Tz, currency: Currency) -> Self {
        let (days, totals) = (Vec::new(), ForecastTotals::default());
        Self { zone, currency, days, first_shortage: None, totals, lost: 0 }
    }

    fn money(&self, minor: i64) -> types::Money {
        Money::new(minor, self.currency).into()
    }

    /// Writes down what happened, after which there is so much left in `till`.
    fn note(&mut self, now: DateTime<Utc>, kind: Kind, happening: Happening, till: &Till) {
        let date = local_date(self.zone, now);
        let happening = Happening { time: Some(timestamp(now)), kind: kind.into(), ..happening };
        if self.days.last().is_none_or(|(last, _)| *last != date) {
            let day = ForecastDay { date: Some(date.into()), ..ForecastDay::default() };
            self.days.push((date, day));
        }
        let cash = Some(self.money(till.cash));
        if let Some((_, day)) = self.days.last_mut() {
            day.happenings.push(happening);
            day.cash = cash;
        }
    }

    /// An attempt was paid with `parts`.
    pub fn renewed(
        &mut self,
        now: DateTime<Utc>,
        one: &Starting,
        parts: &[ItemParts],
        till: &Till,
    ) {
        let mut parts = parts.iter();
        let items = one.order.snapshot.items.iter().filter_map(|kept| kept.item.as_ref());
        let items = items.map(|item| ForecastItem {
            instance_id: item.instance_id.clone(),
            payable: item.quote.as_ref().and_then(|quote| quote.payable.clone()),
            expire_time: item.end_time,
            parts: parts.next().map(|parts| self.parts(parts)),
        });
        let happening = Happening {
            instance_id: one.tried.unit.identity.root.to_string(),
            payable: Some(one.order.payable.into()),
            items: items.collect(),
            ..Happening::default()
        };
        self.totals.renewed += 1;
        self.note(now, Kind::Renewed, happening, till);
    }

    fn parts(&self, parts: &ItemParts) -> wallet::ItemParts {
        let voucher = |&(id, amount): &(VoucherId, i64)| wallet::VoucherPart {
            voucher_id: id.to_string(),
            amount: Some(self.money(amount)),
        };
        wallet::ItemParts {
            instance_id: parts.instance.to_string(),
            vouchers: parts.vouchers.iter().map(voucher).collect(),
            cash: Some(self.money(parts.cash)),
            channel: None,
        }
    }

    /// An attempt ended without a renewal.
    pub fn not_renewed(
        &mut self,
        now: DateTime<Utc>,
        root: &InstanceId,
        outcome: Outcome,
        payable: Option<Money>,
        lack: Lack,
        till: &Till,
    ) {
        let kind = match outcome {
            Outcome::Skipped => Kind::Skipped,
            Outcome::Missed => Kind::Missed,
            _ => Kind::Failed,
        };
        self.totals.failed += i32::from(kind == Kind::Failed);
        let happening = Happening {
            instance_id: root.to_string(),
            payable: payable.map(Into::into),
            reason: lack.reason.to_owned(),
            missing: lack.missing.map(|missing| self.money(missing)),
            next_attempt_time: lack.retry.map(timestamp),
            ..Happening::default()
        };
        self.note(now, kind, happening, till);
    }

    /// Nothing more is renewed by itself today.
    pub fn parked(&mut self, now: DateTime<Utc>, first: &InstanceId, till: &Till) {
        let happening = Happening { instance_id: first.to_string(), ..Happening::default() };
        self.note(now, Kind::Parked, happening, till);
    }

    /// An instance took a step of its life, and `event` tells which.
    pub fn stepped(&mut self, now: DateTime<Utc>, event: &Event, till: &Till) {
        let kind = match event.kind() {
            kinds::INSTANCE_EXPIRED => Kind::Expired,
            kinds::INSTANCE_RETAINED => Kind::Retained,
            kinds::INSTANCE_RELEASED => Kind::Released,
            kinds::INSTANCE_BECAME_POSTPAID => Kind::BecamePostpaid,
            _ => return,
        };
        self.totals.expired += i32::from(kind == Kind::Expired);
        self.totals.released += i32::from(kind == Kind::Released);
        let instance_id = event.instance().map(InstanceId::to_string).unwrap_or_default();
        let happening = Happening { instance_id, ..Happening::default() };
        self.note(now, kind, happening, till);
    }

    /// A voucher expired, with so much left.
    pub fn voucher_expired(
        &mut self,
        now: DateTime<Utc>,
        voucher: VoucherId,
        unused: i64,
        till: &Till,
    ) {
        self.lost = self.lost.saturating_add(unused);
        let happening = Happening {
            voucher_id: voucher.to_string(),
            unused: Some(self.money(unused)),
            ..Happening::default()
        };
        self.note(now, Kind::VoucherExpired, happening, till);
    }

    /// Whether money ran short before `now`.
    pub fn was_short_before(&self, now: DateTime<Utc>) -> bool {
        self.first_shortage.as_ref().is_some_and(|short| short.time != Some(timestamp(now)))
    }

    /// Money runs short for the first time, by so much in all.
    pub fn short(&mut self, now: DateTime<Utc>, missing: i64) {
        self.first_shortage = Some(Shortage {
            date: Some(local_date(self.zone, now).into()),
            time: Some(timestamp(now)),
            missing: Some(self.money(missing)),
        });
    }

    /// All that happened from `start` to `end`, which left so much in `till`.
    pub fn told(
        self,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
        till: &Till,
    ) -> ForecastRenewalsResponse {
        let totals = ForecastTotals {
            cash: Some(self.money(till.cash_paid)),
            vouchers: Some(self.money(till.vouchers_paid)),
            forfeited: Some(self.money(till.forfeited)),
            expired_vouchers: Some(self.money(self.lost)),
            cash_left: Some(self.money(till.cash)),
            vouchers_left: Some(self.money(till.vouchers_left())),
            ..self.totals
        };
        ForecastRenewalsResponse {
            start_time: Some(timestamp(start)),
            end_time: Some(timestamp(end)),
            days: self.days.into_iter().map(|(_, day)| day).collect(),
            first_shortage: self.first_shortage,
            totals: Some(totals),
        }
    }
}
