//! NATS JetStream, as the use case sees it.
//!
//! The client connects by itself, again and again while the server is away, and keeps nothing meanwhile:
//! nothing is handed to it unless it is connected.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use async_nats::{
    Client, ConnectOptions, ServerAddr,
    connection::State,
    header::NATS_MESSAGE_ID,
    jetstream::{
        self,
        context::{ContextBuilder, CreateStreamErrorKind, PublishErrorKind},
        message::PublishMessage,
        stream::{Config, RawMessageErrorKind},
    },
};
use async_trait::async_trait;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject as _};

use crate::app::publish::{Bus, BusError, End, Message, STREAM};

/// How long the server may take to connect, and to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a window may take.
const PATIENCE_FOR_ALL: Duration = Duration::from_secs(10);

/// The shortest and the longest time between two attempts to connect.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Where the server is.
pub type Address = ServerAddr;

/// Reads a setting: `nats://HOST:PORT` or `tls://HOST:PORT`, without a user, whose secret belongs in a file.
pub fn address(text: &str) -> Result<Address, String> {
    let address: ServerAddr = text.parse().map_err(|error| format!("{error}"))?;
    if !matches!(address.scheme(), "nats" | "tls") {
        return Err("must begin with nats:// or tls://".to_owned());
    }
    if address.clone().into_inner().host_str().is_none() {
        return Err("must name a host".to_owned());
    }
    if address.has_user_pass() || address.password().is_some() {
        return Err("must not name a user: who publishes stands in a credentials file".to_owned());
    }
    Ok(address)
}

/// A stream of a server.
#[derive(Debug)]
pub struct Nats {
    client: Client,
    context: jetstream::Context,
    days: u32,
}

impl Nats {
    /// The server at `address`, which may be away, as the user of the `credentials` file. With `authorities`,
    /// a file of PEM, nothing is said to it without TLS, whatever the address begins with. Refuses files
    /// that cannot be read.
    pub async fn start(
        address: &Address,
        credentials: Option<&Path>,
        authorities: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let mut options = ConnectOptions::new()
            .name("perennial")
            .retry_on_initial_connect()
            .max_reconnects(None)
            .connection_timeout(PATIENCE)
            .request_timeout(Some(PATIENCE))
            .reconnect_delay_callback(pause);
        if let Some(file) = credentials {
            let read = || format!("could not read the credentials in {}", file.display());
            options = options.credentials_file(file).await.with_context(read)?;
        }
        if let Some(file) = authorities {
            let read = || format!("could not read certificates from {}", file.display());
            let found = CertificateDer::pem_file_iter(file).with_context(read)?;
            let found: Vec<_> = found.collect::<Result<_, _>>().with_context(read)?;
            ensure!(!found.is_empty(), "there is no certificate in {}", file.display());
            options = options.add_root_certificates(file.to_owned()).require_tls(true);
        }
        let client = options.connect(address.clone()).await?;
        let context =
            ContextBuilder::new().timeout(PATIENCE).ack_timeout(PATIENCE).build(client.clone());
        Ok(Self { client, context, days: 0 })
    }

    /// The same, where a stream that is not there yet is made to keep messages for so many days.
    #[must_use]
    pub fn keeping(self, days: u32) -> Self {
        Self { days, ..self }
    }

    /// The client would keep what it is handed until it is connected, and nobody would know.
    fn connected(&self) -> Result<(), BusError> {
        match self.client.connection_state() {
            State::Connected => Ok(()),
            State::Pending | State::Disconnected => {
                Err(BusError::Unreachable("there is no connection".to_owned()))
            }
        }
    }

    /// The stream as it is made where it is not there: what somebody else has made is used as it is.
    fn config(&self) -> Config {
        Config {
            name: STREAM.to_owned(),
            subjects: vec!["perennial.renewal.>".to_owned()],
            description: Some("What happens in Perennial, as CloudEvents".to_owned()),
            max_age: Duration::from_hours(24) * self.days,
            ..Config::default()
        }
    }
}

fn pause(attempt: usize) -> Duration {
    let (shortest, longest) = PAUSE;
    let doubled =
        u32::try_from(attempt.min(16)).map_or(longest, |times| shortest * 2_u32.pow(times));
    doubled.min(longest)
}

fn silent() -> BusError {
    BusError::Unreachable("it does not answer".to_owned())
}

fn not_taken(error: &impl ToString) -> BusError {
    BusError::NotTaken(error.to_string())
}

#[async_trait]
impl Bus for Nats {
    async fn end(&self) -> Result<End, BusError> {
        self.connected()?;
        let stream = self.context.get_or_create_stream(self.config()).await;
        let stream = stream.map_err(|error| match error.kind() {
            CreateStreamErrorKind::TimedOut => silent(),
            _ => not_taken(&error),
        })?;
        let state = &stream.cached_info().state;
        let sequence = state.last_sequence;
        if state.messages == 0 {
            return Ok(End { sequence, id: None });
        }
        match stream.get_raw_message(sequence).await {
            Ok(last) => {
                let id = last.headers.get(NATS_MESSAGE_ID).map(ToString::to_string);
                Ok(End { sequence, id })
            }
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {
                Ok(End { sequence, id: None })
            }
            Err(error) => Err(not_taken(&error)),
        }
    }

    async fn publish(&self, after: u64, messages: Vec<Message>) -> (usize, Option<BusError>) {
        if let Err(error) = self.connected() {
            return (0, Some(error));
        }
        let until = Instant::now() + PATIENCE_FOR_ALL;
        let (mut acks, mut failure) = (Vec::with_capacity(messages.len()), None);
        for (expected, message) in (after..).zip(messages) {
            let Message { id, subject, body } = message;
            let publish = PublishMessage::build()
                .payload(body.into())
                .header("Content-Type", "application/cloudevents+json")
                .message_id(id)
                .expected_stream(STREAM)
                .expected_last_sequence(expected);
            match self.context.send_publish(subject, publish).await {
                Ok(ack) => acks.push(ack),
                Err(error) => {
                    failure = Some(not_taken(&error));
                    break;
                }
            }
        }
        let sent = acks.len();
        for (taken, ack) in acks.into_iter().enumerate() {
            match timeout_at(until, ack.into_future()).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) if error.kind() != PublishErrorKind::TimedOut => {
                    return (taken, Some(not_taken(&error)));
                }
                Ok(Err(_)) | Err(_) => return (taken, Some(silent())),
            }
        }
        (sent, failure)
    }
}

#[cfg(test)]
mod tests;
