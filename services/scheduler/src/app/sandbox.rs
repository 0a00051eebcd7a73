//! The clock of a sandbox: it stands still until it is moved, forward only.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use kernel::env::{Clock, ManualClock};
use platform::client::safe;
use prost_types::Timestamp;
use proto::{
    convert::{instant, timestamp},
    renewal::internal::v1 as renewal,
    wallet::internal::v1 as wallet,
};
use tokio::sync::Mutex;
use tonic::Status;

use super::{SchedulerError, kinds::Services};
use crate::store::{Store, StoreError};

/// A clock that is moved by hand and remembers beside the runs how far it has come, so that a suite
/// that is started again does not go back in time.
#[derive(Debug)]
pub struct SandboxClock {
    clock: Arc<ManualClock>,
    store: Store,
}

/// Why there is no clock to move.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Its customers would be charged for what is not due.
    #[error("these databases go by the real time; a sandbox needs databases of its own")]
    Real,
    /// Its terms, runs and claims would lie in the future or the past.
    #[error("these databases are those of a sandbox: start the suite with --sandbox-clock")]
    Sandbox,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SandboxClock {
    /// The clock of the sandbox whose runs are in `store`, where it has come to; that of a new sandbox
    /// stands at `start`. Whatever was under way when the sandbox stopped is under way no more.
    pub async fn open(store: Store, start: DateTime<Utc>) -> Result<Self, SandboxError> {
        let reached = match store.sandbox_time().await? {
            Some(reached) => reached,
            None if store.has_leases().await? => return Err(SandboxError::Real),
            None => start,
        };
        store.set_sandbox_time(reached).await?;
        store.drop_leases().await?;
        let now = store.sandbox_time().await?.unwrap_or(reached);
        tracing::warn!(%now, "going by the clock of a sandbox, which is moved by hand");
        Ok(Self { clock: ManualClock::at(now), store })
    }

    /// Refuses `store` if it is that of a sandbox.
    pub async fn refuse(store: &Store) -> Result<(), SandboxError> {
        match store.sandbox_time().await? {
            Some(_) => Err(SandboxError::Sandbox),
            None => Ok(()),
        }
    }

    /// Moves the clock to `now`, which is remembered first. An instant that has passed moves nothing.
    async fn move_to(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        if now > self.now() {
            self.store.set_sandbox_time(now).await?;
            self.clock.set(now);
        }
        Ok(())
    }
}

impl Clock for SandboxClock {
    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

type Look = fn(Services, DateTime<Utc>) -> BoxFuture<'static, Result<Agenda, SchedulerError>>;

/// The clock of a sandbox, and who goes by it.
#[derive(Debug, Clone)]
pub struct Sandbox {
    clock: Arc<SandboxClock>,
    /// Whoever moves it from one stop to the other.
    pub player: Arc<Mutex<()>>,
    /// Tells what comes up after an instant.
    pub agenda: Look,
    /// Whoever does what is due: the clock stands still meanwhile. And when the last stop was.
    pub turn: Arc<Mutex<Option<DateTime<Utc>>>>,
}

impl Sandbox {
    pub fn new(clock: Arc<SandboxClock>, agenda: Look) -> Self {
        Self { clock, agenda, player: Arc::default(), turn: Arc::default() }
    }

    /// Moves the clock to `now`.
    pub async fn move_to(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.clock.move_to(now).await
    }
}

/// What comes up next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Agenda {
    /// When something comes up for the first time; none: nothing does unless something changes.
    pub time: Option<DateTime<Utc>>,
    /// When something is tried again that could not be dealt with, which may have passed.
    pub retry_time: Option<DateTime<Utc>>,
}

impl Agenda {
    /// What comes up after `after` in all services.
    pub async fn of(services: Services, after: DateTime<Utc>) -> Result<Self, SchedulerError> {
        use renewal::sweep_service_client::SweepServiceClient as Renewal;
        use wallet::sweep_service_client::SweepServiceClient as Wallet;
        let after = Some(timestamp(after));
        let ask = async || {
            let request = renewal::NextDueRequest { after };
            Renewal::new(services.renewal.clone()).next_due(request).await
        };
        let next = safe(ask).await.map_err(of_service("renewal"))?.into_inner();
        let of_renewal = Self { time: read(next.time), retry_time: read(next.retry_time) };
        let ask = async || {
            let request = wallet::NextDueRequest { after };
            Wallet::new(services.wallet.clone()).next_due(request).await
        };
        let next = safe(ask).await.map_err(of_service("wallet"))?.into_inner();
        let of_wallet = Self { time: read(next.time), retry_time: read(next.retry_time) };
        Ok(of_renewal.or_earlier(of_wallet))
    }

    fn or_earlier(self, other: Self) -> Self {
        let earlier = |one: Option<_>, other: Option<_>| one.into_iter().chain(other).min();
        Self {
            time: earlier(self.time, other.time),
            retry_time: earlier(self.retry_time, other.retry_time),
        }
    }
}

/// The services answer with no instant that is none.
fn read(time: Option<Timestamp>) -> Option<DateTime<Utc>> {
    time.and_then(|time| instant(time).ok())
}

/// That `service` failed.
pub fn of_service(service: &'static str) -> impl Fn(Status) -> SchedulerError {
    move |status| SchedulerError::Remote { service, status }
}
