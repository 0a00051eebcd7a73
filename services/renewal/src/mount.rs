//! Puts the service together.

use std::sync::Arc;

use anyhow::Context as _;
use kernel::Env;
use platform::{
    client::Peer,
    database::{Database, DatabaseUrl, Durability},
};
use proto::renewal::{
    internal::v1::sweep_service_server::SweepServiceServer,
    v1::{
        account_service_server::AccountServiceServer, event_service_server::EventServiceServer,
        instance_service_server::InstanceServiceServer, order_service_server::OrderServiceServer,
    },
};
use tonic::service::RoutesBuilder;

use crate::{
    app::{
        Orders, Pricing, accounts::Accounts, audit, correction::Corrections, deliver::Deliveries,
        events::Events, instances::Instances, policies::Policies, registration::Registrations,
        rules::Rules,
    },
    grpc::{
        accounts::AccountGrpc, events::EventGrpc, instances::InstanceGrpc, orders::OrderGrpc,
        sweep::SweepGrpc,
    },
    remote::{RemoteCatalog, RemoteConsoles, RemoteWallet},
    store::{Migrator, Store},
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

    /// Where the catalog service is.
    #[arg(long, env = "PERENNIAL_CATALOG_ADDRESS", default_value = "http://127.0.0.1:50051")]
    pub catalog_address: Peer,

    /// Where the wallet service is.
    #[arg(long, env = "PERENNIAL_WALLET_ADDRESS", default_value = "http://127.0.0.1:50051")]
    pub wallet_address: Peer,
}

/// Connects to the database, sees to its schema, and adds the services to `routes`.
pub async fn mount(args: &Args, env: Env, routes: &mut RoutesBuilder) -> anyhow::Result<()> {
    let database = connect(args).await?;
    database.prepare::<Migrator>().await.context("the renewal database is not ready")?;
    let store = Store::new(database);
    let catalog: Arc<dyn Pricing> = Arc::new(RemoteCatalog::new(args.catalog_address.connect()));
    let wallet = Arc::new(RemoteWallet::new(args.wallet_address.connect()));
    let rules = Arc::new(Rules::new(Arc::clone(&catalog)));

    let orders = Orders::start(store.clone(), Arc::clone(&rules), catalog, wallet, env.clone());

    let accounts = Accounts::new(store.clone(), Arc::clone(&rules), env.clone());
    let instances = InstanceGrpc::new(
        Registrations::new(store.clone(), Arc::clone(&rules), env.clone()),
        Instances::new(store.clone(), Arc::clone(&rules), env.clone()),
        Policies::new(store.clone(), Arc::clone(&rules), env.clone()),
        Corrections::new(store.clone(), rules, env),
        orders.clone(),
    );
    routes.add_service(AccountServiceServer::new(AccountGrpc::new(accounts)));
    routes.add_service(InstanceServiceServer::new(instances));
    routes.add_service(OrderServiceServer::new(OrderGrpc::new(orders.clone())));
    let deliveries = Deliveries::new(orders.clone(), Arc::new(RemoteConsoles::default()));
    routes.add_service(SweepServiceServer::new(SweepGrpc::new(orders, deliveries)));
    routes.add_service(EventServiceServer::new(EventGrpc::new(Events::new(store))));
    Ok(())
}

/// Brings the schema up to date.
pub async fn migrate(args: &Args) -> anyhow::Result<()> {
    let database = connect(args).await?;
    database.migrate::<Migrator>().await.context("could not migrate the renewal database")
}

/// What must always hold of terms, claims and orders and does not, one sentence each, also against
/// the payments that the wallet at the other address has. Only reads, and refuses a database that
/// is not there or whose schema is older.
pub async fn audit(args: &Args, env: &Env) -> anyhow::Result<Vec<String>> {
    let database = Database::open_to_read::<Migrator>(&args.renewal_database_url).await;
    let store = Store::new(database.context("cannot audit the renewal service")?);
    let wallet = RemoteWallet::new(args.wallet_address.connect());
    let findings = audit::findings(&store, &wallet, env.now()).await;
    let findings = findings.context("could not audit the renewal database")?;
    Ok(findings.iter().map(ToString::to_string).collect())
}

async fn connect(args: &Args) -> anyhow::Result<Database> {
    Database::connect(&args.renewal_database_url, Durability::Full)
        .await
        .context("could not connect to the renewal database")
}
