//! Telling receivers over HTTP what happens.

use chrono::TimeDelta;
use proto::{
    renewal::{
        internal::v1::DeliverWebhooksRequest,
        v1::{
            CreateWebhookRequest, DeleteWebhookRequest, GetWebhookRequest, ListDeadLettersRequest,
            ListWebhooksRequest, ReplayDeadLettersRequest, RotateWebhookSecretRequest, Webhook,
        },
    },
    r#type::v1::PageRequest,
};
use tests::{Suite, fixture::*, receiver::Receiver, refusal};
use tonic::Code;

fn new(account: &str, url: &str) -> CreateWebhookRequest {
    CreateWebhookRequest {
        request_id: new_id(),
        account_id: account.to_owned(),
        url: url.to_owned(),
        types: vec!["instance.registered".to_owned()],
    }
}

async fn made(suite: &Suite, account: &str, receiver: &Receiver) -> (String, String) {
    let answer = suite.webhooks().create_webhook(new(account, &receiver.url())).await;
    let answer = answer.expect("a webhook").into_inner();
    (answer.webhook.expect("a webhook").webhook_id, answer.secret)
}

async fn webhook(suite: &Suite, id: &str) -> Webhook {
    let request = GetWebhookRequest { webhook_id: id.to_owned(), ..GetWebhookRequest::default() };
    let answer = suite.webhooks().get_webhook(request).await.expect("a webhook");
    answer.into_inner().webhook.expect("a webhook")
}

/// Sweeps until `done` says so. On PostgreSQL, events wait for whatever transaction of the server began
/// before them.
async fn until(suite: &Suite, mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..2_000 {
        let request = DeliverWebhooksRequest { limit: 0 };
        suite.sweeps().deliver_webhooks(request).await.expect("a sweep");
        if done().await {
            return;
        }
    }
    panic!("it never came to that");
}

async fn register(suite: &Suite, id: &str) {
    suite.register(vec![vm("acme", id, "2027-03-11 00:00")]).await;
}

crate::journeys! {
    /// Each event of what was asked for comes once, signed so that another implementation of Standard
    /// Webhooks is content, while a secret takes another's place too.
    async fn a_receiver_is_told_what_happens(suite) {
        // That implementation asks the system for the time.
        suite.set_clock(kernel::Env::system().now());
        suite.jd("acme", 0).await;
        suite.open_account("other", "jdcloud", 0).await;
        let (receiver, other) = (Receiver::start().await, Receiver::start().await);
        let (id, secret) = made(suite, "acme", &receiver).await;
        made(suite, "other", &other).await;
        register(suite, "i-1").await;
        until(suite, async || receiver.sent().len() == 1).await;
        let request = RotateWebhookSecretRequest { webhook_id: id.clone(), ..RotateWebhookSecretRequest::default() };
        let rotated = suite.webhooks().rotate_webhook_secret(request).await.unwrap().into_inner();
        register(suite, "i-2").await;
        until(suite, async || receiver.sent().len() == 2).await;
        suite.set_clock(suite.now() + TimeDelta::days(1));
        register(suite, "i-3").await;
        until(suite, async || receiver.sent().len() == 3).await;

        let by = |secret: &str| standardwebhooks::Webhook::new(secret).unwrap();
        let (first, second) = (by(&secret), by(&rotated.secret));
        let sent = receiver.sent();
        let good = |by: &standardwebhooks::Webhook, place: usize| {
            by.verify(&sent[place].body, &sent[place].headers).is_ok()
        };
        assert!(good(&first, 0) && good(&first, 1) && good(&second, 1));
        assert!(!good(&second, 0), "made later");
        assert!(!good(&second, 2), "its clock is a day behind");
        let mut forged = sent[0].clone();
        forged.body.push(b' ');
        assert!(first.verify(&forged.body, &forged.headers).is_err());
        let told = sent[1].json();
        assert_eq!(told["type"], "instance.registered");
        assert_eq!(told["data"]["instance_id"], "i-2");
        assert_eq!(told["data"]["product_id"], "jd-vm");
        assert_eq!(sent[1].path, "/hooks");
        let ids: std::collections::BTreeSet<_> =
            sent.iter().map(|one| one.headers["webhook-id"].clone().to_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), 3);
        assert_eq!(other.sent().len(), 0);
        let shown = webhook(suite, &id).await;
        assert_eq!((shown.secrets, shown.waiting, shown.dead_letters), (1, 0, 0));
        assert!(shown.last_success_time.is_some());
    }

    /// What is not taken is tried again, then a dead letter, and replayed when somebody says so.
    async fn what_is_not_taken_is_not_lost(suite) {
        suite.jd("acme", 0).await;
        let receiver = Receiver::start().await;
        receiver.answers(500);
        let (id, _) = made(suite, "acme", &receiver).await;
        register(suite, "i-1").await;
        until(suite, async || receiver.sent().len() == 1).await;
        let shown = webhook(suite, &id).await;
        assert_eq!((shown.waiting, shown.failures_in_a_row), (1, 1));
        assert_eq!(shown.last_error, "the receiver answered 500");

        suite.set_clock(suite.now() + TimeDelta::days(3));
        until(suite, async || webhook(suite, &id).await.dead_letters == 1).await;
        let request = ListDeadLettersRequest { webhook_id: id.clone(), page: None, ..ListDeadLettersRequest::default() };
        let letters = suite.webhooks().list_dead_letters(request).await.unwrap().into_inner();
        let letter = &letters.letters[0];
        assert_eq!((letters.letters.len(), letter.attempts), (1, 2));
        let event = letter.event.clone().unwrap();
        assert_eq!(event.instance_id, "i-1");

        receiver.answers(200);
        let replay = ReplayDeadLettersRequest {
            webhook_id: id.clone(),
            event_ids: vec![event.event_id.clone()],
            account_id: String::new(),
        };
        let replayed = suite.webhooks().replay_dead_letters(replay).await.unwrap().into_inner();
        assert_eq!(replayed.replayed, 1);
        until(suite, async || receiver.sent().len() == 3).await;
        let sent = receiver.sent();
        assert!(sent.iter().all(|one| one.headers["webhook-id"] == event.event_id.as_str()));
        assert_eq!(webhook(suite, &id).await.dead_letters, 0);

        let request = DeleteWebhookRequest { webhook_id: id.clone(), ..DeleteWebhookRequest::default() };
        suite.webhooks().delete_webhook(request.clone()).await.unwrap();
        register(suite, "i-2").await;
        let sweep = DeliverWebhooksRequest { limit: 0 };
        let swept = suite.sweeps().deliver_webhooks(sweep).await.unwrap().into_inner();
        assert_eq!((swept.due, swept.done, receiver.sent().len()), (0, 0, 3));
        let gone = (Code::NotFound, "WEBHOOK_NOT_FOUND".to_owned());
        assert_eq!(refusal(suite.webhooks().delete_webhook(request).await), gone);
        let sweep = DeliverWebhooksRequest { limit: -1 };
        let refused = refusal(suite.sweeps().deliver_webhooks(sweep).await);
        assert_eq!(refused, (Code::InvalidArgument, "INVALID_REQUEST".to_owned()));
    }

    /// O-3: a webhook is made once, its secret is told once, and it leads nowhere that it must not.
    async fn a_webhook_is_made_once_and_leads_where_it_may(suite) {
        suite.jd("acme", 0).await;
        let request = new("acme", "https://example.invalid/");
        let first = suite.webhooks().create_webhook(request.clone()).await.unwrap().into_inner();
        assert!(first.secret.starts_with("whsec_"));
        let again = suite.webhooks().create_webhook(request.clone()).await.unwrap().into_inner();
        assert_eq!((again.webhook, again.secret), (first.webhook, String::new()));
        let bad = "INVALID_REQUEST";
        for (request, expected) in [
            (
                CreateWebhookRequest { url: "https://example.invalid/2".to_owned(), ..request.clone() },
                (Code::InvalidArgument, "REQUEST_ID_REUSED"),
            ),
            (new("nobody", "https://example.invalid/"), (Code::NotFound, "ACCOUNT_NOT_FOUND")),
            (new("acme", "ftp://example.invalid/"), (Code::InvalidArgument, bad)),
            (new("acme", "https://me:secret@example.invalid/"), (Code::InvalidArgument, bad)),
            // These suites may send to private addresses; to others, without TLS, nobody may.
            (new("acme", "http://1.1.1.1/"), (Code::InvalidArgument, bad)),
            (new("acme", &format!("https://example.invalid/{}", "x".repeat(2_048))), (Code::InvalidArgument, bad)),
        ] {
            let refused = refusal(suite.webhooks().create_webhook(request).await);
            assert_eq!(refused, (expected.0, expected.1.to_owned()));
        }
        for number in 2..=21 {
            let made = suite.webhooks().create_webhook(new("acme", "https://example.invalid/")).await;
            if number <= 20 {
                made.expect("an account has 20 webhooks");
            } else {
                let refused = (Code::FailedPrecondition, "TOO_MANY_WEBHOOKS".to_owned());
                assert_eq!(refusal(made), refused);
            }
        }
        let page = PageRequest { page_size: 15, with_total: true, ..PageRequest::default() };
        let list = ListWebhooksRequest { account_id: "acme".to_owned(), page: Some(page) };
        let listed = suite.webhooks().list_webhooks(list.clone()).await.unwrap().into_inner();
        let page = listed.page.unwrap();
        assert_eq!((listed.webhooks.len(), page.total_size), (15, Some(20)));
        let rest = PageRequest { page_token: page.next_page_token, ..PageRequest::default() };
        let rest = ListWebhooksRequest { page: Some(rest), ..list };
        let rest = suite.webhooks().list_webhooks(rest).await.unwrap().into_inner();
        assert_eq!(rest.webhooks.len(), 5);
        assert_eq!(rest.page.unwrap().next_page_token, "");

        let rotate = RotateWebhookSecretRequest { webhook_id: listed.webhooks[0].webhook_id.clone(), ..RotateWebhookSecretRequest::default() };
        for _ in 1..5 {
            suite.webhooks().rotate_webhook_secret(rotate.clone()).await.expect("a new secret");
        }
        let refused = refusal(suite.webhooks().rotate_webhook_secret(rotate).await);
        assert_eq!(refused, (Code::FailedPrecondition, "TOO_MANY_SECRETS".to_owned()));
    }
}
