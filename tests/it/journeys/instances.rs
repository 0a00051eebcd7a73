//! Registration, search, refusals, policies and corrections.

use proto::{
    convert::timestamp,
    renewal::v1::{
        CheckRenewalsRequest, CorrectExpiryRequest, GetInstanceRequest, Instance, InstanceFilter,
        InstanceRegistration, ListBoundInstancesRequest, ListEventsRequest, ListInstancesRequest,
        RegisterInstancesRequest, RenewalSetting, SetRenewalPoliciesRequest, binding::Kind,
        instance_filter::Tab, policy_result, registration_result,
    },
    r#type::v1::{PageRequest, RenewalPolicy},
};
use tests::{Suite, at, fixture::*, refusal};
use tonic::Code;

/// The ids of the instances that `filter` finds.
async fn find(suite: &Suite, account: &str, filter: InstanceFilter) -> Vec<String> {
    let page = Some(PageRequest { page_size: 100, ..PageRequest::default() });
    let request =
        ListInstancesRequest { account_id: account.to_owned(), filter: Some(filter), page };
    let response = suite.instances().list_instances(request).await.expect("a good query");
    response.into_inner().instances.into_iter().map(|found| found.instance_id).collect()
}

/// The codes of the results of registering `rows`.
async fn register(suite: &Suite, rows: Vec<InstanceRegistration>) -> Vec<String> {
    let request = RegisterInstancesRequest { registrations: rows };
    let response = suite.instances().register_instances(request).await.expect("a good call");
    let code = |result| match result {
        Some(registration_result::Result::Outcome(outcome)) => {
            registration_result::Outcome::try_from(outcome).unwrap().as_str_name().to_owned()
        }
        Some(registration_result::Result::Error(refusal)) => refusal.reason,
        None => "nothing".to_owned(),
    };
    response.into_inner().results.into_iter().map(|row| code(row.result)).collect()
}

/// Sets the policy of `ids`, and tells what became of each: the policy, or the reason.
async fn set_policy(
    suite: &Suite,
    account: &str,
    ids: &[&str],
    renewal: RenewalSetting,
) -> Vec<String> {
    let request = SetRenewalPoliciesRequest {
        account_id: account.to_owned(),
        instance_ids: ids.iter().map(|&id| id.to_owned()).collect(),
        renewal: Some(renewal),
    };
    let response = suite.instances().set_renewal_policies(request).await.expect("a good call");
    let what = |result| match result {
        Some(policy_result::Result::Renewal(renewal)) => {
            let renewal: RenewalSetting = renewal;
            renewal.policy().as_str_name().replace("RENEWAL_POLICY_", "")
        }
        Some(policy_result::Result::Error(refusal)) => refusal.reason,
        None => "nothing".to_owned(),
    };
    response.into_inner().results.into_iter().map(|row| what(row.result)).collect()
}

fn policy(policy: RenewalPolicy) -> RenewalSetting {
    RenewalSetting { policy: policy.into(), auto_cycle: None, auto_remaining: None }
}

crate::journeys! {
    /// I-1, I-2: repeats are harmless; what is fixed stays; an expiry is never edited.
    async fn a_repeated_registration_changes_what_it_may(suite) {
        suite.jd("acme", 0).await;
        suite.jd("other", 0).await;
        let first = vm("acme", "i-1", "2026-03-11 00:00");
        assert_eq!(register(suite, vec![first.clone()]).await, ["OUTCOME_CREATED"]);
        assert_eq!(register(suite, vec![first.clone()]).await, ["OUTCOME_UNCHANGED"]);

        let renamed =
            InstanceRegistration { name: "web".to_owned(), source_version: 2, ..first.clone() };
        assert_eq!(register(suite, vec![renamed]).await, ["OUTCOME_UPDATED"]);
        assert_eq!(suite.instance("acme", "i-1").await.name, "web");
        assert_eq!(register(suite, vec![first.clone()]).await, ["OUTCOME_UNCHANGED"]);
        assert_eq!(suite.instance("acme", "i-1").await.name, "web");

        let third = |row: InstanceRegistration| InstanceRegistration { source_version: 3, ..row };
        let moved = third(InstanceRegistration { region: "cn-east-2".to_owned(), ..first.clone() });
        let later = third(vm("acme", "i-1", "2026-03-12 00:00"));
        let taken = third(vm("other", "i-1", "2026-03-11 00:00"));
        let unknown = InstanceRegistration {
            product_id: "no-such-product".to_owned(),
            ..vm("acme", "i-9", "2026-03-11 00:00")
        };
        let results = register(suite, vec![moved]).await;
        assert_eq!(results, ["INSTANCE_IMMUTABLE_FIELD"]);
        assert_eq!(register(suite, vec![later]).await, ["EXPIRY_CONFLICT"]);
        assert_eq!(register(suite, vec![taken, unknown]).await, ["INSTANCE_ID_TAKEN", "PRODUCT_NOT_FOUND"]);
        assert_eq!(local(suite.instance("acme", "i-1").await.expire_time), "2026-03-11 00:00:00");
        suite.audit().await;
    }

    /// B-4: the members of a strong group end together.
    async fn a_strong_group_with_two_ends_is_refused(suite) {
        suite.kingsoft("ksc", 0).await;
        let kec = prepaid("ksc", "kec-1", "ks-kec", &[("flavor", "n3.2b")], "2026-03-11 00:00");
        let ebs = prepaid("ksc", "ebs-1", "ks-ebs", &[("disk_type", "ssd3.0"), ("size_gb", "100")], "2026-03-12 00:00");

        let results = register(suite, vec![kec, bound(ebs, "kec-1", Kind::Strong)]).await;

        assert!(results.contains(&"GROUP_EXPIRY_MISMATCH".to_owned()), "{results:?}");
    }

    /// Section 12: filters, sorting, pages.
    async fn instances_are_found_by_expiry_product_and_room_type(suite) {
        suite.kingsoft("ksc", 0).await;
        let eip = |id: &str, end: &str, room: &str| InstanceRegistration {
            room_type: room.to_owned(),
            ..prepaid("ksc", id, "ks-eip", &[("line_type", "bgp"), ("bandwidth_mbps", "5")], end)
        };
        suite.register(vec![
            eip("eip-1", "2026-03-09 00:00", "public"),
            eip("eip-2", "2026-03-04 00:00", "finance"),
            eip("eip-3", "2026-05-01 00:00", "public"),
            InstanceRegistration { trial: true, ..eip("eip-trial", "2026-03-04 00:00", "public") },
            prepaid("ksc", "kad-1", "ks-kad", &[("edition", "basic")], "2026-03-04 00:00"),
        ]).await;

        let all = find(suite, "ksc", InstanceFilter::default()).await;
        assert_eq!(all, ["eip-2", "eip-1", "eip-3"]);
        let week = InstanceFilter { within_days: Some(7), ..InstanceFilter::default() };
        assert_eq!(find(suite, "ksc", week).await, ["eip-2", "eip-1"]);
        let six = InstanceFilter { within_days: Some(6), ..InstanceFilter::default() };
        assert_eq!(find(suite, "ksc", six).await, ["eip-2"]);
        let rooms = InstanceFilter { room_types: vec!["finance".to_owned()], ..InstanceFilter::default() };
        assert_eq!(find(suite, "ksc", rooms).await, ["eip-2"]);
        let prefix = InstanceFilter { prefix: "eip-3".to_owned(), ..InstanceFilter::default() };
        assert_eq!(find(suite, "ksc", prefix).await, ["eip-3"]);
        let wild = InstanceFilter { prefix: "eip_".to_owned(), ..InstanceFilter::default() };
        assert_eq!(find(suite, "ksc", wild).await, Vec::<String>::new());
        let hidden = InstanceFilter { include_hidden: true, ..InstanceFilter::default() };
        assert_eq!(find(suite, "ksc", hidden).await.len(), 5);
        let manual = InstanceFilter { tab: Tab::Manual.into(), ..InstanceFilter::default() };
        assert_eq!(find(suite, "ksc", manual).await.len(), 3);
        let auto = InstanceFilter { tab: Tab::Auto.into(), ..InstanceFilter::default() };
        assert_eq!(find(suite, "ksc", auto).await.len(), 0);
        suite.set_clock(at("2026-03-04 00:00"));
        let expired = InstanceFilter { expired_only: true, ..InstanceFilter::default() };
        assert_eq!(find(suite, "ksc", expired).await, ["eip-2"]);
    }

    /// Section 12: pages are cut by a cursor that belongs to its query; totals on request.
    async fn pages_follow_one_another_and_belong_to_their_query(suite) {
        suite.jd("acme", 0).await;
        let rows = (10..35).map(|n| vm("acme", &format!("i-{n}"), "2026-03-11 00:00"));
        suite.register(rows.collect()).await;
        let mut request = ListInstancesRequest {
            account_id: "acme".to_owned(),
            filter: None,
            page: Some(PageRequest { with_total: true, ..PageRequest::default() }),
        };
        let mut seen = Vec::new();
        let mut sizes = Vec::new();
        for _ in 0..3 {
            let response = suite.instances().list_instances(request.clone()).await.unwrap().into_inner();
            sizes.push(response.instances.len());
            seen.extend(response.instances.into_iter().map(|found: Instance| found.instance_id));
            let page = response.page.unwrap();
            assert_eq!(page.total_size, Some(25));
            request.page.as_mut().unwrap().page_token = page.next_page_token;
        }
        assert_eq!(sizes, [10, 10, 5]);
        assert_eq!(seen, (10..35).map(|n| format!("i-{n}")).collect::<Vec<_>>());

        let first = ListInstancesRequest { page: None, ..request.clone() };
        let token = suite.instances().list_instances(first).await.unwrap().into_inner().page.unwrap();
        let invalid = (Code::InvalidArgument, "PAGE_TOKEN_INVALID".to_owned());
        for (account, filter, token) in [
            ("acme", InstanceFilter { expired_only: true, ..InstanceFilter::default() }, token.next_page_token),
            ("acme", InstanceFilter::default(), "forged".to_owned()),
            ("acme", InstanceFilter::default(), "x".repeat(1 << 20)),
        ] {
            let request = ListInstancesRequest {
                account_id: account.to_owned(),
                filter: Some(filter),
                page: Some(PageRequest { page_token: token, ..PageRequest::default() }),
            };
            assert_eq!(refusal(suite.instances().list_instances(request).await), invalid);
        }
    }

    /// Section 5: all reasons at once, the weightiest first; unknown and foreign ids look the same.
    async fn every_reason_is_told_at_once(suite) {
        suite.jd("acme", 0).await;
        suite.jd("other", 0).await;
        let trial = InstanceRegistration { trial: true, one_time: true, ..vm("acme", "i-1", "2026-03-02 00:00") };
        suite.register(vec![trial, vm("other", "i-foreign", "2026-03-11 00:00")]).await;
        suite.set_clock(at("2026-03-20 00:00"));

        let ids = ["i-1", "i-foreign", "i-unknown"].map(str::to_owned).to_vec();
        let request = CheckRenewalsRequest {
            account_id: "acme".to_owned(),
            instance_ids: ids,
            duration: Some(duration("10m")),
        };
        let checks = suite.instances().check_renewals(request).await.unwrap().into_inner().checks;

        let reasons: Vec<Vec<_>> = checks
            .iter()
            .map(|check| check.refusals.iter().map(|refusal| refusal.reason.as_str()).collect())
            .collect();
        assert_eq!(reasons[0], ["TRIAL_INSTANCE", "ONE_TIME_INSTANCE", "RENEWAL_WINDOW_CLOSED", "TERM_NOT_OFFERED"]);
        assert_eq!(reasons[1], ["INSTANCE_NOT_FOUND"]);
        assert_eq!(checks[1].refusals[0].message.replace("i-foreign", "i-unknown"), checks[2].refusals[0].message);
        for id in ["i-foreign", "i-unknown"] {
            let request = GetInstanceRequest { account_id: "acme".to_owned(), instance_id: id.to_owned() };
            assert_eq!(
                refusal(suite.instances().get_instance(request).await),
                (Code::NotFound, "INSTANCE_NOT_FOUND".to_owned())
            );
        }
    }

    /// P-1, P-2, P-5, P-6: policies are set in batch, with a result for each.
    async fn policies_are_set_in_batch(suite) {
        suite.jd("acme", 0).await;
        suite.register(vec![
            vm("acme", "i-1", "2026-03-11 00:00"),
            vm("acme", "i-2", "2026-03-02 00:00"),
        ]).await;
        suite.set_clock(at("2026-03-02 00:00"));

        let auto = policy(RenewalPolicy::Auto);
        let results = set_policy(suite, "acme", &["i-1", "i-2", "i-3"], auto).await;
        assert_eq!(results, ["AUTO", "AUTO_RENEW_AFTER_EXPIRY", "INSTANCE_NOT_FOUND"]);
        let postpaid = policy(RenewalPolicy::PostpaidAfterExpiry);
        assert_eq!(set_policy(suite, "acme", &["i-1"], postpaid).await, ["POLICY_NOT_ALLOWED"]);
        let instance = suite.instance("acme", "i-1").await.renewal.unwrap();
        assert_eq!(instance.policy(), RenewalPolicy::Auto);
        assert_eq!(instance.auto_cycle, Some(duration("1m")));
        let not_renew = policy(RenewalPolicy::NotRenew);
        assert_eq!(set_policy(suite, "acme", &["i-1", "i-2"], not_renew).await, ["NOT_RENEW", "NOT_RENEW"]);
    }

    /// P-7, `GROUP_NOT_IN_BATCH`: a strong group has one policy, and is set by itself at Kingsoft.
    async fn a_groups_policy_is_set_as_a_whole(suite) {
        suite.kingsoft("ksc", 0).await;
        let end = "2026-03-11 00:00";
        let eip = prepaid("ksc", "eip-1", "ks-eip", &[("line_type", "bgp"), ("bandwidth_mbps", "5")], end);
        let kec = prepaid("ksc", "kec-1", "ks-kec", &[("flavor", "n3.2b")], end);
        let ebs = prepaid("ksc", "ebs-1", "ks-ebs", &[("disk_type", "ssd3.0"), ("size_gb", "100")], end);
        suite.register(vec![eip, kec, bound(ebs, "kec-1", Kind::Strong)]).await;

        let auto = policy(RenewalPolicy::Auto);
        let mixed = set_policy(suite, "ksc", &["eip-1", "kec-1"], auto).await;
        assert!(mixed.contains(&"GROUP_NOT_IN_BATCH".to_owned()), "{mixed:?}");
        assert_eq!(set_policy(suite, "ksc", &["ebs-1"], auto).await, ["AUTO"]);
        for id in ["kec-1", "ebs-1"] {
            assert_eq!(suite.instance("ksc", id).await.renewal.unwrap().policy(), RenewalPolicy::Auto);
        }
    }

    /// I-2: a correction appends an adjustment without a price, or shortens the last term.
    async fn an_expiry_is_corrected_both_ways(suite) {
        suite.jd("acme", 0).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        let correct = |to: &str| CorrectExpiryRequest {
            request_id: new_id(),
            account_id: "acme".to_owned(),
            instance_id: "i-1".to_owned(),
            expire_time: Some(timestamp(at(to))),
            why: "the console knows better".to_owned(),
        };
        for to in ["2026-03-15 00:00", "2026-03-13 00:00", "2026-03-05 00:00"] {
            let request = correct(to);
            let first = suite.instances().correct_expiry(request.clone()).await.unwrap().into_inner();
            let again = suite.instances().correct_expiry(request).await.unwrap().into_inner();
            assert_eq!(first, again);
            assert_eq!(local(first.instance.unwrap().expire_time), format!("{to}:00"));
            suite.audit().await;
        }
    }

    /// B-2: what is bound is listed with the expiry and the price that it would have.
    async fn bound_instances_are_listed_with_expiry_and_price(suite) {
        suite.jd("acme", 0).await;
        let disk = prepaid("acme", "d-1", "jd-disk", &[("disk_type", "ssd"), ("size_gb", "100")], "2026-04-11 00:00");
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00"), bound(disk, "i-1", Kind::Optional)]).await;

        let request = ListBoundInstancesRequest {
            account_id: "acme".to_owned(),
            instance_id: "i-1".to_owned(),
            duration: Some(duration("1m")),
        };
        let bound = suite.instances().list_bound_instances(request).await.unwrap().into_inner().bound;

        assert_eq!(bound.len(), 1);
        assert_eq!(bound[0].kind(), Kind::Optional);
        let item = bound[0].item.as_ref().unwrap();
        assert_eq!(item.expiry_shown, "2026-05-10 23:59:59");
        assert!(item.quote.as_ref().unwrap().payable.as_ref().unwrap().minor_units > 0);
    }

    /// O-1: each change is told once, in order.
    async fn events_tell_what_happened_in_order(suite) {
        suite.jd("acme", 100_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        suite.create(paid_order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();

        let wanted = ["instance.registered", "instance.renewed", "order.paid"];
        let mut request =
            ListEventsRequest { account_id: "acme".to_owned(), ..ListEventsRequest::default() };
        let mut types: Vec<String> = Vec::new();
        // On PostgreSQL, events wait for whatever transaction of the server began before them.
        while !wanted.iter().all(|&wanted| types.iter().any(|found| found == wanted)) {
            let page = suite.events().list_events(request.clone()).await.unwrap().into_inner();
            types.extend(page.events.into_iter().map(|event| event.r#type));
            request.cursor = page.next_cursor;
        }
        for wanted in wanted {
            assert_eq!(types.iter().filter(|&found| found == wanted).count(), 1, "{types:?}");
        }
        let rest = suite.events().list_events(request.clone()).await.unwrap().into_inner();
        assert_eq!(rest.events, []);
        let forged = ListEventsRequest { cursor: "forged".to_owned(), ..request };
        assert_eq!(
            refusal(suite.events().list_events(forged).await),
            (Code::InvalidArgument, "CURSOR_EXPIRED".to_owned())
        );
    }
}
