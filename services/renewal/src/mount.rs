//! Puts the service together.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use kernel::Env;
use platform::{
    client::{Credentials, Peer},
    database::{Database, DatabaseUrl, Durability},
    telemetry::meter,
};
use proto::renewal::{
    internal::v1::sweep_service_server::SweepServiceServer,
    v1::{
        account_service_server::AccountServiceServer, event_service_server::EventServiceServer,
        forecast_service_server::ForecastServiceServer,
        instance_service_server::InstanceServiceServer, order_service_server::OrderServiceServer,
        webhook_service_server::WebhookServiceServer,
    },
};
use tonic::service::RoutesBuilder;

use crate::{
    app::{
        Orders, Pricing,
        accounts::Accounts,
        audit,
        automatic::caps::Caps,
        backlog::Backlog,
        correction::Corrections,
        deliver::Deliveries,
        events::{Events, Limits},
        instances::Instances,
        policies::Policies,
        publish::{Bus, Publisher},
        reconcile::Reconciliation,
        registration::Registrations,
        releases::Releases,
        rules::Rules,
        webhooks::Webhooks,
    },
    grpc::{
        accounts::AccountGrpc, events::EventGrpc, forecast::ForecastGrpc, instances::InstanceGrpc,
        orders::OrderGrpc, sweep::SweepGrpc, webhooks::WebhookGrpc,
    },
    remote::{
        RemoteCatalog, RemoteConsoles, RemoteReceivers, RemoteRestore, RemoteWallet,
        nats::{self, Nats},
    },
    store::{Migrator, Store, accounts},
};

/// What the renewal service needs to know to start.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Renewal")]
#[group(id = "renewal")]
pub struct Args {
    /// Database of the renewal service: `sqlite://FILE` or `postgres://USER@HOST/NAME`.
    #[arg(
        long,
        env = "PERENNIAL_RENEWAL_DATABASE_URL",
        default_value = "sqlite://data/renewal.db",
        hide_env_values = true
    )]
    pub renewal_database_url: DatabaseUrl,

    /// How many automatic renewals of an account a day may have; what is beyond waits for the next
    /// day or an operator. 0: any number.
    #[arg(long, env = "PERENNIAL_AUTO_ORDERS_PER_DAY", default_value_t = 0, value_name = "COUNT")]
    pub auto_orders_per_day: u32,

    /// For how much, in minor units, an account may be renewed automatically in a day; what is beyond
    /// waits for the next day or an operator. 0: for any amount.
    #[arg(long, env = "PERENNIAL_AUTO_AMOUNT_PER_DAY", default_value_t = 0, value_name = "MINOR")]
    pub auto_amount_per_day: u64,

    /// Where the catalog service is.
    #[arg(long, env = "PERENNIAL_CATALOG_ADDRESS", default_value = "http://127.0.0.1:50051")]
    pub catalog_address: Peer,

    /// Where the wallet service is.
    #[arg(long, env = "PERENNIAL_WALLET_ADDRESS", default_value = "http://127.0.0.1:50051")]
    pub wallet_address: Peer,

    /// By what consoles know this process.
    #[arg(skip)]
    pub credentials: Credentials,

    /// Days that events are kept: who reads less often has to begin anew.
    #[arg(
        long,
        env = "PERENNIAL_EVENT_RETENTION_DAYS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(7..=3_650)
    )]
    pub event_retention_days: u32,

    /// Watches over events that may be open at once.
    #[arg(long, env = "PERENNIAL_EVENT_WATCHERS", default_value_t = 1_000)]
    pub event_watchers: u32,

    /// Let webhooks lead to private, loopback and link-local addresses, and without TLS to those.
    #[arg(long, env = "PERENNIAL_ALLOW_PRIVATE_WEBHOOKS")]
    pub allow_private_webhooks: bool,

    /// File of further authorities, as PEM, whose certificates the receivers of webhooks may have.
    #[arg(long, env = "PERENNIAL_WEBHOOK_CA_FILE", value_name = "FILE")]
    pub webhook_ca_file: Option<PathBuf>,

    /// NATS with JetStream to publish events to, such as `nats://nats.messaging:4222`, or with `tls://`;
    /// to none, if it is not set.
    #[arg(long, env = "PERENNIAL_NATS_URL", value_name = "URL", value_parser = nats::address)]
    pub nats_url: Option<nats::Address>,

    /// Credentials file of the user of NATS who may publish.
    #[arg(
        long,
        env = "PERENNIAL_NATS_CREDENTIALS_FILE",
        value_name = "FILE",
        requires = "nats_url"
    )]
    pub nats_credentials_file: Option<PathBuf>,

    /// File of authorities, as PEM, one of which must have signed the certificate of NATS; without it,
    /// one that the machine trusts.
    #[arg(long, env = "PERENNIAL_NATS_CA_FILE", value_name = "FILE", requires = "nats_url")]
    pub nats_ca_file: Option<PathBuf>,
}

/// Connects to the database, sees to its schema, and adds the services to `routes`. Answers with the
/// database, which is to be closed last.
pub async fn mount(args: &Args, env: Env, routes: &mut RoutesBuilder) -> anyhow::Result<Database> {
    let database = connect(args).await?;
    database.prepare::<Migrator>().await.context("the renewal database is not ready")?;
    outbox::begin(&database).await.context("the renewal service's events are not ready")?;
    let store = Store::new(database.clone());
    let catalog: Arc<dyn Pricing> = Arc::new(RemoteCatalog::new(args.catalog_address.connect()));
    let wallet = Arc::new(RemoteWallet::new(args.wallet_address.connect()));
    let rules = Arc::new(Rules::new(Arc::clone(&catalog)));
    tokio::spawn(Backlog::new(store.clone(), env.clone(), &meter()).keep_measuring());

    let orders = Orders::start(store.clone(), Arc::clone(&rules), catalog, wallet, env.clone());
    let orders = orders.within(caps(args));

    let accounts = Accounts::new(store.clone(), Arc::clone(&rules), env.clone());
    let instances = InstanceGrpc::new(
        Registrations::new(store.clone(), Arc::clone(&rules), env.clone()),
        Instances::new(store.clone(), Arc::clone(&rules), env.clone()),
        Policies::new(store.clone(), Arc::clone(&rules), env.clone()),
        Corrections::new(store.clone(), Arc::clone(&rules), env.clone()),
        Releases::new(store.clone(), rules, env.clone()),
        orders.clone(),
    );
    routes.add_service(AccountServiceServer::new(AccountGrpc::new(accounts)));
    routes.add_service(InstanceServiceServer::new(instances));
    routes.add_service(OrderServiceServer::new(OrderGrpc::new(orders.clone())));
    routes.add_service(ForecastServiceServer::new(ForecastGrpc::new(orders.clone())));
    let consoles = Arc::new(RemoteConsoles::new(args.credentials.clone()));
    let deliveries = Deliveries::new(orders.clone(), consoles);
    let limits = Limits { most: args.event_watchers, ..Limits::default() };
    let events = Events::new(store.clone(), limits);
    let receivers =
        RemoteReceivers::new(args.allow_private_webhooks, args.webhook_ca_file.as_deref())?;
    let webhooks = Webhooks::new(store.clone(), events.clone(), Arc::new(receivers), env.clone());
    let publisher = Publisher::new(store, events.clone(), bus(args).await?, env.clone());
    let days = args.event_retention_days;
    let sweeps =
        SweepGrpc::new(orders, deliveries, events.clone(), webhooks.clone(), publisher, days);
    routes.add_service(SweepServiceServer::new(sweeps));
    routes.add_service(EventServiceServer::new(EventGrpc::new(events)));
    routes.add_service(WebhookServiceServer::new(WebhookGrpc::new(webhooks, env)));
    Ok(database)
}

/// The stream to publish to, if there is one. It may be away for as long as it likes.
async fn bus(args: &Args) -> anyhow::Result<Option<Arc<dyn Bus>>> {
    let Some(address) = &args.nats_url else { return Ok(None) };
    let (credentials, authorities) = (&args.nats_credentials_file, &args.nats_ca_file);
    let nats = Nats::start(address, credentials.as_deref(), authorities.as_deref());
    let nats = nats.await.context("cannot publish to NATS as it is set")?;
    Ok(Some(Arc::new(nats.keeping(args.event_retention_days))))
}

/// The bounds of a day.
fn caps(args: &Args) -> Caps {
    let orders = Some(i64::from(args.auto_orders_per_day)).filter(|most| *most > 0);
    let amount = Some(args.auto_amount_per_day).filter(|most| *most > 0);
    Caps { orders, amount: amount.map(|most| i64::try_from(most).unwrap_or(i64::MAX)) }
}

/// Brings the schema up to date.
pub async fn migrate(args: &Args) -> anyhow::Result<()> {
    let database = connect(args).await?;
    database.migrate::<Migrator>().await.context("could not migrate the renewal database")
}

/// What must always hold of terms, claims and orders and does not, one sentence each, also against
/// the payments that the wallet at the other address has, and against what has come due by the rules of
/// the catalog at the other address. Only reads, and refuses a database that is not there or whose schema
/// is older.
pub async fn audit(args: &Args, env: &Env) -> anyhow::Result<Vec<String>> {
    let database = Database::open_to_read::<Migrator>(&args.renewal_database_url).await;
    let store = Store::new(database.context("cannot audit the renewal service")?);
    let wallet = RemoteWallet::new(args.wallet_address.connect());
    let catalog = RemoteCatalog::new(args.catalog_address.connect());
    let catalogue = catalog.catalogue().await.context("could not ask for the rules")?;
    let findings = audit::findings(&store, &wallet, &Arc::new(catalogue), env.now()).await;
    let findings = findings.context("could not audit the renewal database")?;
    Ok(findings.iter().map(ToString::to_string).collect())
}

/// Brings orders and the payments of the wallet at the other address together again, page by page: those
/// that changed at `since` or later. Only reads, unless it is to `apply` what it comes to.
pub async fn reconcile(
    args: &Args,
    env: &Env,
    since: DateTime<Utc>,
    apply: bool,
) -> anyhow::Result<Reconciliation> {
    // One that is not there is not made: all that was ever paid would be given back for its sake.
    let read = Database::open_to_read::<Migrator>(&args.renewal_database_url).await;
    let mut database = read.context("cannot read the renewal database")?;
    let has_accounts = accounts::any(database.reader()).await?;
    ensure!(has_accounts, "the renewal database has no accounts: is it the one that was put back?");
    if apply {
        database.close().await;
        database = connect(args).await?;
        outbox::begin(&database).await.context("the renewal service's events are not ready")?;
    }
    let catalog: Arc<dyn Pricing> = Arc::new(RemoteCatalog::new(args.catalog_address.connect()));
    let wallet = Arc::new(RemoteWallet::new(args.wallet_address.connect()));
    let rules = Arc::new(Rules::new(Arc::clone(&catalog)));
    let orders = Orders::start(Store::new(database), rules, catalog, wallet, env.clone());
    let wallet = RemoteRestore::new(args.wallet_address.connect());
    Ok(Reconciliation::new(orders, wallet, since, apply))
}

async fn connect(args: &Args) -> anyhow::Result<Database> {
    Database::connect(&args.renewal_database_url, Durability::Full)
        .await
        .context("could not connect to the renewal database")
}
