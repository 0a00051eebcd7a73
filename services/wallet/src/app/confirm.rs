//! Taking callbacks of channels (W-4).

use chrono::{DateTime, Utc};
use kernel::{
    Money,
    ids::{AccountId, ChannelName, IntentId, PaymentId},
};
use platform::{
    database::{MaybeTransient as _, retry},
    fault::{Fault, point},
    request::RequestDigest,
    status::Replayed,
    webhook,
};
use rule_engine::reason::{Reason, Refusal};

use super::{
    Till, WalletError,
    notice::{Notice, Subject},
};
use crate::{
    domain::{Booked, Confirmed, Intent, News, Outcome, Payment, Purse, ToCash, Verdict, judge},
    store::{NewCallback, Unit, VouchersWanted},
};

/// A message of a channel, as it came.
#[derive(Debug, Clone)]
pub struct Callback {
    pub channel: String,
    /// The headers `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    pub id: String,
    pub timestamp: String,
    pub signature: String,
    /// Byte by byte as it was signed.
    pub body: Vec<u8>,
}

/// A callback that is known to be the channel's.
#[derive(Debug)]
pub(super) struct Signed<'a> {
    pub channel: &'a ChannelName,
    pub message: &'a str,
    pub digest: RequestDigest,
    pub notice: Notice,
}

impl Till {
    /// Books what a channel says, once for each message and once for each of the channel's payments
    /// (W-4). A repeat is answered with the first result.
    pub async fn confirm(&self, callback: &Callback) -> Result<Replayed<Confirmed>, WalletError> {
        let now = self.env.now();
        let channel = callback.channel.parse::<ChannelName>().ok();
        let channel = channel.as_ref().and_then(|name| self.channels.get(name));
        let Some(channel) = channel else {
            return Err(WalletError::NoSuchChannel(callback.channel.clone()));
        };
        let timestamp = super::notice::headers(callback)?;
        let Callback { id, signature, body, .. } = callback;
        webhook::verify(&channel.secrets, id, timestamp, signature, body, now)?;
        let result = self.take(&channel.name, callback, now).await;
        if let Err(error) = &result
            && !error.is_transient()
        {
            tracing::error!(channel = %channel.name, message.id = id, %error,
                "what a channel says is booked nowhere");
        }
        result
    }

    /// Reads and books a callback that is known to be the channel's.
    async fn take(
        &self,
        channel: &ChannelName,
        callback: &Callback,
        now: DateTime<Utc>,
    ) -> Result<Replayed<Confirmed>, WalletError> {
        let signed = Signed {
            channel,
            message: &callback.id,
            digest: RequestDigest::of_bytes("ConfirmPayment", &callback.body),
            notice: Notice::read(&callback.body)?,
        };
        retry(|| self.book(&signed, now)).await
    }

    async fn book(
        &self,
        signed: &Signed<'_>,
        now: DateTime<Utc>,
    ) -> Result<Replayed<Confirmed>, WalletError> {
        match signed.notice.subject {
            Subject::Intent(id) => self.book_intent(signed, id, now).await,
            Subject::Refund(id) => self.book_refund(signed, id, now).await,
        }
    }

    async fn book_intent(
        &self,
        signed: &Signed<'_>,
        id: IntentId,
        now: DateTime<Utc>,
    ) -> Result<Replayed<Confirmed>, WalletError> {
        let unit = self.store.begin().await?;
        let (payment, mut purse) = lock_intent(&unit, signed, id, now).await?;
        if let Some(confirmed) = answered(&unit, signed).await? {
            return Ok(Replayed::Again(confirmed));
        }
        let intent = payment.intent.as_ref().expect("it was found by it");
        let news = news(signed, purse.wallet().cash().currency())?;
        let known = known_money(&unit, signed, news, payment.id).await?;
        let first = known.is_none();
        let (confirmed, ended) = match known {
            Some(confirmed) => (confirmed, None),
            None => book(&mut purse, &payment, intent, news, now)?,
        };
        if let Some(ended) = &ended {
            unit.end_payments([ended].into_iter()).await?;
        }
        keep(&unit, signed, &payment.account, &confirmed, first, now).await?;
        unit.save([&purse].into_iter()).await?;
        unit.commit().await?;
        point(Fault::AfterConfirm);
        Ok(if first { Replayed::First(confirmed) } else { Replayed::Again(confirmed) })
    }
}

/// The payment of an intent of this channel, with its wallet locked.
async fn lock_intent(
    unit: &Unit,
    signed: &Signed<'_>,
    id: IntentId,
    now: DateTime<Utc>,
) -> Result<(Payment, Purse), WalletError> {
    let unknown = || WalletError::IntentNotFound(id.to_string());
    let seen = unit.payment_of(id).await?.ok_or_else(unknown)?;
    let accounts = [seen.account.clone()].into();
    let mut purses = unit.lock(&accounts, &VouchersWanted::default(), now).await?;
    let purse = purses.remove(&seen.account).expect("who has a payment has a wallet");
    // It may have ended before the wallet was ours.
    let payment = unit.payment_of(id).await?.ok_or_else(unknown)?;
    let ours = payment.intent.as_ref().is_some_and(|it| it.channel == *signed.channel);
    if ours { Ok((payment, purse)) } else { Err(unknown()) }
}

/// The answer to a message that came before; one with another body refuses (O-3).
pub(super) async fn answered(
    unit: &Unit,
    signed: &Signed<'_>,
) -> Result<Option<Confirmed>, WalletError> {
    let Some(answered) = unit.callback(signed.channel, signed.message).await? else {
        return Ok(None);
    };
    if !signed.digest.matches(&answered.digest) {
        return Err(WalletError::Reused(format!("message id {}", signed.message)));
    }
    Ok(Some(answered.confirmed))
}

/// What the message says, of money in `currency` (W-6).
fn news(signed: &Signed<'_>, currency: kernel::Currency) -> Result<News, WalletError> {
    match signed.notice.news {
        super::notice::Said::Failed => Ok(News::Failed),
        super::notice::Said::Unknown => Ok(News::Unknown),
        super::notice::Said::Succeeded(amount) if amount.currency() == currency => {
            Ok(News::Succeeded(amount.minor()))
        }
        super::notice::Said::Succeeded(amount) => {
            let message = format!("{amount} was paid where {currency} was asked for.");
            Err(Refusal::new(Reason::CurrencyMismatch, message).into())
        }
    }
}

/// What came of the same money under another message id. If that was said to be other money, or of
/// another payment, somebody must look.
async fn known_money(
    unit: &Unit,
    signed: &Signed<'_>,
    news: News,
    payment: PaymentId,
) -> Result<Option<Confirmed>, WalletError> {
    let (Some(money), News::Succeeded(amount)) = (signed.notice.money.as_deref(), news) else {
        return Ok(None);
    };
    let known = unit.callback_with_money(signed.channel, money).await?;
    let known = known.map(|known| known.confirmed);
    if let Some(first) = &known
        && (first.amount.minor(), first.payment) != (amount, payment)
    {
        tracing::error!(channel = %signed.channel, message.id = signed.message, money, %payment,
            amount, first.payment = %first.payment, first.amount = first.amount.minor(),
            "a channel says other things of money that is booked");
    }
    Ok(known)
}

/// Books the news of `payment`, and tells how it ended if it did.
fn book(
    purse: &mut Purse,
    payment: &Payment,
    intent: &Intent,
    news: News,
    now: DateTime<Utc>,
) -> Result<(Confirmed, Option<Payment>), WalletError> {
    let verdict = judge(payment, intent, news, now);
    let paid = match news {
        News::Succeeded(amount) => amount,
        News::Failed | News::Unknown => 0,
    };
    let amount = Money::new(paid, purse.wallet().currency);
    let to_cash = |purse: &mut Purse, why| {
        purse.receive(&intent.channel, amount, payment.about(), why).map(|()| Booked::ToCash(why))
    };
    let (booked, end) = match (verdict, &payment.outcome) {
        (Verdict::Capture, Outcome::Pending(coverage)) => {
            purse.capture(payment, coverage, &intent.channel);
            (Booked::Paid, Some((Outcome::Succeeded(coverage.clone()), Some(now))))
        }
        (Verdict::Release | Verdict::TooLate, Outcome::Pending(coverage)) => {
            purse.release(payment, coverage);
            let booked = if verdict == Verdict::Release {
                Booked::Voided
            } else {
                to_cash(purse, ToCash::PaidTooLate)?
            };
            (booked, Some((Outcome::Voided, None)))
        }
        (Verdict::ToCash(why), _) => (to_cash(purse, why)?, None),
        (Verdict::Contradiction, _) => {
            tracing::error!(channel = %intent.channel, intent = %intent.id, payment = %payment.id,
                "a channel contradicts what it said before");
            (Booked::Nothing, None)
        }
        _ => (Booked::Nothing, None),
    };
    let confirmed = Confirmed { booked, amount, payment: payment.id };
    let end =
        end.map(|(outcome, confirm_time)| Payment { outcome, confirm_time, ..payment.clone() });
    Ok((confirmed, end))
}

/// Keeps the answer; fails if another call with the same message or money was first.
pub(super) async fn keep(
    unit: &Unit,
    signed: &Signed<'_>,
    account: &AccountId,
    confirmed: &Confirmed,
    brings: bool,
    now: DateTime<Utc>,
) -> Result<(), WalletError> {
    let new = NewCallback {
        channel: signed.channel,
        message: signed.message,
        digest: signed.digest,
        money: signed.notice.money.as_deref().filter(|_| brings),
        account,
        confirmed,
    };
    if unit.add_callback(&new, now).await? { Ok(()) } else { Err(WalletError::LostRace) }
}

#[cfg(test)]
mod tests;
