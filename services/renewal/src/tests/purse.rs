//! A wallet for tests: one purse for everybody, that can be told to fail.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kernel::{
    Currency::Cny,
    Money,
    ids::{AccountId, PaymentId},
};
use proto::{
    convert::timestamp,
    wallet::v1::{
        self as wallet, Charge, ChargeManyRequest, ChargeRequest, CreatePaymentIntentRequest,
        ItemParts, Payment, PaymentIntent, PaymentRefusal, PreviewPaymentRequest,
        PreviewPaymentResponse, Refund, RefundDestination, RefundRequest, RefundedParts,
        payment::State, refund,
    },
};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::app::{Fundings, Funds, RemoteError};

/// What goes wrong with the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It does not come through.
    Down,
    /// It is done, but its answer is lost.
    AnswerLost,
    /// The wallet refuses to judge at that instant.
    ClockSkew,
    /// It is done, and what comes back is another payment.
    OtherPayment,
    /// It is done, and what comes back is of another order.
    OtherOrder,
    /// It is done, and what comes back is another amount.
    OtherAmount,
}

/// One purse for everybody: the first outcome of a payment stands.
#[derive(Debug, Default)]
pub struct Purse(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    cash: i64,
    vouchers: i64,
    payments: HashMap<String, Payment>,
    /// What each payment was asked for with first.
    charges: HashMap<String, Charge>,
    troubles: VecDeque<Trouble>,
    asked: Vec<ChargeRequest>,
    refunds: HashMap<String, Refund>,
    fundings: Vec<(AccountId, DateTime<Utc>)>,
}

impl Purse {
    /// Vouchers are worth so many fen.
    pub fn set_vouchers(&self, fen: i64) {
        self.lock().vouchers = fen;
    }

    /// Puts in so many fen.
    pub fn put(&self, fen: i64) {
        self.lock().cash += fen;
    }

    /// Puts in so many fen, and tells that they came to `account` at `time`.
    pub fn deposit(&self, account: &str, fen: i64, time: DateTime<Utc>) {
        let mut purse = self.lock();
        purse.cash += fen;
        purse.fundings.push((account.parse().unwrap(), time));
    }

    /// How many fen there are.
    pub fn cash(&self) -> i64 {
        self.lock().cash
    }

    /// The next calls fail like this, one after the other.
    pub fn fail(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.lock().troubles.extend(troubles);
    }

    /// Nothing goes wrong any more.
    pub fn recover(&self) {
        self.lock().troubles.clear();
    }

    /// Every charge that was asked for.
    pub fn asked(&self) -> Vec<ChargeRequest> {
        self.lock().asked.clone()
    }

    /// The channel confirms every payment that it is asked for, at `time`.
    pub fn confirm_payments(&self, time: DateTime<Utc>) {
        let mut purse = self.lock();
        let asked = purse.payments.values_mut();
        for payment in asked.filter(|payment| payment.state() == State::Pending) {
            payment.set_state(State::Succeeded);
            payment.confirm_time = Some(timestamp(time));
        }
    }

    /// Every refund through a channel has arrived.
    pub fn confirm_refunds(&self) {
        for refund in self.lock().refunds.values_mut() {
            refund.set_state(refund::State::Succeeded);
        }
    }

    /// Every payment, by id.
    pub fn payments(&self) -> HashMap<String, Payment> {
        self.lock().payments.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

impl Inner {
    /// The outcome; an id that comes again with other content is refused, as the wallet does (O-3).
    fn charge(&mut self, request: ChargeRequest) -> Result<Payment, RemoteError> {
        let charge = request.charge.unwrap();
        if let Some(payment) = self.payments.get(&charge.payment_id) {
            return match self.charges.get(&charge.payment_id) {
                Some(first) if *first != charge => {
                    Err(refused(tonic::Code::InvalidArgument, "REQUEST_ID_REUSED"))
                }
                _ => Ok(payment.clone()),
            };
        }
        self.charges.insert(charge.payment_id.clone(), charge.clone());
        let amount: i64 =
            charge.items.iter().map(|item| item.payable.as_ref().unwrap().minor_units).sum();
        let mut payment = Payment {
            payment_id: charge.payment_id.clone(),
            account_id: charge.account_id,
            order_id: charge.order_id,
            amount: Some(Money::new(amount, Cny).into()),
            as_of: request.as_of,
            ..Payment::default()
        };
        if amount <= self.cash {
            self.cash -= amount;
            payment.set_state(State::Succeeded);
            payment.parts = charge.items.into_iter().map(paid_by_cash).collect();
        } else {
            payment.set_state(State::Refused);
            payment.refusal = Some(PaymentRefusal {
                reason: "INSUFFICIENT_FUNDS".to_owned(),
                message: "There is too little money.".to_owned(),
                missing: Some(Money::new(amount - self.cash, Cny).into()),
                ..PaymentRefusal::default()
            });
        }
        self.payments.insert(charge.payment_id, payment.clone());
        Ok(payment)
    }
}

fn paid_by_cash(item: proto::wallet::v1::PayableItem) -> ItemParts {
    ItemParts { instance_id: item.instance_id, cash: item.payable, ..ItemParts::default() }
}

impl Inner {
    /// A channel is asked for the whole.
    fn ask(&mut self, request: CreatePaymentIntentRequest) -> Payment {
        let charge = request.charge.unwrap();
        if let Some(payment) = self.payments.get(&charge.payment_id) {
            return payment.clone();
        }
        let amount: i64 =
            charge.items.iter().map(|item| item.payable.as_ref().unwrap().minor_units).sum();
        let amount = Some(Money::new(amount, Cny).into());
        let parts = charge.items.into_iter().map(|item| ItemParts {
            instance_id: item.instance_id,
            channel: item.payable,
            ..ItemParts::default()
        });
        let mut payment = Payment {
            payment_id: charge.payment_id.clone(),
            account_id: charge.account_id,
            order_id: charge.order_id,
            amount: amount.clone(),
            as_of: request.as_of,
            parts: parts.collect(),
            intent: Some(PaymentIntent {
                intent_id: uuid::Uuid::nil().to_string(),
                channel: request.channel,
                amount,
                expire_time: request.expire_by,
            }),
            ..Payment::default()
        };
        payment.set_state(State::Pending);
        self.payments.insert(charge.payment_id, payment.clone());
        payment
    }

    /// Puts back what cash paid for the items; through the channel it is as good as gone.
    fn refund(&mut self, request: RefundRequest) -> Refund {
        if let Some(refund) = self.refunds.get(&request.refund_id) {
            return refund.clone();
        }
        let payment = &self.payments[&request.payment_id];
        let through = request.destination() == RefundDestination::Channel;
        let mut parts = Vec::new();
        for id in &request.instance_ids {
            let paid = payment.parts.iter().find(|part| part.instance_id == *id).unwrap();
            let (mut back, cash) = (RefundedParts::default(), paid.cash.clone());
            back.instance_id.clone_from(id);
            if through {
                back.channel = cash;
            } else {
                let amount = cash.as_ref().or(paid.channel.as_ref()).unwrap().minor_units;
                self.cash += amount;
                back.cash = cash;
                back.channel_to_cash.clone_from(&paid.channel);
            }
            parts.push(back);
        }
        let of = |part: &RefundedParts| {
            part.cash.clone().or(part.channel.clone()).or(part.channel_to_cash.clone())
        };
        let amount = parts.iter().map(|part| of(part).unwrap().minor_units).sum();
        let mut refund = Refund {
            refund_id: request.refund_id.clone(),
            payment_id: request.payment_id,
            amount: Some(Money::new(amount, Cny).into()),
            parts,
            ..Refund::default()
        };
        let state = if through { refund::State::Pending } else { refund::State::Succeeded };
        refund.set_state(state);
        self.refunds.insert(request.refund_id, refund.clone());
        refund
    }
}

#[async_trait]
impl Funds for Purse {
    async fn charge(&self, request: ChargeRequest) -> Result<Payment, RemoteError> {
        let mut purse = self.lock();
        purse.asked.push(request.clone());
        match purse.troubles.pop_front() {
            None => purse.charge(request),
            Some(Trouble::Down) => Err(closed()),
            Some(Trouble::AnswerLost) => {
                purse.charge(request)?;
                Err(closed())
            }
            Some(Trouble::ClockSkew) => Err(refused(tonic::Code::FailedPrecondition, "CLOCK_SKEW")),
            Some(Trouble::OtherPayment) => {
                let payment_id = uuid::Uuid::nil().to_string();
                Ok(Payment { payment_id, ..purse.charge(request)? })
            }
            Some(Trouble::OtherOrder) => {
                let order_id = uuid::Uuid::nil().to_string();
                Ok(Payment { order_id, ..purse.charge(request)? })
            }
            Some(Trouble::OtherAmount) => {
                let payment = purse.charge(request)?;
                let fen = payment.amount.as_ref().unwrap().minor_units;
                Ok(Payment { amount: Some(Money::new(fen - 1, Cny).into()), ..payment })
            }
        }
    }

    async fn charge_many(&self, request: ChargeManyRequest) -> Result<Vec<Payment>, RemoteError> {
        let mut purse = self.lock();
        let trouble = purse.troubles.pop_front();
        if trouble == Some(Trouble::Down) {
            return Err(closed());
        }
        let charges = request.charges.into_iter();
        let paid = charges.map(|charge| {
            let charge = Some(charge);
            purse.charge(ChargeRequest { charge, as_of: request.as_of })
        });
        let paid = paid.collect::<Result<Vec<_>, _>>()?;
        if trouble.is_some() { Err(closed()) } else { Ok(paid) }
    }

    async fn purse(&self, _: &AccountId) -> Result<Option<crate::app::Purse>, RemoteError> {
        let cash = Money::new(self.lock().cash, Cny);
        Ok(Some(crate::app::Purse { cash, vouchers: Vec::new() }))
    }

    async fn fundings(&self, cursor: &str, limit: u32) -> Result<Fundings, RemoteError> {
        let purse = self.lock();
        let from: usize = cursor.parse().unwrap_or_default();
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let told: Vec<_> = purse.fundings.iter().skip(from).take(most).cloned().collect();
        let next = (from + told.len()).to_string();
        Ok((told, next))
    }

    async fn void(
        &self,
        account: &AccountId,
        payment_id: PaymentId,
    ) -> Result<Payment, RemoteError> {
        let mut purse = self.lock();
        let payment = purse.payments.entry(payment_id.to_string()).or_insert_with(|| {
            let mut payment = Payment {
                payment_id: payment_id.to_string(),
                account_id: account.to_string(),
                ..Payment::default()
            };
            payment.set_state(State::Voided);
            payment
        });
        if payment.state() == State::Pending {
            payment.set_state(State::Voided);
        }
        Ok(payment.clone())
    }

    async fn ask(&self, request: CreatePaymentIntentRequest) -> Result<Payment, RemoteError> {
        let mut purse = self.lock();
        match purse.troubles.pop_front() {
            None => Ok(purse.ask(request)),
            Some(Trouble::Down) => Err(closed()),
            Some(Trouble::ClockSkew) => Err(refused(tonic::Code::FailedPrecondition, "CLOCK_SKEW")),
            Some(_) => {
                purse.ask(request);
                Err(closed())
            }
        }
    }

    async fn payments(&self, ids: Vec<String>) -> Result<Vec<Payment>, RemoteError> {
        let purse = self.lock();
        Ok(ids.iter().filter_map(|id| purse.payments.get(id).cloned()).collect())
    }

    async fn refund(&self, request: RefundRequest) -> Result<Refund, RemoteError> {
        let mut purse = self.lock();
        match purse.troubles.pop_front() {
            Some(Trouble::Down) => Err(closed()),
            Some(Trouble::AnswerLost) => {
                purse.refund(request);
                Err(closed())
            }
            Some(Trouble::OtherPayment) => {
                let payment_id = uuid::Uuid::nil().to_string();
                Ok(Refund { payment_id, ..purse.refund(request) })
            }
            _ => Ok(purse.refund(request)),
        }
    }

    async fn funds(&self, accounts: Vec<String>) -> Result<Vec<wallet::Funds>, RemoteError> {
        let mut purse = self.lock();
        if purse.troubles.pop_front().is_some() {
            return Err(closed());
        }
        let cash = Some(Money::new(purse.cash, Cny).into());
        let vouchers = Some(Money::new(purse.vouchers, Cny).into());
        let funds = accounts.into_iter().map(|account_id| wallet::Funds {
            account_id,
            cash: cash.clone(),
            vouchers: vouchers.clone(),
        });
        Ok(funds.collect())
    }

    async fn preview(
        &self,
        request: PreviewPaymentRequest,
    ) -> Result<PreviewPaymentResponse, RemoteError> {
        let purse = self.lock();
        let payable = request.items.iter().filter_map(|item| item.payable.as_ref());
        let amount: i64 = payable.map(|payable| payable.minor_units).sum();
        // A voucher here pays half of a payment at the most.
        let missing = (amount - purse.cash - purse.vouchers.min(amount / 2)).max(0);
        let missing = Some(Money::new(missing, Cny).into());
        Ok(PreviewPaymentResponse { missing, ..PreviewPaymentResponse::default() })
    }
}

fn refused(code: tonic::Code, reason: &str) -> RemoteError {
    let details = ErrorDetails::with_error_info(reason, "perennial", HashMap::new());
    let status = tonic::Status::with_error_details(code, reason, details);
    RemoteError { service: "wallet", status }
}

fn closed() -> RemoteError {
    RemoteError { service: "wallet", status: tonic::Status::unavailable("closed") }
}
