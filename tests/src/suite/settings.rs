//! What the command line of every suite says: its databases, and its payment channels.

use std::{fs, path::Path};

use clap::Parser as _;
use kernel::Env;
use perennial::Cli;
use tempfile::TempDir;

use super::{Backend, SERVICES};
use crate::{fixture::new_id, postgres};

/// The payment channel `sandbox` as words of the command line.
fn channels(folder: &Path) -> [String; 2] {
    let file = folder.join("channels.yaml");
    fs::write(folder.join("secret"), SANDBOX_SECRET).expect("the folder is ours");
    fs::write(&file, CHANNELS).expect("the folder is ours");
    ["--wallet-channels".to_owned(), file.display().to_string()]
}

/// What the payment channel `sandbox` signs with.
pub const SANDBOX_SECRET: &str = "whsec_c2FuZGJveC1zZWNyZXQtb2YtdGhlLXRlc3Rz";

/// The payment channels of every suite.
const CHANNELS: &str = "
channels:
  - name: sandbox
    currencies: [CNY]
    intent_minutes: 30
    secrets: [{ file: secret }]
  - name: dollars
    currencies: [USD]
    intent_minutes: 10
    secrets: [{ file: secret }]
";

/// What the command line says of databases and of what else tests need, and the folder of the suite.
pub async fn settings(cluster: &str, backend: Backend) -> (Vec<String>, TempDir) {
    let folder = TempDir::new().expect("a temporary folder");
    let mut words = databases(cluster, backend, folder.path()).await;
    words.extend(channels(folder.path()));
    words.push("--allow-private-webhooks".to_owned());
    words.extend(["--event-watchers".to_owned(), "10".to_owned()]);
    (words, folder)
}

/// Database settings as words of the command line; databases on PostgreSQL are made and migrated.
async fn databases(cluster: &str, backend: Backend, folder: &Path) -> Vec<String> {
    let mut words = Vec::new();
    let unique = new_id().replace('-', "");
    for role in SERVICES {
        let url = match backend {
            Backend::Sqlite => format!("sqlite://{}", folder.join(format!("{role}.db")).display()),
            Backend::Postgres => {
                postgres::create_database(cluster, &format!("t{unique}_{role}")).await
            }
        };
        words.extend([format!("--{role}-database-url"), url]);
    }
    let mut migrate = vec!["perennial".to_owned(), "migrate".to_owned()];
    migrate.extend(SERVICES.map(str::to_owned));
    migrate.extend(words.iter().cloned());
    let cli = Cli::try_parse_from(migrate).expect("a good command line");
    perennial::run(cli, Env::system()).await;
    words
}
