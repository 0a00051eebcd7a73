//! The other services, as the use cases see them: adapters over generated clients.

pub mod nats;
mod purse;
mod restore;
mod webhooks;

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use kernel::ids::{AccountId, PaymentId, ProductId};
use platform::client::{Connection, Credentials, Deadlines, Peer, no_answer, safe};
use proto::{
    catalog::v1::{
        ApplyCatalogRequest, ListAccountProfilesRequest, ListProductsRequest, Product,
        QuoteRenewalsRequest, QuoteRenewalsResponse, catalog_service_client::CatalogServiceClient,
    },
    convert::instant,
    provisioner::v1::{
        ApplyEntitlementRequest, provisioner_service_client::ProvisionerServiceClient,
    },
    r#type::v1::PageRequest,
    wallet::internal::v1::{
        GetPurseRequest, ListFundingsRequest, purse_service_client::PurseServiceClient,
        sweep_service_client::SweepServiceClient,
    },
    wallet::v1::{
        self as wallet, ChargeManyRequest, ChargeRequest, CreatePaymentIntentRequest,
        GetFundsRequest, GetPaymentsRequest, Payment, PreviewPaymentRequest,
        PreviewPaymentResponse, Refund, RefundRequest, VoidPaymentRequest,
        payment_service_client::PaymentServiceClient, voucher_service_client::VoucherServiceClient,
    },
};
use rule_engine::profile::ProductProfile;
use tonic::Status;

pub use self::{restore::RemoteRestore, webhooks::RemoteReceivers};
use crate::app::{
    Fundings, Funds, Pricing, Purse, RemoteError,
    deliver::Consoles,
    rules::{Catalogue, read},
};

/// Bytes of the largest answer that is read: 1,000 quotes with all their lines.
const MAX_ANSWER: usize = 32 << 20;

/// Rows of a page of products.
const PAGE: i32 = 1_000;

/// How often the catalogs are read anew because they changed while they were read.
const ATTEMPTS: usize = 5;

/// The catalog.
#[derive(Debug)]
pub struct RemoteCatalog {
    client: CatalogServiceClient<Connection>,
}

impl RemoteCatalog {
    /// The catalog that answers on `connection`.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        let client = CatalogServiceClient::new(connection).max_decoding_message_size(MAX_ANSWER);
        Self { client }
    }

    /// Every product, and the version of all catalogs if it was the same on every page.
    async fn products(&self) -> Result<(Vec<Product>, Option<i64>), Status> {
        let mut products = Vec::new();
        let mut versions = Vec::new();
        let mut page_token = String::new();
        loop {
            let page = PageRequest { page_size: PAGE, page_token, ..PageRequest::default() };
            let request =
                ListProductsRequest { page: Some(page), ..ListProductsRequest::default() };
            let answer = safe(|| {
                let (mut client, request) = (self.client.clone(), request.clone());
                async move { client.list_products(request).await }
            });
            let answer = answer.await?.into_inner();
            products.extend(answer.products);
            versions.push(answer.catalog_version);
            page_token = answer.page.map(|page| page.next_page_token).unwrap_or_default();
            if page_token.is_empty() {
                versions.dedup();
                let version = (versions.len() == 1).then(|| versions[0]);
                return Ok((products, version));
            }
        }
    }

    async fn read(&self) -> Result<Catalogue, Status> {
        for _ in 0..ATTEMPTS {
            let (products, version) = self.products().await?;
            let profiles = safe(|| {
                let mut client = self.client.clone();
                async move { client.list_account_profiles(ListAccountProfilesRequest {}).await }
            });
            let profiles = profiles.await?.into_inner();
            if version == Some(profiles.catalog_version) {
                let version = profiles.catalog_version;
                return Ok(Catalogue::read(version, products, profiles.profiles));
            }
        }
        Err(no_answer("catalog", "the catalogs change all the time"))
    }
}

#[async_trait]
impl Pricing for RemoteCatalog {
    async fn version(&self) -> Result<i64, RemoteError> {
        let mut client = self.client.clone();
        let answer = client.list_account_profiles(ListAccountProfilesRequest {}).await;
        answer.map(|answer| answer.into_inner().catalog_version).map_err(catalog_error)
    }

    async fn catalogue(&self) -> Result<Catalogue, RemoteError> {
        self.read().await.map_err(catalog_error)
    }

    async fn proposed(
        &self,
        document: String,
    ) -> Result<Vec<(ProductId, ProductProfile)>, RemoteError> {
        let request = ApplyCatalogRequest { document, dry_run: true };
        let answer = safe(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.apply_catalog(request).await }
        });
        let answer = answer.await.map(tonic::Response::into_inner).map_err(catalog_error)?;
        let read = answer.profiles.into_iter().map(read::proposed).collect::<Result<_, _>>();
        read.map_err(|error| catalog_error(no_answer("catalog", &error.to_string())))
    }

    async fn quote(
        &self,
        request: QuoteRenewalsRequest,
    ) -> Result<QuoteRenewalsResponse, RemoteError> {
        let answer = safe(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.quote_renewals(request).await }
        });
        let answer = answer.await.map(tonic::Response::into_inner).map_err(catalog_error)?;
        // Prices are matched with what they are for by their place.
        let asked = request.items.iter().map(|item| &item.item_id);
        if asked.eq(answer.results.iter().map(|result| &result.item_id)) {
            Ok(answer)
        } else {
            Err(catalog_error(no_answer("catalog", "other items are priced than were asked for")))
        }
    }
}

const fn catalog_error(status: Status) -> RemoteError {
    RemoteError { service: "catalog", status }
}

/// The wallet.
#[derive(Debug)]
pub struct RemoteWallet {
    client: PaymentServiceClient<Connection>,
    vouchers: VoucherServiceClient<Connection>,
    sweeps: SweepServiceClient<Connection>,
    purses: PurseServiceClient<Connection>,
}

impl RemoteWallet {
    /// The wallet that answers on `connection`.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        let vouchers = VoucherServiceClient::new(connection.clone());
        let vouchers = vouchers.max_decoding_message_size(MAX_ANSWER);
        let sweeps = SweepServiceClient::new(connection.clone());
        let purses = PurseServiceClient::new(connection.clone());
        let purses = purses.max_decoding_message_size(MAX_ANSWER);
        let client = PaymentServiceClient::new(connection).max_decoding_message_size(MAX_ANSWER);
        Self { client, vouchers, sweeps, purses }
    }
}

// The calls may be repeated: the ids of payment and refund make them one.
#[async_trait]
impl Funds for RemoteWallet {
    async fn charge(&self, request: ChargeRequest) -> Result<Payment, RemoteError> {
        let answer = safe(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.charge(request).await }
        });
        payment(answer.await.map(|answer| answer.into_inner().payment))
    }

    async fn charge_many(&self, request: ChargeManyRequest) -> Result<Vec<Payment>, RemoteError> {
        let answer = safe(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.charge_many(request).await }
        });
        let error = |status| RemoteError { service: "wallet", status };
        let payments = answer.await.map_err(error)?.into_inner().payments;
        // Outcomes are matched with what they are of by their place.
        let asked = request.charges.iter().map(|charge| &charge.payment_id);
        if asked.eq(payments.iter().map(|payment| &payment.payment_id)) {
            Ok(payments)
        } else {
            let why = "other payments came of it than were asked for";
            Err(error(no_answer("wallet", why)))
        }
    }

    async fn fundings(&self, cursor: &str, limit: u32) -> Result<Fundings, RemoteError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let request = ListFundingsRequest { cursor: cursor.to_owned(), limit };
        let answer = safe(|| {
            let (mut client, request) = (self.sweeps.clone(), request.clone());
            async move { client.list_fundings(request).await }
        });
        let error = |status| RemoteError { service: "wallet", status };
        let answer = answer.await.map_err(error)?.into_inner();
        let read = answer.fundings.into_iter().filter_map(|funding| {
            Some((funding.account_id.parse().ok()?, instant(funding.time?).ok()?))
        });
        Ok((read.collect(), answer.next_cursor))
    }

    async fn purse(&self, account: &AccountId) -> Result<Option<Purse>, RemoteError> {
        let request = GetPurseRequest { account_id: account.to_string() };
        let answer = safe(|| {
            let (mut client, request) = (self.purses.clone(), request.clone());
            async move { client.get_purse(request).await }
        });
        let answer = match answer.await {
            Err(status) if status.code() == tonic::Code::NotFound => return Ok(None),
            answer => answer.and_then(|answer| purse::read(answer.into_inner())),
        };
        answer.map(Some).map_err(|status| RemoteError { service: "wallet", status })
    }

    async fn void(
        &self,
        account: &AccountId,
        payment_id: PaymentId,
    ) -> Result<Payment, RemoteError> {
        let request = VoidPaymentRequest {
            payment_id: payment_id.to_string(),
            account_id: account.to_string(),
        };
        let answer = safe(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.void_payment(request).await }
        });
        payment(answer.await.map(|answer| answer.into_inner().payment))
    }

    async fn ask(&self, request: CreatePaymentIntentRequest) -> Result<Payment, RemoteError> {
        let answer = safe(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.create_payment_intent(request).await }
        });
        payment(answer.await.map(|answer| answer.into_inner().payment))
    }

    async fn payments(&self, payment_ids: Vec<String>) -> Result<Vec<Payment>, RemoteError> {
        let request = GetPaymentsRequest { payment_ids, intent_ids: Vec::new() };
        let answer = safe(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.get_payments(request).await }
        });
        let error = |status| RemoteError { service: "wallet", status };
        answer.await.map(|answer| answer.into_inner().payments).map_err(error)
    }

    async fn refund(&self, request: RefundRequest) -> Result<Refund, RemoteError> {
        let answer = safe(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.refund(request).await }
        });
        let refund = answer.await.map(|answer| answer.into_inner().refund);
        let refund = refund.and_then(|refund| {
            refund.ok_or_else(|| no_answer("wallet", "the answer has no refund"))
        });
        refund.map_err(|status| RemoteError { service: "wallet", status })
    }

    async fn funds(&self, account_ids: Vec<String>) -> Result<Vec<wallet::Funds>, RemoteError> {
        let request = GetFundsRequest { account_ids };
        let answer = safe(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.get_funds(request).await }
        });
        let error = |status| RemoteError { service: "wallet", status };
        answer.await.map(|answer| answer.into_inner().funds).map_err(error)
    }

    async fn preview(
        &self,
        request: PreviewPaymentRequest,
    ) -> Result<PreviewPaymentResponse, RemoteError> {
        let answer = safe(|| {
            let (mut client, request) = (self.vouchers.clone(), request.clone());
            async move { client.preview_payment(request).await }
        });
        let error = |status| RemoteError { service: "wallet", status };
        answer.await.map(tonic::Response::into_inner).map_err(error)
    }
}

fn payment(answer: Result<Option<Payment>, Status>) -> Result<Payment, RemoteError> {
    let payment = answer.and_then(|payment| {
        payment.ok_or_else(|| no_answer("wallet", "the answer has no payment"))
    });
    payment.map_err(|status| RemoteError { service: "wallet", status })
}

/// How long a console may take: for a connection, and to answer.
const PATIENCE: Deadlines =
    Deadlines { connect: Duration::from_secs(2), request: Duration::from_secs(5) };

/// The consoles of products, wherever they are. Connections are kept.
#[derive(Debug)]
pub struct RemoteConsoles {
    credentials: Credentials,
    connections: Mutex<HashMap<String, Connection>>,
}

impl RemoteConsoles {
    /// Consoles to which this process proves by `credentials` who it is.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, connections: Mutex::default() }
    }

    fn connection(&self, address: &str) -> Result<Connection, Status> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = connections.get(address) {
            return Ok(connection.clone());
        }
        let peer: Peer = address.parse().map_err(|_| no_answer("console", "no such address"))?;
        let connection = peer.with(&self.credentials).connect_within(PATIENCE);
        connections.insert(address.to_owned(), connection.clone());
        Ok(connection)
    }
}

#[async_trait]
impl Consoles for RemoteConsoles {
    async fn apply(&self, address: &str, request: ApplyEntitlementRequest) -> Result<(), Status> {
        let mut console = ProvisionerServiceClient::new(self.connection(address)?);
        console.apply_entitlement(request).await.map(|_| ())
    }
}
