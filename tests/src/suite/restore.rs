//! Databases that are copied while the suite lives, and put back later.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use chrono::{DateTime, Utc};
use clap::Parser as _;
use kernel::{Env, env::ManualClock};
use perennial::{
    reconcile::{Difference, ReconcileArgs, reconcile},
    suite::{Role, SuiteArgs},
};
use platform::database::{DatabaseUrl, copy};

use super::Suite;
use crate::{fixture::new_id, postgres};

/// The database of a service as it was at one moment.
#[derive(Debug)]
pub struct Copy {
    service: &'static str,
    file: PathBuf,
}

/// A command line with nothing but what the suite takes.
#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    suite: SuiteArgs,
}

impl Suite {
    fn database_of(&self, service: &str) -> &str {
        let setting = format!("--{service}-database-url");
        let mut words = self.databases.iter().skip_while(|word| **word != setting);
        words.nth(1).expect("each service has a database")
    }

    /// Copies the database of `service` as it is now, as the operator's guide says.
    pub async fn copy(&self, service: &'static str) -> Copy {
        let file = self.folder.path().join(format!("{service}-{}", new_id()));
        let url = self.database_of(service);
        match schema_of(url) {
            None => {
                let url: DatabaseUrl = url.parse().expect("a database");
                copy(&url, &file).await.expect("a copy");
            }
            Some((cluster, schema)) => {
                let mut dump = Command::new(postgres::tool("pg_dump"));
                dump.args(["--schema", schema, "--dbname", cluster, "--file"]).arg(&file);
                assert!(dump.status().expect("pg_dump runs").success());
            }
        }
        Copy { service, file }
    }

    /// Puts a copy in the place of the database that it is of. Nothing serves meanwhile.
    pub fn put_back(&mut self, copy: &Copy) {
        self.kill(copy.service);
        let url = self.database_of(copy.service);
        match schema_of(url) {
            None => {
                let file = url.trim_start_matches("sqlite://");
                for ending in ["-wal", "-shm"] {
                    // What is not there needs not be taken away.
                    let _ = fs::remove_file(format!("{file}{ending}"));
                }
                fs::copy(&copy.file, Path::new(file)).expect("the file is ours");
            }
            Some((cluster, schema)) => {
                let mut restore = Command::new(postgres::tool("psql"));
                restore.args(["--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1"]);
                restore.args(["--dbname", cluster, "--command"]);
                restore.arg(format!("DROP SCHEMA {schema} CASCADE")).arg("--file").arg(&copy.file);
                assert!(restore.status().expect("psql runs").success());
            }
        }
    }

    /// What `perennial reconcile` says of what changed since `since`, one difference a line, by account and
    /// amount; it makes good what it can, if it is to `apply`.
    pub async fn reconcile(&self, since: DateTime<Utc>, apply: bool) -> Vec<String> {
        let mut told = Vec::new();
        let tell = |page: Vec<Difference>| {
            told.extend(page.into_iter().map(|it| {
                let amount = it.amount.map_or(String::new(), |amount| amount.to_string());
                let (wallet, renewal, remedy) = (it.wallet, it.renewal, it.remedy);
                format!("{} {amount}: {wallet}; {renewal}: {remedy}: {}", it.account, it.ending)
            }));
            Ok(())
        };
        let args = self.reconciled(since, apply, false);
        reconcile(args, &self.env(), tell).await.expect("it is reconciled");
        told.sort();
        told
    }

    /// Has `perennial reconcile` raise the versions of all instances: of how many.
    pub async fn raise_versions(&self) -> u64 {
        let args = self.reconciled(self.now(), true, true);
        let raised = reconcile(args, &self.env(), |_| Ok(())).await.expect("it is reconciled");
        raised.expect("versions are raised")
    }

    fn reconciled(&self, since: DateTime<Utc>, apply: bool, raise_versions: bool) -> ReconcileArgs {
        let mut words = vec!["perennial"];
        words.extend([Role::Catalog, Role::Wallet, Role::Renewal].map(Role::name));
        words.extend(self.databases.iter().map(String::as_str));
        let suite = Line::try_parse_from(words).expect("a good command line").suite;
        ReconcileArgs { suite, since: since.fixed_offset(), apply, raise_versions }
    }

    fn env(&self) -> Env {
        Env::with_clock(ManualClock::at(self.now()))
    }
}

/// The cluster and the schema that a URL of PostgreSQL names.
fn schema_of(url: &str) -> Option<(&str, &str)> {
    url.split_once("?options=-csearch_path%3D")
}
