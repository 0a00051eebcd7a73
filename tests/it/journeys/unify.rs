//! Expiries brought onto one date.

use proto::{
    catalog::v1::quote_line::Kind,
    renewal::v1::{
        AccountSettings, Selection, StandardDate, StandardDay, UpdateAccountSettingsRequest,
        order::State, selection::Target, standard_day::Day,
    },
    r#type::v1::Date,
};
use tests::{Suite, fixture::*, refusal};
use tonic::Code;

/// Sets the standard renewal date of `account` to `day`.
async fn standard_day(suite: &Suite, account: &str, day: Day) {
    let settings = AccountSettings {
        standard_day: Some(StandardDay { day: Some(day) }),
        ..AccountSettings::default()
    };
    let request = UpdateAccountSettingsRequest {
        account_id: account.to_owned(),
        settings: Some(settings),
        update_mask: Some(prost_types::FieldMask { paths: vec!["standard_day".to_owned()] }),
        etag: String::new(),
    };
    suite.accounts().update_account_settings(request).await.expect("good settings");
}

/// `ids`, renewed by `duration` onto the account's standard date.
fn onto_standard_date(ids: &[&str], duration: &str) -> Selection {
    let target = Some(Target::StandardDate(StandardDate { day: None }));
    Selection { target, ..selection(ids, duration) }
}

/// `ids`, brought onto `date`.
fn onto(ids: &[&str], (year, month, day): (i32, i32, i32)) -> Selection {
    let target = Some(Target::AdHocDate(Date { year, month, day }));
    Selection { target, duration: None, ..selection(ids, "1m") }
}

crate::journeys! {
    /// U-2, M-4: two pools with different expiries, one month, onto day 1; odd days on the bill.
    async fn two_pools_end_on_the_standard_date(suite) {
        suite.huawei("hwc", 100_000_00).await;
        suite.register(vec![
            prepaid("hwc", "pool-1", "hw-standard-pool", &[("flavor", "modelarts.vm.cpu.8ud"), ("nodes", "1")], "2026-03-11 00:00"),
            prepaid("hwc", "pool-2", "hw-lite-pool", &[("flavor", "modelarts.bm.npu.910b"), ("nodes", "1")], "2026-03-21 00:00"),
        ]).await;
        let chosen = onto_standard_date(&["pool-1", "pool-2"], "1m");
        assert_eq!(
            refusal(suite.create(order_of("hwc", chosen.clone())).await),
            (Code::FailedPrecondition, "STANDARD_DATE_NOT_SET".to_owned())
        );

        standard_day(suite, "hwc", Day::DayOfMonth(1)).await;
        let order = suite.create(paid_order_of("hwc", chosen)).await.unwrap();

        assert_eq!(order.state(), State::Completed);
        for (item, odd_days) in order.items.iter().zip([21, 11]) {
            let item = item.item.as_ref().unwrap();
            assert_eq!(item.expiry_shown, "2026-05-01 23:59:59");
            assert_eq!(item.span.as_ref().unwrap().odd_days, odd_days);
            let lines = &item.quote.as_ref().unwrap().lines;
            assert!(lines.iter().any(|line| line.kind() == Kind::OddDays));
            assert_eq!(suite.instance("hwc", &item.instance_id).await.anchor_day, 1);
        }
        suite.audit().await;
    }

    /// U-3: one expired instance refuses the whole operation.
    async fn an_expired_instance_refuses_the_whole_unification(suite) {
        suite.huawei("hwc", 100_000_00).await;
        suite.register(vec![
            prepaid("hwc", "pool-1", "hw-standard-pool", &[("flavor", "modelarts.vm.cpu.8ud"), ("nodes", "1")], "2026-03-11 00:00"),
            prepaid("hwc", "pool-2", "hw-standard-pool", &[("flavor", "modelarts.vm.cpu.8ud"), ("nodes", "1")], "2026-04-21 00:00"),
        ]).await;
        standard_day(suite, "hwc", Day::LastOfMonth(true)).await;
        suite.set_clock(tests::at("2026-03-11 00:00"));

        assert_eq!(
            refusal(suite.create(order_of("hwc", onto_standard_date(&["pool-1", "pool-2"], "1m"))).await),
            (Code::FailedPrecondition, "UNIFIED_WITH_EXPIRED".to_owned())
        );
        suite.audit().await;
    }

    /// U-5: two instances onto one date; one before the latest expiry is too early.
    async fn instances_are_brought_onto_one_date(suite) {
        suite.kingsoft("ksc", 100_000_00).await;
        suite.register(vec![
            prepaid("ksc", "eip-1", "ks-eip", &[("line_type", "bgp"), ("bandwidth_mbps", "5")], "2026-03-11 00:00"),
            prepaid("ksc", "eip-2", "ks-eip", &[("line_type", "bgp"), ("bandwidth_mbps", "5")], "2026-04-21 00:00"),
        ]).await;
        assert_eq!(
            refusal(suite.create(order_of("ksc", onto(&["eip-1", "eip-2"], (2026, 4, 19)))).await),
            (Code::FailedPrecondition, "DATE_TOO_EARLY".to_owned())
        );

        let request = paid_order_of("ksc", onto(&["eip-1", "eip-2"], (2026, 6, 20)));
        let order = suite.create(request).await.unwrap();

        assert_eq!(order.state(), State::Completed);
        for id in ["eip-1", "eip-2"] {
            assert_eq!(suite.instance("ksc", id).await.expiry_shown, "2026-06-20 23:59:59");
        }
        suite.audit().await;
    }

    /// U-1: a product that does not offer it says so.
    async fn a_product_that_offers_no_unification_refuses_it(suite) {
        suite.jd("acme", 1000_00).await;
        suite.register(vec![vm("acme", "i-1", "2026-03-11 00:00")]).await;

        assert_eq!(
            refusal(suite.create(order_of("acme", onto(&["i-1"], (2026, 6, 20)))).await),
            (Code::FailedPrecondition, "UNIFY_NOT_OFFERED".to_owned())
        );
    }
}
