//! `SweepService`: what the scheduler asks for.

mod page;

use platform::{page::PageTokens, status::BadRequest};
use proto::renewal::internal::v1::{
    AdvanceRequest, AdvanceResponse, DeliverDueRequest, DeliverDueResponse, DeliverWebhooksRequest,
    DeliverWebhooksResponse, ExpireDueRequest, ExpireDueResponse, NoticeFundsRequest,
    NoticeFundsResponse, PurgeEventsRequest, PurgeEventsResponse, RebuildDueRequest,
    RebuildDueResponse, RemindDueRequest, RemindDueResponse, RenewDueRequest, RenewDueResponse,
    sweep_service_server::SweepService,
};
use tonic::{Request, Response, Status};
use tracing::instrument;

use self::page::{Cursor, Shards, failed, next};
use crate::{
    app::{
        Orders,
        automatic::{self, RenewDue},
        deliver::Deliveries,
        error::CallError,
        events::Events,
        rebuild::Rebuild,
        webhooks::Webhooks,
    },
    store::{due, values},
    wire::count,
};

/// What a sweep takes that does not say how much.
const DEFAULT_LIMIT: u32 = 100;

/// The most that one sweep takes.
const MAX_LIMIT: u32 = 1_000;

/// Events that a call forgets that does not say how many.
const DEFAULT_PURGE: u32 = 1_000;

/// The most events that a call forgets.
const MAX_PURGE: u32 = 10_000;

/// The most webhooks that a call delivers for.
const MAX_WEBHOOKS: u32 = 32;

/// Serves sweeps.
#[derive(Debug)]
pub struct SweepGrpc {
    orders: Orders,
    deliveries: Deliveries,
    events: Events,
    webhooks: Webhooks,
    /// Days that events are kept.
    event_days: u32,
}

impl SweepGrpc {
    /// Sweeps over `orders` and `deliveries`, over `events`, which are kept for `event_days`, and over
    /// `webhooks`.
    #[must_use]
    pub const fn new(
        orders: Orders,
        deliveries: Deliveries,
        events: Events,
        webhooks: Webhooks,
        event_days: u32,
    ) -> Self {
        Self { orders, deliveries, events, webhooks, event_days }
    }
}

/// How much a sweep takes at the most.
fn limit(given: i32) -> Result<u32, Status> {
    limit_of(given, DEFAULT_LIMIT, MAX_LIMIT)
}

fn limit_of(given: i32, default: u32, most: u32) -> Result<u32, Status> {
    match u32::try_from(given) {
        Ok(0) => Ok(default),
        Ok(limit) => Ok(limit.min(most)),
        Err(_) => {
            let mut bad = BadRequest::default();
            bad.note("limit", "must not be negative");
            Err(bad.into_status())
        }
    }
}

#[tonic::async_trait]
impl SweepService for SweepGrpc {
    #[instrument(skip_all)]
    async fn advance(
        &self,
        request: Request<AdvanceRequest>,
    ) -> Result<Response<AdvanceResponse>, Status> {
        let advanced = self.orders.advance(limit(request.into_inner().limit)?).await?;
        Ok(Response::new(AdvanceResponse {
            taken: count(advanced.taken),
            advanced: count(advanced.done),
            more: advanced.more,
        }))
    }

    #[instrument(skip_all)]
    async fn deliver_due(
        &self,
        request: Request<DeliverDueRequest>,
    ) -> Result<Response<DeliverDueResponse>, Status> {
        let delivered = self.deliveries.deliver(limit(request.into_inner().limit)?).await?;
        Ok(Response::new(DeliverDueResponse {
            taken: count(delivered.taken),
            done: count(delivered.done),
            more: delivered.more,
        }))
    }

    #[instrument(skip_all)]
    async fn expire_due(
        &self,
        request: Request<ExpireDueRequest>,
    ) -> Result<Response<ExpireDueResponse>, Status> {
        let ExpireDueRequest { shard_from, shard_until, cursor, limit } = request.into_inner();
        let page = Shards { shard_from, shard_until, limit }.page(&cursor)?;
        let swept = self.orders.expire_due(&page.reach).await?;
        let next_cursor = next(&swept, None);
        Ok(Response::new(ExpireDueResponse {
            due: count(swept.due),
            done: count(swept.done),
            more: swept.next.is_some(),
            failed: failed(swept.failed),
            next_cursor,
        }))
    }

    #[instrument(skip_all)]
    async fn remind_due(
        &self,
        request: Request<RemindDueRequest>,
    ) -> Result<Response<RemindDueResponse>, Status> {
        let RemindDueRequest { shard_from, shard_until, cursor, limit } = request.into_inner();
        let page = Shards { shard_from, shard_until, limit }.page(&cursor)?;
        let swept = self.orders.remind_due(&page.reach).await?;
        let next_cursor = next(&swept, None);
        Ok(Response::new(RemindDueResponse {
            due: count(swept.due),
            done: count(swept.done),
            more: swept.next.is_some(),
            failed: failed(swept.failed),
            next_cursor,
        }))
    }

    #[instrument(skip_all)]
    async fn rebuild_due(
        &self,
        request: Request<RebuildDueRequest>,
    ) -> Result<Response<RebuildDueResponse>, Status> {
        let RebuildDueRequest { shard_from, shard_until, cursor, limit, always } =
            request.into_inner();
        let Cursor { reach, version } = Shards { shard_from, shard_until, limit }.page(&cursor)?;
        let wanted = Rebuild { reach, version, always };
        let (swept, version) = self.orders.rebuild_due(&wanted).await?;
        let next_cursor = next(&swept, Some(version));
        Ok(Response::new(RebuildDueResponse {
            due: count(swept.due),
            done: count(swept.done),
            more: swept.next.is_some(),
            failed: failed(swept.failed),
            next_cursor,
        }))
    }

    #[instrument(skip_all)]
    async fn purge_events(
        &self,
        request: Request<PurgeEventsRequest>,
    ) -> Result<Response<PurgeEventsResponse>, Status> {
        let limit = limit_of(request.into_inner().limit, DEFAULT_PURGE, MAX_PURGE)?;
        let now = self.orders.now();
        let purged = self.events.purge(now, self.event_days, limit).await;
        let purged = purged.map_err(CallError::from)?;
        self.webhooks.purge(now, self.event_days).await?;
        let purged = u32::try_from(purged).unwrap_or(u32::MAX);
        Ok(Response::new(PurgeEventsResponse { purged: count(purged), more: purged >= limit }))
    }

    #[instrument(skip_all)]
    async fn deliver_webhooks(
        &self,
        request: Request<DeliverWebhooksRequest>,
    ) -> Result<Response<DeliverWebhooksResponse>, Status> {
        let limit = limit_of(request.into_inner().limit, MAX_WEBHOOKS, MAX_WEBHOOKS)?;
        let delivered = self.webhooks.deliver(limit).await?;
        let failed = delivered.failed.into_iter();
        Ok(Response::new(DeliverWebhooksResponse {
            due: count(delivered.taken),
            done: count(delivered.done),
            failed: failed.map(|(reason, number)| (reason.to_owned(), count(number))).collect(),
            more: delivered.more,
        }))
    }

    #[instrument(skip_all)]
    async fn renew_due(
        &self,
        request: Request<RenewDueRequest>,
    ) -> Result<Response<RenewDueResponse>, Status> {
        let tokens = PageTokens::of("RenewDue", &());
        let asked = renewing(&request.into_inner(), &tokens)?;
        let swept = self.orders.renew_due(&asked).await?;
        let next = swept.next.as_ref().map(|place| tokens.issue(&values::to_json(place)));
        Ok(Response::new(RenewDueResponse {
            due: count(swept.due),
            done: count(swept.done),
            failed: swept.failed.into_iter().map(|(why, times)| (why, count(times))).collect(),
            more: next.is_some(),
            next_cursor: next.unwrap_or_default(),
        }))
    }

    #[instrument(skip_all)]
    async fn notice_funds(
        &self,
        request: Request<NoticeFundsRequest>,
    ) -> Result<Response<NoticeFundsResponse>, Status> {
        let noticed = self.orders.notice_funds(limit(request.into_inner().limit)?).await?;
        let (noted, more) = (count(noticed.noted), noticed.more);
        Ok(Response::new(NoticeFundsResponse { noted, more }))
    }
}

/// A page of what renews itself.
fn renewing(request: &RenewDueRequest, tokens: &PageTokens) -> Result<RenewDue, Status> {
    let mut bad = BadRequest::default();
    let limit = usize::try_from(request.limit).map_err(|_| "must not be negative");
    let limit = bad.field("limit", limit);
    let all = (request.shard_from, request.shard_until) == (0, 0);
    let most = i32::from(due::SHARDS);
    let shards = if all { 0..most } else { request.shard_from..request.shard_until };
    if shards.start < 0 || shards.end > most || shards.is_empty() {
        bad.note("shard_until", format!("must be above shard_from and at most {most}"));
    }
    let after = tokens.read(&request.cursor).ok();
    let after = after.map(|text| text.map(|text| serde_json::from_str(&text)).transpose());
    let after = bad.field("cursor", after.and_then(Result::ok).ok_or("was not given by this call"));
    match (limit, after) {
        (Some(limit), Some(after)) if bad.is_empty() => {
            let limit = if limit == 0 { automatic::MOST } else { limit };
            Ok(RenewDue { shards, after, limit })
        }
        _ => Err(bad.into_status()),
    }
}
