//! `SweepService`: what the scheduler asks for.

mod page;

use platform::status::BadRequest;
use proto::{
    convert::{instant, required, timestamp},
    renewal::internal::v1::{
        AdvanceRequest, AdvanceResponse, DeliverDueRequest, DeliverDueResponse,
        DeliverWebhooksRequest, DeliverWebhooksResponse, ExpireDueRequest, ExpireDueResponse,
        NextDueRequest, NextDueResponse, NoticeFundsRequest, NoticeFundsResponse,
        PublishEventsRequest, PublishEventsResponse, PurgeEventsRequest, PurgeEventsResponse,
        RebuildDueRequest, RebuildDueResponse, RemindDueRequest, RemindDueResponse,
        RenewDueRequest, RenewDueResponse, sweep_service_server::SweepService,
    },
};
use tonic::{Request, Response, Status};
use tracing::instrument;

use self::page::Ask;
use crate::{
    app::{
        Orders,
        automatic::{self, RenewDue},
        deliver::Deliveries,
        error::CallError,
        events::Events,
        publish::Publisher,
        rebuild::Rebuild,
        webhooks::Webhooks,
    },
    store::{agenda::Agenda, due::pages::Place},
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
    publisher: Publisher,
    /// Days that events are kept.
    event_days: u32,
}

impl SweepGrpc {
    /// Sweeps over `orders` and `deliveries`, over `events`, which are kept for `event_days`, and over
    /// those who are told of them: `webhooks`, and the stream of `publisher`.
    #[must_use]
    pub const fn new(
        orders: Orders,
        deliveries: Deliveries,
        events: Events,
        webhooks: Webhooks,
        publisher: Publisher,
        event_days: u32,
    ) -> Self {
        Self { orders, deliveries, events, webhooks, publisher, event_days }
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
        let page = Ask::from(request.into_inner()).page()?;
        let swept = self.orders.expire_due(&page.reach(page.after.clone())).await?;
        Ok(Response::new(page.answer(swept).into()))
    }

    #[instrument(skip_all)]
    async fn remind_due(
        &self,
        request: Request<RemindDueRequest>,
    ) -> Result<Response<RemindDueResponse>, Status> {
        let page = Ask::from(request.into_inner()).page()?;
        let swept = self.orders.remind_due(&page.reach(page.after.clone())).await?;
        Ok(Response::new(page.answer(swept).into()))
    }

    #[instrument(skip_all)]
    async fn rebuild_due(
        &self,
        request: Request<RebuildDueRequest>,
    ) -> Result<Response<RebuildDueResponse>, Status> {
        let request = request.into_inner();
        let always = request.always;
        let page = Ask::from(request).page::<(i64, Place)>()?;
        let (version, after) = page.after.clone().unzip();
        let wanted = Rebuild { reach: page.reach(after), version, always };
        let (swept, version) = self.orders.rebuild_due(&wanted).await?;
        Ok(Response::new(page.answer(swept.marked(|place| (version, place))).into()))
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
    async fn publish_events(
        &self,
        _: Request<PublishEventsRequest>,
    ) -> Result<Response<PublishEventsResponse>, Status> {
        let published = self.publisher.publish().await.map_err(CallError::from)?;
        let failed = published.failed.into_iter();
        Ok(Response::new(PublishEventsResponse {
            due: count(published.due),
            done: count(published.done),
            failed: failed.map(|(reason, number)| (reason.to_owned(), count(number))).collect(),
            more: published.more,
        }))
    }

    #[instrument(skip_all)]
    async fn renew_due(
        &self,
        request: Request<RenewDueRequest>,
    ) -> Result<Response<RenewDueResponse>, Status> {
        let page = Ask::from(request.into_inner()).page()?;
        let (from, until) = page.shards;
        let asked = RenewDue {
            shards: from.into()..until.into(),
            after: page.after.clone(),
            limit: usize::try_from(page.limit).unwrap_or(automatic::MOST),
        };
        let swept = self.orders.renew_due(&asked).await?;
        Ok(Response::new(page.answer(swept).into()))
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

    #[instrument(skip_all)]
    async fn next_due(
        &self,
        request: Request<NextDueRequest>,
    ) -> Result<Response<NextDueResponse>, Status> {
        let mut bad = BadRequest::default();
        let after = required(request.into_inner().after).and_then(instant);
        let Some(after) = bad.field("after", after) else { return Err(bad.into_status()) };
        let Agenda { time, retry_time } = self.orders.next_due(after).await?;
        let (time, retry_time) = (time.map(timestamp), retry_time.map(timestamp));
        Ok(Response::new(NextDueResponse { time, retry_time }))
    }
}
