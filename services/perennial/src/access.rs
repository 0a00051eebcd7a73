//! Who may make each call: one row for each, and whatever has none is refused.
//!
//! | role | is | may |
//! |---|---|---|
//! | `platform` | who runs the cloud | everything but what only services do to each other |
//! | `account:ID` | a customer | what is about their own account, except what makes money |
//! | `product:ID` | the console of a product | register and read its own instances and events |
//! | `service:NAME` | a service of the suite | what the arrows of the architecture lead to |
//!
//! A user's token is never passed on: renewal asks whether the user may, and the wallet whether renewal
//! may, and that account, order and payment belong together.

use platform::identity::{
    Access,
    Who::{self, Account, AnyProduct, Identified, Platform, Product, Service, ServiceWhere},
};

/// Requests of HTTP that are no calls, and prove by a signature of their own who asks.
pub const ROUTES: &[&str] = &["/v1/channels/"];

/// The account that the request is about.
const OWN: Who = Account("account_id");
/// The product whose events are asked for.
const PRODUCT: Who = Product("product_id");
/// Who moves the money of orders.
const RENEWAL: Who = Service("renewal");
/// Who says when to sweep.
const SCHEDULER: Who = Service("scheduler");

const PLATFORM: &[Who] = &[Platform];
const CUSTOMER: &[Who] = &[Platform, OWN];
const ANYBODY: &[Who] = &[Identified];
const MONEY: &[Who] = &[RENEWAL];
const SWEEP: &[Who] = &[SCHEDULER];

const fn of(method: &'static str, callers: &'static [Who]) -> Access {
    Access { method, callers }
}

/// The table.
pub const ACCESS: &[Access] = &[
    of(
        "/perennial.catalog.v1.CatalogService/ApplyCatalog",
        &[Platform, ServiceWhere("renewal", "dry_run")],
    ),
    of("/perennial.catalog.v1.CatalogService/GetProduct", ANYBODY),
    of("/perennial.catalog.v1.CatalogService/ListProducts", ANYBODY),
    of("/perennial.catalog.v1.CatalogService/ListAccountProfiles", ANYBODY),
    of("/perennial.catalog.v1.CatalogService/CalculatePrices", ANYBODY),
    of("/perennial.catalog.v1.CatalogService/QuoteRenewals", &[Platform, RENEWAL]),
    //
    of("/perennial.renewal.v1.AccountService/UpsertAccounts", PLATFORM),
    of("/perennial.renewal.v1.AccountService/GetAccount", CUSTOMER),
    of("/perennial.renewal.v1.AccountService/UpdateAccountSettings", CUSTOMER),
    of("/perennial.renewal.v1.AccountService/ResumeAutomaticRenewal", PLATFORM),
    of(
        "/perennial.renewal.v1.InstanceService/RegisterInstances",
        &[Platform, Product("registrations.product_id")],
    ),
    of("/perennial.renewal.v1.InstanceService/GetInstance", &[Platform, OWN, AnyProduct]),
    of(
        "/perennial.renewal.v1.InstanceService/ListInstances",
        &[Platform, OWN, Product("filter.product_ids")],
    ),
    of("/perennial.renewal.v1.InstanceService/ListBoundInstances", CUSTOMER),
    of("/perennial.renewal.v1.InstanceService/CheckRenewals", CUSTOMER),
    of("/perennial.renewal.v1.InstanceService/SetRenewalPolicies", CUSTOMER),
    of("/perennial.renewal.v1.InstanceService/CorrectExpiry", PLATFORM),
    of("/perennial.renewal.v1.InstanceService/ListMovedReleases", PLATFORM),
    of("/perennial.renewal.v1.OrderService/PreviewRenewal", CUSTOMER),
    of("/perennial.renewal.v1.OrderService/CreateRenewalOrder", CUSTOMER),
    of("/perennial.renewal.v1.OrderService/PayOrder", CUSTOMER),
    of("/perennial.renewal.v1.OrderService/CheckoutOrder", CUSTOMER),
    of("/perennial.renewal.v1.OrderService/RefundOrder", CUSTOMER),
    of("/perennial.renewal.v1.OrderService/CancelOrder", CUSTOMER),
    of("/perennial.renewal.v1.OrderService/GetOrder", CUSTOMER),
    of("/perennial.renewal.v1.OrderService/ListOrders", CUSTOMER),
    of("/perennial.renewal.v1.OrderService/ListAttempts", CUSTOMER),
    of("/perennial.renewal.v1.OrderService/CountAttempts", CUSTOMER),
    of("/perennial.renewal.v1.ForecastService/ForecastRenewals", CUSTOMER),
    of("/perennial.renewal.v1.EventService/ListEvents", &[Platform, OWN, PRODUCT]),
    of("/perennial.renewal.v1.EventService/WatchEvents", &[Platform, OWN, PRODUCT]),
    of("/perennial.renewal.v1.WebhookService/CreateWebhook", CUSTOMER),
    of("/perennial.renewal.v1.WebhookService/GetWebhook", CUSTOMER),
    of("/perennial.renewal.v1.WebhookService/ListWebhooks", CUSTOMER),
    of("/perennial.renewal.v1.WebhookService/DeleteWebhook", CUSTOMER),
    of("/perennial.renewal.v1.WebhookService/RotateWebhookSecret", CUSTOMER),
    of("/perennial.renewal.v1.WebhookService/ListDeadLetters", CUSTOMER),
    of("/perennial.renewal.v1.WebhookService/ReplayDeadLetters", CUSTOMER),
    of("/perennial.renewal.internal.v1.SweepService/Advance", SWEEP),
    of("/perennial.renewal.internal.v1.SweepService/RenewDue", SWEEP),
    of("/perennial.renewal.internal.v1.SweepService/NoticeFunds", SWEEP),
    of("/perennial.renewal.internal.v1.SweepService/DeliverDue", SWEEP),
    of("/perennial.renewal.internal.v1.SweepService/ExpireDue", SWEEP),
    of("/perennial.renewal.internal.v1.SweepService/RemindDue", SWEEP),
    of("/perennial.renewal.internal.v1.SweepService/RebuildDue", SWEEP),
    of("/perennial.renewal.internal.v1.SweepService/DeliverWebhooks", SWEEP),
    of("/perennial.renewal.internal.v1.SweepService/PublishEvents", SWEEP),
    of("/perennial.renewal.internal.v1.SweepService/PurgeEvents", SWEEP),
    of("/perennial.renewal.internal.v1.SweepService/NextDue", SWEEP),
    //
    of("/perennial.wallet.v1.WalletService/CreateWallet", PLATFORM),
    of("/perennial.wallet.v1.WalletService/GetWallet", CUSTOMER),
    of("/perennial.wallet.v1.WalletService/Deposit", PLATFORM),
    of("/perennial.wallet.v1.WalletService/ListEntries", CUSTOMER),
    of("/perennial.wallet.v1.LedgerService/GetStatement", CUSTOMER),
    of("/perennial.wallet.v1.LedgerService/ExportEntries", CUSTOMER),
    of("/perennial.wallet.v1.LedgerService/AuditLedger", PLATFORM),
    of("/perennial.wallet.v1.VoucherService/IssueVouchers", PLATFORM),
    of("/perennial.wallet.v1.VoucherService/IssueVoucherCodes", PLATFORM),
    of("/perennial.wallet.v1.VoucherService/RedeemVoucher", CUSTOMER),
    of("/perennial.wallet.v1.VoucherService/RevokeVoucher", PLATFORM),
    of("/perennial.wallet.v1.VoucherService/ListVouchers", CUSTOMER),
    of("/perennial.wallet.v1.VoucherService/PreviewPayment", &[Platform, OWN, RENEWAL]),
    of("/perennial.wallet.v1.PaymentService/Charge", MONEY),
    of("/perennial.wallet.v1.PaymentService/ChargeMany", MONEY),
    of("/perennial.wallet.v1.PaymentService/CreatePaymentIntent", MONEY),
    of("/perennial.wallet.v1.PaymentService/ConfirmPayment", PLATFORM),
    of("/perennial.wallet.v1.PaymentService/Refund", MONEY),
    of("/perennial.wallet.v1.PaymentService/VoidPayment", MONEY),
    of("/perennial.wallet.v1.PaymentService/GetPayments", &[Platform, RENEWAL]),
    of("/perennial.wallet.v1.PaymentService/GetFunds", MONEY),
    of("/perennial.wallet.internal.v1.SweepService/ExpireHolds", SWEEP),
    of("/perennial.wallet.internal.v1.SweepService/RemindRefunds", SWEEP),
    of("/perennial.wallet.internal.v1.SweepService/ExpireVouchers", SWEEP),
    of("/perennial.wallet.internal.v1.SweepService/AnchorChains", SWEEP),
    of("/perennial.wallet.internal.v1.SweepService/NextDue", SWEEP),
    of("/perennial.wallet.internal.v1.SweepService/ListFundings", MONEY),
    of("/perennial.wallet.internal.v1.PurseService/GetPurse", MONEY),
    of("/perennial.wallet.internal.v1.RestoreService/FindPayments", MONEY),
    of("/perennial.wallet.internal.v1.RestoreService/WithdrawPayment", MONEY),
    of("/perennial.wallet.internal.v1.RestoreService/RestorePayment", MONEY),
    //
    of("/perennial.scheduler.v1.SchedulerService/ListSchedules", PLATFORM),
    of("/perennial.scheduler.v1.SchedulerService/PauseSchedule", PLATFORM),
    of("/perennial.scheduler.v1.SchedulerService/ResumeSchedule", PLATFORM),
    of("/perennial.scheduler.v1.SchedulerService/RunNow", PLATFORM),
    of("/perennial.scheduler.v1.SchedulerService/ListRuns", PLATFORM),
    of("/perennial.scheduler.v1.SchedulerService/GetRun", PLATFORM),
    of("/perennial.scheduler.v1.SchedulerService/WatchRun", PLATFORM),
    of("/perennial.scheduler.v1.ClockService/GetClock", PLATFORM),
    of("/perennial.scheduler.v1.ClockService/AdvanceClock", PLATFORM),
];

#[cfg(test)]
mod tests;
