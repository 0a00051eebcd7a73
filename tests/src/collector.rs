//! A collector of OpenTelemetry, which tells what it is sent.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// The variable in which `tests/rotel.sh` tells where it is.
const VARIABLE: &str = "PERENNIAL_TEST_ROTEL";

/// How long what is waited for may take to arrive: processes send it every few seconds.
const PATIENCE: Duration = Duration::from_secs(40);

/// How the lines begin from which anybody learns anything.
const LINES: [&str; 4] = ["-> service.name", "Trace ID", "Name", "-> rpc.method"];

/// A span.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    /// The service that it was in.
    pub service: String,
    /// The trace that it belongs to.
    pub trace: String,
    /// Its name.
    pub name: String,
    /// The method of gRPC that it answers, if it does.
    pub method: Option<String>,
}

/// A running collector, stopped when it is dropped.
#[derive(Debug)]
pub struct Collector {
    child: Child,
    /// Where it takes what it is sent.
    endpoint: String,
    lines: Receiver<String>,
    spans: Vec<Span>,
    /// The service that spans are of until it tells of another.
    service: String,
    _folder: TempDir,
}

impl Collector {
    /// Starts it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the test runner's set-up script tells it so")]
    pub fn start() -> Self {
        let agent: PathBuf = std::env::var(VARIABLE).expect("run with `cargo nextest run`").into();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [grpc, http] = [(); 2].map(|()| free_address());
        let mut command = Command::new(agent);
        command.args(["start", "--exporter", "blackhole", "--debug-log", "traces"]);
        command.args(["--debug-log-verbosity", "detailed"]);
        command.args(["--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http]);
        command.arg("--pid-file").arg(folder.path().join("pid"));
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the collector starts");
        let told = child.stdout.take().expect("standard output is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(told).lines().map_while(Result::ok) {
                if LINES.iter().any(|start| line.trim_start().starts_with(start)) {
                    // Nobody may be left who wants to know.
                    let _ = sender.send(line);
                }
            }
        });
        let endpoint = format!("http://{grpc}");
        let (spans, service) = (Vec::new(), String::new());
        Self { child, endpoint, lines, spans, service, _folder: folder }
    }

    /// What a suite is started with that sends it all.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        vec!["--otlp-endpoint".to_owned(), self.endpoint.clone()]
    }

    /// All spans so far, as soon as they are what `wanted` waits for.
    pub fn spans_until(&mut self, wanted: impl Fn(&[Span]) -> bool) -> &[Span] {
        let end = Instant::now() + PATIENCE;
        loop {
            while let Ok(line) = self.lines.try_recv() {
                self.take(&line);
            }
            if wanted(&self.spans) {
                return &self.spans;
            }
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                let last = self.spans.len().saturating_sub(50);
                panic!(
                    "what is waited for is not among {last} spans and {:#?}",
                    &self.spans[last..]
                );
            };
            self.take(&line);
        }
    }

    fn take(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(':') else { return };
        let value = value.trim();
        match (name.trim(), self.spans.last_mut()) {
            ("-> service.name", _) => text(value).clone_into(&mut self.service),
            ("Trace ID", _) => {
                let (service, trace) = (self.service.clone(), value.to_owned());
                self.spans.push(Span { service, trace, ..Span::default() });
            }
            ("Name", Some(span)) => value.clone_into(&mut span.name),
            ("-> rpc.method", Some(span)) => {
                span.method = Some(text(value).trim_start_matches('/').to_owned());
            }
            _ => {}
        }
    }
}

/// The text that `value` stands for.
fn text(value: &str) -> &str {
    value.strip_prefix("Str(").and_then(|value| value.strip_suffix(')')).unwrap_or(value)
}

impl Drop for Collector {
    fn drop(&mut self) {
        // One that has ended already needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The services that have spans of `trace`.
#[must_use]
pub fn services_of<'s>(spans: &'s [Span], trace: &str) -> BTreeSet<&'s str> {
    let of = spans.iter().filter(|span| span.trace == trace);
    of.map(|span| span.service.as_str()).collect()
}

/// An address on which nobody listens.
#[must_use]
pub fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}
