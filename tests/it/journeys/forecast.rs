//! What will happen by itself, told beforehand.

use std::fmt::Write as _;

use proto::{
    renewal::v1::{ForecastRenewalsRequest, ForecastRenewalsResponse, happening::Kind},
    r#type::v1::Date,
    wallet::internal::v1::GetPurseRequest,
};
use tests::{Suite, bad_fields, fixture::*, refusal};
use tonic::Code;

async fn forecast(suite: &Suite, account: &str, days: i32) -> ForecastRenewalsResponse {
    let request = ForecastRenewalsRequest { account_id: account.to_owned(), days };
    suite.forecasts().forecast_renewals(request).await.expect("a forecast").into_inner()
}

/// What happens, such as `2026-03-10 00:00:00 RENEWED eip-1 10000: vouchers 3000, cash 7000`.
fn told(forecast: &ForecastRenewalsResponse) -> Vec<String> {
    let happenings = forecast.days.iter().flat_map(|day| &day.happenings);
    let line = |one: &proto::renewal::v1::Happening| {
        let kind = one.kind().as_str_name().trim_start_matches("KIND_");
        let mut line = format!("{} {kind} {}", local(one.time), one.instance_id);
        if one.kind() == Kind::Renewed {
            let parts = one.items.iter().filter_map(|item| item.parts.as_ref());
            let (mut vouchers, mut cash) = (0, 0);
            for part in parts {
                let paid = part.vouchers.iter().filter_map(|part| part.amount.as_ref());
                vouchers += paid.map(|amount| amount.minor_units).sum::<i64>();
                cash += part.cash.as_ref().expect("cash").minor_units;
            }
            write!(line, ": vouchers {vouchers}, cash {cash}").expect("room");
        }
        for (what, amount) in [("missing", &one.missing), ("unused", &one.unused)] {
            if let Some(amount) = amount {
                write!(line, " {what} {}", amount.minor_units).expect("room");
            }
        }
        line
    };
    happenings.map(line).collect()
}

crate::journeys! {
    /// V-3, V-5: Kingsoft: vouchers, then cash; too little in the third month; a voucher that
    /// nothing uses; released on day +8.
    async fn three_months_are_told_beforehand(suite) {
        suite.kingsoft("ksc", 15_000).await;
        suite.register(vec![eip("ksc", "eip-1", "2026-03-11 00:00")]).await;
        suite.set_auto("ksc", &["eip-1"]).await;
        suite.issue("ksc", 8_000, "2026-01-01 00:00", "2026-06-01 00:00").await;
        suite.issue("ksc", 500, "2026-01-01 00:00", "2026-03-05 12:00").await;
        let forecast = forecast(suite, "ksc", 90).await;
        assert_eq!(told(&forecast), [
            "2026-03-05 12:00:00 VOUCHER_EXPIRED  unused 500",
            "2026-03-10 00:00:00 RENEWED eip-1: vouchers 8000, cash 2000",
            "2026-04-10 00:00:00 RENEWED eip-1: vouchers 0, cash 10000",
            "2026-05-10 00:00:00 FAILED eip-1 missing 7000",
            "2026-05-10 23:00:00 FAILED eip-1 missing 7000",
            "2026-05-11 00:00:00 EXPIRED eip-1",
            "2026-05-18 00:00:00 RELEASED eip-1",
        ]);
        let shortage = forecast.first_shortage.expect("a shortage");
        assert_eq!(shortage.date, Some(Date { year: 2026, month: 5, day: 10 }));
        assert_eq!(shortage.missing, Some(cny(7_000)));
        let totals = forecast.totals.expect("totals");
        assert_eq!((totals.renewed, totals.failed, totals.expired, totals.released), (2, 2, 1, 1));
        assert_eq!((totals.cash, totals.vouchers), (Some(cny(12_000)), Some(cny(8_000))));
        assert_eq!((totals.cash_left, totals.expired_vouchers), (Some(cny(3_000)), Some(cny(500))));
        assert_eq!(local(forecast.end_time), "2026-05-30 00:00:00");
        assert_eq!(suite.cash("ksc").await, 15_000, "nothing was paid");

        // With just what is missing there is no shortage; with one less there still is.
        suite.deposit("ksc", 6_999).await;
        let short = self::forecast(suite, "ksc", 90).await.first_shortage;
        assert_eq!(short.and_then(|short| short.missing), Some(cny(1)));
        suite.deposit("ksc", 1).await;
        let enough = self::forecast(suite, "ksc", 90).await;
        assert_eq!(enough.first_shortage, None);
        assert_eq!(enough.totals.and_then(|totals| totals.cash_left), Some(cny(0)));
    }

    /// A-4, M-8: a price that is to take effect later counts from then on.
    async fn a_price_of_next_month_counts_next_month(suite) {
        suite.kingsoft("ksc", 1_000_000).await;
        let (before, after) = CATALOGS[1].split_once("\nprices:\n").expect("prices");
        let dearer = "  - {product: ks-eip, component: bandwidth, sku: bgp, currency: CNY, \
                      effective_from: \"2026-04-01T00:00:00+08:00\", monthly: 21}\n";
        let document = format!("{before}\nprices:\n{dearer}{after}");
        let request = proto::catalog::v1::ApplyCatalogRequest { document, dry_run: false };
        suite.catalog().apply_catalog(request).await.expect("a good catalog");
        suite.register(vec![eip("ksc", "eip-1", "2026-03-11 00:00")]).await;
        suite.set_auto("ksc", &["eip-1"]).await;
        assert_eq!(told(&forecast(suite, "ksc", 50).await), [
            "2026-03-10 00:00:00 RENEWED eip-1: vouchers 0, cash 10000",
            "2026-04-10 00:00:00 RENEWED eip-1: vouchers 0, cash 10500",
        ]);
    }

    /// Bad questions.
    async fn a_forecast_of_nothing_is_refused(suite) {
        suite.kingsoft("ksc", 700).await;
        for (account, days, fields) in [("ksc", -1, vec!["days"]), ("", 367, vec!["account_id", "days"])] {
            let request = ForecastRenewalsRequest { account_id: account.to_owned(), days };
            let refused = suite.forecasts().forecast_renewals(request).await.unwrap_err();
            assert_eq!(bad_fields(&refused), fields);
        }
        let request = ForecastRenewalsRequest { account_id: "none".to_owned(), days: 1 };
        let refused = refusal(suite.forecasts().forecast_renewals(request).await);
        assert_eq!(refused, (Code::NotFound, "ACCOUNT_NOT_FOUND".to_owned()));
        assert_eq!(told(&forecast(suite, "ksc", 0).await), Vec::<String>::new());

        suite.issue("ksc", 30, "2026-04-01 00:00", "2026-05-01 00:00").await;
        suite.issue("ksc", 40, "2026-01-01 00:00", "2026-02-01 00:00").await;
        let purse = GetPurseRequest { account_id: "ksc".to_owned() };
        let purse = suite.purses().get_purse(purse).await.expect("a purse").into_inner();
        let remaining: Vec<_> = purse.vouchers.into_iter().map(|it| it.remaining).collect();
        assert_eq!((purse.cash, remaining), (Some(cny(700)), vec![Some(cny(30))]));
        let nobody = GetPurseRequest { account_id: "none".to_owned() };
        let refused = refusal(suite.purses().get_purse(nobody).await);
        assert_eq!(refused, (Code::NotFound, "WALLET_NOT_FOUND".to_owned()));
        let nameless = suite.purses().get_purse(GetPurseRequest::default()).await;
        assert_eq!(bad_fields(&nameless.unwrap_err()), ["account_id"]);
    }
}
