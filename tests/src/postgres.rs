//! The PostgreSQL cluster that the tests share, and databases in it.

use std::{fs, path::PathBuf, process::Command, thread};

use sea_orm::{ConnectionTrait as _, Database};
use tempfile::NamedTempFile;

/// The variable in which `tests/postgres.sh` tells the address of the cluster.
const VARIABLE: &str = "PERENNIAL_TEST_POSTGRES";

/// The address of the cluster that the test runner started.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the test runner's set-up script tells it so")]
pub fn address() -> String {
    std::env::var(VARIABLE)
        .expect("run the tests with `cargo nextest run`, which starts PostgreSQL")
}

/// Starts a cluster that keeps its promises to the disk, and tells its address. It stops with this
/// process.
#[must_use]
pub fn start_durable() -> String {
    let told = NamedTempFile::new().expect("a temporary file");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/postgres.sh");
    let status = Command::new(script).env("NEXTEST_ENV", told.path()).env("DURABLE", "1").status();
    assert!(status.expect("the script runs").success(), "PostgreSQL starts");
    let line = fs::read_to_string(told.path()).expect("the script tells the address");
    line.trim().strip_prefix(&format!("{VARIABLE}=")).expect("the script tells it so").to_owned()
}

/// Where PostgreSQL's own `tool` is.
#[must_use]
pub fn tool(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let found =
        versions.filter_map(Result::ok).map(|version| version.path().join("bin").join(name));
    found.filter(|path| path.exists()).max().expect("PostgreSQL has the tool")
}

/// Makes an empty database `name` in the cluster at `address`, and tells its URL.
pub async fn create_database(address: &str, name: &str) -> String {
    let cluster = Database::connect(address).await.expect("the cluster is up");
    // A name made of letters, digits and underscores needs no quotes.
    cluster.execute_unprepared(&format!("CREATE DATABASE {name}")).await.expect("a new database");
    cluster.close().await.expect("the cluster is up");
    address_of(address, name)
}

/// Databases that go with the suite they were made for: hundreds of suites would fill the disk.
#[derive(Debug, Default)]
pub struct Cleanup(Vec<String>);

impl Cleanup {
    /// Sees to the databases at these `urls`; those of SQLite go with their folder.
    #[must_use]
    pub fn of(urls: &[String]) -> Self {
        Self(urls.iter().filter(|url| url.starts_with("postgres://")).cloned().collect())
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        let urls = std::mem::take(&mut self.0);
        if urls.is_empty() {
            return;
        }
        // A thread of its own, because the test's runtime may be ending.
        let dropped = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(drop_databases(&urls));
        });
        dropped.join().ok();
    }
}

async fn drop_databases(urls: &[String]) {
    let address = address_of(&urls[0], "postgres");
    let Ok(cluster) = Database::connect(address).await else { return };
    for url in urls {
        let (_, name) = url.rsplit_once('/').expect("the address names a database");
        let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        if let Err(error) = cluster.execute_unprepared(&sql).await {
            eprintln!("{name} is left behind: {error}");
        }
    }
}

fn address_of(url: &str, name: &str) -> String {
    let (server, _) = url.rsplit_once('/').expect("the address names a database");
    format!("{server}/{name}")
}
