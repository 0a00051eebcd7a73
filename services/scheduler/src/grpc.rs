//! Messages to commands, results to messages, errors to statuses.

pub mod clock;
mod show;

use std::{str::FromStr as _, sync::Arc};

use futures::{
    StreamExt as _,
    future::ready,
    stream::{self, BoxStream},
};
use platform::{
    client::{no_answer, pass_on},
    page::{PageTokenInvalid, PageTokens, page_size},
    serve::Stopping,
    status::{BadRequest, status_of},
};
use proto::{
    scheduler::v1::{self as pb, scheduler_service_server::SchedulerService},
    r#type::v1 as wire,
};
use tonic::{Request, Response, Status};

use crate::{
    app::{Scheduler, SchedulerError},
    domain::RunId,
    store::Wanted,
};

/// The most rows that a page leaps over.
const MOST_SKIPPED: i32 = 100_000;

/// The service on the wire.
#[derive(Debug)]
pub struct SchedulerGrpc {
    scheduler: Arc<Scheduler>,
}

impl SchedulerGrpc {
    pub fn new(scheduler: Arc<Scheduler>) -> Self {
        Self { scheduler }
    }

    fn show(&self, run: &crate::domain::Run) -> pb::Run {
        show::run(run, self.scheduler.now())
    }
}

#[tonic::async_trait]
impl SchedulerService for SchedulerGrpc {
    async fn list_schedules(
        &self,
        _: Request<pb::ListSchedulesRequest>,
    ) -> Result<Response<pb::ListSchedulesResponse>, Status> {
        let (schedules, now) = (self.scheduler.schedules().await?, self.scheduler.now());
        let schedules = schedules.iter().map(|schedule| show::schedule(schedule, now)).collect();
        Ok(Response::new(pb::ListSchedulesResponse { schedules }))
    }

    async fn pause_schedule(
        &self,
        request: Request<pb::PauseScheduleRequest>,
    ) -> Result<Response<pb::PauseScheduleResponse>, Status> {
        let schedule = self.scheduler.pause(named("kind", &request.get_ref().kind)?).await?;
        let schedule = Some(show::schedule(&schedule, self.scheduler.now()));
        Ok(Response::new(pb::PauseScheduleResponse { schedule }))
    }

    async fn resume_schedule(
        &self,
        request: Request<pb::ResumeScheduleRequest>,
    ) -> Result<Response<pb::ResumeScheduleResponse>, Status> {
        let schedule = self.scheduler.resume(named("kind", &request.get_ref().kind)?).await?;
        let schedule = Some(show::schedule(&schedule, self.scheduler.now()));
        Ok(Response::new(pb::ResumeScheduleResponse { schedule }))
    }

    async fn run_now(
        &self,
        request: Request<pb::RunNowRequest>,
    ) -> Result<Response<pb::RunNowResponse>, Status> {
        let run = self.scheduler.run_now(named("kind", &request.get_ref().kind)?).await?;
        Ok(Response::new(pb::RunNowResponse { run: Some(self.show(&run)) }))
    }

    async fn list_runs(
        &self,
        request: Request<pb::ListRunsRequest>,
    ) -> Result<Response<pb::ListRunsResponse>, Status> {
        let mut request = request.into_inner();
        let page = request.page.take().unwrap_or_default();
        let tokens = PageTokens::of("ListRuns", &request);
        let wanted = wanted(&page, &tokens)?;
        let (runs, more, total) =
            self.scheduler.runs(&request.kind, wanted, page.with_total).await?;
        let last = runs.last().filter(|_| more);
        let page = wire::PageResponse {
            next_page_token: last.map(|run| tokens.issue(&run.id.to_string())).unwrap_or_default(),
            total_size: total.map(|total| i64::try_from(total).unwrap_or(i64::MAX)),
        };
        let runs = runs.iter().map(|run| self.show(run)).collect();
        Ok(Response::new(pb::ListRunsResponse { runs, page: Some(page) }))
    }

    async fn get_run(
        &self,
        request: Request<pb::GetRunRequest>,
    ) -> Result<Response<pb::GetRunResponse>, Status> {
        let run = self.scheduler.run(&run_id(&request.get_ref().run_id)?).await?;
        Ok(Response::new(pb::GetRunResponse { run: Some(self.show(&run)) }))
    }

    type WatchRunStream = BoxStream<'static, Result<pb::WatchRunResponse, Status>>;

    async fn watch_run(
        &self,
        request: Request<pb::WatchRunRequest>,
    ) -> Result<Response<Self::WatchRunStream>, Status> {
        let stopping = Stopping::of(&request);
        let runs = self.scheduler.watch(run_id(&request.get_ref().run_id)?).await?;
        let scheduler = Arc::clone(&self.scheduler);
        let answers = runs.map(move |run| {
            let run = Some(show::run(&run?, scheduler.now()));
            Ok(pb::WatchRunResponse { run })
        });
        // The run goes on, perhaps elsewhere; the server closes only after its last answer.
        let closing = stream::once(async move {
            stopping.stopped().await;
            Err(no_answer("scheduler", "the scheduler is stopping; watch the run again"))
        });
        let told = answers.map(Some).chain(stream::iter([None]));
        let closed = closing.map(Some).chain(stream::iter([None]));
        let told = stream::select(told, closed).scan((), |(), answer| ready(answer));
        Ok(Response::new(told.boxed()))
    }
}

/// What `field` names.
fn named<'a>(field: &'static str, text: &'a str) -> Result<&'a str, Status> {
    if text.is_empty() {
        let mut bad = BadRequest::default();
        bad.note(field, "is required");
        return Err(bad.into_status());
    }
    Ok(text)
}

/// No run has an id that is not one.
fn run_id(text: &str) -> Result<RunId, Status> {
    let id = named("run_id", text)?;
    Ok(RunId::from_str(id).map_err(|_| SchedulerError::UnknownRun(id.to_owned()))?)
}

/// Which part of the list is asked for.
fn wanted(page: &wire::PageRequest, tokens: &PageTokens) -> Result<Wanted, Status> {
    let mut bad = BadRequest::default();
    let size = bad.field("page.page_size", page_size(page.page_size));
    let skip = match page.skip {
        0..=MOST_SKIPPED => Ok(page.skip.unsigned_abs()),
        _ => Err(format!("must be 0 to {MOST_SKIPPED}")),
    };
    let skip = bad.field("page.skip", skip);
    let after = tokens.read(&page.page_token)?;
    let after = after.map(|id| id.parse().map_err(|_| PageTokenInvalid)).transpose()?;
    let Some((size, skip)) = size.zip(skip) else { return Err(bad.into_status()) };
    Ok(Wanted { kind: None, after, size: size.into(), skip: skip.into() })
}

impl From<SchedulerError> for Status {
    fn from(error: SchedulerError) -> Self {
        match error {
            SchedulerError::Remote { service, status } => pass_on(service, status),
            error => status_of(&error),
        }
    }
}
