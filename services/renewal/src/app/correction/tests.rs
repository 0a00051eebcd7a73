use kernel::ids::RequestId;
use proto::renewal::v1 as pb;
use rule_engine::{instance::BindingKind, registration::Registration};

use super::*;
use crate::tests::cloud::{Cloud, acme, at, bound, clouds, id, prepaid};

fn wanted(number: u128, name: &str, to: &str) -> Wanted {
    let message = pb::CorrectExpiryRequest { why: to.to_owned(), ..Default::default() };
    Wanted {
        request: RequestId(uuid::Uuid::from_u128(number)),
        digest: RequestDigest::of("CorrectExpiry", &message),
        account: acme(),
        id: id(name),
        expiry: at(to),
        why: "the console knows better".to_owned(),
    }
}

async fn refused(cloud: &Cloud, wanted: &Wanted) -> Reason {
    match cloud.corrections.correct(wanted).await.unwrap_err() {
        CallError::Refused(refusals) => refusals[0].reason,
        other => panic!("{other}"),
    }
}

/// I-2: later appends an adjustment without a price, earlier shortens; an adjustment that was not
/// paid for is undone where it stands in the way.
#[tokio::test]
async fn an_expiry_is_corrected_both_ways() {
    let (clouds, _folder) = clouds("correct").await;
    for cloud in clouds {
        cloud.register(vec![prepaid("i-1", "vm", "2026-03-11 00:00")]).await;
        for (number, to, terms, anchor) in [
            (1, "2026-03-15 00:00", 2, 14),
            (2, "2026-03-13 00:00", 2, 12),
            (3, "2026-03-05 00:00", 1, 4),
            (4, "2026-03-05 00:00", 1, 4),
            (5, "2026-04-01 00:00", 2, 31),
        ] {
            let wanted = wanted(number, "i-1", to);
            let Replayed::First(first) = cloud.corrections.correct(&wanted).await.unwrap() else {
                panic!("nobody asked before")
            };
            let lease = first.instance.billing.lease().unwrap();
            assert_eq!((lease.end, lease.anchor.get()), (at(to), anchor), "{to}");
            let Replayed::Again(again) = cloud.corrections.correct(&wanted).await.unwrap() else {
                panic!("it was asked before")
            };
            assert_eq!(first, again);
            let detail = cloud.instances.get(&acme(), &id("i-1")).await.unwrap();
            assert_eq!(detail.terms.len(), terms, "{to}");
        }
        let corrected = "instance.expiry_corrected".to_owned();
        let events = cloud.events().await;
        assert_eq!(events.iter().filter(|kind| **kind == corrected).count(), 4);
    }
}

/// I-2, O-3: what is refused changes nothing, and its request id may be used again.
#[tokio::test]
async fn what_cannot_be_corrected_is_refused() {
    let (clouds, _folder) = clouds("correct_refused").await;
    for cloud in clouds {
        let metered = Registration {
            billing: rule_engine::registration::RegisteredBilling::Postpaid,
            ..prepaid("metered", "vm", "2026-03-11 00:00")
        };
        let gone = Registration { released: true, ..prepaid("gone", "vm", "2026-03-11 00:00") };
        cloud.register(vec![prepaid("i-1", "vm", "2026-03-11 00:00"), metered, gone]).await;
        let to = "2026-03-15 00:00";
        assert_eq!(refused(&cloud, &wanted(1, "metered", to)).await, Reason::NoExpiry);
        assert_eq!(refused(&cloud, &wanted(1, "gone", to)).await, Reason::InstanceReleased);
        let early = wanted(1, "i-1", "2026-02-01 00:00");
        assert_eq!(refused(&cloud, &early).await, Reason::DateTooEarly);
        let unknown = cloud.corrections.correct(&wanted(1, "unknown", to)).await.unwrap_err();
        assert!(matches!(unknown, CallError::InstanceNotFound(_)));
        cloud.corrections.correct(&wanted(1, "i-1", to)).await.unwrap();
        let other = cloud.corrections.correct(&wanted(1, "i-1", "2026-03-16 00:00")).await;
        assert!(matches!(other, Err(CallError::RequestIdReused)));
    }
}

/// B-4: those that share a term are corrected together; a forced child has its own end.
#[tokio::test]
async fn a_strong_group_is_corrected_together() {
    let (clouds, _folder) = clouds("correct_group").await;
    for cloud in clouds {
        let end = "2026-03-11 00:00";
        cloud
            .register(vec![
                prepaid("kec", "kec", end),
                bound(prepaid("ebs", "ebs", end), "kec", BindingKind::Strong),
                bound(prepaid("ip", "vm", end), "kec", BindingKind::Forced),
            ])
            .await;
        let expiry = async |name: &str| {
            cloud.instances.get(&acme(), &id(name)).await.unwrap().instance.instance.expiry()
        };
        cloud.corrections.correct(&wanted(1, "ebs", "2026-03-15 00:00")).await.unwrap();
        let [then, later] = [end, "2026-03-15 00:00"].map(|text| Some(at(text)));
        assert_eq!(
            [expiry("kec").await, expiry("ebs").await, expiry("ip").await],
            [later, later, then]
        );
        cloud.corrections.correct(&wanted(2, "ip", "2026-03-12 00:00")).await.unwrap();
        assert_eq!(expiry("kec").await, later);
    }
}
