//! What an older copy of a database has to be compared with, and what is written then.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use kernel::ids::PaymentId;
use rule_engine::voucher::Coverage;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, Condition, EntityTrait as _,
    IntoActiveModel as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
    prelude::Uuid,
};

use super::{
    Store, StoreError, Unit,
    entity::{payment, refund},
    rows::{PENDING, SUCCEEDED, micros, write_coverage},
    unit::{add_unless_there, unknown},
};
use crate::domain::{Bill, Payment, Refund};

/// A payment, and what was given back of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub payment: Payment,
    /// Oldest first.
    pub refunds: Vec<Refund>,
}

impl Store {
    /// At most `limit` payments after `after`, by id, that took or hold money and were made, confirmed
    /// or refunded at `since` or later. Reads the whole table.
    pub async fn changed(
        &self,
        since: DateTime<Utc>,
        after: PaymentId,
        limit: u64,
    ) -> Result<Vec<PaymentId>, StoreError> {
        use payment::Column;
        let since = micros(since);
        let refunded = refund::Entity::find()
            .select_only()
            .column(refund::Column::PaymentId)
            .filter(refund::Column::CreatedUs.gte(since))
            .into_query();
        let changed = Condition::any()
            .add(Column::CreatedUs.gte(since))
            .add(Column::ConfirmedUs.gte(since))
            .add(Column::PaymentId.in_subquery(refunded));
        let survey = self.database.begin_survey().await?;
        let ids: Vec<Uuid> = payment::Entity::find()
            .select_only()
            .column(Column::PaymentId)
            .filter(Column::PaymentId.gt(after.0))
            .filter(Column::State.is_in([SUCCEEDED, PENDING]))
            .filter(Column::Withdrawn.eq(false))
            .filter(changed)
            .order_by_asc(Column::PaymentId)
            .limit(limit)
            .into_tuple()
            .all(&survey)
            .await?;
        survey.commit().await?;
        Ok(ids.into_iter().map(PaymentId).collect())
    }

    /// Those of `ids` that are stored, by id, with their refunds.
    pub async fn found(&self, ids: &[PaymentId]) -> Result<Vec<Found>, StoreError> {
        let mut payments: Vec<_> = self.payments(ids).await?.into_values().collect();
        payments.sort_unstable_by_key(|payment| payment.id);
        let survey = self.database.begin_survey().await?;
        let rows = refund::Entity::find()
            .filter(refund::Column::PaymentId.is_in(ids.iter().map(|id| id.0)))
            .order_by_asc(refund::Column::CreatedUs)
            .all(&survey)
            .await?;
        survey.commit().await?;
        let mut refunds: HashMap<_, Vec<Refund>> = HashMap::new();
        for row in rows {
            let refund = Refund::try_from(row)?;
            refunds.entry(refund.payment).or_default().push(refund);
        }
        let found = |payment: Payment| {
            let refunds = refunds.remove(&payment.id).unwrap_or_default();
            Found { payment, refunds }
        };
        Ok(payments.into_iter().map(found).collect())
    }
}

impl Unit {
    /// Marks a payment, whose wallet is locked, as given back in full.
    pub async fn withdraw(&self, payment: &Payment) -> Result<(), StoreError> {
        let row = payment::ActiveModel {
            account: Set(payment.account.to_string()),
            payment_id: Set(payment.id.0),
            withdrawn: Set(true),
            ..Default::default()
        };
        row.update(&self.transaction).await?;
        Ok(())
    }

    /// Stores a payment that succeeded before, and tells whether it was new. If not, the transaction
    /// must not be committed. What it was asked for is not known: any repeat is the same.
    pub async fn add_restored(
        &self,
        payment: &Payment,
        bill: &Bill,
        coverage: &Coverage,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let (parts, vouchers) = write_coverage(coverage, bill.amount.currency());
        let intent = payment.intent.as_ref();
        let row = payment::Model {
            state: SUCCEEDED.to_owned(),
            order_id: Some(bill.order.0),
            amount: Some(bill.amount.minor()),
            currency: Some(bill.amount.currency().code().to_owned()),
            as_of_us: Some(micros(bill.as_of)),
            parts,
            vouchers,
            intent_id: intent.map(|it| it.id.0),
            channel: intent.map(|it| it.channel.to_string()),
            channel_amount: intent.map(|it| it.amount),
            expires_us: intent.map(|it| micros(it.expires)),
            confirmed_us: payment.confirm_time.map(micros),
            ..unknown(payment.id, &payment.account, now)
        };
        add_unless_there(row.into_active_model().reset_all(), &self.transaction).await
    }
}
