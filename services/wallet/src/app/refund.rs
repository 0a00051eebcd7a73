//! Giving money back, and hearing of channels that have (O-6, V-5).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use kernel::{
    Money,
    ids::{RefundId, VoucherId},
};
use platform::{
    database::retry,
    fault::{Fault, point},
    status::Replayed,
};
use rule_engine::reason::{Reason, Refusal};

use super::{
    Swept, Till, WalletError,
    confirm::{Signed, answered, keep},
    notice::Said,
};
use crate::{
    domain::{
        Booked, Confirmed, Outcome, Payment, Purse, Refund, RefundAsk, RefundRefused, ToCash, plan,
    },
    store::{Unit, VouchersWanted},
};

impl Till {
    /// Gives items of a payment back, each stored part to where it came from, once for each refund
    /// id and once for each item. A refund id that is known is answered as it is stored (O-3).
    pub async fn refund(&self, ask: &RefundAsk) -> Result<Replayed<Refund>, WalletError> {
        let now = self.env.now();
        let refund = retry(|| self.try_refund(ask, now)).await?;
        point(Fault::AfterRefund);
        Ok(refund)
    }

    async fn try_refund(
        &self,
        ask: &RefundAsk,
        now: DateTime<Utc>,
    ) -> Result<Replayed<Refund>, WalletError> {
        let unknown = || WalletError::PaymentNotFound(ask.payment);
        let unit = self.store.begin().await?;
        let mut purse = lock(&unit, &ask.account, now).await?.ok_or_else(unknown)?;
        if let Some(known) = unit.refund(ask.refund).await? {
            return if ask.digest.matches(&known.digest) {
                Ok(Replayed::Again(known.refund))
            } else {
                Err(WalletError::Reused(format!("refund id {}", ask.refund)))
            };
        }
        let payment = unit.payments(&[ask.payment]).await?.remove(&ask.payment);
        let payment = payment.map(|known| known.payment).ok_or_else(unknown)?;
        if payment.account != ask.account {
            return Err(unknown());
        }
        let refunded = unit.refunded(payment.id).await?;
        let over = vouchers_over(&unit, &payment, now).await?;
        let ask = self.through_open_channel(ask, &payment);
        let refund = plan(&ask, &payment, &refunded, &over, now).map_err(refused)?;
        purse.give_back(&refund)?;
        if !unit.add_refund(&refund, ask.digest).await? {
            return Err(WalletError::LostRace);
        }
        unit.save([&purse].into_iter()).await?;
        unit.commit().await?;
        Ok(Replayed::First(refund))
    }

    /// Names at most `limit` refunds whose channel has kept silent for a week, once a day. What they
    /// wait for stays with them: a channel that is slow may still pay it out, so that nobody but the
    /// channel can say that it is the customer's (O-6).
    pub async fn remind_refunds(&self, limit: u64) -> Result<Swept, WalletError> {
        let now = self.env.now();
        let silent = retry(|| async {
            let unit = self.store.begin().await?;
            let silent = unit.remind(now, limit).await?;
            unit.commit().await?;
            Ok::<_, WalletError>(silent)
        });
        let silent = silent.await?;
        for refund in &silent {
            let (channel, amount) = refund.asked.as_ref().expect("a channel is asked");
            tracing::error!(%channel, refund = %refund.id, payment = %refund.payment,
                amount = %Money::new(*amount, refund.currency), since = %refund.create_time,
                "a channel has not said what became of a refund");
        }
        Ok(Swept { done: silent.len(), more: silent.len() as u64 == limit })
    }

    /// What is asked, but to the cash balance where the channel that paid is no longer configured:
    /// nobody could confirm.
    fn through_open_channel(&self, ask: &RefundAsk, payment: &Payment) -> RefundAsk {
        let channel = payment.intent.as_ref().map(|intent| &intent.channel);
        let open = channel.is_some_and(|name| self.channels.get(name).is_some());
        RefundAsk { through_channel: ask.through_channel && open, ..ask.clone() }
    }

    /// Books what a channel says of the part of a refund that it was asked to give back.
    pub(super) async fn book_refund(
        &self,
        signed: &Signed<'_>,
        id: RefundId,
        now: DateTime<Utc>,
    ) -> Result<Replayed<Confirmed>, WalletError> {
        let unit = self.store.begin().await?;
        let (refund, mut purse) = lock_refund(&unit, signed, id, now).await?;
        if let Some(confirmed) = answered(&unit, signed).await? {
            return Ok(Replayed::Again(confirmed));
        }
        check_amount(&refund, signed.notice.news)?;
        let says = match signed.notice.news {
            Said::Succeeded(_) => Some(true),
            Said::Failed => Some(false),
            Said::Unknown => None,
        };
        if says.is_some_and(|confirmed| refund.is_contradicted(confirmed)) {
            tracing::error!(channel = %signed.channel, message.id = signed.message, refund = %id,
                payment = %refund.payment, "a channel contradicts what it said before");
        }
        let (booked, ended) = match signed.notice.news {
            _ if !refund.pending => (Booked::Nothing, None),
            Said::Unknown => (Booked::Nothing, None),
            Said::Succeeded(_) => {
                purse.settle_refund(&refund, true)?;
                (Booked::Refunded, Some(refund.clone().answered(true, now)))
            }
            Said::Failed => {
                purse.settle_refund(&refund, false)?;
                let booked = Booked::ToCash(ToCash::RefundRefused);
                (booked, Some(refund.clone().answered(false, now)))
            }
        };
        let asked = refund.asked.as_ref().map_or(0, |&(_, amount)| amount);
        let amount = if ended.is_some() { asked } else { 0 };
        let amount = Money::new(amount, refund.currency);
        let confirmed = Confirmed { booked, amount, payment: refund.payment };
        if let Some(ended) = &ended {
            unit.end_refund(ended).await?;
        }
        keep(&unit, signed, &refund.account, &confirmed, false, now).await?;
        unit.save([&purse].into_iter()).await?;
        unit.commit().await?;
        Ok(Replayed::First(confirmed))
    }
}

pub(super) async fn lock(
    unit: &Unit,
    account: &kernel::ids::AccountId,
    now: DateTime<Utc>,
) -> Result<Option<Purse>, WalletError> {
    let accounts = [account.clone()].into();
    Ok(unit.lock(&accounts, &VouchersWanted::default(), now).await?.remove(account))
}

/// The refund that this channel was asked for, with its wallet locked.
async fn lock_refund(
    unit: &Unit,
    signed: &Signed<'_>,
    id: RefundId,
    now: DateTime<Utc>,
) -> Result<(Refund, Purse), WalletError> {
    let unknown = || WalletError::IntentNotFound(id.to_string());
    let seen = unit.refund(id).await?.ok_or_else(unknown)?.refund;
    let ours = seen.asked.as_ref().is_some_and(|(channel, _)| channel == signed.channel);
    if !ours {
        return Err(unknown());
    }
    let purse = lock(unit, &seen.account, now).await?;
    let purse = purse.expect("who has a refund has a wallet");
    // It may have ended before the wallet was ours.
    let refund = unit.refund(id).await?.ok_or_else(unknown)?.refund;
    Ok((refund, purse))
}

/// Refuses money that is not what the channel was asked to give back (W-4, W-6).
fn check_amount(refund: &Refund, news: Said) -> Result<(), WalletError> {
    let (Said::Succeeded(amount), Some((_, asked))) = (news, &refund.asked) else { return Ok(()) };
    let asked = Money::new(*asked, refund.currency);
    if amount.currency() != asked.currency() {
        let message = format!("{amount} was given back where {asked} was asked for.");
        return Err(Refusal::new(Reason::CurrencyMismatch, message).into());
    }
    if amount == asked { Ok(()) } else { Err(WalletError::OtherRefund { amount, asked }) }
}

/// The vouchers of `payment` that can pay no more (V-5).
pub(super) async fn vouchers_over(
    unit: &Unit,
    payment: &Payment,
    now: DateTime<Utc>,
) -> Result<BTreeSet<VoucherId>, WalletError> {
    let Outcome::Succeeded(coverage) = &payment.outcome else { return Ok(BTreeSet::new()) };
    let used = coverage.vouchers.iter().map(|it| it.voucher).collect();
    let vouchers = unit.vouchers_of(&payment.account, &used).await?;
    Ok(vouchers.into_values().filter(|it| it.is_over(now)).map(|it| it.id).collect())
}

pub(super) fn refused(refused: RefundRefused) -> WalletError {
    match refused {
        RefundRefused::AlreadyRefunded(ref instances) => {
            let refusal = Refusal::new(Reason::AlreadyRefunded, format!("{refused}."));
            refusal.with_all("instance_ids", instances.clone()).into()
        }
        other => WalletError::NotRefundable(other),
    }
}

#[cfg(test)]
mod tests;
