//! The PostgreSQL cluster that the tests share, and databases in it.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use sea_orm::{ConnectionTrait as _, Database, Statement};
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

/// A cluster of a test's own, which keeps its promises to the disk, and can be away for a while.
#[derive(Debug)]
pub struct Cluster {
    /// Where it is.
    pub address: String,
    data: PathBuf,
    /// What the server was started with.
    options: String,
}

impl Cluster {
    /// Starts it. It stops with this process.
    pub async fn start() -> Self {
        let address = start_durable();
        let connection = Database::connect(&address).await.expect("the cluster is up");
        let shown = connection.query_one_raw(Statement::from_string(
            connection.get_database_backend(),
            "SHOW data_directory",
        ));
        let row = shown.await.expect("a setting").expect("a row");
        let data: String = row.try_get("", "data_directory").expect("a text");
        connection.close().await.expect("the cluster is up");
        let line = fs::read_to_string(format!("{data}/postmaster.opts")).expect("it is running");
        let (_, options) = line.trim().split_once(' ').expect("the server and its options");
        Self { address, options: options.to_owned(), data: data.into() }
    }

    /// Stops it at once, as when its machine fails: whoever is connected is cut off.
    pub fn stop(&self) {
        self.control(&["-m", "immediate", "stop"]);
    }

    /// Starts it again, and waits until it has recovered.
    pub fn start_again(&self) {
        let log = self.data.with_file_name("log");
        let log = log.to_str().expect("a plain name");
        self.control(&["-l", log, "-o", &self.options, "start"]);
    }

    fn control(&self, words: &[&str]) {
        let control = tool("pg_ctl");
        // PostgreSQL refuses to run as root.
        let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        let mut command = if is_root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(control);
            command
        } else {
            Command::new(control)
        };
        command.arg("-D").arg(&self.data).arg("-w").args(words).stdout(Stdio::null());
        assert!(command.status().expect("pg_ctl runs").success(), "{words:?}");
    }
}
