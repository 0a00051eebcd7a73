//! What happened, in the outbox: written in the transaction that makes it true.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use chrono::{DateTime, Utc};
use kernel::{
    Env,
    ids::{AccountId, InstanceId, OrderId},
};
use outbox::{Filter, ReadError};
use platform::{database::Database, telemetry::trace_parent};
use prost::Message as _;
use proto::{convert::timestamp, renewal::v1 as pb};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use super::{StoreError, backend_of, over};

/// What can happen to an account or instance apart from its orders.
pub mod kinds {
    /// An account is new, or another than before.
    pub const ACCOUNT_UPDATED: &str = "account.updated";
    /// An instance is new (I-1).
    pub const INSTANCE_REGISTERED: &str = "instance.registered";
    /// What its console says of an instance is another than before (I-1).
    pub const INSTANCE_UPDATED: &str = "instance.updated";
    /// The policy of an instance is another than before (P-6).
    pub const INSTANCE_POLICY_CHANGED: &str = "instance.policy_changed";
    /// The expiry of an instance was corrected (I-2).
    pub const INSTANCE_EXPIRY_CORRECTED: &str = "instance.expiry_corrected";
    /// The console of an instance does not know for an hour what it is entitled to (O-5).
    pub const INSTANCE_DELIVERY_LATE: &str = "instance.delivery_late";
    /// The console of an instance refuses for good what no order waits for (O-5).
    pub const INSTANCE_DELIVERY_REFUSED: &str = "instance.delivery_refused";
    /// Everything on a paid order is acknowledged by the consoles of its products (O-5).
    pub const ORDER_COMPLETED: &str = "order.completed";
    /// An instance has expired, and runs on or is stopped (L-3).
    pub const INSTANCE_EXPIRED: &str = "instance.expired";
    /// An instance that ran on is stopped; its data are kept (L-3).
    pub const INSTANCE_RETAINED: &str = "instance.retained";
    /// An instance can no longer be renewed, and is gone (L-3).
    pub const INSTANCE_RELEASED: &str = "instance.released";
    /// An instance became postpaid at its expiry, and its policy `MANUAL` (L-4).
    pub const INSTANCE_BECAME_POSTPAID: &str = "instance.became_postpaid";
    /// Instances of an account expire, or are released, soon.
    pub const ACCOUNT_REMINDER: &str = "account.reminder";
    /// An attempt to renew an instance by itself was refused.
    pub const AUTO_RENEWAL_FAILED: &str = "instance.auto_renewal_failed";
    /// An attempt was left out: something else is in the way, and a later one follows.
    pub const AUTO_RENEWAL_SKIPPED: &str = "instance.auto_renewal_skipped";
    /// Nothing ran while an attempt could have been made.
    pub const AUTO_RENEWAL_MISSED: &str = "instance.auto_renewal_missed";
    /// No instance of the account is renewed by itself for a while.
    pub const AUTO_RENEWAL_PARKED: &str = "account.auto_renewal_parked";
    /// Instances of the account are renewed by themselves again.
    pub const AUTO_RENEWAL_RESUMED: &str = "account.auto_renewal_resumed";

    /// Every type of event: those who want some of them name them by these.
    pub const ALL: [&str; 30] = [
        ACCOUNT_UPDATED,
        ACCOUNT_REMINDER,
        INSTANCE_EXPIRED,
        INSTANCE_RETAINED,
        INSTANCE_RELEASED,
        INSTANCE_BECAME_POSTPAID,
        INSTANCE_REGISTERED,
        INSTANCE_UPDATED,
        INSTANCE_POLICY_CHANGED,
        INSTANCE_EXPIRY_CORRECTED,
        INSTANCE_DELIVERY_LATE,
        INSTANCE_DELIVERY_REFUSED,
        ORDER_COMPLETED,
        AUTO_RENEWAL_FAILED,
        AUTO_RENEWAL_SKIPPED,
        AUTO_RENEWAL_MISSED,
        AUTO_RENEWAL_PARKED,
        AUTO_RENEWAL_RESUMED,
        "instance.renewed",
        "instance.term_refunded",
        "order.created",
        "order.paid",
        "order.payment_refused",
        "order.checkout_ended",
        "order.cancelled",
        "order.expired",
        "order.failed",
        "order.refunding",
        "order.refunded",
        "order.refund_arrived",
    ];
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    kind: &'static str,
    account: AccountId,
    instance: Option<(InstanceId, i64)>,
    order: Option<OrderId>,
    attributes: BTreeMap<String, String>,
}

impl Event {
    /// `kind` happened to `account`.
    #[must_use]
    pub const fn new(kind: &'static str, account: AccountId) -> Self {
        Self { kind, account, instance: None, order: None, attributes: BTreeMap::new() }
    }

    /// Something else that happened with it.
    #[must_use]
    pub const fn now(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    /// It happened to this instance, which has this version since.
    #[must_use]
    pub fn of_instance(mut self, id: InstanceId, version: i64) -> Self {
        self.instance = Some((id, version));
        self
    }

    /// It happened to, or by, this order.
    #[must_use]
    pub const fn of_order(mut self, id: OrderId) -> Self {
        self.order = Some(id);
        self
    }

    /// More of it, by name; short, for an event is a notice and not the row.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.attributes.insert(name.to_owned(), value.to_string());
        self
    }

    /// What happened.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// To which instance.
    #[must_use]
    pub fn instance(&self) -> Option<&InstanceId> {
        self.instance.as_ref().map(|(id, _)| id)
    }

    fn into_row(self, env: &Env, now: DateTime<Utc>, trace_parent: &str) -> outbox::Event {
        let (instance_id, instance_version) =
            self.instance.map(|(id, version)| (String::from(id), version)).unwrap_or_default();
        let payload = pb::Event {
            instance_id,
            instance_version,
            order_id: self.order.map(|id| id.to_string()).unwrap_or_default(),
            attributes: self.attributes,
            trace_parent: trace_parent.to_owned(),
            ..pb::Event::default()
        };
        outbox::Event {
            id: env.next_id(),
            account: self.account.into(),
            kind: self.kind.to_owned(),
            time: now,
            payload: payload.encode_to_vec(),
        }
    }
}

/// Adds `events`, in this order, to the outbox, with one statement.
pub async fn record<C: ConnectionTrait>(
    connection: &C,
    env: &Env,
    now: DateTime<Utc>,
    events: Vec<Event>,
) -> Result<(), StoreError> {
    let backend = backend_of(connection);
    let trace = trace_parent();
    let rows: Vec<_> = events.into_iter().map(|event| event.into_row(env, now, &trace)).collect();
    Ok(outbox::insert(connection, backend, &rows).await?)
}

/// Events that were read.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// In order.
    pub events: Vec<pb::Event>,
    /// The cursor to go on from.
    pub next: String,
    /// Whether there are events that were not looked at yet.
    pub more: bool,
}

/// At most `limit` events that `filter` wants, after `cursor`; see [`outbox::list`].
pub async fn list(
    database: &Database,
    filter: &Filter,
    cursor: &str,
    limit: u32,
) -> Result<Page, ReadError> {
    let outbox::Page { events, next, more } = outbox::list(database, filter, cursor, limit).await?;
    let mut events: Vec<_> = events.into_iter().map(told).collect::<Result<_, _>>()?;
    let products = products(database.reader(), &events).await?;
    for event in &mut events {
        if let Some(product) = products.get(&event.instance_id) {
            event.product_id.clone_from(product);
        }
    }
    Ok(Page { events, next, more })
}

fn told(row: outbox::Event) -> Result<pb::Event, DbErr> {
    let told = pb::Event::decode(row.payload.as_slice());
    let told = told.map_err(|error| DbErr::Type(format!("event {}: {error}", row.id)))?;
    Ok(pb::Event {
        event_id: row.id.to_string(),
        r#type: row.kind,
        account_id: row.account,
        time: Some(timestamp(row.time)),
        ..told
    })
}

/// `1` a JSON array of instances.
const PRODUCTS_SQLITE: &str = "\
SELECT i.id, i.product_id FROM jsonb_each(?1) w CROSS JOIN instances i ON i.id = w.value";

const PRODUCTS_POSTGRES: &str = "\
SELECT i.id, i.product_id FROM json_array_elements_text($1::json) AS w(id)
JOIN instances i ON i.id = w.id";

#[derive(Debug, FromQueryResult)]
struct OfProduct {
    id: String,
    product_id: String,
}

/// The products of the instances of `events`. No instances are no statement.
async fn products<C: ConnectionTrait>(
    connection: &C,
    events: &[pb::Event],
) -> Result<HashMap<String, String>, DbErr> {
    let ids = events.iter().map(|event| event.instance_id.as_str());
    let ids: BTreeSet<_> = ids.filter(|id| !id.is_empty()).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let statement = over(connection, PRODUCTS_SQLITE, PRODUCTS_POSTGRES, &ids);
    let found = OfProduct::find_by_statement(statement).all(connection).await?;
    Ok(found.into_iter().map(|row| (row.id, row.product_id)).collect())
}
