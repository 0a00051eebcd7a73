//! A collector of OpenTelemetry, which tells what it is sent.

use std::{
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

/// A span.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
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
    pub endpoint: String,
    lines: Receiver<String>,
    spans: Vec<Span>,
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
                // Nobody may be left who wants to know.
                let _ = sender.send(line);
            }
        });
        let endpoint = format!("http://{grpc}");
        Self { child, endpoint, lines, spans: Vec::new(), _folder: folder }
    }

    /// All spans so far, as soon as they are what `wanted` waits for.
    pub fn spans_until(&mut self, wanted: impl Fn(&[Span]) -> bool) -> &[Span] {
        let end = Instant::now() + PATIENCE;
        while !wanted(&self.spans) {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("what is waited for is not among {:#?}", self.spans);
            };
            self.take(&line);
        }
        &self.spans
    }

    fn take(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(':') else { return };
        let value = value.trim();
        match (name.trim(), self.spans.last_mut()) {
            ("Trace ID", _) => {
                self.spans.push(Span { trace: value.to_owned(), ..Span::default() });
            }
            ("Name", Some(span)) => value.clone_into(&mut span.name),
            ("-> rpc.method", Some(span)) => {
                let method = value.trim_start_matches("Str(/").trim_end_matches(')');
                span.method = Some(method.to_owned());
            }
            _ => {}
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // One that has ended already needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address on which nobody listens.
#[must_use]
pub fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}
