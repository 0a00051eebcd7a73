//! Nights: what is renewed by itself, and what is not.

use proto::{
    convert::timestamp,
    renewal::{
        internal::v1::{NoticeFundsRequest, RenewDueRequest},
        v1::{
            Account, AccountSettings, ListAttemptsRequest, ListOrdersRequest,
            ResumeAutomaticRenewalRequest, StandardDay, UpdateAccountSettingsRequest,
            UpsertAccountsRequest, order::State, standard_day::Day,
        },
    },
    r#type::v1::Date,
    wallet::internal::v1::ListFundingsRequest,
};
use tests::{Suite, bad_fields, fixture::*, in_time, refusal};
use tonic::Code;

/// Takes note of money that has come, until it is there: other transactions may hold it back.
async fn notice(suite: &Suite) {
    let noted = async {
        loop {
            let request = NoticeFundsRequest { limit: 0 };
            let noted = suite.sweeps().notice_funds(request).await.expect("a sweep").into_inner();
            if noted.noted > 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    in_time("the note of a deposit", noted).await;
}

crate::journeys! {
    /// V-3: Kingsoft, at midnight of the last day, once: vouchers first, then cash.
    async fn vouchers_then_cash_pay_at_midnight_of_the_last_day(suite) {
        suite.set_clock(at("2024-06-01 00:00"));
        suite.kingsoft("ksc", 0).await;
        suite.register(vec![eip("ksc", "eip-1", "2024-06-21 00:00")]).await;
        suite.set_auto("ksc", &["eip-1"]).await;
        let fee = suite.price("ksc", "eip-1").await;
        let voucher = suite.issue("ksc", 10, "2024-01-01 00:00", "2025-01-01 00:00").await;
        suite.deposit("ksc", fee - 10).await;

        suite.set_clock(at("2024-06-19 23:59"));
        assert_eq!(suite.renew_due(0).await, 0);
        suite.set_clock(at("2024-06-20 00:00"));
        assert_eq!(suite.renew_due(0).await, 1);
        assert_eq!(suite.renew_due(0).await, 0);

        let shown = suite.instance("ksc", "eip-1").await.expiry_shown;
        assert_eq!(shown, "2024-07-20 23:59:59");
        assert_eq!(suite.cash("ksc").await, 0);
        let voucher = suite.voucher("ksc", &voucher.voucher_id).await;
        assert_eq!(voucher.remaining, Some(cny(0)));
        assert_eq!(suite.attempts("ksc").await, ["eip-1 2024-06-20/0 RENEWED"]);

        // The next month the money is short; the policy stays, and it expires (P-4).
        suite.set_clock(at("2024-07-20 00:00"));
        assert_eq!(suite.renew_due(0).await, 1);
        suite.set_clock(at("2024-07-20 23:00"));
        assert_eq!(suite.renew_due(0).await, 1);
        let failed = |retry| format!("eip-1 2024-07-20/{retry} FAILED INSUFFICIENT_FUNDS");
        assert_eq!(suite.attempts("ksc").await[1..], [failed(0), failed(1)]);
        suite.set_clock(at("2024-07-21 00:00"));
        suite.deposit("ksc", fee).await;
        notice(suite).await;
        assert_eq!(suite.renew_due(0).await, 0);
        // By hand; and then AUTO works again without being set.
        suite.create(paid_order_of("ksc", selection(&["eip-1"], "1m"))).await.unwrap();
        suite.deposit("ksc", fee).await;
        suite.set_clock(at("2024-08-21 00:00"));
        assert_eq!(suite.renew_due(0).await, 1);
        assert_eq!(suite.attempts("ksc").await[3..], ["eip-1 2024-08-21/0 RENEWED"]);
        suite.audit().await;
    }

    /// Huawei, daily from seven days before; on the last day again when money comes.
    async fn a_pool_is_tried_daily_and_when_a_deposit_comes(suite) {
        suite.huawei("hwc", 0).await;
        suite.register(vec![pool("hwc", "pool-1", "2026-03-11 00:00")]).await;
        suite.set_auto("hwc", &["pool-1"]).await;
        let fee = suite.price("hwc", "pool-1").await;
        for day in 3..=10 {
            suite.set_clock(at(&format!("2026-03-{day:02} 02:59")));
            assert_eq!(suite.renew_due(0).await, 0, "{day}");
            suite.set_clock(at(&format!("2026-03-{day:02} 03:00")));
            assert_eq!(suite.renew_due(0).await, 1, "{day}");
        }
        suite.set_clock(at("2026-03-10 12:00"));
        assert_eq!(suite.renew_due(0).await, 0);
        suite.deposit("hwc", fee).await;
        suite.set_clock(at("2026-03-10 12:01"));
        notice(suite).await;
        assert_eq!(suite.renew_due(0).await, 1);
        let attempts = suite.attempts("hwc").await;
        assert_eq!(attempts.len(), 9);
        assert_eq!(attempts[8], "pool-1 2026-03-10/1 RENEWED");

        // Of a date; and failures are no orders unless asked for.
        let request = ListAttemptsRequest {
            account_id: "hwc".to_owned(),
            instance_id: "pool-1".to_owned(),
            date: Some(Date { year: 2026, month: 3, day: 9 }),
            page: None,
        };
        let listed = suite.orders().list_attempts(request.clone()).await.unwrap().into_inner();
        let attempt = &listed.attempts[0];
        assert_eq!((listed.attempts.len(), attempt.missing.clone()), (1, Some(cny(fee))));
        assert_eq!(local(attempt.next_attempt_time), "2026-03-10 03:00:00");
        let stranger = ListAttemptsRequest { account_id: "none".to_owned(), ..request };
        let refused = refusal(suite.orders().list_attempts(stranger).await);
        assert_eq!(refused, (Code::NotFound, "ACCOUNT_NOT_FOUND".to_owned()));
        for (with_attempts, count) in [(false, 1), (true, 9)] {
            let request = ListOrdersRequest {
                account_id: "hwc".to_owned(),
                with_attempts,
                ..ListOrdersRequest::default()
            };
            let orders = suite.orders().list_orders(request).await.unwrap().into_inner().orders;
            assert_eq!(orders.len(), count);
            let renewed = orders.iter().filter(|order| order.state() == State::Completed);
            assert_eq!(renewed.count(), 1);
        }
        suite.audit().await;
    }

    /// U-4: automatic renewals follow the standard date of an account that wants it.
    async fn automatic_renewals_follow_the_standard_date(suite) {
        suite.huawei("hwc", 1_000_000_00).await;
        let settings = AccountSettings {
            standard_day: Some(StandardDay { day: Some(Day::DayOfMonth(1)) }),
            auto_follows_standard_day: true,
            ..AccountSettings::default()
        };
        let paths = vec!["standard_day".to_owned(), "auto_follows_standard_day".to_owned()];
        let request = UpdateAccountSettingsRequest {
            account_id: "hwc".to_owned(),
            settings: Some(settings),
            update_mask: Some(prost_types::FieldMask { paths }),
            etag: String::new(),
        };
        suite.accounts().update_account_settings(request).await.unwrap();
        suite.register(vec![pool("hwc", "pool-1", "2026-03-11 00:00")]).await;
        suite.set_auto("hwc", &["pool-1"]).await;
        for (now, end) in [("2026-03-03 03:00", "2026-05-01"), ("2026-04-24 03:00", "2026-06-01")] {
            suite.set_clock(at(now));
            assert_eq!(suite.renew_due(0).await, 1);
            let shown = suite.instance("hwc", "pool-1").await.expiry_shown;
            assert_eq!(shown, format!("{end} 23:59:59"));
        }
        suite.audit().await;
    }

    /// a midnight that there is not is the first instant after it.
    async fn a_midnight_that_is_skipped_is_one_o_clock(suite) {
        suite.kingsoft("havana", 100_000_00).await;
        let account = Account {
            account_id: "havana".to_owned(),
            profile: "kingsoft".to_owned(),
            currency_code: "CNY".to_owned(),
            time_zone: "America/Havana".to_owned(),
            ..Account::default()
        };
        let request = UpsertAccountsRequest { accounts: vec![account] };
        suite.accounts().upsert_accounts(request).await.unwrap();
        // The end of 2026-03-08, on which clocks go from midnight to one.
        let mut row = eip("havana", "eip-1", "2026-03-09 12:00");
        if let Some(proto::renewal::v1::instance_registration::Billing::Prepaid(term)) =
            &mut row.billing
        {
            term.start_time = Some(timestamp("2026-02-08T05:00:00Z".parse().unwrap()));
        }
        suite.register(vec![row]).await;
        suite.set_auto("havana", &["eip-1"]).await;
        suite.set_clock("2026-03-08T04:59:59Z".parse().unwrap());
        assert_eq!(suite.renew_due(0).await, 0);
        suite.set_clock("2026-03-08T05:00:00Z".parse().unwrap());
        assert_eq!(suite.renew_due(0).await, 1);
        assert_eq!(suite.attempts("havana").await, ["eip-1 2026-03-08/0 RENEWED"]);
        suite.audit().await;
    }

    /// pages of any size, and two sweepers at once: each is renewed once.
    async fn two_sweepers_renew_a_fleet_once(suite) {
        suite.kingsoft("ksc", 0).await;
        suite.open_account("other", "kingsoft", 0).await;
        for account in ["ksc", "other"] {
            let ids: Vec<_> = (0..30).map(|number| format!("{account}-{number}")).collect();
            suite.register(ids.iter().map(|id| eip(account, id, "2026-03-11 00:00")).collect()).await;
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            suite.set_auto(account, &ids).await;
            let fee = suite.price(account, ids[0]).await;
            suite.deposit(account, 30 * fee).await;
        }
        suite.set_clock(at("2026-03-10 00:00"));
        let (one, other) = tokio::join!(suite.renew_due(7), suite.renew_due(11));
        assert_eq!(one + other + suite.renew_due(0).await, 60);
        for account in ["ksc", "other"] {
            assert_eq!(suite.attempts(account).await.len(), 30);
            assert_eq!(suite.cash(account).await, 0);
        }
        suite.audit().await;
    }

    /// Bad pages are refused.
    async fn a_page_that_is_none_is_refused(suite) {
        let bad = |shard_from, shard_until, cursor: &str, limit| RenewDueRequest {
            shard_from,
            shard_until,
            cursor: cursor.to_owned(),
            limit,
        };
        for (request, fields) in [
            (bad(-1, 64, "", 0), vec!["shard_until"]),
            (bad(3, 3, "", 0), vec!["shard_until"]),
            (bad(0, 65, "", -1), vec!["limit", "shard_until"]),
            (bad(0, 64, "forged", 0), vec!["cursor"]),
        ] {
            let status = suite.sweeps().renew_due(request).await.unwrap_err();
            assert_eq!(bad_fields(&status), fields);
        }
        // Nothing is parked; nobody is known.
        let resume = ResumeAutomaticRenewalRequest { account_id: "none".to_owned() };
        assert_eq!(
            refusal(suite.accounts().resume_automatic_renewal(resume).await),
            (Code::NotFound, "ACCOUNT_NOT_FOUND".to_owned())
        );
        let forged = ListFundingsRequest { cursor: "forged".to_owned(), limit: 0 };
        assert_eq!(
            refusal(suite.wallet_sweeps().list_fundings(forged).await),
            (Code::InvalidArgument, "CURSOR_EXPIRED".to_owned())
        );
        let funds = suite.sweeps().notice_funds(NoticeFundsRequest { limit: -1 }).await;
        assert_eq!(bad_fields(&funds.unwrap_err()), ["limit"]);
    }
}
