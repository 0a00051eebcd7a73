//! The catalog service: products, their rules of renewal, and what they cost.
//!
//! ```text
//! grpc ──▶ app ──▶ domain          grpc:   wire ⇄ commands, errors ⇒ statuses
//!           │                      app:    apply, look up, price; reads the clock
//!           └────▶ store           domain: reads documents, compares them; no I/O, no clock
//!                                  store:  keeps every version, adds and never changes
//! ```
//!
//! A vendor is a YAML document. What is applied is compiled once into a price book in memory, which
//! answers every question; replicas follow by version.
//!
//! **Invariant:** a price that has been in force never changes (M-8), and nothing here knows an
//! account or an instance.

mod app;
mod domain;
mod grpc;
mod store;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use kernel::Env;
use platform::database::{Database, DatabaseUrl, Durability};
use proto::catalog::v1::catalog_service_server::CatalogServiceServer;
use tonic::service::RoutesBuilder;

use self::{
    app::Catalogs,
    grpc::CatalogGrpc,
    store::{Migrator, Store},
};

/// What the catalog service needs to know to start.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "catalog")]
#[command(next_help_heading = "Catalog")]
pub struct Args {
    /// Database of the catalog service: `sqlite://FILE` or `postgres://USER@HOST/NAME`.
    #[arg(
        long,
        env = "PERENNIAL_CATALOG_DATABASE_URL",
        default_value = "sqlite://data/catalog.db",
        hide_env_values = true
    )]
    pub catalog_database_url: DatabaseUrl,

    /// Seconds after which a catalog applied at another replica is served here at the latest.
    #[arg(
        long,
        env = "PERENNIAL_CATALOG_FOLLOW_SECONDS",
        default_value_t = 2,
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    pub catalog_follow_seconds: u64,
}

/// Connects the database, compiles what it holds, and adds the service to `routes`. Answers with the
/// database, which is to be closed last.
pub async fn mount(args: &Args, env: Env, routes: &mut RoutesBuilder) -> anyhow::Result<Database> {
    let database = connect(args).await?;
    database.prepare::<Migrator>().await.context("the catalog schema is not ready")?;
    let catalogs = Catalogs::load(Store::new(database.clone()), env).await;
    let catalogs = Arc::new(catalogs.context("could not read the catalogs")?);
    app::keep_following(&catalogs, Duration::from_secs(args.catalog_follow_seconds));
    routes.add_service(CatalogServiceServer::new(CatalogGrpc::new(catalogs)));
    Ok(database)
}

/// Adds the same service to `routes` for an audit: it answers from the rows as they are, and what would
/// write fails. A database that is not there, or whose schema is older, is refused.
pub async fn mount_to_read(
    args: &Args,
    env: Env,
    routes: &mut RoutesBuilder,
) -> anyhow::Result<()> {
    let catalogs = load_to_read(args, env).await?.context("could not read the catalogs")?;
    routes.add_service(CatalogServiceServer::new(CatalogGrpc::new(Arc::new(catalogs))));
    Ok(())
}

/// Brings the schema of the catalog database up to date.
pub async fn migrate(args: &Args) -> anyhow::Result<()> {
    let database = connect(args).await?;
    database.migrate::<Migrator>().await.context("could not migrate the catalog database")
}

/// Says what is off in the catalog database: a stored catalog that can no longer be read. Only
/// reads, and refuses a database that is not there or whose schema is older.
pub async fn audit(args: &Args, env: &Env) -> anyhow::Result<Vec<String>> {
    match load_to_read(args, env.clone()).await? {
        Ok(_) => Ok(Vec::new()),
        Err(error @ store::StoreError::Unreadable(_)) => Ok(vec![format!("catalog: {error}")]),
        Err(error) => Err(error).context("could not read the catalogs"),
    }
}

/// What the database holds, which is only read.
async fn load_to_read(
    args: &Args,
    env: Env,
) -> anyhow::Result<Result<Catalogs, store::StoreError>> {
    let database = Database::open_to_read::<Migrator>(&args.catalog_database_url).await;
    let store = Store::new(database.context("cannot audit the catalog")?);
    Ok(Catalogs::load(store, env).await)
}

async fn connect(args: &Args) -> anyhow::Result<Database> {
    Database::connect(&args.catalog_database_url, Durability::Full)
        .await
        .context("could not connect to the catalog database")
}
