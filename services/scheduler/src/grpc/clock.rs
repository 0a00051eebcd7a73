//! The clock of a sandbox on the wire.

use std::sync::Arc;

use futures::{StreamExt as _, stream::BoxStream};
use platform::status::BadRequest;
use proto::{
    convert::{instant, timestamp},
    scheduler::v1::{self as pb, clock_service_server::ClockService},
};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

use crate::app::{Scheduler, SchedulerError, Stop};

/// Stops that a caller may be behind; the clock waits for who is slower.
const STOPS_AHEAD: usize = 16;

/// The service on the wire.
#[derive(Debug)]
pub struct ClockGrpc {
    scheduler: Arc<Scheduler>,
}

impl ClockGrpc {
    pub fn new(scheduler: Arc<Scheduler>) -> Self {
        Self { scheduler }
    }
}

#[tonic::async_trait]
impl ClockService for ClockGrpc {
    async fn get_clock(
        &self,
        _: Request<pb::GetClockRequest>,
    ) -> Result<Response<pb::GetClockResponse>, Status> {
        let time = Some(timestamp(self.scheduler.now()));
        Ok(Response::new(pb::GetClockResponse { time, sandbox: self.scheduler.is_sandbox() }))
    }

    type AdvanceClockStream = BoxStream<'static, Result<pb::AdvanceClockResponse, Status>>;

    async fn advance_clock(
        &self,
        request: Request<pb::AdvanceClockRequest>,
    ) -> Result<Response<Self::AdvanceClockStream>, Status> {
        let mut bad = BadRequest::default();
        let until = request.into_inner().until.ok_or("is required".to_owned());
        let until = until.and_then(|until| instant(until).map_err(|error| error.to_string()));
        let Some(until) = bad.field("until", until) else { return Err(bad.into_status()) };
        let player = self.scheduler.player(until).map_err(|error| match error {
            SchedulerError::BadInstant(why) => {
                bad.note("until", why);
                std::mem::take(&mut bad).into_status()
            }
            error => error.into(),
        })?;
        let (sender, mut stops) = mpsc::channel(STOPS_AHEAD);
        tokio::spawn(player.play(sender));
        let stops = futures::stream::poll_fn(move |context| stops.poll_recv(context));
        let answers = stops.map(|stop| stop.map(answer).map_err(Into::into));
        Ok(Response::new(answers.boxed()))
    }
}

fn answer(stop: Stop) -> pb::AdvanceClockResponse {
    let done = stop.done.into_iter().map(|(kind, count)| (kind.to_owned(), count));
    pb::AdvanceClockResponse {
        time: Some(timestamp(stop.time)),
        done: done.collect(),
        failed: stop.failed.into_iter().collect(),
    }
}
