//! Looking at wallets, vouchers, payments, and what a payment would take.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use kernel::{
    Currency,
    ids::{AccountId, IntentId, PaymentId, VoucherId},
};
use rule_engine::{
    reason::{Reason, Refusal},
    voucher::{self as engine, Explanation, PayableItem, VoucherChoice, explain},
};

use super::{WalletError, Wallets};
use crate::{
    domain::{Entry, Funds, Payment, Voucher, Wallet},
    store::{Part, Rows},
};

/// A payment that is not taken.
#[derive(Debug, Clone)]
pub struct Preview {
    pub account: AccountId,
    pub items: Vec<PayableItem>,
    /// Of the items.
    pub currency: Currency,
    pub choice: VoucherChoice,
    pub automatic: bool,
    /// The instant to judge at; now, if none.
    pub as_of: Option<DateTime<Utc>>,
}

/// What a payment would take, with the vouchers that it speaks of.
#[derive(Debug, Clone)]
pub struct Previewed {
    pub explanation: Explanation,
    pub vouchers: HashMap<VoucherId, Voucher>,
    /// When the states of the vouchers are judged.
    pub at: DateTime<Utc>,
}

impl Wallets {
    /// The wallet of `account`.
    pub async fn wallet(&self, account: &AccountId) -> Result<Wallet, WalletError> {
        let found = self.store.wallet(account).await?;
        found.ok_or_else(|| WalletError::NotFound(account.clone()))
    }

    /// Entries of `account`, newest first (W-2).
    pub async fn entries(
        &self,
        account: &AccountId,
        payment: Option<PaymentId>,
        part: Part<i64>,
    ) -> Result<Rows<Entry>, WalletError> {
        self.wallet(account).await?;
        Ok(self.store.entries(account, payment, part).await?)
    }

    /// Vouchers of `account`, nearest end first, and the time at which they are judged.
    pub async fn vouchers(
        &self,
        account: &AccountId,
        usable_only: bool,
        part: Part<(i64, VoucherId)>,
    ) -> Result<(Rows<Voucher>, DateTime<Utc>), WalletError> {
        self.wallet(account).await?;
        let now = self.env.now();
        let vouchers = self.store.vouchers(account, usable_only.then_some(now), part).await?;
        Ok((vouchers, now))
    }

    /// The time at which vouchers that have just been made are judged.
    pub fn now(&self) -> DateTime<Utc> {
        self.env.now()
    }

    /// What a payment would take from which voucher, why not from the others, and what of it cash
    /// would pay (V-1, V-2, W-1). Changes nothing.
    pub async fn preview(&self, preview: &Preview) -> Result<Previewed, WalletError> {
        let wallet = self.wallet(&preview.account).await?;
        if wallet.currency != preview.currency {
            let message = format!(
                "The items are in {}, and the wallet of account {} is in {}.",
                preview.currency, wallet.account, wallet.currency
            );
            return Err(Refusal::new(Reason::CurrencyMismatch, message)
                .with("account_id", &wallet.account)
                .with("wallet_currency", wallet.currency)
                .into());
        }
        let at = preview.as_of.unwrap_or_else(|| self.env.now());
        let none = BTreeSet::new();
        let named = match &preview.choice {
            VoucherChoice::Named { ids, .. } => ids,
            VoucherChoice::Rule(_) | VoucherChoice::None => &none,
        };
        let vouchers = self.store.open_vouchers(&preview.account, named).await?;
        let usable = |voucher: &Voucher| engine::Voucher {
            id: voucher.id,
            remaining: voucher.remaining,
            terms: voucher.terms.clone(),
        };
        let explanation = explain(&engine::Payment {
            items: &preview.items,
            vouchers: &vouchers.iter().map(usable).collect::<Vec<_>>(),
            cash: wallet.cash,
            choice: &preview.choice,
            at,
            automatic: preview.automatic,
            currency: wallet.currency,
        })
        .map_err(|refused| refused.refusal())?;
        let vouchers = vouchers.into_iter().map(|voucher| (voucher.id, voucher)).collect();
        Ok(Previewed { explanation, vouchers, at })
    }

    /// Those of `ids` that there are.
    pub async fn payments(
        &self,
        ids: &[PaymentId],
    ) -> Result<HashMap<PaymentId, Payment>, WalletError> {
        Ok(self.store.payments(ids).await?)
    }

    /// Those of `intents` that there are, with their payments.
    pub async fn payments_of(
        &self,
        intents: &[IntentId],
    ) -> Result<HashMap<IntentId, Payment>, WalletError> {
        Ok(self.store.payments_of(intents).await?)
    }

    /// What those of `accounts` that have a wallet can spend now (W-1).
    pub async fn funds(
        &self,
        accounts: &[AccountId],
    ) -> Result<BTreeMap<AccountId, Funds>, WalletError> {
        Ok(self.store.funds(accounts, self.env.now()).await?)
    }
}
