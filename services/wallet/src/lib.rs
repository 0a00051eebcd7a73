//! The wallet service: the cash and vouchers of accounts, what they pay, and the ledger of all that
//! moves.
//!
//! ```text
//! grpc ──▶ app ──▶ domain          grpc:   wire ⇄ commands, errors ⇒ statuses
//! http ────▶│                      http:   the callbacks of channels that speak no gRPC
//!           │                      app:    load, decide, save; reads the clock
//!           └────▶ store           domain: decides; no I/O, no clock
//!                                  store:  keeps what was decided, atomically
//! ```
//!
//! **Invariant:** no balance falls below zero, every movement is one row with a debit and a credit,
//! and a payment id is paid once, whoever asks and how often (W-2, O-3).

mod app;
mod channels;
mod domain;
mod grpc;
mod http;
mod store;
mod wire;

use std::path::PathBuf;

use anyhow::Context as _;
use kernel::Env;
use platform::database::{Database, DatabaseUrl, Durability};
use tonic::service::RoutesBuilder;

use self::{
    app::Wallets,
    domain::Channels,
    grpc::WalletGrpc,
    store::{Migrator, Store},
};

/// What the wallet service needs to know to start.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Wallet")]
#[group(id = "wallet")]
pub struct Args {
    /// Database of the wallet service: `sqlite://FILE` or `postgres://USER@HOST/NAME`.
    #[arg(
        long,
        env = "PERENNIAL_WALLET_DATABASE_URL",
        default_value = "sqlite://data/wallet.db",
        hide_env_values = true
    )]
    pub wallet_database_url: DatabaseUrl,

    /// File of the payment channels: their names, currencies, and where their secrets are; without
    /// it there are none. See `CONTRIBUTING.md` for its fields.
    #[arg(long, env = "PERENNIAL_WALLET_CHANNELS", value_name = "FILE")]
    pub wallet_channels: Option<PathBuf>,
}

/// Connects to the database, sees to its schema, and adds the services and the route of
/// the channels' callbacks to `routes`. Answers with the database, which is to be closed last.
///
/// On SQLite the schema is brought up to date; on PostgreSQL an older one is refused, because only
/// [`migrate`] changes it.
pub async fn mount(args: &Args, env: Env, routes: &mut RoutesBuilder) -> anyhow::Result<Database> {
    let channels = channels::load(args.wallet_channels.as_deref())?;
    let database = connect(args).await?;
    database.prepare::<Migrator>().await.context("the wallet database is not ready")?;
    outbox::begin(&database).await.context("the wallet's events are not ready")?;
    let wallets = Wallets::start(Store::new(database.clone()), env, channels);
    WalletGrpc::new(wallets.clone()).add_to(routes);
    let all = std::mem::take(routes).routes().into_axum_router();
    *routes = all.merge(http::routes(wallets)).into();
    Ok(database)
}

/// Adds the same services to `routes` for an audit: they answer from the rows as they are, and what
/// would write fails. A database that is not there, or whose schema is older, is refused.
pub async fn mount_to_read(
    args: &Args,
    env: Env,
    routes: &mut RoutesBuilder,
) -> anyhow::Result<()> {
    let database = Database::open_to_read::<Migrator>(&args.wallet_database_url).await;
    let database = database.context("cannot audit the wallet")?;
    let wallets = Wallets::start(Store::new(database), env, Channels::default());
    WalletGrpc::new(wallets).add_to(routes);
    Ok(())
}

/// Brings the schema up to date.
pub async fn migrate(args: &Args) -> anyhow::Result<()> {
    let database = connect(args).await?;
    database.migrate::<Migrator>().await.context("could not migrate the wallet database")
}

/// What must always hold of the wallet and does not, one sentence each: balances against their
/// entries, vouchers against what was issued, payments against their parts, and the chains of
/// hashes (W-2, V-4, V-5). Only
/// reads, and refuses a database that is not there or whose schema is older. Every service's audit
/// is given the environment; nothing here depends on the time.
pub async fn audit(args: &Args, _env: &Env) -> anyhow::Result<Vec<String>> {
    let database = Database::open_to_read::<Migrator>(&args.wallet_database_url).await;
    let audited = Store::new(database.context("cannot audit the wallet")?).audit(None).await;
    let audited = audited.context("could not audit the wallet database")?;
    Ok(audited.findings.iter().map(ToString::to_string).collect())
}

/// What is as it should be in the wallet and still needs somebody, one sentence each: refunds whose
/// channel has kept silent for a week (O-6). Reads as [`audit`] does.
pub async fn notices(args: &Args, env: &Env) -> anyhow::Result<Vec<String>> {
    let database = Database::open_to_read::<Migrator>(&args.wallet_database_url).await;
    let store = Store::new(database.context("cannot audit the wallet")?);
    let notices = store.notices(None, env.now() - domain::PATIENCE).await;
    let notices = notices.context("could not audit the wallet database")?;
    Ok(notices.iter().map(ToString::to_string).collect())
}

async fn connect(args: &Args) -> anyhow::Result<Database> {
    Database::connect(&args.wallet_database_url, Durability::Full)
        .await
        .context("could not connect to the wallet database")
}

#[cfg(test)]
mod tests;
