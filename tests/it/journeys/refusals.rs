//! Reasons that no other journey meets: each is refused to a caller, and nothing changes.

use chrono::TimeDelta;
use proto::{
    catalog::v1::ApplyCatalogRequest,
    renewal::v1::{
        Account, AccountSettings, CancelOrderRequest, CheckRenewalsRequest, InstanceRegistration,
        RenewalSetting, Selection, SetRenewalPoliciesRequest, UpdateAccountSettingsRequest,
        UpsertAccountsRequest, account_result,
        instance_registration::{Billing, Postpaid},
        order::State,
        policy_result,
        selection::Target,
    },
    r#type::v1::RenewalPolicy,
};
use tests::{Backend, Layout, Suite, fixture::*, refusal};
use tonic::Code;

/// Applies `document`, in which `from` is replaced by `to`, and tells the reason if it is refused.
async fn applied(suite: &Suite, document: &str, from: &str, to: &str) -> Option<String> {
    let changed = document.replace(from, to);
    assert_ne!(changed, document, "{from} is not in the document");
    let request = ApplyCatalogRequest { document: changed, dry_run: false };
    suite.catalog().apply_catalog(request).await.err().map(|status| tests::reason(&status))
}

/// The reasons for which `id` cannot be renewed for `text`.
async fn checked(suite: &Suite, id: &str, text: &str) -> Vec<String> {
    let request = CheckRenewalsRequest {
        account_id: "acme".to_owned(),
        instance_ids: vec![id.to_owned()],
        duration: Some(duration(text)),
    };
    let answer = suite.instances().check_renewals(request).await.unwrap().into_inner();
    answer.checks[0].refusals.iter().map(|refusal| refusal.reason.clone()).collect()
}

/// How an order of `selection` is refused.
async fn refused(suite: &Suite, selection: Selection) -> (Code, String) {
    refusal(suite.create(order_of("acme", selection)).await)
}

/// Why `id` cannot be set to `policy`.
async fn policy_refused(suite: &Suite, id: &str, policy: RenewalPolicy) -> String {
    let renewal = RenewalSetting { policy: policy.into(), ..RenewalSetting::default() };
    let request = SetRenewalPoliciesRequest {
        account_id: "acme".to_owned(),
        instance_ids: vec![id.to_owned()],
        renewal: Some(renewal),
    };
    let answer = suite.instances().set_renewal_policies(request).await.unwrap().into_inner();
    match answer.results[0].result.clone() {
        Some(policy_result::Result::Error(refusal)) => refusal.reason,
        other => panic!("{other:?}"),
    }
}

fn precondition(reason: &str) -> (Code, String) {
    (Code::FailedPrecondition, reason.to_owned())
}

fn account() -> Account {
    Account {
        account_id: "acme".to_owned(),
        profile: "jdcloud".to_owned(),
        currency_code: "CNY".to_owned(),
        time_zone: "Asia/Shanghai".to_owned(),
        ..Account::default()
    }
}

async fn upserted(suite: &Suite, account: Account) -> account_result::Result {
    let request = UpsertAccountsRequest { accounts: vec![account] };
    let answer = suite.accounts().upsert_accounts(request).await.unwrap().into_inner();
    answer.results[0].result.clone().unwrap()
}

crate::journeys! {
    /// L-1, T-4, P-1: `ACCOUNT_FROZEN`, `PROFILE_NOT_FOUND`, `ETAG_STALE`: the account says no.
    async fn what_an_account_does_not_allow_is_refused(suite) {
        suite.jd("acme", 100_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        upserted(suite, Account { frozen: true, ..account() }).await;
        assert_eq!(refused(suite, selection(&["i-1"], "1m")).await, precondition("ACCOUNT_FROZEN"));

        let elsewhere = Account { profile: "no-such-cloud".to_owned(), ..account() };
        match upserted(suite, elsewhere).await {
            account_result::Result::Error(refusal) => assert_eq!(refusal.reason, "PROFILE_NOT_FOUND"),
            account_result::Result::Account(account) => panic!("{account:?}"),
        }
        let request = UpdateAccountSettingsRequest {
            account_id: "acme".to_owned(),
            settings: Some(AccountSettings::default()),
            update_mask: Some(prost_types::FieldMask { paths: vec!["standard_day".to_owned()] }),
            etag: "v99".to_owned(),
        };
        let stale = refusal(suite.accounts().update_account_settings(request).await);
        assert_eq!(stale, (Code::Aborted, "ETAG_STALE".to_owned()));
        assert_eq!(suite.cash("acme").await, 100_00);
        suite.audit().await;
    }

    /// T-7, T-8, L-2, U-5: `TERM_TOO_LONG`, `DATE_OUT_OF_RANGE`, `TERM_ALREADY_OVER`, `ALREADY_COVERED`,
    /// `PRODUCT_NOT_RENEWABLE`: the dates say no, or the product.
    async fn terms_that_cannot_be_are_refused(suite) {
        suite.kingsoft("acme", 1000_00).await;
        let eip = |id, end| {
            prepaid("acme", id, "ks-eip", &[("line_type", "bgp"), ("bandwidth_mbps", "1")], end)
        };
        suite.register(vec![
            eip("e-1", "2026-03-11 00:00"),
            eip("e-last", "9999-12-11 00:00"),
            prepaid("acme", "h-late", "hw-ecs", &[("flavor", "s6.small.1")], "2026-02-01 00:00"),
            prepaid("acme", "kad-1", "ks-kad", &[], "2026-03-11 00:00"),
        ]).await;
        // Owned for 9 months ahead at the most: 1 month is fine, and a year too long.
        let limit = "auto_cycles: [1m] # P-3: by the month only\n      max_total_months: 9";
        let before = "auto_cycles: [1m] # P-3: by the month only";
        assert_eq!(applied(suite, CATALOGS[1], before, limit).await, None);

        // The renewal service may still have the rules of before: an order asks for them anew.
        let too_long = refused(suite, selection(&["e-1"], "1y")).await;
        assert_eq!(too_long, precondition("TERM_TOO_LONG"));
        let beyond = refused(suite, selection(&["e-last"], "1m")).await;
        assert!(["DATE_OUT_OF_RANGE", "TERM_TOO_LONG"].contains(&beyond.1.as_str()), "{beyond:?}");
        assert_eq!(checked(suite, "h-late", "1m").await, ["TERM_ALREADY_OVER"]);
        assert_eq!(checked(suite, "h-late", "2m").await, Vec::<String>::new());
        assert_eq!(refused(suite, selection(&["kad-1"], "1m")).await, precondition("PRODUCT_NOT_RENEWABLE"));
        // The last day that is paid for already.
        let date = chrono::NaiveDate::from_ymd_opt(2026, 3, 10).map(Into::into);
        let covered = Selection { target: date.map(Target::AdHocDate), duration: None, ..selection(&["e-1"], "1m") };
        assert_eq!(refused(suite, covered).await, precondition("ALREADY_COVERED"));
        assert_eq!(suite.cash("acme").await, 1000_00);
        suite.audit().await;
    }

    /// P-1, P-2, P-8: `NO_EXPIRY`, `POLICY_AFTER_EXPIRY`, `PRODUCT_DISCONTINUED`.
    async fn policies_that_cannot_be_are_refused(suite) {
        suite.huawei("acme", 0).await;
        let ecs = |id, end| prepaid("acme", id, "hw-ecs", &[("flavor", "s6.small.1")], end);
        let metered = InstanceRegistration {
            billing: Some(Billing::Postpaid(Postpaid {})),
            ..ecs("metered", "2026-03-11 00:00")
        };
        suite.register(vec![metered, ecs("late", "2026-02-20 00:00"), ecs("e-1", "2026-03-11 00:00")]).await;

        assert_eq!(policy_refused(suite, "metered", RenewalPolicy::Auto).await, "NO_EXPIRY");
        let late = policy_refused(suite, "late", RenewalPolicy::PostpaidAfterExpiry).await;
        assert_eq!(late, "POLICY_AFTER_EXPIRY");

        let sold = "policies: [MANUAL, AUTO, POSTPAID_AFTER_EXPIRY, NOT_RENEW]\n";
        let gone = format!("{sold}      discontinued: true\n");
        assert_eq!(applied(suite, CATALOGS[3], sold, &gone).await, None);
        // An order makes the renewal service look at the rules again.
        suite.create(order_of("acme", selection(&["e-1"], "1m"))).await.unwrap();
        assert_eq!(policy_refused(suite, "e-1", RenewalPolicy::Auto).await, "PRODUCT_DISCONTINUED");
    }

    /// M-8: `PRICE_VERSION_IMMUTABLE`: what was in force stays as it was.
    async fn a_price_that_was_in_force_does_not_change(suite) {
        suite.jd("acme", 0).await;
        let changed = applied(suite, CATALOGS[0], "monthly: 56}", "monthly: 57}").await;
        assert_eq!(changed.as_deref(), Some("PRICE_VERSION_IMMUTABLE"));
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        let (bill, _) = suite.preview("acme", selection(&["i-1"], "1m")).await;
        assert_eq!(bill.payable, Some(cny(56_00)));
    }

    /// Section 11: `ORDER_NOT_CANCELLABLE`: what has expired is not called off any more.
    async fn an_order_that_has_ended_is_not_cancelled(suite) {
        suite.jd("acme", 0).await;
        suite.register(vec![vm("acme", "i-1", "2026-06-11 00:00")]).await;
        let order = suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();
        suite.set_clock(suite.now() + TimeDelta::days(16));
        suite.advance().await;
        assert_eq!(suite.order("acme", &order.order_id).await.state(), State::Expired);
        let cancel = CancelOrderRequest { account_id: "acme".to_owned(), order_id: order.order_id };
        let refused = refusal(suite.orders().cancel_order(cancel).await);
        assert_eq!(refused, precondition("ORDER_NOT_CANCELLABLE"));
        suite.audit().await;
    }
}

/// While the catalog is down nothing is priced, and while the wallet is nothing is paid: the caller is told to
/// repeat the call, and a repeat finds everything as it was.
async fn while_others_are_down(backend: Backend) {
    let unavailable = (Code::Unavailable, "SERVICE_UNAVAILABLE".to_owned());
    let mut suite = Suite::start(backend, Layout::FourProcesses).await;
    suite.jd("acme", 100_00).await;
    suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
    let request = order_of("acme", selection(&["i-1"], "1m"));

    suite.kill("catalog");
    assert_eq!(refusal(suite.create(request.clone()).await), unavailable);
    suite.restart("catalog", None);
    let order = suite.create(request).await.expect("the repeat is answered");

    suite.kill("wallet");
    let checkout = checkout_of("acme", &order);
    assert_eq!(refusal(suite.orders().checkout_order(checkout.clone()).await), unavailable);
    suite.restart("wallet", None);
    let whole = proto::renewal::v1::CheckoutOrderRequest { use_cash: false, ..checkout };
    let repeat = proto::renewal::v1::CheckoutOrderRequest { request_id: new_id(), ..whole };
    suite.orders().checkout_order(repeat).await.expect("another call is answered");
    assert_eq!(suite.cash("acme").await, 100_00);
    suite.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_while_another_service_is_down_is_to_be_repeated_on_sqlite() {
    Box::pin(while_others_are_down(Backend::Sqlite)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_while_another_service_is_down_is_to_be_repeated_on_postgres() {
    Box::pin(while_others_are_down(Backend::Postgres)).await;
}
