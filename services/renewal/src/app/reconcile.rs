//! Bringing orders and payments together again where one of two databases is an older copy, before
//! anything sweeps: nothing is charged twice, nothing that was paid is lost.
//!
//! What one side says of itself makes good what the other lacks, under the same ids. What neither knows
//! for sure is left to people and changes nothing.

mod forgotten;
mod lost;

use std::fmt;

use chrono::{DateTime, Utc};
use kernel::Money;
use platform::database::retry;
use proto::{r#type::v1 as types, wallet::v1::Payment};
use uuid::Uuid;

use self::lost::Waiting;
use super::{Orders, failure::OrderError};
use crate::{
    remote::RemoteRestore,
    store::{StoreError, versions},
};

/// Payments or orders that are compared at once.
const PAGE: u16 = 200;

/// What would make a difference good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The payment is given back: no order knows of it.
    Withdraw,
    /// What the payment holds is released: no order knows of it.
    Release,
    /// The order is finished with the payment that it has forgotten.
    Finish,
    /// The terms are taken back whose money was given back.
    TakeBack,
    /// The payment is booked again, which the wallet has forgotten.
    Book,
    /// The refund is booked again, which the wallet has forgotten.
    GiveBack,
    /// None is known.
    None,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Withdraw => "give the payment back",
            Self::Release => "release what is held",
            Self::Finish => "finish the order",
            Self::TakeBack => "take the terms back",
            Self::Book => "book the payment again",
            Self::GiveBack => "book the refund again",
            Self::None => "-",
        })
    }
}

/// What became of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It can be made good.
    Open,
    /// It was made good.
    Done,
    /// Somebody has to see to it; why.
    ForPeople(String),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "to do",
            Self::Done => "done",
            Self::ForPeople(why) => why,
        })
    }
}

/// An order and a payment that do not belong together as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Whose they are.
    pub account: String,
    /// The order.
    pub order: String,
    /// The payment.
    pub payment: String,
    /// What was paid.
    pub amount: Option<Money>,
    /// What the wallet says of the payment.
    pub wallet: String,
    /// What the renewal service says of the order.
    pub renewal: String,
    /// What would make it good.
    pub remedy: Remedy,
    /// What became of it.
    pub ending: Ending,
}

impl Difference {
    fn of(payment: &Payment, wallet: String, renewal: String, remedy: Remedy) -> Self {
        Self {
            account: payment.account_id.clone(),
            order: payment.order_id.clone(),
            payment: payment.payment_id.clone(),
            amount: payment.amount.clone().and_then(|amount| money(&amount)),
            wallet,
            renewal,
            remedy,
            ending: Ending::Open,
        }
    }

    fn ended(self, ending: Ending) -> Self {
        Self { ending, ..self }
    }
}

fn money(amount: &types::Money) -> Option<Money> {
    amount.clone().try_into().ok()
}

/// A reconciliation, page by page.
#[derive(Debug)]
pub struct Reconciliation {
    orders: Orders,
    wallet: RemoteRestore,
    since: DateTime<Utc>,
    apply: bool,
    place: Place,
    waiting: Waiting,
}

/// How far a reconciliation is.
#[derive(Debug)]
enum Place {
    /// The wallet's payments after this one are next.
    Payments(String),
    /// The orders after this one are next.
    Orders(Option<Uuid>),
    /// What could not be booked again, for want of what is booked again later, is next.
    Waiting,
    End,
}

impl Reconciliation {
    /// Compares everything that changed at `since` or later; makes it good too, if it is to `apply`.
    #[must_use]
    pub fn new(orders: Orders, wallet: RemoteRestore, since: DateTime<Utc>, apply: bool) -> Self {
        let place = Place::Payments(String::new());
        Self { orders, wallet, since, apply, place, waiting: Waiting::default() }
    }

    /// The differences of the next page; none once all were looked at. Whatever was made good stays so
    /// where this is interrupted.
    pub async fn page(&mut self) -> Result<Option<Vec<Difference>>, OrderError> {
        match std::mem::replace(&mut self.place, Place::End) {
            Place::Payments(after) => {
                let (differences, last) = self.forgotten(after).await?;
                self.place = last.map_or(Place::Orders(None), Place::Payments);
                Ok(Some(differences))
            }
            Place::Orders(after) => {
                let (differences, last) = self.lost(after).await?;
                self.place = last.map_or(Place::Waiting, |last| Place::Orders(Some(last)));
                Ok(Some(differences))
            }
            Place::Waiting => self.still_waiting().await.map(Some),
            Place::End => Ok(None),
        }
    }

    /// Gives every instance a version that nobody was told before, and has the consoles of their products
    /// told all states again (O-5): under the versions that an older copy has, they would take new states
    /// for old ones. Answers how many instances there are.
    pub async fn raise_versions(&self) -> Result<u64, OrderError> {
        let catalogue = self.orders.rules.current().await?;
        let products = catalogue.products();
        let told = products.filter(|(_, product)| product.profile.provisioner.is_some());
        let told: Vec<_> = told.map(|(id, _)| id).collect();
        let raised = retry(|| async {
            let transaction = self.orders.store.begin().await?;
            let raised = versions::leap(&transaction, &told, self.orders.now()).await?;
            transaction.commit().await?;
            Ok::<_, StoreError>(raised)
        });
        Ok(raised.await?)
    }
}

/// Why something cannot be done with one order or payment: that is for people, and keeps nobody from the
/// others. An error where it may be done a moment later.
fn said_no<T, E: Into<OrderError>>(answer: Result<T, E>) -> Result<Result<T, String>, OrderError> {
    match answer.map_err(Into::into) {
        Ok(done) => Ok(Ok(done)),
        Err(OrderError::Remote(error)) if error.is_open() => Err(error.into()),
        Err(OrderError::Remote(error)) => Ok(Err(error.status.message().to_owned())),
        Err(OrderError::Store(error)) if !matches!(error, StoreError::Unreadable(_)) => {
            Err(error.into())
        }
        Err(error) => Ok(Err(error.to_string())),
    }
}
