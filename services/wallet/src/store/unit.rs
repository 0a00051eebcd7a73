//! One transaction: wallets locked, decided on, and saved together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, PaymentId, RequestId, VoucherId};
use platform::{database::Backend, request::RequestDigest};
use rule_engine::voucher as engine;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseTransaction,
    EntityTrait as _, IntoActiveModel as _, QueryFilter as _, Statement, sea_query::OnConflict,
};

use super::{
    StoreError,
    bulk::{self, Column},
    entity::{payment, request, voucher, wallet},
    rows::{REFUSED, SUCCEEDED, VOIDED, micros, usable, write_parts},
};
use crate::domain::{Charge, Entry, Outcome, Payment, Purse, Voucher, Wallet};

/// A transaction that may write; dropped without a commit, it leaves nothing.
#[derive(Debug)]
pub struct Unit {
    pub(super) transaction: DatabaseTransaction,
    pub(super) backend: Backend,
}

/// A request that was answered (O-3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The digest of its content.
    pub digest: Vec<u8>,
    /// What the first call made, in JSON.
    pub made: String,
}

/// Which vouchers to load with the wallets.
#[derive(Debug, Clone, Default)]
pub struct VouchersWanted {
    /// Of these accounts all that have something left and end after `since`.
    pub accounts: BTreeSet<AccountId>,
    pub since: DateTime<Utc>,
    /// These, whatever is left of them.
    pub named: BTreeSet<(AccountId, VoucherId)>,
}

/// A payment that is stored, and the digest of what it was asked for.
#[derive(Debug, Clone)]
pub struct Known {
    pub payment: Payment,
    /// None for one that was voided before it was known.
    pub digest: Option<Vec<u8>>,
}

impl Unit {
    /// Makes everything final.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit().await?)
    }

    async fn rows<M: sea_orm::FromQueryResult>(
        &self,
        statement: Statement,
    ) -> Result<Vec<M>, StoreError> {
        let rows = self.transaction.query_all_raw(statement).await?;
        Ok(rows.iter().map(|row| M::from_query_result(row, "")).collect::<Result<_, _>>()?)
    }

    /// The wallets of `accounts` that there are, locked in the order of their accounts, with the
    /// vouchers wanted. The wallet is the mutex of all money of its account: who changes a voucher
    /// holds it.
    pub async fn lock(
        &self,
        accounts: &BTreeSet<AccountId>,
        wanted: &VouchersWanted,
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<AccountId, Purse>, StoreError> {
        let names = vec![Column::Text(accounts.iter().map(ToString::to_string).collect())];
        let wallets: Vec<wallet::Model> =
            self.rows(bulk::LOCK_WALLETS.over(self.backend, names, Vec::new())).await?;
        let mut vouchers = self.vouchers(wanted).await?;
        let purse = |row| {
            let wallet = Wallet::try_from(row)?;
            let account = wallet.account.clone();
            let vouchers = vouchers.remove(account.as_str()).unwrap_or_default();
            Ok((account, Purse::new(wallet, vouchers.into_values().collect(), now)))
        };
        wallets.into_iter().map(purse).collect()
    }

    /// The vouchers wanted, by account.
    async fn vouchers(
        &self,
        wanted: &VouchersWanted,
    ) -> Result<HashMap<String, BTreeMap<VoucherId, engine::Voucher>>, StoreError> {
        let mut rows: Vec<voucher::Model> = Vec::new();
        if !wanted.accounts.is_empty() {
            let names = wanted.accounts.iter().map(ToString::to_string).collect();
            let since = vec![micros(wanted.since).into()];
            let columns = vec![Column::Text(names)];
            rows.extend(self.rows(bulk::OPEN_VOUCHERS.over(self.backend, columns, since)).await?);
        }
        if !wanted.named.is_empty() {
            let (names, ids) =
                wanted.named.iter().map(|(account, id)| (account.to_string(), id.0)).unzip();
            let columns = vec![Column::Text(names), Column::Id(ids)];
            let statement = bulk::NAMED_VOUCHERS.over(self.backend, columns, Vec::new());
            rows.extend(self.rows(statement).await?);
        }
        let mut vouchers: HashMap<String, BTreeMap<_, _>> = HashMap::new();
        for row in rows {
            let voucher = usable(&row)?;
            vouchers.entry(row.account).or_default().insert(voucher.id, voucher);
        }
        Ok(vouchers)
    }

    /// Saves what has changed in `purses`.
    pub async fn save<'a>(
        &self,
        purses: impl Iterator<Item = &'a Purse> + Clone,
    ) -> Result<(), StoreError> {
        let changed = purses.filter(|purse| !purse.change().entries.is_empty());
        self.change_wallets(changed.clone()).await?;
        self.spend_vouchers(changed.clone()).await?;
        self.add_vouchers(changed.clone().flat_map(|purse| &purse.change().vouchers)).await?;
        self.add_entries(changed.flat_map(|purse| &purse.change().entries)).await
    }

    async fn change_wallets<'a>(
        &self,
        purses: impl Iterator<Item = &'a Purse> + Clone,
    ) -> Result<(), StoreError> {
        let number = |of: fn(&Purse) -> i64| Column::Number(purses.clone().map(of).collect());
        let accounts: Vec<_> =
            purses.clone().map(|purse| purse.wallet().account.to_string()).collect();
        let columns = vec![
            Column::Text(accounts.clone()),
            number(|purse| purse.change().cash),
            number(|purse| purse.change().issued),
            number(|purse| purse.wallet().entries),
        ];
        self.write(&bulk::CHANGE_WALLETS, columns, accounts.len()).await
    }

    async fn spend_vouchers<'a>(
        &self,
        purses: impl Iterator<Item = &'a Purse>,
    ) -> Result<(), StoreError> {
        let (mut accounts, mut ids) = (Vec::new(), Vec::new());
        let (mut captured, mut forfeited) = (Vec::new(), Vec::new());
        for purse in purses {
            for (id, spent) in &purse.change().spent {
                accounts.push(purse.wallet().account.to_string());
                ids.push(id.0);
                captured.push(spent.captured);
                forfeited.push(spent.forfeited);
            }
        }
        let rows = accounts.len();
        let columns = vec![
            Column::Text(accounts),
            Column::Id(ids),
            Column::Number(captured),
            Column::Number(forfeited),
        ];
        self.write(&bulk::SPEND_VOUCHERS, columns, rows).await
    }

    async fn add_vouchers<'a>(
        &self,
        vouchers: impl Iterator<Item = &'a Voucher> + Clone,
    ) -> Result<(), StoreError> {
        let text = |of: fn(&Voucher) -> String| Column::Text(vouchers.clone().map(of).collect());
        let number = |of: fn(&Voucher) -> i64| Column::Number(vouchers.clone().map(of).collect());
        let terms = |voucher: &Voucher| {
            serde_json::to_string(&voucher.terms).expect("terms are lists, numbers and texts")
        };
        let columns = vec![
            text(|it| it.account.to_string()),
            Column::Id(vouchers.clone().map(|it| it.id.0).collect()),
            text(|it| it.face.currency().code().to_owned()),
            number(|it| it.face.minor()),
            number(|it| micros(it.terms.valid_from)),
            number(|it| micros(it.terms.expires)),
            text(terms),
            number(|it| micros(it.create_time)),
        ];
        let rows = vouchers.count();
        self.write(&bulk::ADD_VOUCHERS, columns, rows).await
    }

    async fn add_entries<'a>(
        &self,
        entries: impl Iterator<Item = &'a Entry> + Clone,
    ) -> Result<(), StoreError> {
        let text = |of: fn(&Entry) -> String| Column::Text(entries.clone().map(of).collect());
        let number = |of: fn(&Entry) -> i64| Column::Number(entries.clone().map(of).collect());
        let payment = |entry: &Entry| entry.payment.map_or_else(Default::default, |id| id.0);
        let columns = vec![
            text(|it| it.account.to_string()),
            number(|it| it.number),
            text(|it| it.debit.to_string()),
            text(|it| it.credit.to_string()),
            number(|it| it.amount.minor()),
            text(|it| it.amount.currency().code().to_owned()),
            Column::Id(entries.clone().map(payment).collect()),
            text(|it| it.note.clone()),
            number(|it| micros(it.create_time)),
        ];
        let rows = entries.count();
        self.write(&bulk::ADD_ENTRIES, columns, rows).await
    }

    /// Runs a bulk statement that must touch so many `rows`, unless there are none.
    async fn write(
        &self,
        statement: &bulk::Bulk,
        columns: Vec<Column>,
        rows: usize,
    ) -> Result<(), StoreError> {
        if rows == 0 {
            return Ok(());
        }
        let statement = statement.over(self.backend, columns, Vec::new());
        let touched = self.transaction.execute_raw(statement).await?.rows_affected();
        assert_eq!(touched, rows as u64, "rows that are locked are there");
        Ok(())
    }

    /// Those of `ids` that are stored.
    pub async fn payments(
        &self,
        ids: &[PaymentId],
    ) -> Result<HashMap<PaymentId, Known>, StoreError> {
        let columns = vec![Column::Id(ids.iter().map(|id| id.0).collect())];
        let statement = bulk::FIND_PAYMENTS.over(self.backend, columns, Vec::new());
        let known = |mut row: payment::Model| {
            let digest = row.digest.take();
            Ok((PaymentId(row.payment_id), Known { payment: row.try_into()?, digest }))
        };
        self.rows(statement).await?.into_iter().map(known).collect()
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
        let columns = vec![
            text(|charge, _| charge.account.to_string()),
            Column::Id(charges.iter().map(|(charge, _)| charge.payment.0).collect()),
            text(|_, outcome| state(outcome).to_owned()),
            Column::Id(charges.iter().map(|(charge, _)| charge.bill.order.0).collect()),
            number(|charge, _| charge.bill.amount.minor()),
            text(|charge, _| charge.bill.amount.currency().code().to_owned()),
            Column::Bytes(charges.iter().map(|(charge, _)| charge.digest.to_vec()).collect()),
            number(|charge, _| micros(charge.bill.as_of)),
            Column::Bytes(charges.iter().map(|(charge, outcome)| parts(charge, outcome)).collect()),
            text(|_, outcome| refusal(outcome).map_or_else(String::new, |it| it.reason.clone())),
            text(|_, outcome| refusal(outcome).map_or_else(String::new, |it| it.message.clone())),
            number(|_, outcome| refusal(outcome).and_then(|it| it.available).unwrap_or(-1)),
        ];
        let created = vec![micros(now).into()];
        let statement = bulk::ADD_PAYMENTS.over(self.backend, columns, created);
        Ok(self.transaction.query_all_raw(statement).await?.len() == charges.len())
    }

    /// Stores a payment as voided, unless it is stored already.
    pub async fn void(
        &self,
        id: PaymentId,
        account: &AccountId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let row = payment::Model {
            account: account.to_string(),
            payment_id: id.0,
            state: VOIDED.to_owned(),
            order_id: None,
            amount: None,
            currency: None,
            digest: None,
            as_of_us: None,
            parts: Vec::new(),
            reason: String::new(),
            message: String::new(),
            available: None,
            created_us: micros(now),
        };
        add_unless_there(row.into_active_model().reset_all(), &self.transaction).await
    }

    /// The request with this id, if it was answered (O-3).
    pub async fn answered(
        &self,
        method: &str,
        id: RequestId,
    ) -> Result<Option<Answered>, StoreError> {
        let row = request::Entity::find()
            .filter(request::Column::Method.eq(method))
            .filter(request::Column::RequestId.eq(id.0))
            .one(&self.transaction)
            .await?;
        Ok(row.map(|row| Answered { digest: row.digest, made: row.made }))
    }

    /// Keeps what a request made, and tells whether it is the first with its id. If not, the
    /// transaction must not be committed.
    pub async fn answer(
        &self,
        method: &str,
        id: RequestId,
        digest: RequestDigest,
        made: String,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let row = request::ActiveModel {
            method: Set(method.to_owned()),
            request_id: Set(id.0),
            digest: Set(digest.to_vec()),
            made: Set(made),
            created_us: Set(micros(now)),
        };
        add_unless_there(row, &self.transaction).await
    }
}

/// Adds a row unless one with its key is there, and tells whether it did.
pub(super) async fn add_unless_there<A: ActiveModelTrait>(
    row: A,
    connection: &impl ConnectionTrait,
) -> Result<bool, StoreError> {
    let added = A::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(connection)
        .await?;
    Ok(added > 0)
}

fn state(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded(_) => SUCCEEDED,
        Outcome::Refused(_) => REFUSED,
        Outcome::Voided => VOIDED,
    }
}

fn parts(charge: &Charge, outcome: &Outcome) -> Vec<u8> {
    match outcome {
        Outcome::Succeeded(parts) => write_parts(parts, charge.bill.amount.currency()),
        Outcome::Refused(_) | Outcome::Voided => Vec::new(),
    }
}

fn refusal(outcome: &Outcome) -> Option<&crate::domain::PaymentRefusal> {
    match outcome {
        Outcome::Refused(refusal) => Some(refusal),
        Outcome::Succeeded(_) | Outcome::Voided => None,
    }
}
