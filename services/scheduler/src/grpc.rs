//! Messages to commands, results to messages, errors to statuses.

use std::{collections::HashMap, sync::Arc};

use platform::{
    client::pass_on,
    status::{ApiError, BadRequest, SERVICE_UNAVAILABLE, status_of},
};
use proto::{
    convert::timestamp,
    scheduler::v1::{self as pb, scheduler_service_server::SchedulerService},
};
use tonic::{Code, Request, Response, Status};

use crate::app::{Run, Schedule, Scheduler, SchedulerError};

/// The service on the wire.
#[derive(Debug)]
pub struct SchedulerGrpc {
    scheduler: Arc<Scheduler>,
}

impl SchedulerGrpc {
    pub fn new(scheduler: Arc<Scheduler>) -> Self {
        Self { scheduler }
    }
}

#[tonic::async_trait]
impl SchedulerService for SchedulerGrpc {
    async fn list_schedules(
        &self,
        _: Request<pb::ListSchedulesRequest>,
    ) -> Result<Response<pb::ListSchedulesResponse>, Status> {
        let schedules = self.scheduler.schedules().into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListSchedulesResponse { schedules }))
    }

    async fn run_now(
        &self,
        request: Request<pb::RunNowRequest>,
    ) -> Result<Response<pb::RunNowResponse>, Status> {
        let kind = request.into_inner().kind;
        if kind.is_empty() {
            let mut bad = BadRequest::default();
            bad.note("kind", "is required");
            return Err(bad.into_status());
        }
        let run = self.scheduler.run(&kind).await?;
        Ok(Response::new(pb::RunNowResponse { run: Some(run.into()) }))
    }
}

impl From<Schedule> for pb::Schedule {
    fn from(schedule: Schedule) -> Self {
        let seconds = schedule.interval.map_or(0, |interval| interval.as_secs());
        Self {
            kind: schedule.kind.to_owned(),
            description: schedule.description.to_owned(),
            interval_seconds: i32::try_from(seconds).unwrap_or(i32::MAX),
            last_run: schedule.last_run.map(Into::into),
        }
    }
}

impl From<Run> for pb::Run {
    fn from(run: Run) -> Self {
        Self {
            start_time: Some(timestamp(run.started)),
            end_time: Some(timestamp(run.ended)),
            done: run.done,
            error: run.error.unwrap_or_default(),
        }
    }
}

impl ApiError for SchedulerError {
    fn code(&self) -> Code {
        match self {
            Self::NotFound(_) => Code::NotFound,
            Self::Remote { .. } => Code::Unavailable,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "SCHEDULE_NOT_FOUND",
            Self::Remote { .. } => SERVICE_UNAVAILABLE,
        }
    }

    fn metadata(&self) -> HashMap<String, String> {
        match self {
            Self::NotFound(kind) => HashMap::from([("kind".to_owned(), kind.clone())]),
            Self::Remote { .. } => HashMap::new(),
        }
    }
}

impl From<SchedulerError> for Status {
    fn from(error: SchedulerError) -> Self {
        match error {
            SchedulerError::Remote { service, status } => pass_on(service, status),
            error @ SchedulerError::NotFound(_) => status_of(&error),
        }
    }
}
