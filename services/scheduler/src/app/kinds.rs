//! The schedules: one row each. Whoever adds a sweep to a service adds a row here.

use std::{collections::BTreeMap, fmt, ops::Range, str::FromStr};

use chrono::TimeDelta;
use futures::future::BoxFuture;
use kernel::Env;
use platform::{client::Connection, status::status_of};
use proto::{renewal::internal::v1 as renewal, wallet::internal::v1 as wallet};
use tonic::Status;

use super::SchedulerError;
use crate::{domain::Tally, store::Store};

/// A kind of schedule.
pub struct Kind {
    /// Its name on the wire and on the command line.
    pub name: &'static str,
    /// What it does, for people.
    pub description: &'static str,
    /// Which service does the work.
    pub service: &'static str,
    /// Whether it goes by the shards of the accounts. If not, one scheduler at a time does all of it,
    /// taking pages until no more is due.
    pub sharded: bool,
    /// Seconds between two runs, unless a setting says otherwise.
    pub every: u32,
    /// The kind that is taken before it, over the same accounts: this one waits until that one has
    /// done what was due. Stands above it; empty: none.
    pub after: &'static str,
    /// Takes one page.
    pub page: Call,
}

/// Which page is asked for.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Empty where the work does not go by shards.
    pub shards: Range<i32>,
    /// Where the page before said to go on; empty for the first.
    pub cursor: String,
}

/// What came of a page.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub tally: Tally,
    pub cursor: String,
    pub more: bool,
}

/// The services that do the work.
#[derive(Debug, Clone)]
pub struct Services {
    pub renewal: Connection,
    pub wallet: Connection,
    /// The scheduler's own work.
    pub own: Own,
}

/// What the scheduler needs for its own work.
#[derive(Debug, Clone)]
pub struct Own {
    pub store: Store,
    pub env: Env,
    /// How long runs are kept.
    pub keep: TimeDelta,
    /// What tests have done in place of services.
    #[cfg(test)]
    pub script: std::sync::Arc<crate::tests::Fake>,
}

type Call = fn(Services, Ask) -> BoxFuture<'static, Result<Page, Status>>;

/// Things that a page takes at the most, where it does not go by shards.
const SMALL_PAGE: i32 = 100;

/// How long runs are kept that found nothing to do.
const KEEP_IDLE: TimeDelta = TimeDelta::days(1);

/// Parts of runs that are forgotten at once.
const PURGED: i64 = 1_000;

/// Every kind, in the order in which one pass over all that is due takes them.
pub static KINDS: [Kind; 14] = [
    Kind {
        name: "advance",
        description: "finishes orders that a crash or a lost answer left halfway (O-4)",
        service: "renewal",
        sharded: false,
        every: 10,
        after: "",
        page: |services, _| {
            Box::pin(async move {
                let request = renewal::AdvanceRequest { limit: SMALL_PAGE };
                let page = services.renewal().advance(request).await?.into_inner();
                Ok(Page::of(page.taken, page.advanced, page.more))
            })
        },
    },
    Kind {
        name: "deliver",
        description: "tells the consoles of products what their instances are entitled to (O-5)",
        service: "renewal",
        sharded: false,
        every: 5,
        after: "",
        page: |services, _| {
            Box::pin(async move {
                let request = renewal::DeliverDueRequest { limit: SMALL_PAGE };
                let page = services.renewal().deliver_due(request).await?.into_inner();
                Ok(Page::of(page.taken, page.done, page.more))
            })
        },
    },
    Kind {
        name: "notice-funds",
        description: "notes that money came, and has what lacked it tried again (A-1)",
        service: "renewal",
        sharded: false,
        every: 30,
        after: "",
        page: |services, _| {
            Box::pin(async move {
                let request = renewal::NoticeFundsRequest { limit: SMALL_PAGE };
                let page = services.renewal().notice_funds(request).await?.into_inner();
                Ok(Page::of(page.noted, page.noted, page.more))
            })
        },
    },
    Kind {
        name: "renew",
        description: "renews what is due by itself (A-1 to A-8)",
        service: "renewal",
        sharded: true,
        every: 60,
        after: "",
        page: |services, ask| {
            Box::pin(async move {
                let request = renewal::RenewDueRequest {
                    shard_from: ask.shards.start,
                    shard_until: ask.shards.end,
                    cursor: ask.cursor,
                    limit: 0,
                };
                let page = services.renewal().renew_due(request).await?.into_inner();
                Ok(Page::next(page.due, page.done, page.failed, page.next_cursor, page.more))
            })
        },
    },
    Kind {
        name: "expire",
        description: "records and tells what expires, is released or becomes postpaid (L-3, L-4)",
        service: "renewal",
        sharded: true,
        every: 60,
        after: "renew",
        page: |services, ask| {
            Box::pin(async move {
                let request = renewal::ExpireDueRequest {
                    shard_from: ask.shards.start,
                    shard_until: ask.shards.end,
                    cursor: ask.cursor,
                    limit: 0,
                };
                let page = services.renewal().expire_due(request).await?.into_inner();
                Ok(Page::next(page.due, page.done, page.failed, page.next_cursor, page.more))
            })
        },
    },
    Kind {
        name: "remind",
        description: "tells accounts once a day what expires or is released soon (R-1)",
        service: "renewal",
        sharded: true,
        every: 60,
        after: "expire",
        page: |services, ask| {
            Box::pin(async move {
                let request = renewal::RemindDueRequest {
                    shard_from: ask.shards.start,
                    shard_until: ask.shards.end,
                    cursor: ask.cursor,
                    limit: 0,
                };
                let page = services.renewal().remind_due(request).await?.into_inner();
                Ok(Page::next(page.due, page.done, page.failed, page.next_cursor, page.more))
            })
        },
    },
    Kind {
        name: "rebuild",
        description: "derives anew when instances are due, once rules have changed and once a day",
        service: "renewal",
        sharded: true,
        every: 60,
        after: "",
        page: |services, ask| {
            Box::pin(async move {
                let request = renewal::RebuildDueRequest {
                    shard_from: ask.shards.start,
                    shard_until: ask.shards.end,
                    cursor: ask.cursor,
                    limit: 0,
                    always: false,
                };
                let page = services.renewal().rebuild_due(request).await?.into_inner();
                Ok(Page::next(page.due, page.done, page.failed, page.next_cursor, page.more))
            })
        },
    },
    Kind {
        name: "webhooks",
        description: "tells receivers over HTTP what happened, and tells them again",
        service: "renewal",
        sharded: false,
        every: 2,
        after: "",
        page: |services, _| {
            Box::pin(async move {
                let request = renewal::DeliverWebhooksRequest { limit: 0 };
                let page = services.renewal().deliver_webhooks(request).await?.into_inner();
                // What a receiver does not take is told in its webhook and tried again: the run is done.
                Ok(Page::of(page.due, page.due, page.more))
            })
        },
    },
    Kind {
        name: "expire-holds",
        description: "releases what payments hold whose channel has not confirmed in time (W-3)",
        service: "wallet",
        sharded: false,
        every: 60,
        after: "",
        page: |services, _| {
            Box::pin(async move {
                let request = wallet::ExpireHoldsRequest { limit: SMALL_PAGE };
                let page = services.wallet().expire_holds(request).await?.into_inner();
                Ok(Page::of(page.voided, page.voided, page.more))
            })
        },
    },
    Kind {
        name: "expire-vouchers",
        description: "books out what remains of vouchers that have expired (V-5)",
        service: "wallet",
        sharded: false,
        every: 3_600,
        after: "",
        page: |services, _| {
            Box::pin(async move {
                let request = wallet::ExpireVouchersRequest { limit: SMALL_PAGE };
                let page = services.wallet().expire_vouchers(request).await?.into_inner();
                Ok(Page::of(page.expired, page.expired, page.more))
            })
        },
    },
    Kind {
        name: "remind-refunds",
        description: "names refunds whose channel has kept silent for a week, once a day (O-6)",
        service: "wallet",
        sharded: false,
        every: 3_600,
        after: "",
        page: |services, _| {
            Box::pin(async move {
                let request = wallet::RemindRefundsRequest { limit: SMALL_PAGE };
                let page = services.wallet().remind_refunds(request).await?.into_inner();
                Ok(Page::of(page.reminded, page.reminded, page.more))
            })
        },
    },
    Kind {
        name: "anchor",
        description: "writes down where the chains of hashes of the ledgers stand (W-2)",
        service: "wallet",
        sharded: false,
        every: 86_400,
        after: "",
        page: |services, _| {
            Box::pin(async move {
                let request = wallet::AnchorChainsRequest { limit: SMALL_PAGE };
                let page = services.wallet().anchor_chains(request).await?.into_inner();
                Ok(Page::of(page.anchored, page.anchored, page.more))
            })
        },
    },
    Kind {
        name: "purge-events",
        description: "forgets events that are older than the renewal service is set to keep them",
        service: "renewal",
        sharded: false,
        every: 3_600,
        after: "",
        page: |services, _| {
            Box::pin(async move {
                let request = renewal::PurgeEventsRequest { limit: 0 };
                let page = services.renewal().purge_events(request).await?.into_inner();
                Ok(Page::of(page.purged, page.purged, page.more))
            })
        },
    },
    Kind {
        name: "purge-runs",
        description: "forgets old runs of schedules",
        service: "scheduler",
        sharded: false,
        every: 3_600,
        after: "",
        page: |services, _| {
            Box::pin(async move {
                let Own { store, env, keep, .. } = services.own;
                let now = env.now();
                let purged = store.purge(now - keep, now - KEEP_IDLE.min(keep), PURGED).await;
                let purged = purged.map_err(|error| status_of(&SchedulerError::from(error)))?;
                let count = i32::try_from(purged).unwrap_or(i32::MAX);
                Ok(Page::of(count, count, i64::from(count) >= PURGED))
            })
        },
    },
];

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Services {
    fn renewal(&self) -> renewal::sweep_service_client::SweepServiceClient<Connection> {
        renewal::sweep_service_client::SweepServiceClient::new(self.renewal.clone())
    }

    fn wallet(&self) -> wallet::sweep_service_client::SweepServiceClient<Connection> {
        wallet::sweep_service_client::SweepServiceClient::new(self.wallet.clone())
    }
}

impl Page {
    /// A page of work that does not go by shards.
    fn of(due: i32, done: i32, more: bool) -> Self {
        let tally = Tally { due: due.into(), done: done.into(), failed: BTreeMap::new() };
        Self { tally, cursor: String::new(), more }
    }

    /// A page of work that goes by shards.
    fn next(
        due: i32,
        done: i32,
        failed: BTreeMap<String, i32>,
        cursor: String,
        more: bool,
    ) -> Self {
        let failed = failed.into_iter().map(|(reason, count)| (reason, count.into())).collect();
        Self { tally: Tally { due: due.into(), done: done.into(), failed }, cursor, more }
    }
}

/// A setting: `advance=10`, or `all=0`.
#[derive(Debug, Clone, Copy)]
pub struct Interval {
    /// None: every kind.
    kind: Option<&'static str>,
    /// 0: only when asked to.
    seconds: u32,
}

impl Interval {
    /// Seconds between two runs of `kind` by these settings, of which the last counts.
    pub fn of(kind: &Kind, settings: &[Self]) -> u32 {
        let concerns = |setting: &&Self| setting.kind.is_none_or(|name| name == kind.name);
        settings.iter().rfind(concerns).map_or(kind.every, |setting| setting.seconds)
    }
}

impl Interval {
    /// What `text` sets of one of `kinds`, or of all.
    pub fn read(text: &str, kinds: &[Kind]) -> Result<Self, String> {
        let (name, seconds) = text.split_once('=').ok_or("must be KIND=SECONDS")?;
        let seconds = seconds.parse().map_err(|_| "must be KIND=SECONDS, whole seconds")?;
        let kind = match name {
            "all" => None,
            name => {
                let names = || kinds.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
                let kind = kinds.iter().find(|kind| kind.name == name);
                Some(kind.ok_or_else(|| format!("must name one of all, {}", names()))?.name)
            }
        };
        Ok(Self { kind, seconds })
    }
}

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(text, &KINDS)
    }
}
