//! Looking at wallets, vouchers, payments, and what a payment would take.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use kernel::{
    Currency,
    ids::{AccountId, IntentId, PaymentId, VoucherId},
};
use rule_engine::{
    profile::{VoucherRule, VoucherStrategy},
    reason::{Reason, Refusal},
    voucher::{self as engine, Explanation, PayableItem, VoucherChoice, WhyNot, explain},
};

use super::{WalletError, Wallets};
use crate::{
    domain::{Entry, Funds, Payment, Voucher, Wallet},
    store::{Part, Rows, Wanted},
};

/// The most vouchers that are told of a purse.
const MOST_VOUCHERS: usize = 10_000;

/// How often a purse is looked into anew because something was paid meanwhile.
const ROUNDS: usize = 5;

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

/// What is asked of a list of vouchers.
#[derive(Debug, Clone)]
pub struct VoucherList {
    pub account: AccountId,
    pub usable_only: bool,
    /// Only those that have something left, and lose it within so long from now.
    pub expiring_within: Option<TimeDelta>,
    pub basket: Option<Basket>,
    pub part: Part<(i64, VoucherId)>,
}

/// What is to be paid.
#[derive(Debug, Clone)]
pub struct Basket {
    pub items: Vec<PayableItem>,
    pub currency: Currency,
    /// Whether an automatic renewal would pay it.
    pub automatic: bool,
}

/// Some vouchers of an account.
#[derive(Debug)]
pub struct ListedVouchers {
    pub rows: Rows<Voucher>,
    /// With a basket: what each could pay of it, in minor units, or why nothing.
    pub uses: Vec<Result<i64, String>>,
    /// When they are judged.
    pub now: DateTime<Utc>,
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

    /// Vouchers of an account, nearest end first, and what each could pay of a basket.
    pub async fn vouchers(&self, list: &VoucherList) -> Result<ListedVouchers, WalletError> {
        let wallet = self.wallet(&list.account).await?;
        if let Some(basket) = &list.basket {
            check_currency(&wallet, basket.currency)?;
        }
        let now = self.env.now();
        let ends_by = list.expiring_within.map(|span| now + span);
        let wanted = Wanted { now, usable: list.usable_only, ends_by };
        let rows = self.store.vouchers(&list.account, wanted, list.part).await?;
        let basket = list.basket.iter();
        let uses = basket.flat_map(|basket| rows.items.iter().map(|it| use_of(it, basket, now)));
        let uses = uses.collect::<Result<_, _>>()?;
        Ok(ListedVouchers { rows, uses, now })
    }

    /// The time at which vouchers that have just been made are judged.
    pub fn now(&self) -> DateTime<Utc> {
        self.env.now()
    }

    /// What a payment would take from which voucher, why not from the others, and what of it cash
    /// would pay (V-1, V-2, W-1). Changes nothing.
    pub async fn preview(&self, preview: &Preview) -> Result<Previewed, WalletError> {
        let wallet = self.wallet(&preview.account).await?;
        check_currency(&wallet, preview.currency)?;
        let at = preview.as_of.unwrap_or_else(|| self.env.now());
        let none = BTreeSet::new();
        let named = match &preview.choice {
            VoucherChoice::Named { ids, .. } => ids,
            VoucherChoice::Rule(_) | VoucherChoice::None => &none,
        };
        let vouchers = self.store.open_vouchers(&preview.account, named).await?;
        let explanation = explain(&engine::Payment {
            items: &preview.items,
            vouchers: &vouchers.iter().map(Voucher::usable).collect::<Vec<_>>(),
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

    /// The cash of `account`, and the vouchers that may pay something from now on, with the time at
    /// which they are judged. At most so many that nobody has as many: what a payment is decided with.
    pub async fn purse(
        &self,
        account: &AccountId,
    ) -> Result<(Wallet, Vec<Voucher>, DateTime<Utc>), WalletError> {
        for _ in 0..ROUNDS {
            let wallet = self.wallet(account).await?;
            let now = self.env.now();
            let mut vouchers = self.store.open_vouchers(account, &BTreeSet::new()).await?;
            // Between the two queries nothing was paid.
            if self.wallet(account).await?.entries == wallet.entries {
                vouchers.retain(|voucher| !voucher.is_over(now));
                vouchers.truncate(MOST_VOUCHERS);
                return Ok((wallet, vouchers, now));
            }
        }
        Err(WalletError::LostRace)
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

fn check_currency(wallet: &Wallet, currency: Currency) -> Result<(), Refusal> {
    if wallet.currency == currency {
        return Ok(());
    }
    let message = format!(
        "The items are in {currency}, and the wallet of account {} is in {}.",
        wallet.account, wallet.currency
    );
    Err(Refusal::new(Reason::CurrencyMismatch, message)
        .with("account_id", &wallet.account)
        .with("wallet_currency", wallet.currency))
}

/// What `voucher` could pay of `basket` were it the only one, or why nothing (V-1).
fn use_of(
    voucher: &Voucher,
    basket: &Basket,
    at: DateTime<Utc>,
) -> Result<Result<i64, String>, WalletError> {
    if voucher.revoked {
        return Ok(Err("The voucher was revoked.".to_owned()));
    }
    let strategy = VoucherStrategy::NearestExpiryThenLargest;
    let explanation = explain(&engine::Payment {
        items: &basket.items,
        vouchers: &[voucher.usable()],
        cash: 0,
        choice: &VoucherChoice::Rule(VoucherRule { strategy, max_per_payment: None }),
        at,
        automatic: basket.automatic,
        currency: basket.currency,
    })
    .map_err(|refused| refused.refusal())?;
    let why_not = explanation.unused.first().map(|unused| why_not(&unused.why_not));
    Ok(match why_not {
        Some(why_not) => Err(why_not),
        None => Ok(explanation.coverage.vouchers.iter().map(|it| it.paid).sum()),
    })
}

/// Every reason why a voucher does not pay, as one sentence.
pub fn why_not(reasons: &[WhyNot]) -> String {
    let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
    format!("The voucher {}.", reasons.join(" and "))
}
