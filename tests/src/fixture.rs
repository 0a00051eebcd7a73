//! Things to renew, and short ways to ask for it.

use chrono::{DateTime, FixedOffset, NaiveDateTime, TimeZone as _, Utc};
use kernel::Env;
use platform::webhook::Secret;
use proto::{
    catalog::v1::ApplyCatalogRequest,
    convert::timestamp,
    renewal::v1::{
        Account, Binding, CheckoutOrderRequest, CreateRenewalOrderRequest, Instance,
        InstanceRegistration, Order, PayOrderRequest, PaymentChoice, RefundOrderRequest,
        RegisterInstancesRequest, Selection, UpsertAccountsRequest, binding::Kind,
        create_renewal_order_request::What, instance_registration as registration,
        registration_result,
    },
    r#type::v1::{Configuration, Money, Setting, TermDuration},
    wallet::v1::{
        ConfirmPaymentRequest, CreateWalletRequest, DepositRequest, GetWalletRequest,
        IssueVouchersRequest, RefundDestination, Voucher, VoucherGrant, VoucherTerms,
    },
};
use tonic::Status;

use crate::{clients::Clients, suite::SANDBOX_SECRET};

/// The four vendors' catalogs.
pub const CATALOGS: [&str; 4] = [
    include_str!("../../services/catalog/examples/jdcloud.yaml"),
    include_str!("../../services/catalog/examples/kingsoft.yaml"),
    include_str!("../../services/catalog/examples/aliyun.yaml"),
    include_str!("../../services/catalog/examples/huaweicloud.yaml"),
];

/// The instant that clocks in Shanghai show as `text`, for example `2026-03-10 00:00`.
#[must_use]
pub fn at(text: &str) -> DateTime<Utc> {
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a local time");
    let zone = FixedOffset::east_opt(8 * 3600).expect("a valid offset");
    zone.from_local_datetime(&local).single().expect("no gaps at a fixed offset").to_utc()
}

/// What clocks in Shanghai show at `instant`.
#[must_use]
pub fn local(instant: Option<prost_types::Timestamp>) -> String {
    let instant = proto::convert::instant(instant.expect("an instant")).expect("a valid instant");
    let zone = FixedOffset::east_opt(8 * 3600).expect("a valid offset");
    instant.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// An id that no other call has.
#[must_use]
pub fn new_id() -> String {
    Env::system().next_id().to_string()
}

/// `minor` fen.
#[must_use]
pub fn cny(minor: i64) -> Money {
    Money { minor_units: minor, currency_code: "CNY".to_owned() }
}

/// A duration by its short text, such as `6m`.
#[must_use]
pub fn duration(text: &str) -> TermDuration {
    text.parse().expect("a duration such as 6m")
}

/// A configuration of these settings.
#[must_use]
pub fn configuration(settings: &[(&str, &str)]) -> Configuration {
    let setting =
        |&(name, value): &(&str, &str)| Setting { name: name.to_owned(), value: value.to_owned() };
    Configuration { settings: settings.iter().map(setting).collect() }
}

/// An instance of `product` that is paid until the local time `end`, since a month before it.
#[must_use]
pub fn prepaid(
    account: &str,
    id: &str,
    product: &str,
    settings: &[(&str, &str)],
    end: &str,
) -> InstanceRegistration {
    let end = at(end);
    let billing = registration::Billing::Prepaid(registration::Prepaid {
        start_time: Some(timestamp(end - chrono::TimeDelta::days(28))),
        end_time: Some(timestamp(end)),
        anchor_day: None,
    });
    InstanceRegistration {
        instance_id: id.to_owned(),
        account_id: account.to_owned(),
        product_id: product.to_owned(),
        region: "cn-north-1".to_owned(),
        name: format!("{id} of {account}"),
        configuration: Some(configuration(settings)),
        billing: Some(billing),
        source_version: 1,
        ..InstanceRegistration::default()
    }
}

/// A JD virtual machine, 56.00 a month, paid until the local time `end`.
#[must_use]
pub fn vm(account: &str, id: &str, end: &str) -> InstanceRegistration {
    prepaid(account, id, "jd-vm", &[("flavor", "g.s1.micro")], end)
}

/// An address of Kingsoft.
#[must_use]
pub fn eip(account: &str, id: &str, end: &str) -> InstanceRegistration {
    prepaid(account, id, "ks-eip", &[("line_type", "bgp"), ("bandwidth_mbps", "5")], end)
}

/// A pool of one node of Huawei.
#[must_use]
pub fn pool(account: &str, id: &str, end: &str) -> InstanceRegistration {
    let settings = [("flavor", "modelarts.vm.cpu.8ud"), ("nodes", "1")];
    prepaid(account, id, "hw-standard-pool", &settings, end)
}

/// `registration`, bound to `parent`.
#[must_use]
pub fn bound(registration: InstanceRegistration, parent: &str, kind: Kind) -> InstanceRegistration {
    let binding = Binding { parent_instance_id: parent.to_owned(), kind: kind.into() };
    InstanceRegistration { binding: Some(binding), ..registration }
}

/// Named instances for a duration.
#[must_use]
pub fn selection(ids: &[&str], text: &str) -> Selection {
    Selection {
        instance_ids: ids.iter().map(|&id| id.to_owned()).collect(),
        duration: Some(duration(text)),
        ..Selection::default()
    }
}

/// An order of `selection` that awaits its payment.
#[must_use]
pub fn order_of(account: &str, selection: Selection) -> CreateRenewalOrderRequest {
    CreateRenewalOrderRequest {
        request_id: new_id(),
        account_id: account.to_owned(),
        what: Some(What::Selection(selection)),
        expected_payable: None,
        pay: None,
    }
}

/// An order of `selection` that is paid at once as the account's profile says.
#[must_use]
pub fn paid_order_of(account: &str, selection: Selection) -> CreateRenewalOrderRequest {
    CreateRenewalOrderRequest {
        pay: Some(PaymentChoice::default()),
        ..order_of(account, selection)
    }
}

/// Payment of an order as the account's profile says.
#[must_use]
pub fn payment_of(account: &str, order: &Order) -> PayOrderRequest {
    PayOrderRequest {
        request_id: new_id(),
        account_id: account.to_owned(),
        order_id: order.order_id.clone(),
        pay: None,
    }
}

/// A checkout of an order at the sandbox, which is asked for what cash does not cover.
#[must_use]
pub fn checkout_of(account: &str, order: &Order) -> CheckoutOrderRequest {
    CheckoutOrderRequest {
        request_id: new_id(),
        account_id: account.to_owned(),
        order_id: order.order_id.clone(),
        channel: "sandbox".to_owned(),
        pay: None,
        use_cash: true,
    }
}

/// What the sandbox sends at `now` when the checkout of `order` was paid as asked.
#[must_use]
pub fn confirmation_of(order: &Order, now: DateTime<Utc>) -> ConfirmPaymentRequest {
    let intent = order.checkout.as_ref().expect("a checkout");
    confirmation_by(order, now, &format!("money-of-{}", intent.intent_id))
}

/// The same, with the money that the channel calls `money`.
#[must_use]
pub fn confirmation_by(order: &Order, now: DateTime<Utc>, money: &str) -> ConfirmPaymentRequest {
    let intent = order.checkout.as_ref().expect("a checkout");
    let amount = intent.amount.as_ref().expect("an amount");
    let body = serde_json::json!({
        "type": "payment.succeeded",
        "data": {
            "intent_id": intent.intent_id,
            "channel_payment_id": money,
            "amount": {"minor_units": amount.minor_units, "currency_code": amount.currency_code},
        },
    });
    ConfirmPaymentRequest { channel: intent.channel.clone(), ..signed(now, &body) }
}

/// A message of the sandbox with this body, which it signs and sends at `now`.
#[must_use]
pub fn signed(now: DateTime<Utc>, body: &serde_json::Value) -> ConfirmPaymentRequest {
    let body = body.to_string().into_bytes();
    let secret: Secret = SANDBOX_SECRET.parse().expect("a secret");
    let (id, sent) = (new_id(), now.timestamp());
    ConfirmPaymentRequest {
        channel: "sandbox".to_owned(),
        webhook_signature: secret.sign(&id, sent, &body),
        webhook_id: id,
        webhook_timestamp: sent.to_string(),
        body,
    }
}

/// A refund of the items `ids` of an order (none: all of them), to the cash balance.
#[must_use]
pub fn refund_of(account: &str, order: &Order, ids: &[&str]) -> RefundOrderRequest {
    RefundOrderRequest {
        request_id: new_id(),
        account_id: account.to_owned(),
        order_id: order.order_id.clone(),
        instance_ids: ids.iter().map(|&id| id.to_owned()).collect(),
        destination: RefundDestination::CashBalance.into(),
    }
}

impl Clients {
    /// Applies the four vendors' catalogs.
    pub async fn apply_catalogs(&self) {
        for document in CATALOGS {
            let request = ApplyCatalogRequest { document: document.to_owned(), dry_run: false };
            self.catalog().apply_catalog(request).await.expect("the catalog is good");
        }
    }

    /// Applies the catalogs so that the console at `address` is told of virtual machines, Redis
    /// instances and `ModelArts` pools.
    pub async fn apply_catalogs_told_to(&self, address: &str) {
        for product in ["jd-vm", "al-redis", "hw-standard-pool"] {
            self.apply_catalog_told_to(address, product).await;
        }
    }

    /// Applies the catalog of `product` so that the console at `address` is told of its instances.
    pub async fn apply_catalog_told_to(&self, address: &str, product: &str) {
        let id = format!("  - id: {product}\n");
        let catalog = CATALOGS.into_iter().find(|catalog| catalog.contains(&id));
        let (before, after) = catalog.and_then(|it| it.split_once(&id)).expect("a product of ours");
        let profile = "    profile:\n";
        let after = after.replacen(profile, &format!("{profile}      provisioner: {address}\n"), 1);
        let document = format!("{before}{id}{after}");
        let request = ApplyCatalogRequest { document, dry_run: false };
        self.catalog().apply_catalog(request).await.expect("the catalog is good");
    }

    /// Opens an account under `profile`, with a wallet that has `cash` fen.
    pub async fn open_account(&self, id: &str, profile: &str, cash: i64) {
        let account = Account {
            account_id: id.to_owned(),
            profile: profile.to_owned(),
            currency_code: "CNY".to_owned(),
            time_zone: "Asia/Shanghai".to_owned(),
            ..Account::default()
        };
        let request = UpsertAccountsRequest { accounts: vec![account] };
        self.accounts().upsert_accounts(request).await.expect("the account is good");
        let wallet =
            CreateWalletRequest { account_id: id.to_owned(), currency_code: "CNY".to_owned() };
        self.wallets().create_wallet(wallet).await.expect("the wallet is good");
        if cash > 0 {
            self.deposit(id, cash).await;
        }
    }

    /// Adds `cash` fen.
    pub async fn deposit(&self, account: &str, cash: i64) {
        let request = DepositRequest {
            request_id: new_id(),
            account_id: account.to_owned(),
            amount: Some(cny(cash)),
            note: "test".to_owned(),
        };
        self.wallets().deposit(request).await.expect("the deposit is good");
    }

    /// The cash of `account`, in fen.
    pub async fn cash(&self, account: &str) -> i64 {
        let request = GetWalletRequest { account_id: account.to_owned() };
        let wallet = self.wallets().get_wallet(request).await.expect("a wallet").into_inner();
        wallet.wallet.and_then(|wallet| wallet.cash).expect("cash").minor_units
    }

    /// Registers instances, every one of which must be new.
    pub async fn register(&self, registrations: Vec<InstanceRegistration>) {
        let request = RegisterInstancesRequest { registrations };
        let response =
            self.instances().register_instances(request).await.expect("a good call").into_inner();
        for result in response.results {
            let created = registration_result::Outcome::Created.into();
            let outcome = Some(registration_result::Result::Outcome(created));
            assert_eq!(result.result, outcome, "{}", result.instance_id);
        }
    }

    /// The instance `id` of `account`.
    pub async fn instance(&self, account: &str, id: &str) -> Instance {
        let request = proto::renewal::v1::GetInstanceRequest {
            account_id: account.to_owned(),
            instance_id: id.to_owned(),
        };
        let response = self.instances().get_instance(request).await.expect("an instance");
        response.into_inner().instance.expect("an instance")
    }

    /// The order `order` as it is now.
    pub async fn order(&self, account: &str, order_id: &str) -> Order {
        let request = proto::renewal::v1::GetOrderRequest {
            account_id: account.to_owned(),
            order_id: order_id.to_owned(),
        };
        let response = self.orders().get_order(request).await.expect("an order");
        response.into_inner().order.expect("an order")
    }

    /// Makes an order.
    pub async fn create(&self, request: CreateRenewalOrderRequest) -> Result<Order, Status> {
        let response = self.orders().create_renewal_order(request).await?;
        Ok(response.into_inner().order.expect("an order"))
    }

    /// Pays an order.
    pub async fn pay(&self, request: PayOrderRequest) -> Result<Order, Status> {
        let response = self.orders().pay_order(request).await?;
        Ok(response.into_inner().order.expect("an order"))
    }

    /// Issues a voucher of `face` fen that is valid between two local times.
    pub async fn issue(&self, account: &str, face: i64, from: &str, to: &str) -> Voucher {
        let terms = VoucherTerms {
            valid_from: Some(timestamp(at(from))),
            expire_time: Some(timestamp(at(to))),
            ..VoucherTerms::default()
        };
        self.issue_with(account, face, terms).await
    }

    /// Issues a voucher of `face` fen with `terms`.
    pub async fn issue_with(&self, account: &str, face: i64, terms: VoucherTerms) -> Voucher {
        let grant = VoucherGrant {
            account_id: account.to_owned(),
            face: Some(cny(face)),
            terms: Some(terms),
        };
        let request = IssueVouchersRequest { request_id: new_id(), grants: vec![grant] };
        let response = self.vouchers().issue_vouchers(request).await.expect("a good grant");
        response.into_inner().vouchers.remove(0)
    }
}
