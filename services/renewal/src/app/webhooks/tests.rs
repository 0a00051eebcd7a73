use kernel::env::{Clock as _, ManualClock};

use super::*;
use crate::{
    app::events::Limits,
    tests::{cloud::at, stores::stores},
};

/// Receivers that nobody sends anything to; a name with `private` in it leads to a private address.
#[derive(Debug)]
struct Names;

#[async_trait]
impl Receivers for Names {
    fn private(&self) -> bool {
        false
    }

    async fn refusal(&self, url: &str) -> Option<String> {
        url.contains("private").then(|| "must not lead to a private address".to_owned())
    }

    async fn post(&self, _: &str, _: Message) -> Result<(), PostError> {
        Err(PostError::TimedOut)
    }
}

fn webhooks(store: Store, clock: &Arc<ManualClock>) -> Webhooks {
    let env = Env::with_clock(Arc::clone(clock) as _);
    let events = Events::new(store.clone(), Limits::default());
    Webhooks::new(store, events, Arc::new(Names), env)
}

fn new(number: u128, url: &str) -> NewWebhook {
    NewWebhook {
        request: RequestId(Uuid::from_u128(number)),
        digest: RequestDigest::of_bytes("CreateWebhook", url.as_bytes()),
        account: None,
        url: url.to_owned(),
        types: Vec::new(),
    }
}

// O-3
#[tokio::test]
async fn a_repeat_makes_no_second_webhook_and_is_told_no_secret() {
    let (stores, _folder) = stores("wh_create").await;
    let clock = ManualClock::at(at("2026-03-01 00:00"));
    for store in stores {
        let webhooks = webhooks(store, &clock);
        let (made, secret) = webhooks.create(new(1, "https://a.example/")).await.unwrap();
        let (again, none) = webhooks.create(new(1, "https://a.example/")).await.unwrap();
        assert_eq!((&made, none), (&again, None));
        let secret = secret.unwrap();
        secret.parse::<platform::webhook::Secret>().unwrap();
        assert!(!format!("{made:?}").contains(&secret), "it is not told by accident");
        let other = webhooks.create(new(1, "https://b.example/")).await;
        assert!(matches!(other, Err(WebhookError::RequestIdReused)));

        let (_, another) = webhooks.create(new(2, "https://a.example/")).await.unwrap();
        assert_ne!(another, Some(secret));
        for number in 3..=MOST {
            webhooks.create(new(number.into(), "https://a.example/")).await.unwrap();
        }
        let more = webhooks.create(new(100, "https://a.example/")).await;
        assert!(matches!(more, Err(WebhookError::TooMany)));
        webhooks.delete(&made.webhook.id.into()).await.unwrap();
        webhooks.create(new(100, "https://a.example/")).await.unwrap();
        let gone = webhooks.delete(&made.webhook.id.into()).await;
        assert!(matches!(gone, Err(WebhookError::NotFound(_))));
    }
}

#[tokio::test]
async fn where_nothing_may_be_sent_no_webhook_leads() {
    let (stores, _folder) = stores("wh_private").await;
    let clock = ManualClock::at(at("2026-03-01 00:00"));
    for store in stores {
        let webhooks = webhooks(store, &clock);
        for url in ["http://a.example/", "https://127.0.0.1/", "https://private.example/"] {
            let refused = webhooks.create(new(1, url)).await;
            assert!(matches!(refused, Err(WebhookError::Url(_))), "{url}");
        }
        assert_eq!(webhooks.list(None, None, 10).await.unwrap(), []);
    }
}

#[tokio::test]
async fn secrets_that_were_replaced_are_good_for_a_day_and_few() {
    let (stores, _folder) = stores("wh_rotate").await;
    let clock = ManualClock::at(at("2026-03-01 00:00"));
    for store in stores {
        clock.set(at("2026-03-01 00:00"));
        let webhooks = webhooks(store, &clock);
        let (made, first) = webhooks.create(new(1, "https://a.example/")).await.unwrap();
        let id = made.webhook.id;
        let signing = async || {
            let webhook = webhooks.get(&id.into()).await.unwrap().webhook;
            webhook.signing(clock.now()).map(|it| it.secret.clone()).collect::<Vec<_>>()
        };
        let second = webhooks.rotate(&id.into()).await.unwrap();
        assert_eq!(signing().await, [second.clone(), first.unwrap()]);
        for _ in 2..MOST_SECRETS {
            webhooks.rotate(&id.into()).await.unwrap();
        }
        assert!(matches!(webhooks.rotate(&id.into()).await, Err(WebhookError::TooManySecrets)));
        clock.set(at("2026-03-02 00:00"));
        assert_eq!(signing().await.len(), 1);
        let last = webhooks.rotate(&id.into()).await.unwrap();
        assert_eq!(signing().await[0], last);
        let unknown = webhooks.rotate(&Uuid::from_u128(7).into()).await;
        assert!(matches!(unknown, Err(WebhookError::NotFound(_))));
    }
}
