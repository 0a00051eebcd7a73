//! Input that means nothing: refused with every bad field at once, and nothing changes.

use proto::{
    catalog::v1::{ApplyCatalogRequest, CalculatePricesRequest, GetProductRequest},
    renewal::v1::{
        Account, CancelOrderRequest, CheckRenewalsRequest, CreateRenewalOrderRequest,
        GetAccountRequest, GetOrderRequest, ListInstancesRequest, PayOrderRequest,
        RegisterInstancesRequest, RenewalSetting, SetRenewalPoliciesRequest, UpsertAccountsRequest,
        account_result, create_renewal_order_request::What, instance_registration as registration,
    },
    r#type::v1::{Date, Money, PageRequest, TermDuration, term_duration::Unit},
    wallet::v1::{
        CreateWalletRequest, DepositRequest, GetFundsRequest, IssueVouchersRequest, VoucherGrant,
        VoucherTerms,
    },
};
use tests::{bad_fields, fixture::*, reason, refusal};
use tonic::Code;

fn invalid() -> (Code, String) {
    (Code::InvalidArgument, "INVALID_REQUEST".to_owned())
}

crate::journeys! {
    async fn every_bad_field_of_an_order_is_named_at_once(suite) {
        suite.jd("acme", 0).await;
        let request = CreateRenewalOrderRequest {
            request_id: "not a uuid".to_owned(),
            account_id: String::new(),
            what: None,
            expected_payable: Some(Money { minor_units: 1, currency_code: "XAU".to_owned() }),
            pay: None,
        };

        let status = suite.create(request).await.unwrap_err();

        assert_eq!(status.code(), Code::InvalidArgument);
        let fields = bad_fields(&status);
        for field in ["request_id", "account_id", "what", "expected_payable"] {
            assert!(fields.iter().any(|bad| bad.starts_with(field)), "{field} of {fields:?}");
        }
    }

    /// T-1: counts of zero, below zero and beyond all bounds; units that nobody knows.
    async fn durations_that_mean_nothing_are_refused(suite) {
        suite.jd("acme", 0).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        let month = Unit::Month.into();
        for (unit, count) in [(month, 0), (month, -1), (month, i32::MIN), (0, 1), (99, 1)] {
            let mut selection = selection(&["i-1"], "1m");
            selection.duration = Some(TermDuration { unit, count });
            assert_eq!(refusal(suite.create(order_of("acme", selection)).await), invalid());
        }
        for count in [10, 11, 13, 99, i32::MAX] {
            let mut selection = selection(&["i-1"], "1m");
            selection.duration = Some(TermDuration { unit: month, count });
            let status = suite.create(order_of("acme", selection)).await.unwrap_err();
            let reason = reason(&status);
            assert!(reason == "TERM_NOT_OFFERED" || reason == "INVALID_REQUEST", "{count}: {reason}");
        }
        assert_eq!(suite.instance("acme", "i-1").await.open_order_id, "");
    }

    /// T-8: dates beyond the calendar.
    async fn dates_beyond_the_calendar_are_refused(suite) {
        suite.kingsoft("ksc", 0).await;
        suite.register(vec![prepaid("ksc", "eip-1", "ks-eip", &[("line_type", "bgp"), ("bandwidth_mbps", "5")], "2026-03-11 00:00")]).await;
        for (year, month, day) in [(10_000, 1, 1), (1969, 12, 31), (2026, 2, 30), (2026, 13, 1), (0, 0, 0), (i32::MAX, -1, 99)] {
            let target = proto::renewal::v1::selection::Target::AdHocDate(Date { year, month, day });
            let mut selection = selection(&["eip-1"], "1m");
            (selection.duration, selection.target) = (None, Some(target));
            let (code, _) = refusal(suite.create(order_of("ksc", selection)).await);
            assert_eq!(code, Code::InvalidArgument);
        }
        let mut row = vm("ksc", "i-1", "2026-03-11 00:00");
        row.billing = Some(registration::Billing::Prepaid(registration::Prepaid {
            start_time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
            end_time: Some(prost_types::Timestamp { seconds: 0, nanos: -1 }),
            anchor_day: Some(32),
        }));
        let request = RegisterInstancesRequest { registrations: vec![row] };
        let status = suite.instances().register_instances(request).await.unwrap_err();
        assert_eq!(bad_fields(&status).len(), 3, "{:?}", bad_fields(&status));
    }

    /// Empty names, and a megabyte of them.
    async fn names_that_are_none_are_refused_everywhere(suite) {
        suite.jd("acme", 0).await;
        for id in [String::new(), "a b".to_owned(), "é".to_owned(), "x".repeat(65), "x".repeat(1 << 20)] {
            let orders = suite.orders().get_order(GetOrderRequest { account_id: id.clone(), order_id: id.clone() }).await;
            assert_eq!(refusal(orders).0, Code::InvalidArgument);
            let account = suite.accounts().get_account(GetAccountRequest { account_id: id.clone() }).await;
            assert_eq!(refusal(account), invalid());
            let list = ListInstancesRequest { account_id: id.clone(), ..ListInstancesRequest::default() };
            assert_eq!(refusal(suite.instances().list_instances(list).await), invalid());
            let check = CheckRenewalsRequest { account_id: "acme".to_owned(), instance_ids: vec![id.clone()], duration: None };
            assert_eq!(refusal(suite.instances().check_renewals(check).await), invalid());
            let wallet = CreateWalletRequest { account_id: id.clone(), currency_code: id.clone() };
            assert_eq!(refusal(suite.wallets().create_wallet(wallet).await), invalid());
            let funds = GetFundsRequest { account_ids: vec![id.clone()] };
            assert_eq!(refusal(suite.payments().get_funds(funds).await), invalid());
            let product = suite.catalog().get_product(GetProductRequest { product_id: id.clone() }).await;
            assert!(matches!(refusal(product).0, Code::InvalidArgument | Code::NotFound));
            assert_eq!(refusal(suite.create(order_of("acme", selection(&[id.as_str()], "1m"))).await), invalid());
        }
    }

    /// Unknown orders, accounts and quotes; another account's order looks unknown.
    async fn unknown_and_foreign_things_look_the_same(suite) {
        suite.jd("acme", 100_00).await;
        suite.jd("other", 100_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        let order = suite.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();

        for order_id in [order.order_id.clone(), new_id()] {
            let not_found = (Code::NotFound, "ORDER_NOT_FOUND".to_owned());
            let account_id = "other".to_owned();
            let get = GetOrderRequest { account_id: account_id.clone(), order_id: order_id.clone() };
            assert_eq!(refusal(suite.orders().get_order(get).await), not_found);
            let pay = PayOrderRequest { request_id: new_id(), account_id: account_id.clone(), order_id: order_id.clone(), pay: None };
            assert_eq!(refusal(suite.pay(pay).await), not_found);
            let cancel = CancelOrderRequest { account_id, order_id };
            assert_eq!(refusal(suite.orders().cancel_order(cancel).await), not_found);
        }
        for id in ["i-1", "i-unknown"] {
            assert_eq!(
                refusal(suite.create(order_of("other", selection(&[id], "1m"))).await),
                (Code::NotFound, "INSTANCE_NOT_FOUND".to_owned())
            );
        }
        assert_eq!(
            refusal(suite.create(order_of("nobody", selection(&["i-1"], "1m"))).await),
            (Code::NotFound, "ACCOUNT_NOT_FOUND".to_owned())
        );
        let mut quote = order_of("acme", selection(&["i-1"], "1m"));
        quote.what = Some(What::QuoteId(new_id()));
        assert_eq!(refusal(suite.create(quote).await), (Code::NotFound, "QUOTE_NOT_FOUND".to_owned()));
        assert_eq!(suite.order("acme", &order.order_id).await.version, order.version);
    }

    /// W-6: amounts in another currency, of zero, below zero, and beyond what fits.
    async fn amounts_that_cannot_be_booked_are_refused(suite) {
        suite.jd("acme", 1_00).await;
        let deposit = |minor_units: i64, currency: &str| DepositRequest {
            request_id: new_id(),
            account_id: "acme".to_owned(),
            amount: Some(Money { minor_units, currency_code: currency.to_owned() }),
            note: String::new(),
        };
        for (minor_units, currency) in [(0, "CNY"), (-1, "CNY"), (i64::MIN, "CNY"), (1, "XAU"), (1, "")] {
            assert_eq!(refusal(suite.wallets().deposit(deposit(minor_units, currency)).await), invalid());
        }
        assert_eq!(
            refusal(suite.wallets().deposit(deposit(1, "USD")).await),
            (Code::FailedPrecondition, "CURRENCY_MISMATCH".to_owned())
        );
        assert_eq!(
            refusal(suite.wallets().deposit(deposit(i64::MAX, "CNY")).await),
            (Code::FailedPrecondition, "AMOUNT_TOO_LARGE".to_owned())
        );
        let request = deposit(5, "CNY");
        suite.wallets().deposit(request.clone()).await.unwrap();
        suite.wallets().deposit(request.clone()).await.unwrap();
        let other = DepositRequest { amount: Some(cny(6)), ..request };
        assert_eq!(
            refusal(suite.wallets().deposit(other).await),
            (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned())
        );
        assert_eq!(suite.cash("acme").await, 1_05);
        let grant = VoucherGrant { account_id: "acme".to_owned(), face: Some(cny(0)), terms: Some(VoucherTerms::default()) };
        let issue = IssueVouchersRequest { request_id: String::new(), grants: vec![grant] };
        let status = suite.vouchers().issue_vouchers(issue).await.unwrap_err();
        assert!(bad_fields(&status).len() >= 4, "{:?}", bad_fields(&status));
        suite.audit().await;
    }

    /// Enumeration values that nobody knows, and pages that are none.
    async fn unknown_values_are_refused(suite) {
        suite.jd("acme", 0).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;
        for policy in [0, 99, -1] {
            let request = SetRenewalPoliciesRequest {
                account_id: "acme".to_owned(),
                instance_ids: vec!["i-1".to_owned()],
                renewal: Some(RenewalSetting { policy, auto_cycle: None, auto_remaining: None }),
            };
            assert_eq!(refusal(suite.instances().set_renewal_policies(request).await), invalid());
        }
        for page in [
            PageRequest { page_size: -1, ..PageRequest::default() },
            PageRequest { skip: -1, ..PageRequest::default() },
        ] {
            let request = ListInstancesRequest { account_id: "acme".to_owned(), filter: None, page: Some(page) };
            assert_eq!(refusal(suite.instances().list_instances(request).await), invalid());
        }
        let price = CalculatePricesRequest { product_id: "jd-vm".to_owned(), region: "cn-north-1".to_owned(), currency_code: "???".to_owned(), ..CalculatePricesRequest::default() };
        assert_eq!(refusal(suite.catalog().calculate_prices(price).await), invalid());
        let document = "catalog: jdcloud\nproducts: 7\nnonsense: true\n".to_owned();
        let apply = ApplyCatalogRequest { document, dry_run: false };
        let status = suite.catalog().apply_catalog(apply).await.unwrap_err();
        assert_eq!(reason(&status), "CATALOG_INVALID");
        assert!(bad_fields(&status).iter().any(|field| field == "line 2"), "{:?}", bad_fields(&status));
        assert!(bad_fields(&status).iter().any(|field| field == "line 3"), "{:?}", bad_fields(&status));
    }

    /// T-4: what an account is, once it owns an instance.
    async fn an_accounts_zone_is_fixed_once_it_owns_an_instance(suite) {
        suite.jd("acme", 0).await;
        let account = |zone: &str| Account {
            account_id: "acme".to_owned(),
            profile: "jdcloud".to_owned(),
            currency_code: "CNY".to_owned(),
            time_zone: zone.to_owned(),
            ..Account::default()
        };
        let upsert = |zone: &str| UpsertAccountsRequest { accounts: vec![account(zone)] };
        suite.accounts().upsert_accounts(upsert("America/New_York")).await.unwrap();
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;

        let results = suite.accounts().upsert_accounts(upsert("Asia/Shanghai")).await.unwrap();
        match results.into_inner().results.remove(0).result {
            Some(account_result::Result::Error(refusal)) => assert_eq!(refusal.reason, "ACCOUNT_ZONE_FIXED"),
            other => panic!("{other:?}"),
        }
        assert_eq!(
            refusal(suite.accounts().upsert_accounts(upsert("Mars/Olympus")).await),
            invalid()
        );
    }
}
