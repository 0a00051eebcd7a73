//! Who may call: every call of the contract, asked by whom it is not for.

use std::time::Duration;

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};
use proto::{
    catalog::v1::{ApplyCatalogRequest, ListAccountProfilesRequest},
    renewal::v1::{
        CancelOrderRequest, CreateWebhookRequest, DeleteWebhookRequest, GetAccountRequest,
        GetInstanceRequest, GetOrderRequest, PaymentChoice, RegisterInstancesRequest,
        SetRenewalPoliciesRequest,
        payment_choice::{Named, Vouchers},
    },
    wallet::v1::{DepositRequest, GetWalletRequest},
};
use tests::{
    Backend, Suite,
    clients::{Clients, Speaker},
    fixture::*,
    issuer::Issuer,
    reason, refusal,
};
use tonic::{Code, Request, Status, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;

/// A suite that asks its callers who they are.
async fn asking(backend: Backend, issuer: &Issuer) -> Suite {
    Suite::start_asking(backend, &issuer.words()).await
}

/// Makes any call of the contract; what is answered is not looked at.
async fn call(
    speaker: Speaker,
    method: &MethodDescriptor,
    message: DynamicMessage,
) -> Result<(), Status> {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let path: PathAndQuery = path.parse().unwrap();
    let mut grpc = Grpc::new(speaker);
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<DynamicMessage, ()>::default();
    let mut answers = grpc.server_streaming(Request::new(message), path, codec).await?.into_inner();
    answers.message().await.map(|_| ())
}

/// Every call that a suite answers.
fn calls() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let served = |name: &str| name.starts_with("perennial.") && !name.contains(".provisioner.");
    let services = pool.services().filter(|service| served(service.full_name()));
    services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// The request with nothing in it but whose it is, where it is anybody's.
fn about(method: &MethodDescriptor, account: &str) -> DynamicMessage {
    let mut message = DynamicMessage::new(method.input());
    if method.input().get_field_by_name("account_id").is_some() {
        message.set_field_by_name("account_id", Value::String(account.to_owned()));
    }
    message
}

/// Calls that are about nobody, and may be made by whoever has a role.
fn is_for_everybody(method: &MethodDescriptor) -> bool {
    let catalog = method.parent_service().full_name() == "perennial.catalog.v1.CatalogService";
    catalog && !["ApplyCatalog", "QuoteRenewals"].contains(&method.name())
}

/// Asks for everything as everybody whom it is not for.
async fn refuses_strangers(backend: Backend) {
    let issuer = Issuer::new();
    let suite = asking(backend, &issuer).await;
    let of = |token: &str| suite.clients_of(token).renewal;
    let stranger = Issuer::new().token(&["platform"]);
    let elsewhere = issuer.token_with(&["platform"], |claims| claims["aud"] = "other".into());
    let expired = issuer.token_with(&["platform"], |claims| claims["exp"] = 1.into());
    let unproven = [
        ("nothing", suite.renewal.clone()),
        ("a stranger's token", of(&stranger)),
        ("a token for another audience", of(&elsewhere)),
        ("an expired token", of(&expired)),
    ];
    let nobody = of(&issuer.token(&[]));
    let robot = of(&issuer.token(&["service:nobody"]));
    let customer = of(&issuer.token(&["account:acme"]));
    let denied = (Code::PermissionDenied, "PERMISSION_DENIED".to_owned());

    let calls = calls();
    assert!(calls.len() > 60, "the contract has calls");
    for method in &calls {
        let name = method.full_name();
        let answer = async |speaker: &Speaker| {
            refusal(call(speaker.clone(), method, about(method, "other")).await)
        };
        for (what, speaker) in &unproven {
            let wanted = (Code::Unauthenticated, "UNAUTHENTICATED".to_owned());
            assert_eq!(answer(speaker).await, wanted, "{name} with {what}");
        }
        assert_eq!(answer(&nobody).await, denied, "{name} without a role");
        if is_for_everybody(method) {
            continue;
        }
        assert_eq!(answer(&robot).await, denied, "{name} in another role");
        let theirs = answer(&customer).await;
        let not_found = (Code::NotFound, "ACCOUNT_NOT_FOUND".to_owned());
        assert!([not_found, denied.clone()].contains(&theirs), "{name} of another: {theirs:?}");
    }
}

#[tokio::test]
async fn no_call_is_answered_to_whom_it_is_not_for_on_sqlite() {
    Box::pin(refuses_strangers(Backend::Sqlite)).await;
}

#[tokio::test]
async fn no_call_is_answered_to_whom_it_is_not_for_on_postgres() {
    Box::pin(refuses_strangers(Backend::Postgres)).await;
}

fn not_found(kind: &str) -> (Code, String) {
    (Code::NotFound, format!("{kind}_NOT_FOUND"))
}

/// A customer `acme` with an instance, and one `other`.
async fn two_customers(backend: Backend, issuer: &Issuer) -> Suite {
    let mut suite = asking(backend, issuer).await;
    suite.clients = suite.clients_of(&issuer.token(&["platform"]));
    suite.jd("acme", 1_000_00).await;
    suite.open_account("other", "jdcloud", 1_000_00).await;
    suite.register(vec![vm("acme", "i-1", "2026-04-01 00:00")]).await;
    suite
}

async fn shows_everybody_their_own(backend: Backend) {
    let issuer = Issuer::new();
    let suite = two_customers(backend, &issuer).await;
    let named = |account: &str| GetAccountRequest { account_id: account.to_owned() };
    let acme = suite.clients_of(&issuer.token(&["account:acme"]));
    assert!(acme.accounts().get_account(named("acme")).await.is_ok());
    for account in ["other", "nobody", ""] {
        let answer = acme.accounts().get_account(named(account)).await;
        assert_eq!(refusal(answer), not_found("ACCOUNT"), "{account:?}");
    }
    let denied = (Code::PermissionDenied, "PERMISSION_DENIED".to_owned());
    let money = acme.wallets().deposit(DepositRequest::default()).await;
    assert_eq!(refusal(money), denied, "nobody but the platform makes money");

    let one =
        || GetInstanceRequest { account_id: "acme".to_owned(), instance_id: "i-1".to_owned() };
    let console = |product: &str| suite.clients_of(&issuer.token(&[&format!("product:{product}")]));
    let (own, foreign) = (console("jd-vm"), console("al-redis"));
    assert!(own.instances().get_instance(one()).await.is_ok());
    assert_eq!(refusal(foreign.instances().get_instance(one()).await), not_found("INSTANCE"));
    let register = |clients: &Clients| {
        let rows =
            vec![vm("acme", "i-2", "2026-04-01 00:00"), eip("acme", "e-1", "2026-04-01 00:00")];
        let request = RegisterInstancesRequest { registrations: rows };
        let mut instances = clients.instances();
        async move { instances.register_instances(request).await }
    };
    assert_eq!(refusal(register(&own).await), not_found("PRODUCT"), "one row of two is another's");
    let policies = own.instances().set_renewal_policies(SetRenewalPoliciesRequest::default()).await;
    assert_eq!(refusal(policies), denied);
    let wallet = GetWalletRequest { account_id: "acme".to_owned() };
    assert_eq!(refusal(own.wallets().get_wallet(wallet).await), denied);

    let renewal = suite.clients_of(&issuer.token(&["service:renewal"]));
    let document = CATALOGS[0].to_owned();
    let apply = |dry_run| ApplyCatalogRequest { document: document.clone(), dry_run };
    assert!(renewal.catalog().apply_catalog(apply(true)).await.is_ok());
    assert_eq!(refusal(renewal.catalog().apply_catalog(apply(false)).await), denied);
}

#[tokio::test]
async fn everybody_finds_their_own_things_and_nobody_elses_on_sqlite() {
    Box::pin(shows_everybody_their_own(Backend::Sqlite)).await;
}

#[tokio::test]
async fn everybody_finds_their_own_things_and_nobody_elses_on_postgres() {
    Box::pin(shows_everybody_their_own(Backend::Postgres)).await;
}

/// Who names their own account, but other things of somebody else's.
async fn keeps_accounts_apart(backend: Backend) {
    let issuer = Issuer::new();
    let suite = two_customers(backend, &issuer).await;
    let acme = suite.clients_of(&issuer.token(&["account:acme"]));
    let thief = suite.clients_of(&issuer.token(&["account:other"]));
    let voucher = suite.issue("acme", 50_00, "2026-01-01 00:00", "2027-01-01 00:00").await;
    suite.register(vec![vm("other", "i-9", "2026-04-01 00:00")]).await;
    let order = acme.create(order_of("acme", selection(&["i-1"], "1m"))).await.unwrap();
    let hook = CreateWebhookRequest {
        request_id: new_id(),
        account_id: "acme".to_owned(),
        url: "https://receiver.example/".to_owned(),
        types: Vec::new(),
    };
    let hook = acme.webhooks().create_webhook(hook).await.unwrap().into_inner().webhook.unwrap();

    let theirs = not_found("ORDER");
    let (account_id, order_id) = ("other".to_owned(), order.order_id.clone());
    assert_eq!(refusal(thief.pay(payment_of("other", &order)).await), theirs);
    let checkout = thief.orders().checkout_order(checkout_of("other", &order)).await;
    assert_eq!(refusal(checkout), theirs);
    let refund = thief.orders().refund_order(refund_of("other", &order, &[])).await;
    assert_eq!(refusal(refund), theirs);
    let request = CancelOrderRequest { account_id: account_id.clone(), order_id: order_id.clone() };
    assert_eq!(refusal(thief.orders().cancel_order(request).await), theirs);
    let request = GetOrderRequest { account_id: account_id.clone(), order_id };
    assert_eq!(refusal(thief.orders().get_order(request).await), theirs);
    let instance = thief.create(paid_order_of("other", selection(&["i-1"], "1m"))).await;
    assert_eq!(refusal(instance), not_found("INSTANCE"));
    let webhook = DeleteWebhookRequest { webhook_id: hook.webhook_id.clone(), account_id };
    assert_eq!(refusal(thief.webhooks().delete_webhook(webhook).await), not_found("WEBHOOK"));

    let vouchers = Named { voucher_ids: vec![voucher.voucher_id.clone()] };
    let pay = PaymentChoice { vouchers: Some(Vouchers::Named(vouchers)) };
    let mut paid = paid_order_of("other", selection(&["i-9"], "1m"));
    paid.pay = Some(pay);
    let unpaid = thief.create(paid).await.unwrap();
    assert_eq!(
        unpaid.payment_refusal.map(|it| it.reason).unwrap_or_default(),
        "VOUCHER_NOT_APPLICABLE"
    );

    assert_eq!(suite.cash("acme").await, 1_000_00);
    assert_eq!(suite.voucher("acme", &voucher.voucher_id).await.remaining, voucher.remaining);
    let paid = acme.pay(payment_of("acme", &order)).await.unwrap();
    assert_eq!(paid.order_id, order.order_id);
    suite.audit().await;
}

#[tokio::test]
async fn nobody_pays_from_or_sees_anothers_account_on_sqlite() {
    Box::pin(keeps_accounts_apart(Backend::Sqlite)).await;
}

#[tokio::test]
async fn nobody_pays_from_or_sees_anothers_account_on_postgres() {
    Box::pin(keeps_accounts_apart(Backend::Postgres)).await;
}

#[tokio::test]
async fn who_calls_too_often_is_told_when_to_come_again() {
    let issuer = Issuer::new();
    let mut words = issuer.words();
    words.extend(["--calls-per-second", "1"].map(str::to_owned));
    let suite = Suite::start_asking(Backend::Sqlite, &words).await;
    let clients = suite.clients_of(&issuer.token(&["platform"]));
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(clients.catalog().list_account_profiles(ListAccountProfilesRequest {}).await);
    }
    assert!(answers[..2].iter().all(Result::is_ok), "two seconds' worth at once");
    let status = answers.pop().unwrap().unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::ResourceExhausted, "TOO_MANY_CALLS")
    );
    let pause = status.get_details_retry_info().and_then(|info| info.retry_delay).unwrap();
    assert!(pause > Duration::ZERO && pause <= Duration::from_secs(1), "{pause:?}");
}
