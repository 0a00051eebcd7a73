//! Asking channels for money, and calling off what was asked.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, ChannelName, IntentId, PaymentId};
use platform::{
    database::retry,
    fault::{Fault, point},
    status::Replayed,
};
use rule_engine::reason::{Reason, Refusal};

use super::{
    Till, WalletError,
    charge::{known, vouchers_wanted},
};
use crate::{
    domain::{Channel, Charge, Intent, Outcome, Payment, PaymentRefusal},
    store::{Known, Unit, VouchersWanted},
};

/// A payment that a channel is to pay (a part of).
#[derive(Debug, Clone)]
pub struct Checkout {
    pub charge: Charge,
    pub channel: ChannelName,
    /// Whether cash pays before the channel does.
    pub use_cash: bool,
    /// The intent ends at this instant at the latest.
    pub expire_by: DateTime<Utc>,
}

/// What became of a page of overdue payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    pub done: usize,
    /// Whether more are due.
    pub more: bool,
}

impl Till {
    /// Holds what vouchers and cash pay, and makes an intent for the rest (W-3, W-4). A payment id
    /// that is known is answered as it is stored (O-3).
    pub async fn check_out(&self, checkout: &Checkout) -> Result<Replayed<Payment>, WalletError> {
        let now = self.env.now();
        let intent = IntentId(self.env.next_id());
        retry(|| self.try_check_out(checkout, intent, now)).await
    }

    async fn try_check_out(
        &self,
        checkout: &Checkout,
        intent: IntentId,
        now: DateTime<Utc>,
    ) -> Result<Replayed<Payment>, WalletError> {
        let charge = &checkout.charge;
        let charges = std::slice::from_ref(charge);
        let unit = self.store.begin().await?;
        let accounts = [charge.account.clone()].into();
        let mut purses = unit.lock(&accounts, &vouchers_wanted(charges), now).await?;
        if let Some(payment) = known(&unit, charges, now).await?.remove(&charge.payment) {
            return Ok(Replayed::Again(payment));
        }
        let channel = self.channel(checkout)?;
        let expires = channel.expires(now, checkout.expire_by);
        if expires <= now {
            let message = format!("The order ends at {expires}, before a channel could pay it.");
            return Err(Refusal::new(Reason::OrderNotPayable, message).into());
        }
        let outcome = match purses.get_mut(&charge.account) {
            Some(purse) => purse.hold(charge, checkout.use_cash)?,
            None => Outcome::Refused(PaymentRefusal::wallet_not_found(&charge.account)),
        };
        let intent = if let Outcome::Pending(coverage) = &outcome {
            let (channel, amount) = (channel.name.clone(), coverage.channel);
            Some(Intent { id: intent, channel, amount, expires })
        } else {
            None
        };
        if !unit.add_intent(charge, &outcome, intent.as_ref(), now).await? {
            return Err(WalletError::LostRace);
        }
        unit.save(purses.values()).await?;
        unit.commit().await?;
        point(Fault::AfterIntent);
        let payment = Payment { intent, ..Payment::without_channel(charge, outcome) };
        Ok(Replayed::First(payment))
    }

    /// The channel that is asked, if it takes the currency (W-6).
    fn channel(&self, checkout: &Checkout) -> Result<&Channel, WalletError> {
        let name = &checkout.channel;
        let channel = self.channels.get(name);
        let channel = channel.ok_or_else(|| WalletError::NoSuchChannel(name.to_string()))?;
        let currency = checkout.charge.bill.amount.currency();
        if channel.currencies.contains(&currency) {
            return Ok(channel);
        }
        let message = format!("The channel {name} does not take {currency}.");
        Err(Refusal::new(Reason::CurrencyMismatch, message).with("channel", name).into())
    }

    /// Calls a payment off: one that is not known is stored as voided, so that a late charge takes
    /// nothing; of one that is pending what is held is released (W-3); one that ended keeps its end.
    /// Another account's is as good as reused (O-3).
    pub async fn void(
        &self,
        id: PaymentId,
        account: &AccountId,
    ) -> Result<Replayed<Payment>, WalletError> {
        let now = self.env.now();
        retry(|| async {
            let unit = self.store.begin().await?;
            if unit.void(id, account, now).await? {
                unit.commit().await?;
                point(Fault::AfterVoid);
                return Ok(Replayed::First(Payment::voided(id, account.clone())));
            }
            let payment = stored(&unit, id).await?;
            if payment.account != *account {
                return Err(WalletError::Reused(format!("payment id {id}")));
            }
            if !matches!(payment.outcome, Outcome::Pending(_)) {
                return Ok(Replayed::Again(payment));
            }
            let mut ended = release(&unit, &[(payment.account, id)], now).await?;
            let Some(payment) = ended.pop() else { return Err(WalletError::LostRace) };
            unit.commit().await?;
            point(Fault::AfterVoid);
            Ok(Replayed::First(payment))
        })
        .await
    }

    /// Voids payments whose intents have expired, at most `limit` of them (W-3).
    pub async fn expire_holds(&self, limit: u64) -> Result<Swept, WalletError> {
        let now = self.env.now();
        retry(|| async {
            let unit = self.store.begin().await?;
            // One more than wanted tells whether there are more.
            let mut due = unit.overdue(now, limit + 1).await?;
            let more = due.len() as u64 > limit;
            due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            let done = release(&unit, &due, now).await?.len();
            unit.commit().await?;
            // Where nothing could be done, the rest waits for the next sweep too.
            Ok(Swept { done, more: more && done > 0 })
        })
        .await
    }
}

async fn stored(unit: &Unit, id: PaymentId) -> Result<Payment, WalletError> {
    let stored = unit.payments(&[id]).await?.remove(&id);
    stored.map(|known| known.payment).ok_or(WalletError::LostRace)
}

/// Voids those of `payments` that are still pending once their wallets are locked, and releases what
/// they hold. One that cannot be read keeps what it holds, and none of the others from ending.
async fn release(
    unit: &Unit,
    payments: &[(AccountId, PaymentId)],
    now: DateTime<Utc>,
) -> Result<Vec<Payment>, WalletError> {
    if payments.is_empty() {
        return Ok(Vec::new());
    }
    let accounts: BTreeSet<_> = payments.iter().map(|(account, _)| account.clone()).collect();
    let mut purses = unit.lock(&accounts, &VouchersWanted::default(), now).await?;
    let ids: Vec<_> = payments.iter().map(|&(_, id)| id).collect();
    let mut stored: HashMap<_, _> = unit.each_payment(&ids).await?.into_iter().collect();
    let mut ended = Vec::new();
    for id in ids {
        let mut payment = match stored.remove(&id) {
            Some(Ok(Known { payment, .. })) => payment,
            Some(Err(error)) => {
                tracing::error!(payment = %id, error = &error as &dyn std::error::Error,
                    "a payment cannot be read, and keeps what it holds");
                continue;
            }
            None => continue,
        };
        let Outcome::Pending(coverage) = &payment.outcome else { continue };
        let purse = purses.get_mut(&payment.account).expect("who has a payment has a wallet");
        purse.release(&payment, coverage);
        payment.outcome = Outcome::Voided;
        ended.push(payment);
    }
    if !ended.is_empty() {
        unit.end_payments(ended.iter()).await?;
        unit.save(purses.values()).await?;
    }
    Ok(ended)
}

#[cfg(test)]
mod tests;
