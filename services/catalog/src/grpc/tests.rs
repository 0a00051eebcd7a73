use proto::{convert::timestamp, r#type::v1 as types};
use rust_decimal::Decimal;
use tonic_types::StatusExt as _;

use super::*;
use crate::app::tests::World;

const EXAMPLES: [&str; 4] = [
    include_str!("../../examples/jdcloud.yaml"),
    include_str!("../../examples/kingsoft.yaml"),
    include_str!("../../examples/aliyun.yaml"),
    include_str!("../../examples/huaweicloud.yaml"),
];

/// The service with the four vendors' catalogs.
async fn vendors() -> (World, CatalogGrpc) {
    let world = World::all().await.remove(0);
    let service = CatalogGrpc::new(world.replica().await);
    for document in EXAMPLES {
        let request = pb::ApplyCatalogRequest { document: document.to_owned(), dry_run: false };
        service.apply_catalog(Request::new(request)).await.unwrap();
    }
    (world, service)
}

fn configuration(settings: &[(&str, &str)]) -> types::Configuration {
    let setting = |&(name, value): &(&str, &str)| types::Setting {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    types::Configuration { settings: settings.iter().map(setting).collect() }
}

/// `6m`, `1m+22/52` (odd days, all days), or without a duration `0+10/10` (whole months).
fn span(text: &str) -> pb::PricedSpan {
    let (term, days) = text.split_once('+').unwrap_or((text, "0/0"));
    let (odd_days, total_days) = days.split_once('/').unwrap();
    pb::PricedSpan {
        duration: term.parse().ok(),
        whole_months: term.parse().unwrap_or_default(),
        odd_days: odd_days.parse().unwrap(),
        total_days: total_days.parse().unwrap(),
    }
}

fn facts(product: &str, settings: &[(&str, &str)], of: &str) -> pb::PriceFacts {
    pb::PriceFacts {
        item_id: "i-1".to_owned(),
        product_id: product.to_owned(),
        region: "cn-north-1".to_owned(),
        configuration: Some(configuration(settings)),
        order_kind: types::OrderKind::Renewal.into(),
        span: Some(span(of)),
        buyer: 0,
    }
}

fn asked(items: Vec<pb::PriceFacts>) -> pb::QuoteRenewalsRequest {
    pb::QuoteRenewalsRequest {
        items,
        currency_code: "CNY".to_owned(),
        as_of: Some(timestamp("2026-03-10T00:00:00Z".parse().unwrap())),
        view: pb::quote_renewals_request::View::Full.into(),
        ..pb::QuoteRenewalsRequest::default()
    }
}

impl CatalogGrpc {
    async fn quotes(&self, items: Vec<pb::PriceFacts>) -> Vec<pb::quote_result::Result> {
        let answer = self.quote_renewals(Request::new(asked(items))).await.unwrap().into_inner();
        answer.results.into_iter().map(|result| result.result.unwrap()).collect()
    }

    /// The payable in minor units, or why there is none.
    async fn price(&self, item: pb::PriceFacts) -> Result<i64, String> {
        match self.quotes(vec![item]).await.remove(0) {
            pb::quote_result::Result::Quote(quote) => Ok(quote.payable.unwrap().minor_units),
            pb::quote_result::Result::Error(error) => Err(error.reason),
        }
    }

    async fn refused(&self, request: pb::QuoteRenewalsRequest) -> Status {
        self.quote_renewals(Request::new(request)).await.unwrap_err()
    }
}

fn fields(status: &Status) -> Vec<String> {
    let bad = status.get_details_bad_request().unwrap();
    bad.field_violations.into_iter().map(|violation| violation.field).collect()
}

fn reason(status: &Status) -> String {
    status::reason(status).unwrap_or_default()
}

// M-1, M-2, M-4: the published figures, from the four vendors' catalogs.
#[tokio::test]
#[rustfmt::skip]
async fn the_vendors_figures_come_out() {
    let (_world, catalog) = vendors().await;
    for (product, settings, of, expected) in [
        ("jd-vm", &[("flavor", "g.s1.micro")][..], "1m", 56_00),
        ("jd-vm", &[("flavor", "g.s1.micro")], "1y", 560_00),
        ("jd-vm", &[("flavor", "g.n2.medium")], "1m+22/52", 236_60),
        ("jd-vm", &[("flavor", "g.n2.medium")], "3m+22/113", 509_60),
        ("jd-vm", &[("flavor", "g.n2.large")], "3m", 726_75),
        ("jd-vm", &[("flavor", "c.n2.large")], "1m", 168_00),
        ("jd-eip", &[("line_type", "bgp"), ("bandwidth_mbps", "1")], "1m", 23_00),
        ("jd-eip", &[("line_type", "bgp"), ("bandwidth_mbps", "5")], "1y", 1_150_00),
        ("jd-disk", &[("disk_type", "ssd"), ("size_gb", "40")], "1m", 40_00),
        ("jd-redis", &[("spec", "redis.s.1g")], "2m", 150_00),
        ("jd-eip-traffic", &[("line_type", "bgp")], "1m", 0),
        ("ks-kec", &[("flavor", "n3.2b")], "1m+28/59", 308_37),
        ("ks-eip", &[("line_type", "bgp"), ("bandwidth_mbps", "5")], "0+10/10", 33_33),
        ("ks-kes", &[("node_type", "es.4c16g"), ("nodes", "3")], "1m", 2_040_00),
        ("al-redis", &[("instance_class", "redis.master.small")], "1m", 75_00),
        ("hw-ecs", &[("flavor", "s6.small.1")], "6m", 528_00),
        ("hw-ecs", &[("flavor", "s6.small.1")], "11m", 968_00),
        ("hw-ecs", &[("flavor", "s6.small.1")], "1y", 996_00),
        ("hw-ecs", &[("flavor", "s6.small.1")], "3y", 1_800_00),
        ("hw-standard-pool", &[("flavor", "modelarts.vm.cpu.8ud"), ("nodes", "2")], "1m", 2_500_00),
        ("hw-lite-pool", &[("flavor", "modelarts.bm.npu.910b"), ("nodes", "1")], "1m", 48_000_00),
    ] {
        let price = catalog.price(facts(product, settings, of)).await;
        assert_eq!(price, Ok(expected), "{product} {settings:?} {of}");
    }
}

// M-6, M-9: a quote names its versions and tells how it came about.
#[tokio::test]
async fn a_quote_explains_itself() {
    let (_world, catalog) = vendors().await;
    let item = facts("jd-vm", &[("flavor", "g.s1.micro")], "1y");
    let pb::quote_result::Result::Quote(quote) = catalog.quotes(vec![item.clone()]).await.remove(0)
    else {
        panic!("it has a price");
    };
    assert_eq!(quote.list_price.unwrap().value, "672");
    assert_eq!(quote.monthly_price.unwrap().value, "56");
    assert_eq!(quote.tier, "1 year pays 10 months");
    assert_eq!((&*quote.price_version, &*quote.money_policy), ("jdcloud.1", "jd.v1"));
    assert_eq!(quote.discount_name, "");
    let lines = quote.lines.iter().map(|line| {
        let amount: Decimal = line.amount.clone().unwrap().value.parse().unwrap();
        (line.kind(), amount, line.rule_ids.join(" "))
    });
    assert_eq!(
        lines.collect::<Vec<_>>(),
        [
            (pb::quote_line::Kind::Component, 672.into(), "M-1 M-2".to_owned()),
            (pb::quote_line::Kind::Tier, (-112).into(), "M-2".to_owned()),
        ]
    );

    let view = pb::quote_renewals_request::View::Totals.into();
    let totals = pb::QuoteRenewalsRequest { view, ..asked(vec![item]) };
    let totals = catalog.quote_renewals(Request::new(totals)).await.unwrap().into_inner();
    let Some(pb::quote_result::Result::Quote(short)) = &totals.results[0].result else {
        panic!("it has a price");
    };
    assert_eq!((short.payable.clone(), short.lines.len()), (quote.payable, 0));
    assert_eq!((&short.price_version, &short.tier), (&quote.price_version, &quote.tier));
    assert_eq!(totals.catalog_version, 4);
}

// M-5, W-6: one result per item, in their order; an item that has no price stands alone.
#[tokio::test]
async fn each_item_has_its_own_result() {
    let (_world, catalog) = vendors().await;
    let vm = |flavor| facts("jd-vm", &[("flavor", flavor)], "1m");
    let results = catalog
        .quotes(vec![
            vm("g.s1.micro"),
            vm("g.s9.giant"),
            facts("jd-gpu", &[], "1m"),
            facts("jd-vm", &[("image", "linux")], "1m"),
            facts("jd-disk", &[("disk_type", "ssd"), ("size_gb", "-1")], "1m"),
            facts("jd-disk", &[("disk_type", "ssd"), ("size_gb", "1000000000")], "999y"),
            facts(
                "hw-lite-pool",
                &[("flavor", "modelarts.bm.npu.910b"), ("nodes", "1000000000")],
                "999y",
            ),
            vm("g.s1.micro"),
        ])
        .await;
    let results = results.into_iter().map(|result| match result {
        pb::quote_result::Result::Quote(quote) => quote.payable.unwrap().minor_units.to_string(),
        pb::quote_result::Result::Error(error) => error.reason,
    });
    assert_eq!(
        results.collect::<Vec<_>>(),
        [
            "5600",
            "PRICE_NOT_FOUND",
            "PRODUCT_NOT_FOUND",
            "PRICE_NOT_FOUND",
            "PRICE_NOT_FOUND",
            "999000000000000",
            "AMOUNT_TOO_LARGE",
            "5600",
        ]
    );
    let dollars = pb::QuoteRenewalsRequest {
        currency_code: "USD".to_owned(),
        ..asked(vec![vm("g.s1.micro")])
    };
    let answer = catalog.quote_renewals(Request::new(dollars)).await.unwrap().into_inner();
    let Some(pb::quote_result::Result::Error(error)) = &answer.results[0].result else {
        panic!("there are no dollar prices");
    };
    assert_eq!(error.reason, "CURRENCY_MISMATCH");
}

// M-3: discounts see the account's labels.
#[tokio::test]
async fn a_labelled_account_gets_its_discount() {
    let (_world, catalog) = vendors().await;
    let document = format!(
        "{}discounts:\n  - {{id: gold, name: Gold, kind: CONTRACT, percent_off: 10, when: {{account_labels: {{tier: [gold]}}}}}}\n",
        EXAMPLES[0]
    );
    let request = pb::ApplyCatalogRequest { document, dry_run: false };
    let applied = catalog.apply_catalog(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(applied.catalog_version, 5);
    assert_eq!(applied.changes[0].subject, "discount gold");
    assert_eq!(applied.changes[0].action(), pb::catalog_change::Action::Added);

    let plain = asked(vec![facts("jd-vm", &[("flavor", "g.s1.micro")], "1m")]);
    let mut gold = plain.clone();
    gold.account_labels.insert("tier".to_owned(), "gold".to_owned());
    for (request, name, expected) in [(plain, "", 56_00), (gold, "Gold", 50_40)] {
        let answer = catalog.quote_renewals(Request::new(request)).await.unwrap().into_inner();
        let Some(pb::quote_result::Result::Quote(quote)) = &answer.results[0].result else {
            panic!("it has a price");
        };
        assert_eq!(quote.discount_name, name);
        assert_eq!(quote.payable.as_ref().unwrap().minor_units, expected);
        assert_eq!(quote.price_version, "jdcloud.5");
    }
}

// M-3, A-5: one call prices for many accounts, each item for its own.
#[tokio::test]
async fn items_are_priced_for_their_buyers() {
    let (_world, catalog) = vendors().await;
    let buyer =
        |currency: &str| pb::Buyer { currency_code: currency.to_owned(), ..pb::Buyer::default() };
    let for_buyer =
        |buyer| pb::PriceFacts { buyer, ..facts("jd-vm", &[("flavor", "g.s1.micro")], "1m") };
    let request = pb::QuoteRenewalsRequest {
        currency_code: "not looked at".to_owned(),
        buyers: vec![buyer("CNY"), buyer("USD")],
        ..asked(vec![for_buyer(1), for_buyer(0)])
    };
    let answer = catalog.quote_renewals(Request::new(request.clone())).await.unwrap().into_inner();
    let results: Vec<_> = answer.results.into_iter().map(|one| one.result.unwrap()).collect();
    let pb::quote_result::Result::Error(error) = &results[0] else { panic!("no dollar prices") };
    assert_eq!(error.reason, "CURRENCY_MISMATCH");
    let pb::quote_result::Result::Quote(quote) = &results[1] else { panic!("it has a price") };
    assert_eq!(quote.payable.as_ref().unwrap().minor_units, 56_00);

    let request = pb::QuoteRenewalsRequest {
        buyers: vec![buyer("CNY"), buyer("gold")],
        items: vec![for_buyer(2), for_buyer(-1), for_buyer(1)],
        ..request
    };
    let status = catalog.refused(request).await;
    assert_eq!(fields(&status), ["buyers[1].currency_code", "items[0].buyer", "items[1].buyer"]);
    let request =
        pb::QuoteRenewalsRequest { buyers: vec![buyer("CNY"); 1_001], ..asked(vec![for_buyer(0)]) };
    assert_eq!(fields(&catalog.refused(request).await), ["buyers"]);
}

// CLOCK_SKEW: five minutes are fine in either direction, a microsecond more is not.
#[tokio::test]
async fn a_clock_that_is_off_is_refused() {
    let (_world, catalog) = vendors().await;
    let at = |as_of: &str| pb::QuoteRenewalsRequest {
        as_of: Some(timestamp(as_of.parse().unwrap())),
        ..asked(vec![facts("jd-vm", &[("flavor", "g.s1.micro")], "1m")])
    };
    for good in ["2026-03-09T23:55:00Z", "2026-03-10T00:05:00Z"] {
        assert!(catalog.quote_renewals(Request::new(at(good))).await.is_ok());
    }
    for bad in ["2026-03-09T23:54:59.999999Z", "2026-03-10T00:05:00.000001Z"] {
        let status = catalog.refused(at(bad)).await;
        assert_eq!((status.code(), &*reason(&status)), (Code::FailedPrecondition, "CLOCK_SKEW"));
    }
    // A forecast goes as far ahead as it likes, and not back.
    let forecast = |as_of| pb::QuoteRenewalsRequest { forecast: true, ..at(as_of) };
    for good in ["2026-03-09T23:55:00Z", "2036-03-10T00:00:00Z"] {
        assert!(catalog.quote_renewals(Request::new(forecast(good))).await.is_ok());
    }
    let status = catalog.refused(forecast("2026-03-09T23:54:59.999999Z")).await;
    assert_eq!(&*reason(&status), "CLOCK_SKEW");
}

#[tokio::test]
async fn every_bad_field_is_named() {
    let (_world, catalog) = vendors().await;
    let good = facts("jd-vm", &[("flavor", "g.s1.micro")], "1m");
    let bad = pb::PriceFacts {
        item_id: String::new(),
        product_id: "no product".to_owned(),
        region: "x".repeat(1 << 20),
        configuration: Some(configuration(&[("a", "1"), ("a", "2")])),
        order_kind: 99,
        span: Some(pb::PricedSpan { odd_days: -1, ..span("1m") }),
        buyer: 0,
    };
    let request = pb::QuoteRenewalsRequest {
        currency_code: "XAU".to_owned(),
        as_of: None,
        ..asked(vec![
            good.clone(),
            bad,
            pb::PriceFacts { configuration: None, span: None, ..good.clone() },
        ])
    };
    let status = catalog.refused(request).await;
    assert_eq!(reason(&status), "INVALID_REQUEST");
    assert_eq!(
        fields(&status),
        [
            "currency_code",
            "as_of",
            "items[1].item_id",
            "items[1].product_id",
            "items[1].region",
            "items[1].configuration",
            "items[1].order_kind",
            "items[1].span",
            "items[2].configuration",
            "items[2].span",
        ]
    );
    for count in [0, 1_001] {
        let status = catalog.refused(asked(vec![good.clone(); count])).await;
        assert_eq!(fields(&status), ["items"]);
    }
    assert_eq!(catalog.quotes(vec![good; 1_000]).await.len(), 1_000);
}

// M-7: all durations of any configuration, with no account; 11 months cost more than a year here.
#[tokio::test]
async fn the_calculator_prices_all_durations() {
    let (_world, catalog) = vendors().await;
    let request = pb::CalculatePricesRequest {
        product_id: "jd-vm".to_owned(),
        region: "anywhere".to_owned(),
        currency_code: "CNY".to_owned(),
        configuration: Some(configuration(&[("flavor", "g.s1.micro")])),
        as_of: None,
    };
    let answer = catalog.calculate_prices(Request::new(request.clone())).await.unwrap();
    let prices = answer.into_inner().prices.into_iter().map(|price| {
        let short = price.duration.unwrap().short().unwrap();
        format!("{short}: {}", price.quote.unwrap().payable.unwrap().minor_units)
    });
    assert_eq!(
        prices.collect::<Vec<_>>().join(", "),
        "1m: 5600, 2m: 11200, 3m: 16800, 4m: 22400, 5m: 28000, 6m: 33600, 7m: 39200, 8m: 44800, \
         9m: 50400, 1y: 56000, 2y: 112000, 3y: 168000"
    );
    let of = |change: fn(&mut pb::CalculatePricesRequest)| {
        let mut request = request.clone();
        change(&mut request);
        Request::new(request)
    };
    for (request, code, expected) in [
        (of(|it| it.product_id = "gpu".to_owned()), Code::NotFound, "PRODUCT_NOT_FOUND"),
        (
            of(|it| it.currency_code = "USD".to_owned()),
            Code::FailedPrecondition,
            "CURRENCY_MISMATCH",
        ),
        (
            of(|it| it.configuration = Some(configuration(&[("flavor", "x")]))),
            Code::FailedPrecondition,
            "PRICE_NOT_FOUND",
        ),
        (of(|it| it.configuration = None), Code::InvalidArgument, "INVALID_REQUEST"),
        (
            of(|it| it.as_of = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 })),
            Code::InvalidArgument,
            "INVALID_REQUEST",
        ),
        // Before there was any price.
        (
            of(|it| it.as_of = Some(prost_types::Timestamp { seconds: 0, nanos: 0 })),
            Code::FailedPrecondition,
            "PRICE_NOT_FOUND",
        ),
    ] {
        let status = catalog.calculate_prices(request).await.unwrap_err();
        assert_eq!((status.code(), &*reason(&status)), (code, expected));
    }
}

fn listed(catalog: &str, size: i32, token: &str, skip: i32) -> Request<pb::ListProductsRequest> {
    Request::new(pb::ListProductsRequest {
        catalog: catalog.to_owned(),
        page: Some(types::PageRequest {
            page_size: size,
            page_token: token.to_owned(),
            skip,
            with_total: true,
        }),
    })
}

#[tokio::test]
async fn products_are_listed_by_page() {
    let (_world, catalog) = vendors().await;
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let request = listed("kingsoft", 4, &token, 0);
        let answer = catalog.list_products(request).await.unwrap().into_inner();
        let page = answer.page.unwrap();
        assert_eq!(page.total_size, Some(6));
        assert_eq!(answer.catalog_version, 4);
        seen.extend(answer.products.into_iter().map(|product| product.product_id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["ks-ebs", "ks-eip", "ks-kad", "ks-kcm", "ks-kec", "ks-kes"]);

    let skipped = catalog.list_products(listed("", 2, "", 13)).await.unwrap().into_inner();
    let page = skipped.page.unwrap();
    assert_eq!((skipped.products.len(), page.total_size), (2, Some(15)));
    assert_eq!(page.next_page_token, "");

    let first = catalog.list_products(listed("", 1, "", 0)).await.unwrap().into_inner();
    let token = first.page.unwrap().next_page_token;
    for bad in [listed("jdcloud", 1, &token, 0), listed("", 1, "forged", 0)] {
        let status = catalog.list_products(bad).await.unwrap_err();
        assert_eq!(
            (status.code(), &*reason(&status)),
            (Code::InvalidArgument, "PAGE_TOKEN_INVALID")
        );
    }
    let status = catalog.list_products(listed("", -1, "", -1)).await.unwrap_err();
    assert_eq!(fields(&status), ["page.page_size", "page.skip"]);
}

// T-1, P-3, A-1, R-1, U-1, M-9: what a product's rules look like on the wire.
#[tokio::test]
async fn a_product_shows_its_rules() {
    let (_world, catalog) = vendors().await;
    let of = |id: &str| Request::new(pb::GetProductRequest { product_id: id.to_owned() });
    let product = catalog.get_product(of("hw-standard-pool")).await.unwrap().into_inner();
    let product = product.product.unwrap();
    assert_eq!((&*product.catalog, &*product.line), ("huaweicloud", "ModelArts"));
    assert_eq!(product.components[0].quantity_from, "nodes");
    assert_eq!(product.profile_versions.len(), 1);
    assert_eq!(product.profile_versions[0].profile, product.profile);
    let profile = product.profile.unwrap();
    assert_eq!(profile.policies.len(), 4);
    assert_eq!((profile.grace_days, profile.retention_days), (15, 15));
    assert_eq!(profile.late_start(), pb::renewal_profile::LateStart::OldExpiry);
    let unify = profile.unify.unwrap();
    assert!(unify.last_of_month && unify.automatic);
    assert_eq!((unify.first_day, unify.last_day), (1, 28));
    let schedule = profile.auto_schedule.unwrap();
    assert_eq!((schedule.days_before, &*schedule.time), (7, "03:00"));
    assert_eq!((schedule.account_days_min, schedule.account_days_max), (Some(0), Some(7)));
    assert_eq!(profile.reminders.unwrap().days_before_release, [6, 2, 0]);
    let policy = profile.money_policy.unwrap();
    assert_eq!((&*policy.name, policy.version), ("hw", 1));

    let kad = catalog.get_product(of("ks-kad")).await.unwrap().into_inner().product.unwrap();
    assert!(!kad.profile.unwrap().not_renewable_why.is_empty());
    let status = catalog.get_product(of("gpu")).await.unwrap_err();
    assert_eq!((status.code(), &*reason(&status)), (Code::NotFound, "PRODUCT_NOT_FOUND"));
    let status = catalog.get_product(of("")).await.unwrap_err();
    assert_eq!(fields(&status), ["product_id"]);
}

// V-2: how the accounts of each vendor pay with vouchers.
#[tokio::test]
async fn account_profiles_carry_the_catalogs_names() {
    use types::VoucherStrategy::{ChosenByUser, LargestFirst, NearestExpiryThenLargest};

    let (_world, catalog) = vendors().await;
    let request = Request::new(pb::ListAccountProfilesRequest {});
    let answer = catalog.list_account_profiles(request).await.unwrap().into_inner();
    let profiles = answer.profiles.into_iter().map(|profile| {
        let manual = profile.manual_vouchers.unwrap();
        let days = profile.unpaid_order_days;
        (profile.profile, manual.strategy(), manual.max_per_payment, days)
    });
    assert_eq!(
        profiles.collect::<Vec<_>>(),
        [
            ("aliyun".to_owned(), NearestExpiryThenLargest, None, 15),
            ("huaweicloud".to_owned(), LargestFirst, Some(1), 7),
            ("jdcloud".to_owned(), ChosenByUser, Some(1), 15),
            ("kingsoft".to_owned(), NearestExpiryThenLargest, None, 15),
        ]
    );
}

#[tokio::test]
async fn a_bad_document_is_answered_with_its_lines() {
    let (_world, catalog) = vendors().await;
    let apply =
        |document: String| Request::new(pb::ApplyCatalogRequest { document, dry_run: false });
    let bad = EXAMPLES[0].replace("late_start: RENEWAL_DATE", "late_start: PAYMENT");
    let status = catalog.apply_catalog(apply(bad)).await.unwrap_err();
    assert_eq!((status.code(), &*reason(&status)), (Code::InvalidArgument, "CATALOG_INVALID"));
    let lines = fields(&status);
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("line "), "{lines:?}");

    // M-8
    let changed = EXAMPLES[0].replace("monthly: 56}", "monthly: 57}");
    let status = catalog.apply_catalog(apply(changed)).await.unwrap_err();
    let expected = (Code::FailedPrecondition, "PRICE_VERSION_IMMUTABLE");
    assert_eq!((status.code(), &*reason(&status)), expected);
    let violations = status::violations(&status);
    assert!(violations[0].subject.starts_with("line "), "{violations:?}");

    for document in [String::new(), "x".repeat((1 << 20) + 1)] {
        let status = catalog.apply_catalog(apply(document)).await.unwrap_err();
        assert_eq!(fields(&status), ["document"]);
    }
}
