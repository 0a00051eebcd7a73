//! Bringing payments and orders together again where one of two databases is an older copy.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use kernel::{
    Money,
    ids::{AccountId, ChannelName, PaymentId, RefundId},
};
use platform::{database::retry, request::RequestDigest};
use rule_engine::voucher::Coverage;

use super::{
    Till, WalletError, Wallets,
    refund::{lock, refused, vouchers_over},
};
use crate::{
    domain::{
        Bill, Booked, Confirmed, Outcome, Payment, Purse, Refund, RefundAsk, RefundRefused, plan,
    },
    store::{Found, NewCallback, Unit, VouchersWanted},
};

/// A payment that no order knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withdrawal<'w> {
    pub account: &'w AccountId,
    pub payment: PaymentId,
    /// The refund of what is left of it.
    pub refund: RefundId,
}

impl Wallets {
    /// Those of `ids` that there are.
    pub async fn find(&self, ids: &[PaymentId]) -> Result<Vec<Found>, WalletError> {
        Ok(self.store.found(ids).await?)
    }

    /// At most `limit` payments after `after`, by id, that took or hold money and changed at `since` or
    /// later.
    pub async fn changed(
        &self,
        since: DateTime<Utc>,
        after: PaymentId,
        limit: u64,
    ) -> Result<Vec<Found>, WalletError> {
        let ids = self.store.changed(since, after, limit).await?;
        Ok(self.store.found(&ids).await?)
    }
}

impl Till {
    /// Gives back what is left of a payment that took money for an order that does not know of it, and
    /// answers with it; the payment is as good as voided from then on. A repeat changes nothing.
    pub async fn withdraw(
        &self,
        withdrawal: &Withdrawal<'_>,
    ) -> Result<Option<Refund>, WalletError> {
        let now = self.env.now();
        retry(|| self.try_withdraw(withdrawal, now)).await
    }

    async fn try_withdraw(
        &self,
        &Withdrawal { account, payment: id, refund }: &Withdrawal<'_>,
        now: DateTime<Utc>,
    ) -> Result<Option<Refund>, WalletError> {
        let unknown = || WalletError::PaymentNotFound(id);
        let unit = self.store.begin().await?;
        let mut purse = lock(&unit, account, now).await?.ok_or_else(unknown)?;
        let payment = unit.payments(&[id]).await?.remove(&id).map(|known| known.payment);
        let payment = payment.filter(|it| it.account == *account).ok_or_else(unknown)?;
        if payment.withdrawn {
            return Ok(unit.refund(refund).await?.map(|known| known.refund));
        }
        let Outcome::Succeeded(coverage) = &payment.outcome else {
            return Err(refused(RefundRefused::NotSucceeded));
        };
        let refunded = unit.refunded(id).await?;
        let paid = coverage.items.iter().map(|item| item.instance.clone());
        let left: BTreeSet<_> = paid.filter(|instance| !refunded.contains(instance)).collect();
        let mut given_back = None;
        if !left.is_empty() {
            let over = vouchers_over(&unit, &payment, now).await?;
            let ask = RefundAsk {
                refund,
                account: account.clone(),
                payment: id,
                instances: left,
                through_channel: false,
                digest: RequestDigest::of_bytes("WithdrawPayment", refund.0.as_bytes()),
            };
            let refund = plan(&ask, &payment, &refunded, &over, now).map_err(refused)?;
            purse.give_back(&refund)?;
            if !unit.add_refund(&refund, ask.digest).await? {
                return Err(WalletError::LostRace);
            }
            given_back = Some(refund);
        }
        unit.withdraw(&payment).await?;
        unit.save([&purse].into_iter()).await?;
        unit.commit().await?;
        Ok(given_back)
    }

    /// Books `payment`, which this wallet said once to have succeeded, from the same sources as then.
    /// One that it knows of stays as it is; of one that is pending what it holds is taken.
    pub async fn restore(&self, payment: &Payment) -> Result<(), WalletError> {
        let now = self.env.now();
        retry(|| self.try_restore(payment, now)).await
    }

    async fn try_restore(&self, payment: &Payment, now: DateTime<Utc>) -> Result<(), WalletError> {
        let other = || WalletError::Reused(format!("payment id {}", payment.id));
        let (Outcome::Succeeded(coverage), Some(bill)) = (&payment.outcome, &payment.bill) else {
            return Err(other());
        };
        let unit = self.store.begin().await?;
        let mut purse = lock_sources(&unit, &payment.account, coverage, now).await?;
        if purse.wallet().currency != bill.amount.currency() {
            return Err(other());
        }
        let known = unit.payments(&[payment.id]).await?.remove(&payment.id);
        match known.map(|known| known.payment) {
            Some(known) if !is_same(&known, payment, coverage) => return Err(other()),
            Some(Payment { outcome: Outcome::Pending(held), intent: Some(intent), .. }) => {
                purse.capture(payment, &held, &intent.channel);
                unit.end_payments([payment].into_iter()).await?;
            }
            Some(_) => return Ok(()),
            None => {
                let coverage = purse.take_again(payment, bill, coverage)?;
                if !unit.add_restored(payment, bill, &coverage, now).await? {
                    return Err(WalletError::LostRace);
                }
            }
        }
        if let Some(intent) = payment.intent.as_ref().filter(|_| coverage.channel > 0) {
            keep(&unit, payment, bill, (&intent.channel, coverage.channel), now).await?;
        }
        unit.save([&purse].into_iter()).await?;
        unit.commit().await?;
        Ok(())
    }
}

/// Whether `known` is the payment as it was before, or as it was before it succeeded.
fn is_same(known: &Payment, payment: &Payment, coverage: &Coverage) -> bool {
    let (Outcome::Succeeded(sources) | Outcome::Pending(sources)) = &known.outcome else {
        return false;
    };
    let same = (&known.account, &known.bill) == (&payment.account, &payment.bill);
    same && !known.withdrawn && known.intent == payment.intent && sources.items == coverage.items
}

/// The wallet with those vouchers that paid.
async fn lock_sources(
    unit: &Unit,
    account: &AccountId,
    coverage: &Coverage,
    now: DateTime<Utc>,
) -> Result<Purse, WalletError> {
    let named = coverage.vouchers.iter().map(|it| (account.clone(), it.voucher)).collect();
    let wanted = VouchersWanted { named, ..VouchersWanted::default() };
    let locked = unit.lock(&[account.clone()].into(), &wanted, now).await?.remove(account);
    locked.ok_or_else(|| WalletError::NotFound(account.clone()))
}

/// Keeps that the channel brought its part: under which id it said so is lost.
async fn keep(
    unit: &Unit,
    payment: &Payment,
    bill: &Bill,
    (channel, amount): (&ChannelName, i64),
    now: DateTime<Utc>,
) -> Result<(), WalletError> {
    let amount = Money::new(amount, bill.amount.currency());
    let confirmed = Confirmed { booked: Booked::Paid, amount, payment: payment.id };
    let message = format!("restored:{}", payment.id);
    let new = NewCallback {
        channel,
        message: &message,
        digest: RequestDigest::of_bytes("RestorePayment", message.as_bytes()),
        money: Some(&message),
        account: &payment.account,
        confirmed: &confirmed,
    };
    if unit.add_callback(&new, now).await? { Ok(()) } else { Err(WalletError::LostRace) }
}

#[cfg(test)]
mod tests;
