//! A nats-server of a test's own, which can be away for a while.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use async_nats::{ConnectOptions, header::NATS_MESSAGE_ID, jetstream};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

/// The variable in which `tests/nats.sh` tells where the server's program is.
const VARIABLE: &str = "PERENNIAL_TEST_NATS";

/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// The stream that events are published to.
const STREAM: &str = "PERENNIAL";

/// A server with JetStream, until it is dropped.
#[derive(Debug)]
pub struct Nats {
    child: Child,
    port: u16,
    /// More words of its command line.
    words: Vec<String>,
    /// The authority of its certificate, if it speaks TLS.
    authority: Option<PathBuf>,
    folder: TempDir,
}

/// A message of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it was published.
    pub subject: String,
    /// What tells it from others.
    pub id: String,
    /// The body, which is JSON.
    pub body: serde_json::Value,
}

impl Nats {
    /// Starts a server without TLS.
    #[must_use]
    pub fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let (child, port) = run(&folder, None, &[]);
        Self { child, port, words: Vec::new(), authority: None, folder }
    }

    /// Starts a server that nobody speaks to without TLS.
    #[must_use]
    pub fn start_with_tls() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let authority = authority();
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]);
        let certificate = params.expect("good names").signed_by(&key, &authority);
        let keep = |name: &str, pem: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, pem).expect("the folder is ours");
            path
        };
        let certificate = keep("tls.crt", certificate.expect("a certificate").pem());
        let key = keep("tls.key", key.serialize_pem());
        let authority = keep("ca.crt", authority.pem());
        let words = ["--tls", "--tlscert", path(&certificate), "--tlskey", path(&key)];
        let words: Vec<_> = words.map(str::to_owned).into();
        let (child, port) = run(&folder, None, &words);
        Self { child, port, words, authority: Some(authority), folder }
    }

    /// What the command line of a suite says to publish to it.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let scheme = if self.authority.is_some() { "tls" } else { "nats" };
        let mut words =
            vec!["--nats-url".to_owned(), format!("{scheme}://127.0.0.1:{}", self.port)];
        if let Some(authority) = &self.authority {
            words.extend(["--nats-ca-file".to_owned(), authority.display().to_string()]);
        }
        words
    }

    /// The same, trusting an authority that has nothing to do with it.
    #[must_use]
    pub fn words_of_a_stranger(&self) -> Vec<String> {
        let file = self.folder.path().join("stranger.crt");
        std::fs::write(&file, authority().pem()).expect("the folder is ours");
        let [url, address] = [0, 1].map(|word| self.words()[word].clone());
        vec![url, address, "--nats-ca-file".to_owned(), file.display().to_string()]
    }

    /// Kills it, as `kill -9` does.
    pub fn stop(&mut self) {
        // One that has ended already needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again where it was.
    pub fn start_again(&mut self) {
        (self.child, _) = run(&self.folder, Some(self.port), &self.words);
    }

    /// Makes the stream before anybody else does, as one that knows what was published twice for no longer
    /// than a moment.
    pub async fn make_forgetful_stream(&self) {
        let config = jetstream::stream::Config {
            name: STREAM.to_owned(),
            subjects: vec!["perennial.renewal.>".to_owned()],
            duplicate_window: Duration::from_millis(100),
            ..jetstream::stream::Config::default()
        };
        self.context().await.create_stream(config).await.expect("there is none yet");
    }

    /// How much was published.
    pub async fn count(&self) -> usize {
        let Ok(stream) = self.context().await.get_stream(STREAM).await else { return 0 };
        usize::try_from(stream.cached_info().state.messages).expect("not too many")
    }

    /// Everything that was published, in order.
    pub async fn messages(&self) -> Vec<Message> {
        let Ok(stream) = self.context().await.get_stream(STREAM).await else { return Vec::new() };
        let mut messages = Vec::new();
        for sequence in 1..=stream.cached_info().state.last_sequence {
            let message = stream.get_raw_message(sequence).await.expect("nothing is deleted");
            messages.push(Message {
                subject: message.subject.to_string(),
                id: message.headers.get(NATS_MESSAGE_ID).expect("each has an id").to_string(),
                body: serde_json::from_slice(&message.payload).expect("the body is JSON"),
            });
        }
        messages
    }

    async fn context(&self) -> jetstream::Context {
        let mut options = ConnectOptions::new();
        if let Some(authority) = &self.authority {
            options = options.add_root_certificates(authority.clone()).require_tls(true);
        }
        let client = options.connect(format!("127.0.0.1:{}", self.port)).await;
        jetstream::new(client.expect("the server is there"))
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.stop();
    }
}

fn path(path: &std::path::Path) -> &str {
    path.to_str().expect("a plain name")
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("an authority")
}

/// Starts the server on `port` (none: any), waits until it is ready, and tells on which port it is.
#[expect(clippy::disallowed_methods, reason = "the test runner's set-up script tells it so")]
fn run(folder: &TempDir, port: Option<u16>, words: &[String]) -> (Child, u16) {
    let program = std::env::var(VARIABLE)
        .expect("run the tests with `cargo nextest run`, which installs nats-server");
    let mut command = Command::new(program);
    command.args(["--addr", "127.0.0.1", "--jetstream", "--store_dir", path(folder.path())]);
    command.args(["--port", &port.map_or("-1".to_owned(), |port| port.to_string())]).args(words);
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the server starts");
    let log = child.stderr.take().expect("standard error is piped");
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut port = None;
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if let Some((_, found)) = line.split_once("client connections on 127.0.0.1:") {
                port = found.trim().parse().ok();
            }
            if let Some(port) = port.filter(|_| line.contains("Server is ready")) {
                // Nobody waits for it twice.
                let _ = sender.send(port);
            }
        }
    });
    (child, receiver.recv_timeout(PATIENCE).expect("the server says that it is ready"))
}
