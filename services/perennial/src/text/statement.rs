//! Statements, as people read them and as spreadsheets do.

use chrono_tz::Tz;
use proto::{
    r#type::v1::Money,
    wallet::v1::{Balances, GetStatementResponse, StatementLine},
};

use super::{
    show,
    table::{Table, facts},
};

/// A statement as tables: what there was, the movements, what they add up to, and what there is.
pub fn table(statement: &GetStatementResponse, zone: Tz) -> String {
    let mut lines = Table::new(&[
        ">ENTRY",
        "TIME",
        "KIND",
        "FROM",
        "TO",
        ">AMOUNT",
        ">CASH AFTER",
        "INSTANCES",
        "NOTE",
    ]);
    for line in &statement.lines {
        let entry = line.entry.clone().unwrap_or_default();
        lines.row([
            entry.number.to_string(),
            show::instant(entry.create_time.as_ref(), zone),
            kind(line.kind().as_str_name()),
            entry.debit,
            entry.credit,
            show::money(entry.amount.as_ref()),
            show::money(line.cash_after.as_ref()),
            show::or_nothing(&instances(line, show::money)),
            show::or_nothing(&entry.note),
        ]);
    }
    let mut sums = Table::new(&["", ">MOVEMENTS", ">CASH", ">HELD", ">VOUCHERS"]);
    let mut sum = |name: String, count: String, balances: Option<&Balances>| {
        let [cash, held, vouchers] = amounts(balances).map(show::money);
        sums.row([name, count, cash, held, vouchers]);
    };
    let start = show::instant(statement.start_time.as_ref(), zone);
    let end = show::instant(statement.end_time.as_ref(), zone);
    sum(format!("opening {start}"), String::new(), statement.opening.as_ref());
    for total in &statement.totals {
        let name = kind(total.kind().as_str_name());
        sum(name, total.count.to_string(), total.change.as_ref());
    }
    sum(format!("closing {end}"), String::new(), statement.closing.as_ref());
    let lines =
        if lines.is_empty() { facts([("movements", "none".to_owned())]) } else { lines.text() };
    lines + &sums.text()
}

const COLUMNS: &str = "number,time,kind,debit,credit,amount,currency,cash_change,held_change,\
voucher_change,cash_after,payment_id,order_id,refund_id,instances,note";

/// The movements of a statement between its opening and closing, as comma-separated values
/// (RFC 4180).
pub fn csv(statement: &GetStatementResponse, zone: Tz) -> String {
    let mut text = format!("{COLUMNS}\r\n");
    let frame = |name: &str, time, balances: &Option<Balances>| {
        let [cash, held, vouchers] = amounts(balances.as_ref()).map(plain);
        let time = show::instant(time, zone);
        format!(",{time},{name},,,,,{cash},{held},{vouchers},{cash},,,,,\r\n")
    };
    text += &frame("OPENING", statement.start_time.as_ref(), &statement.opening);
    for line in &statement.lines {
        let entry = line.entry.clone().unwrap_or_default();
        let [cash, held, vouchers] = amounts(line.change.as_ref()).map(plain);
        let currency = entry.amount.as_ref().map(|it| it.currency_code.clone());
        let cells = [
            entry.number.to_string(),
            show::instant(entry.create_time.as_ref(), zone),
            kind(line.kind().as_str_name()),
            entry.debit,
            entry.credit,
            plain(entry.amount.as_ref()),
            currency.unwrap_or_default(),
            cash,
            held,
            vouchers,
            plain(line.cash_after.as_ref()),
            entry.payment_id,
            entry.order_id,
            entry.refund_id,
            instances(line, plain),
            entry.note,
        ];
        text += &(cells.map(|cell| quoted(&cell)).join(",") + "\r\n");
    }
    text + &frame("CLOSING", statement.end_time.as_ref(), &statement.closing)
}

fn kind(name: &str) -> String {
    show::word(name, "MOVEMENT_KIND_")
}

fn amounts(balances: Option<&Balances>) -> [Option<&Money>; 3] {
    let cash = balances.and_then(|it| it.cash.as_ref());
    let held = balances.and_then(|it| it.held.as_ref());
    [cash, held, balances.and_then(|it| it.vouchers.as_ref())]
}

fn instances(line: &StatementLine, amount: impl Fn(Option<&Money>) -> String) -> String {
    let one = |it: &proto::wallet::v1::InstanceAmount| {
        format!("{} {}", it.instance_id, amount(it.amount.as_ref()))
    };
    line.instances.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// An amount without its currency: `672.00`.
fn plain(amount: Option<&Money>) -> String {
    let text = show::money(amount);
    text.split_once(' ').map_or(String::new(), |(_, number)| number.to_owned())
}

/// A cell that may hold commas, quotes and line ends. What a spreadsheet would take for a formula
/// stays text.
fn quoted(cell: &str) -> String {
    let is_number = cell.parse::<f64>().is_ok();
    let formula = !is_number && cell != "-" && cell.starts_with(['=', '+', '-', '@', '\t']);
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

#[cfg(test)]
mod tests;
