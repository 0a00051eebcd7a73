//! The PostgreSQL cluster that the tests share, and databases in it.

use std::{fs, path::PathBuf, process::Command};

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

/// Makes an empty schema `name` in the cluster at `address`, and tells the URL of a database that
/// has nothing else. Making a whole database costs a checkpoint, which hundreds of tests would feel.
pub async fn create_database(address: &str, name: &str) -> String {
    let cluster = Database::connect(address).await.expect("the cluster is up");
    // A name made of letters, digits and underscores needs no quotes.
    cluster.execute_unprepared(&format!("CREATE SCHEMA {name}")).await.expect("a new schema");
    cluster.close().await.expect("the cluster is up");
    format!("{address}?options=-csearch_path%3D{name}")
}
