//! Refunds: by item and by order, to where each part came from.

use chrono::TimeDelta;
use proto::{
    renewal::v1::{Order, RefundOrderRequest, RefundOrderResponse},
    wallet::v1::{Refund, RefundDestination},
};
use tonic::Status;

use super::{
    checkout::{AFTER, BEFORE, IDS, STARK, minor, yuan},
    gateway,
    rows::renewal,
    story::Story,
};
use crate::text::{bill, show};

/// Tells the chapter, of the `order` that the chapter before has paid.
pub async fn tell(story: &mut Story, order: &Order) -> anyhow::Result<()> {
    story.chapter(
        "Refunds",
        "stark gives back what has not begun: each part goes to where it came from.",
    )?;
    to_the_cash_balance(story, order).await?;
    back_through_the_channel(story, order).await?;
    refused_by_the_channel(story, order).await?;
    from_the_last_backwards(story).await
}

/// O-6, V-4.
async fn to_the_cash_balance(story: &mut Story, order: &Order) -> anyhow::Result<()> {
    story.later("2018-09-08 09:00").await?;
    story.section("One item of the order; the sandbox's part goes to the cash balance (O-6)")?;
    let answer = story.refund(order, &["eip-mail"], RefundDestination::CashBalance).await?;
    let manual = answer.made_manual_ids.join(" ");
    let order = answer.order.unwrap_or_default();
    story.say(&bill::given_back(&order.refunds))?;
    check_state(story, &order, "PARTLY_REFUNDED")?;
    let back = "SUCCEEDED: voucher 5.00, cash 3.75, from the sandbox to cash 11.25";
    check_last(story, &order, back)?;
    story.check("what was renewed automatically and is manual now", manual, "eip-mail")?;
    story.check_expiry(STARK, "eip-mail", BEFORE).await?;
    story.check_expiry(STARK, "eip-shop", AFTER).await?;
    story.check_purse("cash 195.00 and 0.00 held, vouchers 5.00 and 0.00 held").await
}

/// O-6: pending until the channel says that it is done.
async fn back_through_the_channel(story: &mut Story, order: &Order) -> anyhow::Result<()> {
    story.section("Another one, back through the sandbox: on its way until it confirms (O-6)")?;
    let answer = story.refund(order, &["eip-vpn"], RefundDestination::Channel).await?;
    let refunded = answer.order.unwrap_or_default();
    let back = "PENDING: voucher 10.00, cash 7.50, through the sandbox 22.50";
    check_last(story, &refunded, back)?;
    story.check_purse("cash 202.50 and 0.00 held, vouchers 15.00 and 0.00 held").await?;
    story.later("2018-09-08 09:10").await?;
    let message = gateway::gave_back(&story.world, last(&refunded));
    story.callback(&message, "REFUNDED CNY 22.50").await?;
    let order = story.followed(order).await?;
    let back = "SUCCEEDED: voucher 10.00, cash 7.50, through the sandbox 22.50";
    check_last(story, &order, back)?;
    story.check_purse("cash 202.50 and 0.00 held, vouchers 15.00 and 0.00 held").await
}

/// O-6: what a channel does not take back is the customer's.
async fn refused_by_the_channel(story: &mut Story, order: &Order) -> anyhow::Result<()> {
    story.section("What is left of the order; the sandbox refuses to give back (O-6)")?;
    let answer = story.refund(order, &[], RefundDestination::Channel).await?;
    let refunded = answer.order.unwrap_or_default();
    let back = "PENDING: voucher 25.00, cash 18.75, through the sandbox 56.25";
    check_last(story, &refunded, back)?;
    story.later("2018-09-08 09:20").await?;
    let message = gateway::will_not(&story.world, last(&refunded));
    story.callback(&message, "TO_CASH_BALANCE REFUND_REFUSED CNY 56.25").await?;
    let order = story.followed(order).await?;
    check_state(story, &order, "REFUNDED")?;
    let back = "SUCCEEDED: voucher 25.00, cash 18.75, from the sandbox to cash 56.25";
    check_last(story, &order, back)?;
    for id in IDS {
        story.check_expiry(STARK, id, BEFORE).await?;
    }
    // 30 deposited, 90 twice in vain, 11.25 and 56.25 from the sandbox.
    story.check_purse("cash 277.50 and 0.00 held, vouchers 40.00 and 0.00 held").await
}

/// O-6: `NOT_LAST_TERM`.
async fn from_the_last_backwards(story: &mut Story) -> anyhow::Result<()> {
    story.section("Renewed again, one of them twice: terms go back from the last one (O-6)")?;
    let first = story.renew(STARK, renewal(&IDS, "1m")).await?;
    let second = story.renew(STARK, renewal(&["eip-mail"], "1m")).await?;
    story.check_purse("cash 137.50 and 0.00 held, vouchers 0.00 and 0.00 held").await?;
    story.check_expiry(STARK, "eip-mail", "2018-11-20 23:59:59").await?;
    let early = story.refund(&first, &[], RefundDestination::CashBalance).await;
    let reason = early.err().and_then(|status| platform::status::reason(&status));
    let reason = reason.unwrap_or_else(|| "nothing".to_owned());
    story.check("the first order cannot go back yet", reason, "NOT_LAST_TERM")?;
    for order in [second, first] {
        let answer = story.refund(&order, &[], RefundDestination::CashBalance).await?;
        check_state(story, &answer.order.unwrap_or_default(), "REFUNDED")?;
    }
    for id in IDS {
        story.check_expiry(STARK, id, BEFORE).await?;
    }
    story.check_purse("cash 277.50 and 0.00 held, vouchers 40.00 and 0.00 held").await?;
    let again = story.renew(STARK, renewal(&["eip-mail"], "1m")).await?;
    story.check("renewed after all, for", show::money(again.payable.as_ref()), "CNY 20.00")?;
    story.check_expiry(STARK, "eip-mail", AFTER).await?;
    story.check_purse("cash 277.50 and 0.00 held, vouchers 20.00 and 0.00 held").await
}

fn check_state(story: &mut Story, order: &Order, expected: &str) -> anyhow::Result<()> {
    let state = show::word(order.state().as_str_name(), "STATE_");
    story.check("the order is", state, expected)
}

/// Checks what the last refund of an order gives back, and to where.
fn check_last(story: &mut Story, order: &Order, expected: &str) -> anyhow::Result<()> {
    story.check("the refund is", shown(last(order)), expected)
}

/// The last refund of an order.
fn last(order: &Order) -> &Refund {
    order.refunds.last().expect("the chapter looks at orders with refunds only")
}

fn shown(back: &Refund) -> String {
    let state = back.state().as_str_name().trim_start_matches("STATE_");
    let (mut vouchers, mut cash, mut channel, mut to_cash) = (0, 0, 0, 0);
    for part in &back.parts {
        vouchers += part.vouchers.iter().map(|it| minor(it.amount.as_ref())).sum::<i64>();
        cash += minor(part.cash.as_ref());
        channel += minor(part.channel.as_ref());
        to_cash += minor(part.channel_to_cash.as_ref());
    }
    let places = [
        ("voucher", vouchers),
        ("cash", cash),
        ("through the sandbox", channel),
        ("from the sandbox to cash", to_cash),
    ];
    let places = places.into_iter().filter(|&(_, amount)| amount != 0);
    let places = places.map(|(place, amount)| format!("{place} {}", yuan(amount)));
    format!("{state}: {}", places.collect::<Vec<_>>().join(", "))
}

impl Story {
    /// Gives back items of an order; none: all that are left.
    async fn refund(
        &self,
        order: &Order,
        ids: &[&str],
        destination: RefundDestination,
    ) -> Result<RefundOrderResponse, Status> {
        let request = RefundOrderRequest {
            request_id: self.world.request_id(),
            account_id: order.account_id.clone(),
            order_id: order.order_id.clone(),
            instance_ids: ids.iter().map(|&id| id.to_owned()).collect(),
            destination: destination.into(),
        };
        Ok(self.world.orders().refund_order(request).await?.into_inner())
    }

    /// An order, once the sweep has asked what became of its refunds.
    async fn followed(&mut self, order: &Order) -> anyhow::Result<Order> {
        self.world.pass(TimeDelta::minutes(1));
        self.world.sweep("advance").await?;
        self.current(order).await
    }
}
