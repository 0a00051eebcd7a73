use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer},
};

use super::*;

/// How a receiver answers.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Says(&'static str),
    NeverAnswers,
    /// A head that does not end.
    EndlessHead,
    /// A body that does not end.
    EndlessBody,
    Closes,
}

/// A receiver on loopback, the requests that it gets, and how many connections it has had.
async fn receiver(
    manner: Manner,
) -> (SocketAddr, mpsc::UnboundedReceiver<String>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, requests) = mpsc::unbounded_channel();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(answer(stream, manner, told.clone()));
        }
    });
    (address, requests, connections)
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    manner: Manner,
    told: mpsc::UnboundedSender<String>,
) -> io::Result<()> {
    let mut request = Vec::new();
    let mut part = [0; 4_096];
    while !String::from_utf8_lossy(&request).ends_with("the body") {
        let count = stream.read(&mut part).await?;
        if count == 0 {
            return Ok(());
        }
        request.extend_from_slice(&part[..count]);
    }
    // A test that does not look at requests has dropped its end.
    let _ = told.send(String::from_utf8(request).unwrap());
    match manner {
        Manner::Says(answer) => stream.write_all(answer.as_bytes()).await?,
        Manner::NeverAnswers => std::future::pending().await,
        Manner::EndlessHead => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            loop {
                stream.write_all(b"x: y\r\n").await?;
            }
        }
        Manner::EndlessBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            loop {
                stream.write_all(b"4\r\nmore\r\n").await?;
            }
        }
        Manner::Closes => {}
    }
    stream.shutdown().await
}

fn message() -> Message {
    Message {
        id: "evt-1".to_owned(),
        timestamp: 1_614_265_330,
        signatures: "v1,abc v1,def".to_owned(),
        body: b"the body".to_vec(),
    }
}

/// Receivers that are allowed to be here, and have a second.
fn receivers() -> RemoteReceivers {
    let patience = Duration::from_secs(1);
    RemoteReceivers::trusting(true, RootCertStore::empty(), patience).unwrap()
}

async fn sent(manner: Manner) -> Result<(), PostError> {
    let (address, ..) = receiver(manner).await;
    receivers().post(&format!("http://{address}/hooks?x=1"), message()).await
}

#[tokio::test]
async fn a_message_is_posted_with_its_headers() {
    let (address, mut requests, _) = receiver(Manner::Says("HTTP/1.1 204 \r\n\r\n")).await;
    let url = format!("http://{address}/hooks?x=1");
    receivers().post(&url, message()).await.unwrap();

    let request = requests.recv().await.unwrap().to_lowercase();
    let lines: Vec<_> = request.split("\r\n").collect();
    assert_eq!(lines[0], "post /hooks?x=1 http/1.1");
    let host = format!("host: {address}");
    for line in [
        host.as_str(),
        "content-type: application/json",
        "content-length: 8",
        "connection: close",
        "webhook-id: evt-1",
        "webhook-timestamp: 1614265330",
        "webhook-signature: v1,abc v1,def",
    ] {
        assert!(lines.contains(&line), "{line} in {lines:?}");
    }
    assert_eq!(lines.last(), Some(&"the body"));
}

#[tokio::test]
async fn only_a_yes_is_a_yes() {
    for (answer, code) in [
        ("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", 400),
        ("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", 500),
        ("HTTP/1.1 304 Not Modified\r\n\r\n", 304),
    ] {
        assert_eq!(sent(Manner::Says(answer)).await, Err(PostError::Answered(code)));
    }
    for yes in ["HTTP/1.1 200 OK\r\n\r\nthanks", "HTTP/1.0 202 Accepted\r\n\r\n"] {
        assert_eq!(sent(Manner::Says(yes)).await, Ok(()), "{yes}");
    }
    for nonsense in [Manner::Closes, Manner::Says("SSH-2.0-OpenSSH\r\n"), Manner::Says("\0")] {
        assert_eq!(sent(nonsense).await.unwrap_err().word(), "UNREACHABLE");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (target, _, connections) = receiver(Manner::Says("HTTP/1.1 200 OK\r\n\r\n")).await;
    for code in [301, 302, 303, 307, 308] {
        let answer = format!("HTTP/1.1 {code} X\r\nlocation: http://{target}/\r\n\r\n");
        let answer = Manner::Says(Box::leak(answer.into_boxed_str()));
        assert_eq!(sent(answer).await, Err(PostError::Answered(code)));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0, "nobody went there");
}

#[tokio::test]
async fn what_a_receiver_says_without_end_is_not_read() {
    assert_eq!(sent(Manner::EndlessBody).await, Ok(()), "the head says yes");
    assert_eq!(sent(Manner::EndlessHead).await.unwrap_err().word(), "UNREACHABLE");
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_given_up() {
    let (address, ..) = receiver(Manner::NeverAnswers).await;
    let moment = Duration::from_millis(50);
    let receivers = RemoteReceivers::trusting(true, RootCertStore::empty(), moment).unwrap();
    let end = receivers.post(&format!("http://{address}/"), message()).await;
    assert_eq!(end, Err(PostError::TimedOut));
}

#[tokio::test]
async fn nothing_is_sent_to_private_addresses_whatever_they_are_called() {
    let (address, _, connections) = receiver(Manner::Says("HTTP/1.1 200 OK\r\n\r\n")).await;
    let port = address.port();
    let receivers =
        RemoteReceivers::trusting(false, RootCertStore::empty(), Duration::from_secs(5)).unwrap();
    for host in [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        // Other ways to write 127.0.0.1.
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0.0.0.0",
        "[::]",
    ] {
        let url = format!("https://{host}:{port}/");
        let end = receivers.post(&url, message()).await.unwrap_err();
        // Where a name is not known at all, nothing is sent either.
        assert!(matches!(end.word(), "ADDRESS_REFUSED" | "UNREACHABLE"), "{host}: {end}");
        if host.contains("localhost") && !host.ends_with('.') {
            assert_eq!(end.word(), "ADDRESS_REFUSED");
            let why = receivers.refusal(&url).await;
            assert_eq!(why.as_deref(), Some("must not lead to a private address"));
        }
    }
    let plain = receivers.post(&format!("http://127.0.0.1:{port}/"), message()).await;
    assert_eq!(plain.unwrap_err().word(), "ADDRESS_REFUSED");
    assert_eq!(connections.load(Ordering::SeqCst), 0, "nobody went there");
    assert!(!receivers.private());
}

#[tokio::test]
async fn plain_http_goes_to_private_addresses_only() {
    let end = receivers().post("http://1.1.1.1/", message()).await.unwrap_err();
    assert_eq!(end, PostError::Refused("must begin with https://".to_owned()));
}

#[tokio::test]
async fn a_certificate_is_of_a_trusted_authority_and_of_the_name() {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, certificate.pem()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let (acceptor, listener) =
        (TlsAcceptor::from(Arc::new(server)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let port = listener.local_addr().unwrap().port();
    let (told, mut requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, told) = (acceptor.clone(), told.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let yes = Manner::Says("HTTP/1.1 200 OK\r\n\r\n");
                let _ = answer(stream, yes, told).await;
            });
        }
    });

    let trusting = RemoteReceivers::new(true, Some(&file)).unwrap();
    let ends = [
        trusting.post(&format!("https://localhost:{port}/"), message()).await,
        trusting.post(&format!("https://127.0.0.1:{port}/"), message()).await,
        RemoteReceivers::new(true, None)
            .unwrap()
            .post(&format!("https://localhost:{port}/"), message())
            .await,
    ];

    assert_eq!(ends[0], Ok(()));
    assert!(requests.recv().await.unwrap().contains("webhook-id: evt-1"));
    for end in &ends[1..] {
        assert_eq!(end.as_ref().unwrap_err().word(), "UNREACHABLE", "{end:?}");
    }
    assert!(requests.try_recv().is_err(), "nothing was told");
    assert!(RemoteReceivers::new(true, Some(&folder.path().join("none.pem"))).is_err());
}
