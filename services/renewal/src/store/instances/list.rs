//! Lists of an account's instances (section 12).

use kernel::ids::AccountId;
use rule_engine::profile::Policy;
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbBackend, EntityTrait as _, FromQueryResult,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
    sea_query::{CaseStatement, Expr, ExprTrait as _, Func, SimpleExpr},
};

use crate::store::{StoreError, entity::instance};

/// Sort key of an instance without an expiry: after all others.
pub const NEVER: i64 = i64::MAX;

/// The place of an instance in the list: after it, a page goes on.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Position {
    /// The expiry in microseconds since 1970, or the largest number where there is none.
    pub expiry: i64,
    /// The instance.
    pub id: String,
}

/// Expiries of a product's instances: later than `after`, at `until` or earlier, in microseconds
/// since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiries {
    /// The product whose days of grace and retention hold for them: of a `STRONG` member, that of
    /// its primary (B-4).
    pub product: String,
    /// Not in the range itself.
    pub after: i64,
    /// In the range.
    pub until: i64,
}

/// The states wanted, as ranges of expiries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct States {
    /// Those that are not expired.
    pub active: bool,
    /// Expired ones in one of these ranges.
    pub expired: Vec<Expiries>,
    /// Those that the product reported released.
    pub reported_released: bool,
}

/// A tab of a renewal console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// Those with an expiry and this policy.
    Policy(Policy),
    /// Those without an expiry.
    NoExpiry,
}

/// What of an account's instances is wanted; everything given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Expiry later than this.
    pub expires_after: Option<i64>,
    /// Expiry not later than this.
    pub expires_until: Option<i64>,
    /// One of these products; any if empty.
    pub products: Vec<String>,
    /// None of these products.
    pub not_products: Vec<String>,
    /// One of these room types; any if empty.
    pub room_types: Vec<String>,
    /// One of these regions; any if empty.
    pub regions: Vec<String>,
    /// This tab.
    pub tab: Option<Tab>,
    /// These states; any if absent.
    pub states: Option<States>,
    /// Name or id begins with this, letter by letter.
    pub prefix: String,
    /// All of these labels.
    pub labels: Vec<(String, String)>,
    /// Trials and one-time instances too.
    pub with_trials: bool,
    /// The instant that decides what is expired.
    pub now: i64,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What comes after this; from the start if absent.
    pub after: Option<Position>,
    /// How many further rows to leap over.
    pub skip: u64,
    /// How many rows.
    pub limit: u64,
}

/// Where a part of the account's instances that are `wanted` stand, by expiry (none last), then id.
pub async fn list<C: ConnectionTrait>(
    connection: &C,
    account: &AccountId,
    wanted: &Wanted,
    part: &Part,
) -> Result<Vec<Position>, StoreError> {
    let sort = sort_key(wanted.now);
    let mut query = select(connection.get_database_backend(), account, wanted);
    if let Some(Position { expiry, id }) = &part.after {
        let later = sort.clone().gt(*expiry);
        let beside = sort.clone().eq(*expiry).and(instance::Column::Id.gt(id.as_str()));
        query = query.filter(later.or(beside));
    }
    let query = query
        .select_only()
        .expr_as(sort.clone(), "expiry")
        .column(instance::Column::Id)
        .order_by_asc(sort)
        .order_by_asc(instance::Column::Id)
        .offset(part.skip)
        .limit(part.limit);
    Ok(query.into_model::<Position>().all(connection).await?)
}

/// How many of the account's instances are `wanted`.
pub async fn count<C: ConnectionTrait>(
    connection: &C,
    account: &AccountId,
    wanted: &Wanted,
) -> Result<u64, StoreError> {
    let query = select(connection.get_database_backend(), account, wanted);
    Ok(query.count(connection).await?)
}

fn select(backend: DbBackend, account: &AccountId, wanted: &Wanted) -> Select<instance::Entity> {
    let mut all = Condition::all()
        .add(instance::Column::AccountId.eq(account.as_str()))
        .add_option(wanted.expires_after.map(|after| sort_key(wanted.now).gt(after)))
        .add_option(wanted.expires_until.map(|until| sort_key(wanted.now).lte(until)))
        .add_option(wanted.tab.map(|tab| of_tab(tab, wanted.now)))
        .add_option(wanted.states.as_ref().map(|states| in_states(states, wanted.now)));
    for (column, one_of) in [
        (instance::Column::ProductId, &wanted.products),
        (instance::Column::RoomType, &wanted.room_types),
        (instance::Column::Region, &wanted.regions),
    ] {
        all = all.add_option((!one_of.is_empty()).then(|| column.is_in(one_of)));
    }
    if !wanted.not_products.is_empty() {
        all = all.add(instance::Column::ProductId.is_not_in(&wanted.not_products));
    }
    if !wanted.with_trials {
        all = all.add(instance::Column::Trial.eq(false)).add(instance::Column::OneTime.eq(false));
    }
    if !wanted.prefix.is_empty() {
        let begins = |column| begins_with(column, &wanted.prefix);
        all = all.add(begins(instance::Column::Name).or(begins(instance::Column::Id)));
    }
    for (name, value) in &wanted.labels {
        all = all.add(has_label(backend, name, value));
    }
    instance::Entity::find().filter(all)
}

/// Whether it has no expiry at `now`: it is postpaid, or became so at its expiry (L-4).
fn no_expiry(now: i64) -> SimpleExpr {
    let became_postpaid = instance::Column::Policy
        .eq(Policy::PostpaidAfterExpiry.code())
        .and(instance::Column::PaidUntil.lte(now));
    instance::Column::PaidUntil.is_null().or(became_postpaid)
}

/// Its expiry; what has none comes last.
fn sort_key(now: i64) -> SimpleExpr {
    let expiry = Expr::col(instance::Column::PaidUntil);
    CaseStatement::new().case(no_expiry(now), NEVER).finally(expiry).into()
}

fn of_tab(tab: Tab, now: i64) -> SimpleExpr {
    match tab {
        Tab::NoExpiry => no_expiry(now),
        Tab::Policy(policy) => instance::Column::Policy.eq(policy.code()).and(no_expiry(now).not()),
    }
}

fn in_states(states: &States, now: i64) -> Condition {
    // Without any alternative the condition would hold of everything.
    let mut live = Condition::any().add(Expr::val(1).eq(0));
    if states.active {
        live = live.add(sort_key(now).gt(now));
    }
    for range in &states.expired {
        let Expiries { product, after, until } = range;
        let expired = instance::Column::PaidUntil
            .gt(*after)
            .and(instance::Column::PaidUntil.lte(*until))
            .and(no_expiry(now).not());
        live = live.add(expired.and(lifecycle_product().eq(product.as_str())));
    }
    let live = Condition::all().add(instance::Column::Released.eq(false)).add(live);
    if states.reported_released {
        Condition::any().add(instance::Column::Released.eq(true)).add(live)
    } else {
        live
    }
}

/// The product whose days of grace and retention hold: the parent's, if it is bound `STRONG` (B-4).
fn lifecycle_product() -> SimpleExpr {
    Expr::cust(
        "coalesce((SELECT parent.product_id FROM instances parent \
         WHERE parent.account_id = instances.account_id AND parent.id = instances.parent_id \
         AND instances.binding = 'STRONG'), instances.product_id)",
    )
}

/// Compared letter by letter: `LIKE` would take `%` and `_` for more than they are.
fn begins_with(column: instance::Column, prefix: &str) -> SimpleExpr {
    let length = i32::try_from(prefix.chars().count()).unwrap_or(i32::MAX);
    let start = Func::cust("substr").arg(Expr::col(column)).arg(1).arg(length);
    SimpleExpr::from(start).eq(prefix)
}

fn has_label(backend: DbBackend, name: &str, value: &str) -> SimpleExpr {
    let sql = if backend == DbBackend::Postgres {
        "(instances.labels::jsonb ->> $1) = $2"
    } else {
        "EXISTS (SELECT 1 FROM json_each(instances.labels) l WHERE l.key = ? AND l.value = ?)"
    };
    Expr::cust_with_values(sql, [name, value])
}
