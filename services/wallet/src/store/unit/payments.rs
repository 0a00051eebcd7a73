//! Payments in a transaction: one row for each payment id, written once and ended once.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, IntentId, PaymentId};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait as _, EntityTrait as _,
    IntoActiveModel as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::{Unit, add_unless_there};
use crate::{
    domain::{Charge, Intent, Outcome, Payment, PaymentRefusal},
    store::{
        StoreError,
        bulk::{self, Column},
        entity::payment,
        rows::{PENDING, REFUSED, SUCCEEDED, VOIDED, micros, write_coverage},
    },
};

/// A payment that is stored, and the digest of what it was asked for.
#[derive(Debug, Clone)]
pub struct Known {
    pub payment: Payment,
    /// None for one that was voided before it was known, or restored.
    pub digest: Option<Vec<u8>>,
}

impl Unit {
    /// Those of `ids` that are stored; fails if one of them cannot be read.
    pub async fn payments(
        &self,
        ids: &[PaymentId],
    ) -> Result<HashMap<PaymentId, Known>, StoreError> {
        let each = self.each_payment(ids).await?;
        each.into_iter().map(|(id, known)| Ok((id, known?))).collect()
    }

    /// Those of `ids` that are stored, or why one cannot be read.
    pub async fn each_payment(
        &self,
        ids: &[PaymentId],
    ) -> Result<Vec<(PaymentId, Result<Known, StoreError>)>, StoreError> {
        let columns = vec![Column::Id(ids.iter().map(|id| id.0).collect())];
        let statement = bulk::FIND_PAYMENTS.over(self.backend, columns, Vec::new());
        let known = |mut row: payment::Model| {
            let (id, digest) = (PaymentId(row.payment_id), row.digest.take());
            (id, row.try_into().map(|payment| Known { payment, digest }))
        };
        Ok(self.rows(statement).await?.into_iter().map(known).collect())
    }

    /// The payment that a channel knows by `intent`.
    pub async fn payment_of(&self, intent: IntentId) -> Result<Option<Payment>, StoreError> {
        let query = payment::Entity::find().filter(payment::Column::IntentId.eq(intent.0));
        query.one(&self.transaction).await?.map(Payment::try_from).transpose()
    }

    /// Payments that are pending though their time was over at `now`, the oldest first, at most
    /// `limit`. They may have ended by the time that their wallets are locked.
    pub async fn overdue(
        &self,
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<(AccountId, PaymentId)>, StoreError> {
        use payment::Column;
        let rows: Vec<(String, Uuid)> = payment::Entity::find()
            .select_only()
            .columns([Column::Account, Column::PaymentId])
            .filter(Column::State.eq(PENDING))
            .filter(Column::ExpiresUs.lte(micros(now)))
            .order_by_asc(Column::ExpiresUs)
            .order_by_asc(Column::PaymentId)
            .limit(limit)
            .into_tuple()
            .all(&self.transaction)
            .await?;
        let key = |(account, id): (String, _)| {
            let account = account
                .try_into()
                .map_err(|_| StoreError::unreadable(format!("account of {id}")))?;
            Ok((account, PaymentId(id)))
        };
        rows.into_iter().map(key).collect()
    }

    /// Stores the outcomes of charges, and tells whether all of them were new. If not, the
    /// transaction must not be committed.
    pub async fn add_payments(
        &self,
        charges: &[(&Charge, Outcome)],
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        if charges.is_empty() {
            return Ok(true);
        }
        let text = |of: fn(&Charge, &Outcome) -> String| {
            Column::Text(charges.iter().map(|(charge, outcome)| of(charge, outcome)).collect())
        };
        let number = |of: fn(&Charge, &Outcome) -> i64| {
            Column::Number(charges.iter().map(|(charge, outcome)| of(charge, outcome)).collect())
        };
        let (parts, vouchers) =
            charges.iter().map(|(charge, outcome)| coverage(charge, outcome)).unzip();
        let columns = vec![
            text(|charge, _| charge.account.to_string()),
            Column::Id(charges.iter().map(|(charge, _)| charge.payment.0).collect()),
            text(|_, outcome| state(outcome).to_owned()),
            Column::Id(charges.iter().map(|(charge, _)| charge.bill.order.0).collect()),
            number(|charge, _| charge.bill.amount.minor()),
            text(|charge, _| charge.bill.amount.currency().code().to_owned()),
            Column::Bytes(charges.iter().map(|(charge, _)| charge.digest.to_vec()).collect()),
            number(|charge, _| micros(charge.bill.as_of)),
            Column::Bytes(parts),
            Column::Text(vouchers),
            text(|_, outcome| refusal(outcome).map_or_else(String::new, |it| it.reason.clone())),
            text(|_, outcome| refusal(outcome).map_or_else(String::new, |it| it.message.clone())),
            number(|_, outcome| refusal(outcome).and_then(|it| it.available).unwrap_or(-1)),
        ];
        let created = vec![micros(now).into()];
        let statement = bulk::ADD_PAYMENTS.over(self.backend, columns, created);
        Ok(self.transaction.query_all_raw(statement).await?.len() == charges.len())
    }

    /// Stores what came of asking for an intent, and tells whether it was new. If not, the
    /// transaction must not be committed.
    pub async fn add_intent(
        &self,
        charge: &Charge,
        outcome: &Outcome,
        intent: Option<&Intent>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let (parts, vouchers) = coverage(charge, outcome);
        let refusal = refusal(outcome);
        let row = payment::Model {
            state: state(outcome).to_owned(),
            order_id: Some(charge.bill.order.0),
            amount: Some(charge.bill.amount.minor()),
            currency: Some(charge.bill.amount.currency().code().to_owned()),
            digest: Some(charge.digest.to_vec()),
            as_of_us: Some(micros(charge.bill.as_of)),
            parts,
            vouchers,
            reason: refusal.map(|it| it.reason.clone()).unwrap_or_default(),
            message: refusal.map(|it| it.message.clone()).unwrap_or_default(),
            available: refusal.and_then(|it| it.available),
            intent_id: intent.map(|it| it.id.0),
            channel: intent.map(|it| it.channel.to_string()),
            channel_amount: intent.map(|it| it.amount),
            expires_us: intent.map(|it| micros(it.expires)),
            ..unknown(charge.payment, &charge.account, now)
        };
        add_unless_there(row.into_active_model().reset_all(), &self.transaction).await
    }

    /// Stores a payment as voided, unless it is stored already.
    pub async fn void(
        &self,
        id: PaymentId,
        account: &AccountId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let row = unknown(id, account, now);
        add_unless_there(row.into_active_model().reset_all(), &self.transaction).await
    }

    /// Ends payments that are pending and whose wallets are locked.
    pub async fn end_payments<'a>(
        &self,
        payments: impl Iterator<Item = &'a Payment> + Clone,
    ) -> Result<(), StoreError> {
        let confirmed = |payment: &Payment| payment.confirm_time.map_or(0, micros);
        let columns = vec![
            Column::Text(payments.clone().map(|it| it.account.to_string()).collect()),
            Column::Id(payments.clone().map(|it| it.id.0).collect()),
            Column::Text(payments.clone().map(|it| state(&it.outcome).to_owned()).collect()),
            Column::Number(payments.clone().map(confirmed).collect()),
        ];
        self.write(&bulk::END_PAYMENTS, columns, payments.count()).await
    }
}

/// The row of a payment that was called off before it was known.
pub(in crate::store) fn unknown(
    id: PaymentId,
    account: &AccountId,
    now: DateTime<Utc>,
) -> payment::Model {
    payment::Model {
        account: account.to_string(),
        payment_id: id.0,
        state: VOIDED.to_owned(),
        order_id: None,
        amount: None,
        currency: None,
        digest: None,
        as_of_us: None,
        parts: Vec::new(),
        vouchers: String::new(),
        reason: String::new(),
        message: String::new(),
        available: None,
        intent_id: None,
        channel: None,
        channel_amount: None,
        expires_us: None,
        confirmed_us: None,
        withdrawn: false,
        created_us: micros(now),
    }
}

fn state(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Pending(_) => PENDING,
        Outcome::Succeeded(_) => SUCCEEDED,
        Outcome::Refused(_) => REFUSED,
        Outcome::Voided => VOIDED,
    }
}

fn coverage(charge: &Charge, outcome: &Outcome) -> (Vec<u8>, String) {
    match outcome {
        Outcome::Pending(coverage) | Outcome::Succeeded(coverage) => {
            write_coverage(coverage, charge.bill.amount.currency())
        }
        Outcome::Refused(_) | Outcome::Voided => Default::default(),
    }
}

fn refusal(outcome: &Outcome) -> Option<&PaymentRefusal> {
    match outcome {
        Outcome::Refused(refusal) => Some(refusal),
        Outcome::Pending(_) | Outcome::Succeeded(_) | Outcome::Voided => None,
    }
}
