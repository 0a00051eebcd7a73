use std::fs;

use futures::StreamExt as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::*;

/// An authority.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Files of a certificate for `name` that `by` has signed, with its key and its authority.
fn files(folder: &TempDir, name: &str, by: &CertifiedIssuer<'static, KeyPair>) -> TlsArgs {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, by).unwrap();
    let path = |end: &str| folder.path().join(format!("{name}.{end}"));
    fs::write(path("crt"), certificate.pem()).unwrap();
    fs::write(path("key"), key.serialize_pem()).unwrap();
    fs::write(path("ca"), by.pem()).unwrap();
    TlsArgs {
        tls_cert_file: Some(path("crt")),
        tls_key_file: Some(path("key")),
        tls_ca_file: Some(path("ca")),
    }
}

/// Whether `client` gets a byte from `server` that calls itself `name`, and how many certificates the
/// server has seen of it.
async fn exchange(
    server: &Watched<Offer>,
    client: &ClientConfig,
    name: &'static str,
) -> std::io::Result<usize> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut incoming = Box::pin(incoming(listener, server.clone()));
    let task = tokio::spawn(async move {
        let mut stream = incoming.next().await.unwrap().unwrap();
        let seen = stream.get_ref().1.peer_certificates().map_or(0, <[_]>::len);
        stream.write_all(b"x").await.unwrap();
        stream.shutdown().await.ok();
        seen
    });
    let stream = TcpStream::connect(address).await?;
    let connector = TlsConnector::from(Arc::new(client.clone()));
    let name = ServerName::try_from(name).map_err(std::io::Error::other)?;
    let told = async {
        let mut stream = connector.connect(name, stream).await?;
        stream.read_u8().await
    };
    let told = told.await;
    if told.is_err() {
        task.abort();
    }
    told?;
    task.await.map_err(std::io::Error::other)
}

#[tokio::test]
async fn both_sides_prove_who_they_are_and_callers_need_not() {
    let (folder, ours) = (TempDir::new().unwrap(), authority());
    let server = files(&folder, "wallet", &ours).server().unwrap().unwrap();
    let renewal = files(&folder, "renewal", &ours);
    let with = renewal.client().unwrap().get();
    assert_eq!(exchange(&server, &with, "wallet").await.unwrap(), 1);

    let user = TlsArgs { tls_ca_file: renewal.tls_ca_file, ..TlsArgs::default() };
    let without = user.client().unwrap().get();
    assert_eq!(exchange(&server, &without, "wallet").await.unwrap(), 0);
}

#[tokio::test]
async fn whom_the_authority_does_not_know_is_refused_on_either_side() {
    let (folder, ours) = (TempDir::new().unwrap(), authority());
    let server = files(&folder, "wallet", &ours).server().unwrap().unwrap();
    let client = files(&folder, "renewal", &ours).client().unwrap().get();
    assert!(exchange(&server, &client, "catalog").await.is_err(), "another name");

    let (elsewhere, theirs) = (TempDir::new().unwrap(), authority());
    let stranger = files(&elsewhere, "renewal", &theirs);
    let trusting_theirs = stranger.client().unwrap().get();
    assert!(exchange(&server, &trusting_theirs, "wallet").await.is_err(), "another authority");

    // It trusts us, but nobody here has signed its certificate.
    let own = files(&folder, "catalog", &ours);
    let mixed = TlsArgs { tls_ca_file: own.tls_ca_file, ..stranger };
    let mixed = mixed.client().unwrap().get();
    assert!(exchange(&server, &mixed, "wallet").await.is_err(), "an unknown caller");
}

#[tokio::test]
async fn a_certificate_that_was_renewed_is_used_from_then_on() {
    let (folder, ours) = (TempDir::new().unwrap(), authority());
    let args = files(&folder, "wallet", &ours);
    let server = args.server().unwrap().unwrap();
    let renewed = authority();
    files(&folder, "wallet", &renewed);
    let client = TlsArgs { tls_ca_file: args.tls_ca_file, ..TlsArgs::default() };
    let client = client.client().unwrap().get();
    assert!(exchange(&server, &client, "wallet").await.is_err(), "the old one is in use");
    server.look();
    assert_eq!(exchange(&server, &client, "wallet").await.unwrap(), 0);
}

#[tokio::test]
async fn unusable_files_are_refused_by_name() {
    let (folder, ours) = (TempDir::new().unwrap(), authority());
    let args = files(&folder, "wallet", &ours);
    fs::write(args.tls_key_file.as_ref().unwrap(), "no key").unwrap();
    let error = format!("{:#}", args.server().unwrap_err());
    assert!(error.contains("wallet.key") && error.contains("private key"), "{error}");
}
