use kernel::ids::RequestId;
use platform::request::RequestDigest;
use proto::renewal::v1 as pb;
use rule_engine::{
    instance::{BindingKind, Instance},
    plan::{Extent, Selection},
    registration::RegisteredBilling,
};

use super::*;
use crate::tests::cloud::{Cloud, acme, at, bound, clouds, id, prepaid};
use crate::{
    app::{
        create::{Create, What},
        preview::Wanted,
    },
    domain::order::State,
};

async fn stored(cloud: &Cloud, name: &str) -> Instance {
    cloud.instances.get(&acme(), &id(name)).await.unwrap().instance.instance
}

/// I-1: what may change does, what is fixed stays, and a late word says nothing.
#[tokio::test]
async fn a_repeat_changes_what_it_may() {
    let (clouds, _folder) = clouds("repeat").await;
    for cloud in clouds {
        let first = prepaid("i-1", "vm", "2026-03-11 00:00");
        let next = |number| Registration { source_version: number, ..first.clone() };
        let cases = [
            (first.clone(), "Created"),
            (first.clone(), "Unchanged"),
            (next(2), "Unchanged"),
            (Registration { name: "web".to_owned(), ..next(3) }, "Updated"),
            (Registration { name: "late".to_owned(), ..next(2) }, "Unchanged"),
            (Registration { name: "web".to_owned(), ..next(3) }, "Unchanged"),
            // One number, two words.
            (Registration { name: "other".to_owned(), ..next(3) }, "INVALID_REQUEST"),
            (
                Registration { region: "south".parse().unwrap(), ..next(4) },
                "INSTANCE_IMMUTABLE_FIELD",
            ),
            (
                Registration { product: "pool".parse().unwrap(), ..next(4) },
                "INSTANCE_IMMUTABLE_FIELD",
            ),
            (Registration { account: "other".parse().unwrap(), ..next(4) }, "INSTANCE_ID_TAKEN"),
            (Registration { account: "nobody".parse().unwrap(), ..next(4) }, "ACCOUNT_NOT_FOUND"),
            // I-2: an expiry is never edited.
            (Registration { billing: RegisteredBilling::Postpaid, ..next(4) }, "EXPIRY_CONFLICT"),
            (prepaid("i-9", "no-such-product", "2026-03-11 00:00"), "PRODUCT_NOT_FOUND"),
        ];
        for (row, expected) in cases {
            assert_eq!(cloud.register(vec![row]).await, [expected]);
        }
        assert_eq!(stored(&cloud, "i-1").await.name, "web");
        let told = cloud.events().await;
        assert_eq!(told[2..], ["instance.registered", "instance.updated"]);
    }
}

#[tokio::test]
async fn a_refusal_of_a_taken_id_tells_nothing_of_its_owner() {
    let (clouds, _folder) = clouds("taken").await;
    for cloud in clouds {
        cloud.register(vec![prepaid("i-1", "vm", "2026-03-11 00:00")]).await;
        let row = Registration {
            account: "other".parse().unwrap(),
            ..prepaid("i-1", "pool", "2026-05-11 00:00")
        };
        let refusal = cloud.registrations.register(vec![row]).await.unwrap().remove(0).unwrap_err();
        assert_eq!(refusal.message, "The id i-1 is taken.");
        assert!(refusal.metadata.is_empty());
    }
}

/// I-1: without an anchor, the start's day where the end fits it, else the end's own (T-6).
#[tokio::test]
async fn the_anchor_is_the_starts_day_if_the_end_fits_it() {
    let (clouds, _folder) = clouds("anchor").await;
    for cloud in clouds {
        for (start, end, anchor) in [
            ("2026-01-31 10:00", "2026-03-01 00:00", 31),
            ("2026-01-28 10:00", "2026-03-01 00:00", 28),
            ("2026-01-10 10:00", "2026-03-01 00:00", 28),
        ] {
            let name = format!("i-{}", &start[8..10]);
            let mut row = prepaid(&name, "vm", end);
            row.billing =
                RegisteredBilling::Prepaid { start: at(start), end: at(end), anchor: None };
            assert_eq!(cloud.register(vec![row]).await, ["Created"]);
            let lease = stored(&cloud, &name).await.billing.lease().unwrap();
            assert_eq!(lease.anchor.get(), anchor, "{start}");
        }
    }
}

/// B-4, I-1: a parent may stand in any row of the call; groups end together or are refused.
#[tokio::test]
async fn groups_are_registered_in_any_order_and_end_together() {
    let (clouds, _folder) = clouds("groups").await;
    for cloud in clouds {
        let ebs = |name: &str, end| prepaid(name, "ebs", end);
        let strong = BindingKind::Strong;
        let together = vec![
            bound(ebs("ebs-1", "2026-03-11 00:00"), "kec-1", strong),
            prepaid("kec-1", "kec", "2026-03-11 00:00"),
        ];
        assert_eq!(cloud.register(together).await, ["Created", "Created"]);
        let late = vec![bound(ebs("ebs-2", "2026-03-12 00:00"), "kec-1", strong)];
        assert_eq!(cloud.register(late).await, ["GROUP_EXPIRY_MISMATCH"]);
        let apart = vec![
            prepaid("kec-2", "kec", "2026-03-11 00:00"),
            bound(ebs("ebs-3", "2026-03-12 00:00"), "kec-2", strong),
            bound(ebs("ebs-4", "2026-03-12 00:00"), "kec-2", BindingKind::Forced),
        ];
        let mismatch = "GROUP_EXPIRY_MISMATCH";
        assert_eq!(cloud.register(apart).await, [mismatch, mismatch, "INSTANCE_NOT_FOUND"]);
        // A parent that is unknown, or somebody else's, and a parent that is itself.
        let theirs = Registration {
            account: "other".parse().unwrap(),
            ..prepaid("theirs", "kec", "2026-03-11 00:00")
        };
        cloud.register(vec![theirs]).await;
        for parent in ["nowhere", "theirs", "ebs-5"] {
            let row = bound(ebs("ebs-5", "2026-03-11 00:00"), parent, BindingKind::Optional);
            assert_eq!(cloud.register(vec![row]).await, ["INSTANCE_NOT_FOUND"]);
        }
    }
}

/// B-4, B-5: nothing is bound to itself, within a page or by way of what is known already.
#[tokio::test]
async fn bindings_never_lead_back() {
    let (clouds, _folder) = clouds("circles").await;
    for cloud in clouds {
        let forced = |name: &str, parent: &str, number| {
            let row = prepaid(name, "ebs", "2026-03-11 00:00");
            bound(Registration { source_version: number, ..row }, parent, BindingKind::Forced)
        };
        let circle = "INVALID_REQUEST";
        let rows = vec![forced("a", "b", 1), forced("b", "c", 1), forced("c", "a", 1)];
        let refused = cloud.registrations.register(rows.clone()).await.unwrap().remove(0);
        let refused = refused.unwrap_err();
        assert_eq!(refused.message, "binding binds it to itself by way of b, c, a");
        assert_eq!((refused.reason, &*refused.metadata["field"]), (circle, "binding"));
        let hanging = [rows, vec![forced("d", "a", 1)]].concat();
        let orphan = "INSTANCE_NOT_FOUND";
        assert_eq!(cloud.register(hanging).await, [circle, circle, circle, orphan]);

        let chain =
            vec![prepaid("c", "ebs", "2026-03-11 00:00"), forced("b", "c", 1), forced("a", "b", 1)];
        assert_eq!(cloud.register(chain).await, ["Created", "Created", "Created"]);
        assert_eq!(cloud.register(vec![forced("c", "a", 2)]).await, [circle]);
        let both = vec![forced("c", "b", 2), forced("b", "c", 2)];
        assert_eq!(cloud.register(both).await, [circle, circle]);
        // The other way round is fine where all of it is said at once.
        let free = Registration { source_version: 2, ..prepaid("a", "ebs", "2026-03-11 00:00") };
        let turned = vec![forced("c", "b", 2), forced("b", "a", 3), free];
        assert_eq!(cloud.register(turned).await, ["Updated", "Updated", "Updated"]);
    }
}

/// I-1, T-6: an anchor that does not lead to the end is a bad field of its row only.
#[tokio::test]
async fn an_anchor_that_contradicts_the_end_is_refused() {
    let (clouds, _folder) = clouds("anchor_off").await;
    for cloud in clouds {
        let row = |name: &str, day: u32| {
            let (start, end) = (at("2026-01-10 10:00"), at("2026-03-01 00:00"));
            let anchor = Some(day.try_into().unwrap());
            let billing = RegisteredBilling::Prepaid { start, end, anchor };
            Registration { billing, ..prepaid(name, "vm", "2026-03-01 00:00") }
        };
        let rows = vec![row("i-1", 28), row("i-2", 31), row("i-3", 27), row("i-4", 1)];
        let refused = "INVALID_REQUEST";
        assert_eq!(cloud.register(rows).await, ["Created", "Created", refused, refused]);
        let refusal = cloud.registrations.register(vec![row("i-3", 27)]).await.unwrap().remove(0);
        let refusal = refusal.unwrap_err();
        assert_eq!(
            refusal.message,
            "prepaid.anchor_day 27 does not lead to the end: the last day 2026-02-28 is neither \
             day 27 nor the last of a month without one"
        );
        assert_eq!(refusal.metadata["field"], "prepaid.anchor_day");
    }
}

#[tokio::test]
async fn an_id_named_twice_is_refused_and_the_other_rows_go_through() {
    let (clouds, _folder) = clouds("twice").await;
    for cloud in clouds {
        let row = |name: &str| prepaid(name, "vm", "2026-03-11 00:00");
        let beyond = prepaid("i-3", "vm", "2026-01-11 00:00");
        let results = cloud.register(vec![row("i-1"), row("i-2"), row("i-1"), beyond]).await;
        let twice = "DUPLICATE_INSTANCE";
        assert_eq!(results, [twice, "Created", twice, "DATE_OUT_OF_RANGE"]);
    }
}

/// A page of a thousand rows takes as many statements as a page of two.
#[tokio::test]
async fn a_page_takes_a_constant_number_of_statements() {
    let (clouds, _folder) = clouds("constant").await;
    for cloud in clouds {
        let mut counts = Vec::new();
        for (page, size) in [(1, 2), (2, 1_000)] {
            let rows =
                (0..size).map(|n| prepaid(&format!("i-{page}-{n}"), "vm", "2026-03-11 00:00"));
            let rows: Vec<_> = rows.collect();
            let before = cloud.store.database().usage();
            assert!(cloud.register(rows).await.iter().all(|outcome| outcome == "Created"));
            let after = cloud.store.database().usage();
            counts.push((
                after.statements - before.statements,
                after.transactions - before.transactions,
            ));
        }
        assert_eq!(counts[0], counts[1]);
        assert!(counts[1].0 <= 9, "{counts:?}");
    }
}

/// An unpaid order for a month more of the instance.
async fn order(cloud: &Cloud, name: &str, number: u128) -> OrderId {
    let message = pb::Selection {
        instance_ids: vec![name.to_owned()],
        duration: Some("1m".parse().unwrap()),
        ..pb::Selection::default()
    };
    let extent = Extent::Duration("1m".parse().unwrap());
    let selection = Selection::of([id(name)], extent);
    let create = Create {
        request: RequestId(uuid::Uuid::from_u128(number)),
        digest: RequestDigest::of("CreateRenewalOrder", &message),
        account: acme(),
        what: What::Selection(Box::new(Wanted { account: acme(), selection, message })),
        expected: None,
        pay: None,
    };
    Box::pin(cloud.orders.create(&create)).await.unwrap().into_inner().id
}

/// I-1, I-2: what is priced and changes cancels an unpaid order; a binding waits for it; the rest
/// does not touch it.
#[tokio::test]
async fn a_change_of_what_is_priced_cancels_the_unpaid_order() {
    let (clouds, _folder) = clouds("repriced").await;
    for cloud in clouds {
        let first = prepaid("i-1", "vm", "2026-03-11 00:00");
        cloud.register(vec![first.clone(), prepaid("i-0", "vm", "2026-03-11 00:00")]).await;
        let held = order(&cloud, "i-1", 1).await;
        let next = |number, settings: [(&str, &str); 2]| Registration {
            configuration: settings.into_iter().collect(),
            source_version: number,
            ..first.clone()
        };
        let same = [("flavor", "small"), ("note", "x")];
        let bound = bound(next(2, same), "i-0", BindingKind::Optional);
        assert_eq!(cloud.register(vec![bound]).await, ["OPEN_ORDER_EXISTS"]);
        let described = next(3, [("flavor", "small"), ("note", "y")]);
        assert_eq!(cloud.register(vec![described]).await, ["Updated"]);
        let state = async || cloud.orders.get(&acme(), held).await.unwrap().state;
        assert_eq!(state().await, State::PendingPayment);

        let repriced = next(4, [("flavor", "large"), ("note", "y")]);
        let other = Registration { source_version: 2, ..prepaid("i-0", "vm", "2026-03-12 00:00") };
        assert_eq!(cloud.register(vec![repriced, other]).await, ["Updated", "EXPIRY_CONFLICT"]);
        let ended = cloud.orders.get(&acme(), held).await.unwrap();
        assert_eq!(ended.state, State::Cancelled);
        assert_eq!(ended.ended_why.unwrap().reason, "CONFIGURATION_CHANGED");
        let instance = stored(&cloud, "i-1").await;
        assert_eq!(instance.configuration.get("flavor"), Some("large"));
        assert_eq!(instance.open_order, None);
        let events = cloud.events().await;
        assert!(events.contains(&"order.cancelled".to_owned()), "{events:?}");
        order(&cloud, "i-1", 2).await;
    }
}

/// I-1, O-2, B-4: a group that stands on an open order gets no member that the order does not have.
#[tokio::test]
async fn nothing_joins_a_group_that_stands_on_an_open_order() {
    let (clouds, _folder) = clouds("joins").await;
    for cloud in clouds {
        let end = "2026-03-11 00:00";
        let free = prepaid("free", "ebs", end);
        let others = vec![prepaid("held", "kec", end), prepaid("root", "kec", end), free.clone()];
        cloud.register(others).await;
        let held = order(&cloud, "held", 1).await;
        let before = cloud.events().await;
        let known = stored(&cloud, "free").await;
        for kind in [BindingKind::Strong, BindingKind::Forced] {
            let new = bound(prepaid("new", "ebs", end), "held", kind);
            let child = bound(prepaid("child", "ebs", end), "new", kind);
            let known = bound(Registration { source_version: 2, ..free.clone() }, "held", kind);
            let rows = vec![new.clone(), child, known];
            assert_eq!(cloud.register(rows).await, ["OPEN_ORDER_EXISTS"; 3], "{kind:?}");
            let refusal = cloud.registrations.register(vec![new]).await.unwrap().remove(0);
            assert_eq!(refusal.unwrap_err().metadata["order_id"], held.to_string());
        }
        assert_eq!(stored(&cloud, "free").await, known);
        assert!(cloud.instances.get(&acme(), &id("new")).await.is_err());
        assert_eq!(cloud.events().await, before, "nothing changes");

        let rows = vec![
            bound(prepaid("ticked", "ebs", end), "held", BindingKind::Optional),
            bound(prepaid("elsewhere", "ebs", end), "root", BindingKind::Strong),
        ];
        assert_eq!(cloud.register(rows).await, ["Created", "Created"]);
        cloud.orders.cancel(&acme(), held).await.unwrap();
        let new = bound(prepaid("new", "ebs", end), "held", BindingKind::Strong);
        assert_eq!(cloud.register(vec![new]).await, ["Created"]);
    }
}

/// B-4, O-2: who has planned a renewal without knowing of a binding cannot claim what it planned.
#[tokio::test]
async fn a_binding_makes_a_new_version_of_whatever_it_binds_to() {
    let (clouds, _folder) = clouds("versions").await;
    for cloud in clouds {
        let end = "2026-03-11 00:00";
        cloud.register(["p", "q"].map(|name| prepaid(name, "kec", end)).into()).await;
        let (strong, forced) = (BindingKind::Strong, BindingKind::Forced);
        let child = |number| Registration { source_version: number, ..prepaid("c", "ebs", end) };
        let versions = async || {
            let (account, ids) = (acme(), ["p", "q"].map(id));
            let reader = cloud.store.reader();
            let loaded = instances::load(reader, &account, &ids, Reach::Groups, Lock::None);
            let loaded = loaded.await.unwrap();
            let of = |id| loaded.iter().find(|one| one.instance.id == id).unwrap().version;
            ids.map(of)
        };
        for (row, expected) in [
            (bound(child(1), "p", strong), [2, 1]),
            (Registration { name: "named".to_owned(), ..bound(child(2), "p", strong) }, [2, 1]),
            (bound(child(3), "q", strong), [3, 2]),
            (bound(child(4), "q", forced), [3, 3]),
            // What stands between counts as well: it may be no item of what is planned.
            (bound(prepaid("below", "ebs", end), "c", strong), [3, 4]),
            (child(5), [3, 5]),
            (bound(child(6), "p", BindingKind::Optional), [3, 5]),
        ] {
            let told = format!("{:?}", row.binding);
            assert!(["Created", "Updated"].contains(&cloud.register(vec![row]).await[0].as_str()));
            assert_eq!(versions().await, expected, "{told}");
        }
        // A parent that changes in the same call has one new version, and it alone is told of.
        let before = cloud.events().await;
        let renamed = Registration { source_version: 2, ..prepaid("q", "kec", end) };
        let renamed = Registration { name: "renamed".to_owned(), ..renamed };
        cloud.register(vec![bound(child(7), "q", strong), renamed]).await;
        assert_eq!(versions().await, [3, 6]);
        assert_eq!(cloud.events().await[before.len()..], ["instance.updated"; 2]);
    }
}
