use kernel::ids::AccountId;
use platform::status::{bad_fields, is_replayed, reason};
use proto::{
    convert::timestamp,
    r#type::v1::{self as wire, PageRequest},
    wallet::v1::{
        self as pb, payment::State, payment_service_server::PaymentService as _,
        voucher_service_server::VoucherService as _, wallet_service_server::WalletService as _,
    },
};
use tonic::{Code, Request};

use super::*;
use crate::tests::{World, acme, cny, id, noon, on_each_database};

fn grpc(world: &World) -> WalletGrpc {
    WalletGrpc::new(world.wallets.clone())
}

fn money(minor_units: i64) -> wire::Money {
    cny(minor_units).into()
}

fn item(instance: &str, payable: i64) -> pb::PayableItem {
    pb::PayableItem {
        instance_id: instance.to_owned(),
        product_id: "vm".to_owned(),
        region: "cn-north-1".to_owned(),
        billing_mode: wire::BillingMode::Prepaid.into(),
        order_kind: wire::OrderKind::Renewal.into(),
        term_months: 1,
        payable: Some(money(payable)),
        discounted: false,
    }
}

fn charge(number: u128, payable: i64) -> pb::Charge {
    let strategy = wire::VoucherStrategy::NearestExpiryThenLargest.into();
    let rule = wire::VoucherRule { strategy, max_per_payment: None };
    pb::Charge {
        payment_id: id(number).to_string(),
        account_id: "acme".to_owned(),
        order_id: id(number + 100).to_string(),
        items: vec![item("i-1", payable)],
        vouchers: Some(pb::VoucherChoice {
            choice: Some(pb::voucher_choice::Choice::Rule(rule)),
            max_per_payment: None,
        }),
        automatic: false,
    }
}

fn terms() -> pb::VoucherTerms {
    pb::VoucherTerms {
        valid_from: Some(timestamp(noon())),
        expire_time: Some(timestamp(noon() + chrono::TimeDelta::days(30))),
        ..pb::VoucherTerms::default()
    }
}

async fn issue(world: &World, number: u128, face: i64, terms: pb::VoucherTerms) -> pb::Voucher {
    let grant = pb::VoucherGrant {
        account_id: "acme".to_owned(),
        face: Some(money(face)),
        terms: Some(terms),
    };
    let request =
        pb::IssueVouchersRequest { request_id: id(number).to_string(), grants: vec![grant] };
    let response = grpc(world).issue_vouchers(Request::new(request)).await.unwrap();
    response.into_inner().vouchers.remove(0)
}

fn fields(status: &tonic::Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument);
    bad_fields(status).into_iter().map(|(field, _)| field).collect()
}

// W-2, O-3
#[tokio::test]
async fn a_wallet_is_opened_filled_and_charged() {
    on_each_database(async |world| {
        let grpc = grpc(world);
        let open = pb::CreateWalletRequest {
            account_id: "acme".to_owned(),
            currency_code: "CNY".to_owned(),
        };
        let wallet = grpc.create_wallet(Request::new(open.clone())).await.unwrap().into_inner();
        let again = grpc.create_wallet(Request::new(open)).await.unwrap().into_inner();
        assert_eq!(wallet, again);

        let deposit = pb::DepositRequest {
            request_id: id(1).to_string(),
            account_id: "acme".to_owned(),
            amount: Some(money(100)),
            note: "June".to_owned(),
        };
        let first = grpc.deposit(Request::new(deposit.clone())).await.unwrap();
        let again = grpc.deposit(Request::new(deposit)).await.unwrap();
        assert!(!is_replayed(&first) && is_replayed(&again));
        assert_eq!(first.into_inner(), again.into_inner());

        let request =
            pb::ChargeRequest { charge: Some(charge(2, 60)), as_of: Some(timestamp(noon())) };
        let paid = grpc.charge(Request::new(request.clone())).await.unwrap().into_inner();
        let again = grpc.charge(Request::new(request)).await.unwrap();
        assert!(is_replayed(&again));
        assert_eq!(paid, again.into_inner());
        let paid = paid.payment.unwrap();
        assert_eq!(paid.state(), State::Succeeded);
        assert_eq!(paid.parts[0].cash, Some(money(60)));

        let ids = vec![id(9).to_string(), id(2).to_string()];
        let request = pb::GetPaymentsRequest { payment_ids: ids, intent_ids: Vec::new() };
        let found = grpc.get_payments(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(found.payments, [paid]);
        let request = pb::GetWalletRequest { account_id: "acme".to_owned() };
        let wallet = grpc.get_wallet(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(wallet.wallet.unwrap().cash, Some(money(40)));
        let request = pb::GetFundsRequest { account_ids: vec!["acme".to_owned(), "x".to_owned()] };
        let funds = grpc.get_funds(Request::new(request)).await.unwrap().into_inner().funds;
        assert_eq!((funds.len(), &funds[0].cash), (1, &Some(money(40))));
    })
    .await;
}

// W-1
#[tokio::test]
async fn a_refused_payment_says_what_is_missing() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 10).await;
        let request =
            pb::ChargeRequest { charge: Some(charge(2, 60)), as_of: Some(timestamp(noon())) };
        let payment = grpc(world).charge(Request::new(request)).await.unwrap().into_inner();
        let payment = payment.payment.unwrap();
        assert_eq!(payment.state(), State::Refused);
        let refusal = payment.refusal.unwrap();
        assert_eq!(refusal.reason, "INSUFFICIENT_FUNDS");
        assert_eq!(
            refusal.message,
            "CNY 0.60 is needed and CNY 0.10 is available, so CNY 0.50 is missing."
        );
        let amounts = [refusal.needed, refusal.available, refusal.missing];
        assert_eq!(amounts, [Some(money(60)), Some(money(10)), Some(money(50))]);
    })
    .await;
}

// O-4
#[tokio::test]
async fn a_voided_payment_is_known_as_one() {
    on_each_database(async |world| {
        let request =
            pb::VoidPaymentRequest { payment_id: id(3).to_string(), account_id: "acme".to_owned() };
        let voided = grpc(world).void_payment(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(voided.payment.unwrap().state(), State::Voided);
    })
    .await;
}

#[tokio::test]
async fn every_bad_field_of_a_charge_is_named() {
    on_each_database(async |world| {
        let mut bad = charge(1, 1);
        bad.payment_id = "7".to_owned();
        bad.account_id = String::new();
        bad.order_id = uuid::Uuid::nil().to_string();
        bad.items = vec![
            pb::PayableItem { billing_mode: 9, order_kind: 0, term_months: -1, ..item("i-1", -1) },
            pb::PayableItem { payable: None, region: "x y".to_owned(), ..item("", 1) },
        ];
        let named = pb::voucher_choice::Named { voucher_ids: vec!["x".repeat(1 << 20)] };
        bad.vouchers = Some(pb::VoucherChoice {
            choice: Some(pb::voucher_choice::Choice::Named(named)),
            max_per_payment: Some(-1),
        });
        let request = pb::ChargeRequest { charge: Some(bad), as_of: None };
        let status = grpc(world).charge(Request::new(request)).await.unwrap_err();
        assert_eq!(
            fields(&status),
            [
                "as_of",
                "charge.payment_id",
                "charge.account_id",
                "charge.order_id",
                "charge.items[0].billing_mode",
                "charge.items[0].order_kind",
                "charge.items[0].term_months",
                "charge.items[0].payable",
                "charge.items[1].instance_id",
                "charge.items[1].region",
                "charge.items[1].payable",
                "charge.vouchers.max_per_payment",
                "charge.vouchers.named.voucher_ids[0]",
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn items_that_do_not_add_up_are_refused() {
    on_each_database(async |world| {
        for (items, field) in [
            (vec![], "charge.items"),
            (vec![item("i-1", 1); 1001], "charge.items"),
            (vec![item("i-1", 1), item("i-1", 1)], "charge.items[1].instance_id"),
            (vec![item("i-1", i64::MAX), item("i-2", 1)], "charge.items"),
            (vec![item("i-1", 1), dollars("i-2")], "charge.items"),
        ] {
            let charge = pb::Charge { items, ..charge(1, 1) };
            let request =
                pb::ChargeRequest { charge: Some(charge), as_of: Some(timestamp(noon())) };
            let status = grpc(world).charge(Request::new(request)).await.unwrap_err();
            assert_eq!(fields(&status), [field]);
        }
    })
    .await;
}

fn dollars(instance: &str) -> pb::PayableItem {
    let amount = wire::Money { minor_units: 1, currency_code: "USD".to_owned() };
    pb::PayableItem { payable: Some(amount), ..item(instance, 1) }
}

#[tokio::test]
async fn a_bad_field_fails_a_call_with_many_charges_before_any_work() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        let many = |charges| {
            let as_of = Some(timestamp(noon()));
            grpc_many(world, pb::ChargeManyRequest { charges, as_of })
        };
        let mut bad = charge(2, 1);
        bad.items[0].region = "?".to_owned();
        let status = many(vec![charge(1, 10), bad]).await.unwrap_err();
        assert_eq!(fields(&status), ["charges[1].items[0].region"]);
        let status = many(vec![charge(1, 10), charge(1, 10)]).await.unwrap_err();
        assert_eq!(fields(&status), ["charges[1].payment_id"]);
        assert_eq!(fields(&many(Vec::new()).await.unwrap_err()), ["charges"]);
        assert_eq!(world.cash(&acme()).await, 100);

        let payments = many(vec![charge(1, 90), charge(2, 11), charge(3, 10)]).await.unwrap();
        let ends: Vec<_> = payments.into_iter().map(|payment| payment.state()).collect();
        assert_eq!(ends, [State::Succeeded, State::Refused, State::Succeeded]);
    })
    .await;
}

async fn grpc_many(
    world: &World,
    request: pb::ChargeManyRequest,
) -> Result<Vec<pb::Payment>, tonic::Status> {
    let response = grpc(world).charge_many(Request::new(request)).await?;
    Ok(response.into_inner().payments)
}

// V-1
#[tokio::test]
async fn every_constraint_of_a_voucher_comes_back_as_it_was_issued() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let full = pb::VoucherTerms {
            except_product_ids: vec!["disk".to_owned()],
            billing_modes: vec![wire::BillingMode::Postpaid.into()],
            order_kinds: vec![wire::OrderKind::Conversion.into(), wire::OrderKind::Change.into()],
            regions: vec!["cn-north-1".to_owned()],
            minimum_spend: Some(money(50)),
            longest_term_months: Some(12),
            single_use: true,
            automatic_use: Some(false),
            largest_share_percent: Some(50),
            not_with_discounts: true,
            ..terms()
        };
        let issued = issue(world, 1, 100, full.clone()).await;
        assert_eq!(issued.terms, Some(full));
        assert_eq!(issued.state(), pb::voucher::State::Usable);

        let request =
            pb::ListVouchersRequest { account_id: "acme".to_owned(), ..Default::default() };
        let listed = grpc(world).list_vouchers(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(listed.vouchers, [issued]);
    })
    .await;
}

// V-1
#[tokio::test]
async fn a_voucher_that_makes_no_sense_is_not_issued() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let bad = pb::VoucherTerms {
            expire_time: Some(timestamp(noon())),
            only_product_ids: vec!["vm".to_owned()],
            except_product_ids: vec!["disk".to_owned()],
            billing_modes: vec![0],
            minimum_spend: dollars("i").payable,
            longest_term_months: Some(0),
            largest_share_percent: Some(101),
            ..terms()
        };
        let grant = pb::VoucherGrant {
            account_id: "acme".to_owned(),
            face: Some(money(0)),
            terms: Some(bad.clone()),
        };
        let request =
            pb::IssueVouchersRequest { request_id: String::new(), grants: vec![grant.clone()] };
        let status = grpc(world).issue_vouchers(Request::new(request)).await.unwrap_err();
        assert_eq!(
            fields(&status),
            [
                "request_id",
                "grants[0].face",
                "grants[0].terms.expire_time",
                "grants[0].terms.except_product_ids",
                "grants[0].terms.billing_modes[0]",
                "grants[0].terms.longest_term_months",
                "grants[0].terms.largest_share_percent",
            ]
        );
        let grant = pb::VoucherGrant { face: Some(money(1)), ..grant };
        let request =
            pb::IssueVouchersRequest { request_id: id(1).to_string(), grants: vec![grant] };
        let status = grpc(world).issue_vouchers(Request::new(request)).await.unwrap_err();
        assert!(fields(&status).contains(&"grants[0].terms.minimum_spend".to_owned()));
    })
    .await;
}

// V-2, W-1
#[tokio::test]
async fn a_preview_says_what_pays_and_why_the_others_do_not() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 10).await;
        let pays = issue(world, 1, 80, terms()).await;
        let disks = pb::VoucherTerms { only_product_ids: vec!["disk".to_owned()], ..terms() };
        let other = issue(world, 2, 80, disks).await;
        let mut request = pb::PreviewPaymentRequest {
            account_id: "acme".to_owned(),
            items: vec![item("i-1", 40), item("i-2", 60)],
            vouchers: charge(1, 1).vouchers,
            automatic: false,
            as_of: None,
        };
        let preview = grpc(world).preview_payment(Request::new(request.clone())).await.unwrap();
        let preview = preview.into_inner();
        let uses: Vec<_> = preview
            .uses
            .iter()
            .map(|it| {
                (it.voucher.clone().unwrap().voucher_id, it.amount.clone(), it.why_not.as_str())
            })
            .collect();
        assert_eq!(
            uses,
            [
                (pays.voucher_id, Some(money(80)), ""),
                (other.voucher_id.clone(), Some(money(0)), "The voucher is for other products."),
            ]
        );
        assert_eq!((preview.cash, preview.missing), (Some(money(10)), Some(money(10))));
        assert_eq!(preview.parts.len(), 2);

        let named = pb::voucher_choice::Named { voucher_ids: vec![other.voucher_id] };
        request.vouchers = Some(pb::VoucherChoice {
            choice: Some(pb::voucher_choice::Choice::Named(named)),
            max_per_payment: None,
        });
        let status = grpc(world).preview_payment(Request::new(request)).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(reason(&status).as_deref(), Some("VOUCHER_NOT_APPLICABLE"));
        assert!(status.message().ends_with("is for other products."), "{}", status.message());
    })
    .await;
}

async fn entries(
    world: &World,
    account: &AccountId,
    page_token: &str,
    skip: i32,
) -> Result<pb::ListEntriesResponse, tonic::Status> {
    let page =
        PageRequest { page_size: 2, page_token: page_token.to_owned(), skip, with_total: true };
    let request = pb::ListEntriesRequest {
        account_id: account.to_string(),
        payment_id: String::new(),
        page: Some(page),
    };
    Ok(grpc(world).list_entries(Request::new(request)).await?.into_inner())
}

#[tokio::test]
async fn lists_come_in_pages_and_their_tokens_are_their_own() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 1).await;
        let other: AccountId = "other".parse().unwrap();
        world.with_cash(&other, 1).await;
        for minor in 2..=3 {
            world.wallets.deposit(world.once(minor), &acme(), cny(minor), "").await.unwrap();
        }
        let first = entries(world, &acme(), "", 0).await.unwrap();
        let page = first.page.unwrap();
        assert_eq!((first.entries.len(), page.total_size), (2, Some(3)));
        let second = entries(world, &acme(), &page.next_page_token, 0).await.unwrap();
        assert_eq!(second.entries[0].number, 1);
        assert_eq!(second.page.unwrap().next_page_token, "");

        for status in [
            entries(world, &other, &page.next_page_token, 0).await.unwrap_err(),
            entries(world, &acme(), "forged", 0).await.unwrap_err(),
        ] {
            assert_eq!(reason(&status).as_deref(), Some("PAGE_TOKEN_INVALID"));
        }
        let status = entries(world, &acme(), "", -1).await.unwrap_err();
        assert_eq!(fields(&status), ["page.skip"]);
        let stranger = "stranger".parse().unwrap();
        let status = entries(world, &stranger, "", 0).await.unwrap_err();
        assert_eq!(reason(&status).as_deref(), Some("WALLET_NOT_FOUND"));
        assert_eq!(status.code(), Code::NotFound);
    })
    .await;
}

#[tokio::test]
async fn a_note_is_short_and_plain() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        for (note, good) in
            [("x".repeat(200), true), ("x".repeat(201), false), ("\0".to_owned(), false)]
        {
            let request = pb::DepositRequest {
                request_id: world.once(0).request.to_string(),
                account_id: "acme".to_owned(),
                amount: Some(money(1)),
                note,
            };
            let result = grpc(world).deposit(Request::new(request)).await;
            assert_eq!(result.is_ok(), good);
        }
    })
    .await;
}

/// Serves the wallet on a port of its own and returns a client.
async fn client(
    world: &World,
) -> pb::payment_service_client::PaymentServiceClient<tonic::transport::Channel> {
    let mut routes = tonic::service::Routes::builder();
    grpc(world).add_to(&mut routes);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let server = tonic::transport::Server::builder().add_routes(routes.routes());
    tokio::spawn(server.serve_with_incoming(incoming));
    pb::payment_service_client::PaymentServiceClient::connect(address).await.unwrap()
}

// What a caller did wrong a thousand times over still fits into the trailers of one answer.
#[tokio::test]
async fn a_call_with_thousands_of_bad_fields_is_answered() {
    on_each_database(async |world| {
        let mut bad = charge(1, 1);
        bad.items[0].region = "x".repeat(1 << 10);
        bad.items[0].product_id = String::new();
        let request = pb::ChargeManyRequest { charges: vec![bad; 1000], as_of: None };
        let status = client(world).await.charge_many(request).await.unwrap_err();
        assert_eq!(reason(&status).as_deref(), Some("INVALID_REQUEST"), "{status:?}");
        assert_eq!(fields(&status)[..2], ["as_of", "charges[0].items[0].product_id"]);
    })
    .await;
}

// 16 MiB is the largest request; a page of 1,000 charges with ten items each is far below it.
#[tokio::test]
async fn a_large_page_is_taken() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 10_000).await;
        let charges = (1..=1000).map(|number| {
            let items = (0..10).map(|place| item(&format!("i-{number}-{place}"), 1)).collect();
            pb::Charge { items, ..charge(number, 1) }
        });
        let charges = charges.collect();
        let request = pb::ChargeManyRequest { charges, as_of: Some(timestamp(noon())) };
        let payments = client(world).await.charge_many(request).await.unwrap().into_inner();
        assert!(payments.payments.iter().all(|payment| payment.state() == State::Succeeded));
        assert_eq!(world.cash(&acme()).await, 0);
        world.assert_sound().await;
    })
    .await;
}

#[test]
fn only_what_may_be_a_channels_name_stands_in_traces() {
    assert_eq!(super::payments::named("sandbox"), Some("sandbox"));
    for text in ["", "no name", &"x".repeat(65)] {
        assert_eq!(super::payments::named(text), None);
    }
}
