//! What happened, in the outbox: written in the transaction that makes it true.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use kernel::{
    Env,
    ids::{AccountId, InstanceId, OrderId},
};
use outbox::{Filter, ReadError};
use platform::database::{Backend, Database};
use prost::Message as _;
use proto::{convert::timestamp, renewal::v1 as pb};
use sea_orm::{ConnectionTrait, DbBackend};

use super::StoreError;

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

    fn into_row(self, env: &Env, now: DateTime<Utc>) -> outbox::Event {
        let (instance_id, instance_version) =
            self.instance.map(|(id, version)| (String::from(id), version)).unwrap_or_default();
        let payload = pb::Event {
            instance_id,
            instance_version,
            order_id: self.order.map(|id| id.to_string()).unwrap_or_default(),
            attributes: self.attributes,
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
    let backend = match connection.get_database_backend() {
        DbBackend::Postgres => Backend::Postgres,
        _ => Backend::Sqlite,
    };
    let rows: Vec<_> = events.into_iter().map(|event| event.into_row(env, now)).collect();
    Ok(outbox::insert(connection, backend, &rows).await?)
}

/// At most `limit` events that `filter` wants, after `cursor`, and the cursor to go on from.
pub async fn list(
    database: &Database,
    filter: &Filter,
    cursor: &str,
    limit: u32,
) -> Result<(Vec<pb::Event>, String), ReadError> {
    let (rows, next) = outbox::list(database, filter, cursor, limit).await?;
    let events = rows.into_iter().map(|row| {
        let told = pb::Event::decode(row.payload.as_slice());
        let told = told.map_err(|error| sea_orm::DbErr::Type(format!("event {}: {error}", row.id)));
        Ok(pb::Event {
            event_id: row.id.to_string(),
            r#type: row.kind,
            account_id: row.account,
            time: Some(timestamp(row.time)),
            ..told?
        })
    });
    Ok((events.collect::<Result<_, ReadError>>()?, next))
}
