//! Charging many orders at once: with one call for all that are being paid at the same time.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use futures::future::try_join_all;
use platform::{
    client::no_answer,
    database::{MaybeTransient, Trouble},
    together::{Unanswered, Work},
};
use proto::wallet::v1::{Charge, ChargeManyRequest, ChargeRequest, Payment};
use tonic::Code;

use crate::app::{Funds, RemoteError};

/// The most items of a payment that shares a call with others.
pub const FEW: usize = 8;

/// Has the wallet take payments, or tell what came of them before: each has an id, so that asking
/// again takes nothing twice.
#[derive(Debug, Clone)]
pub struct Payer {
    funds: Arc<dyn Funds>,
}

impl Payer {
    /// Pays from `funds`.
    #[must_use]
    pub const fn new(funds: Arc<dyn Funds>) -> Self {
        Self { funds }
    }

    /// Takes payments of one instant, in their order.
    async fn pay(
        &self,
        as_of: Option<prost_types::Timestamp>,
        mut charges: Vec<Charge>,
    ) -> Result<Vec<Payment>, RemoteError> {
        if charges.len() > 1 {
            return self.funds.charge_many(ChargeManyRequest { charges, as_of }).await;
        }
        let request = ChargeRequest { charge: charges.pop(), as_of };
        Ok(vec![self.funds.charge(request).await?])
    }
}

#[async_trait]
impl Work for Payer {
    type Ask = ChargeRequest;
    type Answer = Payment;
    type Error = RemoteError;
    type Key = String;

    const NAME: &'static str = "payer";

    fn keys(ask: &ChargeRequest) -> Vec<String> {
        ask.charge.iter().map(|charge| charge.payment_id.clone()).collect()
    }

    /// One call for each payment instant.
    async fn together(&self, asks: &[ChargeRequest]) -> Result<Vec<Payment>, RemoteError> {
        let mut instants: BTreeMap<_, (Vec<usize>, Vec<Charge>)> = BTreeMap::new();
        for (place, ask) in asks.iter().enumerate() {
            let instant = ask.as_of.map(|as_of| (as_of.seconds, as_of.nanos));
            let (places, charges) = instants.entry(instant).or_default();
            places.push(place);
            charges.extend(ask.charge.clone());
        }
        let paid = instants.into_values().map(async |(places, charges)| {
            let paid = self.pay(asks[places[0]].as_of, charges).await?;
            Ok::<_, RemoteError>(places.into_iter().zip(paid))
        });
        let mut paid: Vec<_> = try_join_all(paid).await?.into_iter().flatten().collect();
        paid.sort_unstable_by_key(|(place, _)| *place);
        Ok(paid.into_iter().map(|(_, payment)| payment).collect())
    }
}

impl MaybeTransient for RemoteError {
    /// What leaves open whether it was done does so for all; a wallet that somebody keeps locked, or a
    /// payment that is refused as a call, is found by asking in parts.
    fn trouble(&self) -> Trouble {
        match self.status.code() {
            Code::Aborted => Trouble::Locked,
            _ if self.is_open() => Trouble::Unreachable,
            _ => Trouble::Lasting,
        }
    }
}

impl From<Unanswered<Self>> for RemoteError {
    fn from(unanswered: Unanswered<Self>) -> Self {
        match unanswered {
            Unanswered::Together(error) => {
                Self { service: error.service, status: error.status.clone() }
            }
            Unanswered::NoOutcome => {
                Self { service: "wallet", status: no_answer("wallet", "it took too long") }
            }
        }
    }
}

#[cfg(test)]
mod tests;
