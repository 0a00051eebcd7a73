//! Instances and their terms: what is read.

pub mod list;
pub mod many;
pub mod recorded;
pub mod terms;
pub mod write;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use kernel::ids::{AccountId, InstanceId, InvalidName, OrderId};
use platform::database::Backend;
use rule_engine::{
    calendar::DayOfMonth,
    instance::{Billing, Binding, BindingKind, Instance, OpenOrder, PendingChange},
    kind::BillingMode,
    policy::{AutoRenewal, PolicyState},
    profile::Policy,
    term::Lease,
};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, FromQueryResult as _,
    QueryFilter as _, QueryOrder as _, QueryResult, QuerySelect as _, Statement,
};
use serde::Serialize;
use uuid::Uuid;

use self::recorded::Recorded;
use super::{
    StoreError,
    accounts::{self, KnownAccount},
    backend_of,
    entity::{account, instance, order, term},
    over, values,
};

/// An instance as it stands in its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What the rules see of it.
    pub instance: Instance,
    /// Grows by one with each change of the row.
    pub version: i64,
    /// What sweeps recorded of it.
    pub recorded: Recorded,
}

impl Loaded {
    /// An instance that is new: at version 1, with nothing recorded yet.
    #[must_use]
    pub fn new(instance: Instance) -> Self {
        Self { instance, version: 1, recorded: Recorded::default() }
    }

    /// The same row, with the instance as it is to be.
    #[must_use]
    pub fn with(&self, instance: Instance) -> Self {
        Self { instance, version: self.version, recorded: self.recorded.clone() }
    }
}

/// How much of what is bound to the instances named is loaded with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The groups that they belong to: what is bound `FORCED` or `STRONG`, directly or not.
    Groups,
    /// Everything bound to them, directly or not.
    All,
}

/// What happens to the rows that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Nothing.
    None,
    /// They stay as they are until the transaction ends; locked by id.
    ForUpdate,
}

/// `?1` a JSON array of `{"account", "id"}`, `?2` whether `OPTIONAL` bindings are followed too. The
/// step goes from each instance to its parent, and from each parent to its children.
const CLOSURE_SQLITE: &str = "\
WITH RECURSIVE wanted(account_id, id) AS (
  SELECT value ->> 'account', value ->> 'id' FROM jsonb_each(?1)
  UNION
  SELECT i.account_id, CASE WHEN i.id = w.id THEN i.parent_id ELSE i.id END
  FROM wanted w JOIN instances i
    ON i.account_id = w.account_id AND (i.id = w.id OR i.parent_id = w.id)
  WHERE i.parent_id IS NOT NULL AND (?2 OR i.binding <> 'OPTIONAL')
)";

/// The same for PostgreSQL: `$1` the accounts and `$2` the ids, parted by commas (no name has one),
/// `$3` whether `OPTIONAL` bindings are followed. The planner folds the arrays and so knows how few
/// they are; each step asks one index for the parent and one for the children.
const CLOSURE_POSTGRES: &str = "\
WITH RECURSIVE wanted(account_id, id) AS (
  SELECT account COLLATE \"C\", id COLLATE \"C\" FROM unnest(
    string_to_array($1, ',')::varchar[], string_to_array($2, ',')::varchar[]) AS r(account, id)
  UNION
  SELECT w.account_id, near.id FROM wanted w CROSS JOIN LATERAL (
    SELECT i.parent_id AS id FROM instances i
    WHERE i.account_id = w.account_id AND i.id = w.id
      AND i.parent_id IS NOT NULL AND ($3 OR i.binding <> 'OPTIONAL')
    UNION ALL
    SELECT i.id FROM instances i
    WHERE i.account_id = w.account_id AND i.parent_id = w.id
      AND ($3 OR i.binding <> 'OPTIONAL')
  ) AS near
)";

/// The instances of the closure.
const INSTANCES: &str = "\
SELECT i.* FROM wanted w JOIN instances i ON i.account_id = w.account_id AND i.id = w.id
ORDER BY i.account_id, i.id";

/// The instances of the closure, each with the row of its account.
const WITH_ACCOUNTS: &str = "\
SELECT i.*, a.id AS a_id, a.profile AS a_profile, a.currency AS a_currency,
  a.time_zone AS a_time_zone, a.labels AS a_labels, a.frozen AS a_frozen,
  a.standard_day AS a_standard_day, a.day_meaning AS a_day_meaning,
  a.auto_follows_standard_day AS a_auto_follows_standard_day,
  a.auto_days_before AS a_auto_days_before, a.money_at AS a_money_at,
  a.parked_until AS a_parked_until, a.parked_why AS a_parked_why,
  a.no_reminder_before AS a_no_reminder_before, a.version AS a_version,
  a.create_time AS a_create_time
FROM wanted w JOIN instances i ON i.account_id = w.account_id AND i.id = w.id
JOIN accounts a ON a.id = i.account_id
ORDER BY i.account_id, i.id";

/// An instance of an account, as the statements name it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Named<'i> {
    /// Whose it is.
    pub account: &'i AccountId,
    /// The instance.
    pub id: &'i InstanceId,
}

/// The account's instances named `ids` and what is bound to them, by id. Ids that are unknown, or
/// another account's, are not in the answer.
///
/// Two statements at most, however many ids there are.
pub async fn load<C: ConnectionTrait>(
    connection: &C,
    account: &AccountId,
    ids: &[InstanceId],
    reach: Reach,
    lock: Lock,
) -> Result<Vec<Loaded>, StoreError> {
    let named: Vec<_> = ids.iter().map(|id| Named { account, id }).collect();
    load_named(connection, &named, reach, lock).await
}

/// Like [`load`], of several accounts: by account, then id. Bindings never leave an account.
pub async fn load_named<C: ConnectionTrait>(
    connection: &C,
    named: &[Named<'_>],
    reach: Reach,
    lock: Lock,
) -> Result<Vec<Loaded>, StoreError> {
    let lock = match (backend_of(connection), lock) {
        (Backend::Postgres, Lock::ForUpdate) => " FOR UPDATE OF i",
        _ => "",
    };
    let statement = closure(connection, named, reach, &format!("{INSTANCES}{lock}"));
    let rows = instance::Entity::find().from_raw_sql(statement).all(connection).await?;
    read_all(connection, rows).await
}

/// The account and its instances named `ids`, with what is bound to them: one statement, and one
/// more each where an open order holds any, and where there is none of the instances.
pub async fn load_with_account<C: ConnectionTrait>(
    connection: &C,
    account: &AccountId,
    ids: &[InstanceId],
    reach: Reach,
) -> Result<Option<(KnownAccount, Vec<Loaded>)>, StoreError> {
    let named: Vec<_> = ids.iter().map(|id| Named { account, id }).collect();
    let statement = closure(connection, &named, reach, WITH_ACCOUNTS);
    let rows = connection.query_all_raw(statement).await?;
    let known = match rows.first() {
        Some(row) => Some(accounts::read(&account::Model::from_query_result(row, "a_")?)?),
        None => accounts::get(connection, account).await?,
    };
    let rows = rows.iter().map(|row| instance::Model::from_query_result(row, ""));
    let loaded = read_all(connection, rows.collect::<Result<_, _>>()?).await?;
    Ok(known.map(|known| (known, loaded)))
}

/// A query over the closure of what is named.
fn closure<C: ConnectionTrait>(
    connection: &C,
    named: &[Named<'_>],
    reach: Reach,
    query: &str,
) -> Statement {
    let backend = backend_of(connection);
    let closure = backend.pick(CLOSURE_SQLITE, CLOSURE_POSTGRES);
    let all = (reach == Reach::All).into();
    let values = match backend {
        Backend::Sqlite => vec![values::to_json(&named).into(), all],
        Backend::Postgres => {
            let accounts = named.iter().map(|one| one.account.as_str()).collect::<Vec<_>>();
            let ids = named.iter().map(|one| one.id.as_str()).collect::<Vec<_>>();
            vec![accounts.join(",").into(), ids.join(",").into(), all]
        }
    };
    let text = format!("{closure}\n{query}");
    Statement::from_sql_and_values(backend.dialect(), text, values)
}

/// Which account each of `ids` is of, whosever they are. Only registration may ask so: everyone
/// else names an account.
pub async fn owners<C: ConnectionTrait>(
    connection: &C,
    ids: &[&InstanceId],
) -> Result<HashMap<String, String>, StoreError> {
    let statement = over(connection, OWNERS_SQLITE, OWNERS_POSTGRES, &ids);
    let rows = connection.query_all_raw(statement).await?;
    let pair = |row: &QueryResult| Ok((row.try_get("", "id")?, row.try_get("", "account_id")?));
    Ok(rows.iter().map(pair).collect::<Result<_, DbErr>>()?)
}

const OWNERS_SQLITE: &str = "\
SELECT i.id, i.account_id FROM jsonb_each(?1) AS wanted JOIN instances i ON i.id = wanted.value";

const OWNERS_POSTGRES: &str = "\
SELECT i.id, i.account_id
FROM (SELECT json_array_elements_text($1::json) AS id LIMIT (SELECT NULL::bigint)) wanted
JOIN instances i ON i.id = wanted.id";

/// The live terms of an instance, latest first; at most `most`.
pub async fn live_terms<C: ConnectionTrait>(
    connection: &C,
    account: &AccountId,
    id: &InstanceId,
    most: u64,
) -> Result<Vec<term::Model>, StoreError> {
    let query = term::Entity::find()
        .filter(term::Column::AccountId.eq(account.as_str()))
        .filter(term::Column::InstanceId.eq(id.as_str()))
        .filter(term::Column::ReversedBy.is_null())
        .order_by_desc(term::Column::StartTime)
        .limit(most);
    Ok(query.all(connection).await?)
}

/// Rows as the rules see them, with the orders that hold them: one statement if there are any.
pub async fn read_all<C: ConnectionTrait>(
    connection: &C,
    rows: Vec<instance::Model>,
) -> Result<Vec<Loaded>, StoreError> {
    let claims: Vec<Uuid> = rows.iter().filter_map(|row| row.open_order_id).collect();
    let unpaid = unpaid_orders(connection, &claims).await?;
    rows.into_iter().map(|row| read(row, &unpaid)).collect()
}

async fn unpaid_orders<C: ConnectionTrait>(
    connection: &C,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, bool>, StoreError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let query = order::Entity::find()
        .select_only()
        .columns([order::Column::Id, order::Column::State])
        .filter(order::Column::Id.is_in(ids.iter().copied()));
    let states: Vec<(Uuid, String)> = query.into_tuple().all(connection).await?;
    Ok(states.into_iter().map(|(id, state)| (id, state == "PENDING_PAYMENT")).collect())
}

/// A row as the rules see it; `unpaid` says of each open order whether it still awaits its payment.
fn read(row: instance::Model, unpaid: &HashMap<Uuid, bool>) -> Result<Loaded, StoreError> {
    let unreadable = |_: InvalidName| StoreError::Unreadable(format!("the instance {}", row.id));
    let open_order = row.open_order_id.map(|id| OpenOrder {
        id: OrderId(id),
        unpaid: unpaid.get(&id).copied().unwrap_or_default(),
    });
    let recorded = Recorded::read(&row)?;
    let instance = Instance {
        id: row.id.parse().map_err(unreadable)?,
        account: row.account_id.parse().map_err(unreadable)?,
        product: row.product_id.parse().map_err(unreadable)?,
        region: row.region.parse().map_err(unreadable)?,
        billing: billing(&row)?,
        policy: policy(&row)?,
        binding: binding(&row)?,
        pending: pending(&row)?,
        first_start: row.first_start.map(values::instant).transpose()?,
        labels: values::from_json::<BTreeMap<_, _>>(&row.labels)?,
        configuration: values::from_json(&row.configuration)?,
        room_type: (!row.room_type.is_empty()).then_some(row.room_type),
        name: row.name,
        trial: row.trial,
        one_time: row.one_time,
        released: row.released,
        change_pending: row.change_pending,
        open_order,
        source_version: u64::try_from(row.source_version).unwrap_or_default(),
    };
    Ok(Loaded { instance, version: row.version, recorded })
}

fn billing(row: &instance::Model) -> Result<Billing, StoreError> {
    let unreadable = || StoreError::Unreadable(format!("the billing of instance {}", row.id));
    match (values::word::<BillingMode>(&row.billing_mode)?, row.paid_until, row.anchor) {
        (BillingMode::Postpaid, ..) => Ok(Billing::Postpaid),
        (BillingMode::Prepaid, Some(expiry), Some(anchor)) => {
            let anchor = u32::try_from(anchor).map_err(|_| unreadable())?;
            let anchor = DayOfMonth::try_from(anchor).map_err(|_| unreadable())?;
            Ok(Billing::Prepaid(Lease { end: values::instant(expiry)?, anchor }))
        }
        (BillingMode::Prepaid, ..) => Err(unreadable()),
    }
}

fn policy(row: &instance::Model) -> Result<PolicyState, StoreError> {
    let unreadable = || StoreError::Unreadable(format!("the policy of instance {}", row.id));
    Ok(match values::word::<Policy>(&row.policy)? {
        Policy::Manual => PolicyState::Manual,
        Policy::PostpaidAfterExpiry => PolicyState::PostpaidAfterExpiry,
        Policy::NotRenew => PolicyState::NotRenew,
        Policy::Auto => {
            let cycle = row.auto_cycle.as_deref().ok_or_else(unreadable)?;
            let remaining = row.auto_remaining.map(|left| {
                let left = u32::try_from(left).map_err(|_| unreadable())?;
                left.try_into().map_err(|_| unreadable())
            });
            PolicyState::Auto(AutoRenewal {
                cycle: cycle.parse().map_err(|_| unreadable())?,
                remaining: remaining.transpose()?,
            })
        }
    })
}

fn binding(row: &instance::Model) -> Result<Option<Binding>, StoreError> {
    let unreadable =
        |_: InvalidName| StoreError::Unreadable(format!("the binding of instance {}", row.id));
    match (&row.parent_id, &row.binding) {
        (Some(parent), Some(kind)) => Ok(Some(Binding {
            parent: parent.parse().map_err(unreadable)?,
            kind: values::word::<BindingKind>(kind)?,
        })),
        _ => Ok(None),
    }
}

fn pending(row: &instance::Model) -> Result<Option<PendingChange>, StoreError> {
    match (&row.pending_configuration, row.pending_from) {
        (Some(configuration), Some(from)) => Ok(Some(PendingChange {
            configuration: values::from_json(configuration)?,
            effective: values::instant(from)?,
        })),
        _ => Ok(None),
    }
}
