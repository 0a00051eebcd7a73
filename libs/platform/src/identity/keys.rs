//! The keys of who issues tokens.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{sync::Mutex as Turn, time::Instant};
use tokio_rustls::rustls::ClientConfig;
use tonic::codegen::http::Uri;

use crate::{files::Watched, tls::TlsArgs};

/// How old keys may be.
const FRESH: Duration = Duration::from_mins(5);

/// How soon keys may be asked for again because a token names one that is not among them.
const SOON: Duration = Duration::from_secs(10);

/// How long the issuer may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest answer that is read.
const MOST: usize = 1 << 20;

/// Keys by their names.
#[derive(Debug)]
pub(super) enum Keys {
    /// In a file, which somebody else keeps up to date.
    File(Watched<JwkSet>),
    /// Where the issuer publishes them.
    Published(Arc<Published>),
}

impl Keys {
    /// The keys of `issuer`: at `place`, an address or a file, or where the issuer itself says. Where it
    /// cannot be asked now, it is asked again with the first token.
    pub async fn start(issuer: &str, place: Option<&str>) -> anyhow::Result<Self> {
        if let Some(path) = place.filter(|place| !place.contains("://")) {
            let read = |held: &[Vec<u8>]| Ok(serde_json::from_slice(&held[0])?);
            let keys = Watched::start(vec![PathBuf::from(path)], read);
            return keys.map(Self::File).context("could not read the keys of the issuer");
        }
        let place = match place {
            Some(address) => Place::Keys(safe_address(address)?),
            None => Place::Issuer(issuer.trim_end_matches('/').to_owned(), safe_address(issuer)?),
        };
        let published = Arc::new(Published { place, known: Mutex::default(), turn: Turn::new(()) });
        if let Err(error) = published.fetch(None).await {
            let error = format!("{error:#}");
            tracing::error!(error, "the issuer's keys could not be read yet: tokens are refused");
        }
        tokio::spawn(refresh(Arc::downgrade(&published)));
        Ok(Self::Published(published))
    }

    /// The key named `name`; the issuer is asked anew where there is none, unless it was just now.
    pub async fn key(&self, name: &str) -> Option<Jwk> {
        match self {
            Self::File(keys) => keys.get().find(name).cloned(),
            Self::Published(published) => {
                if let Some(key) = published.known().find(name) {
                    return Some(key);
                }
                published.fetch(Some(SOON)).await.ok();
                published.known().find(name)
            }
        }
    }
}

/// Keys that an issuer publishes.
#[derive(Debug)]
pub(super) struct Published {
    place: Place,
    known: Mutex<Known>,
    /// One asks at a time.
    turn: Turn<()>,
}

#[derive(Debug)]
enum Place {
    /// The keys themselves.
    Keys(Uri),
    /// The issuer's name, and its address.
    Issuer(String, Uri),
}

#[derive(Debug, Clone, Default)]
struct Known {
    keys: Arc<JwkSetOrNone>,
    asked: Option<Instant>,
}

#[derive(Debug, Default)]
struct JwkSetOrNone(Option<JwkSet>);

impl Known {
    fn find(&self, name: &str) -> Option<Jwk> {
        self.keys.0.as_ref()?.find(name).cloned()
    }
}

/// What an issuer says of itself.
#[derive(Debug, Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Published {
    fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for the keys, unless they were asked for less than `pause` ago.
    async fn fetch(&self, pause: Option<Duration>) -> anyhow::Result<()> {
        let _turn = self.turn.lock().await;
        let asked = self.known().asked;
        if asked.zip(pause).is_some_and(|(asked, pause)| asked.elapsed() < pause) {
            return Ok(());
        }
        // Before it is known how it ends: an issuer that is down is not asked more often.
        self.known.lock().unwrap_or_else(PoisonError::into_inner).asked = Some(Instant::now());
        let keys = tokio::time::timeout(PATIENCE, self.read()).await;
        let keys = keys.context("the issuer did not answer")??;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.keys = Arc::new(JwkSetOrNone(Some(keys)));
        Ok(())
    }

    async fn read(&self) -> anyhow::Result<JwkSet> {
        let keys = match &self.place {
            Place::Keys(address) => address.clone(),
            Place::Issuer(name, address) => {
                let path = format!(
                    "{}/.well-known/openid-configuration",
                    address.to_string().trim_end_matches('/')
                );
                let said: Discovery = get(path.parse()?).await?;
                ensure!(
                    said.issuer.trim_end_matches('/') == name,
                    "the issuer calls itself {}",
                    said.issuer
                );
                safe_address(&said.jwks_uri)?
            }
        };
        get(keys).await
    }
}

/// Keeps the keys fresh, as long as somebody uses them.
async fn refresh(published: Weak<Published>) {
    loop {
        tokio::time::sleep(FRESH).await;
        let Some(published) = published.upgrade() else { return };
        if let Err(error) = published.fetch(Some(SOON)).await {
            let error = format!("{error:#}");
            tracing::error!(
                error,
                "the issuer's keys could not be read: those of before stay in use"
            );
        }
    }
}

/// An address at which nobody on the way can put other keys in: over TLS, or on this machine.
fn safe_address(text: &str) -> anyhow::Result<Uri> {
    let uri: Uri = text.parse().with_context(|| format!("{text} is no address"))?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let here =
        host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if here => Ok(uri),
        _ => bail!("{text} must begin with https://"),
    }
}

async fn get<T: DeserializeOwned>(address: Uri) -> anyhow::Result<T> {
    let tls = TlsArgs::default().client()?.get();
    let mut tls = ClientConfig::clone(&tls);
    tls.alpn_protocols.clear();
    let mut plain = HttpConnector::new();
    plain.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(plain);
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<bytes::Bytes>>(connector);
    let answer = client.get(address.clone()).await;
    let answer = answer.with_context(|| format!("could not ask {address}"))?;
    ensure!(answer.status().is_success(), "{address} answered {}", answer.status());
    let body = Limited::new(answer.into_body(), MOST).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("{address} could not be read: {error}"))?;
    serde_json::from_slice(&body.to_bytes()).with_context(|| format!("{address} has no keys"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for good in ["https://issuer.example/keys", "http://127.0.0.1:1/keys", "http://[::1]/keys"]
        {
            assert!(safe_address(good).is_ok(), "{good}");
        }
        for bad in ["http://issuer.example/keys", "ftp://127.0.0.1/", "/etc/keys", ""] {
            assert!(safe_address(bad).is_err(), "{bad}");
        }
    }
}
