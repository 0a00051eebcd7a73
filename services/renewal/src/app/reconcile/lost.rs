//! Payments and refunds that orders know of and the wallet does not: its database is the older one.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use kernel::ids::OrderId;
use proto::{
    convert::instant,
    wallet::{
        internal::v1::FoundPayment,
        v1::{Payment, Refund, payment, refund},
    },
};
use uuid::Uuid;

use super::{Difference, Ending, PAGE, Reconciliation, Remedy, said_no};
use crate::{
    app::failure::OrderError,
    store::orders::{self, Order, list::Unreadable},
};

/// Orders whose payments could not be booked again yet.
#[derive(Debug, Default)]
pub struct Waiting(HashSet<OrderId>);

/// What the wallet has of an order's payment.
type Found<'f> = Option<&'f FoundPayment>;

/// The payment that the order knows to have succeeded, or that a channel is asked for.
fn payment_of(order: &Order) -> Option<&Payment> {
    let payment = order.payment.as_ref()?;
    let current = order.payment_id.is_some_and(|id| id.to_string() == payment.payment_id);
    let counts = matches!(payment.state(), payment::State::Succeeded | payment::State::Pending);
    Some(payment).filter(|_| current && counts)
}

/// When money last moved for the order, as far as it knows.
fn latest(order: &Order) -> Option<DateTime<Utc>> {
    let refunds = order.snapshot.refunds.iter().filter_map(|taken| taken.refund.as_ref());
    let refunds = refunds.flat_map(|refund| [refund.create_time, refund.confirm_time]);
    let refunds = refunds.flatten().filter_map(|time| instant(time).ok());
    let paid = [order.payment_time, Some(order.create_time)];
    refunds.chain(paid.into_iter().flatten()).max()
}

fn unread(unreadable: &Unreadable) -> Difference {
    Difference {
        account: unreadable.account.clone(),
        order: unreadable.id.to_string(),
        payment: String::new(),
        amount: None,
        wallet: "-".to_owned(),
        renewal: "unreadable".to_owned(),
        remedy: Remedy::None,
        ending: Ending::ForPeople(unreadable.why.clone()),
    }
}

fn state_of(found: Found<'_>) -> Option<payment::State> {
    found.and_then(|found| found.payment.as_ref()).map(Payment::state)
}

fn told(found: Found<'_>) -> String {
    let name = |state: payment::State| state.as_str_name().trim_start_matches("STATE_").to_owned();
    state_of(found).map_or("unknown".to_owned(), name)
}

impl Reconciliation {
    /// The differences of the page of orders after `after`, and the last of them; none where no orders
    /// are left.
    pub(super) async fn lost(
        &mut self,
        after: Option<Uuid>,
    ) -> Result<(Vec<Difference>, Option<Uuid>), OrderError> {
        let reader = self.orders.store.reader();
        let page = orders::list::all_after(reader, after, PAGE.into()).await?;
        let last = page.last().map(orders::list::id_of);
        let mut differences: Vec<_> =
            page.iter().filter_map(|row| row.as_ref().err()).map(unread).collect();
        let changed = |order: &&Order| latest(order).is_some_and(|latest| latest >= self.since);
        let orders: Vec<_> = page.iter().flatten().filter(changed).collect();
        for (order, difference) in self.compared(&orders).await? {
            // What comes later may be what it needs: it has its turn again.
            if self.apply && difference.remedy == Remedy::Book && difference.ending != Ending::Done
            {
                self.waiting.0.insert(order);
            } else {
                differences.push(difference);
            }
        }
        Ok((differences, last))
    }

    /// What waits, again and again as long as something of it is booked.
    pub(super) async fn still_waiting(&mut self) -> Result<Vec<Difference>, OrderError> {
        let mut differences = Vec::new();
        loop {
            let ids: Vec<_> = self.waiting.0.iter().copied().collect();
            let mut booked = false;
            let mut left = Vec::new();
            for ids in ids.chunks(PAGE.into()) {
                let orders = orders::many(self.orders.store.reader(), ids).await?;
                for (order, difference) in self.compared(&orders.iter().collect::<Vec<_>>()).await?
                {
                    if difference.ending == Ending::Done {
                        booked = true;
                        self.waiting.0.remove(&order);
                        differences.push(difference);
                    } else {
                        left.push(difference);
                    }
                }
            }
            if !booked {
                differences.extend(left);
                return Ok(differences);
            }
        }
    }

    /// The differences of `orders`, in their order.
    async fn compared(&self, orders: &[&Order]) -> Result<Vec<(OrderId, Difference)>, OrderError> {
        let ids = orders.iter().filter_map(|order| payment_of(order));
        let found = self.wallet.find(ids.map(|it| it.payment_id.clone()).collect()).await?;
        let id = |found: &FoundPayment| found.payment.clone().unwrap_or_default().payment_id;
        let found: HashMap<_, _> = found.into_iter().map(|found| (id(&found), found)).collect();
        let mut differences = Vec::new();
        for order in orders {
            let Some(payment) = payment_of(order) else { continue };
            let found = found.get(&payment.payment_id);
            let of_payment = self.payment(order, payment, found).await?;
            let booked = of_payment.as_ref().is_none_or(|it| it.ending == Ending::Done);
            differences.extend(of_payment.map(|difference| (order.id, difference)));
            if booked || !self.apply {
                let refunds = self.refunds(order, payment, found).await?;
                differences.extend(refunds.into_iter().map(|difference| (order.id, difference)));
            }
        }
        Ok(differences)
    }

    /// What the wallet lacks of the payment itself.
    async fn payment(
        &self,
        order: &Order,
        payment: &Payment,
        found: Found<'_>,
    ) -> Result<Option<Difference>, OrderError> {
        let difference =
            |remedy| Difference::of(payment, told(found), order.state.to_string(), remedy);
        let for_people =
            |why: &str| Some(difference(Remedy::None).ended(Ending::ForPeople(why.to_owned())));
        let succeeded = payment.state() == payment::State::Succeeded;
        match state_of(found) {
            Some(payment::State::Succeeded) => Ok(None),
            None if !succeeded => Ok(for_people(
                "the channel may take it, and nobody would know: it has to give it back",
            )),
            _ if !succeeded => Ok(None),
            None | Some(payment::State::Pending) => {
                let difference = difference(Remedy::Book);
                if !self.apply {
                    return Ok(Some(difference));
                }
                let ending = match said_no(self.wallet.restore(payment.clone()).await)? {
                    Ok(()) => Ending::Done,
                    Err(why) => Ending::ForPeople(why),
                };
                Ok(Some(difference.ended(ending)))
            }
            Some(_) => Ok(for_people("the wallet gave it back")),
        }
    }

    /// What the wallet lacks of the refunds of the payment.
    async fn refunds(
        &self,
        order: &Order,
        payment: &Payment,
        found: Found<'_>,
    ) -> Result<Vec<Difference>, OrderError> {
        let mut differences = Vec::new();
        for taken in &order.snapshot.refunds {
            let Some(before) = &taken.refund else { continue };
            let mut known = found.iter().flat_map(|found| &found.refunds);
            let known = known.find(|known| known.refund_id == taken.refund_id).cloned();
            let is_known = known.is_some();
            let again = match known {
                Some(known) => Some(Ok(known)),
                None if self.apply => Some(said_no(self.orders.given_back(order, taken).await)?),
                None => None,
            };
            let ending = match again {
                None => Ending::Open,
                Some(Err(why)) => Ending::ForPeople(why),
                Some(Ok(again)) => compared_refund(before, &again),
            };
            if is_known && ending == Ending::Done {
                continue;
            }
            let wallet = format!("refund {}", if is_known { "pending" } else { "unknown" });
            let difference =
                Difference::of(payment, wallet, order.state.to_string(), Remedy::GiveBack);
            let amount = before.amount.as_ref().and_then(super::money);
            differences.push(Difference { amount, ..difference }.ended(ending));
        }
        Ok(differences)
    }
}

/// Whether a refund that was booked again has ended as it had before.
fn compared_refund(before: &Refund, again: &Refund) -> Ending {
    if before.state() == refund::State::Succeeded && again.state() == refund::State::Pending {
        return Ending::ForPeople("its channel has to say again what became of it".to_owned());
    }
    Ending::Done
}
