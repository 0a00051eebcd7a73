//! Callbacks of channels that were answered, each once (W-4).

use chrono::{DateTime, Utc};
use kernel::{
    Money,
    ids::{AccountId, ChannelName, PaymentId},
};
use platform::request::RequestDigest;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _,
};

use super::{Unit, add_unless_there};
use crate::{
    domain::{Booked, Confirmed, ToCash},
    store::{
        StoreError,
        entity::callback,
        rows::{currency, micros},
    },
};

/// A callback that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredCallback {
    /// The digest of its body.
    pub digest: Vec<u8>,
    pub confirmed: Confirmed,
}

/// A callback to be kept.
#[derive(Debug, Clone)]
pub struct NewCallback<'a> {
    pub channel: &'a ChannelName,
    pub message: &'a str,
    pub digest: RequestDigest,
    /// The channel's id of the money that it brings, where that is booked now.
    pub money: Option<&'a str>,
    pub account: &'a AccountId,
    pub confirmed: &'a Confirmed,
}

impl Unit {
    /// The callback with this message id, if it was answered.
    pub async fn callback(
        &self,
        channel: &ChannelName,
        message: &str,
    ) -> Result<Option<AnsweredCallback>, StoreError> {
        self.find_callback(channel, callback::Column::MessageId, message).await
    }

    /// The callback that brought this money, if one did.
    pub async fn callback_with_money(
        &self,
        channel: &ChannelName,
        money: &str,
    ) -> Result<Option<AnsweredCallback>, StoreError> {
        self.find_callback(channel, callback::Column::MoneyId, money).await
    }

    async fn find_callback(
        &self,
        channel: &ChannelName,
        column: callback::Column,
        id: &str,
    ) -> Result<Option<AnsweredCallback>, StoreError> {
        let query = callback::Entity::find()
            .filter(callback::Column::Channel.eq(channel.as_str()))
            .filter(column.eq(id));
        query.one(&self.transaction).await?.map(AnsweredCallback::try_from).transpose()
    }

    /// Keeps the answer to a callback, and tells whether it is the first with its message id, and
    /// with its money. If not, the transaction must not be committed.
    pub async fn add_callback(
        &self,
        new: &NewCallback<'_>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let (outcome, reason) = outcome(new.confirmed.booked);
        let row = callback::Model {
            channel: new.channel.to_string(),
            message_id: new.message.to_owned(),
            digest: new.digest.to_vec(),
            money_id: new.money.map(str::to_owned),
            outcome: outcome.to_owned(),
            reason: reason.to_owned(),
            account: new.account.to_string(),
            payment_id: new.confirmed.payment.0,
            amount: new.confirmed.amount.minor(),
            currency: new.confirmed.amount.currency().code().to_owned(),
            created_us: micros(now),
        };
        add_unless_there(row.into_active_model().reset_all(), &self.transaction).await
    }
}

impl TryFrom<callback::Model> for AnsweredCallback {
    type Error = StoreError;

    fn try_from(row: callback::Model) -> Result<Self, StoreError> {
        let to_cash = ToCash::ALL.into_iter().find(|why| why.reason() == row.reason);
        let all = [Booked::Paid, Booked::Voided, Booked::Refunded, Booked::Nothing];
        let booked = all.into_iter().chain(to_cash.map(Booked::ToCash));
        let booked = booked.into_iter().find(|&it| outcome(it).0 == row.outcome);
        let confirmed = Confirmed {
            booked: booked
                .ok_or_else(|| StoreError::unreadable(format!("outcome {:?}", row.outcome)))?,
            amount: Money::new(row.amount, currency(&row.currency)?),
            payment: PaymentId(row.payment_id),
        };
        Ok(Self { digest: row.digest, confirmed })
    }
}

/// What became of the money, and why it went to the cash balance if it did, as the row has it.
fn outcome(booked: Booked) -> (&'static str, &'static str) {
    match booked {
        Booked::Paid => ("PAID", ""),
        Booked::ToCash(why) => ("TO_CASH_BALANCE", why.reason()),
        Booked::Voided => ("VOIDED", ""),
        Booked::Refunded => ("REFUNDED", ""),
        Booked::Nothing => ("NOTHING", ""),
    }
}
