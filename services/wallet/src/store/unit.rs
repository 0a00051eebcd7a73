//! One transaction: wallets locked, decided on, and saved together.

mod callbacks;
mod codes;
mod payments;
mod refunds;
mod vouchers;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, RequestId, VoucherId};
use platform::{
    database::{Backend, Write},
    request::RequestDigest,
};
use rule_engine::voucher as engine;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _,
    QueryFilter as _, Statement, prelude::Uuid, sea_query::OnConflict,
};

pub(super) use self::payments::unknown;
pub use self::{callbacks::NewCallback, codes::Codes, payments::Known};
use super::{
    StoreError,
    bulk::{self, Column},
    entity::{request, voucher, wallet},
    meters::Moved,
    rows::{micros, usable},
};
use crate::domain::{Entry, Purse, Voucher, Wallet};

/// A transaction that may write; dropped without a commit, it leaves nothing.
#[derive(Debug)]
pub struct Unit {
    pub(super) transaction: Write,
    pub(super) backend: Backend,
    /// What moves in it.
    pub(super) moved: Moved,
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

impl Unit {
    /// Makes everything final.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await?;
        self.moved.count();
        Ok(())
    }

    /// The same where something was done for some of those who asked together, as `done` says of each.
    pub async fn commit_for(self, done: &[bool]) -> Result<(), StoreError> {
        self.transaction.commit_for(done).await?;
        self.moved.count();
        Ok(())
    }

    pub(super) async fn rows<M: sea_orm::FromQueryResult>(
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

    /// Saves what has changed in `purses`, and tells of those that have gained.
    pub async fn save<'a>(
        &self,
        purses: impl Iterator<Item = &'a Purse> + Clone,
    ) -> Result<(), StoreError> {
        let changed = purses.filter(|purse| !purse.change().entries.is_empty());
        self.change_wallets(changed.clone()).await?;
        self.move_vouchers(changed.clone()).await?;
        self.add_vouchers(changed.clone().flat_map(|purse| &purse.change().vouchers)).await?;
        self.add_entries(changed.clone().flat_map(|purse| &purse.change().entries)).await?;
        self.tell_of_funds(changed).await
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
            number(|purse| purse.change().held),
            number(|purse| purse.change().issued),
            number(|purse| purse.wallet().entries),
            Column::Bytes(purses.clone().map(|purse| purse.wallet().head.0.to_vec()).collect()),
        ];
        self.write(&bulk::CHANGE_WALLETS, columns, accounts.len()).await
    }

    async fn move_vouchers<'a>(
        &self,
        purses: impl Iterator<Item = &'a Purse>,
    ) -> Result<(), StoreError> {
        let (mut accounts, mut ids) = (Vec::new(), Vec::new());
        let mut moved: [Vec<i64>; 6] = Default::default();
        for purse in purses {
            for (id, it) in &purse.change().moved {
                accounts.push(purse.wallet().account.to_string());
                ids.push(id.0);
                let parts =
                    [it.remaining, it.captured, it.held, it.forfeited, it.voided, it.expired];
                moved.iter_mut().zip(parts).for_each(|(column, part)| column.push(part));
            }
        }
        let rows = accounts.len();
        let mut columns = vec![Column::Text(accounts), Column::Id(ids)];
        columns.extend(moved.map(Column::Number));
        self.write(&bulk::MOVE_VOUCHERS, columns, rows).await
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
        let id = |of: fn(&Entry) -> Option<Uuid>| {
            Column::Id(entries.clone().map(|entry| of(entry).unwrap_or_default()).collect())
        };
        let columns = vec![
            text(|it| it.account.to_string()),
            number(|it| it.number),
            text(|it| it.debit.to_string()),
            text(|it| it.credit.to_string()),
            number(|it| it.amount.minor()),
            text(|it| it.amount.currency().code().to_owned()),
            id(|it| it.about.payment.map(|id| id.0)),
            id(|it| it.about.order.map(|id| id.0)),
            id(|it| it.about.refund.map(|id| id.0)),
            text(|it| it.note.clone()),
            number(|it| micros(it.create_time)),
            Column::Bytes(entries.clone().map(|it| it.hash.0.to_vec()).collect()),
        ];
        entries.clone().for_each(|entry| self.moved.note(entry));
        let rows = entries.count();
        self.write(&bulk::ADD_ENTRIES, columns, rows).await
    }

    async fn execute(&self, statement: Statement) -> Result<(), StoreError> {
        self.transaction.execute_raw(statement).await?;
        Ok(())
    }

    /// Runs a bulk statement that must touch so many `rows`, unless there are none.
    pub(super) async fn write(
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
