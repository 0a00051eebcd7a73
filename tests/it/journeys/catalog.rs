//! Catalogs, prices and quotes.

use proto::{
    catalog::v1::{
        ApplyCatalogRequest, CalculatePricesRequest, GetProductRequest, ListAccountProfilesRequest,
        ListProductsRequest, PriceFacts, PricedSpan, QuoteRenewalsRequest,
        quote_renewals_request::View, quote_result,
    },
    convert::timestamp,
    r#type::v1::OrderKind,
};
use tests::{Suite, fixture::*, refusal};
use tonic::Code;

/// What a configuration costs for each duration, in fen.
async fn prices(suite: &Suite, product: &str, settings: &[(&str, &str)]) -> Vec<(String, i64)> {
    let request = CalculatePricesRequest {
        product_id: product.to_owned(),
        region: "cn-north-1".to_owned(),
        currency_code: "CNY".to_owned(),
        configuration: Some(configuration(settings)),
        as_of: None,
    };
    let response = suite.catalog().calculate_prices(request).await.expect("a price").into_inner();
    response
        .prices
        .into_iter()
        .map(|price| {
            let payable = price.quote.unwrap().payable.unwrap().minor_units;
            (price.duration.unwrap().short().unwrap(), payable)
        })
        .collect()
}

crate::journeys! {
    /// M-2, M-7: JD: one year pays ten months; eleven months would cost more.
    async fn the_calculator_prices_every_duration(suite) {
        suite.apply_catalogs().await;

        let prices = prices(suite, "jd-vm", &[("flavor", "g.s1.micro")]).await;

        let durations: Vec<_> = prices.iter().map(|(duration, _)| duration.as_str()).collect();
        assert_eq!(durations, ["1m", "2m", "3m", "4m", "5m", "6m", "7m", "8m", "9m", "1y", "2y", "3y"]);
        assert_eq!(prices[0].1, 56_00);
        assert_eq!(prices[9].1, 560_00);
    }

    /// Declarative: the same document again changes nothing; a dry run never does.
    async fn a_catalog_applied_again_changes_nothing(suite) {
        suite.apply_catalogs().await;
        let apply = |document: String, dry_run| ApplyCatalogRequest { document, dry_run };
        let same = suite.catalog().apply_catalog(apply(CATALOGS[0].to_owned(), false)).await.unwrap().into_inner();
        assert_eq!(same.changes, []);

        let renamed = CATALOGS[3].replace("Lite Cluster", "Light Cluster");
        assert_ne!(renamed, CATALOGS[3]);
        let dry = suite.catalog().apply_catalog(apply(renamed.clone(), true)).await.unwrap().into_inner();
        assert_ne!(dry.changes, []);
        assert_eq!(dry.catalog_version, same.catalog_version);
        let real = suite.catalog().apply_catalog(apply(renamed, false)).await.unwrap().into_inner();
        assert_eq!(real.changes, dry.changes);
        assert_eq!(real.catalog_version, same.catalog_version + 1);
    }

    async fn products_and_profiles_are_listed(suite) {
        suite.apply_catalogs().await;
        let list = ListProductsRequest { catalog: "kingsoft".to_owned(), page: None };
        let products = suite.catalog().list_products(list).await.unwrap().into_inner().products;
        assert!(products.iter().all(|product| product.catalog == "kingsoft"));
        assert!(products.len() >= 6);
        let profiles = suite.catalog().list_account_profiles(ListAccountProfilesRequest {}).await;
        let profiles = profiles.unwrap().into_inner().profiles;
        assert_eq!(profiles.iter().map(|it| it.profile.as_str()).collect::<Vec<_>>(), ["aliyun", "huaweicloud", "jdcloud", "kingsoft"]);
        let unknown = GetProductRequest { product_id: "no-such-product".to_owned() };
        assert_eq!(
            refusal(suite.catalog().get_product(unknown).await),
            (Code::NotFound, "PRODUCT_NOT_FOUND".to_owned())
        );
    }

    /// One result per item; an item that has no price does not stop the others.
    async fn a_thousand_quotes_in_one_call(suite) {
        suite.apply_catalogs().await;
        let facts = |number: usize| PriceFacts {
            item_id: format!("item-{number}"),
            product_id: if number == 500 { "no-such-product".to_owned() } else { "jd-vm".to_owned() },
            region: "cn-north-1".to_owned(),
            configuration: Some(configuration(&[("flavor", "g.n2.medium")])),
            order_kind: OrderKind::Renewal.into(),
            span: Some(PricedSpan { duration: Some(duration("1m")), whole_months: 0, odd_days: 0, total_days: 31 }),
            ..PriceFacts::default()
        };
        let request = |count: usize| QuoteRenewalsRequest {
            items: (0..count).map(facts).collect(),
            currency_code: "CNY".to_owned(),
            as_of: Some(timestamp(suite.now())),
            view: View::Totals.into(),
            ..QuoteRenewalsRequest::default()
        };

        let results = suite.catalog().quote_renewals(request(1000)).await.unwrap().into_inner().results;

        assert_eq!(results.len(), 1000);
        for (number, result) in results.into_iter().enumerate() {
            match result.result.unwrap() {
                quote_result::Result::Quote(quote) => assert_eq!(quote.payable, Some(cny(136_50))),
                quote_result::Result::Error(error) => {
                    assert_eq!((number, error.reason.as_str()), (500, "PRODUCT_NOT_FOUND"));
                }
            }
        }
        assert_eq!(
            refusal(suite.catalog().quote_renewals(request(1001)).await),
            (Code::InvalidArgument, "INVALID_REQUEST".to_owned())
        );
        let mut skewed = request(1);
        skewed.as_of = Some(timestamp(suite.now() - chrono::TimeDelta::seconds(301)));
        assert_eq!(
            refusal(suite.catalog().quote_renewals(skewed).await),
            (Code::FailedPrecondition, "CLOCK_SKEW".to_owned())
        );
    }
}
