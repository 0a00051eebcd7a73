//! Third-party payment: what vouchers and cash do not cover, and all that gateways do.

use proto::{
    convert::timestamp,
    renewal::v1::{CheckoutOrderRequest, GetOrderRequest, Order},
    wallet::v1::{
        GetWalletRequest, IssueVouchersRequest, ItemParts, ListVouchersRequest, PaymentIntent,
        Voucher, VoucherGrant, VoucherTerms,
    },
};

use super::{
    gateway::{self, SANDBOX},
    kingsoft,
    rows::{cny, metered, paid, renewal},
    story::Story,
    world::{ZONE, instant},
};
use crate::text::{bill, show};

/// Whose the chapter is.
pub const STARK: &str = "stark";

/// What it rents, and what a month of each costs.
pub const EIPS: [(&str, &str, &str); 3] =
    [("eip-shop", "5", "100.00"), ("eip-mail", "1", "20.00"), ("eip-vpn", "2", "40.00")];

/// The instances of [`EIPS`].
pub const IDS: [&str; 3] = [EIPS[0].0, EIPS[1].0, EIPS[2].0];

/// Until when they are paid, and until when they are after another month.
pub const BEFORE: &str = "2018-09-20 23:59:59";
pub const AFTER: &str = "2018-10-20 23:59:59";

/// Tells the chapter; the order that it ends with is the next one's beginning.
pub async fn tell(story: &mut Story) -> anyhow::Result<Order> {
    story.chapter(
        "Third-party payment",
        "stark pays one order by voucher, cash and a payment channel, which is a sandbox here.",
    )?;
    open(story).await?;
    let order = story.unpaid(STARK, renewal(&IDS, "1m")).await?;
    let first = in_three_ways(story, &order).await?;
    nobody_pays(story, &order).await?;
    let second = asked_anew(story, &order).await?;
    paid_in_vain(story, &first, &second).await?;
    story.current(&order).await
}

async fn open(story: &mut Story) -> anyhow::Result<()> {
    story.later("2018-09-07 10:00").await?;
    story.section("stark, its voucher and what it rents")?;
    story.open(STARK, "kingsoft", "30.00").await?;
    let terms = VoucherTerms {
        valid_from: Some(timestamp(instant("2018-09-01 00:00")?)),
        expire_time: Some(timestamp(instant("2019-01-01 00:00")?)),
        ..VoucherTerms::default()
    };
    let (account_id, face) = (STARK.to_owned(), Some(cny("40.00")));
    let grants = vec![VoucherGrant { account_id, face, terms: Some(terms) }];
    let request = IssueVouchersRequest { request_id: story.world.request_id(), grants };
    story.world.vouchers().issue_vouchers(request).await?;
    story.say("stark is given a voucher of CNY 40.00")?;
    let eip = |(id, mbps, _)| {
        let settings = [("line_type", "bgp"), ("bandwidth_mbps", mbps)];
        paid(metered(STARK, id, "ks-eip", &settings), "2018-08-21 00:00", "2018-09-20")
    };
    story.register(EIPS.into_iter().map(eip).collect::<Result<_, _>>()?).await?;
    let auto = proto::r#type::v1::RenewalPolicy::Auto;
    let results = kingsoft::set_policy(story, STARK, &["eip-mail"], auto).await?;
    story.check("eip-mail is set to", kingsoft::policy_or_reason(&results[0]), "AUTO")
}

/// W-3, W-4, V-4: 160.00 = 40.00 + 30.00 + 90.00, and each item in the same proportion.
async fn in_three_ways(story: &mut Story, order: &Order) -> anyhow::Result<PaymentIntent> {
    story.section("One order of 160.00: voucher, then cash, then the sandbox (W-3, W-4)")?;
    let open = story.checkout(order).await?;
    story.say(&bill::order(&open, ZONE))?;
    let intent = open.checkout.clone().unwrap_or_default();
    let asked = show::money(intent.amount.as_ref());
    story.check("the sandbox is asked for", asked, "CNY 90.00")?;
    let state = show::word(open.state().as_str_name(), "STATE_");
    story.check("until it confirms, the order is", state, "PENDING_PAYMENT")?;
    check_parts(story, &open)?;
    story.check_purse("cash 0.00 and 30.00 held, vouchers 0.00 and 40.00 held").await?;
    story.check_expiry(STARK, "eip-shop", BEFORE).await?;
    Ok(intent)
}

/// Each item's parts by source add up to its price (V-4).
fn check_parts(story: &mut Story, order: &Order) -> anyhow::Result<()> {
    let expected = [
        "voucher 25.00 + cash 18.75 + sandbox 56.25 = 100.00",
        "voucher 5.00 + cash 3.75 + sandbox 11.25 = 20.00",
        "voucher 10.00 + cash 7.50 + sandbox 22.50 = 40.00",
    ];
    for ((id, ..), expected) in EIPS.into_iter().zip(expected) {
        let mut items = order.items.iter();
        let parts = items.find_map(|it| it.parts.as_ref().filter(|parts| parts.instance_id == id));
        let shown = parts.map(shown_parts).unwrap_or_default();
        story.check(&format!("{id} is paid with"), shown, expected)?;
    }
    Ok(())
}

fn shown_parts(parts: &ItemParts) -> String {
    let voucher = parts.vouchers.iter().filter_map(|part| part.amount.as_ref());
    let voucher: i64 = voucher.map(|amount| amount.minor_units).sum();
    let cash = minor(parts.cash.as_ref());
    let channel = minor(parts.channel.as_ref());
    format!(
        "voucher {} + cash {} + sandbox {} = {}",
        yuan(voucher),
        yuan(cash),
        yuan(channel),
        yuan(voucher + cash + channel),
    )
}

/// W-3.
async fn nobody_pays(story: &mut Story, order: &Order) -> anyhow::Result<()> {
    story.later("2018-09-07 10:30").await?;
    story.section("Nobody pays for half an hour: what was set aside is released (W-3)")?;
    story.world.sweep("expire-holds").await?;
    story.world.sweep("advance").await?;
    story.check_purse("cash 30.00 and 0.00 held, vouchers 40.00 and 0.00 held").await?;
    let order = story.current(order).await?;
    let state = show::word(order.state().as_str_name(), "STATE_");
    story.check("the order is", state, "PENDING_PAYMENT")?;
    story.check("a channel is still asked", order.checkout.is_some(), false)
}

/// W-4, O-8.
async fn asked_anew(story: &mut Story, order: &Order) -> anyhow::Result<PaymentIntent> {
    story.section("Asked anew, the sandbox confirms by a signed message (W-4)")?;
    let open = story.checkout(order).await?;
    let intent = open.checkout.clone().unwrap_or_default();
    let asked = show::money(intent.amount.as_ref());
    story.check("it is asked for", asked, "CNY 90.00")?;
    story.later("2018-09-07 10:40").await?;
    let message = gateway::paid(&story.world, &intent, "sandbox-1");
    story.forged(&message).await?;
    story.callback(&message, "PAID CNY 90.00").await?;
    story.say("It sends the same message again: the first answer, and nothing happens.")?;
    story.callback(&message, "PAID CNY 90.00").await?;
    story.check_purse("cash 0.00 and 0.00 held, vouchers 0.00 and 0.00 held").await?;
    story.later("2018-09-07 10:41").await?;
    story.world.sweep("advance").await?;
    let paid = story.current(order).await?;
    let state = show::word(paid.state().as_str_name(), "STATE_");
    story.check("the order is", state, "COMPLETED")?;
    let instant = show::instant(paid.payment_time.as_ref(), ZONE);
    story.check("it was paid when the sandbox said so (O-8)", instant, "2018-09-07 10:40:00")?;
    check_parts(story, &paid)?;
    for id in IDS {
        story.check_expiry(STARK, id, AFTER).await?;
    }
    Ok(intent)
}

/// W-4: money that nobody asked for any more is the customer's.
async fn paid_in_vain(
    story: &mut Story,
    first: &PaymentIntent,
    second: &PaymentIntent,
) -> anyhow::Result<()> {
    story.section("Paid twice, and paid too late: the money is stark's (W-4)")?;
    story.say("Other money for what was paid:")?;
    let again = gateway::paid(&story.world, second, "sandbox-2");
    story.callback(&again, "TO_CASH_BALANCE PAID_TWICE CNY 90.00").await?;
    story.say("Money for the checkout that ended unpaid at 10:30:")?;
    let late = gateway::paid(&story.world, first, "sandbox-3");
    story.callback(&late, "TO_CASH_BALANCE PAID_TOO_LATE CNY 90.00").await?;
    story.check_purse("cash 180.00 and 0.00 held, vouchers 0.00 and 0.00 held").await
}

impl Story {
    /// Has the sandbox asked for what vouchers and cash do not cover.
    async fn checkout(&self, order: &Order) -> anyhow::Result<Order> {
        let request = CheckoutOrderRequest {
            request_id: self.world.request_id(),
            account_id: order.account_id.clone(),
            order_id: order.order_id.clone(),
            channel: SANDBOX.to_owned(),
            pay: None,
            use_cash: true,
        };
        let answer = self.world.orders().checkout_order(request).await?.into_inner();
        Ok(answer.order.unwrap_or_default())
    }

    /// An order as it is now.
    pub async fn current(&self, order: &Order) -> anyhow::Result<Order> {
        let (account_id, order_id) = (order.account_id.clone(), order.order_id.clone());
        let request = GetOrderRequest { account_id, order_id };
        let answer = self.world.orders().get_order(request).await?.into_inner();
        Ok(answer.order.unwrap_or_default())
    }

    /// Checks what stark has: its cash, and its vouchers.
    pub async fn check_purse(&mut self, expected: &str) -> anyhow::Result<()> {
        let account_id = STARK.to_owned();
        let request = GetWalletRequest { account_id: account_id.clone() };
        let wallet = self.world.wallets().get_wallet(request).await?.into_inner().wallet;
        let wallet = wallet.unwrap_or_default();
        let request = ListVouchersRequest { account_id, ..ListVouchersRequest::default() };
        let list = self.world.vouchers().list_vouchers(request).await?.into_inner().vouchers;
        let remaining = list.iter().map(|voucher| minor(voucher.remaining.as_ref())).sum();
        let held = |voucher: &Voucher| voucher.usage.as_ref().and_then(|it| it.held.clone());
        let held = list.iter().map(|voucher| minor(held(voucher).as_ref())).sum();
        let text = format!(
            "cash {} and {} held, vouchers {} and {} held",
            yuan(minor(wallet.cash.as_ref())),
            yuan(minor(wallet.held.as_ref())),
            yuan(remaining),
            yuan(held),
        );
        self.check("stark has", text, expected)
    }
}

/// Minor units; none is zero.
pub fn minor(amount: Option<&proto::r#type::v1::Money>) -> i64 {
    amount.map_or(0, |amount| amount.minor_units)
}

/// Minor units with two digits after the point.
pub fn yuan(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}
