//! Starting the suite: its databases, and its services in one process or several.

use std::sync::Arc;

use clap::Parser as _;
use kernel::{Env, env::ManualClock};
use perennial::{serve, suite::SuiteArgs};
use platform::{identity::IdentityArgs, serve::ServeArgs};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    Backend, Layout, NO_SCHEDULES, SERVICES, Started, Suite, TestClock, secure::Proofs,
    settings::settings,
};
use crate::{
    clients::{Clients, channel},
    clock::FileClock,
    fixture::at,
    postgres,
    process::Process,
};

/// A command line with nothing but what the suite takes.
#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    suite: SuiteArgs,
    #[command(flatten)]
    identity: IdentityArgs,
}

/// The cluster of the test run, where it takes one.
pub(super) fn cluster_of(backend: Backend) -> String {
    match backend {
        Backend::Sqlite => String::new(),
        Backend::Postgres => postgres::address(),
    }
}

impl Suite {
    /// Starts the suite.
    pub async fn start(backend: Backend, layout: Layout) -> Self {
        Self::start_with(backend, layout, &[]).await
    }

    /// Starts the suite, with more `words` on its command line.
    pub async fn start_with(backend: Backend, layout: Layout, words: &[String]) -> Self {
        Self::start_on(&cluster_of(backend), backend, layout, words).await
    }

    /// The same; on PostgreSQL, in the cluster at `cluster`.
    pub async fn start_on(
        cluster: &str,
        backend: Backend,
        layout: Layout,
        words: &[String],
    ) -> Self {
        let (mut databases, folder) = settings(cluster, backend).await;
        databases.extend_from_slice(words);
        match layout {
            Layout::OneProcess => Self::in_one_process(databases, folder, &[]).await,
            Layout::OneProcessOfItsOwn => {
                Self::in_processes(&[&SERVICES], databases, folder, &NO_SCHEDULES, None)
            }
            Layout::FourProcesses => {
                let groups: Vec<_> = SERVICES.iter().map(std::slice::from_ref).collect();
                Self::in_processes(&groups, databases, folder, &NO_SCHEDULES, None)
            }
        }
    }

    /// Starts the suite in the test's own process, with callers who are asked who they are as `words` say.
    pub async fn start_asking(backend: Backend, words: &[String]) -> Self {
        let (databases, folder) = settings(&cluster_of(backend), backend).await;
        Self::in_one_process(databases, folder, words).await
    }

    /// In the test's own process, which is also told `more`.
    async fn in_one_process(databases: Vec<String>, folder: TempDir, more: &[String]) -> Self {
        let clock = ManualClock::at(at("2026-03-01 09:00"));
        let mut words = vec!["perennial".to_owned()];
        words.extend(SERVICES.map(str::to_owned));
        words.extend(databases.iter().chain(more).cloned());
        words.extend(NO_SCHEDULES.map(str::to_owned));
        let (port, stop) = serve_here(words, &clock).await;
        Self {
            clients: Clients::at(port),
            clock: TestClock::Manual(clock),
            databases,
            processes: Vec::new(),
            proofs: None,
            _stop: Some(stop),
            folder,
        }
    }

    /// Each of `groups` are the services of one process, which is also told `more`, and speaks TLS where there
    /// are `proofs` for it.
    pub(super) fn in_processes(
        groups: &[&[&'static str]],
        databases: Vec<String>,
        folder: TempDir,
        more: &[&str],
        proofs: Option<Proofs>,
    ) -> Self {
        let clock = folder.path().join("clock");
        FileClock::set(&clock, at("2026-03-01 09:00"));
        let scheme = if proofs.is_some() { "https" } else { "http" };
        let mut processes: Vec<Started> = Vec::new();
        for group in groups {
            let mut words: Vec<_> = group.iter().map(|&role| role.to_owned()).collect();
            words.extend(databases.iter().cloned());
            words.extend(more.iter().map(|&word| word.to_owned()));
            words.extend(["--service-name".to_owned(), group.join("+")]);
            words.extend(proofs.iter().flat_map(|proofs| proofs.words(group[0])));
            for Started { roles, process, .. } in &processes {
                let address = format!("{scheme}://127.0.0.1:{}", process.port);
                for other in roles.iter().filter(|role| **role != "scheduler") {
                    words.extend([format!("--{other}-address"), address.clone()]);
                }
            }
            let process = Process::start(&words, 0, &clock, None);
            processes.push(Started { roles: group.to_vec(), words, process });
        }
        let port = |service| port_of(&processes, service);
        let channel = |service| channel(port(service));
        let clients = Clients {
            catalog: channel("catalog"),
            wallet: channel("wallet"),
            wallet_port: port("wallet"),
            renewal: channel("renewal"),
            scheduler: channel("scheduler"),
        };
        let clock = TestClock::File(clock);
        Self { clients, clock, databases, processes, proofs, _stop: None, folder }
    }
}

/// Serves what `words` say in this process, and tells on which port and what stops it.
pub(super) async fn serve_here(words: Vec<String>, clock: &Arc<ManualClock>) -> (u16, DropGuard) {
    let Line { suite, identity } = Line::try_parse_from(words).expect("a good command line");
    let listen = "127.0.0.1:0".parse().expect("an address");
    let args = ServeArgs {
        listen,
        ops_listen: None,
        request_timeout_seconds: 30,
        connection_seconds: 0,
        drain_seconds: 0,
    };
    let env = Env::with_clock(Arc::clone(clock) as _);
    let stop = CancellationToken::new();
    let entrance = serve::entrance(&suite, &identity, listen.ip(), &env).await;
    let entrance = entrance.expect("callers may come in");
    let started = serve::start(suite, args, entrance, env, stop.clone()).await;
    let (address, _) = started.expect("the services start");
    (address.port(), stop.drop_guard())
}

/// Where the process of `service` listens.
pub(super) fn port_of(processes: &[Started], service: &str) -> u16 {
    let found = processes.iter().find(|started| started.roles.contains(&service));
    found.expect("every service is in a process").process.port
}
