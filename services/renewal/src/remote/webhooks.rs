//! Receivers of webhooks: one connection for each message, to an address that was looked at before.
//!
//! What a name leads to is asked once, every address that comes of it is judged, and the connection goes
//! to one of those: nobody can answer otherwise in between. There is no proxy, no redirect is followed,
//! and of an answer nothing is read but its head, of a bounded size.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use async_trait::async_trait;
use futures::future::{Either, select};
use http_body_util::Full;
use hyper::{
    Method, Request, Uri,
    body::Bytes,
    client::conn::http1,
    header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT},
    http::uri::Scheme,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use crate::{
    app::webhooks::{Message, PostError, Receivers},
    domain::webhook::{host, is_public, url},
};

/// How long a receiver may take to take a message, from its name to its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a name may take to be looked up when a webhook is made.
const LOOK_UP: Duration = Duration::from_secs(2);

/// The largest head of an answer.
const HEAD: usize = 16 << 10;

/// The most headers of an answer.
const MOST_HEADERS: usize = 100;

/// Receivers on the Internet, and on private networks where that is allowed.
#[derive(Debug)]
pub struct RemoteReceivers {
    private: bool,
    tls: Arc<ClientConfig>,
    patience: Duration,
}

impl RemoteReceivers {
    /// Receivers whose certificates the authorities of the web have signed, or one of those in the
    /// file of PEM at `authorities`; those at private addresses only if `private` says so.
    pub fn new(private: bool, authorities: Option<&std::path::Path>) -> anyhow::Result<Self> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(file) = authorities {
            let read = || format!("could not read certificates from {}", file.display());
            for certificate in CertificateDer::pem_file_iter(file).with_context(read)? {
                roots.add(certificate.with_context(read)?).with_context(read)?;
            }
        }
        Self::trusting(private, roots, PATIENCE)
    }

    fn trusting(private: bool, roots: RootCertStore, patience: Duration) -> anyhow::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { private, tls: Arc::new(tls), patience })
    }

    /// Where `uri` leads, if every address of it may be sent to.
    async fn addresses(&self, uri: &Uri) -> Result<Vec<SocketAddr>, PostError> {
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let found = lookup_host((host(uri), port)).await;
        let found: Vec<_> = found.map_err(|error| unreachable(&error))?.collect();
        for address in &found {
            may_be_sent_to(address.ip(), secure, self.private).map_err(PostError::Refused)?;
        }
        if found.is_empty() {
            return Err(PostError::Unreachable("its name leads nowhere".to_owned()));
        }
        Ok(found)
    }

    async fn send(&self, to: &str, message: Message) -> Result<(), PostError> {
        let uri = url(to, self.private).map_err(PostError::Refused)?;
        let addresses = self.addresses(&uri).await?;
        let stream = TcpStream::connect(addresses.as_slice()).await;
        let stream = stream.map_err(|error| unreachable(&error))?;
        let request = request(&uri, message)?;
        let answered = if uri.scheme() == Some(&Scheme::HTTPS) {
            let name = ServerName::try_from(host(&uri).to_owned());
            let name = name.map_err(|error| unreachable(&error))?;
            let connector = TlsConnector::from(Arc::clone(&self.tls));
            let stream = connector.connect(name, stream).await;
            exchange(stream.map_err(|error| unreachable(&error))?, request).await?
        } else {
            exchange(stream, request).await?
        };
        if (200..300).contains(&answered) { Ok(()) } else { Err(PostError::Answered(answered)) }
    }
}

/// Errors are the rest of a sentence that begins with what leads there.
fn may_be_sent_to(address: IpAddr, secure: bool, private: bool) -> Result<(), String> {
    match (is_public(address), secure, private) {
        (true, true, _) | (false, _, true) => Ok(()),
        (true, false, _) => Err("must begin with https://".to_owned()),
        (false, _, false) => Err("must not lead to a private address".to_owned()),
    }
}

/// What is sent.
fn request(uri: &Uri, message: Message) -> Result<Request<Full<Bytes>>, PostError> {
    let Message { id, timestamp, signatures, body } = message;
    let authority = uri.authority().map(hyper::http::uri::Authority::as_str).unwrap_or_default();
    let path = uri.path_and_query().map_or("/", hyper::http::uri::PathAndQuery::as_str);
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(HOST, authority)
        .header(CONNECTION, HeaderValue::from_static("close"))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(USER_AGENT, concat!("perennial/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signatures)
        .body(Full::from(body));
    request.map_err(|error| PostError::Refused(error.to_string()))
}

/// Sends `request`, and waits for the head of the answer.
async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<u16, PostError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http1::Builder::new()
        .max_buf_size(HEAD)
        .max_headers(MOST_HEADERS)
        .handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(|error| unreachable(&error))?;
    let answer = Box::pin(sender.send_request(request));
    let answer = match select(answer, Box::pin(connection)).await {
        Either::Left((answer, _)) => answer,
        // It has closed after it answered, or before.
        Either::Right((_, answer)) => answer.await,
    };
    Ok(answer.map_err(|error| unreachable(&error))?.status().as_u16())
}

fn unreachable(error: &dyn std::error::Error) -> PostError {
    let mut text = error.to_string();
    if let Some(source) = error.source() {
        text = format!("{text}: {source}");
    }
    PostError::Unreachable(text)
}

#[async_trait]
impl Receivers for RemoteReceivers {
    fn private(&self) -> bool {
        self.private
    }

    async fn refusal(&self, to: &str) -> Option<String> {
        let uri = url(to, self.private).ok()?;
        match timeout(LOOK_UP, self.addresses(&uri)).await {
            Ok(Err(PostError::Refused(why))) => Some(why),
            _ => None,
        }
    }

    async fn post(&self, to: &str, message: Message) -> Result<(), PostError> {
        timeout(self.patience, self.send(to, message)).await.unwrap_or(Err(PostError::TimedOut))
    }
}

#[cfg(test)]
mod tests;
