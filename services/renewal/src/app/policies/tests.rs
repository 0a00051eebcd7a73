use rule_engine::{instance::BindingKind, profile::Policy, registration::Registration};

use super::*;
use crate::tests::cloud::{Cloud, acme, at, bound, clouds, id, prepaid};

const AUTO: PolicyWish = PolicyWish::Auto { cycle: None, remaining: None };

async fn set(cloud: &Cloud, ids: &[&str], wish: PolicyWish) -> Vec<String> {
    let ids: Vec<_> = ids.iter().map(|name| id(name)).collect();
    let results = cloud.policies.set(&acme(), &ids, wish).await.unwrap();
    let told = |outcome: Result<PolicySet, RowRefusal>| match outcome {
        Ok(set) => set.policy.policy().code().to_owned(),
        Err(refusal) => refusal.reason.to_owned(),
    };
    results.into_iter().map(|(_, outcome)| told(outcome)).collect()
}

/// P-1, P-2, P-5, P-6, P-8: a result for each; one that is refused does not stop the others.
#[tokio::test]
async fn policies_are_set_in_batch_with_a_result_for_each() {
    let (clouds, _folder) = clouds("policies").await;
    for cloud in clouds {
        let metered = Registration {
            billing: rule_engine::registration::RegisteredBilling::Postpaid,
            ..prepaid("metered", "pool", "2026-03-11 00:00")
        };
        cloud
            .register(vec![
                prepaid("i-1", "pool", "2026-03-11 00:00"),
                prepaid("i-2", "pool", "2026-03-02 00:00"),
                prepaid("i-3", "vm", "2026-03-11 00:00"),
                prepaid("i-4", "old", "2026-03-11 00:00"),
                metered,
            ])
            .await;
        cloud.clock.set(at("2026-03-02 00:00"));
        let all = ["i-1", "i-2", "i-3", "i-4", "metered", "none"];
        assert_eq!(
            set(&cloud, &all, AUTO).await,
            [
                "AUTO",
                "AUTO_RENEW_AFTER_EXPIRY",
                "AUTO",
                "PRODUCT_DISCONTINUED",
                "NO_EXPIRY",
                "INSTANCE_NOT_FOUND"
            ]
        );
        assert_eq!(
            set(&cloud, &["i-1", "i-2", "i-3"], PolicyWish::PostpaidAfterExpiry).await,
            ["POSTPAID_AFTER_EXPIRY", "POLICY_AFTER_EXPIRY", "POLICY_NOT_ALLOWED"]
        );
        let not = PolicyWish::NotRenew;
        assert_eq!(set(&cloud, &["i-1", "i-2"], not).await, ["NOT_RENEW", "NOT_RENEW"]);
        // What is so already changes nothing and tells nothing.
        let before = cloud.events().await.len();
        assert_eq!(set(&cloud, &["i-1", "i-2"], not).await, ["NOT_RENEW", "NOT_RENEW"]);
        assert_eq!(cloud.events().await.len(), before);
    }
}

/// P-3: the cycle is the preset of 1 month, or one of the product's.
#[tokio::test]
async fn a_cycle_is_one_that_the_product_has() {
    let (clouds, _folder) = clouds("cycles").await;
    for cloud in clouds {
        cloud.register(vec![prepaid("i-1", "vm", "2026-03-11 00:00")]).await;
        let auto = |cycle: &str| PolicyWish::Auto {
            cycle: Some(cycle.parse().unwrap()),
            remaining: Some(2.try_into().unwrap()),
        };
        assert_eq!(set(&cloud, &["i-1"], AUTO).await, ["AUTO"]);
        assert_eq!(set(&cloud, &["i-1"], auto("10m")).await, ["TERM_NOT_OFFERED"]);
        assert_eq!(set(&cloud, &["i-1"], auto("1y")).await, ["AUTO"]);
        let shown = cloud.instances.get(&acme(), &id("i-1")).await.unwrap().instance;
        let auto = shown.instance.policy.auto().unwrap();
        assert_eq!((auto.cycle.short(), auto.remaining.unwrap().get()), ("1y".to_owned(), 2));
        assert_eq!(shown.version, 3);
    }
}

/// P-7, B-4: one member sets the whole group; some products refuse their groups beside others.
#[tokio::test]
async fn a_group_is_set_as_a_whole() {
    let (clouds, _folder) = clouds("group_policy").await;
    for cloud in clouds {
        let end = "2026-03-11 00:00";
        cloud
            .register(vec![
                prepaid("i-1", "vm", end),
                prepaid("kec-1", "kec", end),
                bound(prepaid("ebs-1", "ebs", end), "kec-1", BindingKind::Strong),
            ])
            .await;
        let mixed = set(&cloud, &["i-1", "kec-1", "ebs-1"], AUTO).await;
        assert_eq!(mixed, ["AUTO", "GROUP_NOT_IN_BATCH", "GROUP_NOT_IN_BATCH"]);
        let results = cloud.policies.set(&acme(), &[id("ebs-1")], AUTO).await.unwrap();
        let set = results[0].1.as_ref().unwrap();
        assert_eq!(set.set_along, [id("kec-1")]);
        assert_eq!(set.before.policy(), Policy::Manual);
        let primary = cloud.instances.get(&acme(), &id("kec-1")).await.unwrap().instance;
        assert_eq!(primary.instance.policy.policy(), Policy::Auto);
    }
}

/// B-1: an id named twice, and too many of them, refuse the call.
#[tokio::test]
async fn twice_and_too_many_refuse_the_call() {
    let (clouds, _folder) = clouds("policy_limits").await;
    for cloud in clouds {
        cloud.register(vec![prepaid("i-1", "vm", "2026-03-11 00:00")]).await;
        let reason = async |ids: Vec<InstanceId>| match cloud
            .policies
            .set(&acme(), &ids, AUTO)
            .await
            .unwrap_err()
        {
            CallError::Refused(refusals) => refusals[0].reason,
            other => panic!("{other}"),
        };
        assert_eq!(reason(vec![id("i-1"), id("i-1")]).await, Reason::DuplicateInstance);
        let many = (0..101).map(|n| id(&format!("i-{n}"))).collect();
        assert_eq!(reason(many).await, Reason::TooManyInstances);
    }
}
