//! Telling: headings, sentences, bills, and checks that are counted.

use std::{fmt::Display, io::Write};

use anyhow::Context as _;
use platform::status;
use proto::{
    renewal::v1::{
        Account, AccountSettings, BillItem, CreateRenewalOrderRequest, GetInstanceRequest,
        Instance, InstanceRegistration, Order, PaymentChoice, PreviewRenewalRequest,
        PreviewRenewalResponse, RegisterInstancesRequest, Selection, StandardDay,
        UpdateAccountSettingsRequest, UpsertAccountsRequest, create_renewal_order_request::What,
        registration_result::Result as Row, standard_day::Day,
    },
    r#type::v1::Money,
    wallet::v1::{CreateWalletRequest, DepositRequest, GetWalletRequest},
};
use tonic::Status;

use super::{
    Told,
    rows::cny,
    world::{World, ZONE},
};
use crate::text::{
    bill, show,
    table::{Look, look},
};

/// The schedules that have their turn whenever time passes, in their order.
const NIGHTLY: [&str; 3] = ["renew", "expire", "remind"];

/// A story that is being told.
pub struct Story {
    /// Where it happens.
    pub world: World,
    /// The accounts that were opened, and the cash that each got.
    pub opened: Vec<(String, Money)>,
    out: Box<dyn Write + Send>,
    told: Told,
}

impl Story {
    pub fn new(world: World, out: Box<dyn Write + Send>) -> Self {
        let told = Told { checked: 0, off: Vec::new() };
        Self { world, opened: Vec::new(), out, told }
    }

    /// Begins a chapter.
    pub fn chapter(&mut self, title: &str, about: &str) -> anyhow::Result<()> {
        let rule = "━".repeat(100_usize.saturating_sub(title.chars().count() + 4));
        let title = look(&format!("━━ {title} {rule}"), Look::Strong);
        Ok(writeln!(self.out, "\n{title}\n{about}")?)
    }

    /// Begins a section of a chapter.
    pub fn section(&mut self, title: &str) -> anyhow::Result<()> {
        let time = look(&self.world.local_time(), Look::Quiet);
        let title = look(title, Look::Strong);
        Ok(writeln!(self.out, "\n▸ {title}  {time}")?)
    }

    /// Says something, one line or more.
    pub fn say(&mut self, text: &str) -> anyhow::Result<()> {
        for line in text.lines() {
            writeln!(self.out, "  {line}")?;
        }
        Ok(())
    }

    /// Checks that something is what the rules say.
    pub fn check(
        &mut self,
        what: &str,
        actual: impl Shown,
        expected: impl Shown,
    ) -> anyhow::Result<()> {
        let (actual, expected) = (actual.shown(), expected.shown());
        self.told.checked += 1;
        if actual == expected {
            return self.say(&format!("{} {what}: {actual}", look("✓", Look::Good)));
        }
        let sentence = format!("{what}: {actual}, but it should be {expected}");
        self.told.off.push(sentence.clone());
        self.say(&look(&format!("✗ {sentence}"), Look::Bad))
    }

    /// Lets time pass until the local time `text`, and whatever is due then be done.
    pub async fn later(&mut self, text: &str) -> anyhow::Result<()> {
        self.world.set_clock(text)?;
        for kind in NIGHTLY {
            self.world.sweep(kind).await?;
        }
        Ok(())
    }

    /// Notes that a chapter broke off, if it did.
    pub fn survive(&mut self, chapter: anyhow::Result<()>) -> anyhow::Result<()> {
        let Err(error) = chapter else { return Ok(()) };
        let sentence = format!("the chapter breaks off: {error:#}");
        self.told.off.push(sentence.clone());
        self.say(&look(&format!("✗ {sentence}"), Look::Bad))
    }

    /// Says how it all went.
    pub fn end(mut self) -> anyhow::Result<Told> {
        let Told { checked, off } = &self.told;
        let text = if off.is_empty() {
            look(&format!("{checked} checks, nothing is off."), Look::Good)
        } else {
            let text = format!("{checked} checks, {} off:\n  {}", off.len(), off.join("\n  "));
            look(&text, Look::Bad)
        };
        writeln!(self.out, "\n{text}")?;
        self.out.flush()?;
        Ok(self.told)
    }

    /// Opens an account under a vendor's profile, with a wallet that has `cash`.
    pub async fn open(&mut self, id: &str, profile: &str, cash: &str) -> anyhow::Result<()> {
        let account = Account {
            account_id: id.to_owned(),
            profile: profile.to_owned(),
            currency_code: "CNY".to_owned(),
            time_zone: ZONE.name().to_owned(),
            ..Account::default()
        };
        let request = UpsertAccountsRequest { accounts: vec![account] };
        self.world.accounts().upsert_accounts(request).await?;
        let (account_id, currency_code) = (id.to_owned(), "CNY".to_owned());
        let request = CreateWalletRequest { account_id, currency_code };
        self.world.wallets().create_wallet(request).await?;
        self.opened.push((id.to_owned(), cny(cash)));
        self.say(&format!("{id} opens an account"))?;
        self.deposit(id, cash).await
    }

    /// Puts `cash` into the wallet of an account.
    pub async fn deposit(&mut self, account: &str, cash: &str) -> anyhow::Result<()> {
        let request = DepositRequest {
            request_id: self.world.request_id(),
            account_id: account.to_owned(),
            amount: Some(cny(cash)),
            note: "bank transfer".to_owned(),
        };
        self.world.wallets().deposit(request).await?;
        self.say(&format!("{account} deposits CNY {cash}"))
    }

    /// Sets the account's standard renewal date, which automatic renewals follow (U-1, U-4).
    pub async fn set_standard_day(&mut self, account: &str, day: i32) -> anyhow::Result<()> {
        let standard_day = Some(StandardDay { day: Some(Day::DayOfMonth(day)) });
        let settings = AccountSettings {
            standard_day,
            auto_follows_standard_day: true,
            ..AccountSettings::default()
        };
        let request = UpdateAccountSettingsRequest {
            account_id: account.to_owned(),
            settings: Some(settings),
            update_mask: Some(prost_types::FieldMask {
                paths: ["standard_day", "auto_follows_standard_day"].map(str::to_owned).into(),
            }),
            etag: String::new(),
        };
        self.world.accounts().update_account_settings(request).await?;
        self.say(&format!("{account} makes day {day} of the month its standard renewal date"))
    }

    /// Registers instances, each of which must be new.
    pub async fn register(&mut self, rows: Vec<InstanceRegistration>) -> anyhow::Result<()> {
        let ids: Vec<_> = rows.iter().map(|row| row.instance_id.clone()).collect();
        let request = RegisterInstancesRequest { registrations: rows };
        let answer = self.world.instances().register_instances(request).await?.into_inner();
        for row in &answer.results {
            if let Some(Row::Error(refusal)) = &row.result {
                let sentence = bill::refusal_line("not registered", &row.instance_id, refusal);
                self.told.off.push(sentence.clone());
                self.say(&sentence)?;
            }
        }
        self.say(&format!("the console registers {}", ids.join(", ")))
    }

    /// Asks what a renewal would give and cost, and shows the bill.
    pub async fn preview(
        &mut self,
        account: &str,
        selection: Selection,
    ) -> anyhow::Result<PreviewRenewalResponse> {
        let account_id = account.to_owned();
        let request = PreviewRenewalRequest { account_id, selection: Some(selection), as_of: None };
        let answer = self.world.orders().preview_renewal(request).await?.into_inner();
        let text = answer.bill.as_ref().map(|bill| bill::bill(bill, ZONE)).unwrap_or_default();
        self.say(&text)?;
        Ok(answer)
    }

    /// Orders and pays, as the account's profile says; checks that it cost what the preview said,
    /// and shows the order.
    pub async fn renew(&mut self, account: &str, selection: Selection) -> anyhow::Result<Order> {
        let account_id = account.to_owned();
        let preview = Some(selection.clone());
        let preview = PreviewRenewalRequest { account_id, selection: preview, as_of: None };
        let preview = self.world.orders().preview_renewal(preview).await?.into_inner();
        let previewed = preview.bill.and_then(|bill| bill.payable);

        let order = self.order(account, selection).await?;
        self.say(&bill::order(&order, ZONE))?;
        let state = show::word(order.state().as_str_name(), "STATE_");
        self.check("the order is", state, "COMPLETED")?;
        let payable = show::money(order.payable.as_ref());
        self.check("the preview said", show::money(previewed.as_ref()), payable)?;
        Ok(order)
    }

    /// Orders and pays at once.
    pub async fn order(&self, account: &str, selection: Selection) -> Result<Order, Status> {
        self.make(account, selection, Some(PaymentChoice::default())).await
    }

    /// Orders; the order awaits its payment.
    pub async fn unpaid(&self, account: &str, selection: Selection) -> Result<Order, Status> {
        self.make(account, selection, None).await
    }

    async fn make(
        &self,
        account: &str,
        selection: Selection,
        pay: Option<PaymentChoice>,
    ) -> Result<Order, Status> {
        let request = CreateRenewalOrderRequest {
            request_id: self.world.request_id(),
            account_id: account.to_owned(),
            what: Some(What::Selection(selection)),
            expected_payable: None,
            pay,
        };
        let answer = self.world.orders().create_renewal_order(request).await?;
        Ok(answer.into_inner().order.unwrap_or_default())
    }

    /// Tries to renew, and checks that it is refused, with this reason first.
    pub async fn refused(
        &mut self,
        account: &str,
        selection: Selection,
        reason: &str,
    ) -> anyhow::Result<()> {
        let what = selection.instance_ids.join(" + ");
        match self.order(account, selection).await {
            Ok(order) => {
                self.say(&bill::order(&order, ZONE))?;
                self.check(&format!("renewing {what} is refused"), "it was ordered", reason)
            }
            Err(status) => {
                self.say(&format!("refused: {}", status.message()))?;
                for violation in status::violations(&status) {
                    let status::Violation { reason, subject, description } = violation;
                    self.say(&format!("  {subject}: {reason}: {description}"))?;
                }
                let actual = status::reason(&status).unwrap_or_else(|| status.to_string());
                self.check(&format!("renewing {what} is refused with"), actual, reason)
            }
        }
    }

    /// An instance as it is now.
    pub async fn instance(&self, account: &str, id: &str) -> anyhow::Result<Instance> {
        let (account_id, instance_id) = (account.to_owned(), id.to_owned());
        let request = GetInstanceRequest { account_id, instance_id };
        let answer = self.world.instances().get_instance(request).await?.into_inner();
        answer.instance.context("an answer has an instance")
    }

    /// Checks the expiry of an instance, as its product shows it.
    pub async fn check_expiry(
        &mut self,
        account: &str,
        id: &str,
        expected: &str,
    ) -> anyhow::Result<()> {
        let instance = self.instance(account, id).await?;
        self.check(&format!("{id} now expires"), instance.expiry_shown, expected)
    }

    /// The spendable cash of an account.
    pub async fn cash(&self, account: &str) -> anyhow::Result<String> {
        let request = GetWalletRequest { account_id: account.to_owned() };
        let wallet = self.world.wallets().get_wallet(request).await?.into_inner().wallet;
        Ok(show::money(wallet.and_then(|wallet| wallet.cash).as_ref()))
    }
}

/// What a check compares: what is shown of it.
pub trait Shown {
    /// It, as text.
    fn shown(self) -> String;
}

impl<T: Display> Shown for T {
    fn shown(self) -> String {
        self.to_string()
    }
}

/// The item of `id` on an order.
pub fn item<'a>(order: &'a Order, id: &str) -> anyhow::Result<&'a BillItem> {
    let items = order.items.iter().filter_map(|item| item.item.as_ref());
    found(items, id)
}

/// The item of `id` among `items`.
pub fn found<'a>(
    mut items: impl Iterator<Item = &'a BillItem>,
    id: &str,
) -> anyhow::Result<&'a BillItem> {
    items.find(|item| item.instance_id == id).with_context(|| format!("{id} is not on the bill"))
}

/// What an item costs.
pub fn payable(item: &BillItem) -> String {
    show::money(item.quote.as_ref().and_then(|quote| quote.payable.as_ref()))
}

/// The list price of an item, exact.
pub fn list_price(item: &BillItem) -> String {
    show::exact(item.quote.as_ref().and_then(|quote| quote.list_price.as_ref()))
}

/// Days of an item: all of them, and the odd ones.
pub fn days(item: &BillItem) -> String {
    let span = item.span.unwrap_or_default();
    format!("{} days, {} odd", span.total_days, span.odd_days)
}
