use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use chrono::TimeDelta;
use kernel::ids::IntentId;
use tower::ServiceExt as _;

use super::*;
use crate::tests::*;

/// Posts `callback`, and returns the code and the body.
async fn post(world: &World, callback: &Callback) -> (u16, serde_json::Value) {
    let request = Request::post(format!("/v1/channels/{}/callbacks", callback.channel))
        .header("webhook-id", &callback.id)
        .header("webhook-timestamp", &callback.timestamp)
        .header("webhook-signature", &callback.signature)
        .body(Body::from(callback.body.clone()))
        .unwrap();
    let response = routes(world.wallets.clone()).oneshot(request).await.unwrap();
    let code = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (code, serde_json::from_slice(&body).unwrap_or_default())
}

// W-4
#[tokio::test]
async fn a_callback_is_booked_once_whichever_way_it_comes() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let intent = world.intend(1, 100).await;
        let callback = signed("m-1", world.now(), &paid(intent, "CP-1", 100));
        let (code, body) = post(world, &callback).await;
        assert_eq!(
            (code, &body["outcome"], &body["amount"]["minor_units"]),
            (200, &json!("PAID"), &json!(100))
        );
        assert_eq!(post(world, &callback).await, (200, body));
        assert_eq!(world.told("m-1", &paid(intent, "CP-1", 100)).await, "PAID 100");
        let twice = signed("m-2", world.now(), &paid(intent, "CP-2", 100));
        let (code, body) = post(world, &twice).await;
        assert_eq!((code, &body["reason"]), (200, &json!("PAID_TWICE")));
        world.assert_sound().await;
    })
    .await;
}

// W-4
#[tokio::test]
async fn each_refusal_has_its_code() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let intent = world.intend(1, 100).await;
        let now = world.now();
        let good = || signed("m-1", now, &paid(intent, "CP-1", 100));
        let dollars = paid(intent, "CP-1", 100).replace("CNY", "USD");
        let unknown = paid(IntentId(id(7)), "CP-1", 100);
        for (callback, code, reason) in [
            (Callback { id: String::new(), ..good() }, 400, "INVALID_REQUEST"),
            (signed("m-1", now, "{}"), 400, "INVALID_REQUEST"),
            (Callback { body: vec![b' '; 16 * 1024 + 1], ..good() }, 400, "INVALID_REQUEST"),
            (Callback { signature: String::new(), ..good() }, 401, "SIGNATURE_INVALID"),
            (signed("m-1", now - TimeDelta::seconds(301), "{}"), 401, "SIGNATURE_INVALID"),
            (Callback { channel: "nobody".to_owned(), ..good() }, 404, "CHANNEL_NOT_FOUND"),
            (signed("m-1", now, &unknown), 404, "INTENT_NOT_FOUND"),
            (signed("m-1", now, &dollars), 409, "CURRENCY_MISMATCH"),
        ] {
            let (given, body) = post(world, &callback).await;
            assert_eq!((given, &body["reason"]), (code, &json!(reason)), "{body}");
        }
        assert_eq!(world.state(1).await, "PENDING");
    })
    .await;
}

#[test]
fn what_may_be_repeated_is_told_apart_from_what_may_not() {
    for (code, expected) in [
        (Code::Aborted, 503),
        (Code::Unavailable, 503),
        (Code::Internal, 500),
        (Code::InvalidArgument, 400),
    ] {
        assert_eq!(http_code(code).as_u16(), expected, "{code:?}");
    }
}
