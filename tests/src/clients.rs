//! A client for each service, and the reasons that refusals carry.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::TryFutureExt as _;
use platform::client::Connection;
use proto::{
    catalog::v1::catalog_service_client::CatalogServiceClient,
    renewal::{
        internal::v1::sweep_service_client::SweepServiceClient,
        v1::{
            account_service_client::AccountServiceClient, event_service_client::EventServiceClient,
            forecast_service_client::ForecastServiceClient,
            instance_service_client::InstanceServiceClient,
            order_service_client::OrderServiceClient, webhook_service_client::WebhookServiceClient,
        },
    },
    scheduler::v1::{
        Run, RunNowRequest, WatchRunRequest, scheduler_service_client::SchedulerServiceClient,
    },
    wallet::{
        internal::v1::{
            purse_service_client::PurseServiceClient, restore_service_client::RestoreServiceClient,
            sweep_service_client::SweepServiceClient as WalletSweepServiceClient,
        },
        v1::{
            ledger_service_client::LedgerServiceClient,
            payment_service_client::PaymentServiceClient,
            voucher_service_client::VoucherServiceClient,
            wallet_service_client::WalletServiceClient,
        },
    },
};
use tonic::{
    Code, Request, Status,
    body::Body,
    codegen::{Service, StdError, http},
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};
use tonic_types::StatusExt as _;

/// Where each service is spoken to.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The catalog service.
    pub catalog: Speaker,
    /// The renewal service.
    pub renewal: Speaker,
    /// The wallet service.
    pub wallet: Speaker,
    /// Where the wallet service listens, for those who speak HTTP.
    pub wallet_port: u16,
    /// The scheduler service.
    pub scheduler: Speaker,
}

/// A connection to a service.
#[derive(Debug, Clone)]
pub enum Speaker {
    /// In plain text, which says with each call who calls.
    Plain(InterceptedService<Channel, Bearer>),
    /// As the programs that are shipped have it.
    Shipped(Connection),
}

impl Service<http::Request<Body>> for Speaker {
    type Response = <Connection as Service<http::Request<Body>>>::Response;
    type Error = StdError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, StdError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        match self {
            Self::Plain(service) => service.poll_ready(context).map_err(Into::into),
            Self::Shipped(service) => service.poll_ready(context).map_err(Into::into),
        }
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match self {
            Self::Plain(service) => Box::pin(service.call(request).map_err(Into::into)),
            Self::Shipped(service) => Box::pin(service.call(request).map_err(Into::into)),
        }
    }
}

/// The token that says who calls, if anything does.
#[derive(Debug, Clone, Default)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    /// Says so by `token`.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Some(format!("Bearer {token}").parse().expect("a token is plain text")))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// A channel to a server on loopback, connected when it is first used.
#[must_use]
pub fn channel(port: u16) -> Speaker {
    speaker(port, Bearer::default())
}

fn speaker(port: u16, bearer: Bearer) -> Speaker {
    let channel = Channel::from_shared(format!("http://127.0.0.1:{port}"))
        .expect("a valid address")
        .timeout(Duration::from_secs(30))
        .connect_lazy();
    Speaker::Plain(InterceptedService::new(channel, bearer))
}

impl Clients {
    /// All services behind one port.
    #[must_use]
    pub fn at(port: u16) -> Self {
        Self::at_as(port, Bearer::default())
    }

    /// All services behind one port, for whom `bearer` says.
    #[must_use]
    pub fn at_as(port: u16, bearer: Bearer) -> Self {
        let all = speaker(port, bearer);
        Self {
            catalog: all.clone(),
            renewal: all.clone(),
            wallet: all.clone(),
            wallet_port: port,
            scheduler: all,
        }
    }

    /// Catalogs, prices and quotes.
    #[must_use]
    pub fn catalog(&self) -> CatalogServiceClient<Speaker> {
        let limit = 16 << 20;
        CatalogServiceClient::new(self.catalog.clone()).max_decoding_message_size(limit)
    }

    /// Accounts.
    #[must_use]
    pub fn accounts(&self) -> AccountServiceClient<Speaker> {
        AccountServiceClient::new(self.renewal.clone())
    }

    /// Instances and policies.
    #[must_use]
    pub fn instances(&self) -> InstanceServiceClient<Speaker> {
        InstanceServiceClient::new(self.renewal.clone())
    }

    /// Previews and orders.
    #[must_use]
    pub fn orders(&self) -> OrderServiceClient<Speaker> {
        OrderServiceClient::new(self.renewal.clone())
    }

    /// Events.
    #[must_use]
    pub fn events(&self) -> EventServiceClient<Speaker> {
        EventServiceClient::new(self.renewal.clone())
    }

    /// Webhooks.
    #[must_use]
    pub fn webhooks(&self) -> WebhookServiceClient<Speaker> {
        WebhookServiceClient::new(self.renewal.clone())
    }

    /// Forecasts.
    #[must_use]
    pub fn forecasts(&self) -> ForecastServiceClient<Speaker> {
        let limit = 16 << 20;
        ForecastServiceClient::new(self.renewal.clone()).max_decoding_message_size(limit)
    }

    /// With what accounts could pay.
    #[must_use]
    pub fn purses(&self) -> PurseServiceClient<Speaker> {
        PurseServiceClient::new(self.wallet.clone())
    }

    /// What brings payments and orders together again.
    #[must_use]
    pub fn restores(&self) -> RestoreServiceClient<Speaker> {
        RestoreServiceClient::new(self.wallet.clone())
    }

    /// The renewal service's sweeps.
    #[must_use]
    pub fn sweeps(&self) -> SweepServiceClient<Speaker> {
        SweepServiceClient::new(self.renewal.clone())
    }

    /// Wallets and their ledgers.
    #[must_use]
    pub fn wallets(&self) -> WalletServiceClient<Speaker> {
        WalletServiceClient::new(self.wallet.clone())
    }

    /// Statements, exports and the audit of the ledgers.
    #[must_use]
    pub fn ledgers(&self) -> LedgerServiceClient<Speaker> {
        LedgerServiceClient::new(self.wallet.clone())
    }

    /// Vouchers.
    #[must_use]
    pub fn vouchers(&self) -> VoucherServiceClient<Speaker> {
        VoucherServiceClient::new(self.wallet.clone())
    }

    /// Payments.
    #[must_use]
    pub fn payments(&self) -> PaymentServiceClient<Speaker> {
        PaymentServiceClient::new(self.wallet.clone())
    }

    /// The wallet's sweeps.
    #[must_use]
    pub fn wallet_sweeps(&self) -> WalletSweepServiceClient<Speaker> {
        WalletSweepServiceClient::new(self.wallet.clone())
    }

    /// Schedules.
    #[must_use]
    pub fn schedules(&self) -> SchedulerServiceClient<Speaker> {
        SchedulerServiceClient::new(self.scheduler.clone())
    }

    /// Lets the schedule `kind` run now, and tells how it ended.
    pub async fn sweep(&self, kind: &str) -> Run {
        let asked = self.schedules().run_now(RunNowRequest { kind: kind.to_owned() }).await;
        let run_id = asked.expect("a schedule").into_inner().run.expect("a run").run_id;
        let watched = self.schedules().watch_run(WatchRunRequest { run_id }).await;
        let mut steps = watched.expect("a run").into_inner();
        let mut run = Run::default();
        while let Some(step) = steps.message().await.expect("a step") {
            run = step.run.expect("a run");
        }
        run
    }
}

/// The machine-readable reason that `status` gives.
#[must_use]
pub fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// What `status` says of the values that a program needs.
#[must_use]
pub fn metadata(status: &Status, name: &str) -> String {
    let info = status.get_details_error_info();
    info.and_then(|info| info.metadata.get(name).cloned()).unwrap_or_default()
}

/// The fields that `status` complains of.
#[must_use]
pub fn bad_fields(status: &Status) -> Vec<String> {
    let details = status.get_details_bad_request();
    details
        .map(|bad| bad.field_violations.into_iter().map(|violation| violation.field).collect())
        .unwrap_or_default()
}

/// The code and the reason of a refusal, as one value to compare with.
#[must_use]
pub fn refusal<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.expect_err("the call is refused");
    (status.code(), reason(&status))
}
