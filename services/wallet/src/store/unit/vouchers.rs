//! Vouchers at their end (V-5).

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, VoucherId};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, sea_query::Expr,
};

use super::Unit;
use crate::{
    domain::Voucher,
    store::{
        StoreError,
        bulk::{self, Column},
        entity::voucher,
        rows::micros,
    },
};

impl Unit {
    /// Vouchers as they are in this transaction, which has locked their wallets.
    pub async fn vouchers_by_id(
        &self,
        ids: &[(AccountId, VoucherId)],
    ) -> Result<Vec<Voucher>, StoreError> {
        let statement = bulk::NAMED_VOUCHERS.over(self.backend, columns(ids), Vec::new());
        let rows: Vec<voucher::Model> = self.rows(statement).await?;
        rows.into_iter().map(Voucher::try_from).collect()
    }

    /// At most `limit` vouchers that ended at `end` or before and were not swept, the oldest first;
    /// none of which nothing but what is held has to be waited for.
    pub async fn ended_vouchers(
        &self,
        end: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<(AccountId, VoucherId)>, StoreError> {
        let waits =
            Condition::all().add(voucher::Column::Remaining.eq(0)).add(voucher::Column::Held.gt(0));
        let rows = voucher::Entity::find()
            // In the words of the index.
            .filter(Expr::cust("NOT swept"))
            .filter(voucher::Column::ExpiresUs.lte(micros(end)))
            .filter(waits.not())
            .order_by_asc(voucher::Column::ExpiresUs)
            .limit(limit)
            .all(&self.transaction)
            .await?;
        let id = |row: voucher::Model| {
            Ok((row.account.try_into().map_err(StoreError::unreadable)?, VoucherId(row.id)))
        };
        rows.into_iter().map(id).collect()
    }

    /// Notes that vouchers have ended for good.
    pub async fn sweep_vouchers(&self, ids: &[(AccountId, VoucherId)]) -> Result<(), StoreError> {
        self.write(&bulk::SWEEP_VOUCHERS, columns(ids), ids.len()).await
    }

    /// Notes that a voucher was revoked.
    pub async fn revoke_voucher(
        &self,
        account: &AccountId,
        id: VoucherId,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let revoked =
            voucher::ActiveModel { revoked_us: Set(Some(micros(now))), ..Default::default() };
        voucher::Entity::update_many()
            .set(revoked)
            .filter(voucher::Column::Account.eq(account.as_str()))
            .filter(voucher::Column::Id.eq(id.0))
            .exec(&self.transaction)
            .await?;
        Ok(())
    }
}

fn columns(ids: &[(AccountId, VoucherId)]) -> Vec<Column> {
    let (accounts, ids) = ids.iter().map(|(account, id)| (account.to_string(), id.0)).unzip();
    vec![Column::Text(accounts), Column::Id(ids)]
}
