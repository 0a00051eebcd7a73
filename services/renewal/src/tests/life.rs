//! What tests of sweeps look at.

use chrono_tz::Asia::Shanghai;
use platform::request::RequestDigest;
use proto::renewal::v1 as pb;
use sea_orm::EntityTrait as _;

use super::cloud::{Cloud, acme, at, id};
use crate::{
    app::correction,
    store::{entity::instance, values},
};

/// An instant of a column, by the clock of Shanghai.
pub fn local(micros: i64) -> String {
    let instant = values::instant(micros).unwrap().with_timezone(&Shanghai);
    instant.format("%Y-%m-%d %H:%M").to_string()
}

impl Cloud {
    /// The row of the instance `name` of `acme`.
    pub async fn row(&self, name: &str) -> instance::Model {
        let key = (acme().to_string(), name.to_owned());
        let row = instance::Entity::find_by_id(key).one(self.store.reader()).await;
        row.unwrap().unwrap()
    }
}

impl Cloud {
    /// What was told since the first `known` events.
    pub async fn told(&self, known: usize) -> Vec<pb::Event> {
        let count = self.events().await.len();
        let (filter, database) = (outbox::Filter::default(), self.store.database());
        let page = crate::store::events::list(database, &filter, "", 1_000).await.unwrap();
        let mut events = page.events;
        assert_eq!(events.len(), count);
        events.split_off(known)
    }

    /// Corrects the expiry of `name` to `to`, as the request `number`.
    pub async fn correct(&self, number: u128, name: &str, to: &str) {
        let message = pb::CorrectExpiryRequest { why: to.to_owned(), ..Default::default() };
        let wanted = correction::Wanted {
            request: kernel::ids::RequestId(uuid::Uuid::from_u128(number)),
            digest: RequestDigest::of("CorrectExpiry", &message),
            account: acme(),
            id: id(name),
            expiry: at(to),
            why: "it was wrong".to_owned(),
        };
        self.corrections.correct(&wanted).await.unwrap();
    }
}
