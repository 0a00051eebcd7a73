//! Sending signed messages, over gRPC or over HTTP.

use platform::{
    client::{Peer, no_answer},
    webhook::Secret,
};
use proto::wallet::v1::ConfirmPaymentRequest;
use tokio::io::{self, AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    client::{
        Client, Output,
        failure::{Done, Failure},
        sandbox::{payments, text},
    },
    output,
};

/// A message that is not signed yet.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: String,
    pub body: String,
}

/// Who signs and sends.
#[derive(Debug)]
pub struct Gateway<'a> {
    pub client: &'a Client,
    pub channel: &'a str,
    pub secret: Secret,
    /// When messages are sent, in seconds since 1970.
    pub timestamp: i64,
    pub wrong_signature: bool,
    pub http: bool,
}

impl Gateway<'_> {
    /// Sends `message`, and prints the answer.
    pub async fn send(&self, message: &Message) -> Result<Done, Failure> {
        let Message { id, body } = message;
        let signed = if self.wrong_signature { "something else" } else { body };
        let signature = self.secret.sign(id, self.timestamp, signed.as_bytes());
        if self.http {
            return self.post(message, &signature).await;
        }
        let request = ConfirmPaymentRequest {
            channel: self.channel.to_owned(),
            webhook_id: id.clone(),
            webhook_timestamp: self.timestamp.to_string(),
            webhook_signature: signature,
            body: body.clone().into_bytes(),
        };
        let answer = payments(self.client).confirm_payment(request).await?.into_inner();
        self.client.print(&answer, text)?;
        Ok(Done::Whole)
    }

    async fn post(&self, message: &Message, signature: &str) -> Result<Done, Failure> {
        let answer = self.exchange(message, signature).await;
        let (code, body) = answer.map_err(|error| no_answer("wallet", &error.to_string()))?;
        match self.client.output {
            Output::Json => output::print(format_args!("{body}\n"))?,
            Output::Table => output::print(format_args!("HTTP {code} {body}\n"))?,
        }
        Ok(Done::unless(code != "200"))
    }

    /// One request on a connection of its own, by hand: the code and the body of the answer.
    async fn exchange(&self, message: &Message, signature: &str) -> io::Result<(String, String)> {
        let Peer::Address(address) = &self.client.address else {
            return Err(io::Error::other("the suite has no address"));
        };
        let host = address.authority().to_owned();
        let Message { id, body } = message;
        let request = format!(
            "POST /v1/channels/{}/callbacks HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nwebhook-id: {id}\r\n\
             webhook-timestamp: {}\r\nwebhook-signature: {signature}\r\n\r\n{body}",
            self.channel,
            body.len(),
            self.timestamp,
        );
        let mut stream = address.stream().await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let code = head.split(' ').nth(1).unwrap_or_default();
        Ok((code.to_owned(), body.to_owned()))
    }
}
