//! Which services run in this process, and how they reach their databases and each other.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel::Env;
use platform::{
    client::{Credentials, CredentialsArgs, Peer},
    database::{Database, DatabaseUrl},
    memory::{MemoryConnector, MemoryListener},
    serve::{Entrance, Serving},
};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::service::{Routes, RoutesBuilder};

/// One of the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Products, prices and quotes.
    Catalog,
    /// Instances and orders.
    Renewal,
    /// Money.
    Wallet,
    /// When to sweep.
    Scheduler,
}

impl Role {
    /// Every service, those that others call first.
    pub const ALL: [Self; 4] = [Self::Catalog, Self::Wallet, Self::Renewal, Self::Scheduler];

    /// Its name on the command line and in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Renewal => "renewal",
            Self::Wallet => "wallet",
            Self::Scheduler => "scheduler",
        }
    }
}

/// Which services, and what each needs to know.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "suite")]
pub struct SuiteArgs {
    /// Services to run, each on its own database URL and with the others by address; none named:
    /// all four, on SQLite files in the data folder.
    #[arg(value_enum)]
    pub roles: Vec<Role>,

    /// Folder of the SQLite files where no service is named.
    #[arg(long, env = "PERENNIAL_DATA_DIR", default_value = "data")]
    pub data_dir: PathBuf,

    /// The catalog.
    #[command(flatten)]
    pub catalog: catalog::Args,

    /// The renewal service.
    #[command(flatten)]
    pub renewal: renewal::Args,

    /// The wallet.
    #[command(flatten)]
    pub wallet: wallet::Args,

    /// The scheduler.
    #[command(flatten)]
    pub scheduler: scheduler::Args,

    /// By what the other processes of the suite know this one, and it them.
    #[command(flatten)]
    pub credentials: CredentialsArgs,
}

impl SuiteArgs {
    /// Says outright what naming no service stands for, and makes the data folder if it is needed
    /// and not there.
    pub fn settle(&mut self) -> anyhow::Result<()> {
        if self.roles.is_empty() {
            let folder = &self.data_dir;
            std::fs::create_dir_all(folder)
                .with_context(|| format!("could not make the folder {}", folder.display()))?;
        }
        self.name_all()
    }

    /// Says outright what naming no service stands for: all of them, with their databases in the
    /// data folder. Fails where a database is named all the same.
    pub fn name_all(&mut self) -> anyhow::Result<()> {
        if !self.roles.is_empty() {
            return Ok(());
        }
        // Looked for elsewhere, money would be found in the wrong place, or none.
        if let Some(role) = Role::ALL.into_iter().find(|role| !self.is_by_default(*role)) {
            let name = role.name();
            anyhow::bail!(
                "--{name}-database-url is for services that are named: name them ({name}, or all four), \
                 or leave it out"
            );
        }
        self.roles = Role::ALL.to_vec();
        self.catalog.catalog_database_url = file(&self.data_dir, Role::Catalog)?;
        self.renewal.renewal_database_url = file(&self.data_dir, Role::Renewal)?;
        self.wallet.wallet_database_url = file(&self.data_dir, Role::Wallet)?;
        self.scheduler.scheduler_database_url = file(&self.data_dir, Role::Scheduler)?;
        Ok(())
    }

    /// Where the database of `role` is.
    #[must_use]
    pub const fn database_url(&self, role: Role) -> &DatabaseUrl {
        match role {
            Role::Catalog => &self.catalog.catalog_database_url,
            Role::Renewal => &self.renewal.renewal_database_url,
            Role::Wallet => &self.wallet.wallet_database_url,
            Role::Scheduler => &self.scheduler.scheduler_database_url,
        }
    }

    /// Whether nothing says where the database of `role` is.
    fn is_by_default(&self, role: Role) -> bool {
        self.database_url(role).as_str() == format!("sqlite://data/{}.db", role.name())
    }

    /// Whether this process runs `role`.
    #[must_use]
    pub fn runs(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Puts the services of this process together. They reach each other through `memory` and the
    /// others by address.
    pub async fn mount(
        &self,
        env: &Env,
        (connector, listener): (MemoryConnector, MemoryListener),
        entrance: Entrance,
    ) -> anyhow::Result<Serving> {
        let mut routes = Routes::builder();
        let wired = self.wired(&connector)?;
        let mut databases = Vec::new();
        for role in Role::ALL.into_iter().filter(|&role| self.runs(role)) {
            let mounted = wired.mount_one(role, env.clone(), &mut routes).await;
            let database =
                mounted.with_context(|| format!("could not start the {} service", role.name()))?;
            databases.push(database);
        }
        Ok(Serving {
            routes: routes.routes(),
            names: self.service_names()?,
            descriptors: proto::PUBLIC_DESCRIPTORS,
            counted: proto::DESCRIPTORS,
            memory: Some(listener),
            databases,
            entrance,
        })
    }

    /// The same, with the services of this process reached in memory, and the others with the
    /// credentials of this process.
    pub fn wired(&self, connector: &MemoryConnector) -> anyhow::Result<Self> {
        let mut wired = self.clone();
        let credentials = Credentials::read(&self.credentials)?;
        let Self { renewal, scheduler, .. } = &mut wired;
        renewal.credentials = credentials.without_token();
        for address in [
            &mut renewal.catalog_address,
            &mut renewal.wallet_address,
            &mut scheduler.renewal_address,
        ] {
            *address = address.clone().with(&credentials);
        }
        let here = || Peer::Memory(connector.clone());
        if self.runs(Role::Catalog) {
            wired.renewal.catalog_address = here();
        }
        if self.runs(Role::Wallet) {
            wired.renewal.wallet_address = here();
        }
        if self.runs(Role::Renewal) {
            wired.scheduler.renewal_address = here();
        }
        wired.scheduler.wallet_address = Some(wired.renewal.wallet_address.clone());
        Ok(wired)
    }

    async fn mount_one(
        &self,
        role: Role,
        env: Env,
        routes: &mut RoutesBuilder,
    ) -> anyhow::Result<Database> {
        match role {
            Role::Catalog => catalog::mount(&self.catalog, env, routes).await,
            Role::Renewal => renewal::mount(&self.renewal, env, routes).await,
            Role::Wallet => wallet::mount(&self.wallet, env, routes).await,
            Role::Scheduler => scheduler::mount(&self.scheduler, env, routes).await,
        }
    }

    /// Full names of the public services of this process.
    fn service_names(&self) -> anyhow::Result<Vec<String>> {
        let descriptors = FileDescriptorSet::decode(proto::PUBLIC_DESCRIPTORS)?;
        let mut names = Vec::new();
        for file in &descriptors.file {
            let package = file.package();
            let ours = |role: &Role| package.starts_with(&format!("perennial.{}.", role.name()));
            if self.roles.iter().any(ours) {
                names.extend(
                    file.service.iter().map(|service| format!("{package}.{}", service.name())),
                );
            }
        }
        Ok(names)
    }
}

fn file(folder: &Path, role: Role) -> anyhow::Result<DatabaseUrl> {
    Ok(format!("sqlite://{}", folder.join(format!("{}.db", role.name())).display()).parse()?)
}

#[cfg(test)]
mod tests;
