//! Bills, orders and refusals, as a customer reads them.

use std::fmt::Write as _;

use chrono_tz::Tz;
use proto::{
    catalog::v1::{ItemQuote, quote_line},
    renewal::v1::{Bill, BillItem, Order, OrderItem, Refusal, RefusedInstance},
    r#type::v1::Money,
    wallet::v1::{ItemParts, Refund, refund},
};

use super::{
    show,
    table::{Look, Table, facts, look},
};

/// A bill: what each instance gets and costs and how that came about, what is refused and why.
pub fn bill(bill: &Bill, zone: Tz) -> String {
    let mut text = priced(&bill.items, bill.payable.as_ref(), zone);
    text += &refused("refused", &bill.refused);
    text += &refused("left out", &bill.left_out);
    if !bill.durations.is_empty() {
        let durations = show::durations(&bill.durations);
        let offer = offer(bill.items.len() + bill.refused.len());
        let _ = writeln!(text, "{} {durations}", look(offer, Look::Quiet));
    }
    text
}

/// What stands before the durations that so many instances offer.
pub const fn offer(instances: usize) -> &'static str {
    if instances == 1 { "it can be renewed for" } else { "all of them offer" }
}

/// The items of a bill with their lines, and the sum.
pub fn priced(items: &[BillItem], payable: Option<&Money>, zone: Tz) -> String {
    if items.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["BILL", ">AMOUNT", "RULES"]);
    for item in items {
        let quote = item.quote.as_ref();
        let paid = show::money(quote.and_then(|quote| quote.payable.as_ref()));
        table.row([heading(item, zone), look(&paid, Look::Strong), String::new()]);
        for (text, amount, rules) in quote.into_iter().flat_map(lines) {
            table.row([format!("  {text}"), amount, look(&rules, Look::Quiet)]);
        }
        if item.days_already_past > 0 {
            let days = show::counted(item.days_already_past.into(), "day");
            let text = format!("  {days} of it have passed already");
            table.row([look(&text, Look::Notable), String::new(), look("L-2", Look::Quiet)]);
        }
    }
    let total = look(&show::money(payable), Look::Strong);
    table.row([look("payable", Look::Strong), total, String::new()]);
    table.text()
}

/// What an item is: `vm-1  jd-vm  RENEWAL  1 year  2018-09-03 → 2019-09-02 23:59:59`.
fn heading(item: &BillItem, zone: Tz) -> String {
    let kind = show::word(item.order_kind().as_str_name(), "ORDER_KIND_");
    let span = item.span.as_ref().map(show::span).unwrap_or_default();
    let start = show::instant(item.start_time.as_ref(), zone);
    let end = &item.expiry_shown;
    let id = look(&item.instance_id, Look::Strong);
    format!("{id}  {}  {kind}  {span}  {start} → {end}", item.product_id)
}

/// The lines of a quote: text, exact amount, rules.
fn lines(quote: &ItemQuote) -> Vec<(String, String, String)> {
    let line = |line: &proto::catalog::v1::QuoteLine| {
        let text = match line.kind() {
            quote_line::Kind::Discount if !quote.discount_name.is_empty() => {
                format!("{}: {}", quote.discount_name, line.text)
            }
            _ => line.text.clone(),
        };
        (text, show::exact(line.amount.as_ref()), line.rule_ids.join(" "))
    };
    quote.lines.iter().map(line).collect()
}

/// Instances that are not on a bill, with every reason.
pub fn refused(what: &str, instances: &[RefusedInstance]) -> String {
    let mut text = String::new();
    for RefusedInstance { instance_id, refusals } in instances {
        for refusal in refusals {
            let _ = writeln!(text, "{}", refusal_line(what, instance_id, refusal));
        }
    }
    text
}

/// One reason: `refused disk-1: TERM_NOT_OFFERED (T-1): … [durations: 1m 1y]`.
pub fn refusal_line(what: &str, instance_id: &str, refusal: &Refusal) -> String {
    let Refusal { reason, message, rule_id, metadata } = refusal;
    let reason = look(reason, Look::Bad);
    let pairs = metadata.iter().map(|(name, value)| format!("{name}: {value}"));
    let pairs = pairs.collect::<Vec<_>>().join(", ");
    // Some reasons have no rule of their own, but a section of the rules.
    let rule = if rule_id.contains('-') { format!(" ({rule_id})") } else { String::new() };
    let more = if pairs.is_empty() { pairs } else { look(&format!(" [{pairs}]"), Look::Quiet) };
    let subject = format!("{what} {instance_id}");
    format!("{}: {reason}{rule}: {message}{more}", subject.trim())
}

/// An order: where it is in its life, its bill, what paid it.
pub fn order(order: &Order, zone: Tz) -> String {
    let state = show::word(order.state().as_str_name(), "STATE_");
    let mut text = facts([
        ("order", order.order_id.clone()),
        ("account", order.account_id.clone()),
        ("state", look(&state, state_look(&state))),
        ("made", show::instant(order.create_time.as_ref(), zone)),
        (
            "to be paid by",
            show::instant(unpaid(order).then_some(()).and(order.expire_time.as_ref()), zone),
        ),
        ("paid at", show::instant(order.payment_time.as_ref(), zone)),
        ("payment", order.payment_id.clone()),
        ("checkout", checkout(order, zone)),
        ("dates moved", order.moved_instance_ids.join(" ")),
    ]);
    let items: Vec<_> = order.items.iter().filter_map(|item| item.item.clone()).collect();
    text += &priced(&items, order.payable.as_ref(), zone);
    text += &refused("left out", &order.left_out);
    text += &paid_with(&order.items);
    text += &given_back(&order.refunds);
    if let Some(refusal) = &order.payment_refusal {
        let reason = look(&refusal.reason, Look::Bad);
        let missing = show::money(refusal.missing.as_ref());
        let _ = writeln!(text, "not paid: {reason}: {} (missing {missing})", refusal.message);
    }
    if let Some(why) = &order.ended_why {
        let _ = writeln!(text, "{}", refusal_line("ended", "", why));
    }
    text
}

/// What a channel is asked for: `0190… at sandbox, CNY 56.00 until 2026-03-01 09:30:00`.
fn checkout(order: &Order, zone: Tz) -> String {
    let Some(intent) = &order.checkout else { return String::new() };
    let amount = show::money(intent.amount.as_ref());
    let until = show::instant(intent.expire_time.as_ref(), zone);
    format!("{} at {}, {amount} until {until}", intent.intent_id, intent.channel)
}

fn unpaid(order: &Order) -> bool {
    order.state() == proto::renewal::v1::order::State::PendingPayment
}

/// How the word of an order's state looks.
pub fn state_look(state: &str) -> Look {
    match state {
        "PAID" | "COMPLETED" => Look::Good,
        "EXPIRED" | "FAILED" | "CANCELLED" => Look::Bad,
        _ => Look::Notable,
    }
}

/// What paid each item of an order; nothing where none is paid yet.
fn paid_with(items: &[OrderItem]) -> String {
    let parts: Vec<_> = items.iter().filter_map(|item| item.parts.clone()).collect();
    if parts.is_empty() { String::new() } else { parts_table(&parts) }
}

/// What was given back, item by item: one row for each place that it went to.
pub fn given_back(refunds: &[Refund]) -> String {
    let mut table = Table::new(&["REFUNDED", "TO", ">AMOUNT"]);
    for refund in refunds {
        let through = match refund.state() {
            refund::State::Pending => "channel, on its way",
            _ => "channel",
        };
        for part in &refund.parts {
            for voucher in &part.vouchers {
                let over = if voucher.is_void { ", which is over" } else { "" };
                let to = format!("voucher {}{over}", voucher.voucher_id);
                table.row([part.instance_id.clone(), to, show::money(voucher.amount.as_ref())]);
            }
            for (to, amount) in [
                ("cash", &part.cash),
                (through, &part.channel),
                ("cash, from the channel", &part.channel_to_cash),
            ] {
                if let Some(amount) = amount.as_ref().filter(|amount| amount.minor_units != 0) {
                    let amount = show::money(Some(amount));
                    table.row([part.instance_id.clone(), to.to_owned(), amount]);
                }
            }
        }
    }
    let mut text = if table.is_empty() { String::new() } else { table.text() };
    for refund in refunds.iter().filter(|it| it.state() == refund::State::Pending) {
        let channel = refund.parts.iter().filter_map(|part| part.channel.clone());
        let owed = channel
            .reduce(|sum, part| Money { minor_units: sum.minor_units + part.minor_units, ..sum });
        let _ = writeln!(
            text,
            "refund {} awaits the channel, which owes {}",
            refund.refund_id,
            show::money(owed.as_ref())
        );
    }
    text
}

/// What each item is paid with: one row per voucher, one for cash, one for the channel.
pub fn parts_table(parts: &[ItemParts]) -> String {
    let mut table = Table::new(&["PAID FOR", "WITH", ">AMOUNT"]);
    for ItemParts { instance_id, vouchers, cash, channel } in parts {
        for part in vouchers {
            let voucher = format!("voucher {}", part.voucher_id);
            table.row([instance_id.clone(), voucher, show::money(part.amount.as_ref())]);
        }
        if cash.as_ref().is_some_and(|cash| cash.minor_units != 0) {
            table.row([instance_id.clone(), "cash".to_owned(), show::money(cash.as_ref())]);
        }
        if channel.is_some() {
            table.row([instance_id.clone(), "channel".to_owned(), show::money(channel.as_ref())]);
        }
    }
    if table.is_empty() { String::new() } else { table.text() }
}

#[cfg(test)]
mod tests;
