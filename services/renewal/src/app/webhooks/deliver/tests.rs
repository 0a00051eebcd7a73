use std::collections::HashMap;

use async_trait::async_trait;
use chrono::TimeDelta;
use kernel::{
    Env,
    env::ManualClock,
    ids::{AccountId, InstanceId, RequestId},
};
use platform::{request::RequestDigest, webhook::verify};
use uuid::Uuid;

use super::*;
use crate::{
    app::{
        events::{Events, Limits},
        webhooks::{NewWebhook, Receivers},
    },
    store::{
        Store,
        accounts::{self},
        events::{Event, record},
    },
    tests::{
        cloud::{Cloud, at, clouds},
        stores::stores,
    },
};

/// How a receiver behaves.
#[derive(Debug, Clone, PartialEq)]
enum Manner {
    Takes,
    Answers(u16),
    /// Says no to what is about this instance.
    Dislikes(&'static str),
    NeverAnswers,
}

/// Receivers that behave as they are told, and what they were sent.
#[derive(Debug, Default)]
struct Fakes {
    manners: Mutex<HashMap<String, Manner>>,
    sent: Mutex<Vec<(String, Message)>>,
}

#[async_trait]
impl Receivers for Fakes {
    fn private(&self) -> bool {
        false
    }

    async fn refusal(&self, _: &str) -> Option<String> {
        None
    }

    async fn post(&self, url: &str, message: Message) -> Result<(), PostError> {
        let manner = self.manners.lock().unwrap().get(url).cloned().unwrap_or(Manner::Takes);
        let body = String::from_utf8(message.body.clone()).unwrap();
        self.sent.lock().unwrap().push((url.to_owned(), message));
        match manner {
            Manner::Answers(code) => Err(PostError::Answered(code)),
            Manner::Dislikes(instance) if body.contains(instance) => Err(PostError::Answered(400)),
            Manner::Takes | Manner::Dislikes(_) => Ok(()),
            Manner::NeverAnswers => std::future::pending().await,
        }
    }
}

const HERE: &str = "https://here.example/";
const THERE: &str = "https://there.example/";

struct World {
    store: Store,
    clock: Arc<ManualClock>,
    fakes: Arc<Fakes>,
    webhooks: Webhooks,
}

async fn worlds(name: &str) -> (Vec<World>, tempfile::TempDir) {
    let (stores, folder) = stores(name).await;
    (stores.into_iter().map(world).collect(), folder)
}

fn world(store: Store) -> World {
    let clock = ManualClock::at(at("2026-03-01 00:00"));
    let env = Env::with_clock(Arc::clone(&clock) as _);
    let fakes = Arc::new(Fakes::default());
    let events = Events::new(store.clone(), Limits::default());
    let webhooks = Webhooks::new(store.clone(), events, Arc::clone(&fakes) as _, env);
    World { store, clock, fakes, webhooks }
}

impl World {
    async fn webhook(&self, number: u128, url: &str, types: &[&str]) -> (Uuid, String) {
        let new = NewWebhook {
            request: RequestId(Uuid::from_u128(number)),
            digest: RequestDigest::of_bytes("CreateWebhook", url.as_bytes()),
            account: None,
            url: url.to_owned(),
            types: types.iter().map(|&kind| kind.to_owned()).collect(),
        };
        let (made, secret) = self.webhooks.create(new).await.unwrap();
        (made.webhook.id, secret.unwrap())
    }

    fn manner(&self, url: &str, manner: Manner) {
        self.fakes.manners.lock().unwrap().insert(url.to_owned(), manner);
    }

    /// Something happens to each of these instances, one after the other.
    async fn happen(&self, instances: &[&str]) {
        for (version, instance) in (1..).zip(instances) {
            let transaction = self.store.begin().await.unwrap();
            let account: AccountId = "acme".parse().unwrap();
            let id: InstanceId = instance.parse().unwrap();
            let event = Event::new("instance.updated", account).of_instance(id, version);
            let (env, now) = (Env::system(), at("2026-03-01 00:00"));
            record(&transaction, &env, now, vec![event]).await.unwrap();
            transaction.commit().await.unwrap();
        }
        // Transactions of other databases of the same server hold events back for a while.
        let rows = || async {
            let newest = outbox::newest(self.store.database()).await.unwrap();
            let (all, filter) = (Filter::default(), "");
            let page = outbox::list(self.store.database(), &all, filter, 1_000).await.unwrap();
            page.events.last().is_some_and(|event| outbox::cursor_at(event.id) == newest)
                && count_rows(&self.store).await == page.events.len()
        };
        while !rows().await {}
    }

    async fn deliver(&self) -> Delivered {
        self.webhooks.deliver(10).await.unwrap()
    }

    /// Delivers until there is nothing to do.
    async fn deliver_all(&self) {
        // A sweep does not wait for deliveries that take long.
        while self.deliver().await.taken > 0 || self.webhooks.places.available_permits() < AT_ONCE {
            tokio::task::yield_now().await;
        }
    }

    fn wait(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    /// Instances and versions of what was sent to `url`.
    fn sent(&self, url: &str) -> Vec<(String, i64)> {
        let sent = self.fakes.sent.lock().unwrap();
        let to = sent.iter().filter(|(to, _)| to == url);
        let told = to.map(|(_, message)| {
            let body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
            let data = &body["data"];
            let instance = data["instance_id"].as_str().unwrap().to_owned();
            (instance, data["instance_version"].as_i64().unwrap())
        });
        told.collect()
    }

    /// The versions that were sent to `url` of `instance`.
    fn versions(&self, url: &str, instance: &str) -> Vec<i64> {
        let sent = self.sent(url).into_iter();
        sent.filter(|(of, _)| of == instance).map(|(_, version)| version).collect()
    }

    async fn counts(&self, id: Uuid) -> (i64, i64) {
        let counts = self.webhooks.get(&id.into()).await.unwrap().counts;
        (counts.waiting, counts.dead)
    }
}

async fn count_rows(store: &Store) -> usize {
    use sea_orm::{ConnectionTrait as _, Statement};
    let backend = store.database().backend().dialect();
    let rows = Statement::from_string(backend, "SELECT seq FROM outbox");
    store.reader().query_all_raw(rows).await.unwrap().len()
}

#[tokio::test]
async fn each_event_is_sent_once_and_those_of_an_instance_in_their_order() {
    let (worlds, _folder) = worlds("wh_once").await;
    for world in worlds {
        world.happen(&["before"]).await;
        let (id, _) = world.webhook(1, HERE, &[]).await;
        world.webhook(2, THERE, &["order.paid"]).await;
        world.happen(&["a", "a", "b", "a", "b"]).await;

        world.deliver_all().await;

        assert_eq!(world.versions(HERE, "a"), [1, 2, 4]);
        assert_eq!(world.versions(HERE, "b"), [3, 5]);
        assert_eq!(world.sent(HERE).len(), 5, "what was before is not told");
        assert_eq!(world.sent(THERE), [], "nor is what nobody asked for");
        assert_eq!(world.deliver().await, Delivered::default());
        let shown = world.webhooks.get(&id.into()).await.unwrap();
        assert_eq!(shown.webhook.last_success, Some(at("2026-03-01 00:00")));
    }
}

#[tokio::test]
async fn what_fails_is_tried_again_and_holds_up_only_what_is_about_the_same() {
    let (worlds, _folder) = worlds("wh_retry").await;
    for world in worlds {
        let (id, _) = world.webhook(1, HERE, &[]).await;
        world.manner(HERE, Manner::Dislikes("bad"));
        world.happen(&["bad", "bad", "good"]).await;
        let first = world.deliver().await;
        world.happen(&["bad", "good"]).await;
        world.deliver_all().await;

        assert_eq!((first.taken, first.done), (1, 1));
        assert_eq!(first.failed, BTreeMap::from([("NOT_TAKEN", 1)]));
        assert_eq!(world.versions(HERE, "bad"), [1], "what comes after it waits");
        assert_eq!(world.versions(HERE, "good"), [3, 2]);
        assert_eq!(world.counts(id).await, (3, 0));
        let shown = world.webhooks.get(&id.into()).await.unwrap().webhook;
        assert_eq!(shown.failures, 0, "the receiver works");

        world.wait(4);
        world.deliver_all().await;
        assert_eq!(world.versions(HERE, "bad"), [1], "5 seconds are not over");
        world.wait(1);
        world.deliver_all().await;
        assert_eq!(world.versions(HERE, "bad"), [1, 1]);
        world.manner(HERE, Manner::Takes);
        world.wait(30);
        world.deliver_all().await;
        assert_eq!(world.versions(HERE, "bad"), [1, 1, 1, 2, 1], "in their order");
        assert_eq!(world.counts(id).await, (0, 0));
    }
}

#[tokio::test]
async fn what_is_not_taken_for_three_days_is_a_dead_letter_that_can_be_replayed() {
    let (worlds, _folder) = worlds("wh_dead").await;
    for world in worlds {
        let (id, _) = world.webhook(1, HERE, &[]).await;
        world.manner(HERE, Manner::Dislikes("bad"));
        world.happen(&["bad", "bad"]).await;
        world.deliver_all().await;
        let started = world.clock.clone();
        let begun = kernel::env::Clock::now(&*started);
        while world.counts(id).await.1 == 0 {
            world.wait(1_800);
            world.deliver_all().await;
            // Others keep the receiver in good repute.
            world.happen(&["good"]).await;
        }
        let after = kernel::env::Clock::now(&*started) - begun;
        assert!(after >= GIVE_UP && after < GIVE_UP + TimeDelta::hours(9), "{after}");
        let letters = world.webhooks.dead_letters(id, 0, 10).await.unwrap();
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].error, "the receiver answered 400");
        assert!(letters[0].attempts > 10, "{}", letters[0].attempts);
        world.deliver_all().await;
        assert_eq!(world.versions(HERE, "bad").last(), Some(&2), "the next one has its turn");

        world.manner(HERE, Manner::Takes);
        let event = letters[0].event.event_id.parse().unwrap();
        assert_eq!(world.webhooks.replay(&id.into(), &[Uuid::from_u128(9)]).await.unwrap(), 0);
        assert_eq!(world.webhooks.replay(&id.into(), &[event]).await.unwrap(), 1);
        assert_eq!(world.webhooks.replay(&id.into(), &[]).await.unwrap(), 0, "a repeat finds none");
        world.wait(28_800);
        world.deliver_all().await;
        assert_eq!(world.counts(id).await, (0, 0));
        let missing = world.webhooks.replay(&Uuid::from_u128(7).into(), &[]).await;
        assert!(matches!(missing, Err(WebhookError::NotFound(_))));
    }
}

#[tokio::test]
async fn a_receiver_that_does_not_work_is_left_alone_and_asked_with_one_message() {
    let (worlds, _folder) = worlds("wh_broken").await;
    for world in worlds {
        let (id, _) = world.webhook(1, HERE, &[]).await;
        world.manner(HERE, Manner::Answers(503));
        let names: Vec<_> = (0..300).map(|number| format!("i-{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        world.happen(&names).await;
        world.deliver_all().await;

        let tried = world.sent(HERE).len();
        assert!((5..5 + LINES_AT_ONCE).contains(&tried), "{tried}");
        let (waiting, _) = world.counts(id).await;
        assert!(waiting <= i64::from(CHUNK), "the rest stays in the outbox: {waiting}");
        for (wait, sent) in [(4, 0), (1, 1), (9, 0), (1, 1), (19, 0)] {
            let before = world.sent(HERE).len();
            world.wait(wait);
            world.deliver_all().await;
            assert_eq!(world.sent(HERE).len() - before, sent, "after {wait} s");
        }

        world.manner(HERE, Manner::Takes);
        world.wait(28_800);
        world.deliver_all().await;
        let mut told: Vec<_> = world.sent(HERE).split_off(tried + 2);
        told.sort_unstable();
        told.dedup();
        assert_eq!(told.len(), 300, "all of it was told in the end");
        assert_eq!(world.counts(id).await, (0, 0));
    }
}

#[tokio::test]
async fn a_receiver_that_never_answers_holds_up_no_other() {
    let (worlds, _folder) = worlds("wh_hangs").await;
    for world in worlds {
        world.webhook(1, THERE, &[]).await;
        world.webhook(2, HERE, &[]).await;
        world.manner(THERE, Manner::NeverAnswers);
        world.happen(&["a"]).await;

        let delivered = world.deliver().await;
        assert_eq!((delivered.taken, delivered.done), (2, 1), "the sweep does not wait");
        for _ in 0..3 {
            world.happen(&["b"]).await;
            assert_eq!(world.deliver().await.taken, 1, "only the one that is free");
        }

        assert_eq!(world.sent(HERE).len(), 4);
        assert_eq!(world.sent(THERE).len(), 1, "its first message is still under way");
    }
}

#[tokio::test]
async fn what_a_process_was_delivering_when_it_died_is_sent_again() {
    let (worlds, _folder) = worlds("wh_died").await;
    for before in worlds {
        before.webhook(1, HERE, &[]).await;
        before.manner(HERE, Manner::NeverAnswers);
        before.happen(&["a"]).await;
        before.deliver().await;
        let after = world(before.store.clone());

        assert_eq!(after.deliver().await.taken, 0, "for a minute it may be alive");
        after.wait(60);
        assert_eq!(after.deliver().await.done, 1);

        let (first, second) = (before.fakes.sent.lock().unwrap(), after.fakes.sent.lock().unwrap());
        assert_eq!(first[0].1.id, second[0].1.id, "it is known by its id");
    }
}

#[tokio::test]
async fn two_sweepers_at_once_send_each_message_once() {
    let (worlds, _folder) = worlds("wh_two").await;
    for world in worlds {
        world.webhook(1, HERE, &[]).await;
        let names: Vec<_> = (0..250).map(|number| format!("i-{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        world.happen(&names).await;

        futures::future::join_all((0..4).map(|_| world.deliver())).await;
        world.deliver_all().await;

        let mut told = world.sent(HERE);
        told.sort_unstable();
        told.dedup();
        assert_eq!((told.len(), world.sent(HERE).len()), (250, 250));
    }
}

#[tokio::test]
async fn a_message_is_signed_with_every_secret_that_is_good() {
    let (worlds, _folder) = worlds("wh_signed").await;
    for world in worlds {
        let (id, first) = world.webhook(1, HERE, &[]).await;
        let second = world.webhooks.rotate(&id.into()).await.unwrap();
        world.happen(&["a"]).await;
        world.deliver_all().await;
        world.wait(86_400);
        world.happen(&["b"]).await;
        world.deliver_all().await;

        let sent = world.fakes.sent.lock().unwrap();
        let by = |message: &Message, secret: &str| {
            let secret: Secret = secret.parse().unwrap();
            let now = DateTime::from_timestamp(message.timestamp, 0).unwrap();
            let Message { id, timestamp, signatures, body } = message;
            verify(&[secret], id, *timestamp, signatures, body, now).is_ok()
        };
        let signed = |place: usize| [by(&sent[place].1, &first), by(&sent[place].1, &second)];
        assert_eq!([signed(0), signed(1)], [[true, true], [false, true]]);
    }
}

#[tokio::test]
async fn events_that_were_forgotten_before_they_were_told_do_not_stop_the_rest() {
    let (worlds, _folder) = worlds("wh_forgotten").await;
    for world in worlds {
        world.happen(&["before"]).await;
        world.webhook(1, HERE, &[]).await;
        world.happen(&["a", "b"]).await;
        outbox::purge(world.store.database(), DateTime::<Utc>::MAX_UTC, 100).await.unwrap();

        world.deliver_all().await;

        assert_eq!(world.sent(HERE), [("b".to_owned(), 2)], "the oldest that is left");
    }
}

#[tokio::test]
async fn webhooks_of_an_account_tell_of_that_account() {
    let (clouds, _folder) = clouds("wh_account").await;
    for cloud in clouds {
        let Cloud { store, .. } = cloud;
        let world = world(store);
        let new = |number, account: &str| NewWebhook {
            request: RequestId(Uuid::from_u128(number)),
            digest: RequestDigest::of_bytes("CreateWebhook", account.as_bytes()),
            account: Some(account.parse().unwrap()),
            url: format!("https://{account}.example/"),
            types: Vec::new(),
        };
        world.webhooks.create(new(1, "other")).await.unwrap();
        world.webhooks.create(new(2, "acme")).await.unwrap();
        let unknown = world.webhooks.create(new(3, "nobody")).await;
        assert!(matches!(unknown, Err(WebhookError::AccountNotFound(_))));
        let known = accounts::get(world.store.reader(), &"other".parse().unwrap()).await.unwrap();
        assert!(known.is_some());
        world.happen(&["a"]).await;

        world.deliver_all().await;

        assert_eq!(world.sent("https://acme.example/").len(), 1);
        assert_eq!(world.sent("https://other.example/"), []);
    }
}
