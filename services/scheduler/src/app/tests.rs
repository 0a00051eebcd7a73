use std::sync::atomic::{AtomicI32, Ordering};

use kernel::env::ManualClock;
use platform::{
    client::Peer,
    memory,
    serve::{ServeArgs, Serving, serve},
};
use proto::{
    renewal::internal::v1::{
        AdvanceResponse,
        sweep_service_server::{SweepService, SweepServiceServer},
    },
    wallet::internal::v1::{
        ExpireHoldsResponse,
        sweep_service_server::{
            SweepService as WalletSweepService, SweepServiceServer as WalletSweepServiceServer,
        },
    },
};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, service::Routes};

use super::*;

/// A renewal service with so many pages of due orders, of which page 0 fails for good.
#[derive(Debug)]
struct Pages(AtomicI32);

#[tonic::async_trait]
impl SweepService for Pages {
    async fn advance(
        &self,
        _: Request<AdvanceRequest>,
    ) -> Result<Response<AdvanceResponse>, Status> {
        match self.0.fetch_sub(1, Ordering::Relaxed) {
            0 => Err(Status::invalid_argument("no pages at all")),
            left => Ok(Response::new(AdvanceResponse { taken: 7, advanced: 7, more: left > 1 })),
        }
    }
}

#[tonic::async_trait]
impl WalletSweepService for Pages {
    async fn expire_holds(
        &self,
        _: Request<ExpireHoldsRequest>,
    ) -> Result<Response<ExpireHoldsResponse>, Status> {
        let left = self.0.fetch_sub(1, Ordering::Relaxed);
        Ok(Response::new(ExpireHoldsResponse { voided: 2, more: left > 1 }))
    }
}

async fn scheduler(pages: i32, interval_seconds: u32) -> (Arc<Scheduler>, DropGuard) {
    let (connector, listener) = memory::pair();
    let serving = Serving {
        routes: Routes::new(SweepServiceServer::new(Pages(pages.into())))
            .add_service(WalletSweepServiceServer::new(Pages(pages.into()))),
        names: Vec::new(),
        descriptors: proto::PUBLIC_DESCRIPTORS,
        memory: Some(listener),
    };
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = socket.local_addr().unwrap();
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        let args = ServeArgs { listen, request_timeout_seconds: 5, drain_seconds: 0 };
        serve(socket, serving, &args, stopped).await
    });
    let env = Env::with_clock(ManualClock::at(DateTime::UNIX_EPOCH));
    let both = Peer::Memory(connector).connect();
    let scheduler = Scheduler::new(both.clone(), both, interval_seconds, env);
    (Arc::new(scheduler), stop.drop_guard())
}

// O-4
#[tokio::test]
async fn a_run_takes_every_page_that_is_due() {
    let (scheduler, _stop) = scheduler(3, 0).await;
    let run = scheduler.run(Task::Advance.kind()).await.unwrap();
    assert_eq!((run.done, run.error.clone()), (21, None));
    assert_eq!(scheduler.schedules()[0].last_run, Some(run));
}

// W-3
#[tokio::test]
async fn holds_are_swept_page_by_page_beside_the_orders() {
    let (scheduler, _stop) = scheduler(3, 0).await;
    let run = scheduler.run(Task::ExpireHolds.kind()).await.unwrap();
    assert_eq!((run.done, run.error.clone()), (6, None));
    let last: Vec<_> = scheduler.schedules().into_iter().map(|it| it.last_run).collect();
    assert_eq!(last, [None, Some(run)]);
}

#[tokio::test]
async fn a_run_that_fails_says_why() {
    let (scheduler, _stop) = scheduler(0, 0).await;
    assert!(matches!(
        scheduler.run(Task::Advance.kind()).await,
        Err(SchedulerError::Remote("renewal", _))
    ));
    let last = scheduler.schedules()[0].last_run.clone().unwrap();
    assert_eq!(last.error.as_deref(), Some("no pages at all"));
}

#[tokio::test]
async fn no_other_schedule_is_known() {
    let (scheduler, _stop) = scheduler(1, 0).await;
    for kind in ["", "ADVANCE", "renew"] {
        assert!(matches!(scheduler.run(kind).await, Err(SchedulerError::NotFound(_))));
    }
}

#[tokio::test]
async fn schedules_run_on_start_without_being_asked() {
    let (scheduler, _stop) = scheduler(1, 3_600).await;
    keep_running(&scheduler);
    while scheduler.schedules()[0].last_run.is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(scheduler.schedules()[0].last_run.as_ref().unwrap().done, 7);
}
