//! Payments of which orders do not know: the renewal service's database is the older one.

use std::collections::HashMap;

use kernel::ids::{OrderId, RequestId};
use platform::{database::retry, request::RequestDigest};
use proto::wallet::{
    internal::v1::FoundPayment,
    v1::{Payment, Refund, RefundDestination, RefundRequest, VoucherChoice, payment},
};

use super::{Difference, Ending, PAGE, Reconciliation, Remedy, said_no};
use crate::{
    app::{
        failure::OrderError,
        pay::{check_free, number_payment},
        refund::TakeBack,
    },
    domain::order::{State, payment_id, withdrawal_id},
    store::orders::{self, Order},
};

/// How many payments an order may have begun that it has forgotten.
const MOST_FORGOTTEN: i32 = 100;

/// What a payment says, and the order that it was taken for.
struct Pair<'p> {
    payment: &'p Payment,
    /// Those that the order does not know of, oldest first.
    refunds: Vec<&'p Refund>,
    order: Option<&'p Order>,
}

impl<'p> Pair<'p> {
    fn of(payment: &'p Payment, refunds: &'p [Refund], order: Option<&'p Order>) -> Self {
        let known = |refund: &&Refund| {
            let mut taken = order.iter().flat_map(|order| &order.snapshot.refunds);
            taken.any(|taken| taken.refund_id == refund.refund_id)
        };
        Self { payment, refunds: refunds.iter().filter(|it| !known(it)).collect(), order }
    }

    /// The order, if it knows of the payment.
    fn known(&self) -> Option<&'p Order> {
        let id = self.payment.payment_id.parse().ok();
        self.order.filter(|order| order.payment_id.is_some() && order.payment_id == id)
    }

    /// Which payment of an order it is that has none yet, and may be finished with it.
    fn number(&self) -> Option<i32> {
        let open = |order: &&Order| matches!(order.state, State::PendingPayment | State::Paying);
        let order = self.order.filter(open).filter(|order| order.attempt.is_none())?;
        let numbers = order.pay_number + 1..=order.pay_number + MOST_FORGOTTEN;
        let is =
            |number: &i32| payment_id(order.id, *number).to_string() == self.payment.payment_id;
        numbers.into_iter().find(is)
    }

    /// What makes it good; none where the order and its payment belong together, or will by themselves.
    fn remedy(&self) -> Option<Remedy> {
        let nothing_back = self.refunds.is_empty();
        match (self.payment.state(), self.known()) {
            (payment::State::Pending, None) => Some(Remedy::Release),
            (payment::State::Succeeded, Some(_)) if nothing_back => None,
            (payment::State::Succeeded, Some(order)) if order.state.is_paid() => {
                Some(Remedy::TakeBack)
            }
            (payment::State::Succeeded, None) if nothing_back && self.number().is_some() => {
                Some(Remedy::Finish)
            }
            (payment::State::Succeeded, _) => Some(Remedy::Withdraw),
            _ => None,
        }
    }

    fn difference(&self, remedy: Remedy) -> Difference {
        let state = self.payment.state().as_str_name().trim_start_matches("STATE_");
        let back = match self.refunds.len() {
            0 => String::new(),
            some => format!(", {some} refunds unknown"),
        };
        let renewal = self.order.map_or("unknown".to_owned(), |order| match self.known() {
            Some(_) => order.state.to_string(),
            None => format!("{}, without it", order.state),
        });
        Difference::of(self.payment, format!("{state}{back}"), renewal, remedy)
    }
}

impl Reconciliation {
    /// The differences of the page of payments after the one with the id `after`, and the last of
    /// them; none where no payments are left.
    pub(super) async fn forgotten(
        &self,
        after: String,
    ) -> Result<(Vec<Difference>, Option<String>), OrderError> {
        let page = self.wallet.changed(self.since, after, PAGE.into()).await?;
        let payments = || page.iter().filter_map(|found| found.payment.as_ref());
        let ids: Vec<_> = payments().filter_map(order_of).collect();
        let known = orders::many(self.orders.store.reader(), &ids).await?;
        let known: HashMap<_, _> = known.iter().map(|order| (order.id, order)).collect();
        let mut differences = Vec::new();
        for FoundPayment { payment, refunds } in &page {
            let Some(payment) = payment else { continue };
            let order = order_of(payment).and_then(|id| known.get(&id).copied());
            let order = order.filter(|order| order.account.as_str() == payment.account_id);
            let pair = Pair::of(payment, refunds, order);
            let Some(remedy) = pair.remedy() else { continue };
            let ending = if self.apply {
                let made_good = said_no(self.make_good(&pair, remedy).await)?;
                made_good.unwrap_or_else(Ending::ForPeople)
            } else {
                Ending::Open
            };
            differences.push(pair.difference(remedy).ended(ending));
        }
        let last = payments().next_back().map(|payment| payment.payment_id.clone());
        Ok((differences, last))
    }

    async fn make_good(&self, pair: &Pair<'_>, remedy: Remedy) -> Result<Ending, OrderError> {
        match (remedy, pair.order) {
            (Remedy::Release, _) => self.release(pair.payment).await,
            (Remedy::Finish, Some(order)) => match pair.number() {
                Some(number) => self.finish(order.clone(), pair.payment, number).await,
                None => self.withdraw(pair.payment).await,
            },
            (Remedy::TakeBack, Some(order)) => self.take_back(order, &pair.refunds).await,
            _ => self.withdraw(pair.payment).await,
        }
    }

    async fn release(&self, payment: &Payment) -> Result<Ending, OrderError> {
        let account = payment.account_id.parse();
        let id = payment.payment_id.parse();
        let (Ok(account), Ok(id)) = (account, id) else { return Ok(unreadable()) };
        let ended = self.orders.funds.void(&account, id).await?;
        if ended.state() == payment::State::Succeeded {
            self.withdraw(payment).await
        } else {
            Ok(Ending::Done)
        }
    }

    async fn withdraw(&self, payment: &Payment) -> Result<Ending, OrderError> {
        let Ok(id) = payment.payment_id.parse() else { return Ok(unreadable()) };
        let refund = self.wallet.withdraw(payment, withdrawal_id(id)).await?;
        let parts = refund.iter().flat_map(|refund| &refund.parts);
        let void = parts.flat_map(|item| &item.vouchers).filter(|part| part.is_void);
        let void: Vec<_> = void.map(|part| part.voucher_id.as_str()).collect();
        if void.is_empty() {
            return Ok(Ending::Done);
        }
        let why = format!("given back, but what vouchers had paid is void: {}", void.join(", "));
        Ok(Ending::ForPeople(why))
    }

    /// Lets the order follow the payment, as it follows one that a channel has confirmed: by the rules
    /// of its payment instant. What the order is about ends first.
    async fn finish(
        &self,
        order: Order,
        payment: &Payment,
        number: i32,
    ) -> Result<Ending, OrderError> {
        let order = match order.state {
            State::Paying => self.orders.charge_and_settle(order).await?,
            _ => self.orders.without_checkout(order).await?,
        };
        if check_free(&order).is_err() {
            return self.withdraw(payment).await;
        }
        let order = retry(|| self.adopt(&order, number)).await?;
        let order = Box::pin(self.orders.follow(order, payment.clone())).await?;
        Ok(match order.state {
            state if state.is_paid() => Ending::Done,
            State::Expired | State::Cancelled => Ending::Done,
            state => Ending::ForPeople(format!("the order is {state}")),
        })
    }

    /// The order has a payment again that it had begun before.
    async fn adopt(&self, known: &Order, number: i32) -> Result<Order, OrderError> {
        let transaction = self.orders.store.begin().await?;
        let order = orders::lock(&transaction, &known.account, known.id).await?;
        let mut order = order.ok_or(OrderError::OrderNotFound(known.id))?;
        check_free(&order)?;
        order.pay_number = number - 1;
        number_payment(&mut order, VoucherChoice::default(), None, self.orders.now());
        if !orders::save(&transaction, &mut order).await? {
            return Err(OrderError::Busy);
        }
        transaction.commit().await?;
        Ok(order)
    }

    /// Repeats the refunds of an order that it has forgotten, in their order: each comes to the same id,
    /// so that the wallet gives nothing back again.
    async fn take_back(&self, order: &Order, refunds: &[&Refund]) -> Result<Ending, OrderError> {
        for refund in refunds {
            let order = self.orders.get(&order.account, order.id).await?;
            let parts = refund.parts.iter().map(|part| part.instance_id.as_str());
            let Ok(items) = parts.map(str::parse).collect() else { return Ok(unreadable()) };
            let next = order.next_refund().to_string();
            let Some(destination) = self.destination(refund).await? else {
                return Ok(Ending::ForPeople(format!("refund {} is another", refund.refund_id)));
            };
            let Ok(request) = refund.refund_id.parse().map(RequestId) else {
                return Ok(unreadable());
            };
            if next != refund.refund_id {
                return Ok(Ending::ForPeople(format!("refund {next} comes first")));
            }
            let command = TakeBack {
                request,
                digest: RequestDigest::of_bytes("Reconcile", refund.refund_id.as_bytes()),
                account: order.account,
                order: order.id,
                items,
                destination,
            };
            self.orders.refund(&command).await?;
        }
        Ok(Ending::Done)
    }

    /// Where the channel's part was to go: a repeat has to say the same.
    async fn destination(&self, refund: &Refund) -> Result<Option<RefundDestination>, OrderError> {
        use RefundDestination::{CashBalance, Channel, Unspecified};
        let mut instance_ids: Vec<_> =
            refund.parts.iter().map(|part| part.instance_id.clone()).collect();
        instance_ids.sort_unstable();
        for destination in [CashBalance, Unspecified, Channel] {
            let request = RefundRequest {
                refund_id: refund.refund_id.clone(),
                account_id: refund.account_id.clone(),
                payment_id: refund.payment_id.clone(),
                instance_ids: instance_ids.clone(),
                destination: destination.into(),
            };
            if said_no(self.orders.funds.refund(request).await)?.is_ok() {
                return Ok(Some(destination));
            }
        }
        Ok(None)
    }
}

fn order_of(payment: &Payment) -> Option<OrderId> {
    payment.order_id.parse().ok()
}

fn unreadable() -> Ending {
    Ending::ForPeople("it cannot be read".to_owned())
}

#[cfg(test)]
mod tests;
