//! The sandbox, a payment channel that is only there for the stories. It signs as a real one does.

use std::{fs, path::Path};

use anyhow::Context as _;
use platform::{status, webhook::Secret};
use proto::{
    r#type::v1::Money,
    wallet::v1::{
        ConfirmPaymentRequest, ConfirmPaymentResponse, PaymentIntent, Refund,
        confirm_payment_response::Outcome,
    },
};
use serde_json::json;
use tonic::Status;

use super::{story::Story, world::World};
use crate::text::show;

/// The channel's name.
pub const SANDBOX: &str = "sandbox";

/// What it signs with.
const SECRET: &str = "whsec_YSBzZWNyZXQgZm9yIHRoZSBzdG9yaWVz";

/// The suite's channels, as a file says them.
const CHANNELS: &str = "
channels:
  - name: sandbox
    currencies: [CNY]
    intent_minutes: 30
    secrets: [{ file: sandbox.secret }]
";

/// The file that says so.
pub const CHANNELS_FILE: &str = "channels.yaml";

/// Writes down in `folder` which channels there are, and what the sandbox signs with.
pub fn write_channels(folder: &Path) -> anyhow::Result<()> {
    let written = fs::write(folder.join("sandbox.secret"), SECRET);
    let written = written.and_then(|()| fs::write(folder.join(CHANNELS_FILE), CHANNELS));
    written.context("could not write the channels")
}

/// What the channel says.
pub struct Message {
    /// Its id: a message that is sent again has the same.
    id: String,
    body: String,
}

/// The channel has the money that it was asked for; `money` names it.
pub fn paid(world: &World, intent: &PaymentIntent, money: &str) -> Message {
    let data = json!({
        "intent_id": intent.intent_id,
        "channel_payment_id": money,
        "amount": amount(intent.amount.as_ref()),
    });
    message(world, "payment.succeeded", &data)
}

/// The channel has given back its part of a refund.
pub fn gave_back(world: &World, refund: &Refund) -> Message {
    let part = Money { minor_units: through_channel(refund), currency_code: "CNY".to_owned() };
    let data = json!({"refund_id": refund.refund_id, "amount": amount(Some(&part))});
    message(world, "refund.succeeded", &data)
}

/// The channel will not give back its part of a refund.
pub fn will_not(world: &World, refund: &Refund) -> Message {
    message(world, "refund.failed", &json!({"refund_id": refund.refund_id}))
}

fn through_channel(refund: &Refund) -> i64 {
    let parts = refund.parts.iter().filter_map(|part| part.channel.as_ref());
    parts.map(|part| part.minor_units).sum()
}

fn amount(amount: Option<&Money>) -> serde_json::Value {
    let Money { minor_units, currency_code } = amount.cloned().unwrap_or_default();
    json!({"minor_units": minor_units, "currency_code": currency_code})
}

fn message(world: &World, r#type: &str, data: &serde_json::Value) -> Message {
    let body = json!({"type": r#type, "data": data}).to_string();
    Message { id: format!("msg_{}", world.request_id()), body }
}

/// Sends a message that was signed as `text`.
async fn send(
    world: &World,
    message: &Message,
    text: &str,
) -> Result<ConfirmPaymentResponse, Status> {
    let secret: Secret = SECRET.parse().expect("the stories know a secret");
    let sent = world.now().timestamp();
    let request = ConfirmPaymentRequest {
        channel: SANDBOX.to_owned(),
        webhook_id: message.id.clone(),
        webhook_timestamp: sent.to_string(),
        webhook_signature: secret.sign(&message.id, sent, text.as_bytes()),
        body: message.body.clone().into_bytes(),
    };
    Ok(world.payments().confirm_payment(request).await?.into_inner())
}

impl Story {
    /// The sandbox sends a signed message; checks what comes of it.
    pub async fn callback(&mut self, message: &Message, expected: &str) -> anyhow::Result<()> {
        let answer = send(&self.world, message, &message.body).await?;
        let outcome = show::word(answer.outcome().as_str_name(), "OUTCOME_");
        let came = match answer.outcome() {
            Outcome::Paid | Outcome::Refunded => show::money(answer.amount.as_ref()),
            _ => format!("{} {}", answer.reason, show::money(answer.amount.as_ref())),
        };
        let came = format!("{outcome} {}", came.trim());
        self.check("the sandbox's signed message is answered", came, expected)
    }

    /// Somebody sends what the sandbox has not signed; checks that it is refused.
    pub async fn forged(&mut self, message: &Message) -> anyhow::Result<()> {
        let answer = send(&self.world, message, "something else").await;
        let actual = match answer {
            Ok(answer) => answer.outcome().as_str_name().to_owned(),
            Err(status) => status::reason(&status).unwrap_or_else(|| status.to_string()),
        };
        self.check("what it has not signed is refused with", actual, "SIGNATURE_INVALID")
    }
}
