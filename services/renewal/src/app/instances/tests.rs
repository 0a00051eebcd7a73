use kernel::ids::AccountId;
use rule_engine::{
    instance::BindingKind,
    lifecycle::State,
    registration::{RegisteredBilling, Registration},
};

use super::*;
use crate::tests::cloud::{Cloud, acme, at, bound, clouds, id, prepaid};

async fn found(cloud: &Cloud, search: Search) -> Vec<Shown> {
    let part = Part { after: None, skip: 0, limit: 100 };
    cloud.instances.list(&acme(), search, part, false).await.unwrap().instances
}

fn names(shown: &[Shown]) -> Vec<&str> {
    shown.iter().map(|shown| shown.instance.id.as_str()).collect()
}

/// L-1, L-3, T-4: whatever any sweep has done, the dates say where an instance is.
#[tokio::test]
async fn the_dates_say_where_an_instance_is() {
    let (clouds, _folder) = clouds("seen").await;
    for cloud in clouds {
        cloud.register(vec![prepaid("i-1", "pool", "2026-03-11 00:00")]).await;
        for (now, state, refusals) in [
            ("2026-03-10 23:59", State::Active, 0),
            ("2026-03-11 00:00", State::Grace, 0),
            ("2026-03-26 00:00", State::Retained, 0),
            ("2026-04-09 23:59", State::Retained, 0),
            ("2026-04-10 00:00", State::Released, 1),
        ] {
            cloud.clock.set(at(now));
            let shown = cloud.instances.get(&acme(), &id("i-1")).await.unwrap().instance;
            assert_eq!((shown.state, shown.refusals.len()), (state, refusals), "{now}");
            assert_eq!(shown.expiry_shown, "2026-03-10 23:59:59");
            assert_eq!(shown.last_day.unwrap().to_string(), "2026-03-10");
            assert_eq!(shown.release_time, Some(at("2026-04-10 00:00")));
            assert_eq!(shown.product_line, "line of pool");
            let search = Search { states: vec![state], ..Search::default() };
            assert_eq!(names(&found(&cloud, search).await), ["i-1"], "{now}");
        }
    }
}

/// Section 5: what is another account's looks like what there is not.
#[tokio::test]
async fn foreign_and_unknown_ids_answer_the_same() {
    let (clouds, _folder) = clouds("foreign").await;
    for cloud in clouds {
        let row = prepaid("theirs", "vm", "2026-03-11 00:00");
        cloud.register(vec![Registration { account: "other".parse().unwrap(), ..row }]).await;
        let get = async |name: &str, account: &str| {
            let account: AccountId = account.parse().unwrap();
            let error = cloud.instances.get(&account, &id(name)).await.unwrap_err();
            error.to_string().replace(name, "X")
        };
        let unknown = get("unknown", "acme").await;
        assert_eq!(get("theirs", "acme").await, unknown);
        assert_eq!(get("theirs", "nobody").await, unknown);
        let ids = [id("theirs"), id("unknown")];
        let checks = cloud.instances.check(&acme(), &ids, None).await.unwrap();
        for (id, refusals) in checks.refusals {
            assert_eq!(refusals[0].reason, Reason::InstanceNotFound);
            assert_eq!(refusals[0].message, format!("There is no instance {id} in this account."));
        }
        let bound = cloud.orders.bound(&acme(), &id("theirs"), None).await.unwrap_err();
        assert_eq!(bound.to_string(), "There is no instance theirs in this account.");
    }
}

/// Section 12: tabs, hidden ones, rows that say whether they may be renewed and why not.
#[tokio::test]
async fn a_search_shows_each_row_with_what_stands_against_it() {
    let (clouds, _folder) = clouds("search").await;
    for cloud in clouds {
        let postpaid = Registration {
            billing: RegisteredBilling::Postpaid,
            ..prepaid("metered", "pool", "2026-03-11 00:00")
        };
        let trial = Registration { trial: true, ..prepaid("trial", "vm", "2026-03-11 00:00") };
        let gone = Registration { released: true, ..prepaid("gone", "vm", "2026-03-11 00:00") };
        cloud
            .register(vec![
                prepaid("i-2", "vm", "2026-03-11 00:00"),
                prepaid("i-1", "vm", "2026-03-09 00:00"),
                prepaid("kad", "kad", "2026-03-11 00:00"),
                postpaid,
                trial,
                gone,
            ])
            .await;
        let shown = found(&cloud, Search::default()).await;
        assert_eq!(names(&shown), ["i-1", "i-2", "metered"]);
        assert_eq!(shown[2].refusals[0].reason, Reason::PostpaidNotConvertible);
        let hidden = Search { include_hidden: true, ..Search::default() };
        let shown = found(&cloud, hidden.clone()).await;
        assert_eq!(names(&shown), ["i-1", "gone", "i-2", "kad", "trial", "metered"]);
        let reasons: Vec<_> =
            shown[1..5].iter().map(|shown| shown.refusals.first().map(|one| one.reason)).collect();
        assert_eq!(
            reasons,
            [
                Some(Reason::InstanceReleased),
                None,
                Some(Reason::ProductNotRenewable),
                Some(Reason::TrialInstance)
            ]
        );
        let no_expiry = Search { tab: Some(list::Tab::NoExpiry), ..Search::default() };
        assert_eq!(names(&found(&cloud, no_expiry).await), ["metered"]);
        let released = Search { states: vec![State::Released], ..hidden };
        assert_eq!(names(&found(&cloud, released).await), ["gone"]);

        let part = Part { after: None, skip: 1, limit: 1 };
        let page = cloud.instances.list(&acme(), Search::default(), part, true).await.unwrap();
        assert_eq!((names(&page.instances), page.total), (vec!["i-2"], Some(3)));
        assert_eq!(page.next.unwrap().id, "i-2");
    }
}

/// Queries never grow with the rows.
#[tokio::test]
async fn a_list_takes_a_constant_number_of_statements() {
    let (clouds, _folder) = clouds("list_constant").await;
    for cloud in clouds {
        let rows = (0..200).map(|n| prepaid(&format!("i-{n}"), "vm", "2026-03-11 00:00"));
        cloud.register(rows.collect()).await;
        let mut counts = Vec::new();
        for limit in [1, 200] {
            let before = cloud.store.database().usage().statements;
            let part = Part { after: None, skip: 0, limit };
            cloud.instances.list(&acme(), Search::default(), part, true).await.unwrap();
            counts.push(cloud.store.database().usage().statements - before);
        }
        assert_eq!(counts[0], counts[1]);
        assert!(counts[0] <= 6, "{counts:?}");
    }
}

/// B-2: the durations on offer, what is bound in both directions, and the terms.
#[tokio::test]
async fn an_instance_is_shown_with_all_that_is_to_know_of_it() {
    let (clouds, _folder) = clouds("detail").await;
    for cloud in clouds {
        cloud
            .register(vec![
                prepaid("vm", "vm", "2026-03-11 00:00"),
                bound(prepaid("ip", "vm", "2026-04-11 00:00"), "vm", BindingKind::Optional),
                bound(prepaid("disk", "vm", "2026-03-11 00:00"), "vm", BindingKind::Strong),
            ])
            .await;
        let detail = cloud.instances.get(&acme(), &id("vm")).await.unwrap();
        let durations: Vec<_> = detail.durations.iter().map(|one| one.short()).collect();
        assert_eq!(durations, ["1m", "6m", "1y"]);
        assert_eq!(names(&detail.bound), ["disk", "ip"]);
        assert_eq!(detail.terms.len(), 1);
        let of_ip = cloud.instances.get(&acme(), &id("ip")).await.unwrap();
        assert_eq!(names(&of_ip.bound), ["vm"]);
        let bound = cloud.orders.bound(&acme(), &id("vm"), None).await.unwrap();
        let bound: Vec<_> =
            bound.iter().map(|one| (one.instance.instance.id.as_str(), one.kind)).collect();
        assert_eq!(bound, [("disk", BindingKind::Strong), ("ip", BindingKind::Optional)]);
    }
}

/// Section 5, T-1: every reason at once; the durations that all offer.
#[tokio::test]
async fn a_check_gives_every_reason_at_once() {
    let (clouds, _folder) = clouds("check").await;
    for cloud in clouds {
        let trial = Registration {
            trial: true,
            one_time: true,
            ..prepaid("i-1", "vm", "2026-03-02 00:00")
        };
        cloud.register(vec![trial, prepaid("i-2", "vm", "2026-03-25 00:00")]).await;
        cloud.clock.set(at("2026-03-20 00:00"));
        let ids = [id("i-1"), id("i-2")];
        let ten = Some("10m".parse().unwrap());
        let checks = cloud.instances.check(&acme(), &ids, ten).await.unwrap();
        let reasons: Vec<Vec<_>> = checks
            .refusals
            .iter()
            .map(|(_, refusals)| refusals.iter().map(|refusal| refusal.reason.code()).collect())
            .collect();
        let all =
            ["TRIAL_INSTANCE", "ONE_TIME_INSTANCE", "RENEWAL_WINDOW_CLOSED", "TERM_NOT_OFFERED"];
        assert_eq!(reasons, [&all[..], &["TERM_NOT_OFFERED"]]);
        assert_eq!(checks.durations.len(), 3);
        let many: Vec<_> = (0..101).map(|n| id(&format!("i-{n}"))).collect();
        let error = cloud.instances.check(&acme(), &many, None).await.unwrap_err();
        assert!(matches!(error, CallError::Refused(refusals)
            if refusals[0].reason == Reason::TooManyInstances));
    }
}
