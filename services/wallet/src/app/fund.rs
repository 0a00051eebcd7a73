//! Opening wallets, and adding money and vouchers to them.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{
    Currency, Money,
    ids::{AccountId, VoucherId},
};
use platform::{database::retry, status::Replayed};
use rule_engine::reason::{Reason, Refusal};
use serde::{Deserialize, Serialize};

use super::{Once, WalletError, Wallets};
use crate::{
    domain::{Entry, Grant, Purse, Voucher, Wallet},
    store::{StoreError, Unit, VouchersWanted},
};

const DEPOSIT: &str = "Deposit";
const ISSUE: &str = "IssueVouchers";

/// What a deposit answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposited {
    pub entry: Entry,
    pub wallet: Wallet,
}

/// Vouchers to be issued, all of them or none.
#[derive(Debug, Clone)]
pub struct Issue {
    pub once: Once,
    pub grants: Vec<Grant>,
}

/// What is kept of a deposit, to answer it again.
#[derive(Debug, Serialize, Deserialize)]
struct DepositMade {
    entry: i64,
    /// The wallet after it.
    cash: i64,
    held: i64,
}

/// What is kept of issued vouchers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct VouchersMade {
    pub vouchers: Vec<(AccountId, VoucherId)>,
}

impl Wallets {
    /// Opens the wallet of `account`, or returns the one that there is; one in another currency
    /// refuses (W-6).
    pub async fn open(
        &self,
        account: AccountId,
        currency: Currency,
    ) -> Result<Wallet, WalletError> {
        let wallet = Wallet::open(account, currency, self.env.now());
        let found = retry(|| self.store.open(&wallet)).await?;
        if found.currency == currency {
            return Ok(found);
        }
        let message = format!("The wallet of account {} is in {}.", found.account, found.currency);
        Err(Refusal::new(Reason::CurrencyMismatch, message)
            .with("account_id", &found.account)
            .with("wallet_currency", found.currency)
            .into())
    }

    /// Adds cash, once for each request id (O-3, W-2).
    pub async fn deposit(
        &self,
        once: Once,
        account: &AccountId,
        amount: Money,
        note: &str,
    ) -> Result<Replayed<Deposited>, WalletError> {
        let now = self.env.now();
        retry(|| async {
            let unit = self.store.begin().await?;
            if let Some(made) = answered::<DepositMade>(&unit, DEPOSIT, once).await? {
                drop(unit);
                return Ok(Replayed::Again(self.deposited(account, made).await?));
            }
            let mut purses = lock(&unit, [account.clone()].into(), now).await?;
            let purse = purses.get_mut(account).expect("the wallet has been found");
            let entry = purse.deposit(amount, note.to_owned())?.clone();
            let wallet = purse.wallet().clone();
            let made = DepositMade { entry: entry.number, cash: wallet.cash, held: wallet.held };
            answer(&unit, DEPOSIT, once, &made, now).await?;
            unit.save(purses.values()).await?;
            unit.commit().await?;
            Ok(Replayed::First(Deposited { entry, wallet }))
        })
        .await
    }

    /// The answer to a deposit that was made before.
    async fn deposited(
        &self,
        account: &AccountId,
        made: DepositMade,
    ) -> Result<Deposited, WalletError> {
        let wallet = self.wallet(account).await?;
        let entry = self.store.entries_after(account, made.entry - 1, 1).await?.pop();
        let entry = entry
            .ok_or_else(|| StoreError::unreadable(format!("entry {} is not there", made.entry)))?;
        Ok(Deposited { entry, wallet: Wallet { cash: made.cash, held: made.held, ..wallet } })
    }

    /// Issues vouchers, all of them or none, once for each request id (V-1, O-3).
    pub async fn issue(&self, issue: &Issue) -> Result<Replayed<Vec<Voucher>>, WalletError> {
        let now = self.env.now();
        let ids: Vec<_> = issue.grants.iter().map(|_| VoucherId(self.env.next_id())).collect();
        retry(|| async {
            let unit = self.store.begin().await?;
            if let Some(made) = answered::<VouchersMade>(&unit, ISSUE, issue.once).await? {
                drop(unit);
                return Ok(Replayed::Again(self.issued(made).await?));
            }
            let accounts = issue.grants.iter().map(|grant| grant.account.clone()).collect();
            let mut purses = lock(&unit, accounts, now).await?;
            for (grant, &id) in issue.grants.iter().zip(&ids) {
                let purse = purses.get_mut(&grant.account).expect("the wallet has been found");
                purse.issue(id, grant.clone())?;
            }
            let named = issue.grants.iter().map(|grant| grant.account.clone()).zip(ids.clone());
            let made = VouchersMade { vouchers: named.collect() };
            answer(&unit, ISSUE, issue.once, &made, now).await?;
            unit.save(purses.values()).await?;
            unit.commit().await?;
            Ok(Replayed::First(in_order(&ids, &purses)))
        })
        .await
    }

    /// The vouchers as they were when they were issued.
    pub(super) async fn issued(&self, made: VouchersMade) -> Result<Vec<Voucher>, WalletError> {
        let mut found = self.store.vouchers_by_id(&made.vouchers).await?;
        let vouchers = made.vouchers.iter().filter_map(|(_, id)| found.remove(id));
        let whole = |it: Voucher| Voucher {
            remaining: it.face.minor(),
            captured: 0,
            held: 0,
            forfeited: 0,
            voided: 0,
            expired: 0,
            revoked: false,
            ..it
        };
        Ok(vouchers.map(whole).collect())
    }
}

pub(super) fn in_order(ids: &[VoucherId], purses: &BTreeMap<AccountId, Purse>) -> Vec<Voucher> {
    let issued = purses.values().flat_map(|purse| &purse.change().vouchers);
    let by_id: BTreeMap<_, _> = issued.map(|voucher| (voucher.id, voucher)).collect();
    ids.iter().map(|id| by_id[id].clone()).collect()
}

/// The wallets of `accounts`, locked; one that there is not is an error.
pub(super) async fn lock(
    unit: &Unit,
    accounts: BTreeSet<AccountId>,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<BTreeMap<AccountId, Purse>, WalletError> {
    let purses = unit.lock(&accounts, &VouchersWanted::default(), now).await?;
    match accounts.into_iter().find(|account| !purses.contains_key(account)) {
        Some(missing) => Err(WalletError::NotFound(missing)),
        None => Ok(purses),
    }
}

/// What the first call with this request id made; one with other content refuses (O-3).
pub(super) async fn answered<T: for<'de> Deserialize<'de>>(
    unit: &Unit,
    method: &str,
    once: Once,
) -> Result<Option<T>, WalletError> {
    let Some(answered) = unit.answered(method, once.request).await? else { return Ok(None) };
    if !once.digest.matches(&answered.digest) {
        return Err(WalletError::Reused(format!("request id {}", once.request)));
    }
    let made = serde_json::from_str(&answered.made);
    made.map(Some).map_err(|error| WalletError::Store(StoreError::unreadable(error)))
}

/// Keeps what a call made; fails if another call with the same id was first.
pub(super) async fn answer(
    unit: &Unit,
    method: &str,
    once: Once,
    made: &impl Serialize,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), WalletError> {
    let made = serde_json::to_string(made).expect("ids, numbers and texts");
    let first = unit.answer(method, once.request, once.digest, made, now).await?;
    if first { Ok(()) } else { Err(WalletError::LostRace) }
}
