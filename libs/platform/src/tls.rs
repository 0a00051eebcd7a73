//! TLS of the suite: certificates and keys as files, which may change while they are in use.

use std::{io::Cursor, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use futures::{Stream, stream};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::WebPkiClientVerifier,
    },
    server::TlsStream,
};

use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use crate::files::Watched;

/// How long the other side may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How many may be agreeing at once; more wait to be accepted.
const MOST_HANDSHAKES: usize = 256;

/// The protocols of a server: gRPC's, and that of the callbacks of payment channels.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// With what this process proves who it is, and by what it knows the other services.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// PEM file of this process's certificate and those between it and its authority; read again
    /// when it changes. With it, the server speaks TLS and nothing else.
    #[arg(long, env = "PERENNIAL_TLS_CERT_FILE", value_name = "FILE", requires = "tls_key_file")]
    pub tls_cert_file: Option<PathBuf>,

    /// PEM file of the key of that certificate.
    #[arg(long, env = "PERENNIAL_TLS_KEY_FILE", value_name = "FILE", requires = "tls_cert_file")]
    pub tls_key_file: Option<PathBuf>,

    /// PEM file of the authorities that sign the certificates of the suite: a caller's proves which
    /// service it is, and a called service's that it is the right one.
    #[arg(long, env = "PERENNIAL_TLS_CA_FILE", value_name = "FILE")]
    pub tls_ca_file: Option<PathBuf>,
}

impl TlsArgs {
    /// The files that are named, in the order in which [`Material`] reads them.
    fn paths(&self) -> Vec<PathBuf> {
        let named = [&self.tls_cert_file, &self.tls_key_file, &self.tls_ca_file];
        named.into_iter().flatten().cloned().collect()
    }

    fn material(&self, held: &[Vec<u8>]) -> anyhow::Result<Material> {
        let mut held = held.iter();
        let mut next = |named: bool| named.then(|| held.next()).flatten();
        let own = next(self.tls_cert_file.is_some()).zip(next(self.tls_key_file.is_some()));
        let own = own.map(|(chain, key)| anyhow::Ok((certificates(chain)?, private_key(key)?)));
        let authorities = next(self.tls_ca_file.is_some());
        Ok(Material {
            own: own.transpose()?,
            authorities: authorities.map(|pem| roots(pem)).transpose()?,
        })
    }

    /// What the server offers, if it speaks TLS.
    pub fn server(&self) -> anyhow::Result<Option<Watched<Offer>>> {
        if self.tls_cert_file.is_none() {
            return Ok(None);
        }
        let args = self.clone();
        let make = move |held: &[Vec<u8>]| server(args.material(held)?);
        Watched::start(self.paths(), make).map(Some).context("could not start TLS")
    }

    /// How other services are called: known by the authorities of the suite, or by those of the web
    /// where no file names any.
    pub fn client(&self) -> anyhow::Result<Watched<ClientConfig>> {
        let args = self.clone();
        let make = move |held: &[Vec<u8>]| client(args.material(held)?);
        Watched::start(self.paths(), make).context("could not read the files of TLS")
    }
}

/// What a server offers to those who call it.
#[derive(Debug)]
pub struct Offer {
    config: Arc<ServerConfig>,
    /// Its own certificate.
    leaf: CertificateDer<'static>,
}

impl Offer {
    /// How long its certificate is still valid; nothing where it is not, or not yet.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        let read = X509Certificate::from_der(&self.leaf).ok();
        let left = read.and_then(|(_, leaf)| leaf.validity().time_to_expiration());
        left.and_then(|left| left.try_into().ok()).unwrap_or_default()
    }
}

/// What the files hold.
struct Material {
    own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    authorities: Option<RootCertStore>,
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn server(material: Material) -> anyhow::Result<Offer> {
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match material.authorities {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            // Users prove themselves by tokens, and bring no certificate.
            let verifier =
                WebPkiClientVerifier::builder_with_provider(authorities.into(), provider())
                    .allow_unauthenticated()
                    .build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let (chain, key) = material.own.context("there is no certificate")?;
    let leaf = chain.first().context("there is no certificate")?.clone();
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(Offer { config: config.into(), leaf })
}

fn client(material: Material) -> anyhow::Result<ClientConfig> {
    let web = || RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(material.authorities.unwrap_or_else(web));
    let mut config = match material.own {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
    };
    config.alpn_protocols = vec![PROTOCOLS[0].to_vec()];
    Ok(config)
}

fn certificates(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_reader_iter(Cursor::new(pem)).collect();
    let read = read.context("that is no PEM file of certificates")?;
    if read.is_empty() {
        bail!("there is no certificate in the file");
    }
    Ok(read)
}

fn private_key(pem: &[u8]) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(pem).context("that is no PEM file of a private key")
}

/// The authorities in a file of PEM.
pub(crate) fn roots(pem: &[u8]) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

/// The connections of `listener`, each once both sides have agreed on keys. Whoever is slow at that
/// holds up nobody else, and who fails is not told of.
pub fn incoming(
    listener: TcpListener,
    offer: Watched<Offer>,
) -> impl Stream<Item = std::io::Result<TlsStream<TcpStream>>> {
    let (sender, mut receiver) = mpsc::channel(MOST_HANDSHAKES);
    tokio::spawn(accept(listener, offer, sender));
    stream::poll_fn(move |context| receiver.poll_recv(context).map(|stream| stream.map(Ok)))
}

async fn accept(
    listener: TcpListener,
    offer: Watched<Offer>,
    agreed: mpsc::Sender<TlsStream<TcpStream>>,
) {
    let places = Arc::new(Semaphore::new(MOST_HANDSHAKES));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, most likely: let some close first.
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = agreed.closed() => return,
        };
        let acceptor = TlsAcceptor::from(Arc::clone(&offer.get().config));
        let agreed = agreed.clone();
        tokio::spawn(async move {
            let _place = place;
            // Without it an answer of several frames waits for a delayed acknowledgement.
            stream.set_nodelay(true).ok();
            match timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => drop(agreed.send(stream).await),
                Ok(Err(error)) => tracing::debug!(%error, "a caller could not agree on TLS"),
                Err(_) => tracing::debug!("a caller took too long to agree on TLS"),
            }
        });
    }
}

#[cfg(test)]
mod tests;
