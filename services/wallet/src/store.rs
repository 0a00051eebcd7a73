//! Keeps what was decided: rows, transactions, lists.

mod agenda;
mod anchors;
mod audit;
mod bulk;
mod entity;
mod fundings;
mod meters;
mod migration;
mod restore;
mod rows;
mod statement;
mod unit;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use kernel::{
    Money,
    ids::{AccountId, IntentId, PaymentId, VoucherId},
};
use platform::database::Database;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _,
    FromQueryResult, IntoActiveModel as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select, Statement,
};

pub use platform::database::StoreError;

pub use self::{
    agenda::Agenda,
    audit::Audited,
    migration::Migrator,
    restore::Found,
    statement::{Span, Sum},
    unit::{Codes, Known, NewCallback, Unit, VouchersWanted},
};
use self::{
    bulk::Column,
    entity::{entry, payment, voucher, wallet},
    meters::Moved,
    rows::micros,
};
use crate::domain::{Entry, Funds, Payment, Voucher, Wallet};

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<P> {
    /// The sort key of the row before it; none for the first part.
    pub after: Option<P>,
    /// How many rows to leap over.
    pub skip: u64,
    /// How many rows at the most.
    pub size: u64,
    /// Whether to count all rows of the list.
    pub with_total: bool,
}

/// Which vouchers of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub now: DateTime<Utc>,
    /// Only those that can pay now.
    pub usable: bool,
    /// Only those that have something left, and lose it after now and by this instant.
    pub ends_by: Option<DateTime<Utc>>,
}

/// The rows of a part, whether more follow, and how many there are in all where that was asked.
#[derive(Debug, Clone)]
pub struct Rows<T> {
    pub items: Vec<T>,
    pub more: bool,
    pub total: Option<u64>,
}

/// The rows of this service.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
}

impl Store {
    /// The rows in `database`, whose schema is up to date.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> Result<Unit, StoreError> {
        let transaction = self.database.begin_write().await?;
        Ok(Unit { transaction, backend: self.database.backend(), moved: Moved::default() })
    }

    /// Adds `wallet` unless its account has one, and returns the one that there is then.
    pub async fn open(&self, wallet: &Wallet) -> Result<Wallet, StoreError> {
        let row = wallet::Model::from(wallet);
        let row = row.into_active_model().reset_all();
        let transaction = self.database.begin_write().await?;
        if unit::add_unless_there(row, &transaction).await? {
            transaction.commit().await?;
            return Ok(wallet.clone());
        }
        let found = wallet::Entity::find_by_id(wallet.account.to_string());
        let found = found.one(&transaction).await?;
        found.ok_or_else(|| StoreError::unreadable("a wallet is there and is not"))?.try_into()
    }

    /// The wallet of `account`.
    pub async fn wallet(&self, account: &AccountId) -> Result<Option<Wallet>, StoreError> {
        let query = wallet::Entity::find_by_id(account.to_string());
        query.one(self.database.reader()).await?.map(Wallet::try_from).transpose()
    }

    /// Entries of `account`, newest first, of one payment or of all.
    pub async fn entries(
        &self,
        account: &AccountId,
        payment: Option<PaymentId>,
        part: Part<i64>,
    ) -> Result<Rows<Entry>, StoreError> {
        let mut query = entry::Entity::find().filter(entry::Column::Account.eq(account.as_str()));
        if let Some(payment) = payment {
            query = query.filter(entry::Column::PaymentId.eq(payment.0));
        }
        let total = self.total(&query, part.with_total).await?;
        if let Some(after) = part.after {
            query = query.filter(entry::Column::Number.lt(after));
        }
        self.list(query.order_by_desc(entry::Column::Number), part, total).await
    }

    /// The entries of `account` that follow number `after`, oldest first, `most` at the most.
    pub async fn entries_after(
        &self,
        account: &AccountId,
        after: i64,
        most: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        let rows = entry::Entity::find()
            .filter(entry::Column::Account.eq(account.as_str()))
            .filter(entry::Column::Number.gt(after))
            .order_by_asc(entry::Column::Number)
            .limit(most)
            .all(self.database.reader())
            .await?;
        rows.into_iter().map(Entry::try_from).collect()
    }

    /// Vouchers of `account` that are wanted, nearest end first, then by id.
    pub async fn vouchers(
        &self,
        account: &AccountId,
        wanted: Wanted,
        part: Part<(i64, VoucherId)>,
    ) -> Result<Rows<Voucher>, StoreError> {
        use voucher::Column;
        let mut query = voucher::Entity::find().filter(Column::Account.eq(account.as_str()));
        let now = micros(wanted.now);
        if wanted.usable || wanted.ends_by.is_some() {
            query = query
                .filter(Column::Remaining.gt(0))
                .filter(Column::RevokedUs.is_null())
                .filter(Column::ExpiresUs.gt(now));
        }
        if wanted.usable {
            query = query.filter(Column::FromUs.lte(now));
        }
        if let Some(end) = wanted.ends_by {
            query = query.filter(Column::ExpiresUs.lte(micros(end)));
        }
        let total = self.total(&query, part.with_total).await?;
        if let Some((end, id)) = part.after {
            let same_end = Condition::all().add(Column::ExpiresUs.eq(end)).add(Column::Id.gt(id.0));
            query = query.filter(Condition::any().add(Column::ExpiresUs.gt(end)).add(same_end));
        }
        let query = query.order_by_asc(Column::ExpiresUs).order_by_asc(Column::Id);
        self.list(query, part, total).await
    }

    /// Every voucher of `account` that has something left, and those of `named` that there are.
    pub async fn open_vouchers(
        &self,
        account: &AccountId,
        named: &BTreeSet<VoucherId>,
    ) -> Result<Vec<Voucher>, StoreError> {
        use voucher::Column;
        let wanted = Condition::any()
            .add(Column::Remaining.gt(0))
            .add(Column::Id.is_in(named.iter().map(|id| id.0)));
        let rows = voucher::Entity::find()
            .filter(Column::Account.eq(account.as_str()))
            .filter(wanted)
            .order_by_asc(Column::ExpiresUs)
            .order_by_asc(Column::Id)
            .all(self.database.reader())
            .await?;
        rows.into_iter().map(Voucher::try_from).collect()
    }

    /// The vouchers of these ids, whosever they are, by id.
    pub async fn vouchers_by_id(
        &self,
        ids: &[(AccountId, VoucherId)],
    ) -> Result<HashMap<VoucherId, Voucher>, StoreError> {
        let columns = vec![
            Column::Text(ids.iter().map(|(account, _)| account.to_string()).collect()),
            Column::Id(ids.iter().map(|(_, id)| id.0).collect()),
        ];
        let statement = bulk::NAMED_VOUCHERS.over(self.database.backend(), columns, Vec::new());
        let rows: Vec<voucher::Model> = self.read(statement).await?;
        rows.into_iter().map(|row| Ok((VoucherId(row.id), row.try_into()?))).collect()
    }

    /// Those of `ids` that are stored.
    pub async fn payments(
        &self,
        ids: &[PaymentId],
    ) -> Result<HashMap<PaymentId, Payment>, StoreError> {
        let columns = vec![Column::Id(ids.iter().map(|id| id.0).collect())];
        let statement = bulk::FIND_PAYMENTS.over(self.database.backend(), columns, Vec::new());
        let rows: Vec<payment::Model> = self.read(statement).await?;
        rows.into_iter().map(|row| Ok((PaymentId(row.payment_id), row.try_into()?))).collect()
    }

    /// Those of `intents` that are stored, with their payments.
    pub async fn payments_of(
        &self,
        intents: &[IntentId],
    ) -> Result<HashMap<IntentId, Payment>, StoreError> {
        if intents.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = payment::Entity::find()
            .filter(payment::Column::IntentId.is_in(intents.iter().map(|id| id.0)))
            .all(self.database.reader())
            .await?;
        let key = |row: &payment::Model| IntentId(row.intent_id.unwrap_or_default());
        rows.into_iter().map(|row| Ok((key(&row), row.try_into()?))).collect()
    }

    /// What those of `accounts` that have a wallet can spend at `now`.
    pub async fn funds(
        &self,
        accounts: &[AccountId],
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<AccountId, Funds>, StoreError> {
        #[derive(FromQueryResult)]
        struct Valid {
            account: String,
            remaining: i64,
        }
        let backend = self.database.backend();
        let names = || vec![Column::Text(accounts.iter().map(ToString::to_string).collect())];
        let valid = bulk::VALID_VOUCHERS.over(backend, names(), vec![micros(now).into()]);
        let valid: Vec<Valid> = self.read(valid).await?;
        let valid: HashMap<String, i64> =
            valid.into_iter().map(|row| (row.account, row.remaining)).collect();
        let wallets: Vec<wallet::Model> =
            self.read(bulk::FIND_WALLETS.over(backend, names(), Vec::new())).await?;
        let funds = |row| {
            let Wallet { account, currency, cash, .. } = Wallet::try_from(row)?;
            let vouchers = valid.get(account.as_str()).copied().unwrap_or_default();
            let [cash, vouchers] = [cash, vouchers].map(|minor| Money::new(minor, currency));
            Ok((account.clone(), Funds { account, cash, vouchers }))
        };
        wallets.into_iter().map(funds).collect()
    }

    async fn read<M: FromQueryResult>(&self, statement: Statement) -> Result<Vec<M>, StoreError> {
        let rows = self.database.reader().query_all_raw(statement).await?;
        Ok(rows.iter().map(|row| M::from_query_result(row, "")).collect::<Result<_, _>>()?)
    }

    async fn total<E>(&self, query: &Select<E>, wanted: bool) -> Result<Option<u64>, StoreError>
    where
        E: sea_orm::EntityTrait<Model: Send + Sync>,
    {
        if wanted { Ok(Some(query.clone().count(self.database.reader()).await?)) } else { Ok(None) }
    }

    async fn list<E, T, P>(
        &self,
        query: Select<E>,
        part: Part<P>,
        total: Option<u64>,
    ) -> Result<Rows<T>, StoreError>
    where
        E: sea_orm::EntityTrait,
        T: TryFrom<E::Model, Error = StoreError>,
    {
        // One row more than wanted tells whether there is a next part.
        let mut rows = query
            .offset((part.skip > 0).then_some(part.skip))
            .limit(part.size + 1)
            .all(self.database.reader())
            .await?;
        let more = rows.len() as u64 > part.size;
        rows.truncate(usize::try_from(part.size).unwrap_or(usize::MAX));
        let items = rows.into_iter().map(T::try_from).collect::<Result<_, _>>()?;
        Ok(Rows { items, more, total })
    }
}

#[cfg(test)]
pub mod tests;
