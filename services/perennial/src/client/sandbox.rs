//! `perennial pay-sandbox`: a payment gateway to try things out with, and all that gateways do wrong.
//!
//! It signs as a real one does, with the secret of a channel that is only there for this.

mod gateway;

use std::path::PathBuf;

use chrono::TimeDelta;
use platform::{client::safe, webhook::Secret};
use proto::{
    r#type::v1::Money,
    wallet::v1::{
        ConfirmPaymentResponse, GetPaymentsRequest, Payment, VoidPaymentRequest,
        payment_service_client::PaymentServiceClient,
    },
};
use serde_json::json;

use self::gateway::{Gateway, Message};
use super::{
    Client,
    failure::{Done, Failure},
    value,
};
use crate::text::{show, table::facts};

/// Where the secret is, where no file is named.
const VARIABLE: &str = "PERENNIAL_SANDBOX_SECRET";

/// How far back an old message is dated: outside of the window of five minutes.
const OLD: TimeDelta = TimeDelta::minutes(10);

/// Examples of the command.
pub const EXAMPLES: &str =
    "The secret of the channel is read from --secret-file or PERENNIAL_SANDBOX_SECRET.

Examples:
  perennial pay-sandbox 0196…
  perennial pay-sandbox 0196… --amount \"CNY 1.00\"
  perennial pay-sandbox 0196… --twice --http
  perennial pay-sandbox 0196… --refund --amount \"CNY 70.00\"";

/// `perennial pay-sandbox`
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct SandboxArgs {
    /// The checkout reference; with --refund, the id of the refund.
    id: String,
    /// The channel that pays.
    #[arg(long, default_value = "sandbox")]
    channel: String,
    /// Answer a refund that goes through the channel, instead of paying.
    #[arg(long)]
    refund: bool,
    /// What is paid, such as "CNY 70.00"; what was asked for, if it is not said. Refunds need it.
    #[arg(long)]
    amount: Option<String>,
    /// Pay the same number of another currency.
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// Say that the money could not be taken.
    #[arg(long, conflicts_with_all = ["unknown_outcome", "twice", "late"])]
    fail: bool,
    /// Say that nobody knows yet.
    #[arg(long, conflicts_with_all = ["twice", "late"])]
    unknown_outcome: bool,
    /// Pay after the payment was called off.
    #[arg(long, conflicts_with = "refund")]
    late: bool,
    /// Pay two times.
    #[arg(long)]
    twice: bool,
    /// Send the same message once more.
    #[arg(long)]
    repeat: bool,
    /// Send what was said before last: that nobody knows, and that it failed.
    #[arg(long)]
    out_of_order: bool,
    /// Sign something else.
    #[arg(long)]
    wrong_signature: bool,
    /// Date the message ten minutes back.
    #[arg(long)]
    old_timestamp: bool,
    /// Send it over HTTP, and not over gRPC.
    #[arg(long)]
    http: bool,
    /// File of the channel's secret.
    #[arg(long, value_name = "FILE", env = "PERENNIAL_SANDBOX_SECRET_FILE")]
    secret_file: Option<PathBuf>,
}

impl SandboxArgs {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        let secret = self.secret()?;
        let amount = self.amount(client).await?;
        let now = super::clock::now(client).await;
        let sent = if self.old_timestamp { now - OLD } else { now };
        let gateway = Gateway {
            client,
            channel: &self.channel,
            secret,
            timestamp: sent.timestamp(),
            wrong_signature: self.wrong_signature,
            http: self.http,
        };
        let mut ends = Vec::new();
        for message in self.messages(client, &amount) {
            ends.push(gateway.send(&message).await? == Done::Refused);
        }
        Ok(Done::all(ends))
    }

    fn secret(&self) -> Result<Secret, Failure> {
        let text = match &self.secret_file {
            Some(file) => super::read_file(file)?,
            None => variable().ok_or_else(|| {
                Failure::Usage(format!("name the --secret-file, or set {VARIABLE}"))
            })?,
        };
        text.trim().parse().map_err(|error| Failure::Usage(format!("the secret {error}")))
    }

    /// What is paid; calls the payment off first where the money is to come too late.
    async fn amount(&self, client: &Client) -> Result<Money, Failure> {
        let typed = self.amount.as_deref().map(value::money).transpose();
        let typed = typed.map_err(|error| Failure::Usage(format!("--amount {error}")))?;
        let mut amount = if self.refund {
            typed.ok_or_else(|| {
                let say = "a refund needs its --amount: `perennial orders get` says what is owed";
                Failure::Usage(say.to_owned())
            })?
        } else {
            let payment = payment(client, &self.id).await?;
            let asked = payment.intent.as_ref().and_then(|intent| intent.amount.clone());
            if self.late {
                call_off(client, &payment).await?;
            }
            typed.or(asked).unwrap_or_default()
        };
        if let Some(currency) = &self.currency {
            amount.currency_code.clone_from(currency);
        }
        Ok(amount)
    }

    /// What is sent, one after the other.
    fn messages(&self, client: &Client, amount: &Money) -> Vec<Message> {
        let about = if self.refund { "refund" } else { "payment" };
        let message = |what: &str| {
            let id = client.env.next_id();
            let body = json!({
                "type": format!("{about}.{what}"),
                "data": {
                    (if self.refund { "refund_id" } else { "intent_id" }): self.id,
                    "channel_payment_id": format!("sandbox-{id}"),
                    "amount": {
                        "minor_units": amount.minor_units,
                        "currency_code": amount.currency_code,
                    },
                },
            });
            Message { id: format!("msg_{}", id.simple()), body: body.to_string() }
        };
        let first = match (self.fail, self.unknown_outcome) {
            (true, _) => "failed",
            (_, true) => "pending",
            _ => "succeeded",
        };
        let mut messages = vec![message(first)];
        if self.repeat {
            messages.extend(messages.clone());
        }
        if self.twice {
            messages.push(message(first));
        }
        if self.out_of_order {
            messages.extend(["pending", "failed"].map(message));
        }
        messages
    }
}

/// The payment that channels know by `intent`.
async fn payment(client: &Client, intent: &str) -> Result<Payment, Failure> {
    let request =
        GetPaymentsRequest { intent_ids: vec![intent.to_owned()], ..GetPaymentsRequest::default() };
    let answer = safe(async || payments(client).get_payments(request.clone()).await).await?;
    let payment = answer.into_inner().payments.pop();
    payment.ok_or_else(|| Failure::Usage(format!("there is no checkout reference {intent}")))
}

async fn call_off(client: &Client, payment: &Payment) -> Result<(), Failure> {
    let request = VoidPaymentRequest {
        payment_id: payment.payment_id.clone(),
        account_id: payment.account_id.clone(),
    };
    safe(async || payments(client).void_payment(request.clone()).await).await?;
    Ok(())
}

fn payments(client: &Client) -> PaymentServiceClient<platform::client::Connection> {
    PaymentServiceClient::new(client.connection.clone())
}

fn text(answer: &ConfirmPaymentResponse) -> String {
    let mut pairs = vec![
        ("outcome", show::word(answer.outcome().as_str_name(), "OUTCOME_")),
        ("amount", show::money(answer.amount.as_ref())),
        ("payment", answer.payment_id.clone()),
    ];
    if !answer.reason.is_empty() {
        pairs.insert(1, ("reason", answer.reason.clone()));
    }
    facts(pairs)
}

#[expect(clippy::disallowed_methods, reason = "a secret is never a flag, so clap cannot read it")]
fn variable() -> Option<String> {
    std::env::var(VARIABLE).ok()
}
