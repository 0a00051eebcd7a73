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

/// A call for a page of all that is due, and which fields of its answer say how much was due and done.
macro_rules! plain {
    ($service:ident.$call:ident($request:ident, $limit:expr) => $due:ident, $done:ident) => {
        |services, _| {
            Box::pin(async move {
                let request = $service::$request { limit: $limit };
                let page = services.$service().$call(request).await?.into_inner();
                Ok(Page::of(page.$due, page.$done, page.more))
            })
        }
    };
}

/// A call for a page of what is due in some shards.
macro_rules! by_shards {
    ($service:ident.$call:ident($request:ident)) => {
        |services, ask| {
            Box::pin(async move {
                let Ask { shards, cursor } = ask;
                let request = $service::$request {
                    shard_from: shards.start,
                    shard_until: shards.end,
                    cursor,
                    ..$service::$request::default()
                };
                let page = services.$service().$call(request).await?.into_inner();
                Ok(Page::next(page.due, page.done, page.failed, page.next_cursor, page.more))
            })
        }
    };
}

/// Every kind, in the order in which one pass over all that is due takes them.
pub static KINDS: [Kind; 15] = [
    Kind {
        name: "advance",
        description: "finishes orders that a crash or a lost answer left halfway (O-4)",
        service: "renewal",
        sharded: false,
        every: 10,
        after: "",
        page: plain!(renewal.advance(AdvanceRequest, SMALL_PAGE) => taken, advanced),
    },
    Kind {
        name: "deliver",
        description: "tells the consoles of products what their instances are entitled to (O-5)",
        service: "renewal",
        sharded: false,
        every: 5,
        after: "",
        page: plain!(renewal.deliver_due(DeliverDueRequest, SMALL_PAGE) => taken, done),
    },
    Kind {
        name: "notice-funds",
        description: "notes that money came, and has what lacked it tried again (A-1)",
        service: "renewal",
        sharded: false,
        every: 30,
        after: "",
        page: plain!(renewal.notice_funds(NoticeFundsRequest, SMALL_PAGE) => noted, noted),
    },
    Kind {
        name: "renew",
        description: "renews what is due by itself (A-1 to A-8)",
        service: "renewal",
        sharded: true,
        every: 60,
        after: "",
        page: by_shards!(renewal.renew_due(RenewDueRequest)),
    },
    Kind {
        name: "expire",
        description: "records and tells what expires, is released or becomes postpaid (L-3, L-4)",
        service: "renewal",
        sharded: true,
        every: 60,
        after: "renew",
        page: by_shards!(renewal.expire_due(ExpireDueRequest)),
    },
    Kind {
        name: "remind",
        description: "tells accounts once a day what expires or is released soon (R-1)",
        service: "renewal",
        sharded: true,
        every: 60,
        after: "expire",
        page: by_shards!(renewal.remind_due(RemindDueRequest)),
    },
    Kind {
        name: "rebuild",
        description: "derives anew when instances are due, once rules have changed and once a day",
        service: "renewal",
        sharded: true,
        every: 60,
        after: "",
        page: by_shards!(renewal.rebuild_due(RebuildDueRequest)),
    },
    Kind {
        name: "webhooks",
        description: "tells receivers over HTTP what happened, and tells them again",
        service: "renewal",
        sharded: false,
        every: 2,
        after: "",
        // What a receiver does not take is told in its webhook and tried again: the run is done.
        page: plain!(renewal.deliver_webhooks(DeliverWebhooksRequest, 0) => due, due),
    },
    Kind {
        name: "publish",
        description: "publishes what happened to the stream of NATS JetStream, if there is one",
        service: "renewal",
        sharded: false,
        every: 2,
        after: "",
        page: |services, _| {
            Box::pin(async move {
                let request = renewal::PublishEventsRequest {};
                let page = services.renewal().publish_events(request).await?.into_inner();
                Ok(Page::next(page.due, page.done, page.failed, String::new(), page.more))
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
        page: plain!(wallet.expire_holds(ExpireHoldsRequest, SMALL_PAGE) => voided, voided),
    },
    Kind {
        name: "expire-vouchers",
        description: "books out what remains of vouchers that have expired (V-5)",
        service: "wallet",
        sharded: false,
        every: 3_600,
        after: "",
        page: plain!(wallet.expire_vouchers(ExpireVouchersRequest, SMALL_PAGE) => expired, expired),
    },
    Kind {
        name: "remind-refunds",
        description: "names refunds whose channel has kept silent for a week, once a day (O-6)",
        service: "wallet",
        sharded: false,
        every: 3_600,
        after: "",
        page: plain!(wallet.remind_refunds(RemindRefundsRequest, SMALL_PAGE) => reminded, reminded),
    },
    Kind {
        name: "anchor",
        description: "writes down where the chains of hashes of the ledgers stand (W-2)",
        service: "wallet",
        sharded: false,
        every: 86_400,
        after: "",
        page: plain!(wallet.anchor_chains(AnchorChainsRequest, SMALL_PAGE) => anchored, anchored),
    },
    Kind {
        name: "purge-events",
        description: "forgets events that are older than the renewal service is set to keep them",
        service: "renewal",
        sharded: false,
        every: 3_600,
        after: "",
        page: plain!(renewal.purge_events(PurgeEventsRequest, 0) => purged, purged),
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
