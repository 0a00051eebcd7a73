//! What tests of sweeps look at.

use chrono_tz::Asia::Shanghai;
use sea_orm::EntityTrait as _;

use super::cloud::{Cloud, acme};
use crate::store::{entity::instance, values};

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
