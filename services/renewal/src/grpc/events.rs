//! `EventService`: messages to queries, events to messages.

use std::collections::HashMap;

use kernel::ids::AccountId;
use outbox::{Filter, ReadError};
use platform::status::{ApiError, BadRequest, INTERNAL, status_of};
use proto::renewal::v1::{self as pb, event_service_server::EventService};
use rule_engine::reason::Reason;
use tonic::{Code, Request, Response, Status};
use tracing::instrument;

use crate::app::events::Events;
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
        let account = wire::optional_id::<AccountId>(&mut bad, "account_id", &request.account_id);
        if request.types.len() > MOST_TYPES {
            bad.note("types", format!("must be at most {MOST_TYPES}"));
        }
        for (number, kind) in request.types.iter().enumerate().take(MOST_TYPES) {
            bad.field(format!("types[{number}]"), wire::text(kind.clone()));
        }
        let limit = bad.field("limit", limit(request.limit));
        let (Some(limit), true) = (limit, bad.is_empty()) else { return Err(bad.into_status()) };
        let filter = Filter { account: account.map(String::from), kinds: request.types };
        let (events, next_cursor) =
            self.events.list(&filter, &request.cursor, limit).await.map_err(status)?;
        Ok(Response::new(pb::ListEventsResponse { events, next_cursor }))
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
        match self.0 {
            ReadError::CursorExpired(_) => Code::InvalidArgument,
            ReadError::Database(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self.0 {
            ReadError::CursorExpired(_) => Reason::CursorExpired.code(),
            ReadError::Database(_) => INTERNAL,
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

#[cfg(test)]
mod tests;
