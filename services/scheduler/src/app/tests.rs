use std::sync::atomic::{AtomicI32, Ordering};

use kernel::env::ManualClock;
use platform::{
    client::Peer,
    memory,
    serve::{ServeArgs, Serving, serve},
};
use proto::{
    renewal::internal::v1::{
        AdvanceRequest, AdvanceResponse,
        sweep_service_server::{SweepService, SweepServiceServer},
    },
    wallet::internal::v1::sweep_service_server::{
        SweepService as WalletSweepService, SweepServiceServer as WalletSweepServiceServer,
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

/// A wallet with one page of everything.
#[derive(Debug)]
struct Wallet;

#[tonic::async_trait]
impl WalletSweepService for Wallet {
    async fn expire_holds(
        &self,
        _: Request<wallet::ExpireHoldsRequest>,
    ) -> Result<Response<wallet::ExpireHoldsResponse>, Status> {
        Ok(Response::new(wallet::ExpireHoldsResponse { voided: 1, more: false }))
    }

    async fn expire_vouchers(
        &self,
        _: Request<wallet::ExpireVouchersRequest>,
    ) -> Result<Response<wallet::ExpireVouchersResponse>, Status> {
        Ok(Response::new(wallet::ExpireVouchersResponse { expired: 2, more: false }))
    }

    async fn anchor_chains(
        &self,
        _: Request<wallet::AnchorChainsRequest>,
    ) -> Result<Response<wallet::AnchorChainsResponse>, Status> {
        let (anchored, more, anchor_time) = (3, false, None);
        Ok(Response::new(wallet::AnchorChainsResponse { anchored, more, anchor_time }))
    }
}

async fn scheduler(pages: i32, interval_seconds: u32) -> (Arc<Scheduler>, DropGuard) {
    let (connector, listener) = memory::pair();
    let serving = Serving {
        routes: Routes::new(SweepServiceServer::new(Pages(pages.into())))
            .add_service(WalletSweepServiceServer::new(Wallet)),
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
    let renewal = Peer::Memory(connector).connect();
    let services = Services { wallet: renewal.clone(), renewal };
    let every = Intervals { advance: interval_seconds, ..Intervals::default() };
    (Arc::new(Scheduler::new(services, every, env)), stop.drop_guard())
}

// O-4
#[tokio::test]
async fn a_run_takes_every_page_that_is_due() {
    let (scheduler, _stop) = scheduler(3, 0).await;
    let run = scheduler.run(ADVANCE).await.unwrap();
    assert_eq!((run.done, run.error.clone()), (21, None));
    assert_eq!(scheduler.schedules()[0].last_run, Some(run));
}

#[tokio::test]
async fn a_run_that_fails_says_why() {
    let (scheduler, _stop) = scheduler(0, 0).await;
    assert!(matches!(
        scheduler.run(ADVANCE).await,
        Err(SchedulerError::Remote { service: "renewal", .. })
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

// V-5, W-2, W-3
#[tokio::test]
async fn each_schedule_asks_for_its_own_work() {
    let (scheduler, _stop) = scheduler(1, 0).await;
    for (kind, done) in [(ADVANCE, 7), (ANCHOR, 3), (EXPIRE_HOLDS, 1), (EXPIRE_VOUCHERS, 2)] {
        assert_eq!(scheduler.run(kind).await.unwrap().done, done, "{kind}");
    }
    let all = scheduler.schedules();
    assert!(all.is_sorted_by_key(|schedule| schedule.kind));
    assert!(all.iter().all(|schedule| schedule.last_run.is_some()));
}
