//! Who changed what: a row for each call that changed something, in the database that it changed.

use proto::{
    catalog::v1::ApplyCatalogRequest,
    renewal::{
        internal::v1::AdvanceRequest,
        v1::{
            GetAccountRequest, RegisterInstancesRequest, RenewalSetting, SetRenewalPoliciesRequest,
            UpsertAccountsRequest,
        },
    },
    scheduler::v1::PauseScheduleRequest,
    r#type::v1::RenewalPolicy,
    wallet::v1::{CreateWalletRequest, DepositRequest},
};
use tests::{Backend, Suite, fixture::*, issuer::Issuer};

/// A suite that asks who calls, and whose own clients run the cloud.
async fn suite(backend: Backend, issuer: &Issuer) -> Suite {
    let mut suite = Suite::start_asking(backend, &issuer.words()).await;
    suite.clients = suite.clients_of(&issuer.token(&["platform", "service:scheduler"]));
    suite
}

/// What `service` has noted since it had noted so many: who, what, about whom.
async fn noted(suite: &Suite, service: &str, before: usize) -> Vec<[String; 3]> {
    let rows = suite.mutations(service).await.into_iter().skip(before);
    rows.map(|row| [row.roles, row.method.rsplit_once('/').unwrap().1.to_owned(), row.account])
        .collect()
}

async fn notes_who_changed_what(backend: Backend) {
    let issuer = Issuer::new();
    let suite = suite(backend, &issuer).await;
    suite.jd("acme", 10_000_00).await;
    suite.open_account("other", "jdcloud", 10_000_00).await;
    let row = |who: &str, what: &str, whose: &str| [who, what, whose].map(str::to_owned);
    let platform = "platform service:scheduler";
    assert_eq!(noted(&suite, "catalog", 3).await, [row(platform, "ApplyCatalog", "")]);
    // All at one instant: by name.
    let wallet = [("CreateWallet", "acme"), ("CreateWallet", "other"), ("Deposit", "acme")];
    let wallet = wallet.into_iter().chain([("Deposit", "other")]);
    let wallet: Vec<_> = wallet.map(|(what, whose)| row(platform, what, whose)).collect();
    assert_eq!(noted(&suite, "wallet", 0).await, wallet);
    let pause = PauseScheduleRequest { kind: "renew".to_owned() };
    suite.schedules().pause_schedule(pause).await.unwrap();
    assert_eq!(noted(&suite, "scheduler", 0).await, [row(platform, "PauseSchedule", "")]);

    // Customers at once, whose orders are made and settled together.
    let before = suite.mutations("renewal").await.len();
    let ids: Vec<_> = (0..6).map(|number| format!("i-{number}")).collect();
    let owner = |number: usize| ["acme", "other"][number % 2];
    let rows = ids.iter().enumerate().map(|(number, id)| vm(owner(number), id, "2026-04-01 00:00"));
    suite.register(rows.collect()).await;
    assert_eq!(noted(&suite, "renewal", before).await, [row(platform, "RegisterInstances", "")]);
    let orders = ids.iter().enumerate().map(|(number, id)| {
        let token = issuer.token(&[&format!("account:{}", owner(number))]);
        let (clients, id) = (suite.clients_of(&token), id.clone());
        let request = paid_order_of(owner(number), selection(&[&id], "1m"));
        async move { (request.request_id.clone(), clients.create(request).await.unwrap()) }
    });
    let made = futures::future::join_all(orders).await;
    let mut rows = suite.mutations("renewal").await.split_off(before + 1);
    rows.sort_by_key(|row| made.iter().position(|(request, _)| *request == row.request));
    assert_eq!(rows.len(), made.len(), "one for each: {rows:?}");
    for (number, (row, (request, order))) in rows.iter().zip(&made).enumerate() {
        let owner = owner(number);
        assert_eq!((&row.request, row.account.as_str()), (request, owner));
        assert_eq!(
            (row.caller.as_str(), row.time),
            (format!("account:{owner}").as_str(), suite.now())
        );
        assert_eq!(order.account_id, owner);
    }
}

async fn notes_nothing_that_did_not_happen(backend: Backend) {
    let issuer = Issuer::new();
    let suite = suite(backend, &issuer).await;
    suite.jd("acme", 0).await;
    suite.register(vec![vm("acme", "i-1", "2026-04-01 00:00")]).await;
    let services = ["catalog", "renewal", "wallet", "scheduler"];
    let all = async || {
        let mut all = Vec::new();
        for service in services {
            all.extend(suite.mutations(service).await);
        }
        all
    };
    let before = all().await;

    let acme = suite.clients_of(&issuer.token(&["account:acme"]));
    assert!(acme.create(order_of("acme", selection(&["i-2"], "1m"))).await.is_err());
    let auto = RenewalSetting { policy: RenewalPolicy::Auto.into(), ..RenewalSetting::default() };
    let unknown = SetRenewalPoliciesRequest {
        account_id: "acme".to_owned(),
        instance_ids: vec!["i-2".to_owned()],
        renewal: Some(auto),
    };
    acme.instances().set_renewal_policies(unknown).await.unwrap();
    assert!(acme.wallets().deposit(DepositRequest::default()).await.is_err());
    let bad = DepositRequest { account_id: "acme".to_owned(), ..DepositRequest::default() };
    assert!(suite.wallets().deposit(bad).await.is_err());
    let known =
        CreateWalletRequest { account_id: "acme".to_owned(), currency_code: "USD".to_owned() };
    assert!(suite.wallets().create_wallet(known).await.is_err());
    let bad = ApplyCatalogRequest { document: "catalog: [".to_owned(), dry_run: false };
    assert!(suite.catalog().apply_catalog(bad).await.is_err());
    assert!(suite.schedules().pause_schedule(PauseScheduleRequest::default()).await.is_err());
    let own = GetAccountRequest { account_id: "acme".to_owned() };
    acme.accounts().get_account(own).await.unwrap();
    suite.sweeps().advance(AdvanceRequest { limit: 10 }).await.unwrap();
    assert_eq!(all().await, before);

    // What is asked for again has happened once.
    let order = order_of("acme", selection(&["i-1"], "1m"));
    for _ in 0..2 {
        acme.create(order.clone()).await.unwrap();
    }
    let pause = PauseScheduleRequest { kind: "renew".to_owned() };
    let known =
        RegisterInstancesRequest { registrations: vec![vm("acme", "i-1", "2026-04-01 00:00")] };
    for _ in 0..2 {
        suite.instances().register_instances(known.clone()).await.unwrap();
        suite.schedules().pause_schedule(pause.clone()).await.unwrap();
    }
    let own = GetAccountRequest { account_id: "acme".to_owned() };
    let known = acme.accounts().get_account(own).await.unwrap().into_inner();
    let again = UpsertAccountsRequest { accounts: known.account.into_iter().collect() };
    suite.accounts().upsert_accounts(again).await.unwrap();
    let after = all().await;
    assert_eq!(after.len(), before.len() + 2, "{after:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_changed_what_is_noted_on_sqlite() {
    Box::pin(notes_who_changed_what(Backend::Sqlite)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_changed_what_is_noted_on_postgres() {
    Box::pin(notes_who_changed_what(Backend::Postgres)).await;
}

#[tokio::test]
async fn what_did_not_happen_is_not_noted_on_sqlite() {
    Box::pin(notes_nothing_that_did_not_happen(Backend::Sqlite)).await;
}

#[tokio::test]
async fn what_did_not_happen_is_not_noted_on_postgres() {
    Box::pin(notes_nothing_that_did_not_happen(Backend::Postgres)).await;
}
