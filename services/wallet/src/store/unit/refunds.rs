//! Refunds in a transaction: one row for each refund id, and each item of a payment once.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, InstanceId, PaymentId, RefundId, VoucherId};
use platform::request::RequestDigest;
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::Set,
    ColumnTrait as _, Condition, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
    sea_query::{Expr, OnConflict},
};

use super::{Unit, add_unless_there};
use crate::{
    domain::{PATIENCE, REMIND_EVERY, Refund, Voucher},
    store::{
        StoreError,
        bulk::{self, Column},
        entity::{refund, refunded_item, voucher},
        rows::{micros, write_refunded},
    },
};

/// A refund that is stored, and the digest of what was asked for.
#[derive(Debug, Clone)]
pub struct KnownRefund {
    pub refund: Refund,
    pub digest: Vec<u8>,
}

impl Unit {
    /// The refund with this id.
    pub async fn refund(&self, id: RefundId) -> Result<Option<KnownRefund>, StoreError> {
        let row = refund::Entity::find_by_id(id.0).one(&self.transaction).await?;
        let known = |mut row: refund::Model| {
            let digest = std::mem::take(&mut row.digest);
            Ok(KnownRefund { refund: row.try_into()?, digest })
        };
        row.map(known).transpose()
    }

    /// The items of a payment that were given back.
    pub async fn refunded(&self, payment: PaymentId) -> Result<BTreeSet<InstanceId>, StoreError> {
        let rows = refunded_item::Entity::find()
            .filter(refunded_item::Column::PaymentId.eq(payment.0))
            .all(&self.transaction)
            .await?;
        rows.into_iter()
            .map(|row| row.instance.try_into().map_err(StoreError::unreadable))
            .collect()
    }

    /// Those vouchers of `account` that are among `ids`.
    pub async fn vouchers_of(
        &self,
        account: &AccountId,
        ids: &BTreeSet<VoucherId>,
    ) -> Result<HashMap<VoucherId, Voucher>, StoreError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let columns = vec![
            Column::Text(vec![account.to_string(); ids.len()]),
            Column::Id(ids.iter().map(|id| id.0).collect()),
        ];
        let statement = bulk::NAMED_VOUCHERS.over(self.backend, columns, Vec::new());
        let rows: Vec<voucher::Model> = self.rows(statement).await?;
        rows.into_iter().map(|row| Ok((VoucherId(row.id), row.try_into()?))).collect()
    }

    /// Stores a refund, and tells whether it and all of its items were new. If not, the transaction
    /// must not be committed.
    pub async fn add_refund(
        &self,
        refund: &Refund,
        digest: RequestDigest,
    ) -> Result<bool, StoreError> {
        let row = refund::Model {
            refund_id: refund.id.0,
            account: refund.account.to_string(),
            payment_id: refund.payment.0,
            order_id: refund.order.0,
            state: state(refund).to_owned(),
            digest: digest.to_vec(),
            amount: refund.amount(),
            currency: refund.currency.code().to_owned(),
            channel: refund.asked.as_ref().map(|(channel, _)| channel.to_string()),
            channel_amount: refund.asked.as_ref().map(|&(_, amount)| amount),
            parts: write_refunded(&refund.items, refund.currency),
            created_us: micros(refund.create_time),
            confirmed_us: None,
            remind_us: refund.pending.then(|| micros(refund.create_time + PATIENCE)),
        };
        if !add_unless_there(row.into_active_model().reset_all(), &self.transaction).await? {
            return Ok(false);
        }
        let items = refund.items.iter().map(|item| refunded_item::ActiveModel {
            payment_id: Set(refund.payment.0),
            instance: Set(item.instance.to_string()),
            refund_id: Set(refund.id.0),
        });
        let added = refunded_item::Entity::insert_many(items)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(&self.transaction)
            .await?;
        Ok(added == refund.items.len() as u64)
    }

    /// At most `limit` refunds of which somebody is to be reminded at `now`, those that have waited
    /// longest first. They come again a day later, if their channel has not answered by then.
    pub async fn remind(&self, now: DateTime<Utc>, limit: u64) -> Result<Vec<Refund>, StoreError> {
        let due = refund::Entity::find()
            .filter(silent(now))
            .order_by_asc(refund::Column::RemindUs)
            .order_by_asc(refund::Column::RefundId)
            .limit(limit)
            .all(&self.transaction)
            .await?;
        if !due.is_empty() {
            refund::Entity::update_many()
                .col_expr(refund::Column::RemindUs, Expr::value(micros(now + REMIND_EVERY)))
                .filter(silent(now))
                .filter(refund::Column::RefundId.is_in(due.iter().map(|row| row.refund_id)))
                .exec(&self.transaction)
                .await?;
        }
        due.into_iter().map(Refund::try_from).collect()
    }

    /// Ends a refund that is pending and whose wallet is locked.
    pub async fn end_refund(&self, refund: &Refund) -> Result<(), StoreError> {
        let row = refund::ActiveModel {
            refund_id: Set(refund.id.0),
            state: Set(state(refund).to_owned()),
            parts: Set(write_refunded(&refund.items, refund.currency)),
            confirmed_us: Set(refund.confirm_time.map(micros)),
            remind_us: Set(None),
            ..Default::default()
        };
        row.update(&self.transaction).await?;
        Ok(())
    }
}

/// The refunds of which somebody is to be reminded by `now`.
fn silent(now: DateTime<Utc>) -> Condition {
    Condition::all()
        .add(refund::Column::State.eq(crate::store::rows::PENDING))
        .add(refund::Column::RemindUs.lte(micros(now)))
}

/// Where a refund is in its life, as its row has it.
fn state(refund: &Refund) -> &'static str {
    if refund.pending { crate::store::rows::PENDING } else { crate::store::rows::SUCCEEDED }
}
