//! Instances and their terms: what is written, a page of rows with one statement.

use chrono::{DateTime, Utc};
use kernel::ids::{AccountId, InstanceId};
use rule_engine::instance::Instance;
use sea_orm::ConnectionTrait;
use serde::Serialize;

use super::Loaded;
use crate::store::{StoreError, due::shard_of, over, values};

/// `?1` a JSON array of rows. An id that is taken, by whomever, leaves its row out of the answer.
const INSERT_SQLITE: &str = "\
INSERT INTO instances (account_id, id, version, product_id, region, name, room_type, labels,
  configuration, billing_mode, paid_until, anchor, policy, trial, one_time, change_pending,
  released, parent_id, binding, first_start, source_version, shard, state, due_time, create_time)
SELECT value ->> 'account_id', value ->> 'id', value ->> 'version', value ->> 'product_id',
  value ->> 'region', value ->> 'name', value ->> 'room_type', value ->> 'labels',
  value ->> 'configuration', value ->> 'billing_mode', value ->> 'paid_until',
  value ->> 'anchor', value ->> 'policy', value ->> 'trial', value ->> 'one_time',
  value ->> 'change_pending', value ->> 'released', value ->> 'parent_id', value ->> 'binding',
  value ->> 'first_start', value ->> 'source_version', value ->> 'shard', value ->> 'state',
  value ->> 'due_time', value ->> 'create_time'
FROM jsonb_each(?1) WHERE true ON CONFLICT DO NOTHING RETURNING id";

/// The same for PostgreSQL.
const INSERT_POSTGRES: &str = "\
INSERT INTO instances (account_id, id, version, product_id, region, name, room_type, labels,
  configuration, billing_mode, paid_until, anchor, policy, trial, one_time, change_pending,
  released, parent_id, binding, first_start, source_version, shard, state, due_time, create_time)
SELECT account_id, id, version, product_id, region, name, room_type, labels,
  configuration, billing_mode, paid_until, anchor, policy, trial, one_time, change_pending,
  released, parent_id, binding, first_start, source_version, shard, state, due_time, create_time
FROM json_to_recordset($1::json) AS r(account_id text, id text, version bigint,
  product_id text, region text, name text, room_type text, labels text, configuration text,
  billing_mode text, paid_until bigint, anchor integer, policy text, trial boolean,
  one_time boolean, change_pending boolean, released boolean, parent_id text, binding text,
  first_start bigint, source_version bigint, shard smallint, state text, due_time bigint,
  create_time bigint)
ON CONFLICT DO NOTHING RETURNING id";

/// `?1` a JSON array of rows, each with the version that it was read at.
const UPDATE_SQLITE: &str = "\
UPDATE instances SET version = instances.version + 1, name = value ->> 'name',
  room_type = value ->> 'room_type', labels = value ->> 'labels',
  configuration = value ->> 'configuration',
  pending_configuration = value ->> 'pending_configuration',
  pending_from = value ->> 'pending_from', billing_mode = value ->> 'billing_mode',
  paid_until = value ->> 'paid_until', anchor = value ->> 'anchor', policy = value ->> 'policy',
  auto_cycle = value ->> 'auto_cycle', auto_remaining = value ->> 'auto_remaining',
  trial = value ->> 'trial', one_time = value ->> 'one_time',
  change_pending = value ->> 'change_pending', released = value ->> 'released',
  parent_id = value ->> 'parent_id', binding = value ->> 'binding',
  source_version = value ->> 'source_version', state = value ->> 'state',
  due_time = value ->> 'due_time'
FROM jsonb_each(?1)
WHERE instances.account_id = value ->> 'account_id' AND instances.id = value ->> 'id'
  AND instances.version = value ->> 'version'";

/// The same for PostgreSQL.
const UPDATE_POSTGRES: &str = "\
UPDATE instances SET version = instances.version + 1, name = r.name, room_type = r.room_type,
  labels = r.labels, configuration = r.configuration,
  pending_configuration = r.pending_configuration, pending_from = r.pending_from,
  billing_mode = r.billing_mode, paid_until = r.paid_until, anchor = r.anchor,
  policy = r.policy, auto_cycle = r.auto_cycle, auto_remaining = r.auto_remaining,
  trial = r.trial, one_time = r.one_time, change_pending = r.change_pending,
  released = r.released, parent_id = r.parent_id, binding = r.binding,
  source_version = r.source_version, state = r.state, due_time = r.due_time
FROM json_to_recordset($1::json) AS r(account_id text, id text, version bigint, name text,
  room_type text, labels text, configuration text, pending_configuration text,
  pending_from bigint, billing_mode text, paid_until bigint, anchor integer, policy text,
  auto_cycle text, auto_remaining integer, trial boolean, one_time boolean,
  change_pending boolean, released boolean, parent_id text, binding text, source_version bigint,
  state text, due_time bigint)
WHERE instances.account_id = r.account_id AND instances.id = r.id
  AND instances.version = r.version";

/// `?1` a JSON array of terms that no order appended.
const TERMS_SQLITE: &str = "\
INSERT INTO terms (account_id, instance_id, instance_version, start_time, end_time, anchor, kind,
  amount, converted, create_time)
SELECT value ->> 'account_id', value ->> 'instance_id', value ->> 'instance_version',
  value ->> 'start_time', value ->> 'end_time', value ->> 'anchor', value ->> 'kind', 0, false,
  value ->> 'create_time'
FROM jsonb_each(?1)";

/// The same for PostgreSQL.
const TERMS_POSTGRES: &str = "\
INSERT INTO terms (account_id, instance_id, instance_version, start_time, end_time, anchor, kind,
  amount, converted, create_time)
SELECT account_id, instance_id, instance_version, start_time, end_time, anchor, kind, 0, false,
  create_time
FROM json_to_recordset($1::json) AS r(account_id text, instance_id text,
  instance_version bigint, start_time bigint, end_time bigint, anchor integer, kind text,
  create_time bigint)";

/// What of an instance is written; the claim never is.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of its own")]
struct Row<'i> {
    account_id: &'i AccountId,
    id: &'i InstanceId,
    version: i64,
    product_id: &'i str,
    region: &'i str,
    name: &'i str,
    room_type: &'i str,
    labels: String,
    configuration: String,
    pending_configuration: Option<String>,
    pending_from: Option<i64>,
    billing_mode: String,
    paid_until: Option<i64>,
    anchor: Option<u32>,
    policy: &'static str,
    auto_cycle: Option<String>,
    auto_remaining: Option<u32>,
    trial: bool,
    one_time: bool,
    change_pending: bool,
    released: bool,
    parent_id: Option<&'i InstanceId>,
    binding: Option<String>,
    first_start: Option<i64>,
    source_version: u64,
    shard: i16,
    state: &'static str,
    due_time: Option<i64>,
    create_time: i64,
}

impl<'i> Row<'i> {
    fn of(loaded: &'i Loaded, create_time: i64) -> Self {
        let Loaded { instance, version, recorded } = loaded;
        let auto = instance.policy.auto();
        let pending = instance.pending.as_ref();
        Self {
            account_id: &instance.account,
            id: &instance.id,
            version: *version,
            product_id: instance.product.as_str(),
            region: instance.region.as_str(),
            name: &instance.name,
            room_type: instance.room_type.as_deref().unwrap_or_default(),
            labels: values::to_json(&instance.labels),
            configuration: values::to_json(&instance.configuration),
            pending_configuration: pending.map(|pending| values::to_json(&pending.configuration)),
            pending_from: pending.map(|pending| values::micros(pending.effective)),
            billing_mode: values::text_of(&instance.billing.mode()),
            paid_until: instance.expiry().map(values::micros),
            anchor: instance.billing.lease().map(|lease| lease.anchor.get()),
            policy: instance.policy.policy().code(),
            auto_cycle: auto.map(|auto| auto.cycle.short()),
            auto_remaining: auto.and_then(|auto| auto.remaining).map(u32::from),
            trial: instance.trial,
            one_time: instance.one_time,
            change_pending: instance.change_pending,
            released: instance.released,
            parent_id: instance.binding.as_ref().map(|binding| &binding.parent),
            binding: instance.binding.as_ref().map(|binding| values::text_of(&binding.kind)),
            first_start: instance.first_start.map(values::micros),
            source_version: instance.source_version,
            shard: shard_of(&instance.account),
            state: recorded.state.code(),
            due_time: recorded.due_time.map(values::micros),
            create_time,
        }
    }
}

/// Adds instances that are new, and answers how many were added: fewer than given
/// where somebody else has taken an id meanwhile.
pub async fn insert<C: ConnectionTrait>(
    connection: &C,
    instances: &[Loaded],
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    if instances.is_empty() {
        return Ok(0);
    }
    let now = values::micros(now);
    let rows: Vec<_> = instances.iter().map(|loaded| Row::of(loaded, now)).collect();
    let statement = over(connection, INSERT_SQLITE, INSERT_POSTGRES, &rows);
    Ok(connection.query_all_raw(statement).await?.len())
}

/// Saves changed instances, each if it is still at the version that it was loaded at, and answers
/// how many were. The claim stays as it is.
pub async fn update<C: ConnectionTrait>(
    connection: &C,
    changed: &[Loaded],
) -> Result<usize, StoreError> {
    if changed.is_empty() {
        return Ok(0);
    }
    let rows: Vec<_> = changed.iter().map(|loaded| Row::of(loaded, 0)).collect();
    let statement = over(connection, UPDATE_SQLITE, UPDATE_POSTGRES, &rows);
    let updated = connection.execute_raw(statement).await?.rows_affected();
    Ok(usize::try_from(updated).unwrap_or(usize::MAX))
}

/// A term that no order appends.
#[derive(Debug, Clone, Serialize)]
pub struct NewTerm<'i> {
    /// Whose it is.
    pub account_id: &'i AccountId,
    /// The instance.
    pub instance_id: &'i InstanceId,
    /// The version of the instance that it comes with.
    pub instance_version: i64,
    /// Its first instant, in microseconds.
    pub start_time: i64,
    /// The first instant after it, in microseconds.
    pub end_time: i64,
    /// The anchor day that holds from it on (T-6).
    pub anchor: u32,
    /// What appends it.
    pub kind: TermKind,
    /// When, in microseconds.
    pub create_time: i64,
}

/// What appends a term that no order does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TermKind {
    /// Registration (I-1).
    Registration,
    /// A correction (I-2).
    Adjustment,
}

/// The first term of an instance that is registered as prepaid (I-1); none of a postpaid one.
#[must_use]
pub fn first_term(instance: &Instance, now: DateTime<Utc>) -> Option<NewTerm<'_>> {
    let (start, lease) = (instance.first_start?, instance.billing.lease()?);
    Some(NewTerm {
        account_id: &instance.account,
        instance_id: &instance.id,
        instance_version: 1,
        start_time: values::micros(start),
        end_time: values::micros(lease.end),
        anchor: lease.anchor.get(),
        kind: TermKind::Registration,
        create_time: values::micros(now),
    })
}

/// Appends terms.
pub async fn insert_terms<C: ConnectionTrait>(
    connection: &C,
    terms: &[NewTerm<'_>],
) -> Result<(), StoreError> {
    if !terms.is_empty() {
        let statement = over(connection, TERMS_SQLITE, TERMS_POSTGRES, &terms);
        connection.execute_raw(statement).await?;
    }
    Ok(())
}
