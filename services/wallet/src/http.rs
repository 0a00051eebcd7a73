//! The route that channels call: `ConfirmPayment` for those who speak HTTP (W-4).

use std::time::Duration;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::post,
};
use platform::status::{BUSY, Replayed, reason};
use serde_json::json;
use tonic::{Code, Status};

use crate::{
    app::{Callback, Wallets},
    domain::{Booked, Confirmed},
};

/// How long a callback may take; shorter than the server's own time-out, which speaks gRPC only.
const PATIENCE: Duration = Duration::from_secs(10);

/// `POST /v1/channels/{channel}/callbacks`, with the headers of Standard Webhooks.
pub fn routes(wallets: Wallets) -> Router {
    Router::new().route("/v1/channels/{channel}/callbacks", post(callback)).with_state(wallets)
}

async fn callback(
    State(wallets): State<Wallets>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let callback = Callback {
        channel,
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body: body.into(),
    };
    let confirmed = tokio::time::timeout(PATIENCE, wallets.confirm(&callback)).await;
    let Ok(confirmed) = confirmed else {
        let late = json!({ "reason": BUSY, "message": "it took too long; send it again" });
        return answer(StatusCode::SERVICE_UNAVAILABLE, &late);
    };
    match confirmed.map(Replayed::into_inner) {
        Ok(confirmed) => answer(StatusCode::OK, &taken(&confirmed)),
        Err(error) => {
            let status = Status::from(error);
            let (reason, message) = (reason(&status).unwrap_or_default(), status.message());
            answer(http_code(status.code()), &json!({ "reason": reason, "message": message }))
        }
    }
}

fn answer(code: StatusCode, body: &serde_json::Value) -> Response {
    (code, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// What was done, in the words of the contract.
fn taken(confirmed: &Confirmed) -> serde_json::Value {
    let (outcome, why) = match confirmed.booked {
        Booked::Paid => ("PAID", ""),
        Booked::ToCash(why) => ("TO_CASH_BALANCE", why.reason()),
        Booked::Voided => ("VOIDED", ""),
        Booked::Refunded => ("REFUNDED", ""),
        Booked::Nothing => ("NOTHING", ""),
    };
    json!({
        "outcome": outcome,
        "reason": why,
        "amount": {
            "minor_units": confirmed.amount.minor(),
            "currency_code": confirmed.amount.currency().code(),
        },
        "payment_id": confirmed.payment.to_string(),
    })
}

/// How HTTP says it: the channel repeats what is 5xx, and looks into what is 4xx.
const fn http_code(code: Code) -> StatusCode {
    match code {
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::FailedPrecondition => StatusCode::CONFLICT,
        Code::Aborted | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests;
