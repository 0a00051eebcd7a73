//! `EventService`: messages to queries, events to messages.

use std::collections::HashMap;

use futures::{
    StreamExt as _,
    stream::{BoxStream, unfold},
};
use kernel::ids::{AccountId, ProductId};
use outbox::{Filter, ReadError};
use platform::{
    database::MaybeTransient as _,
    serve::Stopping,
    status::{ApiError, BadRequest, status_of},
};
use proto::renewal::v1::{self as pb, event_service_server::EventService};
use rule_engine::reason::Reason;
use tonic::{Code, Request, Response, Status};
use tracing::instrument;

use crate::app::events::{Events, Start, TooManyWatchers, Wanted};
use crate::wire;

/// Events of a call that does not say how many.
const DEFAULT_LIMIT: u32 = 100;

/// The most events of one call.
const MAX_LIMIT: u32 = 1_000;

/// The most types that a call may name.
const MOST_TYPES: usize = 100;

/// Serves events.
#[derive(Debug)]
pub struct EventGrpc {
    events: Events,
}

impl EventGrpc {
    /// Serves `events`.
    #[must_use]
    pub const fn new(events: Events) -> Self {
        Self { events }
    }
}

#[tonic::async_trait]
impl EventService for EventGrpc {
    #[instrument(skip_all, fields(account.id = request.get_ref().account_id))]
    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> Result<Response<pb::ListEventsResponse>, Status> {
        let request = request.into_inner();
        let mut bad = BadRequest::default();
        let wanted = wanted(&mut bad, &request.account_id, request.types, &request.product_id);
        let limit = bad.field("limit", limit(request.limit));
        let (Some(limit), true) = (limit, bad.is_empty()) else { return Err(bad.into_status()) };
        let page = self.events.list(&wanted, &request.cursor, limit).await.map_err(status)?;
        Ok(Response::new(pb::ListEventsResponse {
            events: page.events,
            next_cursor: page.next,
            more: page.more,
        }))
    }

    type WatchEventsStream = BoxStream<'static, Result<pb::WatchEventsResponse, Status>>;

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id))]
    async fn watch_events(
        &self,
        request: Request<pb::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let stopping = Stopping::of(&request);
        let pb::WatchEventsRequest { account_id, types, product_id, cursor, from_now } =
            request.into_inner();
        let mut bad = BadRequest::default();
        let wanted = wanted(&mut bad, &account_id, types, &product_id);
        if from_now && !cursor.is_empty() {
            bad.note("from_now", "must not stand with a cursor");
        }
        if !bad.is_empty() {
            return Err(bad.into_status());
        }
        let start = if from_now { Start::Now } else { Start::After(cursor) };
        let watch = self.events.watch(wanted, start, stopping).await.map_err(status)?;
        let watch = watch.map_err(|error| status_of(&error))?;
        // A watch that failed once is over.
        let messages = unfold(Some(watch), async |watch| {
            let mut watch = watch?;
            let page = watch.next().await?;
            let watch = page.is_ok().then_some(watch);
            let message = page.map_err(status);
            let message = message
                .map(|page| pb::WatchEventsResponse { events: page.events, cursor: page.next });
            Some((message, watch))
        });
        Ok(Response::new(messages.boxed()))
    }
}

/// Which events are asked for; notes every bad field.
fn wanted(bad: &mut BadRequest, account: &str, types: Vec<String>, product: &str) -> Wanted {
    let account = wire::optional_id::<AccountId>(bad, "account_id", account);
    if types.len() > MOST_TYPES {
        bad.note("types", format!("must be at most {MOST_TYPES}"));
    }
    for (number, kind) in types.iter().enumerate().take(MOST_TYPES) {
        bad.field(format!("types[{number}]"), wire::text(kind.clone()));
    }
    let product = wire::optional_id::<ProductId>(bad, "product_id", product);
    Wanted {
        filter: Filter { account: account.map(String::from), kinds: types },
        product: product.map(String::from),
    }
}

fn limit(requested: i32) -> Result<u32, &'static str> {
    match u32::try_from(requested) {
        Err(_) => Err("must not be negative"),
        Ok(0) => Ok(DEFAULT_LIMIT),
        Ok(limit) => Ok(limit.min(MAX_LIMIT)),
    }
}

fn status(error: ReadError) -> Status {
    status_of(&EventsError(error))
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct EventsError(ReadError);

impl ApiError for EventsError {
    fn code(&self) -> Code {
        match &self.0 {
            ReadError::CursorExpired(_) => Code::InvalidArgument,
            ReadError::Database(error) => error.trouble().code(),
        }
    }

    fn reason(&self) -> &'static str {
        match &self.0 {
            ReadError::CursorExpired(_) => Reason::CursorExpired.code(),
            ReadError::Database(error) => error.trouble().reason(),
        }
    }

    fn metadata(&self) -> HashMap<String, String> {
        match self.0 {
            ReadError::CursorExpired(_) => {
                HashMap::from([("field".to_owned(), "cursor".to_owned())])
            }
            ReadError::Database(_) => HashMap::new(),
        }
    }
}

impl ApiError for TooManyWatchers {
    fn code(&self) -> Code {
        Code::ResourceExhausted
    }

    fn reason(&self) -> &'static str {
        "TOO_MANY_WATCHERS"
    }
}

#[cfg(test)]
mod tests;
