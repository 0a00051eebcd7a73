//! Short ways to order and pay in tests.

use std::sync::Arc;

use kernel::ids::RequestId;
use platform::request::RequestDigest;
use proto::{renewal::v1 as pb, wallet::v1::RefundDestination};
use rule_engine::plan::{Extent, Selection};
use uuid::Uuid;

use super::cloud::{Cloud, acme, id};
use crate::{
    app::{
        Pricing as _,
        audit::attempts,
        checkout::Checkout,
        create::{Create, What},
        failure::OrderError,
        pay::Pay,
        preview::Wanted,
        refund::TakeBack,
    },
    store::orders::Order,
};

/// The instances `names` of `acme`, for a month.
pub fn wanted(names: &[&str]) -> Wanted {
    let extent = Extent::Duration("1m".parse().unwrap());
    Wanted {
        account: acme(),
        selection: Selection::of(names.iter().map(|name| id(name)), extent),
        message: pb::Selection {
            instance_ids: names.iter().map(|&name| name.to_owned()).collect(),
            duration: Some("1m".parse().unwrap()),
            ..pb::Selection::default()
        },
    }
}

/// An order of `names`, as the request `number`, that awaits its payment.
pub fn create(number: u128, names: &[&str]) -> Create {
    let wanted = wanted(names);
    Create {
        request: RequestId(Uuid::from_u128(number)),
        digest: RequestDigest::of("CreateRenewalOrder", &wanted.message),
        account: acme(),
        what: What::Selection(Box::new(wanted)),
        expected: None,
        pay: None,
    }
}

/// An order of `names`, as the request `number`, that is paid at once.
pub fn create_paid(number: u128, names: &[&str]) -> Create {
    Create { pay: Some(pb::PaymentChoice::default()), ..create(number, names) }
}

/// A payment of `order`, as the request `number`.
pub fn pay(number: u128, order: &Order) -> Pay {
    Pay {
        request: RequestId(Uuid::from_u128(number)),
        digest: RequestDigest::of("PayOrder", &pb::PayOrderRequest::default()),
        account: acme(),
        order: order.id,
        choice: None,
    }
}

/// A checkout of `order` at the channel `bank`, as the request `number`.
pub fn check_out(number: u128, order: &Order) -> Checkout {
    Checkout {
        request: RequestId(Uuid::from_u128(number)),
        digest: RequestDigest::of("CheckoutOrder", &pb::CheckoutOrderRequest::default()),
        account: acme(),
        order: order.id,
        channel: "bank".to_owned(),
        choice: None,
        use_cash: false,
    }
}

/// A refund of the items `names` of `order` (none: all), as the request `number`.
pub fn take_back(number: u128, order: &Order, names: &[&str]) -> TakeBack {
    let instance_ids = names.iter().map(|&name| name.to_owned()).collect();
    let request = pb::RefundOrderRequest { instance_ids, ..pb::RefundOrderRequest::default() };
    TakeBack {
        request: RequestId(Uuid::from_u128(number)),
        digest: RequestDigest::of("RefundOrder", &request),
        account: acme(),
        order: order.id,
        items: names.iter().map(|name| id(name)).collect(),
        destination: RefundDestination::Unspecified,
    }
}

impl Cloud {
    /// The order that `command` makes or made.
    pub async fn order(&self, command: &Create) -> Result<Order, OrderError> {
        Ok(self.orders.create(command).await?.into_inner())
    }

    /// The order as it stands.
    pub async fn reread(&self, order: &Order) -> Order {
        self.orders.get(&acme(), order.id).await.unwrap()
    }

    /// What is off in the rows, by themselves and against what has come due.
    pub async fn off(&self) -> Vec<String> {
        let snapshot = self.store.snapshot().await.unwrap();
        let mut findings = crate::store::audit::audit(&snapshot).await.unwrap();
        snapshot.commit().await.unwrap();
        let catalogue = Arc::new(self.catalog.catalogue().await.unwrap());
        let now = self.orders.now();
        findings.extend(attempts::findings(&self.store, &catalogue, now).await.unwrap());
        findings.iter().map(ToString::to_string).collect()
    }

    /// When the instance `name` expires.
    pub async fn expiry(&self, name: &str) -> String {
        let detail = self.instances.get(&acme(), &id(name)).await.unwrap();
        detail.instance.expiry_shown
    }
}

/// The reason of a failure.
pub fn reason(error: &OrderError) -> &'static str {
    platform::status::ApiError::reason(error)
}
