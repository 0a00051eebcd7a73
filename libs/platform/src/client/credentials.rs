//! With what this process proves to others who it is.

use std::path::PathBuf;

use anyhow::Context as _;
use tokio_rustls::rustls::ClientConfig;
use tonic::metadata::{Ascii, MetadataValue};

use crate::{files::Watched, tls::TlsArgs};

/// How connections are encrypted, and whom they trust.
pub type Tls = Watched<ClientConfig>;

/// What this process proves to others by, and knows them by.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CredentialsArgs {
    /// Certificates.
    #[command(flatten)]
    pub tls: TlsArgs,

    /// File of the token by which this process proves to other services who it is; read again when it
    /// changes.
    #[arg(
        long,
        env = "PERENNIAL_SERVICE_TOKEN_FILE",
        value_name = "FILE",
        help_heading = "Identity"
    )]
    pub service_token_file: Option<PathBuf>,
}

/// With what this process proves who it is: nothing, a certificate, a token, or both.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    tls: Option<Tls>,
    token: Option<Watched<MetadataValue<Ascii>>>,
}

impl Credentials {
    /// The certificate that `args` name, and the token, which is sent along with every call; both are
    /// read again when they change.
    pub fn read(args: &CredentialsArgs) -> anyhow::Result<Self> {
        let read = |path| Watched::start(vec![path], |held: &[Vec<u8>]| bearer(&held[0]));
        let token = args
            .service_token_file
            .clone()
            .map(read)
            .transpose()
            .context("could not read the token")?;
        Ok(Self { tls: Some(args.tls.client()?), token })
    }

    /// The same without the token, for those who are not of the suite: whoever is sent a token could
    /// use it.
    #[must_use]
    pub fn without_token(&self) -> Self {
        Self { tls: self.tls.clone(), token: None }
    }

    /// How a connection is encrypted: where nothing says so, with whom the authorities of the web know.
    pub(super) fn tls(&self) -> Tls {
        let web =
            || TlsArgs::default().client().expect("no file is named that could be unreadable");
        self.tls.clone().unwrap_or_else(web)
    }

    /// What stands in the `authorization` of a call.
    pub(super) fn bearer(&self) -> Option<MetadataValue<Ascii>> {
        self.token.as_ref().map(|token| MetadataValue::clone(&token.get()))
    }
}

fn bearer(held: &[u8]) -> anyhow::Result<MetadataValue<Ascii>> {
    let token = std::str::from_utf8(held)?.trim();
    let mut value: MetadataValue<Ascii> = format!("Bearer {token}").parse()?;
    value.set_sensitive(true);
    Ok(value)
}
