//! Codes that vouchers are redeemed by.

use chrono::{DateTime, Utc};
use kernel::{
    Money,
    ids::{AccountId, RequestId, VoucherId},
};
use rule_engine::voucher::VoucherTerms;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::Unit;
use crate::{
    domain::Code,
    store::{
        StoreError,
        bulk::{self, Column},
        entity::voucher_code,
        rows::{currency, micros},
    },
};

/// Codes of vouchers that are alike.
#[derive(Debug, Clone)]
pub struct Codes {
    pub members: Vec<Code>,
    pub face: Money,
    pub terms: VoucherTerms,
}

/// What a code gives.
#[derive(Debug, Clone)]
pub struct Redeemable {
    pub face: Money,
    pub terms: VoucherTerms,
    /// Whether somebody has it.
    pub redeemed: bool,
}

impl Unit {
    /// Adds codes, made by `request`.
    pub async fn add_codes(
        &self,
        request: RequestId,
        codes: &Codes,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let Codes { members, face, terms } = codes;
        let numbers = (0..).take(members.len()).collect();
        let texts = members.iter().map(|code| code.as_str().to_owned()).collect();
        let terms = serde_json::to_string(terms).expect("terms are lists, numbers and texts");
        let more = vec![
            request.0.into(),
            face.minor().into(),
            face.currency().code().into(),
            terms.into(),
            micros(now).into(),
        ];
        let columns = vec![Column::Text(texts), Column::Number(numbers)];
        let statement = bulk::ADD_CODES.over(self.backend, columns, more);
        self.execute(statement).await
    }

    /// The codes that `request` made, in order.
    pub async fn codes_of(&self, request: RequestId) -> Result<Vec<Code>, StoreError> {
        let rows = voucher_code::Entity::find()
            .filter(voucher_code::Column::RequestId.eq(request.0))
            .order_by_asc(voucher_code::Column::Number)
            .all(&self.transaction)
            .await?;
        rows.into_iter().map(|row| row.code.parse().map_err(StoreError::unreadable)).collect()
    }

    /// What `code` gives, if somebody made it; nobody else redeems it until the transaction ends.
    pub async fn lock_code(&self, code: &Code) -> Result<Option<Redeemable>, StoreError> {
        let query = voucher_code::Entity::find_by_id(code.as_str());
        let Some(row) = query.lock_exclusive().one(&self.transaction).await? else {
            return Ok(None);
        };
        Ok(Some(Redeemable {
            face: Money::new(row.face, currency(&row.currency)?),
            terms: serde_json::from_str(&row.terms).map_err(StoreError::unreadable)?,
            redeemed: row.voucher_id.is_some(),
        }))
    }

    /// Notes that `account` has redeemed `code`, for the voucher `id`.
    pub async fn redeem_code(
        &self,
        code: &Code,
        account: &AccountId,
        id: VoucherId,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let redeemed = voucher_code::ActiveModel {
            account: Set(Some(account.to_string())),
            voucher_id: Set(Some(id.0)),
            redeemed_us: Set(Some(micros(now))),
            ..Default::default()
        };
        voucher_code::Entity::update_many()
            .set(redeemed)
            .filter(voucher_code::Column::Code.eq(code.as_str()))
            .exec(&self.transaction)
            .await?;
        Ok(())
    }
}
