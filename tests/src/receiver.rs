//! A receiver of webhooks on loopback: it answers as it is told, and remembers what it was sent.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue};

/// A request that was sent to the receiver.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The path, with the query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Sent {
    /// The body, which is JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

/// A receiver, until it is dropped.
#[derive(Debug, Clone)]
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    code: u16,
    sent: Vec<Sent>,
}

impl Receiver {
    /// Starts a receiver that takes everything.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State { code: 204, sent: Vec::new() }));
        let weak = Arc::downgrade(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Some(state) = weak.upgrade() else { return };
                // A request that ends in the middle is none.
                tokio::spawn(async move { answer(stream, &state).await.ok() });
            }
        });
        Self { address, state }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// Answers with this code from now on.
    pub fn answers(&self, code: u16) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).code = code;
    }

    /// What it was sent so far.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).sent.clone()
    }
}

async fn answer(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut bytes = Vec::new();
    let end = loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let (path, headers) = head(&String::from_utf8_lossy(&bytes[..end]));
    let length = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    let mut body = bytes.split_off(end + 4);
    while body.len() < length.unwrap_or(0) {
        if stream.read_buf(&mut body).await? == 0 {
            return Ok(());
        }
    }
    let code = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.sent.push(Sent { path, headers, body });
        state.code
    };
    stream.write_all(format!("HTTP/1.1 {code} X\r\ncontent-length: 0\r\n\r\n").as_bytes()).await?;
    stream.shutdown().await
}

/// The path and the headers of a request.
fn head(text: &str) -> (String, HeaderMap) {
    let mut lines = text.split("\r\n");
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?))
    };
    (path, lines.filter_map(header).collect())
}
