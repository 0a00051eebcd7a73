//! One service, several processes: each call goes to the next of the addresses that its name leads to.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpStream, lookup_host},
    sync::watch,
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use tonic::{
    body::Body,
    codegen::{
        Service, StdError,
        http::{Request, Response, Uri},
    },
    transport::{Channel, Endpoint},
};

use super::{Deadlines, credentials::Tls};

/// How often a name is looked up anew.
const LOOK_UP: Duration = Duration::from_secs(5);

/// The most addresses of one name; more are left out.
const MOST: usize = 64;

/// Connections to all addresses of a service, taken in turn. Cloning is cheap, and clones share the
/// connections and the turn.
#[derive(Clone)]
pub struct Balanced {
    channels: watch::Receiver<Arc<[Channel]>>,
    turn: Arc<AtomicUsize>,
    patience: Duration,
    /// Ends the looking up with the last clone.
    _alive: Arc<()>,
}

impl fmt::Debug for Balanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connections = self.channels.borrow().len();
        f.debug_struct("Balanced").field("connections", &connections).finish_non_exhaustive()
    }
}

/// The name of a service leads nowhere.
#[derive(Debug, thiserror::Error)]
#[error("the name of the service leads nowhere")]
struct Nowhere;

impl Balanced {
    /// The one connection that there is.
    pub(super) fn single(channel: Channel) -> Self {
        let (_, channels) = watch::channel(Arc::from([channel]));
        Self::of(channels, Arc::new(()), Duration::ZERO)
    }

    /// Connections to wherever the host of `uri` leads, over TLS where `tls` says how. The name is looked
    /// up every five seconds until the last clone is gone.
    pub(super) fn to(uri: &Uri, tls: Option<Tls>, deadlines: Deadlines) -> Self {
        let (sender, channels) = watch::channel(Arc::from([]));
        let alive = Arc::new(());
        let way = Way { uri: uri.clone(), tls, deadlines };
        tokio::spawn(follow(way, sender, Arc::downgrade(&alive)));
        Self::of(channels, alive, deadlines.connect)
    }

    fn of(channels: watch::Receiver<Arc<[Channel]>>, alive: Arc<()>, patience: Duration) -> Self {
        Self { channels, turn: Arc::default(), patience, _alive: alive }
    }

    /// The connection whose turn it is; waits for the first look-up.
    async fn next(mut self) -> Result<Channel, Nowhere> {
        if self.channels.borrow().is_empty() {
            let found = self.channels.wait_for(|channels| !channels.is_empty());
            let found = timeout(self.patience, found).await;
            found.map_err(|_| Nowhere)?.map_err(|_| Nowhere)?;
        }
        let channels = self.channels.borrow();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % channels.len().max(1);
        channels.get(turn).cloned().ok_or(Nowhere)
    }
}

impl Service<Request<Body>> for Balanced {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, StdError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        // Which connection has to be ready is known only with the call.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let mut channel = this.next().await.map_err(|error| unavailable(&error))?;
            std::future::poll_fn(|context| channel.poll_ready(context)).await?;
            Ok(channel.call(request).await?)
        })
    }
}

/// An error that becomes a status of its own rather than an unknown one.
fn unavailable(error: &Nowhere) -> StdError {
    tonic::Status::unavailable(error.to_string()).into()
}

/// How to reach the addresses of a service.
struct Way {
    uri: Uri,
    tls: Option<Tls>,
    deadlines: Deadlines,
}

impl Way {
    /// Where the name leads now, in a stable order.
    async fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        let host = self.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.uri.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let mut found: Vec<_> = lookup_host((host, port)).await?.collect();
        found.sort_unstable();
        found.dedup();
        found.truncate(MOST);
        Ok(found)
    }

    /// A connection to one of them, made when it is first used and again when it broke.
    fn connect(&self, address: SocketAddr) -> Channel {
        let connector = self.connector(address);
        // What is written over the connection is the connector's; the origin says what was meant.
        let endpoint = Endpoint::from_static("http://service").origin(self.uri.clone());
        super::kept_alive(endpoint, self.deadlines).connect_with_connector_lazy(connector)
    }

    fn connector(&self, address: SocketAddr) -> Connector {
        Connector { address, tls: self.tls.clone(), host: self.uri.clone(), http2: true }
    }
}

/// A stream to one of the addresses that the host of `uri` leads to, over TLS where `tls` says how, for
/// those who do not speak HTTP/2.
pub(super) async fn stream(uri: &Uri, tls: Option<Tls>) -> std::io::Result<impl Io + use<>> {
    let way = Way { uri: uri.clone(), tls, deadlines: Deadlines::default() };
    let found = way.addresses().await?;
    let address = *found.first().ok_or_else(|| std::io::Error::other(Nowhere))?;
    let connector = Connector { http2: false, ..way.connector(address) };
    Ok(connector.connect().await?.into_inner())
}

/// Keeps the connections to what the name leads to, as long as somebody may use them.
async fn follow(way: Way, channels: watch::Sender<Arc<[Channel]>>, alive: Weak<()>) {
    let mut known: BTreeMap<SocketAddr, Channel> = BTreeMap::new();
    while alive.strong_count() > 0 {
        match way.addresses().await {
            // A name that leads nowhere for a moment is no reason to leave who is known.
            Ok(found) if found.is_empty() => {}
            Ok(found) => {
                if !found.iter().eq(known.keys()) {
                    known.retain(|address, _| found.contains(address));
                    for address in found {
                        known.entry(address).or_insert_with(|| way.connect(address));
                    }
                    channels.send_replace(known.values().cloned().collect());
                }
            }
            Err(error) => {
                tracing::warn!(host = way.uri.host(), %error, "a name could not be looked up");
            }
        }
        tokio::time::sleep(LOOK_UP).await;
    }
}

/// Connects to one address, with what TLS there is to be at that moment.
#[derive(Clone)]
struct Connector {
    address: SocketAddr,
    tls: Option<Tls>,
    host: Uri,
    /// Whether HTTP/2 is to be spoken.
    http2: bool,
}

/// A stream, whether or not it is encrypted.
pub(super) trait Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Io for T {}

impl Connector {
    async fn connect(self) -> std::io::Result<TokioIo<Box<dyn Io>>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = self.tls else { return Ok(TokioIo::new(Box::new(stream))) };
        let host = self.host.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(std::io::Error::other)?;
        let mut config = tls.get();
        if !self.http2 {
            Arc::make_mut(&mut config).alpn_protocols.clear();
        }
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        Ok(TokioIo::new(Box::new(stream)))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn Io>>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.clone().connect())
    }
}

#[cfg(test)]
mod tests;
