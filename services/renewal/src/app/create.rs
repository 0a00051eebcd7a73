//! Making an order (step 1), and beginning its payment in the same transaction where the call asks
//! for it (step 2).

pub mod make;
pub mod pricer;

use chrono::{DateTime, TimeDelta, Utc};
use kernel::{
    Money,
    ids::{AccountId, OrderId, QuoteId, RequestId},
};
use platform::{
    fault::{self, Fault},
    request::RequestDigest,
    status::Replayed,
};
use proto::renewal::v1 as pb;
use rule_engine::{
    calendar::told,
    reason::{Reason, Refusal},
};

use self::{
    make::Making,
    pricer::{Pricer, WorkedOut},
};
use super::{
    Orders, bill,
    failure::OrderError,
    pay::begin_payment,
    preview::{Priced, Wanted, sum, unpriced_of},
};
use crate::{
    domain::order::State,
    store::{
        accounts,
        orders::{self, Order},
        quotes,
    },
};

/// How often an order is worked out anew because somebody else changed its instances meanwhile.
const ROUNDS: usize = 4;

/// What is to be ordered.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// What a preview quoted, at its price.
    Quote(QuoteId),
    /// This, at the price of now.
    Selection(Box<Wanted>),
}

/// An order that is to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Create {
    /// Names the call (O-3).
    pub request: RequestId,
    /// What makes two requests the same.
    pub digest: RequestDigest,
    /// Whose instances.
    pub account: AccountId,
    /// What is to be ordered.
    pub what: What,
    /// The price that the caller expects.
    pub expected: Option<Money>,
    /// How to pay at once; none: the order awaits its payment.
    pub pay: Option<pb::PaymentChoice>,
}

impl Orders {
    /// Makes an order, and pays it at once if asked to; a repeat of the request answers with the
    /// order that the first one made, and takes it further if it was left halfway (O-3, O-4).
    ///
    /// An order whose payment is refused is made all the same.
    pub async fn create(&self, command: &Create) -> Result<Replayed<Order>, OrderError> {
        for _ in 0..ROUNDS {
            let made = match self.ready(command).await {
                Ok((ready, now)) => self.make(command, ready, now).await?,
                // Refused, perhaps, because of what this same request has made before.
                Err(error) => match self.made_before(command).await? {
                    Some(order) => return Ok(Replayed::Again(order)),
                    None => return Err(error),
                },
            };
            if let Some(order) = made {
                return Ok(Replayed::First(self.take_further(order).await?));
            }
            if let Some(order) = self.made_before(command).await? {
                return Ok(Replayed::Again(order));
            }
        }
        Err(OrderError::Busy)
    }

    /// The order that this request made before, if it did.
    async fn made_before(&self, command: &Create) -> Result<Option<Order>, OrderError> {
        let Create { account, request, digest, .. } = command;
        let made = orders::of_request(self.store.reader(), account, *request).await?;
        match made {
            None => Ok(None),
            Some(Order { request: Some((_, other)), .. }) if !digest.matches(&other) => {
                Err(OrderError::RequestIdReused)
            }
            Some(order) => self.take_further(order).await.map(Some),
        }
    }

    /// Takes an order that is being paid to its end; every other one is where it should be.
    async fn take_further(&self, order: Order) -> Result<Order, OrderError> {
        match order.state {
            State::Paying => self.charge_and_settle(order).await,
            _ => Ok(order),
        }
    }

    /// Everything that the order is made of, and as of when; or why it cannot be made.
    async fn ready(&self, command: &Create) -> Result<(Priced, DateTime<Utc>), OrderError> {
        let (priced, now) = match &command.what {
            What::Quote(id) => {
                let now = self.env.now();
                (self.quoted(&command.account, *id, now).await?, now)
            }
            What::Selection(wanted) => match self.worked_out_with_others(wanted).await? {
                Some(worked_out) => worked_out,
                None => self.worked_out_alone(wanted).await?,
            },
        };
        match command.expected {
            Some(expected) if expected != priced.payable => {
                let message = format!("It costs {}, not {expected}.", priced.payable);
                let refusal = Refusal::new(Reason::PriceChanged, message);
                Err(refusal.with("payable", priced.payable.minor()).into())
            }
            _ => Ok((priced, now)),
        }
    }

    /// None unless it is a simple thing.
    async fn worked_out_with_others(&self, wanted: &Wanted) -> Result<WorkedOut, OrderError> {
        if !Pricer::takes(wanted) {
            return Ok(None);
        }
        Ok(self.pricer.ask(wanted.clone()).await?)
    }

    async fn worked_out_alone(
        &self,
        wanted: &Wanted,
    ) -> Result<(Priced, DateTime<Utc>), OrderError> {
        let now = self.env.now();
        let priced = self.priced(wanted, now).await?;
        priced.planned.check_orderable()?;
        Ok((priced, now))
    }

    /// What a quote says, with the dates of now: unless it no longer holds (M-6).
    async fn quoted(
        &self,
        account: &AccountId,
        id: QuoteId,
        now: DateTime<Utc>,
    ) -> Result<Priced, OrderError> {
        let quote = quotes::find(self.store.reader(), account, id).await?;
        let quote = quote.ok_or(OrderError::QuoteNotFound(id))?;
        if now >= quote.hold_until {
            let owner = accounts::get(self.store.reader(), account).await?;
            let owner = owner.ok_or_else(|| OrderError::AccountNotFound(account.clone()))?;
            let until = told(owner.settings.zone, quote.hold_until);
            let message = format!("The quote held its price until {until}.");
            return Err(OrderError::refused(Reason::QuoteExpired, message));
        }
        let message = quote.snapshot.selection.clone().unwrap_or_default();
        let selection = bill::stored_selection(Some(&message))?;
        let wanted = Wanted { account: account.clone(), selection, message };
        // No price is asked for, whose version would tell whether the rules are of today.
        let rules = self.rules.current().await?;
        let unpriced = unpriced_of(&quote.snapshot);
        let (facts, planned) = self.planned(&wanted, rules, &unpriced, now).await?;
        planned.check_orderable()?;
        let items = quote.snapshot.items.iter().filter_map(|item| item.item.as_ref());
        let prices: Vec<_> = items.filter_map(|item| item.quote.clone()).collect();
        let as_many = planned.plan.items.len() == prices.len();
        let payable = sum(&prices, facts.account.settings.currency)?;
        let snapshot = planned.snapshot(&wanted, prices);
        if !as_many || !bill::priced_alike(&quote.snapshot, &snapshot) {
            let message = "What the quote was priced with has changed; preview again.";
            return Err(OrderError::refused(Reason::QuoteExpired, message));
        }
        let claims = planned.claims(&facts);
        Ok(Priced { planned, snapshot, payable, claims })
    }

    /// One transaction, which others may share: request, order, claims and events. None if somebody
    /// else was first.
    async fn make(
        &self,
        command: &Create,
        ready: Priced,
        now: DateTime<Utc>,
    ) -> Result<Option<Order>, OrderError> {
        let order = self.new_order(command, &ready, now);
        let making = Making { order: order.clone(), claims: ready.claims };
        if !self.maker.ask(making).await? {
            return Ok(None);
        }
        fault::point(match order.state {
            State::PendingPayment => Fault::AfterCreate,
            State::Paying => Fault::AfterPaying,
            _ => Fault::AfterSettle,
        });
        Ok(Some(order))
    }

    fn new_order(&self, command: &Create, ready: &Priced, now: DateTime<Utc>) -> Order {
        let Priced { planned, snapshot, payable, .. } = ready;
        let expire_time = now + TimeDelta::days(i64::from(planned.profile.unpaid_order_days));
        let id = OrderId(self.env.next_id());
        let mut order = Order::new(command.account.clone(), id, *payable, now, expire_time);
        order.request = Some((command.request, command.digest.to_vec()));
        order.snapshot = snapshot.clone();
        if payable.minor() > 0 && command.pay.is_none() {
            return order;
        }
        let terms = planned.plan.items.iter();
        let terms = terms.map(|item| bill::planned_term(item, &planned.world, now)).collect();
        let vouchers = bill::voucher_choice(command.pay.as_ref(), &planned.profile);
        begin_payment(&mut order, terms, vouchers, None, now);
        if payable.minor() == 0 {
            order.state = order.state_once_paid();
            (order.payment_id, order.pay_number, order.vouchers) = (None, 0, None);
            order.next_attempt_at = None;
        }
        order
    }
}

#[cfg(test)]
mod tests;
