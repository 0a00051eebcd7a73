//! The voucher book: codes, redeeming them, revoking vouchers, and their end; anchoring ledgers.

use chrono::{DateTime, Utc};
use kernel::{
    Money,
    ids::{AccountId, VoucherId},
};
use platform::{database::retry, status::Replayed};
use rule_engine::voucher::VoucherTerms;

use super::{
    Once, Swept, WalletError, Wallets,
    fund::{VouchersMade, answer, answered, in_order, lock},
};
use crate::{
    domain::{Code, CodeRefused, Grant, MAX_SKEW, Voucher},
    store::{Agenda, Codes},
};

const ISSUE_CODES: &str = "IssueVoucherCodes";
const REDEEM: &str = "RedeemVoucher";

/// Codes to be made, all alike.
#[derive(Debug, Clone)]
pub struct IssueCodes {
    pub once: Once,
    pub count: usize,
    pub face: Money,
    pub terms: VoucherTerms,
}

impl Wallets {
    /// Makes codes for vouchers that belong to nobody yet, once for each request id (O-3).
    pub async fn issue_codes(
        &self,
        issue: &IssueCodes,
    ) -> Result<Replayed<Vec<Code>>, WalletError> {
        let now = self.env.now();
        let IssueCodes { once, count, face, ref terms } = *issue;
        let code = |_| Code::of([self.env.next_id(), self.env.next_id()]);
        let codes = Codes { members: (0..count).map(code).collect(), face, terms: terms.clone() };
        retry(|| async {
            let unit = self.store.begin().await?;
            if answered::<()>(&unit, ISSUE_CODES, once).await?.is_some() {
                return Ok(Replayed::Again(unit.codes_of(once.request).await?));
            }
            answer(&unit, ISSUE_CODES, once, &(), now).await?;
            unit.add_codes(once.request, &codes, now).await?;
            unit.commit().await?;
            Ok(Replayed::First(codes.members.clone()))
        })
        .await
    }

    /// Gives `account` the voucher of `code`: whoever comes first gets it, once for each request id
    /// (O-3).
    pub async fn redeem(
        &self,
        once: Once,
        account: &AccountId,
        code: &Code,
    ) -> Result<Replayed<Voucher>, WalletError> {
        let now = self.env.now();
        let id = VoucherId(self.env.next_id());
        retry(|| async {
            let unit = self.store.begin().await?;
            // The wallet is locked first: a repeat at the same time waits here, and then finds the
            // answer.
            let mut purses = lock(&unit, [account.clone()].into(), now).await?;
            if let Some(made) = answered::<VouchersMade>(&unit, REDEEM, once).await? {
                drop(unit);
                let voucher = self.issued(made).await?.pop();
                return Ok(Replayed::Again(voucher.ok_or(WalletError::LostRace)?));
            }
            let redeemable = unit.lock_code(code).await?.ok_or(CodeRefused::NotFound)?;
            if redeemable.redeemed {
                return Err(CodeRefused::Used.into());
            }
            if redeemable.terms.expires <= now {
                return Err(CodeRefused::Expired.into());
            }
            let (face, terms) = (redeemable.face, redeemable.terms);
            let purse = purses.get_mut(account).expect("the wallet has been found");
            purse.issue(id, Grant { account: account.clone(), face, terms })?;
            let made = VouchersMade { vouchers: vec![(account.clone(), id)] };
            answer(&unit, REDEEM, once, &made, now).await?;
            unit.redeem_code(code, account, id, now).await?;
            unit.save(purses.values()).await?;
            unit.commit().await?;
            Ok(Replayed::First(in_order(&[id], &purses).remove(0)))
        })
        .await
    }

    /// Revokes a voucher: what remains of it is void, and it pays nothing from then on (V-5). What
    /// is held may still be captured; what is released after all is void with the next call.
    pub async fn revoke(
        &self,
        account: &AccountId,
        id: VoucherId,
        note: &str,
    ) -> Result<Voucher, WalletError> {
        let now = self.env.now();
        let named = [(account.clone(), id)];
        retry(|| async {
            let unit = self.store.begin().await?;
            let missing = || WalletError::VoucherNotFound(id);
            let mut purses = match lock(&unit, [account.clone()].into(), now).await {
                Err(WalletError::NotFound(_)) => return Err(missing()),
                purses => purses?,
            };
            let voucher = unit.vouchers_by_id(&named).await?.pop().ok_or_else(missing)?;
            if voucher.revoked && voucher.remaining == 0 {
                return Ok(voucher);
            }
            let purse = purses.get_mut(account).expect("the wallet has been found");
            purse.revoke(&voucher, note.to_owned());
            if !voucher.revoked {
                unit.revoke_voucher(account, id, now).await?;
            }
            unit.save(purses.values()).await?;
            unit.commit().await?;
            let voided = voucher.voided + voucher.remaining;
            Ok(Voucher { remaining: 0, voided, revoked: true, ..voucher })
        })
        .await
    }

    /// Books out what remains of at most `limit` vouchers that have expired (V-5). Not yet of those
    /// that expired less than five minutes ago: a payment decided before that may be on its way.
    pub async fn expire_vouchers(&self, limit: u64) -> Result<Swept, WalletError> {
        let now = self.env.now();
        retry(|| async {
            let unit = self.store.begin().await?;
            // One more than wanted tells whether there are more.
            let mut ended = unit.ended_vouchers(now - MAX_SKEW, limit + 1).await?;
            let more = ended.len() as u64 > limit;
            ended.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            if ended.is_empty() {
                return Ok(Swept { done: 0, more });
            }
            let accounts = ended.iter().map(|(account, _)| account.clone()).collect();
            let mut purses = lock(&unit, accounts, now).await?;
            let vouchers = unit.vouchers_by_id(&ended).await?;
            for voucher in &vouchers {
                let purse = purses.get_mut(&voucher.account).expect("the wallet has been found");
                purse.end(voucher);
            }
            let swept = vouchers.iter().filter(|voucher| voucher.held == 0);
            let swept: Vec<_> = swept.map(|it| (it.account.clone(), it.id)).collect();
            unit.sweep_vouchers(&swept).await?;
            unit.save(purses.values()).await?;
            unit.commit().await?;
            let done = vouchers.iter().filter(|voucher| voucher.remaining > 0).count();
            Ok(Swept { done, more })
        })
        .await
    }

    /// What comes up after `after` that sweeps deal with.
    pub async fn next_due(&self, after: DateTime<Utc>) -> Result<Agenda, WalletError> {
        Ok(self.store.next_due(after).await?)
    }

    /// Writes down in events where at most `limit` chains of hashes stand that have grown since,
    /// and tells when (W-2).
    pub async fn anchor_chains(&self, limit: u64) -> Result<(Swept, DateTime<Utc>), WalletError> {
        let now = self.env.now();
        retry(|| async {
            let unit = self.store.begin().await?;
            let done = unit.anchor(&self.env, now, limit).await?;
            unit.commit().await?;
            Ok((Swept { done, more: done as u64 == limit }, now))
        })
        .await
    }
}

#[cfg(test)]
mod tests;
